"""Attacks: the closed-form optimum of a linear model, the ball and the range, and nothing at eps 0."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.core.attacks import fgsm, pgd

RNG = np.random.default_rng(0)
SHAPE = (6, 4, 4, 3)
WEIGHTS = RNG.normal(size=SHAPE[1:]).astype(np.float32)
INPUTS = RNG.normal(size=SHAPE).astype(np.float32)
SIGNS = np.array([1, -1, 1, 1, -1, -1], np.float32)
EPS = np.array([0.1, 0.2, 0.05], np.float32)  # a channel
LOW, HIGH = np.array([-1.0, -0.8, -1.5], np.float32), np.array([0.9, 1.1, 0.6], np.float32)
INSIDE = np.clip(INPUTS, LOW, HIGH)


def margins(inputs):
    return SIGNS * jnp.einsum("bhwc,hwc->b", inputs, WEIGHTS)


def loss(inputs):
    """Logistic loss of a linear model, summed."""
    return jnp.sum(jnp.logaddexp(0.0, -margins(inputs)))


gradient = jax.grad(loss)
ATTACKS = {
    "fgsm": fgsm,
    "pgd": partial(pgd, steps=5, step_size=EPS / 2),
    "pgd with large steps": partial(pgd, steps=3, step_size=1.0),
}


def curved(inputs):
    """Gradient of a loss with many hills, so that sign steps wander."""
    return jnp.cos(40 * inputs) + 0.3 * jnp.sin(7 * jnp.roll(inputs, 1, axis=2))


def compiled_on_both(attack):
    """The attack on the linear model or, with hills = 1, on the loss with hills."""

    def attacked(x, eps, low=None, high=None, hills=0.0):
        return attack(lambda x: (1 - hills) * gradient(x) + hills * curved(x), x, eps, low, high)

    return jax.jit(attacked)


compiled = {name: compiled_on_both(attack) for name, attack in ATTACKS.items()}
every_attack = pytest.mark.parametrize("attack", ATTACKS)


@every_attack
def test_a_linear_model_loses_eps_times_its_l1_norm(attack):
    found = compiled[attack](INPUTS, EPS)
    lost = np.abs(WEIGHTS).sum(axis=(0, 1)) @ EPS
    np.testing.assert_allclose(margins(found), margins(INPUTS) - lost, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(loss(found), np.logaddexp(0, lost - margins(INPUTS)).sum(), rtol=1e-5)


@every_attack
def test_within_a_range_the_optimum_is_the_clipped_one(attack):
    found = compiled[attack](INSIDE, EPS, LOW, HIGH)
    uphill = -SIGNS[:, None, None, None] * np.sign(WEIGHTS)[None]
    np.testing.assert_allclose(found, np.clip(INSIDE + EPS * uphill, LOW, HIGH), rtol=1e-6, atol=1e-6)


@every_attack
@pytest.mark.parametrize("low, high", [(None, None), (LOW, HIGH)])
def test_neither_the_ball_nor_the_range_is_left(attack, low, high):
    inputs = INPUTS if low is None else INSIDE
    found = np.asarray(compiled[attack](inputs, EPS, low, high, hills=1.0))
    assert np.all(np.abs(found - inputs) <= EPS + 1e-6)
    assert np.abs(found - inputs).max() > 0.04, "the attack did nothing"
    if low is not None:
        assert np.all((found >= low) & (found <= high))


@pytest.mark.parametrize("low, high", [(None, 0.5), (-0.5, None)])
def test_a_range_may_be_open_on_one_side(low, high):
    inputs = np.clip(INPUTS, low, high)
    found = compiled["fgsm"](inputs, EPS, low, high)
    np.testing.assert_array_equal(found, np.clip(compiled["fgsm"](inputs, EPS), low, high))


@every_attack
@pytest.mark.parametrize("low, high", [(None, None), (LOW, HIGH)])
def test_eps_0_is_the_identity_even_outside_of_the_range(attack, low, high):
    np.testing.assert_array_equal(compiled[attack](INPUTS, 0 * EPS, low, high), INPUTS)


def test_an_input_out_of_range_is_not_moved_further_out():
    pushed = jax.jit(lambda x, by: fgsm(lambda x: jnp.full_like(x, by), x, 0.5, 0.0, 1.0))
    inputs = np.array([[1.25, 0.95, 0.0, -0.25]], np.float32)
    np.testing.assert_array_equal(pushed(inputs, 2.0), [[1.25, 1.0, 0.5, 0.25]])
    np.testing.assert_allclose(pushed(inputs, -2.0), [[0.75, 0.45, 0.0, -0.25]], rtol=1e-6)
    assert np.all(np.isnan(pushed(inputs, np.nan))), "a gradient that is not finite must not be hidden"


def test_the_loss_rises_with_eps_and_more_than_under_noise():
    losses = [float(loss(compiled["fgsm"](INPUTS, np.full(3, eps, np.float32)))) for eps in (0.0, 0.01, 0.1, 0.3)]
    assert np.all(np.diff(losses) > 0)
    noise = 0.3 * np.sign(np.random.default_rng(1).normal(size=SHAPE)).astype(np.float32)
    assert float(loss(INPUTS + noise)) < losses[-1]


def test_pgd_is_no_weaker_than_fgsm():
    """Equal where the loss is linear in the inputs; stronger where the gradient turns within the ball."""
    found = [float(loss(compiled[name](INPUTS, EPS))) for name in ("pgd", "fgsm")]
    assert found[0] >= found[1] * (1 - 1e-6)

    def hill(x):  # its top at 0.1 is inside of the ball: one step of eps leaps over it
        return -jnp.sum(jnp.square(x - 0.1))

    start = np.zeros((2, 3), np.float32)
    by_fgsm = jax.jit(lambda x: fgsm(jax.grad(hill), x, 0.3))(start)
    by_pgd = jax.jit(lambda x: pgd(jax.grad(hill), x, 0.3, steps=20, step_size=0.02))(start)
    np.testing.assert_allclose(by_fgsm, 0.3, rtol=1e-6)
    np.testing.assert_allclose(by_pgd, 0.1, atol=0.0201)
    assert hill(by_pgd) > hill(by_fgsm)


def test_one_step_of_pgd_is_fgsm():
    one_step = jax.jit(lambda x: pgd(gradient, x, EPS, LOW, HIGH, steps=1, step_size=EPS))(INSIDE)
    np.testing.assert_array_equal(one_step, compiled["fgsm"](INSIDE, EPS, LOW, HIGH))


@pytest.mark.parametrize("attack", ["fgsm", "pgd with large steps"])
def test_the_same_call_gives_the_same_answer_compiled_or_not(attack):
    found = compiled[attack](INSIDE, EPS, LOW, HIGH)
    np.testing.assert_array_equal(found, compiled[attack](INSIDE, EPS, LOW, HIGH))
    eager = ATTACKS[attack](gradient, jnp.asarray(INSIDE), EPS, LOW, HIGH)
    np.testing.assert_allclose(found, eager, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("steps", [0, -1])
def test_no_steps_are_refused(steps):
    with pytest.raises(ValueError, match=f"steps is {steps}, must be at least 1"):
        pgd(gradient, INPUTS, EPS, steps=steps, step_size=0.1)


@pytest.mark.parametrize("attack", ATTACKS)
def test_integers_are_attacked_as_floats_are(attack):
    """In bytes, a step of less than 1 would be none, and the model would look robust."""
    inputs = RNG.integers(256, size=SHAPE).astype(np.uint8)
    np.testing.assert_array_equal(
        ATTACKS[attack](gradient, inputs, 0.5), ATTACKS[attack](gradient, np.float32(inputs), 0.5)
    )


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("eps", [-0.1, np.nan, np.array([0.1, -0.1, 0.2])])
def test_a_negative_eps_is_refused(attack, eps):
    with pytest.raises(ValueError, match="eps is .*, must be 0 or more"):
        ATTACKS[attack](gradient, INPUTS, eps)

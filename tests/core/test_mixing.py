"""Mixup itself: one partner and one lam for inputs and targets. Its variants are in test_mixing_variants.py."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamv.core import batch
from lamv.core.laws import beta, discrete, fixed, uniform
from lamv.core.losses import cross_entropy
from lamv.core.mixing import draw_lam, draw_partner, midpoint, mix, mixup

KEY = jax.random.key(7)
MANY = 20_000
METHODS = {
    "mixup, a lam an example": partial(mixup, alpha=0.7),
    "mixup, a lam for the batch": partial(mixup, alpha=0.7, lam_per="batch"),
    "midpoint": midpoint,
}

COMPILED = {name: jax.jit(method) for name, method in METHODS.items()}
lam_of = jax.jit(lambda key, law, rows, lam_per: draw_lam(key, batch.whole(rows), law, lam_per=lam_per),
                 static_argnames=("rows", "lam_per"))  # fmt: skip
LAWS = {
    "beta": beta(2.0, 0.5),
    "uniform": uniform(0.2, 0.6),
    "fixed": fixed(0.3),
    "discrete": discrete((0.2, 0.8, 1.0), (1, 3, 0)),
}


def numbered(size):
    """A batch that tells who was mixed with whom: inputs are positions, targets are one-hot of positions."""
    return np.arange(size, dtype=np.float32)[:, None], np.eye(size, dtype=np.float32)


@pytest.mark.parametrize(
    "lam, expected", [(0.0, 2.302585093), (0.3, 1.718812048), (0.5, 1.329630018), (1.0, 0.356674944)]
)
def test_soft_labels_are_the_two_cross_entropies(run, lam, expected):
    log_probs = np.log(np.float32([[0.7, 0.2, 0.1]]))
    first, second = np.float32([[1, 0, 0]]), np.float32([[0, 0, 1]])

    def both(lam):
        soft = cross_entropy(log_probs, mix(first, second, lam))
        return soft, lam * cross_entropy(log_probs, first) + (1 - lam) * cross_entropy(log_probs, second)

    soft, two = run(both)(np.float32([lam]))
    np.testing.assert_allclose(soft, [expected], rtol=1e-6)
    np.testing.assert_allclose(two, [expected], rtol=1e-6)


def test_lam_one_is_erm_to_the_bit(run):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 5, 3, 2)).astype(np.float32) * np.float32(1e3)
    mixed = run(mix)(first, second, np.ones(5, np.float32))
    np.testing.assert_array_equal(np.asarray(mixed).view(np.uint32), first.view(np.uint32))


def test_swapping_the_pair_is_one_minus_lam(run):
    first, second = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    lam = np.array([0.0, 0.25, 0.5, 0.875], np.float32)
    np.testing.assert_allclose(run(mix)(first, second, lam), run(mix)(second, first, 1 - lam), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_inputs_and_targets_share_partner_and_lam(name):
    positions, identity = numbered(7)
    inputs, targets = map(np.asarray, COMPILED[name](KEY, positions, identity))
    np.testing.assert_allclose(inputs, targets @ positions, rtol=1e-5, err_msg="inputs and targets were mixed apart")
    assert np.all(np.count_nonzero(targets, axis=1) <= 2), "a target is mixed from at most two labels"


@pytest.mark.parametrize("size", [1, 2, 7])
def test_everyone_is_a_partner_once(size):
    _, targets = COMPILED["midpoint"](KEY, *numbered(size))
    of_all = np.sum(targets, axis=0)
    np.testing.assert_array_equal(of_all, 1, err_msg="the partners are no permutation of the batch")
    partner = jax.jit(lambda key: draw_partner(key, batch.whole(size)))(KEY)
    np.testing.assert_array_equal(np.sort(partner), np.arange(size))


def test_mixup_and_midpoint_draw_the_same_partners():
    _, mixed = COMPILED["mixup, a lam an example"](KEY, *numbered(7))
    _, averaged = COMPILED["midpoint"](KEY, *numbered(7))
    np.testing.assert_array_equal(np.asarray(mixed) > 0, np.asarray(averaged) > 0)


def test_partners_are_uniform():
    keys = jax.random.split(jax.random.key(0), 2000)
    partners = np.asarray(jax.jit(jax.vmap(lambda key: draw_partner(key, batch.whole(4))))(keys))
    counts = (partners[..., None] == np.arange(4)).sum(axis=0)
    assert np.all(np.abs(counts - 500) < 100), "2000 draws of 1 in 4 lie within 5 standard deviations, 97, of 500"


def test_midpoint_is_exactly_the_average(run):
    inputs = np.random.default_rng(1).normal(size=(6, 2, 2, 3)).astype(np.float32)
    targets = np.eye(6, dtype=np.float32)
    mixed, mixed_targets = run(midpoint)(KEY, inputs, targets)
    partner = np.asarray(draw_partner(jax.random.split(KEY)[0], batch.whole(6)))
    np.testing.assert_array_equal(mixed, (inputs + inputs[partner]) / 2)
    np.testing.assert_array_equal(mixed_targets, (targets + targets[partner]) / 2)


def test_a_lone_example_is_left_as_it_is():
    inputs, targets = np.float32([[0.1, 0.2]]), np.float32([[0, 1, 0]])
    mixed, mixed_targets = jax.jit(partial(mixup, law=uniform()))(KEY, inputs, targets)
    np.testing.assert_allclose(mixed, inputs, rtol=1e-6)
    np.testing.assert_allclose(mixed_targets, targets, rtol=1e-6)


def test_one_class_stays_one():
    _, targets = COMPILED["midpoint"](KEY, np.zeros((7, 1), np.float32), np.ones((7, 1), np.float32))
    np.testing.assert_allclose(targets, 1, rtol=1e-6)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    alpha=st.floats(0.05, 100),
    labels=st.lists(st.integers(0, 3), min_size=7, max_size=7),
)
def test_targets_stay_probabilities(seed, alpha, labels):
    mixed = jax.jit(mixup)
    inputs = np.arange(7, dtype=np.float32)[:, None]
    x, q = map(np.asarray, mixed(jax.random.key(seed), inputs, np.eye(4, dtype=np.float32)[labels], alpha=alpha))
    assert np.all(q >= 0)
    np.testing.assert_allclose(q.sum(axis=1), 1, rtol=1e-6)
    assert inputs.min() <= x.min() and x.max() <= inputs.max(), "a mixture left the hull of the batch"


def test_lam_per_example_differs_and_per_batch_does_not():
    lam = np.asarray(lam_of(KEY, uniform(), rows=MANY, lam_per="example"))
    assert len(np.unique(lam[:100])) == 100
    assert len(np.unique(lam_of(KEY, uniform(), rows=2, lam_per="batch"))) == 1


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_lam_has_the_moments_of_beta(alpha):
    lam = np.asarray(lam_of(jax.random.key(0), beta(alpha), rows=MANY, lam_per="example"))
    variance = 1 / (4 * (2 * alpha + 1))
    assert np.all((lam >= 0) & (lam <= 1))
    assert np.mean(lam) == pytest.approx(0.5, abs=5 * np.sqrt(variance / MANY))
    assert np.var(lam) == pytest.approx(variance, rel=0.05), "Beta(a, a) has variance 1 / (4 (2 a + 1))"


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_lam_has_the_moments_of_its_law(law):
    values, weights = law.nodes()
    expected = weights @ np.stack([values, values**2], axis=1)
    lam = np.asarray(lam_of(KEY, law, rows=MANY, lam_per="example"), np.float64)
    found = np.stack([lam, lam**2], axis=1)
    within = 4 * found.std(axis=0) / np.sqrt(MANY) + 1e-7
    assert np.all(np.abs(found.mean(axis=0) - expected) < within)


@pytest.mark.parametrize("law", [LAWS["uniform"], LAWS["discrete"]], ids=["uniform", "discrete"])
def test_lam_of_a_batch_follows_the_law(law):
    lam = np.asarray(jax.vmap(lambda key: lam_of(key, law, rows=2, lam_per="batch"))(jax.random.split(KEY, 4000)))
    assert np.all(lam[:, 0] == lam[:, 1])
    values, weights = law.nodes()
    assert abs(lam[:, 0].mean() - weights @ values) < 4 * lam[:, 0].std() / np.sqrt(4000)


def test_a_law_takes_the_place_of_alpha():
    mixed = jax.jit(mixup, static_argnames="lam_per")
    inputs, targets = mixed(KEY, *numbered(7), law=fixed(0.25))
    partner = np.asarray(draw_partner(jax.random.split(KEY)[0], batch.whole(7)))
    np.testing.assert_allclose(inputs[:, 0], 0.25 * np.arange(7) + 0.75 * partner, rtol=1e-6)
    np.testing.assert_allclose(targets, 0.25 * np.eye(7) + 0.75 * np.eye(7)[partner], rtol=1e-6)


def test_a_traced_law_is_the_law():
    found = jax.jit(lambda lo: mixup(KEY, *numbered(5), law=uniform(lo, 1.0)))(0.5)
    expected = jax.jit(partial(mixup, law=uniform(0.5, 1.0)))(KEY, *numbered(5))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize(
    "knobs, value, allowed",
    [
        ({"alpha": 0.0}, "alpha is 0,", "inf)"),
        ({"alpha": -1.0}, "alpha is -1,", "inf)"),
        ({"alpha": float("inf")}, "alpha is inf,", "inf)"),
        ({"alpha": float("nan")}, "alpha is nan,", "inf)"),
        ({"alpha": 1.0, "lam_per": "sample"}, "'sample'", "example, batch"),
    ],
)
def test_what_is_out_of_range_is_refused_in_one_line(knobs, value, allowed):
    with pytest.raises(ValueError) as caught:
        mixup(KEY, *numbered(3), **knobs)
    message = str(caught.value)
    assert value in message and allowed in message and "\n" not in message


# What somebody else may pass


def test_bytes_are_mixed_as_numbers(run):
    first = np.array([[0, 200]], np.uint8), np.array([[True, False]])
    second = np.array([[100, 1]], np.uint8), np.array([[False, True]])
    x, q = run(mix)(first, second, np.float32([0.75]))
    assert x.dtype == q.dtype == jnp.float32
    np.testing.assert_array_equal(x, [[25, 150.25]])
    np.testing.assert_array_equal(q, [[0.75, 0.25]])


def test_the_gradient_goes_through_as_before():
    slope = jax.grad(lambda first: mix(first, jnp.zeros((2, 3)), jnp.array([0.25, 1.0])).sum())(jnp.ones((2, 3)))
    np.testing.assert_array_equal(slope, [[0.25] * 3, [1] * 3])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_floats_stay_in_their_type(dtype):
    assert jax.jit(mix)(np.ones((2, 3), dtype), np.zeros((2, 3), dtype), np.full(2, 0.5, np.float32)).dtype == dtype


@pytest.mark.parametrize("first, second, lam", [
    ((4, 3), (4, 1), (4,)), ((4, 3), (1, 3), (4,)), ((4, 3), (4, 3), (3,)), ((4,), (4,), (4, 2)),
])  # fmt: skip
def test_what_is_mixed_is_not_stretched(first, second, lam):
    with pytest.raises(ValueError, match="what is mixed is of shapes"):
        mix(np.ones(first), np.ones(second), np.ones(lam))


def test_one_lam_for_all_may_be_a_number(run):
    for lam in (0.25, np.float32([0.25])):
        np.testing.assert_array_equal(run(mix)(np.full((2, 3), 4), np.zeros((2, 3), int), lam), np.ones((2, 3)))

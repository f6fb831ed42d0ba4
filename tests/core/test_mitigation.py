"""Mitigation: risks and weights against the objectives written out in full, draws by their frequencies."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from scipy import special

from lamv.core import batch
from lamv.core.losses import LOSSES, cross_entropy
from lamv.core.mitigation import (
    adjusted_logits,
    annealed,
    attribute_shares,
    distribution,
    draw_indices,
    easier_half,
    group_dro,
    irm,
    jtt_weights,
    logit_offsets,
    memberships_of,
    reweight,
    risks,
    row_weights,
    sampling,
    scale_slopes,
    unfairness,
    vrex,
)

KEY = jax.random.key(5)
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(8, 3)).astype(np.float32)
TARGETS = RNG.dirichlet(np.ones(3), size=8).astype(np.float32)
KERNEL = RNG.normal(size=(3, 3)).astype(np.float32)
IMPORTANCE = np.float32([1, 1, 2, 0, 0.5, 1, 3, 1])
#: Mixed rows, rows of one group, a row of none, and group 3 that nobody is in.
MEMBERSHIPS = np.float32(
    [[1, 0, 0, 0], [0.3, 0.7, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 0], [0.2, 0.2, 0.6, 0],
     [1, 0, 0, 0]]
)  # fmt: skip
PRESENT = 3


def risk_of(losses):
    """(G,) risks, without the functions under test; the last group is empty."""
    shares = IMPORTANCE[:, None] * MEMBERSHIPS[:, :PRESENT]
    return (shares * losses[:, None]).sum(axis=0) / shares.sum(axis=0)


def losses_of(kernel, scale=1.0):
    return cross_entropy(scale * (INPUTS @ kernel), TARGETS)


# What a step does with each of them, on one device's rows


def fixed_step(risk, mass, slope):
    return jnp.float32([0.5, 2.0, -1.0, 7.0]), jnp.zeros(4)


def vrex_step(risk, mass, slope):
    return vrex(risk, mass, 3.0), jnp.zeros(4)


def irm_step(penalty):
    return lambda risk, mass, slope: irm(slope, mass, penalty)


# ... and what it means


def fixed_objective(kernel):
    return risk_of(losses_of(kernel)) @ np.float32([0.5, 2.0, -1.0])


def vrex_objective(kernel):
    risk = risk_of(losses_of(kernel))
    return jnp.mean(risk) + 3.0 * jnp.var(risk)


def irm_objective(penalty, kernel):
    slope = jax.jacobian(lambda w: risk_of(losses_of(kernel, w)))(1.0)
    return (jnp.mean(risk_of(losses_of(kernel))) + penalty * jnp.mean(slope**2)) / max(penalty, 1.0)


CASES = {
    "fixed coefficients": (fixed_step, fixed_objective),
    "vrex": (vrex_step, vrex_objective),
    "irm": (irm_step(0.4), partial(irm_objective, 0.4)),
    "irm, penalty above 1": (irm_step(50.0), partial(irm_objective, 50.0)),
}


@cache
def gradients(devices):
    """The gradient of the weighted mean on each device, by case; devices 0: that of the objective itself."""

    def on_a_device(coefficients_of, inputs, targets, memberships, importance):
        def local(kernel):
            logits = inputs @ kernel
            losses, slopes = cross_entropy(logits, targets), scale_slopes(cross_entropy, logits, targets)
            total = partial(lax.psum, axis_name="data")
            measured = lax.stop_gradient((losses, slopes))
            risk, mass = risks(measured[0], memberships, importance, total)
            slope, _ = risks(measured[1], memberships, importance, total)
            of_losses, of_slopes = coefficients_of(risk, mass, slope)
            weighted = row_weights(of_losses, memberships, importance, mass) * losses
            return jnp.mean(weighted + row_weights(of_slopes, memberships, importance, mass) * slopes)

        return lax.pmean(jax.grad(local)(KERNEL), "data")

    def by_case(*rows):
        return {case: on_a_device(coefficients_of, *rows) for case, (coefficients_of, _) in CASES.items()}

    if not devices:
        return jax.jit(lambda kernel: {case: jax.grad(of)(kernel) for case, (_, of) in CASES.items()})(KERNEL)
    rows = (values.reshape(devices, 8 // devices, *values.shape[1:])
            for values in (INPUTS, TARGETS, MEMBERSHIPS, IMPORTANCE))  # fmt: skip
    return jax.jit(jax.vmap(by_case, axis_name="data"))(*rows)


@pytest.mark.parametrize("devices", [1, 2, 8])
@pytest.mark.parametrize("case", CASES)
def test_weighted_means_of_devices_have_the_gradient_of_the_objective(case, devices):
    found = gradients(devices)[case]
    in_groups = (IMPORTANCE * MEMBERSHIPS.sum(axis=1)).sum() / 8
    expected = in_groups * np.asarray(gradients(0)[case])
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=1e-4, atol=1e-6)


def test_risks_by_hand(run):
    losses, importance = np.float32([1, 3, 5]), np.float32([1, 2, 1])
    memberships = np.float32([[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0]])
    risk, mass = run(risks)(losses, memberships, importance)
    np.testing.assert_allclose(mass, [2, 2, 0])
    np.testing.assert_allclose(risk, [2, 4, 0], err_msg="(1 + 3) / 2, (3 + 5) / 2, and nothing in an empty group")


def test_coefficients_in_proportion_to_mass_give_back_the_importance(run):
    memberships = np.delete(MEMBERSHIPS, 5, axis=0)  # without the row that is in no group
    importance = np.delete(IMPORTANCE, 5)
    mass = importance @ memberships
    found = run(row_weights)(mass / mass.sum(), memberships, importance, mass)
    np.testing.assert_allclose(found, importance, rtol=1e-6)


def test_row_weights_let_no_gradient_through_to_risks():
    def weight_of(scale):
        risk, mass = risks(scale * jnp.ones(8), MEMBERSHIPS, IMPORTANCE)
        return row_weights(risk, MEMBERSHIPS, IMPORTANCE, mass).sum()

    assert jax.jit(jax.grad(weight_of))(2.0) == 0


def test_reweighting_makes_groups_count_alike(run):
    groups = np.repeat([0, 1, 3], [10, 4, 2])
    counts = np.bincount(groups, minlength=4)
    memberships = np.eye(4, dtype=np.float32)[groups]
    weights = np.asarray(run(reweight)(counts, memberships))
    np.testing.assert_allclose(weights.mean(), 1, rtol=1e-6)
    np.testing.assert_allclose(memberships.T @ weights, [16 / 3, 16 / 3, 0, 16 / 3], rtol=1e-6)
    np.testing.assert_allclose(weights[0], 1 / (3 * 10 / 16), rtol=1e-6, err_msg="1 / (occupied groups x share)")
    half = np.repeat(np.float32([[0.25, 0.75, 0, 0]]), 16, axis=0)
    np.testing.assert_allclose(run(reweight)(counts, half), 0.25 * weights[0] + 0.75 * weights[10], rtol=1e-6)


# Group DRO


def test_two_steps_of_group_dro_by_hand(run):
    step = run(partial(group_dro, step_size=0.1, adjustment=2.0))
    counts = jnp.array([4, 16, 0])
    # Adjusted risks 1 + 2 / 2 = 2 and 0.5 + 2 / 4 = 1: q = (exp 0.2, exp 0.1) / their sum; nobody is in group 2.
    log_q, q = step(jnp.zeros(3), jnp.array([1.0, 0.5, 0.0]), jnp.array([3.0, 5.0, 0.0]), counts)
    np.testing.assert_allclose(q, [0.52497919, 0.47502081, 0], rtol=1e-6)
    # Group 1 is not in the batch: its weight only loses what group 0, times exp(0.1 (3 + 1)), gains.
    log_q, q = step(log_q, jnp.array([3.0, 0.0, 0.0]), jnp.array([8.0, 0.0, 0.0]), counts)
    np.testing.assert_allclose(q, [0.62245933, 0.37754067, 0], rtol=1e-6)
    np.testing.assert_allclose(jnp.exp(log_q), q, rtol=1e-6)


def test_group_dro_without_step_size_stays_uniform(run):
    log_q, counts = jnp.zeros(4), jnp.array([5, 1, 0, 2])
    for _ in range(3):
        log_q, q = run(partial(group_dro, step_size=0.0))(log_q, jnp.array([9.0, 1.0, 0.0, 4.0]), jnp.ones(4), counts)
    np.testing.assert_allclose(q, [1 / 3, 1 / 3, 0, 1 / 3], rtol=1e-6)


def test_group_dro_ends_at_the_worst_group():
    def step(log_q, _):
        return group_dro(log_q, np.float32([0.2, 0.9, 0.5]), np.ones(3), np.ones(3), step_size=0.05)

    log_q, q = jax.jit(partial(lax.scan, step, length=1000))(np.zeros(3, np.float32))
    np.testing.assert_allclose(q[-1], [0, 1, 0], atol=1e-6)
    assert np.all(np.isfinite(log_q))


def test_group_dro_finds_the_minimax():
    """Risks theta^2 and (theta - 1)^2 + 1/2: their maximum is least where they meet, at theta = 3/4."""

    def step(carry, _):
        theta, log_q = carry
        risk, pull = jax.jvp(lambda x: jnp.stack([x**2, (x - 1) ** 2 + 0.5]), (theta,), (1.0,))
        log_q, q = group_dro(log_q, risk, jnp.ones(2), jnp.ones(2), step_size=0.01)
        return (theta - 0.01 * (q @ pull), log_q), theta

    start = np.float32(0), np.zeros(2, np.float32)
    thetas = np.asarray(jax.jit(partial(lax.scan, step, length=20_000))(start)[1])
    np.testing.assert_allclose(thetas[-10_000:].mean(), 0.75, atol=0.01)


# Penalties


def test_coefficients_of_vrex_by_hand(run):
    found = run(vrex)(jnp.array([1.0, 0.0, 3.0]), jnp.array([2.0, 0.0, 1.0]), 10.0)
    np.testing.assert_allclose(found, [0.5 - 10, 0, 0.5 + 10], rtol=1e-6, err_msg="1/2 + 2 x 10 (R - 2) / 2")
    np.testing.assert_allclose(run(vrex)(jnp.array([1.0, 3.0]), jnp.ones(2), 0.0), [0.5, 0.5])


def test_coefficients_of_irm_by_hand(run):
    slope, mass = jnp.array([0.5, 9.0, -1.0]), jnp.array([1.0, 0.0, 4.0])
    of_losses, of_slopes = run(irm)(slope, mass, 0.25)
    np.testing.assert_allclose(of_losses, [0.5, 0, 0.5])
    np.testing.assert_allclose(of_slopes, [0.125, 0, -0.25], err_msg="2 x 0.25 D / 2")
    of_losses, of_slopes = run(irm)(slope, mass, 100.0)
    np.testing.assert_allclose(of_losses, [0.005, 0, 0.005])
    np.testing.assert_allclose(of_slopes, [0.5, 0, -1.0], err_msg="2 D / 2, the factor being divided out")


@pytest.mark.parametrize("name", LOSSES)
def test_slopes_are_derivatives_by_a_scale_on_the_logits(run, name):
    loss, logits = LOSSES[name].function, INPUTS @ KERNEL
    found = run(partial(scale_slopes, loss))(logits, TARGETS)
    step, at = 1e-2, jax.jit(loss)
    expected = (at((1 + step) * logits, TARGETS) - at((1 - step) * logits, TARGETS)) / (2 * step)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


def test_the_slope_of_cross_entropy_in_closed_form(run):
    logits = INPUTS @ KERNEL
    expected = np.sum((special.softmax(logits, axis=1) - TARGETS) * logits, axis=1)
    np.testing.assert_allclose(run(partial(scale_slopes, cross_entropy))(logits, TARGETS), expected, rtol=1e-4)


def test_a_predictor_that_is_best_in_every_environment_pays_no_penalty_of_irm():
    """Logits log p(y | x), the same everywhere: the derivative by a scale is 0 in every environment in expectation."""
    probabilities = np.float32([[0.2, 0.8], [0.7, 0.3]])
    slopes = jax.jit(partial(scale_slopes, cross_entropy))(np.log(probabilities), probabilities)
    np.testing.assert_allclose(slopes, 0, atol=1e-6)


@pytest.mark.parametrize("penalty, before", [(100.0, 1.0), (0.3, 0.3)])
def test_the_penalty_rises_at_its_step(run, penalty, before):
    at = run(lambda t: annealed(penalty, t, 10))
    np.testing.assert_allclose([at(0), at(9), at(10), at(11)], [before, before, penalty, penalty], rtol=1e-6)
    np.testing.assert_allclose(annealed(penalty, 0, 0), penalty, rtol=1e-6)


# Logit adjustment


def test_offsets_are_log_frequencies(run):
    found = run(logit_offsets)(np.array([7, 1, 0]), 2.0)
    np.testing.assert_allclose(found, 2 * np.log([8 / 11, 2 / 11, 1 / 11]), rtol=1e-6)
    by_attribute = run(logit_offsets)(np.array([[7, 1, 0], [0, 0, 2]]), 1.0)
    np.testing.assert_allclose(np.exp(by_attribute), [[8 / 11, 2 / 11, 1 / 11], [1 / 5, 1 / 5, 3 / 5]], rtol=1e-6)


@jax.jit
@jax.grad
def slope_of_adjusted(logits, offsets, targets):
    return cross_entropy(adjusted_logits(logits, offsets), targets).sum()


@pytest.mark.parametrize(
    ("smoothing", "aligned", "right"), [(0.1, 94, True), (0.1, 96, False), (0.3, 84, True), (0.3, 86, False)]
)
def test_smoothed_labels_turn_against_the_cue_where_it_is_surer_than_they_are(smoothing, aligned, right):
    """The best logits of an aligned example, log q - log P(y | a): right up to P(y | a) = 1 - smoothing / 2."""
    offsets = np.asarray(logit_offsets(np.array([aligned, 100 - aligned]) * 1e6, 1.0))
    target = np.float32([[1 - smoothing / 2, smoothing / 2]])
    best = np.log(target) - offsets
    np.testing.assert_allclose(slope_of_adjusted(best, offsets, target), 0, atol=1e-6)
    assert (best[0, 0] > best[0, 1]) == right


def test_logits_that_know_nothing_are_best_under_adjustment_by_frequencies():
    """With tau 1 the loss asks for p(x | y), which is one constant where the inputs say nothing."""
    counts = np.array([5, 2, 1])
    targets = np.eye(3, dtype=np.float32)[np.repeat(np.arange(3), counts + 1)]  # the one that every class counts more
    slopes = slope_of_adjusted(np.zeros((11, 3), np.float32), logit_offsets(counts, 1.0), targets)
    np.testing.assert_allclose(np.mean(slopes, axis=0), 0, atol=1e-6)


def test_mixed_rows_get_the_offsets_of_their_parts():
    offsets = np.asarray(logit_offsets(np.array([[7, 1], [2, 2]]), 1.0))
    memberships = np.float32([[0.75, 0.0, 0.0, 0.25], [0.0, 0.0, 1.0, 0.0]])  # in groups y A + a, of A = 2
    shares = attribute_shares(memberships, 2)
    np.testing.assert_allclose(shares, [[0.75, 0.25], [1.0, 0.0]])
    found = adjusted_logits(np.ones((2, 2), np.float32), offsets, shares)
    np.testing.assert_allclose(found, 1 + np.stack([0.75 * offsets[0] + 0.25 * offsets[1], offsets[0]]), rtol=1e-6)


# Draws


def test_sampling_is_balanced_over_occupied_groups():
    groups = np.repeat([0, 1, 3, 4], [6, 3, 1, 2])  # 4 is no group
    found = sampling(np.bincount(groups, minlength=4)[:4], groups)
    np.testing.assert_allclose(found, np.repeat([1 / 18, 1 / 9, 1 / 3, 0], [6, 3, 1, 2]), rtol=1e-6)


def test_places_are_drawn_by_their_weights():
    weights = np.float32([0, 3, 1, 0, 2, 0])
    places = np.asarray(jax.jit(partial(draw_indices, rows=batch.whole(60_000)))(KEY, weights=weights))
    assert places.dtype == np.int32
    counts = np.bincount(places, minlength=6)
    assert counts[[0, 3, 5]].sum() == 0, "a weight of 0 was drawn"
    expected = np.array([30_000, 10_000, 20_000])
    assert np.sum((counts[[1, 2, 4]] - expected) ** 2 / expected) < 20, "chi-square of 2 degrees of freedom"


def test_places_of_many_examples_are_drawn_evenly():
    places = np.asarray(
        jax.jit(partial(draw_indices, rows=batch.whole(400_000)))(KEY, weights=np.ones(200_000, np.float32))
    )
    assert places.min() >= 0 and places.max() < 200_000
    counts = np.bincount(places // 1000, minlength=200)
    chi_square = np.sum((counts - 2000) ** 2 / 2000)
    assert abs(chi_square - 199) < 6 * np.sqrt(2 * 199)
    repeats = np.bincount(np.bincount(places, minlength=200_000), minlength=3)[:3] / 200_000
    np.testing.assert_allclose(repeats, np.exp(-2) * np.array([1, 2, 2]), atol=0.005, err_msg="Poisson with mean 2")


@pytest.mark.parametrize("size", [1, 200_000, 1_000_000])
def test_the_distribution_is_as_fine_as_the_weights(size):
    weights = np.random.default_rng(1).choice([1.0, 50.0], size).astype(np.float32)
    cumulative = np.asarray(jax.jit(distribution)(weights)).astype(np.int64)
    shares = np.diff(cumulative, prepend=0) / cumulative[-1]
    limit = 0.7 * weights.mean() * size / 2**31 + 1e-6  # half a unit of the smallest weight, and rounding
    np.testing.assert_allclose(shares, weights / weights.sum(dtype=np.float64), rtol=limit)


def test_a_weight_that_rounds_to_nothing_is_drawn_all_the_same():
    cumulative = np.asarray(distribution(jnp.array([1.0, 1e-12, 0.0, 1.0])))
    np.testing.assert_array_equal(np.diff(cumulative.astype(np.int64)), [1, 0, 2**30])


@pytest.mark.parametrize("devices", [2, 8])
def test_places_do_not_depend_on_the_number_of_devices(devices):
    weights = np.arange(50, dtype=np.float32)

    def on_a_part(_):
        return draw_indices(KEY, batch.part(16, "data"), weights)

    parts = jax.jit(jax.vmap(on_a_part, axis_name="data", axis_size=devices))(np.zeros(devices))
    whole = jax.jit(partial(draw_indices, rows=batch.whole(16)))(KEY, weights=weights)
    np.testing.assert_array_equal(np.reshape(parts, 16), whole)


def test_what_the_first_stage_got_wrong_counts_more():
    np.testing.assert_array_equal(jtt_weights(jnp.array([True, False, True]), 20.0), [1, 20, 1])


# What is no number, or in no group


def test_an_example_of_no_group_has_no_membership(run):
    groups = np.array([0, 2, 255, 1], np.uint8)
    found = run(partial(memberships_of, num_groups=2))(groups)
    np.testing.assert_array_equal(found, [[1, 0], [0, 0], [0, 0], [0, 1]])
    wide = jax.jit(partial(memberships_of, num_groups=300))(np.array([44], np.uint8))
    np.testing.assert_array_equal(np.argwhere(wide), [[0, 44]])
    np.testing.assert_allclose(sampling(np.ones(300), np.array([44, 255], np.uint8)), 1 / 300, rtol=1e-6)


def test_nan_stays_nan(run):
    nan = jnp.array([jnp.nan, 1.0])
    assert np.isnan(run(reweight)(nan, jnp.eye(2))).any()
    assert np.isnan(run(row_weights)(jnp.ones(2), jnp.eye(2), jnp.ones(2), nan)).any()
    assert np.isnan(run(risks)(jnp.ones(2), jnp.eye(2), nan)[0][0])
    assert np.isnan(run(irm)(jnp.ones(2), nan, 1.0)[0]).any() and np.isnan(run(vrex)(jnp.ones(2), nan, 1.0)).any()
    step = run(partial(group_dro, step_size=0.1))
    for changed in (0, 1, 2):
        given = [nan if i == changed else jnp.ones(2) for i in range(3)]
        assert np.isnan(step(jnp.zeros(2), *given)[1]).any(), "risk, mass and counts in turn"


@pytest.mark.parametrize("weights", [[0.0, 0.0], [1.0, -1.0], [1.0, np.nan], [1.0, np.inf]])
def test_what_are_no_weights_draw_nothing(weights):
    with pytest.raises(ValueError, match="weights go down to .*, must be at least 0, not all 0, and finite"):
        distribution(jnp.array(weights))
    places = jax.jit(partial(draw_indices, rows=batch.whole(5)))(KEY, weights=jnp.array(weights))
    np.testing.assert_array_equal(places, 2, err_msg="of 2 examples, none is that one")


def test_losses_and_importance_are_of_the_same_rows():
    with pytest.raises(ValueError, match=r"losses are of shape \(1,\), must be \(4,\)"):
        risks(jnp.ones(1), jnp.ones((4, 2)), jnp.ones(4))


def test_unfairness_by_hand():
    risk, mass = jnp.array([1.0, 0.25, 0.5, 0.75]), jnp.ones(4)
    assert unfairness(risk, mass, 2) == pytest.approx((0.75 + 0.25) / 2)
    assert unfairness(risk, jnp.array([1.0, 0.0, 1.0, 2.0]), 2) == pytest.approx(0.25), (
        "a class of one group has no part"
    )
    assert unfairness(risk, jnp.array([1.0, 0.0, 0.0, 2.0]), 2) == 0.0
    three = jnp.array([0.0, 2.0, 5.0, 1.0, 1.0, 4.0])
    assert unfairness(three, jnp.ones(6), 3) == pytest.approx((5 + 3) / 2)
    slope = jax.grad(unfairness)(three, jnp.array([1.0, 1.0, 1.0, 0.0, 1.0, 0.0]), 3)
    np.testing.assert_allclose(slope, [-1, 0, 1, 0, 0, 0])


def test_the_easier_half_is_that_of_the_smaller_losses():
    losses = np.array([[3.0, 1, 2, 5], [0, 0, 0, 0]])
    np.testing.assert_array_equal(easier_half(losses), [[0, 1, 1, 0], [1, 1, 0, 0]])
    np.testing.assert_array_equal(easier_half(np.array([2.0, 9, 1])), [1, 0, 1])

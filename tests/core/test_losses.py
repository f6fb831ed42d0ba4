"""Losses and penalties by hand, at the extremes, and by their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.core.losses import (
    LOSSES,
    binary_logits,
    confidence_penalty,
    cross_entropy,
    distillation,
    max_suppression,
    sigmoid_cross_entropy,
    squared_error,
    weight_penalty,
)

LOG_PROBS = np.log(np.array([[0.7, 0.2, 0.1]], np.float32))
LOGITS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
SOFT = np.random.default_rng(1).dirichlet(np.ones(3), size=4).astype(np.float32)


@pytest.mark.parametrize(
    "target, expected",
    [((1, 0, 0), 0.356674944), ((0, 0, 1), 2.302585093), ((0.3, 0, 0.7), 1.718812048), ((0, 0, 0), 0.0)],
)
def test_cross_entropy_by_hand(run, target, expected):
    loss = run(cross_entropy)(LOG_PROBS, np.array([target], np.float32))
    np.testing.assert_allclose(loss, [expected], rtol=1e-6)


def test_two_logits_of_one_output(run):
    outputs = np.array([-2.0, 0.0, 3.0], np.float32)
    found = run(lambda f: jax.nn.softmax(binary_logits(f)))(outputs)
    np.testing.assert_allclose(found[:, 1], 1 / (1 + np.exp(-outputs)), rtol=1e-6)


def test_a_common_shift_of_the_logits_does_not_count(run):
    target = np.array([[0.3, 0, 0.7]], np.float32)
    np.testing.assert_allclose(run(cross_entropy)(LOG_PROBS + 100, target), [1.718812048], rtol=1e-5)


def test_large_logits_stay_finite(run):
    logits = np.array([[1e4, 0.0], [1e4, 0.0]], np.float32)
    np.testing.assert_array_equal(run(cross_entropy)(logits, np.eye(2, dtype=np.float32)), [0.0, 1e4])


def test_low_precision_logits_give_a_float32_loss(run):
    loss = run(cross_entropy)(jnp.zeros((2, 10), jnp.bfloat16), jnp.full((2, 10), 0.1, jnp.bfloat16))
    assert loss.dtype == jnp.float32
    np.testing.assert_allclose(loss, np.log(10), rtol=2e-3)


def test_penalty_counts_kernels_only(run):
    params = {
        "dense": {"kernel": jnp.array([[1.0, 2.0], [0.0, -2.0]]), "bias": jnp.array([100.0, 100.0])},
        "conv": {"kernel": jnp.full((3, 3, 1, 2), 0.5)},
        "norm": {"scale": jnp.full(4, 100.0), "bias": jnp.full(4, 100.0)},
        "temperature": jnp.float32(100.0),
    }
    assert run(weight_penalty)(params) == 0.5 * (9 + 18 * 0.25)


# One logistic regression a class


def test_sigmoid_by_hand(run):
    logits = np.log([[1.0, 3.0], [1.0, 3.0]]).astype(np.float32)  # probabilities 1/2 and 3/4
    targets = np.array([[1, 0], [0.5, 0.25]], np.float32)
    expected = [3 * np.log(2), np.log(2) + 0.25 * np.log(4 / 3) + 0.75 * np.log(4)]
    np.testing.assert_allclose(run(sigmoid_cross_entropy)(logits, targets), expected, rtol=1e-6)


def test_sigmoid_is_k_binary_cross_entropies(run):
    two = [
        cross_entropy(jnp.stack([LOGITS[:, k], jnp.zeros(4)], axis=1), jnp.stack([SOFT[:, k], 1 - SOFT[:, k]], axis=1))
        for k in range(3)
    ]
    np.testing.assert_allclose(run(sigmoid_cross_entropy)(LOGITS, SOFT), sum(two), rtol=1e-5)


def test_sigmoid_of_large_logits_stays_finite(run):
    logits = np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32)
    targets = np.array([[1, 0], [1, 0]], np.float32)
    np.testing.assert_array_equal(run(sigmoid_cross_entropy)(logits, targets), [0.0, 2e4])
    gradient = run(jax.grad(lambda z: sigmoid_cross_entropy(z, targets).sum()))(logits)
    np.testing.assert_array_equal(gradient, [[0, 0], [-1, 1]])


# Least squares


def test_squared_error_by_hand(run):
    logits, targets = np.array([[1.0, 2.0], [0.5, 0.5]], np.float32), np.array([[0.0, 4.0], [0.5, 0.5]], np.float32)
    np.testing.assert_array_equal(run(squared_error)(logits, targets), [5.0, 0.0])


# What all losses share


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_outputs_minus_targets(run, name):
    loss, outputs = LOSSES[name]
    gradient = run(jax.grad(lambda logits: loss(logits, SOFT).sum()))(LOGITS)
    factor = 2 if name == "squared_error" else 1
    np.testing.assert_allclose(gradient, factor * (outputs(LOGITS) - SOFT), rtol=1e-4, atol=1e-6)


def test_outputs_by_hand(run):
    found = {name: run(loss.outputs)(np.array([[0.0, np.log(3.0)]], np.float32)) for name, loss in LOSSES.items()}
    expected = {"cross_entropy": [0.25, 0.75], "sigmoid": [0.5, 0.75], "squared_error": [0, np.log(3)]}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], [value], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_float32_and_for_each_example(name):
    loss = LOSSES[name].function(jnp.ones((2, 3), jnp.bfloat16), jnp.ones((2, 3), jnp.bfloat16) / 4)
    assert loss.dtype == jnp.float32 and loss.shape == (2,)


# Distillation


@pytest.mark.parametrize("temperature, expected", [(2.0, 0.072989049), (1.0, 0.029644562)])
def test_distillation_by_hand(run, temperature, expected):
    student, teacher = np.array([[2.0, 0, -1]], np.float32), np.array([[3.0, 0, 0]], np.float32)
    np.testing.assert_allclose(run(distillation)(student, teacher, temperature), [expected], rtol=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_distillation_is_cross_entropy_less_the_entropy_of_the_teacher(run, temperature):
    soft = jax.nn.softmax(2 * LOGITS[::-1] / temperature)
    floor = -np.sum(soft * np.log(soft), axis=1)
    expected = temperature**2 * (cross_entropy(LOGITS / temperature, soft) - floor)
    found = run(distillation)(LOGITS, 2 * LOGITS[::-1], temperature)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_the_gradient_of_distillation_by_hand(run):
    """T (softmax(z_s / T) - softmax(z_t / T)); in the limit of large T, the difference of centred logits over K."""
    teacher = LOGITS[::-1] * 2
    slope = run(jax.grad(lambda student, temperature: distillation(student, teacher, temperature).sum()))
    expected = 3 * (jax.nn.softmax(LOGITS / 3) - jax.nn.softmax(teacher / 3))
    np.testing.assert_allclose(slope(LOGITS, 3.0), expected, rtol=1e-4, atol=1e-6)
    apart = LOGITS - teacher
    limit = (apart - apart.mean(axis=1, keepdims=True)) / 3
    np.testing.assert_allclose(slope(LOGITS, 300.0), limit, atol=0.02)


def test_distillation_of_large_logits_stays_finite_and_is_zero_for_the_teacher_itself(run):
    large, other = np.array([[1e4, 0, -1e4]], np.float32), np.array([[0, 1e4, 0]], np.float32)
    np.testing.assert_array_equal(run(distillation)(large, large, 1.0), [0.0])
    np.testing.assert_array_equal(run(distillation)(other, large, 2.0), [2e4])
    gradient = run(jax.grad(lambda student: distillation(student, large, 2.0).sum()))(other)
    np.testing.assert_allclose(gradient, [[-2.0, 2.0, 0.0]], atol=1e-6)
    loss = distillation(jnp.ones((2, 3), jnp.bfloat16), jnp.ones((2, 3), jnp.bfloat16), 2.0)
    assert loss.dtype == jnp.float32 and loss.shape == (2,)


# What confidence costs


def test_confidence_penalty_by_hand(run):
    penalty = run(confidence_penalty)(LOG_PROBS)
    np.testing.assert_allclose(penalty, [-0.801818553], rtol=1e-6)
    loss = cross_entropy(LOG_PROBS, np.array([[1, 0, 0]], np.float32)) + 0.1 * penalty
    np.testing.assert_allclose(loss, [0.276493089], rtol=1e-6)


@pytest.mark.parametrize("threshold, expected", [(1.0, 0.198181447), (0.5, 0.0), (0.0, -0.801818553)])
def test_with_a_threshold_only_confidence_beyond_it_costs(run, threshold, expected):
    np.testing.assert_allclose(run(confidence_penalty)(LOG_PROBS, threshold), [expected], rtol=1e-6)


def test_the_confidence_penalty_pushes_towards_the_uniform_distribution(run):
    slope = run(jax.grad(lambda logits: confidence_penalty(logits).sum()))
    np.testing.assert_allclose(slope(np.full((1, 3), 2.0, np.float32)), 0, atol=1e-7)
    pushed = LOGITS - 0.5 * slope(LOGITS)
    assert np.all(confidence_penalty(pushed) < confidence_penalty(LOGITS)), "the entropy must rise"
    assert np.all(np.ptp(pushed, axis=1) < np.ptp(LOGITS, axis=1)), "and the logits come closer"


def test_the_confidence_penalty_is_finite_where_there_is_no_doubt(run):
    certain = np.array([[1e4, 0.0, -1e4]], np.float32)
    assert run(confidence_penalty)(certain) == 0
    assert np.all(np.isfinite(run(jax.grad(lambda logits: confidence_penalty(logits, 0.5).sum()))(certain)))


def test_the_confidence_penalty_is_of_rows(run):
    with pytest.raises(ValueError, match=r"logits are of shape \(4,\), must be \(B, K\)"):
        run(confidence_penalty)(LOGITS[:, 0])


# The largest logit


def test_max_suppression_by_hand(run):
    logits = np.array([[3, 0, 0, 1], [2, 2, 0, 0], [-1, -1, -1, -1]], np.float32)
    np.testing.assert_allclose(run(max_suppression)(logits), [2, 1, 0])
    np.testing.assert_allclose(run(max_suppression)(logits + 100), [2, 1, 0], rtol=1e-5)
    gradient = run(jax.grad(lambda z: max_suppression(z).sum()))(logits)
    np.testing.assert_allclose(gradient, [[0.75, -0.25, -0.25, -0.25], [0.25, 0.25, -0.25, -0.25], [0, 0, 0, 0]])


@pytest.mark.parametrize("share", [0.1, 0.7])
def test_maxsup_is_smoothing_where_the_label_has_the_largest_logit_and_costs_more_elsewhere(run, share):
    """In value and gradient: the cross-entropy against (1 - s) e_y + s / K has s (z_y - mean z), MaxSup s (max z - mean z)."""
    labels = np.concatenate([LOGITS.argmax(axis=1), LOGITS.argmin(axis=1)])
    logits, hard = np.concatenate([LOGITS, LOGITS]), np.eye(3, dtype=np.float32)[labels]

    def maxsup(z):
        return cross_entropy(z, hard) + share * max_suppression(z)

    def smoothed(z):
        return cross_entropy(z, (1 - share) * hard + share / 3)

    more = share * (LOGITS.max(axis=1) - LOGITS.min(axis=1))
    np.testing.assert_allclose(run(maxsup)(logits) - run(smoothed)(logits), [0] * 4 + list(more), atol=1e-6)
    slopes = (run(jax.grad(lambda z, of=of: of(z).sum()))(logits) for of in (maxsup, smoothed))
    apart = np.subtract(*slopes)
    np.testing.assert_allclose(apart[:4], 0, atol=1e-6)
    np.testing.assert_allclose(apart[4:], share * (np.eye(3)[LOGITS.argmax(axis=1)] - hard[4:]), atol=1e-6)


def test_max_suppression_is_of_rows_in_float32(run):
    assert max_suppression(jnp.ones((2, 3), jnp.bfloat16)).dtype == jnp.float32
    np.testing.assert_array_equal(run(max_suppression)(np.array([[-np.inf, 0.0]], np.float32)), [np.inf])
    with pytest.raises(ValueError, match=r"logits are of shape \(4,\), must be \(B, K\)"):
        run(max_suppression)(LOGITS[:, 0])


# Classes that are ruled out

OUT = -np.inf
RULED_OUT = np.array([[OUT, 0, 0], [0, OUT, OUT], [1, OUT, 1]], np.float32)
RULED_TARGETS = np.array([[0, 1, 0], [1, 0, 0], [0.25, 0, 0.75]], np.float32)


def test_a_class_that_is_ruled_out_has_no_part_in_the_loss(run):
    np.testing.assert_allclose(run(cross_entropy)(RULED_OUT, RULED_TARGETS), np.log([2, 1, 2]), rtol=1e-6, atol=0)
    gradient = run(jax.grad(lambda z: cross_entropy(z, RULED_TARGETS).sum()))(RULED_OUT)
    np.testing.assert_allclose(gradient, [[0, -0.5, 0.5], [0, 0, 0], [0.25, 0, -0.25]], atol=1e-7)


def test_nor_has_it_in_the_sum_over_classes(run):
    expected = [2 * np.log(2), np.log(2), 2 * np.log1p(np.e) - 1]
    np.testing.assert_allclose(run(sigmoid_cross_entropy)(RULED_OUT, RULED_TARGETS), expected, rtol=1e-6)
    np.testing.assert_allclose(run(sigmoid_cross_entropy)(-RULED_OUT, 1 - RULED_TARGETS), expected, rtol=1e-6)
    for sign, targets in ((1, RULED_TARGETS), (-1, 1 - RULED_TARGETS)):
        gradient = run(jax.grad(lambda z: sigmoid_cross_entropy(z, targets).sum()))(sign * RULED_OUT)  # noqa: B023
        np.testing.assert_allclose(gradient, jax.nn.sigmoid(sign * RULED_OUT) - targets, atol=1e-6)


def test_nor_in_the_entropy(run):
    penalty = run(lambda z: confidence_penalty(z, 0.5))
    np.testing.assert_allclose(run(confidence_penalty)(RULED_OUT), -np.log([2, 1, 2]), rtol=1e-6)
    np.testing.assert_allclose(penalty(RULED_OUT), [0, 0.5, 0], atol=1e-7)
    gradient = run(jax.grad(lambda z: confidence_penalty(z).sum()))(np.array([[OUT, 0, 1]], np.float32))
    two = jax.grad(lambda z: confidence_penalty(z).sum())(np.array([[0, 1]], np.float32))
    np.testing.assert_allclose(gradient, np.concatenate([[[0]], two], axis=1), rtol=1e-6)


def test_nor_where_the_teacher_rules_it_out(run):
    student = np.array([[2, 0, 0], [OUT, 0, 1]], np.float32)
    teacher = np.array([[OUT, 0, 0], [OUT, 1, 0]], np.float32)
    found = run(distillation)(student, teacher, 1.0)
    probs = jax.nn.softmax(student)
    tanh = np.tanh(0.5)  # KL of (p, 1 - p) from (1 - p, p), p the logistic function of 1
    np.testing.assert_allclose(found, [-np.log(2 * probs[0, 1]), tanh], rtol=1e-5)
    gradient = run(jax.grad(lambda z: distillation(z, teacher, 1.0).sum()))(student)
    np.testing.assert_allclose(gradient, probs - jax.nn.softmax(teacher), atol=1e-6)


@pytest.mark.parametrize("loss", [cross_entropy, sigmoid_cross_entropy])
def test_a_target_on_a_class_that_is_ruled_out_costs_all(run, loss):
    targets = np.array([[0.1, 0.9, 0]], np.float32)
    np.testing.assert_array_equal(run(loss)(RULED_OUT[:1], targets), [np.inf])
    assert run(distillation)(RULED_OUT[:1], np.zeros((1, 3), np.float32), 1.0) == np.inf


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_in_the_targets_is_that_of_the_definition(run, name):
    """At a target of 0 too, where the product with the logarithm is 0 and its slope is not."""
    gradient = run(jax.grad(lambda q: LOSSES[name].function(LOGITS, q).sum()))(np.eye(4, 3, dtype=np.float32))
    expected = {
        "cross_entropy": -jax.nn.log_softmax(LOGITS), "sigmoid": -LOGITS,
        "squared_error": 2 * (np.eye(4, 3) - LOGITS),
    }  # fmt: skip
    np.testing.assert_allclose(gradient, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_nan_stays_nan(run, name):
    logits, targets = LOGITS.copy(), np.eye(4, 3, dtype=np.float32)
    logits[0, 1] = np.nan  # off the label
    targets[1, 0] = np.nan
    found = run(LOSSES[name].function)(logits, targets)
    np.testing.assert_array_equal(np.isnan(found), [True, True, False, False])
    assert np.isnan(run(confidence_penalty)(logits, 0.5)[0])
    assert np.all(np.isnan(run(confidence_penalty)(LOGITS, np.nan)))
    assert np.isnan(run(distillation)(LOGITS, logits, 1.0)[0]) and np.isnan(run(distillation)(logits, LOGITS, 1.0)[0])


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shapes", [((4, 3), (4, 1)), ((4, 3), (1, 3)), ((4, 3), (4,)), ((4,), (4,)), ((4,), (4, 3))])
def test_logits_and_targets_of_other_shapes_are_not_stretched(run, name, shapes):
    logits, targets = (np.ones(shape, np.float32) for shape in shapes)
    with pytest.raises(ValueError, match=r"of shapes? \(.*must (both )?be \(B, K\)"):
        run(LOSSES[name].function)(logits, targets)


def test_integer_targets_and_outputs_count_as_floats(run):
    np.testing.assert_array_equal(
        run(cross_entropy)(LOGITS, np.eye(4, 3, dtype=np.uint8)),
        run(cross_entropy)(LOGITS, np.eye(4, 3, dtype=np.float32)),
    )
    np.testing.assert_array_equal(run(binary_logits)(np.array([3], np.uint8)), [[-1.5, 1.5]])


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_is_above_0(temperature):
    with pytest.raises(ValueError, match="temperature is .*, must be in"):
        distillation(LOGITS, LOGITS, temperature)

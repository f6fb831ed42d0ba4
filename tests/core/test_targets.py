"""Targets against hand-computed losses: smoothing by both conventions, label noise and its correction, entropies."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from lamv.core import batch, laws, methods
from lamv.core.losses import cross_entropy, max_suppression
from lamv.core.mixing import mixup
from lamv.core.targets import (
    CONVENTIONS,
    correct_noise,
    entropy,
    even_soft_labels,
    flip,
    matched_smoothing,
    one_hot,
    smooth,
    smooth_towards,
    smoothing_limit,
    suppressed,
    updated_soft_labels,
)

FIRST_OF_THREE = np.array([[1.0, 0.0, 0.0]], np.float32)
LOG_PROBS = np.log(np.array([[0.7, 0.2, 0.1]], np.float32))
KEY = jax.random.key(3)
smoothed = jax.jit(smooth, static_argnames="convention")
MANY = 50_000
#: The same by both conventions, as one number says it: cross-entropy of LOG_PROBS against smoothing 0.1.
SMOOTHED_LOSS = {"uniform": 0.463297381, "others": 0.516608600}

#: convention, K, smoothing, gap of the optimal logits, smallest loss (the entropy of the target).
#: gap = ln(1 + K (1 - s) / s) for "uniform" and ln((1 - s) (K - 1) / s) for "others".
MINIMA = [
    ("uniform", 2, 0.1, 2.944438979, 0.198515243),
    ("uniform", 3, 0.1, 3.332204510, 0.291139839),
    ("uniform", 10, 0.1, 4.510859507, 0.500288035),
    ("uniform", 10, 0.2, 3.713572067, 0.866893911),
    ("uniform", 100, 0.1, 6.803505258, 0.777797042),
    ("uniform", 2, 0.75, 0.510825624, 0.661563238),
    ("others", 2, 0.1, 2.197224577, 0.325082973),
    ("others", 3, 0.1, 2.890371758, 0.394397691),
    ("others", 10, 0.1, 4.394449155, 0.544805431),
    ("others", 10, 0.2, 3.583518938, 0.939847339),
    ("others", 100, 0.1, 6.792344427, 0.784594958),
]


@pytest.mark.parametrize(
    "convention, smoothing, expected",
    [
        ("uniform", 0.0, (1.0, 0.0, 0.0)),
        ("uniform", 0.3, (0.8, 0.1, 0.1)),
        ("uniform", 0.999, (0.334, 0.333, 0.333)),
        ("others", 0.0, (1.0, 0.0, 0.0)),
        ("others", 0.3, (0.7, 0.15, 0.15)),
        ("others", 0.666, (0.334, 0.333, 0.333)),
    ],
)
def test_targets_by_hand(run, convention, smoothing, expected):
    found = run(partial(smooth, convention=convention))(FIRST_OF_THREE, smoothing)
    np.testing.assert_allclose(found, [expected], rtol=1e-6)
    assert found.dtype == jnp.float32


@pytest.mark.parametrize(
    "convention, smoothing, expected",
    [("uniform", 0.1, 0.463297381), ("others", 0.1, 0.516608600), ("others", 0.1 * 2 / 3, 0.463297381)],
)
def test_loss_by_hand(run, convention, smoothing, expected):
    loss = run(lambda s: cross_entropy(LOG_PROBS, smooth(FIRST_OF_THREE, s, convention)))(smoothing)
    np.testing.assert_allclose(loss, [expected], rtol=1e-6)


@pytest.mark.parametrize("num_classes", [2, 3, 10, 100])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5, 0.99])
def test_uniform_is_others_with_less(num_classes, smoothing):
    labels = np.eye(num_classes, dtype=np.float32)[[0, -1]]
    less = smoothing * (num_classes - 1) / num_classes
    expected = smoothed(labels, less, convention="others")
    np.testing.assert_allclose(smoothed(labels, smoothing), expected, rtol=2e-6, atol=1e-7)


losses_of = jax.jit(cross_entropy)


@pytest.mark.parametrize("convention, num_classes, smoothing, gap, smallest", MINIMA)
def test_smallest_loss_is_the_entropy_at_the_optimal_gap(convention, num_classes, smoothing, gap, smallest):
    label = np.eye(num_classes, dtype=np.float32)[:1]
    target = np.repeat(smoothed(label, smoothing, convention=convention), 3, axis=0)
    logits = np.float32([[gap], [gap - 0.1], [gap + 0.1]]) * label
    np.testing.assert_allclose(special.softmax(logits[:1], axis=1), target[:1], rtol=2e-6)
    at_the_gap, *nearby = losses_of(logits, target)
    np.testing.assert_allclose(at_the_gap, smallest, rtol=2e-6)
    assert min(nearby) > at_the_gap and min(nearby) > smallest


@pytest.mark.parametrize(
    "target, share, expected",
    [
        ((1, 0, 0, 0), 0.4, (0.7, 0.1, 0.1, 0.1)),  # as smoothing
        ((0.6, 0.4, 0, 0), 0.0, (0.6, 0.4, 0, 0)),
        ((0.6, 0.4, 0, 0), 0.2, (0.45, 0.45, 0.05, 0.05)),  # the larger part alone pays
        ((0.6, 0.4, 0, 0), 0.4, (0.4, 0.4, 0.1, 0.1)),  # then both
        ((0.6, 0.4, 0, 0), 3.0, (0.25, 0.25, 0.25, 0.25)),
    ],
)
def test_suppressed_targets_are_where_the_loss_of_maxsup_is_least(run, target, share, expected):
    found = np.asarray(run(suppressed)(np.float32([target]), share))
    np.testing.assert_allclose(found, [expected], atol=1e-6)

    @jax.jit
    def loss(logits):
        return cross_entropy(logits, jnp.tile(np.float32([target]), (len(logits), 1))) + share * max_suppression(logits)

    least = np.log(np.maximum(found, 1e-12))
    around = least + 0.1 * np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    np.testing.assert_allclose(loss(least), entropy(found), atol=1e-6)
    assert np.all(loss(around) > loss(least) - 1e-6)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_no_smoothing_leaves_every_bit(run, convention):
    targets = np.concatenate([np.eye(4), np.random.default_rng(0).dirichlet(np.ones(4), size=5)]).astype(np.float32)
    same = run(partial(smooth, convention=convention))(targets, 0.0)
    np.testing.assert_array_equal(np.asarray(same).view(np.uint32), targets.view(np.uint32))


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_smoothing_and_mixing_commute(convention):
    first, second = np.eye(4, dtype=np.float32)[[[0], [2]]]
    mixed_first = smooth(0.3 * first + 0.7 * second, 0.2, convention)
    smoothed_first = 0.3 * smooth(first, 0.2, convention) + 0.7 * smooth(second, 0.2, convention)
    np.testing.assert_allclose(mixed_first, smoothed_first, rtol=1e-6)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(convention=st.sampled_from(CONVENTIONS), num_classes=st.sampled_from([2, 3, 10]), share=st.floats(0, 0.99))
def test_targets_are_probabilities_with_the_label_on_top(convention, num_classes, share):
    smoothing = share * smoothing_limit(num_classes, convention)
    found = np.asarray(smooth(np.eye(num_classes, dtype=np.float32), smoothing, convention))
    assert np.all(found >= 0)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(found.argmax(axis=1), np.arange(num_classes))


def test_one_class_stays_one():
    np.testing.assert_array_equal(smooth(one_hot(jnp.array([0, 0]), 1), 0.25), [[1.0], [1.0]])


@pytest.mark.parametrize("wrong", [2, -1, 255])
def test_a_label_outside_the_range_is_an_error_or_in_a_trace_nan(wrong):
    labels = np.array([1, wrong])
    with pytest.raises(ValueError, match=rf"labels hold {wrong}, must be in \[0, 2\)"):
        one_hot(labels, 2)
    found = jax.jit(partial(one_hot, num_classes=2))(labels)
    np.testing.assert_array_equal(found, [[0, 1], [np.nan, np.nan]])
    for targets in (smooth(found, 0.1), flip(KEY, found, 0.9), 0.5 * np.asarray(found) + 0.5 * np.asarray(found)[::-1]):
        assert np.isnan(losses_of(np.zeros((2, 2)), targets)[1]), "no loss of such a label is a number"


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32, np.uint32, np.int64])
def test_labels_of_any_integer_type_are_the_same(run, dtype):
    found = run(partial(one_hot, num_classes=300))(np.array([0, 5, 44, 127], dtype))
    np.testing.assert_array_equal(np.argwhere(found), [[0, 0], [1, 5], [2, 44], [3, 127]])


def test_labels_are_integers(run):
    np.testing.assert_array_equal(run(partial(one_hot, num_classes=2))(np.array([True, False])), [[0, 1], [1, 0]])
    with pytest.raises(TypeError, match="labels are float32, must be integers"):
        run(partial(one_hot, num_classes=2))(jnp.array([1.0]))


@pytest.mark.parametrize(
    "smoothing, convention, value, allowed",
    [
        (1.0, "uniform", "smoothing is 1,", "[0, 1)"),
        (-0.1, "uniform", "smoothing is -0.1,", "[0, 1)"),
        (float("nan"), "uniform", "smoothing is nan,", "[0, 1)"),
        (0.75, "others", "smoothing is 0.75,", "[0, 0.75)"),
        (-0.1, "others", "smoothing is -0.1,", "[0, 0.75)"),
        (np.float32(1), "uniform", "smoothing is 1,", "[0, 1)"),
        (0.1, "unifrom", "'unifrom'", "uniform, others"),
    ],
)
def test_what_is_out_of_range_is_refused_in_one_line(smoothing, convention, value, allowed):
    with pytest.raises(ValueError) as caught:
        smooth(np.eye(4, dtype=np.float32), smoothing, convention)
    message = str(caught.value)
    assert value in message and allowed in message and "\n" not in message


def test_others_is_allowed_up_to_its_limit():
    just_below = np.nextafter(smoothing_limit(4, "others"), 0)
    np.testing.assert_allclose(smooth(np.eye(4, dtype=np.float32), just_below, "others"), 0.25, rtol=1e-6)


# Towards another distribution


def test_smoothing_towards_the_uniform_distribution_is_smoothing(run):
    targets = np.random.default_rng(0).dirichlet(np.ones(4), size=5).astype(np.float32)
    found = run(smooth_towards)(targets, 0.3, np.full(4, 0.25, np.float32))
    np.testing.assert_allclose(found, smoothed(targets, 0.3), rtol=1e-6)


def test_smoothing_towards_frequencies_by_hand(run):
    frequencies = jnp.array([0.5, 0.3, 0.2])
    np.testing.assert_allclose(run(smooth_towards)(FIRST_OF_THREE, 0.1, frequencies), [[0.95, 0.03, 0.02]], rtol=1e-6)
    of_each = jnp.array([[0.0, 1.0, 0.0], [0.2, 0.2, 0.6]])
    found = run(smooth_towards)(np.eye(3, dtype=np.float32)[:2], 0.5, of_each)
    np.testing.assert_allclose(found, [[0.5, 0.5, 0], [0.1, 0.6, 0.3]], rtol=1e-6)


def test_no_smoothing_towards_anything_leaves_every_bit(run):
    targets = np.random.default_rng(0).dirichlet(np.ones(4), size=5).astype(np.float32)
    same = run(smooth_towards)(targets, 0.0, jnp.array([0.7, 0.1, 0.1, 0.1]))
    np.testing.assert_array_equal(np.asarray(same).view(np.uint32), targets.view(np.uint32))


# Label noise and its correction


def transitions(noise_rate, num_classes, convention):
    """(K, K) float64: probability of the noisy label, given the clean one, from the definition."""
    if convention == "uniform":
        return (1 - noise_rate) * np.eye(num_classes) + noise_rate / num_classes
    off = noise_rate / (num_classes - 1)
    return (1 - noise_rate - off) * np.eye(num_classes) + off


def test_noise_correction_by_hand(run):
    np.testing.assert_allclose(
        run(correct_noise)(np.eye(2, dtype=np.float32), 0.2), [[1.125, -0.125], [-0.125, 1.125]], rtol=1e-6
    )


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("num_classes, noise_rate", [(2, 0.2), (3, 0.5), (10, 0.0), (10, 0.8)])
def test_noise_correction_inverts_the_noise(convention, num_classes, noise_rate):
    noise_rate = min(noise_rate, 0.9 * smoothing_limit(num_classes, convention))
    inverse = np.linalg.inv(transitions(noise_rate, num_classes, convention))
    found = np.asarray(correct_noise(np.eye(num_classes, dtype=np.float32), noise_rate, convention))
    np.testing.assert_allclose(found, inverse, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(smoothed(found, noise_rate, convention=convention), np.eye(num_classes), atol=1e-6)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_corrected_loss_is_the_clean_one_on_average_over_all_flips(convention):
    logits = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    corrected = correct_noise(
        np.eye(4, dtype=np.float32), 0.3, convention
    )  # one row for each noisy label that may come
    for clean in range(4):
        same = np.tile(logits[clean], (4, 1))
        losses = losses_of(same, corrected)
        expected = losses_of(same, np.eye(4, dtype=np.float32))[clean]
        assert transitions(0.3, 4, convention)[clean] @ losses == pytest.approx(float(expected), rel=1e-5)


@partial(jax.jit, static_argnames="convention")
def flipped(key, targets, rate, convention):
    return flip(key, targets, rate, convention)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_flipped_labels_have_the_loss_of_smoothing_on_average(convention):
    targets = flipped(KEY, np.tile(FIRST_OF_THREE, (MANY, 1)), 0.1, convention)
    losses = np.asarray(losses_of(np.tile(LOG_PROBS, (MANY, 1)), targets))
    assert np.all((np.asarray(targets) == 0) | (np.asarray(targets) == 1)), "a flipped label is a label"
    assert abs(losses.mean() - SMOOTHED_LOSS[convention]) < 4 * losses.std() / np.sqrt(MANY)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_flipping_is_smoothing_in_expectation_whatever_the_targets(convention):
    for target in ([0.0, 0.0, 1.0], [0.5, 0.5, 0.0], [0.6, 0.3, 0.1]):
        targets = np.tile(np.float32([target]), (MANY, 1))
        found = np.asarray(flipped(KEY, targets, 0.4, convention), np.float64)
        expected = np.asarray(smoothed(targets[:1], 0.4, convention=convention))[0]
        assert np.all(np.abs(found.mean(axis=0) - expected) < 4 * found.std(axis=0) / np.sqrt(MANY) + 1e-7)


def test_flips_are_drawn_anew_at_each_key_and_for_each_example():
    labels = np.eye(4, dtype=np.float32)[np.zeros(400, int)]
    once, again, later = (np.asarray(flipped(key, labels, 0.5, "others")) for key in (KEY, KEY, jax.random.key(4)))
    np.testing.assert_array_equal(once, again)
    (changed, changed_later) = (flips[:, 0] == 0 for flips in (once, later))
    assert 0.4 < changed.mean() < 0.6, "half of the examples are flipped, each by a draw of its own"
    assert 0.4 < (changed != changed_later).mean() < 0.6


def test_flips_do_not_depend_on_how_the_batch_is_cut():
    labels = np.eye(3, dtype=np.float32)[np.arange(12) % 3]

    def on_a_part(targets):
        return flip(KEY, targets, 0.5, rows=batch.part(12, "data"))

    pieces = jax.jit(jax.vmap(on_a_part, axis_name="data"))(labels.reshape(4, 3, 3))
    np.testing.assert_array_equal(np.reshape(pieces, (12, 3)), flipped(KEY, labels, 0.5, "uniform"))


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_target_that_rounding_left_above_one_is_flipped_too(convention):
    targets = np.tile(np.float32([[0, 1 + 2e-7, 0]]), (MANY, 1))  # in the shape of another test: compiled once
    share = np.asarray(flipped(KEY, targets, 0.6, convention)).mean(axis=0)
    np.testing.assert_allclose(share, smoothed(targets[:1], 0.6, convention=convention)[0], atol=0.02)


def test_a_rate_of_zero_flips_nothing(run):
    targets = np.random.default_rng(0).dirichlet(np.ones(4), size=5).astype(np.float32)
    np.testing.assert_array_equal(run(partial(flip, KEY))(targets, 0.0), targets)


# Entropies


def test_entropy_by_hand(run):
    targets = np.array([[1, 0, 0], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3], [0.7, 0.2, 0.1]], np.float32)
    np.testing.assert_allclose(run(entropy)(targets), [0, np.log(2), np.log(3), 0.801818553], rtol=1e-6)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("num_classes", [2, 3, 10, 100])
def test_matched_smoothing_has_the_entropy_that_was_asked_for(num_classes, convention):
    asked = np.float32([0.0, 0.01, 0.3, 0.69, 0.99 * np.log(num_classes)])
    label = np.eye(num_classes, dtype=np.float32)[:1]

    def with_entropy(asked):
        return entropy(smooth(label, matched_smoothing(asked, num_classes, convention), convention))

    np.testing.assert_allclose(jax.jit(jax.vmap(with_entropy))(asked)[:, 0], asked, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("law", [laws.uniform(), laws.fixed(0.5), laws.beta(0.4)], ids=["uniform", "midpoint", "beta"])
def test_matched_smoothing_has_the_mean_entropy_of_mixup(law):
    prior = np.float32([0.5, 0.3, 0.2])
    targets = np.repeat(np.eye(3, dtype=np.float32), [10_000, 6_000, 4_000], axis=0)

    @jax.jit
    def entropies(targets):
        matched = methods.matched_smoothing(KEY, targets, targets, law=law, prior=prior)[1]
        return entropy(mixup(KEY, targets, targets, law=law)[1]), entropy(matched)

    mixed, matched = map(np.asarray, entropies(targets))
    np.testing.assert_allclose(matched, matched[0], rtol=1e-5)
    assert abs(matched[0] - np.mean(mixed)) < 4 * np.std(mixed) / np.sqrt(20_000)


@pytest.mark.parametrize(
    "function, words",
    [
        (lambda q: smooth_towards(q, 1.0, jnp.full(4, 0.25)), "smoothing is 1, must be in [0, 1)"),
        (lambda q: correct_noise(q, 1.0), "noise_rate is 1, must be in [0, 1)"),
        (lambda q: correct_noise(q, 0.75, "others"), "noise_rate is 0.75, must be in [0, 0.75)"),
        (lambda q: correct_noise(q, -0.1), "noise_rate is -0.1, must be in"),
        (lambda q: flip(KEY, q, 1.0), "rate is 1, must be in [0, 1)"),
        (lambda q: flip(KEY, q, 0.8, "others"), "rate is 0.8, must be in [0, 0.75)"),
        (lambda q: flip(KEY, q, 0.1, "unifrom"), "'unifrom' is unknown"),
    ],
)
def test_noise_out_of_range_is_refused_in_one_line(function, words):
    with pytest.raises(ValueError) as caught:
        function(np.eye(4, dtype=np.float32))
    assert words in str(caught.value) and "\n" not in str(caught.value)


# What somebody else may pass


@pytest.mark.parametrize("function", [
    partial(smooth, smoothing=0.1), partial(smooth_towards, smoothing=0.1, prior=np.full(4, 0.25, np.float32)),
    partial(correct_noise, noise_rate=0.1), partial(flip, KEY, rate=0.1),
])  # fmt: skip
def test_integer_targets_count_as_floats(run, function):
    made = run(lambda targets: function(targets=targets))
    targets = np.eye(4)[[0, 1, 2, 3, 0]]
    for dtype in (np.uint8, np.int64, bool):
        found = made(targets.astype(dtype))
        assert found.dtype == jnp.float32
        np.testing.assert_array_equal(found, made(targets.astype(np.float32)))
    with pytest.raises(ValueError, match=r"targets are of shape \(2,\).*lamv.core.targets.one_hot"):
        function(targets=np.array([0, 1]))


def test_a_smoothing_is_one_number(run):
    with pytest.raises(ValueError, match=r"smoothing is of shape \(2,\), must be a scalar"):
        run(smooth)(jnp.eye(2), jnp.array([0.1, 0.2]))


def test_a_prior_is_of_all_classes():
    with pytest.raises(ValueError, match=r"prior is of shape \(1,\), must be \(2,\)"):
        smooth_towards(np.eye(2), 0.1, np.ones(1))


@pytest.mark.parametrize("mean_entropy", [0.7, np.nan, np.inf])
def test_no_smoothing_has_an_entropy_above_that_of_all_classes(run, mean_entropy):
    assert np.isnan(run(partial(matched_smoothing, num_classes=2))(mean_entropy))


def test_the_entropy_has_a_slope_where_a_class_is_ruled_out():
    slope = jax.jit(jax.grad(lambda logits: entropy(jax.nn.softmax(logits)).sum()))
    two = np.asarray(slope(np.float32([[0, 1]])))
    np.testing.assert_allclose(slope(np.float32([[-np.inf, 0, 1]])), np.concatenate([[[0]], two], axis=1), rtol=1e-6)


def test_the_entropy_of_nan_is_nan(run):
    assert np.isnan(run(entropy)(np.float32([[np.nan, 0.5]])))


# Online label smoothing


def test_soft_labels_are_the_mean_right_predictions_of_an_epoch():
    update = jax.jit(updated_soft_labels)
    first = np.float32([[0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.2, 0.7, 0.1]])
    labels = np.eye(3, dtype=np.float32)
    soft = update(even_soft_labels(3), first, labels[[0, 1, 1]], False)
    np.testing.assert_allclose(soft.rows, np.full((3, 3), 1 / 3), rtol=1e-6, err_msg="the epoch has not ended")
    np.testing.assert_allclose(soft.sums, [[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0, 0, 0]], err_msg="the second is wrong")
    soft = update(soft, np.float32([[0.8, 0.1, 0.1], [0.1, 0.9, 0.0]]), labels[[0, 2]], True)
    np.testing.assert_allclose(soft.rows, [[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [1 / 3] * 3], rtol=1e-5)
    assert not np.any(soft.sums)
    # A class that is never right keeps its row; the smoothed label counts for its largest entry.
    soft = update(soft, np.float32([[0.1, 0.1, 0.8]]), np.float32([[0.1, 0.2, 0.7]]), True)
    np.testing.assert_allclose(soft.rows, [[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8]], rtol=1e-5)

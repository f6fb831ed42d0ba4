"""Label smoothing: both conventions against hand-computed losses, and the map between them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamv.core.losses import cross_entropy
from lamv.core.targets import CONVENTIONS, one_hot, smooth, smoothing_limit

FIRST_OF_THREE = np.array([[1.0, 0.0, 0.0]], np.float32)
LOG_PROBS = np.log(np.array([[0.7, 0.2, 0.1]], np.float32))

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
    smoothed = run(partial(smooth, convention=convention))(FIRST_OF_THREE, smoothing)
    np.testing.assert_allclose(smoothed, [expected], rtol=1e-6)
    assert smoothed.dtype == jnp.float32


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
    labels = one_hot(jnp.array([0, num_classes - 1]), num_classes)
    less = smoothing * (num_classes - 1) / num_classes
    np.testing.assert_allclose(smooth(labels, smoothing), smooth(labels, less, "others"), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("convention, num_classes, smoothing, gap, smallest", MINIMA)
def test_smallest_loss_is_the_entropy_at_the_optimal_gap(convention, num_classes, smoothing, gap, smallest):
    target = smooth(one_hot(jnp.array([0]), num_classes), smoothing, convention)
    logits = gap * one_hot(jnp.array([0]), num_classes)
    np.testing.assert_allclose(jax.nn.softmax(logits), target, rtol=2e-6)
    np.testing.assert_allclose(cross_entropy(logits, target), [smallest], rtol=2e-6)
    for nearby in (gap - 0.1, gap + 0.1):
        assert cross_entropy(logits * nearby / gap, target)[0] > smallest


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_no_smoothing_leaves_every_bit(run, convention):
    targets = np.concatenate([np.eye(4), np.random.default_rng(0).dirichlet(np.ones(4), size=5)]).astype(np.float32)
    same = run(partial(smooth, convention=convention))(targets, 0.0)
    np.testing.assert_array_equal(np.asarray(same).view(np.uint32), targets.view(np.uint32))


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_smoothing_and_mixing_commute(convention):
    first, second = one_hot(jnp.array([0]), 4), one_hot(jnp.array([2]), 4)
    mixed_first = smooth(0.3 * first + 0.7 * second, 0.2, convention)
    smoothed_first = 0.3 * smooth(first, 0.2, convention) + 0.7 * smooth(second, 0.2, convention)
    np.testing.assert_allclose(mixed_first, smoothed_first, rtol=1e-6)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(
    convention=st.sampled_from(CONVENTIONS),
    num_classes=st.sampled_from([2, 3, 10]),
    share=st.floats(0, 0.99),
)
def test_targets_are_probabilities_with_the_label_on_top(convention, num_classes, share):
    smoothing = share * smoothing_limit(num_classes, convention)
    smoothed = np.asarray(smooth(one_hot(jnp.arange(num_classes), num_classes), smoothing, convention))
    assert np.all(smoothed >= 0)
    np.testing.assert_allclose(smoothed.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(smoothed.argmax(axis=1), np.arange(num_classes))


def test_one_class_stays_one():
    np.testing.assert_array_equal(smooth(one_hot(jnp.array([0, 0]), 1), 0.25), [[1.0], [1.0]])


def test_a_label_outside_the_range_gives_zeros(run):
    np.testing.assert_array_equal(run(partial(one_hot, num_classes=2))(jnp.array([1, 2, -1])), [[0, 1], [0, 0], [0, 0]])


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

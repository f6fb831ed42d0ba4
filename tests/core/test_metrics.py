"""Prediction metrics: by hand and by numpy; sums add over batches, and masked rows are in none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.core.metrics import ECE_BINS, PredictionSums, prediction_metrics, prediction_sums, weight_norm_ratio

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(24, 5)).astype(np.float32) * 2
LABELS = RNG.integers(5, size=24)
GROUPS = RNG.integers(3, size=24)
ALL = np.ones(24, bool)
sums_of = jax.jit(prediction_sums, static_argnames="num_groups")


def assert_same(a: PredictionSums, b: PredictionSums):
    for name, left, right in zip(PredictionSums._fields, a, b, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-6, err_msg=name)


def logits_of(confidence):
    """Two-class logits whose softmax is (confidence, 1 - confidence)."""
    confidence = np.asarray(confidence, np.float32)
    return np.log(np.stack([confidence, 1 - confidence], axis=1))


def test_calibration_error_by_hand(run):
    labels = np.array([0, 1, 0, 0])  # the prediction is class 0: right, wrong, right, right
    sums = run(prediction_sums)(logits_of([0.95, 0.85, 0.65, 0.55]), labels, np.ones(4))
    found = prediction_metrics(sums)
    assert found["ece"] == pytest.approx(0.425, rel=1e-5)
    assert found["accuracy"] == 0.75
    assert found["nll"] == pytest.approx(-np.log([0.95, 0.15, 0.65, 0.55]).mean(), rel=1e-5)


def test_errors_cancel_within_a_bin_but_not_across():
    # 0.81 and 0.85 lie in bin 12 of 15, [0.8, 0.8667), 0.79 in bin 11.
    one_bin = prediction_metrics(sums_of(logits_of([0.81, 0.85]), np.array([0, 1]), np.ones(2)))
    two_bins = prediction_metrics(sums_of(logits_of([0.79, 0.85]), np.array([0, 1]), np.ones(2)))
    assert one_bin["ece"] == pytest.approx(abs(1 - 1.66) / 2, rel=1e-5)
    assert two_bins["ece"] == pytest.approx((0.21 + 0.85) / 2, rel=1e-5)


def test_full_confidence_falls_in_the_last_bin():
    sums = sums_of(np.array([[100.0, 0.0]], np.float32), np.array([0]), np.ones(1))
    np.testing.assert_array_equal(sums.calibration[ECE_BINS - 1], [1, 1, 1])
    assert prediction_metrics(sums)["ece"] == 0


def test_metrics_against_numpy():
    found = prediction_metrics(sums_of(LOGITS, LABELS, ALL, GROUPS, 3))
    probs = np.exp(LOGITS.astype(np.float64))
    probs /= probs.sum(axis=1, keepdims=True)
    confidence, correct = probs.max(axis=1), probs.argmax(axis=1) == LABELS
    bins = np.minimum(confidence * 15, 14).astype(int)
    by_group = [correct[group == GROUPS].mean() for group in range(3)]
    assert found == pytest.approx(
        {
            "accuracy": correct.mean(),
            "nll": -np.log(probs[np.arange(24), LABELS]).mean(),
            "ece": sum(abs((correct - confidence)[bins == b].sum()) for b in range(15)) / 24,
            "worst_group_accuracy": min(by_group),
            "mean_group_accuracy": np.mean(by_group),
        },
        rel=1e-5,
    )


def test_sums_of_batches_add_up():
    parts = [slice(0, 1), slice(1, 24)]
    batches = [sums_of(LOGITS[rows], LABELS[rows], ALL[rows], GROUPS[rows], 3) for rows in parts]
    assert_same(jax.tree.map(lambda *values: sum(values), *batches), sums_of(LOGITS, LABELS, ALL, GROUPS, 3))


def test_a_masked_row_is_in_no_sum():
    mask = np.arange(24) % 3 > 0
    masked = sums_of(LOGITS, LABELS, mask, GROUPS, 3)
    assert_same(masked, sums_of(LOGITS[mask], LABELS[mask], ALL[mask], GROUPS[mask], 3))
    assert masked.count == 16


@pytest.mark.parametrize("filler", [np.nan, np.inf, -np.inf])
def test_what_a_masked_row_holds_does_not_count(filler):
    mask = np.arange(24) % 3 > 0
    dirty = np.where(mask[:, None], LOGITS, np.float32(filler))
    for name, found, clean in zip(
        PredictionSums._fields,
        sums_of(dirty, LABELS, mask, GROUPS, 3),
        sums_of(LOGITS, LABELS, mask, GROUPS, 3),
        strict=True,
    ):
        np.testing.assert_array_equal(found, clean, err_msg=f"{name}: a masked row of {filler} got through (0 * nan?)")


def test_groups_by_hand():
    logits = np.eye(2, dtype=np.float32)[[0, 0, 0, 1, 1]]
    labels, groups = np.array([0, 1, 0, 1, 1]), np.array([0, 0, 0, 2, 2])
    sums = sums_of(logits, labels, np.ones(5), groups, 4)
    np.testing.assert_array_equal(sums.groups, [[3, 2], [0, 0], [2, 2], [0, 0]])
    found = prediction_metrics(sums)
    assert found["worst_group_accuracy"] == pytest.approx(2 / 3), "a group without examples is not the worst"
    assert found["mean_group_accuracy"] == pytest.approx((2 / 3 + 1) / 2), "the mean is over groups with examples"


def test_the_index_past_the_last_group_counts_in_no_group():
    logits, labels = np.eye(2, dtype=np.float32), np.array([0, 1])
    sums = sums_of(logits, labels, np.ones(2), np.array([2, 1]), 2)
    np.testing.assert_array_equal(sums.groups, [[0, 0], [1, 1]])
    assert sums.count == 2, "an example without a group still counts in accuracy"


@pytest.mark.parametrize("groups, num_groups", [(None, 0), (np.zeros(24, int), 0), (np.full(24, 3), 3)])
def test_without_groups_there_are_no_group_metrics(groups, num_groups):
    assert set(prediction_metrics(sums_of(LOGITS, LABELS, ALL, groups, num_groups))) == {"accuracy", "nll", "ece"}


def test_a_batch_of_no_examples_adds_nothing():
    nobody = jnp.zeros(0, jnp.int32)
    sums = sums_of(jnp.zeros((0, 5)), nobody, nobody, nobody, 3)
    assert [value.shape for value in sums] == [(), (), (), (ECE_BINS, 3), (3, 2)]
    assert not any(np.any(value) for value in sums)


def test_sums_are_float32_whatever_the_logits():
    assert {v.dtype for v in sums_of(jnp.asarray(LOGITS, jnp.bfloat16), LABELS, ALL)} == {jnp.dtype("float32")}


def test_weight_norm_ratio_by_hand():
    kernel = np.array([[3.0, 4.0], [0.0, 6.0], [8.0, 0.0]])
    assert weight_norm_ratio(kernel, np.array([True, False, False])) == pytest.approx(5 / 10)
    assert weight_norm_ratio(kernel, np.array([False, True, True])) == pytest.approx(10 / 5)
    assert weight_norm_ratio(jnp.asarray(10 * kernel), [True, False, False]) == pytest.approx(5 / 10)

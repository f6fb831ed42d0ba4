"""Prediction metrics: by hand and by numpy; sums add over batches, and masked rows are in none."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.core import intervals
from lamv.core.metrics import (
    BINS,
    NAMED_GROUPS,
    PredictionSums,
    cue_drop,
    group_table,
    prediction_metrics,
    prediction_sums,
    regression_metrics,
    regression_sums,
    weight_norm_ratio,
    weight_norm_share,
)

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(24, 5)).astype(np.float32) * 2
LABELS = RNG.integers(5, size=24)
GROUPS = RNG.integers(3, size=24)
CUE = RNG.integers(-1, 5, size=24)
ALL = np.ones(24, bool)
sums_of = jax.jit(prediction_sums, static_argnames="num_groups")


def sums_with_cue(logits, labels, mask, groups):
    return prediction_sums(logits, labels, mask, groups, 3, cue=CUE)


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
    np.testing.assert_array_equal(sums.calibration[BINS - 1], [1, 1, 1])
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
            "worst_group_count": max(np.sum(g == GROUPS) for g in range(3) if by_group[g] == min(by_group)),
            "mean_group_accuracy": np.mean(by_group),
            "groups_left_out": 0,
            **{f"group_{group}/accuracy": by_group[group] for group in range(3)},
            **{f"group_{group}/count": np.sum(group == GROUPS) for group in range(3)},
        },
        rel=1e-5,
    )


def test_sums_of_batches_add_up():
    parts = [slice(0, 1), slice(1, 24)]
    batches = [sums_of(LOGITS[rows], LABELS[rows], ALL[rows], GROUPS[rows], 3, cue=CUE[rows]) for rows in parts]
    assert_same(jax.tree.map(lambda *values: sum(values), *batches), sums_of(LOGITS, LABELS, ALL, GROUPS, 3, cue=CUE))


def test_a_masked_row_is_in_no_sum():
    mask = np.arange(24) % 3 > 0
    masked = sums_of(LOGITS, LABELS, mask, GROUPS, 3, cue=CUE)
    assert_same(masked, sums_of(LOGITS[mask], LABELS[mask], ALL[mask], GROUPS[mask], 3, cue=CUE[mask]))
    assert masked.count == 16


@pytest.mark.parametrize("filler", [np.nan, np.inf, -np.inf])
def test_what_a_masked_row_holds_does_not_count(filler):
    mask = np.arange(24) % 3 > 0
    dirty = np.where(mask[:, None], LOGITS, np.float32(filler))
    for name, found, clean in zip(
        PredictionSums._fields,
        sums_of(dirty, LABELS, mask, GROUPS, 3, cue=CUE),
        sums_of(LOGITS, LABELS, mask, GROUPS, 3, cue=CUE),
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
    assert found["groups_left_out"] == 2
    assert (found["group_0/accuracy"], found["group_0/count"]) == (pytest.approx(2 / 3), 3)
    assert not {"group_1/accuracy", "group_1/count"} & set(found)


@pytest.mark.parametrize("shares, expected", [
    ([3, 0, 1, 0], 0.75 * 2 / 3 + 0.25),
    ([30, 50, 10, 10], 0.75 * 2 / 3 + 0.25),  # those of the groups without examples fall away
    ([0.0, 0.5, 0.5, 0.0], 1.0),
    ([0, 1, 0, 1], None),  # of what was trained on there is nothing here
])  # fmt: skip
def test_the_adjusted_accuracy_weighs_groups_as_training_did(shares, expected):
    logits = np.eye(2, dtype=np.float32)[[0, 0, 0, 1, 1]]
    sums = sums_of(logits, np.array([0, 1, 0, 1, 1]), np.ones(5), np.array([0, 0, 0, 2, 2]), 4)
    found = prediction_metrics(sums, np.array(shares))
    assert found.get("adjusted_accuracy") == (expected if expected is None else pytest.approx(expected))


def test_the_balanced_accuracy_counts_each_class_alike_where_classes_are_unequal():
    # 20 of class 0, all right; 10 of class 1, 4 right; none of class 2.
    labels, guesses = np.repeat([0, 1], [20, 10]), np.repeat([0, 1, 0], [20, 4, 6])
    found = prediction_metrics(sums_of(np.eye(3)[guesses], labels, np.ones(30)))
    assert found["accuracy"] == pytest.approx(0.8) and found["balanced_accuracy"] == pytest.approx(0.7)
    assert (found["class_0/count"], found["class_1/count"]) == (20, 10) and "class_2/accuracy" not in found
    assert found["class_1/accuracy"] == pytest.approx(0.4)
    for some in (np.arange(30) < 29 - 10, np.arange(30) > 0):  # one class alone; 19 and 10
        alike = prediction_metrics(sums_of(np.eye(3)[guesses], labels, some))
        assert not [key for key in alike if key.startswith(("balanced", "class_"))]


def test_the_worst_group_has_its_number_of_examples():
    groups = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    right = np.array([1, 1, 0, 0, 0, 0, 0, 0])
    found = prediction_metrics(sums_of(np.eye(2)[right], np.ones(8, int), np.ones(8), groups, 4))
    assert found["worst_group_accuracy"] == 0 and found["worst_group_count"] == 3, "of two that are worst, the larger"


def test_groups_are_named_by_label_and_attribute_where_there_are_few():
    labels, attributes = np.array([0, 1, 1, 1]), np.array([2, 0, 0, 2])
    sums = sums_of(np.eye(2, dtype=np.float32)[[0, 1, 0, 1]], labels, np.ones(4), labels * 3 + attributes, 6)
    found = prediction_metrics(sums, num_attributes=3)
    named = {key: value for key, value in found.items() if key.startswith("group_")}
    assert named == {
        "group_0_2/accuracy": 1, "group_0_2/count": 1, "group_1_0/accuracy": 0.5, "group_1_0/count": 2,
        "group_1_2/accuracy": 1, "group_1_2/count": 1,
    }  # fmt: skip


def test_of_many_groups_there_is_a_table_instead():
    groups = np.zeros((NAMED_GROUPS + 1, 2))
    groups[[0, 3, 16]] = [[10, 9], [1, 0], [5, 5]]
    sums = PredictionSums(16.0, 14.0, 1.0, np.zeros((BINS, 3)), np.zeros((2, 2)), groups, np.zeros(4))
    assert not [key for key in prediction_metrics(sums) if key.startswith("group_")]
    table, left_out = group_table(groups, num_attributes=2)
    assert [line[:4] for line in table] == [[0, 0, 10, 9], [1, 1, 1, 0], [8, 0, 5, 5]] and left_out == 0
    assert table[0][4:] == pytest.approx(np.array(intervals.wilson(9, 10)), abs=1e-6)
    assert group_table(groups)[0][1][:2] == [3, None]
    largest, left_out = group_table(groups, most=2)
    assert [line[0] for line in largest] == [0, 16] and left_out == 1


# Reliance on a cue


@pytest.mark.parametrize("classes, core, cue", [(2, 3.0, 1.0), (3, 1.0, 2.5), (7, 0.5, -0.25)])
def test_the_contrasts_of_additive_logits_are_their_parts(classes, core, cue):
    """Over all pairs of a label and a class that the cue says, which is what independent and uniform means."""
    labels, says = np.array(list(product(range(classes), repeat=2))).T
    rest = RNG.normal(size=(len(labels), 1))  # the same for all classes
    logits = core * np.eye(classes)[labels] + cue * np.eye(classes)[says] + rest
    found = prediction_metrics(sums_of(logits, labels, np.ones(len(labels)), cue=says))
    assert found["label_logit"] == pytest.approx(core, rel=1e-5)
    assert found["cue_logit"] == pytest.approx(cue, rel=1e-5)
    assert found["cue_over_label"] == pytest.approx(cue / core, rel=1e-5)
    assert found["cue_accuracy"] == (1.0 if cue > core else pytest.approx(1 / classes))


def test_reliance_is_that_of_the_examples_whose_cue_says_a_class():
    logits = np.array([[2.0, 0.0, 1.0], [0.0, 5.0, 1.0], [9.0, 9.0, 8.0]], np.float32)
    found = prediction_metrics(sums_of(logits, np.array([0, 2, 0]), np.ones(3), cue=np.array([2, 1, -1])))
    assert found["cue_accuracy"] == 0.5, "the second goes with its cue; the third has none"
    assert found["label_logit"] == pytest.approx(((2 - 0.5) + (1 - 2.5)) / 2)
    assert found["cue_logit"] == pytest.approx(((1 - 1) + (5 - 0.5)) / 2)
    assert "cue_over_label" not in found, "the label has no part in these margins, so there is no ratio"


@pytest.mark.parametrize("cue", [None, np.full(24, -1), np.full(24, 5)])
def test_without_a_cue_that_says_a_class_nothing_is_said_of_reliance(cue):
    found = prediction_metrics(sums_of(LOGITS, LABELS, ALL, cue=cue))
    assert set(found) == {"accuracy", "nll", "ece"}


def test_the_drop_is_between_the_ends_of_the_cue():
    found = {"test_aligned/accuracy": 0.9, "test_conflicting/accuracy": 0.25, "test/accuracy": 0.8}
    assert cue_drop(found) == {"test/cue_drop": pytest.approx(0.65)}
    assert cue_drop({"test_aligned/accuracy": 0.9}) == {}


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
    sums = sums_of(jnp.zeros((0, 5)), nobody, nobody, nobody, 3, cue=nobody)
    assert [value.shape for value in sums] == [(), (), (), (BINS, 3), (5, 2), (3, 2), (4,)]
    assert not any(np.any(value) for value in sums)


def test_sums_are_float32_whatever_the_logits():
    assert {v.dtype for v in sums_of(jnp.asarray(LOGITS, jnp.bfloat16), LABELS, ALL)} == {jnp.dtype("float32")}


def test_weight_norm_ratio_by_hand():
    kernel = np.array([[3.0, 4.0], [0.0, 6.0], [8.0, 0.0]])
    assert weight_norm_ratio(kernel, np.array([True, False, False])) == pytest.approx(5 / 10)
    assert weight_norm_ratio(kernel, np.array([False, True, True])) == pytest.approx(10 / 5)
    assert weight_norm_ratio(jnp.asarray(10 * kernel), [True, False, False]) == pytest.approx(5 / 10)


def test_weight_norm_share_by_hand():
    kernel = np.array([[3.0, 4.0], [0.0, 6.0], [8.0, 0.0]])
    cue = np.array([True, False, False])
    assert weight_norm_share(kernel, cue) == pytest.approx(25 / 125)
    ratio = weight_norm_ratio(kernel, cue)
    assert weight_norm_share(-7 * kernel, cue) == pytest.approx(ratio**2 / (1 + ratio**2))


@pytest.mark.parametrize("of", [weight_norm_ratio, weight_norm_share])
@pytest.mark.parametrize("cue", [[0, 2, 1], [False] * 3, [True] * 3, [True]], ids=str)
def test_a_mask_of_inputs_splits_them_in_two(of, cue):
    with pytest.raises(ValueError, match="cue (is|are)"):
        of(np.ones((3, 2)), cue)


@pytest.mark.parametrize("row", [[-np.inf] * 5, [np.inf, 0, 0, 0, 0]], ids=str)
def test_a_row_without_a_softmax_predicts_nothing(run, row):
    logits = LOGITS.copy()
    logits[0] = row
    found = prediction_metrics(run(prediction_sums)(logits, np.zeros(24, int), ALL))
    assert all(np.isnan(found[name]) for name in ("accuracy", "nll", "ece"))


@pytest.mark.parametrize("name", ["groups", "cue"])
@pytest.mark.parametrize("shape", [(1,), (24, 1), (23,)], ids=str)
def test_groups_and_cues_are_one_for_each_row(name, shape):
    with pytest.raises(ValueError, match=rf"{name} are of shape .*, must be \(24,\)"):
        prediction_sums(LOGITS, LABELS, ALL, num_groups=3, **{name: np.zeros(shape, int)})


# What is neither right nor wrong


@pytest.mark.parametrize("wrong", [5, 255, -1])
def test_a_label_out_of_range_leaves_no_number(run, wrong):
    labels = np.where(np.arange(24) == 3, wrong, LABELS)
    sums = run(sums_with_cue)(LOGITS, labels, ALL, GROUPS)
    found = prediction_metrics(sums)
    assert np.isnan([found[name] for name in ("accuracy", "nll", "ece", "worst_group_accuracy")]).all()
    mask = np.arange(24) != 3
    for one, other in zip(sums_of(LOGITS, labels, mask), sums_of(LOGITS, LABELS, mask), strict=True):
        np.testing.assert_array_equal(one, other, err_msg="a masked row may hold anything")


def test_a_label_in_a_narrow_type_does_not_wrap():
    logits, labels = np.zeros((1, 300), np.float32), np.array([44], np.uint8)
    assert prediction_metrics(sums_of(logits, labels, np.ones(1)))["nll"] == pytest.approx(np.log(300))


@pytest.mark.parametrize("where", [0, slice(None)])
def test_logits_that_are_nan_are_not_correct(run, where):
    logits = LOGITS.copy()
    logits[3, where] = np.nan
    found = prediction_metrics(run(sums_with_cue)(logits, LABELS, ALL, GROUPS))
    names = (
        "accuracy",
        "nll",
        "ece",
        "worst_group_accuracy",
        *(("cue_accuracy", "label_logit") if CUE[3] >= 0 else ()),
    )
    assert np.isnan([found[name] for name in names]).all()
    assert found[f"group_{GROUPS[3] - 1 if GROUPS[3] else 1}/accuracy"] <= 1, "other groups are what they are"


def test_a_logit_of_minus_infinity_rules_a_class_out():
    logits = np.array([[-np.inf, 0, 0], [0, 0, -np.inf]], np.float32)
    found = prediction_metrics(sums_of(logits, np.array([1, 0]), np.ones(2)))
    assert (found["accuracy"], found["nll"]) == (1, pytest.approx(np.log(2)))
    assert found["ece"] == pytest.approx(0.5)


@pytest.mark.parametrize("labels, mask", [((24, 1), (24,)), ((1,), (24,)), ((24,), (24, 1)), ((24,), (1,))])
def test_shapes_that_do_not_fit_are_not_stretched(labels, mask):
    with pytest.raises(ValueError, match=r"are of shape .*, must be \(24,\)"):
        prediction_sums(LOGITS, np.zeros(labels, int), np.ones(mask))
    with pytest.raises(ValueError, match=r"must be \(B, K\)"):
        prediction_sums(LOGITS[:, 0], LABELS, ALL)


def test_labels_of_classes_are_integers():
    with pytest.raises(TypeError, match="labels are float32, must be integers"):
        prediction_sums(LOGITS, np.float32(LABELS), ALL)


@pytest.mark.parametrize("outputs, values", [((4, 1), (4, 1)), ((4, 2), (4,)), ((4,), (4,)), ((1, 1), (4,))])
def test_regression_sets_one_output_against_one_value(outputs, values):
    with pytest.raises(ValueError, match="must be"):
        regression_sums(jnp.ones(outputs), jnp.ones(values), np.ones(4))


def test_regression_by_hand(run):
    outputs, values = np.array([[1.0], [4.0], [np.nan]], np.float32), np.array([3, 4, 5], np.uint8)
    sums = run(regression_sums)(outputs, values, np.array([1, 1, 0]))
    assert regression_metrics(sums) == {"rmse": pytest.approx(2**0.5), "mae": 1.0}

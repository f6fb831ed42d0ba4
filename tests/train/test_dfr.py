"""The last layer fitted anew: the same as scikit-learn's pipeline, and free of a shortcut that groups do not share."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lamv.errors import DataError
from lamv.train.mitigations import dfr as refitting
from lamv.train.mitigations.dfr import STRENGTHS, balanced, lowest_accuracy, refit

LASSO = {"l1_ratio": 1.0} if LogisticRegression().penalty == "deprecated" else {"penalty": "l1"}


def blobs(seed, classes, sizes, features=12):
    """(features, labels, groups): classes apart in the first features, not centred and of unlike scale.

    sizes: examples of each of the groups y A + a; the attribute shifts the last features.
    """
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    attributes = len(sizes) // classes
    labels, attribute = groups // attributes, groups % attributes
    inputs = rng.normal(size=(len(groups), features))
    inputs[:, :classes] += 1.5 * np.eye(classes)[labels]
    inputs[:, -attributes:] += 4 * np.eye(attributes)[attribute]
    order = rng.permutation(len(groups))
    return (5 * inputs * np.arange(1, features + 1) + 30)[order].astype(np.float32), labels[order], groups[order]


def pipeline(strength, classes):
    regression = LogisticRegression(C=strength, solver="liblinear", max_iter=1000, random_state=0, **LASSO)
    return make_pipeline(StandardScaler(), regression if classes == 2 else OneVsRestClassifier(regression))


@pytest.mark.parametrize("classes", [2, 3])
def test_balanced_examples_give_the_pipeline_of_scikit_learn(classes):
    """Where groups are of one size, each subset is the whole, and the average one fit."""
    inputs, labels, groups = blobs(0, classes, [40] * 2 * classes)
    kernel, bias, strength = refit(inputs, labels, groups, classes=classes, subsets=2, seed=0)
    assert kernel.shape == (12, classes) and bias.shape == (classes,) and strength in STRENGTHS
    expected = pipeline(strength, classes).fit(inputs.astype(np.float64), labels)
    outputs = inputs @ kernel + bias
    np.testing.assert_array_equal(outputs.argmax(axis=1), expected.predict(inputs.astype(np.float64)))
    scores = expected.decision_function(inputs.astype(np.float64))
    np.testing.assert_allclose(outputs[:, 1] - outputs[:, 0] if classes == 2 else outputs, scores, rtol=1e-3, atol=1e-3)


def test_two_classes_share_one_regression():
    kernel, bias, _ = refit(*blobs(1, 2, [30, 30, 30, 30]), classes=2)
    np.testing.assert_array_equal(kernel[:, 0], -kernel[:, 1])
    assert bias[0] == -bias[1]


def test_the_average_is_over_balanced_subsets(monkeypatch):
    """With groups of unlike size, fits to the subsets that are drawn, folded and averaged by hand."""
    inputs, labels, groups = blobs(2, 2, [60, 8, 9, 50])
    drawn = []
    monkeypatch.setattr(refitting, "balanced", lambda *args: drawn.append(balanced(*args)) or drawn[-1])
    kernel, bias, strength = refit(inputs, labels, groups, classes=2, subsets=3, seed=1)
    assert len(drawn) == 4, "one to choose C on and three to average"
    centre, spread = inputs.astype(np.float64).mean(axis=0), inputs.astype(np.float64).std(axis=0)
    weights, intercepts = [], []
    for subset in drawn[1:]:
        np.testing.assert_array_equal(np.bincount(groups[subset]), [8, 8, 8, 8])
        fit = LogisticRegression(C=strength, solver="liblinear", max_iter=1000, random_state=0, **LASSO)
        fit.fit((inputs[subset] - centre) / spread, labels[subset])
        weights.append(fit.coef_[0])
        intercepts.append(fit.intercept_[0])
    score = (inputs - centre) / spread @ np.mean(weights, axis=0) + np.mean(intercepts)
    outputs = inputs @ kernel + bias
    np.testing.assert_allclose(outputs[:, 1] - outputs[:, 0], score, rtol=1e-3, atol=1e-3)
    assert not np.array_equal(drawn[1], drawn[2]), "the subsets are drawn apart"


def test_subsets_are_balanced_over_the_groups_that_occur():
    groups = np.repeat([7, 2, -1], [5, 3, 9])
    subset = balanced(groups, np.random.default_rng(0))
    assert np.all(np.diff(subset) > 0)
    assert [np.sum(groups[subset] == name) for name in (7, 2, -1)] == [3, 3, 3]


def test_lowest_accuracy_by_hand():
    outputs = np.array([[2, 1], [0, 1], [0, 1], [3, 0], [1, 0]])
    assert lowest_accuracy(outputs, np.array([0, 1, 0, 0, 0]), np.array([5, 5, 1, 1, 1])) == pytest.approx(2 / 3)


def test_the_strength_is_the_first_of_the_best_on_the_held_out_half(monkeypatch):
    scores, asked = [0.5, 0.7, 0.9, 0.8, 0.9, 0.1, 0.0], []

    def scored(outputs, labels, groups):
        asked.append(np.bincount(groups))
        return scores[len(asked) - 1]

    monkeypatch.setattr(refitting, "lowest_accuracy", scored)
    assert refit(*blobs(3, 2, [20, 7, 1, 20]), classes=2)[2] == STRENGTHS[2]
    np.testing.assert_array_equal(asked, [[10, 3, 0, 10]] * len(STRENGTHS), err_msg="the lesser half of each group")


def test_classes_that_are_easily_told_apart_take_the_first_strength():
    groups = np.repeat(np.arange(4), 20)
    assert refit(np.eye(2)[groups // 2], groups // 2, groups, classes=2)[2] == STRENGTHS[0]


def test_a_shortcut_is_left_where_groups_are_balanced():
    inputs, labels, groups = blobs(4, 2, [400, 30, 30, 400])
    kernel, bias, _ = refit(inputs, labels, groups, classes=2)
    test = blobs(5, 2, [500] * 4)
    refitted = lowest_accuracy(test[0] @ kernel + bias, *test[1:])
    plain = pipeline(1.0, 2).fit(inputs.astype(np.float64), labels)
    erm = lowest_accuracy(np.eye(2)[plain.predict(test[0].astype(np.float64))], *test[1:])
    assert refitted > erm + 0.1, (refitted, erm)


def test_the_seed_draws_the_subsets():
    data = blobs(6, 2, [50, 10, 10, 50])
    first, again, other = (refit(*data, classes=2, seed=seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_constant_features_have_no_weight():
    inputs, labels, groups = blobs(7, 2, [30] * 4)
    inputs[:, 5] = 0.1
    kernel, bias, _ = refit(inputs, labels, groups, classes=2)
    np.testing.assert_array_equal(kernel[5], 0)
    assert np.isfinite(bias).all()


def test_what_does_not_converge_is_told_and_not_warned_of(monkeypatch, caplog):
    monkeypatch.setattr(refitting, "MAX_ITERATIONS", 1)
    with caplog.at_level("INFO", logger="lamv.refit"):
        kernel, _, _ = refit(*blobs(8, 2, [30] * 4), classes=2)
    assert np.isfinite(kernel).all() and "stopped after 1 iterations" in caplog.text


def test_what_cannot_be_fitted_is_refused():
    inputs, labels, groups = blobs(9, 2, [5] * 4)
    with pytest.raises(DataError, match="lack class 2"):
        refit(inputs, labels, groups, classes=3)
    with pytest.raises(DataError, match="some group must have two"):
        refit(inputs, labels, np.arange(20), classes=2)
    with pytest.raises(DataError, match="nan or infinity"):
        refit(np.full_like(inputs, np.nan), labels, groups, classes=2)

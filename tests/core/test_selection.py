"""Risk and coverage by hand and by counting; ties, scores and margins."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamv.core.selection import (
    augrc,
    aurc,
    coverage_at,
    margin_metrics,
    margins,
    risk_at,
    risk_coverage,
    scores,
    selection_metrics,
    thinned,
)

properties = settings(deadline=None, derandomize=True, max_examples=40)
seeds = st.integers(0, 2**32 - 1)
LOGITS = np.array([[2.0, 1.0, 0.0], [0.0, 5.0, 1.0], [3.0, 3.0, 0.0], [4.0, 0.0, 6.0]])


def test_area_by_hand():
    coverage, risk = risk_coverage([4.0, 3.0, 2.0, 1.0], [1, 1, 0, 1])
    np.testing.assert_allclose(coverage, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(risk, [0, 0, 1 / 3, 1 / 4])
    assert aurc([4.0, 3.0, 2.0, 1.0], [1, 1, 0, 1]) == pytest.approx(7 / 48) == pytest.approx(0.145833, abs=1e-6)


def test_generalised_risk_and_points_of_the_curve_by_hand():
    surest_first = [5.0, 4.0, 3.0, 2.0, 1.0], [1, 1, 0, 1, 0]  # risks 0, 0, 1/3, 1/4, 2/5
    assert augrc(*surest_first) == pytest.approx((0 + 0 + 1 + 1 + 2) / 25)
    assert coverage_at(0.05, *surest_first) == 0.4
    assert coverage_at(0.25, *surest_first) == 0.8, "where the risk falls again"
    assert coverage_at(0.4, *surest_first) == 1.0
    assert coverage_at(0.05, [2.0, 1.0], [0, 1]) == 0.0
    assert risk_at(0.8, *surest_first) == 0.25 and risk_at(0.5, *surest_first) == pytest.approx(1 / 3)
    assert risk_at(1.0, *surest_first) == 0.4
    assert augrc([1.0] * 4, [1, 1, 0, 1]) == pytest.approx(0.25 * (1 + 2 + 3 + 4) / 16), "ties share their errors"


def test_generalised_risk_weighs_a_sure_error_no_more_than_others():
    """Of one error in ten, at rank r: AUGRC is linear in r, AURC is not."""
    score = -np.arange(10.0)
    of_ranks = [(augrc(score, np.arange(10) != r), aurc(score, np.arange(10) != r)) for r in (0, 4, 8)]
    generalised, plain = np.transpose(of_ranks)
    assert generalised[0] - generalised[1] == pytest.approx(generalised[1] - generalised[2])
    assert plain[0] - plain[1] > 2 * (plain[1] - plain[2])


def test_area_by_counting():
    rng = np.random.default_rng(0)
    score, correct = rng.normal(size=30), rng.integers(2, size=30)
    risks = [1 - correct[score >= threshold].mean() for threshold in score]
    assert aurc(score, correct) == pytest.approx(np.mean(risks))


def test_ties_are_the_mean_over_all_orders():
    score, correct = np.array([2.0, 1.0, 1.0, 1.0, 0.0]), np.array([0, 1, 0, 1, 1])
    broken = [aurc([2, *order, 0], correct) for order in itertools.permutations([1.1, 1.2, 1.3])]
    assert np.ptp(broken) > 0.01
    assert aurc(score, correct) == pytest.approx(np.mean(broken))


@given(seeds)
@properties
def test_the_order_of_examples_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    score, correct = rng.integers(6, size=25), rng.integers(2, size=25)
    order = rng.permutation(25)
    found = risk_coverage(score, correct)
    np.testing.assert_array_equal(found, risk_coverage(score[order], correct[order]))
    assert 0 <= aurc(score, correct) <= 1
    assert found[1][-1] == pytest.approx(1 - correct.mean())
    np.testing.assert_array_equal(found, risk_coverage(np.exp(score / 3), correct))  # only the order of scores counts


def test_errors_last_is_best_and_errors_first_worst():
    rng = np.random.default_rng(0)
    correct = rng.integers(2, size=50)
    best, worst = aurc(correct, correct), aurc(-correct, correct)
    found = [aurc(rng.normal(size=50), correct) for _ in range(50)]
    assert best < min(found) and max(found) < worst


def test_a_random_score_has_the_error_rate():
    rng = np.random.default_rng(0)
    correct = rng.uniform(size=200) < 0.7
    found = [aurc(rng.normal(size=200), correct) for _ in range(400)]
    assert np.mean(found) == pytest.approx(1 - correct.mean(), abs=4 * np.std(found) / 20)
    assert aurc(np.zeros(200), correct) == pytest.approx(1 - correct.mean())  # and so has a constant one


def test_a_thinned_curve():
    coverage, risk = risk_coverage(np.arange(1000.0), np.arange(1000) > 300)
    thin_coverage, thin_risk = thinned(coverage, risk, points=11)
    np.testing.assert_allclose(thin_coverage, np.linspace(0, 1, 11), atol=2e-3)
    assert thin_coverage[0] == coverage[0] and thin_coverage[-1] == 1 and thin_risk[-1] == risk[-1]
    np.testing.assert_array_equal(thin_risk, risk[np.searchsorted(coverage, thin_coverage)])
    np.testing.assert_array_equal(thinned(coverage[:7], risk[:7]), (coverage[:7], risk[:7]))


def test_scores_by_hand():
    found = scores([[2.0, 0.0, 1.0], [3.0, 3.0, 3.0]])
    np.testing.assert_allclose(np.exp(found["max_probability"]), [np.e**2 / (np.e**2 + 1 + np.e), 1 / 3])
    np.testing.assert_allclose(found["max_logit"], [2, 3])
    np.testing.assert_allclose(found["max_logit_normalised"], [1 / np.sqrt(2), 0])  # (1, -1, 0) has norm sqrt 2


def test_the_largest_probability_does_not_saturate():
    found = scores([[100.0, 0.0], [200.0, 0.0], [0.0, 300.0]])["max_probability"]
    assert (np.diff(found) > 0).all()


def test_the_normalised_logit_selects_nothing_between_two_classes():
    logits = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32) * 7
    found = scores(logits)["max_logit_normalised"]
    assert len(np.unique(found)) == 1
    assert found[0] == pytest.approx(2**-0.5)
    labels = (logits + 3).argmax(axis=1)
    labels[:100] = 1 - labels[:100]
    assert selection_metrics(logits, labels)["aurc_normalised"] == pytest.approx(0.2)


def test_which_scores_see_scale_and_shift():
    logits = np.random.default_rng(0).normal(size=(20, 5))
    before, shifted, scaled = scores(logits), scores(logits + 3), scores(7 * logits)
    np.testing.assert_allclose(shifted["max_probability"], before["max_probability"])
    np.testing.assert_allclose(shifted["max_logit"], before["max_logit"] + 3)
    for other in (shifted, scaled):
        np.testing.assert_allclose(other["max_logit_normalised"], before["max_logit_normalised"], atol=1e-11)
    assert (before["max_logit_normalised"] < 1).all()


def test_selection_metrics_by_hand():
    labels = np.array([0, 1, 1, 2])  # only the third, a tie of which the first class is taken, is wrong
    found = selection_metrics(LOGITS, labels)
    measures = ("aurc", "augrc", "coverage_at_risk_5", "risk_at_coverage_80")
    assert set(found) == {f"{name}{ending}" for name in measures for ending in ("", "_max_logit", "_normalised")}
    # By probability it comes last; by its logit of 3 third; normalised it is (1, 1, -2) / sqrt 6, the last again.
    assert found["aurc"] == pytest.approx(1 / 16)
    assert found["aurc_max_logit"] == pytest.approx((1 / 3 + 1 / 4) / 4)
    assert found["aurc_normalised"] == pytest.approx(1 / 16)


def test_margins_by_hand():
    np.testing.assert_allclose(margins(LOGITS, [0, 1, 1, 0]), [1, 4, 0, -2])
    np.testing.assert_allclose(margins([[1.0, 3.0]], [0]), [-2])


def test_margin_metrics_by_hand():
    found = margin_metrics(LOGITS, np.array([0, 1, 1, 2]))  # margins 1, 4, 0, 2
    centred = LOGITS - LOGITS.mean(axis=1)[:, None]
    assert found == pytest.approx(
        {
            "margin_min": 0,
            "margin_p1": 0.03,
            "margin_p5": 0.15,
            "margin_p25": 0.75,
            "margin_median": 1.5,
            "margin_mean": 1.75,
            "margin_cv": np.sqrt(np.mean(np.square([0.75, 2.25, 1.75, 0.25]))) / 1.75,
            "max_logit_mean": 4,
            "logit_norm_mean": np.sqrt(np.square(centred).sum(axis=1)).mean(),
        }
    )


def test_no_coefficient_of_variation_about_a_mean_that_is_not_positive():
    assert "margin_cv" not in margin_metrics(LOGITS, np.array([1, 0, 2, 0]))
    assert "margin_cv" not in margin_metrics(np.zeros((3, 4)), np.array([1, 0, 2]))
    assert margin_metrics(LOGITS, np.array([1, 0, 2, 0]))["margin_mean"] < 0


@given(seeds, st.floats(0.1, 10.0), st.floats(-5.0, 5.0))
@properties
def test_margins_scale_and_do_not_shift(seed, scale, shift):
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(12, 4)), rng.integers(4, size=12)
    np.testing.assert_allclose(margins(scale * logits + shift, labels), scale * margins(logits, labels), atol=1e-9)
    np.testing.assert_array_equal(margins(logits, labels) > 0, logits.argmax(axis=1) == labels)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: aurc([1.0, np.nan], [0, 1]), "score holds nan"),
        (lambda: aurc([1.0], [0, 1]), "must both be"),
        (lambda: aurc([], []), "N >= 1"),
        (lambda: aurc([1.0, 2.0], [3, 1]), r"correct lies in \[1, 3\], must be in \[0, 1\]"),
        (lambda: scores([1.0, 2.0]), r"must be \(N, K\)"),
        (lambda: selection_metrics([[1.0, np.inf]], [0]), "must be finite"),
        (lambda: thinned(np.ones(3), np.ones(3), points=1), "points is 1, must be 2 or more"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scale", [1e-200, 1e-5, 1e200])
def test_the_normalised_logit_does_not_depend_on_the_scale(scale):
    """Though powers of such logits are 0 or infinite."""
    found, expected = (scores(logits)["max_logit_normalised"] for logits in (scale * LOGITS, LOGITS))
    np.testing.assert_allclose(found, expected, atol=2e-12)

"""Calibration by hand, against brute force and against the streaming metrics; temperatures by two optimisers."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from lamv.core.calibration import (
    calibration_metrics,
    confidence_and_correct,
    example_brier,
    example_nll,
    expected_calibration_error,
    fit_temperature,
    is_found,
    log_softmax,
    reliability,
    temperature_range,
    temperature_scaling,
    tie_means,
)
from lamv.core.metrics import prediction_metrics, prediction_sums

CONFIDENCE, CORRECT = np.array([0.95, 0.85, 0.65, 0.55]), np.array([1, 0, 1, 1])
properties = settings(deadline=None, derandomize=True, max_examples=40)
seeds = st.integers(0, 2**32 - 1)
streamed = jax.jit(prediction_sums)


def brier(*arguments):
    return example_brier(*arguments).mean()


def negative_log_likelihood(*arguments):
    return example_nll(*arguments).mean()


def random_set(seed: int, number: int = 60, classes: int = 4, scale: float = 3.0):
    """Logits of an overconfident model that is right more often than not."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(number, classes)).astype(np.float32) * scale
    return logits, (logits + scale * rng.normal(size=logits.shape)).argmax(axis=1)


def margin_two(number: int = 8):
    """Binary logits of margin 2, of which three in four are right, in random order."""
    labels = np.random.default_rng(0).permutation(np.arange(number) % 4 == 0).astype(int)
    return np.tile([2.0, 0.0], (number, 1)), labels


@pytest.mark.parametrize("bins", [10, 15])
def test_calibration_error_by_hand(bins):
    assert expected_calibration_error(CONFIDENCE, CORRECT, bins=bins) == pytest.approx(0.425, abs=1e-12)


def test_reliability_by_hand():
    # Bins of 0.25: the edges 0.25 and 0.75 belong to the bin above them, 1 to the last, and [0, 0.25) is empty.
    found = reliability([0.25, 0.3, 0.75, 1.0, 0.5], [1, 0, 1, 0, 1], bins=4)
    np.testing.assert_array_equal(found.count, [0, 2, 1, 2])
    np.testing.assert_allclose(found.confidence, [np.nan, 0.275, 0.5, 0.875])
    np.testing.assert_allclose(found.accuracy, [np.nan, 0.5, 1.0, 0.5])


def test_equal_mass_by_hand():
    # Two bins of two: {0.55, 0.65} with gap 2 - 1.2, and {0.85, 0.95} with gap 1 - 1.8.
    assert expected_calibration_error(CONFIDENCE, CORRECT, bins=2, mass=True) == pytest.approx(
        (0.8 + 0.8) / 4, abs=1e-12
    )
    # Three examples in two bins: ranks 0 and 1 are in the first.
    found = expected_calibration_error([0.6, 0.7, 0.9], [0, 1, 0], bins=2, mass=True)
    assert found == pytest.approx((abs(1 - 1.3) + 0.9) / 3, abs=1e-12)


def test_equal_mass_shares_ties():
    # All four are one tie, with mean correctness 1/2 in either bin, whichever way they come.
    for correct in ([1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0]):
        assert expected_calibration_error([0.5] * 4, correct, bins=2, mass=True) == 0


def test_tie_means_by_hand():
    np.testing.assert_allclose(tie_means([3, 1, 3, 2, 3], [1, 0, 0, 1, 1]), [2 / 3, 0, 2 / 3, 1, 2 / 3])


@given(seeds, st.booleans())
@properties
def test_calibration_error_does_not_depend_on_the_order(seed, mass):
    rng = np.random.default_rng(seed)
    confidence, correct = rng.integers(8, size=40) / 8, rng.integers(2, size=40)  # many ties, many edges
    order = rng.permutation(40)
    found = expected_calibration_error(confidence, correct, mass=mass)
    assert 0 <= found <= 1
    assert found == pytest.approx(expected_calibration_error(confidence[order], correct[order], mass=mass), abs=1e-12)


def test_calibration_error_is_that_of_the_diagram():
    confidence, correct = confidence_and_correct(*random_set(0, 500))
    count, mean_confidence, accuracy = reliability(confidence, correct)
    assert count.sum() == 500 and (count > 0).sum() > 8
    weighted = np.nansum(count * np.abs(accuracy - mean_confidence)) / 500
    assert expected_calibration_error(confidence, correct) == pytest.approx(weighted, abs=1e-12)


def test_calibration_error_of_a_calibrated_model_is_small():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(size=100_000)
    correct = rng.uniform(size=100_000) < confidence
    for mass in (False, True):
        assert expected_calibration_error(confidence, correct, mass=mass) < 0.01


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_streaming_metrics_agree(classes):
    for seed in range(5):
        logits, labels = random_set(seed, 2000, classes)
        streaming = prediction_metrics(streamed(logits, labels, np.ones(2000)))
        found = calibration_metrics(logits, labels)
        assert found["ece"] == pytest.approx(streaming["ece"], abs=1e-6)
        assert found["nll"] == pytest.approx(streaming["nll"], rel=1e-5)
        assert confidence_and_correct(logits, labels)[1].mean() == pytest.approx(streaming["accuracy"], abs=1e-6)


def test_streaming_metrics_agree_on_an_edge():
    # Equal logits of 15 classes: confidence 1/15 is the edge between the first two bins.
    logits, labels = np.zeros((30, 15), np.float32), np.arange(30) % 15
    assert reliability(*confidence_and_correct(logits, labels)).count[1] == 30
    streaming = streamed(logits, labels, np.ones(30))
    assert streaming.calibration[1, 0] == 30


def test_brier_and_likelihood_by_hand():
    logits = np.log([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]])
    np.testing.assert_allclose(example_brier(logits, [0, 2]), [0.25 + 0.09 + 0.04, 0.01 + 0.64 + 0.81])
    np.testing.assert_allclose(example_nll(logits, [0, 2]), -np.log([0.5, 0.1]))
    assert brier(logits, [0, 2]) == pytest.approx((0.38 + 1.46) / 2)
    assert negative_log_likelihood(logits, [0, 2]) == pytest.approx(-np.log([0.5, 0.1]).mean())


def test_brier_is_two_at_worst():
    assert brier([[1000.0, 0.0]], [1]) == 2
    assert brier([[1000.0, 0.0]], [0]) == 0


def test_likelihood_of_a_temperature_by_hand():
    # softmax of (ln 9, 0) / 2 = (ln 3, 0) is (3/4, 1/4); at temperature 1 it is (9/10, 1/10).
    logits = np.log([[9.0, 1.0], [9.0, 1.0]])
    assert negative_log_likelihood(logits, [0, 1], 2.0) == pytest.approx(-np.log([0.75, 0.25]).mean())
    np.testing.assert_allclose(example_nll(logits, [0, 1], np.array([1.0, 2.0])), -np.log([0.9, 0.25]))
    np.testing.assert_allclose(confidence_and_correct(logits, [0, 1], np.array([1.0, 2.0]))[0], [0.9, 0.75])


def test_log_softmax_of_large_logits():
    np.testing.assert_allclose(log_softmax([[1e5, 0.0, 1e5]]), [[-np.log(2), -1e5 - np.log(2), -np.log(2)]])


def test_temperature_by_hand():
    # A binary margin m that is right three times in four is calibrated at m / T = ln 3.
    found = fit_temperature(*margin_two())
    assert found == pytest.approx(2 / np.log(3), abs=1e-9) == pytest.approx(1.820478, abs=1e-6)
    assert negative_log_likelihood(*margin_two(), found) == pytest.approx(0.562335, abs=1e-6)


@given(seeds)
@properties
def test_temperature_against_a_direct_search(seed):
    logits, labels = random_set(seed)
    search = minimize_scalar(
        lambda t: negative_log_likelihood(logits, labels, np.exp(t)),
        bounds=np.log(temperature_range(logits)), method="bounded", options={"xatol": 1e-9},
    )  # fmt: skip
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(np.exp(search.x), rel=1e-3)
    assert negative_log_likelihood(logits, labels, found) <= search.fun + 1e-12


@given(seeds, st.floats(1e-6, 1e6))
@properties
def test_temperature_takes_out_the_scale(seed, scale):
    logits, labels = random_set(seed)
    assert fit_temperature(scale * logits.astype(float), labels) == pytest.approx(
        scale * fit_temperature(logits, labels), rel=1e-6
    )


def test_temperature_runs_to_its_limits():
    logits = np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0]])
    scale = np.sqrt((25 + 1 + 16 + 9 + 9 + 0) / 9 / 6)  # centred logits are (5, -1, -4) / 3 and (-3, 3, 0) / 3
    assert temperature_range(logits) == pytest.approx((0.01 * scale, 100 * scale))
    for labels, end in (([0, 1], 0.01), ([2, 0], 100.0)):  # all right, all wrong
        found = fit_temperature(logits, labels)
        assert found == pytest.approx(end * scale) and not is_found(found, logits)
    assert fit_temperature(1e6 * logits, [0, 1]) == pytest.approx(1e4 * scale)  # with exponentials that underflow
    assert fit_temperature(np.ones((2, 3)), [0, 1]) == 1.0  # nothing to scale
    assert not is_found(1.0, np.ones((2, 3))) and temperature_range(np.ones((2, 3))) == (0.0, 0.0)


def test_a_temperature_that_is_not_found_is_marked():
    right, wrong = margin_two(), (np.array([[3.0, 1.0], [0.0, 2.0]] * 4), np.array([0, 1] * 4))
    assert temperature_scaling(*right, right).found and not temperature_scaling(*right, wrong).found
    assert calibration_metrics(*right, right)["temperature_not_found"] == 0.0
    assert calibration_metrics(*wrong)["temperature_not_found"] == 1.0, "nor is it from halves of the set"


def test_the_likelihood_is_convex_in_the_inverse_temperature():
    logits, labels = random_set(1)
    inverse = np.linspace(0.05, 3, 60)
    nll = [negative_log_likelihood(logits, labels, 1 / s) for s in inverse]
    assert (np.diff(nll, 2) > 0).all()


def test_scaling_with_a_held_out_set():
    logits, labels = random_set(0, 300)
    held = random_set(1, 300)
    found = temperature_scaling(logits, labels, held)
    temperature = fit_temperature(*held)
    confidence, correct = confidence_and_correct(logits, labels, temperature)
    assert found.temperature == temperature != fit_temperature(logits, labels)
    assert found.nll == negative_log_likelihood(logits, labels, temperature)
    assert found.ece == expected_calibration_error(confidence, correct)
    np.testing.assert_array_equal(found.confidence, confidence)


@pytest.mark.parametrize("number", [2, 301])
def test_scaling_by_halves(number):
    """Each half has the temperature of the other, and the halves are the places of the fixed order by parity."""
    logits, labels = random_set(0, number)
    order = np.argsort(np.random.Philox(key=0).random_raw(number), kind="stable")
    even, odd = order[::2], order[1::2]
    of_even, of_odd = (fit_temperature(logits[half], labels[half]) for half in (even, odd))
    found = temperature_scaling(logits, labels)
    assert found.temperature == pytest.approx((of_even + of_odd) / 2)
    np.testing.assert_array_equal(found.confidence[even], confidence_and_correct(logits, labels, of_odd)[0][even])
    np.testing.assert_array_equal(found.confidence[odd], confidence_and_correct(logits, labels, of_even)[0][odd])
    losses = np.r_[example_nll(logits[even], labels[even], of_odd), example_nll(logits[odd], labels[odd], of_even)]
    assert found.nll == pytest.approx(losses.mean())


def test_scaling_by_halves_is_not_better_than_a_fit_to_the_set_itself():
    for seed in range(20):
        logits, labels = random_set(seed, 40)
        fitted = negative_log_likelihood(logits, labels, fit_temperature(logits, labels))
        assert temperature_scaling(logits, labels).nll > fitted


def test_scaling_mends_an_overconfident_model():
    logits, labels = random_set(0, 4000)
    found = calibration_metrics(logits, labels)
    assert set(found) == {
        "ece",
        "ece_mass",
        "brier",
        "nll",
        "temperature",
        "temperature_not_found",
        "ece_scaled",
        "nll_scaled",
    }
    assert found["temperature"] > 1
    assert found["ece_scaled"] < found["ece"] / 3 and found["nll_scaled"] < found["nll"]


def test_a_single_example_has_no_temperature_but_from_a_held_out_set():
    logits, labels = np.array([[2.0, 0.0]]), np.array([0])
    alone = calibration_metrics(logits, labels)
    assert {name for name, value in alone.items() if np.isnan(value)} == {
        "temperature", "temperature_not_found", "ece_scaled", "nll_scaled",
    }  # fmt: skip
    held = calibration_metrics(logits, labels, (np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1])))
    assert np.isfinite(list(held.values())).all()


@given(seeds, st.floats(0.05, 20.0))
@properties
def test_a_temperature_keeps_what_is_correct(seed, temperature):
    logits, labels = random_set(seed)
    np.testing.assert_array_equal(
        confidence_and_correct(logits, labels, temperature)[1], confidence_and_correct(logits, labels)[1]
    )
    np.testing.assert_array_equal(log_softmax(logits, temperature).argmax(axis=1), logits.argmax(axis=1))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: brier([[1.0], [2.0]], [0, 0]), r"\(2, 1\), must be \(N, K\)"),
        (lambda: brier([[1.0, np.nan]], [0]), "must be finite"),
        (lambda: brier([[1.0, 2.0]], [2]), r"must be integers in \[0, 2\)"),
        (lambda: brier([[1.0, 2.0]], [0.0]), "must be integers"),
        (lambda: brier([[1.0, 2.0]], [0, 1]), r"must be \(1,\)"),
        (lambda: reliability([0.5, 1.5], [0, 1]), r"must be in \[0, 1\]"),
        (lambda: reliability([0.5, np.nan], [0, 1]), r"must be in \[0, 1\]"),
        (lambda: reliability([0.5], [0, 1]), "must both be"),
        (lambda: expected_calibration_error([0.5], [1], bins=0), "bins is 0, must be 1 or more"),
        (lambda: temperature_scaling([[1.0, 2.0]], [0]), "2 or more"),
        (lambda: brier([[1.0, 2.0]], [0], 0.0), "temperature is 0, must be above 0"),
        (lambda: negative_log_likelihood([[1.0, 2.0]], [0], -2.0), "temperature is -2, must be above 0"),
        (lambda: brier([[1.0, 2.0]], [0], np.nan), "temperature is nan, must be above 0"),
        (lambda: brier([[1.0, 2.0]], [0], [1.0, 2.0]), "temperature holds 2 numbers, must be 1, or 1"),
        (lambda: expected_calibration_error([0.5, 0.7], [1, 3]), r"correct lies in \[1, 3\], must be in \[0, 1\]"),
        (lambda: reliability([0.5, 0.7], [1, np.nan]), r"correct lies in \[nan, nan\], must be in \[0, 1\]"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)

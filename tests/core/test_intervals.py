"""Intervals against SciPy, exact quantiles, the normal limit and their own promise."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import binom

from lamv.core import intervals
from lamv.core.intervals import difference_over_examples, over_examples, over_seeds, wilson

properties = settings(deadline=None, derandomize=True, max_examples=20)
seeds = st.integers(0, 2**32 - 1)


def test_two_values_by_hand():
    # Resamples of (0, 1) have means 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4.
    assert over_examples([0.0, 1.0], level=0.95) == (0.5, 0.0, 1.0)
    assert over_examples([0.0, 1.0], level=0.4) == (0.5, 0.5, 0.5)


def test_one_value_and_equal_values():
    assert over_examples([3.7]) == (3.7, 3.7, 3.7)
    assert over_examples([0.1] * 10) == pytest.approx((0.1, 0.1, 0.1), abs=1e-15)


def test_resampled_fractions_are_binomial():
    values = np.arange(50) < 30
    found = over_examples(values, draws=20_000, level=0.9)
    exact = binom.ppf([0.05, 0.95], 50, 0.6) / 50
    np.testing.assert_allclose(found[1:], exact, atol=0.02 + 1e-9)  # within one example
    means = intervals._resampled_means(values.astype(float), 20_000, seed=3)
    share = np.bincount(np.round(means * 50).astype(int), minlength=51) / 20_000
    np.testing.assert_allclose(share, binom.pmf(np.arange(51), 50, 0.6), atol=0.012)


def test_the_normal_limit():
    values = np.random.default_rng(0).normal(size=2000)
    mean, low, high = over_examples(values, draws=4000)
    half = 1.959964 * values.std() / np.sqrt(2000)
    assert mean == values.mean()
    np.testing.assert_allclose([low, high], [mean - half, mean + half], atol=0.08 * half)


def test_intervals_hold_the_expectation_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    found = [over_examples(rng.normal(size=100), draws=200, seed=seed) for seed in range(1000)]
    held = np.mean([low <= 0 <= high for _, low, high in found])
    assert 0.91 < held < 0.97


def test_blocks_do_not_matter(monkeypatch):
    values = np.random.default_rng(0).normal(size=30)
    whole = over_examples(values, draws=100)
    monkeypatch.setattr(intervals, "BLOCK", 70)  # two resamples at once
    assert over_examples(values, draws=100) == pytest.approx(whole, abs=1e-14)


def test_the_seed_says_all():
    values = np.random.default_rng(0).normal(size=30)
    assert over_examples(values, seed=1) == over_examples(values, seed=1)
    assert over_examples(values, seed=1)[1:] != over_examples(values, seed=2)[1:]


@given(seeds, st.floats(0.1, 10.0), st.floats(-100.0, 100.0))
@properties
def test_units_do_not_matter(seed, scale, shift):
    values = np.random.default_rng(seed).normal(size=20)
    found = over_examples(scale * values + shift, draws=50)
    expected = scale * np.array(over_examples(values, draws=50)) + shift
    np.testing.assert_allclose(found, expected, atol=1e-11)
    assert found.low <= found.high


def test_a_higher_level_is_wider():
    values = np.random.default_rng(0).normal(size=50)
    narrow, wide = over_examples(values, level=0.5), over_examples(values, level=0.99)
    assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high


def test_pairs_by_hand_and_against_unpaired():
    rng = np.random.default_rng(0)
    hardness = rng.normal(size=200)
    a, b = hardness + 0.1 * rng.normal(size=200) + 0.05, hardness + 0.1 * rng.normal(size=200)
    found = difference_over_examples(a, b)
    assert found == over_examples(a - b)
    options = {"draws": 50, "level": 0.5, "seed": 3}
    assert difference_over_examples(a, b, **options) == over_examples(a - b, **options) != over_examples(a - b)
    assert found.mean == pytest.approx(a.mean() - b.mean())
    assert found.high - found.low < (over_examples(a).high - over_examples(a).low) / 5
    assert difference_over_examples(b, b + 2) == pytest.approx((-2, -2, -2))


def test_memory_is_bounded():
    tracemalloc.start()
    over_examples(np.ones(10_000), draws=200)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 40e6


def test_it_is_had_without_jax():
    code = "import sys; import lamv.core.intervals; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: over_examples([]), r"must be \(N,\) with N >= 1"),
        (lambda: over_examples(np.ones((2, 2))), r"must be \(N,\)"),
        (lambda: over_examples([1.0, np.nan]), "must be finite"),
        (lambda: over_examples([1.0], draws=0), "draws is 0, must be 1 or more"),
        (lambda: over_examples([1.0], level=1.0), "level is 1.0, must be above 0 and below 1"),
        (lambda: difference_over_examples([1.0, 2.0], [1.0]), "must be the same"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


# Over seeds


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("number", [2, 3, 5, 30])
def test_over_seeds_agrees_with_scipy(number, level):
    values = np.random.default_rng(number).normal(size=number)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(level)
    assert over_seeds(values, level=level) == pytest.approx((values.mean(), *theirs), rel=1e-9)


def test_over_seeds_by_hand():
    """Mean 2, sd 1, n = 3: 2 -+ 4.3027 / sqrt(3)."""
    assert over_seeds([1.0, 2.0, 3.0]) == pytest.approx((2.0, 2 - 2.48414, 2 + 2.48414), abs=1e-5)
    assert over_seeds([0.3]) is None and over_seeds([0.3, 0.3]) == pytest.approx((0.3, 0.3, 0.3))


@pytest.mark.parametrize("values", [[], [0.1, np.nan], [[0.1, 0.2]]])
def test_over_seeds_refuses_what_has_no_mean(values):
    with pytest.raises(ValueError, match="must be"):
        over_seeds(values)


def test_whether_an_interval_excludes_0():
    told = [intervals.Interval(0.5, *ends).excludes_zero for ends in [(0.1, 1), (-1, -0.1), (-0.1, 1), (0.0, 1)]]
    assert told == [True, True, False, False]


# Wilson's interval


@pytest.mark.parametrize("correct, count", [(0, 20), (20, 20), (81, 263), (15, 148), (1, 29), (1, 1), (4000, 5000)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_wilson_agrees_with_scipy(correct, count, level):
    theirs = stats.binomtest(correct, count).proportion_ci(level, method="wilson")
    assert wilson(correct, count, level) == pytest.approx(tuple(theirs), rel=1e-9, abs=1e-12)


def test_wilson_by_hand():
    """None of n correct: from 0 to z^2 / (n + z^2). Half of n: 1/2 -+ z / (2 sqrt(n + z^2)). Arrays go along."""
    z = 1.959963984540054
    low, high = wilson([0, 10, 20], [20, 20, 20])
    end, half = z**2 / (20 + z**2), z / (2 * np.sqrt(20 + z**2))
    np.testing.assert_allclose(low, [0, 0.5 - half, 1 - end], atol=1e-12)
    np.testing.assert_allclose(high, [end, 0.5 + half, 1], atol=1e-12)


@pytest.mark.parametrize("correct, count, level", [(0, 0, 0.95), (3, 2, 0.95), (-1, 2, 0.95), (1, 2, 1.0)])
def test_wilson_refuses_what_is_no_share(correct, count, level):
    with pytest.raises(ValueError, match="must be"):
        wilson(correct, count, level)


@pytest.mark.parametrize("correct, count", [(np.nan, 3), (1, np.nan)])
def test_wilson_refuses_nan(correct, count):
    with pytest.raises(ValueError, match="must be from 0 to count"):
        wilson(correct, count)

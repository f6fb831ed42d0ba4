"""Bootstrap intervals against exact quantiles, the normal limit and their own promise; numpy is all they need."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from lamv.core import bootstrap
from lamv.core.bootstrap import interval, paired

properties = settings(deadline=None, derandomize=True, max_examples=20)
seeds = st.integers(0, 2**32 - 1)


def test_two_values_by_hand():
    # Resamples of (0, 1) have means 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4.
    assert interval([0.0, 1.0], level=0.95) == (0.5, 0.0, 1.0)
    assert interval([0.0, 1.0], level=0.4) == (0.5, 0.5, 0.5)


def test_one_value_and_equal_values():
    assert interval([3.7]) == (3.7, 3.7, 3.7)
    assert interval([0.1] * 10) == pytest.approx((0.1, 0.1, 0.1), abs=1e-15)


def test_resampled_fractions_are_binomial():
    values = np.arange(50) < 30
    found = interval(values, draws=20_000, level=0.9)
    exact = binom.ppf([0.05, 0.95], 50, 0.6) / 50
    np.testing.assert_allclose(found[1:], exact, atol=0.02 + 1e-9)  # within one example
    means = bootstrap.resampled_means(values.astype(float), 20_000, seed=3)
    share = np.bincount(np.round(means * 50).astype(int), minlength=51) / 20_000
    np.testing.assert_allclose(share, binom.pmf(np.arange(51), 50, 0.6), atol=0.012)


def test_the_normal_limit():
    values = np.random.default_rng(0).normal(size=2000)
    mean, low, high = interval(values, draws=4000)
    half = 1.959964 * values.std() / np.sqrt(2000)
    assert mean == values.mean()
    np.testing.assert_allclose([low, high], [mean - half, mean + half], atol=0.08 * half)


def test_intervals_hold_the_expectation_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    found = [interval(rng.normal(size=100), draws=200, seed=seed) for seed in range(1000)]
    held = np.mean([low <= 0 <= high for _, low, high in found])
    assert 0.91 < held < 0.97


def test_blocks_do_not_matter(monkeypatch):
    values = np.random.default_rng(0).normal(size=30)
    whole = interval(values, draws=100)
    monkeypatch.setattr(bootstrap, "BLOCK", 70)  # two resamples at once
    assert interval(values, draws=100) == pytest.approx(whole, abs=1e-14)


def test_the_seed_says_all():
    values = np.random.default_rng(0).normal(size=30)
    assert interval(values, seed=1) == interval(values, seed=1)
    assert interval(values, seed=1)[1:] != interval(values, seed=2)[1:]


@given(seeds, st.floats(0.1, 10.0), st.floats(-100.0, 100.0))
@properties
def test_units_do_not_matter(seed, scale, shift):
    values = np.random.default_rng(seed).normal(size=20)
    found = interval(scale * values + shift, draws=50)
    expected = scale * np.array(interval(values, draws=50)) + shift
    np.testing.assert_allclose(found, expected, atol=1e-11)
    assert found.low <= found.high


def test_a_higher_level_is_wider():
    values = np.random.default_rng(0).normal(size=50)
    narrow, wide = interval(values, level=0.5), interval(values, level=0.99)
    assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high


def test_pairs_by_hand_and_against_unpaired():
    rng = np.random.default_rng(0)
    hardness = rng.normal(size=200)
    a, b = hardness + 0.1 * rng.normal(size=200) + 0.05, hardness + 0.1 * rng.normal(size=200)
    found = paired(a, b)
    assert found == interval(a - b)
    options = {"draws": 50, "level": 0.5, "seed": 3}
    assert paired(a, b, **options) == interval(a - b, **options) != interval(a - b)
    assert found.mean == pytest.approx(a.mean() - b.mean())
    assert found.high - found.low < (interval(a).high - interval(a).low) / 5
    assert paired(b, b + 2) == pytest.approx((-2, -2, -2))


def test_memory_is_bounded():
    tracemalloc.start()
    interval(np.ones(10_000), draws=200)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 40e6


def test_it_is_had_without_jax():
    code = "import sys; import lamv.core.bootstrap; assert not {'jax', 'scipy'} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: interval([]), r"must be \(N,\) with N >= 1"),
        (lambda: interval(np.ones((2, 2))), r"must be \(N,\)"),
        (lambda: interval([1.0, np.nan]), "must be finite"),
        (lambda: interval([1.0], draws=0), "draws is 0, must be 1 or more"),
        (lambda: interval([1.0], level=1.0), "level is 1.0, must be above 0 and below 1"),
        (lambda: paired([1.0, 2.0], [1.0]), "must be the same"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)

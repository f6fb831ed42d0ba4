"""Margins of claims by hand-computed intervals."""

import numpy as np
import pytest

from lamv.claims import Claim
from lamv.compare import margins
from lamv.results.records import Row, Spread

T = 4.302653  # Student's t for 3 values, 95 %


def row(name, values):
    values = tuple(values)
    return Row(name, {"seed": 0}, {"test/nll": Spread(np.mean(values), np.std(values, ddof=1), len(values), values)}, 1)


ROWS = {"a": row("a", (1.0, 2.0, 4.0)), "b": row("b", (1.0, 1.5, 2.0))}


def test_a_bound_is_subtracted():
    margin = margins.of_rows({"row": "a", "metric": "test/nll", "bound": 2.0}, ROWS)
    half = T * np.std([1, 2, 4], ddof=1) / 3**0.5
    assert margin == pytest.approx((1 / 3, 1 / 3 - half, 1 / 3 + half), rel=1e-5)


def test_another_row_is_paired_by_seed():
    margin = margins.of_rows({"row": "a", "metric": "test/nll", "bound": 3.0, "times": 2.0, "of": "b"}, ROWS)
    half = T * np.std([-1, -1, 0], ddof=1) / 3**0.5
    assert margin == pytest.approx((-2 / 3, -2 / 3 - half, -2 / 3 + half), rel=1e-5)


def test_what_was_not_measured_has_no_margin():
    assert margins.of_rows({"row": "c", "metric": "test/nll", "bound": 2.0}, ROWS) is None
    assert margins.of_rows({"row": "a", "metric": "test/ece", "bound": 2.0}, ROWS) is None
    assert margins.of_check(Claim("x", 1.0, 1.0, sd=None)) is None


def test_a_check_has_the_interval_of_its_mean():
    half = T * 0.3 / 3**0.5
    assert margins.of_check(Claim("x", 1.2, 1.0, sd=0.3, n=3)) == pytest.approx((0.2, 0.2 - half, 0.2 + half), rel=1e-5)


@pytest.mark.parametrize(
    ("relation", "low", "high", "holds", "verdict"),
    [
        (">=", 0.1, 0.3, True, "holds clearly"),
        (">=", -0.1, 0.3, True, "holds"),
        (">=", -0.3, -0.1, False, "misses clearly"),
        ("<=", -0.3, 0.1, True, "holds"),
        ("<=", -0.3, -0.1, True, "holds clearly"),
        ("=", -0.04, 0.04, True, "holds clearly"),
        ("=", -0.04, 0.2, True, "holds"),
        ("=", -0.4, 0.2, False, "misses"),
        ("=", 0.1, 0.2, False, "misses clearly"),
        (">=", 0.1, 0.3, None, "not judged"),
    ],
)
def test_clearly_is_where_both_ends_of_the_interval_agree(relation, low, high, holds, verdict):
    claim = Claim("x", 1.0, 1.0, relation=relation, tolerance=0.05, sd=0.1, n=3, holds=holds)
    assert margins.verdict(claim, margins.Interval((low + high) / 2, low, high)) == verdict
    assert margins.verdict(claim, None) == verdict.removesuffix(" clearly")

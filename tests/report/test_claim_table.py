"""Claims as the lines of a table."""

import math

import pytest

from lamv.claims import Claim
from lamv.report import claim_table


@pytest.mark.parametrize(
    ("given", "measured", "expected"),
    [
        ({"measured": 0.123456, "expected": 0.1}, "0.1235", "= 0.1"),
        ({"measured": 0.3858, "expected": 1 / 3, "sd": 0.0123, "tolerance": 0.01}, "0.386", "= 0.333"),
        ({"measured": 0.0004, "expected": 0.00039, "sd": 0.0002, "tolerance": 0.02}, "0.00040", "= 0.00039"),
        ({"measured": 0.00012, "expected": 0.0, "sd": 2.4e-5, "tolerance": 0.02}, "0.000120", "= 0"),
        ({"measured": -3.0, "expected": 0.0, "relation": "<="}, "−3.000", "≤ 0"),
        ({"measured": 1.234e-9, "expected": 0.0, "tolerance": 1e-8}, "1.23e−09", "= 0"),
        ({"measured": 0.0, "expected": 0.0}, "0.000", "= 0"),
        ({"measured": 512345678.0, "expected": 5e8}, "5.12e+08", "= 5e+08"),
        ({"measured": math.log(2) + 2e-9, "expected": math.log(2), "tolerance": 1e-6}, "0.6931472", "= 0.6931472"),
    ],
)
def test_numbers_have_the_digits_that_they_can_bear(given, measured, expected):
    line = claim_table.line_of(Claim("q", **given))
    assert (line.measured, line.expected) == (measured, expected)


def test_what_was_not_measured_is_a_dash_and_what_is_not_finite_is_named():
    unjudged = claim_table.line_of(Claim("q", None, 0.5, relation=">=", note="not measured", n=0))
    assert unjudged.measured == unjudged.n == "–"
    assert (unjudged.verdict, unjudged.note) == ("not judged: not measured", "")
    infinite = claim_table.line_of(Claim("q", None, 0.5, note="nats", holds=False))
    assert (infinite.measured, infinite.verdict, infinite.note) == ("not finite", "✗ falls short", "nats")

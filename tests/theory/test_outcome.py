"""What an experiment hands over: when a check holds, and spreads over replicas."""

import math

import jax.numpy as jnp
import pytest

from lamv.theory import outcome
from lamv.theory.outcome import check


@pytest.mark.parametrize(
    ("measured", "expected", "relation", "tolerance", "holds"),
    [
        (0.5, 0.5, "=", 0.0, True), (0.52, 0.5, "=", 0.01, False), (0.48, 0.5, "=", 0.01, False),
        (0.6, 0.5, ">=", 0.0, True), (0.49, 0.5, ">=", 0.0, False), (0.49, 0.5, ">=", 0.02, True),
        (0.4, 0.5, "<=", 0.0, True), (0.51, 0.5, "<=", 0.0, False), (0.51, 0.5, "<=", 0.02, True),
        (math.nan, 0.5, "<=", 0.0, False), (-math.inf, 0.5, "<=", 0.0, False),
    ],
)  # fmt: skip
def test_when_a_check_holds(measured, expected, relation, tolerance, holds):
    assert check("q", measured, expected, "theorem", relation=relation, tolerance=tolerance).holds is holds


def test_spreads_of_replicas():
    one, three = check("q", 2, 2, "theorem"), check("q", jnp.array([1.0, 2.0, 3.0]), 2, "theorem")
    assert (one.measured, one.sd, one.n) == (2.0, None, 1)
    assert (three.measured, three.sd, three.n) == (2.0, 1.0, 3)
    infinite = outcome.row("r", {"m": [math.inf, -math.inf]})["metrics"]["m"]
    assert math.isnan(infinite["mean"]) and infinite["sd"] is None

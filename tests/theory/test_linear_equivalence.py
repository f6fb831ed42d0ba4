"""The condition for one direction is exact, and both regimes are there, on a few small data sets."""

import json

import numpy as np
import pytest

from lamv.theory import linear_equivalence, recipe, validate
from lamv.theory.linear_equivalence import _in_span


@pytest.fixture(scope="module")
def outcome():
    config = recipe("linear_equivalence", seeds=2, examples=10, test_examples=200, dimensions=(2, 14, 400), steps=1000)
    validate(config)
    return linear_equivalence.run(config)


def metric(outcome, name, key):
    (found,) = [row["metrics"][key]["mean"] for row in outcome.rows if row["name"] == name]
    return found


def test_the_two_agree_if_and_only_if_all_examples_are_support_vectors(outcome):
    (check,) = [c for c in outcome.checks if "condition" in c.quantity]
    assert check.holds and check.measured == 0
    assert metric(outcome, "planted, d = 400", "condition") == 1
    assert metric(outcome, "planted, d = 2", "condition") == 0


def test_low_and_high_dimension_differ(outcome):
    key = "cosine_of_Mixup_with_maximum_margin"
    assert metric(outcome, "planted, d = 2", key) < 0.9
    assert metric(outcome, "planted, d = 400", key) == pytest.approx(1, abs=1e-6)
    assert metric(outcome, "planted, d = 400", "cosine_of_trained_Mixup_with_trained_ERM") > 0.97


def test_mixup_interpolates_where_it_can(outcome):
    for name in ("planted, d = 14", "generic, d = 14", "generic, d = 400"):
        assert metric(outcome, name, "deviation_from_slope") < 1e-6
    assert metric(outcome, "planted, d = 2", "deviation_from_slope") > 1e-3


def test_coordinates_of_the_span_keep_the_outputs():
    rng = np.random.default_rng(0)
    for dim in (3, 6, 20):
        x, v = rng.normal(size=(6, dim)), rng.normal(size=6)
        design, back = _in_span(x)
        np.testing.assert_allclose(design @ v, x @ (v @ back), atol=1e-9)


def test_it_is_plain_data(outcome):
    json.dumps([outcome.rows, outcome.figures, [c._asdict() for c in outcome.checks]], allow_nan=False)
    assert len(outcome.rows) == 3 + 2

"""The oracles reach their closed forms, and small trainings obey theorems A, B and C."""

import json

import numpy as np
import pytest

from lamv.theory import linear_features, recipe, validate
from lamv.theory.linear_features import boundary_figure


@pytest.fixture(scope="module")
def outcome():
    config = recipe(
        "linear_features", seeds=2, examples=100, steps=1500, deviations=(0.0, 0.3), dimensions=((2, 3),),
        wide_deviations=(0.0,), weight_decays=(1e-2, 1.0), smoothings=(0.5,), alphas=(10.0,), instances=5,
        gaussian_examples=4000,
    )  # fmt: skip
    validate(config)
    return linear_features.run(config)


def checks(outcome, *sources):
    return [c for c in outcome.checks if c.source.startswith(sources)]


@pytest.mark.parametrize("source", ["closed form", "two-dimensional search", "quadrature", "theorem A", "theorem B"])
def test_what_is_exact_holds(outcome, source):
    found = checks(outcome, source)
    assert found
    for check in found:
        if not check.quantity.startswith(("Gaussian control", "Mixup")):  # these depend on the number of examples
            assert check.holds, check


def test_training_reaches_the_exact_minimisers(outcome):
    (check,) = checks(outcome, "Newton")
    assert check.holds, check


def test_mixup_learns_the_low_variance_feature(outcome):
    share = {
        row["name"]: row["metrics"]["share_of_H"]["mean"] for row in outcome.rows if "share_of_H" in row["metrics"]
    }
    assert share["1+1 Mixup 1, s_L 0"] < 0.05 < 0.5 < share["1+1 ERM + wd 0.01, s_L 0"]
    assert share["1+1 ERM + wd 0.001, s_L 0, L at 3"] < 0.5


def test_gaussian_classes_are_a_negative_control(outcome):
    (cosine,) = [c for c in outcome.checks if "cosine" in c.quantity]
    assert cosine.measured > 0.995


def test_the_boundary_turns_upright_as_smoothing_grows():
    lines = [s for s in boundary_figure()["series"] if s["style"] == "line"]
    slopes = [abs(np.diff(s["y"])[0] / np.diff(s["x"])[0]) for s in lines]
    assert slopes == sorted(slopes) and slopes[-1] > 4 * slopes[0]


def test_it_is_plain_data(outcome):
    json.dumps([outcome.rows, outcome.figures, [c._asdict() for c in outcome.checks]], allow_nan=False)
    assert len(outcome.figures) == 5
    assert all(len(s["x"]) == len(s["y"]) > 0 for f in outcome.figures for s in f["series"])

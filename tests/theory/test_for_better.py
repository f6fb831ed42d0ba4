"""The sign of the effect follows the variance of the shortcut, on a small copy of the experiment."""

import json

import numpy as np
import pytest

from lamv.theory import for_better, recipe, validate
from lamv.theory.for_better import METHODS, _curvature, _predicted, _variance


@pytest.fixture(scope="module")
def config():
    small = {"examples": 300, "test_examples": 500, "noise_dims": 20, "steps": 400, "lr": 0.03, "seeds": 2}
    config = recipe("for_better", dial=((0.02, 0.0), (0.15, 0.05)), **small)
    validate(config)
    return config


@pytest.fixture(scope="module")
def outcome(config):
    return for_better.run(config)


def reliance(outcome, name):
    (found,) = [r["metrics"]["reliance"]["mean"] for r in outcome.rows if r["name"] == name]
    return found


def test_label_augmentation_relies_less_on_a_noisy_shortcut_and_more_on_a_steady_one(outcome):
    for method, reference in (("LS", "ERM"), ("Mixup", "ERM"), ("LS + wd", "ERM + wd"), ("Mixup + wd", "ERM + wd")):
        assert reliance(outcome, f"flips 0.2: {method}") < 0.8 * reliance(outcome, f"flips 0.2: {reference}")
        assert reliance(outcome, f"noise 0.02: {method}") > 1.05 * reliance(outcome, f"noise 0.02: {reference}")


def test_every_setting_has_a_row_for_every_method(outcome):
    assert len(outcome.rows) == 3 * len(METHODS)
    assert all(row["metrics"]["reliance"]["n"] == 2 for row in outcome.rows)
    assert [row["config"]["variance_ratio"] for row in outcome.rows] == sorted(
        r["config"]["variance_ratio"] for r in outcome.rows
    )


def test_it_is_plain_data(outcome):
    json.dumps([outcome.rows, outcome.figures, [c._asdict() for c in outcome.checks]], allow_nan=False)
    assert {f["name"] for f in outcome.figures} == {"dial", "ratios", "minority"}


def test_variance_of_a_flipped_shortcut_is_that_of_a_sample(config):
    rng = np.random.default_rng(0)
    sample = 4 * (1 + 0.15 * rng.normal(size=400_000)) * np.where(rng.uniform(size=400_000) < 0.2, -1, 1)
    assert _variance((0.15, 0.2), config) == pytest.approx(sample.var() / 0.15**2, rel=0.01)


def test_prediction_without_decay_is_fishers_ratio(config):
    expected = (4 * 0.6 / (16 * (0.15**2 + 0.64))) / (1 / 0.15**2)
    assert _predicted((0.15, 0.2), config, "LS") == pytest.approx(expected)
    assert _curvature(0.2) == pytest.approx(0.09)

"""Rare features: the data model, the short cut through all pairs, and what ERM and Mixup learn."""

import json

import jax
import numpy as np
import pytest

from lamv.core.mixing import mix
from lamv.errors import ConfigError
from lamv.theory import recipe, validate
from lamv.theory.rare_features import coin, draw, outputs, pair_outputs, run

#: Some half of the default's dimensions and points: the same order of rates, 2 < 6 < 18.
SMALL = {"seeds": 2, "common": 18, "rare": 2, "dim": 230, "steps": 250, "switches": (125,), "taus": (0.7,), "test": 40}


@pytest.fixture(scope="module")
def config():
    config = recipe("rare_features", **SMALL)
    validate(config)
    return config


@pytest.fixture(scope="module")
def outcome(config):
    return run(config)


def metric(outcome, name, key):
    return next(r for r in outcome.rows if r["name"] == name)["metrics"][key]


def test_points_hold_one_feature_one_feature_noise_and_noise(config):
    x, labels, is_rare = draw(np.random.default_rng(0), config, 5, 3)
    assert x.shape == (16, 4, 230) and np.bincount(labels).tolist() == [8, 8] and is_rare.sum() == 6
    np.testing.assert_array_equal(np.argmax(x[:, 0], axis=1), labels + 2 * is_rare)
    np.testing.assert_allclose(np.square(x[:, :, :4]).sum(axis=(1, 2)), 1 + config.feature_noise**2, rtol=1e-6)
    noisy = np.abs(x[:, :, 4:]).sum(axis=2) > 0
    np.testing.assert_array_equal(noisy.sum(axis=1), 2)
    np.testing.assert_allclose(x[:, :, 4:][noisy].std(), config.noise, rtol=0.05)


def test_features_that_are_not_aligned_stand_anywhere(config):
    x, labels, is_rare = draw(np.random.default_rng(0), config, 100, 1, aligned=False)
    place = np.argmax(x[np.arange(202), :, labels + 2 * is_rare], axis=1)
    assert np.bincount(place, minlength=4).min() > 30, "about 50 of 202 at each of 4 places"


@pytest.mark.parametrize("lam", [0.0, 0.3, 1.0])
def test_all_pairs_are_the_network_at_mixed_points(config, lam):
    x, _, _ = draw(np.random.default_rng(1), config, 2, 1)
    weights = np.random.default_rng(2).normal(size=(2, 3, config.dim)).astype(np.float32)
    mixed = mix(np.repeat(x, 6, axis=0), np.tile(x, (6, 1, 1)), np.full(36, lam, np.float32))
    pairs = jax.jit(pair_outputs)(weights, x, lam)
    np.testing.assert_allclose(pairs, jax.jit(outputs)(weights, mixed), rtol=1e-4, atol=1e-4)


def test_the_coin_is_fair_in_the_population(config):
    many = recipe("rare_features", **SMALL | {"test": 2000, "dim": 5})
    assert abs(coin(many) - 0.5) < 0.04, "4000 fair tosses: 5 standard deviations"


def test_erm_goes_by_the_feature_noise_and_mixup_by_the_rare_feature(outcome, config):
    erm, mixup = (metric(outcome, name, "test_rare/accuracy")["mean"] for name in ("ERM", "Mixup"))
    assert abs(erm - coin(config)) < 0.1 and mixup > 0.9
    assert metric(outcome, "ERM", "train_rare/memorised")["mean"] > 0.9
    assert metric(outcome, "Mixup", "rare_feature")["mean"] > 5 * metric(outcome, "ERM", "rare_feature")["mean"]
    for name in ("ERM", "Mixup"):
        assert metric(outcome, name, "test_common/accuracy")["mean"] > 0.95


def test_equal_weights_of_features_and_targets_are_tied_mixup(outcome):
    tied, same = (metric(outcome, name, "rare_feature")["values"] for name in ("Mixup", "Mixup, lam 0.7, tau 0.7"))
    np.testing.assert_allclose(tied, same, rtol=1e-4)


def test_a_schedule_is_its_first_method_until_the_switch(outcome):
    curves = {s["name"]: s["y"] for s in outcome.figures[0]["series"]}
    half = len(curves["Mixup"]) // 2
    assert curves["Mixup, ERM from 125"][:half] == curves["Mixup"][:half]
    assert curves["ERM, Mixup from 125"][:half] == curves["ERM"][:half]


@pytest.mark.parametrize(
    "change, words", [({"steps": 510}, "steps is 510"), ({"noise_patches": 3}, "noise_patches is 3")]
)
def test_what_does_not_fit_is_one_line(change, words):
    wrong = recipe("rare_features", **SMALL | change)
    with pytest.raises(ConfigError, match=words):
        validate(wrong)
        run(wrong)


def test_all_of_it_is_plain_data(outcome):
    json.dumps([outcome.rows, [c._asdict() for c in outcome.checks], outcome.figures], allow_nan=False)
    assert {c.n for c in outcome.checks} == {2}

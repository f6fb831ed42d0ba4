"""Multi-view data: the smoothed ReLU, the points, and who learns both features."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.theory import recipe, validate
from lamv.theory.multi_view import draw, feature_strengths, network_of, run, smoothed_relu

SMALL = {"seeds": 4, "classes": 5, "n": 50, "steps": 1000, "test": 100}


@pytest.fixture(scope="module")
def config():
    config = recipe("multi_view", **SMALL)
    validate(config)
    return config


@pytest.fixture(scope="module")
def outcome(config):
    return run(config)


@pytest.mark.parametrize(
    "z, expected", [(-0.5, 0.0), (0.0, 0.0), (0.05, 1 / 240), (0.1, 1 / 30), (0.2, 0.4 / 3), (1.0, 1 - 0.2 / 3)]
)
def test_smoothed_relu_by_hand(z, expected):
    np.testing.assert_allclose(jax.jit(smoothed_relu, static_argnums=2)(z, 0.1, 3), expected, rtol=1e-6)


@pytest.mark.parametrize("power", [2, 3, 8])
def test_smoothed_relu_is_smooth_at_both_joints(power):
    slope = jax.jit(jax.vmap(jax.grad(lambda z: smoothed_relu(z, 0.1, power))))
    np.testing.assert_allclose(slope(jnp.array([-1e-4, 1e-4, 0.0999, 0.1001, 3.0])), [0, 0, 1, 1, 1], atol=0.01)


def test_training_points_show_both_features_and_test_points_one(config):
    x, labels = draw(np.random.default_rng(0), config, 50)
    own = np.take_along_axis(x, (2 * labels[:, None] + np.arange(2))[:, None].repeat(4, axis=1), axis=2)
    np.testing.assert_array_equal((own > 0).sum(axis=1), 1)
    np.testing.assert_allclose(own.sum(axis=(1, 2)), 1, rtol=1e-6)
    assert own[own > 0].min() >= 0.25 and own.max() <= 0.75
    x, labels = draw(np.random.default_rng(0), config, 50, single=True)
    own = np.take_along_axis(x, (2 * labels[:, None] + np.arange(2))[:, None].repeat(4, axis=1), axis=2)
    np.testing.assert_array_equal(np.sort((own > 0).sum(axis=1), axis=1), [[0, 2]] * 50)
    assert 10 < (own[:, :, 0].sum(axis=1) > 0).sum() < 40


def test_feature_noise_is_of_the_other_classes(config):
    x, labels = draw(np.random.default_rng(0), config, 50)
    views = np.sort((x > 0).sum(axis=2), axis=1)
    np.testing.assert_array_equal(views, [[1, 1, 8, 8]] * 50)
    noise = x[(x > 0).sum(axis=2) == 8]
    gamma = noise[noise > 0] * 5**1.5
    assert gamma.min() >= 0.25 and gamma.max() <= 0.75


def test_a_network_of_clean_features_knows_both_views(config):
    weights = np.zeros((5, 2, 10), np.float32)
    weights[np.arange(5), 0, 2 * np.arange(5)] = 3.0
    weights[np.arange(5), 1, 2 * np.arange(5) + 1] = 2.0
    np.testing.assert_array_equal(jax.jit(feature_strengths)(weights), [[3.0, 2.0]] * 5)
    x, labels = draw(np.random.default_rng(0), config, 50, single=True)
    np.testing.assert_array_equal(np.argmax(jax.jit(network_of(config))(weights, x), axis=1), labels)


def test_midpoint_learns_both_features_and_erm_does_not(outcome):
    metrics = {r["name"]: {k: v["mean"] for k, v in r["metrics"].items()} for r in outcome.rows}
    erm, midpoint = metrics["ERM"], metrics["Midpoint Mixup"]
    assert midpoint["both_learned"] >= 0.95 > 0.9 >= erm["both_learned"]
    assert midpoint["test_single/error"] < 0.05 < erm["test_single/error"]
    assert abs(erm["test_single/error"] - (1 - erm["both_learned"]) / 2) < 0.05
    assert all(m["train/error"] == 0 for m in metrics.values())


def test_all_of_it_is_plain_data(outcome):
    json.dumps([outcome.rows, [c._asdict() for c in outcome.checks], outcome.figures], allow_nan=False)
    assert [len(s["x"]) for f in outcome.figures for s in f["series"]] == [51] * 12

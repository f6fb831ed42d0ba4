"""Two moons: the points, the margin of a boundary that is known, and a short run."""

import json

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lamv import theory
from lamv.errors import ConfigError
from lamv.theory import two_moons as subject

FIRST, SECOND = np.meshgrid(subject.AXIS, subject.AXIS)
POINTS = np.array([[1.0, 0.5], [-0.31, -1.203], [0.1, 2.0]], np.float32)


@pytest.fixture(scope="module")
def outcome():
    changes = {"points": 60, "steps": 60, "width": 32, "learning_rate": 0.02, "alphas": (1.0, 64.0), "summed": True}
    config = theory.recipe("two_moons", seeds=2, **changes)
    theory.validate(config)
    return subject.run(config)


def test_classes_stand_on_their_own_side_of_the_strip():
    config = theory.recipe("two_moons", gap=0.3)
    points, labels = subject.two_moons(4, config)
    assert points.shape == (300, 2) and np.bincount(labels).tolist() == [150, 150]
    np.testing.assert_array_equal(points[:, 0] > 0, labels == 0)
    assert np.min(np.abs(points[:, 0])) >= 0.3
    assert np.abs(points[:, 1].mean()) < 0.05
    assert np.all(np.abs(points) < subject.AXIS[-1])


@pytest.mark.parametrize("slope, offset", [((1, 0), 0.0), ((0.6, 0.8), -0.237), ((-2, 1), 0.5)])
def test_distance_to_a_line(slope, offset):
    distance = (POINTS @ np.array(slope) + offset) / np.hypot(*slope)
    z = slope[0] * FIRST + slope[1] * SECOND + offset
    found = subject.signed_distances(z, POINTS, np.array([1, 1, 0]))
    np.testing.assert_allclose(found, distance * [1, 1, -1], atol=1e-5)


def test_distance_to_a_circle():
    found = subject.signed_distances(1.21 - FIRST**2 - SECOND**2, POINTS, np.array([1, 0, 0]))
    np.testing.assert_allclose(found, np.abs(np.hypot(*POINTS.T) - 1.1) * [-1, 1, 1], atol=2e-4)


def test_no_boundary_is_an_error():
    with pytest.raises(ConfigError, match="one class"):
        subject.signed_distances(np.ones_like(FIRST), POINTS, np.array([1, 1, 1]))


def test_widest_margin_is_half_the_distance_of_the_classes():
    points = np.array([[0, 0], [0, 1], [3, 0], [0, 4]])
    assert subject.widest_margin(points, np.array([0, 0, 1, 1])) == pytest.approx(1.5)


def test_log_odds_are_those_of_the_network():
    params = subject.two_layers(0, 2, 16, 2)
    z = np.asarray(subject.log_odds({name: p[None] for name, p in params.items()}))[0]
    logits = subject.logits(params, jnp.array([[subject.AXIS[7], subject.AXIS[200]]]))
    np.testing.assert_allclose(z[200, 7], logits[0, 1] - logits[0, 0], rtol=1e-4)


def test_loss_is_that_of_the_pairs():
    params = subject.two_layers(1, 2, 8, 2)
    knobs = {
        "points": POINTS,
        "targets": np.eye(2, dtype=np.float32)[[0, 1, 1]],
        "partner": np.array([[0, 0, 0], [2, 1, 0]]),
        "lam": np.array([1.0, 0.25], np.float32),
    }
    mixed = np.array([POINTS[0] / 4 + POINTS[2] * 3 / 4, POINTS[1], POINTS[2] / 4 + POINTS[0] * 3 / 4])
    z = np.asarray(subject.logits(params, mixed), np.float64)
    q = np.array([[0.25, 0.75], [0, 1], [0.75, 0.25]])
    expected = -np.mean(np.sum(q * (z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))), axis=1))
    np.testing.assert_allclose(subject.mixup_loss(params, knobs, None, 1), expected, rtol=1e-5)


def test_the_trace_of_summed_gradients_is_their_sum():
    trace = optax.trace(1.0)
    state = trace.init(jnp.zeros(()))
    for gradient, total in ((1.0, 1.0), (2.0, 3.0), (-5.0, -2.0)):
        update, state = trace.update(jnp.asarray(gradient), state)
        assert float(update) == total


def test_lam_is_one_for_erm_and_beta_for_mixup():
    assert np.all(subject.lam_table(0, None, 10) == 1)
    lam = subject.lam_table(0, 32.0, 20_000)
    np.testing.assert_allclose([lam.mean(), lam.var()], [0.5, 1 / (4 * 65)], rtol=0.05)


def test_rows_have_the_measures_of_every_seed(outcome):
    names = [row["name"] for row in outcome.rows]
    mixup = ["mixup alpha=1", "mixup alpha=64"]
    assert names == ["erm", *mixup, *(f"{name}, summed" for name in mixup)]
    for row in outcome.rows:
        metrics = row["metrics"]
        assert set(metrics) == {"margin", "mean_distance", "error", "margin_share"}
        assert all(values["n"] == 2 for values in metrics.values())
        for margin, mean, error in zip(
            *(metrics[m]["values"] for m in ("margin", "mean_distance", "error")), strict=True
        ):
            assert margin <= mean
            assert (margin < 0) == (error > 0), "a margin is negative where, and only where, a point is misclassified"


def test_no_margin_exceeds_what_the_points_allow(outcome):
    (check,) = [c for c in outcome.checks if c.source.startswith("theorem")]
    assert check.relation == "<=" and check.holds


def test_the_claim_is_checked_with_its_sign(outcome):
    claims = [c for c in outcome.checks if c.source.startswith("claim")]
    assert len(claims) == 4 and all(c.relation == ">=" and c.expected == 0 and c.n == 2 for c in claims)
    margin = {row["name"]: row["metrics"]["margin"]["mean"] for row in outcome.rows}
    best = max(margin["mixup alpha=1"], margin["mixup alpha=64"])
    assert claims[0].measured == pytest.approx(best - margin["erm"], abs=1e-6)


def test_all_of_it_is_plain_data(outcome):
    field, lines = json.loads(json.dumps(outcome.figures, allow_nan=False))
    assert len(field["panels"]) == 5
    assert np.shape(field["panels"][0]["z"]) == (len(field["y"]), len(field["x"]))
    assert max(len(field["x"]), len(field["y"])) <= 80
    assert [len(series["y"]) for series in lines["series"]] == [2, 2]
    json.dumps(outcome.rows, allow_nan=False)

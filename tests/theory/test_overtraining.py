"""Training too long: the closed form against gradient descent, the oracles, and the rise on digits."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from lamv.data import load
from lamv.errors import ConfigError
from lamv.theory import recipe, validate
from lamv.theory.overtraining import digits, random_features, run
from lamv.theory.overtraining.digits import WINDOW, turning_records
from lamv.theory.overtraining.least_squares import LeastSquares, least_squares_problem, predicted_risk

#: A higher learning rate takes the network past its turning point sooner.
SMALL = {
    "seeds": 2, "features": 32, "points": (8, 32), "mixed": 200, "descent": 2000,
    "sizes": (40, 80), "batch_size": 16, "learning_rate": 5e-3, "steps": 800, "records": 40,
}  # fmt: skip


@pytest.fixture(scope="module")
def config():
    config = recipe("overtraining", **SMALL)
    validate(config)
    return config


@pytest.fixture(scope="module")
def outcome(config):
    return run(config)


def mean(outcome, name, key):
    return next(r for r in outcome.rows if r["name"] == name)["metrics"][key]["mean"]


def test_oracles(outcome):
    exact = outcome.checks[:4]
    assert [round(c.expected, 6) for c in exact] == [1.609438, 0.2, 0.666667, 0.666667]
    assert all(c.holds for c in exact), exact


def test_one_mode_is_the_toy():
    """phi = 1 and target 1/2 against a truth of 1: bias^2 1, noise^2 1/4, of the same sign, so the curve never turns."""
    one = LeastSquares(np.ones((4, 1)), np.full(4, 0.5), np.ones(1), np.ones((1, 1)))
    left = np.exp(-np.array([0.0, np.log(5), 50.0]))
    predicted = predicted_risk(one, np.array([0.0, np.log(5), 50.0]))
    np.testing.assert_allclose(predicted["exact"], np.square(left + (1 - left) / 2))
    np.testing.assert_allclose(predicted["independent"], [1.0, 0.2, 0.25])


def test_modes_without_data_keep_their_bias():
    phi = np.array([[2.0, 0.0], [0.0, 0.0]])
    predicted = predicted_risk(
        LeastSquares(phi, phi @ [1.0, 3.0], np.array([1.0, 3.0]), np.eye(2)), np.array([0.0, 100.0])
    )
    for key in ("exact", "independent"):
        np.testing.assert_allclose(predicted[key], [10.0, 9.0])


def test_features_are_orthonormal_and_targets_of_erm_exact(config):
    problem = least_squares_problem(config, 0, 32, mixing=False)
    np.testing.assert_allclose(problem.test_phi.T @ problem.test_phi / 4000, np.eye(32), atol=0.15)
    np.testing.assert_allclose(problem.q, problem.phi @ problem.truth, rtol=1e-9, atol=1e-9)
    mixed = least_squares_problem(config, 0, 32, mixing=True)
    assert np.square(mixed.q - mixed.phi @ mixed.truth).mean() > 0.01, "mixed targets carry noise"
    np.testing.assert_array_equal(mixed.truth, problem.truth)


def test_the_turning_point_is_that_of_the_moving_average():
    curve = np.abs(np.arange(60.0) - 30)
    outlier = curve.copy()
    outlier[50] = -1.0
    np.testing.assert_array_equal(turning_records(np.stack([curve, outlier])), [30, 30])
    assert turning_records(np.arange(20.0)[None]) == WINDOW // 2


def test_turning_points_are_found_on_other_digits_than_errors(config, monkeypatch):
    """A network that is wrong on every other digit that no run trains on: all of one half, and none of the second."""
    given = {}

    def recorded(kinds, loss, params, knobs, keys, record, **options):
        given.update(knobs=knobs, record=record)

    monkeypatch.setattr(digits, "recorded", recorded)
    digits.train_digits(config, [("Mixup", 40), ("Mixup", 80)], np.zeros(4, int))
    knobs = given["knobs"]
    assert knobs["number"].tolist() == [40, 40, 80, 80] and knobs["order"].shape == (4, 1797)
    np.testing.assert_array_equal(np.sort(knobs["order"]), np.tile(np.arange(1797), (4, 1)))
    np.testing.assert_array_equal(knobs["order"][0], knobs["order"][2])
    assert np.any(knobs["order"][0] != knobs["order"][1]), "another seed, other digits"
    labels = np.asarray(load("digits").parts["all"].labels)[np.asarray(knobs["order"][0])[80:]]
    said = np.eye(10)[(labels + (np.arange(len(labels)) % 2 == 0)) % 10]
    monkeypatch.setattr(digits, "logits", lambda params, x: jnp.asarray(said))
    found = given["record"](None, {"order": knobs["order"][0]})
    assert (float(found["validation"]), float(found["test"])) == (1.0, 0.0)


def test_gradient_descent_follows_the_closed_form(outcome):
    checks = {c.quantity: c for c in outcome.checks if "predicted curve" in c.quantity}
    assert len(checks) == 3
    for check in checks.values():
        assert 0 < check.measured < 0.1, check


def test_mixup_turns_and_erm_does_not(outcome):
    for task, few in (("least squares", 8), ("digits", 40)):
        key = "risk/rise" if task == "least squares" else "test/rise"
        assert mean(outcome, f"{task}, Mixup, n {few}", key) > 0.03
        assert abs(mean(outcome, f"{task}, ERM, n {few}", key)) < 0.02
    assert mean(outcome, "digits, Mixup, then ERM, n 40", "test/error") < mean(
        outcome, "digits, Mixup, n 40", "test/error"
    )


def test_flow_of_random_features_by_hand():
    """G = diag(2, 1/2) and theta_mix = (1, 2): after t = ln 2 each mode has gone 1 - 2^(-rate) of its way."""
    own = random_features.RandomFeatures(
        np.array([[2.0, 0], [0, 1]]), np.array([2.0, 2.0]), np.eye(2), np.array([1.0, 2.0])
    )
    theta = random_features.flow(own, np.array([0.0, np.log(2), 100.0]))
    np.testing.assert_allclose(theta, [[0, 0], [0.75, 2 * (1 - 2**-0.5)], [1, 2]], atol=1e-12)
    np.testing.assert_allclose(random_features.risk(theta, own), [2.5, (0.0625 + 2) / 2, 0], atol=1e-12)


def test_a_rate_at_which_descent_diverges_is_one_line():
    with pytest.raises(ConfigError, match="relu_rate is 50, must be below"):
        random_features.run(recipe("overtraining", **SMALL | {"relu_rate": 50.0}), None)


def test_only_the_own_features_can_be_fitted(config):
    for teacher, least in zip(random_features.TEACHERS, (0.0, 0.01), strict=True):
        own = random_features.problem(config, 0, 32, teacher, mixing=False)
        test = np.linalg.lstsq(own.test_phi, own.test_q, rcond=None)[0]
        left = np.square(own.test_phi @ test - own.test_q).mean()
        assert left < 1e-20 if least == 0 else left > least
        np.testing.assert_allclose(own.q[:32], own.q[32:64])
    mixed = random_features.problem(config, 0, 32, "own features", mixing=True)
    np.testing.assert_allclose(
        mixed.test_q, random_features.problem(config, 0, 32, "own features", mixing=False).test_q
    )


@pytest.mark.parametrize(
    "change, words",
    [
        ({"descent": 1500}, "descent is 1500"),
        ({"records": 30}, "records is 30"),
        ({"sizes": (40, 1797)}, "sizes is"),
    ],
)
def test_what_does_not_fit_is_one_line(change, words):
    wrong = recipe("overtraining", **SMALL | change)
    with pytest.raises(ConfigError, match=words):
        validate(wrong)
        run(wrong)


def test_all_of_it_is_plain_data(outcome):
    json.dumps([outcome.rows, [c._asdict() for c in outcome.checks], outcome.figures], allow_nan=False)
    assert len(outcome.rows) == 4 + 8 + 6 and all(len(s["x"]) <= 200 for f in outcome.figures for s in f["series"])

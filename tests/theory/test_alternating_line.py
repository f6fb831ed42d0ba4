"""The alternating line: what is mixed, what is learned from it, and what is said of it."""

import json

import numpy as np
import pytest

from lamv import theory
from lamv.core.closed_forms import mixup_optimal
from lamv.core.laws import fixed
from lamv.theory import alternating_line as subject

SEEDS = 3


@pytest.fixture(scope="module")
def outcome():
    config = theory.recipe("alternating_line", seeds=SEEDS, sizes=("3x2",))
    theory.validate(config)
    return subject.run(config)


@pytest.fixture(scope="module")
def short():
    """One seed of the largest size, hardly trained."""
    return subject.run(theory.recipe("alternating_line", seeds=1, sizes=("10x10",), steps=20, width=16, alphas=(2.0,)))


@pytest.fixture
def rows(outcome):
    return {row["name"]: row for row in outcome.rows}


@pytest.mark.parametrize(
    "method, error",
    [
        ("erm", 0),
        ("mixup alpha=32", 1 / 3),
        ("mixup alpha=128", 1 / 3),
        ("midpoint", 1 / 3),
        ("midpoint, all pairs", 1 / 3),
    ],
)
def test_mixup_loses_the_middle_point_and_erm_does_not(rows, method, error):
    np.testing.assert_allclose(rows[f"3x2 {method}"]["metrics"]["error"]["values"], [error] * SEEDS)


def test_all_pairs_learn_the_exact_optimum(rows):
    p = np.array(rows["3x2 midpoint, all pairs"]["outputs"]["p"])
    np.testing.assert_allclose(p, [[1, 0], [2 / 3, 1 / 3], [1, 0]], atol=0.01)


def test_probabilities_are_over_classes(outcome):
    for row in outcome.rows:
        np.testing.assert_allclose(np.sum(row["outputs"]["p"], axis=1), 1, atol=1e-5)
        assert np.shape(row["outputs"]["sd"]) == (3, 2)


def test_checks_say_where_their_numbers_come_from(outcome):
    published = {c.quantity: c.expected for c in outcome.checks if c.source.startswith("published")}
    assert published["3x2 mixup alpha=128: P(class 1) at 1"] == pytest.approx(0.3497, abs=1e-4)
    exact = {c.quantity: c.expected for c in outcome.checks if "enumeration" in c.source}
    assert exact["3x2 midpoint: P(class 1) at 1"] == pytest.approx(1 / 3)
    assert exact["3x2 midpoint, all pairs: loss"] == pytest.approx(0.520237, abs=1e-6)
    assert all(c.holds for c in outcome.checks if c.quantity.startswith("3x2 midpoint, all pairs"))


def test_rows_are_named_by_size_and_method(short):
    methods = ["erm", "mixup alpha=2", "midpoint", "midpoint, all pairs"]
    assert [row["name"] for row in short.rows] == [f"10x10 {method}" for method in methods]
    assert np.shape(short.rows[-1]["outputs"]["p"]) == (10, 10)


def test_ten_points_of_two_classes_are_lost_where_the_optimum_loses_them():
    points, labels = subject.line(10, 2)
    exact = mixup_optimal(points, labels, 2, fixed(0.5), points)
    assert list(np.flatnonzero(np.argmax(exact, axis=1) != labels)) == [1, 3, 6, 8]
    right = np.eye(2)[labels][None]
    for p, holds in ((exact[None], True), (right, False)):
        outputs = {"midpoint": p, "midpoint, all pairs": p}
        errors = [c for c in subject._checks("10x2", outputs, points, labels) if c.quantity.endswith("error")]
        assert [(c.expected, c.holds) for c in errors] == [(pytest.approx(0.4), holds)] * 2


def test_no_network_is_below_the_minimal_loss(outcome, short):
    losses = [c for c in (*outcome.checks, *short.checks) if c.quantity.endswith("loss")]
    assert len(losses) == 2
    assert all(c.relation == ">=" and c.holds for c in losses)


@pytest.mark.parametrize("fixture", ["outcome", "short"])
def test_all_of_it_is_plain_data(fixture, request):
    outcome = request.getfixturevalue(fixture)
    assert json.loads(json.dumps([outcome.rows, outcome.figures], allow_nan=False))
    for figure in outcome.figures:
        assert all(len(series["x"]) == len(series["y"]) for series in figure["series"])


def test_tables_draw_uniform_partners_and_one_lam_a_step():
    config = theory.recipe("alternating_line", steps=4000, alphas=(4.0,))
    methods = subject.sampled_methods(config, [5, 6], 3)
    mixup, erm = methods["mixup alpha=4"], methods["erm"]
    assert mixup["lam"].shape == (2, 4000) and mixup["partner"].shape == (2, 4000, 3)
    # sd of a share over 8,000 draws: below .0056
    for own in range(3):
        shares = np.bincount(mixup["partner"][..., own].ravel(), minlength=3) / 8000
        np.testing.assert_allclose(shares, 1 / 3, atol=0.025)
    np.testing.assert_allclose(mixup["lam"].mean(), 0.5, atol=0.01)
    np.testing.assert_allclose(mixup["lam"].var(), 1 / 36, rtol=0.1)  # 1 / (4 (2 alpha + 1))
    assert np.all(erm["lam"] == 1)
    np.testing.assert_array_equal(erm["partner"], mixup["partner"])
    assert not np.array_equal(mixup["lam"][0], mixup["lam"][1])


def test_loss_is_that_of_the_pairs():
    points, labels = subject.line(3, 2)
    params = subject.two_layers(0, 1, 8, 2)
    knobs = {
        "points": points,
        "targets": np.eye(2, dtype=np.float32)[labels],
        "own": np.array([[0, 1, 2]]),
        "partner": np.array([[2, 1, 1], [0, 0, 0]]),
        "lam": np.array([0.25, 0.5], np.float32),
    }
    z = np.asarray(subject.logits(params, np.array([1.5, 1, 1.25], np.float32)), np.float64)
    q = np.array([[1, 0], [0, 1], [0.25, 0.75]])  # 0 with 2, 1 with itself, 2 with 1
    expected = -np.mean(np.sum(q * (z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))), axis=1))
    for t in (0, 2):  # tables begin again after their two steps
        np.testing.assert_allclose(subject.mixup_loss(params, knobs, None, t), expected, rtol=1e-5)


def test_network_starts_as_published():
    params = subject.two_layers(3, 1, 2000, 10)
    assert {name: p.shape for name, p in params.items()} == {
        "kernel1": (2000, 1), "bias1": (2000,), "kernel2": (10, 2000), "bias2": (10,),
    }  # fmt: skip
    for name, reach in {"kernel1": 1, "bias1": 1, "kernel2": 2000**-0.5}.items():
        assert np.max(np.abs(params[name])) <= reach
        np.testing.assert_allclose(params[name].std(), reach / 3**0.5, rtol=0.05)


def test_error_counts_points():
    p = np.array([[[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], [[0.9, 0.1], [0.4, 0.6], [0.6, 0.4]]])
    np.testing.assert_allclose(subject.error(p, np.array([0, 1, 0])), [2 / 3, 0])


def test_an_unknown_size_is_refused():
    with pytest.raises(theory.ConfigError, match="3x2, 10x2, 10x10"):
        theory.validate(theory.recipe("alternating_line", sizes=("4x2",)))

"""Closed forms of label smoothing and Mixup: figures worked by hand, and each again by a second route."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import beta as beta_law

from lamv.core import closed_forms, laws
from tests.core.test_linear import MIDPOINT, objective
from tests.core.test_targets import MINIMA

LINE, ALTERNATING = np.arange(3.0), np.array([0, 1, 0])


@pytest.mark.parametrize("convention, num_classes, smoothing, gap, loss", MINIMA)
def test_optimal_logits_by_hand(convention, num_classes, smoothing, gap, loss):
    np.testing.assert_allclose(closed_forms.optimal_logit_gap(num_classes, smoothing, convention), gap, atol=1e-9)
    np.testing.assert_allclose(closed_forms.minimal_loss(num_classes, smoothing, convention), loss, atol=1e-9)


@pytest.mark.parametrize("convention, num_classes, smoothing", [("uniform", 10, 0.2), ("others", 3, 0.1)])
def test_optimal_logits_minimise_the_loss(convention, num_classes, smoothing):
    off = smoothing * ((num_classes - 1) / num_classes if convention == "uniform" else 1)
    best = minimize_scalar(
        lambda gap: np.log1p((num_classes - 1) * np.exp(-gap)) + off * gap, bounds=(0, 20), options={"xatol": 1e-10}
    )
    np.testing.assert_allclose(closed_forms.optimal_logit_gap(num_classes, smoothing, convention), best.x, atol=1e-6)
    np.testing.assert_allclose(closed_forms.minimal_loss(num_classes, smoothing, convention), best.fun, atol=1e-12)


def test_without_smoothing_logits_grow_without_bound():
    assert closed_forms.optimal_logit_gap(10, 0.0) == np.inf
    assert closed_forms.minimal_loss(10, 0.0) == 0
    assert closed_forms.unconstrained_features(3, 2, 0.0, 0.01) == {"gap": np.inf, "loss": 0.0}


@pytest.mark.parametrize("smoothing, convention", [(1.0, "uniform"), (0.9, "others"), (-0.1, "uniform")])
def test_a_smoothing_out_of_range(smoothing, convention):
    with pytest.raises(ValueError, match="smoothing"):
        closed_forms.optimal_logit_gap(10, smoothing, convention)


@pytest.mark.parametrize("smoothing, gap, loss", [(0.0, 4.937501, 0.084069893), (0.1, 3.124555, 0.336752711)])
def test_unconstrained_features_by_hand(smoothing, gap, loss):
    found = closed_forms.unconstrained_features(3, 2, 0.005, 0.005, smoothing)
    np.testing.assert_allclose(found["gap"], gap, atol=5e-7)
    np.testing.assert_allclose(found["loss"], loss, atol=1e-9)
    same = closed_forms.unconstrained_features(3, 2, 0.005, 0.005, smoothing * 2 / 3, "others")
    np.testing.assert_allclose([same["gap"], same["loss"]], [found["gap"], found["loss"]], rtol=1e-12)


@pytest.mark.parametrize("decay, smoothing", [(0.005, 0.1), (0.02, 0.0), (0.4, 0.1)])
def test_unconstrained_features_by_descent(decay, smoothing):
    num_classes, per_class, dim = 3, 2, 4
    labels = np.arange(num_classes * per_class) % num_classes
    targets = (1 - smoothing) * np.eye(num_classes)[labels] + smoothing / num_classes

    def loss(theta):
        w, h = np.split(theta, [num_classes * dim])
        w, h = w.reshape(num_classes, dim), h.reshape(-1, dim)
        logits = h @ w.T
        probs = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
        pull = (probs - targets) / len(h)
        value = -np.sum(targets * np.log(probs)) / len(h) + decay / 2 * theta @ theta
        return value, np.concatenate([(pull.T @ h).ravel(), (pull @ w).ravel()]) + decay * theta

    start = np.random.default_rng(0).normal(size=(num_classes + len(labels)) * dim)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 5000, "ftol": 1e-16, "gtol": 1e-10})
    w, h = np.split(best.x, [num_classes * dim])
    logits = h.reshape(-1, dim) @ w.reshape(num_classes, dim).T
    found = closed_forms.unconstrained_features(num_classes, per_class, decay, decay, smoothing)
    np.testing.assert_allclose(found["loss"], best.fun, atol=1e-8)
    others = (logits.sum(axis=1) - logits[np.arange(6), labels]) / (num_classes - 1)
    np.testing.assert_allclose(logits[np.arange(6), labels] - others, found["gap"], atol=1e-3)


@pytest.mark.parametrize("law", [laws.beta(1), laws.beta(0.3, 2), laws.uniform(0.1, 0.4), laws.fixed(0.8)], ids=str)
def test_mixup_slope_minimises_the_loss(law):
    nodes = law.nodes()
    data = np.array([[1.0], [-1.0]]), np.array([1, -1])
    best = minimize_scalar(
        lambda c: objective(np.array([c]), *data, nodes=nodes), bounds=(0, 30), options={"xatol": 1e-10}
    )
    found = closed_forms.mixup_slope(law)
    np.testing.assert_allclose([found["slope"], found["loss"]], [best.x, best.fun], atol=1e-6)


@pytest.mark.parametrize(
    "law, infimum",
    [
        (MIDPOINT, np.log(2) / 2),
        (laws.fixed(1.0), 0.0),
        (laws.discrete((0, 1)), 0.0),
        (laws.discrete((0.5, 1), (1, 3)), np.log(2) / 8),
    ],
    ids=str,
)
def test_mixup_slope_is_infinite_where_longer_is_better(law, infimum):
    found = closed_forms.mixup_slope(law)
    assert found["slope"] == np.inf
    np.testing.assert_allclose(found["loss"], infimum, rtol=1e-12)
    near = objective(np.array([60.0]), np.array([[1.0], [-1.0]]), np.array([1, -1]), nodes=law.nodes())
    np.testing.assert_allclose(near, infimum, atol=1e-12)


def test_turning_point_by_hand():
    found = closed_forms.least_squares_turning_point(1.0, 0.25)
    np.testing.assert_allclose([found["time"], found["risk"]], [np.log(5), 0.2], rtol=1e-12)
    slower = closed_forms.least_squares_turning_point(1.0, 0.25, rate=0.1)
    np.testing.assert_allclose([slower["time"], slower["risk"]], [10 * np.log(5), 0.2], rtol=1e-12)


def test_least_squares_risk_by_descent():
    """Gradient descent on noisy labels, small steps; the risk is the distance to the true weights."""
    noise, rate, steps = np.array([0.5, -0.3]), np.array([1.0, 0.2]), 20_000
    true, weight = np.array([1.0, 2.0]), np.zeros(2)
    for _ in range(steps):
        weight = weight - 2 / steps * rate * (weight - true - noise)
    risk = closed_forms.least_squares_risk(2.0, true**2, noise**2, rate)
    # Where bias and noise are of unknown relative sign, the mean over signs is the sum of squares.
    cross = 2 * (np.exp(-2 * rate) * -true) @ (noise * (1 - np.exp(-2 * rate)))
    np.testing.assert_allclose(np.sum((weight - true) ** 2), risk + cross, rtol=1e-3)
    assert closed_forms.least_squares_risk(np.zeros((2, 3)), true**2, noise**2, rate).shape == (2, 3)


@pytest.mark.parametrize(
    "bias, noise, rate", [([1, 1], [0.25, 0.1], [1, 0.01]), ([0, 1, 2], [0.1, 0.1, 0.5], [3, 1, 0.1]), (0.0, 1.0, 1.0)]
)
def test_turning_point_is_the_least_of_a_grid(bias, noise, rate):
    times = np.concatenate([[0], np.geomspace(1e-4, 1e4, 20_001)])
    risks = closed_forms.least_squares_risk(times, bias, noise, rate)
    found = closed_forms.least_squares_turning_point(bias, noise, rate)
    np.testing.assert_allclose(found["risk"], risks.min(), rtol=1e-6)
    np.testing.assert_allclose(found["time"], times[risks.argmin()], rtol=2e-3, atol=1e-9)


def test_without_noise_longer_is_better():
    assert closed_forms.least_squares_turning_point(1.0, 0.0) == {"time": np.inf, "risk": 0.0}
    late = closed_forms.least_squares_turning_point([1.0, 1.0], [0.0, 0.1], [0.1, 1.0])
    assert late["time"] == np.inf
    np.testing.assert_allclose(late["risk"], 0.1)
    with pytest.raises(ValueError, match="rate is 0"):
        closed_forms.least_squares_turning_point(1.0, 0.1, 0.0)


def test_the_midpoint_misclassifies_the_middle_of_three():
    found = closed_forms.mixup_optimal(LINE, ALTERNATING, 2, MIDPOINT, [0, 0.5, 1, 1.5, 2, 0.7])
    np.testing.assert_allclose(found[:5, 1], [0, 1 / 2, 1 / 3, 1 / 2, 0], atol=1e-15)
    np.testing.assert_allclose(found[:5].sum(axis=1), 1)
    assert np.isnan(found[5]).all(), "no mixed point falls on 0.7"
    alone = closed_forms.mixup_optimal(LINE, ALTERNATING, 2, MIDPOINT, [1.0], self_pairs=False)
    np.testing.assert_array_equal(alone, [[1, 0]])


def test_the_midpoint_misclassifies_four_of_ten():
    points = np.arange(10.0)
    found = closed_forms.mixup_optimal(points, np.arange(10) % 2, 2, MIDPOINT, points)
    expected = [0, 1 / 3, 2 / 5, 3 / 7, 4 / 9, 5 / 9, 4 / 7, 3 / 5, 2 / 3, 1]
    np.testing.assert_allclose(found[:, 1], expected, atol=1e-15)
    wrong = np.flatnonzero(found.argmax(axis=1) != np.arange(10) % 2)
    np.testing.assert_array_equal(wrong, [1, 3, 6, 8])


def test_the_least_midpoint_loss_of_three():
    expected = 4 / 9 * np.log(2) + 3 / 9 * (np.log(3) - 2 / 3 * np.log(2))
    found = closed_forms.mixup_optimal_loss(LINE, ALTERNATING, 2, MIDPOINT)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    np.testing.assert_allclose(found, 0.520237, atol=5e-7)


@pytest.mark.parametrize("self_pairs", [True, False])
def test_the_least_loss_is_that_of_the_optimal_classifier(self_pairs):
    """On a grid in the plane, where many pairs meet, with the loss of g* summed over all pairs."""
    rng = np.random.default_rng(0)
    points, labels = rng.integers(4, size=(9, 2)).astype(float), rng.integers(3, size=9)
    law = laws.discrete((0.25, 0.5, 1.0), (1, 2, 1))
    total = mass = 0.0
    for lam, weight in zip(*law.nodes(), strict=True):
        for i in range(9):
            for j in range(9):
                if i == j and not self_pairs:
                    continue
                place = lam * points[i] + (1 - lam) * points[j]
                probs = closed_forms.mixup_optimal(points, labels, 3, law, place[None], self_pairs=self_pairs)[0]
                target = lam * np.eye(3)[labels[i]] + (1 - lam) * np.eye(3)[labels[j]]
                total -= weight * target[target > 0] @ np.log(probs[target > 0])
                mass += weight
    found = closed_forms.mixup_optimal_loss(points, labels, 3, law, self_pairs=self_pairs)
    np.testing.assert_allclose(found, total / mass, rtol=1e-12)


def test_the_least_loss_needs_a_discrete_law():
    with pytest.raises(ValueError, match="must be discrete"):
        closed_forms.mixup_optimal_loss(LINE, ALTERNATING, 2, laws.beta(1))


@pytest.mark.parametrize(
    "a, expected",
    [
        (1, (0.166667, 0.333333, 0.5)),
        (2, (0.193548, 0.363636, 0.461538)),
        (8, (0.247160, 0.468717, 0.221619)),
        (0.5, (0.151089, 0.316987, 0.518237)),
    ],
)
def test_a_continuous_law_without_self_pairs(a, expected):
    """x in (0, 1) is met by 0 and 1 with density b(x), and by 0 and 2 with b(x / 2) / 2."""
    at = np.array([0.25, 0.5, 0.75])
    found = closed_forms.mixup_optimal(LINE, ALTERNATING, 2, laws.beta(a), at, self_pairs=False)[:, 1]
    near, far = beta_law.pdf(at, a, a), beta_law.pdf(at / 2, a, a) / 2
    np.testing.assert_allclose(found, at * near / (near + far), rtol=1e-9)
    np.testing.assert_allclose(found, expected, atol=6e-7)


@pytest.mark.parametrize("a, expected", [(0.5, 1), (1, 2 / 3), (2, 0)])
def test_the_uniform_law_is_critical_at_the_middle_point(a, expected):
    found = closed_forms.mixup_optimal(LINE, ALTERNATING, 2, laws.beta(a), [1.0], self_pairs=False)
    np.testing.assert_allclose(found[0, 1], expected, atol=1e-12)


def test_a_narrow_law_reaches_its_tails():
    """Densities of 1e-2000 still compare: 0.25 is met by 0 and 1 at lam = .75, by 0 and 2 at .875, farther out."""
    found = closed_forms.mixup_optimal(LINE, ALTERNATING, 2, laws.beta(5000), [0.25, 1.0], self_pairs=False)
    np.testing.assert_allclose(found[:, 1], [0.25, 0], atol=1e-9)


def test_with_self_pairs_the_examples_themselves_decide():
    found = closed_forms.mixup_optimal(LINE, ALTERNATING, 2, laws.beta(2), LINE)
    np.testing.assert_array_equal(found[:, 1], ALTERNATING)
    # Two examples at one place, with different labels: also their pairs fall there always, mixed by E lam = 1 / 3.
    twice = closed_forms.mixup_optimal([0.0, 0.0, 1.0], [0, 1, 1], 2, laws.beta(1, 2), [0.0], self_pairs=False)
    np.testing.assert_allclose(twice, [[0.5, 0.5]], atol=1e-12)


def test_a_law_that_does_not_reach_the_ends():
    """uniform(0.6, 1): 0 and 1 are met at 0.7 from 1 only (lam = 0.7), 0 and 2 from 0 only (lam = 0.65), at half weight."""
    found = closed_forms.mixup_optimal(LINE, ALTERNATING, 2, laws.uniform(0.6, 1), [0.7, 1.0], self_pairs=False)
    np.testing.assert_allclose(found[0], [(0.3 + 0.5) / 1.5, 0.7 / 1.5], atol=1e-12)
    np.testing.assert_allclose(found[1], [0, 1], atol=1e-12)


def test_segments_that_cross_in_the_plane():
    """The limit of small balls, by drawing: two segments of different lengths and directions through one point."""
    points, labels, law = np.array([[0.0, 0], [4, 0], [1, 1], [1, -2]]), np.array([0, 1, 2, 1]), laws.beta(2.0, 3.0)
    place = np.array([[1.0, 0.0]])
    found = closed_forms.mixup_optimal(points, labels, 3, law, np.concatenate([place, [[1.1, 0.3]]]))
    assert np.isnan(found[1]).all(), "no segment passes through (1.1, 0.3)"
    rng = np.random.default_rng(0)
    first, second = rng.integers(4, size=(2, 1_000_000))
    lam = rng.beta(2, 3, size=(len(first), 1))
    hit = np.linalg.norm(lam * points[first] + (1 - lam) * points[second] - place, axis=1) < 0.02
    drawn = np.mean((lam * np.eye(3)[labels[first]] + (1 - lam) * np.eye(3)[labels[second]])[hit], axis=0)
    np.testing.assert_allclose(found[0], drawn, atol=2.5 / np.sqrt(hit.sum()))


def test_the_optimum_moves_with_the_data():
    """Neither the origin, nor the unit, nor the order of examples counts."""
    rng = np.random.default_rng(1)
    points, labels = rng.integers(4, size=(8, 2)).astype(float), rng.integers(3, size=8)
    at = np.concatenate([points, points[:4] / 2 + points[4:] / 2])
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    order = rng.permutation(8)
    for law in (MIDPOINT, laws.beta(2.0), laws.beta(0.5)):
        found = closed_forms.mixup_optimal(points, labels, 3, law, at, self_pairs=False)
        moved = closed_forms.mixup_optimal(
            1e3 * points[order] @ turn + 7, labels[order], 3, law, 1e3 * at @ turn + 7, self_pairs=False
        )
        np.testing.assert_allclose(moved, found, atol=1e-9)
        assert np.isfinite(found[8:]).all()


@pytest.mark.parametrize(
    "a, bandwidth, expected",
    [(1, 0.05, 0.902), (32, 0.05, 0.574), (128, 0.05, 0.4445), (1, 0.2, 0.736), (32, 0.2, 0.384), (128, 0.2, 0.3539)],
)
def test_the_kernel_average_is_the_integral(a, bandwidth, expected):
    def part(i, j, weigh):
        def integrand(lam):
            away = lam * i + (1 - lam) * j - 1
            second = lam * (i == 1) + (1 - lam) * (j == 1) if weigh else 1.0
            return beta_law.pdf(lam, a, a) * np.exp(-(away**2) / (2 * bandwidth**2)) * second

        return quad(integrand, 0, 1, points=[0.5])[0]

    pairs = [(i, j) for i in range(3) for j in range(3)]
    exact = sum(part(i, j, True) for i, j in pairs) / sum(part(i, j, False) for i, j in pairs)
    found = closed_forms.mixup_optimal(LINE, ALTERNATING, 2, laws.beta(a), [1.0], bandwidth=bandwidth)[0, 1]
    np.testing.assert_allclose(found, exact, rtol=1e-7)
    np.testing.assert_allclose(found, expected, atol=5e-4)


def test_the_kernel_average_tends_to_the_exact_limit():
    law, at = laws.beta(2.0), [0.25, 0.5, 0.75]
    exact = closed_forms.mixup_optimal(LINE, ALTERNATING, 2, law, at, self_pairs=False)
    near = closed_forms.mixup_optimal(LINE, ALTERNATING, 2, law, at, self_pairs=False, bandwidth=0.01)
    np.testing.assert_allclose(near, exact, atol=1e-3)
    assert np.isnan(closed_forms.mixup_optimal(LINE, ALTERNATING, 2, law, [9.0], bandwidth=0.01)).all()


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, 1e-4])
def test_a_bandwidth_out_of_range(bandwidth):
    with pytest.raises(ValueError, match="bandwidth is"):
        closed_forms.mixup_optimal(LINE, ALTERNATING, 2, laws.beta(1), [1.0], bandwidth=bandwidth)


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="have shapes"):
        closed_forms.mixup_optimal(np.zeros((3, 2)), ALTERNATING, 2, MIDPOINT, np.zeros((1, 3)))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: closed_forms.mixup_optimal(LINE, [0, 1, -1], 2, MIDPOINT, [1.0]), "labels hold -1"),
        (lambda: closed_forms.mixup_optimal_loss(LINE, [0, 1, 2], 2, MIDPOINT), "labels hold 2"),
        (lambda: closed_forms.mixup_optimal([0, 1, np.nan], [0, 1, 0], 2, MIDPOINT, [1.0]), "must be finite"),
        (lambda: closed_forms.mixup_optimal(LINE, [0, 1, 0], 2, MIDPOINT, [np.inf]), "must be finite"),
    ],
)
def test_what_is_no_number_or_no_label_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

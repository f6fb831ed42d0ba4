"""Minimisers of linear models and the maximum margin: by hand, by descent, and as the theorems state."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize, nnls

from lamv.core import closed_forms, laws, linear
from lamv.core.linear import mixup_loss

#: Two classes that one feature separates with margin 1 always, the other with margin 1.2 or 3.
TWO_POINT = np.array([[1, 1.2], [1, 3], [-1, -1.2], [-1, -3]]), np.array([1, 1, -1, -1])
LS = {"loss": "label_smoothing"}
MIDPOINT = laws.fixed(0.5)
#: weight decay, w and ||w_H||^2 / ||w||^2 of ERM on TWO_POINT
ERM = [
    (1.0, (0.242918, 0.445349), 0.770700),
    (0.1, (0.715592, 1.045729), 0.681075),
    (0.01, (1.416795, 1.798932), 0.617179),
    (1e-3, (2.208190, 2.681558), 0.595909),
    (1e-4, (3.032529, 3.646726), 0.591185),
]
#: a of Beta(a, a), slope, loss on TWO_POINT
MIXUP = [
    (0.2, 4.180541, 0.133701),
    (0.5, 3.721178, 0.215848),
    (1, 3.542283, 0.273899),
    (2, 3.524879, 0.315842),
    (8, 3.917392, 0.350579),
    (32, 4.693504, 0.353469),
]
#: probability of the wrong class, weight decay, w for YX ~ N((.5, 1), diag(.04, 1)), share of the second coordinate
GAUSSIAN = [
    (0.0, 0.0, (25.0, 2.0), 0.006359),
    (0.0, 0.01, (3.586012, 1.137408), 0.091407),
    (0.0, 0.1, (1.069613, 0.894695), 0.411652),
    (0.05, 0.0, (5.120682, 0.409655), 0.006359),
    (0.05, 0.01, (2.899462, 0.720987), 0.058232),
    (0.05, 0.1, (0.946484, 0.747793), 0.384319),
    (0.1, 0.0, (3.630709, 0.290457), 0.006359),
    (0.1, 0.01, (2.397635, 0.511622), 0.043551),
    (0.1, 0.1, (0.829931, 0.623568), 0.360828),
    (0.25, 0.0, (1.708093, 0.136647), 0.006359),
    (0.25, 0.01, (1.315982, 0.223287), 0.027983),
    (0.25, 0.1, (0.505070, 0.339628), 0.311377),
]


def logistic(output, target):
    return np.logaddexp(0, output) - target * output


def objective(theta, x, sign, wrong=0.0, nodes=None, weight_decay=0.0):
    """The linear objective, written out: every mixed point, every target."""
    target = np.where(sign > 0, 1 - wrong, wrong)
    weights = np.full(len(x), 1 / len(x))
    if nodes is not None:
        lam = nodes[0][:, None, None]
        weights = np.broadcast_to(nodes[1][:, None, None], (len(lam), len(x), len(x))).ravel() / len(x) ** 2
        target = (lam * target[:, None] + (1 - lam) * target).ravel()
        x = (lam[..., None] * x[:, None] + (1 - lam[..., None]) * x).reshape(len(weights), -1)
    return weights @ logistic(x @ theta, target) + weight_decay / 2 * theta @ theta


def noisy_data(seed=0, number=12, dim=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(number, dim)) + 0.5
    return x, np.where(x[:, 0] + 1.5 * rng.normal(size=number) > 0.5, 1, -1)


def separable_data(seed, number=14, dim=3):
    rng = np.random.default_rng(seed)
    x, normal = rng.normal(size=(4 * number, dim)), rng.normal(size=dim)
    score = x @ normal / np.linalg.norm(normal)
    clear = np.abs(score) > 0.3
    return x[clear][:number], np.sign(score[clear][:number])


def dominated(seed):
    """Y X_H1 is at least ||X_L||: every direction in L has one in H with larger margins throughout."""
    rng = np.random.default_rng(seed)
    low, high, number = rng.integers(1, 4), rng.integers(1, 5), 30
    yx_low = rng.normal(size=(number, low)) * 0.5 + rng.normal(size=low)
    yx_high = rng.normal(size=(number, high))
    yx_high[:, 0] = np.linalg.norm(yx_low, axis=1) + 0.1 + rng.exponential(size=number)
    sign = np.where(np.arange(number) % 2, 1, -1)
    return sign[:, None] * np.concatenate([yx_low, yx_high], axis=1), sign, low


@pytest.mark.parametrize("weight_decay, w, share", ERM)
def test_erm_by_hand(weight_decay, w, share):
    found = linear.linear_minimizer(*TWO_POINT, weight_decay=weight_decay)
    np.testing.assert_allclose(found["w"], w, atol=1e-6)
    np.testing.assert_allclose(linear.high_variance_share(found["w"], [1]), share, atol=1e-6)


def test_max_margin_by_hand():
    found = linear.max_margin(*TWO_POINT)
    np.testing.assert_allclose(found["w"], np.array([1, 1.2]) / 2.44, atol=1e-12)
    np.testing.assert_allclose(found["margin"], np.sqrt(2.44), rtol=1e-12)
    np.testing.assert_allclose(linear.high_variance_share(found["w"], [False, True]), 36 / 61, rtol=1e-12)


@pytest.mark.parametrize(
    "wrong, w, loss", [(0.05, 2.944439, 0.198515), (0.1, 2.197225, 0.325083), (0.25, 1.098612, 0.562335)]
)
def test_smoothing_by_hand(wrong, w, loss):
    found = linear.linear_minimizer(*TWO_POINT, **LS, smoothing=2 * wrong)
    np.testing.assert_allclose([*found["w"], found["loss"]], [w, 0, loss], atol=1e-6)


@pytest.mark.parametrize("a, slope, loss", MIXUP)
def test_mixup_by_hand(a, slope, loss):
    law = laws.beta(a)
    closed = closed_forms.mixup_slope(law)
    np.testing.assert_allclose([closed["slope"], closed["loss"]], [slope, loss], atol=1e-6)
    found = linear.linear_minimizer(*TWO_POINT, loss="mixup", law=law)
    np.testing.assert_allclose([*found["w"], found["loss"]], [closed["slope"], 0, closed["loss"]], atol=1e-9)
    assert 0.5 * float(law.mean_entropy()) < found["loss"], "half of the pairs mix two classes"


@pytest.mark.parametrize("slope, high", [(5, 0.108677), (10, 0.000940), (20, 4.275e-8)])
def test_the_midpoint_drops_the_high_variance_feature_as_the_slope_grows(slope, high):
    design, target, nodes = TWO_POINT[0], (TWO_POINT[1] + 1) / 2, MIDPOINT.nodes()
    best = brentq(lambda w: mixup_loss(np.array([slope, w]), design, target, nodes)[1][1], 0, 1, xtol=1e-15)
    np.testing.assert_allclose(best, high, rtol=6e-4)
    value = mixup_loss(np.array([slope, best]), design, target, nodes)[0]
    np.testing.assert_allclose(value, objective(np.array([slope, best]), *TWO_POINT, nodes=nodes), rtol=1e-12)
    if slope == 20:
        # Pairs of a class pull with sigmoid(-slope) 2.1, the others hold with the variance, 0.81 / 4, of their mean.
        np.testing.assert_allclose(best, 2.1 / (1 + np.exp(slope)) / (0.25 * 0.81 / 2), rtol=1e-5)
        np.testing.assert_allclose(value, np.log(2) / 2, atol=1e-8)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weight_decay": 0.1},
        {**LS, "smoothing": 0.2},
        {"loss": "mixup"},
        {"loss": "mixup", "law": laws.beta(0.3, 2.0), "weight_decay": 0.02},
        {"loss": "mixup", "law": laws.discrete((0.1, 0.5, 1), (1, 2, 1)), "smoothing": 0.1},
        {"loss": "mixup", "law": MIDPOINT},
    ],
    ids=str,
)
def test_minimizers_by_descent(options):
    x, sign = noisy_data()
    found = linear.linear_minimizer(x, sign, **options)
    law = options.get("law", laws.beta(1)) if options.get("loss") == "mixup" else None
    setting = {
        "wrong": options.get("smoothing", 0) / 2,
        "nodes": law and law.nodes(24),
        "weight_decay": options.get("weight_decay", 0.0),
    }
    theta = found["w"]
    np.testing.assert_allclose(objective(theta, x, sign, **setting), found["loss"], rtol=1e-10)
    best = minimize(
        objective, np.zeros(len(theta)), (x, sign, *setting.values()), method="BFGS", options={"gtol": 1e-7}
    )
    np.testing.assert_allclose(theta, best.x, atol=2e-5)
    assert found["loss"] <= best.fun + 1e-12
    other = linear.linear_minimizer(x, (sign + 1) // 2, **options)
    np.testing.assert_array_equal(other["w"], found["w"], err_msg="labels 0 and 1 must do as -1 and 1 do")


def test_many_examples_are_mixed_in_blocks():
    """Examples that come many times over leave the minimiser where it is."""
    x, sign = noisy_data(number=20)
    few = linear.linear_minimizer(x, sign, loss="mixup", law=laws.discrete((0.3, 0.6)))
    many = linear.linear_minimizer(np.tile(x, (15, 1)), np.tile(sign, 15), loss="mixup", law=laws.discrete((0.3, 0.6)))
    np.testing.assert_allclose([*many["w"], many["loss"]], [*few["w"], few["loss"]], rtol=1e-9)


@pytest.mark.parametrize("options", [{**LS, "smoothing": 0.1}, {"loss": "mixup"}])
def test_where_flat_the_shortest_minimizer_is_taken(options):
    rng = np.random.default_rng(0)
    x, sign = rng.normal(size=(6, 9)) + 1, np.array([1, 1, 1, -1, -1, -1])
    flat = linear.linear_minimizer(x, sign, **options)
    limit = linear.linear_minimizer(x, sign, weight_decay=1e-8, **options)
    np.testing.assert_allclose(flat["w"], limit["w"], atol=1e-4)
    off = flat["w"] - x.T @ np.linalg.lstsq(x.T, flat["w"])[0]
    np.testing.assert_allclose(off, 0, atol=1e-9)


def test_mixup_drops_every_feature_that_varies_and_is_not_needed():
    rng = np.random.default_rng(0)
    yx = np.concatenate([np.ones((20, 1)), rng.normal(size=(20, 3)) + 2], axis=1)
    x, sign = np.concatenate([yx, -yx]), np.repeat([1, -1], 20)
    for law in (laws.beta(0.5), laws.uniform(0.2, 0.9)):
        found = linear.linear_minimizer(x, sign, loss="mixup", law=law)
        np.testing.assert_allclose(found["w"], [closed_forms.mixup_slope(law)["slope"], 0, 0, 0], atol=1e-8)


@pytest.mark.parametrize(
    "spread, ratio, share",
    [
        (0.4, 0.413251, 0.1459),
        (0.2, 0.102182, 0.01033),
        (0.1, 0.025766, 6.63e-4),
        (0.05, 0.006470, 4.19e-5),
        (0.025, 0.001620, 2.62e-6),
    ],
)
def test_the_high_variance_weight_falls_with_the_low_variance(spread, ratio, share):
    yx = np.array([[1 + s * spread, h] for s in (-1, 1) for h in (1.2, 3)])
    found = linear.linear_minimizer(np.concatenate([yx, -yx]), np.repeat([1, 0], 4), **LS, smoothing=0.2)["w"]
    np.testing.assert_allclose(found[1] / found[0], ratio, atol=6e-7)
    np.testing.assert_allclose(linear.high_variance_share(found, [1]), share, rtol=2e-3)
    fisher = linear.lda_direction(yx.mean(axis=0), np.cov(yx.T, bias=True))
    np.testing.assert_allclose(fisher[1] / fisher[0], 2.1 / 0.81 * spread**2, rtol=1e-9)
    np.testing.assert_allclose(found[1] / found[0], fisher[1] / fisher[0], rtol=0.015)


@pytest.mark.parametrize("weight_decay", [1.0, 0.01, 1e-4])
def test_erm_prefers_what_separates_better(weight_decay):
    for seed in range(20):
        x, sign, low = dominated(seed)
        w = linear.linear_minimizer(x, sign, weight_decay=weight_decay)["w"]
        assert w[low] >= np.linalg.norm(w[:low]), f"instance {seed}"
        assert linear.high_variance_share(w, range(low, len(w))) >= 0.5, f"instance {seed}"


def test_the_maximum_margin_prefers_what_separates_better():
    for seed in range(20):
        x, sign, low = dominated(seed)
        w = linear.max_margin(x, sign)["w"]
        assert w[low] >= np.linalg.norm(w[:low]) and linear.high_variance_share(w, range(low, len(w))) >= 0.5, seed


def test_whatever_its_variance():
    """The other way about: where the low-variance feature separates better, ERM puts half of its norm there too."""
    x = np.array([[3.1, 1.2], [3.1, 3], [-3.1, -1.2], [-3.1, -3]])
    for weight_decay in (1.0, 0.01):
        w = linear.linear_minimizer(x, TWO_POINT[1], weight_decay=weight_decay)["w"]
        assert linear.high_variance_share(w, [1]) < 0.5
    assert linear.high_variance_share(linear.max_margin(x, TWO_POINT[1])["w"], [1]) < 0.5


def test_max_margin_is_made_of_support_vectors():
    """The conditions of Karush, Kuhn and Tucker certify the optimum: w is a cone's point of vectors at margin 1."""
    for seed in range(8):
        x, sign = separable_data(seed)
        found = linear.max_margin(x, sign)
        margins = sign * (x @ found["w"])
        np.testing.assert_allclose(margins.min(), 1, rtol=1e-12)
        np.testing.assert_allclose(found["margin"], 1 / np.linalg.norm(found["w"]), rtol=1e-12)
        support = margins < 1 + 1e-6
        rows, right = (sign[:, None] * x)[support].T, found["w"]
        assert nnls(rows, right)[1] < 1e-6 * np.linalg.norm(right), f"instance {seed}"


def test_max_margin_in_more_dimensions_than_examples():
    rng = np.random.default_rng(0)
    x, sign = rng.normal(size=(6, 30)), np.array([1, 1, 1, -1, -1, -1])
    found = linear.max_margin(x, sign)
    assert np.min(sign * (x @ found["w"])) >= 1 - 1e-9
    tiny = linear.max_margin(1e-3 * x, sign)
    np.testing.assert_allclose(tiny["margin"], 1e-3 * found["margin"], rtol=1e-8)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: linear.linear_minimizer(*TWO_POINT), "erm has no minimiser"),
        (lambda: linear.linear_minimizer(*TWO_POINT, **LS), "erm has no minimiser"),
        (lambda: linear.linear_minimizer(*TWO_POINT, loss="mixup", law=MIDPOINT), "mixup with fixed"),
        (lambda: linear.linear_minimizer(*TWO_POINT, loss="mixup", law=laws.fixed(1)), "no minimiser"),
        # Not strictly separable: two examples lie on the line.
        (lambda: linear.linear_minimizer([[1, 0], [0, 1], [0, 1]], [1, 1, 0]), "erm has no minimiser"),
        (lambda: linear.linear_minimizer(*TWO_POINT, loss="sum"), "use one of"),
        (lambda: linear.linear_minimizer(*TWO_POINT, smoothing=0.1), "label_smoothing"),
        (lambda: linear.linear_minimizer(*TWO_POINT, law=MIDPOINT, weight_decay=1), "only mixup"),
        (lambda: linear.linear_minimizer(*TWO_POINT, weight_decay=-1), "weight_decay is -1"),
        (lambda: linear.linear_minimizer(TWO_POINT[0], [0, 1, 2, 3], weight_decay=1), "the labels are"),
        (lambda: linear.linear_minimizer(TWO_POINT[0], [0, 1], weight_decay=1), "shapes"),
        (lambda: linear.max_margin([[1.0], [2.0], [3.0]], [0, 1, 0]), "no maximum margin"),
        (lambda: linear.gaussian_minimizer([1, 1], np.diag([0.0, 1.0])), "without variance"),
        (lambda: linear.linear_minimizer([[np.nan], [1.0]], [0, 1], weight_decay=1), "must be finite"),
        (lambda: linear.gaussian_minimizer([np.nan, 1], np.eye(2), smoothing=0.1), "must be finite"),
    ],
)
def test_what_has_no_answer_says_so(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("wrong, weight_decay, w, share", GAUSSIAN)
def test_gaussian_classes_by_hand(wrong, weight_decay, w, share):
    mean, covariance = np.array([0.5, 1]), np.diag([0.04, 1])
    found = linear.gaussian_minimizer(mean, covariance, smoothing=2 * wrong, weight_decay=weight_decay)
    np.testing.assert_allclose(found, w, atol=1e-6)
    np.testing.assert_allclose(linear.high_variance_share(found, [1]), share, atol=1e-6)
    if not weight_decay:
        np.testing.assert_allclose(found / np.linalg.norm(found), linear.lda_direction(mean, covariance), atol=1e-9)


@pytest.mark.parametrize("wrong, weight_decay", [(0.0, 0.01), (0.1, 0.0), (0.25, 0.1)])
def test_gaussian_classes_solve_the_fixed_point(wrong, weight_decay):
    mean, covariance = np.array([0.3, -1.0, 0.5]), np.array([[0.5, 0.1, 0], [0.1, 1, 0.2], [0, 0.2, 0.3]])
    w = linear.gaussian_minimizer(mean, covariance, smoothing=2 * wrong, weight_decay=weight_decay)
    at, weights = np.polynomial.hermite_e.hermegauss(150)
    z = w @ mean + np.sqrt(w @ covariance @ w) * at
    down, weights = 1 / (1 + np.exp(z)), weights / weights.sum()
    slope, curvature = weights @ (down - wrong), weights @ (down * (1 - down))
    np.testing.assert_allclose(
        w, slope * np.linalg.solve(curvature * covariance + weight_decay * np.eye(3), mean), rtol=1e-7
    )


def test_gaussian_classes_as_the_limit_of_data():
    rng = np.random.default_rng(0)
    mean, deviation = np.array([0.5, 1]), np.array([0.2, 1])
    yx = mean + deviation * rng.normal(size=(40_000, 2))
    sign = np.where(np.arange(len(yx)) % 2, 1, -1)
    found = linear.linear_minimizer(sign[:, None] * yx, sign, **LS, smoothing=0.2, weight_decay=0.01)["w"]
    exact = linear.gaussian_minimizer(mean, np.diag(deviation**2), smoothing=0.2, weight_decay=0.01)
    np.testing.assert_allclose(found, exact, rtol=0.03)


def test_high_variance_share():
    assert linear.high_variance_share([3, 4], [1]) == linear.high_variance_share([3, 4], [False, True]) == 16 / 25
    assert np.isnan(linear.high_variance_share([0, 0], [1]))

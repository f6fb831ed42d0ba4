"""The variance bounds: worked by hand, tight where they should be, and never violated by thousands of random models."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.core.bounds import cell_bounds, label_smoothing_bound, mixup_bound, sharp_coefficient
from lamv.core.targets import CONVENTIONS

BOUNDS = ("bound_sharp", "bound_half", "bound_simple")
KEYS = {"loss", "floor", "kl", "variance_half", "variance_sharp", *BOUNDS}
#: One class of two examples with the target (.9, .1).
WORKED = np.array([[0.8, 0.2], [0.6, 0.4]], np.float32)
EXPECTED = {
    "loss": 0.456572561,
    "floor": 0.325082973,
    "kl": 0.116321757,
    "variance_half": 0.005,
    "bound_simple": 0.330082973,
    "bound_half": 0.446404730,
    "bound_sharp": 0.450899196,
}
LAM_VALUES = np.array([0.0, 0.2, 0.5, 0.8, 1.0], np.float32)

smoothing_bound = jax.jit(label_smoothing_bound, static_argnames=("num_classes", "convention"))
smoothing_bounds = {c: jax.jit(partial(label_smoothing_bound, num_classes=5, convention=c)) for c in CONVENTIONS}
mixup_bounds = jax.jit(partial(mixup_bound, num_classes=5))
unsmoothed_bound = partial(label_smoothing_bound, num_classes=2, smoothing=0.0)
mixup_of_two = partial(mixup_bound, num_classes=2)


def random_models(number: int, rows: int, seed: int = 0):
    """Softmax outputs (number, rows, 5), from all alike to saturated; labels (twice); lam; smoothing.

    Every third model has no example of the last two classes.
    """
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(number, rows, 5)) * rng.choice([0, 1e-3, 0.1, 1, 5, 20], size=(number, 1, 1))
    logits += rng.normal(size=(number, 1, 5)) * rng.choice([0, 1, 5, 10], size=(number, 1, 1))
    probs = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probs = np.maximum(probs / probs.sum(axis=-1, keepdims=True), 1e-7).astype(np.float32)
    labels = rng.integers(5, size=(2, number, rows))
    labels[:, ::3] %= 3
    smoothing = rng.choice([0, 0.01, 0.1, 0.5, 0.79], size=number).astype(np.float32)
    return probs, *labels, rng.choice(LAM_VALUES, size=(number, rows)), smoothing


def by_numpy(probs, targets, cells):
    """Every key in float64, cell by cell, from the definitions."""
    probs, found, number = probs.astype(np.float64), dict.fromkeys(KEYS, 0.0), len(probs)
    for cell in set(cells):
        rows = [row for row in range(number) if cells[row] == cell]
        q, share = targets[rows[0]], len(rows) / number
        mean, variance = probs[rows].mean(axis=0), probs[rows].var(axis=0)
        off = np.maximum(1 - mean, 1e-3)
        sharp = np.where(1 - mean > 1e-3, (np.log(mean) + off / (1 - off)) / off**2, 0.5 + 2 * (1 - mean) / 3)
        some = q > 0
        found["loss"] += share * -(np.log(probs[rows]) @ q).mean()
        found["floor"] += share * -(q[some] @ np.log(q[some]))
        found["kl"] += share * q[some] @ np.log(q[some] / mean[some])
        found["variance_half"] += share * q @ variance / 2
        found["variance_sharp"] += share * (q * sharp) @ variance
    found["bound_simple"] = found["floor"] + found["variance_half"]
    found["bound_half"] = found["bound_simple"] + found["kl"]
    found["bound_sharp"] = found["floor"] + found["kl"] + found["variance_sharp"]
    return found


def smoothed(labels, smoothing, convention):
    one_hot = np.eye(5)[labels]
    spread = 1 / 5 if convention == "uniform" else (1 - one_hot) / 4
    return (1 - smoothing) * one_hot + smoothing * spread


def assert_close(found, expected, rtol, atol=0.0):
    assert set(found) == KEYS
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=rtol, atol=atol, err_msg=key)


def assert_holds(found):
    for better, worse in zip(("loss", *BOUNDS), BOUNDS, strict=False):
        slack = np.asarray(found[better], np.float64) - np.asarray(found[worse], np.float64)
        assert slack.min() >= -4e-6, f"{worse} is above {better} by {-slack.min():.3g}, model {slack.argmin()}"


@pytest.mark.parametrize(
    "mean, expected", [(1, 0.5), (0.9, 0.575060), (0.7, 0.798850), (0.5, 1.227411), (0.2, 3.735253)]
)
def test_sharp_coefficient_by_hand(run, mean, expected):
    np.testing.assert_allclose(run(sharp_coefficient)(mean), expected, atol=6e-7)


def test_sharp_coefficient_in_float64():
    mean = np.concatenate([np.geomspace(1e-30, 1, 20_001), np.linspace(0.6, 1, 20_001)]).astype(np.float32)
    off = 1 - mean.astype(np.float64)
    series = np.polyval([(j + 1) / (j + 2) for j in reversed(range(60))], off)
    mean64, far = np.float64(mean), np.maximum(off, 0.1)
    formula = (np.log(mean64) + off / mean64) / far**2
    found = np.asarray(sharp_coefficient(mean))
    np.testing.assert_allclose(found, np.where(off < 0.3, series, formula), rtol=1e-6)
    assert found.min() >= 0.5
    assert sharp_coefficient(0.0) == np.inf


def test_sharp_coefficient_is_the_best_that_the_mean_allows():
    """Nearly all mass just below the mean, the rest at 1, takes up the whole of the bound."""
    for mean in (0.2, 0.5, 0.9):
        rare = 1e-6
        low = (mean - rare) / (1 - rare)
        gain = -(1 - rare) * np.log(low) + np.log(mean)
        variance = rare * (1 - mean) ** 2 + (1 - rare) * (low - mean) ** 2
        np.testing.assert_allclose(sharp_coefficient(mean), gain / variance, rtol=1e-4)


@pytest.mark.parametrize("convention, smoothing", [("uniform", 0.2), ("others", 0.1)])
def test_smoothing_by_hand(run, convention, smoothing):
    bounds = run(partial(label_smoothing_bound, num_classes=2, convention=convention))
    assert_close(bounds(WORKED, np.array([0, 0]), smoothing=smoothing), EXPECTED, rtol=1e-6)


def test_mixup_by_hand(run):
    found = run(mixup_of_two)(WORKED, np.array([0, 0]), np.array([1, 1]), np.full(2, 0.9))
    assert_close(found, EXPECTED, rtol=1e-6)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_smoothing_against_numpy(convention):
    probs, labels, _, _, smoothing = random_models(20, 12)
    for model in range(20):
        found = smoothing_bounds[convention](probs[model], labels[model], smoothing=smoothing[model])
        targets = smoothed(labels[model], np.float64(smoothing[model]), convention)
        assert_close(found, by_numpy(probs[model], targets, labels[model].tolist()), rtol=2e-6, atol=2e-7)


def test_mixup_against_numpy():
    probs, first, second, lam, _ = random_models(20, 60)
    for model in range(20):
        found = mixup_bounds(probs[model], first[model], second[model], lam[model])
        weight = lam[model, :, None].astype(np.float64)
        targets = weight * np.eye(5)[first[model]] + (1 - weight) * np.eye(5)[second[model]]
        cells = list(zip(first[model].tolist(), second[model].tolist(), lam[model].tolist(), strict=True))
        assert len(set(cells)) < 60, "some cells hold several rows"
        assert_close(found, by_numpy(probs[model], targets, cells), rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize("rows", [3, 40])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_no_model_is_below_the_smoothing_bounds(rows, convention):
    probs, labels, _, _, smoothing = random_models(3000, rows, seed=rows)
    bounds = jax.vmap(lambda p, y, s: label_smoothing_bound(p, y, 5, s, convention))
    found = jax.jit(bounds)(probs, labels, smoothing)
    assert all(np.isfinite(value).all() for value in found.values())
    assert_holds(found)


@pytest.mark.parametrize("rows", [3, 100])
def test_no_model_is_below_the_mixup_bounds(rows):
    probs, first, second, lam, _ = random_models(2000, rows, seed=rows)
    found = jax.jit(jax.vmap(partial(mixup_bound, num_classes=5)))(probs, first, second, lam)
    assert all(np.isfinite(value).all() for value in found.values())
    assert_holds(found)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_cells_of_one_example_have_no_slack(convention):
    probs = random_models(500, 5)[0]
    found = jax.jit(jax.vmap(lambda p: label_smoothing_bound(p, jnp.arange(5), 5, 0.1, convention)))(probs)
    np.testing.assert_allclose(found["bound_sharp"], found["loss"], rtol=3e-7)
    np.testing.assert_allclose(found["bound_half"], found["loss"], rtol=3e-7)
    lam = jnp.array([0.1, 0.3, 0.5, 0.7, 0.9])
    found = jax.jit(jax.vmap(lambda p: mixup_bound(p, jnp.zeros(5, int), jnp.ones(5, int), lam, 5)))(probs)
    np.testing.assert_allclose(found["bound_sharp"], found["loss"], rtol=3e-7)


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_the_bound_is_reached_where_outputs_are_the_targets(smoothing):
    labels = np.arange(20) % 5
    probs = smoothed(labels, smoothing, "uniform").astype(np.float32)
    found = smoothing_bounds["uniform"](probs, labels, smoothing=smoothing)
    for bound in BOUNDS:
        np.testing.assert_allclose(found[bound], found["loss"], rtol=1e-6, err_msg=bound)


def test_variance_between_classes_is_not_bounded():
    """The outputs differ from class to class, the loss is the least there is: only variance within cells counts."""
    probs = np.array([[0.95, 0.05], [0.05, 0.95]], np.float32)
    found = smoothing_bound(probs, np.array([0, 1]), 2, 0.1)
    assert found["variance_half"] == 0
    np.testing.assert_allclose([found["loss"], found["bound_simple"]], 0.198515243, rtol=1e-6)
    np.testing.assert_allclose(probs.var(axis=0).sum(), 0.405, rtol=1e-6)
    assert found["loss"] < found["floor"] + 0.5 * 0.1 / 2 * 0.405, "so this, with all variance, is no bound"


def test_unmixed_mixup_is_smoothing_by_0():
    probs, first, second, _, _ = (value[1] for value in random_models(2, 60))
    mixed = mixup_bounds(probs, first, np.zeros_like(second), np.ones(60, np.float32))
    assert_close(mixed, smoothing_bounds["uniform"](probs, first, smoothing=0.0), rtol=1e-6, atol=1e-7)


def test_the_order_of_rows_does_not_count():
    probs, first, second, lam, _ = (value[0] for value in random_models(1, 60))
    order = np.random.default_rng(0).permutation(60)
    found = mixup_bounds(probs[order], first[order], second[order], lam[order])
    assert_close(found, mixup_bounds(probs, first, second, lam), rtol=1e-6, atol=1e-7)


def test_an_impossible_label_costs_infinity():
    probs = np.array([[0.0, 1.0], [0.5, 0.5]], np.float32)
    found = smoothing_bound(probs, np.array([0, 0]), 2, 0.0)
    assert found["loss"] == np.inf and np.isfinite(found["bound_sharp"])
    found = smoothing_bound(probs[:1], np.array([0]), 2, 0.1)
    assert found["loss"] == found["bound_sharp"] == np.inf


def test_a_probability_of_0_costs_nothing_where_the_target_is_0():
    probs = np.array([[0.0, 1.0], [0.0, 1.0], [0.2, 0.8]], np.float32)
    found = smoothing_bound(probs, np.array([1, 1, 1]), 2, 0.0)
    np.testing.assert_allclose(found["loss"], -np.log(0.8) / 3, rtol=1e-6)
    assert all(np.isfinite(float(value)) for value in found.values())
    assert_holds({key: np.atleast_1d(value) for key, value in found.items()})


def test_a_smoothing_out_of_range():
    with pytest.raises(ValueError, match="smoothing is 0.6"):
        label_smoothing_bound(WORKED, np.array([0, 0]), 2, 0.6, "others")


def all_nan(found):
    return set(found) == KEYS and all(np.isnan(value) for value in found.values())


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, slice(None))])
def test_a_probability_of_nan_leaves_no_bound(run, place):
    """Where the target is 0 too, and in a cell of its own or not."""
    probs = WORKED.copy()
    probs[place] = np.nan
    for labels in ([0, 0], [0, 1]):
        assert all_nan(run(unsmoothed_bound)(probs, np.array(labels)))
        assert all_nan(run(mixup_of_two)(probs, np.array(labels), np.array([0, 0]), np.full(2, 0.9)))


@pytest.mark.parametrize("wrong", [5, -1, 255])
def test_a_label_out_of_range_leaves_no_bound(wrong):
    labels, right, five = np.array([0, wrong]), np.array([0, 1]), np.full((2, 5), 0.2, np.float32)
    assert all_nan(smoothing_bound(WORKED, labels, 2, 0.1))
    assert all_nan(mixup_bounds(five, labels, right, np.ones(2))) and all_nan(
        mixup_bounds(five, right, labels, np.ones(2))
    )
    with pytest.raises(ValueError, match="labels hold"):
        label_smoothing_bound(WORKED, labels, 2, 0.1)


def test_a_cell_out_of_range_leaves_no_bound(run):
    targets = np.eye(2, dtype=np.float32)[[0, 0]]
    for cells in ([0, 1], [0, -1]):
        assert all_nan(run(partial(cell_bounds, num_cells=1))(WORKED, targets, np.array(cells)))


@pytest.mark.parametrize("targets, cells", [((2, 1), (2,)), ((1, 2), (2,)), ((2, 2), (2, 1)), ((2, 2), (1,))])
def test_shapes_that_do_not_fit_are_not_stretched(targets, cells):
    with pytest.raises(ValueError, match="are of shape"):
        cell_bounds(WORKED, np.ones(targets), np.zeros(cells, int), 2)


@pytest.mark.parametrize("mean", [np.nan, -0.5, 2.0])
def test_the_coefficient_is_of_a_probability(run, mean):
    assert np.isnan(run(sharp_coefficient)(jnp.float32(mean)))

"""RC-Mixup's search: spectra and wrong labels by hand, whose pairs are drawn, which bandwidth goes on, and a short run."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv import theory
from lamv.errors import ConfigError
from lamv.theory import bandwidth_search as subject
from lamv.theory.bandwidth_search import Fit, best_fitting, kept, near, picked

SMALL = {
    "seeds": 2, "points": 60, "bandwidths": (5.0, 20.0), "warm_up": 2, "epochs": 4, "every": 2, "trial": 1, "batch_size": 16,
    "width": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def outcome():
    config = theory.recipe("bandwidth_search", **SMALL)
    theory.validate(config)
    return subject.run(config)


def test_reflectance_without_layers_is_that_of_the_substrate():
    bare = subject.reflectance(np.zeros((1, 4)))
    np.testing.assert_allclose(bare, (2.9 / 4.9) ** 2, rtol=1e-12)


def test_reflectance_of_one_layer_is_airys():
    """A nitride layer alone: |(r + s p) / (1 + r s p)|^2 with r, s of its two sides."""
    found = subject.reflectance(np.array([[100.0, 0, 0, 0]]))[0]
    r, s = (1 - 2) / (1 + 2), (2 - 3.9) / (2 + 3.9)
    angle = 4 * np.pi * 2 * 100 / subject.WAVELENGTHS
    airy = (r**2 + s**2 + 2 * r * s * np.cos(angle)) / (1 + (r * s) ** 2 + 2 * r * s * np.cos(angle))
    np.testing.assert_allclose(found, airy, rtol=1e-10)


def test_a_share_of_training_labels_is_wrong_and_in_range_and_the_rest_is_clean():
    config = theory.recipe("bandwidth_search", points=100)
    data, clean = (subject.dataset(7, theory.recipe("bandwidth_search", points=100, noise=n)) for n in (0.3, 0.0))
    assert data.wrong.sum() == 30 and [len(data.valid[1]), len(data.test[1])] == [25, 50]
    np.testing.assert_array_equal(np.any(data.train[1] != clean.train[1], axis=1), data.wrong)
    assert data.train[1].min() >= 30 and data.train[1].max() <= 160
    assert np.abs(data.train[1] - clean.train[1])[data.wrong].mean() > 20
    assert data.train[0].min() == 0 and data.train[0].max() == 1
    np.testing.assert_array_equal(subject.dataset(7, config).test[1], data.test[1])


def test_the_clean_set_is_the_share_of_least_loss():
    assert best_fitting(jnp.array([3.0, 0.1, 9.0, 0.2, 5.0]), 3).tolist() == [True, True, False, True, False]


def test_partners_are_drawn_by_the_kernel_among_the_clean_set():
    """At 0, 1 and 2 bandwidths the weights are 1, e^-1/2, e^-2; the fourth is near and left out."""
    labels = np.zeros((4, 4), np.float32)
    labels[:, 0] = [0, 10, 20, 1]
    among = jnp.array([True, True, True, False])
    drawn = near(jax.random.key(0), jnp.zeros((20_000, 4)), labels, 10.0, among)
    weights = np.array([1, np.exp(-0.5), np.exp(-2), 0])
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 20_000, weights / weights.sum(), atol=0.012)
    anyone = near(jax.random.key(1), jnp.zeros((20_000, 4)), labels, np.inf, jnp.ones(4, bool))
    np.testing.assert_allclose(np.bincount(anyone) / 20_000, 0.25, atol=0.012)


def fits(rmse, names):
    """Candidates whose params say who they are, and whose best epoch says ten times that."""
    names = jnp.asarray(names, jnp.float32)
    return Fit(names, names + 0.5, 10 * names, jnp.asarray(rmse, jnp.float32))


@pytest.mark.parametrize(("rmse", "number"), [([7.0, 6.5, 8.0], 1), ([6.5, 7.0, 6.5], 2), ([3.0], 0)])
def test_the_bandwidth_of_least_validation_error_goes_on_of_equal_ones_the_last(rmse, number):
    assert picked(jnp.array(rmse)) == number


@pytest.mark.parametrize(("before", "best", "rmse"), [(9.0, 20.0, 6.5), (6.0, 70.0, 6.0)])
def test_its_last_network_goes_on_and_the_best_epoch_is_that_of_all_rounds(before, best, rmse):
    chosen, number = kept(fits([7.0, 6.5, 8.0], [1, 2, 3]), fits(before, 7))
    assert (number, chosen.params, chosen.moments, chosen.best, chosen.rmse) == (1, 2.0, 2.5, best, rmse)


@pytest.fixture(scope="module")
def trains():
    """(way, by how much the labels of three examples are off, with a clean set of the rest) -> after twelve epochs."""
    config = theory.recipe(
        "bandwidth_search", **SMALL | {"seeds": 1, "noise": 0.05, "epochs": 10, "learning_rate": 0.3}
    )
    clean = subject.dataset(0, config)
    start = jax.vmap(lambda params: subject.begin(params, config))(subject.stacked([subject.network(0, config)]))

    def trains(way, off=1e5):
        labels = clean.train[1] + np.float32(off) * (np.arange(60) < 3)[:, None]
        on_device = subject.stacked([((clean.train[0], labels), clean.valid)])
        return subject._advanced(config, on_device, start, way, 0, 12)

    return trains, clean.valid


def test_what_is_left_out_is_neither_trained_on_nor_a_partner(trains):
    train, _ = trains
    way = subject.Way(np.inf, clean=True)
    one, other = train(way), train(way, 2e5)
    jax.tree.map(np.testing.assert_array_equal, one, other)
    assert one[1][0, -1] < 100 < train(subject.Way(np.inf))[1][0, -1], "who learns from them does badly"


def test_the_best_epoch_is_that_of_least_validation_error(trains):
    train, valid = trains
    fit, curve = train(subject.Way(np.inf, clean=True))
    assert curve.shape == (1, 12) and curve[0].argmin() < 11, "the last epoch is not the best one"
    of_seed = jax.tree.map(lambda leaf: leaf[0], fit)
    assert subject.rmse_of(of_seed.best, *valid) == pytest.approx(curve.min(), rel=1e-5)
    assert of_seed.rmse == pytest.approx(curve.min()) and subject.rmse_of(of_seed.params, *valid) == pytest.approx(
        curve[0, -1], rel=1e-5
    )


def test_mixing_changes_what_is_learned(trains):
    train, _ = trains
    ways = [subject.Way(np.inf, mixes, clean=True) for mixes in (True, False)]
    assert np.abs(np.subtract(*(train(way)[1] for way in ways))).max() > 0.1


def test_a_round_tries_each_bandwidth_anew_and_goes_on_with_the_best_by_seed():
    """Epochs 2 and 3, 4 and 5: a trial of one, and one more. Seed 0 does best at 20, seed 1 at 5."""
    config, calls = theory.recipe("bandwidth_search", **SMALL), []

    def advance(fits, way, first, epochs):
        calls.append((np.array(way.bandwidth).tolist(), first, epochs, bool(np.all(np.isinf(fits.rmse)))))
        if np.ndim(way.bandwidth):
            return fits, np.zeros((2, epochs))
        rmse = jnp.array([30.0 - way.bandwidth, way.bandwidth])
        params = jnp.full(2, float(way.bandwidth))
        return Fit(params, params, params, rmse), np.tile(np.asarray(rmse)[:, None], (1, epochs))

    before = Fit(*[jnp.zeros(2)] * 3, jnp.array([50.0, 1.0]))
    fits, picks, curves = subject._searched(config, advance, before)
    assert calls == [(5.0, 2, 1, True), (20.0, 2, 1, True), ([20.0, 5.0], 3, 1, False), (5.0, 4, 1, True),
                     (20.0, 4, 1, True), ([20.0, 5.0], 5, 1, False)]  # fmt: skip
    np.testing.assert_array_equal(picks, [[20, 5], [20, 5]])
    np.testing.assert_array_equal(curves, [[[25], [5]], [[10], [20]]])
    assert (
        fits.params.tolist() == [20.0, 5.0] and fits.best.tolist() == [20.0, 0.0] and fits.rmse.tolist() == [10.0, 1.0]
    )


def test_rows_have_errors_of_every_seed_and_the_search_a_bandwidth(outcome):
    measures = {row["name"]: row["metrics"] for row in outcome.rows}
    notebook = measures.pop(subject.NOTEBOOK)
    assert [notebook["rmse"]["values"], notebook["mape"]["values"]] == [[8.1799], [6.1727]]
    assert len(measures) == 6
    for name, of_row in measures.items():
        assert all(spread["n"] == 2 for spread in of_row.values()) and 0 < of_row["rmse"]["mean"] < 150, name
        assert ("bandwidth" in of_row) == (name == "RC-Mixup")
    assert all(5 <= value <= 20 for value in measures["RC-Mixup"]["bandwidth"]["values"])
    json.dumps([outcome.rows, outcome.figures], allow_nan=False)


def test_claims_are_differences_on_the_same_data(outcome):
    rmse = {row["name"]: row["metrics"]["rmse"]["mean"] for row in outcome.rows}
    assert [c.relation for c in outcome.checks] == ["<=", "<=", "<=", "="]
    assert outcome.checks[0].measured == pytest.approx(rmse["RC-Mixup"] - rmse["C-Mixup"], abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"every": 3}, "every must divide"),
        ({"trial": 3}, "trial be at most every"),
        ({"batch_size": 50}, "at most the 42"),
        ({"points": 3, "batch_size": 1}, "points is 3"),  # of which a quarter would be nothing to validate on
    ],
)
def test_knobs_that_contradict_are_refused(changes, words):
    config = theory.recipe("bandwidth_search", **SMALL | changes)
    with pytest.raises(ConfigError, match=words):
        theory.validate(config)
        subject.run(config)

"""The second stage of LORT and cRT: what moves, by which targets, and how often each class is drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv import config as configs
from lamv.core import batch
from lamv.core.metrics import tail_metrics
from lamv.core.targets import one_hot
from lamv.train.batches import Draw
from lamv.train.variants import VariantRun
from tests.sessions import Shared

KNOBS = {
    "steps": 12, "batch_size": 32, "seeds": 2, "eval_batch_size": 200, "data.flatten": True, "data.train_size": 400,
    "data.imbalance.ratio": 8.0, "data.eval_train_size": 0, "model.name": "mlp", "model.widths": (8,), "optim.lr": 0.1,
    "optim.weight_decay": 0.01, "parallel.devices": 1, "mitigation.refit_epochs": 2.0,
}  # fmt: skip


def trained(devices=1, **changes):
    run = {"rows": [{"name": "row", "config": {}}]}
    [row] = configs.rows_of(run, KNOBS | {"parallel.devices": devices} | changes)
    run = VariantRun(row, Shared([row], jax.devices()[:8]))
    run.init()
    run.advance(0, run.steps)
    return run


@pytest.fixture(scope="module")
def plain():
    return trained()


@pytest.fixture(scope="module")
def second():
    return {name: trained(**{"mitigation.name": name}) for name in ("lort", "crt")}


@pytest.mark.parametrize("name", ["lort", "crt"])
def test_only_the_last_layer_moves(name, plain, second):
    before, after = plain.arrays(), second[name].arrays()
    np.testing.assert_array_equal(before["params.first.kernel"], after["params.first.kernel"])
    assert np.abs(before["params.head.kernel"] - after["params.head.kernel"]).max() > 1e-3


def test_targets_of_lort_are_barely_above_uniform(second):
    """K = 10, d = .98: 1 - .98 + .098 = .118 on the label, .098 elsewhere."""
    run = second["lort"]
    knobs = jax.tree.map(lambda leaf: leaf[0], run.replicas[0].knobs)
    targets = run.program.mitigation.targets(one_hot(jnp.array([3]), 10), knobs)
    expected = np.full((1, 10), 0.098)
    expected[0, 3] = 0.118
    np.testing.assert_allclose(targets, expected, atol=1e-6)
    np.testing.assert_array_equal(second["crt"].program.mitigation.targets(targets, knobs), targets)


def test_a_step_of_lort_is_the_gradient_by_hand(plain):
    """One step over all examples, without momentum: W - lr / M sum h (p - q), by the features before it."""
    whole = {"batch_size": plain.train_size, "optim.momentum": 0.0, "steps": 1, "mitigation.refit_lr": 0.5}
    before = trained(**whole)
    after = trained(**whole, **{"mitigation.name": "lort", "mitigation.refit_epochs": 1.0})
    [replicas] = before.replicas
    params = jax.tree.map(lambda leaf: leaf[1], replicas.state.params)
    rows = before.view.train.rows[1]
    inputs = np.asarray(before.examples.inputs)[rows].reshape(len(rows), -1) / before.view.normalisation.scale
    mean, std = (np.float32(value) for value in before.view.normalisation[1:])
    logits, features = before.program.model.apply({"params": params}, (inputs - mean) / std, train=False)
    targets = 0.02 * np.eye(10)[before.labels_of(before.view.train, 1)] + 0.098
    slope = features.T @ (jax.nn.softmax(logits) - targets) / len(rows)
    expected = params["head"]["kernel"] - 0.5 * slope
    np.testing.assert_allclose(after.arrays()["params.head.kernel"][1], expected, rtol=1e-4, atol=1e-5)


def test_crt_draws_all_classes_alike(second):
    run = second["crt"]
    [replicas] = run.replicas
    mitigation, train = run.program.mitigation, run.view.train
    sampling, labels = mitigation.sampling(run, replicas)[0], run.labels_of(train, 0)
    assert [sampling[labels == c].sum() for c in range(10)] == pytest.approx([0.1] * 10, rel=1e-5)
    knobs = jax.tree.map(lambda leaf: leaf[0], replicas.knobs)
    drawn = np.asarray(mitigation.drawn(sampling, knobs, Draw(12, batch.whole(4000)), run.train_size))
    np.testing.assert_allclose(np.bincount(labels[drawn]) / 4000, 0.1, atol=0.02)
    in_order = second["lort"].program.mitigation.drawn(
        None, knobs, Draw(12, batch.whole(run.train_size)), run.train_size
    )
    assert sorted(np.asarray(in_order)) == list(range(run.train_size)), "the order of an epoch, each example once"


def test_the_number_of_devices_changes_no_number(second):
    four = trained(devices=4, **{"mitigation.name": "crt"}).arrays()
    for key, values in second["crt"].arrays().items():
        np.testing.assert_allclose(values, four[key], rtol=2e-4, atol=2e-6, err_msg=key)


def test_accuracy_of_the_parts_is_the_mean_over_their_classes(plain):
    classes = [[10, 9], [40, 10], [0, 0], [10, 1]]
    parts = np.array([0, 0, 1, 2])
    found = tail_metrics(classes, parts, ("many", "medium", "few"))
    assert found == pytest.approx({"many_accuracy": (0.9 + 0.25) / 2, "few_accuracy": 0.1})
    [measured, _] = plain.evaluate(["test"])
    assert {"test/many_accuracy", "test/medium_accuracy", "test/few_accuracy"} <= set(measured)

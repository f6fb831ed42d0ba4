"""The passes over a trained row: what they sum up and keep is what the network puts out, however the work is cut."""

import jax
import numpy as np
import pytest

import lamv.evaluate.passes
from lamv import config as configs
from lamv.core import bounds
from lamv.evaluate.passes import NODES, Passes
from lamv.models.layers import hidden_layers
from lamv.train import parallel
from lamv.train.rows import Bench, RowRun

STEPS = 30


def recipe(**changes):
    config = configs.defaults()
    config.seeds, config.steps, config.batch_size = 2, STEPS, 32
    config.data.train_size, config.data.eval_train_size = 200, 100
    config.data.flatten, config.data.normalise = True, False
    config.model.widths = (24, 16)
    config.optim.name, config.optim.lr = "adam", 0.01
    config.parallel.devices = 1
    [row] = configs.expand(config, changes)
    return row


def trained(**changes):
    row = recipe(**changes)
    run = RowRun(row, Bench([row]))
    run.init()
    run.advance(0, STEPS)
    return run


@pytest.fixture(scope="module")
def mlp():
    return trained()


@pytest.fixture(scope="module")
def mixup():
    return trained(**{"method.name": "mixup"})


def by_hand(run, table):
    """Every layer's output in float64 numpy, {where: (R, M, D)}, and the labels (R, M)."""
    [lane] = run.lanes
    params = parallel.fetch(lane.state.params)
    inputs = np.asarray(run.examples.inputs, np.float64)[table.rows].reshape(*table.rows.shape, -1) / 16
    labels = np.asarray(run.examples.labels)[table.rows]

    def dense(x, name):
        weights = params[name]
        return x @ weights["kernel"].astype(np.float64) + weights["bias"].astype(np.float64)[:, None]

    first = np.maximum(dense(inputs, "first"), 0)
    features = np.maximum(dense(first, "hidden1"), 0)
    logits = dense(features, "head")
    probs = np.exp(logits - logits.max(-1, keepdims=True))
    probs /= probs.sum(-1, keepdims=True)
    return {"layers/first": first, "features": features, "logits": logits, "outputs": probs}, labels


def direct(values, labels):
    """Total and within-class variance of (M, D) values."""
    means = np.stack([values[labels == c].mean(axis=0) for c in range(10)])
    within = np.square(values - means[labels]).sum(axis=1).mean()
    return np.square(values - values.mean(axis=0)).sum(axis=1).mean(), within


def variances_of(moments, replica):
    count, mean, scatter = (np.asarray(part[replica], np.float64) for part in moments)
    grand = (count[:, None] * mean).sum(axis=0) / count.sum()
    within = scatter.sum() / count.sum()
    return within + (count[:, None] * np.square(mean - grand)).sum() / count.sum(), within


def test_a_pass_sums_up_what_every_layer_puts_out(mlp):
    [lane] = mlp.lanes
    table = mlp.plan.tests["test"]
    seen = Passes(mlp).seen(lane, table)
    values, labels = by_hand(mlp, table)
    assert list(Passes(mlp).wheres) == list(values) and set(seen.moments) == set(values)
    for where, value in values.items():
        for replica in range(2):
            expected = direct(value[replica], labels[replica])
            assert variances_of(seen.moments[where], replica) == pytest.approx(expected, rel=1e-5), where
    np.testing.assert_allclose(seen.logits, values["logits"], rtol=1e-4, atol=1e-4)
    accuracy = (values["logits"].argmax(-1) == labels).mean(axis=1)
    np.testing.assert_allclose(seen.predictions.correct / seen.predictions.count, accuracy, atol=1e-6)


def test_the_nearest_class_mean_is_counted_against_the_centres_given(mlp):
    [lane] = mlp.lanes
    table, passes = mlp.plan.tests["test"], Passes(mlp)
    values, labels = by_hand(mlp, table)
    centres = np.stack(
        [[h[y == c].mean(axis=0) for c in range(10)] for h, y in zip(values["features"], labels, strict=True)]
    )
    seen = passes.seen(lane, table, centres)
    distance = np.square(values["features"][:, :, None] - centres[:, None]).sum(axis=-1)
    agree = (distance.argmin(-1) == values["logits"].argmax(-1)).sum(axis=1)
    np.testing.assert_array_equal(seen.nearest, agree)
    np.testing.assert_allclose(seen.geometry.mean, centres, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("changes", [
    {"parallel.devices": 4}, {"parallel.devices": 2, "parallel.spread": 2, "parallel.replicas": "loop"},
    {"eval_batch_size": 37}, {"parallel.map": "pmap", "parallel.devices": 2}, {"parallel.dispatch": "step"},
], ids=str)  # fmt: skip
def test_devices_batches_and_padding_change_nothing(mlp, changes):
    [lane] = mlp.lanes
    reference = Passes(mlp).seen(lane, mlp.plan.tests["test"])
    row = recipe(**changes)
    other = RowRun(row, Bench([row]))
    other.load(mlp.arrays())
    for part, lane in zip(
        (slice(0, 2),) if len(other.lanes) == 1 else (slice(0, 1), slice(1, 2)), other.lanes, strict=True
    ):
        table = jax.tree.map(lambda values, part=part: values[part], other.plan.tests["test"])
        seen = Passes(other).seen(lane, table)
        expected = jax.tree.map(lambda values, part=part: values[part], reference)
        assert seen.logits.shape == expected.logits.shape
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-4), seen, expected)


def test_the_order_of_examples_changes_no_sum(mlp):
    [lane] = mlp.lanes
    table = mlp.plan.tests["test"]
    order = np.random.default_rng(0).permutation(table.rows.shape[1])
    shuffled = jax.tree.map(lambda values: values[:, order], table)
    one, other = Passes(mlp).seen(lane, table), Passes(mlp).seen(lane, shuffled)
    np.testing.assert_allclose(other.logits, one.logits[:, order], rtol=1e-5, atol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-4),
        one._replace(logits=()), other._replace(logits=()),
    )  # fmt: skip


def test_a_pass_is_compiled_once_for_all_states_and_all_rows_of_a_program(mlp, monkeypatch):
    traced = []
    body = Passes._seen
    monkeypatch.setattr(Passes, "_seen", lambda *args: traced.append(1) or body(*args))
    rows = [recipe(), recipe(**{"method.name": "label_smoothing", "method.smoothing": 0.1})]
    bench = Bench(rows)
    runs = [RowRun(row, bench) for row in rows]
    for run in runs:
        run.init()
        for stop in (1, 2):  # two states of the row
            run.advance(stop - 1, stop)
            for table in (run.plan.tests["test"], run.plan.tests["test"]):
                Passes(run).seen(run.lanes[0], table)
    assert len(traced) == 1


def test_what_is_kept_is_what_the_last_layer_reads_and_writes(mlp):
    [lane] = mlp.lanes
    kept = Passes(mlp).kept(lane, mlp.plan.tests["test"])
    values, _ = by_hand(mlp, mlp.plan.tests["test"])
    assert set(kept) == set(values)
    for where, value in values.items():
        np.testing.assert_allclose(kept[where], value, rtol=1e-4, atol=1e-4)


def test_own_inputs_are_made_by_the_method_at_the_lam_given(mixup):
    [lane], passes = mixup.lanes, Passes(mixup)
    nodes = passes.nodes(STEPS)
    assert len(nodes) == NODES and sum(weight for _, weight in nodes) == pytest.approx(1)
    lam = nodes[1][0]
    own = passes.own(lane, STEPS, 100, lam)
    assert own["targets"].shape == (2, 96, 10), "whole batches of 32, up to 100"
    mixed = np.sort(own["targets"], axis=-1)[..., ::-1]
    np.testing.assert_allclose(own["targets"].sum(-1), 1, atol=1e-6)
    two = mixed[..., 1] > 0
    assert two.mean() > 0.7, "most partners are of another class"
    np.testing.assert_allclose(mixed[two][:, 0], max(lam, 1 - lam), atol=1e-6)
    np.testing.assert_allclose(mixed[~two][:, 0], 1, atol=1e-6)
    again = passes.own(lane, STEPS, 100, nodes[2][0])
    assert not np.allclose(again["outputs"], own["outputs"]), "lam is an argument, not a constant of the program"


def test_own_inputs_of_a_method_without_a_law_are_those_of_training(mlp):
    passes = Passes(mlp)
    assert passes.nodes(STEPS) == [(None, 1.0)]
    own = passes.own(mlp.lanes[0], STEPS, 10_000)
    assert own["targets"].shape == (2, 192, 10), "an epoch of whole batches at the most"
    assert set(np.unique(own["targets"])) == {0.0, 1.0}
    values, labels = by_hand(mlp, mlp.plan.train)
    # Each example of the training set comes at most once, so counts of classes cannot exceed those of the set.
    assert np.all(own["targets"].sum(axis=1) <= np.stack([np.bincount(y, minlength=10) for y in labels]))
    distance = np.abs(own["outputs"][0][:, None] - values["outputs"][0][None]).max(axis=-1)
    assert distance.min(axis=1).max() < 1e-4, "every one of them is an example of the training set"


@pytest.mark.parametrize("run", ["mlp", "mixup"])
def test_the_loss_on_own_inputs_is_never_below_its_bounds(run, request):
    run = request.getfixturevalue(run)
    [lane], passes = run.lanes, Passes(run)
    for lam, _ in passes.nodes(STEPS):
        own = passes.own(lane, STEPS, 192, lam)
        for replica in range(2):
            targets = own["targets"][replica]
            cells = np.unique(targets, axis=0, return_inverse=True)[1].reshape(-1)
            found = bounds.cell_bounds(own["outputs"][replica], targets, cells, len(cells))
            loss = -(targets * np.log(own["outputs"][replica].astype(np.float64))).sum(axis=1).mean()
            assert loss == pytest.approx(float(found["loss"]), rel=1e-5)
            assert found["loss"] >= found["bound_sharp"] - 1e-6 >= found["bound_half"] - 2e-6


def test_the_views_of_an_image_differ_and_do_not_depend_on_the_others(mlp):
    [lane], passes = mlp.lanes, Passes(mlp)
    table = jax.tree.map(lambda values: values[:, :20], mlp.plan.tests["test"])
    views = passes.drawn(lane, table, 3)
    assert views.shape == (2, 20, 3, 10)
    assert np.all(np.abs(views[:, :, 0] - views[:, :, 1]).max(axis=-1) > 0)
    np.testing.assert_array_equal(passes.drawn(lane, table, 2), views[:, :, :2])


def test_attacks_and_corruptions_of_size_nothing_change_nothing_and_larger_ones_do(monkeypatch):
    monkeypatch.setattr(lamv.evaluate.passes, "ASCENTS", 4)  # they are unrolled here, and take long to compile
    run = trained(
        **{"model.name": "cnn", "model.widths": (4, 8), "data.flatten": False, "data.normalise": True, "seeds": 1}
    )
    [lane], passes = run.lanes, Passes(run)
    table = jax.tree.map(lambda values: values[:, :64], run.plan.tests["test"])
    labels = np.asarray(run.examples.labels)[table.rows[0]]
    clean = passes.seen(lane, table).logits

    def loss(logits):
        shifted = logits[0] - logits[0].max(-1, keepdims=True)
        return -(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))[np.arange(64), labels].mean()

    for kind in ("fgsm", "pgd"):
        np.testing.assert_allclose(passes.attacked(lane, table, kind, 0.0), clean, rtol=1e-5, atol=1e-5)
        losses = [loss(passes.attacked(lane, table, kind, eps)) for eps in (0.02, 0.1)]
        assert loss(clean) < losses[0] < losses[1]
    assert loss(passes.attacked(lane, table, "pgd", 0.1)) >= losses[1] - 1e-5
    for kind in ("noise", "contrast"):
        np.testing.assert_allclose(passes.corrupted(lane, table, kind, 0.0), clean, rtol=1e-4, atol=1e-4)
        assert np.abs(passes.corrupted(lane, table, kind, 0.5) - clean).max() > 0.1
    assert hidden_layers(run.program.model, run.plan.shape) == ["conv0"]
    assert passes.kept(lane, table)["layers/conv0"].shape[-1] in (4, 64)

"""The passes over a trained row: what they sum up and keep is what the network puts out, however the work is cut."""

import jax
import numpy as np
import pytest

from lamv.evaluate.passes import Passes
from lamv.train.session import Session
from lamv.train.variants import VariantRun
from tests.evaluate.rows import by_hand, small


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
    [replicas] = mlp.replicas
    table = mlp.view.tests["test"]
    statistics = Passes(mlp).statistics(replicas, table)
    values, labels = by_hand(mlp, table)
    assert list(Passes(mlp).widths) == list(values) and set(statistics.moments) == set(values)
    for where, value in values.items():
        for replica in range(2):
            expected = direct(value[replica], labels[replica])
            assert variances_of(statistics.moments[where], replica) == pytest.approx(expected, rel=1e-5), where
    np.testing.assert_allclose(statistics.logits, values["logits"], rtol=1e-4, atol=1e-4)
    accuracy = (values["logits"].argmax(-1) == labels).mean(axis=1)
    np.testing.assert_allclose(statistics.predictions.correct / statistics.predictions.count, accuracy, atol=1e-6)


def test_the_nearest_class_mean_is_counted_against_the_centres_given(mlp):
    [replicas] = mlp.replicas
    table, passes = mlp.view.tests["test"], Passes(mlp)
    values, labels = by_hand(mlp, table)
    centres = np.stack(
        [[h[y == c].mean(axis=0) for c in range(10)] for h, y in zip(values["features"], labels, strict=True)]
    )
    statistics = passes.statistics(replicas, table, centres)
    distance = np.square(values["features"][:, :, None] - centres[:, None]).sum(axis=-1)
    agree = (distance.argmin(-1) == values["logits"].argmax(-1)).sum(axis=1)
    np.testing.assert_array_equal(statistics.nearest, agree)
    np.testing.assert_allclose(statistics.geometry.mean, centres, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("changes", [
    {"parallel.devices": 4}, {"parallel.devices": 2, "parallel.spread": 2, "parallel.replicas": "loop"},
    {"eval_batch_size": 37}, {"parallel.map": "pmap", "parallel.devices": 2}, {"parallel.dispatch": "step"},
], ids=str)  # fmt: skip
def test_devices_batches_and_padding_change_nothing(mlp, changes):
    [replicas] = mlp.replicas
    reference = Passes(mlp).statistics(replicas, mlp.view.tests["test"])
    row = small(**changes)
    other = VariantRun(row, Session([row]))
    other.load(mlp.arrays())
    for part, replicas in zip(
        (slice(0, 2),) if len(other.replicas) == 1 else (slice(0, 1), slice(1, 2)), other.replicas, strict=True
    ):
        table = jax.tree.map(lambda values, part=part: values[part], other.view.tests["test"])
        statistics = Passes(other).statistics(replicas, table)
        expected = jax.tree.map(lambda values, part=part: values[part], reference)
        assert statistics.logits.shape == expected.logits.shape
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-4), statistics, expected)


def test_the_order_of_examples_changes_no_sum(mlp):
    [replicas] = mlp.replicas
    table = mlp.view.tests["test"]
    order = np.random.default_rng(0).permutation(table.rows.shape[1])
    shuffled = jax.tree.map(lambda values: values[:, order], table)
    one, other = Passes(mlp).statistics(replicas, table), Passes(mlp).statistics(replicas, shuffled)
    np.testing.assert_allclose(other.logits, one.logits[:, order], rtol=1e-5, atol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-4),
        one._replace(logits=()), other._replace(logits=()),
    )  # fmt: skip


def test_a_pass_is_compiled_once_for_all_states_and_all_rows_of_a_program(mlp, monkeypatch):
    traced = []
    body = Passes._add_batch
    monkeypatch.setattr(Passes, "_add_batch", lambda *args: traced.append(1) or body(*args))
    rows = [small(), small(**{"method.name": "label_smoothing", "method.smoothing": 0.1})]
    session = Session(rows)
    runs = [VariantRun(row, session) for row in rows]
    for run in runs:
        run.init()
        for stop in (1, 2):  # two states of the row
            run.advance(stop - 1, stop)
            for table in (run.view.tests["test"], run.view.tests["test"]):
                Passes(run).statistics(run.replicas[0], table)
    assert len(traced) == 1


def test_what_is_kept_is_what_the_last_layer_reads_and_writes(mlp):
    [replicas] = mlp.replicas
    kept = Passes(mlp).activations(replicas, mlp.view.tests["test"])
    values, _ = by_hand(mlp, mlp.view.tests["test"])
    assert set(kept) == set(values)
    for where, value in values.items():
        np.testing.assert_allclose(kept[where], value, rtol=1e-4, atol=1e-4)

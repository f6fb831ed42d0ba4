"""Metrics and curves of splits: groups, reliance on the cue, temperature."""

import json

import jax
import numpy as np
import pytest

import lamv.evaluate
from lamv.core.batch import Rows
from lamv.core.calibration import fit_temperature
from lamv.core.intervals import over_examples
from lamv.core.smoothing_loss import smoothing_parts
from lamv.core.targets import flip, one_hot
from lamv.train.replica import LABEL_NOISE, root_key, traced_knobs
from tests.evaluate.rows import by_hand, evaluated, recipe


def test_groups_have_a_table_with_intervals_and_reliance_is_measured(monkeypatch):
    """Of the network at its start, which takes no training; three classes, so that there are nine groups."""
    monkeypatch.setattr(lamv.evaluate, "EVALUATORS", lamv.evaluate.EVALUATORS[:2])
    knobs = {"data.shortcut.kind": "tag", "data.shortcut.reliability": 0.8, "data.classes": (1, 3, 8)}
    evaluation, results = evaluated(recipe({"ERM": {}}, seeds=2, **{"data.train_size": 300, **knobs}))
    view = evaluation.row.view
    for replica, one in enumerate(results):
        tables = {curve["split"]: curve for curve in one.curves if curve["kind"] == "groups"}
        assert set(tables) == {"train", "test", "test_aligned", "test_random", "test_conflicting"}, "absent: no groups"
        for split, table in tables.items():
            y, a, count, correct, low, high = np.array(table["groups"]).T
            groups = (view.train if split == "train" else view.tests[split]).groups[replica]
            np.testing.assert_array_equal(np.bincount(groups, minlength=9)[(3 * y + a).astype(int)], count)
            assert count.sum() == len(groups) and table["left_out"] == 0
            assert one.metrics[f"{split}/accuracy"] == pytest.approx(correct.sum() / count.sum())
            assert one.metrics[f"{split}/worst_group_accuracy"] == pytest.approx(np.min(correct / count))
            assert one.metrics[f"{split}/groups_left_out"] == 9 - len(count)
            assert np.all((low <= correct / count) & (correct / count <= high) & (low < high))
        shares = np.bincount(view.train.groups[replica], minlength=9)
        _, _, count, correct, _, _ = np.array(tables["test_random"]["groups"]).T
        assert len(count) == 9
        assert one.metrics["test_random/adjusted_accuracy"] == pytest.approx(shares @ (correct / count) / shares.sum())
        drop = one.metrics["test_aligned/accuracy"] - one.metrics["test_conflicting/accuracy"]
        assert one.metrics["test/cue_drop"] == pytest.approx(drop)
        ratio = one.metrics["test/weight_norm_ratio"]
        assert one.metrics["test/weight_norm_share"] == pytest.approx(ratio**2 / (1 + ratio**2))
        assert {"test_random/cue_accuracy", "test_random/cue_logit", "test_random/label_logit"} <= set(one.metrics)
        assert "test_absent/cue_accuracy" not in one.metrics and "test_absent/worst_group_accuracy" not in one.metrics


def test_examples_left_out_of_training_fit_the_temperature(tmp_path):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(600, 6)).astype(np.float32)
    labels = np.digitize(inputs[:, 0] + rng.normal(size=600), [-0.7, 0.7])
    parts = {
        "train_inputs": inputs[:400],
        "train_labels": labels[:400],
        "test_inputs": inputs[400:],
        "test_labels": labels[400:],
    }
    np.savez(tmp_path / "own.npz", **parts)
    config = recipe({"ERM": {}}, seeds=1, **{"data.name": "npz", "data.path": str(tmp_path / "own.npz"),
                    "data.flatten": False, "data.train_size": 300, "model.widths": (16,)})  # fmt: skip
    evaluation, [result] = evaluated(config, brief=True)
    left_out = evaluation.row.view.validation
    assert left_out.rows.shape == (1, 100) and not set(left_out.rows[0]) & set(evaluation.row.view.train.rows[0])
    logits = evaluation.passes.statistics(evaluation.row.replicas[0], left_out).logits[0]
    assert result.metrics["test/temperature"] == pytest.approx(
        fit_temperature(logits, labels[left_out.rows[0]]), rel=1e-6
    )


def stored(path, name):
    return [json.loads(line) for line in (path / name).read_text().splitlines()]


def test_one_seed_has_intervals_over_examples_and_over_pairs(single):
    [erm, smooth] = stored(single, "evaluation.jsonl")
    intervals = [curve for curve in stored(single, "evaluation_curves.jsonl") if curve["kind"] == "interval"]
    own = {(c["row"], c["metric"], c["against"]): c for c in intervals}
    assert {key[2] for key in own if key[0] == "ERM"} == {None} and ("LS .1", "test/nll", "ERM") in own
    variances = ("test/features/within_variance", "test/outputs/within_variance")
    for metric in ("test/accuracy", "test/nll", "test/brier", "test/margin_mean", *variances):
        told = own["LS .1", metric, None]
        assert told["mean"] == pytest.approx(smooth[metric], rel=1e-5) and told["low"] < told["mean"] < told["high"]
        paired = own["LS .1", metric, "ERM"]
        assert paired["mean"] == pytest.approx(smooth[metric] - erm[metric], rel=1e-3, abs=1e-6)
        assert paired["examples"] == 797
    accuracy = own["ERM", "test/accuracy", None]
    right = np.repeat([1.0, 0.0], [round(797 * erm["test/accuracy"]), 797 - round(797 * erm["test/accuracy"])])
    low, high = over_examples(right)[1:]
    assert (accuracy["low"], accuracy["high"]) == pytest.approx((low, high), abs=0.003)


def test_the_term_of_smoothing_is_against_the_labels_as_given(monkeypatch):
    """Of a network at its start: with noise, the training labels are those that training sees; test labels are clean."""
    monkeypatch.setattr(lamv.evaluate, "EVALUATORS", lamv.evaluate.EVALUATORS[:1])
    sizes = {"data.train_size": 200, "data.eval_train_size": 200}
    evaluation, [result] = evaluated(recipe({"noisy": {"data.label_noise": 0.5}}, seeds=1, **sizes), brief=True)
    view, knobs = evaluation.row.view, traced_knobs(evaluation.row.config, 0, 60)
    for split, table in (("train", view.train), ("test", view.tests["test"])):
        values, [labels] = by_hand(evaluation.row, table)
        if split == "train":
            key = jax.random.fold_in(root_key(knobs), LABEL_NOISE)
            noisy = jax.jit(lambda key, q, ids: flip(key, q, 0.5, rows=Rows(ids, 200)))
            given = np.asarray(noisy(key, one_hot(labels, 10), table.rows[0])).argmax(axis=-1)
            assert 0.35 < np.mean(given != labels) < 0.55
            labels = given
        for name, value in smoothing_parts(values["logits"][0], labels).items():
            assert result.metrics[f"{split}/{name}"] == pytest.approx(value, abs=1e-4), name

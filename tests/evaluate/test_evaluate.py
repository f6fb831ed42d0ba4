"""experiments.evaluate as a library: what it finds in the checkpoints of trained runs, and what it says when it cannot."""

import json
import shutil

import numpy as np
import pytest

from lamv import config as configs
from lamv.core.calibration import fit_temperature
from lamv.core.intervals import over_examples
from lamv.errors import CheckpointError, ConfigError
from lamv.evaluate import Analysis, Wanted, evaluate
from lamv.train import loop
from lamv.train.rows import Bench

ROWS = {
    "ERM": {"method.name": "erm"},
    "LS .1": {"method.name": "label_smoothing", "method.smoothing": 0.1},
    "Mixup": {"method.name": "mixup"},
}


def recipe(rows=ROWS, seeds=2, **knobs):
    config = configs.defaults()
    config.rows, config.seeds, config.steps, config.batch_size = rows, seeds, 60, 32
    config.log_every, config.checkpoint_every = 60, 20
    config.data.train_size = 1000
    config.data.flatten, config.data.normalise = True, False
    config.model.widths = (24, 16)
    config.optim.name, config.optim.lr = "adam", 0.01
    config.parallel.devices = 1
    for key, value in knobs.items():
        *parents, leaf = key.split(".")
        node = config
        for parent in parents:
            node = node[parent]
        node[leaf] = value
    return config


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "trained"
    loop.train(recipe(), path)
    return path


@pytest.fixture(scope="module")
def lines(workdir):
    return evaluate(workdir, "all")


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "single"
    loop.train(recipe({name: ROWS[name] for name in ("ERM", "LS .1")}, seeds=1), path)
    evaluate(path)
    return path


def stored(path, name):
    return [json.loads(line) for line in (path / name).read_text().splitlines()]


def test_there_is_a_line_for_every_checkpoint_row_and_seed(workdir, lines):
    assert [(one["step"], one["row"], one["replica"]) for one in lines] == [
        (step, row, replica) for step in (20, 40, 60) for row in ROWS for replica in (0, 1)
    ]
    assert stored(workdir, "evaluation.jsonl") == lines
    about = json.loads((workdir / "evaluation_provenance.json").read_text())
    assert about["layers"] == ["first"] and about["settings"]["checkpoints"] == [20, 40, 60]
    assert about["device"]["platform"] == "cpu" and not about["notes"]


def test_the_end_agrees_with_what_training_reported(workdir, lines):
    summary = json.loads((workdir / "summary.json").read_text())
    for row in summary["rows"]:
        own = [one for one in lines if one["row"] == row["name"] and one["step"] == 60]
        for metric, spread in row["metrics"].items():
            if metric != "train/loss":
                assert [one[metric] for one in own] == pytest.approx(spread["values"], rel=1e-5, abs=1e-7), metric


def test_every_family_of_metrics_is_there_and_no_number_is_missing(lines):
    want = {
        "test/layers/first/within_over_total", "test/logits/within_variance", "train/outputs/total_variance",
        "test/collapse/nc1", "test/collapse/nc2_equiangular", "test/collapse/nc3", "train/collapse/nc4", "test/separation",
        "test/effective_rank", "test/feature_norm_mean", "test/margin_median", "test/logit_norm_mean", "test/ece_mass",
        "test/brier", "test/temperature", "test/ece_scaled", "test/aurc", "test/aurc_normalised", "augmented/loss",
        "augmented/floor", "augmented/bound_half", "augmented/bound_sharp", "augmented/slack_sharp",
        "augmented/outputs/within_variance", "augmented/layers/first/total_variance", "train/information",
    }  # fmt: skip
    for one in lines:
        assert want <= set(one), want - set(one)
        assert all(np.isfinite(value) for value in one.values() if isinstance(value, float))


def test_on_no_trained_model_is_a_loss_below_its_bounds(lines):
    for one in lines:
        where = f"{one['row']}, step {one['step']}"
        assert one["augmented/slack_sharp"] >= -1e-6, where
        assert one["augmented/slack_half"] >= one["augmented/slack_sharp"] - 1e-6, where
        assert one["augmented/loss"] >= one["augmented/floor"], where


def test_the_floor_is_the_entropy_of_the_targets(lines):
    floors = {row: [one["augmented/floor"] for one in lines if one["row"] == row] for row in ROWS}
    np.testing.assert_allclose(floors["ERM"], 0, atol=1e-7)
    np.testing.assert_allclose(floors["LS .1"], 0.500288035, rtol=1e-5)
    # E h(lam) = 1/2 for Beta(1, 1), times the share of pairs from two classes, about .9.
    assert all(0.40 < floor < 0.50 for floor in floors["Mixup"])


def test_variance_given_the_cell_and_of_all_rows_are_told_apart(lines):
    for one in lines:
        for where in ("outputs", "features", "layers/first"):
            within, total = (one[f"augmented/{where}/{part}_variance"] for part in ("within", "total"))
            assert 0 < within < total
    erm = next(one for one in lines if one["row"] == "ERM" and one["step"] == 60)
    # Cells of ERM are its classes, and its own inputs most of the training set.
    assert erm["augmented/features/within_variance"] == pytest.approx(erm["train/features/within_variance"], rel=0.05)


def test_label_smoothing_makes_classes_tighter_than_erm_does(lines):
    end = {row: [one for one in lines if one["row"] == row and one["step"] == 60] for row in ROWS}
    for metric in ("test/features/total_variance", "test/features/within_variance"):
        erm, smooth = (np.mean([one[metric] for one in end[row]]) for row in ("ERM", "LS .1"))
        assert smooth < erm


def test_with_several_seeds_there_is_no_bootstrap_over_examples(workdir, lines):
    kinds = {curve["kind"] for curve in stored(workdir, "evaluation_curves.jsonl")}
    assert kinds == {"reliability", "risk_coverage", "projection"}, "nor are there groups"


def test_curves_say_what_the_metrics_say(workdir, lines):
    one = next(line for line in lines if line["row"] == "Mixup" and line["step"] == 60 and line["replica"] == 0)
    own = [
        curve for curve in stored(workdir, "evaluation_curves.jsonl")
        if (curve["row"], curve["step"], curve["replica"]) == ("Mixup", 60, 0)
    ]  # fmt: skip
    plain, scaled = (curve for curve in own if curve["kind"] == "reliability")
    assert plain["temperature"] is None and scaled["temperature"] == pytest.approx(one["test/temperature"])
    number = sum(plain["count"])
    gaps = [n * abs(a - c) for n, a, c in zip(plain["count"], plain["accuracy"], plain["confidence"], strict=True) if n]
    assert sum(gaps) / number == pytest.approx(one["test/ece"], abs=1e-5)
    assert sum(scaled["count"]) == number == 797
    risks = [curve for curve in own if curve["kind"] == "risk_coverage"]
    assert {curve["score"] for curve in risks} == {"max_probability", "max_logit", "max_logit_normalised"}
    for curve in risks:
        assert curve["coverage"][-1] == 1 and curve["risk"][-1] == pytest.approx(1 - one["test/accuracy"], abs=1e-5)
    train, test = (curve for curve in own if curve["kind"] == "projection")
    assert (train["split"], test["split"]) == ("train", "test") and test["names"] == ["0", "1", "2"]
    assert len(test["x"]) == len(test["y"]) == len(test["label"]) and set(test["label"]) == {0, 1, 2}


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


def test_robustness_and_probes_where_asked_for(single, tmp_path):
    path = tmp_path / "copied"
    shutil.copytree(single, path)
    lines = evaluate(
        path, wanted=Wanted(brief=True, attacks=(0.0, 0.1), robust_examples=300, probe=("first", "features"))
    )
    for one in lines:
        clean = one["test/attack/fgsm_0/accuracy"]
        assert clean == one["test/attack/pgd_0/accuracy"]
        assert one["test/attack/pgd_0.1/accuracy"] <= one["test/attack/fgsm_0.1/accuracy"] + 0.02 < clean
        assert one["test/attack/fgsm_0.1/margin_mean"] < one["test/attack/fgsm_0/margin_mean"]
        assert one["probe/digits/features/accuracy"] > 0.8 and one["probe/digits/first/accuracy"] > 0.8
        assert "augmented/loss" not in one and not any("projection" in key for key in one)


@pytest.mark.parametrize("wanted, words", [
    (Wanted(probe=("frist",)), "--probe has 'frist', which row 'ERM' lacks (did you mean 'first'?)"),
    (Wanted(classes=(0, 1, 10)), "must be three different numbers below 10"),
    (Wanted(probe=("all",), transfer="mnits"), "--transfer is 'mnits', must be one of"),
    (Wanted(probe=("all",), transfer="diabetes"), "--transfer is 'diabetes', must be a data set of classes"),
])  # fmt: skip
def test_what_does_not_suit_the_run_is_one_line(workdir, wanted, words):
    with pytest.raises(ConfigError) as caught:
        evaluate(workdir, wanted=wanted)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_damaged_checkpoint_is_left_out_of_all_and_refused_alone(workdir, lines, tmp_path):
    path = tmp_path / "damaged"
    shutil.copytree(workdir, path)
    for file in (path / "checkpoints" / "40").rglob("*"):
        if file.is_file() and file.stat().st_size > 200:
            file.write_bytes(file.read_bytes()[:100])
    found = evaluate(path, "all", wanted=Wanted(brief=True))
    assert {one["step"] for one in found} == {20, 60}
    [note] = json.loads((path / "evaluation_provenance.json").read_text())["notes"]
    assert "step 40 cannot be read" in note
    with pytest.raises(CheckpointError, match="step 40 cannot be read"):
        evaluate(path, "40", wanted=Wanted(brief=True))


def analysed(config):
    """Metrics of the first row at its initialisation, which takes no training, and the notes."""
    rows = configs.expand(config)
    analysis = Analysis(rows[0], Bench(rows), Wanted())
    analysis.row.init()
    [found] = analysis.at(0)
    return found.metrics, list(analysis.notes)


def test_groups_have_a_table_with_intervals_and_reliance_is_measured(monkeypatch):
    """Of the network at its start, which takes no training; three classes, so that there are nine groups."""
    for part in ("_add_own", "_add_projection", "_add_information"):
        monkeypatch.setattr(Analysis, part, lambda *_: None)
    knobs = {"data.shortcut.kind": "tag", "data.shortcut.reliability": 0.8, "data.classes": (1, 3, 8)}
    [row] = configs.expand(recipe({"ERM": {}}, seeds=2, **{"data.train_size": 300, **knobs}))
    analysis = Analysis(row, Bench([row]), Wanted())
    analysis.row.init()
    plan = analysis.row.plan
    for replica, one in enumerate(analysis.at(0)):
        tables = {curve["split"]: curve for curve in one.curves if curve["kind"] == "groups"}
        assert set(tables) == {"train", "test", "test_aligned", "test_random", "test_conflicting"}, "absent: no groups"
        for split, table in tables.items():
            y, a, count, correct, low, high = np.array(table["groups"]).T
            groups = (plan.train if split == "train" else plan.tests[split]).groups[replica]
            np.testing.assert_array_equal(np.bincount(groups, minlength=9)[(3 * y + a).astype(int)], count)
            assert count.sum() == len(groups) and table["left_out"] == 0
            assert one.metrics[f"{split}/accuracy"] == pytest.approx(correct.sum() / count.sum())
            assert one.metrics[f"{split}/worst_group_accuracy"] == pytest.approx(np.min(correct / count))
            assert one.metrics[f"{split}/groups_left_out"] == 9 - len(count)
            assert np.all((low <= correct / count) & (correct / count <= high) & (low < high))
        shares = np.bincount(plan.train.groups[replica], minlength=9)
        _, _, count, correct, _, _ = np.array(tables["test_random"]["groups"]).T
        assert len(count) == 9
        assert one.metrics["test_random/adjusted_accuracy"] == pytest.approx(shares @ (correct / count) / shares.sum())
        drop = one.metrics["test_aligned/accuracy"] - one.metrics["test_conflicting/accuracy"]
        assert one.metrics["test/cue_drop"] == pytest.approx(drop)
        ratio = one.metrics["test/weight_norm_ratio"]
        assert one.metrics["test/weight_norm_share"] == pytest.approx(ratio**2 / (1 + ratio**2))
        assert {"test_random/cue_accuracy", "test_random/cue_logit", "test_random/label_logit"} <= set(one.metrics)
        assert "test_absent/cue_accuracy" not in one.metrics and "test_absent/worst_group_accuracy" not in one.metrics


def test_a_regression_is_evaluated_as_far_as_it_goes():
    metrics, notes = analysed(recipe({"C-Mixup": {"method.name": "c_mixup"}}, seeds=1, **{
        "data.name": "diabetes", "data.flatten": False, "data.train_size": 200, "loss.name": "squared_error"}))  # fmt: skip
    assert metrics["test/rmse"] > 0 and metrics["test/features/total_variance"] > 0 and "test/ece" not in metrics
    assert len(notes) == 1 and "no bounds" in notes[0]


@pytest.mark.parametrize("knobs, said", [
    ({"method.name": "kway_mixup"}, "no variance within cells"),
    ({"method.name": "regmixup"}, "no bounds on its own inputs, as its method weighs"),
    ({"loss.name": "sigmoid"}, "no bounds on its own inputs, as its loss is not"),
])  # fmt: skip
def test_what_cannot_be_had_is_said(knobs, said):
    metrics, notes = analysed(recipe({"row": knobs}, seeds=1, **{"data.classes": (3, 8), "data.train_size": 200}))
    assert any(said in note for note in notes) and any("takes three classes" in note for note in notes)
    assert "augmented/bound_half" not in metrics and ("augmented/loss" in metrics) == ("kway" in str(knobs))
    assert "test/collapse/nc1" in metrics and "train/information" in metrics


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
    [row] = configs.expand(config)
    analysis = Analysis(row, Bench([row]), Wanted(brief=True))
    analysis.row.init()
    [found] = analysis.at(0)
    left_out = analysis.row.plan.validation
    assert left_out.rows.shape == (1, 100) and not set(left_out.rows[0]) & set(analysis.row.plan.train.rows[0])
    logits = analysis.passes.seen(analysis.row.lanes[0], left_out).logits[0]
    assert found.metrics["test/temperature"] == pytest.approx(
        fit_temperature(logits, labels[left_out.rows[0]]), rel=1e-6
    )

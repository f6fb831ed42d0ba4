"""experiments.evaluate as a library: what it finds in the checkpoints of trained runs, and what it says when it cannot."""

import json
import shutil

import numpy as np
import pytest

import lamv.evaluate
from lamv.errors import CheckpointError, ConfigError
from lamv.evaluate import Evaluator, Options, evaluate
from lamv.evaluate.snapshot import Result
from lamv.train import loop
from tests.evaluate.rows import METHODS, evaluated, recipe


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "trained"
    loop.train(recipe(), path)
    return path


@pytest.fixture(scope="module")
def lines(workdir):
    return evaluate(workdir, "all")


def stored(path, name):
    return [json.loads(line) for line in (path / name).read_text().splitlines()]


def test_there_is_a_line_for_every_checkpoint_row_and_seed(workdir, lines):
    assert [(one["step"], one["row"], one["replica"]) for one in lines] == [
        (step, row, replica) for step in (30, 60) for row in METHODS for replica in (0, 1)
    ]
    assert stored(workdir, "evaluation.jsonl") == lines
    about = json.loads((workdir / "evaluation_provenance.json").read_text())
    assert about["layers"] == ["first"] and about["settings"]["checkpoints"] == [30, 60]
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
    floors = {row: [one["augmented/floor"] for one in lines if one["row"] == row] for row in METHODS}
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
    end = {row: [one for one in lines if one["row"] == row and one["step"] == 60] for row in METHODS}
    for metric in ("test/features/total_variance", "test/features/within_variance"):
        erm, smooth = (np.mean([one[metric] for one in end[row]]) for row in ("ERM", "LS .1"))
        assert smooth < erm


def test_with_several_seeds_there_is_no_bootstrap_over_examples(workdir, lines):
    kinds = {curve["kind"] for curve in stored(workdir, "evaluation_curves.jsonl")}
    assert kinds == {"reliability", "risk_coverage", "projection", "mixed_projection"}, "nor are there groups"


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


@pytest.mark.parametrize("options, words", [
    (Options(probe=("frist",)), "--probe has 'frist', which row 'ERM' lacks (did you mean 'first'?)"),
    (Options(classes=(0, 1, 10)), "must be three different numbers below 10"),
    (Options(probe=("all",), transfer="mnits"), "data set 'mnits' is unknown (did you mean 'mnist'?)"),
    (Options(probe=("all",), transfer="diabetes"), "--transfer is 'diabetes', must be a data set of classes"),
])  # fmt: skip
def test_what_does_not_suit_the_run_is_one_line(workdir, options, words):
    with pytest.raises(ConfigError) as caught:
        evaluate(workdir, options=options)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_damaged_checkpoint_is_left_out_of_all_and_refused_alone(workdir, lines, tmp_path):
    path = tmp_path / "damaged"
    shutil.copytree(workdir, path)
    for file in (path / "checkpoints" / "30").rglob("*"):
        if file.is_file() and file.stat().st_size > 200:
            file.write_bytes(file.read_bytes()[:100])
    found = evaluate(path, "all", options=Options(brief=True))
    assert {one["step"] for one in found} == {60}
    [note] = json.loads((path / "evaluation_provenance.json").read_text())["notes"]
    assert "step 30 cannot be read" in note
    with pytest.raises(CheckpointError, match="step 30 cannot be read"):
        evaluate(path, "30", options=Options(brief=True))


def test_a_regression_is_evaluated_as_far_as_it_goes():
    evaluation, [result] = evaluated(recipe({"C-Mixup": {"method.name": "c_mixup"}}, seeds=1, **{
        "data.name": "diabetes", "data.flatten": False, "data.train_size": 200, "loss.name": "squared_error"}))  # fmt: skip
    metrics, notes = result.metrics, list(evaluation.notes)
    assert metrics["test/rmse"] > 0 and metrics["test/features/total_variance"] > 0 and "test/ece" not in metrics
    assert len(notes) == 1 and "no bounds" in notes[0]


def test_an_evaluator_that_is_listed_is_run_and_what_is_not_finite_is_left_out(monkeypatch):
    def size(snapshot):
        return [
            Result({"test/size": len(labels), "test/none": np.nan})
            for labels in snapshot.labels(snapshot.tables["test"])
        ]

    monkeypatch.setattr(lamv.evaluate, "EVALUATORS", (Evaluator(size), Evaluator(lambda snapshot: [])))
    evaluation, results = evaluated(recipe({"ERM": {}}))
    assert [result.metrics for result in results] == [{"test/size": 797.0}] * 2
    assert list(evaluation.notes) == ["not finite and left out: test/none"]


@pytest.mark.parametrize("condition, options, regression, last, runs", [
    ({}, {}, False, False, True), ({}, {"brief": True}, False, True, False), ({}, {}, True, True, False),
    ({"brief": True}, {"brief": True}, False, False, True), ({"regression": True}, {}, True, False, True),
    ({"last": True}, {}, False, False, False), ({"last": True}, {}, False, True, True),
    ({"option": "attacks"}, {}, False, True, False), ({"option": "attacks"}, {"attacks": (0.0,)}, False, True, True),
])  # fmt: skip
def test_an_evaluator_runs_under_its_condition_only(condition, options, regression, last, runs):
    assert Evaluator(len, **condition).runs(Options(**options), regression, last) is runs

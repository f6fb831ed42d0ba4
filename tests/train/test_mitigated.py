"""Mitigations in the engine: the same numbers on any number of devices, with rows side by side or apart, and resumed."""

import json
import shutil

import flax.linen as nn
import jax
import numpy as np
import pytest

from lamv import config as configs
from lamv.core.batch import whole
from lamv.data.resident import SplitIndex
from lamv.errors import ConfigError
from lamv.evaluate import Options, evaluate
from lamv.models import MODELS, Model
from lamv.models.classifier import Classifier
from lamv.train import loop, summary
from lamv.train.mitigations import MITIGATIONS
from lamv.train.mitigations.dfr import refit
from lamv.train.session import Session
from lamv.train.variants import VariantRun, stacks
from tests.sessions import Shared

SMALL = {
    "steps": 8, "batch_size": 32, "seeds": 2, "eval_batch_size": 64, "data.flatten": True, "data.normalise": False,
    "data.train_size": 200, "data.valid_size": 150, "data.superclasses": (0, 0, 0, 0, 0, 1, 1, 1, 1, 1),
    "data.eval_train_size": 50, "data.shortcut.kind": "tag", "data.shortcut.reliability": 0.8,
    "model.name": "mlp", "model.widths": (8,), "optim.name": "adam", "optim.lr": 0.02, "mitigation.first_steps": 4,
    "parallel.devices": 1,
}  # fmt: skip

#: Mixup of a linear model, with a law that compiles quickly.
LINEAR = {
    "method.name": "mixup", "method.law": "uniform(0, 1)", "model.name": "linear", "model.widths": (),
    "mitigation.first_steps": 2,
}  # fmt: skip


def rows_of(changes, rows=None):
    """As recorded, so that knobs of other mitigations may be among them."""
    run = {"rows": [{"name": name, "config": own} for name, own in (rows or {"row": {}}).items()]}
    return configs.rows_of(run, SMALL | {"mitigation.subsets": 2} | changes)


def run_of(init=True, **changes):
    """init: False for a run that is traced and not trained."""
    [row] = rows_of(changes)
    run = VariantRun(row, Shared([row], jax.devices()[:8]))
    if init:
        run.init()
    return run


def trained(**changes):
    run = run_of(**changes)
    run.advance(0, 3)
    run.advance(3, run.steps)
    return run


def assert_same(one, other, **tolerance):
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_allclose(values, other[name], err_msg=name, **(tolerance or {"rtol": 2e-4, "atol": 2e-6}))


def changed(one, other):
    return not all(np.array_equal(one[name], other[name]) for name in one if name.startswith("params."))


@pytest.fixture(scope="module")
def plain():
    return trained(**LINEAR).arrays()


@pytest.mark.parametrize("name", [name for name in MITIGATIONS if name not in ("erm", "subsample", "dfr")])
def test_a_mitigation_changes_what_is_learned(name, plain):
    assert changed(trained(**LINEAR, **{"mitigation.name": name}).arrays(), plain)


#: One for each way in which a mitigation looks at the batch that other devices hold a part of.
ACROSS = ("group_dro", "irm", "lisa", "jtt", "bifair")


@pytest.mark.parametrize("name", ACROSS)
def test_the_number_of_devices_changes_no_number(name):
    knobs = {**LINEAR, "mitigation.name": name}
    assert_same(trained(**knobs).arrays(), trained(**knobs, **{"parallel.devices": 4}).arrays())


def test_a_rule_for_pairs_brings_a_mixup_to_a_method_that_has_none():
    smooth = LINEAR | {"method.name": "label_smoothing", "method.smoothing": 0.1}
    assert changed(trained(**smooth, **{"mitigation.name": "lisa"}).arrays(), trained(**smooth).arrays())


def test_pairs_that_are_not_mixed_select_and_no_more(plain):
    """The same on any number of devices."""
    knobs = LINEAR | {"method.name": "erm", "mitigation.name": "lisa", "mitigation.mixes": False}
    one, four = (trained(**knobs, **{"parallel.devices": devices}).arrays() for devices in (1, 4))
    assert_same(one, four)
    assert changed(one, plain)
    assert np.all(one["loss_sum"] < 1.2 * one["loss_steps"]), "weights of a half, of twice as many rows"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("reweight", {}),
        ("group_dro", {"mitigation.step_size": 0.0}),
    ],
)
def test_weights_of_groups_that_count_alike_are_those_of_balanced_groups(name, changes):
    """With all groups in every batch, equal weights of the four groups are reweighting; group DRO begins with them."""
    one_step = LINEAR | {"method.name": "erm", "steps": 1, "batch_size": 200}
    first = run_of(**one_step, **{"mitigation.name": name}, **changes)
    second = run_of(**one_step, **{"mitigation.name": "reweight"})
    for run in (first, second):
        run.advance(0, 1)
    own, other = ({k: v for k, v in run.arrays().items() if k.startswith("params.")} for run in (first, second))
    assert_same(own, other)


def test_subsampled_training_sets_have_groups_of_one_size():
    run = run_of(**{"mitigation.name": "subsample"})
    for groups in run.view.train.groups:
        assert len(set(np.bincount(groups, minlength=4))) == 1
    assert run.train_size < 200


def test_a_subsampled_row_beside_another_is_trained_as_by_itself():
    """Their knobs in a step are the same; the size of the training set and the length of an epoch are not."""
    instances = LINEAR | {"method.name": "instance_smoothing", "method.smoothing": 0.1}
    changes = {**instances, "steps": None, "epochs": 4.0, "batch_size": 8}
    rows = rows_of(changes, {"all": {}, "few": {"mitigation.name": "subsample"}})
    session = Shared(rows)
    beside = [VariantRun(row, session) for row in rows]
    for run in beside:
        run.init()
        run.advance(0, run.steps)
    alone = VariantRun(rows[1], Session(rows[1:]))
    alone.init()
    alone.advance(0, alone.steps)
    assert beside[0].steps != alone.steps
    assert_same(beside[1].arrays(), alone.arrays())


def test_resampling_draws_all_groups_alike():
    run = run_of(**{"mitigation.name": "resample"})
    weights = run.arrays()["mitigation.sampling"]
    for own, groups in zip(weights, run.view.train.groups, strict=True):
        np.testing.assert_allclose(np.bincount(groups, own, minlength=4), 0.25, rtol=1e-5)


# Two stages


def training_logits(run):
    """(table on the host, [(200, K) logits of each of two seeds])."""
    [replicas] = run.replicas
    table = SplitIndex(*(values if isinstance(values, tuple) else np.asarray(values) for values in replicas.train))

    @jax.jit
    def outputs(state, table, knobs):
        return run.program.forward(state, run.program.batches.at(run.examples, table, np.arange(200), knobs).inputs)[0]

    return table, [
        outputs(*jax.tree.map(lambda leaf, r=r: leaf[r], (replicas.state, table, replicas.knobs))) for r in range(2)
    ]


def test_the_second_stage_of_jtt_upweights_what_the_first_got_wrong_and_starts_anew():
    run = run_of(**{"mitigation.name": "jtt", "mitigation.upweight": 7.0})
    fresh = run.arrays()
    run.advance(0, 4)
    first = run.arrays()
    assert changed(fresh, first)
    [replicas] = run.replicas
    table, logits = training_logits(run)
    second = run.program.mitigation.second_stage(run, replicas)
    for r in range(2):
        right = np.argmax(logits[r], axis=-1) == run.labels_of(table, r)
        np.testing.assert_array_equal(second.mitigation["sampling"][r], np.where(right, 1.0, 7.0))
    for name in ("first", "head"):
        np.testing.assert_array_equal(second.params[name]["kernel"], fresh[f"params.{name}.kernel"])
    assert run.steps == 12 and run.stages.at(5) == 0 and run.stages.at(4) == run.stages.at(3) == -1


def test_the_first_stage_of_jtt_has_neither_a_confidence_penalty_nor_maxsup():
    ends = []
    for factor in (0.0, 1.0):
        more = {"loss.confidence_penalty": factor, "loss.max_suppression": factor, "loss.anneal": 2}
        run = run_of(**LINEAR, **{"mitigation.name": "jtt"} | more)
        run.advance(0, 2)
        ends.append(run.arrays())
    assert_same(*ends)


def test_a_run_of_two_stages_goes_on_in_either(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "Session", Shared)
    recipe = configs.defaults()
    changes = SMALL | {
        "mitigation.name": "jtt", "log_every": 2, "checkpoint_every": 2, "keep_checkpoints": 9, "eval_every": 4,
        "method.name": "label_smoothing", "method.smoothing": 0.1,
    }  # fmt: skip
    loop.train(recipe, tmp_path / "whole", changes)
    for kept in (2, 4, 6):
        again = tmp_path / str(kept)
        shutil.copytree(tmp_path / "whole", again)
        for name in ("DONE", "summary.json"):
            (again / name).unlink()
        for step in (again / "checkpoints").iterdir():
            if step.name.isdigit() and int(step.name) > kept:
                shutil.rmtree(step)
        loop.train(recipe, again, changes)
        for name in ("DONE", "metrics.jsonl", "summary.json"):
            assert (again / name).read_text() == (tmp_path / "whole" / name).read_text(), (kept, name)


@pytest.mark.parametrize("split", ["valid", "train"])
def test_dfr_replaces_the_last_layer_by_one_fitted_to_balanced_features(split):
    knobs = {"mitigation.refit_on": split}
    plain, refitted = trained(**knobs), trained(**knobs, **{"mitigation.name": "dfr"})
    before, after = plain.arrays(), refitted.arrays()
    np.testing.assert_array_equal(before["params.first.kernel"], after["params.first.kernel"])
    table = plain.view.train if split == "train" else plain.view.tests["valid"]
    [replicas] = plain.replicas
    features = refitted.program.mitigation.features(plain, replicas, table)
    for r in range(2):
        kernel, bias, _ = refit(
            features[r], plain.labels_of(table, r), table.groups[r], classes=2, subsets=2, seed=replicas.seeds[r]
        )
        np.testing.assert_allclose(after["params.head.kernel"][r], kernel, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(after["params.head.bias"][r], bias, rtol=1e-5, atol=1e-6)


class Readout(Classifier, kw_only=True):
    """A network whose last layer has a name of its own."""

    last = "readout"

    @nn.compact
    def __call__(self, inputs, *, train):
        features = nn.relu(nn.Dense(8, name="body")(inputs))
        return nn.Dense(self.num_classes, name=self.last)(features), features


@pytest.mark.parametrize("knobs", [
    {"mitigation.name": "dfr", "mitigation.refit_on": "train"},
    {"method.switch": 4, "method.then": "over_smoothing", "optim.after_switch": "head"},
], ids=["dfr", "after_switch"])  # fmt: skip
def test_the_last_layer_is_the_one_that_the_model_declares(monkeypatch, knobs):
    monkeypatch.setitem(MODELS, "mine", Model(Readout, vectorise=True))
    mine = {"model.name": "mine", "model.widths": ()}
    run = run_of(**mine, **knobs)
    run.advance(0, 4)
    before = run.arrays()
    run.advance(4, run.steps)
    after, alone = run.arrays(), trained(**mine).arrays()
    assert {name for name in after if name.startswith("params.")} == {
        f"params.{layer}.{part}" for layer in ("body", "readout") for part in ("kernel", "bias")
    }
    unmoved = before if "method.switch" in knobs else alone
    np.testing.assert_array_equal(after["params.body.kernel"], unmoved["params.body.kernel"])
    assert not np.array_equal(after["params.readout.kernel"], unmoved["params.readout.kernel"])


@pytest.mark.parametrize(("name", "step"), [("erm", 0), ("jtt", 4), ("dfr", 7)])
def test_a_rule_of_selection_looks_at_the_network_of_the_mitigation_alone(name, step):
    """Of 8 steps: that of a first stage, and that whose last layer is not fitted yet, are none."""
    assert summary.counts_after(run_of(**{"mitigation.name": name}).config, 8) == step


# Rows side by side

DOSES = {
    f"{method} {strength}": {"method.name": method, "data.shortcut.strength": strength}
    for method in ("erm", "mixup")
    for strength in (0.2, 1.0)
}


def test_rows_of_one_program_are_trained_by_one_call_and_end_as_they_do_apart():
    linear = {knob: value for knob, value in LINEAR.items() if knob != "method.name"}
    ends = {}
    for how in ("together", "apart"):
        rows = rows_of(linear | {"parallel.rows": how}, DOSES)
        session = Shared(rows)
        runs = [VariantRun(row, session) for row in rows]
        for run in runs:
            run.init()
        groups = stacks(runs)
        assert [len(group.rows) for group in groups] == ([2, 2] if how == "together" else [1] * 4)
        for group in groups:
            group.advance(0, 8)
        ends[how] = [run.arrays() for run in runs]
    for one, other in zip(ends["together"], ends["apart"], strict=True):
        assert_same(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("changes", "number"), [({}, 1), ({"model.name": "cnn", "data.flatten": False}, 2)])
def test_rows_of_one_seed_go_together_where_seeds_would(changes, number):
    rows = rows_of({"seeds": 1, "data.shortcut.kind": "pixel", **changes}, {"a": {}, "b": {"optim.lr": 0.1}})
    session = Session(rows)
    assert len(stacks([VariantRun(row, session) for row in rows])) == number


# What is refused


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"mitigation.name": "group_dro"},
            ("group_dro", "group of every training example", "no group or attribute column"),
        ),
        ({"mitigation.name": "lisa"}, ("lisa", "attribute", "no attribute column")),
        ({"mitigation.name": "vrex"}, ("vrex", "environment")),
        ({"mitigation.name": "dfr"}, ("dfr", "no group")),
        ({"mitigation.name": "reweight"}, ("reweight", "--config.mitigation.by=class")),
        ({"select.rule": "valid_worst_group", "eval_every": 2}, ("valid_worst_group", "no group", "valid_accuracy")),
    ],
)
def test_data_without_groups_are_refused_by_what_needs_them(changes, words):
    [row] = rows_of({"data.shortcut.kind": "none", **changes})
    with pytest.raises(ConfigError) as caught:
        VariantRun(row, Session([row]))
    assert "\n" not in str(caught.value) and all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mitigation.name": "dfr"}, ("validation", "data.valid_size", "refit_on=train")),
        ({"select.rule": "valid_accuracy", "eval_every": 2}, ("valid_accuracy", "data.valid_size")),
    ],
)
def test_runs_without_validation_examples_are_refused_by_what_needs_them(changes, words):
    [row] = rows_of({"data.valid_size": 0, **changes})
    with pytest.raises(ConfigError) as caught:
        VariantRun(row, Session([row]))
    assert all(word in str(caught.value) for word in words), caught.value


def test_classes_can_be_balanced_without_groups():
    run = trained(**{"data.shortcut.kind": "none", "mitigation.name": "reweight", "mitigation.by": "class"})
    assert run.arrays()["mitigation.counts"].shape == (2, 2)


# The evaluation of such runs


def test_a_grid_is_evaluated_with_one_program_for_all_its_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "Session", Shared)
    monkeypatch.setattr("lamv.evaluate.Session", Shared)
    rows = {"ERM": {}, "JTT": {"mitigation.name": "jtt"}}
    recipe = configs.defaults()
    recipe.rows = rows
    summary = loop.train(recipe, tmp_path, SMALL | LINEAR)
    lines = evaluate(tmp_path, options=Options(brief=True))
    for row in summary["rows"]:
        told = row["metrics"]["test_random/worst_group_accuracy"]["values"]
        again = [line["test_random/worst_group_accuracy"] for line in lines if line["row"] == row["name"]]
        np.testing.assert_allclose(told, again, rtol=1e-6)
    assert json.loads((tmp_path / "summary.json").read_text())["rows"][0]["config"]["mitigation"]["name"] == "erm"


def test_easy_examples_are_drawn_in_the_first_half_and_hard_ones_in_the_second():
    run = run_of(init=False, **LINEAR, **{"mitigation.name": "easy_to_hard"})
    easy = np.arange(200) % 4 == 1
    draw = jax.jit(
        lambda done: run.program.mitigation.indices({"sampling": easy.astype("f4")}, jax.random.key(0), whole(64), done)
    )
    assert easy[np.asarray(draw(0.0))].all() and easy[np.asarray(draw(0.49))].all()
    assert not easy[np.asarray(draw(0.5))].any() and not easy[np.asarray(draw(1.2))].any()


def test_the_first_stage_ranks_by_loss_and_the_network_learns_on():
    run = run_of(**LINEAR, **{"mitigation.name": "easy_to_hard"})
    run.advance(0, 2)
    trained_so_far = run.arrays()
    table, logits = training_logits(run)
    state = run.program.mitigation.second_stage(run, run.replicas[0])
    for r in range(2):
        scores = np.asarray(logits[r], np.float64)
        losses = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(200), run.labels_of(table, r)]
        easy = np.asarray(state.mitigation["sampling"][r]) > 0
        assert easy.sum() == 100 and losses[easy].max() <= losses[~easy].min() + 1e-6
    np.testing.assert_array_equal(state.params["first"]["kernel"], trained_so_far["params.first.kernel"])


def test_soft_labels_go_on_to_the_bit():
    knobs = LINEAR | {"method.name": "online_smoothing", "method.smoothing": 0.5, "method.law": ""}
    whole_run = run_of(**knobs)
    whole_run.advance(0, 8)
    cut = run_of(**knobs)
    cut.advance(0, 5)
    again = run_of(**knobs)
    again.load(cut.arrays())
    again.advance(5, 8)
    expected = whole_run.arrays()
    assert expected["soft.rows"].std() > 0.05, "an epoch is 6 steps"
    for name, values in again.arrays().items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)

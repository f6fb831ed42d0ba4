"""What a run reads of a user's own arrays: used where it is, said, kept, and compared when the run goes on."""

import json
import logging

import jax
import numpy as np
import pytest

from lamv import config as configs
from lamv.errors import ConfigError, WorkdirMismatch
from lamv.evaluate import Options, evaluate
from lamv.results import runs
from lamv.rows import expand
from lamv.train import loop
from lamv.train.session import Session
from lamv.train.variants import VariantRun

RNG = np.random.default_rng(0)
LABELS = np.arange(60) % 3
INPUTS = RNG.normal(size=(60, 4)).astype(np.float32) + 2 * LABELS[:, None]
PARTS = {"train_inputs": INPUTS, "train_labels": LABELS, "test_inputs": INPUTS, "test_labels": LABELS}
VALID = {"valid_inputs": INPUTS, "valid_labels": LABELS}


@pytest.fixture
def train(tmp_path):
    """train(arrays, knobs): a run of 20 steps on these arrays, in a workdir of its own; its summary."""

    def run(arrays, workdir="run", file="mine.npz", **knobs):
        np.savez(tmp_path / file, **arrays)
        config = configs.defaults()
        config.update({"steps": 20, "batch_size": 8, "checkpoint_every": 10})
        config.data.name, config.data.path = "npz", str(tmp_path / file)
        config.model.widths, config.optim.name, config.optim.lr = (8,), "adam", 0.01
        flags = {"parallel.devices": 1} | {key.replace("__", "."): value for key, value in knobs.items()}
        return loop.train(config, tmp_path / workdir, flags)

    return run


def unfinished(workdir):
    for name in ("DONE", "summary.json"):
        (workdir / name).unlink()


def test_no_mass_is_put_on_classes_that_do_not_exist(train, tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="lamv.train")
    summary = train({"inputs": INPUTS, "labels": LABELS + 1}, method__name="label_smoothing", method__smoothing=0.3)
    assert "target 0.8 on the label, 0.1 on each other class" in caplog.text
    assert "labels 1, 2, 3 are numbered 0 to 2 in this order" in caplog.text
    assert summary["data"]["classes"] == ["1", "2", "3"] and summary["data"]["counts"] == {"all": [20, 20, 20]}
    stored = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert stored["reading"] == summary["data"]


GROUPED = PARTS | VALID | {"valid_groups": LABELS % 2 * 7, "test_groups": LABELS % 2 * 7}


def test_groups_are_used_in_the_parts_that_have_them(train, tmp_path):
    summary = train(GROUPED, mitigation__name="dfr")
    metrics = summary["rows"][0]["metrics"]
    assert metrics["test/group_0/count"]["mean"] == 40 and metrics["test/group_1/count"]["mean"] == 20
    assert runs.read(tmp_path / "run").rows[0].legend.group(1, None) == "7"
    train(GROUPED, "selected", select__rule="valid_worst_group", eval_every=10)


@pytest.mark.parametrize(
    "arrays, knobs, words",
    [
        (GROUPED, {"mitigation__name": "reweight"}, "the group of every training example"),
        (GROUPED, {"mitigation__name": "subsample"}, "no groups"),
        (PARTS | VALID | {"test_groups": LABELS}, {"mitigation__name": "dfr"}, "the group of every validation example"),
        (PARTS | VALID | {"train_groups": LABELS}, {"select__rule": "valid_worst_group", "eval_every": 10}, "in valid"),
    ],
)
def test_groups_where_they_are_needed_and_are_not(train, tmp_path, arrays, knobs, words):
    with pytest.raises(ConfigError, match=words):
        train(arrays, **knobs)
    assert not (tmp_path / "run" / "config.json").exists(), "a refused first try does not own the workdir"


def test_data_that_changed_is_exit_78_and_names_the_file(train, tmp_path):
    train(PARTS)
    before = (tmp_path / "run" / "provenance.json").read_text()
    unfinished(tmp_path / "run")
    with pytest.raises(WorkdirMismatch, match=r"mine\.npz has sha256 \w+, and had \w+ when the run began"):
        train(PARTS | {"train_labels": LABELS[::-1]})
    assert (tmp_path / "run" / "provenance.json").read_text() == before


def test_the_same_data_under_another_name_is_the_same(train, tmp_path):
    first = train(PARTS)
    unfinished(tmp_path / "run")
    again = train(PARTS, file="renamed.npz", data__path=str(tmp_path / "renamed.npz"))
    assert again["rows"][0]["metrics"] == first["rows"][0]["metrics"]


def test_an_evaluation_on_other_data_says_so_and_records_both(train, tmp_path, caplog):
    train(PARTS)
    np.savez(tmp_path / "mine.npz", **PARTS | {"test_labels": LABELS[::-1]})
    evaluate(tmp_path / "run", options=Options(brief=True))
    assert "the data is not that of the training: mine.npz has sha256" in caplog.text
    stored = json.loads((tmp_path / "run" / "evaluation_provenance.json").read_text())
    assert stored["notes"][0].startswith("the data is not that of the training")
    trained = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert stored["data"][0]["sha256"] != trained["data"][0]["sha256"]


def test_a_first_stage_that_errs_nowhere_is_said(train, caplog):
    far = {"inputs": np.eye(3, dtype=np.float32)[LABELS] * 9, "labels": LABELS}
    knobs = {"mitigation__name": "jtt", "mitigation__first_steps": 60, "steps": 60, "optim__lr": 0.05}
    summary = train(far, **knobs)
    [note] = summary["notes"]
    assert "first stage of jtt erred on no training example" in note and note in caplog.text
    hard = {"inputs": INPUTS, "labels": LABELS[::-1]}
    assert train(hard, "other", **knobs | {"mitigation__first_steps": 1})["notes"] == []


def test_a_table_is_standardised_by_what_each_seed_trains_on(tmp_path):
    """A missing value has their mean, 0; the values of a text stay 0 and 1."""
    age = RNG.normal(40, 10, 90)
    rows = [f"{'' if i % 9 == 0 else value},{'ab'[i % 2]},{i % 3}" for i, value in enumerate(age)]
    (tmp_path / "mine.csv").write_text("\n".join(["age,c,label", *rows]))
    config = configs.defaults()
    config.update({"steps": 10, "batch_size": 8, "seeds": 2})
    config.data.name, config.data.path, config.data.train_size = "table", str(tmp_path / "mine.csv"), 60
    session = Session(expand(config, {"parallel.devices": 1}))
    row = VariantRun(expand(config, {"parallel.devices": 1})[0], session)
    [replicas] = row.replicas

    def inputs(knobs, table):
        return row.program.batches.at(row.examples, table, np.arange(60), knobs).inputs

    found = np.asarray(jax.vmap(inputs)(replicas.knobs, replicas.train))
    for seed, own in enumerate(found):
        chosen = np.asarray(row.view.train.rows[seed])
        there = chosen % 9 != 0
        known = age[chosen[there]]
        np.testing.assert_allclose(own[there, 0], (known - known.mean()) / known.std(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(own[~there, 0], 0, atol=1e-6)
        np.testing.assert_array_equal(own[:, 1], ~there)  # age is missing
        np.testing.assert_array_equal(own[:, 2], chosen % 2 == 0)
    assert np.any(row.view.standardise[0][0] != row.view.standardise[0][1]), "seeds train on different rows"


def test_own_photographs_in_the_recipe_of_the_demo_get_its_tag_and_it_is_said(train):
    summary = train({"inputs": INPUTS, "labels": LABELS}, data__shortcut__kind="tag")
    assert any("a tag is planted in every training example" in note for note in summary["data"]["notes"])

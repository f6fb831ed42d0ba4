"""A run from its first step to its last: what it leaves behind, and what happens when something goes wrong."""

import importlib.util
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from lamv import config as configs
from lamv.errors import CheckpointError, ConfigError, NotFiniteError, Preempted, WorkdirError, WorkdirMismatch
from lamv.study.evaluate import evaluate
from lamv.train import loop, tracking
from lamv.train.checkpoint import Checkpoints

TINY = Path(__file__).parents[1] / "recipes" / "tiny.py"
ONE_DEVICE = {"parallel.devices": 1}


def tiny():
    spec = importlib.util.spec_from_file_location("tiny", TINY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config()


def train(workdir, **changes):
    return loop.train(tiny(), workdir, ONE_DEVICE | changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An uninterrupted run. Not to be changed: take `copied`."""
    workdir = tmp_path_factory.mktemp("run") / "whole"
    train(workdir)
    return workdir


@pytest.fixture
def copied(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def unfinish(workdir, keep):
    """Make a finished workdir one that was killed after the checkpoint of step `keep`."""
    for name in ("DONE", "summary.json"):
        (workdir / name).unlink()
    for step in (workdir / "checkpoints").iterdir():
        if step.name.isdigit() and int(step.name) > keep:
            shutil.rmtree(step)


def assert_same_end(workdir, finished):
    for name in ("DONE", "metrics.jsonl"):
        assert (workdir / name).read_text() == (finished / name).read_text(), f"{name} differs from the unbroken run's"


def lines_of(workdir, name="metrics.jsonl"):
    return list(loop.read_lines(workdir / name))


def test_a_line_for_every_logged_step_row_and_seed(finished):
    keys = [(line["step"], line["row"], line["seed"]) for line in lines_of(finished)]
    assert keys == [(step, row, seed) for step in (10, 20, 30, 40) for row in ("ERM", "Mixup") for seed in (0, 1)]


def test_lines_hold_deterministic_fields_only(finished):
    for line in lines_of(finished):
        assert not [key for key in line if "second" in key or "time" in key]
    assert all("seconds" in line for line in lines_of(finished, "timing.jsonl"))


def test_evaluation_comes_with_its_period_and_the_training_set_at_the_end_only(finished):
    has = {line["step"]: {key.split("/")[0] for key in line if "/" in key} for line in lines_of(finished)}
    tests = {"test", "test_aligned", "test_random", "test_conflicting", "test_absent"}
    assert has == {10: {"train"}, 20: {"train"} | tests, 30: {"train"}, 40: {"train"} | tests}
    assert "train/accuracy" not in lines_of(finished)[4] and "train/accuracy" in lines_of(finished)[-1]


def test_summary_is_mean_sd_and_n_of_the_last_lines(finished):
    summary = json.loads((finished / "summary.json").read_text())
    assert [row["name"] for row in summary["rows"]] == ["ERM", "Mixup"]
    values = [
        line["test_random/accuracy"] for line in lines_of(finished) if line["step"] == 40 and line["row"] == "Mixup"
    ]
    found = summary["rows"][1]["metrics"]["test_random/accuracy"]
    assert found == {
        "mean": pytest.approx(np.mean(values)), "sd": pytest.approx(np.std(values, ddof=1)), "n": 2, "values": values
    }  # fmt: skip
    assert summary["rows"][1]["config"]["method"]["name"] == "mixup"
    assert summary["rows"][1]["config"]["optim"]["weight_decay"] == 1e-3


def test_claims_are_judged_only_of_the_recipe_as_it_stands(finished, tmp_path):
    assert json.loads((finished / "summary.json").read_text())["claims"][0]["row"] == "ERM"
    changed = train(tmp_path / "run", steps=2, **{"method.smoothing": 0.2})
    assert changed["claims"] == []


def test_provenance_names_versions_device_and_data(finished):
    found = json.loads((finished / "provenance.json").read_text())
    assert {"jax", "flax", "optax", "lamv"} <= found["packages"].keys()
    assert found["device"]["platform"] == "cpu"
    assert len(found["data"][0]["sha256"]) == 64


def test_a_finished_workdir_is_left_as_it_is(finished):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.name != ".lock"}
    summary = train(finished)
    assert summary == json.loads((finished / "summary.json").read_text())
    assert before == {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.name != ".lock"}


@pytest.mark.parametrize("keep", [0, 10, 30, 40])
def test_a_run_resumed_from_any_checkpoint_ends_with_the_same_bits(copied, finished, keep):
    unfinish(copied, keep)
    with open(copied / "metrics.jsonl", "a") as file:
        file.write('{"step": 35, "row": "ERM", "torn')
    train(copied)
    assert_same_end(copied, finished)


def test_periods_of_checkpoints_do_not_change_a_bit(finished, tmp_path):
    train(tmp_path / "run", checkpoint_every=7)
    assert_same_end(tmp_path / "run", finished)


def test_a_signal_saves_and_the_same_command_goes_on_to_the_same_end(finished, tmp_path, monkeypatch):
    advance = loop.Cohort.advance

    def interrupted(self, start, stop):
        advance(self, start, stop)
        if stop == 20 and self.rows[0].name == "ERM":
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Cohort, "advance", interrupted)
        with pytest.raises(Preempted, match="SIGTERM at step 20 of 40"):
            train(tmp_path / "run")
    train(tmp_path / "run")
    assert_same_end(tmp_path / "run", finished)


def flip_a_bit(checkpoint):
    """Damage array data, the way a disk would; it lies in the largest file."""
    data = max((path for path in (checkpoint / "state").rglob("*") if path.is_file()), key=lambda p: p.stat().st_size)
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)


def cut_short(checkpoint):
    for path in (checkpoint / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def forge(checkpoint):
    meta = checkpoint / "meta" / "metadata"
    meta.write_text(meta.read_text().replace('"step": 40', '"step": 41').replace('"step":40', '"step":41'))


def empty(checkpoint):
    shutil.rmtree(checkpoint)
    checkpoint.mkdir()


# Orbax leaves tasks behind when a restore fails, which complain about their closed event loop.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("damage", [flip_a_bit, cut_short, forge, empty])
def test_a_damaged_checkpoint_is_passed_over_and_the_end_is_the_same(copied, finished, damage, caplog):
    unfinish(copied, 40)
    damage(copied / "checkpoints" / "40")
    train(copied)
    assert "step 40 is damaged" in caplog.text
    assert_same_end(copied, finished)
    assert (copied / "checkpoints" / ".damaged" / "40").is_dir()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_where_all_checkpoints_are_damaged_the_run_refuses_to_start_anew(copied):
    unfinish(copied, 40)
    for step in (copied / "checkpoints").iterdir():
        if step.name.isdigit():
            cut_short(step)
    with pytest.raises(CheckpointError, match="none of the checkpoints"):
        train(copied)


def test_a_checkpoint_of_another_config_is_refused_not_skipped(copied):
    checkpoints = Checkpoints.reading(copied / "checkpoints", "another", ["ERM", "Mixup"])
    with pytest.raises(WorkdirMismatch):
        checkpoints.restore()


def test_a_workdir_belongs_to_one_config_and_what_differs_is_named(finished):
    with pytest.raises(WorkdirMismatch, match=r"optim.lr 0.01 -> 0.02") as error:
        train(finished, **{"optim.lr": 0.02})
    assert "\n" not in str(error.value)


def test_knobs_that_change_nothing_learned_may_change(copied, finished):
    unfinish(copied, 20)
    train(copied, keep_checkpoints=2, **{"parallel.map": "pmap"})
    assert {line["step"] for line in lines_of(copied)} == {10, 20, 30, 40}


def test_two_runs_cannot_share_a_workdir(tmp_path):
    with tracking.Workdir(tmp_path, writes=True), pytest.raises(WorkdirError, match=r"in use by \d+@") as error:
        train(tmp_path)
    assert "\n" not in str(error.value)


def test_a_workdir_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkdirError, match="cannot be written"):
        train(tmp_path / "file" / "run")


def test_a_loss_that_is_not_finite_stops_the_run_and_spares_the_checkpoints(copied, monkeypatch):
    unfinish(copied, 20)
    load = loop.RowRun.load

    def spoiled(self, arrays):
        load(self, arrays | {"params.head.bias": np.full_like(arrays["params.head.bias"], np.nan)})

    monkeypatch.setattr(loop.RowRun, "load", spoiled)
    with pytest.raises(NotFiniteError, match=r"row 'ERM', seed 0, is nan before step 30"):
        train(copied)
    steps = sorted(int(p.name) for p in (copied / "checkpoints").iterdir() if p.name.isdigit())
    assert steps == [20], "a state that is not finite must never become the newest checkpoint"


def test_a_batch_larger_than_the_training_set_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="batch_size is 512, must be at most the 256 training examples"):
        train(tmp_path, batch_size=512)


def test_rows_may_differ_in_length(tmp_path):
    config = tiny()
    config.rows = {"short": {"steps": 5}, "long": {}}
    config.claims = ()
    loop.train(config, tmp_path, ONE_DEVICE)
    steps = {row: [line["step"] for line in lines_of(tmp_path) if line["row"] == row] for row in ("short", "long")}
    assert steps == {"short": [5, 5], "long": [10, 10, 20, 20, 30, 30, 40, 40]}


def test_evaluate_finds_in_the_checkpoints_what_the_run_reported(copied):
    lines = evaluate(copied, "all")
    reported = {(line["step"], line["row"], line["seed"]): line for line in lines_of(copied)}
    assert {line["step"] for line in lines} == {20, 30, 40}, "three checkpoints are kept"
    for line in lines:
        run = reported[line["step"], line["row"], line["seed"]]
        if line["step"] == 40:
            metrics = {key: value for key, value in run.items() if "/" in key and key != "train/loss"}
            assert metrics == pytest.approx({key: line[key] for key in metrics}, rel=1e-5, abs=1e-7)
    assert len(list(loop.read_lines(copied / "evaluation.jsonl"))) == len(lines) == 12


def test_evaluate_refuses_a_step_that_is_not_there(finished):
    with pytest.raises(ConfigError, match="'15', must be last, all"):
        evaluate(finished, "15")


def test_the_config_of_a_run_is_read_back_as_it_was(finished):
    run = json.loads((finished / "config.json").read_text())
    rows = configs.rows_of(run, {})
    assert configs.differences(run, configs.snapshot(tiny(), rows)) == []

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
from lamv.evaluate import Options, evaluate
from lamv.results import runs
from lamv.trackers import mirror
from lamv.train import loop, tracking
from lamv.train.checkpoint import Checkpoints
from tests.sessions import Shared
from tests.trackers import readers

TINY = Path(__file__).parents[1] / "recipes" / "tiny.py"
ONE_DEVICE = {"parallel.devices": 1}


@pytest.fixture(scope="module", autouse=True)
def compiled_once():
    """What the first run compiles, the others need not; tests/chaos goes on in new processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "Session", Shared)
        yield


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
    """Make a finished workdir one that was killed after the checkpoint of step `keep`; 0: before the first."""
    for name in ("DONE", "summary.json"):
        (workdir / name).unlink()
    if not keep:
        timing = workdir / "timing.jsonl"
        lines = timing.read_text().splitlines(keepends=True)
        timing.write_text("".join(line for line in lines if "event" not in line))
    for step in (workdir / "checkpoints").iterdir():
        if step.name.isdigit() and int(step.name) > keep:
            shutil.rmtree(step)


def assert_same_end(workdir, finished):
    for name in ("DONE", "metrics.jsonl"):
        assert (workdir / name).read_text() == (finished / name).read_text(), f"{name} differs from the unbroken run's"


def lines_of(workdir, name="metrics.jsonl"):
    return tracking.Lines(workdir / name, writes=False).parsed()


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


@pytest.mark.parametrize("keep", [0, 20, 30, 40])
def test_a_run_resumed_from_any_checkpoint_ends_with_the_same_bits(copied, finished, keep):
    unfinish(copied, keep)
    with open(copied / "metrics.jsonl", "a") as file:
        file.write('{"step": 35, "row": "ERM", "torn')
    train(copied)
    assert_same_end(copied, finished)


def test_periods_of_checkpoints_do_not_change_a_bit(finished, tmp_path):
    train(tmp_path / "run", checkpoint_every=7)
    assert (tmp_path / "run" / "checkpoints" / "35").is_dir()
    assert_same_end(tmp_path / "run", finished)


def test_a_signal_saves_and_the_same_command_goes_on_to_the_same_end(finished, tmp_path, monkeypatch):
    advance = loop.Stack.advance

    def interrupted(self, start, stop):
        advance(self, start, stop)
        if stop == 20 and self.rows[0].name == "ERM":
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Stack, "advance", interrupted)
        with pytest.raises(Preempted, match="SIGTERM at step 20 of 40"):
            train(tmp_path / "run")
    train(tmp_path / "run")
    assert_same_end(tmp_path / "run", finished)


def test_a_tracker_follows_a_run_that_resumes_and_changes_no_bit_of_it(copied, finished, monkeypatch):
    monkeypatch.setattr(mirror, "results_of", lambda workdir: None)
    unfinish(copied, 20)
    with mirror.Mirror(copied, ["tensorboard"]) as tracked:
        loop.train(tiny(), copied, ONE_DEVICE, began=tracked.begin)
        tracked.finish(patience=None)
    assert_same_end(copied, finished)
    held = {run: [step for step, _ in points] for run, (_, points) in readers.tensorboard_files(copied).runs.items()}
    assert held == {f"{row}/seed {seed}": [10, 20, 30, 40] for row in ("ERM", "Mixup") for seed in (0, 1)}


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


@pytest.mark.parametrize("gone", ["the folder", "what is in it"])
def test_where_checkpoints_are_gone_and_lines_stand_the_run_refuses_to_start_anew(copied, finished, gone):
    unfinish(copied, 40)
    shutil.rmtree(copied / "checkpoints")
    if gone == "what is in it":
        (copied / "checkpoints").mkdir()
    with pytest.raises(CheckpointError, match="has lines of steps that were trained, and its checkpoints are gone"):
        train(copied)
    assert (copied / "metrics.jsonl").read_text() == (finished / "metrics.jsonl").read_text()


def test_a_run_killed_before_its_first_checkpoint_begins_again_and_says_so(copied, finished, caplog):
    unfinish(copied, 0)
    train(copied)
    assert "stopped before its first checkpoint; it begins at step 0 again" in caplog.text
    assert_same_end(copied, finished)


def a_digit(text):
    return text.replace("0.", "1.", 1)


@pytest.mark.parametrize(
    "step, damage, told",
    [
        (20, a_digit, True),
        (20, None, True),
        (20, lambda text: text[:-9], False),  # of a step that is taken again
        (40, lambda text: text[:-9], True),
        (40, lambda text: text + text, False),
    ],
)
def test_metrics_come_back_from_the_checkpoint_to_the_byte(copied, finished, caplog, step, damage, told):
    unfinish(copied, step)
    path = copied / "metrics.jsonl"
    path.unlink() if damage is None else path.write_text(damage(path.read_text()))
    train(copied)
    assert ("metrics.jsonl is written again" in caplog.text) == told
    assert_same_end(copied, finished)


@pytest.mark.parametrize(
    "name, damage",
    [
        ("metrics.jsonl", a_digit),
        ("metrics.jsonl", None),
        ("summary.json", a_digit),
        ("summary.json", lambda text: "[1]"),
        ("summary.json", None),
        ("DONE", lambda text: text[:50]),
    ],
)
def test_what_a_finished_run_lost_is_made_again_and_told(copied, finished, caplog, name, damage):
    path = copied / name
    path.unlink() if damage is None else path.write_text(damage(path.read_text()))
    train(copied)
    for file in ("metrics.jsonl", "summary.json", "DONE"):
        assert (copied / file).read_text() == (finished / file).read_text(), file
    assert name in caplog.text


def test_what_a_finished_run_came_to_does_not_depend_on_other_files(copied, finished):
    """config.json may have other claims by now, and provenance.json another account of the data."""
    run = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(run | {"title": "another", "claims": [[]]}))
    (copied / "provenance.json").write_text("{}")
    train(copied)
    assert (copied / "summary.json").read_text() == (finished / "summary.json").read_text()
    (copied / "summary.json").unlink()
    train(copied)
    assert (copied / "summary.json").read_text() == (finished / "summary.json").read_text()


@pytest.mark.parametrize("change", [{"sha256": "0"}, {"metrics": 3}])
def test_a_done_that_was_changed_is_made_again(copied, finished, caplog, change):
    path = copied / "DONE"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    train(copied)
    assert "DONE is damaged" in caplog.text and path.read_text() == (finished / "DONE").read_text()


def test_a_run_that_an_earlier_version_finished_is_left_as_it_is(copied, finished):
    path = copied / "DONE"
    path.write_text(json.dumps({"sha256": json.loads(path.read_text())["sha256"]}))
    before = path.read_text()
    assert train(copied) == json.loads((finished / "summary.json").read_text()) and path.read_text() == before


def test_without_checkpoints_metrics_that_changed_are_not_believed(copied):
    shutil.rmtree(copied / "checkpoints")
    train(copied)  # nothing to do: checkpoints of a finished run may go
    path = copied / "metrics.jsonl"
    path.write_text(a_digit(path.read_text()))
    with pytest.raises(CheckpointError, match="its checkpoints are gone"):
        train(copied)


def test_what_changed_around_a_run_is_told_and_kept(copied, finished, caplog):
    unfinish(copied, 20)
    stored = json.loads((copied / "provenance.json").read_text())
    stored["packages"]["jax"], stored["device"]["kind"], stored["xla_flags"] = "0.9.9", "TPU v9", "--xla_fast"
    (copied / "provenance.json").write_text(json.dumps(stored))
    train(copied)
    [line] = [record.getMessage() for record in caplog.records if "has changed" in record.getMessage()]
    for words in ("jax 0.9.9 -> ", "device.kind TPU v9 -> cpu", "xla_flags --xla_fast -> "):
        assert words in line
    now = json.loads((copied / "provenance.json").read_text())
    [entry] = now["history"]
    assert entry["until_step"] == 20 and entry["packages"]["jax"] == "0.9.9" and now["packages"]["jax"] != "0.9.9"
    assert_same_end(copied, finished)
    assert any(
        "At step 20 the run went on with something else: jax 0.9.9 -> " in note for note in runs.read(copied).notes
    )
    caplog.clear()
    unfinish(copied, 40)
    train(copied)
    assert "has changed" not in caplog.text
    assert json.loads((copied / "provenance.json").read_text())["history"] == [entry]


@pytest.mark.parametrize("content", ["{", "[]", '{"data": [3]}'])
def test_a_provenance_that_cannot_be_read_is_not_passed_over(copied, content):
    unfinish(copied, 20)
    (copied / "provenance.json").write_text(content)
    with pytest.raises(WorkdirMismatch, match="provenance.json") as error:
        train(copied)
    assert "\n" not in str(error.value)


def test_without_a_provenance_the_checkpoint_knows_its_data(copied, finished, caplog):
    unfinish(copied, 20)
    (copied / "provenance.json").unlink()
    train(copied)
    assert "provenance.json was missing and is written anew" in caplog.text
    assert_same_end(copied, finished)


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
    train(copied, keep_checkpoints=2, **{"data.verify": "official"})
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
    load = loop.VariantRun.load

    def spoiled(self, arrays):
        load(self, arrays | {"params.head.bias": np.full_like(arrays["params.head.bias"], np.nan)})

    monkeypatch.setattr(loop.VariantRun, "load", spoiled)
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
    lines = evaluate(copied, "all", options=Options(brief=True))
    reported = {(line["step"], line["row"], line["seed"]): line for line in lines_of(copied)}
    assert {line["step"] for line in lines} == {20, 30, 40}, "three checkpoints are kept"
    for line in lines:
        run = reported[line["step"], line["row"], line["seed"]]
        if line["step"] == 40:
            metrics = {key: value for key, value in run.items() if "/" in key and key != "train/loss"}
            assert metrics == pytest.approx({key: line[key] for key in metrics}, rel=1e-5, abs=1e-7)
    assert len(lines_of(copied, "evaluation.jsonl")) == len(lines) == 12


def test_evaluate_refuses_a_step_that_is_not_there(finished):
    with pytest.raises(ConfigError, match="'15', must be last, all"):
        evaluate(finished, "15")


def test_the_config_of_a_run_is_read_back_as_it_was(finished):
    run = json.loads((finished / "config.json").read_text())
    rows = configs.rows_of(run, {})
    assert configs.differences(run, configs.snapshot(tiny(), rows)) == []

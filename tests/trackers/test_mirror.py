"""Trackers follow metrics.jsonl: every step once, however the run goes on; and what one of them does is its own affair."""

import json
import logging
import threading

import pytest
from filelock import FileLock

from lamv import trackers
from lamv.errors import ConfigError, DataError, StorageError, WorkdirError
from lamv.trackers import mirror as room
from lamv.trackers.base import Results, TrackedRun, identity
from lamv.trackers.tensorboard import TensorBoard
from tests import workdirs
from tests.trackers import readers

RESULTS = Results(20, True, [], [], "")


class Recorder:
    """A tracker that remembers what it is told, from one opening to the next. held: {run: [(step, metrics)]}."""

    package = "json"  # what is imported, and is always there

    def __init__(self, workdir):
        self.view, self.ended = "here", []

    def begin(self, run):
        return max((step for step, _ in self.held.setdefault(run.name, [])), default=-1)

    def log(self, run, points):
        self.held[run.name] += points

    def finish(self, results):
        self.ends.append(results)


@pytest.fixture
def recorder(monkeypatch):
    """The class of a tracker called "recorder", the only one there is."""
    made = type("OneRecorder", (Recorder,), {"held": {}, "ends": []})
    monkeypatch.setattr(room, "TRACKERS", {"recorder": made})
    monkeypatch.setattr(room, "results_of", lambda workdir: RESULTS)
    monkeypatch.setattr(room, "PAUSE", 0.01)
    monkeypatch.setattr(room, "HASTE", None)  # however slow this machine is
    return made


@pytest.fixture
def workdir(tmp_path):
    """A run at its first step of two."""
    made = workdirs.four_methods(seeds=2, names={"ERM": "erm", "LS .1": "label_smoothing"})
    return workdirs.write(tmp_path / "run", made, finished=False)


def go_on(workdir, step):
    lines = (workdir / "metrics.jsonl").read_text().splitlines()[:4]
    with open(workdir / "metrics.jsonl", "a") as file:
        file.writelines(json.dumps(json.loads(line) | {"step": step}) + "\n" for line in lines)


def follow(workdir, *names, **how):
    with trackers.Mirror(workdir, names or ("recorder",)) as mirror:
        mirror.begin()
        mirror.finish(**how)
    return mirror


def test_every_line_is_handed_over_once_while_the_run_goes_on_and_after(workdir, recorder):
    arrived = threading.Event()
    log = recorder.log
    recorder.log = lambda self, run, points: (log(self, run, points), arrived.set())
    with trackers.Mirror(workdir, ["recorder"]) as mirror:
        mirror.begin()
        assert arrived.wait(60), "nothing arrives while the run goes on"
        go_on(workdir, 20)
        with open(workdir / "metrics.jsonl", "a") as file:
            file.write('{"step": 30, "row": "ERM", "rep')  # a line that is being written
        mirror.finish()
    text = (workdir / "metrics.jsonl").read_text()
    (workdir / "metrics.jsonl").write_text(text[: text.rindex("\n") + 1])
    assert recorder.held == readers.metrics(workdir) and recorder.ends == [RESULTS]


def test_a_run_that_resumes_repeats_no_step_and_loses_none(workdir, recorder):
    go_on(workdir, 20)
    follow(workdir)
    lines = (workdir / "metrics.jsonl").read_text().splitlines(keepends=True)
    (workdir / "metrics.jsonl").write_text("".join(lines[:4]))  # back to the checkpoint of step 10
    with trackers.Mirror(workdir, ["recorder"]) as mirror:
        mirror.begin()
        go_on(workdir, 20)
        go_on(workdir, 30)
    assert recorder.held == readers.metrics(workdir)
    assert recorder.ends == [RESULTS, None], "the second was interrupted"
    assert [[step for step, _ in points] for points in recorder.held.values()] == [[10, 20, 30]] * 4


@pytest.mark.parametrize("error", [OSError("no route to host"), SystemExit(3)], ids=["error", "exit"])
@pytest.mark.parametrize("call", ["__init__", "begin", "log", "finish"])
def test_a_tracker_that_fails_is_one_line_and_the_others_have_all(call, error, workdir, recorder, monkeypatch, caplog):
    def fail(*_):
        raise error

    broken = type("Broken", (Recorder,), {"held": {}, "ends": [], call: fail})
    monkeypatch.setitem(room.TRACKERS, "broken", broken)
    follow(workdir, "broken", "recorder")
    [said] = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert said.startswith(f"tracker broken is dropped: {type(error).__name__}: {error}; ")
    assert said.endswith(f"experiments.export --workdir={workdir} --to=broken sends the rest")
    assert recorder.held == readers.metrics(workdir) and recorder.ends == [RESULTS]
    with pytest.raises(StorageError, match="not all could be sent to broken"):
        trackers.export(workdir, ["broken"])


def test_a_tracker_that_hangs_is_not_waited_for(workdir, recorder, caplog):
    woken = threading.Event()
    recorder.log = lambda *_: woken.wait(60)
    mirror = follow(workdir, patience=0.05)
    [hanging] = mirror.followers
    assert mirror.hangs
    assert "was not done after 0 s" in hanging.failure and hanging.failure in caplog.text
    woken.set()
    hanging.join()


def test_a_tracker_that_is_not_installed_is_a_line_with_the_command_that_installs_it(workdir, recorder, caplog):
    recorder.package = "no_such_package"
    follow(workdir)
    assert [record.message for record in caplog.records] == [
        "tracker recorder is left out, as it is not installed: python -m pip install no_such_package"
    ]
    with pytest.raises(ConfigError, match="not installed; python -m pip install no_such_package"):
        trackers.export(workdir, ["recorder"])


def test_figures_that_cannot_be_drawn_stop_nothing(workdir, recorder, monkeypatch, caplog):
    monkeypatch.setattr(room, "results_of", lambda workdir: 1 / 0)
    follow(workdir)
    assert "trackers get no figures and tables: ZeroDivisionError" in caplog.text
    assert recorder.held == readers.metrics(workdir) and recorder.ends == [None]


def test_what_trackers_print_is_not_among_the_results(workdir, recorder, capsys):
    recorder.begin = lambda self, run: print("noise") or -1
    recorder.held = {name: [] for name in readers.metrics(workdir)}
    follow(workdir)
    print("table")
    assert capsys.readouterr().out == "table\n"


def test_one_process_at_a_time(workdir, recorder, caplog):
    with FileLock(workdir / ".recorder.lock"):
        follow(workdir)
    assert "another process tracks" in caplog.text and not recorder.held
    assert trackers.export(workdir, ["recorder"]) == {"recorder": 4}


def test_damaged_lines_are_said_and_left_out(workdir, recorder, caplog):
    truth = readers.metrics(workdir)
    with open(workdir / "metrics.jsonl", "a") as file:
        file.write("no line\n")
    follow(workdir)
    assert recorder.held == truth and "1 of metrics.jsonl's lines cannot be read" in caplog.text


def test_names_are_checked():
    assert trackers.checked("track", ["wandb", " mlflow", "wandb"]) == ["wandb", "mlflow"]
    with pytest.raises(ConfigError, match=r"--track has 'tensorbord', must be of .*did you mean 'tensorboard'"):
        trackers.checked("track", ["wandb", "tensorbord"])


def test_only_training_runs_are_exported(tmp_path, recorder):
    with pytest.raises(DataError, match="does not exist"):
        trackers.export(tmp_path / "none", ["recorder"])
    workdirs.dump(tmp_path / "config.json", {"experiment": "collisions"})
    with pytest.raises(DataError, match="an experiment on theory, which has no curves"):
        trackers.export(tmp_path, ["recorder"])


def test_a_workdir_keeps_its_identity_and_no_other_has_it(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    assert identity(one) == identity(one) != identity(other)


@pytest.mark.parametrize("content", ["", "{}", '{"id": "../../../../home"}', '{"id": 3}', "[]"])
def test_an_identity_that_is_none_of_ours_is_refused(content, tmp_path):
    (tmp_path / "trackers.json").write_text(content)
    with pytest.raises(WorkdirError, match="trackers.json is not as lamv writes it"):
        identity(tmp_path)


def test_rows_may_have_any_name_and_each_has_its_own_folder(tmp_path):
    names = ["../..", "a/b", "a_b", "", ".", "x" * 300, "x" * 301]
    tracker = TensorBoard(tmp_path)
    for number, name in enumerate(names):
        tracker.begin(TrackedRun(name, number, 0, 0, {}))
    folders = {path.parents[1] for path in tmp_path.rglob("events.out.*")}
    assert len(folders) == len(names) and {folder.parent for folder in folders} == {tmp_path / "tensorboard"}


def test_knobs_are_what_trackers_can_show():
    config = {"method": {"name": "mixup", "alpha": 1.0}, "model": {"widths": [16, 8]}, "epochs": None, "steps": 3}
    assert TrackedRun("r", 0, 0, 0, config).knobs == {
        "method.name": "mixup", "method.alpha": 1.0, "model.widths": "[16, 8]", "steps": 3
    }  # fmt: skip

"""The loop of a sweep, with a launcher that makes results up: killed, failing, retried, it ends in the same table."""

import json
import signal

import pytest

from lamv.errors import Preempted
from lamv.sweep import collect, driver, plan
from tests.sweep.made_up import planned, train


class MadeUp:
    """A launcher of one program at a time. fails: {cell: (exit code, culprit or "")}; stops_after: programs, then SIGTERM."""

    def __init__(self, workdir, fails=(), stops_after=None, codes=()):
        self.workdir, self.fails, self.left = workdir, dict(fails), stops_after
        self.running, self.begun, self.stopped = [], [], False
        self.codes = list(codes)
        self.driver = None

    def start(self, waiting):
        self.running = list(waiting[:1]) if not self.running else []
        self.begun += self.running
        return list(self.running)

    def ended(self):
        [program], self.running = self.running or [None], []
        if program is None:
            return []
        if self.left == 0:
            signal.raise_signal(signal.SIGTERM)
            self.running = [program]
            return []
        self.left = None if self.left is None else self.left - 1
        if self.codes:
            return [(program, self.codes.pop(0))]
        bad = [cell for cell in program.cells if cell in self.fails]
        if bad:
            code, culprit = self.fails[bad[0]]
            if code > 0:
                collect.failed(plan.folder_of(self.workdir, program.id), code, "it failed", culprit)
            return [(program, code)]
        train(self.workdir, self.driver.plan, program)
        return [(program, 0)]

    def stop(self):
        self.stopped = True


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """Run the sweep of made_up.GRID in a workdir; returns the launcher and the content of sweep.json."""
    monkeypatch.setattr(driver, "PAUSE", 0.0)
    monkeypatch.setattr(driver, "WAIT", 0.0)

    def run(name="sweep", final=0, **how):
        workdir = tmp_path / name
        launcher = MadeUp(workdir, **how)
        found = plan.grown(plan.read(workdir), planned(), 50, 1)
        launcher.driver = driver.Driver(workdir, found, list(found.cells), collect.rule_of("valid_accuracy"), "")
        launcher.driver.train(launcher, launcher.driver.to_do())
        content = launcher.driver.write()
        if final:
            launcher.driver.train(launcher, launcher.driver.final(content["best"], final))
            content = launcher.driver.write()
        assert json.loads((workdir / "sweep.json").read_text()) == json.loads(json.dumps(content))
        return launcher, content

    return run


def statuses(content):
    return [cell["status"] for cell in content["cells"]]


def without_programs(content):
    return {key: [cell | {"program": ""} for cell in value] if key == "cells" else value
            for key, value in content.items()}  # fmt: skip


def test_a_sweep_stopped_three_times_ends_in_the_same_table(sweep, tmp_path):
    _, unbroken = sweep("unbroken")
    for finished in (0, 1, 0):
        with pytest.raises(Preempted, match="stopped by SIGTERM, .* of 6 cells are done, the others saved"):
            sweep("stopped", stops_after=finished)
    launcher, content = sweep("stopped")
    assert content == unbroken and len(launcher.begun) == 1, "a finished cell was trained again"
    assert (tmp_path / "stopped" / "sweep.csv").read_text() == (tmp_path / "unbroken" / "sweep.csv").read_text()
    assert sweep("stopped")[0].begun == []


def test_a_cell_that_fails_takes_no_other_down(sweep):
    ids = list(planned().cells)
    _, plain = sweep("plain")
    launcher, content = sweep(fails={ids[3]: (70, ids[3])})
    assert statuses(content) == ["done"] * 3 + ["failed"] + ["done"] * 2
    assert content["cells"][3]["error"] == "it failed" and content["tried"] == 6
    assert len(launcher.begun) == 3, "ERM, the program with the culprit, and that without it"
    assert sweep()[0].begun == [], "what failed is run again on request only"
    assert [cell for cell in content["cells"] if cell["status"] == "done"][0]["metrics"] == plain["cells"][0]["metrics"]


def test_a_failure_without_a_culprit_is_found_by_halving(sweep):
    ids = list(planned().cells)
    launcher, content = sweep(fails={ids[4]: (-signal.SIGKILL, "")})
    assert statuses(content) == ["done"] * 4 + ["failed"] + ["done"]
    assert "SIGKILL, as the system does with a process that takes too much memory" in content["cells"][4]["error"]
    assert [len(program.cells) for program in launcher.begun] == [2, 4, 2, 2, 1, 1]


def test_what_another_cut_would_not_mend_fails_as_a_whole(sweep):
    launcher, content = sweep(fails={list(planned().cells)[4]: (65, "")})
    assert statuses(content) == ["done"] * 2 + ["failed"] * 4 and len(launcher.begun) == 2


def test_a_failed_cell_that_is_asked_for_again_is_trained(sweep, tmp_path):
    ids = list(planned().cells)
    _, failed = sweep(fails={ids[3]: (70, ids[3])})
    (plan.folder_of(tmp_path / "sweep", ids[3]) / collect.FAILURE).unlink()
    launcher, content = sweep()
    assert [program.cells for program in launcher.begun] == [(ids[3],)]
    assert without_programs(content) == without_programs(sweep("plain")[1])


def test_a_program_that_was_stopped_or_is_in_use_is_started_again(sweep):
    launcher, content = sweep(codes=[75, 73])
    assert statuses(content) == ["done"] * 6 and len(launcher.begun) == 4


def test_a_sweep_killed_between_a_failure_and_its_cut_cuts_when_it_goes_on(sweep, tmp_path):
    made = planned()
    large = next(program for program in made.programs.values() if len(program.cells) == 4)
    (tmp_path / "sweep").mkdir()
    plan.write(tmp_path / "sweep", made)
    collect.failed(plan.folder_of(tmp_path / "sweep", large.id), 70, "it failed", large.cells[1])
    _, content = sweep()
    assert [cell["id"] for cell in content["cells"] if cell["status"] == "failed"] == [large.cells[1]]


def test_the_chosen_cell_is_trained_with_other_seeds(sweep, tmp_path):
    _, content = sweep(final=3)
    best, final = content["best"], content["final"]
    assert final["id"] == best and final["seeds"] == [2, 3] and final["metrics"]["valid/accuracy"]["n"] == 3
    assert statuses(content) == ["done"] * 6
    assert sweep(final=3)[0].begun == [], "a finished training is not repeated"

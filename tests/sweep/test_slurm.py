"""What the SLURM launcher makes of its flags, and of jobs that are there, gone or done; a cluster is in test_slurm_cluster."""

import subprocess
import sys

import pytest

from lamv.errors import ConfigError
from lamv.sweep import plan, slurm
from tests.sweep.made_up import planned, train


def test_options_are_numbers_and_texts():
    found = slurm.options("partition=gpu,time=60,gpus_per_node=1,mem=16GB", 4)
    assert (
        found.parameters == {"partition": "gpu", "time": 60, "gpus_per_node": 1, "mem": "16GB"} and found.per_job == 4
    )
    assert slurm.options("", 1) == slurm.SlurmOptions({}, 1)


@pytest.mark.parametrize("text, per_job, words", [
    ("gpu", 1, "--slurm has 'gpu', must be KEY=VALUE"), ("a b=1", 1, "must be KEY=VALUE"), ("", 0, "--per_job is 0"),
])  # fmt: skip
def test_what_are_no_options_is_a_line(text, per_job, words):
    with pytest.raises(ConfigError, match=words):
        slurm.options(text, per_job)


def test_a_missing_submitit_is_a_line_with_the_command_that_installs_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ConfigError, match="needs submitit; install it: pip install 'lamv\\[slurm\\]'"):
        slurm.Slurm(tmp_path, slurm.SlurmOptions(), None)


class OnPaper(slurm.Slurm):
    """Of a cluster that takes every job. chunks: those that were submitted; there: its jobs."""

    def __init__(self, *arguments):
        self.chunks, self.there = [], set()
        super().__init__(*arguments)

    def _set_up(self, jobs):
        return None

    def _submit(self, chunks):
        numbers = [str(len(self.chunks) + place) for place in range(len(chunks))]
        self.chunks += chunks
        self.there |= set(numbers)
        return numbers

    def _alive(self):
        return self.there


@pytest.fixture
def launcher(monkeypatch, tmp_path):
    monkeypatch.setattr(slurm, "EVERY", -1.0)
    monkeypatch.setattr(slurm, "_submitit", lambda: None)
    monkeypatch.setattr(slurm.shutil, "which", lambda name: name)
    return lambda per_job=1: OnPaper(tmp_path, slurm.SlurmOptions({}, per_job), None)


def test_short_programs_share_a_job_and_all_are_watched(launcher, tmp_path):
    programs = [plan.program_of([name]) for name in "abcde"]
    one = launcher(per_job=2)
    assert one.start(programs) == programs and one.running == programs
    assert one.chunks == [["a", "b"], ["c", "d"], ["e"]]


def test_a_job_that_is_gone_is_submitted_again_and_given_up_in_the_end(launcher):
    [program] = programs = [plan.program_of(["a"])]
    one = launcher()
    codes = []
    for _ in range(slurm.TIMES):
        one.start(programs)
        assert one.ended() == [], "it is there"
        one.there.clear()
        codes += [code for _, code in one.ended()]
    assert codes == [75, 75, 1] and len(one.chunks) == slurm.TIMES


def test_what_is_done_has_ended_whatever_its_job_does_next(launcher, tmp_path):
    made = planned()
    first, second = made.programs.values()
    one = launcher(per_job=2)
    one.start([first, second])
    train(tmp_path, made, first)
    assert one.ended() == [(first, 0)] and one.running == [second]


def test_started_again_a_sweep_waits_for_the_jobs_that_are_there(launcher):
    programs = [plan.program_of([name]) for name in "ab"]
    before = launcher()
    before.start(programs)
    after = launcher()
    after.there = {"0"}
    after.start(programs)
    assert after.chunks == [["b"]] and after.running == programs


def test_a_task_that_is_to_end_has_its_program_saved(tmp_path):
    """checkpoint is called in a signal handler, in the middle of the wait for the child."""
    submitit = pytest.importorskip("submitit", reason="submitit is optional")
    task = slurm.Task(tmp_path, ["a", "b"])
    task._process = subprocess.Popen(["sleep", "60"])
    again = task.checkpoint()
    assert task._process.wait(5) == -15
    assert isinstance(again, submitit.helpers.DelayedSubmission)
    assert again.function.programs == ["a", "b"] and again.function._process is None

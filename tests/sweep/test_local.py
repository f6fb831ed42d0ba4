"""Programs as child processes: their shares of a machine, their exit codes, their logs, and stopping them."""

import os
import sys
import time

import pytest

from lamv.sweep import local, plan


@pytest.mark.parametrize(
    "jobs, cores, expected",
    [
        (1, [0, 1, 2], [set()]),  # all of them: nothing is set
        (2, [0, 1, 2, 3], [{0, 1}, {2, 3}]),
        (3, [4, 5, 6, 7], [{4}, {5, 6}, {7}]),
        (3, [0, 1], [{0}, {1}, {0}]),
        (2, [], [set(), set()]),
    ],
)
def test_children_share_the_cores_evenly(jobs, cores, expected):
    assert [slot.cores for slot in local.slots(jobs, cores, [])] == expected


def test_children_share_the_gpus_and_the_memory_of_each():
    def environments(jobs, gpus):
        return [dict(slot.environment) for slot in local.slots(jobs, [0, 1], gpus)]

    assert environments(2, ["0", "1", "2", "3"]) == [{"CUDA_VISIBLE_DEVICES": "0,1"}, {"CUDA_VISIBLE_DEVICES": "2,3"}]
    several = environments(3, ["5", "GPU-ab"])
    assert [one["CUDA_VISIBLE_DEVICES"] for one in several] == ["5", "GPU-ab", "5"]
    assert {one["XLA_PYTHON_CLIENT_MEM_FRACTION"] for one in several} == {"0.450"}


def test_the_gpus_are_those_that_the_environment_shows(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-ab")
    assert local.visible_gpus() == ["2", "GPU-ab"]
    for none in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", none)
        assert local.visible_gpus() == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert local.visible_gpus() == []


@pytest.fixture
def children(monkeypatch, tmp_path):
    """A launcher whose children run the Python that their program is called."""
    monkeypatch.setattr(local, "command", lambda workdir, program: [sys.executable, "-S", "-c", SCRIPTS[program]])
    one = local.Local(tmp_path, 2)
    yield one
    one.stop()


SCRIPTS = {
    "fine": "import os; print('hello', sorted(os.sched_getaffinity(0)))",
    "fails": "import sys; sys.exit(70)",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "saves": "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(75)); print('on', flush=True); time.sleep(60)",
}


def programs(*names):
    return [plan.SweepProgram(name, (name,)) for name in names]


def test_children_end_with_their_exit_codes_and_leave_logs(children, tmp_path):
    waiting, ended = programs("fine", "fails", "killed"), {}
    while waiting or children.running:
        started = children.start(waiting)
        assert len(children.running) <= 2
        waiting = [program for program in waiting if program not in started]
        ended |= {program.id: code for program, code in children.ended()}
        time.sleep(0.01)
    assert ended == {"fine": 0, "fails": 70, "killed": -9}
    assert "hello" in (plan.folder_of(tmp_path, "fine") / local.LOG).read_text()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="of several cores")
def test_a_child_has_its_share_of_the_cores(children):
    children.start(programs("saves", "saves"))
    shares = [os.sched_getaffinity(child.process.pid) for child in children._children]
    assert not shares[0] & shares[1] and shares[0] | shares[1] == os.sched_getaffinity(0)


def test_children_that_are_asked_to_stop_save_first(children, tmp_path):
    children.start(programs("saves"))
    log = plan.folder_of(tmp_path, "saves") / local.LOG
    while "on" not in log.read_text():
        time.sleep(0.01)
    children.stop()
    assert [code for _, code in children.ended()] == [75]

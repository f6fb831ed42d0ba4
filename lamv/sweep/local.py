"""Programs as child processes of this machine, a number of them at once, each with its share of devices or cores."""

import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lamv.errors import StorageError, WorkdirError
from lamv.sweep.plan import SweepProgram, folder_of
from lamv.sweep.worker import STARTED_BY

LOG = "log.txt"
#: Seconds after which children that were asked to stop are killed.
PATIENCE = 120.0


class Slot(NamedTuple):
    """What one child may use: cores by number, and the environment that shows it its GPUs."""

    cores: frozenset[int]
    environment: Mapping[str, str]


class Child(NamedTuple):
    """A running program."""

    program: SweepProgram
    slot: Slot
    process: subprocess.Popen


class Local:
    """Children, `jobs` at once (None: one for every GPU, or one)."""

    def __init__(self, workdir: Path, jobs: int | None):
        gpus = visible_gpus()
        self.jobs = jobs or max(1, len(gpus))
        self._workdir = workdir
        self._free = slots(self.jobs, cores_here(), gpus)
        self._children: list[Child] = []

    @property
    def running(self) -> list[SweepProgram]:
        return [child.program for child in self._children]

    def start(self, waiting: Sequence[SweepProgram]) -> list[SweepProgram]:
        """Start as many of these as there is room for; returns those."""
        started = list(waiting[: len(self._free)])
        for program in started:
            slot = self._free.pop(0)
            self._children.append(Child(program, slot, self._begin(program, slot)))
        return started

    def ended(self) -> list[tuple[SweepProgram, int]]:
        """Programs that ended since this was last asked, with their exit codes; -N for signal N."""
        done = [child for child in self._children if child.process.poll() is not None]
        for child in done:
            self._children.remove(child)
            self._free.append(child.slot)
        return [(child.program, child.process.returncode) for child in done]

    def stop(self) -> None:
        """Ask all to save and stop, and wait for them."""
        for child in self._children:
            child.process.send_signal(signal.SIGTERM)
        until = time.monotonic() + PATIENCE
        for child in self._children:
            try:
                child.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()

    def _begin(self, program: SweepProgram, slot: Slot) -> subprocess.Popen:
        folder = folder_of(self._workdir, program.id)
        environment = {**os.environ, **slot.environment, STARTED_BY: str(os.getpid())}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with open(folder / LOG, "ab") as log:
                # In a session of its own: Ctrl-C reaches the sweep alone, which then asks each child once.
                process = subprocess.Popen(
                    command(self._workdir, program.id), env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise WorkdirError(f"{folder} cannot be written ({error.strerror}); choose another --workdir") from error
        if slot.cores:
            try:
                os.sched_setaffinity(process.pid, slot.cores)  # threads that it begins later have the same
            except OSError as error:
                if process.poll() is None:
                    raise StorageError(f"a child cannot be given cores ({error.strerror})") from error
        return process


def command(workdir: Path, program: str) -> list[str]:
    """The command that trains a program."""
    return [sys.executable, "-m", "lamv", "sweep", f"--workdir={workdir}", f"--program={program}"]


def slots(jobs: int, cores: Sequence[int], gpus: Sequence[str]) -> list[Slot]:
    """The shares of so many children: GPUs, several each or several to one; without GPUs, cores.

    Children of one GPU share its memory, of which JAX would otherwise give three quarters to the first.
    """
    if not gpus:
        return [Slot(frozenset(_share(cores, jobs, number)) if jobs > 1 else frozenset(), {}) for number in range(jobs)]
    together = math.ceil(jobs / len(gpus))
    memory = {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 / together:.3f}"} if together > 1 else {}
    return [
        Slot(frozenset(), {"CUDA_VISIBLE_DEVICES": ",".join(_share(gpus, jobs, number)), **memory})
        for number in range(jobs)
    ]


def cores_here() -> list[int]:
    """Numbers of the cores that this process may use; [] where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def visible_gpus() -> list[str]:
    """NVIDIA's GPUs, as CUDA_VISIBLE_DEVICES names them; found without touching them."""
    if os.environ.get("JAX_PLATFORMS", "") == "cpu":
        return []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip() not in ("", "-1")]
    numbers = [match[1] for path in Path("/dev").glob("nvidia*") if (match := re.fullmatch(r"nvidia(\d+)", path.name))]
    return sorted(numbers, key=int)


def _share(things: Sequence, jobs: int, number: int) -> Sequence:
    """The part of child `number`: things beside one another, or one that it shares where there are too few."""
    if len(things) < jobs:
        return [things[number % len(things)]] if things else []
    ends = [round(part * len(things) / jobs) for part in (number, number + 1)]
    return things[ends[0] : ends[1]]

"""Programs as jobs of a SLURM cluster, through submitit: one job array, in which a task runs one or several programs.

A task that SLURM preempts, or whose time is up, has its program saved and is requeued; one that vanishes is submitted again.
Jobs outlive the command that submitted them: stopped and started again, it waits for those that are there. Which program is
in which job is kept in DIR/slurm/jobs.json, submitit's own files and logs lie beside it.
"""

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lamv import files
from lamv.errors import ConfigError, brief, one_line
from lamv.results import jsonl
from lamv.sweep import collect
from lamv.sweep.local import LOG, command
from lamv.sweep.plan import SweepProgram, folder_of
from lamv.sweep.worker import STARTED_BY

FOLDER = "slurm"
#: Seconds between two questions to SLURM.
EVERY = 5.0
#: How often a program is submitted whose jobs vanish.
TIMES = 3
#: Minutes of a job, unless --slurm=time=MINUTES says otherwise.
MINUTES = 240
GONE, STOPPED = 1, 75
INSTALL = "pip install 'lamv[slurm]', or: pip install submitit"
logger = logging.getLogger("lamv.sweep")


class SlurmOptions(NamedTuple):
    """parameters: of submitit's SlurmExecutor. per_job: programs that a task runs, one after another."""

    parameters: Mapping[str, Any] = {}
    per_job: int = 1


class Task:
    """What a task of the array runs. submitit calls `checkpoint` when SLURM announces the end of the job."""

    def __init__(self, workdir: Path, programs: Sequence[str]):
        self.workdir, self.programs = workdir, list(programs)
        self._process: subprocess.Popen | None = None

    def __call__(self) -> None:
        for program in self.programs:
            folder = folder_of(self.workdir, program)
            folder.mkdir(parents=True, exist_ok=True)
            environment = {**os.environ, STARTED_BY: str(os.getpid())}
            with open(folder / LOG, "ab") as log:
                self._process = subprocess.Popen(
                    command(self.workdir, program), env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
                self._process.wait()

    def checkpoint(self):
        """Have the program saved and stopped; returns the submission that goes on with it."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None:
            # This is a signal handler, in the middle of Popen.wait, whose lock it must not ask for.
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self._process.pid, signal.SIGTERM)
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        return DelayedSubmission(Task(self.workdir, self.programs))


class Slurm:
    """Jobs of the cluster that `sbatch` speaks to. jobs: tasks of the array that run at once; None: as SLURM likes."""

    def __init__(self, workdir: Path, options: SlurmOptions, jobs: int | None):
        self._submitit = _submitit()
        if shutil.which("sbatch") is None:
            raise ConfigError("--launcher is 'slurm', but there is no sbatch on this machine; run this where SLURM is")
        self.jobs = jobs or 1
        self._workdir, self._options = workdir.absolute(), options
        self._executor = self._set_up(jobs)
        self._record = workdir / FOLDER / "jobs.json"
        self._job_of: dict[str, str] = {str(k): str(v) for k, v in jsonl.read_object(self._record, []).items()}
        self._submitted: Counter[str] = Counter()
        self._programs: dict[str, SweepProgram] = {}
        self._asked = -EVERY

    @property
    def running(self) -> list[SweepProgram]:
        return list(self._programs.values())

    def start(self, waiting: Sequence[SweepProgram]) -> list[SweepProgram]:
        """Submit these, but for those whose jobs are there."""
        if not waiting:
            return []
        there = self._alive() or set()
        new = [program for program in waiting if self._job_of.get(program.id) not in there]
        self._programs |= {program.id: program for program in waiting}
        size = self._options.per_job
        chunks = [[program.id for program in new[first : first + size]] for first in range(0, len(new), size)]
        if chunks:
            jobs = self._submit(chunks)
            self._job_of |= {program: job for job, chunk in zip(jobs, chunks, strict=True) for program in chunk}
            self._submitted.update(program.id for program in new)
            files.write_whole(self._record, json.dumps(self._job_of, indent=1) + "\n")
            logger.info("submitted %d programs as SLURM jobs %s", len(new), ", ".join(dict.fromkeys(jobs)))
        return list(waiting)

    def ended(self) -> list[tuple[SweepProgram, int]]:
        """Programs that ended, by their files, or whose jobs are gone."""
        if time.monotonic() < self._asked + EVERY:
            return []
        self._asked = time.monotonic()
        there = self._alive()
        ended = []
        for program in self.running:
            if collect.state_of(folder_of(self._workdir, program.id)).status != collect.WAITING:
                ended.append((program, 0))
            elif there is not None and self._job_of[program.id] not in there:
                ended.append((program, STOPPED if self._submitted[program.id] < TIMES else GONE))
        for program, _ in ended:
            del self._programs[program.id]
        return ended

    def stop(self) -> None:
        """Leave the jobs to SLURM."""
        jobs = dict.fromkeys(self._job_of[program] for program in self._programs)
        logger.info("SLURM goes on with jobs %s; scancel ends them", " ".join(jobs))

    def _set_up(self, jobs: int | None):
        executor = self._submitit.SlurmExecutor(folder=self._workdir / FOLDER / "%j")
        parallel = {"array_parallelism": jobs} if jobs else {}
        given = {"time": MINUTES, "job_name": "lamv-sweep", **parallel, **self._options.parameters}
        try:
            executor.update_parameters(**given)
        except (TypeError, ValueError, AssertionError) as error:
            raise ConfigError(f"--slurm is {brief(dict(self._options.parameters))}: {one_line(error)[:300]}") from None
        return executor

    def _submit(self, chunks: Sequence[Sequence[str]]) -> list[str]:
        """The ids of the jobs of these tasks."""
        try:
            with self._executor.batch():
                jobs = [self._executor.submit(Task(self._workdir, chunk)) for chunk in chunks]
            return [job.job_id for job in jobs]
        except (self._submitit.core.utils.FailedJobError, OSError, subprocess.SubprocessError) as error:
            raise ConfigError(f"SLURM refuses the jobs: {one_line(error)[:300]}; mend --slurm") from None

    def _alive(self) -> set[str] | None:
        """Ids of jobs that wait or run; None where SLURM does not answer."""
        asked = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        return set(done.stdout.split()) if done.returncode == 0 else None


def options(text: str, per_job: int) -> SlurmOptions:
    """Of --slurm=KEY=VALUE,KEY=VALUE and --per_job. Raises ConfigError for what is no such list."""
    if per_job < 1:
        raise ConfigError(f"--per_job is {per_job}, must be at least 1")
    parameters: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        key, is_given, value = part.partition("=")
        if not is_given or not key.strip().isidentifier():
            raise ConfigError(
                f"--slurm has {brief(part)}, must be KEY=VALUE, as in partition=gpu,time=60,gpus_per_node=1"
            )
        parameters[key.strip()] = int(value) if value.strip().isdecimal() else value.strip()
    return SlurmOptions(parameters, per_job)


def _submitit():
    try:
        import submitit
    except ImportError:
        raise ConfigError(f"--launcher is 'slurm', which needs submitit; install it: {INSTALL}") from None
    return submitit

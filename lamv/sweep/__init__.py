"""Many trainings from one command: a grid of knobs, cut into programs, trained, collected, the best one chosen.

    DIR/plan.json      cells and programs, so that the same command goes on (lamv.sweep.plan)
    DIR/programs/ID    an ordinary workdir for each program; log.txt in it, and failed.json where it failed
    DIR/sweep.json     what it came to (lamv.sweep.collect); sweep.csv has a line for each cell and seed
    DIR/sweep.html     the page (lamv.report.sweep_page)

A program is a process: python -m experiments.sweep --workdir=DIR --program=ID, started by this command, by SLURM or by hand.
"""

import contextlib
import logging
import shlex
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import filelock

from lamv import files
from lamv.errors import WorkdirError, WorkdirMismatch, listed
from lamv.sweep import collect, local, plan, selection, slurm
from lamv.sweep.cells import Base, SweepCell
from lamv.sweep.collect import SelectionRule
from lamv.sweep.driver import Driver
from lamv.sweep.plan import SweepPlan

logger = logging.getLogger("lamv.sweep")
LAUNCHERS = ("local", "slurm", "print")


class Question(NamedTuple):
    """What is asked of a sweep. rows: cells of a program, at most. jobs: programs at once, None for a default."""

    workdir: Path
    title: str
    base: Base
    axes: Sequence[str]
    cells: Sequence[SweepCell]
    rule: SelectionRule
    launcher: str = "local"
    jobs: int | None = None
    rows: int = 50
    final_seeds: int = 0
    retry: bool = False
    options: slurm.SlurmOptions = slurm.SlurmOptions()
    command: str = ""


def sweep(asked: Question) -> dict[str, Any]:
    """Train what is not trained yet, and return the content of sweep.json. Raises LamvError's subclasses, with exit codes.

    A cell that fails is in the content; it stops no other.
    """
    if (asked.workdir / "config.json").exists():
        raise WorkdirMismatch(f"{asked.workdir} is the workdir of one run; choose another --workdir for the sweep")
    selection.check(asked.rule, asked.cells)
    with _locked(asked.workdir):
        wanted = plan.empty(asked.title, asked.base, asked.axes, asked.cells)
        launcher = _launcher(asked)
        planned = plan.grown(plan.read(asked.workdir), wanted, asked.rows, launcher.jobs if launcher else 1)
        if asked.base.left_out:
            logger.info("rows of the recipe are left out, as the grid has method.name: %s", listed(asked.base.left_out))
        if asked.retry:
            _forget_failures(asked.workdir, planned)
        driver = Driver(asked.workdir, planned, [cell.id for cell in asked.cells], asked.rule, asked.command)
        if launcher is None:
            driver.mend()
            return driver.write()
        driver.train(launcher, driver.to_do())
        content = driver.write()
        if asked.final_seeds and content["best"]:
            driver.train(launcher, driver.final(content["best"], asked.final_seeds))
            content = driver.write()
        return content


def commands(workdir: Path) -> list[str]:
    """The commands of the programs that are not done, for a shell."""
    planned = plan.read(workdir)
    waiting = [
        id for id in (planned.programs if planned else ())
        if collect.state_of(plan.folder_of(workdir, id)).status != collect.DONE
    ]  # fmt: skip
    return [shlex.join(local.command(workdir, id)) for id in waiting]


def _launcher(asked: Question):
    if asked.launcher == "slurm":
        return slurm.Slurm(asked.workdir, asked.options, asked.jobs)
    return local.Local(asked.workdir, asked.jobs) if asked.launcher == "local" else None


def _forget_failures(workdir: Path, planned: SweepPlan) -> None:
    for id in planned.programs:
        (plan.folder_of(workdir, id) / collect.FAILURE).unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(workdir: Path) -> Generator[None]:
    """Hold a folder for this sweep alone. Raises WorkdirError where another process has it, or it cannot be written."""
    lock = filelock.FileLock(workdir / ".sweep.lock", timeout=0)
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise WorkdirError(
            f"the sweep in {workdir} is run by another process; wait for it, or choose another --workdir"
        ) from None
    except OSError as error:
        raise files.not_written(workdir, error, 0) from error
    with lock:
        yield

"""Training one program of a sweep: what a child process, a SLURM task or a human does with --program=ID."""

import ctypes
import os
import signal
import sys
from pathlib import Path

from lamv.errors import ConfigError, LamvError, NotFiniteError, Preempted, WorkdirError, nearest, one_line
from lamv.sweep import collect, plan
from lamv.train import loop

#: Process id of who started this one, and stops it when it ends itself.
STARTED_BY = "LAMV_SWEEP_STARTED_BY"
#: What says nothing of the program: stopped, or somebody else is at it.
NOT_ITS_OWN = (Preempted, WorkdirError)


def train(workdir: Path, program: str) -> None:
    """Train a program to its end, or go on with it; what it fails of is kept beside it (lamv.sweep.collect).

    Raises what lamv.train.loop.train does, and ConfigError for a program that the plan does not have.
    """
    stop_with_starter()
    planned = plan.read(workdir)
    if planned is None or program not in planned.programs:
        known = planned.programs if planned else ()
        raise ConfigError(f"--program is {program!r}{nearest(program, known)}, must be one in {workdir / plan.FILE}")
    folder = plan.folder_of(workdir, program)
    (folder / collect.FAILURE).unlink(missing_ok=True)  # of the last time
    try:
        loop.train(planned.recipe(planned.programs[program]), folder)
    except NOT_ITS_OWN:
        raise
    except LamvError as error:
        names = {cell.name: cell.id for cell in planned.cells.values()}
        row = names.get(error.row, "") if isinstance(error, NotFiniteError) else ""
        collect.failed(folder, error.exit_code, str(error), row)
        raise
    except Exception as error:
        collect.failed(folder, 1, one_line(error))
        raise


def stop_with_starter() -> None:
    """Be asked to stop by the kernel when the process that started this one is gone, however it went. On Linux."""
    starter = os.environ.get(STARTED_BY)
    if starter and sys.platform == "linux":
        set_signal_of_parents_death = 1  # PR_SET_PDEATHSIG of sys/prctl.h
        ctypes.CDLL(None).prctl(set_signal_of_parents_death, signal.SIGTERM)
        if os.getppid() != int(starter):  # gone already
            os.kill(os.getpid(), signal.SIGTERM)

"""Train a recipe at many settings, choose the best one, and report.

    python -m experiments.sweep --config=configs/digits_tag.py --workdir=runs/sweep --config.data.valid_size=300
        --grid='method.name=erm,mixup;method.alpha=.1,.5,1;model.name=mlp,linear' [--zip='optim.lr=.1,.01;steps=100,1000']
        [--random=40] [--select=valid_accuracy] [--final_seeds=10] [--launcher=local|slurm|print] [--jobs=N] [--retry]

Every value of --grid meets every other; knobs of a --zip move together; --random draws some of all points, also from ranges:
optim.lr=log(1e-4, 1e-1). Settings that differ in numbers alone are trained side by side in one process. The cell that
--select finds best is trained again with --final_seeds other seeds. The same command goes on where it was stopped.

docs/sweep.md says what is written, and how it runs on a cluster.
"""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags

from experiments import launch
from lamv import xla
from lamv.errors import ConfigError, SweepError, nearest

xla.prepare()

CONFIG = launch.define_config("Recipe: a file in configs/.")
WORKDIR = flags.DEFINE_string("workdir", None, "Directory for everything that the sweep writes.")
GRID = flags.DEFINE_string("grid", "", "KNOB=VALUE,VALUE;KNOB=...: every value with every other.")
ZIP = flags.DEFINE_multi_string("zip", [], "As --grid, but the knobs move together; may be given several times.")
RANDOM = flags.DEFINE_integer("random", None, "Draw so many of the points.")
RANDOM_SEED = flags.DEFINE_integer("random_seed", 0, "Seed of the draws.", lower_bound=0)
SELECT = flags.DEFINE_string("select", "valid_accuracy", "Which cell is best: valid_accuracy, valid_worst_group,"
                             " valid_mean_group or valid_rmse; none: do not choose.")  # fmt: skip
FINAL_SEEDS = flags.DEFINE_integer(
    "final_seeds", 0, "Train the best cell again with so many other seeds.", lower_bound=0
)
LAUNCHER = flags.DEFINE_string("launcher", "local", "local: processes of this machine; slurm: jobs of a cluster; print: only"
                               " print the commands.")  # fmt: skip
JOBS = flags.DEFINE_integer("jobs", None, "Programs that run at once.", lower_bound=1)
ROWS = flags.DEFINE_integer("rows", 50, "Cells that one process trains, at most.", lower_bound=1, upper_bound=2000)
RETRY = flags.DEFINE_bool("retry", False, "Run cells again that failed.")
SLURM = flags.DEFINE_string(
    "slurm", "", "KEY=VALUE,...: what jobs ask for, such as partition=gpu,time=60,gpus_per_node=1."
)
PER_JOB = flags.DEFINE_integer("per_job", 1, "slurm: programs that one job runs, one after another.")
PROGRAM = flags.DEFINE_string("program", None, "Train this program of the sweep in --workdir, and nothing else.")


def knobs(recipe) -> Mapping[str, Any]:
    """The knobs of a recipe for training."""
    from lamv import config

    if "experiment" in recipe:
        raise ConfigError(
            "this recipe is an experiment on theory, whose knobs are swept by itself; give one for training"
        )
    return config.KNOB


def main() -> None:
    from lamv import sweep
    from lamv.report import sweep_page

    asked = question()
    content = sweep.sweep(asked)
    page = sweep_page.write(asked.workdir, content)
    if asked.launcher == "print":
        print("\n".join(sweep.commands(asked.workdir)))
        return
    print(sweep_page.as_text(content))
    print(f"\nsweep: {page}")
    failed = [cell for cell in content["cells"] if cell["status"] == "failed"]
    if failed:
        raise SweepError(
            f"{len(failed)} of {len(content['cells'])} cells failed, the first, {failed[0]['name']}: {failed[0]['error']};"
            " --retry runs them again"
        )


def question():
    """What the flags ask for. Raises ConfigError."""
    import jax

    from lamv import sweep
    from lamv.sweep import cells, collect, grid, slurm

    # A GPU is for the children: this process looks at shapes and names alone.
    jax.config.update("jax_platforms", "cpu")
    if LAUNCHER.value not in sweep.LAUNCHERS:
        raise ConfigError(
            f"--launcher is {LAUNCHER.value!r}{nearest(LAUNCHER.value, sweep.LAUNCHERS)}, must be one of"
            f" {', '.join(sweep.LAUNCHERS)}"
        )
    axes, seeds = grid.seeds_of(grid.axes(GRID.value, ZIP.value))
    keys = [key for axis in axes for key in axis.keys]
    base = cells.base_of(CONFIG.value, launch.overrides() | seeds, keys)
    found = cells.cells(base, grid.points(axes, RANDOM.value, RANDOM_SEED.value))
    return sweep.Question(
        Path(WORKDIR.value), CONFIG.value.title or Path(WORKDIR.value).resolve().name, base,
        keys, found, collect.rule_of(SELECT.value), LAUNCHER.value, JOBS.value,
        ROWS.value, FINAL_SEEDS.value, RETRY.value, slurm.options(SLURM.value, PER_JOB.value),
        shlex.join(["python", "-m", "experiments.sweep", *sys.argv[1:]]),
    )  # fmt: skip


def work() -> None:
    """Train one program."""
    from lamv.sweep import worker

    worker.train(Path(WORKDIR.value), PROGRAM.value)


if __name__ == "__main__":
    if any(argument.startswith(("--program", "-program")) for argument in sys.argv):
        launch.leave(launch.run(work, needs=("workdir", "program")))
    launch.leave(launch.run(main, needs=("config", "workdir"), knobs=knobs))

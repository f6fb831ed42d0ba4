"""Sweeps whose programs are not trained but made up: what each cell comes to is a function of its knobs."""

import functools
import json
from pathlib import Path

from lamv.results.records import spread
from lamv.sweep import cells, collect, grid, plan
from tests.recipes import tiny

GRID = "method.name=erm,mixup;method.alpha=.5,1;optim.lr=.01,.03"


def recipe(**knobs):
    """Of one row, with a validation split."""
    config = tiny.get_config()
    config.rows, config.claims = {}, ()
    config.data.valid_size = 100
    with config.unlocked():
        config.update_from_flattened_dict(knobs)
    return config


def found(text=GRID, config=None, flags=None, **points):
    """The cells of a grid, and the base that they vary."""
    axes = grid.axes(text)
    base = cells.base_of(config or recipe(), flags or {}, [key for axis in axes for key in axis.keys])
    return base, cells.cells(base, grid.points(axes, **points))


def planned(text=GRID, stored=None, rows=50, jobs=1, **how):
    """The plan of a grid; with `stored`, in a folder that has one already."""
    keys = [key for axis in grid.axes(text) for key in axis.keys]
    base, cells_found = found(text, **how) if how else _found(text)
    return plan.grown(stored, plan.empty("made up", base, keys, cells_found), rows, jobs)


@functools.cache
def _found(text):
    return found(text)


def accuracy(cell):
    """What a cell comes to."""
    return 0.5 + 2 * cell.config["optim.lr"] + (0.1 if cell.config.get("method.name") == "mixup" else 0.0)


def train(workdir: Path, planned_now: plan.SweepPlan, program: plan.SweepProgram, value=accuracy) -> None:
    """Leave what training a program leaves, as far as a sweep reads it."""
    folder = plan.folder_of(workdir, program.id)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for id in program.cells:
        cell = planned_now.cells[id]
        seeds = program.seeds[1] if program.seeds else cells.seeds_of(cell)[1]
        values = [value(cell) + 0.01 * seed for seed in range(seeds)]
        metrics = {name: spread(values)._asdict() for name in ("valid/accuracy", "test/accuracy")}
        rows.append({"name": cell.name, "config": {}, "metrics": metrics})
    (folder / "summary.json").write_text(json.dumps({"rows": rows}))
    (folder / "DONE").write_text("{}")


def content(workdir: Path, planned_now: plan.SweepPlan, rule="valid_accuracy"):
    states = {id: collect.state_of(plan.folder_of(workdir, id)) for id in planned_now.programs}
    return collect.content(planned_now, states, planned_now.cells, collect.rule_of(rule), "")

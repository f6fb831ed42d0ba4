"""What a sweep has come to, read from its workdirs: sweep.json, sweep.csv, and the best cell.

sweep.json holds {"cells": [{"id", "knobs", "status": "done|failed|waiting", "metrics": as in summary.json}], "best": id}.
Beside these, a cell has name, row, program and error; the sweep title, axes, select, tried, command and final. sweep.csv
has a line for each cell and seed.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lamv import files
from lamv.catalog.model_selection import LAST, RULES
from lamv.errors import ConfigError, DataError, nearest
from lamv.results import jsonl, runs
from lamv.results.records import Row
from lamv.sweep.cells import SweepCell, seeds_of
from lamv.sweep.plan import SweepPlan, SweepProgram

DONE, FAILED, WAITING = "done", "failed", "waiting"
FAILURE = "failed.json"
#: No cell is chosen.
NO_RULE = "none"


class SelectionRule(NamedTuple):
    """How the best cell is chosen: the mean over seeds of a metric is highest, or lowest."""

    name: str
    metric: str
    lowest: bool = False

    def best(self, cells: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """Of cells as in sweep.json, the first of those that are best; None where none has the metric."""
        measured = [cell for cell in cells if self.metric in cell["metrics"]]
        sign = -1 if self.lowest else 1
        return max(measured, key=lambda cell: sign * cell["metrics"][self.metric]["mean"], default=None)


RULE = {name: SelectionRule(name, rule.metric) for name, rule in RULES.items() if name != LAST}
RULE |= {"valid_rmse": SelectionRule("valid_rmse", "valid/rmse", lowest=True), NO_RULE: SelectionRule(NO_RULE, "")}


class ProgramState(NamedTuple):
    """Of a program. rows: by name, where it is done. failure: {"exit", "error", "row"}, where it failed."""

    status: str
    rows: Mapping[str, Row] = {}
    failure: Mapping[str, Any] = {}


def rule_of(name: str) -> SelectionRule:
    """The rule of --select. Raises ConfigError for an unknown one."""
    if name not in RULE:
        raise ConfigError(f"--select is {name!r}{nearest(name, RULE)}, must be one of {', '.join(RULE)}")
    return RULE[name]


def state_of(folder: Path) -> ProgramState:
    """Of the workdir of a program, in any state."""
    if (folder / "DONE").is_file():
        try:
            rows = runs.rows_of(jsonl.read_object(folder / "summary.json", []))
            return ProgramState(DONE, {row.name: row for row in rows})
        except DataError:  # training makes a damaged summary again
            return ProgramState(WAITING)
    failure = jsonl.read_object(folder / FAILURE, [])
    return ProgramState(FAILED, failure=failure) if failure else ProgramState(WAITING)


def failed(folder: Path, code: int, error: str, row: str = "") -> None:
    """Note that the program of a workdir failed."""
    folder.mkdir(parents=True, exist_ok=True)
    files.write_whole(folder / FAILURE, json.dumps({"exit": code, "error": error, "row": row}) + "\n")


def progress(folder: Path, cell: SweepCell) -> float:
    """Share of its steps that a program has taken, from the last line of its metrics; 0 where that is not known."""
    steps, epochs = cell.config.get("steps"), cell.config.get("epochs")
    if steps is None and epochs:
        provenance = jsonl.read_object(folder / "provenance.json", [])
        size = cell.config.get("data.train_size") or provenance.get("reading", {}).get("examples", {}).get("train", 0)
        steps = epochs * (size // cell.config.get("batch_size", 128))
    try:
        with open(folder / "metrics.jsonl", "rb") as file:
            file.seek(max(0, file.seek(0, 2) - 20_000))
            last = file.read().rpartition(b"\n")[0].rpartition(b"\n")[2]
        return min(1.0, json.loads(last)["step"] / steps) if steps else 0.0
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def content(
    plan: SweepPlan, states: Mapping[str, ProgramState], asked: Iterable[str], rule: SelectionRule, command: str
) -> dict[str, Any]:
    """The content of sweep.json. states: of all programs. asked: cells of the grid; others are listed where they ended."""
    asked = set(asked)
    cells, final = [], None
    placed = {cell: program for program in plan.programs.values() if not program.is_final for cell in program.cells}
    for id, cell in plan.cells.items():
        record = _record(cell, placed.get(id), states)
        if id in asked or record["status"] != WAITING:
            cells.append(record)
    best = rule.best(cells) if rule.metric else None
    for program in plan.programs.values():
        if program.is_final and best and program.cells == (best["id"],):
            final = _record(plan.cells[best["id"]], program, states) | {"seeds": list(program.seeds or ())}
    return {
        "title": plan.title,
        "axes": {axis: _values(axis, cells) for axis in plan.axes},
        "select": {"rule": rule.name, "metric": rule.metric, "lowest": rule.lowest},
        "tried": sum(cell["status"] != WAITING for cell in cells),
        "command": command,
        "cells": cells,
        "best": best["id"] if best else None,
        "final": final,
    }


def write(workdir: Path, content: Mapping[str, Any], plan: SweepPlan) -> None:
    """sweep.json and sweep.csv."""
    files.write_whole(workdir / "sweep.json", json.dumps(content, indent=1, allow_nan=False) + "\n")
    files.write_whole(workdir / "sweep.csv", as_csv(content, {id: seeds_of(cell) for id, cell in plan.cells.items()}))


def as_csv(content: Mapping[str, Any], seeds: Mapping[str, tuple[int, int]]) -> str:
    """A line for each cell and seed: id, name, status, row, the knobs of the sweep, seed, then metrics."""
    axes = list(content["axes"])
    metrics = list(dict.fromkeys(metric for cell in content["cells"] for metric in cell["metrics"]))
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(["id", "name", "status", "row", *axes, "seed", *metrics])
    for cell in content["cells"]:
        first, number = seeds[cell["id"]]
        head = [cell["id"], cell["name"], cell["status"], cell["row"], *(cell["knobs"].get(axis, "") for axis in axes)]
        for replica in range(number):
            values = [cell["metrics"][m]["values"][replica] if m in cell["metrics"] else "" for m in metrics]
            lines.writerow([*head, first + replica, *values])
    return out.getvalue()


def _record(cell: SweepCell, program: SweepProgram | None, states: Mapping[str, ProgramState]) -> dict[str, Any]:
    """A cell of sweep.json."""
    state = states[program.id] if program else ProgramState(WAITING)
    row = state.rows.get(cell.name)
    status = WAITING if state.status == DONE and row is None else state.status
    return {
        "id": cell.id, "name": cell.name, "row": cell.row, "knobs": cell.knobs, "status": status,
        "program": program.id if program else "", "error": state.failure.get("error", ""),
        "metrics": {metric: spread._asdict() for metric, spread in row.metrics.items()} if row else {},
    }  # fmt: skip


def _values(axis: str, cells: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The values of an axis, numbers in order."""
    values = [cell["knobs"][axis] for cell in cells if axis in cell["knobs"]]
    unique = [value for place, value in enumerate(values) if value not in values[:place]]
    return sorted(unique) if all(isinstance(value, int | float) for value in unique) else unique

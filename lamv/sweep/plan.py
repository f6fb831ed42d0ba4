"""Which cells one process trains: programs, kept in plan.json so that a sweep goes on as it began.

Cells of one program differ in traced knobs (lamv.config.run_key): they are rows of one workdir, programs/ID, side by side on
the device. What else differs has programs of its own, which run in any order and fail alone.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lamv import config as configs
from lamv import files
from lamv.errors import WorkdirMismatch, brief
from lamv.rows import expand
from lamv.sweep.cells import DIGITS, Base, SweepCell, as_recipe, config_of, seeds_of

FILE, FOLDER = "plan.json", "programs"
FINAL = "final-"


class SweepProgram(NamedTuple):
    """One process with one workdir. seeds: (first, number) of a final training, None for those of its cells."""

    id: str
    cells: tuple[str, ...]
    seeds: tuple[int, int] | None = None

    @property
    def is_final(self) -> bool:
        return self.seeds is not None


class SweepPlan(NamedTuple):
    """title: of the recipe. base: lamv.sweep.cells.Base.recorded. axes: keys of the swept knobs, in order."""

    title: str
    base: Mapping[str, Any]
    axes: tuple[str, ...]
    cells: Mapping[str, SweepCell]
    programs: Mapping[str, SweepProgram]

    def recipe(self, program: SweepProgram):
        """The config that a program trains."""
        first, number = program.seeds or (None, None)
        title = f"{self.title}: {program.id}".removeprefix(": ")
        return as_recipe([self.cells[cell] for cell in program.cells], title, first, number)

    def replaced(self, program: SweepProgram, parts: Sequence[SweepProgram]) -> "SweepPlan":
        """The plan with these programs in the place of one."""
        programs: dict[str, SweepProgram] = {}
        for id, one in self.programs.items():
            programs |= {part.id: part for part in parts} if id == program.id else {id: one}
        return self._replace(programs=programs)

    def with_final(self, cell: str, number: int) -> tuple["SweepPlan", SweepProgram]:
        """The plan with the training of a chosen cell with so many seeds that no cell has used, and that program."""
        first = max(sum(seeds_of(one)) for one in self.cells.values())
        program = SweepProgram(f"{FINAL}{cell}-{number}", (cell,), (first, number))
        program = self.programs.get(program.id, program)
        return self._replace(programs={**self.programs, program.id: program}), program


def folder_of(workdir: Path, program: str) -> Path:
    """The workdir of a program."""
    return workdir / FOLDER / program


def program_of(cells: Sequence[str]) -> SweepProgram:
    """The program of these cells; a lone one gives its id."""
    digest = hashlib.sha256(" ".join(cells).encode()).hexdigest()[:DIGITS]
    return SweepProgram(cells[0] if len(cells) == 1 else digest, tuple(cells))


def grown(stored: SweepPlan | None, asked: SweepPlan, rows: int, jobs: int) -> SweepPlan:
    """The plan of a folder with what is asked for now: programs that there are stay, cells that are new get some.

    asked: without programs. rows: cells of a program, at most. jobs: programs that can run at once; where there are fewer,
    they are cut. Every program is checked as training would. Raises WorkdirMismatch for the sweep of another recipe.
    """
    if stored is not None:
        _compare(stored, asked)
    programs = dict(stored.programs) if stored else {}
    placed = {cell for program in programs.values() if not program.is_final for cell in program.cells}
    together: dict[str, list[str]] = {}
    for id, cell in asked.cells.items():
        if id not in placed:
            together.setdefault(configs.run_key(config_of(cell)), []).append(id)
    groups = list(together.values())
    most = rows if len(groups) >= jobs else min(rows, math.ceil(sum(map(len, groups)) / jobs))
    for group in groups:
        for part in _evenly(group, most):
            program = program_of(part)
            programs[program.id] = program
            expand(as_recipe([asked.cells[cell] for cell in part], ""))
    cells = _as_named(stored.cells if stored else {}, asked.cells)
    axes = tuple(dict.fromkeys([*asked.axes, *(stored.axes if stored else ())]))
    return asked._replace(cells=cells, programs=programs, axes=axes)


def halves(program: SweepProgram, culprit: str = "") -> list[SweepProgram]:
    """The parts of a program that failed: the cell that did it and the rest, or two halves where it is not known."""
    if culprit in program.cells:
        rest = [cell for cell in program.cells if cell != culprit]
        return [program_of([culprit]), program_of(rest)]
    middle = len(program.cells) // 2
    return [program_of(program.cells[:middle]), program_of(program.cells[middle:])]


def read(workdir: Path) -> SweepPlan | None:
    """The plan in a folder; None where there is none. Raises WorkdirMismatch for a damaged one."""
    path = workdir / FILE
    try:
        content = files.read_json(path)
        cells = {one["id"]: SweepCell(**one) for one in content["cells"]}
        programs = {one["id"]: _program(one) for one in content["programs"]}
        known = all(cell in cells for program in programs.values() for cell in program.cells)
        if not known or any(not isinstance(cell.config, dict) for cell in cells.values()):
            raise ValueError("it names cells that it does not have")
        return SweepPlan(str(content["title"]), content["base"], tuple(content["axes"]), cells, programs)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkdirMismatch(
            f"{path} is damaged ({brief(str(error))}); restore it from a copy, or choose another --workdir"
        ) from None


def write(workdir: Path, plan: SweepPlan) -> None:
    """Keep the plan."""
    content = plan._asdict() | {
        "cells": [cell._asdict() for cell in plan.cells.values()],
        "programs": [program._asdict() for program in plan.programs.values()],
    }
    files.write_whole(workdir / FILE, json.dumps(content, indent=1) + "\n")


def empty(title: str, base: Base, axes: Iterable[str], cells: Iterable[SweepCell]) -> SweepPlan:
    """What is asked for, without programs."""
    return SweepPlan(title, base.recorded(), tuple(axes), {cell.id: cell for cell in cells}, {})


def _as_named(stored: Mapping[str, SweepCell], asked: Mapping[str, SweepCell]) -> dict[str, SweepCell]:
    """The cells of both, those asked for first. A name that a workdir has is kept, and given to no other."""
    taken = {cell.name: id for id, cell in stored.items()}
    cells = {
        id: cell._replace(name=stored[id].name) if id in stored
        else cell._replace(name=f"{cell.name} {id}") if cell.name in taken else cell
        for id, cell in asked.items()
    }  # fmt: skip
    return cells | {id: cell for id, cell in stored.items() if id not in cells}


def _program(stored: Mapping[str, Any]) -> SweepProgram:
    seeds = stored["seeds"]
    return SweepProgram(str(stored["id"]), tuple(stored["cells"]), seeds and (int(seeds[0]), int(seeds[1])))


def _evenly(cells: Sequence[str], most: int) -> list[Sequence[str]]:
    """Parts of nearly one length, none longer than `most`."""
    number = math.ceil(len(cells) / most)
    ends = [round(part * len(cells) / number) for part in range(number + 1)]
    return [cells[first:end] for first, end in zip(ends, ends[1:], strict=False)]


def _compare(stored: SweepPlan, asked: SweepPlan) -> None:
    """Raise WorkdirMismatch where two sweeps vary other recipes; what is an axis of either may differ."""
    axes = {*stored.axes, *asked.axes}

    def fixed(plan: SweepPlan) -> dict[str, Any]:
        layers = [("", plan.base["knobs"]), *plan.base["rows"].items(), ("", plan.base["flags"])]
        return {f"{row}: {key}".removeprefix(": "): value for row, knobs in layers for key, value in knobs.items()
                if key not in axes}  # fmt: skip

    before, now = fixed(stored), fixed(asked)
    differ = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
    if differ:
        changes = "; ".join(f"{key} {before.get(key)!r} -> {now.get(key)!r}" for key in differ[:3])
        more = f" and {len(differ) - 3} more" if len(differ) > 3 else ""
        raise WorkdirMismatch(
            f"the sweep in --workdir was begun with another recipe: {changes}{more} (stored -> asked for; None is the"
            " default); choose another --workdir, or give the stored values"
        )

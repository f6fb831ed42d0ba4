"""What the knobs of a sweep do to a metric: marginal effects, and how much two knobs depend on one another.

A cell is one of sweep.json (lamv.sweep.collect); its value is the mean over its seeds. All means here are over cells, each
counted once, and say nothing of the seeds. Where cells are not a whole grid, a marginal mean also carries what the cells
at that value have besides: tables of two knobs are given only where every combination was measured.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lamv.catalog import words

#: More different numbers than these, as a random search has them, are put into so many ranges.
MOST, RANGES = 8, 5
ROW = "row"
Cell = Mapping[str, Any]


class Level(NamedTuple):
    """A value of a knob, or a range of values, with its cells."""

    label: str
    cells: Sequence[Cell]


class Effect(NamedTuple):
    """A knob's levels and the values of their cells. share: of the variance over cells, between levels; None for none."""

    knob: str
    levels: Sequence[Level]
    values: Sequence[Sequence[float]]
    share: float | None

    @property
    def means(self) -> list[float]:
        return [statistics.fmean(values) for values in self.values]


class Interaction(NamedTuple):
    """Means by the levels of two knobs: first down, second across. rms: of what is left by the sum of both effects."""

    first: Effect
    second: Effect
    means: Sequence[Sequence[float]]
    rms: float


def value(cell: Cell, metric: str) -> float | None:
    """The mean of a metric over the seeds of a cell; None where it was not measured."""
    return cell["metrics"][metric]["mean"] if metric in cell["metrics"] else None


def setting(cell: Cell, knob: str) -> Any:
    """The value of a knob in a cell, or its row of the recipe; None where the knob does nothing."""
    return (cell["row"] or None) if knob == ROW else cell["knobs"].get(knob)


def knobs_of(cells: Sequence[Cell], axes: Sequence[str]) -> list[str]:
    """The axes, rows first, that have more than one value in these cells."""
    return [knob for knob in (ROW, *axes) if len({repr(setting(cell, knob)) for cell in cells} - {"None"}) > 1]


def levels(cells: Sequence[Cell], knob: str) -> list[Level]:
    """The levels of a knob: numbers in order, others as they come."""
    have = [cell for cell in cells if setting(cell, knob) is not None]
    values = [setting(cell, knob) for cell in have]
    unique = [one for place, one in enumerate(values) if one not in values[:place]]
    if all(type(one) in (int, float) for one in unique):
        unique.sort()
        if len(unique) > MOST:
            return _ranges(have, knob, unique)
    return [Level(words.plain(one), [cell for cell in have if setting(cell, knob) == one]) for one in unique]


def effect(cells: Sequence[Cell], knob: str, metric: str) -> Effect:
    """The marginal effect of a knob."""
    measured = [cell for cell in cells if value(cell, metric) is not None]
    found = levels(measured, knob)
    values = [[value(cell, metric) or 0.0 for cell in level.cells] for level in found]
    everything = [one for of in values for one in of]
    total = _squares(everything)
    within = sum(map(_squares, values))
    return Effect(knob, found, values, 1 - within / total if total > 0 else None)


def interactions(cells: Sequence[Cell], knobs: Sequence[str], metric: str) -> list[Interaction]:
    """Of all pairs of knobs with a complete table, the strongest first."""
    found = []
    for place, one in enumerate(knobs):
        for other in knobs[place + 1 :]:
            both = [cell for cell in cells if setting(cell, one) is not None and setting(cell, other) is not None]
            first, second = effect(both, one, metric), effect(both, other, metric)
            means = [[_mean_of(a, b, metric) for b in second.levels] for a in first.levels]
            if min(len(first.levels), len(second.levels)) > 1 and all(m is not None for row in means for m in row):
                table = [[m or 0.0 for m in row] for row in means]
                found.append(Interaction(first, second, table, _rest(table)))
    return sorted(found, key=lambda one: -one.rms)


def _mean_of(a: Level, b: Level, metric: str) -> float | None:
    ids = {cell["id"] for cell in b.cells}
    values = [value(cell, metric) for cell in a.cells if cell["id"] in ids]
    return statistics.fmean(one for one in values if one is not None) if values else None


def _rest(table: Sequence[Sequence[float]]) -> float:
    """Root mean square of a table minus its row and column means, plus the mean of all."""
    rows = [statistics.fmean(row) for row in table]
    columns = [statistics.fmean(column) for column in zip(*table, strict=True)]
    mean = statistics.fmean(rows)
    rest = [(table[i][j] - rows[i] - columns[j] + mean) ** 2 for i in range(len(rows)) for j in range(len(columns))]
    return math.sqrt(statistics.fmean(rest))


def _squares(values: Sequence[float]) -> float:
    mean = statistics.fmean(values) if values else 0.0
    return sum((one - mean) ** 2 for one in values)


def _ranges(cells: Sequence[Cell], knob: str, unique: Sequence[float]) -> list[Level]:
    """As many different values in each of RANGES ranges."""
    ends = [round(part * len(unique) / RANGES) for part in range(RANGES + 1)]
    found = []
    for first, end in zip(ends, ends[1:], strict=False):
        low, high = unique[first], unique[end - 1]
        label = f"{words.plain(low)}–{words.plain(high)}"
        found.append(Level(label, [cell for cell in cells if low <= setting(cell, knob) <= high]))
    return found

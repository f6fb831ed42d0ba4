"""Two swept knobs: rows of one method that differ in exactly two numbers, as a grid.

    for sweep in of(run.rows): sweep.down, sweep.across, sweep.rows[value of down, value of across]

Seeds are the same in all rows of a run, so every cell is compared with its baseline seed by seed.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lamv.catalog import mitigations
from lamv.compare.baseline import METHOD, settings_of
from lamv.knobs import flatten
from lamv.results.records import Row
from lamv.results.shapes import is_number

#: Share of the cells that have a row; with no more, the two knobs were not swept together.
FILLED = 0.5


class Sweep(NamedTuple):
    """down, across: keys of the knobs, that of a method down. rows: {(value of down, value of across): row}."""

    method: str
    down: str
    across: str
    rows: Mapping[tuple[float, float], Row]

    @property
    def values(self) -> tuple[list[float], list[float]]:
        """The values of the two knobs, in ascending order."""
        down, across = zip(*self.rows, strict=True)
        return sorted(set(down)), sorted(set(across))


def of(rows: Sequence[Row]) -> list[Sweep]:
    """The grids of a run, one a method and mitigation; of at least two values of either knob."""
    by_method: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.config and row.metrics:
            by_method.setdefault((str(row.knob("method.name")), mitigations.name_of(row.config)), []).append(row)
    found = []
    for (method, mitigation), of_method in by_method.items():
        name = method if mitigation == mitigations.NONE else f"{method} + {mitigation}"
        if sweep := _sweep(name, of_method):
            found.append(sweep)
    return found


def _sweep(name: str, rows: Sequence[Row]) -> Sweep | None:
    knobs = [_settings(row) for row in rows]
    keys = list(dict.fromkeys(key for one in knobs for key in one))
    differing = [key for key in keys if len({repr(one.get(key)) for one in knobs}) > 1]
    if len(differing) != 2 or not all(is_number(one.get(key)) for one in knobs for key in differing):
        return None
    down, across = sorted(differing, key=lambda key: not key.startswith(METHOD))
    cells = {(float(one[down]), float(one[across])): row for one, row in zip(knobs, rows, strict=True)}
    sweep = Sweep(name, down, across, cells)
    high, wide = map(len, sweep.values)
    fits = len(cells) == len(rows) and min(high, wide) > 1 and len(cells) > FILLED * high * wide
    return sweep if fits else None


def _settings(row: Row) -> dict:
    """All knobs in use by a row, those of its method included."""
    return settings_of(row, without=("parallel.",)) | {
        key: value for key, value in flatten(row.config).items() if key.startswith(METHOD)
    }

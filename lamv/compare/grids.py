"""Method by mitigation: the rows of a run that differ in nothing else, as a grid, and which mitigation repairs a method.

    for grid in of(run.rows): grid.methods, grid.mitigations, grid.rows[method, mitigation]

The first method is ERM and the first mitigation is none, where the run has them. Differences are taken seed by seed, and
their mean comes with a 95 % interval (Student's t).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from lamv.catalog import methods, mitigations
from lamv.catalog.metrics import WORST_GROUP
from lamv.catalog.words import number
from lamv.compare import differences, groups
from lamv.results.runs import Row

#: (metric, in words) of what a grid is drawn of.
WORST = (
    # A test split in which the cue is as reliable as in training may have next to no example of the groups that matter.
    (f"test_random/{WORST_GROUP}", "accuracy of the worst group under a random cue"),
    (f"test/{WORST_GROUP}", "test accuracy of the worst group"),
)
RANDOM = ("test_random/accuracy", "accuracy under a random cue")
#: A method loses, and is not repaired, where it is further than this below ERM; a fraction.
GAP = differences.GAP
NO_MITIGATION = "none"


class Grid(NamedTuple):
    """methods and mitigations: names, in the order of the rows of the run; rows: {(method, mitigation): row}."""

    methods: tuple[str, ...]
    mitigations: tuple[str, ...]
    rows: Mapping[tuple[str, str], Row]

    @property
    def erm(self) -> str | None:
        """The name of the method that is ERM."""
        return next((method for (method, _), row in self.rows.items() if groups.is_erm(row)), None)

    @property
    def unmitigated(self) -> str | None:
        """The name of the mitigation that is none."""
        return next((name for (_, name), row in self.rows.items() if not mitigations.settings(row.config)), None)


class Repair(NamedTuple):
    """What the mitigations do for a method that loses. All are differences of a metric from an ERM row, seed by seed.

    lost: without a mitigation, from ERM without. same: under the mitigation, from ERM under it, None where there is no such
    row; alone: from ERM without.
    """

    method: str
    lost: differences.Comparison
    mitigation: str | None = None
    same: differences.Comparison | None = None
    alone: differences.Comparison | None = None

    @property
    def above(self) -> float:
        """How far the method, under the mitigation, is above the better of the two ERM rows; negative where below."""
        return min(c.difference.mean for c in (self.same, self.alone) if c)

    @property
    def repaired(self) -> bool:
        return self.mitigation is not None and self.above >= -GAP


def of(rows: Sequence[Row]) -> list[Grid]:
    """The grids of at least two methods and two mitigations that a run has.

    Rows of a grid may differ in how their step was selected, as long as no cell has two rows.
    """
    found = []
    for own in _alike(rows, without=("select.",)):
        places = [(groups.method_key(row), _way(row)) for row in own]
        found += [own] if len(set(places)) == len(places) else _alike(own, without=())
    grids = [_grid(own) for own in found]
    return [grid for grid in grids if len(grid.methods) > 1 and len(grid.mitigations) > 1]


def _alike(rows: Sequence[Row], without: tuple[str, ...]) -> list[list[Row]]:
    """The rows by all that is neither method nor mitigation, nor `without`."""
    by_rest: dict[str, list[Row]] = {}
    for row in rows:
        if row.config and row.metrics:
            rest = groups.settings_of(row, without=(*groups.METHOD, "mitigation.", "parallel.", *without))
            by_rest.setdefault(repr((sorted(rest.items(), key=str), row.step)), []).append(row)
    return list(by_rest.values())


def measures(grid: Grid) -> list[tuple[str, str]]:
    """What a grid is drawn of: the worst group, and the accuracy under a random cue, as far as they were measured."""
    measured = {metric for row in grid.rows.values() for metric in row.metrics}
    return [one for one in WORST if one[0] in measured][:1] + ([RANDOM] if RANDOM[0] in measured else [])


def repairs(grid: Grid, metric: str) -> list[Repair]:
    """For each method that loses more than GAP, without mitigation, against ERM: what comes closest to repairing it."""
    base = grid.rows.get((grid.erm, grid.unmitigated))
    if base is None or metric not in base.metrics:
        return []
    found = []
    for method in grid.methods:
        own = grid.rows.get((method, grid.unmitigated))
        lost = own and method != grid.erm and differences.difference_of(own, base, metric)
        if not lost or lost.difference.mean >= -GAP:
            continue
        tried = [_tried(grid, metric, lost, method, name) for name in grid.mitigations if name != grid.unmitigated]
        found.append(max((one for one in tried if one), key=lambda one: one.above, default=Repair(method, lost)))
    return found


def in_words(repair: Repair) -> str:
    """ "LS .1 loses 45.3 points (40.1 to 50.2); group_dro repairs it: ...": of one metric, next to ERM."""
    lost = f"{repair.method} loses {_points(repair.lost, -1)}"
    if repair.mitigation is None:
        return f"{lost}; it was not trained with a mitigation."
    said = "repairs it" if repair.repaired else "comes closest, and does not repair it"
    under = [f"{_apart(repair.same)} ERM under {repair.mitigation}"] if repair.same else []
    return f"{lost}; {repair.mitigation} {said}: {' and '.join([*under, f'{_apart(repair.alone)} ERM alone'])}."


def _tried(grid: Grid, metric: str, lost: differences.Comparison, method: str, mitigation: str) -> Repair | None:
    """What a mitigation makes of a method; None where that was not measured."""
    own = grid.rows.get((method, mitigation))
    alone = own and differences.difference_of(own, lost.baseline, metric)
    if not alone:
        return None
    base = grid.rows.get((grid.erm, mitigation))
    return Repair(method, lost, mitigation, base and differences.difference_of(own, base, metric), alone)


def _grid(rows: Sequence[Row]) -> Grid:
    """Methods and mitigations are told apart by their knobs, and named by the row that has nothing else, or in short."""
    methods = _named(rows, groups.method_key, _method_name)
    ways = _named(rows, _way, _mitigation_name)
    cells: dict[tuple[str, str], Row] = {}
    for row in rows:
        cells.setdefault((methods[groups.method_key(row)], ways[_way(row)]), row)
    order = sorted(
        methods.values(), key=lambda name: not any(m == name and groups.is_erm(r) for (m, _), r in cells.items())
    )
    sides = sorted(ways.values(), key=lambda name: name != NO_MITIGATION)
    return Grid(tuple(order), tuple(sides), cells)


def _way(row: Row) -> str:
    return repr(sorted(mitigations.settings(row.config).items()))


def _named(rows: Sequence[Row], key: Callable[[Row], str], name: Callable[[Sequence[Row]], str]) -> dict[str, str]:
    """{key: name}, in the order of the rows; two of one name are told apart by a number."""
    names: dict[str, str] = {}
    for row in rows:
        if key(row) not in names:
            wanted = name([other for other in rows if key(other) == key(row)])
            taken = sum(other == wanted or other.startswith(f"{wanted} (") for other in names.values())
            names[key(row)] = f"{wanted} ({taken + 1})" if taken else wanted
    return names


def _method_name(rows: Sequence[Row]) -> str:
    """What the names of the method's rows have in common, or that of the one without mitigation; else it in short."""
    plain = [row.name for row in rows if not mitigations.settings(row.config)]
    common = groups.common_name(rows) if len(rows) > 1 else ""
    return common or (plain[0] if plain else methods.in_short(rows[0].config))


def _mitigation_name(rows: Sequence[Row]) -> str:
    return mitigations.in_short(rows[0].config) or NO_MITIGATION


def _points(comparison: differences.Comparison, sign: int = 1) -> str:
    """ "45.3 points (40.1 to 50.2)": a difference, times the sign, with its interval."""
    mean = f"{number(sign * 100 * comparison.difference.mean, 1)} points"
    if comparison.interval is None:
        return f"{mean} (one seed)"
    low, high = sorted(sign * 100 * end for end in comparison.interval)
    return f"{mean} ({number(low, 1)} to {number(high, 1)})"


def _apart(comparison: differences.Comparison) -> str:
    """ "2.1 points (−1.0 to 5.2) below"."""
    below = comparison.difference.mean < 0
    return f"{_points(comparison, -1 if below else 1)} {'below' if below else 'above'}"

"""Method by mitigation: rows that differ in nothing else, as a grid, and which mitigation repairs a method.

    for grid in of(run.rows): grid.methods, grid.mitigations, grid.rows[method, mitigation]

The first method is ERM and the first mitigation is none, where the run has them. Differences are taken seed by seed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from lamv.catalog import methods, mitigations
from lamv.catalog.metrics import WORST_GROUP
from lamv.compare import baseline, by_group, differences
from lamv.results.records import Row

#: (metric, in words): the measures of a grid.
WORST = (
    # A test split in which the cue is as reliable as in training may have next to no example of the groups that matter.
    (f"test_random/{WORST_GROUP}", "accuracy of the worst group under a random cue"),
    (f"test/{WORST_GROUP}", "test accuracy of the worst group"),
)
RANDOM = ("test_random/accuracy", "accuracy under a random cue")
#: Where the training set has a long tail.
TAIL = (("test/few_accuracy", "test accuracy of rare classes"), ("test/accuracy", "test accuracy"))
#: A method loses where it is further than this below ERM, and is repaired where it is not; a fraction.
GAP = differences.GAP
NO_MITIGATION = "none"


class Grid(NamedTuple):
    """methods and mitigations: names, in the order of the rows of the run; rows: {(method, mitigation): row}."""

    methods: tuple[str, ...]
    mitigations: tuple[str, ...]
    rows: Mapping[tuple[str, str], Row]

    @property
    def erm(self) -> str | None:
        """The name of ERM."""
        return next((method for (method, _), row in self.rows.items() if baseline.is_erm(row)), None)

    @property
    def unmitigated(self) -> str | None:
        """The name of no mitigation."""
        return next((name for (_, name), row in self.rows.items() if not mitigations.settings(row.config)), None)


class Repair(NamedTuple):
    """A method that loses, and the mitigation that brings it closest to ERM. All are differences from ERM in one metric.

    lost: both without mitigation. same: both under the mitigation, None where ERM was not trained under it. alone: the
    method under the mitigation, ERM without.
    """

    method: str
    lost: differences.Comparison
    mitigation: str | None = None
    same: differences.Comparison | None = None
    alone: differences.Comparison | None = None

    @property
    def above(self) -> float:
        """The method under the mitigation minus the better of the two ERM rows."""
        return min(c.difference.mean for c in (self.same, self.alone) if c)

    @property
    def repaired(self) -> bool:
        return self.mitigation is not None and self.above >= -GAP


def of(rows: Sequence[Row]) -> list[Grid]:
    """The grids of at least two methods and two mitigations that a run has.

    Rows of a grid may differ in how their step was selected, as long as no cell has two rows.
    """
    sets = []
    measured = [row for row in rows if row.config and row.metrics]
    for rows_alike in baseline.alike(measured, without=("mitigation.", "select.")):
        cells = {(baseline.method_key(row), _mitigation_key(row)) for row in rows_alike}
        one_each = len(cells) == len(rows_alike)
        sets += [rows_alike] if one_each else baseline.alike(rows_alike, without=("mitigation.",))
    grids = [_grid(rows_alike) for rows_alike in sets]
    return [grid for grid in grids if len(grid.methods) > 1 and len(grid.mitigations) > 1]


def measures(grid: Grid) -> list[tuple[str, str]]:
    """(metric, in words) of the worst group, of accuracy under a random cue and with a long tail, as far as measured.

    Not of a worst group with too few examples to judge by.
    """
    measured = {metric for row in grid.rows.values() for metric in row.metrics}
    rows = list(grid.rows.values())
    worst = [one for one in WORST if one[0] in measured and by_group.can_be_judged(rows, one[0])][:1]
    return [*worst, *[RANDOM] * (RANDOM[0] in measured), *TAIL * (TAIL[0][0] in measured)]


def repairs(grid: Grid, metric: str) -> list[Repair]:
    """For each method that, without mitigation, loses more than GAP against ERM: the mitigation that is best for it."""
    base = grid.rows.get((grid.erm, grid.unmitigated))
    if base is None or metric not in base.metrics:
        return []
    repairs = []
    for method in grid.methods:
        row = grid.rows.get((method, grid.unmitigated))
        lost = row and method != grid.erm and differences.difference_of(row, base, metric)
        if not lost or lost.difference.mean >= -GAP:
            continue
        tried = [_tried(grid, metric, lost, method, name) for name in grid.mitigations if name != grid.unmitigated]
        repairs.append(max((one for one in tried if one), key=lambda one: one.above, default=Repair(method, lost)))
    return repairs


def _tried(grid: Grid, metric: str, lost: differences.Comparison, method: str, mitigation: str) -> Repair | None:
    """A method under a mitigation; None where that was not measured."""
    row = grid.rows.get((method, mitigation))
    alone = row and differences.difference_of(row, lost.baseline, metric)
    if not alone:
        return None
    base = grid.rows.get((grid.erm, mitigation))
    return Repair(method, lost, mitigation, base and differences.difference_of(row, base, metric), alone)


def _grid(rows: Sequence[Row]) -> Grid:
    """Methods and mitigations are distinguished by their knobs. Of two rows of a cell the first counts."""
    names = _named(rows, baseline.method_key, _method_name)
    ways = _named(rows, _mitigation_key, lambda same: mitigations.in_short(same[0].config) or NO_MITIGATION)
    cells: dict[tuple[str, str], Row] = {}
    for row in rows:
        cells.setdefault((names[baseline.method_key(row)], ways[_mitigation_key(row)]), row)
    erm = {method for (method, _), row in cells.items() if baseline.is_erm(row)}
    order = sorted(names.values(), key=lambda name: name not in erm)
    return Grid(tuple(order), tuple(sorted(ways.values(), key=lambda name: name != NO_MITIGATION)), cells)


def _mitigation_key(row: Row) -> str:
    return repr(sorted(mitigations.settings(row.config).items()))


def _named(rows: Sequence[Row], key: Callable[[Row], str], name: Callable[[Sequence[Row]], str]) -> dict[str, str]:
    """{key: name}, in the order of the rows; the second of a name gets a number."""
    names: dict[str, str] = {}
    for row in rows:
        if key(row) not in names:
            wanted = name([other for other in rows if key(other) == key(row)])
            taken = sum(other == wanted or other.startswith(f"{wanted} (") for other in names.values())
            names[key(row)] = f"{wanted} ({taken + 1})" if taken else wanted
    return names


def _method_name(rows: Sequence[Row]) -> str:
    """The common beginning of the names of a method's rows, or that of the one without mitigation; else it in short."""
    plain = [row.name for row in rows if not mitigations.settings(row.config)]
    common = baseline.common_name(rows) if len(rows) > 1 else ""
    return common or (plain[0] if plain else methods.in_short(rows[0].config))

"""Tables of methods: a family of metrics down, methods across, each cell mean ± sd (n) and the difference from ERM.

    for block in tables(group): block.title, block.columns, block.lines, block.remarks

All cells are text, the same for HTML, Markdown and LaTeX (lamv.report.export); numbers of a line have the same decimals.
A table is at most ACROSS columns wide: of more methods there are several blocks, and ERM is the first column of each.
"""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from lamv.catalog import metrics
from lamv.catalog.words import number
from lamv.compare import families, groups
from lamv.compare.groups import Column, Difference, Group
from lamv.core import intervals
from lamv.results.runs import spread

ACROSS = 5
SEEDS = (
    "Below a mean: the difference from {erm} on the same seeds, with its 95 % interval (Student’s t over seeds). Bold: the"
    " interval excludes 0."
)
EXAMPLES = (
    "† marks a bootstrap over the {examples} test examples of one seed (95 %): it says how sure the number is of this"
    " network, and nothing of other seeds."
)
ONE_SEED = "Of one seed there is no interval over seeds: a difference alone does not tell methods apart."


class Cell(NamedTuple):
    """`n`: only where it is not that of the column. `interval`: "[low, high]", with † for one over examples."""

    mean: str = ""
    sd: str = ""
    n: str = ""
    difference: str = ""
    interval: str = ""
    apart: bool = False


class Line(NamedTuple):
    """A metric. `power`: its numbers are to be multiplied by this power of ten."""

    name: str
    power: int
    cells: tuple[Cell, ...]


class Block(NamedTuple):
    """A table. `heads`: (name, method, n) of each column. `place`: (number, of how many) blocks of the family."""

    title: str
    slug: str
    says: str
    heads: tuple[tuple[str, str, int], ...]
    lines: tuple[Line, ...]
    remarks: tuple[str, ...]
    columns: tuple[Column, ...]
    place: tuple[int, int] = (1, 1)


def tables(group: Group) -> list[Block]:
    """The tables of a group, family by family."""
    made = []
    for family in families.measured(group.metrics, group.legend):
        blocks = [_block(family, columns, group.baseline, group.selection) for columns in _across(group)]
        blocks = [block for block in blocks if block.lines]
        made += [block._replace(place=(place, len(blocks))) for place, block in enumerate(blocks, 1)]
    return made


def _across(group: Group) -> list[tuple[Column, ...]]:
    """Columns for tables side by side, ERM first in each."""
    base = (group.baseline,) if group.baseline else ()
    others = [column for column in group.columns if column is not group.baseline]
    each = ACROSS - len(base)
    return [(*base, *others[start : start + each]) for start in range(0, max(1, len(others)), each)]


def _block(family: metrics.Family, columns: Sequence[Column], baseline: Column | None, selection: str) -> Block:
    lines, differences = [], []
    for metric in family.metrics:
        if any(metric.key in column.values for column in columns):
            found = [groups.difference(column, baseline, metric.key) for column in columns]
            lines.append(_line(metric, columns, found))
            differences += [(column, d) for column, d in zip(columns, found, strict=True) if d]
    heads = tuple((column.name, column.short, column.n) for column in columns)
    remarks = (*_remarks(lines, differences, columns, baseline), *((selection,) if selection else ()))
    return Block(family.name, family.slug, family.caption, heads, tuple(lines), remarks, tuple(columns))


def _line(metric: metrics.Metric, columns: Sequence[Column], differences: Sequence[Difference | None]) -> Line:
    scale = 100.0 if metric.percent else 1.0
    values = [[scale * v for v in column.values.get(metric.key, {}).values()] for column in columns]
    means = [statistics.fmean(v) for v in values if v]
    power, decimals = _digits(means, metric.percent)
    scale, values = scale / 10.0**power, [[v / 10.0**power for v in own] for own in values]
    cells = [
        _cell(own, column, metric.key, difference, scale, decimals)
        for own, column, difference in zip(values, columns, differences, strict=True)
    ]
    return Line(metric.name, power, tuple(cells))


def _cell(
    values: Sequence[float], column: Column, metric: str, difference: Difference | None, scale: float, decimals: int
) -> Cell:
    if not values:
        return Cell()
    own_spread = spread(values)
    sd = "" if own_spread.sd is None else number(own_spread.sd, decimals)
    n = str(len(values)) if len(values) != column.n else ""
    own = column.intervals.get((metric, None))
    interval, gap, apart = "", "", False
    if difference:
        gap = number(scale * difference.mean, decimals, signed=True)
        if difference.low is not None:
            interval = _interval(
                difference.low, difference.high, scale, decimals, True, difference.examples is not None
            )
            # As printed: an end that rounds to 0 does not exclude it.
            ends = [round(scale * end, decimals) for end in (difference.low, difference.high)]
            apart = ends[0] > 0 or ends[1] < 0
    elif own and len(values) == 1:
        interval = _interval(own.low, own.high, scale, decimals, False, True)
    return Cell(number(own_spread.mean, decimals), sd, n, gap, interval, apart)


def _interval(low: float, high: float, scale: float, decimals: int, signed: bool, examples: bool) -> str:
    ends = ", ".join(number(scale * end, decimals, signed) for end in (low, high))
    return f"[{ends}]" + ("†" if examples else "")


def _by_chance(number: int) -> str:
    """ " Of the 40 intervals of this table, 2 would be bold by chance if no method differed."; "" for few of them."""
    if number * (1 - intervals.LEVEL) < 0.5:
        return ""
    expected = f"{number * (1 - intervals.LEVEL):.0f}"
    return f" Of the {number} intervals of this table, {expected} would be bold by chance if no method differed."


def _digits(means: Sequence[float], percent: bool) -> tuple[int, int]:
    """(power of ten, decimals) that leave three or four digits of the mean in the middle."""
    if percent:
        return 0, 2 if max(map(abs, means), default=0.0) < 10 else 1
    sizes = sorted(math.floor(math.log10(abs(mean))) for mean in means if mean and math.isfinite(mean))
    middle = sizes[len(sizes) // 2] if sizes else 0
    if -4 < middle < 5:
        return 0, max(0, min(5, 2 - middle))
    return middle, 2


def _remarks(
    lines: Sequence[Line], differences: Sequence[tuple[Column, Difference]], columns, baseline: Column | None
) -> tuple[str, ...]:
    """What a reader must know of the differences and intervals that this table has."""
    remarks = []
    if baseline is None:
        return ("No ERM row is otherwise the same, so there are no differences.",)
    over_seeds = sum(d.n > 1 for _, d in differences)
    if over_seeds:
        remarks.append(SEEDS.format(erm=baseline.name) + _by_chance(over_seeds))
    examples = {d.examples for _, d in differences if d.examples is not None}
    examples |= {i.examples or 0 for c in columns if c.n == 1 for i in c.intervals.values()}
    if any("†" in cell.interval for line in lines for cell in line.cells):
        said = f"{max(examples):,}".replace(",", " ") if max(examples, default=0) else ""
        remarks.append(EXAMPLES.format(examples=said).replace("  ", " "))
    if any(d.n == 1 and d.examples is None for _, d in differences):
        remarks.append(f"Differences are from {baseline.name}. {ONE_SEED}")
    unpaired = [c.name for c in columns if c is not baseline and not any(c is column for column, _ in differences)]
    if unpaired:
        remarks.append(f"No seed or metric in common with {baseline.name}: {', '.join(unpaired)}.")
    return tuple(remarks)

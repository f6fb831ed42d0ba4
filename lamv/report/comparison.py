"""Tables of methods: a family of metrics down, methods across, each cell mean ± sd (n) and the difference from ERM.

    for t in tables(cohort): t.title, t.methods, t.lines, t.remarks

Cells are text, the same for HTML, Markdown and LaTeX (lamv.report.export); numbers of a line have the same decimals. A table
has at most ACROSS methods; of more there are several, each with ERM first.
"""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from lamv.catalog import metrics
from lamv.catalog.words import number
from lamv.compare import by_group, cohorts, families
from lamv.compare.cohorts import Cohort, Difference, PooledMethod
from lamv.core import intervals
from lamv.report.numbers import count_span, digits, interval
from lamv.report.table import Cell
from lamv.results.records import spread

ACROSS = 5
SEEDS = (
    "Below a mean: difference from {erm}, paired by seed, and its 95 % interval (Student’s t). Bold: the interval excludes"
    " 0."
)
BY_CHANCE = " Of the {count} intervals of this table, {by_chance:.0f} would be bold by chance if no method differed."
EXAMPLES = (
    "†: 95 % bootstrap interval over the {examples}test examples of one seed; variation between seeds is not in it."
)
ONE_SEED = "One seed has no interval over seeds: a difference alone does not separate methods."


class MetricLine(NamedTuple):
    """A metric; power: of ten, by which its numbers are to be multiplied."""

    name: str
    power: int
    cells: tuple[Cell, ...]


class MethodTable(NamedTuple):
    """part: (number, of how many) tables of the family."""

    title: str
    slug: str
    about: str
    methods: tuple[PooledMethod, ...]
    lines: tuple[MetricLine, ...]
    remarks: tuple[str, ...]
    part: tuple[int, int] = (1, 1)


def tables(cohort: Cohort) -> list[MethodTable]:
    """The tables of a cohort, family by family."""
    made = []
    for family in families.measured(cohort.metrics, cohort.legend):
        parts = [_table(family, methods, cohort) for methods in _across(cohort)]
        parts = [part for part in parts if part.lines]
        made += [part._replace(part=(number, len(parts))) for number, part in enumerate(parts, 1)]
    return made


def _across(cohort: Cohort) -> list[tuple[PooledMethod, ...]]:
    """The methods of tables side by side, ERM first in each."""
    base = (cohort.baseline,) if cohort.baseline else ()
    others = [method for method in cohort.methods if method is not cohort.baseline]
    each = ACROSS - len(base)
    return [(*base, *others[start : start + each]) for start in range(0, max(1, len(others)), each)]


def _table(family: metrics.Family, methods: tuple[PooledMethod, ...], cohort: Cohort) -> MethodTable:
    lines, differences = [], []
    for metric in family.metrics:
        if any(metric.key in method.values for method in methods):
            row = [cohorts.difference(method, cohort.baseline, metric.key) for method in methods]
            counts = _group_sizes(metric.key, methods)
            if counts:
                metric = metric._replace(name=f"{metric.name} (n = {count_span(counts)})")
            if counts and min(counts) < by_group.FEW:
                row = [None] * len(row)
            lines.append(metric_line(metric, methods, row))
            differences += [(method, d) for method, d in zip(methods, row, strict=True) if d]
    remarks = _remarks(lines, differences, methods, cohort.baseline)
    remarks += [cohort.selection] if cohort.selection else []
    return MethodTable(family.name, family.slug, family.caption, methods, tuple(lines), tuple(remarks))


def _group_sizes(key: str, methods: Sequence[PooledMethod]) -> list[float]:
    """Where the metric is of one group or class, or of the worst group: its examples, of each method and seed; else []."""
    split, _, name = key.partition("/")
    if name == metrics.WORST_GROUP:
        counted = f"{split}/{metrics.WORST_COUNT}"
    elif metrics.GROUP.fullmatch(key) or metrics.CLASS.fullmatch(key):
        counted = key.replace("/accuracy", "/count")
    else:
        return []
    return [count for method in methods for count in method.values.get(counted, {}).values()]


def metric_line(
    metric: metrics.Metric, methods: Sequence[PooledMethod], differences: Sequence[Difference | None]
) -> MetricLine:
    """A metric of all methods, each with its difference from ERM."""
    scale = 100.0 if metric.percent else 1.0
    means = [statistics.fmean(values.values()) for m in methods if (values := m.values.get(metric.key))]
    power, decimals = digits([scale * mean for mean in means], metric.percent)
    pairs = zip(methods, differences, strict=True)
    return MetricLine(
        metric.name, power, tuple(_cell(m, metric.key, d, scale / 10.0**power, decimals) for m, d in pairs)
    )


def _cell(method: PooledMethod, metric: str, difference: Difference | None, scale: float, decimals: int) -> Cell:
    values = [scale * value for value in method.values.get(metric, {}).values()]
    if not values:
        return Cell()
    over_seeds = spread(values)
    over_examples = method.intervals.get((metric, None))
    ends, gap, apart = "", "", False
    if difference:
        gap = number(scale * difference.mean, decimals, signed=True)
        if difference.low is not None and difference.high is not None:
            dagger = "†" if difference.examples is not None else ""
            ends = interval(difference.low, difference.high, decimals, scale, signed=True) + dagger
            # As printed: an end that rounds to 0 does not exclude it.
            low, high = (round(scale * end, decimals) for end in (difference.low, difference.high))
            apart = low > 0 or high < 0
    elif over_examples and len(values) == 1:
        ends = interval(over_examples.low, over_examples.high, decimals, scale) + "†"
    sd = "" if over_seeds.sd is None else number(over_seeds.sd, decimals)
    n = str(len(values)) if len(values) != method.n else ""
    return Cell(number(over_seeds.mean, decimals), sd, n, gap, ends, apart)


def _remarks(
    lines: Sequence[MetricLine],
    differences: Sequence[tuple[PooledMethod, Difference]],
    methods: Sequence[PooledMethod],
    baseline: PooledMethod | None,
) -> list[str]:
    """How to read the differences and intervals of a table."""
    if baseline is None:
        return ["No ERM row is otherwise the same, so there are no differences."]
    remarks = []
    over_seeds = sum(d.n > 1 for _, d in differences)
    if over_seeds:
        by_chance = over_seeds * (1 - intervals.LEVEL)
        note = BY_CHANCE.format(count=over_seeds, by_chance=by_chance) if by_chance >= 0.5 else ""
        remarks.append(SEEDS.format(erm=baseline.name) + note)
    if any("†" in cell.interval for line in lines for cell in line.cells):
        counts = {d.examples for _, d in differences if d.examples is not None}
        counts |= {i.examples or 0 for m in methods if m.n == 1 for i in m.intervals.values()}
        examples = f"{max(counts):,} ".replace(",", " ") if max(counts, default=0) else ""
        remarks.append(EXAMPLES.format(examples=examples))
    if any(d.n == 1 and d.examples is None for _, d in differences):
        remarks.append(f"Differences are from {baseline.name}. {ONE_SEED}")
    unpaired = [m.name for m in methods if m is not baseline and not any(m is method for method, _ in differences)]
    if unpaired:
        remarks.append(f"No seed or metric in common with {baseline.name}: {', '.join(unpaired)}.")
    return remarks

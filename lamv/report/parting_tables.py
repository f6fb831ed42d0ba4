"""Where label smoothing and MaxSup part: a table for each setting, measures down, s across."""

from collections.abc import Iterable, Sequence

from lamv.catalog import metrics
from lamv.catalog.words import number
from lamv.compare import parting
from lamv.report.numbers import digits
from lamv.report.page import Heading, PageTable
from lamv.report.table import Cell
from lamv.results.records import Row

#: In the order of the table; those that were measured.
MEASURES = (
    "test/accuracy", "test_random/accuracy", "train/smoothing/fitted", "train/smoothing/apart",
    "test/features/within_variance", "test/features/within_over_total", "test/outputs/within_variance",
    "test/collapse/nc1", "test/separation", "test/ece", "test/ece_scaled",
)  # fmt: skip
#: Those that are drawn, beside linear probes.
FIGURE = (
    "test/accuracy", "test_random/accuracy", "train/smoothing/fitted", "test/features/within_variance", "test/ece",
)  # fmt: skip
CAPTION = (
    "MaxSup’s mean ± sd over seeds; below it, MaxSup minus label smoothing of the same s, paired by seed, bold where the"
    " 95 % interval excludes 0: of many such, one in twenty would be by chance. The two are one loss where the largest logit"
    " of every training example is that of its label as given."
)


def parting_tables(ladders: Sequence[parting.Ladder]) -> list[PageTable]:
    """A table for each setting; the caption is below the last."""
    tables = [_table(ladder) for ladder in ladders]
    return [*tables[:-1], tables[-1]._replace(caption=CAPTION)] if tables else []


def measures_of(rows: Iterable[Row]) -> dict[str, tuple[str, bool]]:
    """{metric: (name with its unit, whether it is shown as 100 x)} of what was measured, linear probes last."""
    measured = {metric for row in rows for metric in row.metrics}
    named = {
        key: (f"{metrics.SPLIT_NAMES[key.partition('/')[0]]}{_where(key)}: {entry.name}", entry.percent)
        for key in MEASURES
        if key in measured and (entry := metrics.entry_of(key))
    }
    probes = [match for key in sorted(measured) if (match := metrics.PROBE.fullmatch(key))]
    return named | {match[0]: (f"linear probe on {match['data']}: {match['layer']}, %", True) for match in probes}


def rows_of(ladder: parting.Ladder) -> list[Row]:
    """All rows of its rungs."""
    return [row for rung in ladder.rungs for row in (rung.smoothing, rung.maxsup)]


def _where(key: str) -> str:
    where = key.split("/")[1]
    return f", {where}" if where in metrics.WHERES else ""


def _table(ladder: parting.Ladder) -> PageTable:
    headings = [
        Heading(""),
        *(Heading(f"s = {rung.share:g}") for rung in ladder.rungs),
        Heading("they part", text=True),
    ]
    lines = [_line(ladder, key, *shown) for key, shown in measures_of(rows_of(ladder)).items()]
    return PageTable(headings, lines, title=ladder.name, style="groups")


def _line(ladder: parting.Ladder, key: str, name: str, percent: bool) -> list[Cell]:
    means = [rung.maxsup.mean(key) or 0.0 for rung in ladder.rungs]
    scale, decimals = (100.0, 1) if percent else (1.0, digits(means, percent=False)[1])
    at = ", ".join(f"{share:g}" for share in parting.parted(ladder, key))
    cells = [_cell(rung, key, scale, decimals) for rung in ladder.rungs]
    return [Cell(name), *cells, Cell(f"at s = {at}" if at else "nowhere")]


def _cell(rung: parting.Rung, key: str, scale: float, decimals: int) -> Cell:
    spread, apart = rung.maxsup.metrics.get(key), parting.difference(rung, key)
    if spread is None:
        return Cell()
    texts = [number(scale * value, decimals) for value in (spread.mean, spread.sd) if value is not None]
    gap = number(scale * apart.difference.mean, decimals, signed=True) if apart else ""
    return Cell(*texts, difference=gap, apart=bool(apart and apart.apart))

"""Tables of two swept knobs: one knob down, the other across, each cell with its difference from ERM."""

from collections.abc import Sequence

from lamv.catalog.words import number
from lamv.compare import by_group, differences, grids, selections, sweeps
from lamv.compare.baseline import baseline_of
from lamv.report.group_tables import shade
from lamv.report.page import Heading, PageTable
from lamv.report.table import Cell
from lamv.results.records import Row, Run


def sweep_tables(run: Run) -> list[PageTable]:
    """A table for each method of which two knobs were swept, of the metric that the run is about."""
    metric, words = _measure_of(run)
    return [_table(sweep, run.rows, metric, words) for sweep in sweeps.of(run.rows) if metric]


def _measure_of(run: Run) -> tuple[str, str]:
    """(metric, in words) that a run is about; ("", "") where none of these was measured."""
    measured = {metric for row in run.rows for metric in row.metrics}
    judged = [one for one in grids.WORST[1:] if by_group.can_be_judged(run.rows, one[0])]
    about = [grids.RANDOM, *judged, (differences.TEST, "test accuracy"), ("test/rmse", "test RMSE")]
    return next((one for one in about if one[0] in measured), ("", ""))


def _table(sweep: sweeps.Sweep, rows: Sequence[Row], metric: str, words: str) -> PageTable:
    down, across = sweep.values
    names = [key.rpartition(".")[2].replace("_", " ") for key in (sweep.down, sweep.across)]
    headings = [Heading(f"{names[0]} ↓   {names[1]} →", text=True), *(Heading(f"{value:g}") for value in across)]
    lines = [
        [Cell(f"{high:g}"), *(_cell(sweep.rows.get((high, wide)), rows, metric) for wide in across)] for high in down
    ]
    percent = "" if metric.endswith("rmse") else ", in %"
    caption = (
        f"{words[0].upper()}{words[1:]}{percent}: mean ± sd over seeds. Below it: difference from ERM, all else"
        f" the same; bold where its 95 % interval excludes 0. {selections.caption(rows)}"
    )
    return PageTable(headings, lines, caption, f"{sweep.method}: {sweep.down} by {sweep.across}", style="groups")


def _cell(row: Row | None, rows: Sequence[Row], metric: str) -> Cell:
    if row is None or metric not in row.metrics:
        return Cell(shade="transparent")
    scale, tint = (1.0, "") if metric.endswith("rmse") else (100.0, shade(row.metrics[metric].mean))
    spread, base = row.metrics[metric], baseline_of(row, rows)
    apart = base and differences.difference_of(row, base, metric)
    decimals = 1 if tint else 3
    texts = [number(scale * v, decimals) for v in (spread.mean, spread.sd) if v is not None]
    gap = number(scale * apart.difference.mean, decimals, signed=True) if apart else ""
    return Cell(*texts, difference=gap, apart=bool(apart and apart.apart), shade=tint)

"""The numbers of a run as a table: its columns, its cells, and the table as plain text.

Every cell is mean ± sd over the seeds of a row. The page shows the same cells.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lamv.catalog.metrics import BALANCED, WORST_COUNT, WORST_GROUP
from lamv.catalog.metrics import FAIRNESS as FAIRNESS_METRICS
from lamv.compare import selections
from lamv.report import claim_table
from lamv.report.numbers import count_span, decimals_for, text_table
from lamv.results.records import Row
from lamv.results.runs import claims_of, rows_of


class Column(NamedTuple):
    """A metric in the table. group, head, note: its heading on the page; text: in plain text; percent: shown as 100 x.

    fewest: the smallest of the seeds is shown, a count, in place of mean and sd.
    """

    metric: str
    group: str
    head: str
    note: str
    text: str
    percent: bool = False
    fewest: bool = False


class Cell(NamedTuple):
    """A number with its spread, as text; "" where there is none.

    n: where it is not that of the column. difference: from ERM, with its interval; apart: the interval excludes 0. note: on
    a line of its own. shade: a colour.
    """

    mean: str = ""
    sd: str = ""
    n: str = ""
    difference: str = ""
    interval: str = ""
    apart: bool = False
    note: str = ""
    shade: str = ""


ACCURACY, ERROR, WEIGHTS, VARIANCE = "Accuracy, %", "Error", "First layer", "Within-class variance"
PREDICTIONS, GROUPS, RELIANCE, RANDOM_GROUPS, FAIRNESS = (
    "Predictions", "Groups of test, %", "Reliance on the cue", "Cue random, %", "Between attributes, points"
)  # fmt: skip
COLUMNS = (
    Column("test/rmse", ERROR, "RMSE", "test, root mean square", "test RMSE"),
    Column("test/mae", ERROR, "MAE", "test, mean absolute", "test MAE"),
    Column("train/rmse", ERROR, "RMSE", "training set", "train RMSE"),
    Column("test/accuracy", ACCURACY, "test", "as in training", "test %", percent=True),
    Column(f"test/{BALANCED}", ACCURACY, "balanced", "mean of the classes", "balanced %", percent=True),
    Column("test/many_accuracy", ACCURACY, "many", "frequent classes", "many %", percent=True),
    Column("test/medium_accuracy", ACCURACY, "medium", "classes between", "medium %", percent=True),
    Column("test/few_accuracy", ACCURACY, "few", "rare classes", "few %", percent=True),
    Column("test_aligned/accuracy", ACCURACY, "aligned", "cue agrees with the label", "aligned %", percent=True),
    Column("test_random/accuracy", ACCURACY, "random", "cue of a random class", "random %", percent=True),
    Column("test_conflicting/accuracy", ACCURACY, "conflicting", "cue of another class", "conflicting %", percent=True),
    Column("test_absent/accuracy", ACCURACY, "absent", "no cue", "absent %", percent=True),
    Column("test/weight_norm_ratio", WEIGHTS, "weight ratio", "cue inputs : other inputs", "weight ratio"),
    Column("test/features/within_variance", VARIANCE, "features", "activations h", "features var."),
    Column("test/outputs/within_variance", VARIANCE, "outputs", "probabilities", "outputs var."),
)
#: Those of a second table.
GROUP_COLUMNS = (
    Column(f"test/{WORST_GROUP}", GROUPS, "worst", "minimum over groups", "worst group %", percent=True),
    Column(f"test/{WORST_COUNT}", GROUPS, "its n", "examples of the worst", "its n", fewest=True),
    Column("test/mean_group_accuracy", GROUPS, "mean", "unweighted", "mean group %", percent=True),
    Column("test/adjusted_accuracy", GROUPS, "adjusted", "weighted as in training", "adjusted %", percent=True),
    Column(f"test_random/{WORST_GROUP}", RANDOM_GROUPS, "worst group", "minimum over groups", "random, worst %", True),
    Column(f"test_random/{WORST_COUNT}", RANDOM_GROUPS, "its n", "examples of the worst", "random, its n", fewest=True),
    *(
        Column(f"{split}/{entry.key}", FAIRNESS, entry.key.upper(), entry.name, f"{words}{entry.key.upper()}", percent=True)
        for split, words in (("test", ""), ("test_random", "random, "))
        for entry in FAIRNESS_METRICS
    ),
    Column("test_random/cue_accuracy", RELIANCE, "follows", "predicts the class of a random cue, %", "follows %", True),
    Column("test/cue_drop", RELIANCE, "drop", "points, aligned to conflicting", "drop", percent=True),
    Column("test_random/cue_over_label", RELIANCE, "cue : label", "logits, random cue", "cue : label"),
    Column("test/weight_norm_share", WEIGHTS, "weight share", "cue inputs, % of squares", "weight share %", percent=True),
)  # fmt: skip
#: Those of the table of many runs.
RUN_COLUMNS = (
    *COLUMNS,
    *GROUP_COLUMNS,
    Column("test/nll", PREDICTIONS, "NLL", "nats", "NLL"),
    Column("test/ece", PREDICTIONS, "ECE", "points", "ECE", percent=True),
)


def as_text(summary: Mapping[str, Any]) -> str:
    """A summary.json as a text table, the claims below it. summary["step"]: of the numbers, where not the last."""
    rows = [row._replace(step=summary.get("step")) for row in rows_of(summary)]
    columns = columns_of(rows)
    lines = [*([summary["title"]] if summary.get("title") else []), _legend(rows), ""]
    lines += _row_table(rows, columns)
    if columns := group_columns(rows):
        lines += ["", *_row_table(rows, columns), *left_out(rows)]
    claims = claims_of(summary, rows)
    if claims:
        lines += ["", "Claims", "", *claim_table.as_text(claims)]
    if summary.get("overrides"):
        changed = ", ".join(f"{key}={value}" for key, value in summary["overrides"].items())
        lines += ["", f"Settings of the recipe that were overridden: {changed}"]
    return "\n".join(lines)


def columns_of(rows: Sequence[Row], which: Sequence[Column] = COLUMNS) -> list[Column]:
    """Those columns that any row has a number for."""
    columns = [column for column in which if any(column.metric in row.metrics for row in rows)]
    other = _of_test(rows)
    return [c._replace(note=other) if other and c.metric == "test/accuracy" else c for c in columns]


def _of_test(rows: Sequence[Row]) -> str:
    """What the plain test split is where it is not as in training; "" where it is."""
    if all(row.knob("data.shortcut.kind", "none") == "cat_channel" for row in rows):
        return "one image alone"
    # The tail is cut into the training set alone.
    return "all classes" if any("test/few_accuracy" in row.metrics for row in rows) else ""


def group_columns(rows: Sequence[Row]) -> list[Column]:
    """Those of the second table that rows have numbers for.

    The groups of a cue of many values have a few examples each, and the worst of them means little: where training does not
    measure each group, they are left to the evaluation.
    """
    columns = columns_of(rows, GROUP_COLUMNS)
    if any(column.metric == "test_random/eod" for column in columns):
        # A test split with the cue of training has next to no example of the groups that matter.
        columns = [c for c in columns if c.group != FAIRNESS or c.metric.startswith("test_random/")]
    measured = any("/group_" in key for row in rows for key in row.metrics)
    planted = any(row.knob("data.shortcut.kind", "none") != "none" for row in rows)
    return columns if measured or not planted else [c for c in columns if c.group not in (GROUPS, RANDOM_GROUPS)]


def cells_of(rows: Sequence[Row], column: Column) -> list[Cell]:
    """The cells of a column, all with the same number of decimals."""
    spreads = [row.metrics.get(column.metric) for row in rows]
    if column.fewest:
        return [Cell(f"{min(s.values):g}") if s else Cell() for s in spreads]
    scale = 100.0 if column.percent else 1.0
    decimals = 1 if column.percent else decimals_for([s.mean for s in spreads if s])

    def text(value: float | None) -> str:
        return "" if value is None else f"{scale * value:.{decimals}f}"

    return [Cell(text(spread.mean), text(spread.sd)) if spread else Cell() for spread in spreads]


def grouped(rows: Sequence[Row], columns: Sequence[Column]) -> dict[str, Any]:
    """{"columns", "groups": [(heading over several columns, how many)], "cells": those of each column} for a template."""
    groups = [(name, len(list(same))) for name, same in itertools.groupby(columns, lambda column: column.group)]
    return {"columns": columns, "groups": groups, "cells": [cells_of(rows, column) for column in columns]}


def left_out(rows: Sequence[Row]) -> list[str]:
    """A sentence on groups that a test split has no example of; none where there are no such groups."""
    sentences = []
    shown = {column.metric for column in group_columns(rows)}
    for split, words in (("test", "test"), ("test_random", "test with a random cue")):
        metric = f"{split}/groups_left_out"
        empty = {row.name: mean for row in rows if (mean := row.mean(metric))}
        if not empty or f"{split}/{WORST_GROUP}" not in shown:
            continue
        number = count_span(empty.values())
        number += "" if all(float(value).is_integer() for value in empty.values()) else " (mean over seeds)"
        which = "" if len(empty) == len([row for row in rows if metric in row.metrics]) else f" ({', '.join(empty)})"
        are = "group has" if number == "1" else "groups have"
        sentences.append(
            f"{number} {are} no example in {words}{which} and stay out of worst, mean and adjusted accuracy."
        )
    return sentences


def seeds_of(rows: Sequence[Row]) -> str:
    """ "n = 5 seeds", or of each row where rows differ."""
    counts = sorted({row.n for row in rows})
    if len(counts) == 1:
        return f"n = {counts[0]} seed{'s' if counts[0] != 1 else ''}"
    return "n = " + ", ".join(f"{row.n} ({row.name})" for row in rows) + " seeds"


def _legend(rows: Sequence[Row]) -> str:
    shows = "mean ± sd" if any(row.n > 1 for row in rows) else "value"
    parts = [
        f"Each cell: {shows}, {seeds_of(rows)}. Accuracy in %; variances are within-class, on the test split.",
        selections.caption(rows),
        _selected(rows),
    ]
    return " ".join(part for part in parts if part)


def _selected(rows: Sequence[Row]) -> str:
    """ "Selected steps: 400–800 (DFR)."; of many rows the range of all."""
    chosen = [row for row in rows if row.selected]
    steps = [f"{selections.steps_in_short(row)} ({row.name})" for row in chosen]
    if len(chosen) > 8:
        steps = [count_span((step for row in chosen for step in row.selected), "–")]
    return f"Selected steps: {', '.join(steps)}." if steps else ""


def _row_table(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """The rows, with every ± at the same place of its column."""
    entries = [["row", *(row.name for row in rows)]]
    for column in columns:
        cells = cells_of(rows, column)
        wide, wide_sd = (max(len(cell[part]) for cell in cells) for part in (0, 1))
        entries.append([column.text, *(_aligned(cell, wide, wide_sd) for cell in cells)])
    return text_table(entries, right=True)


def _aligned(cell: Cell, wide: int, wide_sd: int) -> str:
    mean, sd = cell.mean.rjust(wide), cell.sd.rjust(wide_sd)
    return f"{mean} ± {sd}" if cell.sd else mean + " " * (wide_sd + 3 if wide_sd else 0)

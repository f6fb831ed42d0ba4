"""The numbers of a run as a table: which columns there are, how a number is written, and the table as plain text.

Every cell is mean ± sd over the seeds of a row. The report in HTML shows the same cells.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lamv.compare import selections
from lamv.report import claim_table
from lamv.results.runs import Row, Spread, claims_of, rows_of


class Column(NamedTuple):
    """A metric in the table. `group` and `head`: its heading; `says`: what it is, in a few words; all for the page.

    `text`: its heading in plain text; `percent`: shown as 100 x.
    """

    metric: str
    group: str
    head: str
    says: str
    text: str
    percent: bool = False


class Cell(NamedTuple):
    """mean and sd as text; "" where there is none."""

    mean: str
    sd: str


ACCURACY, ERROR, WEIGHTS, VARIANCE = "Accuracy, %", "Error", "First layer", "Within-class variance"
PREDICTIONS, GROUPS, RELIANCE, RANDOM_GROUPS = (
    "Predictions", "Groups of test, %", "Reliance on the cue", "Cue random, %"
)  # fmt: skip
COLUMNS = (
    Column("test/rmse", ERROR, "RMSE", "test, root mean square", "test RMSE"),
    Column("test/mae", ERROR, "MAE", "test, mean absolute", "test MAE"),
    Column("train/rmse", ERROR, "RMSE", "training set", "train RMSE"),
    Column("test/accuracy", ACCURACY, "test", "as in training", "test %", percent=True),
    Column("test_aligned/accuracy", ACCURACY, "aligned", "cue says the label", "aligned %", percent=True),
    Column("test_random/accuracy", ACCURACY, "random", "cue says any class", "random %", percent=True),
    Column("test_conflicting/accuracy", ACCURACY, "conflicting", "cue says another", "conflicting %", percent=True),
    Column("test_absent/accuracy", ACCURACY, "absent", "no cue", "absent %", percent=True),
    Column("test/weight_norm_ratio", WEIGHTS, "weight ratio", "cue inputs : other inputs", "weight ratio"),
    Column("test/features/within_variance", VARIANCE, "features", "activations h", "features var."),
    Column("test/outputs/within_variance", VARIANCE, "outputs", "of the network", "outputs var."),
)
#: Those of a second table.
GROUP_COLUMNS = (
    Column("test/worst_group_accuracy", GROUPS, "worst", "lowest of any", "worst group %", percent=True),
    Column("test/mean_group_accuracy", GROUPS, "mean", "all alike", "mean group %", percent=True),
    Column("test/adjusted_accuracy", GROUPS, "adjusted", "as frequent as in training", "adjusted %", percent=True),
    Column(
        "test_random/worst_group_accuracy",
        RANDOM_GROUPS,
        "worst group",
        "lowest of any",
        "random, worst %",
        percent=True,
    ),
    Column(
        "test_random/cue_accuracy", RELIANCE, "follows", "says what a random cue says, %", "follows %", percent=True
    ),
    Column("test/cue_drop", RELIANCE, "drop", "points, aligned to conflicting", "drop", percent=True),
    Column("test_random/cue_over_label", RELIANCE, "cue : label", "logits, random cue", "cue : label"),
    Column(
        "test/weight_norm_share", WEIGHTS, "weight share", "cue inputs, % of squares", "weight share %", percent=True
    ),
)
#: Those of the table of many runs.
RUN_COLUMNS = (
    *COLUMNS,
    *GROUP_COLUMNS,
    Column("test/nll", PREDICTIONS, "NLL", "nats", "NLL"),
    Column("test/ece", PREDICTIONS, "ECE", "points", "ECE", percent=True),
)


def as_text(summary: Mapping[str, Any]) -> str:
    """A summary.json as a text table, with the claims below it. summary["step"]: of numbers that are not of the end."""
    rows = [row._replace(step=summary.get("step")) for row in rows_of(summary)]
    columns = columns_of(rows)
    lines = [*([summary["title"]] if summary.get("title") else []), _legend(rows), ""]
    lines += _text_table(rows, columns)
    of_groups = group_columns(rows)
    if of_groups:
        lines += ["", *_text_table(rows, of_groups), *left_out(rows)]
    claims = claims_of(summary, rows)
    if claims:
        lines += ["", "Claims", "", *claim_table.as_text(claims)]
    if summary.get("overrides"):
        changed = ", ".join(f"{key}={value}" for key, value in summary["overrides"].items())
        lines += ["", f"Settings of the recipe that were overridden: {changed}"]
    return "\n".join(lines)


def columns_of(rows: Sequence[Row], which: Sequence[Column] = COLUMNS) -> list[Column]:
    """Those columns that any row has a number for."""
    return [column for column in which if any(column.metric in row.metrics for row in rows)]


def group_columns(rows: Sequence[Row]) -> list[Column]:
    """Those of the second table that rows have numbers for.

    A cue of many values makes groups of a few examples each, whose worst says little: where training does not tell them one
    by one, they are left to the evaluation.
    """
    found = columns_of(rows, GROUP_COLUMNS)
    told = any("/group_" in key for row in rows for key in row.metrics)
    planted = any(row.knob("data.shortcut.kind", "none") != "none" for row in rows)
    return found if told or not planted else [c for c in found if c.group not in (GROUPS, RANDOM_GROUPS)]


def cells_of(rows: Sequence[Row], column: Column) -> list[Cell]:
    """The cells of a column, all with the same number of decimals, so that they can be compared at a glance."""
    spreads = [row.metrics.get(column.metric) for row in rows]
    scale = 100.0 if column.percent else 1.0
    decimals = 1 if column.percent else decimals_for([s.mean for s in spreads if s])
    return [_cell(s, scale, decimals) for s in spreads]


def decimals_for(values: Sequence[float]) -> int:
    """Decimals that leave three digits of the value in the middle."""
    sizes = sorted(math.floor(math.log10(abs(value))) for value in values if value and math.isfinite(value))
    return max(0, 2 - sizes[len(sizes) // 2]) if sizes else 2


def percent(spread: Spread) -> str:
    """ "86.1 ± 1.4 %", for running text, in which it does not break."""
    sd = "" if spread.sd is None else f"\xa0±\xa0{100 * spread.sd:.1f}"
    return f"{100 * spread.mean:.1f}{sd}\xa0%"


def left_out(rows: Sequence[Row]) -> list[str]:
    """A sentence on groups that a test split has no example of; none where there are no such groups."""
    sentences = []
    shown = {column.metric for column in group_columns(rows)}
    for split, words in (("test", "test"), ("test_random", "test with a random cue")):
        metric = f"{split}/groups_left_out"
        empty = {row.name: row.mean(metric) for row in rows if row.mean(metric)}
        if not empty or f"{split}/worst_group_accuracy" not in shown:
            continue
        low, high = (f"{end(empty.values()):g}" for end in (min, max))
        number = low if low == high else f"{low} to {high}"
        number += "" if all(value.is_integer() for value in empty.values()) else " (mean over seeds)"
        which = "" if len(empty) == len([row for row in rows if metric in row.metrics]) else f" ({', '.join(empty)})"
        are = "group has" if number == "1" else "groups have"
        sentences.append(
            f"{number} {are} no example in {words}{which} and stay out of worst, mean and adjusted accuracy."
        )
    return sentences


def seeds_of(rows: Sequence[Row]) -> str:
    """How many seeds stand behind the numbers: "n = 5 seeds"."""
    counts = sorted({row.n for row in rows})
    if len(counts) == 1:
        return f"n = {counts[0]} seed{'s' if counts[0] != 1 else ''}"
    return "n = " + ", ".join(f"{row.n} ({row.name})" for row in rows) + " seeds"


def _cell(spread: Spread | None, scale: float, decimals: int) -> Cell:
    if spread is None:
        return Cell("", "")
    return Cell(*("" if value is None else f"{scale * value:.{decimals}f}" for value in (spread.mean, spread.sd)))


def _legend(rows: Sequence[Row]) -> str:
    shows = "mean ± sd" if any(row.n > 1 for row in rows) else "value"
    parts = [
        f"Each cell: {shows}, {seeds_of(rows)}. Accuracy in %; variances within the class, on the test split.",
        selections.caption(rows),
        _selected(rows),
    ]
    return " ".join(part for part in parts if part)


def _selected(rows: Sequence[Row]) -> str:
    """ "Steps that were chosen: 400–800 (DFR)."; of many rows the range of all."""
    chosen = [row for row in rows if row.selected]
    steps = [f"{selections.steps_in_short(row)} ({row.name})" for row in chosen]
    if len(chosen) > 8:
        every = [step for row in chosen for step in row.selected]
        steps = [f"{min(every)}–{max(every)}"]
    return f"Steps that were chosen: {', '.join(steps)}." if steps else ""


def _text_table(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """Heading, rule and rows; means end, and so every ± stands, at the same place of their column."""
    blocks = [["row", *(row.name for row in rows)]]
    for column in columns:
        cells = cells_of(rows, column)
        wide, wide_sd = (max(len(cell[part]) for cell in cells) for part in (0, 1))
        blocks.append([column.text, *(_aligned(cell, wide, wide_sd) for cell in cells)])
    widths = [max(map(len, block)) for block in blocks]
    lines = []
    for entries in zip(*blocks, strict=True):
        name, *numbers = ("".join(c if c.isprintable() else " " for c in entry) for entry in entries)
        right = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *right]).rstrip())
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]


def _aligned(cell: Cell, wide: int, wide_sd: int) -> str:
    mean, sd = cell.mean.rjust(wide), cell.sd.rjust(wide_sd)
    return f"{mean} ± {sd}" if cell.sd else mean + " " * (wide_sd + 3 if wide_sd else 0)

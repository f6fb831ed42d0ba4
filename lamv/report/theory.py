"""The report of an experiment on theory (`python -m experiments.theory`): what was measured beside what it should be.

A workdir of an experiment differs from a training run's in that config.json and summary.json name an "experiment".
lamv.theorems.runner lists its files; this module reads them without jax, in whatever state they are. A number that was
not finite is null in summary.json and None here.
"""

import hashlib
import json
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lamv import files
from lamv.errors import DataError, brief
from lamv.report import explain, table
from lamv.report.explain import Term
from lamv.report.figures import from_data
from lamv.results import runs, shapes
from lamv.results.jsonl import MISSING, read_object
from lamv.results.records import Row
from lamv.results.shapes import FLAG, LIST, NUMBER, OBJECT, TEXT, WHOLE, Shape, kept, many, need, optional, record

SIGNS = {"=": "=", ">=": "≥", "<=": "≤"}
#: What summary.json has of a check; null where a number was not finite.
CHECK = record({
    "quantity": TEXT, "measured": optional(NUMBER), "expected": optional(NUMBER), "source": TEXT,
    "relation": Shape(lambda value: TEXT.fits(value) and value in SIGNS, "=, >= or <="), "tolerance": NUMBER,
    "sd": optional(NUMBER), "n": WHOLE, "note": TEXT, "holds": FLAG,
})  # fmt: skip


class Check(NamedTuple):
    """A line of summary.json's checks; see lamv.theorems.outcome."""

    quantity: str
    measured: float | None
    expected: float | None
    source: str
    relation: str
    tolerance: float
    sd: float | None
    n: int
    note: str
    holds: bool

    @property
    def verdict(self) -> str:
        return "holds" if self.holds else "falls short"

    @property
    def measured_text(self) -> str:
        return _number(self.measured, self._decimals)

    @property
    def sd_text(self) -> str:
        return "" if self.sd is None else _number(self.sd, self._decimals)

    @property
    def _decimals(self) -> int | None:
        """Two digits of the sd, or of the tolerance where there is no sd; else four of the number."""
        spread = self.sd or self.tolerance
        return _decimals(self.measured, spread or self.measured, digits=2 if spread else 4)

    @property
    def expected_text(self) -> str:
        """ "≥ 0.5": to two digits of the tolerance, but at least two of its own; without trailing zeros, as it is exact."""
        finest = min((abs(v) for v in (self.tolerance, self.expected) if v), default=None)
        number = _number(self.expected, _decimals(self.expected, finest, digits=2 if self.tolerance else 4))
        trimmed = number.rstrip("0").rstrip(".") if "." in number and "e" not in number else number
        return f"{SIGNS.get(self.relation, self.relation)} {trimmed}"

    @property
    def tolerance_text(self) -> str:
        return f"{self.tolerance:.3g}" if self.tolerance else ""

    @property
    def in_words(self) -> str:
        """ "measured 0.31 ± 0.05, should be ≥ 0.9", in which numbers do not break."""
        measured = self.measured_text + (f" ± {self.sd_text}" if self.sd_text else "")
        expected = self.expected_text.removeprefix("= ") + (f" ± {self.tolerance_text}" if self.tolerance_text else "")
        return "measured {}, should be {}".format(*(text.replace(" ", "\xa0") for text in (measured, expected)))


class Experiment(NamedTuple):
    """All that a workdir tells. `name`: module of lamv.theorems. `notes`: what is missing, a sentence each."""

    path: Path
    name: str
    title: str
    about: str
    overrides: Mapping[str, Any]
    settings: Mapping[str, Any]
    rows: Sequence[Row]
    checks: Sequence[Check]
    figures: Sequence[Mapping[str, Any]]
    remarks: Sequence[str]
    provenance: Mapping[str, Any]
    seconds: float | None
    notes: Sequence[str]
    finished: bool

    @property
    def answer(self) -> str:
        if not self.finished:
            return "Nothing has been measured yet."
        return tally(self.checks) + "."


def is_theory(workdir: str | Path) -> bool:
    """Whether a workdir is that of an experiment on theory, rather than of a training run."""
    stored = [read_object(Path(workdir) / name, []) for name in ("config.json", "summary.json")]
    return any(isinstance(content.get("experiment"), str) for content in stored)


def read(workdir: str | Path) -> Experiment:
    """The experiment of a workdir, finished or not. Raises DataError where its files are not as lamv writes them."""
    path, notes = Path(workdir), []
    config = read_object(path / "config.json", notes)
    summary = read_object(path / "summary.json", notes)
    if not summary:
        notes = [note for note in notes if note != MISSING.format("summary.json")]
        notes.append("The experiment is not finished (still going, or interrupted).")
    provenance = kept(read_object(path / "provenance.json", notes), shapes.PROVENANCE, "provenance.json", notes)
    words = {"experiment": TEXT, "title": TEXT, "about": TEXT}
    begun = kept(config, {**words, "rows": many(record({"config": OBJECT}))}, "config.json", notes)
    told = kept(summary, {**words, "figures": LIST, "remarks": many(TEXT), "overrides": OBJECT}, "summary.json", notes)
    name, title, about = (told.get(key) or begun.get(key) or "" for key in words)
    settings = _knobs((begun.get("rows") or [{"config": {}}])[0]["config"], "config.json", notes)
    overrides = _knobs(told.get("overrides", {}), "summary.json", notes)
    try:
        rows, checks = (_rows(summary, notes), checks_of(summary)) if summary else ([], [])
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    if begun.get("experiment", name) != name:
        other = brief(begun["experiment"])
        notes.append(f"config.json is of another experiment, {other}; what is shown is from summary.json.")
    if overrides:
        changed = ", ".join(f"{key} = {value}" for key, value in overrides.items())
        notes.append(f"Settings of the recipe were overridden: {changed}. The checks were made for the recipe’s own.")
    notes += _since_done(path, summary)
    return Experiment(
        path, name, title or name, about, overrides, settings, rows, checks, told.get("figures", []),
        told.get("remarks", []), provenance, _seconds(path / "timing.jsonl"), notes, bool(summary),
    )  # fmt: skip


def _knobs(stored: Mapping[str, Any], file: str, notes: list[str]) -> dict[str, Any]:
    """Settings of an experiment, which has knobs of its own, as far as they can be shown."""
    wrong: list[str] = []
    found = shapes.knobs(stored, wrong, "the experiment", known={})
    notes += shapes.left_out(file, wrong)
    return found


def _since_done(path: Path, summary: Mapping[str, Any]) -> list[str]:
    """A sentence where summary.json is not as it was when the experiment ended, or that cannot be told."""
    notes: list[str] = []
    done = read_object(path / "DONE", notes).get("sha256")
    if notes or not summary or done == hashlib.sha256(json.dumps(summary).encode()).hexdigest():
        return [note for note in notes if note != MISSING.format("DONE")]
    return [
        "summary.json is not as it was when the experiment ended: its sha256 in DONE is another. The command of the"
        " experiment makes it anew."
    ]


def checks_of(summary: Mapping[str, Any]) -> list[Check]:
    """The checks of a summary.json. Raises DataError where they are not as lamv writes them."""
    stored = need(summary.get("checks"), many(CHECK), "summary.json: checks")
    return [Check(*(one[field] for field in Check._fields)) for one in stored]


def tally(checks: Sequence[Check]) -> str:
    """ "11 of 12 checks hold"."""
    if not checks:
        return "The experiment makes no check"
    held = sum(check.holds for check in checks)
    if held == len(checks) == 1:
        return "The one check holds"
    return f"All {held} checks hold" if held == len(checks) else f"{held} of {len(checks)} checks hold"


def as_text(summary: Mapping[str, Any]) -> str:
    """The checks of a summary.json as a text table."""
    checks = checks_of(summary)
    lines = [*([summary["title"]] if summary.get("title") else []), "Measured: mean ± sd (n replicas).", ""]
    cells = [("", "quantity", "measured", "should be", "source")]
    for check in checks:
        spread = f" ± {check.sd_text}" if check.sd_text else ""
        within = f" ± {check.tolerance_text}" if check.tolerance_text else ""
        mark = "pass" if check.holds else "FALLS SHORT"
        measured = f"{check.measured_text}{spread} ({check.n})"
        cells.append((mark, check.quantity, measured, f"{check.expected_text}{within}", check.source))
    cells = [tuple("".join(c if c.isprintable() else " " for c in cell) for cell in line) for line in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
    lines += [text[0], "-" * max(map(len, text)), *text[1:]]
    if summary.get("overrides"):
        changed = ", ".join(f"{key}={value}" for key, value in summary["overrides"].items())
        lines += ["", f"Settings of the recipe that were overridden: {changed}"]
    return "\n".join(lines)


def content(experiment: Experiment) -> dict[str, Any]:
    """Everything that theory.html.j2 shows."""
    drawn, failed = from_data.draw(experiment.figures)
    return {
        "title": experiment.title,
        "experiment": experiment,
        "notes": [*experiment.notes, *failed],
        "short": [check for check in experiment.checks if not check.holds],
        "figures": drawn,
        "numbers": _numbers(experiment.rows),
        "row_settings": [(row.name, _settings(row)) for row in experiment.rows if row.config],
        "settings": explain.common_settings([Row(experiment.name, experiment.settings, {})]),
        "command": _command(experiment.provenance),
        "provenance": _provenance(experiment),
    }


def _numbers(rows: Sequence[Row]) -> dict[str, Any]:
    """The rows as a table, in the form that the pieces of a page show: a column a metric, grouped by what is before "/"."""
    metrics = list(dict.fromkeys(metric for row in rows for metric in row.metrics))
    columns = []
    for metric in metrics:
        group, _, head = metric.rpartition("/")
        columns.append(table.Column(metric, group.replace("_", " "), head.replace("_", " "), "", metric))
    return table.grouped(rows, columns) | {"cells": [_cells(rows, column) for column in columns]}


def _cells(rows: Sequence[Row], column: table.Column) -> list[table.Cell]:
    """As in other tables, but for numbers that are very large or small."""
    sizes = [abs(row.metrics[column.metric].mean) for row in rows if column.metric in row.metrics]
    if all(-5 < _exponent(size) < 7 for size in sizes if size):
        return table.cells_of(rows, column)
    spreads = [row.metrics.get(column.metric) for row in rows]
    return [table.Cell(_scientific(s.mean), _scientific(s.sd)) if s else table.Cell("", "") for s in spreads]


def _scientific(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}".replace("-", "−")


def _settings(row: Row) -> str:
    return ", ".join(f"{key}\xa0=\xa0{value}" for key, value in explain.common_settings([row]))


def _command(provenance: Mapping[str, Any]) -> str:
    """The command line that repeats the experiment; "" where it was not begun by one."""
    command = provenance.get("command", [])
    if command[:1] != ["theory.py"]:
        return ""
    return f"python -m experiments.theory {shlex.join(command[1:])}"


def _provenance(experiment: Experiment) -> list[Term]:
    terms = [term for term in explain.provenance(experiment) if term.name != "command"]
    # Experiments run many replicas in one program, on no mesh.
    terms = [Term(name, meaning.removesuffix("; mesh unknown")) for name, meaning in terms]
    taken = [] if experiment.seconds is None else [Term("time", f"{experiment.seconds:.3g} s, compilation included")]
    return terms + taken


def _rows(summary: Mapping[str, Any], notes: list[str]) -> list[Row]:
    """The rows of summary.json; a metric that was not finite is left out, and shown as a dash."""
    found, wrong = [], []
    for row in need(summary.get("rows"), many(runs.ROW), "summary.json: rows"):
        where = f"row {brief(row['name'])}"
        spreads = {
            key: runs.spread_of(stored, f"summary.json: {brief(key)} of {where}")
            for key, stored in row["metrics"].items()
        }
        config = shapes.knobs(row.get("config", {}), wrong, where, known={})
        found.append(Row(row["name"], config, {key: spread for key, spread in spreads.items() if spread}))
    notes += shapes.left_out("summary.json", wrong)
    return found


def _seconds(path: Path) -> float | None:
    """Wall seconds of the run that finished: the last line of timing.jsonl."""
    try:
        seconds = json.loads(files.read_text(path).splitlines()[-1])["seconds"]
    except (OSError, LookupError, TypeError, ValueError, RecursionError):
        return None
    return seconds if NUMBER.fits(seconds) and seconds >= 0 else None


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value)))


def _decimals(value: float | None, finest: float | None, digits: int) -> int | None:
    """Decimals that show so many digits of `finest`, yet nine of the number at most; None where 1.2e-07 is better."""
    largest = max((_exponent(v) for v in (value, finest) if v), default=0)
    if not -5 < largest < 7:
        return None
    return max(0, min(digits - 1 - (_exponent(finest) if finest else 0), 8 - largest))


def _number(value: float | None, decimals: int | None) -> str:
    if value is None:
        return "not finite"
    return _scientific(value) if decimals is None else f"{value:.{decimals}f}".replace("-", "−")

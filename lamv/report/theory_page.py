"""The page of an experiment on theory (lamv.results.experiment), and its checks as plain text."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from lamv.report import claim_table, explain, page, table
from lamv.report.explain import Term
from lamv.report.figures import from_data
from lamv.results.experiment import Experiment, checks_of
from lamv.results.records import Row


def as_text(summary: Mapping[str, Any]) -> str:
    """The checks of a summary.json as a text table."""
    lines = [*([summary["title"]] if summary.get("title") else []), "Measured: mean ± sd (n replicas).", ""]
    lines += claim_table.as_text(checks_of(summary))
    if summary.get("overrides"):
        changed = ", ".join(f"{key}={value}" for key, value in summary["overrides"].items())
        lines += ["", f"Settings of the recipe that were overridden: {changed}"]
    return "\n".join(lines)


def content(experiment: Experiment) -> dict[str, Any]:
    """Everything that theory.html.j2 shows."""
    drawn, failed = from_data.draw(experiment.figures)
    checks = [claim_table.line_of(check) for check in experiment.checks]
    return {
        "title": experiment.title,
        "experiment": experiment,
        "notes": [*experiment.notes, *failed],
        "checks": page.claim_table(checks),
        "short": [check for check in checks if not check.holds],
        "figures": drawn,
        "numbers": _numbers(experiment.rows),
        "row_settings": [
            (row.name, ", ".join(f"{key}\xa0=\xa0{value}" for key, value in explain.common_settings([row])))
            for row in experiment.rows
            if row.config
        ],
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
    if all(-5 < claim_table.exponent(size) < 7 for size in sizes if size):
        return table.cells_of(rows, column)
    spreads = [row.metrics.get(column.metric) for row in rows]
    return [
        table.Cell(claim_table.scientific(s.mean), claim_table.scientific(s.sd)) if s else table.Cell("", "")
        for s in spreads
    ]


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

"""The report of a run: one HTML page that a reader understands who has never seen it, and that needs nothing else.

    report.write("runs/demo")                           -> runs/demo/report.html; also of an experiment on theory
    report.overview("runs", [paths of workdirs])        -> runs/report.html

The page holds its style and figures, loads nothing and runs no script. It is made from the files of the workdir alone,
so that the same files give the same page; lamv.study.runs tells which. Nothing here imports jax.
"""

import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from lamv.errors import DataError, WorkdirError
from lamv.study import answer as answers
from lamv.study import explain, figures, runs, table, theory
from lamv.study.runs import Run

FILE = "report.html"
#: The figures that each run of an overview gets.
MAIN_FIGURES = (figures.accuracy, figures.weight_ratio)
#: What a comparison came to, in the words of the table.
RELIES = {
    answers.MORE: "relies more on the {}",
    answers.LESS: "relies less on the {}",
    answers.ALIKE: "relies on the {} alike",
    answers.UNDECIDED: "cannot be told",
}
ACCURATE = {
    answers.MORE: "more accurate",
    answers.LESS: "less accurate",
    answers.ALIKE: "the same",
    answers.UNDECIDED: "cannot be told",
}


def write(workdir: str | Path, out: str | Path | None = None) -> Path:
    """Write the report of a workdir, finished or not; returns its path, by default report.html in the workdir.

    Raises DataError (exit 65) where no row can be read from the workdir, and WorkdirError (exit 73) where the file
    cannot be written.
    """
    if theory.is_theory(workdir):
        page = _page("theory.html.j2", theory.content(theory.read(workdir)))
    else:
        page = _page("report.html.j2", _report(runs.read(workdir)))
    return _save(Path(out) if out else Path(workdir) / FILE, page)


def overview(folder: str | Path, workdirs: Sequence[Path], out: str | Path | None = None) -> Path:
    """Write one page on several workdirs; those that cannot be read are listed with the reason. Raises WorkdirError."""
    readable, experiments, broken = [], [], []
    for path in workdirs:
        try:
            if theory.is_theory(path):
                experiments.append(theory.read(path))
            else:
                readable.append(runs.read(path))
        except DataError as error:
            broken.append((_below(path, folder), str(error)))
    page = _page("overview.html.j2", _overview(folder, readable, experiments, broken))
    return _save(Path(out) if out else Path(folder) / FILE, page)


def _report(run: Run) -> dict[str, Any]:
    """Everything that report.html.j2 shows."""
    found = answers.answer(run)
    return {
        "title": run.title,
        "run": run,
        "seeds": table.seeds_of(run.rows),
        "spread": any(row.n > 1 for row in run.rows),
        "uneven": len({row.n for row in run.rows}) > 1,
        "answer": found,
        "falls": any(c.measure == answers.FALL for c in found.comparisons),
        "comparisons": [_comparison(c, run.cue) for c in found.comparisons],
        "numbers": _table(run.rows),
        "figures": figures.figures(run),
        "methods": [
            (row.name, explain.method_in_words(row, run.num_classes), explain.differences(row, run.rows))
            for row in run.rows
        ],
        "setup": explain.setup(run),
        "settings": explain.common_settings(run.rows),
        "reading": explain.how_to_read(run),
        "provenance": explain.provenance(run),
    }


def _overview(
    folder: str | Path,
    readable: Sequence[Run],
    experiments: Sequence[theory.Experiment],
    broken: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """Everything that overview.html.j2 shows."""
    lines = [{"workdir": _below(r.path, folder), "title": r.title, "row": row} for r in readable for row in r.rows]
    return {
        "title": f"{len(readable) + len(experiments) + len(broken)} runs",
        "folder": Path(folder).name,
        "broken": broken,
        "unfinished": [
            (_below(r.path, folder), " ".join(r.notes)) for r in (*readable, *experiments) if not r.finished
        ],
        "lines": lines,
        "numbers": _table([line["row"] for line in lines]),
        "runs": [
            {
                "run": run,
                "workdir": _below(run.path, folder),
                "seeds": table.seeds_of(run.rows),
                "answer": answers.answer(run),
                "figures": figures.figures(run, MAIN_FIGURES),
            }
            for run in readable
        ],
        "experiments": [
            {"of": one, "workdir": _below(one.path, folder), "short": [c for c in one.checks if not c.holds]}
            for one in experiments
        ],
    }


def _comparison(c: answers.Comparison, cue: str) -> dict[str, str]:
    """A line of the table of comparisons, as text."""
    if c.measure == answers.FALL:
        words = RELIES[c.verdict].format(answers.CUE_WORDS.get(cue, "cue"))
        own, base = (f"{100 * answers.fall_of(row).mean:.1f}" for row in (c.row, c.baseline))
    else:
        words, own, base = ACCURATE[c.verdict], "", ""
    interval = "{:+.1f} to {:+.1f}".format(*(100 * end for end in c.interval)) if c.interval else "one seed: none"
    difference = f"{100 * c.difference.mean:+.1f}"
    signed = {"difference": difference, "interval": interval, "own": own, "base": base}
    return {"row": c.row.name, "baseline": c.baseline.name, "words": words} | {
        key: text.replace("-", "−") for key, text in signed.items()
    }


def _table(rows: Sequence[runs.Row]) -> dict[str, Any]:
    """Columns, the groups that they form in the upper line of the heading, and cells."""
    columns = table.columns_of(rows)
    groups = [(name, len(list(of))) for name, of in itertools.groupby(columns, lambda column: column.group)]
    return {"columns": columns, "groups": groups, "cells": [table.cells_of(rows, column) for column in columns]}


def _page(template: str, content: Mapping[str, Any]) -> str:
    # autoescape: names of rows, titles and paths are the user's, and may hold anything.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(template).render(content)


def _save(path: Path, text: str) -> Path:
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8", errors="replace")
        os.replace(beside, path)
    except OSError as error:
        raise WorkdirError(f"{path} cannot be written ({error.strerror}); choose another --out=FILE.html") from None
    return path


def _below(path: Path, folder: str | Path) -> str:
    """A workdir's path as seen from the folder of runs."""
    return os.path.relpath(path, folder)

"""The report of a run: one HTML page that a reader understands who has never seen it, and that needs nothing else.

    report.write("runs/demo")                           -> runs/demo/report.html; also of an experiment on theory
    report.overview("runs", [paths of workdirs])        -> runs/report.html

The page holds its style and figures and loads nothing. That of a run runs no script; that of several runs has one small
script of its own, to sort and filter its table. Beside a page on runs lie its tables of methods as report.md and report.tex
(lamv.report.export). All is made from the files of the workdirs alone, so that the same files give the same pages;
lamv.results.runs and lamv.results.analysis tell which. Nothing here imports jax.
"""

import functools
import itertools
import os
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from lamv import files
from lamv.catalog import cues
from lamv.catalog.glossary import Term
from lamv.compare import groups, selections
from lamv.errors import DataError, StorageError, WorkdirError
from lamv.report import answer as answers
from lamv.report import (
    claim_table,
    comparison,
    explain,
    export,
    figures,
    prediction_figures,
    sections,
    table,
    theory_page,
    variance_figures,
)
from lamv.results import experiment, legend, runs
from lamv.results.runs import Run

FILE = "report.html"
ELSEWHERE = "experiments.report writes a page elsewhere with --out=FILE.html"
#: The figures that each run of an overview gets, and how many runs get them: more are not read, and take their time.
MAIN_FIGURES = (figures.accuracy, figures.weight_ratio)
MAIN_ANALYSIS = (variance_figures.over_training, variance_figures.loss_parts)
FEW_RUNS = 12
#: Groups of comparable rows that a page shows the tables of; the files beside it have all.
FEW_GROUPS = 16
#: Rows beyond which what has a line for each of them is folded away, and figures with a curve for each are not drawn.
MANY_ROWS = 30
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


class Compared(NamedTuple):
    """A group of comparable rows, its tables, and where their numbers come from."""

    group: groups.Group
    blocks: Sequence[comparison.Block]
    source: str


class Read(NamedTuple):
    """A run of an overview, without what only its own figures need. `workdir`: as the page names it."""

    workdir: str
    link: str
    run: Run
    members: Sequence[groups.Member]
    end: int | None


def write(workdir: str | Path, out: str | Path | None = None) -> Path:
    """Write the report of a workdir, finished or not; returns its path, by default report.html in the workdir.

    Raises DataError (exit 65) where no row can be read from the workdir, WorkdirError (exit 73) where the file cannot be
    written, and StorageError (exit 74) where the disk is full.
    """
    path = _page_path(workdir, out)
    if experiment.is_experiment(workdir):
        return _save(path, _page("theory.html.j2", theory_page.content(experiment.read(workdir))))
    run = runs.read(workdir)
    compared = _compared(groups.members_of(run, run.path.resolve().name))
    _save_tables(path, run.title, compared)
    return _save(path, _page("report.html.j2", _report(run, compared)))


def overview(folder: str | Path, workdirs: Sequence[Path], out: str | Path | None = None) -> Path:
    """Write one page on several workdirs; those that cannot be read are listed with the reason.

    Raises WorkdirError and StorageError as `write` does.
    """
    path = _page_path(folder, out)
    readable: list[Read] = []
    experiments: list[experiment.Experiment] = []
    broken = [(_below(each, folder), "It is empty.") for each in runs.empty(folder)]
    for workdir in workdirs:
        try:
            if experiment.is_experiment(workdir):
                experiments.append(experiment.read(workdir))
            else:
                readable.append(_read(workdir, folder, path, whole=len(readable) < FEW_RUNS))
        except DataError as error:
            broken.append((_below(workdir, folder), str(error)))
    compared = _compared([member for each in readable for member in each.members])
    content = _overview(folder, readable, experiments, broken, compared) | {"stem": path.stem}
    _save_tables(path, content["title"], compared)
    return _save(path, _page("overview.html.j2", content))


def _page_path(folder: str | Path, out: str | Path | None) -> Path:
    """Where the page goes. Raises WorkdirError where none can be, before anything is made."""
    path = Path(out) if out else Path(folder) / FILE
    if path.suffix in (".md", ".tex"):
        raise WorkdirError(f"{path} would be overwritten by the tables beside the page; choose --out=FILE.html")
    try:
        files.refuse_no_file(path)
    except WorkdirError as error:
        raise WorkdirError(f"{error}; {ELSEWHERE}") from error
    return path


def _read(workdir: Path, folder: str | Path, page: Path, whole: bool) -> Read:
    run = runs.read(workdir)
    name = _below(workdir, folder)
    members, end = groups.members_of(run, name), run.end
    if not whole:
        # 500 workdirs with their lines would be gigabytes.
        run = run._replace(lines=(), analysis=run.analysis._replace(lines=()))
    return Read(name, _link(workdir / FILE, page), run, members, end)


def _report(run: Run, compared: Sequence[Compared]) -> dict[str, Any]:
    """Everything that report.html.j2 shows."""
    found = answers.answer(run)
    shown = sections.of(run)
    content = {
        "title": run.title,
        "run": run,
        "many": len(run.rows) > MANY_ROWS,
        "selection": selections.caption(run.rows),
        "chosen": any(row.selected for row in run.rows),
        "steps": [selections.steps_in_short(row) or "–" for row in run.rows],
        "seeds": table.seeds_of(run.rows),
        "spread": any(row.n > 1 for row in run.rows),
        "uneven": len({row.n for row in run.rows}) > 1,
        "answer": found,
        "falls": any(c.measure == answers.FALL for c in found.comparisons),
        "comparisons": [_comparison(c, run.cue) for c in found.comparisons],
        "over_examples": any(c.over_examples for c in found.comparisons),
        "claims": [claim_table.line_of(claim) for claim in run.claims],
        "numbers": _table(run.rows),
        "of_groups": _table(run.rows, table.group_columns(run.rows)),
        "left_out": table.left_out(run.rows),
        **shown.content,
        "compared": _with_headings([c for c in compared if len(c.group.columns) > 1 or run.analysis.lines]),
        "source": _source(run),
        "figures": _figures_of_rows(run),
        "methods": [
            (row.name, explain.method_in_words(row, run.num_classes), explain.differences(row, run.rows))
            for row in run.rows
        ],
        "setup": explain.setup(run),
        "settings": explain.common_settings(run.rows),
        "reading": explain.how_to_read(run, shown.terms),
        "provenance": _provenance(run),
        "reading_of_data": legend.in_words(run.data),
    }
    return content | {"notes": _notes(run)}


def _notes(run: Run) -> list[str]:
    """What is missing or damaged; to be asked for last, as some of that shows when curves are drawn."""
    return list(dict.fromkeys([*run.notes, *run.analysis.notes]))


def _figures_of_rows(run: Run) -> list[figures.Drawn]:
    """The figures that have something for each row; of many rows those alone that can still be read."""
    if len(run.rows) > MANY_ROWS:
        return [*figures.figures(run, MAIN_FIGURES), *_analysis_figures(run, MANY_FIGURES)]
    return [*figures.figures(run), *_analysis_figures(run, (*VARIANCE_FIGURES, *PREDICTION_FIGURES))]


def _with_headings(compared: Sequence[Compared]) -> list[tuple[str, Compared]]:
    """Each group with what tells it from the others of its run: the mitigation, and other settings."""
    several = len({one.group.mitigation for one in compared}) > 1
    found = []
    for one in compared:
        mitigation = one.group.mitigation or ("no mitigation" if several else "")
        heading = "; ".join(part for part in (mitigation, one.group.settings) if part)
        found.append((heading or one.group.title, one))
    return found


def _overview(
    folder: str | Path,
    readable: Sequence[Read],
    experiments: Sequence[experiment.Experiment],
    broken: Sequence[tuple[str, str]],
    compared: Sequence[Compared],
) -> dict[str, Any]:
    """Everything that overview.html.j2 shows."""
    rows = [row for each in readable for row in each.run.rows]
    several = [c for c in compared if len(c.group.columns) > 1]
    unfinished = [(each.workdir, each.run) for each in readable if not each.run.finished]
    unfinished += [(_below(each.path, folder), each) for each in experiments if not each.finished]
    # Of the first runs, notes stand beside their figures.
    noted = [(each.workdir, _notes(each.run)) for each in readable[FEW_RUNS:] if each.run.finished]
    noted += [(_below(each.path, folder), each.notes) for each in experiments if each.finished]
    kinds = [_kind(row) for row in rows]
    scatter = functools.partial(variance_figures.scatter, rows, kinds)
    return {
        "title": f"{len(readable) + len(experiments) + len(broken)} runs",
        "folder": Path(folder).resolve().name,
        "broken": broken,
        "unfinished": [(name, " ".join(each.notes)) for name, each in unfinished],
        "noted": [(name, " ".join(notes)) for name, notes in noted if notes],
        "lines": _lines(readable, broken),
        "numbers": _table(rows, table.RUN_COLUMNS),
        "selection": selections.caption([row for row in rows if row.step is None]),
        "pooled": variance_figures.drawn(scatter),
        "compared": several[:FEW_GROUPS],
        "compared_more": len(several[FEW_GROUPS:]),
        "runs": [_one_of_several(each) for each in readable[:FEW_RUNS]],
        "more": len(readable[FEW_RUNS:]),
        "experiments": [
            {"of": one, "workdir": _below(one.path, folder), "short": [c for c in one.checks if not c.holds]}
            for one in experiments
        ],
        "reading": explain.how_to_read(readable[0].run._replace(rows=rows)) if readable else [],
        "provenance": [(each.workdir, _steps(each), _provenance(each.run)) for each in readable],
    }


def _one_of_several(each: Read) -> dict[str, Any]:
    """What an overview shows of a run by itself."""
    run = each.run
    content = {
        "run": run,
        "workdir": each.workdir,
        "link": each.link,
        "seeds": table.seeds_of(run.rows),
        "answer": answers.answer(run),
        "source": f"{each.workdir}, {_steps(each)}",
        "figures": _main_figures(run),
    }
    return content | {"notes": _notes(run)}


def _main_figures(run: Run) -> list[figures.Drawn]:
    """The figures of a run among others: of many rows those that put them together, if there are any."""
    together = sections.of(run).figures if len(run.rows) > MANY_ROWS else []
    return together or [*figures.figures(run, MAIN_FIGURES), *_analysis_figures(run, MAIN_ANALYSIS)]


def _lines(readable: Sequence[Read], broken: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """The lines of the table of all rows; `place`: of the row's numbers, None for what has none."""
    lines = []
    for each in readable:
        for row in each.run.rows:
            lines.append({
                "workdir": each.workdir, "link": each.link, "title": each.run.title, "name": row.name,
                "method": groups.row_in_short(row.config) if row.config else "–",
                "data": row.knob("data.name", "–"), "model": row.knob("model.name", "–"), "n": row.n,
                "step": max(row.selected, default=each.end if row.step is None else row.step), "state": each.run.state,
                "place": len(lines),
            })  # fmt: skip
    link_and_why = {"link": "", "title": "why: see above", "state": "broken"}
    nothing = dict.fromkeys(("name", "method", "data", "model"), "–") | dict.fromkeys(("n", "step", "place"))
    return lines + [{"workdir": workdir, **link_and_why, **nothing} for workdir, _ in broken]


#: In the order of the page. Each takes a run; a scatter takes its rows.
VARIANCE_FIGURES = (
    variance_figures.over_training,
    lambda run: variance_figures.scatter(run.rows),
    variance_figures.profile,
    variance_figures.loss_parts,
    variance_figures.loss_over_training,
    variance_figures.geometry_over_training,
)
MANY_FIGURES = (lambda run: variance_figures.scatter(run.rows),)
PREDICTION_FIGURES = (
    prediction_figures.reliability,
    prediction_figures.risk_coverage,
    prediction_figures.projections,
    prediction_figures.margins,
    prediction_figures.robustness,
)


def _analysis_figures(run: Run, which: Sequence) -> list[figures.Drawn]:
    return variance_figures.drawn(*(functools.partial(draw, run) for draw in which))


def _compared(members: Sequence[groups.Member]) -> list[Compared]:
    """The tables of all groups of rows."""
    return [
        Compared(group, comparison.tables(group), export.sources_in_words(group)) for group in groups.group(members)
    ]


def _kind(row: runs.Row) -> str:
    """Data, cue and network: rows of different kinds do not share a correlation."""
    cue = row.knob("data.shortcut.kind", "none")
    parts = [row.knob("data.name"), cue if cue != "none" else None, row.knob("model.name")]
    return ", ".join(str(part) for part in parts if part) or "unknown data"


def _source(run: Run) -> str:
    return f"{run.path.resolve().name}, {_steps_in_words(run.rows, run.end)}"


def _steps(each: Read) -> str:
    return _steps_in_words(each.run.rows, each.end)


def _steps_in_words(rows: Sequence[runs.Row], end: int | None) -> str:
    """Of which steps the numbers of rows are."""
    steps = [step for row in rows for step in row.selected or [end if row.step is None else row.step]]
    known = sorted({step for step in steps if step is not None})
    if not known:
        return "the end of training"
    return f"step {known[0]}" if len(known) == 1 else f"steps {known[0]} to {known[-1]}"


def _provenance(run: Run) -> list[Term]:
    """Where the numbers of training come from, and where those of the evaluation do."""
    terms = explain.provenance(run)
    if run.analysis.provenance:
        evaluated = explain.provenance(run._replace(provenance=run.analysis.provenance))
        terms += [Term(f"evaluation: {t.name}", t.meaning) for t in evaluated if t.name not in ("workdir", "overrides")]
        settings = run.analysis.provenance.get("settings", {})
        said = ", ".join(f"{key} = {value}" for key, value in settings.items())
        terms += [Term("evaluation: settings", said)] if said else []
    return terms


def _comparison(c: answers.Comparison, cue: str) -> dict[str, str]:
    """A line of the table of comparisons, as text."""
    if c.measure == answers.FALL:
        words = RELIES[c.verdict].format(cues.name_of(cue))
        own, base = (f"{100 * answers.fall_of(row).mean:.1f}" for row in (c.row, c.baseline))
    else:
        words, own, base = ACCURATE[c.verdict], "", ""
    ends = c.interval or c.over_examples
    interval = "{:+.1f} to {:+.1f}".format(*(100 * end for end in ends)) if ends else "one seed: none"
    interval += "†" if c.over_examples else ""
    difference = f"{100 * c.difference.mean:+.1f}"
    signed = {"difference": difference, "interval": interval, "own": own, "base": base}
    return {"row": c.row.name, "baseline": c.baseline.name, "words": words} | {
        key: text.replace("-", "−") for key, text in signed.items()
    }


def _table(rows: Sequence[runs.Row], which: Sequence[table.Column] = table.COLUMNS) -> dict[str, Any]:
    """Columns, the groups that they form in the upper line of the heading, and cells."""
    columns = table.columns_of(rows, which)
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
    try:
        files.write_whole(path, text)
    except (StorageError, WorkdirError) as error:
        raise type(error)(f"{error}; {ELSEWHERE}") from error
    return path


def _save_tables(page: Path, title: str, compared: Sequence[Compared]) -> None:
    """The tables of methods beside the page, as Markdown and LaTeX."""
    tables = [(one.group, one.blocks) for one in compared]
    _save(page.with_suffix(".md"), export.markdown(title, tables))
    _save(page.with_suffix(".tex"), export.latex(title, tables))


def _link(target: Path, page: Path) -> str:
    """A relative link from the page to a report that is there; "" where there is none, or where it is the page itself."""
    if not target.is_file() or target.resolve() == page.resolve():
        return ""
    # Quoted whole, so that no name can be read as a scheme.
    return urllib.parse.quote(os.path.relpath(target, page.parent).replace(os.sep, "/"))


def _below(path: Path, folder: str | Path) -> str:
    """A workdir's path as seen from the folder of runs."""
    return os.path.relpath(path, folder)

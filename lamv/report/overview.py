"""One page on several workdirs: their rows in one table, methods compared across them, and the answer of each."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lamv.compare import baseline, cohorts, doses, grids, selections
from lamv.compare.cohorts import Member
from lamv.errors import DataError
from lamv.report import answer as answers
from lamv.report import explain, page, sections, table
from lamv.report.figures import accuracy, shortcuts, variance
from lamv.report.figures.style import Drawn, drawn
from lamv.report.page import Compared, Heading, PageTable, Section
from lamv.report.table import Cell
from lamv.results import experiment as experiment_files
from lamv.results import runs
from lamv.results.experiment import Experiment
from lamv.results.records import Row, Run

#: Runs that get figures; of more, the lines are not read.
FEW_RUNS = 12
#: Cohorts whose tables are on the page; the files beside it have all.
FEW_COHORTS = 16
FIGURES = (accuracy.accuracy, accuracy.weight_ratio, variance.over_training, variance.loss_parts)


class Entry(NamedTuple):
    """A run of the overview, without what only its own figures need. workdir: as the page names it; link: to its report."""

    workdir: str
    link: str
    run: Run
    members: Sequence[Member]
    end: int | None

    @property
    def source(self) -> str:
        """ "digits/a, step 600"."""
        return f"{self.workdir}, {sections.steps_in_words(self.run.rows, self.end)}"


def write_overview(folder: str | Path, workdirs: Sequence[Path], out: str | Path | None = None) -> Path:
    """Write one page on several workdirs; those that cannot be read are listed with the reason.

    Raises WorkdirError and StorageError as `lamv.report.write` does.
    """
    path = page.path_of(folder, out)
    entries: list[Entry] = []
    experiments: list[Experiment] = []
    broken = [(_below(empty, folder), "It is empty.") for empty in runs.empty(folder)]
    for workdir in workdirs:
        try:
            if experiment_files.is_experiment(workdir):
                experiments.append(experiment_files.read(workdir))
            else:
                entries.append(_read(workdir, folder, path, whole=len(entries) < FEW_RUNS))
        except DataError as error:
            broken.append((_below(workdir, folder), str(error)))
    compared = page.compared([member for entry in entries for member in entry.members])
    title = f"{len(entries) + len(experiments) + len(broken)} runs"
    content = {
        "title": title,
        "folder": Path(folder).resolve().name,
        "remarks": _remarks(folder, entries, experiments, broken),
        **_runs_table(entries, broken),
        "sections": _sections(folder, entries, experiments, compared, path.stem),
    }
    page.save_tables(path, title, compared)
    return page.save(path, page.render("overview.html.j2", content))


def _read(workdir: Path, folder: str | Path, path: Path, whole: bool) -> Entry:
    run = runs.read(workdir)
    name = _below(workdir, folder)
    members, end = cohorts.members_of(run, name), run.end
    if not whole:
        # 500 workdirs with their lines would be gigabytes.
        run = run._replace(lines=(), analysis=run.analysis._replace(lines=()))
    return Entry(name, page.link_to(workdir / page.FILE, path), run, members, end)


def _below(path: Path, folder: str | Path) -> str:
    """A workdir's path from the folder of runs."""
    return os.path.relpath(path, folder)


def _remarks(
    folder: str | Path, entries: Sequence[Entry], experiments: Sequence[Experiment], broken: Sequence[tuple[str, str]]
) -> list[tuple[str, list[tuple[str, str]]]]:
    """(heading, [(workdir, what about it)]) of workdirs that are broken, unfinished, or have notes."""
    theories = [(_below(experiment.path, folder), experiment) for experiment in experiments]
    unfinished = [(entry.workdir, " ".join(entry.run.notes)) for entry in entries if not entry.run.finished]
    unfinished += [(name, " ".join(experiment.notes)) for name, experiment in theories if not experiment.finished]
    # The notes of the first runs stand beside their figures.
    noted = [(entry.workdir, sections.notes(entry.run)) for entry in entries[FEW_RUNS:] if entry.run.finished]
    noted += [(name, list(experiment.notes)) for name, experiment in theories if experiment.finished]
    remarks = [
        ("Not shown, as they cannot be read:", list(broken)),
        ("Not finished:", unfinished),
        ("Notes:", [(name, " ".join(notes)) for name, notes in noted if notes]),
    ]
    return [(heading, items) for heading, items in remarks if items]


def _runs_table(entries: Sequence[Entry], broken: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The lines of the table of all rows, its columns, and the cells of each column, which `at` of a line points to."""
    lines = []
    for entry in entries:
        for row in entry.run.rows:
            lines.append({
                "workdir": entry.workdir, "link": entry.link, "title": entry.run.title, "name": row.name,
                "method": baseline.row_in_short(row.config) if row.config else "–",
                "data": row.knob("data.name", "–"), "model": row.knob("model.name", "–"), "n": row.n,
                "step": max(row.selected, default=entry.end if row.step is None else row.step), "state": entry.run.state,
                "at": len(lines),
            })  # fmt: skip
    empty = dict.fromkeys(("name", "method", "data", "model"), "–") | dict.fromkeys(("n", "step", "at"))
    empty |= {"link": "", "title": "see above", "state": "broken"}
    rows = [row for entry in entries for row in entry.run.rows]
    columns = table.columns_of(rows, table.RUN_COLUMNS)
    return {
        "lines": lines + [{"workdir": workdir, **empty} for workdir, _ in broken],
        "numbers": table.grouped(rows, columns),
        "selection": selections.caption([row for row in rows if row.step is None]),
    }


def _sections(
    folder: str | Path,
    entries: Sequence[Entry],
    experiments: Sequence[Experiment],
    compared: Sequence[Compared],
    stem: str,
) -> list[Section]:
    """What follows the table of all rows. stem: of the page's file."""
    rows = [row for entry in entries for row in entry.run.rows]
    pooled = drawn([variance.scatter], rows, [_kind(row) for row in rows])
    shown = [Section("", figures=pooled, source="the rows above")] if pooled else []
    shown += _compared([c for c in compared if len(c.cohort.methods) > 1], stem)
    shown += [_theory(folder, experiments)] if experiments else []
    shown += [_one_run(entry) for entry in entries[:FEW_RUNS]]
    if more := len(entries[FEW_RUNS:]):
        link = "the table of all rows links to those that exist"
        shown.append(Section("", sentences=[f"Figures of the other {more} runs are in their own reports; {link}."]))
    if not entries:
        return shown
    reading = explain.how_to_read(entries[0].run._replace(rows=rows))
    shown += [Section("How to read this", entries=reading), Section("Provenance", id="from")]
    for entry in entries:
        section = sections.provenance(entry.run)
        shown.append(
            section._replace(title="", id="", fold=entry.source if len(entries) > 3 else "", kicker=entry.source)
        )
    return shown


def _compared(compared: Sequence[Compared], stem: str) -> Iterable[Section]:
    if not compared:
        return []
    tables = []
    for one in compared[:FEW_COHORTS]:
        heading = f"{one.cohort.title}; {one.cohort.settings}" if one.cohort.settings else one.cohort.title
        tables += page.method_tables(one, heading)
    first = f"The first {FEW_COHORTS} of {len(compared)} cohorts (rows that agree in all but method and seed)"
    sentences = [f"{first}; the others are in {stem}.md and {stem}.tex."] if len(compared) > FEW_COHORTS else []
    return [Section("Methods compared", sentences=sentences, tables=tables)]


def _theory(folder: str | Path, experiments: Sequence[Experiment]) -> Section:
    headings = [
        Heading("Workdir", text=True),
        *(Heading(name, text=True) for name in ("title", "answer", "falls short")),
    ]
    lines = []
    for experiment in experiments:
        short = [check.quantity for check in experiment.checks if not check.holds]
        more = f"; {len(short) - 3} more" if len(short) > 3 else ""
        overridden = "Settings were overridden." if experiment.overrides else ""
        answer = Cell(experiment.answer, note=overridden)
        name = _below(experiment.path, folder)
        lines.append([Cell(name), Cell(experiment.title), answer, Cell("; ".join(short[:3]) + more or "–")])
    return Section("Theory and measurement", tables=[PageTable(headings, lines)])


def _one_run(entry: Entry) -> Section:
    """The answer and the main figures of a run."""
    run, answer = entry.run, answers.answer(entry.run)
    figures = _figures(run)
    return Section(
        run.title, answer.headline, answer.paragraphs, figures, source=entry.source, notes=sections.notes(run),
        kicker=f"{entry.workdir} · {table.seeds_of(run.rows)}", link=entry.link,
    )  # fmt: skip


def _figures(run: Run) -> list[Drawn]:
    """Of a run of many rows those figures that put rows together, if there are any."""
    if len(run.rows) > sections.MANY_ROWS:
        together = drawn([shortcuts.dose_response], doses.of(run.rows))
        for place, grid in enumerate(grids.of(run.rows)):
            together += drawn([shortcuts.method_by_mitigation], grid, place)
        if together:
            return together
    return drawn(FIGURES, run)


def _kind(row: Row) -> str:
    """Data, cue and network: rows of different kinds do not share a correlation."""
    cue = row.knob("data.shortcut.kind", "none")
    parts = [row.knob("data.name"), cue if cue != "none" else None, row.knob("model.name")]
    return ", ".join(str(part) for part in parts if part) or "unknown data"

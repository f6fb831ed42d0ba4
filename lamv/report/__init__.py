"""The report of a run: one HTML page that explains itself and needs nothing else.

    report.write("runs/demo")                                 -> runs/demo/report.html; also of an experiment on theory
    report.write_overview("runs", [paths of workdirs])        -> runs/report.html

The page holds its style and figures and loads nothing. That of a run runs no script; that of several runs has one small
script, to sort and filter its table. Beside a page on runs lie its tables of methods as report.md, report.tex and report.csv
(lamv.report.export). All is made from the files of the workdirs alone (lamv.results): the same files give the same pages.
Nothing here imports jax.
"""

from pathlib import Path

from lamv.compare import cohorts
from lamv.report import answer as answers
from lamv.report import page, sections, theory_page
from lamv.report.overview import write_overview
from lamv.report.page import FILE, Compared, Section
from lamv.results import experiment, runs
from lamv.results.records import Run

__all__ = ["FILE", "sections_of", "write", "write_overview"]


def write(workdir: str | Path, out: str | Path | None = None) -> Path:
    """Write the report of a workdir, finished or not; returns its path, by default report.html in the workdir.

    Raises DataError (exit 65) where no row can be read from the workdir, WorkdirError (exit 73) where the file cannot be
    written, and StorageError (exit 74) where the disk is full.
    """
    path = page.path_of(workdir, out)
    if experiment.is_experiment(workdir):
        return page.save(path, page.render("theory.html.j2", theory_page.content(experiment.read(workdir))))
    run = runs.read(workdir)
    compared, shown = sections_of(run)
    shown += [sections.how_to_read(run, shown), sections.provenance(run)]
    page.save_tables(path, run.title, compared)
    return page.save(path, page.render("report.html.j2", {"run": run, "notes": sections.notes(run), "sections": shown,
                                                          "kicker": sections.kicker(run)}))  # fmt: skip


def sections_of(run: Run) -> tuple[list[Compared], list[Section]]:
    """The tables of methods of a run, and the sections of its page, figures drawn."""
    compared = page.compared(cohorts.members_of(run, run.path.resolve().name))
    answer = answers.answer(run)
    return compared, [section for make in sections.SECTIONS if (section := make(run, compared, answer))]

"""What a page is made of, and how it is written: sections, tables and figures into self-contained HTML.

A section holds a title, sentences, figures, tables and terms, and nothing else of a run reaches the templates. Tables of
methods are written beside the page as Markdown, LaTeX and CSV.
"""

import os
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from lamv import files
from lamv.catalog.glossary import Term
from lamv.compare import cohorts
from lamv.compare.cohorts import Cohort, Member
from lamv.errors import StorageError, WorkdirError
from lamv.report import comparison, export
from lamv.report.claim_table import Line
from lamv.report.comparison import MethodTable
from lamv.report.figures.style import Drawn
from lamv.report.table import Cell

FILE = "report.html"
ELSEWHERE = "experiments.report writes a page elsewhere with --out=FILE.html"
#: autoescape: names of rows, titles and paths are the user's, and may hold anything.
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip


class Heading(NamedTuple):
    """Of a column; text: whether its cells are text, set flush left. group: the heading over several columns."""

    name: str
    note: str = ""
    text: bool = False
    group: str = ""


class PageTable(NamedTuple):
    """rows: cells, the first of which names the row. title: small, above it; heading: larger, for this and the next ones."""

    headings: Sequence[Heading]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    title: str = ""
    heading: str = ""
    source: str = ""
    style: str = ""

    @property
    def groups(self) -> list[tuple[str, int]]:
        """(heading, number of columns) of the columns under a common heading; [] where no column has one."""
        spans: list[tuple[str, int]] = []
        for heading in self.headings:
            same = spans and spans[-1][0] == heading.group
            spans = [*spans[:-1], (heading.group, spans[-1][1] + 1)] if same else [*spans, (heading.group, 1)]
        return spans if any(name for name, _ in spans) else []


class Bullets(NamedTuple):
    """A sentence and a list below it."""

    intro: str
    items: Sequence[str]


class Section(NamedTuple):
    """In this order on the page: title, headline, lead, sentences, figures, tables, entries (shown as terms), caption.

    Where there is a headline, figures follow it and its lead, a line in small letters, at once.

    terms: to be explained at the end of the page. fold: summary behind which figures, tables and entries are folded away.
    source: workdir and step of the figures. code: whether entries are code.
    """

    title: str
    headline: str = ""
    sentences: Sequence[str | Bullets] = ()
    figures: Sequence[Drawn] = ()
    tables: Sequence[PageTable] = ()
    entries: Sequence[Term] = ()
    caption: str = ""
    terms: Sequence[Term] = ()
    source: str = ""
    fold: str = ""
    code: bool = False
    id: str = ""
    kicker: str = ""
    link: str = ""
    notes: Sequence[str] = ()
    lead: str = ""


class Compared(NamedTuple):
    """A cohort and its tables."""

    cohort: Cohort
    tables: Sequence[MethodTable]


def compared(members: Sequence[Member]) -> list[Compared]:
    """The tables of all cohorts."""
    return [Compared(cohort, comparison.tables(cohort)) for cohort in cohorts.of(members)]


def method_tables(one: Compared, heading: str = "", source: str = "") -> list[PageTable]:
    """The tables of a cohort for the page. source: default the workdirs of the cohort."""
    tables = [_method_table(table, source or one.cohort.origins()) for table in one.tables]
    if tables and heading:
        tables[0] = tables[0]._replace(heading=heading)
    if tables and one.cohort.notes:
        tables[-1] = tables[-1]._replace(caption=" ".join([tables[-1].caption, *one.cohort.notes]))
    return tables


def _method_table(table: MethodTable, source: str) -> PageTable:
    headings = [Heading(""), *(Heading(m.name, f"{m.short}, n = {m.n}") for m in table.methods)]
    rows = [[Cell(f"{line.name} {_power(line.power)}".strip()), *line.cells] for line in table.lines]
    number, parts = table.part
    last = (
        {"caption": " ".join([table.about, export.CELLS, *table.remarks]), "source": source} if number == parts else {}
    )
    return PageTable(headings, rows, title=table.title if number == 1 else "", style="compared", **last)


def claim_table(lines: Sequence[Line]) -> PageTable:
    """Claims of a recipe, or checks of an experiment on theory."""
    headings = [
        Heading("Quantity", text=True), Heading("verdict", text=True), Heading("mean ± sd", group="Measured"),
        Heading("n", group="Measured"), Heading("value", group="Should be"), Heading("tolerance", group="Should be"),
        Heading("source", text=True, group="Should be"),
    ]  # fmt: skip
    rows = [
        [
            Cell(line.quantity, note=line.note), Cell(line.verdict, apart=line.holds is False),
            Cell(line.measured, line.sd), *map(Cell, (line.n, line.expected, line.tolerance, line.source)),
        ]
        for line in lines
    ]  # fmt: skip
    caption = (
        "Mean ± standard deviation over n replicas. “=” asks for the value, give or take the tolerance; “≥” and “≤” ask for"
        " its side."
    )
    return PageTable(headings, rows, caption, style="claims")


def _power(power: int) -> str:
    return f"× 10{str(power).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}" if power else ""


def path_of(folder: str | Path, out: str | Path | None) -> Path:
    """Where the page goes, by default report.html in the folder. Raises WorkdirError where it cannot be written."""
    path = Path(out) if out else Path(folder) / FILE
    if path.suffix in (".md", ".tex", ".csv"):
        raise WorkdirError(f"{path} would be overwritten by the tables beside the page; choose --out=FILE.html")
    try:
        files.refuse_no_file(path)
    except WorkdirError as error:
        raise WorkdirError(f"{error}; {ELSEWHERE}") from error
    return path


def render(template: str, content: Mapping[str, Any]) -> str:
    """The HTML of a page."""
    return TEMPLATES.get_template(template).render(content)


def save(path: Path, text: str) -> Path:
    """Write a page or a table; raises as files.write_whole does."""
    try:
        files.write_whole(path, text)
    except (StorageError, WorkdirError) as error:
        raise type(error)(f"{error}; {ELSEWHERE}") from error
    return path


def save_tables(page: Path, title: str, tables: Iterable[Compared]) -> None:
    """The tables of methods beside the page, as Markdown, LaTeX and CSV."""
    tables = list(tables)
    save(page.with_suffix(".md"), export.markdown(title, tables))
    save(page.with_suffix(".tex"), export.latex(title, tables))
    save(page.with_suffix(".csv"), export.csv(tables))


def link_to(target: Path, page: Path) -> str:
    """A relative link from the page to a report that is there; "" where there is none, or where it is the page itself."""
    if not target.is_file() or target.resolve() == page.resolve():
        return ""
    # Quoted whole, so that no name can be read as a scheme.
    return urllib.parse.quote(os.path.relpath(target, page.parent).replace(os.sep, "/"))

"""The sections of the page of a run, in the order of SECTIONS; each is None for runs that have nothing for it."""

from collections.abc import Sequence

from lamv.catalog import cues, glossary, metrics
from lamv.catalog.glossary import Term
from lamv.catalog.metrics import PROBE
from lamv.compare import by_group, doses, grids, parting, selections
from lamv.compare.differences import ALIKE, FALL, LESS, MORE, UNDECIDED, Comparison, fall_of
from lamv.report import explain, table
from lamv.report.answer import Answer
from lamv.report.claim_table import line_of
from lamv.report.figures import accuracy, predictions, shortcuts, variance
from lamv.report.figures.parting import over_shares
from lamv.report.figures.style import Drawn, drawn
from lamv.report.group_tables import group_tables, table_of_each, variance_tables
from lamv.report.numbers import count_span, points
from lamv.report.page import Bullets, Compared, Heading, PageTable, Section, claim_table, method_tables
from lamv.report.parting_tables import FIGURE, measures_of, parting_tables, rows_of
from lamv.report.sweep_tables import sweep_tables
from lamv.report.table import Cell
from lamv.results import legend
from lamv.results.records import Published, Row, Run

#: Rows beyond which what has a line for each of them is folded away, and figures with a curve for each are not drawn.
MANY_ROWS = 30
RELIANCE = {MORE: "more reliance on the {}", LESS: "less reliance on the {}", ALIKE: "equal", UNDECIDED: "inconclusive"}
ACCURACY = {MORE: "higher", LESS: "lower", ALIKE: "equal", UNDECIDED: "inconclusive"}
TOO_MANY = "There are more than 16 groups, which training does not measure one by one; experiments.evaluate does."


def answer_section(run: Run, _: Sequence[Compared], answer: Answer) -> Section:
    """The answer, its picture, and the table of comparisons behind it."""
    fall = any(c.measure == FALL for c in answer.comparisons)
    lost = [Heading("points lost", "cue turns random"), Heading("by ERM", "points lost")] if fall else []
    headings = [
        Heading("Row", text=True), Heading("baseline", "ERM, all else the same", text=True), *lost,
        Heading("difference", "points, paired by seed"), Heading("95 % interval", table.seeds_of(run.rows)),
        Heading("verdict", text=True),
    ]  # fmt: skip
    caption = selections.caption(run.rows)
    if any(c.over_examples for c in answer.comparisons):
        caption += " †: bootstrap over the test examples of one seed; variation between seeds is not in it."
    tables = [PageTable(headings, [_comparison(c, run.cue, fall) for c in answer.comparisons], caption)]
    figures = [] if len(run.rows) > MANY_ROWS else drawn([accuracy.accuracy], run)
    return Section(
        "What this run shows", answer.headline, answer.paragraphs, figures, tables if answer.comparisons else (),
        fold=_fold(run, "All comparisons with ERM"), source=source(run), lead=explain.names_in_brief(run.rows),
    )  # fmt: skip


def _comparison(c: Comparison, cue: str, fall: bool) -> list[Cell]:
    lost = [points(drop.mean) for row in (c.row, c.baseline) if (drop := fall_of(row))] if fall else []
    ends = c.interval or c.over_examples
    between = " to ".join(points(end, signed=True) for end in ends) if ends else "one seed: none"
    words = RELIANCE[c.verdict].format(cues.name_of(cue)) if fall else ACCURACY[c.verdict]
    difference = points(c.difference.mean, signed=True)
    texts = [c.row.name, c.baseline.name, *lost, difference, between + ("†" if c.over_examples else ""), words]
    return [Cell(text) for text in texts]


def dose_section(run: Run, *_) -> Section | None:
    """Curves over the dose, and where methods cross ERM."""
    panels = doses.of(run.rows)
    if not panels:
        return None
    caption = f"In brackets: 95 % interval of the crossing. {selections.caption(run.rows)}"
    headings = [Heading("Method", text=True), Heading("crosses ERM at", text=True)]
    tables = []
    for panel in panels:
        if erm := panel.baseline:
            title = "Crossings with ERM: " + ", ".join(part for part in (panel.words, panel.fixed) if part)
            lines = [[Cell(c.name), Cell("; ".join(crossings(c, erm)))] for c in panel.curves if not c.erm]
            tables.append(PageTable(headings, lines, caption, title))
    terms = (glossary.DOSE, glossary.CROSSING)
    figures = drawn([shortcuts.dose_response], panels)
    return Section("Dose and response", figures=figures, tables=tables, terms=terms, source=source(run))


def crossings(curve: doses.Curve, erm: doses.Curve) -> list[str]:
    """Where a curve crosses that of ERM, a phrase for each crossing; or on which side it lies."""
    difference = doses.difference(curve, erm)
    if difference is None:
        return ["no seeds in common"]
    if at := doses.crossings(difference):
        return [_crossing(crossing, erm.name, difference.doses.tolist()) for crossing in at]
    signs = [mean for mean in difference.values.mean(axis=0) if mean]
    where = "on" if not signs else "below" if signs[0] < 0 else "above"
    return [f"does not cross; {where} {erm.name} at every dose"]


def _crossing(crossing: doses.Crossing, erm: str, at: Sequence[float]) -> str:
    """ "0.18 [0.15, 0.21]: from below ERM to above"."""
    ends = ""
    if crossing.interval:
        low, high = crossing.interval
        lowest = f"{at[0]:g} or less" if low == -float("inf") else f"{low:.3g}"
        highest = f"{at[-1]:g} or more" if high == float("inf") else f"{high:.3g}"
        ends = f" [{lowest}, {highest}]"
    sides = ("below", "above") if crossing.rises else ("above", "below")
    return f"{crossing.at:.3g}{ends}: from {sides[0]} {erm} to {sides[1]}"


def grid_section(run: Run, *_) -> Section | None:
    """Methods by mitigations, and which mitigation repairs which method."""
    all_grids = grids.of(run.rows)
    if not all_grids:
        return None
    figures, sentences = [], []
    for place, grid in enumerate(all_grids):
        figures += drawn([shortcuts.method_by_mitigation], grid, place)
        for metric, words in grids.measures(grid):
            if items := [repair_in_words(repair) for repair in grids.repairs(grid, metric)]:
                lose = f"Methods that, without mitigation, lose more than 3 points of {words} against ERM"
                intro = f"{lose}, and the best mitigation for each (in parentheses: 95 % interval, paired by seed):"
                sentences.append(Bullets(intro, items))
    if not figures:
        return None
    return Section(
        "Methods and mitigations", sentences=sentences, figures=figures, caption=selections.caption(run.rows),
        terms=[glossary.REPAIR], source=source(run),
    )  # fmt: skip


def repair_in_words(repair: grids.Repair) -> str:
    """ "LS .1 loses 45.3 points (40.1 to 50.2); group_dro repairs it: ..."."""
    lost = f"{repair.method} loses {_points(repair.lost, -1)}"
    if repair.alone is None:
        return f"{lost}; it was not trained with a mitigation."
    verdict = "repairs it" if repair.repaired else "comes closest but does not repair it"
    under = [f"{_side(repair.same)} ERM under {repair.mitigation}"] if repair.same else []
    return f"{lost}; {repair.mitigation} {verdict}: {' and '.join([*under, f'{_side(repair.alone)} ERM alone'])}."


def _points(comparison: Comparison, sign: int = 1) -> str:
    """ "45.3 points (40.1 to 50.2)": a difference, times the sign, with its interval."""
    if comparison.interval is None:
        return f"{points(sign * comparison.difference.mean)} points (one seed)"
    low, high = sorted(sign * end for end in comparison.interval)
    return f"{points(sign * comparison.difference.mean)} points ({points(low)} to {points(high)})"


def _side(comparison: Comparison) -> str:
    """ "2.1 points (−1.0 to 5.2) below"."""
    below = comparison.difference.mean < 0
    return f"{_points(comparison, -1 if below else 1)} {'below' if below else 'above'}"


def sweep_section(run: Run, *_) -> Section | None:
    """A grid for each method of which two knobs were swept."""
    tables = sweep_tables(run)
    return Section("Two knobs swept", tables=tables, source=source(run)) if tables else None


def parting_section(run: Run, *_) -> Section | None:
    """Label smoothing and MaxSup at the same s, and at which they part."""
    ladders = parting.of(run.rows)
    if not ladders:
        return None
    measures = measures_of(row for ladder in ladders for row in rows_of(ladder))
    drawn_of = {key: measures[key] for key in measures if key in FIGURE or PROBE.fullmatch(key)}
    return Section(
        "Where label smoothing and MaxSup part", figures=drawn([over_shares], ladders, drawn_of),
        tables=parting_tables(ladders), source=source(run),
    )  # fmt: skip


def numbers_section(run: Run, *_) -> Section:
    """The table of all rows, and that of groups."""
    rows, columns = run.rows, table.columns_of(run.rows)
    if not columns:
        return Section("The numbers", sentences=["None yet."])
    shows = f"{'Mean ± standard deviation' if any(row.n > 1 for row in rows) else 'Values'}, {table.seeds_of(rows)}."
    selection = selections.caption(rows)
    extra = [(Heading("n"), [Cell(str(row.n)) for row in rows])] if len({row.n for row in rows}) > 1 else []
    if any(row.selected for row in rows):
        steps = [Cell(selections.steps_in_short(row)) for row in rows]
        extra.append((Heading("step", "selected, over seeds"), steps))
    differ = "; the columns differ in the cue" if run.cue else ""
    within = any(column.group == table.VARIANCE for column in columns)
    defined = (
        " V_W, the within-class variance: how much examples of one class differ, E ‖h − E[h | y]‖²." if within else ""
    )
    tables = [row_table(rows, columns, f"{shows} All on test examples{differ}.{defined} {selection}", extra)]
    if group_columns := table.group_columns(rows):
        group = "A group is a label and an attribute" + (", here the class that the cue indicates." if run.cue else ".")
        parts = [shows, group if by_group.of(run) else "", *table.left_out(rows), selection]
        tables.append(row_table(rows, group_columns, " ".join(part for part in parts if part)))
    return Section("The numbers", tables=tables, fold=_fold(run, f"All {len(rows)} rows"))


def row_table(rows: Sequence[Row], columns: Sequence[table.Column], caption: str, extra: Sequence = ()) -> PageTable:
    """A row a line, a metric a column. extra: (heading, cells) of columns before the metrics."""
    headings = [Heading("Row", text=True), *(heading for heading, _ in extra)]
    headings += [Heading(column.head, column.note, group=column.group) for column in columns]
    cells = [[Cell(row.name) for row in rows], *(cells for _, cells in extra)]
    cells += [table.cells_of(rows, column) for column in columns]
    return PageTable(headings, list(zip(*cells, strict=True)), caption)


def class_section(run: Run, *_) -> Section | None:
    """Accuracy of every class, where classes are unequal."""
    classes = by_group.of_classes(run)
    if not classes:
        return None
    return Section("Classes", tables=[table_of_each(classes)], fold=_fold(run, f"All {len(run.rows)} rows"))


def group_section(run: Run, *_) -> Section | None:
    """Accuracy of every group; of many groups the worst, the median and the best."""
    groups = by_group.of(run)
    if not groups:
        return None
    tables = [*group_tables(groups), *variance_tables(groups)]
    return Section(
        "Groups", figures=drawn([shortcuts.many_groups], groups), tables=tables, caption="" if tables else TOO_MANY,
        terms=[glossary.INTERVAL], source=source(run), fold=_fold(run, f"All {len(run.rows)} rows"),
    )  # fmt: skip


def published_section(run: Run, *_) -> Section | None:
    """What others published for rows of this recipe, beside what was measured."""
    rows = {row.name: row for row in run.rows}
    lines = [_published(number, rows[number.row]) for number in run.published if number.row in rows]
    headings = [
        Heading("Row", text=True), Heading("here", "mean ± sd"), Heading("n", "seeds"), Heading("published"),
        Heading("source", text=True),
    ]  # fmt: skip
    caption = "Published numbers are as their authors give them; settings may differ, and nothing is judged by them."
    return Section("Beside published numbers", tables=[PageTable(headings, lines, caption)]) if lines else None


def _published(published: Published, row: Row) -> list[Cell]:
    entry, spread = metrics.entry_of(published.metric), row.metrics.get(published.metric)
    scale, decimals = (100.0, 2) if entry and entry.percent else (1.0, 4)
    here, sd, theirs = (
        "" if value is None else f"{scale * value:.{decimals}f}"
        for value in (spread and spread.mean, spread and spread.sd, published.value)
    )
    split = published.metric.partition("/")[0]
    name = f"{metrics.SPLIT_NAMES.get(split, split)}: {entry.name}" if entry else published.metric
    n = Cell(str(spread.n) if spread else "")
    return [Cell(row.name, note=name), Cell(here, sd), n, Cell(theirs), Cell(published.source)]


def claim_section(run: Run, *_) -> Section | None:
    """The claims of the recipe, and whether the means reach them."""
    if not run.claims:
        return None
    table_of_claims = claim_table([line_of(claim) for claim in run.claims])
    sentence = "What the recipe claims, and whether the means reach it."
    return Section("The claims", sentences=[sentence], tables=[table_of_claims])


#: In the order of the page.
EVALUATION_FIGURES = (
    variance.over_training, lambda run: variance.scatter(run.rows), variance.profile, variance.loss_parts,
    variance.loss_over_training, variance.geometry_over_training, predictions.reliability, predictions.risk_coverage,
    predictions.projections, predictions.mixed_projections,
    predictions.margins, predictions.robustness,
)  # fmt: skip
#: Beside that of the answer.
FIGURES = (*(draw for draw in accuracy.FIGURES if draw is not accuracy.accuracy), *EVALUATION_FIGURES)
#: Of many rows, those that can still be read.
FIGURES_OF_MANY = (accuracy.accuracy, accuracy.weight_ratio, lambda run: variance.scatter(run.rows))


def figure_section(run: Run, *_) -> Section | None:
    """The figures that have something for each row."""
    figures: list[Drawn] = drawn(FIGURES_OF_MANY if len(run.rows) > MANY_ROWS else FIGURES, run)
    fold = _fold(run, f"Figures of all {len(run.rows)} rows")
    return Section("The figures", figures=figures, source=source(run), fold=fold) if figures else None


def comparison_section(run: Run, compared: Sequence[Compared], _: Answer) -> Section | None:
    """The tables of methods of each cohort, headed by the mitigation and the settings that distinguish it."""
    compared = [c for c in compared if len(c.cohort.methods) > 1 or run.analysis.lines]
    mitigated = len({c.cohort.mitigation for c in compared}) > 1
    tables = []
    for one in compared:
        mitigation = one.cohort.mitigation or ("no mitigation" if mitigated else "")
        heading = "; ".join(part for part in (mitigation, one.cohort.settings) if part) or one.cohort.title
        tables += method_tables(one, heading if len(compared) > 1 else "", source(run))
    fold = _fold(run, f"Tables of all {len(run.rows)} rows")
    return Section("Methods compared", tables=tables, fold=fold) if tables else None


def data_section(run: Run, *_) -> Section | None:
    """The description of the data set."""
    entries = [Term(heading, sentence) for heading, sentence in legend.in_words(run.data)]
    return Section("The data", entries=entries) if entries else None


def row_section(run: Run, *_) -> Section:
    """The method of each row, and the knobs in which it differs."""
    entries = [
        Term(row.name, f"{explain.method_in_words(row, run.num_classes)} {explain.differences(row, run.rows)}".strip())
        for row in run.rows
    ]
    return Section("The rows", entries=entries, fold=_fold(run, f"All {len(run.rows)} rows"))


def setup_section(run: Run, *_) -> Section | None:
    """Data, cue, network, optimiser and length."""
    return Section("The setting", entries=entries) if (entries := explain.setup(run)) else None


def settings_section(run: Run, *_) -> Section | None:
    """Every knob that rows share, folded away, right below the setting."""
    entries = [Term(key, value) for key, value in explain.common_settings(run.rows)]
    shared = "settings that the rows share" if len(run.rows) > 1 else "settings"
    return Section("", entries=entries, fold=f"All {len(entries)} {shared}", code=True) if entries else None


#: Each takes a run, its cohorts with their tables, and its answer.
SECTIONS = (
    answer_section, dose_section, grid_section, sweep_section, parting_section, numbers_section, class_section,
    group_section, claim_section, published_section, figure_section, comparison_section, data_section, row_section,
    setup_section, settings_section,
)  # fmt: skip


def how_to_read(run: Run, sections: Sequence[Section]) -> Section:
    """The terms of the metrics that were measured, and of the other sections."""
    terms = [term for section in sections for term in section.terms]
    return Section("How to read this", entries=explain.how_to_read(run, terms))


def provenance(run: Run) -> Section:
    """Workdir, commands, versions and data of training and evaluation."""
    entries = explain.provenance(run)
    if run.analysis.provenance:
        evaluated = explain.provenance(run._replace(provenance=run.analysis.provenance))
        entries += [
            Term(f"evaluation: {t.name}", t.meaning) for t in evaluated if t.name not in ("workdir", "overrides")
        ]
        settings = ", ".join(f"{key} = {value}" for key, value in run.analysis.provenance.get("settings", {}).items())
        entries += [Term("evaluation: settings", settings)] if settings else []
    return Section("Provenance", sentences=() if entries else ["Not recorded."], entries=entries, id="from")


def notes(run: Run) -> list[str]:
    """What is missing or damaged; to be asked for last, as some of that shows when curves are read for figures."""
    return list(dict.fromkeys([*run.notes, *run.analysis.notes]))


def kicker(run: Run) -> str:
    """ "6 rows · n = 5 seeds"."""
    return f"{len(run.rows)} row{'s' if len(run.rows) != 1 else ''} · {table.seeds_of(run.rows)}"


def source(run: Run) -> str:
    """Workdir and steps of the numbers of a run."""
    return f"{run.path.resolve().name}, {steps_in_words(run.rows, run.end)}"


def steps_in_words(rows: Sequence[Row], end: int | None) -> str:
    """The steps of the numbers of rows. end: the last step of the run."""
    steps = {
        step for row in rows for step in row.selected or [end if row.step is None else row.step] if step is not None
    }
    if not steps:
        return "the end of training"
    return f"step{'s' if len(steps) > 1 else ''} {count_span(steps)}"


def _fold(run: Run, summary: str) -> str:
    return summary if len(run.rows) > MANY_ROWS else ""

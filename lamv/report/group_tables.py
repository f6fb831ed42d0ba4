"""Tables of the accuracy of groups and classes: a column for each, or the worst, the median and the best of many."""

from collections.abc import Sequence

from lamv.compare import by_group, selections
from lamv.compare.by_group import Group, GroupAccuracies
from lamv.core.intervals import wilson
from lamv.report.figures.shortcuts import SPLIT_WORDS
from lamv.report.numbers import count_span, interval, points
from lamv.report.page import Heading, PageTable
from lamv.report.table import Cell
from lamv.results.records import Row, Spread

#: Empty groups that are listed by name.
NAMED = 12
#: Colour of a cell at accuracies 0 and 1; ink can be read on either.
DARK, LIGHT = (0xE3, 0x9A, 0x6B), (0xFF, 0xFF, 0xFF)


def group_tables(groups: GroupAccuracies) -> Sequence[PageTable]:
    """The table of groups; [] where none was measured one by one."""
    return [table_of_each(groups)] if groups.groups else [_pooled_table(groups)] if groups.pooled else []


def table_of_each(groups: GroupAccuracies) -> PageTable:
    """A column for each group, or class."""
    rows = groups.rows
    headings = [Heading("Row", text=True)]
    for group in groups.groups:
        counts = [count for row in rows for count in groups.counts(row, group)]
        headings.append(Heading(groups.name(group), f"n = {count_span(counts)}" if counts else ""))
    lines = [[Cell(row.name), *(_group_cell(groups, row, group) for group in groups.groups)] for row in rows]
    fair = _add_fairness(groups, headings, lines)
    crossed = "; a group is a label and an attribute" if groups.groups[0][1] is not None else ""
    crossed += "; balanced accuracy is the mean of these" if groups.kind == "class" else ""
    parts = [
        f"Accuracy on each {groups.kind} of {SPLIT_WORDS[groups.split]}, in %{crossed}.",
        "± is the sd over seeds." if any(row.n > 1 for row in rows) else "",
        "In brackets, for one seed: Wilson’s 95 % interval, over examples." if any(row.n == 1 for row in rows) else "",
        "Darker is lower.", f"{fair} in points: 0 is fair." if fair else "",
        _empty(groups) if groups.kind == "group" else "", selections.caption(rows),
    ]  # fmt: skip
    return PageTable(headings, lines, " ".join(part for part in parts if part), style="groups")


def variance_tables(groups: GroupAccuracies) -> Sequence[PageTable]:
    """The variance of features within each group; [] before an evaluation, and for many groups."""
    measured = [group for group in groups.groups if any(_variance(groups, row, group) for row in groups.rows)]
    if groups.kind != "group" or not measured:
        return []
    headings = [Heading("Row", text=True), *(Heading(groups.name(group), "V_g, λ₁") for group in measured)]
    lines = []
    for row in groups.rows:
        lines.append([Cell(row.name)])
        for group in measured:
            spread, largest = _variance(groups, row, group), row.mean(groups.key(group, "top_eigenvalue"))
            sd = "" if spread is None or spread.sd is None else f"{spread.sd:.3g}"
            note = "" if largest is None else f"λ₁ {largest:.3g}"
            lines[-1].append(Cell(f"{spread.mean:.3g}", sd, note=note) if spread else Cell())
    caption = (
        f"Features within each group of {SPLIT_WORDS[groups.split]}: their variance V_g, summed over units, and below it λ₁,"
        " the largest eigenvalue of their covariance, its mean over seeds. The scale of features differs between networks."
    )
    return [PageTable(headings, lines, caption, style="groups")]


def _variance(groups: GroupAccuracies, row: Row, group: Group) -> Spread | None:
    return row.metrics.get(groups.key(group, "within_variance"))


def _add_fairness(groups: GroupAccuracies, headings: list[Heading], lines: list[list[Cell]]) -> str:
    """Adds the columns of lamv.core.fairness, where groups are of two classes and an attribute, and names them."""
    found = [groups.fairness(row) if groups.kind == "group" else {} for row in groups.rows]
    names = [name for name in by_group.FAIRNESS if any(name in measured for measured in found)]
    headings += [Heading(name.upper(), "between attributes") for name in names]
    for line, measured in zip(lines, found, strict=True):
        for spread in map(measured.get, names):
            sd = "" if spread is None or spread.sd is None else points(spread.sd)
            line.append(Cell(points(spread.mean), sd) if spread else Cell())
    return ", ".join(name.upper() for name in names)


def _group_cell(groups: GroupAccuracies, row: Row, group: Group) -> Cell:
    accuracy = groups.accuracies[row.name].get(group)
    if accuracy is None:
        return Cell(shade="transparent")
    counts = groups.counts(row, group)
    ends = ""
    if accuracy.n == 1 and counts and counts[0] >= 1:
        examples = round(counts[0])
        ends = _wilson(min(examples, max(0, round(accuracy.mean * counts[0]))), examples)
    sd = "" if accuracy.sd is None else points(accuracy.sd)
    return Cell(points(accuracy.mean), sd, interval=ends, shade=shade(accuracy.mean))


def _pooled_table(groups: GroupAccuracies) -> PageTable:
    """Worst, median and best group of each row."""
    lines = []
    for row in groups.rows:
        ranked = sorted(groups.pooled[row.name].items(), key=lambda g: (g[1][1] / g[1][0], by_group.in_order(g[0])))
        if ranked:
            lines.append([Cell(row.name)])
            for group, (count, correct) in (ranked[0], ranked[(len(ranked) - 1) // 2], ranked[-1]):
                share, name = correct / count, row.legend.group(*group)
                note = f"{name}; n = {count}"
                lines[-1].append(Cell(points(share), interval=_wilson(correct, count), note=note, shade=shade(share)))
    parts = [
        f"Accuracy in % on groups of {SPLIT_WORDS[groups.split]}, seeds pooled; n: examples. In brackets: Wilson’s 95 %"
        " interval, over examples; that of the worst of many groups is too optimistic, as chance helped to pick it.",
        f"Up to {groups.empty:g} groups without an example are left out." if groups.empty else "",
        selections.caption(groups.rows),
    ]  # fmt: skip
    headings = [Heading("Row", text=True), *map(Heading, ("worst group", "median group", "best group"))]
    return PageTable(headings, lines, " ".join(part for part in parts if part), style="groups")


def _wilson(correct: int, count: int) -> str:
    low, high = wilson(correct, count)
    return interval(float(low), float(high))


def _empty(groups: GroupAccuracies) -> str:
    """A sentence on the groups without an example, by name where they are few and known."""
    names = groups.missing(NAMED + 1)
    if not groups.empty and not names:
        return ""
    if names and len(names) <= NAMED and len(names) >= groups.empty:
        return f"Left out, without an example in some seed or in all: {'; '.join(names)}."
    return f"Up to {groups.empty:g} groups without an example are left out."


def shade(share: float) -> str:
    """The colour of a cell: the lower the accuracy, the darker."""
    share = min(max(share, 0.0), 1.0)
    return "#" + "".join(f"{round(d + (v - d) * share):02x}" for d, v in zip(DARK, LIGHT, strict=True))

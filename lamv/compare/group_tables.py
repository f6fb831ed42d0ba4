"""The accuracy of every group of a test split, row by row; of many groups the worst, the median and the best one.

    section = of(run); section.heads, section.lines, section.caption

Up to lamv.core.metrics.NAMED_GROUPS groups have a metric each, and are all shown. Of more, what an evaluation left is
pooled over seeds: of 100 groups, a test set has few examples each. Intervals are Wilson's, over examples.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lamv.catalog import metrics
from lamv.compare import families, selections
from lamv.core.intervals import wilson
from lamv.results import legend
from lamv.results.legend import Legend
from lamv.results.runs import Row, Run, Spread

#: Empty groups beyond which only their number is told.
NAMED = 12
SPLIT_WORDS = {"test": "the test split", "test_random": "the test split with a random cue"}
TOO_MANY = (
    "There are more than 16 groups, which training does not tell one by one: experiments.evaluate gives the accuracy of"
    " each."
)

Group = tuple[int, int | None]


class Cell(NamedTuple):
    """accuracy in % and "± sd" or "[low, high]", as text; share: the accuracy, for the shade; None where there is none."""

    mean: str = "–"
    more: str = ""
    share: float | None = None
    count: str = ""


class Section(NamedTuple):
    """What the page shows of groups. heads: (group, count) of each column. pooled: {row: {group: (count, correct)}}.

    legend: what the numbers of classes and attributes stand for.
    """

    split: str
    heads: Sequence[tuple[str, str]]
    lines: Sequence[tuple[str, Sequence[Cell]]]
    caption: str
    pooled: Mapping[str, Mapping[Group, tuple[int, int]]] = {}
    legend: Legend = Legend()


def of(run: Run) -> Section | None:
    """The groups of a run on the split that says most; None where it has none."""
    rows = [row for row in run.rows if row.metrics]
    split = families.split_of_groups(key for row in rows for key in row.metrics)
    if not split:
        return None
    found = {row.name: _accuracies(row, split) for row in rows}
    if any(found.values()):
        return _each(rows, split, found)
    pooled = _pooled(run, split)
    if not any(pooled.values()):
        return Section(split, (), (), TOO_MANY)
    return _ends(rows, split, pooled)


def _each(rows: Sequence[Row], split: str, found: Mapping[str, Mapping[Group, Spread]]) -> Section:
    """A column for each group that any row has an accuracy of."""
    groups = sorted({group for of_row in found.values() for group in of_row}, key=lambda g: (g[0], g[1] or 0))
    names = legend.common([row.legend for row in rows])
    heads = [(names.group(*group), _counted(rows, split, group)) for group in groups]
    lines = [(row.name, [_cell(row, split, group, found[row.name].get(group)) for group in groups]) for row in rows]
    single = any(row.n == 1 for row in rows)
    several = any(row.n > 1 for row in rows)
    parts = [f"Accuracy on each group of {SPLIT_WORDS[split]}, in %."]
    if groups[0][1] is not None:
        parts = [f"{parts[0][:-1]}; a group is a label and an attribute."]
    parts += ["± is the sd over seeds."] if several else []
    parts += ["In brackets, for one seed: Wilson’s 95 % interval, over examples."] if single else []
    parts += ["The darker, the lower.", _empty(rows, split, groups, names), selections.caption(rows)]
    return Section(split, heads, lines, " ".join(part for part in parts if part))


def _ends(rows: Sequence[Row], split: str, pooled: Mapping[str, Mapping[Group, tuple[int, int]]]) -> Section:
    """Worst, median and best group of each row."""
    lines = []
    for row in rows:
        groups = sorted(
            pooled[row.name].items(), key=lambda item: (item[1][1] / item[1][0], item[0][0], item[0][1] or 0)
        )
        if groups:
            chosen = (groups[0], groups[(len(groups) - 1) // 2], groups[-1])
            lines.append((row.name, [_pooled_cell(row.legend.group(*group), *numbers) for group, numbers in chosen]))
    caption = (
        f"Accuracy in % on groups of {SPLIT_WORDS[split]}, examples of all seeds put together; n is how many"
        " examples. In brackets: Wilson’s 95 % interval, over examples; of the worst of many groups it"
        " is too hopeful, as chance is part of what made it the worst."
    )
    left_out = max((row.mean(f"{split}/groups_left_out") or 0 for row in rows), default=0)
    caption += f" Up to {left_out:g} groups without an example stay out." if left_out else ""
    heads = [("worst group", ""), ("median group", ""), ("best group", "")]
    names = legend.common([row.legend for row in rows])
    return Section(split, heads, lines, " ".join([caption, selections.caption(rows)]), pooled, names)


def _accuracies(row: Row, split: str) -> dict[Group, Spread]:
    """{(y, a): accuracy over the seeds} of the groups that have a metric each."""
    found = {}
    for key, spread in row.metrics.items():
        match = metrics.GROUP.fullmatch(key)
        if match and match["split"] == split:
            found[families.numbers_of(match)] = spread
    return found


def _key(group: Group) -> str:
    y, a = group
    return f"group_{y}" if a is None else f"group_{y}_{a}"


def _counted(rows: Sequence[Row], split: str, group: Group) -> str:
    """ "n = 59", of a seed; "n = 56 to 61" where seeds or rows differ."""
    counts = [v for row in rows if (s := row.metrics.get(f"{split}/{_key(group)}/count")) for v in s.values]
    if not counts:
        return ""
    low, high = (f"{end(counts):g}" for end in (min, max))
    return f"n = {low}" if low == high else f"n = {low} to {high}"


def _cell(row: Row, split: str, group: Group, accuracy: Spread | None) -> Cell:
    if accuracy is None:
        return Cell()
    more = "" if accuracy.sd is None else f"± {100 * accuracy.sd:.1f}"
    count = row.metrics.get(f"{split}/{_key(group)}/count")
    if accuracy.n == 1 and count and count.mean >= 1:
        examples = round(count.mean)
        more = _interval(min(examples, max(0, round(accuracy.mean * count.mean))), examples)
    return Cell(f"{100 * accuracy.mean:.1f}", more, accuracy.mean)


def _pooled_cell(name: str, count: int, correct: int) -> Cell:
    share = correct / count
    return Cell(f"{100 * share:.1f}", _interval(correct, count), share, f"{name}; n = {count}")


def _interval(correct: int, count: int) -> str:
    low, high = wilson(correct, count)
    return f"[{100 * low:.1f}, {100 * high:.1f}]"


def _empty(rows: Sequence[Row], split: str, groups: Sequence[Group], legend: Legend) -> str:
    """A sentence on the groups that have no example, by name where they are few and known."""
    number = max((row.mean(f"{split}/groups_left_out") or 0 for row in rows), default=0)
    attributes = 1 + max((a for _, a in groups if a is not None), default=-1)
    labels = 1 + max(y for y, _ in groups)
    every = ((y, a) for y in range(labels) for a in (range(attributes) if attributes else [None]))
    # One more than are named: there may be any number of labels.
    names = [legend.group(*group) for group in itertools.islice((one for one in every if one not in groups), NAMED + 1)]
    if not number and not names:
        return ""
    if names and len(names) <= NAMED and len(names) >= number:
        return f"Left out, as they have no example in some seed or in all: {'; '.join(names)}."
    return f"Up to {number:g} groups without an example are left out."


def _pooled(run: Run, split: str) -> dict[str, dict[Group, tuple[int, int]]]:
    """{row: {(y, a): (count, correct) over all seeds}} from what an evaluation left at the steps of the numbers.

    A row of which not all seeds were evaluated there has none.
    """
    found: dict[str, dict[Group, tuple[int, int]]] = {row.name: {} for row in run.rows}
    replicas: dict[str, set[int]] = {row.name: set() for row in run.rows}
    steps = {row.name: row.selected for row in run.rows if row.selected}
    for curve in run.analysis.curves("groups", steps=steps):
        if curve.get("split") != split or curve["row"] not in found:
            continue
        of_row = found[curve["row"]]
        replicas[curve["row"]].add(curve["replica"])
        for y, a, count, correct, *_ in curve["groups"]:
            before = of_row.get((y, a), (0, 0))
            of_row[y, a] = (before[0] + count, before[1] + correct)
    return {row.name: found[row.name] if len(replicas[row.name]) == row.n else {} for row in run.rows}

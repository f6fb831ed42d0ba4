"""Whether every row, ERM too, follows a shortcut: then a run cannot show what label augmentation adds.

Where a planted cue, or an attribute of the data, goes along with the label in training, a network that follows it is right
where the two agree and wrong where they conflict.
"""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from lamv.catalog import cues, mitigations
from lamv.compare import by_group
from lamv.compare.baseline import is_erm
from lamv.compare.by_group import GroupAccuracies
from lamv.results.records import Row, Run

#: Accuracy where cue and label agree is at least this.
HIGH = 0.75


class Following(NamedTuple):
    """what: in words, "tag". agreeing, conflicting: accuracy of each row where it agrees with the label, and where not.

    examples: on which it conflicts, mean over seeds; None for a planted cue, which is made to conflict in all.
    """

    what: str
    agreeing: Sequence[float]
    conflicting: Sequence[float]
    examples: float | None = None


def of(run: Run) -> Following | None:
    """What all rows without mitigation follow; None where some row does not, where none is ERM, or where that is unknown.

    They follow it where accuracy is at least HIGH where it agrees with the label, and at most chance where not; of two or
    three classes at most 1/4, as chance is high.
    """
    rows = [row for row in run.rows if row.metrics and mitigations.name_of(row.config) == mitigations.NONE]
    if len(rows) < 2 or not any(map(is_erm, rows)):
        return None
    found = _of_cue(run, rows) if run.cue else _of_attribute(run, rows)
    if found is None:
        return None
    classes, following = found
    most = min(1 / classes, 0.25)
    follows = min(following.agreeing) >= HIGH and max(following.conflicting) <= most
    return following if follows else None


def _of_cue(run: Run, rows: Sequence[Row]) -> tuple[int, Following] | None:
    """Number of classes, and the accuracies with an aligned and with a conflicting cue; None where these are not known."""
    agreeing, conflicting = (
        [mean for row in rows if (mean := row.mean(f"test_{placement}/accuracy")) is not None]
        for placement in ("aligned", "conflicting")
    )
    if not run.num_classes or not len(agreeing) == len(conflicting) == len(rows):
        return None
    return run.num_classes, Following(cues.name_of(run.cue), agreeing, conflicting)


def _of_attribute(run: Run, rows: Sequence[Row]) -> tuple[int, Following] | None:
    """The same for an attribute that comes with the data, from the accuracy of each group.

    The label that goes along with a value of the attribute is the one on which rows are right most. None where all values
    go along with one label, and where labels and values conflict in too few examples.
    """
    groups = by_group.of(run)
    if groups is None or not groups.groups or groups.groups[0][1] is None:
        return None
    counts = {g: statistics.fmean(of) for g in groups.groups if (of := [n for r in rows for n in groups.counts(r, g)])}
    right = [{g: counts[g] * groups.accuracies[row.name][g].mean for g in counts if g in groups.accuracies[row.name]}
             for row in rows]  # fmt: skip
    shares = {g: sum(of.get(g, 0.0) for of in right) / count for g, count in counts.items()}
    label_of = {a: max((g for g in shares if g[1] == a), key=lambda g: shares[g])[0] for _, a in shares}
    agree = [g for g in counts if label_of[g[1]] == g[0]]
    conflict = [g for g in counts if label_of[g[1]] != g[0]]
    agreeing, conflicting = (sum(counts[g] for g in of) for of in (agree, conflict))
    if len(set(label_of.values())) < 2 or min(agreeing, conflicting) < by_group.FEW:
        return None
    accuracies = ([sum(of.get(g, 0.0) for g in some) / count for of in right]
                  for some, count in ((agree, agreeing), (conflict, conflicting)))  # fmt: skip
    return len({y for y, _ in counts}), Following(_named(groups), *accuracies, conflicting)


def _named(groups: GroupAccuracies) -> str:
    """ "attribute (land, water)"."""
    names = [groups.legend.attribute(a) for a in sorted({a for _, a in groups.groups if a is not None})]
    return f"attribute ({', '.join(names)})" if len(names) <= 4 else "attribute"

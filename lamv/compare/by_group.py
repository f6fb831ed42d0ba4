"""Accuracy of every group of a test split, row by row; the same of every class, where classes are unequal.

Up to lamv.core.metrics.NAMED_GROUPS groups have a metric each. Of more, the counts of an evaluation are pooled over seeds:
a test set has few examples of each.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lamv.catalog import metrics
from lamv.compare import families
from lamv.core import fairness
from lamv.results import legend
from lamv.results.legend import Legend
from lamv.results.records import Row, Run, Spread, spread

#: (label, attribute), or (number of the group, None), or (class, None).
Group = tuple[int, int | None]
FAIRNESS = tuple(entry.key for entry in metrics.FAIRNESS)
#: Examples below which a group is in no headline and no verdict.
FEW = 10


class GroupAccuracies(NamedTuple):
    """accuracies: {row: {group: over its seeds}}; without them, pooled: {row: {group: (count, correct) of all seeds}}.

    empty: groups without an example in some seed, the most of any row. legend: names of classes and attributes. kind: of
    their metrics, "group" or "class".
    """

    split: str
    rows: Sequence[Row]
    accuracies: Mapping[str, Mapping[Group, Spread]]
    pooled: Mapping[str, Mapping[Group, tuple[int, int]]]
    empty: float
    legend: Legend
    kind: str = "group"

    @property
    def groups(self) -> list[Group]:
        """Those that any row has an accuracy of."""
        return sorted({group for row in self.accuracies.values() for group in row}, key=in_order)

    def key(self, group: Group, what: str) -> str:
        """The key of the metric `what` of a group, "accuracy" or "count"."""
        return f"{self.split}/{self.kind}_{'_'.join(str(part) for part in group if part is not None)}/{what}"

    def counts(self, row: Row, group: Group) -> Sequence[float]:
        """Examples of a group, seed by seed; () where they were not measured."""
        spread = row.metrics.get(self.key(group, "count"))
        return spread.values if spread else ()

    def name(self, group: Group) -> str:
        """A group or class in words."""
        return self.legend.label(group[0]) if self.kind == "class" else self.legend.group(*group)

    def fairness(self, row: Row) -> dict[str, Spread]:
        """{"eod", "aod", "spd": over its seeds} (lamv.core.fairness), of two classes and an attribute; {} of others.

        From the accuracies and counts of its groups, so that records of before they were metrics have them too.
        """
        number = 1 + max((a for _, a in self.groups if a is not None), default=-1)
        if number < 2 or any(y > 1 for y, _ in self.groups):
            return {}
        of_seeds = []
        for seed in range(row.n):
            sums = np.zeros((2 * number, 2))
            for (y, a), accuracy in self.accuracies[row.name].items():
                counts = self.counts(row, (y, a))
                if len(counts) != row.n or accuracy.n != row.n:  # in some seed it has no example, or was not counted
                    return {}
                sums[y * number + (a or 0)] = counts[seed], counts[seed] * accuracy.values[seed]
            of_seeds.append(fairness.differences(sums, number))
        measured = [name for name in FAIRNESS if all(name in of_seed for of_seed in of_seeds)]
        return {name: spread([of_seed[name] for of_seed in of_seeds]) for name in measured}

    def missing(self, most: int) -> list[str]:
        """Names of groups that no row has, of all labels by all attributes; at most so many."""
        groups = self.groups
        attributes = range(1 + max((a for _, a in groups if a is not None), default=-1)) or [None]
        every = itertools.product(range(1 + max(y for y, _ in groups)), attributes)
        return [self.legend.group(*group) for group in itertools.islice((g for g in every if g not in groups), most)]


def of(run: Run) -> GroupAccuracies | None:
    """Groups of the split on which rows differ most; None where the run has none."""
    rows = [row for row in run.rows if row.metrics]
    split = families.split_of_groups(key for row in rows for key in row.metrics)
    if not split:
        return None
    accuracies = {row.name: _accuracies(row, split) for row in rows}
    pooled = {} if any(accuracies.values()) else _pooled(run, split)
    empty = max((row.mean(f"{split}/groups_left_out") or 0 for row in rows), default=0)
    return GroupAccuracies(split, rows, accuracies, pooled, empty, legend.common([row.legend for row in rows]))


def of_classes(run: Run) -> GroupAccuracies | None:
    """Classes of the test split; None where they are about equal, or too many to have a metric each."""
    rows = [row for row in run.rows if row.metrics]
    accuracies = {row.name: _accuracies(row, "test", metrics.CLASS) for row in rows}
    if not any(accuracies.values()):
        return None
    return GroupAccuracies("test", rows, accuracies, {}, 0, legend.common([row.legend for row in rows]), "class")


def small(groups: GroupAccuracies) -> dict[Group, float]:
    """{group: its fewest examples in a seed} of the groups with fewer than FEW."""
    fewest = {g: min((n for row in groups.rows for n in groups.counts(row, g)), default=FEW) for g in groups.groups}
    return {group: count for group, count in fewest.items() if count < FEW}


def worst_count(row: Row, split: str) -> float | None:
    """The fewest examples, of any seed, that the worst group of a row has; None where that was not recorded."""
    spread = row.metrics.get(f"{split}/{metrics.WORST_COUNT}")
    return spread and min(spread.values)


def can_be_judged(rows: Sequence[Row], metric: str) -> bool:
    """Whether a metric can carry a verdict: the worst group needs FEW examples in each row and seed."""
    split, _, name = metric.partition("/")
    counts = [worst_count(row, split) for row in rows] if name == metrics.WORST_GROUP else []
    return all(count is None or count >= FEW for count in counts)


def in_order(group: Group) -> tuple[int, int]:
    """Sorts groups by label, then attribute."""
    return group[0], group[1] or 0


def _accuracies(row: Row, split: str, pattern: re.Pattern = metrics.GROUP) -> dict[Group, Spread]:
    matches = {pattern.fullmatch(key): spread for key, spread in row.metrics.items()}
    return {
        families.numbers_of(match): spread for match, spread in matches.items() if match and match["split"] == split
    }


def _pooled(run: Run, split: str) -> dict[str, dict[Group, tuple[int, int]]]:
    """From the evaluation at the steps of the numbers; {} for a row whose seeds were not all evaluated there, or for all."""
    pooled: dict[str, dict[Group, tuple[int, int]]] = {row.name: {} for row in run.rows}
    replicas: dict[str, set[int]] = {row.name: set() for row in run.rows}
    steps = {row.name: row.selected for row in run.rows if row.selected}
    for curve in run.analysis.curves("groups", steps=steps):
        if curve.get("split") != split or curve["row"] not in pooled:
            continue
        groups = pooled[curve["row"]]
        replicas[curve["row"]].add(curve["replica"])
        for y, a, count, correct, *_ in curve["groups"]:
            before = groups.get((y, a), (0, 0))
            groups[y, a] = (before[0] + count, before[1] + correct)
    pooled = {row.name: pooled[row.name] if len(replicas[row.name]) == row.n else {} for row in run.rows}
    return pooled if any(pooled.values()) else {}

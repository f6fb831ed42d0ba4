"""Label smoothing and MaxSup at the same s: rows of a run that differ in which of the two they have.

    for ladder in of(run.rows):
        ladder.rungs                    (s, row of smoothing, row of MaxSup), and ladder.erm, which both are at s = 0
        parted(ladder, "test/ece")      the s at which they differ

The two are one loss where the largest logit is the label's (lamv.core.smoothing_loss), so they can part only where a network
does not fit its training labels.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from lamv.compare import baseline
from lamv.compare.differences import Comparison, difference_of
from lamv.results.records import Row


class Rung(NamedTuple):
    """Both rows at one s."""

    share: float
    smoothing: Row
    maxsup: Row


class Ladder(NamedTuple):
    """Rungs in the order of s, all else the same. name: of that, "" where there is nothing else. erm: their baseline."""

    name: str
    rungs: tuple[Rung, ...]
    erm: Row | None


def of(rows: Sequence[Row]) -> list[Ladder]:
    """The ladders of a run, in the order of its rows; only of smoothing over all classes, and without Mixup."""
    ladders = []
    for group in baseline.alike([row for row in rows if row.config and row.metrics], without=()):
        smoothed = {float(row.knob("method.smoothing")): row for row in reversed(group) if _smooths(row)}
        maxsup = {float(row.knob("loss.max_suppression")): row for row in reversed(group) if _suppresses(row)}
        rungs = tuple(Rung(s, smoothed[s], maxsup[s]) for s in sorted(smoothed.keys() & maxsup.keys()))
        if rungs:
            erm = next((row for row in group if baseline.is_erm(row)), None)
            ladders.append(Ladder(_name(rungs), rungs, erm))
    return ladders


def difference(rung: Rung, metric: str) -> Comparison | None:
    """MaxSup minus smoothing, seed by seed; None where it was not measured of both."""
    return difference_of(rung.maxsup, rung.smoothing, metric)


def parted(ladder: Ladder, metric: str) -> list[float]:
    """The s at which the 95 % interval of that difference excludes 0."""
    return [rung.share for rung in ladder.rungs if (apart := difference(rung, metric)) and apart.apart]


def _smooths(row: Row) -> bool:
    alone = row.knob("method.name") == "label_smoothing" and row.knob("method.convention") == "uniform"
    return alone and not row.knob("method.switch") and not row.knob("loss.max_suppression")


def _suppresses(row: Row) -> bool:
    alone = row.knob("method.name") == "erm" and not row.knob("method.switch") and not row.knob("distill.row")
    return alone and bool(row.knob("loss.max_suppression"))


def _name(rungs: Sequence[Rung]) -> str:
    """The words with which the names of all rows end: "noise .4" of "LS .1 · noise .4" and "MaxSup .1 · noise .4"."""
    names = [row.name.split()[::-1] for rung in rungs for row in (rung.smoothing, rung.maxsup)]
    common = [words[0] for words in itertools.takewhile(lambda at: len(set(at)) == 1, zip(*names, strict=False))][::-1]
    if len(rungs) == 1 and common and _says(common[0], rungs[0].share):
        common = common[1:]  # s itself
    return " ".join(common).strip(" ·,;:")


def _says(word: str, value: float) -> bool:
    try:
        return float(word.strip("·,;:")) == value
    except ValueError:
        return False

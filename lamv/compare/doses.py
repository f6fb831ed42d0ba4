"""Dose and response: rows of a run that differ in their method and in one number of the cue, as curves.

The dose is the noise on the cue (data.shortcut.noise) or its strength (data.shortcut.strength). Where rows differ in both,
there is a panel for either, at that value of the other which most rows have.

    for panel in of(run.rows):
        panel.curves               accuracy under a random cue over the dose, a curve for each method setting
        crossings(panel, curve)    where it crosses that of ERM

Between neighbouring doses, the difference from ERM of every seed that both have at all doses is taken as linear; a crossing
is where its mean over seeds changes its sign. The interval of a crossing is the stretch of doses around it at which
Student's t interval of the difference holds 0 (Fieller 1954): it holds the true crossing as often as that one holds the true
difference, and is open to the side on which it reaches the last dose.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lamv.catalog import methods, mitigations
from lamv.compare import baseline
from lamv.core import intervals
from lamv.results.records import Row, Spread
from lamv.results.shapes import is_number

#: The doses: knob, label of the axis.
KNOBS = (
    ("data.shortcut.noise", "noise on the cue (standard deviation)"),
    ("data.shortcut.strength", "strength of the cue"),
)
METRIC = "test_random/accuracy"
#: Doses below which there is no curve.
FEWEST = 3
#: Of roots, as a share of what they lie in.
ROUNDING = 1e-6


class Curve(NamedTuple):
    """A method setting. rows: {dose: row}, in the order of the doses."""

    name: str
    erm: bool
    rows: Mapping[float, Row]

    def points(self) -> list[tuple[float, Spread]]:
        return [(dose, row.metrics[METRIC]) for dose, row in self.rows.items()]


class Panel(NamedTuple):
    """Curves over one dose. fixed: the settings that tell it from other panels, as text."""

    knob: str
    words: str
    fixed: str
    curves: Sequence[Curve]

    @property
    def baseline(self) -> Curve | None:
        return next((curve for curve in self.curves if curve.erm), None)


class Crossing(NamedTuple):
    """at: the dose. rises: whether the method is below ERM before it and above after.

    interval: 95 %, -inf or inf at an end where it is open; None for one seed.
    """

    at: float
    rises: bool
    interval: tuple[float, float] | None


class DoseDifference(NamedTuple):
    """A method minus ERM. doses (T,) ascending; values (n, T), a line for each seed that both have at all of them."""

    doses: np.ndarray
    values: np.ndarray


def of(rows: Sequence[Row]) -> list[Panel]:
    """The panels that a run has enough doses and methods for."""
    rows = [row for row in rows if METRIC in row.metrics and all(is_number(row.knob(knob)) for knob, _ in KNOBS)]
    groups = baseline.alike(rows, without=tuple(knob for knob, _ in KNOBS))
    panels = []
    firsts = [group[0] for group in groups]
    for group in groups:
        apart = _apart(group[0], firsts)
        for (knob, words), (other, other_words) in zip(KNOBS, reversed(KNOBS), strict=True):
            base = statistics.mode(row.knob(other) for row in group)
            at_base = [row for row in group if row.knob(other) == base]
            with_it = [f"{other_words.split(' (')[0]} {base:g}"] if len(at_base) < len(group) else []
            panel = Panel(knob, words, "; ".join([*with_it, *apart]), _curves(at_base, knob))
            if len(panel.curves) > 1:
                panels.append(panel)
    return panels


def difference(curve: Curve, erm: Curve) -> DoseDifference | None:
    """A method minus ERM at the doses that both have; None where they share no two doses or no seed."""
    doses = [dose for dose in curve.rows if dose in erm.rows]
    pairs = [(curve.rows[dose].by_seed(METRIC), erm.rows[dose].by_seed(METRIC)) for dose in doses]
    seeds = sorted(set.intersection(*(set(values) for pair in pairs for values in pair))) if pairs else []
    if len(doses) < 2 or not seeds:
        return None
    values = [[method[seed] - base[seed] for method, base in pairs] for seed in seeds]
    return DoseDifference(np.array(doses, float), np.array(values, float))


def crossings(difference: DoseDifference) -> list[Crossing]:
    """Where the mean over seeds of a difference changes its sign, in the order of the doses."""
    doses, values = difference
    signs = zeros(doses, values.mean(axis=0))
    if len(values) == 1:
        return [Crossing(at, rises, None) for at, rises in signs]
    ends = _ends(difference)
    return [Crossing(at, rises, _around(at, ends, ROUNDING * np.ptp(doses))) for at, rises in signs]


def zeros(doses: np.ndarray, means: np.ndarray) -> list[tuple[float, bool]]:
    """(dose, whether it rises) at each change of sign of the line through the means (T,) over the doses (T,).

    Where the line stays at 0 in between, the middle of that stretch; touching 0 and turning back is no change.
    """
    changes = []
    nonzero = np.flatnonzero(means)
    for before, after in zip(nonzero[:-1], nonzero[1:], strict=True):
        if (means[before] < 0) == (means[after] < 0):
            continue
        if after == before + 1:
            share = means[before] / (means[before] - means[after])
            at = doses[before] + share * (doses[after] - doses[before])
        else:
            at = (doses[before + 1] + doses[after - 1]) / 2
        changes.append((float(at), bool(means[before] < 0)))
    return changes


def _around(at: float, ends: Sequence[float], rounding: float) -> tuple[float, float]:
    """The nearest ends on either side."""
    low = max((end for end in ends if end <= at + rounding), default=-np.inf)
    high = min((end for end in ends if end >= at - rounding), default=np.inf)
    return min(low, at), max(high, at)


def _ends(difference: DoseDifference) -> list[float]:
    """The doses at which one end of Student's t interval of the difference is 0.

    At the share w of the way from one dose to the next, mean and variance over seeds are polynomials in w, and those are the
    roots of mean(w)^2 - t^2 variance(w) / n.
    """
    doses, values = difference
    allowed = intervals.quantile(len(values)) ** 2 / len(values)
    ends = []
    for left in range(len(doses) - 1):
        mean, slope = values[:, left].mean(), np.diff(values[:, left : left + 2]).mean()
        (here, both), (_, there) = np.cov(values[:, left], values[:, left + 1])
        square = slope**2 - allowed * (here - 2 * both + there)
        linear = 2 * (mean * slope - allowed * (both - here))
        for share in np.roots([square, linear, mean**2 - allowed * here]):
            if abs(share.imag) < ROUNDING and 0 <= share.real <= 1:  # a double root comes as a complex pair
                ends.append(float(doses[left] + share.real * (doses[left + 1] - doses[left])))
    return ends


def _apart(row: Row, others: Sequence[Row]) -> list[str]:
    """The settings in which the rows of a panel differ from those of others: mitigation in short, and other knobs."""
    without = (*baseline.METHOD, "mitigation.", "parallel.", *(knob for knob, _ in KNOBS))
    settings = [baseline.settings_of(other, without=without) for other in others]
    keys = sorted({key for one in settings for key in one})
    differing = [key for key in keys if len({repr(one.get(key)) for one in settings}) > 1]
    knobs = baseline.settings_of(row, without=without)
    several = len({mitigations.in_short(other.config) for other in others}) > 1
    mitigation = [mitigations.in_short(row.config) or "no mitigation"] if several else []
    return [*mitigation, *(f"{key} = {knobs.get(key)}" for key in differing)]


def _curves(rows: Sequence[Row], knob: str) -> list[Curve]:
    """A curve for each method that has enough doses, ERM first. Of two rows of one method and dose the first counts."""
    by_method: dict[str, list[Row]] = {}
    for row in rows:
        by_method.setdefault(baseline.method_key(row), []).append(row)
    curves = []
    for group in by_method.values():
        at = {float(row.knob(knob)): row for row in reversed(group)}
        if len(at) >= FEWEST:
            name = _name([row for row in group if at[float(row.knob(knob))] is row], knob)
            curves.append(Curve(name, baseline.is_erm(group[0]), {dose: at[dose] for dose in sorted(at)}))
    return sorted(curves, key=lambda curve: not curve.erm)


def _name(rows: Sequence[Row], knob: str) -> str:
    """The common beginning of the names of a method's rows, without the dose; else the method in short."""
    if baseline.is_erm(rows[0]):
        return "ERM"
    words = baseline.common_name(rows).split()
    if words and words[-1].lower() == knob.rpartition(".")[2]:
        words.pop()
    return " ".join(words).rstrip(" ·,;:") or methods.in_short(rows[0].config)

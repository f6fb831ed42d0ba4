"""Dose and response: rows of a run that differ in their method and in one number about the cue, as curves.

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
from lamv.compare import groups
from lamv.core import intervals
from lamv.results.runs import Row, Spread

#: The doses: knob, in words for an axis.
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
    """Curves over one dose. fixed: what all its rows have in common and those of other panels do not, as text."""

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


class Difference(NamedTuple):
    """A method minus ERM. doses (T,) ascending; values (n, T), a line for each seed that both have at all of them."""

    doses: np.ndarray
    values: np.ndarray


def of(rows: Sequence[Row]) -> list[Panel]:
    """The panels that a run has enough doses and methods for."""
    rows = [row for row in rows if METRIC in row.metrics and all(_is_number(row, knob) for knob, _ in KNOBS)]
    knobs = [knob for knob, _ in KNOBS]
    by_rest: dict[str, list[Row]] = {}
    for row in rows:
        rest = groups.settings_of(row, without=(*groups.METHOD, *knobs, "parallel."))
        by_rest.setdefault(repr((sorted(rest.items(), key=str), row.step)), []).append(row)
    panels = []
    for own in by_rest.values():
        apart = _apart(own[0], [of[0] for of in by_rest.values()])
        for (knob, words), (other, other_words) in zip(KNOBS, reversed(KNOBS), strict=True):
            base = statistics.mode(row.knob(other) for row in own)
            at_base = [row for row in own if row.knob(other) == base]
            with_it = [f"{other_words.split(' (')[0]} {base:g}"] if len(at_base) < len(own) else []
            panel = Panel(knob, words, "; ".join([*with_it, *apart]), _curves(at_base, knob))
            if len(panel.curves) > 1:
                panels.append(panel)
    return panels


def difference(curve: Curve, baseline: Curve) -> Difference | None:
    """A method minus ERM at the doses that both have; None where they share no two doses or no seed."""
    doses = [dose for dose in curve.rows if dose in baseline.rows]
    pairs = [(curve.rows[dose].by_seed(METRIC), baseline.rows[dose].by_seed(METRIC)) for dose in doses]
    seeds = sorted(set.intersection(*(set(of_row) for pair in pairs for of_row in pair))) if pairs else []
    if len(doses) < 2 or not seeds:
        return None
    values = [[own[seed] - base[seed] for own, base in pairs] for seed in seeds]
    return Difference(np.array(doses, float), np.array(values, float))


def crossings(found: Difference) -> list[Crossing]:
    """Where the mean over seeds of a difference changes its sign, in the order of the doses."""
    places = zeros(found.doses, found.values.mean(axis=0))
    if len(found.values) == 1:
        return [Crossing(at, rises, None) for at, rises in places]
    ends = _ends(found)
    return [Crossing(at, rises, _around(at, ends, ROUNDING * np.ptp(found.doses))) for at, rises in places]


def zeros(doses: np.ndarray, means: np.ndarray) -> list[tuple[float, bool]]:
    """(dose, whether it rises) at each change of sign of the line through the means (T,) over the doses (T,).

    Where the line stays at 0 for a while in between, it is the middle of that stretch. That it touches 0 and turns back is
    no change.
    """
    found = []
    apart = np.flatnonzero(means)
    for before, after in zip(apart[:-1], apart[1:], strict=True):
        if (means[before] < 0) == (means[after] < 0):
            continue
        if after == before + 1:
            share = means[before] / (means[before] - means[after])
            at = doses[before] + share * (doses[after] - doses[before])
        else:
            at = (doses[before + 1] + doses[after - 1]) / 2
        found.append((float(at), bool(means[before] < 0)))
    return found


def in_words(curve: Curve, baseline: Curve) -> list[str]:
    """Where a curve crosses that of ERM, a phrase for each crossing; or how it lies where it does not."""
    found = difference(curve, baseline)
    if found is None:
        return ["not measured alike"]
    means = found.values.mean(axis=0)
    if not (places := crossings(found)):
        sign = means[np.flatnonzero(means)]
        where = "on" if not len(sign) else "below" if sign[0] < 0 else "above"
        return [f"does not cross; {where} {baseline.name} at every dose"]
    return [_phrase(crossing, baseline.name, found.doses) for crossing in places]


def _phrase(crossing: Crossing, erm: str, doses: np.ndarray) -> str:
    """ "0.18 [0.15, 0.21]: from below ERM to above"."""
    interval = ""
    if crossing.interval:
        low, high = crossing.interval
        lowest = f"{doses[0]:g} or less" if low == -np.inf else f"{low:.3g}"
        highest = f"{doses[-1]:g} or more" if high == np.inf else f"{high:.3g}"
        interval = f" [{lowest}, {highest}]"
    sides = ("below", "above") if crossing.rises else ("above", "below")
    return f"{crossing.at:.3g}{interval}: from {sides[0]} {erm} to {sides[1]}"


def _around(at: float, ends: Sequence[float], rounding: float) -> tuple[float, float]:
    """The nearest ends on either side."""
    low = max((end for end in ends if end <= at + rounding), default=-np.inf)
    high = min((end for end in ends if end >= at - rounding), default=np.inf)
    return min(low, at), max(high, at)


def _ends(found: Difference) -> list[float]:
    """The doses at which one end of Student's t interval of the difference is 0.

    At the share w of the way from one dose to the next, mean and variance over seeds are polynomials in w, and those are the
    roots of mean(w)^2 - t^2 variance(w) / n.
    """
    doses, values = found
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
    """What tells the rows of a panel from those of others: the mitigation in short, and the other knobs."""
    without = (*groups.METHOD, "mitigation.", "parallel.", *(knob for knob, _ in KNOBS))
    settings = [groups.settings_of(other, without=without) for other in others]
    keys = sorted({key for of in settings for key in of})
    differing = [key for key in keys if len({repr(of.get(key)) for of in settings}) > 1]
    own = groups.settings_of(row, without=without)
    ways = {mitigations.in_short(other.config) for other in others}
    named = [mitigations.in_short(row.config) or "no mitigation"] if len(ways) > 1 else []
    return [*named, *(f"{key} = {own.get(key)}" for key in differing)]


def _curves(rows: Sequence[Row], knob: str) -> list[Curve]:
    """A curve for each method that has enough doses, ERM first. Of two rows of one method and dose the first counts."""
    by_method: dict[str, list[Row]] = {}
    for row in rows:
        by_method.setdefault(groups.method_key(row), []).append(row)
    curves = []
    for own in by_method.values():
        at = {}
        for row in own:
            at.setdefault(float(row.knob(knob)), row)
        if len(at) >= FEWEST:
            in_order = {dose: at[dose] for dose in sorted(at)}
            curves.append(Curve(_name(list(at.values()), knob), groups.is_erm(own[0]), in_order))
    return sorted(curves, key=lambda curve: not curve.erm)


def _name(rows: Sequence[Row], knob: str) -> str:
    """What the names of a method's rows have in common, without the dose; else the method in short."""
    if groups.is_erm(rows[0]):
        return "ERM"
    words = groups.common_name(rows).split()
    if words and words[-1].lower() == knob.rpartition(".")[2]:
        words.pop()
    return " ".join(words).rstrip(" ·,;:") or methods.in_short(rows[0].config)


def _is_number(row: Row, knob: str) -> bool:
    value = row.knob(knob)
    return isinstance(value, int | float) and not isinstance(value, bool)

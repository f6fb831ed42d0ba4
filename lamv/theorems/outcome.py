"""What an experiment hands over: rows of measurements, checks against what they should be, figures as data.

All of it is plain data, which goes into summary.json; the page is drawn from there.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamv.train.summary import spread, summary_row

RELATIONS = ("=", ">=", "<=")


class Check(NamedTuple):
    """A measured number beside what it should be.

    relation: "=" (within tolerance of expected), ">=" or "<=" (on that side of it, give or take the tolerance).
    source: where `expected` comes from, in words: "closed form", "exact enumeration", "published", with the paper.
    measured: mean over n replicas; sd with n - 1 in the denominator, None for n = 1.
    """

    quantity: str
    measured: float
    expected: float
    source: str
    relation: str = "="
    tolerance: float = 0.0
    sd: float | None = None
    n: int = 1
    note: str = ""

    @property
    def holds(self) -> bool:
        if not math.isfinite(self.measured):
            return False
        if self.relation == "=":
            return abs(self.measured - self.expected) <= self.tolerance
        above = self.measured - self.expected
        return above >= -self.tolerance if self.relation == ">=" else above <= self.tolerance


class Outcome(NamedTuple):
    """rows: made by `row`. figures: dicts, see lamv.report.figures.from_data. remarks: sentences for the page.

    sources: files of data that were read (lamv.data.Source), for provenance.json.
    """

    rows: list[dict[str, Any]]
    checks: list[Check]
    figures: list[dict[str, Any]] = []
    remarks: list[str] = []
    sources: Sequence = ()


def check(quantity: str, values, expected: float, source: str, **rest) -> Check:
    """A Check of the mean over replicas of `values`, a number or a sequence of them."""
    if rest.get("relation", "=") not in RELATIONS:
        raise ValueError(f"relation is {rest['relation']!r}, must be one of {', '.join(RELATIONS)}")
    mean, sd, n, _ = spread(_floats(values)).values()
    return Check(quantity, mean, float(expected), source, sd=sd, n=n, **rest)


def row(name: str, metrics: Mapping[str, Sequence[float]], config: Mapping[str, Any] = {}, **more) -> dict[str, Any]:
    """A row of summary.json: mean, sd, n and values of each metric over replicas; `more`: further plain data."""
    return summary_row(name, dict(config), {metric: _floats(values) for metric, values in metrics.items()}) | more


def plain(values) -> Any:
    """An array as nested lists of Python numbers, NaN as None: what JSON can hold."""
    values = np.asarray(values)
    if values.ndim:
        return [plain(v) for v in values]
    value = values.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def sd_over(values, axis: int = 0) -> np.ndarray:
    """Standard deviation over the axis of replicas, n - 1 in the denominator; 0 for one replica."""
    values = np.asarray(values, np.float64)
    return values.std(axis=axis, ddof=1) if values.shape[axis] > 1 else np.zeros_like(values.mean(axis=axis))


def _floats(values) -> list[float]:
    return [float(v) for v in np.ravel(np.asarray(values, np.float64))]

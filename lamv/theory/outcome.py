"""What an experiment returns: rows of measurements, checks against what they should be, figures as data.

All of it is plain data, which goes into summary.json; the page is drawn from there.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lamv.claims import RELATIONS, Claim, holds
from lamv.train.summary import spread, summary_row


class Outcome(NamedTuple):
    """rows: made by `row`. figures: dicts, see lamv.report.figures.from_data. remarks: sentences for the page.

    sources: files of data that were read (lamv.data.Source), for provenance.json.
    """

    rows: list[dict[str, Any]]
    checks: list[Claim]
    figures: list[dict[str, Any]]
    remarks: Sequence[str]
    sources: Sequence = ()


def check(
    quantity: str, values, expected: float, source: str, *, relation: str = "=", tolerance: float = 0.0, note: str = ""
) -> Claim:
    """The judged Claim on the mean over replicas of `values`, a number or a sequence of them; fields as Claim's."""
    if relation not in (known := ("=", *RELATIONS)):
        raise ValueError(f"relation is {relation!r}, must be one of {', '.join(known)}")
    mean, sd, n, _ = spread(_floats(values)).values()
    verdict = holds(mean, relation, float(expected), tolerance)
    return Claim(quantity, mean, float(expected), source, relation, tolerance, sd, n, note, verdict)


def row(name: str, metrics: Mapping[str, ArrayLike], config: Mapping[str, Any] = {}, **more) -> dict[str, Any]:
    """A row of summary.json: mean, sd, n and values of each metric over replicas; `more`: further plain data."""
    return summary_row(name, dict(config), {metric: _floats(values) for metric, values in metrics.items()}) | more


def plain(tree: Any) -> Any:
    """A tree of mappings, sequences and arrays as JSON can hold it: arrays as lists, a number that is not finite as None."""
    if isinstance(tree, Mapping):
        return {str(key): plain(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [plain(value) for value in tree]
    if tree is None or isinstance(tree, str | bool | int):
        return tree
    if isinstance(tree, float):
        return tree if math.isfinite(tree) else None
    return plain(np.asarray(tree).tolist())


def curve(name: str, x, y, style: str = "line", **more) -> dict[str, Any]:
    """A line of a figure, y over x; style as in lamv.report.figures.from_data."""
    return {"name": name, "x": plain(x), "y": plain(y), **more, "style": style}


def series(name: str, x, values, style: str = "line", axis: int = 0) -> dict[str, Any]:
    """A line of a figure: mean and sd (n - 1; 0 for one replica) of `values` over the axis of replicas, at x."""
    values = np.asarray(values)
    mean = values.mean(axis=axis)
    sd = values.std(axis=axis, ddof=1, dtype=np.float64) if values.shape[axis] > 1 else np.zeros(mean.shape)
    return curve(name, x, mean, style, sd=plain(sd))


def lines(name: str, title: str, caption: str, x_label: str, y_label: str, **more) -> dict[str, Any]:
    """A figure of lines on linear axes; more: "series", and "levels" or other scales, see lamv.report.figures.from_data."""
    about = {"kind": "lines", "name": name, "title": title, "caption": caption, "x_label": x_label, "y_label": y_label}
    return about | {"x_scale": "linear", "y_scale": "linear"} | more


def _floats(values) -> list[float]:
    return [float(v) for v in np.ravel(np.asarray(values, np.float64))]

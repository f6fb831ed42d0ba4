"""From what passes leave to metrics: dictionaries of floats for one replica, and the curves that figures are drawn from.

A metric that has no finite value is left out (lamv.evaluate says so in its notes); nothing is put in its place.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse

from lamv.core import bounds, calibration, metrics, selection
from lamv.core.collapse import Geometry, collapse_metrics
from lamv.core.intervals import difference_over_examples, over_examples
from lamv.evaluate.passes import Seen
from lamv.train.rows import VARIANCE_NAMES, decomposed


class Held(NamedTuple):
    """Logits (N, K) and labels (N,) of held-out examples, on which a temperature is fitted."""

    logits: np.ndarray
    labels: np.ndarray


def variances(seen: Seen) -> dict[str, np.ndarray]:
    """ "WHERE/VAR" of every layer of a pass, (R,) each."""
    found = {}
    for where, moments in seen.moments.items():
        parts = decomposed(moments)
        found |= {f"{where}/{VARIANCE_NAMES[part]}": np.asarray(value, np.float64) for part, value in parts.items()}
    return found


def of_split(
    seen: Seen, replica: int, labels: np.ndarray, kernel: np.ndarray | None, held: Held | None
) -> dict[str, float]:
    """Calibration, selection, margins and collapse of one replica on one split.

    kernel: (D, K) of the last layer, None where it has another.
    """
    own = jax.tree.map(lambda leaf: leaf[replica], seen._replace(moments={}))
    found = calibration.calibration_metrics(own.logits, labels, held)
    found |= selection.selection_metrics(own.logits, labels)
    found |= selection.margin_metrics(own.logits, labels)
    found |= collapse_metrics(Geometry(*own.geometry), kernel)
    return found


def groups_of_split(predictions: metrics.PredictionSums, split: str, num_attributes: int) -> list[dict[str, Any]]:
    """The table of groups of one replica on one split as a curve; none where no example is in a group."""
    groups, left_out = metrics.group_table(predictions.groups, num_attributes)
    return [{"kind": "groups", "split": split, "groups": groups, "left_out": left_out}] if groups else []


def of_own(passes: Sequence[tuple[float, Mapping[str, np.ndarray]]]) -> dict[str, float]:
    """Loss, bounds and variances on a method's own inputs; passes: (weight, {where: (N, D)}) a lam, weights summing to 1.

    A cell is a set of rows with the same target: the loss is bounded by what varies within cells, and so "within" is the
    variance given the cell here, and "total" that of all rows. Where cells hold few rows (FEWEST), as under a law of the
    targets that is continuous, what varies within them is not told.
    """
    found: dict[str, float] = {}
    cells = [np.unique(values["targets"], axis=0, return_inverse=True)[1].reshape(-1) for _, values in passes]
    weights = [weight for weight, _ in passes]
    rows_per_cell = sum(w * len(of) / len(np.unique(of)) for w, of in zip(weights, cells, strict=True))
    for (weight, values), of in zip(passes, cells, strict=True):
        terms = _own_bounds(jnp.asarray(values["outputs"]), jnp.asarray(values["targets"]), jnp.asarray(of))
        for name, value in terms.items():
            found[name] = found.get(name, 0.0) + weight * float(value)
    found |= {f"slack_{name}": found["loss"] - found[f"bound_{name}"] for name in ("half", "sharp")}
    if found["loss"] > 0:
        found["variance_over_loss"] = found["variance_sharp"] / found["loss"]
    for where in passes[0][1]:
        if where != "targets":
            parts = _own_variance([values[where] for _, values in passes], cells, weights)
            found |= {f"{where}/{VARIANCE_NAMES[part]}": value for part, value in parts.items()}
    if rows_per_cell < FEWEST:
        told = ("total_variance", "mean_square", "loss", "floor")
        found = {name: value for name, value in found.items() if name.rpartition("/")[2] in told}
    return {**found, "rows_per_cell": rows_per_cell}


@jax.jit
def _own_bounds(probs, targets, cells):
    return bounds.cell_bounds(probs, targets, cells, len(cells))


def _own_variance(values: Sequence[np.ndarray], cells: Sequence[np.ndarray], weights: Sequence[float]) -> dict:
    """The parts of lamv.core.variance.decompose over all passes together, with cells in the place of classes."""
    mean, square, within = 0.0, 0.0, 0.0
    for h, of, weight in zip(values, cells, weights, strict=True):
        h = h.astype(np.float64)
        mean = mean + weight * h.mean(axis=0)
        square += weight * np.square(h).sum(axis=1).mean()
        within += weight * deviations(h, of).mean()
    total = square - np.square(mean).sum()
    return {
        "total": float(total),
        "within": float(within),
        "between": float(total - within),
        "mean_square": float(square),
        "within_per_unit": float(within / h.shape[1]),
        "within_over_mean_square": float(within / square) if square else 0.0,
        "within_over_total": float(within / total) if total > 0 else 0.0,
    }


#: Rows of a cell, on average, below which the variance within cells is not told: it falls short by 1 / rows.
FEWEST = 4.0


def curves_of_split(seen: Seen, replica: int, labels: np.ndarray, held: Held | None) -> list[dict[str, Any]]:
    """Reliability before and after temperature scaling, and risk over coverage by each score."""
    logits = seen.logits[replica]
    confidence, correct = calibration.confidence_and_correct(logits, labels)
    scaled = calibration.temperature_scaling(logits, labels, held)
    curves = []
    for conf, temperature in ((confidence, None), (scaled.confidence, scaled.temperature)):
        bins = calibration.reliability(conf, correct)
        curves.append({
            "kind": "reliability", "temperature": temperature,
            "count": [int(n) for n in bins.count],
            "confidence": _listed(bins.confidence), "accuracy": _listed(bins.accuracy),
        })  # fmt: skip
    for name, score in selection.scores(logits).items():
        coverage, risk = selection.thinned(*selection.risk_coverage(score, correct))
        curves.append({"kind": "risk_coverage", "score": name, "coverage": _listed(coverage), "risk": _listed(risk)})
    return curves


def of_examples(logits: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """What is known of each example, (N,) each, of which the metric of that name is the mean: for a bootstrap."""
    _, correct = calibration.confidence_and_correct(logits, labels)
    return {
        "accuracy": correct.astype(np.float64),
        "nll": calibration.example_nll(logits, labels),
        "brier": calibration.example_brier(logits, labels),
        "margin_mean": selection.margins(logits, labels),
    }


def deviations(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """||h - E[h | y]||^2 of each row of (N, D) values, float64: their mean is V_W.

    A bootstrap of that mean leaves the class means where they are. They minimise it, so to first order it makes no
    difference that a resample has others.
    """
    values = values.astype(np.float64)
    _, classes, count = np.unique(labels, return_inverse=True, return_counts=True)
    member = scipy.sparse.csr_array((np.ones(len(labels)), (classes, np.arange(len(labels)))))
    return np.square(values - ((member @ values) / count[:, None])[classes]).sum(axis=1)


def intervals(own: Mapping[str, np.ndarray], base: Mapping[str, np.ndarray] | None, against: str | None) -> list[dict]:
    """Bootstrap intervals over examples: of each metric, and of its difference to the baseline on the same examples."""
    found = []
    for name, values in own.items():
        pairs = [(None, over_examples(values))]
        if base is not None:
            pairs.append((against, difference_over_examples(values, base[name])))
        for other, (mean, low, high) in pairs:
            found.append({
                "kind": "interval", "metric": f"test/{name}", "mean": mean, "low": low, "high": high,
                "examples": len(values), "against": other,
            })  # fmt: skip
    return found


def finite(found: Mapping[str, float]) -> dict[str, float]:
    """Those of the metrics that are numbers."""
    return {name: float(value) for name, value in found.items() if math.isfinite(value)}


def _listed(values: np.ndarray) -> list[float | None]:
    """For JSON, which has no NaN; six digits are more than a figure shows."""
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in np.asarray(values, float)]

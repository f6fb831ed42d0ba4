"""The loss on augmented training inputs, next to the lower bounds of lamv.core.bounds.

A cell is a set of examples with the same target. The bounds are on the variance within cells, so "within" here means the
variance given the cell, and "total" that of all examples. Cells are known only once all targets are, so activations are
kept one by one, and the number of examples is bounded.
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from lamv import config as configs
from lamv.core import bounds
from lamv.core.variance import squared_deviations
from lamv.evaluate.snapshot import Result, Snapshot

#: Examples of a cell, on average, below which there is no variance within cells: it falls short by 1 / examples.
FEWEST = 4.0
#: Methods that weigh their examples: their loss is not the one that is bounded.
WEIGHTED = ("regmixup", "rc_mixup")


def loss_and_bounds(snapshot: Snapshot) -> list[Result]:
    """Of the split "augmented": loss, bounds, and variances of every layer."""
    config = snapshot.row.config
    reasons = {
        "its loss is not the cross-entropy": config.loss.name != "cross_entropy",
        "its method weighs the rows of a batch": not set(WEIGHTED).isdisjoint(configs.methods_of(config)),
        "its mitigation weighs the rows of a batch": snapshot.row.program.mitigation.weighs,
        "its loss has the teacher's share in it": bool(config.distill.row),
        "its loss has MaxSup's term in it": bool(config.loss.max_suppression),
    }
    if why := next((why for why, holds in reasons.items() if holds), ""):
        snapshot.note(f"no bounds on its own inputs, as {why}")
        return []
    weighted = [(weight, values) for _, weight, values in snapshot.own_inputs]
    results = []
    for r in range(len(snapshot.replicas.numbers)):
        metrics = bound_metrics([(weight, {where: v[r] for where, v in values.items()}) for weight, values in weighted])
        if metrics["rows_per_cell"] < FEWEST:
            few = f"fewer than {FEWEST:g} rows a cell"
            snapshot.note(f"no variance within cells on its own inputs, as its targets hardly ever repeat ({few})")
        results.append(Result({f"augmented/{name}": value for name, value in metrics.items()}))
    return results


def bound_metrics(weighted: Sequence[tuple[float, Mapping[str, np.ndarray]]]) -> dict[str, float]:
    """Loss, bounds and variances; weighted: (weight, {where: (N, D)}) for each lam, weights summing to 1.

    Where cells hold fewer than FEWEST examples, as under a continuous law of targets, nothing within cells is given.
    """
    metrics: dict[str, float] = {}
    weights = [weight for weight, _ in weighted]
    cells = [np.unique(values["targets"], axis=0, return_inverse=True)[1].reshape(-1) for _, values in weighted]
    rows_per_cell = sum(w * len(cell) / len(np.unique(cell)) for w, cell in zip(weights, cells, strict=True))
    for (weight, values), cell in zip(weighted, cells, strict=True):
        terms = _cell_bounds(jnp.asarray(values["outputs"]), jnp.asarray(values["targets"]), jnp.asarray(cell))
        for name, value in terms.items():
            metrics[name] = metrics.get(name, 0.0) + weight * float(value)
    metrics |= {f"slack_{name}": metrics["loss"] - metrics[f"bound_{name}"] for name in ("half", "sharp")}
    if metrics["loss"] > 0:
        metrics["variance_over_loss"] = metrics["variance_sharp"] / metrics["loss"]
    for where in weighted[0][1]:
        if where != "targets":
            parts = _variance([values[where] for _, values in weighted], cells, weights)
            metrics |= {f"{where}/{name}": value for name, value in parts.items()}
    if rows_per_cell < FEWEST:
        kept = ("total_variance", "mean_square", "loss", "floor")
        metrics = {name: value for name, value in metrics.items() if name.rpartition("/")[2] in kept}
    return {**metrics, "rows_per_cell": rows_per_cell}


@jax.jit
def _cell_bounds(probs, targets, cells):
    return bounds.cell_bounds(probs, targets, cells, len(cells))


def _variance(values: Sequence[np.ndarray], cells: Sequence[np.ndarray], weights: Sequence[float]) -> dict[str, float]:
    """The parts of lamv.core.variance.decompose over all lam, with cells as classes."""
    mean, square, within = 0.0, 0.0, 0.0
    for h, cell, weight in zip(values, cells, weights, strict=True):
        h = h.astype(np.float64)
        mean = mean + weight * h.mean(axis=0)
        square += weight * np.square(h).sum(axis=1).mean()
        within += weight * squared_deviations(h, cell).mean()
    total = square - np.square(mean).sum()
    return {
        "total_variance": float(total),
        "within_variance": float(within),
        "between_variance": float(total - within),
        "mean_square": float(square),
        "within_variance_per_unit": float(within / h.shape[1]),
        "within_over_mean_square": float(within / square) if square else 0.0,
        "within_over_total": float(within / total) if total > 0 else 0.0,
    }

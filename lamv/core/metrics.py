"""Accuracy, calibration and group metrics: sums first, ratios last.

`prediction_sums` of disjoint batches add up, across batches and devices; `prediction_metrics` turns the sum into
numbers at the very end, on the host. Masked rows are in no sum.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lamv.core.losses import cross_entropy
from lamv.core.targets import one_hot

ECE_BINS = 15


class PredictionSums(NamedTuple):
    """Sums over examples, float32: count (), correct (), nll (), calibration (bins, 3), groups (G, 2).

    A calibration row holds count, confidence and correct of the examples whose confidence lies in its bin; a group row
    holds count and correct.
    """

    count: jax.Array
    correct: jax.Array
    nll: jax.Array
    calibration: jax.Array
    groups: jax.Array


def prediction_sums(
    logits: jax.Array, labels: jax.Array, mask: jax.Array, groups: jax.Array | None = None, num_groups: int = 0
) -> PredictionSums:
    """Sums of one batch: logits (B, K), labels (B,), mask (B,) of 0 / 1, groups (B,) int in [0, num_groups) or None.

    Confidence bins have equal width and are closed on the left: bin = floor(confidence * 15), 1 falling in the last.
    """
    counts = mask.astype(bool)
    # A masked row may hold anything, NaN included; 0 * nan is nan, so it is replaced rather than weighted.
    logits = jnp.where(counts[:, None], logits.astype(jnp.float32), 0.0)
    labels = jnp.where(counts, labels, 0)
    member = counts.astype(jnp.float32)
    confidence = member * jnp.max(jax.nn.softmax(logits, axis=-1), axis=-1)
    correct = member * (jnp.argmax(logits, axis=-1) == labels)
    nll = member * cross_entropy(logits, one_hot(labels, logits.shape[-1]))
    bins = jnp.minimum((confidence * ECE_BINS).astype(jnp.int32), ECE_BINS - 1)
    groups = jnp.zeros_like(labels) if groups is None else groups
    return PredictionSums(
        jnp.sum(member),
        jnp.sum(correct),
        jnp.sum(nll),
        jax.ops.segment_sum(jnp.stack([member, confidence, correct], axis=1), bins, ECE_BINS),
        jax.ops.segment_sum(jnp.stack([member, correct], axis=1), groups, num_groups),
    )


def prediction_metrics(sums: PredictionSums) -> dict[str, float]:
    """accuracy, nll (nats), ece and, where there are groups, worst_group_accuracy and mean_group_accuracy.

    Fractions in [0, 1]. ece = sum over bins of (n_b / N) |accuracy_b - confidence_b| (Guo et al. 2017, equation 3).
    Groups without examples are left out of the worst and of the mean.
    """
    sums = PredictionSums(*(np.asarray(value, np.float64) for value in sums))
    _, confidence, correct = sums.calibration.T
    metrics = {
        "accuracy": sums.correct / sums.count,
        "nll": sums.nll / sums.count,
        "ece": np.abs(correct - confidence).sum() / sums.count,
    }
    occupied = sums.groups[sums.groups[:, 0] > 0]
    if len(occupied):
        count, right = occupied.T
        metrics["worst_group_accuracy"] = (right / count).min()
        metrics["mean_group_accuracy"] = (right / count).mean()
    return {name: float(value) for name, value in metrics.items()}


class RegressionSums(NamedTuple):
    """Sums over examples, float32, all (): count, squared error and absolute error."""

    count: jax.Array
    squared: jax.Array
    absolute: jax.Array


def regression_sums(outputs: jax.Array, values: jax.Array, mask: jax.Array) -> RegressionSums:
    """Sums of one batch: outputs (B, 1), values (B,) that should have come out, mask (B,) of 0 / 1."""
    error = jnp.where(mask.astype(bool), outputs[:, 0].astype(jnp.float32) - values, 0.0)
    return RegressionSums(jnp.sum(mask.astype(jnp.float32)), jnp.sum(jnp.square(error)), jnp.sum(jnp.abs(error)))


def regression_metrics(sums: RegressionSums) -> dict[str, float]:
    """rmse, the root mean square error, and mae, the mean absolute one; in the units of the labels."""
    count, squared, absolute = (float(value) for value in sums)
    return {"rmse": (squared / count) ** 0.5, "mae": absolute / count}


def weight_norm_ratio(kernel, cue) -> float:
    """||W_cue|| / ||W_rest|| (Frobenius) of a first-layer kernel (D, units): how much weight lies on the cue's inputs.

    cue: (D,) bool, which inputs carry the cue; some must, and some must not. Where the units are the logits of a linear
    softmax model, pass the kernel with its mean over classes taken out (the softmax does not see that mean).
    """
    kernel, cue = np.asarray(kernel, np.float64), np.asarray(cue, bool)
    return float(np.linalg.norm(kernel[cue]) / np.linalg.norm(kernel[~cue]))

"""Accuracy, calibration, groups and reliance on a cue: sums first, ratios last.

`prediction_sums` of disjoint batches add up, across batches and devices; `prediction_metrics` turns the sum into
numbers at the very end, on the host. Masked rows are in no sum.

Axis letters: B examples of a batch, K classes, G groups, A attributes; where both are known, group g = y A + a.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lamv.core import fairness
from lamv.core.checks import check_shape, inside, integers, members
from lamv.core.intervals import wilson
from lamv.core.losses import cross_entropy

#: Bins of confidence, of equal width.
BINS = 15
#: Up to so many groups have a metric each; of more there is `group_table`. The same for classes.
NAMED_GROUPS = 16
#: Classes are unequal where the largest has so many times the examples of the smallest. With fewer examples a class, on
#: average, than the second number, chance alone makes them so.
UNEQUAL, EXAMPLES_A_CLASS = 2.0, 10


class PredictionSums(NamedTuple):
    """Sums over examples, float32: count (), correct (), nll (), calibration (bins, 3), classes (K, 2), groups (G, 2),
    cue (4,).

    A calibration row holds count, confidence and correct of the examples whose confidence lies in its bin; a row of a class
    or a group holds count and correct. cue: over examples whose cue stands for a class, their count, how many the network
    puts in that class, and the sums of two contrasts of logits: of the label, and of the cue's class.
    """

    count: jax.Array
    correct: jax.Array
    nll: jax.Array
    calibration: jax.Array
    classes: jax.Array
    groups: jax.Array
    cue: jax.Array


def prediction_sums(
    logits: jax.Array,
    labels: jax.Array,
    mask: jax.Array,
    groups: jax.Array | None = None,
    num_groups: int = 0,
    *,
    cue: jax.Array | None = None,
) -> PredictionSums:
    """Sums of one batch: logits (B, K), labels (B,), mask (B,) of 0 / 1, groups (B,) int in [0, num_groups) or None.

    A group outside of that is none. cue: (B,) int, the class that the cue of an example stands for; outside
    [0, K) none. None where there are no cues.

    Raises ValueError for shapes that do not fit, and TypeError for labels that are no integers. A row with a label outside
    of [0, K), or whose softmax is NaN (a logit of NaN or +inf, or all of -inf), is neither right nor wrong: it makes the
    sums that it enters NaN.
    """
    if logits.ndim != 2:
        raise ValueError(f"logits are of shape {logits.shape}, must be (B, K)")
    by_example = {"labels": labels, "mask": mask, "groups": groups, "cue": cue}
    for name, values in by_example.items():
        if values is not None:
            check_shape(name, values, logits.shape[:1])
    counts, classes = mask.astype(bool), logits.shape[-1]
    # A masked row may hold anything, NaN included; 0 * nan is nan, so it is replaced rather than weighted.
    logits = jnp.where(counts[:, None], logits.astype(jnp.float32), 0.0)
    labels = jnp.where(counts, integers("labels", labels), 0)
    member = counts.astype(jnp.float32)
    confidence = member * jnp.max(jax.nn.softmax(logits, axis=-1), axis=-1)
    predicted = jnp.argmax(logits, axis=-1)
    readable = inside(labels, classes) & ~jnp.isnan(confidence)
    correct = jnp.where(readable, member * (predicted == labels), jnp.nan)
    nll = member * cross_entropy(logits, members(labels, classes))
    # A confidence of NaN has no bin, and would be lost in none: it goes to any, whose sums it makes NaN.
    bins = confidence_bins(jnp.where(jnp.isnan(confidence), 0.0, confidence))
    groups = jnp.zeros_like(labels) if groups is None else integers("groups", groups)
    counted = jnp.stack([member, correct], axis=1)
    return PredictionSums(
        jnp.sum(member),
        jnp.sum(correct),
        jnp.sum(nll),
        jax.ops.segment_sum(jnp.stack([member, confidence, correct], axis=1), bins, BINS),
        jax.ops.segment_sum(counted, labels, classes),
        jax.ops.segment_sum(counted, groups, num_groups),
        jnp.zeros(4) if cue is None else _cue_sums(logits, labels, predicted, readable, counts, integers("cue", cue)),
    )


def confidence_bins(confidence, bins: int = BINS):
    """(N,) int bin b of confidence in [b / bins, (b + 1) / bins), the last one closed; arrays of numpy or jax."""
    return (confidence * bins).astype(np.int32).clip(max=bins - 1)


def calibration_error(gaps, count):
    """Expected calibration error, in [0, 1], of gaps (bins,) = sum of correct - confidence in each bin, over N = count.

    sum over bins of (n_b / N) |accuracy_b - confidence_b| (Guo et al. 2017, equation 3).
    """
    return np.abs(gaps).sum() / count


def _cue_sums(logits, labels, predicted, readable, counts, cue) -> jax.Array:
    """The row `cue` of PredictionSums. readable, counts: (B,) bool, which rows can be judged, and which are no padding."""
    classes = logits.shape[-1]
    has_cue = counts & inside(cue, classes)
    total = jnp.sum(logits, axis=-1)

    def contrast(which):
        logit = jnp.take_along_axis(logits, which[:, None], axis=-1)[:, 0]
        return logit - (total - logit) / (classes - 1)

    cue_class = jnp.clip(cue, 0, classes - 1)
    parts = jnp.stack([jnp.ones_like(total), predicted == cue_class, contrast(labels), contrast(cue_class)], axis=1)
    return jnp.sum(jnp.where(has_cue[:, None], jnp.where(readable[:, None], parts, jnp.nan), 0.0), axis=0)


def prediction_metrics(sums: PredictionSums, shares=None, num_attributes: int = 0) -> dict[str, float]:
    """accuracy, nll (nats), ece (`calibration_error`), and metrics of classes, groups and a cue. Fractions are in [0, 1].

    Classes, where the largest has at least twice the examples of the smallest that has any, and the mean one ten:

    balanced_accuracy    mean of the accuracies of the classes that have examples here: each class counts alike
    class_Y/accuracy, class_Y/count     of each class with examples, where K is at most 16

    Groups, where an example is in one:

    worst_group_accuracy, mean_group_accuracy   smallest and mean accuracy of the groups
    worst_group_count    examples of the group of smallest accuracy; of several, the most
    adjusted_accuracy    sum of share_g accuracy_g over sum of share_g, with the groups' shares of the training set: the
                         accuracy on data in which groups are as frequent as they were in training (Sagawa et al. 2020;
                         elsewhere the word is used of the plain mean). shares: (G,) of any scale, counts for instance;
                         None, or 0 for all groups that have examples here: no such metric
    groups_left_out      how many of the G groups have no example here: they are in none of the three above, and the shares
                         of the others are scaled up
    eod, aod, spd        of two classes and an attribute: see lamv.core.fairness
    group_Y_A/accuracy, group_Y_A/count    of each group with examples, where G is at most 16; A is in [0, num_attributes).
                         group_G/... where num_attributes is 0, where the data has no attribute

    A cue, where it stands for a class a in any example; means over those examples, with z the logits:

    cue_accuracy    share of examples whose predicted class is the cue's
    label_logit     E [z_y - mean of the z of the K - 1 other classes]
    cue_logit       E [z_a - mean of the z of the K - 1 other classes]
    cue_over_label  cue_logit / label_logit, where label_logit is above 0

    Let the logits be additive, z_c = core [y = c] + cue [a = c] + rest. With a uniform over the classes and independent
    of y, label_logit is core and cue_logit is cue: where a = y (probability 1 / K) either contrast is core + cue, and
    elsewhere z_y exceeds the mean of the others by core - cue / (K - 1). On such a split cue_over_label is how much the
    cue moves the margin, relative to the features of the label; where a goes along with y, both contrasts hold some of each.
    """
    count, correct, nll, calibration, classes, groups, cue = (np.asarray(value, np.float64) for value in sums)
    _, confidence, right = calibration.T
    metrics = {"accuracy": correct / count, "nll": nll / count, "ece": calibration_error(right - confidence, count)}
    metrics |= _class_metrics(classes)
    if groups[:, 0].any():
        metrics |= _group_metrics(groups, shares, num_attributes)
    if cue[0]:
        names = ("cue_accuracy", "label_logit", "cue_logit")
        metrics |= dict(zip(names, cue[1:] / cue[0], strict=True))
        if metrics["label_logit"] > 0:
            metrics["cue_over_label"] = metrics["cue_logit"] / metrics["label_logit"]
    return {name: float(value) for name, value in metrics.items()}


def _class_metrics(classes: np.ndarray) -> dict[str, float]:
    """Those of `prediction_metrics` on classes; classes: (K, 2) count and correct. {} where they are about equal."""
    occupied = np.flatnonzero(classes[:, 0])
    count, right = classes[occupied].T
    if count.sum() < EXAMPLES_A_CLASS * max(1, len(count)) or count.max() < UNEQUAL * count.min():
        return {}
    metrics = {"balanced_accuracy": (right / count).mean()}
    if len(classes) <= NAMED_GROUPS:
        for label, number, correct in zip(occupied, count, right, strict=True):
            metrics |= {f"class_{label}/accuracy": correct / number, f"class_{label}/count": number}
    return metrics


def tail_metrics(classes, parts, names) -> dict[str, float]:
    """NAME_accuracy of each part of the classes: the mean of the accuracies of its classes with examples, in [0, 1].

    classes: (K, 2) count and correct, of PredictionSums. parts: (K,) int, of each class its place in `names`, such as
    many, medium and few training examples (lamv.data.long_tails). A part without an example has none.
    """
    count, right = np.asarray(classes, np.float64).T
    by_part = {name: (parts == place) & (count > 0) for place, name in enumerate(names)}
    return {f"{name}_accuracy": float((right[of] / count[of]).mean()) for name, of in by_part.items() if of.any()}


def _group_metrics(groups: np.ndarray, shares, num_attributes: int) -> dict[str, float]:
    """Those of `prediction_metrics` on groups; groups: (G, 2) count and correct, some of them with examples."""
    occupied = np.flatnonzero(groups[:, 0])
    count, right = groups[occupied].T
    accuracy = right / count
    metrics = {
        "worst_group_accuracy": accuracy.min(),
        "worst_group_count": count[accuracy == accuracy.min()].max(initial=0),
        "mean_group_accuracy": accuracy.mean(),
        "groups_left_out": len(groups) - len(occupied),
    }
    metrics |= fairness.differences(groups, num_attributes)
    weights = np.zeros(len(occupied)) if shares is None else np.asarray(shares, np.float64)[occupied]
    if weights.sum() > 0:
        metrics["adjusted_accuracy"] = (weights * accuracy).sum() / weights.sum()
    if len(groups) <= NAMED_GROUPS:
        for group, number, share in zip(occupied, count, accuracy, strict=True):
            name = group_key(int(group), num_attributes)
            metrics |= {f"{name}/accuracy": share, f"{name}/count": number}
    return metrics


def group_key(group: int, num_attributes: int) -> str:
    """ "group_Y_A" of the group y A + a; "group_G" where there is no attribute."""
    return "group_{}_{}".format(*divmod(group, num_attributes)) if num_attributes else f"group_{group}"


def group_table(groups, num_attributes: int = 0, most: int = 400) -> tuple[list[list], int]:
    """([[y, a, count, correct, low, high], ...], how many groups were left out) of the groups that have examples.

    groups: (G, 2) count and correct, of PredictionSums. In the order of the groups, at most the `most` largest ones. low
    and high are the ends of the 95 % interval of Wilson. Where num_attributes is 0, the first entry is the group and the
    second None.
    """
    groups = np.asarray(groups, np.float64)
    occupied = np.flatnonzero(groups[:, 0])
    largest = occupied[np.argsort(-groups[occupied, 0], kind="stable")[:most]]
    chosen = np.sort(largest)
    lines = []
    for group, (count, correct) in zip(chosen.tolist(), groups[chosen].tolist(), strict=True):
        y, a = divmod(group, num_attributes) if num_attributes else (group, None)
        low, high = wilson(correct, count)
        lines.append([y, a, int(count), int(correct), round(float(low), 6), round(float(high), 6)])
    return lines, len(occupied) - len(chosen)


def cue_drop(metrics: dict[str, float]) -> dict[str, float]:
    """test/cue_drop, of metrics keyed "split/metric"; {} unless both splits are there.

    It is the accuracy with an aligned cue minus that with a conflicting one, of the same examples: only the cue is swapped.
    """
    aligned, conflicting = (metrics.get(f"test_{placement}/accuracy") for placement in ("aligned", "conflicting"))
    return {} if aligned is None or conflicting is None else {"test/cue_drop": aligned - conflicting}


class RegressionSums(NamedTuple):
    """Sums over examples, float32, all (): count, squared error and absolute error."""

    count: jax.Array
    squared: jax.Array
    absolute: jax.Array


def regression_sums(outputs: jax.Array, values: jax.Array, mask: jax.Array) -> RegressionSums:
    """Sums of one batch: outputs (B, 1), values (B,) that should have come out, mask (B,) of 0 / 1.

    Raises ValueError for shapes that do not fit: values (B, 1) would be set against every output.
    """
    for name, array, shape in (("outputs", outputs, (*values.shape, 1)), ("mask", mask, values.shape)):
        check_shape(name, array, shape)
    error = jnp.where(mask.astype(bool), outputs[:, 0].astype(jnp.float32) - values, 0.0)
    return RegressionSums(jnp.sum(mask.astype(jnp.float32)), jnp.sum(jnp.square(error)), jnp.sum(jnp.abs(error)))


def regression_metrics(sums: RegressionSums) -> dict[str, float]:
    """rmse, the root mean square error, and mae, the mean absolute one; in the units of the labels."""
    count, squared, absolute = (float(value) for value in sums)
    return {"rmse": (squared / count) ** 0.5, "mae": absolute / count}


def weight_norm_ratio(kernel, cue) -> float:
    """||W_cue|| / ||W_rest|| (Frobenius) of a first-layer kernel (D, units): how much weight lies on the cue's inputs.

    cue: (D,) bool, which inputs carry the cue; some must, and some must not (else ValueError). Where the units are the
    logits of a linear softmax model, pass the kernel with its mean over classes taken out (the softmax does not see that
    mean).
    """
    kernel, cue = _split_inputs(kernel, cue)
    return float(np.linalg.norm(kernel[cue]) / np.linalg.norm(kernel[~cue]))


def weight_norm_share(kernel, cue) -> float:
    """||W_cue||^2 / ||W||^2 (Frobenius), in [0, 1], of the same kernel and cue as `weight_norm_ratio`.

    With r the ratio it is r^2 / (1 + r^2).
    """
    kernel, cue = _split_inputs(kernel, cue)
    return float(np.square(kernel[cue]).sum() / np.square(kernel).sum())


def _split_inputs(kernel, cue) -> tuple[np.ndarray, np.ndarray]:
    """A kernel (D, units) in float64, and the mask (D,) of its inputs that carry the cue."""
    kernel, cue = np.asarray(kernel, np.float64), np.asarray(cue)
    check_shape("cue", cue, kernel.shape[:1])
    # Indices of inputs, in place of a mask, would be read as true and false.
    if cue.dtype != bool or cue.all() or not cue.any():
        raise ValueError(f"cue is {cue.dtype}, set for {np.count_nonzero(cue)} of {len(cue)} inputs; must be bool, set for"
                         " some and not for others")  # fmt: skip
    return kernel, cue

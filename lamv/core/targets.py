"""From integer labels to target probabilities.

Targets are always (B, K) float32, non-negative, and sum to 1 over classes. Smoothing moves mass from the label to
other classes; two conventions are in use and both are here under their own name:

"uniform": q = (1 - smoothing) e_y + smoothing / K          over all classes (Szegedy et al. 2016, section 7; the
                                                              one of torch, optax and most papers)
"others":  q_y = 1 - smoothing, q_i = smoothing / (K - 1)    over the K - 1 other classes

The two are one family: "uniform" with smoothing s is "others" with s (K - 1) / K.

Targets that are integers or booleans count as float32, and other floats stay what they are. A function of targets raises
ValueError for what is not (B, K), labels above all.

Flipping labels at random is smoothing in expectation: the cross-entropy is linear in the target. The backward correction
for label noise undoes it, and is the one function here whose targets are not probabilities: some are negative.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lamv.core.batch import Rows, whole
from lamv.core.checks import check_labels, check_probabilities, check_range, check_targets, floating, members

CONVENTIONS = ("uniform", "others")


def one_hot(labels: jax.Array, num_classes: int) -> jax.Array:
    """(B,) integer labels in [0, K), of any type -> (B, K) float32.

    A label outside the range raises ValueError where its value is known, that is, outside of a trace; traced, it gives a
    row of NaN, so that no loss of it is finite. Raises TypeError for labels that are no integers. For groups, of which an
    example may be in none, see lamv.core.mitigation.memberships_of.
    """
    check_labels(labels, num_classes)
    return members(labels, num_classes)


def smooth(targets: jax.Array, smoothing: jax.Array | float, convention: str = "uniform") -> jax.Array:
    """Label smoothing of (B, K) targets.

    smoothing: a scalar, 0 (unchanged, bit for bit) up to, not including, 1 ("uniform") or (K - 1) / K ("others"): beyond
    that the true class is no longer the most probable one. Checked where the value is known, that is, outside of a trace.
    Linear in the targets, so mixed targets may be smoothed too: smoothing and mixing commute.
    Raises ValueError for a smoothing out of range or an unknown convention.
    """
    targets, num_classes = _checked(targets)
    check_smoothing("smoothing", smoothing, num_classes, convention)
    if convention == "uniform":
        return (1.0 - smoothing) * targets + smoothing / num_classes
    # (1 - s) q + s (1 - q) / (K - 1): each class hands its share s to the others, in equal parts.
    return (1.0 - smoothing) * targets + smoothing * (1.0 - targets) / (num_classes - 1)


def smooth_towards(targets: jax.Array, smoothing, prior: jax.Array) -> jax.Array:
    """Smoothing towards a given distribution: (1 - smoothing) q + smoothing prior (Szegedy et al. 2016, section 7).

    prior: (K,) or (B, K) probabilities, checked where they are known. The frequencies of the classes give unigram
    smoothing (Pereyra et al. 2017).
    smoothing: 0 (unchanged) up to, not including, 1. Raises ValueError beyond.
    """
    targets, num_classes = _checked(targets)
    if prior.shape[-1] != num_classes:
        raise ValueError(f"prior is of shape {prior.shape}, must be ({num_classes},), or that of the targets")
    check_probabilities("prior", prior)
    check_range("smoothing", smoothing, low=0.0, below=1.0)
    return (1.0 - smoothing) * targets + smoothing * jnp.broadcast_to(prior, targets.shape)


class SoftLabels(NamedTuple):
    """Online label smoothing (Zhang et al. 2021): of each class, what the network predicts for it where it is right.

    rows: (K, K), row y the soft label of class y, from the last epoch. sums: (K, K), row y the sum of the predictions of
    this epoch for examples of class y that were right.
    """

    rows: jax.Array
    sums: jax.Array


def even_soft_labels(num_classes: int) -> SoftLabels:
    """Before the first epoch: 1 / K each."""
    shape = (num_classes, num_classes)
    return SoftLabels(jnp.full(shape, 1 / num_classes), jnp.zeros(shape))


def updated_soft_labels(soft: SoftLabels, probabilities: jax.Array, targets: jax.Array, ends_epoch) -> SoftLabels:
    """After a batch: S_y is the mean of the right predictions of an epoch for class y.

    probabilities, targets: (B, K), the class of a target being its largest entry. ends_epoch: whether the sums of this epoch
    become the rows, and begin anew; a class that was never predicted rightly keeps its row.
    """
    label = jnp.argmax(targets, axis=-1)
    right = jax.nn.one_hot(label, targets.shape[-1]) * (jnp.argmax(probabilities, axis=-1) == label)[:, None]
    sums = soft.sums + right.T @ probabilities
    number = jnp.sum(sums, axis=-1, keepdims=True)
    rows = jnp.where(number > 0, sums / jnp.maximum(number, 1e-12), soft.rows)
    return SoftLabels(jnp.where(ends_epoch, rows, soft.rows), jnp.where(ends_epoch, 0.0, sums))


def correct_noise(targets: jax.Array, noise_rate, convention: str = "uniform") -> jax.Array:
    """Backward correction of symmetric label noise: negative smoothing (Patrini et al. 2017; Lukasik et al. 2020).

    A label is noisy with probability noise_rate: drawn anew from all classes ("uniform") or from the others. Where
    smoothing maps a clean label to its expected noisy one, this is the inverse map: the loss against its targets is, in
    expectation over the noise, the loss against the clean ones. Rows sum to 1, but entries off the label are negative.
    noise_rate: as smoothing in `smooth`. Raises ValueError beyond.
    """
    targets, num_classes = _checked(targets)
    limit = check_smoothing("noise_rate", noise_rate, num_classes, convention)
    share = noise_rate if convention == "uniform" else noise_rate / limit
    return (targets - share / num_classes) / (1.0 - share)


def flip(key, targets: jax.Array, rate, convention: str = "uniform", rows: Rows | None = None) -> jax.Array:
    """DisturbLabel (Xie et al. 2016): with probability `rate`, a label is replaced by a random one.

    Drawn anew at every call, for each example, from all classes ("uniform") or from the others: then the expected target
    is smooth(targets, rate, convention), whatever the targets; a row that holds NaN stays as it is. rate: as smoothing
    there. Raises ValueError beyond.
    """
    targets, num_classes = _checked(targets)
    check_smoothing("rate", rate, num_classes, convention)
    rows = rows or whole(targets.shape[0])

    def flipped(key, target):
        flip_key, label_key = jax.random.split(key)
        # Rounding may have left a target above 1.
        odds = jnp.ones(num_classes) if convention == "uniform" else jnp.maximum(1.0 - target, 0.0)
        label = jax.random.categorical(label_key, jnp.log(odds))
        replaced = (jax.random.uniform(flip_key) < rate) & ~jnp.any(jnp.isnan(target))
        return jnp.where(replaced, jax.nn.one_hot(label, num_classes, dtype=targets.dtype), target)

    return jax.vmap(flipped)(rows.keys(key), targets)


def matched_smoothing(mean_entropy, num_classes: int, convention: str = "uniform") -> jax.Array:
    """The smoothing whose targets have this entropy, in nats; 0 to below log K, NaN beyond. By bisection, to float32.

    With the mean entropy of a Mixup's targets, it is Mixup's part in the targets without its part in the inputs.
    """
    limit = smoothing_limit(num_classes, convention)
    label = one_hot(jnp.zeros(1, jnp.int32), num_classes)

    def halve(_, bounds):
        low, high = bounds
        middle = (low + high) / 2
        share = middle if convention == "uniform" else middle / limit
        below = entropy((1.0 - share) * label + share / num_classes)[0] < mean_entropy
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    low, high = jax.lax.fori_loop(0, 30, halve, (jnp.float32(0), jnp.float32(limit)))
    return jnp.where(mean_entropy <= np.log(num_classes), (low + high) / 2, jnp.nan)


def suppressed(targets: jax.Array, share: jax.Array | float) -> jax.Array:
    """The outputs at which cross-entropy plus share * MaxSup's term (lamv.core.losses.max_suppression) is least.

    min(q + share / K, t), t such that the sum is 1, for (..., K) probabilities q and a share >= 0: every class gains
    share / K, and the most probable ones are cut to one level. Of one-hot targets and a share below 1 it is `smooth`; of
    mixed ones only the larger part pays. The least loss is the `entropy` of the result.

    For max z = max_v <v, z> over distributions v, so that the loss is the largest over v of a cross-entropy against
    q + share (1 / K - v); the least of each is its entropy, and the v of the largest cuts the top.
    """
    raised = floating(targets) + share / targets.shape[-1]
    highest = jnp.cumsum(jnp.sort(raised, axis=-1)[..., ::-1], axis=-1)
    number = jnp.broadcast_to(jnp.arange(1.0, targets.shape[-1] + 1), highest.shape)
    level = jnp.max((highest - share) / number, axis=-1, keepdims=True)
    return jnp.minimum(raised, level)


def entropy(targets: jax.Array) -> jax.Array:
    """(..., K) probabilities -> (...) entropy in nats: what the cross-entropy against them cannot fall below.

    A probability of 0 has no part, in the gradient either.
    """
    some = jnp.where(targets == 0, 1.0, targets)
    return -jnp.sum(some * jnp.log(some), axis=-1)


def smoothing_limit(num_classes: int, convention: str) -> float:
    """The smoothing at which the true class stops being the most probable: 1, or (K - 1) / K."""
    if convention not in CONVENTIONS:
        raise ValueError(f"convention {convention!r} is unknown; use one of {', '.join(CONVENTIONS)}")
    return 1.0 if convention == "uniform" else (num_classes - 1) / num_classes


def check_smoothing(name: str, value, num_classes: int, convention: str) -> float:
    """The `smoothing_limit`. Raises ValueError unless 0 <= value < limit (where it is known)."""
    limit = smoothing_limit(num_classes, convention)
    check_range(name, value, low=0.0, below=limit, note=f"for the convention {convention!r}, K = {num_classes}")
    return limit


def _checked(targets) -> tuple[jax.Array, int]:
    """Targets as floats, and K."""
    check_targets(targets)
    return floating(targets), targets.shape[-1]

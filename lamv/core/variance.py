"""Class moments: the one statistic behind every variance that lamv reports.

For features h (B, D) with labels y in [0, K), the state holds for each class and unit the count, the mean, and the sum
of squared deviations from that mean. States of disjoint batches merge exactly (Chan, Golub & LeVeque 1979), whatever
their order, across batches, devices and hosts. As deviations are taken from the class mean, nothing cancels: variances
keep float32 accuracy even where the mean is large.

    total    V_T = E || h - E h ||^2            = within + between
    within   V_W = E || h - E[h | y] ||^2       the variance that the theory speaks of: given the class
    between  V_B = E || E[h | y] - E h ||^2

all with 1/N, summed over units. Softmax probabilities take the place of h for the output variance.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jax import lax

from lamv.core.checks import check_shape, integers, members


class Moments(NamedTuple):
    """count (K,), mean (K, D), scatter (K, D) = sum over the class of (h - class mean)^2; all float32."""

    count: jax.Array
    mean: jax.Array
    scatter: jax.Array


def empty(num_classes: int, dim: int) -> Moments:
    """The moments of no example: what `merge` leaves unchanged."""
    return Moments(jnp.zeros(num_classes), jnp.zeros((num_classes, dim)), jnp.zeros((num_classes, dim)))


def class_moments(features: jax.Array, labels: jax.Array, num_classes: int, mask: jax.Array | None = None) -> Moments:
    """Moments of one batch: features (B, D), labels (B,) int in [0, K), mask (B,) with 0 for rows that do not count.

    A masked row has no influence at all, whatever it holds, NaN included. Another label outside of [0, K) makes all
    moments NaN. Raises ValueError for shapes that do not fit, and TypeError for labels that are no integers.
    """
    features, labels = features.astype(jnp.float32), integers("labels", labels)
    check_shape("labels", labels, features.shape[:1])
    member = members(labels, num_classes)
    if mask is not None:
        check_shape("mask", mask, labels.shape)
        counts = mask.astype(bool)[:, None]
        features, member = jnp.where(counts, features, 0.0), jnp.where(counts, member, 0.0)
    count = member.sum(axis=0)
    mean = class_sums(member, features) / at_least_one(count)[:, None]
    scatter = class_sums(member, jnp.square(features - mean[labels]))
    return Moments(count, mean, scatter)


def merge(a: Moments, b: Moments) -> Moments:
    """The moments of both sets together."""
    count = a.count + b.count
    share = (b.count / at_least_one(count))[:, None]
    shift = b.mean - a.mean
    mean = a.mean + share * shift
    scatter = a.scatter + b.scatter + a.count[:, None] * share * jnp.square(shift)
    return Moments(count, mean, scatter)


def merge_over(moments: Moments, axis_name: str) -> Moments:
    """The moments of all devices of a mapped axis together, on each of them."""
    count = lax.psum(moments.count, axis_name)
    mean = lax.psum(moments.count[:, None] * moments.mean, axis_name) / at_least_one(count)[:, None]
    apart = moments.count[:, None] * jnp.square(moments.mean - mean)
    return Moments(count, mean, lax.psum(moments.scatter + apart, axis_name))


def decompose(moments: Moments) -> dict[str, jax.Array]:
    """The variances by the names of their metrics, as float32 scalars, of one example or more.

    total_variance, within_variance, between_variance: sums over units, 1/N normalisation. mean_square: E ||h||^2.
    within_variance_per_unit: V_W / D. within_over_mean_square: V_W / E||h||^2, free of scale. within_over_total: V_W / V_T,
    free of scale and of shifts. A ratio with denominator 0 is 0: nothing varies there. Classes without examples do not
    count. Moments of NaN give NaN.
    """
    number = jnp.sum(moments.count)
    units = per_unit(moments)
    within, between = jnp.sum(units["within"]), jnp.sum(units["between"])
    total = within + between
    grand_mean = jnp.sum(moments.count[:, None] * moments.mean, axis=0) / number
    mean_square = total + jnp.sum(jnp.square(grand_mean))
    return {
        "total_variance": total,
        "within_variance": within,
        "between_variance": between,
        "mean_square": mean_square,
        "within_variance_per_unit": within / moments.mean.shape[1],
        "within_over_mean_square": _ratio(within, mean_square),
        "within_over_total": _ratio(within, total),
    }


#: `decompose` of moments with a leading axis of replicas.
decompose_replicas = jax.jit(jax.vmap(decompose))


def per_unit(moments: Moments) -> dict[str, jax.Array]:
    """total, within and between of every unit: (D,) each; their sums over units are those of `decompose`."""
    number = jnp.sum(moments.count)
    weight = (moments.count / number)[:, None]
    grand_mean = jnp.sum(weight * moments.mean, axis=0, keepdims=True)
    within = jnp.sum(moments.scatter, axis=0) / number
    between = jnp.sum(weight * jnp.square(moments.mean - grand_mean), axis=0)
    return {"total": within + between, "within": within, "between": between}


def squared_deviations(values, labels) -> np.ndarray:
    """||h - E[h | y]||^2 of each row of values (N, D), float64 on the host: their mean is V_W. labels: (N,), of any kind.

    A bootstrap of that mean leaves the class means where they are. They minimise it, so to first order it makes no
    difference that a resample has others.
    """
    values = np.asarray(values, np.float64)
    _, classes, count = np.unique(labels, return_inverse=True, return_counts=True)
    member = scipy.sparse.csr_array((np.ones(len(values)), (classes, np.arange(len(values)))))
    return np.square(values - ((member @ values) / count[:, None])[classes]).sum(axis=1)


def group_variances(features, groups) -> dict[int, tuple[float, float]]:
    """{group: (V_g, lambda_g)} of features (N, D) and groups (N,) int, for groups of two examples or more; numpy, float64.

    V_g = E ||h - E[h | g]||^2, summed over units, and lambda_g the largest eigenvalue of the covariance of h given g, both
    with 1/N: lambda_g <= V_g, and they are equal where the examples of a group lie along a line.
    """
    features, groups = np.asarray(features, np.float64), np.asarray(groups)
    check_shape("groups", groups, features.shape[:1])
    found = {}
    for group in np.unique(groups):
        own = features[groups == group]
        if len(own) > 1:
            apart = own - own.mean(axis=0)
            largest = np.linalg.norm(apart, 2) ** 2 / len(own)
            found[int(group)] = float(np.square(apart).sum() / len(own)), float(largest)
    return found


def class_sums(member: jax.Array, values: jax.Array) -> jax.Array:
    """(K, D) sums over rows of member (B, K) times values (B, D)."""
    # "highest": a matrix unit's short floats would cost the statistic half of its digits.
    return jnp.einsum("bk,bd->kd", member, values, precision=lax.Precision.HIGHEST)


def at_least_one(count: jax.Array) -> jax.Array:
    """Counts to divide by: 1 where there is no example."""
    return jnp.maximum(count, 1.0)


def _ratio(part: jax.Array, whole: jax.Array) -> jax.Array:
    return jnp.where(whole == 0, 0.0, part / jnp.where(whole == 0, 1.0, whole))

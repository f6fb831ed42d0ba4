"""Neural collapse and class geometry: one mergeable state over examples, and the numbers that are read from it.

For features h (B, D) with labels y in [0, K). States of disjoint batches merge exactly (Chan, Golub & LeVeque 1979),
whatever their order, across batches, devices and hosts; all deviations are taken from means, so that nothing cancels
where the features lie far from the origin: what remains is the rounding of the class means themselves, 6e-8 of their
size. A batch costs one product of (D, B) with (B, D), a merge one of (D, K) with (K, D), and a state D^2 + 2 K D numbers.

Let K be the number of classes that have examples, N that of all examples, mu_c the mean of class c, mu_G the mean of the
class means (every class counts alike) and m_c = mu_c - mu_G. `collapse_metrics` gives

    nc1             tr(Sigma_W pinv(Sigma_B)) / K, with Sigma_W = sum of (h - mu_y)(h - mu_y)^T / N and
                    Sigma_B = sum_c m_c m_c^T / K; singular values of Sigma_B up to 1e-6 of the largest are 0
    nc1_trace       V_W / V_B, both with 1/N, as in lamv.core.variance
    nc2_equinorm    standard deviation (1/K) over mean of ||m_c||
    nc2_equiangular mean over pairs c != c' of |cos(m_c, m_c') + 1 / (K - 1)|
    nc2_weights_*   the same two of the columns of the last layer's kernel (D, K) as they are, not centred
    nc3             || W / ||W|| - M / ||M|| ||^2 with Frobenius norms, W the kernel and M (D, K) the m_c; in [0, 4]

(Papyan, Han & Donoho 2020), all 0 for a collapsed simplex, and beside them

    separation      R^2 = 1 - d_within / d_total, mean cosine distances of pairs from one class and from any two; every
                    class counts alike, and an example pairs with itself (Kornblith et al. 2021); in [0, 1]
    effective_rank  exp of the entropy (nats) of s / sum(s), s the singular values of the features around their mean (Roy
                    & Vetterli 2007); in [1, D]. Eigenvalues of the covariance up to 3e-7 of its trace are the rounding of
                    float32 and count as 0: that is, s up to 5e-4 of the root of their sum of squares
    feature_norm_*  mean and standard deviation (1/N) of ||h||

The fourth part of neural collapse, that the network decides like the nearest class mean, needs a second pass over the
examples: `nearest_class`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamv.core.checks import check_shape, integers, members
from lamv.core.variance import at_least_one, class_sums

#: Relative to the mean, a difference of means below this is the rounding of float32 and not a difference.
ROUNDING = 2e-6
#: Relative to the trace, an eigenvalue of the covariance below this is rounding too.
EIGENVALUE_ROUNDING = 3e-7
RCOND = 1e-6


class Geometry(NamedTuple):
    """All float32. The examples of class c have, with u = h / ||h|| (u = 0 where h = 0):

    count (K,), mean (K, D) of h, direction (K, D) the mean of u, and distance (K,) = sum of 1 - u . direction, the sum of
    their cosine distances to each other over their number; and over all examples cross (D, D) = sum of
    (h - mean)(h - mean)^T with the mean of the own class, norm_mean () and norm_scatter () = sum of (||h|| - norm_mean)^2.
    """

    count: jax.Array
    mean: jax.Array
    cross: jax.Array
    direction: jax.Array
    distance: jax.Array
    norm_mean: jax.Array
    norm_scatter: jax.Array


def empty(num_classes: int, dim: int) -> Geometry:
    """The geometry of no example: what `merge` leaves unchanged."""
    shapes = ((num_classes,), (num_classes, dim), (dim, dim), (num_classes, dim), (num_classes,), (), ())
    return Geometry(*map(jnp.zeros, shapes))  # an array each, which jit may be given to overwrite


def geometry(features: jax.Array, labels: jax.Array, num_classes: int, mask: jax.Array | None = None) -> Geometry:
    """Geometry of one batch: features (B, D), labels (B,) int in [0, K), mask (B,) with 0 for rows that do not count.

    A masked row has no influence at all, whatever it holds, NaN included. Another label outside of [0, K) makes all of it
    NaN. Raises ValueError for shapes that do not fit, and TypeError for labels that are no integers.
    """
    labels = integers("labels", labels)
    check_shape("labels", labels, features.shape[:1])
    counts = jnp.ones(labels.shape, bool) if mask is None else mask.astype(bool)
    check_shape("mask", counts, labels.shape)
    features = jnp.where(counts[:, None], features.astype(jnp.float32), 0.0)
    labels = jnp.where(counts, labels, 0)
    member = jnp.where(counts[:, None], members(labels, num_classes), 0.0)
    count = member.sum(axis=0)

    def class_means(values):
        return class_sums(member, values) / at_least_one(count)[:, None]

    def deviations(values, means):
        return jnp.where(counts[:, None], values - means[labels], 0.0)

    mean = class_means(features)
    apart = deviations(features, mean)
    norm = jnp.sqrt(jnp.sum(jnp.square(features), axis=-1))
    # By a norm beyond float32, which is infinite, every direction would be 0.
    norm = jnp.where(jnp.isinf(norm), jnp.nan, norm)
    unit = features / jnp.where(norm == 0, 1.0, norm)[:, None]
    direction = class_means(unit)
    # 1 - u.m summed over a class is its sum of ||u - m||^2, which does not cancel, and of 1 - ||u||^2: 1 where u = 0.
    distance = jnp.sum(jnp.square(deviations(unit, direction)), axis=-1) + (norm == 0)
    norm_mean = jnp.sum(norm) / at_least_one(jnp.sum(count))
    norm_scatter = jnp.sum(jnp.where(counts, jnp.square(norm - norm_mean), 0.0))
    distances = class_sums(member, distance[:, None])[:, 0]
    return Geometry(count, mean, class_sums(apart, apart), direction, distances, norm_mean, norm_scatter)


def merge(a: Geometry, b: Geometry) -> Geometry:
    """The geometry of both sets together."""
    count = a.count + b.count
    share = b.count / at_least_one(count)
    weight = a.count * share
    shift, turn = b.mean - a.mean, b.direction - a.direction
    number_a, number_b = jnp.sum(a.count), jnp.sum(b.count)
    norm_share = number_b / at_least_one(number_a + number_b)
    norm_shift = b.norm_mean - a.norm_mean
    return Geometry(
        count=count,
        mean=a.mean + share[:, None] * shift,
        cross=a.cross + b.cross + class_sums(weight[:, None] * shift, shift),
        direction=a.direction + share[:, None] * turn,
        distance=a.distance + b.distance + weight * jnp.sum(jnp.square(turn), axis=-1),
        norm_mean=a.norm_mean + norm_share * norm_shift,
        norm_scatter=a.norm_scatter + b.norm_scatter + number_a * norm_share * jnp.square(norm_shift),
    )


def merge_over(g: Geometry, axis_name: str) -> Geometry:
    """The geometry of all devices of a mapped axis together, on each of them."""
    count, number = lax.psum(g.count, axis_name), jnp.sum(g.count)

    def mean_of(here, weight, total):
        return lax.psum(weight * here, axis_name) / at_least_one(total)

    mean = mean_of(g.mean, g.count[:, None], count[:, None])
    direction = mean_of(g.direction, g.count[:, None], count[:, None])
    norm_mean = mean_of(g.norm_mean, number, jnp.sum(count))
    shift = g.mean - mean
    cross = g.cross + class_sums(g.count[:, None] * shift, shift)
    distance = g.distance + g.count * jnp.sum(jnp.square(g.direction - direction), axis=-1)
    norm_scatter = g.norm_scatter + number * jnp.square(g.norm_mean - norm_mean)
    cross, distance, norm_scatter = lax.psum((cross, distance, norm_scatter), axis_name)
    return Geometry(count, mean, cross, direction, distance, norm_mean, norm_scatter)


def collapse_metrics(geometry: Geometry, kernel=None) -> dict[str, float]:
    """The numbers of the module's docstring, in float64 on the host: "collapse/nc1", ..., "separation", and so on.

    kernel: (D, K) of the last layer, features @ kernel; without it nc2_weights_* and nc3 are left out. A number that is
    not defined is left out too: nc1 where all class means coincide, metrics of pairs of classes where there is one.
    Classes without examples do not count, nor do their columns of the kernel. Raises ValueError where there is no example,
    or where counts, means or products are not finite; norms and directions that are not are left out.
    """
    count, mean, cross, direction, distance, norm_mean, norm_scatter = (np.asarray(of, np.float64) for of in geometry)
    number = count.sum()
    if not all(np.isfinite(values).all() for values in (count, mean, cross)) or not number > 0:
        raise ValueError(f"the geometry is of {number:g} examples, or holds nan or infinity; must be finite, of 1 or"
                         " more examples whose labels lie in [0, K)")  # fmt: skip
    present = count > 0
    share = count[present] / number
    means = _around(mean[present], np.full_like(share, 1 / len(share)))
    # Between the classes, as the examples are spread over them, and not every class alike.
    spread = np.sqrt(share)[:, None] * _around(mean[present], share)
    metrics = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        metrics["collapse/nc1"] = _nc1(cross / number, means)
        metrics["collapse/nc1_trace"] = np.trace(cross) / number / np.square(spread).sum()
        metrics |= {f"collapse/nc2_{name}": value for name, value in _simplex(means).items()}
        if kernel is not None:
            weights = np.asarray(kernel, np.float64).T[present]
            metrics |= {f"collapse/nc2_weights_{name}": value for name, value in _simplex(weights).items()}
            apart = weights / np.linalg.norm(weights) - means / np.linalg.norm(means)
            metrics["collapse/nc3"] = np.square(apart).sum()
        metrics["separation"] = _separation(direction[present], (distance[present] / count[present]).mean())
        metrics["effective_rank"] = _effective_rank(cross / number + spread.T @ spread, np.sqrt(share) @ mean[present])
    metrics["feature_norm_mean"], metrics["feature_norm_sd"] = norm_mean, np.sqrt(norm_scatter / number)
    return {name: float(value) for name, value in metrics.items() if np.isfinite(value)}


def nearest_class(features: jax.Array, means: jax.Array, present: jax.Array | None = None) -> jax.Array:
    """(B,) int: the class whose mean is the nearest, argmin_c ||h - mu_c||, the first where several are.

    features (B, D), means (K, D), present (K,) bool: which classes may be chosen, all by default. The squares of the
    differences are summed: expanded into products they would cancel where the means are large or close to each other.
    -1 where no distance is known: features or means that are not finite, or no class that may be chosen.
    """
    apart = features.astype(jnp.float32)[:, None, :] - means.astype(jnp.float32)[None]
    distance = jnp.sum(jnp.square(apart), axis=-1)
    if present is not None:
        distance = jnp.where(present[None], distance, jnp.inf)
    return jnp.where(jnp.min(distance, axis=-1) < jnp.inf, jnp.argmin(distance, axis=-1), -1)


def _nc1(within: np.ndarray, means: np.ndarray) -> float:
    # From the singular values of the means (K, D), and not of the (D, D) Sigma_B: the same, without its cost.
    _, values, directions = np.linalg.svd(means, full_matrices=False)
    kept = np.square(values) > RCOND * np.square(values[0])
    along = np.einsum("rd,rd->r", directions[kept] @ within, directions[kept])
    # The K of Sigma_B = M M^T / K and the K that nc1 is divided by are the same.
    return np.sum(along / np.square(values[kept])) if kept.any() else np.nan


def _simplex(vectors: np.ndarray) -> dict[str, float]:
    """How far K vectors (K, D) are from equal norms, and from the equal angles of a simplex around the origin."""
    number, norms = len(vectors), np.linalg.norm(vectors, axis=1)
    units = vectors / norms[:, None]
    pairs = (units @ units.T)[~np.eye(number, dtype=bool)]
    angles = np.abs(pairs + 1 / (number - 1)).mean() if number > 1 else np.nan
    return {"equinorm": norms.std() / norms.mean(), "equiangular": angles}


def _separation(directions: np.ndarray, within: float) -> float:
    # Between pairs from any two classes there is the distance within, and the spread of the class means around theirs.
    between = np.square(_around(directions, np.full(len(directions), 1 / len(directions)))).sum(axis=1).mean()
    total = within + between
    return between / total if total > ROUNDING**2 else np.nan


def _effective_rank(covariance: np.ndarray, mean: np.ndarray) -> float:
    values, trace = np.linalg.eigvalsh(covariance), np.trace(covariance)
    if trace <= ROUNDING**2 * np.square(mean).sum():
        return np.nan
    singular = np.sqrt(values[values > EIGENVALUE_ROUNDING * trace])
    probs = singular / singular.sum()
    return np.exp(-np.sum(probs * np.log(probs)))


def _around(means: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Means (K, D) minus their mean with weights `share` (K,); where that is but rounding, 0."""
    centre = (share[:, None] * means).sum(axis=0)
    return np.where(np.abs(means - centre) <= ROUNDING * np.abs(centre), 0.0, means - centre)

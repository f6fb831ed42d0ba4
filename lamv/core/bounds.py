"""Lower bounds on the label-smoothing and the Mixup loss by the variance of the outputs, float32, in nats.

Write g = probs (N, K), q for the target, and condition on the cell c: the label Y for label smoothing; (Y1, Y2, lam)
for Mixup. A cell fixes q. With the cell's mean output m = E[g | c] and variances V_i = Var(g_i | c),

    loss >= E[ H(q) + KL(q || m) + sum_i q_i c(m_i) V_i ] >= E[ H(q) + KL(q || m) + 1/2 sum_i q_i V_i ]
         >= E[ H(q) + 1/2 sum_i q_i V_i ]

(after Chidambaram & Ge 2025, Proposition 3.10, with explicit constants). c(m) = (ln m + (1 - m) / m) / (1 - m)^2 >= 1/2
is the best constant that depends on the mean alone: the excess of -ln u over its tangent at m, divided by (u - m)^2,
falls in u and so is least at u = 1. Only the variance within cells is bounded; the variance of all outputs together is
not. Expectations are over the rows given, each with weight 1 / N, so that the bounds hold exactly for any rows.

All results are float32 scalars: loss, floor = E H(q), kl, variance_half, variance_sharp (the sums over i above),
bound_sharp, bound_half and bound_simple (the three bounds from left to right). 0 log 0 is 0; a probability of 0 that
has a positive target makes the loss infinite, and a NaN makes all of them NaN. probs are softmax outputs: not negative,
with rows that sum to 1. The loss is computed as floor + kl + slack, so that rounding does not lift a bound above it: a
cell of one row has slack 0.
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import entr

from lamv.core.checks import check_shape, inside, integers
from lamv.core.mixing import mix
from lamv.core.targets import one_hot, smooth


def label_smoothing_bound(
    probs: jax.Array, labels: jax.Array, num_classes: int, smoothing: jax.Array | float, convention: str = "uniform"
) -> dict[str, jax.Array]:
    """The bounds for probs (N, K) and labels (N,) int in [0, K); smoothing and convention as in lamv.core.targets."""
    targets = smooth(one_hot(labels, num_classes), smoothing, convention)
    return cell_bounds(probs, targets, labels, num_classes)


def mixup_bound(
    probs: jax.Array, first_labels: jax.Array, second_labels: jax.Array, lam: jax.Array, num_classes: int
) -> dict[str, jax.Array]:
    """The bounds for probs (N, K) at lam x1 + (1 - lam) x2, with the labels (N,) of x1 and x2, and lam (N,) in [0, 1].

    Rows share a cell if both labels and lam are the same, bit for bit. They are found by sorting, so nothing has to be
    known of lam's law; but under a continuous law every cell holds one row, and the bound is the loss itself.
    """
    targets = mix(one_hot(first_labels, num_classes), one_hot(second_labels, num_classes), lam)
    return cell_bounds(probs, targets, _cells(first_labels, second_labels, lam), len(probs))


def sharp_coefficient(mean: jax.Array) -> jax.Array:
    """c(m) = (ln m + (1 - m) / m) / (1 - m)^2 for m in [0, 1]: 1/2 at 1, about 1 / m for small m, infinite at 0.

    NaN for any other m, up to rounding.
    """
    mean = jnp.asarray(mean, jnp.float32)
    off = jnp.maximum(1 - mean, 0.0)  # a mean may be rounded to just above 1
    near = off < 0.3
    # Near 1 the formula cancels; there it is the series of (j + 1) / (j + 2) off^j.
    series = jnp.zeros_like(off)
    for j in reversed(range(16)):
        series = series * off + (j + 1) / (j + 2)
    far = jnp.where(near, 0.5, mean)
    formula = (jnp.log(far) + (1 - far) / far) / jnp.square(1 - far)
    formula = jnp.where(mean == 0, jnp.inf, formula)  # the logarithm of a negative m is NaN
    return jnp.where(near, jnp.where(mean < 1.001, series, jnp.nan), formula)


def cell_bounds(probs: jax.Array, targets: jax.Array, cells: jax.Array, num_cells: int) -> dict[str, jax.Array]:
    """The bounds for probs (N, K) and any targets (N, K), with cells (N,) int in [0, num_cells).

    All rows of a cell have the same target; two cells may have the same one. Under that condition alone the bounds hold,
    for every method and every way to group its rows. Raises ValueError for shapes that do not fit; a cell out of range
    makes the results NaN.
    """
    check_shape("targets", targets, probs.shape)
    check_shape("cells", cells, probs.shape[:1])
    probs, targets, cells = probs.astype(jnp.float32), targets.astype(jnp.float32), integers("cells", cells)
    # Where a row holds NaN, it is NaN as a whole: a target of 0 would hide it.
    lost = jnp.any(jnp.isnan(probs), axis=1) | ~inside(cells, num_cells)
    probs = jnp.where(lost[:, None], jnp.nan, probs)
    count = jax.ops.segment_sum(jnp.ones(len(probs)), cells, num_cells)

    def cell_mean(values):
        means = (jax.ops.segment_sum(values, cells, num_cells) / jnp.maximum(count, 1.0)[:, None])[cells]
        return jnp.where(lost[:, None], jnp.nan, means)

    mean = cell_mean(probs)
    mean = mean + cell_mean(probs - mean)  # takes back the rounding of a long sum
    # Where all of a cell is 0, m = 0 and V = 0: the bounds are infinite there by their KL, and by nothing else.
    some = jnp.where(mean == 0, 1.0, mean)
    variance = cell_mean(jnp.square(probs - mean))
    off = (probs - mean) / some
    log_ratio = jnp.where(jnp.abs(off) < 0.5, jnp.log1p(jnp.clip(off, -0.5, 0.5)), jnp.log(probs / some))
    slack = _mean_sum(targets, -jnp.where(mean == 0, 0.0, log_ratio))
    floor = jnp.where(jnp.any(lost), jnp.nan, jnp.mean(jnp.sum(entr(targets), axis=1)))
    kl = _mean_sum(targets, jnp.log(jnp.where(targets == 0, 1.0, targets)) - jnp.log(mean))
    half = 0.5 * _mean_sum(targets, variance)
    sharp = _mean_sum(targets, sharp_coefficient(some) * variance)
    return {
        "loss": floor + kl + slack,
        "floor": floor,
        "kl": kl,
        "variance_half": half,
        "variance_sharp": sharp,
        "bound_half": floor + kl + half,
        "bound_sharp": floor + kl + sharp,
        "bound_simple": floor + half,
    }


def _mean_sum(targets, values) -> jax.Array:
    """E sum_i q_i values_i, with 0 times anything, the infinite included, being 0."""
    return jnp.mean(jnp.sum(targets * jnp.where(targets == 0, 0.0, values), axis=1))


def _cells(*keys: jax.Array) -> jax.Array:
    """(N,) int cell of each row, below N: the same where all keys (N,) are."""
    keys = tuple(map(jnp.asarray, keys))
    order = jnp.lexsort(keys)
    new = sum((key[order][1:] != key[order][:-1]).astype(jnp.int32) for key in keys) > 0
    return jnp.zeros(len(order), jnp.int32).at[order[1:]].set(jnp.cumsum(new))

"""Closed forms and exact optima of label smoothing and Mixup, in float64 on the host; losses are in nats.

Optimal logits         of a smoothed target, and of a whole unconstrained-features model (Guo et al. 2024)
Linear models          `mixup_slope` here; minimisers, maximum margin and their variance shares in lamv.core.linear
Dynamics               the U-shaped risk of least squares with label noise (Liu et al. 2023)
Mixup-optimal          g*(x) = E[mixed label | X_lam = x], what a classifier of any capacity learns from Mixup on finite
                       data (Chidambaram et al. 2022), and its loss E H(g*(X_lam))

The pair law of the last is the product law: two independent draws of the data, an example with itself included.
"""

from functools import partial

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import betaln, entr, expit

from lamv.core.checks import check_labels, check_range
from lamv.core.laws import Law
from lamv.core.targets import check_smoothing

#: Positions closer than this, in units of the data's extent, are one; `at` must be given in float64 therefore.
SAME_PLACE = 1e-9


def optimal_logit_gap(num_classes: int, smoothing: float, convention: str = "uniform") -> float:
    """The logit of the true class over the others where the softmax is the smoothed target; infinite without smoothing.

    ln(1 + K (1 - s) / s) for "uniform", ln((K - 1) (1 - s) / s) for "others".
    """
    return _gap(num_classes, _off_mass(num_classes, smoothing, convention))


def minimal_loss(num_classes: int, smoothing: float, convention: str = "uniform") -> float:
    """The least label-smoothing loss: the entropy of the smoothed target, in nats."""
    off = _off_mass(num_classes, smoothing, convention)
    return float(entr(1 - off) + (num_classes - 1) * entr(off / (num_classes - 1)))


def unconstrained_features(
    num_classes: int,
    per_class: int,
    decay_w: float,
    decay_h: float,
    smoothing: float = 0.0,
    convention: str = "uniform",
) -> dict[str, float]:
    """dict(gap, loss) at the optimum of free features h (one for each example) under a linear classifier W, no bias:

        1 / (K n) sum CE(q, W h) + decay_w / 2 ||W||^2 + decay_h / 2 ||H||^2,   n = per_class, dimension >= K - 1.

    The features collapse to a simplex; `gap` is the logit of the true class over the others. Where the decay outweighs
    the data, W = H = 0 is optimal: gap 0, loss ln K. Smoothing 0 is the cross-entropy.
    """
    for name, value in (("decay_w", decay_w), ("decay_h", decay_h)):
        check_range(name, value, low=0.0, below=float("inf"))
    off = _off_mass(num_classes, smoothing, convention)
    others = num_classes - 1
    price = others * np.sqrt(per_class * decay_w * decay_h)  # of a unit of gap: the nuclear norm of the logits
    if off + price >= others / num_classes:
        return {"gap": 0.0, "loss": float(np.log(num_classes))}
    gap = _gap(num_classes, off + price)
    cost = (off + price) * gap if off + price else 0.0
    return {"gap": gap, "loss": float(np.log1p(others * np.exp(-gap)) + cost)}


def mixup_slope(law: Law) -> dict[str, float]:
    """dict(slope, loss): Mixup's best f(x) = slope x for balanced classes at x = +1 and -1, all ordered pairs.

    It is also the slope along the low-variance feature where that separates two classes at +1 and -1, whatever varies
    around it. With lam in {0, 1/2, 1} only, ever larger slopes are better: slope inf, and the infimum of the loss
    (midpoint: ln 2 / 2, from pairs of different classes, which lie at 0).
    """
    lam, weights = law.nodes()
    place = 2 * lam - 1

    def pull(slope):
        return -expit(-slope) / 2 + weights @ (place * (expit(slope * place) - lam)) / 2

    if not np.any(weights * np.abs(place) * (1 - np.abs(place))):
        return {"slope": float("inf"), "loss": float(np.log(2) / 2 * weights[place == 0].sum())}
    high = 1.0
    while pull(high) <= 0:
        high *= 2
    slope = float(brentq(pull, 0.0, high, xtol=1e-13))
    mixed = np.logaddexp(0, slope * place) - lam * slope * place
    return {"slope": slope, "loss": float(np.log1p(np.exp(-slope)) / 2 + weights @ mixed / 2)}


def least_squares_risk(times, bias_squared, noise_squared, rate=1.0) -> np.ndarray:
    """Risk at `times` of gradient flow on least squares whose labels carry noise: in each mode of the data,

        bias_squared exp(-2 rate t) + noise_squared (1 - exp(-rate t))^2,   summed over modes.

    bias_squared: what is there to learn; noise_squared: what is learnt wrongly in the end; rate: learning rate times
    eigenvalue. Scalars for one mode, or arrays (modes,). Shape of `times`.
    """
    bias, noise, rate = _modes(bias_squared, noise_squared, rate)
    left = np.exp(-np.asarray(times, np.float64)[..., None] * rate)
    return left**2 @ bias + (1 - left) ** 2 @ noise


def least_squares_turning_point(bias_squared, noise_squared, rate=1.0) -> dict[str, float]:
    """dict(time, risk) where `least_squares_risk` is least: past that time, more training hurts; inf if never.

    One mode: exp(-rate t) = noise_squared / (bias_squared + noise_squared).
    """
    bias, noise, rate = _modes(bias_squared, noise_squared, rate)

    def risk(time):
        return float(least_squares_risk(time, bias, noise, rate))

    if not noise.any():
        return {"time": float("inf"), "risk": 0.0}
    matter = bias + noise > 0
    bias, noise, rate = bias[matter], noise[matter], rate[matter]
    with np.errstate(divide="ignore"):
        own = np.log((bias + noise) / noise) / rate  # each mode falls up to its own turning point, and rises after it
    low, high = own.min(), min(own.max(), 40 / rate.min() + own.min())
    times = low + (high - low) * np.concatenate([[0.0], np.geomspace(1e-9, 1.0, 2000)])
    best = int(np.argmin(least_squares_risk(times, bias, noise, rate)))
    time = float(times[best])
    if high > low:
        around = times[max(best - 1, 0)], times[min(best + 1, 2000)]
        refined = float(minimize_scalar(risk, bounds=around, method="bounded", options={"xatol": 1e-12}).x)
        time = min(time, refined, key=risk)
    if noise.sum() <= risk(time):
        return {"time": float("inf"), "risk": float(noise.sum())}
    return {"time": time, "risk": risk(time)}


def mixup_optimal(
    points, labels, num_classes: int, law: Law, at, *, self_pairs: bool = True, bandwidth: float | None = None
) -> np.ndarray:
    """(A, K): g*(x) = E[lam e_{Y1} + (1 - lam) e_{Y2} | X_lam = x] at the rows x of `at`, for Mixup of the finite data.

    points (n, d) and at (A, d), or (n,) and (A,) on a line; labels (n,) int in [0, K). self_pairs: whether an example
    may be its own partner. A discrete law is enumerated. For a continuous one, x itself has positive probability where
    examples coincide there, and these pairs decide; else g* is the limit of small balls around x: a pair counts if its
    segment passes through x, with the density of lam over the pair's distance (see `_log_mass_near` for its ends).
    A row is NaN where no mixed point ever falls; for a continuous law in two dimensions or more, that is almost
    everywhere. Then, or to look through the eyes of a smooth model, take a `bandwidth`: the Gaussian kernel average over
    all mixed points (NaN farther than some 38 bandwidths from all of them).
    Raises ValueError for shapes that do not fit, points that are not finite, labels out of range, or a bandwidth too small
    for the quadrature over lam.
    """
    points, labels, at, same = _placed(points, labels, at, num_classes)
    paired = np.ones((len(points), len(points)), bool)
    if not self_pairs:
        np.fill_diagonal(paired, False)
    if bandwidth is not None:
        votes_at = partial(_kernel_votes, nodes=_kernel_nodes(points, law, bandwidth), bandwidth=bandwidth)
    elif law.is_discrete:
        votes_at = partial(_discrete_votes, law=law, same=same)
    else:
        votes_at = partial(_continuous_votes, law=law, same=same)
    answer = np.full((len(at), num_classes), np.nan)
    for row, place in enumerate(at):
        votes = votes_at(points - place, np.eye(num_classes)[labels], paired)
        if votes.sum() > 0:
            answer[row] = votes / votes.sum()
    return answer


def mixup_optimal_loss(points, labels, num_classes: int, law: Law, *, self_pairs: bool = True) -> float:
    """E H(g*(X_lam)), the least Mixup loss of any classifier, in nats. The law must be discrete (ValueError)."""
    if not law.is_discrete:
        raise ValueError(f"law is {law}, must be discrete: the loss sums over the places where mixed points fall")
    points, labels, _, same = _placed(points, labels, points, num_classes)
    first, second = np.divmod(np.arange(len(points) ** 2), len(points))
    if not self_pairs:
        first, second = first[first != second], second[first != second]
    one_hot = np.eye(num_classes)[labels]
    lam, weights = law.nodes()
    mixed = np.concatenate([v * points[first] + (1 - v) * points[second] for v in lam])
    targets = np.concatenate([v * one_hot[first] + (1 - v) * one_hot[second] for v in lam])
    votes = np.zeros((len(mixed), num_classes))
    np.add.at(votes, _sites(mixed, same), np.repeat(weights, len(first))[:, None] * targets)
    mass = votes.sum(axis=1, keepdims=True)
    return float((mass * entr(votes / np.where(mass > 0, mass, 1))).sum() / mass.sum())


def _discrete_votes(away, one_hot, paired, *, law, same):
    """(K,) probability of each label at 0, not normalised, for examples that lie `away` (n, d) from there."""
    norms = np.linalg.norm(away, axis=1)
    votes = np.zeros(one_hot.shape[1])
    for lam, weight in zip(*law.nodes(), strict=True):
        # |lam u + (1 - lam) v| is at least the difference of both norms: few pairs need a closer look.
        i, j = np.nonzero(paired & (np.abs(lam * norms[:, None] - (1 - lam) * norms) <= same))
        hits = _mixed_norms(away, i, j, np.full(len(i), lam)) <= same
        votes += weight * _counted(one_hot, i[hits], j[hits], lam, 1.0)
    return votes


def _continuous_votes(away, one_hot, paired, *, law, same):
    """The same for a law with a density: point masses if there are any, else the leading order of small balls."""
    norms = np.linalg.norm(away, axis=1)
    here = norms <= same
    i, j = np.nonzero(paired & here[:, None] & here)
    if len(i):
        lam, weights = law.nodes()
        return _counted(one_hot, i, j, lam @ weights, 1.0)
    length = np.sqrt(_mixed_squares(away @ away.T, 1.0, -1.0))
    i, j = np.nonzero(paired & (norms[:, None] + norms - length <= 1e-6 * norms.max(initial=0.0)))
    length = _mixed_norms(away, i, j, np.ones(len(i)), -np.ones(len(i)))
    share = norms[j] / np.maximum(norms[i] + norms[j], np.finfo(np.float64).tiny)
    share = np.where(here[i], 1.0, np.where(here[j], 0.0, share))
    hits = (_mixed_norms(away, i, j, share) <= same) & (length > same)
    i, j, share = i[hits], j[hits], share[hits]
    order, log_mass = _log_mass_near(law, share, length[hits])
    possible = np.isfinite(log_mass)
    if not possible.any():
        return np.zeros(one_hot.shape[1])
    leads = possible & (order == np.min(order[possible]))
    return _counted(one_hot, i, j, share, np.exp(np.where(leads, log_mass - np.max(log_mass[leads]), -np.inf)))


def _log_mass_near(law: Law, lam, length):
    """P(lam' within radius / length of lam) = exp(log_mass) radius^order to leading order, as (order, log_mass).

    Inside, the density over the length, on both sides; at an end of the law's support, one side. Beta(a, b) vanishes or
    diverges there: at lam = 1 the order is b, at lam = 0 it is a, so that ends win against insides below 1.
    """
    a, b, lo, hi = map(float, law.as_beta())
    at, length = (lam - lo) / (hi - lo), (hi - lo) * length
    low, high = np.abs(at) <= SAME_PLACE, np.abs(at - 1) <= SAME_PLACE
    inside = (at > 0) & (at < 1) & ~low & ~high
    order = np.where(low, a, np.where(high, b, 1.0))
    t = np.where(inside, at, 0.5)
    log_inside = np.where(inside, (a - 1) * np.log(t) + (b - 1) * np.log1p(-t) + np.log(2), -np.inf)
    return order, np.where(low | high, -np.log(order), log_inside) - betaln(a, b) - order * np.log(length)


def _kernel_nodes(points, law, bandwidth):
    """Nodes of lam that lie within a bandwidth of each other along the longest segment."""
    longest = 2 * np.linalg.norm(points, axis=1).max(initial=0.0)
    if not bandwidth > (0 if law.is_discrete else longest / 1000):
        least = f"a thousandth of the data's extent, {longest / 1000:.3g}" if not law.is_discrete else "0"
        raise ValueError(f"bandwidth is {bandwidth:g}, must be above {least}; leave it out for the exact limit")
    return law.nodes(max(64, 32 + int(2 * longest / bandwidth)))


def _kernel_votes(away, one_hot, paired, *, nodes, bandwidth):
    """(K,) sums of the Gaussian kernel at 0 over all mixed points."""
    gram = away @ away.T
    votes = np.zeros(one_hot.shape[1])
    for lam, weight in zip(*nodes, strict=True):
        kernel = np.where(paired, np.exp(-_mixed_squares(gram, lam, 1 - lam) / (2 * bandwidth**2)), 0.0)
        votes += weight * (lam * kernel.sum(axis=1) + (1 - lam) * kernel.sum(axis=0)) @ one_hot
    return votes


def _mixed_squares(gram, first, second):
    """(n, n) of |first u_i + second u_j|^2, from the inner products of the u."""
    norms = np.diag(gram)
    return np.maximum(first**2 * norms[:, None] + second**2 * norms + 2 * first * second * gram, 0.0)


def _mixed_norms(away, i, j, first, second=None, rows: int = 100_000):
    """|first u_i + second u_j| for the listed pairs, `second` being 1 - first unless given, `rows` at a time."""
    second = 1 - first if second is None else second
    norms = np.empty(len(i))
    for start in range(0, len(i), rows):
        s = slice(start, start + rows)
        norms[s] = np.linalg.norm(first[s, None] * away[i[s]] + second[s, None] * away[j[s]], axis=1)
    return norms


def _counted(one_hot, i, j, lam, weight):
    """(K,) sum over the pairs (i, j) of weight (lam e_{Y_i} + (1 - lam) e_{Y_j})."""
    lam, weight = np.broadcast_to(lam, i.shape), np.broadcast_to(weight, i.shape)
    return (weight * lam) @ one_hot[i] + (weight * (1 - lam)) @ one_hot[j]


def _sites(places, same):
    """(m,) number of the site of each of `places` (m, d): the same where all coordinates are, up to `same`."""
    order = np.argsort(places, axis=0)
    steps = np.diff(np.take_along_axis(places, order, axis=0), axis=0, prepend=places.min(axis=0, keepdims=True)) > same
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.cumsum(steps, axis=0), axis=0)
    return np.unique(ranks, axis=0, return_inverse=True)[1]


def _placed(points, labels, at, num_classes):
    """points (n, d), labels (n,), at (A, d), around the data's mean, and the distance below which places are one."""
    points, labels, at = np.asarray(points, np.float64), np.asarray(labels), np.asarray(at, np.float64)
    if points.ndim == 1:
        points, at = points[:, None], at[..., None]
    if points.ndim != 2 or labels.shape != points.shape[:1] or at.ndim != 2 or at.shape[1:] != points.shape[1:]:
        raise ValueError(f"points, labels and at have shapes {points.shape}, {labels.shape} and {at.shape}, must be"
                         " (n, d), (n,) and (A, d)")  # fmt: skip
    if not (np.isfinite(points).all() and np.isfinite(at).all()):
        raise ValueError("points or at hold nan or infinity, must be finite")
    check_labels(labels, num_classes)
    largest, centre = np.abs(points).max(), points.mean(axis=0)
    points = points - centre
    same = SAME_PLACE * np.linalg.norm(points, axis=1).max() + 8 * np.finfo(np.float64).eps * largest
    return points, labels, at - centre, same


def _modes(*values) -> list[np.ndarray]:
    """bias_squared, noise_squared and rate as arrays (modes,) of one length."""
    values = [np.ravel(v) for v in np.broadcast_arrays(*(np.asarray(v, np.float64) for v in values))]
    for name, value in zip(("bias_squared", "noise_squared", "rate"), values, strict=True):
        check_range(name, value.min(), low=0.0, below=float("inf"))
    if not values[2].min() > 0:
        raise ValueError(f"rate is {values[2].min():g}, must be above 0")
    return values


def _off_mass(num_classes: int, smoothing: float, convention: str) -> float:
    """What a smoothed target gives to all of the wrong classes together."""
    check_smoothing("smoothing", smoothing, num_classes, convention)
    return float(smoothing) * ((num_classes - 1) / num_classes if convention == "uniform" else 1.0)


def _gap(num_classes: int, off: float) -> float:
    return float(np.log((num_classes - 1) * (1 - off) / off)) if off else float("inf")

"""Minimisers of binary linear models f(x) = <w, x>, in float64 on the host: what each loss does to the weights.

Data are x (n, d) with labels y of two values, {-1, +1} or {0, 1}; the population is the empirical law. Objectives are
means of logistic losses, in nats, plus weight_decay / 2 ||w||^2:

    erm              E log(1 + exp(-Y f(X)))
    label_smoothing  the same against smoothed targets: E log(1 + exp(-Z)) + e Z with Z = Y f(X), and e the probability
                     that the smoothed target gives to the wrong class
    mixup            the same at lam X1 + (1 - lam) X2 against mixed targets, over all n^2 ordered pairs (pairs of an
                     example with itself included) and the law of lam

With weight decay, ERM and the maximum margin put at least half of ||w||^2 on high-variance coordinates that separate
better than the low-variance ones, as their dual weights are never negative. The dual weights of label smoothing and
Mixup change sign, and what is left is the direction of least variance (Chidambaram & Ge 2025, section 3).
"""

import numpy as np
from scipy.optimize import linprog, nnls
from scipy.special import expit

from lamv.core.checks import check_range
from lamv.core.laws import Law, beta

LOSSES = ("erm", "label_smoothing", "mixup")


def linear_minimizer(
    x,
    y,
    *,
    loss: str = "erm",
    smoothing: float = 0.0,
    law: Law | None = None,
    weight_decay: float = 0.0,
) -> dict:
    """dict(w (d,), loss) of the objective's minimiser; `loss` is the objective there, the penalty included.

    smoothing, over all classes, is for label_smoothing, and for mixup too (both together). law is for mixup and defaults
    to beta(1, 1); a continuous one is replaced by its Gauss rule. Where the objective is flat the minimiser of least
    ||w|| is given, the limit of a vanishing weight decay.
    Raises ValueError where no minimiser exists: without weight decay and smoothing, ERM on data that a line separates
    (not necessarily strictly), and Mixup with lam in {0, 1/2, 1} where some f gives all of the data one margin.
    """
    if loss not in LOSSES:
        raise ValueError(f"loss is {loss!r}; use one of {', '.join(LOSSES)}")
    if smoothing and loss == "erm":
        raise ValueError(f"smoothing is {smoothing:g}, must be 0 for erm; use loss='label_smoothing'")
    if law is not None and loss != "mixup":
        raise ValueError(f"law is {law}, must be left out for {loss}; only mixup draws a lam")
    check_range("weight_decay", weight_decay, low=0.0, below=float("inf"))
    wrong = wrong_class_probability(smoothing)
    x, sign = _checked(x, y)
    law = beta(1.0) if law is None else law
    basis = _basis(x)
    design = x @ basis
    if not (weight_decay or wrong):
        _check_attained(design, sign, law if loss == "mixup" else None)
    decay = np.full(design.shape[1], float(weight_decay))
    point, target = np.zeros(design.shape[1]), np.where(sign > 0, 1 - wrong, wrong)
    if loss != "mixup":
        point, value = newton(lambda v: _penalised(logistic_loss(v, design, target), v, decay), point)
        return {"w": basis @ point, "loss": value}
    for number in (64,) if law.is_discrete else (8, 64):  # a coarse rule first: its minimiser is all but the one sought
        nodes = _folded(*law.nodes(number))
        point, value = newton(lambda v: _penalised(mixup_loss(v, design, target, nodes), v, decay), point)  # noqa: B023
    return {"w": basis @ point, "loss": value}


def max_margin(x, y) -> dict:
    """dict(w (d,), margin): the hard-margin separator, scaled so that the smallest Y f(X) is 1.

    margin is the geometric one, 1 / ||w||. Raises ValueError for data that no f separates strictly.
    """
    x, sign = _checked(x, y)
    basis = _basis(x)
    design = x @ basis
    if _separated(design, sign) < len(sign):
        raise ValueError("no f separates the two classes strictly, so there is no maximum margin; use linear_minimizer")
    scale = np.linalg.norm(design, axis=1).max()
    point = _least_norm(sign[:, None] * (design / scale)) / scale
    w = basis @ (point / np.min(sign * (design @ point)))
    return {"w": w, "margin": 1 / float(np.linalg.norm(w))}


def gaussian_minimizer(mean, covariance, *, smoothing: float = 0.0, weight_decay: float = 0.0) -> np.ndarray:
    """w (d,): the minimiser of label smoothing (0: ERM) plus weight decay for YX ~ N(mean, covariance).

    By Stein's lemma it solves w = -E l'(Z) (E l''(Z) covariance + weight_decay)^-1 mean with Z ~ N(<w, mean>, w' cov w).
    Without weight decay its direction is that of `lda_direction`, whatever the smoothing.
    Raises ValueError where no minimiser exists: ERM without weight decay, and no variance along part of the mean.
    """
    check_range("weight_decay", weight_decay, low=0.0, below=float("inf"))
    wrong = wrong_class_probability(smoothing)
    mean, covariance = np.asarray(mean, np.float64), np.asarray(covariance, np.float64)
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise ValueError("mean or covariance hold nan or infinity, must be finite")
    # Where neither the mean nor the noise reaches, w is 0.
    values, vectors = np.linalg.eigh(covariance + np.outer(mean, mean))
    basis = vectors[:, values > values.max() * len(mean) * np.finfo(np.float64).eps]
    mean, covariance = basis.T @ mean, basis.T @ covariance @ basis
    if not (wrong or weight_decay) and np.linalg.cond(covariance) > 1e14:
        raise ValueError("erm has no minimiser: the mean has a part without variance; add smoothing or weight_decay")
    decay = np.full(len(mean), float(weight_decay))
    return (
        basis
        @ newton(lambda w: _penalised(_gaussian_loss(w, mean, covariance, wrong), w, decay), np.zeros(len(mean)))[0]
    )


def lda_direction(mean, covariance) -> np.ndarray:
    """The unit vector along covariance^-1 mean: Fisher's linear discriminant for classes at +mean and -mean."""
    direction = np.linalg.solve(np.asarray(covariance, np.float64), np.asarray(mean, np.float64))
    return direction / np.linalg.norm(direction)


def high_variance_share(w, high) -> float:
    """||w_H||^2 / ||w||^2 for the coordinates H in `high` (indices, or a boolean mask); NaN where w is 0."""
    squares = np.square(np.asarray(w, np.float64))
    high, total = np.asarray(high), squares.sum()
    high = high if high.dtype == bool else high.astype(int)
    return float(squares[high].sum() / total) if total else float("nan")


def wrong_class_probability(smoothing: float) -> float:
    """What a binary target, smoothed over both classes, gives to the wrong one. ValueError for a smoothing out of range."""
    check_range("smoothing", smoothing, low=0.0, below=1.0)
    return float(smoothing) / 2


def logistic_loss(v, design, target):
    """(value, gradient, Hessian) in v of the mean loss of f = design v against `target`, the probability of +1."""
    value, residual, curvature = _logistic(design @ v, target)
    number = len(target)
    return value.sum() / number, design.T @ residual / number, (design.T * curvature) @ design / number


def mixup_loss(v, design, target, nodes, rows: int = 128):
    """The same for all ordered pairs of examples and the `nodes` (values, weights) of lam; `rows` partners at a time.

    f is linear, so f at the mixed point is the mixed f, and nothing larger than (rows, n) is ever held.
    """
    number = len(target)
    output = design @ v
    value, pull, diagonal = 0.0, np.zeros(number), np.zeros(number)
    hessian = np.zeros((len(v), len(v)))
    for start in range(0, number, rows):
        block = slice(start, start + rows)
        cross = np.zeros((len(output[block]), number))
        for lam, weight in zip(*nodes, strict=True):
            mixed = lam * output[block, None] + (1 - lam) * output
            loss, residual, curvature = _logistic(mixed, lam * target[block, None] + (1 - lam) * target)
            value += weight * loss.sum()
            pull[block] += weight * lam * residual.sum(axis=1)
            pull += weight * (1 - lam) * residual.sum(axis=0)
            diagonal[block] += weight * lam**2 * curvature.sum(axis=1)
            diagonal += weight * (1 - lam) ** 2 * curvature.sum(axis=0)
            cross += weight * lam * (1 - lam) * curvature
        hessian += design[block].T @ (cross @ design)
    hessian = hessian + hessian.T + (design.T * diagonal) @ design
    return value / number**2, design.T @ pull / number**2, hessian / number**2


def newton(objective, start: np.ndarray, steps: int = 200):
    """(minimiser, value) of a convex function: `objective` gives its value, gradient and Hessian at a point."""
    point, (value, gradient, hessian) = start, objective(start)
    for _ in range(steps):
        step = -np.linalg.solve(hessian, gradient)
        decrease = -gradient @ step  # twice what is left to gain, near the minimum
        if decrease < 1e-18:
            return point + step, float(value)
        size, rounding = 1.0, 1e-14 * max(1.0, abs(value))
        while (trial := objective(point + size * step))[0] > value - 1e-4 * size * decrease + rounding:
            size /= 2
        point, (value, gradient, hessian) = point + size * step, trial
    raise ValueError(f"no minimum after {steps} steps of Newton's method; scale the data, or add weight decay")


def _logistic(output, target):
    """Loss, and its first and second derivative in the output: none of them cancels for outputs of any size."""
    size = np.abs(output)
    small = np.exp(-size)
    inverse = 1 / (1 + small)
    value = np.log1p(small) + size * np.where(output > 0, 1 - target, target)
    return value, np.where(output > 0, inverse, small * inverse) - target, small * inverse**2


def _gaussian_loss(w, mean, covariance, wrong):
    """E l(Z), l(z) = log(1 + exp(-z)) + wrong z, for Z ~ N(<w, mean>, w' covariance w), with gradient and Hessian."""
    centre, spread = w @ mean, covariance @ w
    deviation = np.sqrt(max(w @ spread, 0.0))
    # The trapezoidal rule: exponentially accurate once its step is well below the distance pi / deviation of the poles.
    step = min(0.02, 0.5 / max(deviation, 1e-300))
    at = np.arange(-38.0, 38.0 + step, step)
    weights = np.exp(-np.square(at) / 2) * step / np.sqrt(2 * np.pi)
    z = centre + deviation * at
    down = expit(-z)
    slope = down * (1 - down)
    first, second = wrong - weights @ down, weights @ slope
    third, fourth = weights @ (slope * (2 * down - 1)), weights @ (slope * (1 - 6 * slope))
    value = weights @ np.logaddexp(0, -z) + wrong * centre
    both = np.outer(mean, spread)
    hessian = second * (np.outer(mean, mean) + covariance) + third * (both + both.T) + fourth * np.outer(spread, spread)
    return value, first * mean + second * spread, hessian


def _penalised(loss, v, decay):
    value, gradient, hessian = loss
    return value + decay @ v**2 / 2, gradient + decay * v, hessian + np.diag(decay)


def _checked(x, y) -> tuple[np.ndarray, np.ndarray]:
    """x (n, d) float64 and the signs (n,) of the labels."""
    x, y = np.asarray(x, np.float64), np.asarray(y)
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise ValueError(f"x and y have shapes {x.shape} and {y.shape}, must be (n, d) and (n,)")
    found = sorted(set(y.tolist()))
    if found not in ([-1, 1], [0, 1]):
        raise ValueError(f"the labels are {found[:5]}, must be both of -1 and 1, or both of 0 and 1")
    if not np.isfinite(x).all():
        raise ValueError("x holds nan or infinity, must be finite")
    return x, np.where(y > 0, 1.0, -1.0)


def _basis(x) -> np.ndarray:
    """(d, r) orthonormal basis of the span of the rows, in which Newton's method meets no flat direction.

    What it finds there has the least norm.
    """
    _, sizes, rows = np.linalg.svd(x, full_matrices=False)
    return rows[sizes > np.max(sizes, initial=0.0) * max(x.shape) * np.finfo(np.float64).eps].T


def _folded(values, weights):
    """The nodes moved to lam >= 1/2, where ordered pairs make lam and 1 - lam the same; a symmetric rule halves."""
    values, place = np.unique(np.round(np.maximum(values, 1 - values), 14), return_inverse=True)
    return values, np.bincount(place, weights)


def _check_attained(design, sign, law: Law | None) -> None:
    """Raise ValueError where the loss keeps falling along some direction. `law`: that of Mixup, None for ERM."""
    if law is not None:
        values = {v for v, weight in zip(*law.nodes(), strict=True) if weight > 0}
        if not law.is_discrete or values - {0.0, 0.5, 1.0}:
            return
        if 0.5 in values:
            off = design @ np.linalg.lstsq(design, sign)[0] - sign
            if np.abs(off).max() < 1e-9:
                raise ValueError(f"mixup with {law} has no minimiser: a line gives all of the data one margin, and"
                                 " longer w fit ever better; add weight_decay or take another law")  # fmt: skip
            return
    if _separated(design, sign):
        raise ValueError("erm has no minimiser: a line separates the data, and longer w fit ever better; add"
                         " weight_decay or smoothing, or use max_margin")  # fmt: skip


def _separated(design, sign) -> int:
    """How many examples can have Y f > 0 while none has Y f < 0: n where separable, 0 where ERM has a minimiser."""
    number, dim = design.shape
    scaled = sign[:, None] * design / np.maximum(np.abs(design).max(initial=0.0), 1e-300)
    # A separator settles it and is soon found; that there is none takes a linear programme.
    v, _ = newton(lambda v: _penalised(logistic_loss(v, scaled, np.ones(number)), v, np.full(dim, 1e-8)), np.zeros(dim))
    if np.all(scaled @ v > 0):
        return number
    found = linprog(
        np.concatenate([np.zeros(dim), -np.ones(number)]),
        A_ub=np.concatenate([-scaled, np.eye(number)], axis=1),
        b_ub=np.zeros(number),
        bounds=[(None, None)] * dim + [(0, 1)] * number,
        method="highs",
    )
    return round(-found.fun)


def _least_norm(rows):
    """v of least norm with rows v >= 1.

    Least distance programming (Lawson & Hanson 1974, chapter 23) finds the rows that bind; on those, v is a solution of
    linear equations.
    """
    dim = rows.shape[1]
    system = np.concatenate([rows.T, np.ones((1, len(rows)))])
    dual, _ = nnls(system, np.append(np.zeros(dim), 1.0), maxiter=30 * len(rows))
    binding = rows[dual > 1e-12 * dual.max()]
    corner = np.zeros((len(binding), len(binding)))
    equations = np.block([[np.eye(dim), binding.T], [binding, corner]])
    v = np.linalg.lstsq(equations, np.repeat([0.0, 1.0], [dim, len(binding)]))[0][:dim]
    if np.min(rows @ v) < 1 - 1e-6:
        raise ValueError("no maximum margin was found; scale the features alike")
    return v

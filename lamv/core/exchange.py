"""Exchange one part of an input with that of another example, to see whether predictions rest on the part.

    x' = x + P (o - x)

where P is a linear projection: x' has everything of x but for the part, which is that of o. With o drawn at random, x'
keeps all that the rest of x says about its label, and what the part says is about another label. (For one column of a table
this is permutation importance, Breiman 2001, "Random forests", section 10.) Parts are

    mask   a block of pixels, a column         P x = m * x                    m of the shape of x, 0 or 1
    span   directions, mean colours            P x = Q Q^T x                  Q (D, r), orthonormal columns; x flattened
    band   frequencies low <= |f| < high       P x = F^-1 [|f| in band] F x   f in periods a pixel, 0 to 0.71; F the 2-d DFT

`discriminants` finds the directions that separate the classes and vary least within them.
Axis letters: N examples, D inputs, K classes, r directions, H W C image height, width, channels.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array | np.ndarray
#: Ridges tried, ascending, as shares of the mean variance of an input.
RIDGES = (1e-3, 1e-2, 1e-1, 1.0)
#: Examples beyond which directions are found from so many, evenly spaced.
MOST = 3000
#: A larger ridge must gain so much accuracy: the smallest one sees the smallest variance.
TIE = 0.002


class Discriminants(NamedTuple):
    """span: (D, r) orthonormal, r <= K - 1; its first j columns span the first j directions. axes: (D, r) the directions.

    within_share: (r,) variance within classes over total variance along each, on held-out examples, ascending in theory.
    accuracy: of the nearest class mean along all of them, on held-out examples. ridge: as chosen, a share.
    """

    span: np.ndarray
    axes: np.ndarray
    within_share: np.ndarray
    accuracy: float
    ridge: float


def mask(inputs: Array, others: Array, part: Array) -> jax.Array:
    """inputs, others (B, ...); part (...) is 1 where inputs are exchanged, else 0."""
    return jnp.where(jnp.asarray(part) > 0, others, inputs)


def span(inputs: Array, others: Array, part: Array) -> jax.Array:
    """inputs, others (B, ...) of D numbers each; part (D, r), with orthonormal columns or columns of 0."""
    difference = (others - inputs).reshape(len(inputs), -1)
    along = jnp.matmul(difference, part, precision=jax.lax.Precision.HIGHEST)
    moved = jnp.matmul(along, part.T, precision=jax.lax.Precision.HIGHEST)
    return jnp.asarray(inputs) + moved.reshape(inputs.shape)


def band(inputs: Array, others: Array, part: Array, *, shape: tuple[int, ...]) -> jax.Array:
    """inputs, others (B, ...), images of `shape` (H, W, C), flattened or not; part: (low, high) in periods a pixel."""
    frequencies = jnp.hypot(jnp.fft.fftfreq(shape[0])[:, None], jnp.fft.rfftfreq(shape[1])[None])
    inside = (part[0] <= frequencies) & (frequencies < part[1])
    difference = (others - inputs).reshape(-1, *shape)
    spectrum = jnp.fft.rfft2(jnp.asarray(difference), axes=(1, 2)) * inside[None, :, :, None]
    return jnp.asarray(inputs) + jnp.fft.irfft2(spectrum, s=shape[:2], axes=(1, 2)).reshape(inputs.shape).astype(
        inputs.dtype
    )


def blocks(shape: tuple[int, ...], across: int = 4) -> dict[str, np.ndarray]:
    """{"row 1, column 1": (H, W, C) mask}: the image cut into `across` x `across` blocks, fewer where it is smaller."""
    height, width = (np.linspace(0, size, min(across, size) + 1).round().astype(int) for size in shape[:2])
    masks = {}
    for row, (top, bottom) in enumerate(zip(height[:-1], height[1:], strict=True), 1):
        for column, (left, right) in enumerate(zip(width[:-1], width[1:], strict=True), 1):
            block = np.zeros(shape, np.float32)
            block[top:bottom, left:right] = 1
            masks[f"row {row}, column {column}"] = block
    return masks


def mean_colour(shape: tuple[int, ...]) -> np.ndarray:
    """(H W C, C) orthonormal: the mean of each channel."""
    pixels = shape[0] * shape[1]
    return np.tile(np.eye(shape[2], dtype=np.float32), (pixels, 1)) / np.float32(np.sqrt(pixels))


def discriminants(inputs: np.ndarray, labels: np.ndarray, num_classes: int, *, most: int = MOST) -> Discriminants:
    """Fisher's directions of inputs (N, D) with labels (N,) in [0, K): those w of largest (w^T B w) / (w^T W w).

    W and B are the covariances within and between classes. To W a ridge is added, a share of the mean variance: that one of
    RIDGES which makes the nearest class mean most often right on a quarter of the examples (of near ties the smallest).
    Fisher 1936, "The use of multiple measurements"; ridge: Friedman 1989, "Regularized discriminant analysis". most:
    examples beyond which so many are looked at, evenly spaced. Raises ValueError for fewer than 2 classes with 2 examples.
    """
    inputs, labels = _thinned(np.asarray(inputs, np.float64), np.asarray(labels), most)
    held_out = _every_fourth(labels)
    scale = inputs.var(axis=0).mean() or 1.0
    best = -1.0, RIDGES[0], np.empty(0)
    for ridge in RIDGES:
        axes, means = _fisher(inputs[~held_out], labels[~held_out], num_classes, ridge * scale)
        accuracy, share = _judged(inputs[held_out] @ axes, labels[held_out], means @ axes)
        if accuracy > best[0] + TIE:
            best = accuracy, ridge, share
    accuracy, ridge, share = best
    axes, _ = _fisher(inputs, labels, num_classes, ridge * scale)
    kept = min(axes.shape[1], len(share))
    return Discriminants(
        np.linalg.qr(axes[:, :kept])[0].astype(np.float32), axes[:, :kept], share[:kept], accuracy, ridge
    )


def alone(values: np.ndarray, labels: np.ndarray, num_classes: int, most: int = 1000) -> tuple[float, float]:
    """(accuracy, within share) of a part of the inputs by itself, from its values (N, D): see `Discriminants`.

    accuracy: how often the nearest class mean is right; within share: along the first direction. Also tried is the
    logarithm of the mean square, which is all that a pattern without a fixed phase says; the more accurate counts. Values
    that never change have the share 1.
    """
    energy = np.log((np.asarray(values, np.float64) ** 2).mean(axis=1, keepdims=True) + 1e-12)
    found = [discriminants(of, labels, num_classes, most=most) for of in (values, energy)]
    best = max(found, key=lambda one: one.accuracy)
    return best.accuracy, float(best.within_share[0]) if best.within_share.size else 1.0


def _thinned(inputs: np.ndarray, labels: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    if len(labels) <= most:
        return inputs, labels
    kept = np.linspace(0, len(labels) - 1, most).astype(int)
    return inputs[kept], labels[kept]


def _every_fourth(labels: np.ndarray) -> np.ndarray:
    """(N,) bool: every fourth example of each class, so that classes of few examples are in both parts."""
    place = np.empty(len(labels), int)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        place[own] = np.arange(len(own))
    return place % 4 == 1


def _fisher(inputs: np.ndarray, labels: np.ndarray, num_classes: int, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """The directions (D, r), and the class means (K, D); a class without examples is at the mean of all."""
    counts = np.bincount(labels, minlength=num_classes)
    centre = inputs.mean(axis=0)
    sums = np.zeros((num_classes, inputs.shape[1]))
    np.add.at(sums, labels, inputs)
    means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centre)
    if np.count_nonzero(counts) < 2 or len(labels) <= np.count_nonzero(counts):
        raise ValueError(f"{len(labels)} examples of {np.count_nonzero(counts)} classes; directions need 2 of 2")
    residuals, offsets = inputs - means[labels], (means - centre)[counts > 0]
    number, size = residuals.shape
    # (W + ridge)^-1 offsets, by the smaller of the two Gram matrices.
    if size <= number:
        axes = np.linalg.solve(residuals.T @ residuals / number + ridge * np.eye(size), offsets.T)
    else:
        gram = residuals @ residuals.T + number * ridge * np.eye(number)
        axes = (offsets.T - residuals.T @ np.linalg.solve(gram, residuals @ offsets.T)) / ridge
    basis, sizes, _ = np.linalg.svd(axes, full_matrices=False)
    basis = basis[:, sizes > 1e-9 * sizes[0]][:, : np.count_nonzero(counts) - 1]
    along = residuals @ basis
    within = along.T @ along / number + ridge * np.eye(basis.shape[1])
    weighted = (offsets @ basis) * np.sqrt(counts[counts > 0] / number)[:, None]
    # Whiten W, then turn to the axes of B.
    half = np.linalg.cholesky(np.linalg.inv(within))
    _, _, turn = np.linalg.svd(weighted @ half, full_matrices=False)
    return basis @ half @ turn.T, means


def _judged(along: np.ndarray, labels: np.ndarray, means: np.ndarray) -> tuple[float, np.ndarray]:
    """Accuracy of the nearest of the class means (K, r) of values (N, r); variance within over total, (r,)."""
    nearest = ((along[:, None] - means[None]) ** 2).sum(axis=2).argmin(axis=1)
    within = ((along - means[labels]) ** 2).mean(axis=0)
    between = means[labels].var(axis=0)
    return float((nearest == labels).mean()), within / np.maximum(within + between, np.finfo(float).tiny)

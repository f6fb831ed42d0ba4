"""From integer labels to target probabilities.

Targets are always (B, K) float32, non-negative, and sum to 1 over classes. Smoothing moves mass from the label to
other classes; two conventions are in use and both are here under their own name:

"uniform": q = (1 - smoothing) e_y + smoothing / K          over all classes (Szegedy et al. 2016, section 7; the
                                                              one of torch, optax and most papers)
"others":  q_y = 1 - smoothing, q_i = smoothing / (K - 1)    over the K - 1 other classes

The two are one family: "uniform" with smoothing s is "others" with s (K - 1) / K.
"""

import jax
import jax.numpy as jnp

CONVENTIONS = ("uniform", "others")


def one_hot(labels: jax.Array, num_classes: int) -> jax.Array:
    """(B,) int labels in [0, K) -> (B, K) float32. A label outside the range gives a row of zeros."""
    return jax.nn.one_hot(labels, num_classes, dtype=jnp.float32)


def smooth(targets: jax.Array, smoothing: jax.Array | float, convention: str = "uniform") -> jax.Array:
    """Label smoothing of (B, K) targets.

    smoothing: 0 (unchanged, bit for bit) up to, not including, 1 ("uniform") or (K - 1) / K ("others"): beyond that
    the true class is no longer the most probable one. Checked where the value is known, that is, outside of a trace.
    Linear in the targets, so mixed targets may be smoothed too: smoothing and mixing commute.
    Raises ValueError for a smoothing out of range or an unknown convention.
    """
    num_classes = targets.shape[-1]
    limit = smoothing_limit(num_classes, convention)
    check_range(
        "smoothing", smoothing, low=0.0, below=limit, note=f"for the convention {convention!r}, K = {num_classes}"
    )
    if convention == "uniform":
        return (1.0 - smoothing) * targets + smoothing / num_classes
    # (1 - s) q + s (1 - q) / (K - 1): each class hands its share s to the others, in equal parts.
    return (1.0 - smoothing) * targets + smoothing * (1.0 - targets) / (num_classes - 1)


def smoothing_limit(num_classes: int, convention: str) -> float:
    """The smoothing at which the true class stops being the most probable: 1, or (K - 1) / K."""
    if convention not in CONVENTIONS:
        raise ValueError(f"convention {convention!r} is unknown; use one of {', '.join(CONVENTIONS)}")
    return 1.0 if convention == "uniform" else (num_classes - 1) / num_classes


def check_range(name: str, value, *, low: float, below: float, note: str = "") -> None:
    """Raise ValueError unless low <= value < below. A traced value cannot be looked at and passes."""
    if isinstance(value, jax.core.Tracer):
        return
    if not low <= float(value) < below:
        raise ValueError(f"{name} is {float(value):g}, must be in [{low:g}, {below:g})" + (f" {note}" if note else ""))

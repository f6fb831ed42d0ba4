"""What the functions of this floor ask of their arguments: types and shapes always, values where they are known.

A traced value cannot be looked at. What is wrong with one shows in the result instead, as NaN.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


def known(value) -> bool:
    """Whether a value can be looked at: not while it is traced, nor where other hosts hold a part of it."""
    return not isinstance(value, Tracer) and getattr(value, "is_fully_addressable", True)


def check_range(name: str, value, *, low: float, below: float, note: str = "") -> None:
    """Raise ValueError unless value is a scalar and low <= value < below. A traced one passes if it is a scalar."""
    if np.ndim(value):
        raise ValueError(f"{name} is of shape {np.shape(value)}, must be a scalar")
    if known(value) and not low <= float(value) < below:
        raise ValueError(f"{name} is {float(value):g}, must be in [{low:g}, {below:g})" + (f" {note}" if note else ""))


def check_positive(name: str, value, note: str = "") -> None:
    """Raise ValueError unless value is a scalar, above 0 in float32 and finite. A traced one passes if it is a scalar."""
    check_range(name, value, low=float(np.finfo(np.float32).tiny), below=float("inf"), note=note)


def check_probabilities(name: str, value) -> None:
    """Raise ValueError unless (..., K) values are at least 0 and sum to 1, up to 1e-3. Traced ones pass."""
    if not known(value):
        return
    value = np.asarray(value, np.float64)
    if not (np.all(value >= 0) and np.all(np.abs(value.sum(axis=-1) - 1) <= 1e-3)):
        raise ValueError(f"{name} holds {value.min():g} to {value.max():g}, sums to {np.ravel(value.sum(axis=-1))[0]:g};"
                         " must be probabilities, which sum to 1: divide counts by their sum")  # fmt: skip


def check_shape(name: str, array, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless an array is of this shape: a length of 1 would be stretched to any other in silence."""
    if np.shape(array) != tuple(shape):
        raise ValueError(f"{name} are of shape {np.shape(array)}, must be {tuple(shape)}")


def check_targets(targets, number: int | None = None) -> None:
    """Raise ValueError unless targets are (B, K), with B = `number` where that is given; further axes may lie between."""
    shape = np.shape(targets)
    if len(shape) < 2 or (number is not None and shape[0] != number):
        raise ValueError(f"targets are of shape {shape}, must be ({'B' if number is None else number}, K); labels become"
                         " such targets by lamv.core.targets.one_hot, and numbers by a second axis of 1")  # fmt: skip


def check_labels(labels, num_classes: int) -> None:
    """Raise ValueError unless labels lie in [0, K). Traced ones pass."""
    if not known(labels):
        return
    labels = np.asarray(labels)
    wrong = labels[(labels < 0) | (labels >= num_classes)]
    if wrong.size:
        raise ValueError(f"labels hold {wrong[0]}, must be in [0, {num_classes})")


def integers(name: str, values) -> jax.Array:
    """`values` in a type of 32 bits or more, in which no label overflows. Raises TypeError unless they are integers."""
    values = jnp.asarray(values)
    if jnp.issubdtype(values.dtype, jnp.inexact):
        raise TypeError(f"{name} are {values.dtype}, must be integers")
    return values.astype(jnp.result_type(values, jnp.int32))


def members(labels, num_classes: int) -> jax.Array:
    """(..., K) float32 one-hot of integer labels (...); NaN for one outside of [0, K). Raises TypeError for no integers."""
    labels = integers("labels", labels)
    member = jax.nn.one_hot(labels, num_classes, dtype=jnp.float32)
    return jnp.where(inside(labels, num_classes)[..., None], member, jnp.nan)


def inside(values: jax.Array, number: int) -> jax.Array:
    """Which `integers` lie in [0, number)."""
    return (values >= 0) & (values < number)


def floating(values) -> jax.Array:
    """`values` as they are, or in float32 where they are integers, in whose type a weight would be rounded to 0.

    An array of NumPy stays one, in float64 if it was.
    """
    values = values if isinstance(values, np.ndarray) else jnp.asarray(values)
    return values if jnp.issubdtype(values.dtype, jnp.inexact) else values.astype(jnp.float32)

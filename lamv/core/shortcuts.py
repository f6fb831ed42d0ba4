"""Plant a cue of chosen strength, reliability and noise in any data set.

What the cue says of an example is its attribute a, an int in [0, K), or ABSENT. In training, a equals the label with
probability `reliability`; test splits draw it otherwise (see `draw_attributes`). How it is said is the cue's kind:

"tag"     strength x one_hot(a): K further inputs of a vector, or the first K pixels of an image (row by row)
"pixel"   one input says which of two classes: strength x [a = 1] (coding "one_sided"), or strength x (2 a - 1)
          (coding "centred"); a further input of a vector, the first pixel of an image

Pixels are overwritten in all channels. The cue is written in the units that the network sees, after normalisation and
image augmentation, so nothing moves it. `noise` is the standard deviation of Gaussian noise on the cue's inputs, in
training and test alike, absent cues included; drawn once for an example, as if it were part of the data.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

ABSENT = -1
CODINGS = ("one_sided", "centred")
#: How a test split draws the attribute: as in training, always the label, any class, any other class, or not at all.
PLACEMENTS = ("as_train", "aligned", "random", "conflicting", "absent")


def tag(inputs: jax.Array, attribute: jax.Array, strength, noise: jax.Array, *, num_classes: int, coding: str = ""):
    """Write strength x one_hot(attribute) + noise: inputs (D,) or (H, W, C), attribute () int, noise (K,)."""
    return _write(inputs, strength * jax.nn.one_hot(attribute, num_classes) + noise)


def pixel(inputs: jax.Array, attribute: jax.Array, strength, noise: jax.Array, *, num_classes: int, coding: str):
    """Write one value that tells class 1 from class 0; 0 where the cue is absent. noise (1,)."""
    sign = jnp.where(attribute == 1, 1.0, 0.0 if coding == "one_sided" else -1.0)
    return _write(inputs, jnp.where(attribute == ABSENT, 0.0, strength * sign)[None] + noise)


def width(kind: str, num_classes: int) -> int:
    """How many inputs the cue takes: K for a tag, 1 for a pixel."""
    return num_classes if kind == "tag" else 1


def planted_shape(kind: str, shape: tuple[int, ...], num_classes: int) -> tuple[int, ...]:
    """Shape of one example with the cue in it. Raises ValueError where the cue does not fit."""
    size = width(kind, num_classes)
    if kind == "pixel" and num_classes != 2:
        raise ValueError(f"the pixel cue tells two classes apart, the data has {num_classes}")
    if len(shape) == 1:
        return (shape[0] + size,)
    if size > shape[0] * shape[1]:
        raise ValueError(f"a {kind} of {size} classes does not fit in an image of {shape[0]} x {shape[1]} pixels")
    return shape


def cue_inputs(kind: str, shape: tuple[int, ...], num_classes: int) -> np.ndarray:
    """(prod of the planted shape,) bool: which inputs of the flattened example carry the cue."""
    size, planted = width(kind, num_classes), planted_shape(kind, shape, num_classes)
    where = np.zeros(math.prod(planted), bool)
    if len(planted) == 1:
        where[-size:] = True
    else:
        where[: size * planted[2]] = True
    return where


def draw_attributes(
    rng: np.random.Generator, labels: np.ndarray, num_classes: int, *, placement: str, reliability: float
) -> np.ndarray:
    """(N,) int32 attributes for labels (N,).

    "as_train": the label with probability `reliability` (in [0, 1]), else one of the other classes, all equally likely.
    "aligned" and "conflicting" are its ends, reliability 1 and 0; "random": uniform over all K; "absent": ABSENT.
    """
    if placement == "absent":
        return np.full(len(labels), ABSENT, np.int32)
    if placement == "random":
        return rng.integers(num_classes, size=len(labels)).astype(np.int32)
    reliability = {"aligned": 1.0, "conflicting": 0.0}.get(placement, reliability)
    other = (labels + rng.integers(1, num_classes, size=len(labels))) % num_classes
    return np.where(rng.random(len(labels)) < reliability, labels, other).astype(np.int32)


def _write(inputs: jax.Array, cue: jax.Array) -> jax.Array:
    if inputs.ndim == 1:
        return jnp.concatenate([inputs, cue])
    height, columns, channels = inputs.shape
    flat = inputs.reshape(height * columns, channels).at[: cue.shape[0]].set(cue[:, None])
    return flat.reshape(inputs.shape)


SHORTCUTS = {"tag": tag, "pixel": pixel}

"""Plant a cue of chosen strength, reliability and noise in any data set.

A cue shows the attribute a of an example, an int in [0, K), or ABSENT; any other makes the cue NaN. In training, a equals
the label with probability `reliability`; test splits draw it otherwise (see `draw_attributes`). The kinds of cues:

"tag"     strength x one_hot(a): K further inputs of a vector, or the first K pixels of an image (row by row)
"pixel"   one input for two classes: strength x [a = 1] (coding "one_sided"), or strength x (2 a - 1)
          (coding "centred"); a further input of a vector, the first pixel of an image

Of these two, pixels are overwritten in all channels, and the cue is written in the units that the network sees, after
normalisation and image augmentation, so nothing moves it. The other kinds change an image as such: colour, patch,
watermark, colour_cast, frequency, dominoes and cat_channel are defined in lamv.core.image_cues.

`noise` is the standard deviation of Gaussian noise on the cue's inputs, in training and test alike, absent cues included;
drawn once for each example, as if it were part of the data.
"""

import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np

from lamv.core.checks import check_labels
from lamv.core.image_cues import ABSENT, IMAGE_CUES, cue_strength, one_hot_attribute

CODINGS = ("one_sided", "centred")
#: How a test split draws the attribute: as in training, always the label, any class, any other class, or not at all.
PLACEMENTS = ("as_train", "aligned", "random", "conflicting", "absent")


def tag(inputs: jax.Array, attribute: jax.Array, strength, noise: jax.Array, *, num_classes: int, coding: str = ""):
    """Write strength x one_hot(attribute) + noise: inputs (D,) or (H, W, C), attribute () int, noise (K,)."""
    return _write(
        inputs,
        cue_strength(inputs, attribute, strength, num_classes) * one_hot_attribute(attribute, num_classes) + noise,
    )


def pixel(inputs: jax.Array, attribute: jax.Array, strength, noise: jax.Array, *, num_classes: int, coding: str):
    """Write one value, by which class 1 differs from class 0; 0 where the cue is absent. noise (1,)."""
    if coding not in CODINGS:
        raise ValueError(f"coding is {coding!r}; use one of {', '.join(CODINGS)}")
    sign = jnp.where(attribute == 1, 1.0, 0.0 if coding == "one_sided" else -1.0)
    return _write(inputs, (cue_strength(inputs, attribute, strength, num_classes) * sign)[None] + noise)


def plant(kind: str, inputs: jax.Array, attribute: jax.Array, strength, noise: jax.Array, **offered) -> jax.Array:
    """One example with the cue. noise: of `noise_shape`. offered: num_classes, and of coding, partner and share what the
    function of this kind asks for."""
    write = SHORTCUTS[kind]
    asked = inspect.signature(write).parameters
    return write(inputs, attribute, strength, noise, **{name: offered[name] for name in offered if name in asked})


def acts_on_images(kind: str) -> bool:
    """Whether the cue is written into images in raw units, before they are normalised and flattened."""
    return kind in IMAGE_CUES


def needs_partner(kind: str) -> bool:
    """Whether the cue is made of a second image."""
    return acts_on_images(kind) and "partner" in inspect.signature(SHORTCUTS[kind]).parameters


def split_placements(kind: str) -> dict[str, str]:
    """Name of each test split of a data set with this cue -> its placement.

    cat_channel has two only: its second image, where there is one, is always of the class that is paired with the label.
    """
    if kind == "cat_channel":
        return {"test": "absent", "test_aligned": "aligned"}
    return {"test" if placement == "as_train" else f"test_{placement}": placement for placement in PLACEMENTS}


def noise_shape(kind: str, shape: tuple[int, ...], num_classes: int) -> tuple[int, ...]:
    """Shape of the cue's noise, for examples of this shape: (K,) for a tag, (1,) for a pixel."""
    if kind in IMAGE_CUES:
        return IMAGE_CUES[kind].noise_shape(shape, num_classes)
    return (num_classes if kind == "tag" else 1,)


def planted_shape(kind: str, shape: tuple[int, ...], num_classes: int) -> tuple[int, ...]:
    """Shape of one example with the cue in it. Raises ValueError where the cue does not fit."""
    if kind in IMAGE_CUES:
        if len(shape) != 3:
            raise ValueError(f"the {kind} cue is for images, these inputs are vectors; tag and pixel suit them")
        return IMAGE_CUES[kind].planted_shape(shape, num_classes)
    (size,) = noise_shape(kind, shape, num_classes)
    if kind == "pixel" and num_classes != 2:
        raise ValueError(f"the pixel cue tells two classes apart, the data has {num_classes}")
    if len(shape) == 1:
        return (shape[0] + size,)
    if size > shape[0] * shape[1]:
        raise ValueError(f"a {kind} of {size} classes does not fit in an image of {shape[0]} x {shape[1]} pixels")
    return shape


def cue_inputs(kind: str, shape: tuple[int, ...], num_classes: int) -> np.ndarray | None:
    """(prod of the planted shape,) bool: which inputs of the flattened example carry the cue; None where all do.

    Raises ValueError where the cue does not fit.
    """
    planted = planted_shape(kind, shape, num_classes)
    if kind in IMAGE_CUES:
        block = IMAGE_CUES[kind].block
        if block is None:
            return None
        carries = np.zeros(planted, bool)
        carries[block(shape, num_classes)] = True
        return carries.reshape(-1)
    (size,) = noise_shape(kind, shape, num_classes)
    where = np.zeros(math.prod(planted), bool)
    if len(planted) == 1:
        where[-size:] = True
    else:
        where[: size * planted[2]] = True
    return where


def draw_attributes(
    rng: np.random.Generator, labels: np.ndarray, num_classes: int, *, placement: str, reliability: float | np.ndarray
) -> np.ndarray:
    """(N,) int32 attributes for labels (N,).

    "as_train": the label with probability `reliability` (in [0, 1], one or (N,)), else one of the others, equally likely.
    "aligned" and "conflicting" are its ends, reliability 1 and 0; "random": uniform over all K; "absent": ABSENT. Raises
    ValueError for labels outside of [0, K), a reliability outside of [0, 1], or an unknown placement.
    """
    if placement not in PLACEMENTS:
        raise ValueError(f"placement is {placement!r}; use one of {', '.join(PLACEMENTS)}")
    if placement == "absent":
        return np.full(len(labels), ABSENT, np.int32)
    if placement == "random":
        return rng.integers(num_classes, size=len(labels)).astype(np.int32)
    reliability = {"aligned": 1.0, "conflicting": 0.0}.get(placement, reliability)
    check_labels(labels, num_classes)
    if not (np.all(np.asarray(reliability) >= 0) and np.all(np.asarray(reliability) <= 1)):
        raise ValueError(f"reliability is {reliability}, must be in [0, 1]")
    other = (labels + rng.integers(1, num_classes, size=len(labels))) % num_classes
    return np.where(rng.random(len(labels)) < reliability, labels, other).astype(np.int32)


def draw_pairs(rng: np.random.Generator, num_classes: int) -> np.ndarray:
    """(K,) int32: to each class its partner, for cat_channel. K is even, and all perfect matchings are equally likely."""
    order = rng.permutation(num_classes).astype(np.int32)
    partner = np.empty(num_classes, np.int32)
    partner[order[::2]], partner[order[1::2]] = order[1::2], order[::2]
    return partner


def _write(inputs: jax.Array, cue: jax.Array) -> jax.Array:
    if inputs.ndim == 1:
        return jnp.concatenate([inputs, cue])
    height, columns, channels = inputs.shape
    flat = inputs.reshape(height * columns, channels).at[: cue.shape[0]].set(cue[:, None])
    return flat.reshape(inputs.shape)


SHORTCUTS = {"tag": tag, "pixel": pixel, **{kind: cue.plant for kind, cue in IMAGE_CUES.items()}}

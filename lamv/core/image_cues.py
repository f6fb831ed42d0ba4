"""Cues of images: a colour, a painted patch, a watermark, a colour cast, a grating, a second image beside the first.

    (image, attribute, strength, noise, *, num_classes) -> image with the cue

image: (H, W, C) float32 in raw units, [0, 1]; the cue comes before normalisation and flattening, and after the random crop
and flip, so these do not move it (cutout, which comes later, may cover it); TypeError for integers. attribute a: () int in
[0, K), or ABSENT; any other makes the cue NaN. All are linear in the strength, which is meant to lie in [0, 1]; an absent
cue is one of strength 0 (cat_channel: of share 1). noise is added as it is, whatever the strength, to what carries the
cue, absent ones included: its shape is `noise_shape` of the cue, and its values are drawn once for each example.
Nothing is clipped: noise and gratings may leave [0, 1].

    kind          with the cue, in full                          noise           image      becomes
    colour        x times the colour of a                        of the colour   (H, W, 1)  (H, W, 2) or (H, W, 3)
    patch         a square, top left, in the colour of a         of the colour
    watermark     a in white digits, bottom right                of each input of the box that the digits may cover
    colour_cast   the colour of a and nothing else               of the colour   (H, W, 3)
    frequency     x + a grating, one for each class              of the amplitudes of all K gratings
    dominoes      an image of class a above x                    of each input of that image   becomes (2 H, W, C)
    cat_channel   w x beside (1 - w) image of class a            of each input of that image   becomes (H, W, 2 C)

The last two are given that image as `partner`, and cat_channel its share w.

Colours (`palette`): one channel has grey levels (a + 1) / K. Three have the saturated hues a / max(K, 3) of the colour wheel
at full value: red and green for K = 2, and blue for K = 3. Two, with K = 2, have one of the channels each (Arjovsky et al.
2019, "Invariant risk minimization", section 5.2: coloured MNIST). dominoes: Shah et al. 2020, "The pitfalls of simplicity
bias". cat_channel: Chidambaram et al. 2023, "Provably learning diverse features in multi-view data with Midpoint Mixup".

Sizes raise ValueError, in one line, where a cue does not fit.
"""

import colorsys
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamv.core.checks import inside, integers, members
from lamv.core.images import check_floats

ABSENT = -1

#: Which of the seven segments are lit, from 0 to 9: top, upper right, lower right, bottom, lower left, upper left, middle.
SEGMENTS = (
    "1111110", "0110000", "1101101", "1111001", "0110011", "1011011", "1011111", "1110000", "1111111", "1111011",
)  # fmt: skip
#: Where the segments lie on 5 rows of 3 cells.
CELLS = (np.s_[0, :], np.s_[:3, 2], np.s_[2:, 2], np.s_[4, :], np.s_[2:, 0], np.s_[:3, 0], np.s_[2, :])


class ImageCue(NamedTuple):
    """How a cue is planted, and three functions of the shape (H, W, C) of an image without it and of K.

    planted_shape: of an image with it; raises ValueError where it does not fit. noise_shape: of its noise. block: the
    slices of the image with the cue in which it lies; None where it is spread over the whole image.
    """

    plant: Callable
    planted_shape: Callable[[tuple, int], tuple]
    noise_shape: Callable[[tuple, int], tuple]
    block: Callable[[tuple, int], Any] | None = None


def colour(image: jax.Array, attribute: jax.Array, strength, noise: jax.Array, *, num_classes: int):
    """A grey image times the colour of a, or, absent, times the mean brightness of all colours. noise (C,)."""
    colours = palette(num_classes, noise.shape[0])
    grey = np.full_like(colours[0], colours.mean())
    strength = cue_strength(image, attribute, strength, num_classes)
    return image * ((1 - strength) * grey + strength * jnp.asarray(colours)[attribute] + noise)[None, None]


def patch(image: jax.Array, attribute: jax.Array, strength, noise: jax.Array, *, num_classes: int):
    """A square in the top left corner, its side a quarter of the image's shorter one. strength: its opacity. noise (C,)."""
    side, strength = _side(image.shape), cue_strength(image, attribute, strength, num_classes)
    colour = jnp.asarray(palette(num_classes, image.shape[2]))[attribute]
    painted = (1 - strength) * image[:side, :side] + (strength * colour + noise)[None, None]
    return image.at[:side, :side].set(painted)


def watermark(image: jax.Array, attribute: jax.Array, strength, noise: jax.Array, *, num_classes: int):
    """The number a in seven-segment digits, in the bottom right corner. strength: opacity. noise (h, w, C) of their box."""
    height, width = _box(image.shape, num_classes)
    marks = np.stack([_mark(a, num_classes, height) for a in range(num_classes)])
    opacity = cue_strength(image, attribute, strength, num_classes) * jnp.asarray(marks)[attribute][..., None]
    marked = (1 - opacity) * image[-height:, -width:] + opacity + noise
    return image.at[-height:, -width:].set(marked)


def colour_cast(image: jax.Array, attribute: jax.Array, strength, noise: jax.Array, *, num_classes: int):
    """(1 - strength) x + strength times the colour of a, the same everywhere. noise (3,)."""
    strength = cue_strength(image, attribute, strength, num_classes)
    colour = jnp.asarray(palette(num_classes, image.shape[2]))[attribute]
    return (1 - strength) * image + (strength * colour + noise)[None, None]


def frequency(image: jax.Array, attribute: jax.Array, strength, noise: jax.Array, *, num_classes: int):
    """x + strength times the grating of a + noise_k times grating k, for all k. noise (K,)."""
    amplitudes = (
        cue_strength(image, attribute, strength, num_classes) * one_hot_attribute(attribute, num_classes) + noise
    )
    waves = gratings(image.shape, num_classes)
    # "highest": in a matrix unit's short floats, the gratings would be rounded.
    return image + jnp.einsum("k,khw->hw", amplitudes, waves, precision=lax.Precision.HIGHEST)[..., None]


def dominoes(
    image: jax.Array, attribute: jax.Array, strength, noise: jax.Array, *, num_classes: int, partner: jax.Array
):
    """strength times the partner, black where absent, above x. noise (H, W, C)."""
    return jnp.concatenate([cue_strength(image, attribute, strength, num_classes) * partner + noise, image])


def cat_channel(
    image: jax.Array, attribute: jax.Array, strength, noise: jax.Array, *, num_classes: int, partner: jax.Array, share
):
    """share times x beside strength (1 - share) times the partner, channel by channel; absent: x beside zeros.

    share: w, () in [0, 1]. noise (H, W, C).
    """
    strength = cue_strength(image, attribute, strength, num_classes)
    share = jnp.where(attribute == ABSENT, 1.0, share)
    return jnp.concatenate([share * image, strength * (1 - share) * partner + noise], axis=2)


def palette(num_classes: int, channels: int) -> np.ndarray:
    """(K, C) float32: the colours of the K classes; see the head of this file."""
    if channels == 1:
        return (np.arange(1, num_classes + 1, dtype=np.float32) / num_classes)[:, None]
    if channels == 2 and num_classes == 2:
        return np.eye(2, dtype=np.float32)
    hues = (a / max(num_classes, 3) for a in range(num_classes))
    return np.array([colorsys.hsv_to_rgb(hue, 1.0, 1.0) for hue in hues], np.float32)


@cache
def gratings(shape: tuple[int, ...], num_classes: int) -> np.ndarray:
    """(K, H, W) float32: cos(2 pi (u y / H + v x / W)), whole periods, so orthogonal to each other and to a constant.

    The K frequencies (u, v) are those whose periods are closest to four pixels.
    """
    height, width = shape[:2]
    known = sorted(_frequencies(shape), key=lambda uv: (abs(np.hypot(uv[0] / height, uv[1] / width) - 0.25), uv))
    y, x = np.arange(height)[:, None] / height, np.arange(width)[None] / width
    return np.array([np.cos(2 * np.pi * (u * y + v * x)) for u, v in known[:num_classes]], np.float32)


def _frequencies(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Those of less than half a period a pixel; one of each (u, v) and (-u, -v), whose cosines are the same."""
    high, wide = (shape[0] - 1) // 2, (shape[1] - 1) // 2
    return [(u, v) for u in range(-high, high + 1) for v in range(wide + 1) if v > 0 or u > 0]


def cue_strength(inputs: jax.Array, attribute: jax.Array, strength, num_classes: int):
    """The strength with which the cue is planted: 0 where it is absent, NaN for an attribute out of range."""
    check_floats(inputs)
    attribute = integers("attributes", attribute)
    strength = jnp.where(inside(attribute, num_classes), strength, jnp.nan)
    return jnp.where(attribute == ABSENT, 0.0, strength)


def one_hot_attribute(attribute: jax.Array, num_classes: int) -> jax.Array:
    """(K,) one-hot of an attribute; zeros where it is absent, NaN where it is out of range."""
    # NaN here too: a compiler may take a product with a one-hot for a choice, which loses the NaN of the strength.
    return jnp.where(jnp.asarray(attribute) == ABSENT, 0.0, members(attribute, num_classes))


def _side(shape: tuple[int, ...]) -> int:
    return max(1, min(shape[:2]) // 4)


def _digits(num_classes: int) -> int:
    return len(str(num_classes - 1))


def _box(shape: tuple[int, ...], num_classes: int) -> tuple[int, int]:
    """Height and width of the number: at most a third of the image's, unless its cells would be smaller than pixels."""
    cells = 4 * _digits(num_classes) - 1
    scale = max(1, min(shape[0] // (3 * 5), shape[1] // (3 * cells)))
    return 5 * scale, cells * scale


def _mark(number: int, num_classes: int, height: int) -> np.ndarray:
    """(h, w) float32, 1 where the number is drawn; all numbers below K with as many digits."""
    width = _digits(num_classes)
    mark = np.zeros((5, 4 * width - 1), np.float32)
    for at, digit in enumerate(f"{number:0{width}}"):
        for lit, cells in zip(SEGMENTS[int(digit)], CELLS, strict=True):
            mark[:, 4 * at : 4 * at + 3][cells] += int(lit)
    scale = height // 5
    return np.minimum(mark, 1).repeat(scale, axis=0).repeat(scale, axis=1)


def _coloured_shape(shape, num_classes):
    if shape[2] != 1:
        raise ValueError(f"grey images are coloured, these have {shape[2]} channels; colour_cast suits coloured ones")
    return (*shape[:2], 2 if num_classes == 2 else 3)


def _patched_shape(shape, num_classes):
    if shape[2] not in (1, 3) and (shape[2], num_classes) != (2, 2):
        raise ValueError(f"colours are of 1 or 3 channels, the images have {shape[2]}")
    return shape


def _marked_shape(shape, num_classes):
    height, width = _box(shape, num_classes)
    if height > shape[0] or width > shape[1]:
        raise ValueError(
            f"numbers below {num_classes} take {height} x {width} pixels, the images have {shape[0]} x {shape[1]}"
        )
    return shape


def _cast_shape(shape, num_classes):
    if shape[2] != 3:
        raise ValueError(f"a cast needs images of 3 channels, these have {shape[2]}; colour suits grey ones")
    return shape


def _waved_shape(shape, num_classes):
    most = len(_frequencies(shape))
    if num_classes > most:
        raise ValueError(f"images of {shape[0]} x {shape[1]} have {most} gratings, too few for {num_classes} classes")
    return shape


def _stacked_shape(shape, num_classes):
    return (2 * shape[0], *shape[1:])


def _doubled_shape(shape, num_classes):
    if num_classes % 2:
        raise ValueError(f"classes are paired, their number is {num_classes}, must be even; see data.classes")
    return (*shape[:2], 2 * shape[2])


def _channels(shape, num_classes):
    return (shape[2],)


def _same(shape, num_classes):
    return shape


def _in_corner(shape, num_classes):
    return np.s_[: _side(shape), : _side(shape)]


def _in_box(shape, num_classes):
    height, width = _box(shape, num_classes)
    return np.s_[-height:, -width:]


IMAGE_CUES = {
    "colour": ImageCue(colour, _coloured_shape, lambda shape, k: _coloured_shape(shape, k)[2:]),
    "patch": ImageCue(patch, _patched_shape, _channels, _in_corner),
    "watermark": ImageCue(watermark, _marked_shape, lambda shape, k: (*_box(shape, k), shape[2]), _in_box),
    "colour_cast": ImageCue(colour_cast, _cast_shape, _channels),
    "frequency": ImageCue(frequency, _waved_shape, lambda shape, k: (k,)),
    "dominoes": ImageCue(dominoes, _stacked_shape, _same, lambda shape, k: np.s_[: shape[0]]),
    "cat_channel": ImageCue(cat_channel, _doubled_shape, _same, lambda shape, k: np.s_[..., shape[2] :]),
}

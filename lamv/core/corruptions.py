"""Common corruptions of images, made on the fly: (key, image, level) -> image.

They are lamv's own, of the same kinds as those of published benchmarks but not the same images: values obtained with them
do not compare with published robustness figures, only with each other.

image: (H, W, C) floats in [0, 1], before any normalisation; the result is float32 of the same shape, in [0, 1]. level: a
scalar in [0, 1], traced or not; at 0 the image comes back as it was. Only noise draws from its key. All are pure and have
static shapes: jit them, vmap them over images and keys. The unit of each level is in the docstring of its function. All
raise TypeError for images of integers, whose range is another, and ValueError for a level out of range where it is known.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from scipy.fft import dct

from lamv.core.checks import check_range
from lamv.core.images import check_floats

#: Blur at level 1: standard deviation in pixels, and where the kernel is cut.
BLUR_PIXELS, BLUR_RADIUS = 4.0, 12
#: Sides of the blocks of pixelate at levels 0, 1/3, 2/3 and 1; each divides the next.
BLOCKS = (1, 2, 4, 8)
#: jpeg_like at level 1: step of the lowest frequency, where the DCT of a pixel in [0, 1] is orthonormal.
JPEG_STEP, JPEG_SIDE = 0.125, 8


def noise(key: jax.Array, image: jax.Array, level) -> jax.Array:
    """Independent Gaussian noise in every pixel and channel, clipped. level: its standard deviation; white is 1."""
    _check(image, level)
    return _clipped(image + level * jax.random.normal(key, image.shape))


def blur(key: jax.Array, image: jax.Array, level) -> jax.Array:
    """Gaussian blur. level: standard deviation over 4 pixels. Images continue as their mirror, which keeps the mean."""
    _check(image, level)
    deviation = jnp.maximum(level * BLUR_PIXELS, 1e-3)  # at 1e-3 pixels, the kernel is 1 in the middle and 0 beside it
    weights = jnp.exp(-0.5 * jnp.square(np.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, dtype=np.float32) / deviation))
    weights = weights / jnp.sum(weights)

    def along(side):
        # Row i holds what every pixel gives to pixel i: its weights, summed where the mirrors bring it in more than once.
        mirrored = np.pad(np.eye(side, dtype=np.float32), ((BLUR_RADIUS, BLUR_RADIUS), (0, 0)), mode="symmetric")
        return _dot("o,oij->ij", weights, np.stack([mirrored[o : o + side] for o in range(2 * BLUR_RADIUS + 1)]))

    return _clipped(_separable(along(image.shape[0]), along(image.shape[1]), image))


def contrast(key: jax.Array, image: jax.Array, level) -> jax.Array:
    """Every channel drawn towards its mean over the image. level: share of the contrast that is lost; at 1 all of it."""
    _check(image, level)
    mean = jnp.mean(image, axis=(0, 1), keepdims=True)
    return _clipped(image + level * (mean - image))


def pixelate(key: jax.Array, image: jax.Array, level) -> jax.Array:
    """Means over square blocks. level: 1/3 of the binary logarithm of their side in pixels, from 1 to 8.

    Between the sides 1, 2, 4 and 8 it is a blend of the two beside it. Blocks are cut at the lower and right border.
    """
    _check(image, level)
    weights = jnp.maximum(1 - jnp.abs((len(BLOCKS) - 1) * level - np.arange(len(BLOCKS), dtype=np.float32)), 0.0)
    pixelated = [_separable(*(_block_means(side, block) for side in image.shape[:2]), image) for block in BLOCKS[1:]]
    return _clipped(weights[0] * image + sum(weights[i + 1] * coarse for i, coarse in enumerate(pixelated)))


def jpeg_like(key: jax.Array, image: jax.Array, level) -> jax.Array:
    """Rounding of the cosine transform of 8 x 8 blocks, each channel by itself: JPEG's loss, without its colour space.

    level: the coefficient of frequencies (u, v), each from 0 to 7, of (image - 1/2) is rounded to multiples of
    level x (1 + u + v) / 8, the transform being orthonormal. The damage grows with the level on average, but not at every
    step of every image: a coefficient may lie just on a multiple. An image whose sides are no multiples of 8 is continued
    by its last row and column.
    """
    _check(image, level)
    height, width, channels = image.shape
    image = image.astype(jnp.float32)
    padded = jnp.pad(image, ((0, -height % JPEG_SIDE), (0, -width % JPEG_SIDE), (0, 0)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // JPEG_SIDE, JPEG_SIDE, -1, JPEG_SIDE, channels)
    cosines = dct(np.eye(JPEG_SIDE), axis=0, norm="ortho").astype(np.float32)  # a frequency a row
    coefficients = _dot("ui,aibjc->aubjc", cosines, _dot("vj,aibjc->aibvc", cosines, blocks - 0.5))
    frequency = np.arange(JPEG_SIDE, dtype=np.float32)
    step = level * JPEG_STEP * (1 + frequency[:, None] + frequency[None])[None, :, None, :, None]
    # Only what rounding changes is transformed back: at level 0 that is nothing, and the image stays as it is.
    change = jnp.where(step == 0, 0.0, jnp.round(coefficients / jnp.where(step == 0, 1.0, step)) * step - coefficients)
    change = _dot("ui,aubjc->aibjc", cosines, _dot("vj,aubvc->aubjc", cosines, change)).reshape(padded.shape)
    return _clipped(image + change[:height, :width])


def _check(image, level) -> None:
    check_floats(image)
    check_range("level", level, low=0.0, below=np.nextafter(1.0, 2.0), note="or 1")


def _separable(rows: ArrayLike, columns: ArrayLike, image: jax.Array) -> jax.Array:
    """rows (H, H) along the height and columns (W, W) along the width of every channel."""
    return _dot("ih,hwc->iwc", rows, _dot("jw,hwc->hjc", columns, image.astype(jnp.float32)))


def _block_means(side: int, block: int) -> np.ndarray:
    """(side, side): row i takes the mean over the block in which i lies."""
    index = np.arange(side) // block
    same = (index[:, None] == index[None]).astype(np.float32)
    return same / same.sum(axis=1, keepdims=True)


def _dot(axes: str, left: ArrayLike, right: ArrayLike) -> jax.Array:
    # "highest": in a matrix unit's short floats, level 0 would not be the image.
    return jnp.einsum(axes, left, right, precision=lax.Precision.HIGHEST)


def _clipped(image: jax.Array) -> jax.Array:
    return jnp.clip(image.astype(jnp.float32), 0.0, 1.0)


CORRUPTIONS = {"noise": noise, "blur": blur, "contrast": contrast, "pixelate": pixelate, "jpeg_like": jpeg_like}

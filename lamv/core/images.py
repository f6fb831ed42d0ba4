"""Label-preserving image augmentation: one key and one (H, W, C) image in, one image out; vmap over a batch.

Crop and flip keep the dtype and work on stored uint8 images as on floats.
"""

import jax
import jax.numpy as jnp
from jax import lax


def check_floats(inputs) -> None:
    """Raise TypeError unless inputs are floats: integers have another range than [0, 1], and nothing between 0 and 1."""
    if not jnp.issubdtype(inputs.dtype, jnp.floating):
        raise TypeError(f"inputs are {inputs.dtype}, must be floats; divide the bytes of an image by 255")


def random_crop(key: jax.Array, image: jax.Array, *, padding: int) -> jax.Array:
    """Pad by `padding` >= 0 zeros on every side and cut the original size out at a uniformly drawn place."""
    if padding == 0:
        return image
    padded = jnp.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    top, left = jax.random.randint(key, (2,), 0, 2 * padding + 1)
    return lax.dynamic_slice(padded, (top, left, 0), image.shape)


def random_flip(key: jax.Array, image: jax.Array) -> jax.Array:
    """Mirror left to right with probability 1/2."""
    return jnp.where(jax.random.bernoulli(key), image[:, ::-1, :], image)


def cutout(key: jax.Array, image: jax.Array, *, size: int) -> jax.Array:
    """Zero a square of side `size` >= 0 centred on a uniform pixel, clipped at the border (DeVries & Taylor 2017).

    On normalised images zero is the data set's mean, which is what the paper fills with.
    """
    if size == 0:
        return image
    height, width, _ = image.shape
    y = jax.random.randint(jax.random.fold_in(key, 0), (), 0, height)
    x = jax.random.randint(jax.random.fold_in(key, 1), (), 0, width)
    rows = (jnp.arange(height) >= y - size // 2) & (jnp.arange(height) < y - size // 2 + size)
    columns = (jnp.arange(width) >= x - size // 2) & (jnp.arange(width) < x - size // 2 + size)
    return jnp.where((rows[:, None] & columns[None, :])[..., None], jnp.zeros((), image.dtype), image)

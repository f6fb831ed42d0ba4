"""Corruptions: nothing at level 0, more damage at higher levels, never out of range."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft
import scipy.ndimage

from lamv.core.corruptions import CORRUPTIONS

SHAPES = [(8, 8, 1), (28, 28, 1), (32, 32, 3)]
LEVELS = np.array([0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1], np.float32)
IMAGES = 8
KEYS = jax.random.split(jax.random.key(0), IMAGES)
over_levels = {name: jax.vmap(corrupt, (None, None, 0)) for name, corrupt in CORRUPTIONS.items()}
compiled = {name: jax.jit(jax.vmap(corrupt, (0, 0, None))) for name, corrupt in over_levels.items()}


def images_of(shape):
    """(8, H, W, C): noise on a slope, with pixels at 0 and at 1."""
    rng = np.random.default_rng(0)
    slope = np.linspace(-0.5, 1, shape[0])[:, None, None] + np.linspace(0, 0.6, shape[1])[None, :, None]
    return np.clip(slope + 0.1 * rng.normal(size=(IMAGES, *shape)), 0, 1).astype(np.float32)


def at_levels(name, images, keys=KEYS):
    """(8, L, H, W, C): the corrupted images at each of LEVELS."""
    return np.asarray(compiled[name](keys, images, LEVELS))


every_corruption = pytest.mark.parametrize("name", CORRUPTIONS)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


@every_corruption
@every_shape
def test_level_0_is_the_identity_and_no_level_leaves_the_range(name, shape):
    images = images_of(shape)
    found = at_levels(name, images)
    assert found.shape == (IMAGES, len(LEVELS), *shape) and found.dtype == np.float32
    np.testing.assert_array_equal(found[:, 0], images)
    assert found.min() >= 0 and found.max() <= 1


@every_corruption
@every_shape
def test_damage_grows_with_the_level(name, shape):
    images = images_of(shape)
    damage = np.square(at_levels(name, images) - images[:, None]).mean(axis=(2, 3, 4))
    if name == "jpeg_like":  # rounding to coarser steps costs more on average, not in every image
        damage = damage.mean(axis=0, keepdims=True)
    assert np.all(np.diff(damage) > 0), f"mean squared difference at the levels {LEVELS}: {damage}"


@every_corruption
def test_a_compiled_batch_is_its_images_one_by_one(name):
    images = images_of((28, 28, 1))
    found = at_levels(name, images)
    for place in (0, 5):
        eager = CORRUPTIONS[name](KEYS[place], jnp.asarray(images[place]), LEVELS[4])
        np.testing.assert_allclose(found[place, 4], eager, atol=2e-6)


@every_corruption
def test_only_noise_depends_on_the_key(name):
    images = np.repeat(images_of((8, 8, 1))[:1], IMAGES, axis=0)
    found = at_levels(name, images, KEYS[np.array([0, 0, 1, 2, 3, 4, 5, 6])])
    np.testing.assert_array_equal(found[0], found[1])
    assert all(np.array_equal(found[0], other) == (name != "noise") for other in found[2:])


@pytest.mark.parametrize("name", ["blur", "contrast", "pixelate"])
@every_shape
def test_the_mean_of_every_channel_stays(name, shape):
    images = images_of(shape)
    found = at_levels(name, images).mean(axis=(2, 3), dtype=np.float64)
    expected = np.broadcast_to(images.mean(axis=(1, 2), dtype=np.float64)[:, None], found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_noise_has_the_deviation_of_its_level():
    images = np.full((IMAGES, 32, 32, 3), 0.5, np.float32)
    found = at_levels("noise", images)
    for level, noisy in zip(LEVELS[1:3], found.swapaxes(0, 1)[1:3], strict=True):
        assert abs(noisy.std() / level - 1) < 0.025, "24,576 draws tell a deviation within 5 standard errors, 2.3 %"
        assert abs(noisy.mean() - 0.5) < 5 * level / np.sqrt(noisy.size)


@pytest.mark.parametrize("shape", [(8, 8, 1), (12, 20, 1)], ids=str)
def test_blur_is_the_gaussian_filter_of_a_mirrored_image(shape):
    images = images_of(shape)
    for place, level in enumerate(LEVELS[1:], start=1):
        exact = images[0, ..., 0].astype(np.float64)
        expected = scipy.ndimage.gaussian_filter(exact, 4 * level, mode="reflect", radius=12)
        found = at_levels("blur", images)[0, place, ..., 0]
        np.testing.assert_allclose(found, expected, atol=2e-6, err_msg=f"level {level}")


def test_contrast_by_hand(run):
    image = np.array([[[0.0, 0.5], [1.0, 0.5]]], np.float32)
    contrast = run(CORRUPTIONS["contrast"])
    np.testing.assert_allclose(contrast(KEYS[0], image, 0.5), [[[0.25, 0.5], [0.75, 0.5]]])
    np.testing.assert_allclose(contrast(KEYS[0], image, 1.0), np.full((1, 2, 2), 0.5))


def test_pixelate_by_hand():
    image = np.arange(12, dtype=np.float32).reshape(4, 3, 1) / 12
    pixelate = jax.jit(CORRUPTIONS["pixelate"])
    blocks = np.array([[2, 2, 3.5], [2, 2, 3.5], [8, 8, 9.5], [8, 8, 9.5]])[..., None] / 12  # the last are cut: 2 x 1
    np.testing.assert_allclose(pixelate(KEYS[0], image, 1 / 3), blocks, rtol=1e-5)
    np.testing.assert_allclose(pixelate(KEYS[0], image, 1 / 6), (blocks + image) / 2, rtol=1e-5)
    np.testing.assert_allclose(pixelate(KEYS[0], image, 1.0), np.full((4, 3, 1), 5.5 / 12), rtol=1e-5)


@pytest.mark.parametrize("shape", [(8, 8, 1), (12, 20, 1)], ids=str)
def test_jpeg_like_rounds_the_cosine_transform(shape):
    """Against scipy's transform; a mild image, so that nothing is clipped."""
    images = (0.4 + 0.2 * images_of(shape)).astype(np.float32)
    padded = np.pad(images[0, ..., 0].astype(np.float64), ((0, -shape[0] % 8), (0, -shape[1] % 8)), mode="edge")
    found = at_levels("jpeg_like", images)[0, 3, ..., 0]
    step = 0.2 * (1 + np.arange(8)[:, None] + np.arange(8)[None]) / 8
    for top in range(0, shape[0], 8):
        for left in range(0, shape[1], 8):
            block = scipy.fft.dctn(padded[top : top + 8, left : left + 8] - 0.5, norm="ortho")
            rounded = scipy.fft.idctn(np.round(block / step) * step, norm="ortho") + 0.5
            part = found[top : top + 8, left : left + 8]
            np.testing.assert_allclose(part, rounded[: part.shape[0], : part.shape[1]], atol=1e-5)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_bytes_and_severities_are_refused(run, name):
    image = np.full((8, 8, 1), 200, np.uint8)
    with pytest.raises(TypeError, match="inputs are uint8, must be floats; divide .* by 255"):
        run(CORRUPTIONS[name])(KEYS[0], image, 0.5)
    for level in (5, -0.1, np.nan):
        with pytest.raises(ValueError, match="level is .*, must be in"):
            CORRUPTIONS[name](KEYS[0], np.float32(image) / 255, level)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_no_level_gives_no_image(name):
    found = jax.jit(CORRUPTIONS[name])(KEYS[0], np.full((8, 8, 1), 0.5, np.float32), jnp.float32(np.nan))
    assert np.isnan(found).all()

"""Augmentations: what may come out, and that all of it does."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.core.images import cutout, random_crop, random_flip

IMAGE = np.arange(1, 1 + 5 * 6 * 2, dtype=np.uint8).reshape(5, 6, 2)  # no two pixels alike, none zero
KEYS = jax.random.split(jax.random.key(0), 300)


def drawn(augment, image=IMAGE):
    """The augmented image for 300 keys."""
    return np.asarray(jax.jit(jax.vmap(augment, (0, None)))(KEYS, image))


@pytest.mark.parametrize("padding", [1, 2])
def test_a_crop_is_any_window_of_the_padded_image(padding):
    padded = np.pad(IMAGE, ((padding, padding), (padding, padding), (0, 0)))
    places = 2 * padding + 1
    windows = {padded[top : top + 5, left : left + 6].tobytes() for top in range(places) for left in range(places)}
    crops = drawn(partial(random_crop, padding=padding))
    assert crops.dtype == np.uint8 and crops.shape[1:] == IMAGE.shape
    assert {crop.tobytes() for crop in crops} == windows, "all windows, and nothing else, must turn up in 300 draws"


def test_a_flip_is_the_image_or_its_mirror_equally_often():
    flips = drawn(random_flip)
    assert flips.dtype == np.uint8
    mirrored = np.array([np.array_equal(flip, IMAGE[:, ::-1]) for flip in flips])
    same = np.array([np.array_equal(flip, IMAGE) for flip in flips])
    assert np.all(mirrored ^ same)
    assert abs(mirrored.sum() - 150) < 45, "300 fair draws lie within 5 standard deviations, 43, of 150"


@pytest.mark.parametrize("size", [1, 2, 20])
def test_cutout_zeroes_one_clipped_square(size):
    cuts = drawn(partial(cutout, size=size))
    assert cuts.dtype == np.uint8
    for cut in cuts:
        zeroed = (cut == 0).all(axis=-1)
        np.testing.assert_array_equal(cut, np.where(zeroed[..., None], 0, IMAGE), err_msg="a pixel outside was changed")
        rows, columns = zeroed.any(axis=1), zeroed.any(axis=0)
        np.testing.assert_array_equal(zeroed, np.outer(rows, columns), err_msg="what was zeroed is no rectangle")
        assert 1 <= rows.sum() <= size and 1 <= columns.sum() <= size
    assert max((cut == 0).all(axis=-1).sum() for cut in cuts) == min(size, 5) * min(size, 6)


def test_cutout_is_centred_on_every_pixel():
    centres = {tuple(np.argwhere(cut == 0)[0][:2]) for cut in drawn(partial(cutout, size=1))}
    assert len(centres) == 30


@pytest.mark.parametrize("augment", [partial(random_crop, padding=0), partial(cutout, size=0)])
def test_nothing_asked_nothing_done(augment):
    np.testing.assert_array_equal(augment(KEYS[0], IMAGE), IMAGE)


@pytest.mark.parametrize("augment", [partial(random_crop, padding=2), random_flip, partial(cutout, size=2)])
def test_images_of_floats_are_treated_as_those_of_bytes(augment):
    floats = drawn(augment, jnp.asarray(IMAGE, jnp.float32))
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(floats, drawn(augment))

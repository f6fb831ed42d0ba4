"""Cues of images by hand, where they lie, and what is common to all of them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.core.image_cues import ABSENT, IMAGE_CUES, gratings, palette
from lamv.core.shortcuts import cue_inputs, needs_partner, noise_shape, plant, planted_shape

RNG = np.random.default_rng(0)
#: Kind, shape of the image, number of classes.
CASES = [
    ("colour", (8, 8, 1), 2),
    ("colour", (8, 6, 1), 5),
    ("patch", (8, 8, 1), 4),
    ("patch", (9, 13, 3), 4),
    ("patch", (8, 8, 2), 2),
    ("watermark", (8, 8, 1), 10),
    ("watermark", (33, 40, 3), 100),
    ("colour_cast", (8, 8, 3), 3),
    ("frequency", (8, 8, 1), 10),
    ("frequency", (7, 10, 3), 4),
    ("dominoes", (6, 8, 3), 4),
    ("cat_channel", (6, 8, 3), 4),
]
cases = pytest.mark.parametrize("kind, shape, classes", CASES, ids=lambda value: str(value).replace(" ", ""))


def uniform(shape):
    return RNG.random(shape, np.float32)


def planted(kind, image, attribute, strength, classes, noise=0.0, partner=None, share=0.3):
    """One example with the cue; noise: one number, or an array of the noise's shape."""
    image = jnp.asarray(image)
    noise = jnp.broadcast_to(jnp.float32(noise), noise_shape(kind, image.shape, classes))
    partner = jnp.zeros_like(image) if partner is None else partner
    return plant(kind, image, attribute, strength, noise, num_classes=classes, partner=partner, share=share)


def test_two_colours_are_two_channels_and_the_other_one_is_zero(run):
    image = uniform((4, 5, 1))
    write = run(partial(planted, "colour", classes=2))
    for a in range(2):
        found = np.asarray(write(image, a, 1.0))
        np.testing.assert_array_equal(found[..., a], image[..., 0])
        np.testing.assert_array_equal(found[..., 1 - a], 0)
    grey = np.asarray(write(image, ABSENT, 1.0))
    np.testing.assert_allclose(grey, np.repeat(image / 2, 2, axis=2), rtol=1e-6)
    np.testing.assert_allclose(write(image, 1, 0.5), image * np.array([0.25, 0.75], np.float32), rtol=1e-6)


def test_more_colours_are_hues_of_three_channels(run):
    image = uniform((4, 5, 1))
    write = run(partial(planted, "colour", classes=4))
    # Hues of 0, 90, 180 and 270 degrees.
    colours = np.array([[1, 0, 0], [0.5, 1, 0], [0, 1, 1], [0.5, 0, 1]], np.float32)
    np.testing.assert_allclose(palette(4, 3), colours, atol=1e-6)
    for a in range(4):
        np.testing.assert_allclose(write(image, a, 1.0), image * colours[a], atol=1e-6)
    noisy = write(image, 0, 1.0, noise=jnp.array([0.1, -0.2, 0.3]))
    np.testing.assert_allclose(noisy, image * np.array([1.1, -0.2, 0.3], np.float32), atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
def test_colours_are_different_saturated_and_full(classes):
    colours = palette(classes, 3)
    assert len(np.unique(colours, axis=0)) == classes
    np.testing.assert_array_equal(colours.max(axis=1), 1)
    np.testing.assert_array_equal(colours.min(axis=1), 0)
    greys = palette(classes, 1)
    assert len(np.unique(greys)) == classes and greys.min() > 0 and greys.max() == 1


def test_a_patch_by_hand(run):
    image = uniform((8, 12, 3))
    write = run(partial(planted, "patch", classes=3))
    found = np.array(write(image, 2, 0.25, noise=jnp.array([0.0, 0.5, 0.0])))
    expected = image.copy()
    expected[:2, :2] = 0.75 * image[:2, :2] + np.array([0, 0.5, 0.25], np.float32)
    np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg="blue, a quarter opaque")
    np.testing.assert_array_equal(write(image, ABSENT, 0.25), image)
    grey = written("patch", image[..., :1], 1, 1.0, 4)
    np.testing.assert_array_equal(grey[:2, :2], 0.5)


def test_a_watermark_by_hand(run):
    image = np.zeros((9, 10, 1), np.float32)
    write = run(partial(planted, "watermark", classes=10))
    drawn = "\n".join("".join(".#"[int(on)] for on in row) for row in np.asarray(write(image, 4, 1.0))[-5:, -3:, 0])
    assert drawn == "#.#\n#.#\n###\n..#\n..#"
    found = np.asarray(write(image + 0.5, 4, 0.5))
    assert found[:4].max() == found[:, :7].max() == 0.5 and found[-1, -1] == 0.75, "white, half opaque, in the corner"


def test_the_numbers_of_a_watermark_are_different_and_grow_with_the_image():
    write = jax.jit(jax.vmap(lambda a: planted("watermark", np.zeros((32, 40, 1), np.float32), a, 1.0, 100)))
    marks = np.asarray(write(np.arange(100)))[..., 0]
    assert len(np.unique(marks.reshape(100, -1), axis=0)) == 100
    assert set(np.unique(marks)) == {0, 1}
    np.testing.assert_array_equal(np.flatnonzero(marks.any(axis=(0, 2))), np.arange(27, 32))
    large = written("watermark", np.zeros((30, 30, 1), np.float32), 8, 1.0, 10)[..., 0]
    np.testing.assert_array_equal(
        np.flatnonzero(large.any(axis=1)), np.arange(20, 30), "twice the size of the smallest"
    )


def test_a_colour_cast_by_hand(run):
    image = uniform((4, 5, 3))
    write = run(partial(planted, "colour_cast", classes=2))
    np.testing.assert_allclose(write(image, 0, 0.5), image / 2 + np.array([0.5, 0, 0], np.float32), rtol=1e-6)
    np.testing.assert_array_equal(write(image, ABSENT, 0.5), image)


@pytest.mark.parametrize("shape, classes", [((8, 8, 1), 24), ((7, 5, 3), 10), ((32, 32, 3), 100)])
def test_gratings_are_orthogonal_and_leave_the_mean_alone(shape, classes):
    waves = gratings(shape, classes).reshape(classes, -1).astype(np.float64)
    np.testing.assert_allclose(waves @ waves.T, np.eye(classes) * shape[0] * shape[1] / 2, atol=1e-4)
    np.testing.assert_allclose(waves.sum(axis=1), 0, atol=1e-4)


def test_the_first_gratings_have_a_period_of_four_pixels():
    first_two = gratings((8, 8, 1), 2)
    np.testing.assert_allclose(first_two[0], np.tile([1, 0, -1, 0], 2)[None].repeat(8, 0), atol=1e-6)
    np.testing.assert_allclose(first_two[1], first_two[0].T, atol=1e-6)


def test_the_amplitudes_of_gratings_are_those_asked_for(run):
    image, noise = uniform((8, 8, 3)), RNG.normal(size=5).astype(np.float32)
    for attribute, shown in ((3, 0.7), (ABSENT, 0.0)):
        found = run(partial(planted, "frequency", classes=5))(image, attribute, 0.7, noise=noise)
        amplitudes = np.einsum("khw,hwc->kc", gratings(image.shape, 5), found - image) / 32
        expected = noise + shown * (np.arange(5) == attribute)
        np.testing.assert_allclose(amplitudes, expected[:, None].repeat(3, 1), atol=1e-5)


def test_dominoes_by_hand(run):
    image, other = uniform((4, 5, 3)), uniform((4, 5, 3))
    write = run(partial(planted, "dominoes", classes=3))
    found = np.asarray(write(image, 1, 0.5, partner=other))
    np.testing.assert_array_equal(found, np.concatenate([0.5 * other, image]))
    np.testing.assert_array_equal(write(image, ABSENT, 0.5, partner=other)[:4], 0)


def test_cat_channel_by_hand(run):
    image, other = uniform((4, 5, 3)), uniform((4, 5, 3))
    write = run(partial(planted, "cat_channel", classes=4))
    found = write(image, 1, 1.0, partner=other, share=0.25)
    np.testing.assert_allclose(found, np.concatenate([0.25 * image, 0.75 * other], axis=2), rtol=1e-6)
    alone = write(image, ABSENT, 1.0, partner=other, share=0.25)
    np.testing.assert_array_equal(alone, np.concatenate([image, np.zeros_like(image)], axis=2))


def plain(kind, image, classes):
    """(image without the cue, where it is kept whole) as the cue leaves it; None where it is not kept."""
    if kind in ("patch", "watermark", "colour_cast", "frequency"):
        return image
    if kind == "dominoes":
        return np.concatenate([np.zeros_like(image), image])
    return None


compiled = jax.jit(planted, static_argnums=(0, 4))


def written(kind, image, attribute, strength, classes, noise=0.0, partner=None, share=0.3):
    """As `planted`, compiled once for each case."""
    noise = np.broadcast_to(np.float32(noise), noise_shape(kind, image.shape, classes))
    partner = np.zeros_like(image) if partner is None else partner
    numbers = np.int32(attribute), np.float32(strength), np.float32(share)
    return np.asarray(compiled(kind, image, *numbers[:2], classes, noise, partner, numbers[2]))


@pytest.mark.parametrize("kind, shape, classes", CASES[:-1])  # in cat_channel, absent means share 1: see above
def test_a_cue_without_strength_is_an_absent_cue(kind, shape, classes):
    image, noise = uniform(shape), 0.1 * uniform(noise_shape(kind, shape, classes))
    for level in (0.0, noise):
        absent = written(kind, image, ABSENT, 0.8, classes, level)
        for a in (0, classes - 1):
            found = written(kind, image, a, 0.0, classes, level, partner=uniform(shape))
            np.testing.assert_allclose(found, absent, rtol=1e-6, atol=1e-7)
    if plain(kind, image, classes) is not None:
        np.testing.assert_array_equal(written(kind, image, 1, 0.0, classes), plain(kind, image, classes))


@cases
def test_noise_is_added_as_it_is_whether_the_cue_is_there_or_not(kind, shape, classes):
    image, noise = uniform(shape), RNG.normal(size=noise_shape(kind, shape, classes)).astype(np.float32)
    added = [written(kind, image, a, 0.6, classes, noise) - written(kind, image, a, 0.6, classes) for a in (ABSENT, 1)]
    np.testing.assert_allclose(*added, atol=1e-5)
    assert np.abs(added[0]).max() > 0.1


@cases
def test_shape_and_place_are_those_that_are_written(kind, shape, classes):
    image, carries = uniform(shape), cue_inputs(kind, shape, classes)
    # Between the noise and all classes, every input of the cue is changed by something, and no other input.
    partner, base = 1 + uniform(shape), written(kind, image, ABSENT, 1.0, classes)
    changed = np.zeros(base.shape, bool)
    for a in range(-1, classes):
        changed |= written(kind, image, a, 1.0, classes, 3.0, partner, share=1.0) != base
    assert base.shape == planted_shape(kind, shape, classes)
    if carries is None:
        assert kind in ("colour", "colour_cast", "frequency") and changed.mean() > 0.9
    else:
        np.testing.assert_array_equal(carries, changed.reshape(-1))
        assert carries.any() and not carries.all()


@cases
def test_one_by_one_and_side_by_side_are_the_same(kind, shape, classes):
    images, partners, shares = uniform((classes + 1, *shape)), uniform((classes + 1, *shape)), uniform(classes + 1)
    noises = 0.1 * RNG.normal(size=(classes + 1, *noise_shape(kind, shape, classes))).astype(np.float32)
    attributes = np.arange(-1, classes)

    @jax.jit
    @jax.vmap
    def side_by_side(image, attribute, noise, partner, share):
        return planted(kind, image, attribute, 0.7, classes, noise, partner, share)

    singly = [
        written(kind, images[i], attributes[i], 0.7, classes, noises[i], partners[i], shares[i])
        for i in range(classes + 1)
    ]
    np.testing.assert_allclose(side_by_side(images, attributes, noises, partners, shares), singly, atol=1e-6)


def test_only_two_kinds_have_a_second_image():
    assert [kind for kind in ("tag", "pixel", *IMAGE_CUES) if needs_partner(kind)] == ["dominoes", "cat_channel"]


@pytest.mark.parametrize(
    "kind, shape, classes, words",
    [
        *((kind, (64,), 2, ("for images", "vectors", kind)) for kind in IMAGE_CUES),
        ("colour", (8, 8, 3), 2, ("grey", "3 channels", "colour_cast")),
        ("patch", (8, 8, 2), 3, ("1 or 3 channels", "have 2")),
        ("watermark", (4, 8, 1), 10, ("5 x 3 pixels", "4 x 8")),
        ("watermark", (8, 6, 1), 100, ("5 x 7 pixels", "8 x 6")),
        ("colour_cast", (8, 8, 1), 2, ("3 channels", "have 1", "colour suits")),
        ("frequency", (8, 8, 1), 25, ("24 gratings", "25 classes")),
        ("cat_channel", (8, 8, 1), 3, ("paired", "3", "even")),
    ],
)
def test_a_cue_that_does_not_fit_is_refused_in_one_line(kind, shape, classes, words):
    for refuses in (planted_shape, cue_inputs):
        with pytest.raises(ValueError) as caught:
            refuses(kind, shape, classes)
        message = str(caught.value)
        assert all(word in message for word in words) and "\n" not in message


@cases
def test_an_attribute_out_of_range_shows(kind, shape, classes):
    for wrong in (classes, -2, 255):
        found = written(kind, uniform(shape), wrong, 0.5, classes)
        assert np.isnan(found).any(), "and it is neither that of the last class nor absent"
    last = jax.jit(partial(planted, kind, strength=0.5, classes=classes))(uniform(shape), np.uint8(classes - 1))
    assert not np.isnan(last).any()


@cases
def test_bytes_are_refused(kind, shape, classes):
    with pytest.raises(TypeError, match="inputs are uint8, must be floats; divide .* by 255"):
        planted(kind, np.zeros(shape, np.uint8), 0, 0.5, classes)

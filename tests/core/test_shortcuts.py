"""Planted cues by hand, and attributes by their frequencies."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

from lamv.core.shortcuts import (
    ABSENT,
    PLACEMENTS,
    SHORTCUTS,
    cue_inputs,
    draw_attributes,
    draw_pairs,
    pixel,
    planted_shape,
    split_placements,
    tag,
)

VECTOR = jnp.array([5.0, 6.0])
IMAGE = jnp.arange(1.0, 1 + 2 * 3 * 2).reshape(2, 3, 2)
NO_NOISE = jnp.zeros(3)


def of_image(*pixels):
    """IMAGE with its first pixels overwritten, in all channels."""
    flat = np.array(IMAGE).reshape(6, 2)
    flat[: len(pixels)] = np.array(pixels)[:, None]
    return flat.reshape(IMAGE.shape)


@pytest.mark.parametrize("attribute, cue", [(0, (0.5, 0, 0)), (2, (0, 0, 0.5)), (ABSENT, (0, 0, 0))])
def test_tag_by_hand(run, attribute, cue):
    write = run(partial(tag, num_classes=3))
    np.testing.assert_allclose(write(VECTOR, attribute, 0.5, NO_NOISE), [5, 6, *cue])
    np.testing.assert_allclose(write(IMAGE, attribute, 0.5, NO_NOISE), of_image(*cue))


@pytest.mark.parametrize(
    "coding, attribute, value",
    [
        ("one_sided", 0, 0.0),
        ("one_sided", 1, 0.5),
        ("one_sided", ABSENT, 0.0),
        ("centred", 0, -0.5),
        ("centred", 1, 0.5),
        ("centred", ABSENT, 0.0),
    ],
)
def test_pixel_by_hand(run, coding, attribute, value):
    write = run(partial(pixel, num_classes=2, coding=coding))
    np.testing.assert_allclose(write(VECTOR, attribute, 0.5, NO_NOISE[:1]), [5, 6, value])
    np.testing.assert_allclose(write(IMAGE, attribute, 0.5, NO_NOISE[:1]), of_image(value))


@pytest.mark.parametrize("attribute, clean", [(1, (0, 2, 0)), (ABSENT, (0, 0, 0))])
def test_noise_is_written_whether_the_cue_is_there_or_not(run, attribute, clean):
    noise = jnp.array([0.1, -0.2, 0.3])
    write = run(partial(tag, num_classes=3))
    np.testing.assert_allclose(write(VECTOR, attribute, 2.0, noise)[2:], np.array(clean) + noise, rtol=1e-6)
    single = run(partial(pixel, num_classes=2, coding="one_sided"))(VECTOR, attribute, 2.0, noise[:1])
    np.testing.assert_allclose(single[2:], sum(clean) + noise[:1], rtol=1e-6)


@pytest.mark.parametrize("kind, num_classes", [("tag", 3), ("pixel", 2)])
@pytest.mark.parametrize("inputs", [VECTOR, IMAGE], ids=["vector", "image"])
def test_shape_and_place_are_those_that_are_written(kind, num_classes, inputs):
    size = num_classes if kind == "tag" else 1
    write = partial(SHORTCUTS[kind], num_classes=num_classes, coding="centred")
    written = [np.asarray(write(inputs, 1, 0.0, jnp.full(size, filler))) for filler in (100.0, 200.0)]
    assert written[0].shape == planted_shape(kind, inputs.shape, num_classes)
    changed = (written[0] != written[1]).reshape(-1)
    np.testing.assert_array_equal(cue_inputs(kind, inputs.shape, num_classes), changed)


@pytest.mark.parametrize("kind, num_classes, shape", [("tag", 6, (2, 3, 1)), ("pixel", 2, (1, 1, 3)), ("tag", 4, (0,))])
def test_a_cue_that_just_fits_is_taken(kind, num_classes, shape):
    assert cue_inputs(kind, shape, num_classes).all(), "the cue covers every input here"


@pytest.mark.parametrize(
    "kind, num_classes, shape, words",
    [
        ("tag", 7, (2, 3, 1), ("tag", "7 classes", "2 x 3")),
        ("pixel", 3, (2, 3, 1), ("pixel", "two classes", "3")),
        ("pixel", 10, (4,), ("pixel", "two classes", "10")),
    ],
)
def test_a_cue_that_does_not_fit_is_refused_in_one_line(kind, num_classes, shape, words):
    for refuses in (planted_shape, cue_inputs):
        with pytest.raises(ValueError) as caught:
            refuses(kind, shape, num_classes)
        message = str(caught.value)
        assert all(word in message for word in words) and "\n" not in message


LABELS = np.arange(30_000) % 5


def attributes(placement, reliability=0.7):
    return draw_attributes(np.random.default_rng(0), LABELS, 5, placement=placement, reliability=reliability)


@pytest.mark.parametrize("reliability", [0.0, 0.2, 0.7, 1.0])
def test_the_cue_says_the_label_as_often_as_asked(reliability):
    drawn = attributes("as_train", reliability)
    deviation = np.sqrt(reliability * (1 - reliability) / len(LABELS))
    assert np.mean(drawn == LABELS) == pytest.approx(reliability, abs=5 * deviation)


@pytest.mark.parametrize("placement", ["as_train", "conflicting"])
def test_what_is_not_the_label_is_any_other_class_equally_often(placement):
    drawn = attributes(placement)
    wrong = drawn != LABELS
    counts = np.bincount((drawn - LABELS)[wrong] % 5, minlength=5)
    assert counts[0] == 0
    expected = wrong.sum() / 4
    assert np.all(np.abs(counts[1:] - expected) < 5 * np.sqrt(expected))


def test_placements_are_what_their_names_say():
    np.testing.assert_array_equal(attributes("aligned"), LABELS)
    assert not np.any(attributes("conflicting") == LABELS)
    assert np.all(attributes("absent") == ABSENT)
    random = attributes("random")
    pairs = np.bincount(5 * LABELS + random, minlength=25)
    assert np.all(np.abs(pairs - 1200) < 5 * np.sqrt(1200)), "a random cue must know nothing of the label"


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_attributes_are_classes_or_absent(placement):
    drawn = attributes(placement)
    assert drawn.dtype == np.int32 and drawn.shape == LABELS.shape
    assert drawn.max() < 5 and drawn.min() >= (ABSENT if placement == "absent" else 0)


def test_every_example_may_have_a_reliability_of_its_own():
    reliability = np.where(np.arange(len(LABELS)) % 3 == 0, 0.9, 0.2)
    agrees = attributes("as_train", reliability) == LABELS
    for value in (0.9, 0.2):
        own = agrees[reliability == value]
        assert own.mean() == pytest.approx(value, abs=5 * np.sqrt(value * (1 - value) / len(own)))


@pytest.mark.parametrize("kind", SHORTCUTS)
def test_test_splits_are_named_after_their_placements(kind):
    named = split_placements(kind)
    assert set(named.values()) <= set(PLACEMENTS) and list(named)[0] == "test"
    assert all(name == f"test_{placement}" for name, placement in named.items() if name != "test")
    assert len(named) == (2 if kind == "cat_channel" else len(PLACEMENTS))


@pytest.mark.parametrize("classes", [2, 4, 10])
def test_pairs_are_a_perfect_matching(classes):
    for seed in range(20):
        partner = draw_pairs(np.random.default_rng(seed), classes)
        np.testing.assert_array_equal(partner[partner], np.arange(classes))
        assert np.all(partner != np.arange(classes)) and partner.dtype == np.int32


def test_all_pairings_are_equally_likely():
    rng = np.random.default_rng(0)
    partners_of_zero = np.bincount([draw_pairs(rng, 4)[0] for _ in range(3000)], minlength=4)
    assert partners_of_zero[0] == 0
    assert np.all(np.abs(partners_of_zero[1:] - 1000) < 5 * np.sqrt(1000))


@pytest.mark.parametrize("wrong", [3, -2, 255])
def test_an_attribute_out_of_range_is_nan_and_not_absent(run, wrong):
    found = run(partial(tag, num_classes=3))(VECTOR, wrong, 0.5, NO_NOISE)
    np.testing.assert_array_equal(found, [5, 6, np.nan, np.nan, np.nan])
    found = run(partial(pixel, num_classes=2, coding="centred"))(VECTOR, wrong, 0.5, NO_NOISE[:1])
    np.testing.assert_array_equal(found, [5, 6, np.nan])


def test_an_attribute_of_a_narrow_type_does_not_wrap(run):
    found = run(partial(tag, num_classes=300))(VECTOR, np.uint8(5), 1.0, jnp.zeros(300))
    np.testing.assert_array_equal(np.flatnonzero(found[2:]), [5])


def test_a_cue_is_not_written_into_integers(run):
    """Its strength, of less than 1, would be 0 there."""
    with pytest.raises(TypeError, match="inputs are uint8, must be floats"):
        run(partial(tag, num_classes=3))(np.zeros((2, 3, 1), np.uint8), 1, 0.5, NO_NOISE)
    with pytest.raises(ValueError, match="coding is 'both'; use one of one_sided, centred"):
        pixel(VECTOR, 1, 0.5, NO_NOISE[:1], num_classes=2, coding="both")


@pytest.mark.parametrize(
    "labels, options, message",
    [
        ([0, 255], {"placement": "conflicting"}, r"labels hold 255, must be in \[0, 5\)"),
        ([0, -1], {"placement": "as_train"}, r"labels hold -1, must be in \[0, 5\)"),
        ([0, 1], {"placement": "as_train", "reliability": 95}, r"reliability is 95, must be in \[0, 1\]"),
        ([0, 1], {"placement": "as_train", "reliability": np.array([0.5, np.nan])}, r"must be in \[0, 1\]"),
        ([0, 1], {"placement": "conflict"}, "placement is 'conflict'; use one of as_train,"),
    ],
)
def test_attributes_that_cannot_be_drawn(labels, options, message):
    with pytest.raises(ValueError, match=message):
        draw_attributes(np.random.default_rng(0), np.array(labels), 5, **{"reliability": 0.5, **options})

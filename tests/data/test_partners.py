"""Images of another data set in the shape of one's own, and who gets which."""

import numpy as np
import pytest

from lamv import config as configs
from lamv import data
from lamv.core.shortcuts import ABSENT
from lamv.data.partners import beside, draw_partners, fitted, with_partners
from lamv.data.resident import examples_of
from lamv.data.splits import Normalisation, Split, Splits
from lamv.errors import ConfigError
from lamv.rows import expand


def grey(*rows):
    return np.array(rows, np.uint8)[None, :, :, None]


def test_small_images_are_enlarged_by_a_whole_factor_and_put_into_the_middle_of_black():
    found = fitted(grey([10, 20], [30, 40]), 255.0, (5, 6, 1))
    expected = np.zeros((5, 6), np.uint8)
    expected[:4, 1:5] = np.array([[10, 20], [30, 40]]).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(found[0, ..., 0], expected)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(fitted(grey([7, 8]), 255.0, (3, 3, 1))[0, ..., 0], [[0, 0, 0], [7, 8, 0], [0, 0, 0]])


def test_large_images_are_reduced_by_means_over_areas():
    image = np.arange(24, dtype=np.uint8).reshape(1, 4, 6, 1) * 10
    np.testing.assert_array_equal(fitted(image, 255.0, (2, 3, 1))[0, ..., 0], [[35, 55, 75], [155, 175, 195]])
    # Three pixels into two: the middle one is shared.
    np.testing.assert_array_equal(
        fitted(grey([30, 90, 60], [30, 90, 60], [30, 90, 60]), 255.0, (2, 2, 1))[0, ..., 0], [[50, 70], [50, 70]]
    )
    wide = fitted(np.full((3, 4, 8, 1), 200, np.uint8), 255.0, (4, 4, 1))
    np.testing.assert_array_equal(wide[:, 1:3], 200)
    np.testing.assert_array_equal(wide[:, [0, 3]], 0, "the sides keep their proportion")


def test_units_and_channels_are_those_that_are_wanted():
    np.testing.assert_array_equal(fitted(grey([0, 8, 16]), 16.0, (1, 3, 1))[0, 0, :, 0], [0, 128, 255])
    coloured = fitted(grey([0, 9]), 255.0, (1, 2, 3))
    np.testing.assert_array_equal(coloured[0, 0], [[0, 0, 0], [9, 9, 9]])
    back = fitted(np.array([10, 20, 60], np.uint8).reshape(1, 1, 1, 3), 255.0, (1, 1, 1))
    assert back.item() == 30


def test_partners_are_of_the_class_asked_for_and_all_are_used_equally_often():
    labels = np.array([1, 0, 1, 2, 1, 0])
    attributes = np.tile([0, 1, 2, ABSENT], 1500)
    found = draw_partners(np.random.default_rng(0), attributes, 10 + np.arange(6), labels, whose="mnist (train)")
    shown = attributes != ABSENT
    np.testing.assert_array_equal(labels[found[shown] - 10], attributes[shown])
    np.testing.assert_array_equal(found[~shown], 0)
    counts = np.bincount(found[shown] - 10, minlength=6)
    expected = np.array([500, 750, 500, 1500, 500, 750])
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected)) and found.dtype == np.int32


def test_a_class_without_images_is_refused_in_one_line():
    with pytest.raises(ConfigError) as caught:
        draw_partners(np.random.default_rng(0), np.array([0, 2]), np.arange(2), np.array([0, 1]), whose="mnist (test)")
    message = str(caught.value)
    assert "class 2" in message and "mnist (test)" in message and "\n" not in message


def images_of(number, classes, shape=(4, 4, 1), name="own"):
    labels = (np.arange(number) % classes).astype(np.int32)
    inputs = np.broadcast_to(labels.reshape(-1, 1, 1, 1), (number, *shape)).astype(np.uint8)
    part = Split(inputs, labels, np.arange(number))
    return Splits(name, {"train": part, "test": part}, tuple("abcdefgh"[:classes]), Normalisation(255.0))


@pytest.mark.parametrize("classes, pixels", [((), [0, 1]), ((3, 1), [3, 1])])
def test_the_classes_that_say_something_are_those_named(classes, pixels):
    paired = beside(images_of(10, 2), images_of(12, 4, name="others"), classes)
    assert paired.num_classes == 2 and paired.partners.num_classes == 2
    for part in paired.partners.parts.values():
        np.testing.assert_array_equal(part.inputs[:, 0, 0, 0], np.array(pixels)[part.labels])
        assert len(part.labels) == 6
    assert len(examples_of(paired).partners) == 12


@pytest.mark.parametrize(
    "own, others, classes, words",
    [
        (images_of(8, 4), images_of(6, 3), (), ("()", "4 classes", "has 3")),
        (images_of(8, 2), images_of(6, 3), (0, 1, 2), ("(0, 1, 2)", "2 classes")),
        (images_of(8, 2), images_of(6, 3), (0, 3), ("images_classes is (0, 3)", "below 3")),
        (images_of(8, 2), data.load("diabetes"), (), ("dominoes", "diabetes")),
        (data.load("diabetes"), images_of(8, 2), (), ("dominoes", "diabetes")),
    ],
)
def test_data_that_cannot_be_put_above_is_refused_in_one_line(own, others, classes, words):
    with pytest.raises(ConfigError) as caught:
        beside(own, others, classes)
    message = str(caught.value)
    assert all(word in message for word in words) and "\n" not in message


def test_the_data_set_is_read_by_its_name():
    knobs = {"steps": 1, "data.shortcut.kind": "dominoes", "data.shortcut.images": "digits"}
    (row,) = expand(configs.defaults(), knobs)
    paired = with_partners(images_of(20, 2, shape=(16, 20, 3)), row.config.data)
    digits = data.load("digits").parts["all"]
    found = paired.partners.parts["all"]
    assert found.inputs.shape == ((digits.labels < 2).sum(), 16, 20, 3)
    first = digits.inputs[digits.labels < 2][0].astype(float) * 255 / 16
    np.testing.assert_allclose(found.inputs[0, ::2, 2:18:2], first.repeat(3, axis=2), atol=0.5)
    (row,) = expand(configs.defaults(), {"steps": 1})
    with pytest.raises(ConfigError, match="data.shortcut.images"):
        with_partners(images_of(20, 2), row.config.data)

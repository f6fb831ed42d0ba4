"""How a run sees a data set: its splits, cues and placements."""

import hashlib

import numpy as np
import pytest
from small_splits import DIGITS, NAMES, OFFICIAL, TAG, UNCUT, part, planned

from lamv.core.shortcuts import ABSENT
from lamv.data.classes import select_classes
from lamv.data.cuts import cut
from lamv.data.partners import beside
from lamv.data.resident import examples_of
from lamv.data.splits import Normalisation, Split, Splits
from lamv.errors import ConfigError

# Split indices


def test_examples_are_all_parts_in_order():
    examples = examples_of(OFFICIAL)
    np.testing.assert_array_equal(examples.inputs[:, 0, 0, 0], np.arange(28))
    np.testing.assert_array_equal(examples.labels, np.arange(28) % 4)


def test_every_replica_has_the_cut_of_its_seed():
    view = planned(seeds=(3, 8), knobs={"data.train_size": 12})
    assert view.train.rows.shape == (2, 12) and view.tests["test"].rows.shape == (2, 18)
    for r, seed in enumerate((3, 8)):
        train, test, *_ = cut(UNCUT, seed, 12)
        np.testing.assert_array_equal(view.train.rows[r], train)
        np.testing.assert_array_equal(view.tests["test"].rows[r], test)


def test_without_a_cue_there_is_one_test_set_and_no_group():
    view = planned()
    assert list(view.tests) == ["test"] and view.num_groups == 0 and view.cue is None
    assert view.shape == (2, 3, 1) and view.num_classes == 4
    assert view.num_attributes == view.num_environments == 0 and view.group_counts.shape == (1, 0)
    for index in (view.train, view.tests["test"]):
        assert np.all(index.attributes == ABSENT) and np.all(index.groups == 0)
        assert {values.dtype for values in index[:3]} == {np.dtype(np.int32)}
        assert index[3:] == ((), (), ())


def test_the_groups_of_the_data_are_used_where_there_is_no_cue():
    groups = np.array([5, 2] * 15, np.int32)
    view = planned(Splits("grouped", {"all": part(30, groups=groups)}, NAMES))
    assert view.num_groups == 6
    np.testing.assert_array_equal(view.train.groups, groups[view.train.rows])


@pytest.mark.parametrize(
    "knobs, shape, where",
    [
        (TAG, (2, 3, 1), range(4)),
        (TAG | {"data.flatten": True}, (10,), range(6, 10)),
        ({"data.shortcut.kind": "none", "data.flatten": True}, (6,), None),
    ],
)
def test_the_shape_is_what_the_network_sees(knobs, shape, where):
    view = planned(knobs=knobs)
    assert view.shape == shape
    if where is None:
        assert view.cue is None
    else:
        np.testing.assert_array_equal(np.flatnonzero(view.cue), where)


def test_placements_of_the_cue_in_the_test_sets():
    big = Splits("big", {"all": part(6000, shape=(1, 4, 1))}, NAMES)
    view = planned(big, (0, 1), TAG | {"data.shortcut.reliability": 0.8})
    assert list(view.tests) == ["test", "test_aligned", "test_random", "test_conflicting", "test_absent"]
    labels = big.parts["all"].labels
    agreement = {
        name: (index.attributes == labels[index.rows]).mean(axis=1)
        for name, index in {"train": view.train, **view.tests}.items()
    }
    expected = {
        "train": (0.8, 0.04),
        "test": (0.8, 0.05),
        "test_aligned": (1, 0),
        "test_random": (0.25, 0.05),
        "test_conflicting": (0, 0),
        "test_absent": (0, 0),
    }
    for name, (share, within) in expected.items():
        np.testing.assert_allclose(agreement[name], share, rtol=0, atol=within, err_msg=name)
    assert np.all(view.tests["test_absent"].attributes == ABSENT)
    for index in view.tests.values():
        np.testing.assert_array_equal(index.rows, view.tests["test"].rows, err_msg="a placement moves no example")


def test_a_group_is_label_times_classes_plus_attribute():
    view = planned(knobs=TAG | {"data.shortcut.reliability": 0.5})
    assert view.num_groups == 16
    labels = UNCUT.parts["all"].labels
    for name, index in {"train": view.train, **view.tests}.items():
        if name == "test_absent":
            np.testing.assert_array_equal(index.groups, 16, err_msg="no cue, no group: the index past the last one")
        else:
            np.testing.assert_array_equal(index.groups, labels[index.rows] * 4 + index.attributes)


def test_attributes_are_drawn_by_the_seed():
    knobs = TAG | {"data.shortcut.reliability": 0.5}
    first, again = planned(OFFICIAL, (0, 1), knobs), planned(OFFICIAL, (1, 0), knobs)
    np.testing.assert_array_equal(first.train.attributes, again.train.attributes[::-1])
    assert not np.array_equal(first.train.attributes[0], first.train.attributes[1])


@pytest.mark.parametrize(
    "splits, kind, words",
    [
        (UNCUT, "pixel", ("'pixel'", "two classes", "4")),
        (Splits("small", {"all": part(30, shape=(1, 3, 1))}, NAMES), "tag", ("'tag'", "4 classes", "1 x 3")),
    ],
)
def test_a_cue_that_does_not_fit_is_refused_in_one_line(splits, kind, words):
    with pytest.raises(ConfigError) as caught:
        planned(splits, knobs={"data.shortcut.kind": kind})
    message = str(caught.value)
    assert all(word in message for word in words) and "\n" not in message


# What must not change


def digest(view):
    found = hashlib.sha256()
    for name, index in {"train": view.train, **view.tests, "validation": view.validation}.items():
        if index is not None:
            found.update(name.encode())
            for values in index[:3]:
                assert values.dtype == np.int32
                found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()


def digits_in_parts():
    part, names = DIGITS.parts["all"], ("train", "test")
    parts = {name: Split(*(v[at] for v in part[:3])) for name, at in zip(names, np.s_[:1000, 1000:], strict=True)}
    return Splits("official", parts, DIGITS.class_names, DIGITS.normalisation)


@pytest.mark.parametrize(
    "parts, classes, knobs, expected",
    [
        (
            "all",
            (),
            TAG | {"data.train_size": 1200},
            "f3a91caf9dc4e32537ea5516cb7320ddbc3172301a55be912d2bd1af85a3713e",
        ),
        (
            "all",
            (3, 8),
            {"data.shortcut.kind": "pixel", "data.shortcut.reliability": 0.9, "data.train_size": 200},
            "41cb3a5ac7751f5ab10e7978d3b25343eb3abc5e80c2ca278429d0c1250bcdb6",
        ),
        (
            "official",
            (),
            TAG | {"data.shortcut.reliability": 0.7, "data.train_size": 600},
            "d56c2f438b914ccb05d3a12caba74469a3cde3247b49243bd8c4b6f718a3f5cb",
        ),
        ("official", (), {"data.train_size": 600}, "fe06827543c7f6fb13d92f66f5db595c47581d3c80e6ba769f512ae16b4f0b5d"),
    ],
)
def test_split_indices_are_recorded(parts, classes, knobs, expected):
    splits = select_classes(DIGITS if parts == "all" else digits_in_parts(), classes)
    assert digest(planned(splits, (0, 1, 7), knobs)) == expected, (
        "split indices at the defaults of all other knobs are not what they were: results recorded so far are no longer those of"
        " their seeds. Either a stream of random numbers was renumbered, or numpy's generators changed"
    )


def test_validation_is_the_last_split_and_moves_no_other_split():
    knobs = TAG | {"data.train_size": 12, "data.shortcut.reliability": 0.5}
    without, found = planned(OFFICIAL, (0, 1), knobs), planned(OFFICIAL, (0, 1), knobs | {"data.valid_size": 8})
    assert list(found.tests) == [*without.tests, "valid"]
    assert found.validation is found.tests["valid"]
    for name, index in {"train": without.train, **without.tests}.items():
        now = found.train if name == "train" else found.tests[name]
        for before, after in zip(index[:3], now[:3], strict=True):
            np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(found.validation.rows, without.validation.rows)


# Cues that are made of a second image


OTHERS = Splits("others", {"train": part(16, shape=(2, 3, 1)), "test": part(12, first_id=16, shape=(2, 3, 1))}, NAMES,
                Normalisation(255.0))  # fmt: skip


DOMINOES = {"data.shortcut.kind": "dominoes", "data.shortcut.reliability": 0.6}


def test_dominoes_have_an_image_of_the_class_that_they_should_above():
    splits = beside(Splits("big", {"all": part(2000)}, NAMES, Normalisation(255.0)), OTHERS)
    images = examples_of(splits).partners
    assert images.shape == (28, 2, 3, 1) and images.dtype == np.uint8
    view = planned(splits, (0, 1), DOMINOES | {"data.valid_size": 200})
    assert view.shape == view.raw_shape == (4, 3, 1) and view.cue.reshape(4, 3)[:2].all() and view.cue.sum() == 6
    for name, index in {"train": view.train, **view.tests}.items():
        if name == "test_absent":
            np.testing.assert_array_equal(index.partners, 0)
            continue
        of_train = images[index.partners][..., 0, 0, 0] < 16
        np.testing.assert_array_equal(of_train, np.full_like(of_train, not name.startswith("test")), err_msg=name)
        np.testing.assert_array_equal(images[index.partners][..., 0, 0, 0] % 4, index.attributes, err_msg=name)
        few = 16 if not name.startswith("test") else 12
        counts = np.bincount(index.partners.reshape(-1), minlength=28)
        assert (counts > 0).sum() == few, "every image is put above some example"
    assert not np.array_equal(view.train.partners[0], view.train.partners[1])


def test_dominoes_of_a_data_set_without_parts_are_cut_by_the_seed():
    splits = beside(Splits("big", {"all": part(600)}, NAMES, Normalisation(255.0)), Splits("o", {"all": part(40)}, NAMES,
                    Normalisation(255.0)))  # fmt: skip
    view = planned(splits, (0, 1, 2), DOMINOES)
    for r in range(3):
        above = {name: set(index.partners[r]) for name, index in {"train": view.train, **view.tests}.items()}
        for name in ("test", "test_aligned", "test_random", "test_conflicting"):
            assert not above["train"] & above[name]


def test_dominoes_without_another_data_set_are_refused_in_one_line():
    with pytest.raises(ConfigError, match="data.shortcut.images"):
        planned(UNCUT, knobs=DOMINOES)


def test_cat_channel_pairs_classes_by_the_seed():
    splits = Splits("big", {"all": part(400)}, NAMES, Normalisation(255.0, (0.5,), (0.2,)))
    view = planned(splits, range(12), {"data.shortcut.kind": "cat_channel", "data.valid_size": 40})
    assert list(view.tests) == ["test", "test_aligned", "valid"] and view.shape == (2, 3, 2)
    pairings = set()
    for r in range(12):
        for index in (view.train, view.tests["test_aligned"], view.tests["valid"]):
            labels = index.rows[r] % 4
            pairing = np.array([index.attributes[r][labels == label][0] for label in range(4)])
            np.testing.assert_array_equal(index.attributes[r], pairing[labels])
            np.testing.assert_array_equal(index.partners[r] % 4, index.attributes[r])
            assert set(index.partners[r]) <= set(index.rows[r]), "training and test images stay apart"
            pairings.add(tuple(pairing))
    assert pairings == {(1, 0, 3, 2), (2, 3, 0, 1), (3, 2, 1, 0)}
    test = view.tests["test"]
    assert np.all(test.attributes == ABSENT) and np.all(test.groups == 16)
    np.testing.assert_array_equal(test.rows, view.tests["test_aligned"].rows)


def test_the_second_image_is_normalised_as_the_first():
    colours = Splits("colours", {"all": part(40, shape=(2, 3, 3))}, NAMES, Normalisation(255.0, (1, 2, 3), (4, 5, 6)))
    view = planned(colours, knobs={"data.shortcut.kind": "cat_channel"})
    assert view.normalisation == Normalisation(255.0, (1, 2, 3, 1, 2, 3), (4, 5, 6, 4, 5, 6))
    assert planned(colours, knobs=TAG).normalisation == colours.normalisation


@pytest.mark.parametrize(
    "shape, kind, flatten, expected, raw",
    [
        ((8, 8, 1), "colour", True, (192,), (8, 8, 3)),
        ((8, 8, 3), "patch", True, (192,), (8, 8, 3)),
        ((8, 8, 3), "frequency", False, (8, 8, 3), (8, 8, 3)),
        ((8, 8, 1), "tag", True, (68,), (8, 8, 1)),
        ((8, 8, 1), "cat_channel", True, (128,), (8, 8, 2)),
    ],
)
def test_a_cue_of_images_is_planted_before_they_are_flattened(shape, kind, flatten, expected, raw):
    splits = Splits("s", {"all": part(40, shape=shape)}, NAMES)
    view = planned(splits, knobs={"data.shortcut.kind": kind, "data.flatten": flatten})
    assert (view.shape, view.raw_shape) == (expected, raw)
    assert (view.cue is None) == (kind in ("colour", "frequency"))
    if view.cue is not None:
        assert view.cue.shape == (np.prod(expected),)


@pytest.mark.parametrize(
    "shape, kind, words",
    [
        ((6,), "patch", ("'patch'", "for images", "vectors")),
        ((2, 3, 1), "colour_cast", ("'colour_cast'", "3 channels", "have 1")),
        ((2, 3, 1), "watermark", ("'watermark'", "2 x 3")),
    ],
)
def test_a_cue_of_images_that_does_not_fit_is_refused_in_one_line(shape, kind, words):
    splits = Splits("s", {"all": part(30, shape=shape)}, NAMES)
    with pytest.raises(ConfigError) as caught:
        planned(splits, knobs={"data.shortcut.kind": kind, "data.flatten": True})
    message = str(caught.value)
    assert all(word in message for word in words) and "\n" not in message

"""Classes that are selected and merged, and the groups that follow."""

import numpy as np
import pytest
from small_splits import NAMES, OFFICIAL, UNCUT, clean_labels, part, planned, with_attributes

from lamv.data.classes import select_classes, unseen_classes
from lamv.data.splits import Normalisation, Splits
from lamv.errors import ConfigError


def test_classes_are_kept_and_renumbered_in_the_order_given():
    groups = np.arange(30, dtype=np.int32) % 3
    kept = select_classes(Splits("g", {"all": part(30, groups=groups)}, NAMES, Normalisation(9.0)), (3, 1))
    found = kept.parts["all"]
    np.testing.assert_array_equal(found.ids % 2, 1)
    np.testing.assert_array_equal(found.labels, np.where(found.ids % 4 == 3, 0, 1))
    np.testing.assert_array_equal(found.inputs[:, 0, 0, 0], found.ids)
    np.testing.assert_array_equal(found.groups, found.ids % 3)
    assert found.labels.dtype == np.int32 and len(found.ids) == 15
    assert kept.class_names == ("three", "one") and kept.normalisation == Normalisation(9.0)


def test_classes_are_selected_in_every_part_and_sources_are_kept():
    kept = select_classes(OFFICIAL, (0, 2))
    assert {name: len(found.labels) for name, found in kept.parts.items()} == {"train": 10, "test": 4}
    assert select_classes(UNCUT, (0, 1)).sources == UNCUT.sources


def test_no_classes_named_keeps_all():
    assert select_classes(UNCUT, ()) is UNCUT


@pytest.mark.parametrize("classes", [(0, 4), (1, 1), (2,)])
def test_unknown_or_repeated_classes_are_refused_in_one_line(classes):
    with pytest.raises(ConfigError) as caught:
        select_classes(UNCUT, classes)
    message = str(caught.value)
    assert str(classes) in message and "below 4" in message and "uncut" in message and "\n" not in message


# Superclasses


def test_superclasses_put_classes_together():
    together = select_classes(UNCUT, (), (0, 1, 0, 1))
    assert together.class_names == ("zero|two", "one|three") and together.num_classes == 2
    found = together.parts["all"]
    np.testing.assert_array_equal(found.labels, found.ids % 2)
    assert found.labels.dtype == np.int32 and together.sources == UNCUT.sources


def test_superclasses_are_of_the_classes_that_were_selected():
    together = select_classes(OFFICIAL, (3, 0, 1), (1, 1, 0))
    assert together.class_names == ("one", "three|zero")
    for name in ("train", "test"):
        found = together.parts[name]
        np.testing.assert_array_equal(found.labels, found.ids % 4 != 1)


@pytest.mark.parametrize("superclasses", [(0, 1), (0, 0, 0, 0), (0, 2, 2, 0), (0, 1, 0, 1, 0)])
def test_superclasses_that_do_not_fit_are_refused_in_one_line(superclasses):
    with pytest.raises(ConfigError) as caught:
        select_classes(UNCUT, (), superclasses)
    message = str(caught.value)
    assert str(superclasses) in message and "4 classes" in message and "(0, 0, 1, 1)" in message
    assert "\n" not in message


def test_groups_of_attributes_follow_the_labels():
    selected = select_classes(with_attributes(), (3, 1, 0), (1, 0, 1))
    for knobs in ({}, {"data.label_flip": 0.5}):
        view = planned(selected, knobs=knobs)
        labels = clean_labels(selected, view.train.rows) if not knobs else view.train.labels
        np.testing.assert_array_equal(view.train.groups, labels * 3 + view.train.attributes)
        assert view.num_groups == 6
    np.testing.assert_array_equal(
        selected.parts["all"].groups, selected.parts["all"].labels * 3 + selected.parts["all"].attributes
    )


def test_the_unseen_classes_are_those_that_were_not_selected():
    unseen, whole = unseen_classes(UNCUT, (3, 0)), UNCUT.parts["all"]
    assert unseen.class_names == tuple(UNCUT.class_names[c] for c in (1, 2))
    kept = np.isin(whole.labels, (1, 2))
    np.testing.assert_array_equal(unseen.parts["all"].labels, whole.labels[kept] - 1)
    np.testing.assert_array_equal(unseen.parts["all"].inputs, whole.inputs[kept])


@pytest.mark.parametrize("classes", [(), (0, 1, 2)])
def test_one_class_or_none_left_out_is_nothing_to_probe_on(classes):
    with pytest.raises(ConfigError, match="must leave out two or more of the 4 classes"):
        unseen_classes(UNCUT, classes)

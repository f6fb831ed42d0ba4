"""The description of the data that a run logs at its start, and keeps."""

import json

import numpy as np
import pytest

from lamv import config as configs
from lamv.data import description
from lamv.data.splits import Split, Splits

RNG = np.random.default_rng(0)


def splits(inputs=None, **changes):
    inputs = RNG.normal(size=(4, 3)).astype(np.float32) if inputs is None else inputs
    part = Split(inputs, np.array([0, 1, 0, 1], np.int32), np.arange(4), **changes.pop("part", {}))
    return Splits("mine", {"train": part, "test": part}, ("bear", "cow"), **changes)


def config(**knobs):
    found = configs.defaults()
    for key, value in knobs.items():
        *parents, leaf = key.split("__")
        node = found
        for parent in parents:
            node = node[parent]
        node[leaf] = value
    return found


def test_classes_groups_and_sizes_are_described_in_words():
    own = {"groups": np.array([0, 3, 1, 2]), "attributes": np.array([0, 1, 1, 0])}
    data = splits(attribute_names=("sand", "snow"), crossing="{label} on {attribute}", part=own, notes=("a note",))
    found = description.described(data, description.names_of(data, "none"), ["another"])
    assert found["groups"] == ["bear on sand", "bear on snow", "cow on sand", "cow on snow"]
    assert found["counts"] == {"train": [2, 2], "test": [2, 2]} and found["notes"] == ["a note", "another"]
    assert json.loads(json.dumps(found)) == found
    first, *notes = description.lines(found)
    assert "4 examples in train, 4 examples in test" in first and "2 classes: bear (2), cow (2)" in first
    assert "4 groups: bear on sand; bear on snow" in first and notes == ["mine: a note", "mine: another"]


@pytest.mark.parametrize(
    "inputs, words",
    [
        (np.zeros((4, 8, 6, 1), np.uint8), "images of 8 x 6 pixels, 1 channel, uint8"),
        (np.zeros((4, 3, 32, 32), np.uint8), "images of 3 x 32 pixels, 32 channels, uint8"),
        (np.float32([[0, 1], [-2.5, 3]] * 2), "vectors of 2 numbers from -2.5 to 3"),
    ],
)
def test_the_shape_is_said_as_it_was_read(inputs, words):
    data = splits(inputs)
    assert description.described(data, description.names_of(data, "none"))["inputs"] == words


def test_a_name_with_braces_is_a_name():
    data = splits(attribute_names=("{label}", "{0}"))
    assert data.group_names == ("bear, {label}", "bear, {0}", "cow, {label}", "cow, {0}")


def test_with_a_planted_cue_a_group_is_a_label_and_what_the_cue_says():
    names = description.names_of(splits(own_group_names=("x",)), "tag")
    assert names.attributes == ("tag of bear", "tag of cow") and names.groups == ()
    assert description.described(splits(), names)["groups"][1] == "bear with tag of cow"


def test_what_is_planted_or_dropped_is_said():
    rows = [
        config(data__shortcut__kind="tag", data__shortcut__noise=0.5),
        config(data__shortcut__kind="tag", data__shortcut__noise=0.5),
        config(data__shortcut__kind="pixel", data__shortcut__environments=(0.9, 0.8), data__label_noise=0.25),
        config(data__label_flip=0.1, data__classes=(3, 5), data__superclasses=(0, 1)),
    ]
    said = description.planted(rows)
    assert len(said) == 6, "each thing once"
    assert (
        "a tag is planted in every training example" in said[0] and "noise 0.5; it says the label in 100 %" in said[0]
    )
    assert "a pixel is planted" in said[1] and "90 % and 80 %" in said[1]
    assert "25 % of the training labels are replaced" in said[2] and "10 % of all labels are flipped" in said[3]
    assert "only classes 3, 5 are kept" in said[4] and "classes are merged to 2" in said[5]
    assert description.planted([config()]) == []


def test_groups_that_a_cue_takes_the_place_of_are_said():
    own = splits(part={"groups": np.array([0, 1, 0, 1])}, own_group_names=("a", "b"))
    assert "the groups that come with the data are not used" in description.overruled(own, "tag")[0]
    assert description.overruled(own, "none") == description.overruled(splits(), "tag") == []


def test_a_training_set_without_a_class_is_said():
    [said] = description.missing_classes([np.array([0, 1]), np.array([1, 1])], ("bear", "cow"), [5, 6])
    assert said.startswith("the training set of seed 6 has no example of bear")

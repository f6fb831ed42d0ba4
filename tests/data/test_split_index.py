"""What a seed draws for the examples of a split: flipped labels, environments, attributes, balanced subsets."""

import numpy as np
import pytest
from small_splits import DIGITS, NAMES, TAG, UNCUT, clean_labels, part, planned, with_attributes

from lamv.data.classes import select_classes
from lamv.data.splits import Splits
from lamv.errors import ConfigError

# Labels that are flipped


BIG = Splits("big", {"all": part(6000, shape=(1, 4, 1))}, NAMES)


def test_labels_are_flipped_to_another_class_as_often_as_asked():
    view = planned(BIG, (0, 1), {"data.label_flip": 0.3})
    for index in (view.train, view.tests["test"]):
        change = (index.labels - clean_labels(BIG, index.rows)) % 4
        number = change.shape[1]
        for own in change:
            assert np.mean(own != 0) == pytest.approx(0.3, abs=5 * np.sqrt(0.21 / number))
            counts = np.bincount(own, minlength=4)[1:]
            assert np.all(np.abs(counts - 0.1 * number) < 5 * np.sqrt(0.09 * number)), "to all others equally often"
        assert index.labels.dtype == np.int32 and not np.array_equal(change[0], change[1])


def test_an_example_has_the_same_label_wherever_it_is():
    """Over cuts of different sizes, splits and placements, and whatever cue is planted."""
    seen = {}
    for size in (2000, 4000):
        for kind in ("none", "tag"):
            view = planned(BIG, (5,), {"data.label_flip": 0.4, "data.train_size": size, "data.valid_size": 500,
                                         "data.shortcut.kind": kind})  # fmt: skip
            for index in (view.train, *view.tests.values()):
                for row, label in zip(index.rows[0].tolist(), index.labels[0].tolist(), strict=True):
                    assert seen.setdefault(row, label) == label
    assert len(seen) == 6000


def test_cue_and_group_follow_the_flipped_label():
    view = planned(BIG, (3,), TAG | {"data.label_flip": 0.3})
    np.testing.assert_array_equal(view.tests["test_aligned"].attributes, view.tests["test_aligned"].labels)
    np.testing.assert_array_equal(view.train.groups, 4 * view.train.labels + view.train.attributes)


# The protocol of coloured MNIST (Arjovsky et al. 2019, section 5.2), on the digits


def colored(**more):
    splits = select_classes(DIGITS, (), (0, 0, 0, 0, 0, 1, 1, 1, 1, 1))
    knobs = {
        "data.label_flip": 0.25,
        "data.shortcut.kind": "colour",
        "data.shortcut.environments": (0.9, 0.8),
        "data.shortcut.test_reliability": 0.1,
    }
    return splits, planned(splits, range(20), knobs | more)


def test_coloured_digits_have_the_accuracies_of_their_protocol():
    """Shape alone reaches 75 % everywhere; colour alone 90 and 80 % in training, and 10 % in the test set."""
    splits, view = colored()
    assert view.num_environments == 2 and view.shape == (8, 8, 2) and view.num_groups == 4
    train, test = view.train, view.tests["test"]
    for index, reliability in ((train, (0.9, 0.8)), (test, 0.1)):
        number = index.rows.size
        shape = np.mean(clean_labels(splits, index.rows) == index.labels)
        assert shape == pytest.approx(0.75, abs=5 * np.sqrt(0.75 * 0.25 / number))
        if index is test:
            of_colour = {0: np.mean(index.attributes == index.labels)}
            reliability = (reliability,)
        else:
            agrees = index.attributes == index.labels
            of_colour = {e: agrees[index.environments == e].mean() for e in range(2)}
        for e, share in of_colour.items():
            error = np.sqrt(reliability[e] * (1 - reliability[e]) * len(reliability) / number)
            assert share == pytest.approx(reliability[e], abs=5 * error)


def test_environments_divide_the_training_set_evenly_by_the_seed():
    _, view = colored(**{"data.shortcut.environments": (1.0, 0.5, 0.0), "data.train_size": 1000})
    environments = view.train.environments
    assert environments.dtype == np.int32 and environments.shape == (20, 1000)
    for own in environments:
        assert sorted(np.bincount(own)) == [333, 333, 334]
    assert len(np.unique(environments, axis=0)) == 20
    agrees = view.train.attributes == view.train.labels
    assert agrees[environments == 0].all() and not agrees[environments == 2].any()
    assert all(index.environments == () for index in view.tests.values())


def test_validation_and_test_may_have_reliabilities_of_their_own():
    knobs, one = TAG | {"data.valid_size": 1000}, {"data.shortcut.reliability": 0.9}
    own = one | {"data.shortcut.test_reliability": 0.1, "data.shortcut.valid_reliability": 0.5}
    mixed = {"data.shortcut.environments": (1.0, 0.6)}
    for more, train, test, valid in ((one, 0.9, 0.9, 0.9), (own, 0.9, 0.1, 0.5), (mixed, 0.8, 0.8, 0.8)):
        view = planned(BIG, (0, 1, 2), knobs | more)
        splits = {"train": view.train, **view.tests}
        for name, expected in (("train", train), ("test", test), ("valid", valid), ("test_aligned", 1.0)):
            share = np.mean(splits[name].attributes == clean_labels(BIG, splits[name].rows))
            assert share == pytest.approx(expected, abs=5 * np.sqrt(0.25 / splits[name].rows.size)), name


def test_attributes_of_the_data_are_in_the_split_indices():
    view = planned(with_attributes(), (0, 1))
    assert (view.num_attributes, view.num_groups) == (3, 12)
    for index in (view.train, view.tests["test"]):
        np.testing.assert_array_equal(index.attributes, index.rows // 4 % 3)
        np.testing.assert_array_equal(index.groups, index.rows % 4 * 3 + index.attributes)
    counts = np.stack([np.bincount(own, minlength=12) for own in view.train.groups])
    np.testing.assert_array_equal(view.group_counts, counts)


def test_a_planted_cue_comes_before_the_attributes_of_the_data():
    view = planned(with_attributes(), knobs=TAG)
    assert (view.num_attributes, view.num_groups) == (4, 16)
    np.testing.assert_array_equal(view.train.attributes, view.train.rows % 4)


# Balanced subsets


@pytest.mark.parametrize("by, members", [("group", 12), ("class", 4)])
def test_a_subsample_has_equally_many_of_each_group_or_class(by, members):
    splits = with_attributes(300)
    whole = planned(splits, (0, 1, 2), {"data.train_size": 120})
    view = planned(
        splits, (0, 1, 2),
        {"data.train_size": 120, "mitigation.name": "subsample", "mitigation.by": by, "data.label_flip": 0.2},
    )  # fmt: skip
    own = view.train.groups if by == "group" else view.train.labels
    counts = np.stack([np.bincount(of, minlength=members) for of in own])
    assert np.unique(counts).size == 1 and counts[0, 0] > 1
    for r in range(3):
        assert set(view.train.rows[r]) < set(whole.train.rows[r]) and np.all(np.diff(view.train.rows[r]) > 0)
        np.testing.assert_array_equal(view.train.attributes[r], view.train.rows[r] // 4 % 3)
    # What groups are weighted by is their size in the data, whatever is done about it.
    everyone = planned(splits, (0, 1, 2), {"data.train_size": 120, "data.label_flip": 0.2})
    np.testing.assert_array_equal(view.group_counts, everyone.group_counts)
    np.testing.assert_array_equal(view.tests["test"].rows, whole.tests["test"].rows)


def test_a_subsample_takes_all_of_the_smallest_group():
    view = planned(BIG, (0,), TAG | {"data.shortcut.reliability": 0.99, "mitigation.name": "subsample"})
    whole = planned(BIG, (0,), TAG | {"data.shortcut.reliability": 0.99})
    occupied = whole.group_counts[whole.group_counts > 0]
    sizes = np.bincount(view.train.groups[0])
    assert np.all(sizes[sizes > 0] == occupied.min()) and (sizes > 0).sum() == len(occupied)
    again = planned(BIG, (0,), TAG | {"data.shortcut.reliability": 0.99, "mitigation.name": "subsample"})
    np.testing.assert_array_equal(view.train.rows, again.train.rows)


@pytest.mark.parametrize(
    "splits, seeds, knobs, words",
    [
        (UNCUT, (0,), {}, ("no groups", "plant a cue", "attribute/group column")),
        (
            BIG,
            range(9),
            TAG | {"data.shortcut.reliability": 0.9995},
            ("seeds [0, 1", "groups with examples", "one seed"),
        ),
    ],
)
def test_a_subsample_that_cannot_be_is_refused_in_one_line(splits, seeds, knobs, words):
    with pytest.raises(ConfigError) as caught:
        planned(splits, seeds, {"mitigation.name": "subsample", **knobs})
    message = str(caught.value)
    assert all(word in message for word in words) and "\n" not in message

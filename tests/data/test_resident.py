"""Cuts, class selections and the tables that plan them onto a device."""

import hashlib

import numpy as np
import pytest

from lamv import config as configs
from lamv import data
from lamv.core.shortcuts import ABSENT
from lamv.data.classes import select_classes
from lamv.data.cuts import cut, shuffled
from lamv.data.partners import beside
from lamv.data.resident import examples_of, plan
from lamv.data.splits import Normalisation, Source, Split, Splits
from lamv.errors import ConfigError

NAMES = ("zero", "one", "two", "three")


def part(number, first_id=0, groups=None, shape=(2, 3, 1)):
    """Examples whose pixels all say their id, with labels 0, 1, 2, 3, 0, 1, ..."""
    ids = first_id + np.arange(number)
    inputs = np.broadcast_to(ids.reshape(-1, *(1 for _ in shape)), (number, *shape)).astype(np.uint8)
    return Split(inputs, (ids % 4).astype(np.int32), ids, groups)


UNCUT = Splits("uncut", {"all": part(30)}, NAMES, Normalisation(255.0), (Source("file", "ab", None),))
OFFICIAL = Splits("official", {"train": part(20), "test": part(8, first_id=20)}, NAMES)


TAG = {"data.shortcut.kind": "tag"}


def planned(splits=UNCUT, seeds=(0,), knobs=None):
    (row,) = configs.expand(configs.defaults(), {"steps": 1, **(knobs or {})})
    return plan(splits, [row.config] * len(seeds), seeds)


# Shuffling and cutting


def test_shuffled_is_recorded():
    np.testing.assert_array_equal(
        shuffled(0, 10),
        [0, 2, 9, 1, 8, 5, 4, 3, 6, 7],
        err_msg="the cut of every data set without official parts depends on this order; results recorded so far would"
        " no longer be comparable. numpy promises that Philox's raw draws never change: look at what is made of them",
    )


@pytest.mark.parametrize("number", [0, 1, 2, 1797])
def test_shuffled_is_a_permutation_of_its_seed(number):
    np.testing.assert_array_equal(np.sort(shuffled(3, number)), np.arange(number))
    np.testing.assert_array_equal(shuffled(3, number), shuffled(3, number))
    if number > 10:
        assert not np.array_equal(shuffled(3, number), shuffled(4, number))


@pytest.mark.parametrize("train_size, expected", [(None, 20), (1, 1), (29, 29)])
def test_a_cut_is_disjoint_and_complete(train_size, expected):
    train, test, left_out, _ = cut(UNCUT, 0, train_size)
    assert len(train) == expected and not len(left_out)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(30))
    assert np.all(np.diff(train) > 0) and np.all(np.diff(test) > 0), "rows come in the order of the data"


def test_a_cut_is_made_by_its_seed():
    cuts = {tuple(cut(UNCUT, seed, None)[0]) for seed in range(20)}
    assert len(cuts) == 20
    np.testing.assert_array_equal(cut(UNCUT, 7, 12)[0], cut(UNCUT, 7, 12)[0])


def test_a_smaller_training_set_lies_in_the_larger_one():
    assert set(cut(UNCUT, 1, 5)[0]) < set(cut(UNCUT, 1, 15)[0])


@pytest.mark.parametrize("seed", [0, 1])
def test_official_parts_are_kept(seed):
    train, test, *_ = cut(OFFICIAL, seed, None)
    np.testing.assert_array_equal(train, np.arange(20))
    np.testing.assert_array_equal(test, np.arange(20, 28))


def test_fewer_examples_are_drawn_from_the_official_training_set_only():
    draws = [cut(OFFICIAL, seed, 6) for seed in range(10)]
    assert len({tuple(train) for train, *_ in draws}) > 5
    for train, test, left_out, _ in draws:
        assert len(set(train)) == 6 and train.max() < 20
        assert sorted([*train, *left_out]) == list(range(20)), "what is not trained on is left over for validation"
        np.testing.assert_array_equal(test, np.arange(20, 28))


@pytest.mark.parametrize("splits, train_size, most", [(UNCUT, 30, 29), (OFFICIAL, 21, 20)])
def test_too_large_a_training_set_is_refused_in_one_line(splits, train_size, most):
    with pytest.raises(ConfigError) as caught:
        cut(splits, 0, train_size)
    message = str(caught.value)
    assert f"train_size is {train_size}," in message and f"at most {most}" in message and "\n" not in message


# Classes


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


# Tables


def test_examples_are_all_parts_in_order():
    examples = examples_of(OFFICIAL)
    np.testing.assert_array_equal(examples.inputs[:, 0, 0, 0], np.arange(28))
    np.testing.assert_array_equal(examples.labels, np.arange(28) % 4)


def test_every_replica_has_the_cut_of_its_seed():
    tables = planned(seeds=(3, 8), knobs={"data.train_size": 12})
    assert tables.train.rows.shape == (2, 12) and tables.tests["test"].rows.shape == (2, 18)
    for r, seed in enumerate((3, 8)):
        train, test, *_ = cut(UNCUT, seed, 12)
        np.testing.assert_array_equal(tables.train.rows[r], train)
        np.testing.assert_array_equal(tables.tests["test"].rows[r], test)


def test_without_a_cue_there_is_one_test_set_and_no_group():
    tables = planned()
    assert list(tables.tests) == ["test"] and tables.num_groups == 0 and tables.cue is None
    assert tables.shape == (2, 3, 1) and tables.num_classes == 4
    assert tables.num_attributes == tables.num_environments == 0 and tables.group_counts.shape == (1, 0)
    for table in (tables.train, tables.tests["test"]):
        assert np.all(table.attributes == ABSENT) and np.all(table.groups == 0)
        assert {values.dtype for values in table[:3]} == {np.dtype(np.int32)}
        assert table[3:] == ((), (), ())


def test_the_groups_of_the_data_are_used_where_there_is_no_cue():
    groups = np.array([5, 2] * 15, np.int32)
    tables = planned(Splits("grouped", {"all": part(30, groups=groups)}, NAMES))
    assert tables.num_groups == 6
    np.testing.assert_array_equal(tables.train.groups, groups[tables.train.rows])


@pytest.mark.parametrize(
    "knobs, shape, where",
    [
        (TAG, (2, 3, 1), range(4)),
        (TAG | {"data.flatten": True}, (10,), range(6, 10)),
        ({"data.shortcut.kind": "none", "data.flatten": True}, (6,), None),
    ],
)
def test_the_shape_is_what_the_network_sees(knobs, shape, where):
    tables = planned(knobs=knobs)
    assert tables.shape == shape
    if where is None:
        assert tables.cue is None
    else:
        np.testing.assert_array_equal(np.flatnonzero(tables.cue), where)


def test_placements_of_the_cue_in_the_test_sets():
    big = Splits("big", {"all": part(6000, shape=(1, 4, 1))}, NAMES)
    tables = planned(big, (0, 1), TAG | {"data.shortcut.reliability": 0.8})
    assert list(tables.tests) == ["test", "test_aligned", "test_random", "test_conflicting", "test_absent"]
    labels = big.parts["all"].labels
    agreement = {
        name: (table.attributes == labels[table.rows]).mean(axis=1)
        for name, table in {"train": tables.train, **tables.tests}.items()
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
    assert np.all(tables.tests["test_absent"].attributes == ABSENT)
    for table in tables.tests.values():
        np.testing.assert_array_equal(table.rows, tables.tests["test"].rows, err_msg="a placement moves no example")


def test_a_group_is_label_times_classes_plus_attribute():
    tables = planned(knobs=TAG | {"data.shortcut.reliability": 0.5})
    assert tables.num_groups == 16
    labels = UNCUT.parts["all"].labels
    for name, table in {"train": tables.train, **tables.tests}.items():
        if name == "test_absent":
            np.testing.assert_array_equal(table.groups, 16, err_msg="no cue, no group: the index past the last one")
        else:
            np.testing.assert_array_equal(table.groups, labels[table.rows] * 4 + table.attributes)


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


def digest(tables):
    found = hashlib.sha256()
    for name, table in {"train": tables.train, **tables.tests, "validation": tables.validation}.items():
        if table is not None:
            found.update(name.encode())
            for values in table[:3]:
                assert values.dtype == np.int32
                found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()


DIGITS = data.load("digits")


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
def test_tables_are_recorded(parts, classes, knobs, expected):
    splits = select_classes(DIGITS if parts == "all" else digits_in_parts(), classes)
    assert digest(planned(splits, (0, 1, 7), knobs)) == expected, (
        "tables at the defaults of all other knobs are not what they were: results recorded so far are no longer those of"
        " their seeds. Either a stream of random numbers was renumbered, or numpy's generators changed"
    )


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


# Labels that are flipped


BIG = Splits("big", {"all": part(6000, shape=(1, 4, 1))}, NAMES)


def clean_labels(splits, rows):
    return np.concatenate([found.labels for found in splits.parts.values()])[rows]


def test_labels_are_flipped_to_another_class_as_often_as_asked():
    tables = planned(BIG, (0, 1), {"data.label_flip": 0.3})
    for table in (tables.train, tables.tests["test"]):
        change = (table.labels - clean_labels(BIG, table.rows)) % 4
        number = change.shape[1]
        for own in change:
            assert np.mean(own != 0) == pytest.approx(0.3, abs=5 * np.sqrt(0.21 / number))
            counts = np.bincount(own, minlength=4)[1:]
            assert np.all(np.abs(counts - 0.1 * number) < 5 * np.sqrt(0.09 * number)), "to all others equally often"
        assert table.labels.dtype == np.int32 and not np.array_equal(change[0], change[1])


def test_an_example_has_the_same_label_wherever_it_is():
    """Over cuts of different sizes, splits and placements, and whatever cue is planted."""
    seen = {}
    for size in (2000, 4000):
        for kind in ("none", "tag"):
            tables = planned(BIG, (5,), {"data.label_flip": 0.4, "data.train_size": size, "data.valid_size": 500,
                                         "data.shortcut.kind": kind})  # fmt: skip
            for table in (tables.train, *tables.tests.values()):
                for row, label in zip(table.rows[0].tolist(), table.labels[0].tolist(), strict=True):
                    assert seen.setdefault(row, label) == label
    assert len(seen) == 6000


def test_cue_and_group_follow_the_flipped_label():
    tables = planned(BIG, (3,), TAG | {"data.label_flip": 0.3})
    np.testing.assert_array_equal(tables.tests["test_aligned"].attributes, tables.tests["test_aligned"].labels)
    np.testing.assert_array_equal(tables.train.groups, 4 * tables.train.labels + tables.train.attributes)


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
    splits, tables = colored()
    assert tables.num_environments == 2 and tables.shape == (8, 8, 2) and tables.num_groups == 4
    train, test = tables.train, tables.tests["test"]
    for table, reliability in ((train, (0.9, 0.8)), (test, 0.1)):
        number = table.rows.size
        shape = np.mean(clean_labels(splits, table.rows) == table.labels)
        assert shape == pytest.approx(0.75, abs=5 * np.sqrt(0.75 * 0.25 / number))
        if table is test:
            of_colour = {0: np.mean(table.attributes == table.labels)}
            reliability = (reliability,)
        else:
            agrees = table.attributes == table.labels
            of_colour = {e: agrees[table.environments == e].mean() for e in range(2)}
        for e, share in of_colour.items():
            error = np.sqrt(reliability[e] * (1 - reliability[e]) * len(reliability) / number)
            assert share == pytest.approx(reliability[e], abs=5 * error)


def test_environments_divide_the_training_set_evenly_by_the_seed():
    _, tables = colored(**{"data.shortcut.environments": (1.0, 0.5, 0.0), "data.train_size": 1000})
    environments = tables.train.environments
    assert environments.dtype == np.int32 and environments.shape == (20, 1000)
    for own in environments:
        assert sorted(np.bincount(own)) == [333, 333, 334]
    assert len(np.unique(environments, axis=0)) == 20
    agrees = tables.train.attributes == tables.train.labels
    assert agrees[environments == 0].all() and not agrees[environments == 2].any()
    assert all(table.environments == () for table in tables.tests.values())


def test_validation_and_test_may_have_reliabilities_of_their_own():
    knobs, one = TAG | {"data.valid_size": 1000}, {"data.shortcut.reliability": 0.9}
    own = one | {"data.shortcut.test_reliability": 0.1, "data.shortcut.valid_reliability": 0.5}
    mixed = {"data.shortcut.environments": (1.0, 0.6)}
    for more, train, test, valid in ((one, 0.9, 0.9, 0.9), (own, 0.9, 0.1, 0.5), (mixed, 0.8, 0.8, 0.8)):
        tables = planned(BIG, (0, 1, 2), knobs | more)
        splits = {"train": tables.train, **tables.tests}
        for name, expected in (("train", train), ("test", test), ("valid", valid), ("test_aligned", 1.0)):
            share = np.mean(splits[name].attributes == clean_labels(BIG, splits[name].rows))
            assert share == pytest.approx(expected, abs=5 * np.sqrt(0.25 / splits[name].rows.size)), name


# Attributes of the data


def with_attributes(number=30, parts=("all",)):
    """Attributes 0, 0, 0, 0, 1, 1, 1, 1, 2, ... of three, groups y * 3 + a."""
    found, first = {}, 0
    for name in parts:
        one = part(number, first_id=first)
        attributes = (one.ids // 4 % 3).astype(np.int32)
        found[name] = one._replace(attributes=attributes, groups=one.labels * 3 + attributes)
        first += number
    return Splits("own", found, NAMES, Normalisation(255.0), attribute_names=("red", "green", "blue"))


def test_attributes_of_the_data_are_in_the_tables():
    tables = planned(with_attributes(), (0, 1))
    assert (tables.num_attributes, tables.num_groups) == (3, 12)
    for table in (tables.train, tables.tests["test"]):
        np.testing.assert_array_equal(table.attributes, table.rows // 4 % 3)
        np.testing.assert_array_equal(table.groups, table.rows % 4 * 3 + table.attributes)
    counts = np.stack([np.bincount(own, minlength=12) for own in tables.train.groups])
    np.testing.assert_array_equal(tables.group_counts, counts)


def test_groups_of_attributes_follow_the_labels():
    selected = select_classes(with_attributes(), (3, 1, 0), (1, 0, 1))
    for knobs in ({}, {"data.label_flip": 0.5}):
        tables = planned(selected, knobs=knobs)
        labels = clean_labels(selected, tables.train.rows) if not knobs else tables.train.labels
        np.testing.assert_array_equal(tables.train.groups, labels * 3 + tables.train.attributes)
        assert tables.num_groups == 6
    np.testing.assert_array_equal(
        selected.parts["all"].groups, selected.parts["all"].labels * 3 + selected.parts["all"].attributes
    )


def test_a_planted_cue_comes_before_the_attributes_of_the_data():
    tables = planned(with_attributes(), knobs=TAG)
    assert (tables.num_attributes, tables.num_groups) == (4, 16)
    np.testing.assert_array_equal(tables.train.attributes, tables.train.rows % 4)


# Validation


THREE = Splits("three", {"train": part(20), "valid": part(9, first_id=20), "test": part(8, first_id=29)}, NAMES)


@pytest.mark.parametrize(
    "splits, train_size, valid_size, sizes",
    [
        (UNCUT, None, 0, (20, 10, 0, 0)),
        (UNCUT, None, 4, (20, 6, 0, 4)),
        (UNCUT, 5, 24, (5, 1, 0, 24)),
        (OFFICIAL, 12, 0, (12, 8, 8, 0)),
        (OFFICIAL, 12, 5, (12, 8, 3, 5)),
        (OFFICIAL, 12, 8, (12, 8, 0, 8)),
        (THREE, None, 0, (20, 8, 0, 9)),
        (THREE, 12, 4, (12, 8, 8, 4)),
    ],
)
def test_training_test_and_validation_are_disjoint(splits, train_size, valid_size, sizes):
    without = cut(splits, 3, train_size, 0)
    found = cut(splits, 3, train_size, valid_size)
    assert tuple(len(rows) for rows in found) == sizes
    everything = np.concatenate(found)
    assert len(np.unique(everything)) == len(everything)
    np.testing.assert_array_equal(found.train, without.train)
    assert all(np.all(np.diff(rows) > 0) for rows in found)
    others = [cut(splits, seed, train_size, valid_size).valid for seed in range(4, 9)]
    assert all(len(other) == sizes[3] for other in others)
    assert sizes[3] in (0, 9) or not all(np.array_equal(found.valid, other) for other in others)


def test_rows_count_through_the_parts_in_their_order():
    found = cut(THREE, 0, None)
    np.testing.assert_array_equal(found.valid, np.arange(20, 29))
    np.testing.assert_array_equal(found.test, np.arange(29, 37))
    other_order = Splits("other", {name: THREE.parts[name] for name in ("test", "train", "valid")}, NAMES)
    np.testing.assert_array_equal(cut(other_order, 0, None).test, np.arange(8))


@pytest.mark.parametrize(
    "splits, train_size, valid_size, words",
    [
        (UNCUT, None, 10, ("10", "at most 9", "one at least must test")),
        (OFFICIAL, None, 3, ("3", "at most 0", "train_size")),
        (OFFICIAL, 15, 6, ("6", "at most 5", "train_size")),
        (THREE, 5, 10, ("10", "at most 9", "validation part")),
    ],
)
def test_too_large_a_validation_set_is_refused_in_one_line(splits, train_size, valid_size, words):
    with pytest.raises(ConfigError) as caught:
        cut(splits, 0, train_size, valid_size)
    message = str(caught.value)
    assert all(word in message for word in words) and "valid_size" in message and "\n" not in message


def test_validation_is_the_last_split_and_moves_no_other_table():
    knobs = TAG | {"data.train_size": 12, "data.shortcut.reliability": 0.5}
    without, found = planned(OFFICIAL, (0, 1), knobs), planned(OFFICIAL, (0, 1), knobs | {"data.valid_size": 8})
    assert list(found.tests) == [*without.tests, "valid"]
    assert found.validation is found.tests["valid"]
    for name, table in {"train": without.train, **without.tests}.items():
        now = found.train if name == "train" else found.tests[name]
        for before, after in zip(table[:3], now[:3], strict=True):
            np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(found.validation.rows, without.validation.rows)


# Balanced subsets


@pytest.mark.parametrize("by, members", [("group", 12), ("class", 4)])
def test_a_subsample_has_equally_many_of_each_group_or_class(by, members):
    splits = with_attributes(300)
    whole = planned(splits, (0, 1, 2), {"data.train_size": 120})
    tables = planned(
        splits, (0, 1, 2),
        {"data.train_size": 120, "mitigation.name": "subsample", "mitigation.by": by, "data.label_flip": 0.2},
    )  # fmt: skip
    own = tables.train.groups if by == "group" else tables.train.labels
    counts = np.stack([np.bincount(of, minlength=members) for of in own])
    assert np.unique(counts).size == 1 and counts[0, 0] > 1
    for r in range(3):
        assert set(tables.train.rows[r]) < set(whole.train.rows[r]) and np.all(np.diff(tables.train.rows[r]) > 0)
        np.testing.assert_array_equal(tables.train.attributes[r], tables.train.rows[r] // 4 % 3)
    # What groups are weighted by is their size in the data, whatever is done about it.
    everyone = planned(splits, (0, 1, 2), {"data.train_size": 120, "data.label_flip": 0.2})
    np.testing.assert_array_equal(tables.group_counts, everyone.group_counts)
    np.testing.assert_array_equal(tables.tests["test"].rows, whole.tests["test"].rows)


def test_a_subsample_takes_all_of_the_smallest_group():
    tables = planned(BIG, (0,), TAG | {"data.shortcut.reliability": 0.99, "mitigation.name": "subsample"})
    whole = planned(BIG, (0,), TAG | {"data.shortcut.reliability": 0.99})
    occupied = whole.group_counts[whole.group_counts > 0]
    sizes = np.bincount(tables.train.groups[0])
    assert np.all(sizes[sizes > 0] == occupied.min()) and (sizes > 0).sum() == len(occupied)
    again = planned(BIG, (0,), TAG | {"data.shortcut.reliability": 0.99, "mitigation.name": "subsample"})
    np.testing.assert_array_equal(tables.train.rows, again.train.rows)


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


# Cues that are made of a second image


OTHERS = Splits("others", {"train": part(16, shape=(2, 3, 1)), "test": part(12, first_id=16, shape=(2, 3, 1))}, NAMES,
                Normalisation(255.0))  # fmt: skip
DOMINOES = {"data.shortcut.kind": "dominoes", "data.shortcut.reliability": 0.6}


def test_dominoes_have_an_image_of_the_class_that_they_should_above():
    splits = beside(Splits("big", {"all": part(2000)}, NAMES, Normalisation(255.0)), OTHERS)
    images = examples_of(splits).partners
    assert images.shape == (28, 2, 3, 1) and images.dtype == np.uint8
    tables = planned(splits, (0, 1), DOMINOES | {"data.valid_size": 200})
    assert (
        tables.shape == tables.raw_shape == (4, 3, 1) and tables.cue.reshape(4, 3)[:2].all() and tables.cue.sum() == 6
    )
    for name, table in {"train": tables.train, **tables.tests}.items():
        if name == "test_absent":
            np.testing.assert_array_equal(table.partners, 0)
            continue
        of_train = images[table.partners][..., 0, 0, 0] < 16
        np.testing.assert_array_equal(of_train, np.full_like(of_train, not name.startswith("test")), err_msg=name)
        np.testing.assert_array_equal(images[table.partners][..., 0, 0, 0] % 4, table.attributes, err_msg=name)
        few = 16 if not name.startswith("test") else 12
        counts = np.bincount(table.partners.reshape(-1), minlength=28)
        assert (counts > 0).sum() == few, "every image is put above some example"
    assert not np.array_equal(tables.train.partners[0], tables.train.partners[1])


def test_dominoes_of_a_data_set_without_parts_are_cut_by_the_seed():
    splits = beside(Splits("big", {"all": part(600)}, NAMES, Normalisation(255.0)), Splits("o", {"all": part(40)}, NAMES,
                    Normalisation(255.0)))  # fmt: skip
    tables = planned(splits, (0, 1, 2), DOMINOES)
    for r in range(3):
        above = {name: set(table.partners[r]) for name, table in {"train": tables.train, **tables.tests}.items()}
        for name in ("test", "test_aligned", "test_random", "test_conflicting"):
            assert not above["train"] & above[name]


def test_dominoes_without_another_data_set_are_refused_in_one_line():
    with pytest.raises(ConfigError, match="data.shortcut.images"):
        planned(UNCUT, knobs=DOMINOES)


def test_cat_channel_pairs_classes_by_the_seed():
    splits = Splits("big", {"all": part(400)}, NAMES, Normalisation(255.0, (0.5,), (0.2,)))
    tables = planned(splits, range(12), {"data.shortcut.kind": "cat_channel", "data.valid_size": 40})
    assert list(tables.tests) == ["test", "test_aligned", "valid"] and tables.shape == (2, 3, 2)
    pairings = set()
    for r in range(12):
        for table in (tables.train, tables.tests["test_aligned"], tables.tests["valid"]):
            labels = table.rows[r] % 4
            pairing = np.array([table.attributes[r][labels == label][0] for label in range(4)])
            np.testing.assert_array_equal(table.attributes[r], pairing[labels])
            np.testing.assert_array_equal(table.partners[r] % 4, table.attributes[r])
            assert set(table.partners[r]) <= set(table.rows[r]), "training and test images stay apart"
            pairings.add(tuple(pairing))
    assert pairings == {(1, 0, 3, 2), (2, 3, 0, 1), (3, 2, 1, 0)}
    test = tables.tests["test"]
    assert np.all(test.attributes == ABSENT) and np.all(test.groups == 16)
    np.testing.assert_array_equal(test.rows, tables.tests["test_aligned"].rows)


def test_the_second_image_is_normalised_as_the_first():
    colours = Splits("colours", {"all": part(40, shape=(2, 3, 3))}, NAMES, Normalisation(255.0, (1, 2, 3), (4, 5, 6)))
    tables = planned(colours, knobs={"data.shortcut.kind": "cat_channel"})
    assert tables.normalisation == Normalisation(255.0, (1, 2, 3, 1, 2, 3), (4, 5, 6, 4, 5, 6))
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
    tables = planned(splits, knobs={"data.shortcut.kind": kind, "data.flatten": flatten})
    assert (tables.shape, tables.raw_shape) == (expected, raw)
    assert (tables.cue is None) == (kind in ("colour", "frequency"))
    if tables.cue is not None:
        assert tables.cue.shape == (np.prod(expected),)


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

"""Which examples train, test and validate."""

import numpy as np
import pytest
from small_splits import NAMES, OFFICIAL, UNCUT, part

from lamv.data.cuts import cut, shuffled
from lamv.data.splits import Splits
from lamv.errors import ConfigError

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


@pytest.mark.parametrize("splits", [UNCUT, OFFICIAL])
def test_so_many_of_each_class(splits):
    train, test, left_out, _ = cut(splits, 3, None, per_class=2)
    labels = np.concatenate([of.labels for of in splits.parts.values()])
    assert np.bincount(labels[train], minlength=splits.num_classes).tolist() == [2] * splits.num_classes
    rest = test if splits is UNCUT else left_out
    together = np.sort(np.concatenate([train, rest]))
    np.testing.assert_array_equal(together, np.arange(len(splits.parts[splits.training_part].labels)))
    assert not np.array_equal(train, cut(splits, 4, None, per_class=2)[0])


def test_a_class_with_too_few_examples_is_named():
    with pytest.raises(ConfigError, match="per_class is 1000, must be at most .* for .* has .* examples"):
        cut(UNCUT, 0, None, per_class=1000)

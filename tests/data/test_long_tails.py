"""Long tails: sizes by hand, who remains, and what is refused."""

import numpy as np
import pytest
from small_splits import DIGITS, planned

from lamv.data import load
from lamv.data.description import long_tail as in_words
from lamv.data.long_tails import PROFILES, long_tail, remaining
from lamv.errors import ConfigError

#: CIFAR-10-LT of ratio 10 and 100: 5000 x 10^(-c / 9) and 5000 x 100^(-c / 9), rounded down.
TEN = [5000, 3871, 2997, 2320, 1796, 1391, 1077, 834, 645, 500]
HUNDRED = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]


@pytest.mark.parametrize(("ratio", "sizes"), [(10.0, TEN), (100.0, HUNDRED)])
def test_exponential_sizes_are_the_published_ones(ratio, sizes):
    tail = long_tail("exponential", ratio, np.full(10, 5000))
    assert tail.sizes.tolist() == sizes
    assert tail.parts.tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]


def test_a_step_leaves_half_of_the_classes_rare():
    tail = long_tail("step", 10.0, np.full(5, 57))
    assert tail.sizes.tolist() == [57, 57, 5, 5, 5]
    assert tail.parts.tolist() == [0, 0, 2, 2, 2]


def test_parts_of_cifar_100_are_close_to_the_published_bounds():
    tail = long_tail("exponential", 100.0, np.full(100, 500))
    assert tail.sizes[[0, 1, 50, 99]].tolist() == [500, 477, 48, 5] and tail.sizes.sum() == 10847
    assert np.bincount(tail.parts).tolist() == [33, 34, 33]
    assert tail.sizes[tail.parts == 0].min() == 112 and tail.sizes[tail.parts == 2].max() == 22


@pytest.mark.parametrize("profile", PROFILES)
def test_no_class_is_asked_for_more_than_it_has_and_none_more_would_fit(profile):
    rng = np.random.default_rng(3)
    for _ in range(200):
        available = rng.integers(20, 400, size=rng.integers(2, 12))
        ratio = float(rng.uniform(1.01, 19))
        sizes = long_tail(profile, ratio, available).sizes
        assert (sizes <= available).all() and (sizes > 0).all() and (np.diff(sizes) <= 0).all()
        assert sizes[-1] == int(sizes[0] / ratio + 1e-6)
        more = (sizes[0] + 1) / ratio ** PROFILES[profile](len(available))
        assert (np.floor(more) > available).any()


def test_a_class_without_an_example_is_refused():
    with pytest.raises(
        ConfigError, match="ratio is 200, which leaves class 3 without .* has 100; set .*ratio=100 or less"
    ):
        long_tail("exponential", 200.0, np.array([100, 100, 100, 100]))
    with pytest.raises(ConfigError, match="leaves class 0 without"):
        long_tail("step", 2.0, np.array([0, 10]))


def test_those_that_remain_are_random_and_of_the_sizes():
    labels = np.repeat([2, 0, 1], 50)
    kept = remaining(labels, np.array([5, 2, 1]), np.random.default_rng(0))
    assert np.bincount(labels[kept]).tolist() == [5, 2, 1] and (np.diff(kept) > 0).all()
    other = remaining(labels, np.array([5, 2, 1]), np.random.default_rng(1))
    assert not np.array_equal(kept, other)


def test_a_view_has_the_tail_in_training_only_and_the_seed_draws_it():
    knobs = {"data.train_size": 900, "data.valid_size": 100}
    whole, view = (planned(DIGITS, (0, 1), knobs | more) for more in ({}, {"data.imbalance.ratio": 4.0}))
    labels = DIGITS.parts["all"].labels
    sizes = view.tail.sizes
    assert sizes[0] // 4 == sizes[-1]
    for own, all_of_it in zip(view.train.rows, whole.train.rows, strict=True):
        assert np.bincount(labels[own], minlength=10).tolist() == sizes.tolist()
        assert set(own) < set(all_of_it)
    assert view.class_frequencies == pytest.approx(sizes / sizes.sum())
    for split in ("test", "valid"):
        np.testing.assert_array_equal(view.tests[split].rows, whole.tests[split].rows)
    [sentence] = in_words(view.tail, "abcdefghij")
    assert f"exponential with ratio 4; each seed draws {sizes.sum()} examples: a ({sizes[0]}), b" in sentence
    assert in_words(whole.tail, ()) == []


def test_numbers_have_no_long_tail():
    with pytest.raises(ConfigError, match="data.imbalance.ratio must be 1 for diabetes"):
        planned(load("diabetes"), knobs={"data.imbalance.ratio": 2.0})

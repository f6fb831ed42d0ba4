"""Differences between the values of an attribute, by hand."""

import numpy as np
import pytest

from lamv.core.fairness import differences
from lamv.core.metrics import PredictionSums, prediction_metrics

#: Count and correct of (y, a) = (0, 0), (0, 1), (1, 0), (1, 1).
FOUR = [[10, 9], [10, 6], [20, 10], [5, 4]]


def test_by_hand():
    found = differences(FOUR, 2)
    assert found["eod"] == pytest.approx(0.8 - 0.5)
    assert found["aod"] == pytest.approx((0.3 + (0.4 - 0.1)) / 2)
    assert found["spd"] == pytest.approx((4 + 4) / 15 - (1 + 10) / 30)


def test_opposite_differences_do_not_cancel():
    assert differences([[10, 8], [10, 10], [10, 5], [10, 7]], 2)["aod"] == pytest.approx(0.2)


def test_of_three_attributes_the_pair_that_lies_furthest_apart():
    found = differences([[10, 10], [10, 5], [10, 8], [10, 5], [10, 9], [10, 5]], 3)
    assert found["eod"] == pytest.approx(0.4)
    assert found["aod"] == pytest.approx((0.4 + 0.5) / 2)
    assert found["spd"] == pytest.approx(0.7 - 0.25)


@pytest.mark.parametrize(
    ("groups", "attributes", "names"),
    [
        ([[4, 4], [0, 0], [0, 0], [5, 1]], 2, ["spd"]),
        ([[0, 0], [0, 0], [3, 1], [5, 1]], 2, ["eod", "spd"]),
        ([[4, 4], [0, 0], [0, 0], [0, 0]], 2, []),
        ([[4, 4], [4, 1]], 1, []),
        ([[4, 4], [4, 1], [4, 2]], 0, []),
        ([[4, 4]] * 6, 2, []),
    ],
)
def test_what_lacks_examples_or_has_other_classes_is_left_out(groups, attributes, names):
    assert list(differences(groups, attributes)) == names


def test_it_is_among_the_metrics_of_groups():
    groups = np.array(FOUR, np.float64)
    sums = PredictionSums(45, 29, 1.0, np.zeros((15, 3)), np.array([[20, 15], [25, 14]]), groups, np.zeros(4))
    found = prediction_metrics(sums, None, 2)
    assert {name: found[name] for name in ("eod", "aod", "spd")} == differences(FOUR, 2)

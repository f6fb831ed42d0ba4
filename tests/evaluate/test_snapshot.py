"""What evaluators are given: splits of the replicas of a row, and examples of classes in equal number."""

import numpy as np
import pytest

from lamv.evaluate.passes import Passes
from lamv.evaluate.snapshot import Options, Snapshot
from lamv.train.session import Session
from lamv.train.variants import VariantRun
from tests.evaluate.rows import small


def snapshot(row, **options):
    run = VariantRun(row, Session([row]))
    return Snapshot(Passes(run), run.replicas[-1], Options(**options), 0, {})


def test_splits_are_those_of_the_replicas_and_limited_but_for_the_test():
    second = snapshot(small(**{"parallel.replicas": "loop", "data.valid_size": 50}), examples=30)
    assert list(second.replicas.numbers) == [1] and list(second.tables) == ["train", "test", "valid"]
    assert second.tables["train"].rows.shape == (1, 30) and second.held_out is second.tables["valid"]
    np.testing.assert_array_equal(second.tables["test"].rows, second.view.tests["test"].rows[1:])
    assert snapshot(small(), examples=0).held_out is None and list(snapshot(small(), examples=0).tables) == ["test"]


@pytest.mark.parametrize("most", [3, 1000])
def test_examples_of_classes_come_in_equal_number(most):
    both = snapshot(small())
    labels = both.labels(both.of_classes("train", (4, 7), most))
    fewest = min(most, *(np.sum(of_train == c) for of_train in both.labels(both.tables["train"]) for c in (4, 7)))
    for of_replica in labels:
        np.testing.assert_array_equal(of_replica, np.repeat([4, 7], fewest))
    assert not both.notes
    assert both.of_classes("train", (4, 10), most) is None and "no examples of one of the classes" in [*both.notes][0]

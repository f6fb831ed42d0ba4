"""Projections: of the three classes asked for, in the plane of their templates."""

import numpy as np

import lamv.evaluate
from lamv.evaluate import Evaluator
from lamv.evaluate.projection import EXAMPLES, projection
from tests.evaluate.rows import evaluated, recipe


def test_examples_of_three_classes_are_projected_with_their_templates(monkeypatch):
    monkeypatch.setattr(lamv.evaluate, "EVALUATORS", (Evaluator(projection),))
    evaluation, results = evaluated(recipe({"ERM": {}}), classes=(7, 1, 4))
    for result in results:
        assert [curve["split"] for curve in result.curves] == ["train", "test"]
        for curve in result.curves:
            assert curve["names"] == ["7", "1", "4"] and len(curve["x"]) == len(curve["y"]) == len(curve["label"])
            counts = np.bincount(curve["label"])
            assert len(counts) == 3 and counts.min() == counts.max() <= EXAMPLES
            (x_a, y_a), (x_b, y_b), (_, y_c) = curve["templates"]
            assert x_a < x_b and abs(y_a - y_b) < 1e-4 < y_c, "from the first to the second; the third above"
    assert not evaluation.notes

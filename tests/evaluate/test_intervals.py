"""Bootstrap intervals over examples, of rows of one seed."""

import json

import numpy as np
import pytest

from lamv.core.intervals import over_examples


def stored(path, name):
    return [json.loads(line) for line in (path / name).read_text().splitlines()]


def test_one_seed_has_intervals_over_examples_and_over_pairs(single):
    [erm, smooth] = stored(single, "evaluation.jsonl")
    intervals = [curve for curve in stored(single, "evaluation_curves.jsonl") if curve["kind"] == "interval"]
    own = {(c["row"], c["metric"], c["against"]): c for c in intervals}
    assert {key[2] for key in own if key[0] == "ERM"} == {None} and ("LS .1", "test/nll", "ERM") in own
    variances = ("test/features/within_variance", "test/outputs/within_variance")
    for metric in ("test/accuracy", "test/nll", "test/brier", "test/margin_mean", *variances):
        told = own["LS .1", metric, None]
        assert told["mean"] == pytest.approx(smooth[metric], rel=1e-5) and told["low"] < told["mean"] < told["high"]
        paired = own["LS .1", metric, "ERM"]
        assert paired["mean"] == pytest.approx(smooth[metric] - erm[metric], rel=1e-3, abs=1e-6)
        assert paired["examples"] == 797
    accuracy = own["ERM", "test/accuracy", None]
    right = np.repeat([1.0, 0.0], [round(797 * erm["test/accuracy"]), 797 - round(797 * erm["test/accuracy"])])
    low, high = over_examples(right)[1:]
    assert (accuracy["low"], accuracy["high"]) == pytest.approx((low, high), abs=0.003)

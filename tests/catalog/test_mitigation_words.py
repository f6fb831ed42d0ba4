"""Mitigations in words."""

import pytest

from lamv.catalog import mitigations
from lamv.compare import baseline
from lamv.knobs import KNOBS
from lamv.report import explain
from lamv.train.mitigations import MITIGATIONS
from tests.compare.test_grids import row, rows_of

DEFAULTS = {knob.key: knob.default for knob in KNOBS if knob.key.startswith("mitigation.")}


SAID = {
    "reweight": "share of its group", "resample": "equally often", "subsample": "smallest of the groups",
    "group_dro": "η = 0.01", "irm": "100 × the mean square", "vrex": "100 × the variance",
    "jtt": "for 100 steps", "easy_to_hard": "after 100 steps", "dfr": "10 such subsets", "lisa": "probability 0.5", "within_groups": "Beta(2, 2)",
    "across_attributes": "another attribute", "logit_adjustment": "among examples of its attribute",
    "bifair": "after every 2 updates",
    "lort": "20 epochs more, at the learning rate 0.0005", "crt": "all classes come up equally often",
}  # fmt: skip


@pytest.mark.parametrize("name", MITIGATIONS)
def test_every_mitigation_is_told_in_words(name):
    [made] = rows_of(row("a row", 0.5, mitigation=name))
    words = mitigations.in_words(made.config)
    assert (SAID[name] in words) if name != "erm" else words == ""
    assert words in explain.method_in_words(made, 10)
    assert mitigations.in_short(made.config) == ("" if name == "erm" else name)
    if name != "erm":
        assert set(mitigations.MITIGATIONS[name].knobs) <= {key.partition(".")[2] for key in DEFAULTS}


def test_knobs_away_from_their_default_are_in_the_short_name():
    config = {
        "mitigation": {"name": "group_dro", "by": "class", "step_size": 0.1, "alpha": 7.0},
        "method": {"name": "erm"},
    }
    assert mitigations.in_short(config) == "group_dro by=class step_size=0.1"
    assert baseline.row_in_short(config) == "erm + group_dro by=class step_size=0.1"
    for stored in ({}, {"mitigation": None}, {"mitigation": {"name": "own", "x": 1}}, {"mitigation": {"name": "jtt"}}):
        assert isinstance(mitigations.in_words(stored), str)


def test_pairs_that_are_not_mixed_are_not_said_to_be():
    knobs = {key.partition(".")[2]: value for key, value in DEFAULTS.items()} | {"mixes": False}
    for name in ("lisa", "within_groups", "across_attributes"):
        words = mitigations.in_words({"mitigation": knobs | {"name": name}})
        assert "half each" in words and "is mixed," not in words and "Beta" not in words
        old = {knob: value for knob, value in knobs.items() if knob != "mixes"} | {"name": name}
        assert "by Mixup" in mitigations.in_words({"mitigation": old}), "a record of before"

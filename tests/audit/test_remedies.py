"""Remedies: which are tried for a method, and what they are said to change and to cost."""

import pytest

from lamv import config as configs
from lamv.audit import remedies, verdict
from lamv.audit.question import parsed
from lamv.rows import expand

[SMOOTHING, MIXUP, MIDPOINT] = parsed("label_smoothing:.1,mixup:1,midpoint")


@pytest.mark.parametrize(
    ("method", "grouped", "tried"),
    [
        (SMOOTHING, False, ["smoothing 0.033", "train twice"]),
        (MIXUP, False, ["alpha 0.33", "same-class mixing", "train twice"]),
        (MIXUP, True, ["alpha 0.33", "same-class mixing", "reweighting", "pairs within groups", "last layer anew"]),
        (MIDPOINT, False, ["train twice"]),
    ],
)
def test_the_remedies_of_a_method(method, grouped, tried):
    rows = remedies.rows([method], grouped, 400)
    assert [remedy for _, remedy, _ in rows.values()] == tried
    assert all(name == f"{method.label}, {remedy}" for name, (_, remedy, _) in rows.items())


def test_they_are_rows_of_a_recipe():
    for grouped in (False, True):
        config = configs.defaults()
        config.steps = 400
        config.rows = {name: knobs for name, (_, _, knobs) in remedies.rows([SMOOTHING, MIXUP], grouped, 400).items()}
        assert len(expand(config)) == len(config.rows)


def row(accuracy, without):
    return {
        "accuracy": accuracy, "groups": [], "hard": [], "clusters": [],
        "parts": {"p": {"accuracy": without, "follows": [0.0, 0.0]}},
    }  # fmt: skip


def test_before_after_and_price_are_paired_by_seed():
    own = {"rows": {"erm": row([0.9, 0.8], [0.85, 0.75]), "mixup(1)": row([0.92, 0.84], [0.45, 0.35])}}
    after = {"rows": {"mixup(1), alpha 0.33": row([0.91, 0.82], [0.75, 0.67])}}
    found = {
        "mixup(1)": verdict.Verdict("risky", "", "", (verdict.Evidence("sufficient", "p", "the part", (-0.4, -0.4)),))
    }
    tried = {"mixup(1), alpha 0.33": ("mixup(1)", "alpha 0.33", {})}
    [outcome] = remedies.outcomes(tried, after, own, found)
    assert outcome["before"]["mean"] == pytest.approx(-0.4)
    assert outcome["after"]["mean"] == pytest.approx(-0.09)
    assert outcome["price"]["mean"] == pytest.approx(-0.015)
    assert (outcome["method"], outcome["remedy"], outcome["of"]) == ("mixup(1)", "alpha 0.33", "the part")

"""Verdicts: what makes a method risky, what leaves it open, and that the sentence carries the number it rests on."""

import pytest

from lamv.audit.verdict import Evidence, evidence_of, judge, recorded

NONE = (-0.001, 0.0, 0.001, 0.0, 0.001)


def accuracy(*values):
    return Evidence("accuracy", "accuracy", "accuracy on test examples", values or NONE)


def part(*values, kind="sufficient", suspect=True):
    return Evidence(kind, "column id", "the column id", values, ("id",), suspect)


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        ([accuracy()], "safe"),
        ([accuracy(0.02, 0.021, 0.02, 0.019, 0.02)], "helps"),
        ([accuracy(-0.05, -0.06, -0.05, -0.05, -0.06)], "risky"),
        ([accuracy(-0.05, 0.05, 0.0, 0.02, -0.02)], "inconclusive"),
        ([accuracy(0.0)], "inconclusive"),  # one seed has no interval
        ([accuracy(), part(-0.3, -0.31, -0.32, -0.3, -0.33)], "risky"),
        ([accuracy(), part(-0.3, 0.1, -0.2, 0.2, -0.4)], "inconclusive"),
        ([accuracy(), part(-0.02, -0.02, -0.02, -0.02, -0.02)], "safe"),
        ([accuracy(), part(-0.3, -0.31, -0.32, -0.3, -0.33, suspect=False)], "safe"),
        ([accuracy(), part(-0.15, -0.15, -0.15, -0.15, -0.15, kind="part")], "safe"),
        # Of help to accuracy, and resting on a shortcut: that counts more.
        ([accuracy(0.02, 0.021, 0.02, 0.019, 0.02), part(-0.3, -0.31, -0.32, -0.3, -0.33)], "risky"),
    ],
)
def test_verdicts(evidence, verdict):
    assert judge(evidence).verdict == verdict


def test_too_little_data_leaves_everything_open_and_says_why():
    found = judge([accuracy(-0.5, -0.5, -0.5)], ["there are 10 examples in all"])
    assert found.verdict == "inconclusive"
    assert "there are 10 examples in all" in found.why


def test_the_sentence_names_what_the_method_rests_on_with_its_interval():
    found = judge([accuracy(), part(-0.3, -0.31, -0.32, -0.3, -0.33)])
    assert "the column id" in found.why
    assert "−31.2 points [−32.8, −29.6]" in found.why
    assert found.evidence[0].key == "column id"


def test_the_worst_of_several_harms_is_told():
    mild, grave = (
        part(-0.11, -0.11, -0.11),
        part(-0.6, -0.6, -0.6)._replace(key="leading direction", words="a direction"),
    )
    assert "a direction" in judge([accuracy(), mild, grave]).why


ACCURACY = {"erm": (0.9, 0.9), "mixup(1)": (0.9, 0.9)}


def measured(erm=0.9, method=0.6, alone=0.9, share=None):
    def row(accuracy_without):
        return {
            "accuracy": [0.9, 0.9], "groups": [0.5, 0.5], "hard": [0.5, None], "clusters": [0.8, 0.8],
            "parts": {"p": {"accuracy": [accuracy_without] * 2, "follows": [0.1, 0.1]}},
        }  # fmt: skip

    described = {"key": "p", "kind": "mask", "words": "the part", "columns": [], "within_share": share, "alone": alone}
    return {"parts": [described], "rows": {"erm": row(erm), "mixup(1)": row(method)}}


def test_a_part_that_tells_the_label_by_itself_is_judged_by_the_stricter_threshold():
    kinds = {alone: evidence_of("mixup(1)", measured(alone=alone), ACCURACY)[-1].kind for alone in (0.9, 0.85, None)}
    assert kinds == {0.9: "sufficient", 0.85: "part", None: "part"}


def test_directions_that_vary_as_those_of_any_data_are_no_suspects():
    suspects = [evidence_of("mixup(1)", measured(share=share), ACCURACY)[-1].suspect for share in (0.0, 0.2, None)]
    assert suspects == [True, False, True]


def test_the_record_is_that_of_the_contract():
    record = recorded(judge(evidence_of("mixup(1)", measured(), ACCURACY)))
    assert record["verdict"] == "risky"
    assert record["accuracy_difference"] == {"mean": 0.0, "low": 0.0, "high": 0.0, "n": 2}
    assert record["worst_group_difference"]["n"] == 2
    assert record["leans_on"][0]["direction"] == "the part"
    assert record["leans_on"][0]["difference"]["mean"] == pytest.approx(-0.3)

"""The table of a run: which columns, which digits, and that they line up."""

from lamv.report import table
from lamv.report.numbers import decimals_for
from lamv.results.records import Row, spread
from tests import workdirs


def lines_of(*rows, **more):
    return table.as_text(workdirs.summary(*rows, **more)).splitlines()


def test_numbers_are_those_of_the_summary_and_align_on_the_plus_minus():
    text = lines_of(
        workdirs.row("ERM", workdirs.measured(random=0.861)),
        workdirs.row("LS .1+wd", workdirs.measured(random=0.0612), method="label_smoothing"),
    )
    erm, smoothed = (next(line for line in text if line.startswith(name)) for name in ("ERM", "LS .1+wd"))
    assert "86.1 ± 1.0" in erm and " 6.1 ± 1.0" in smoothed
    places = [[i for i, letter in enumerate(line) if letter == "±"] for line in (erm, smoothed)]
    assert places[0] == places[1] and len(places[0]) == 8
    assert "n = 3 seeds" in "\n".join(text)


def test_the_test_set_of_a_long_tail_is_not_as_in_training():
    plain, tail = (
        workdirs.measured(shortcut=False),
        workdirs.measured(shortcut=False) | {"test/few_accuracy": [0.5] * 3},
    )
    notes = [
        table.columns_of([Row("ERM", {}, {key: spread(own) for key, own in values.items()})])[0].note
        for values in (plain, tail)
    ]
    assert notes == ["as in training", "all classes"]


def test_one_seed_has_no_spread():
    text = "\n".join(lines_of(workdirs.row("ERM", workdirs.measured(seeds=1))))
    assert "n = 1 seed." in text and "80.0" in text
    assert "±" not in text


def test_rows_with_different_numbers_of_seeds_say_so():
    rows = [workdirs.row("a", workdirs.measured(seeds=1)), workdirs.row("b", workdirs.measured(seeds=3))]
    text = lines_of(*rows)
    assert "n = 1 (a), 3 (b) seeds" in text[1]
    heading = next(line for line in text if line.startswith("row"))
    alone, several = (next(line for line in text if line.startswith(name + " ")) for name in "ab")
    assert alone.index("98.0") == several.index("98.0")
    assert len(heading) == len(several)


def test_columns_that_nothing_was_measured_for_are_left_out():
    text = "\n".join(lines_of(workdirs.row("ERM", workdirs.measured(shortcut=False), shortcut="none")))
    assert "random" not in text and "ratio" not in text
    assert "test %" in text and "features var." in text


def test_a_row_without_a_metric_that_others_have_stays_empty_there():
    rows = [workdirs.row("a", workdirs.measured()), workdirs.row("b", workdirs.measured(shortcut=False))]
    text = lines_of(*rows)
    assert next(line for line in text if line.startswith("b ")).count("±") == 3


def test_claims_come_with_their_verdict_and_the_measured_mean():
    claim = {"row": "ERM", "metric": "test_random/accuracy", "relation": ">=", "bound": 0.8}
    claims = [
        claim | {"mean": 0.86, "holds": True},
        claim | {"mean": 0.7, "holds": False},
        claim | {"metric": "test/collapse/nc1", "mean": None, "holds": None},
    ]
    text = lines_of(workdirs.row("ERM", workdirs.measured()), claims=claims)[-3:]
    verdicts = ("holds", "falls short", "not judged: not measured")
    assert all(line.strip().startswith(verdict) for line, verdict in zip(text, verdicts, strict=True))
    assert "0.860 ± 0.010" in text[0] and "≥ 0.8" in text[0] and "not measured" in text[2]


def test_overridden_settings_are_named():
    text = "\n".join(lines_of(workdirs.row("ERM", workdirs.measured()), overrides={"data.shortcut.noise": 0.5}))
    assert "overridden: data.shortcut.noise=0.5" in text


def test_a_row_name_cannot_move_the_cursor():
    text = table.as_text(workdirs.summary(workdirs.row("a\x1b[2J\nb", workdirs.measured())))
    assert "\x1b" not in text and "\nb" not in text


def test_decimals_leave_three_digits():
    assert decimals_for([7.3, 4.4, 15.0]) == 2
    assert decimals_for([0.0023, 0.005]) == 5
    assert decimals_for([123456.0]) == 0
    assert decimals_for([0.0]) == 2


def test_what_training_could_not_judge_is_judged_by_the_numbers_at_hand():
    claim = {"row": "ERM", "metric": "test/features/within_variance", "relation": ">=", "times": 3, "of": "LS"}
    rows = [workdirs.row("ERM", workdirs.measured()), workdirs.row("LS", workdirs.measured(), method="label_smoothing")]
    [line] = lines_of(*rows, claims=[claim | {"bound": None, "mean": None, "holds": None}])[-1:]
    assert line.split()[:2] == ["falls", "short"] and "≥ 12" in line and "3 × LS" in line, "both have 4"


def test_groups_of_a_cue_of_many_values_are_left_to_the_evaluation():
    """Groups of ten classes and ten tags have a few examples each; those of data without a cue are told all the same."""
    values = workdirs.measured() | {
        "test/worst_group_accuracy": [0.5] * 3, "test/groups_left_out": [90.0] * 3, "test/cue_drop": [0.25] * 3
    }  # fmt: skip
    planted = "\n".join(lines_of(workdirs.row("ERM", values)))
    assert "worst group %" not in planted and "90 groups" not in planted and "drop" in planted
    own = "\n".join(lines_of(workdirs.row("ERM", values, shortcut="none")))
    assert "worst group %" in own and "90 groups have no example" in own
    told = "\n".join(lines_of(workdirs.row("ERM", values | {"test/group_0_1/accuracy": [0.5] * 3})))
    assert "worst group %" in told

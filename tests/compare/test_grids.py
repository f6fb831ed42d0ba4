"""Method by mitigation: baselines under the same mitigation, the grid, and which mitigation repairs what."""

import pytest

from lamv.catalog import mitigations
from lamv.compare import grids, groups
from lamv.knobs import KNOBS
from lamv.report import explain, sections
from lamv.results import runs
from lamv.train.mitigations import MITIGATIONS
from tests import workdirs

WORST = "test/worst_group_accuracy"
DEFAULTS = {knob.key: knob.default for knob in KNOBS if knob.key.startswith("mitigation.")}


def row(name, accuracy, method="erm", mitigation="erm", seeds=3, **knobs):
    """A row whose worst-group accuracy is `accuracy` in the seed in the middle, 0.01 apart from seed to seed."""
    values = workdirs.measured(seeds=seeds, shortcut=False) | {
        WORST: [accuracy + 0.01 * (seed - (seeds - 1) / 2) for seed in range(seeds)]
    }
    made = workdirs.row(name, values, method=method, shortcut="none")
    set_to = {key.replace(".", "__"): value for key, value in DEFAULTS.items()} | {"mitigation__name": mitigation}
    return workdirs.changed(made, **set_to | knobs)


def rows_of(*stored):
    return runs.rows_of({"rows": list(stored)})


FOUR = {"ERM": 0.8, "LS": 0.5, "ERM, jtt": 0.85, "LS, jtt": 0.84}


def grid_rows(accuracies, **knobs):
    methods = {"ERM": "erm", "LS": "label_smoothing", "Mixup": "mixup"}
    return rows_of(*(
        row(name, accuracy, methods[name.split(",")[0]], (name.split(", ") + ["erm"])[1], **knobs)
        for name, accuracy in accuracies.items()
    ))  # fmt: skip


def test_a_row_is_compared_with_erm_under_the_same_mitigation():
    rows = grid_rows(FOUR)
    found = {row.name: groups.baseline_of(row, rows) for row in rows}
    assert found["LS"].name == "ERM" and found["LS, jtt"].name == "ERM, jtt"
    assert found["ERM"] is found["ERM, jtt"] is None
    assert groups.baseline_of(rows[3], rows[:3]) is rows[2] and groups.baseline_of(rows[3], rows[:2]) is None


def test_knobs_that_nothing_looks_at_do_not_keep_rows_apart():
    erm = workdirs.row("ERM", workdirs.measured(), method="erm")  # of a version without mitigations
    other = workdirs.changed(
        workdirs.row("LS", workdirs.measured(), method="label_smoothing"),
        mitigation__name="erm", mitigation__alpha=7.0, select__rule="last", select__patience=0,
    )  # fmt: skip
    own, base = rows_of(other, erm)
    assert groups.baseline_of(own, [base]) is base
    [jtt] = rows_of(row("LS, jtt", 0.5, "label_smoothing", "jtt", mitigation__alpha=7.0))
    [base] = rows_of(row("ERM, jtt", 0.5, "erm", "jtt"))
    assert groups.baseline_of(jtt, [base]) is base
    [longer] = rows_of(row("ERM, jtt", 0.5, "erm", "jtt", mitigation__first_steps=7))
    assert groups.baseline_of(jtt, [longer]) is None


def test_the_grid_has_methods_down_and_mitigations_across():
    [grid] = grids.of(grid_rows({"LS, jtt": 0.84, "LS": 0.5, "ERM, jtt": 0.85, "ERM": 0.8, "Mixup, dfr": 0.7}))
    assert grid.methods == ("ERM", "LS", "mixup α=1 ε=0.1"), "ERM first; that without a row of its own is told in short"
    assert grid.mitigations == ("none", "jtt", "dfr")
    assert grid.rows["LS", "jtt"].name == "LS, jtt" and ("ERM", "dfr") not in grid.rows
    assert grid.erm == "ERM" and grid.unmitigated == "none"


@pytest.mark.parametrize("accuracies", [
    {"ERM": 0.8, "LS": 0.5}, {"ERM": 0.8, "ERM, jtt": 0.5}, {"ERM": 0.8, "ERM, jtt": 0.5, "ERM, dfr": 0.6}, {},
])  # fmt: skip
def test_fewer_than_two_of_either_are_no_grid(accuracies):
    assert grids.of(grid_rows(accuracies)) == []


def test_rows_of_a_grid_share_all_else_but_how_their_step_was_chosen():
    apart = grid_rows(FOUR)[:2] + grid_rows(FOUR, steps=999)[2:]
    assert grids.of(apart) == []
    chosen = grid_rows(FOUR)[:2] + grid_rows(FOUR, select__rule="valid_worst_group")[2:]
    assert len(grids.of(chosen)) == 1
    both = grid_rows(FOUR) + grid_rows(FOUR, select__rule="valid_worst_group")
    assert [len(grid.rows) for grid in grids.of(both)] == [4, 4], "two rows of a cell: a grid for each rule"


def test_a_mitigation_repairs_what_is_not_far_below_erm_in_either_sense():
    [grid] = grids.of(grid_rows(FOUR))
    [found] = grids.repairs(grid, WORST)
    assert (found.method, found.mitigation, found.repaired) == ("LS", "jtt", True)
    assert found.lost.difference.mean == pytest.approx(-0.3)
    assert found.same.difference.mean == pytest.approx(-0.01)
    assert found.alone.difference.mean == pytest.approx(0.04)
    assert grids.in_words(found) == (
        "LS loses 30.0 points (30.0 to 30.0); jtt repairs it: 1.0 points (1.0 to 1.0) below ERM under jtt and 4.0 points"
        " (4.0 to 4.0) above ERM alone."
    )


@pytest.mark.parametrize("accuracies, mitigation, words", [
    # Best in itself, yet as far below ERM as before: the mitigation helps ERM as much.
    (FOUR | {"ERM, dfr": 0.99, "LS, dfr": 0.9}, "jtt", "repairs it"),
    (FOUR | {"LS, jtt": 0.7}, "jtt", "comes closest, and does not repair it: 15.0 points (15.0 to 15.0) below ERM under"),
    ({"ERM": 0.8, "LS": 0.5, "LS, jtt": 0.79}, "jtt", "jtt repairs it: 1.0 points (1.0 to 1.0) below ERM alone"),
    ({"ERM": 0.8, "LS": 0.5, "ERM, jtt": 0.8}, None, "was not trained with a mitigation"),
])  # fmt: skip
def test_what_comes_closest_to_a_repair(accuracies, mitigation, words):
    [grid] = grids.of(grid_rows(accuracies))
    [found] = grids.repairs(grid, WORST)
    assert found.mitigation == mitigation and words in grids.in_words(found)


def test_a_method_that_loses_little_needs_no_repair():
    [grid] = grids.of(grid_rows(FOUR | {"LS": 0.771}))
    assert grids.repairs(grid, WORST) == [] and grids.repairs(grid, "test_random/accuracy") == []


def test_of_one_seed_there_is_no_interval():
    [grid] = grids.of(grid_rows(FOUR, seeds=1))
    assert "LS loses 30.0 points (one seed); jtt repairs it" in grids.in_words(grids.repairs(grid, WORST)[0])


def test_the_page_shows_the_grid_with_numbers_in_its_cells(tmp_path):
    rows = grid_rows({key: value for key, value in FOUR.items() if key != "LS, jtt"})
    found = sections.of(runs.Run(tmp_path, "", "", {}, rows, (), (), {}, (), True))
    [grid] = found.content["grids"]
    [figure], [(measure, sentences)] = grid["figures"], grid["said"]
    assert "ERM with jtt 85.0" in figure.alt and "LS with jtt" not in figure.alt
    assert measure == "test accuracy of the worst group" and sentences[0].startswith("LS loses")
    assert "repair" in {term.name for term in found.terms}


def test_with_a_random_cue_the_worst_group_is_that_under_it():
    rows = grid_rows(FOUR)
    [grid] = grids.of(rows)
    assert grids.measures(grid) == [grids.WORST[1]]
    more = {"test_random/worst_group_accuracy": rows[0].metrics[WORST], "test_random/accuracy": rows[0].metrics[WORST]}
    [grid] = grids.of([row._replace(metrics={**row.metrics, **more}) for row in rows])
    assert grids.measures(grid) == [grids.WORST[0], grids.RANDOM]


SAID = {
    "reweight": "share of its group", "resample": "equally often", "subsample": "smallest of the groups",
    "group_dro": "η = 0.01", "irm": "100 × the mean square", "vrex": "100 × the variance",
    "jtt": "for 100 steps", "dfr": "10 such subsets", "lisa": "probability 0.5", "within_groups": "Beta(2, 2)",
    "across_attributes": "another attribute", "logit_adjustment": "among examples of its attribute",
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
    assert groups.row_in_short(config) == "erm + group_dro by=class step_size=0.1"
    for stored in ({}, {"mitigation": None}, {"mitigation": {"name": "own", "x": 1}}, {"mitigation": {"name": "jtt"}}):
        assert isinstance(mitigations.in_words(stored), str)

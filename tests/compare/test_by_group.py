"""Groups: which split, which accuracies, which counts."""

import json

import pytest

from lamv.compare import by_group, cohorts
from lamv.results import analysis, runs
from tests import workdirs

FOUR = {(0, 0): 0.9, (0, 1): 0.7, (1, 0): 0.4, (1, 1): 0.95}


def row(name="ERM", seeds=3, accuracies=FOUR, split="test", method="erm", **more):
    values = workdirs.measured(seeds=seeds, shortcut=False)
    values |= workdirs.of_groups(accuracies, split, {(1, 0): 30}, seeds, more.pop("left_out", 0))
    return workdirs.changed(workdirs.row(name, values, method=method, shortcut="none"), **more)


def run_of(path, *rows):
    return runs.read(workdirs.write(path / "run", workdirs.summary(*rows)))


def test_with_a_cue_the_groups_are_those_under_a_random_one(tmp_path):
    values = workdirs.measured() | workdirs.of_groups(FOUR, "test") | workdirs.of_groups({(0, 0): 0.5}, "test_random")
    found = by_group.of(run_of(tmp_path, workdirs.row("ERM", values)))
    assert found.split == "test_random" and found.accuracies["ERM"][0, 0].mean == pytest.approx(0.5)
    assert found.groups == [(0, 0)]


def test_without_groups_there_is_nothing(tmp_path):
    assert by_group.of(run_of(tmp_path, workdirs.row("ERM", workdirs.measured()))) is None


def many(path, selected=(), evaluated=True):
    """A run of two seeds with 100 groups, of which 3 have examples; its table of groups is of step 20."""
    values = workdirs.measured(seeds=2) | {
        f"test_random/{key}": [value] * 2
        for key, value in (("worst_group_accuracy", 0.2), ("mean_group_accuracy", 0.5), ("groups_left_out", 97))
    }
    made = workdirs.row("ERM", values) | ({"selected": list(selected)} if selected else {})
    path = workdirs.write(path / "run", workdirs.summary(made))
    if evaluated:
        workdirs.evaluate(path, workdirs.summary(made), curves=False, values={"test/nll": 0.5})
        with open(path / analysis.CURVES, "a") as file:
            for replica in range(2):
                lines = [[0, 0, 4, 4, 0, 1], [7, 9, 5, 2 - replica, 0, 1], [9, 1, 10, 5, 0, 1]]
                line = {"step": 20, "row": "ERM", "replica": replica, "seed": replica, "kind": "groups"}
                file.write(json.dumps(line | {"split": "test_random", "groups": lines}) + "\n")
    return path


def test_an_evaluation_of_other_steps_does_not_take_the_place_of_those_chosen(tmp_path):
    run = runs.read(many(tmp_path, selected=(10, 20)))
    assert "test/nll" not in run.rows[0].metrics and any("not all evaluated" in note for note in run.notes)
    assert not by_group.of(run).pooled, "of seed 1 alone there are groups at its step"
    run = runs.read(many(tmp_path / "other", selected=(20, 20)))
    assert run.rows[0].metrics["test/nll"].values == pytest.approx((0.5, 0.495))
    assert not any("evaluated" in note for note in run.notes) and by_group.of(run).pooled["ERM"][0, 0] == (8, 8)
    [cohort] = cohorts.of(cohorts.members_of(run, "run"))
    assert cohort.methods[0].members[0].origin == "run (chosen steps, 20)"


def test_differences_between_attributes_come_from_accuracies_and_counts(tmp_path):
    groups = by_group.of(run_of(tmp_path, row()))
    found = groups.fairness(groups.rows[0])
    accuracies = {group: spread.values for group, spread in groups.accuracies["ERM"].items()}
    assert found["eod"].values == pytest.approx(
        [b - a for a, b in zip(accuracies[1, 0], accuracies[1, 1], strict=True)]
    )
    apart = [(0.2 + eod) / 2 for eod in found["eod"].values]
    assert found["aod"].values == pytest.approx(apart, abs=0.02)
    three = by_group.of(run_of(tmp_path / "3", row(accuracies=FOUR | {(2, 0): 0.5})))
    assert three.fairness(three.rows[0]) == {}

"""Groups on a page: which are shown, with which spread, and which were left out; and which step a row's numbers are of."""

import json

import pytest

from lamv import report
from lamv.compare import families, group_tables, groups, selections
from lamv.core.intervals import wilson
from lamv.report import answer, table
from lamv.results import analysis, runs
from tests import workdirs
from tests.pages import Page

FOUR = {(0, 0): 0.9, (0, 1): 0.7, (1, 0): 0.4, (1, 1): 0.95}


def row(name="ERM", seeds=3, accuracies=FOUR, split="test", method="erm", **more):
    values = workdirs.measured(seeds=seeds, shortcut=False)
    values |= workdirs.of_groups(accuracies, split, {(1, 0): 30}, seeds, more.pop("left_out", 0))
    return workdirs.changed(workdirs.row(name, values, method=method, shortcut="none"), **more)


def run_of(path, *rows):
    return runs.read(workdirs.write(path / "run", workdirs.summary(*rows)))


def test_every_group_has_its_accuracy_over_the_seeds(tmp_path):
    found = group_tables.of(run_of(tmp_path, row(), row("LS", accuracies=FOUR | {(1, 0): 0.2})))
    assert found.heads == [
        ("y 0, a 0", "n = 50"),
        ("y 0, a 1", "n = 50"),
        ("y 1, a 0", "n = 30"),
        ("y 1, a 1", "n = 50"),
    ]
    assert [(cell.mean, cell.more) for cell in found.lines[1][1]] == [
        ("90.0", "± 1.0"), ("70.0", "± 1.0"), ("20.0", "± 1.0"), ("95.0", "± 1.0"),
    ]  # fmt: skip
    assert "sd over seeds" in found.caption and "Wilson" not in found.caption and "left out" not in found.caption


def test_of_one_seed_the_interval_is_wilsons(tmp_path):
    found = group_tables.of(run_of(tmp_path, row(seeds=1)))
    low, high = wilson(12, 30)  # 0.4 of 30
    assert found.lines[0][1][2].more == f"[{100 * low:.1f}, {100 * high:.1f}]"
    assert "Wilson" in found.caption and "sd" not in found.caption


@pytest.mark.parametrize("left_out, groups_there, said", [
    (1, {(0, 0): 0.9, (1, 0): 0.5, (1, 1): 0.8}, "Left out, as they have no example in some seed or in all: y 0, a 1."),
    (7, {(0, 0): 0.9, (1, 1): 0.8}, "Up to 7 groups without an example are left out."),
])  # fmt: skip
def test_what_was_left_out_is_said(tmp_path, left_out, groups_there, said):
    rows = row(accuracies=groups_there, left_out=left_out)
    assert said in group_tables.of(run_of(tmp_path, rows)).caption
    text = table.as_text(workdirs.summary(rows))
    have = "1 group has" if left_out == 1 else "7 groups have"
    assert f"{have} no example in test and stay out of worst, mean and adjusted accuracy." in text


def test_with_a_cue_the_groups_are_those_under_a_random_one(tmp_path):
    values = workdirs.measured() | workdirs.of_groups(FOUR, "test") | workdirs.of_groups({(0, 0): 0.5}, "test_random")
    found = group_tables.of(run_of(tmp_path, workdirs.row("ERM", values)))
    assert found.split == "test_random" and [cell.mean for cell in found.lines[0][1]] == ["50.0"]


def test_groups_without_an_attribute_are_numbered(tmp_path):
    values = workdirs.measured(shortcut=False) | {
        "test/worst_group_accuracy": [0.5] * 3,
        "test/groups_left_out": [0] * 3,
    }
    values |= {
        "test/group_2/accuracy": [0.5] * 3,
        "test/group_2/count": [9, 10, 11],
        "test/group_11/accuracy": [0.7] * 3,
    }
    found = group_tables.of(run_of(tmp_path, workdirs.row("ERM", values, shortcut="none")))
    assert found.heads == [("group 2", "n = 9 to 11"), ("group 11", "")]


def test_without_groups_there_is_nothing(tmp_path):
    assert group_tables.of(run_of(tmp_path, workdirs.row("ERM", workdirs.measured()))) is None


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


def test_of_many_groups_worst_median_and_best_are_shown_over_all_seeds(tmp_path):
    path = many(tmp_path)
    found = group_tables.of(runs.read(path))
    assert found.pooled["ERM"] == {(0, 0): (8, 8), (7, 9): (10, 3), (9, 1): (20, 10)}
    assert [(cell.mean, cell.count) for cell in found.lines[0][1]] == [
        ("30.0", "y 7, a 9; n = 10"), ("50.0", "y 9, a 1; n = 20"), ("100.0", "y 0, a 0; n = 8"),
    ]  # fmt: skip
    assert "Up to 97 groups" in found.caption
    page = Page(report.write(path).read_text())
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert any("ERM: from y 7, a 9: 30 % to y 0, a 0: 100 %" in label for label in labels)


def test_of_many_groups_that_were_not_evaluated_the_page_says_how_to_have_them(tmp_path):
    found = group_tables.of(runs.read(many(tmp_path, evaluated=False)))
    assert not found.lines and "experiments.evaluate" in found.caption


# Which step the numbers are of


@pytest.mark.parametrize("knobs, said", [
    ({}, "Numbers of the last step."),
    ({"select__rule": "valid_worst_group"}, "Numbers of the step with the best validation worst-group accuracy."),
    ({"select__rule": "valid_accuracy", "select__patience": 5}, "accuracy, early stopping after 5 evaluations without a"),
    ({"select__rule": "oracle_test_worst_group"}, "ORACLE: chosen on the test set"),
])  # fmt: skip
def test_every_table_says_which_step_its_numbers_are_of(tmp_path, knobs, said):
    made = workdirs.summary(row(**knobs), row("LS", method="label_smoothing", **knobs))
    path = report.write(workdirs.write(tmp_path / "run", made))
    page, text = path.read_text(), table.as_text(made)
    tables = len([c for c in page.split("<table")[1:] if "Row</th>" in c or 'class="compared"' in c])
    assert said in text and tables == 6 and page.count(said) >= 4
    for each in page.split("<table")[1:]:
        assert said in each.split("</table>")[1] or 'class="compared"' in each
    assert said.split("Numbers of ")[-1][:30] in path.with_suffix(".md").read_text()


def test_rows_that_differ_in_their_rule_are_named(tmp_path):
    rows = runs.rows_of(workdirs.summary(row(), row("a"), row("DFR, x", select__rule="valid_accuracy")))
    assert selections.caption(rows) == (
        "Numbers of the last step; “DFR, x”: of the step with the best validation accuracy."
    )


def test_a_run_that_goes_on_has_the_numbers_of_where_it_is(tmp_path):
    made = workdirs.summary(row(select__rule="valid_accuracy"))
    run = runs.read(workdirs.write(tmp_path / "run", made, finished=False))
    assert selections.caption(run.rows) == "Numbers of step 10."


def test_the_steps_that_were_chosen_are_shown(tmp_path):
    made = workdirs.summary(row(select__rule="valid_accuracy") | {"selected": [10, 20, 10]}, row("LS"))
    assert "Steps that were chosen: 10–20 (ERM)." in table.as_text(made)
    text = Page(report.write(workdirs.write(tmp_path / "run", made)).read_text()).text
    assert "10–20" in text and "steps 10, 20, 10, seed by seed" in text


def test_an_evaluation_of_other_steps_does_not_take_the_place_of_those_chosen(tmp_path):
    run = runs.read(many(tmp_path, selected=(10, 20)))
    assert "test/nll" not in run.rows[0].metrics and any("not all evaluated" in note for note in run.notes)
    assert not group_tables.of(run).pooled, "of seed 1 alone there are groups at its step"
    run = runs.read(many(tmp_path / "other", selected=(20, 20)))
    assert run.rows[0].metrics["test/nll"].values == pytest.approx((0.5, 0.495))
    assert not any("evaluated" in note for note in run.notes) and group_tables.of(run).pooled["ERM"][0, 0] == (8, 8)
    [group] = groups.group(groups.members_of(run, "run"))
    assert group.columns[0].sources[0].chosen == "20"


# What the page says of groups elsewhere


def test_without_a_cue_the_answer_is_about_the_worst_group(tmp_path):
    rows = row(), row("LS", accuracies=FOUR | {(1, 0): 0.2}, method="label_smoothing")
    found = answer.answer(run_of(tmp_path, *rows))
    assert found.headline.startswith("With label augmentation, test accuracy of the worst group is lower in 1")
    assert found.comparisons[0].difference.mean == pytest.approx(-0.2)
    assert "No shortcut was planted" not in " ".join(found.paragraphs)


def test_groups_are_in_the_table_of_methods(tmp_path):
    names = [m.name for family in families.measured(run_of(tmp_path, row()).rows[0].metrics) for m in family.metrics]
    assert "test: y 1, a 0, %" in names and "test: adjusted to the groups of training, %" in names


def test_what_has_a_line_for_each_of_many_rows_is_folded(tmp_path):
    def page(rows):
        made = [row(f"row {n}", optim__lr=0.01 * n) for n in range(rows)]
        return Page(report.write(workdirs.write(tmp_path / str(rows), workdirs.summary(*made))).read_text())

    few, more = page(3), page(report.MANY_ROWS + 1)
    assert more.tags.count("details") >= few.tags.count("details") + 4
    assert more.tags.count("figure") < few.tags.count("figure")

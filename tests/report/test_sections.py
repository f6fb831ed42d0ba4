"""The sections of the page of a run: doses, grids, groups, figures of the evaluation, provenance."""

import numpy as np
import pytest

from lamv import report
from lamv.compare import by_group, cohorts, doses, grids
from lamv.core.intervals import wilson
from lamv.report import comparison, sections, table
from lamv.results import runs
from tests import workdirs
from tests.compare.test_by_group import FOUR, many, row, run_of
from tests.compare.test_doses import DOSES, rows_of
from tests.compare.test_doses import row as dose_row
from tests.compare.test_grids import FOUR as GRID
from tests.compare.test_grids import WORST, grid_rows
from tests.compare.test_sweeps import swept
from tests.pages import Page
from tests.results.test_legend import DATA, read


def test_the_page_has_every_figure_once_with_a_caption_and_words(workdir):
    page = Page((workdir / report.FILE).read_text())
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert page.tags.count("figure") == page.tags.count("figcaption") == len(labels) == 15
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids)) and "script" not in page.tags
    references = [value[1:] for _, name, value in page.attributes if name == "href"]
    assert set(references) <= set(ids)
    assert "Spearman’s rank correlation +1.00 (n = 4 rows)" in page.text
    assert "FGSM, LS .1: 26.7 % at 0.1" in " ".join(labels)
    assert "LS .1: floor 0.446" in " ".join(labels)


def test_what_the_evaluation_says_is_put_in_words(workdir):
    text = Page((workdir / report.FILE).read_text()).text.replace("\xa0", " ")
    assert "variance of the features as a multiple of ERM’s: 0.90 (LS .1), 0.80 (Mixup) and 0.70 (CutMix)" in text
    assert "within-cell variance in the loss on augmented inputs: 10 % (ERM), 10 % (LS .1)" in text
    assert "ECE in points: 5.9 (ERM)" in text and "after temperature scaling: 1.0 (ERM)" in text
    assert "Evaluation: There was no validation set." in text


def test_provenance_names_both_commands(workdir):
    text = Page((workdir / report.FILE).read_text()).text
    assert (
        "train.py" in text and "evaluate.py --checkpoints=all" in text and "c0ffee" in text and "examples = 500" in text
    )
    assert text.count("From run, step 20") >= 12 + 8


def test_every_metric_that_is_shown_is_explained(workdir):
    text = Page((workdir / report.FILE).read_text()).text.split("How to read this")[1]
    for name in (
        "NC1",
        "ECE",
        "AURC",
        "temperature scaling",
        "entropy floor",
        "attacks",
        "probe",
        "information",
        "margin",
    ):
        assert name in text
    assert "corruptions" in text and "NC3" not in text, "it was not measured"


@pytest.mark.drawn
def test_the_same_files_give_the_same_bytes(workdir):
    names = (report.FILE, "report.md", "report.tex", "report.csv")
    first = [(workdir / name).read_bytes() for name in names]
    report.write(workdir)
    assert [(workdir / name).read_bytes() for name in names] == first


def test_the_page_shows_the_curves_and_the_crossings(tmp_path):
    rows = rows_of([-0.3, -0.1, 0.1, 0.2])
    run = runs.Run(tmp_path, "", "", {}, rows, (), (), {}, (), True)
    found = sections.dose_section(run)
    [figure], [table] = found.figures, found.tables
    assert table.title.startswith("Crossings with ERM: noise on the cue")
    assert [[cell.mean for cell in row] for row in table.rows] == [["LS", "0.15 [0.15, 0.15]: from below ERM to above"]]
    assert "LS: 31.0 at 0 to 81.0 at 0.4" in figure.alt
    assert {term.name for term in found.terms} == {"dose", "crossing"}


def test_an_interval_that_reaches_the_last_dose_is_open():
    values = np.array([[-0.3, -0.1], [-0.3, -0.1], [-0.1, 0.5]])  # only with the last seed does the mean rise above 0
    found = doses.DoseDifference(np.array([0.0, 1.0]), values)
    [crossing] = doses.crossings(found)
    assert crossing.interval[1] == np.inf and "1 or more]" in sections._crossing(crossing, "ERM", found.doses)


@pytest.mark.parametrize("differences, said", [
    ([-0.3, -0.1, -0.1, -0.2], "does not cross; below ERM at every dose"),
    ([0.1, 0.1, 0.1, 0.1], "does not cross; above ERM at every dose"),
    ([0.0, 0.0, 0.0, 0.0], "does not cross; on ERM at every dose"),
])  # fmt: skip
def test_a_curve_that_does_not_cross_says_where_it_lies(differences, said):
    [panel] = doses.of(rows_of(differences))
    assert sections.crossings(panel.curves[1], panel.baseline) == [said]


def test_of_many_rows_a_page_on_several_runs_shows_the_curves_alone(tmp_path, monkeypatch):
    own = [0.6, 0.61, 0.62]
    stored = [dose_row(f"{m} {dose}", own, dose, method=m) for m in ("erm", "label_smoothing") for dose in DOSES]
    workdirs.write(tmp_path / "run", workdirs.summary(*stored))

    def labels():
        page = Page(report.write_overview(tmp_path, [tmp_path / "run"]).read_text())
        return [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]

    assert [label.split(".")[0] for label in labels()] == ["Dot plot, accuracy"]
    monkeypatch.setattr(sections, "MANY_ROWS", 7)
    assert [label.split(".")[0] for label in labels()] == ["Lines: accuracy over noise on the cue (standard deviation)"]


def test_the_page_shows_the_grid_with_numbers_in_its_cells(tmp_path):
    rows = grid_rows({key: value for key, value in GRID.items() if key != "LS, jtt"})
    found = sections.grid_section(runs.Run(tmp_path, "", "", {}, rows, (), (), {}, (), True))
    [figure], [(intro, sentences)] = found.figures, found.sentences
    assert "ERM with jtt 85.0" in figure.alt and "LS with jtt" not in figure.alt
    assert "test accuracy of the worst group" in intro and sentences[0].startswith("LS loses")
    assert "repair" in {term.name for term in found.terms}


def test_a_mitigation_repairs_what_is_not_far_below_erm_in_either_sense():
    [grid] = grids.of(grid_rows(GRID))
    [found] = grids.repairs(grid, WORST)
    assert (found.method, found.mitigation, found.repaired) == ("LS", "jtt", True)
    assert found.lost.difference.mean == pytest.approx(-0.3)
    assert found.same.difference.mean == pytest.approx(-0.01)
    assert found.alone.difference.mean == pytest.approx(0.04)
    assert sections.repair_in_words(found) == (
        "LS loses 30.0 points (30.0 to 30.0); jtt repairs it: 1.0 points (1.0 to 1.0) below ERM under jtt and 4.0 points"
        " (4.0 to 4.0) above ERM alone."
    )


@pytest.mark.parametrize("accuracies, mitigation, words", [
    # Best in itself, yet as far below ERM as before: the mitigation helps ERM as much.
    (GRID | {"ERM, dfr": 0.99, "LS, dfr": 0.9}, "jtt", "repairs it"),
    (GRID | {"LS, jtt": 0.7}, "jtt", "comes closest but does not repair it: 15.0 points (15.0 to 15.0) below ERM under"),
    ({"ERM": 0.8, "LS": 0.5, "LS, jtt": 0.79}, "jtt", "jtt repairs it: 1.0 points (1.0 to 1.0) below ERM alone"),
    ({"ERM": 0.8, "LS": 0.5, "ERM, jtt": 0.8}, None, "was not trained with a mitigation"),
])  # fmt: skip
def test_what_comes_closest_to_a_repair(accuracies, mitigation, words):
    [grid] = grids.of(grid_rows(accuracies))
    [found] = grids.repairs(grid, WORST)
    assert found.mitigation == mitigation and words in sections.repair_in_words(found)


def test_of_one_seed_there_is_no_interval():
    [grid] = grids.of(grid_rows(GRID, seeds=1))
    assert "LS loses 30.0 points (one seed); jtt repairs it" in sections.repair_in_words(grids.repairs(grid, WORST)[0])


def groups_of(run):
    return sections.group_section(run)


def test_every_group_has_its_accuracy_over_the_seeds(tmp_path):
    [found] = groups_of(run_of(tmp_path, row(), row("LS", accuracies=FOUR | {(1, 0): 0.2}))).tables
    assert [(heading.name, heading.note) for heading in found.headings[1:]] == [
        ("y 0, a 0", "n = 50"),
        ("y 0, a 1", "n = 50"),
        ("y 1, a 0", "n = 30"),
        ("y 1, a 1", "n = 50"),
        *((name, "between attributes") for name in ("EOD", "AOD", "SPD")),
    ]
    assert [(cell.mean, cell.sd) for cell in found.rows[1][1:6]] == [
        ("90.0", "1.0"), ("70.0", "1.0"), ("20.0", "1.0"), ("95.0", "1.0"), ("75.0", "0.0"),
    ]  # fmt: skip
    assert "sd over seeds" in found.caption and "Wilson" not in found.caption and "left out" not in found.caption


def test_variances_within_groups_have_a_table_of_their_own(tmp_path):
    of_groups = {
        f"test/group_{y}_{a}/{what}": value
        for y, a in FOUR
        for what, value in (("within_variance", [2.0, 3.0, 4.0]), ("top_eigenvalue", [1.0, 1.5, 2.0]))
    }
    measured = row()
    measured["metrics"] |= {
        key: {"mean": sum(values) / 3, "sd": float(np.std(values, ddof=1)), "n": 3, "values": values}
        for key, values in of_groups.items()
    }
    _, found = groups_of(run_of(tmp_path, measured)).tables
    assert [heading.name for heading in found.headings[1:]] == ["y 0, a 0", "y 0, a 1", "y 1, a 0", "y 1, a 1"]
    assert found.rows[0][1][:2] == ("3", "1") and found.rows[0][1].note == "λ₁ 1.5"


def test_of_one_seed_the_interval_is_wilsons(tmp_path):
    [found] = groups_of(run_of(tmp_path, row(seeds=1))).tables
    low, high = wilson(12, 30)  # 0.4 of 30
    assert found.rows[0][3].interval == f"[{100 * low:.1f}, {100 * high:.1f}]"
    assert "Wilson" in found.caption and "sd" not in found.caption


@pytest.mark.parametrize("left_out, groups_there, said", [
    (1, {(0, 0): 0.9, (1, 0): 0.5, (1, 1): 0.8}, "Left out, without an example in some seed or in all: y 0, a 1."),
    (7, {(0, 0): 0.9, (1, 1): 0.8}, "Up to 7 groups without an example are left out."),
])  # fmt: skip
def test_what_was_left_out_is_said(tmp_path, left_out, groups_there, said):
    rows = row(accuracies=groups_there, left_out=left_out)
    assert said in groups_of(run_of(tmp_path, rows)).tables[0].caption
    text = table.as_text(workdirs.summary(rows))
    have = "1 group has" if left_out == 1 else "7 groups have"
    assert f"{have} no example in test and stay out of worst, mean and adjusted accuracy." in text


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
    [found] = groups_of(run_of(tmp_path, workdirs.row("ERM", values, shortcut="none"))).tables
    assert [tuple(heading)[:2] for heading in found.headings[1:]] == [("group 2", "n = 9 to 11"), ("group 11", "")]


def test_of_many_groups_worst_median_and_best_are_shown_over_all_seeds(tmp_path):
    path = many(tmp_path)
    assert by_group.of(runs.read(path)).pooled["ERM"] == {(0, 0): (8, 8), (7, 9): (10, 3), (9, 1): (20, 10)}
    [found] = groups_of(runs.read(path)).tables
    assert [(cell.mean, cell.note) for cell in found.rows[0][1:]] == [
        ("30.0", "y 7, a 9; n = 10"), ("50.0", "y 9, a 1; n = 20"), ("100.0", "y 0, a 0; n = 8"),
    ]  # fmt: skip
    assert "Up to 97 groups" in found.caption
    page = Page(report.write(path).read_text())
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert any("ERM: from y 7, a 9: 30 % to y 0, a 0: 100 %" in label for label in labels)


def test_of_many_groups_that_were_not_evaluated_the_page_says_how_to_have_them(tmp_path):
    found = groups_of(runs.read(many(tmp_path, evaluated=False)))
    assert not found.tables and "experiments.evaluate" in found.caption


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


def test_the_steps_that_were_chosen_are_shown(tmp_path):
    made = workdirs.summary(row(select__rule="valid_accuracy") | {"selected": [10, 20, 10]}, row("LS"))
    assert "Selected steps: 10–20 (ERM)." in table.as_text(made)
    text = Page(report.write(workdirs.write(tmp_path / "run", made)).read_text()).text
    assert "10–20" in text and "steps 10, 20, 10, seed by seed" in text


def test_what_has_a_line_for_each_of_many_rows_is_folded(tmp_path):
    def page(rows):
        made = [row(f"row {n}", optim__lr=0.01 * n) for n in range(rows)]
        return Page(report.write(workdirs.write(tmp_path / str(rows), workdirs.summary(*made))).read_text())

    few, more = page(3), page(sections.MANY_ROWS + 1)
    assert more.tags.count("details") >= few.tags.count("details") + 4
    assert more.tags.count("figure") < few.tags.count("figure")


def test_tables_of_groups_and_of_methods_are_in_words(tmp_path):
    run = read(tmp_path)
    assert [heading.name for heading in groups_of(run).tables[0].headings[1:5]] == DATA["groups"]
    [cohort] = cohorts.of(cohorts.members_of(run, "run"))
    names = [line.name for block in comparison.tables(cohort) for line in block.lines]
    assert any("cow on sand" in name for name in names) and not any("y 1" in name for name in names)


def test_the_page_says_what_was_read_and_calls_groups_by_their_names(tmp_path):
    text = Page(report.write(read(tmp_path).path).read_text()).text
    for words in (
        "The data",
        "bear 30, cow 10",
        "cow on snow",
        "2 photographs are transparent",
        "a/04.png: cannot",
    ):
        assert words in text
    assert "y 1, a 0" not in text and "Left out: 1 files" in text


def test_unequal_classes_have_a_table_and_a_balanced_accuracy(tmp_path):
    of_classes = {"test/balanced_accuracy": [0.7] * 3, "test/class_0/accuracy": [1.0] * 3, "test/class_0/count": [20] * 3,
                  "test/class_1/accuracy": [0.4] * 3, "test/class_1/count": [10] * 3}  # fmt: skip
    run = run_of(tmp_path, workdirs.row("ERM", workdirs.measured(shortcut=False) | of_classes, shortcut="none"))
    [table_of_classes] = sections.class_section(run).tables
    assert [(heading.name, heading.note) for heading in table_of_classes.headings[1:]] == [
        ("y 0", "n = 20"),
        ("y 1", "n = 10"),
    ]
    assert [cell.mean for cell in table_of_classes.rows[0][1:]] == ["100.0", "40.0"]
    assert any(heading.name == "balanced" for heading in sections.numbers_section(run).tables[0].headings)
    assert sections.class_section(run_of(tmp_path / "equal", row())) is None


def test_published_numbers_stand_beside_the_measured_ones(tmp_path):
    path = workdirs.write(tmp_path / "run", workdirs.summary(row()))
    stored = workdirs.json.loads((path / "config.json").read_text())
    stated = [["ERM", "test/accuracy", 0.9576, "a paper"], ["nobody", "test/accuracy", 0.5, "another"]]
    workdirs.dump(path / "config.json", stored | {"published": stated})
    run = runs.read(path)
    [table_of_both] = sections.published_section(run).tables
    [[name, here, n, published, source]] = table_of_both.rows
    assert (name.mean, name.note, n.mean, published.mean, source.mean) == (
        "ERM",
        "test: accuracy, %",
        "3",
        "95.76",
        "a paper",
    )
    assert here.mean == "99.80"
    workdirs.dump(path / "config.json", stored | {"published": [["ERM", "test/accuracy", "95 %", "a paper"]]})
    assert sections.published_section(runs.read(path)) is None


def test_a_sweep_of_two_knobs_is_a_grid_of_shaded_cells_with_the_difference_from_erm(tmp_path):
    run = swept(tmp_path, (0.1, 0.0), (0.1, 0.01), (0.3, 0.0), (0.3, 0.01))
    [grid] = sections.sweep_section(run).tables
    assert [heading.name for heading in grid.headings] == ["smoothing ↓   weight decay →", "0", "0.01"]
    low, high = grid.rows
    assert (low[0].mean, high[0].mean) == ("0.1", "0.3")
    assert low[1].difference == "0.0" and low[1].shade, "ERM without weight decay is there"
    assert low[2].difference == "", "and with it is not"

"""The page of a sweep says what its sweep.json holds: the choice, what was tried, effects, every cell, logs."""

import re

import pytest

from lamv.report import sweep_page
from tests.sweep.made_up import content, planned, train


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A finished sweep; all its programs left a log."""
    workdir, made = tmp_path_factory.mktemp("sweep"), planned()
    for program in made.programs.values():
        train(workdir, made, program)
        (workdir / "programs" / program.id / "log.txt").write_text("")
    return workdir, made, content(workdir, made)


@pytest.fixture(scope="module")
def page(sweep):
    workdir, _, found = sweep
    return sweep_page.write(workdir, found).read_text()


def test_the_choice_comes_first_and_says_how_many_were_tried(sweep, page):
    # Mixup with lr 0.03: 0.5 + 0.06 + 0.1, 0.01 more in the second seed; of equals the first.
    best = "Best is mixup alpha=0.5 lr=0.03, with the highest mean validation accuracy: 66.5 ± 0.7 % (n = 2)."
    assert best in page and "6 cells were tried. 2 cells have this mean, and the first of them is taken." in page
    assert page.index(best) < page.index("<svg")
    assert best in sweep_page.as_text(sweep[2])


def test_every_cell_is_in_every_table(sweep, page):
    workdir, made, _ = sweep
    for cell in made.cells.values():
        assert f">{cell.name}" in page
    for table in ("sweep.md", "sweep.tex"):
        text = (workdir / table).read_text()
        assert text.count("66.5") == 4, "both metrics of the two best cells"
        assert all(knob in text for knob in ("method.alpha", "optim.lr"))


def test_figures_show_methods_marginal_effects_and_two_knobs_together(page):
    alts = re.findall(r'aria-label="([^"]*)"', page)
    assert "mixup over optim.lr: 0.01 62.5, 0.03 66.5" in alts[0] and "erm over optim.lr" in alts[0]
    assert "optim.lr: 0.01 59.2, 0.03 63.2" in alts[1], "(52.5 + 62.5 + 62.5) / 3, and 4 points more"
    assert "erm with 0.01 52.5" in " ".join(alts[2:]) and len(alts) == 4


def test_logs_are_linked(sweep, page):
    assert all(f'href="programs/{id}/log.txt"' in page for id in sweep[1].programs)


def test_nothing_is_loaded_from_elsewhere(page):
    assert not re.search(r'(src|href)="(https?:)?//', page) and "<script" not in page


def test_the_final_training_and_the_optimism_of_the_choice_are_told(sweep):
    workdir, made, found = sweep
    final, program = made.with_final(found["best"], 3)
    train(workdir, final, program, value=lambda cell: 0.4)
    found = content(workdir, final)
    text = sweep_page.as_text(found)
    assert "Trained again with 3 other seeds (2 to 4), it has 41.0 ± 1.0 % (n = 3)." in text
    assert "had no part in the choice" in text
    numbers = [
        [(cell.mean, cell.sd) for cell in row[1:]] for row in sweep_page.page_content(workdir, found)["final"].rows
    ]
    assert numbers == [[("66.5", "0.7"), ("41.0", "1.0")]] * 2, "validation and test"


def test_what_failed_or_waits_is_told_and_nothing_is_drawn_of_it(tmp_path):
    made = planned()
    cells = content(tmp_path, made)["cells"]
    cells[0] |= {"status": "failed", "error": "the loss <is> nan"}
    found = content(tmp_path, made) | {"cells": cells, "tried": 1}
    page = sweep_page.write(tmp_path, found).read_text()
    assert "1 cell was tried, of which 1 failed; 5 are not trained yet." in page
    assert "the loss &lt;is&gt; nan" in page and "<svg" not in page
    assert "No cell has valid/accuracy to choose by." in page


def test_an_oracle_is_called_one(sweep):
    workdir, made, _ = sweep
    assert "ORACLE" not in sweep_page.as_text(content(workdir, made))
    found = content(workdir, made)
    found["select"] = {"rule": "oracle_test_worst_group", "metric": "test/accuracy", "lowest": False}
    assert "This choice is an ORACLE: it looks at the test set." in sweep_page.as_text(found)

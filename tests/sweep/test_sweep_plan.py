"""Programs: what is traced shares one, what there is stays, and what failed is cut."""

import json

import pytest

from lamv.errors import ConfigError, WorkdirMismatch
from lamv.sweep import plan
from tests.sweep.made_up import GRID, planned, recipe


def sizes(plan_made):
    return sorted(len(program.cells) for program in plan_made.programs.values())


@pytest.mark.parametrize(
    "text, expected",
    [
        ("optim.lr=.01,.02,.03;optim.weight_decay=0,.1", [6]),  # traced
        (GRID, [2, 4]),  # the method is not
        ("batch_size=16,32;optim.lr=.01,.02", [2, 2]),
        ("data.label_noise=0,.1,.2", [1, 2]),  # 0 leaves its computation out
        ("select.rule=valid_accuracy,last", [2]),  # chosen after the steps
        ("log_every=10,20", [1, 1]),  # the same for all of a run
    ],
)
def test_cells_that_differ_in_traced_knobs_share_a_program(text, expected):
    assert sizes(planned(text)) == expected


def test_programs_are_cut_where_they_are_large_or_fewer_than_can_run():
    text = "optim.lr=.01,.02,.03,.04,.05"
    assert sizes(planned(text, rows=2)) == [1, 2, 2]
    assert sizes(planned(text, jobs=2)) == [2, 3]
    assert sizes(planned(text, jobs=8)) == [1, 1, 1, 1, 1]
    assert sizes(planned(GRID, jobs=2)) == [2, 4]


def test_every_cell_has_one_program_and_a_plan_is_read_as_it_was_written(tmp_path):
    made = planned()
    placed = [cell for program in made.programs.values() for cell in program.cells]
    assert sorted(placed) == sorted(made.cells)
    plan.write(tmp_path, made)
    read = plan.read(tmp_path)
    assert read.programs == made.programs and list(read.cells) == list(made.cells)
    assert planned(stored=read) == made


def test_a_larger_grid_leaves_the_programs_that_there_are():
    made = planned()
    more = planned("method.name=erm,mixup;method.alpha=.5,1;optim.lr=.01,.03,.1;optim.weight_decay=0,.1", stored=made)
    assert made.programs.items() <= more.programs.items()
    assert [more.cells[id].name for id in made.cells] == [cell.name for cell in made.cells.values()]
    assert len({cell.name for cell in more.cells.values()}) == len(more.cells) == 18
    less = planned("method.name=erm;optim.lr=.03,.3", stored=made)
    assert len(less.cells) == 7 and made.programs.items() <= less.programs.items()


def test_another_recipe_is_refused_by_what_differs():
    with pytest.raises(WorkdirMismatch, match="batch_size 32 -> 16; seeds 2 -> 3"):
        planned(stored=planned(), config=recipe(batch_size=16, seeds=3))
    planned(stored=planned(), config=recipe(checkpoint_every=7))


def test_a_damaged_plan_is_a_line(tmp_path):
    (tmp_path / plan.FILE).write_text(
        json.dumps({"cells": [], "programs": [{"id": "a", "cells": ["b"], "seeds": None}]})
    )
    with pytest.raises(WorkdirMismatch, match="plan.json is damaged"):
        plan.read(tmp_path)
    assert plan.read(tmp_path / "nowhere") is None


def test_what_failed_is_cut_at_its_culprit_or_in_half():
    program = plan.program_of(["a", "b", "c", "d", "e"])
    assert [part.cells for part in plan.halves(program)] == [("a", "b"), ("c", "d", "e")]
    assert [part.cells for part in plan.halves(program, "d")] == [("d",), ("a", "b", "c", "e")]


def test_a_final_training_has_seeds_that_no_cell_has():
    made = planned()
    cell = next(iter(made.cells))
    with_final, program = made.with_final(cell, 5)
    assert program.seeds == (2, 5) and with_final.programs[program.id] == program
    config = with_final.recipe(program)
    assert [(row["seed"], row["seeds"]) for row in config.rows.values()] == [(2, 5)]


def test_a_program_that_training_would_refuse_is_refused_before_any_begins():
    with pytest.raises(ConfigError, match="optim.warmup"):
        planned("optim.warmup=5,50")

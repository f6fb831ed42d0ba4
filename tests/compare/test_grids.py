"""Method by mitigation: baselines under the same mitigation, the grid, and which mitigation repairs what."""

import pytest

from lamv.compare import grids
from lamv.knobs import KNOBS
from lamv.results import runs
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


def test_a_method_that_loses_little_needs_no_repair():
    [grid] = grids.of(grid_rows(FOUR | {"LS": 0.771}))
    assert grids.repairs(grid, WORST) == [] and grids.repairs(grid, "test_random/accuracy") == []


def test_with_a_random_cue_the_worst_group_is_that_under_it():
    rows = grid_rows(FOUR)
    [grid] = grids.of(rows)
    assert grids.measures(grid) == [grids.WORST[1]]
    more = {"test_random/worst_group_accuracy": rows[0].metrics[WORST], "test_random/accuracy": rows[0].metrics[WORST]}
    [grid] = grids.of([row._replace(metrics={**row.metrics, **more}) for row in rows])
    assert grids.measures(grid) == [grids.WORST[0], grids.RANDOM]

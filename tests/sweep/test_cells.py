"""Cells: complete configs without knobs that do nothing, by ids that last."""

import pytest

from lamv import config as configs
from lamv.errors import ConfigError
from lamv.rows import expand
from lamv.sweep import cells
from tests.recipes import tiny
from tests.sweep.made_up import GRID, found, recipe


def names(text, **how):
    return [cell.name for cell in found(text, **how)[1]]


def test_a_knob_that_does_nothing_is_left_out_of_a_cell():
    assert names(GRID) == [
        "erm lr=0.01", "erm lr=0.03", "mixup alpha=0.5 lr=0.01", "mixup alpha=0.5 lr=0.03", "mixup alpha=1 lr=0.01",
        "mixup alpha=1 lr=0.03",
    ]  # fmt: skip
    # Also where its value is the default.
    assert "method.alpha" not in found("method.name=erm,mixup;method.alpha=1,.5")[1][0].knobs


def test_an_id_depends_on_what_is_learned_alone():
    def ids(text=GRID, **how):
        return [cell.id for cell in found(text, **how)[1]]

    few = ids()
    assert len(set(few)) == 6 and ids() == few
    assert set(few) < set(ids(f"{GRID},.1;optim.weight_decay=0,.001"))
    assert ids(config=recipe(**{"title": "other", "checkpoint_every": 3, "parallel.dispatch": "step"})) == few
    assert not set(few) & set(ids(config=recipe(batch_size=16)))


def test_the_config_of_a_cell_is_that_of_the_recipe_with_the_knobs_of_its_point():
    _, [_, cell] = found("method.name=erm,mixup", flags={"optim.lr": 0.5}, config=recipe(**{"optim.lr": 0.5}))
    expected = recipe(**{"method.name": "mixup", "optim.lr": 0.5})
    assert configs.nested(cells.config_of(cell)) == configs.nested(expand(expected)[0].config)


def test_points_hold_over_flags_and_flags_over_rows():
    rows = {"a": {"optim.lr": 0.1, "optim.weight_decay": 0.1}, "b": {"optim.weight_decay": 0.2}}
    config = recipe()
    config.rows = rows
    base, two = found("optim.lr=.7", config=config, flags={"optim.weight_decay": 0.3})
    # The rows do not differ in anything else.
    assert [(cell.config["optim.lr"], cell.config["optim.weight_decay"]) for cell in two] == [(0.7, 0.3)]
    _, each = found("optim.lr=.7,.8", config=config)
    assert [cell.name for cell in each] == ["a lr=0.7", "b lr=0.7", "a lr=0.8", "b lr=0.8"]


def test_of_the_lengths_in_both_units_that_of_the_point_holds():
    _, [steps, epochs] = found("steps=5,None", flags={"epochs": 2.0}, config=recipe(epochs=2.0))
    assert (cells.config_of(steps).steps, cells.config_of(steps).epochs) == (5, None)
    assert (cells.config_of(epochs).steps, cells.config_of(epochs).epochs) == (None, 2.0)


def test_knobs_of_the_recipe_that_do_nothing_in_a_cell_are_left_out():
    config = recipe(**{"method.name": "mixup", "method.alpha": 0.3})
    _, [erm, mixup] = found("method.name=erm,mixup", config=config)
    assert "method.alpha" not in erm.config and mixup.config["method.alpha"] == 0.3


@pytest.mark.parametrize(
    "text, flags, words",
    [
        ("method.ways=2,4", {}, "--grid sets method.ways, but no cell uses it: it acts only with a method"),
        ("optim.lr=.1,.2", {"method.ways": 4}, "--config sets method.ways, but no cell uses it"),
        ("method.scale_low=.9;method.name=resizemix", {}, "cell '0.9, resizemix': config.method.scale_low"),
    ],
)
def test_a_knob_without_use_and_a_cell_that_cannot_be_are_refused(text, flags, words):
    with pytest.raises(ConfigError) as caught:
        found(text, flags=flags, config=recipe(**flags))
    assert words.replace("'0.9, resizemix'", "'scale_low=0.9, resizemix'") in str(caught.value)


def test_rows_that_compare_methods_give_way_to_a_sweep_over_methods():
    assert names("method.name=erm,mixup", config=tiny.get_config()) == ["erm", "mixup"]
    base, _ = found("method.name=erm,mixup", config=tiny.get_config())
    assert base.left_out == ("ERM", "Mixup")
    # That of Mixup has a weight decay, which is not swept.
    assert all(
        "optim.weight_decay" not in cell.config for cell in found("method.name=erm,mixup", config=tiny.get_config())[1]
    )


def test_the_rows_of_a_recipe_are_cells_beside_one_another():
    assert names("optim.lr=.1,.2", config=tiny.get_config()) == [
        "ERM lr=0.1", "Mixup lr=0.1", "ERM lr=0.2", "Mixup lr=0.2"
    ]  # fmt: skip

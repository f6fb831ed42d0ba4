"""--grid, --zip and --random: every point that is meant, and one line for what is none."""

import itertools

import pytest

from lamv.errors import ConfigError
from lamv.sweep import grid


def points(text, *zips, **how):
    return grid.points(grid.axes(text, zips), **how)


def test_every_value_meets_every_other_in_the_order_given():
    found = points("method.name=erm,mixup; method.alpha=.1,.5,1 ;model.name=mlp,cnn")
    expected = itertools.product(("erm", "mixup"), (0.1, 0.5, 1.0), ("mlp", "cnn"))
    assert [tuple(point.values()) for point in found] == list(expected)
    assert all(tuple(point) == ("method.name", "method.alpha", "model.name") for point in found)


def test_knobs_of_a_zip_move_together_and_meet_the_grid():
    found = points("optim.name=sgd,adam", "optim.lr=.1,.01;steps=10,20")
    assert found == [
        {"optim.name": name, "optim.lr": lr, "steps": steps}
        for name in ("sgd", "adam") for lr, steps in ((0.1, 10), (0.01, 20))
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text, expected",
    [
        ("model.widths=(64,),(128,64),()", [(64,), (128, 64), ()]),
        ("data.flatten=true,False", [True, False]),
        ("method.law=beta(1, 2),'uniform(0, 1)'", ["beta(1, 2)", "uniform(0, 1)"]),
        ("data.path=a.npz,'b,c.npz'", ["a.npz", "b,c.npz"]),
        ("epochs=1,None", [1.0, None]),
        ("steps=10", [10]),
    ],
)
def test_values_have_the_type_of_their_knob(text, expected):
    values = [next(iter(point.values())) for point in points(text)]
    assert values == expected and [type(v) for v in values] == [type(v) for v in expected]


REFUSED = [
    ("", "--grid is missing; give KNOB=VALUE"),
    ("optim.lr", "--grid has 'optim.lr', must be KNOB=VALUE"),
    ("optim.lr=", "must be KNOB=VALUE"),
    ("optim.lrr=1", "'optim.lrr', which is no knob (did you mean 'optim.lr'?)"),
    ("optim.lr=fast", "optim.lr is 'fast', must be of type float (peak learning rate)"),
    ("steps=1e3", "steps is '1e3', must be of type int"),
    ("optim.lr=0", "optim.lr is 0.0, must be above 0"),
    ("optim.lr=nan", "optim.lr is nan, must be above 0"),
    ("method.name=mixupp", "method.name is 'mixupp', must be one of", "did you mean 'mixup'?"),
    ("model.widths=64", "must be of type tuple, such as (64,64)"),
    ("data.flatten=1", "must be of type bool: true or false"),
    ("optim.lr=.1,.1", "optim.lr has the value 0.1 twice"),
    ("optim.lr=.1;optim.lr=.2", "optim.lr is given twice"),
    ("seeds=1,2", "--config.seeds=N"),
    ("parallel.map=pmap", "does not change what is learned"),
    ("rows=1", "does not change what is learned"),
    ("optim.lr=log(1e-4, 1e-1)", "optim.lr is a range, from which --random draws"),
    ("optim.lr=log(0, 1)", "with LOW below HIGH and above 0"),
    ("optim.lr=uniform(1)", "must be uniform(LOW, HIGH) or log(LOW, HIGH)"),
    ("method.smoothing=uniform(0, 2)", "method.smoothing is 2.0, must be from 0 to below 1"),
    (";".join(f"optim.{k}=" + ",".join(f".{i:03}" for i in range(1, 300)) for k in ("lr", "gamma")), "at most 10,000"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case[0][:40])
def test_what_is_no_grid_is_refused_in_a_line(case):
    text, *words = case
    with pytest.raises(ConfigError) as caught:
        points(text)
    assert all(word in str(caught.value) for word in words), caught.value
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "grid_text, zips, words",
    [
        ("", ["optim.lr=.1,.2;steps=10"], "there are 2 of optim.lr, 1 of steps"),
        ("optim.lr=.1", ["optim.lr=.1,.2;steps=10,20"], "optim.lr is given twice"),
        ("", ["optim.lr=log(.1, 1)"], "ranges are for --grid"),
        ("", ["seed=0,1;optim.lr=.1,.2"], "every cell is trained with all seeds"),
    ],
)
def test_what_is_no_zip_is_refused_in_a_line(grid_text, zips, words):
    with pytest.raises(ConfigError, match="^[^\n]*$") as caught:
        points(grid_text, *zips)
    assert words in str(caught.value)


def test_random_draws_different_points_of_the_grid_and_more_of_them_begin_alike():
    text = "method.alpha=.1,.2,.3,.4;optim.lr=.1,.2,.3,.4"
    few, many = points(text, random=6), points(text, random=12)
    assert many[:6] == few and len({repr(point) for point in many}) == 12
    assert all(point in points(text) for point in many)
    assert points(text, random=6, seed=1) != few


def test_ranges_are_drawn_from_evenly_or_evenly_in_their_logarithm():
    drawn = points("optim.lr=log(1e-4, 1);method.smoothing=uniform(0, .5);batch_size=uniform(8, 11)", random=400)
    rates = [point["optim.lr"] for point in drawn]
    assert all(1e-4 <= rate <= 1 for rate in rates)
    assert 0.4 < sum(rate < 1e-2 for rate in rates) / 400 < 0.6
    assert 0.4 < sum(point["method.smoothing"] < 0.25 for point in drawn) / 400 < 0.6
    assert {point["batch_size"] for point in drawn} == {8, 9, 10, 11}


def test_random_needs_something_to_leave_out():
    with pytest.raises(ConfigError, match="--random is 4, and the grid has 4 points"):
        points("optim.lr=.1,.2;method.alpha=1,2", random=4)
    with pytest.raises(ConfigError, match="--random is 0, must be from 1"):
        points("optim.lr=.1,.2", random=0)


def test_seeds_in_the_grid_are_replicas_of_every_cell():
    axes, seeds = grid.seeds_of(grid.axes("seed=3,4,5;optim.lr=.1,.2"))
    assert seeds == {"seed": 3, "seeds": 3} and [axis.keys for axis in axes] == [("optim.lr",)]
    assert grid.seeds_of(axes) == (axes, {})
    with pytest.raises(ConfigError, match="seed=0, 2, must be consecutive"):
        grid.seeds_of(grid.axes("seed=0,2"))

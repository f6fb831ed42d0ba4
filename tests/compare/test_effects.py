"""Effects of the knobs of a sweep against numbers that were put in."""

import itertools

import pytest

from lamv.compare import effects


def cell(id, value, row="", **knobs):
    metrics = {} if value is None else {"m": {"mean": value}}
    return {
        "id": str(id),
        "row": row,
        "knobs": {key.replace("__", "."): v for key, v in knobs.items()},
        "metrics": metrics,
    }


#: value = a + 10 b, and 4 more where both are largest.
GRID = [
    cell(number, a + 10 * b + 4 * (a == 2 and b == 1), a=a, b=b)
    for number, (a, b) in enumerate(itertools.product((0, 1, 2), (0, 1)))
]


def test_a_marginal_effect_is_the_mean_over_all_else():
    found = effects.effect(GRID, "a", "m")
    assert [level.label for level in found.levels] == ["0", "1", "2"]
    assert found.means == [5, 6, 9]
    # Sums of squares by hand: values 0, 10, 1, 11, 2, 16 about 20/3; between the means 5, 6, 9, twice each.
    values, mean = [0, 10, 1, 11, 2, 16], 40 / 6
    between = 2 * sum((m - mean) ** 2 for m in (5, 6, 9))
    assert found.share == pytest.approx(between / sum((v - mean) ** 2 for v in values))


def test_two_knobs_that_add_up_do_not_interact():
    plain = [cell(c["id"], c["knobs"]["a"] + 10 * c["knobs"]["b"], **c["knobs"]) for c in GRID]
    [found] = effects.interactions(plain, ["a", "b"], "m")
    assert found.rms == pytest.approx(0) and found.means == [[0, 10], [1, 11], [2, 12]]


def test_what_the_sum_of_effects_leaves_is_the_interaction():
    [found] = effects.interactions(GRID, ["a", "b"], "m")
    # 4 in one of 3 x 2 combinations leaves 4 (1/3, 2/3 by rows and 1/2 by columns).
    rest = [4 * p * q for p in (-1 / 3, -1 / 3, 2 / 3) for q in (-1 / 2, 1 / 2)]
    assert found.rms == pytest.approx((sum(r * r for r in rest) / 6) ** 0.5)


def test_pairs_without_every_combination_have_no_table_and_the_strongest_comes_first():
    assert effects.interactions(GRID[:-1], ["a", "b"], "m") == []
    cells = [
        cell(n, a * b + 0.1 * a * c, a=a, b=b, c=c) for n, (a, b, c) in enumerate(itertools.product((0, 1), repeat=3))
    ]
    found = effects.interactions(cells, ["a", "b", "c"], "m")
    assert [(one.first.knob, one.second.knob) for one in found][:2] == [("a", "b"), ("a", "c")]
    assert found[-1].rms == pytest.approx(0)


def test_a_knob_counts_in_the_cells_in_which_it_acts_and_cells_without_the_metric_do_not():
    cells = [cell(0, 9.0, name="erm"), cell(1, 1.0, name="mixup", alpha=0.5), cell(2, 3.0, name="mixup", alpha=1.0),
             cell(3, None, name="mixup", alpha=2.0)]  # fmt: skip
    found = effects.effect(cells, "alpha", "m")
    assert [level.label for level in found.levels] == ["0.5", "1"] and found.means == [1, 3]
    assert effects.knobs_of(cells, ["name", "alpha", "lr"]) == ["name", "alpha"]
    rows = [cell(n, n, row=row) for n, row in enumerate(["b", "a"])]
    assert effects.knobs_of(rows, []) == [effects.ROW]
    assert [level.label for level in effects.levels(rows, effects.ROW)] == ["b", "a"], "names stay in their order"


def test_many_numbers_are_put_into_ranges_that_hold_every_cell_once():
    cells = [cell(n, float(n), lr=1.5**n) for n in reversed(range(20))]
    found = effects.levels(cells, "lr")
    assert [len(level.cells) for level in found] == [4] * effects.RANGES
    assert {c["id"] for level in found for c in level.cells} == {c["id"] for c in cells}
    assert effects.effect(cells, "lr", "m").means == [1.5, 5.5, 9.5, 13.5, 17.5]
    assert found[0].label == "1–3.375"


def test_constant_cells_have_no_share():
    assert effects.effect([cell(0, 1.0, a=0), cell(1, 1.0, a=1)], "a", "m").share is None

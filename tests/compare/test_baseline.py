"""Which ERM row a row is compared with, and names that rows share."""

from lamv.compare import baseline
from tests import workdirs
from tests.compare.test_grids import FOUR, grid_rows, row, rows_of


def test_a_row_is_compared_with_erm_under_the_same_mitigation():
    rows = grid_rows(FOUR)
    found = {row.name: baseline.baseline_of(row, rows) for row in rows}
    assert found["LS"].name == "ERM" and found["LS, jtt"].name == "ERM, jtt"
    assert found["ERM"] is found["ERM, jtt"] is None
    assert baseline.baseline_of(rows[3], rows[:3]) is rows[2] and baseline.baseline_of(rows[3], rows[:2]) is None


def test_maxsup_makes_a_method_and_none_of_it_makes_none():
    old = workdirs.row("LS", workdirs.measured(), method="label_smoothing")  # of a version without it
    new = workdirs.changed({**old, "name": "LS, new"}, loss__max_suppression=0.0)
    erm = workdirs.changed(workdirs.row("ERM", workdirs.measured()), loss__max_suppression=0.0)
    maxsup, more = (workdirs.changed({**erm, "name": f"{s}"}, loss__max_suppression=s) for s in (0.1, 0.3))
    old, new, erm, maxsup, more = rows_of(old, new, erm, maxsup, more)
    assert baseline.baseline_of(maxsup, [maxsup, erm]) is erm and not baseline.is_erm(maxsup) and baseline.is_erm(erm)
    assert baseline.method_key(old) == baseline.method_key(new)
    assert len({baseline.method_key(row) for row in (old, erm, maxsup, more)}) == 4


def test_knobs_that_nothing_looks_at_do_not_keep_rows_apart():
    erm = workdirs.row("ERM", workdirs.measured(), method="erm")  # of a version without mitigations
    other = workdirs.changed(
        workdirs.row("LS", workdirs.measured(), method="label_smoothing"),
        mitigation__name="erm", mitigation__alpha=7.0, select__rule="last", select__patience=0,
    )  # fmt: skip
    own, base = rows_of(other, erm)
    assert baseline.baseline_of(own, [base]) is base
    [jtt] = rows_of(row("LS, jtt", 0.5, "label_smoothing", "jtt", mitigation__alpha=7.0))
    [base] = rows_of(row("ERM, jtt", 0.5, "erm", "jtt"))
    assert baseline.baseline_of(jtt, [base]) is base
    [longer] = rows_of(row("ERM, jtt", 0.5, "erm", "jtt", mitigation__first_steps=7))
    assert baseline.baseline_of(jtt, [longer]) is None

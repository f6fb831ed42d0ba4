"""Which step the numbers of a row are of."""

from lamv.compare import selections
from lamv.results import runs
from tests import workdirs
from tests.compare.test_by_group import row


def test_rows_that_differ_in_their_rule_are_named(tmp_path):
    rows = runs.rows_of(workdirs.summary(row(), row("a"), row("DFR, x", select__rule="valid_accuracy")))
    assert selections.caption(rows) == (
        "Numbers of the last step; “DFR, x”: of the step with the best validation accuracy."
    )


def test_a_run_that_goes_on_has_the_numbers_of_where_it_is(tmp_path):
    made = workdirs.summary(row(select__rule="valid_accuracy"))
    run = runs.read(workdirs.write(tmp_path / "run", made, finished=False))
    assert selections.caption(run.rows) == "Numbers of step 10."

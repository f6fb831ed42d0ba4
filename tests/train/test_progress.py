"""Where a run is, in a line of a log."""

import pytest

from lamv.train.progress import Progress


@pytest.fixture
def progress():
    return Progress([("ERM", 100), ("LS", 60)], 20)


def test_what_is_not_compiled_has_no_pace(progress):
    assert progress.line() == "step 20 of 100, compiling"
    progress.advanced("ERM", 1, 2.0)
    assert progress.line() == "step 21 of 100, compiling", "as the other row is"


def test_a_line_has_the_step_the_time_to_go_and_losses_above_their_floors(progress):
    for row in ("ERM", "LS"):
        progress.advanced(row, 20, 10.0)  # half a second a step
    progress.loss("ERM", 0.25, lambda: 0.0)
    progress.loss("LS", 0.5123, lambda: 0.5)
    assert progress.line() == ("step 40 of 100, about 40 s to go; loss: ERM 0.2500; LS 0.5123 (floor + 0.0123)")
    progress.loss("LS", 0.5123, lambda: None)
    assert progress.line().endswith("LS 0.5123")


def test_a_row_that_was_done_before_the_run_went_on_is_not_waited_for():
    resumed = Progress([("short", 10), ("long", 30)], 20)
    resumed.advanced("long", 5, 1.0)
    assert resumed.line() == "step 25 of 30, about 1 s to go"


def test_a_floor_is_not_computed_where_nothing_is_shown(progress):
    def floor():
        raise AssertionError("nobody looks")

    progress.loss("ERM", 0.25, floor)


def test_of_many_rows_a_line_has_the_first():
    many = Progress([(f"row {n}", 10) for n in range(30)], 0)
    for n in range(30):
        many.advanced(f"row {n}", 5, 1.0)
        many.loss(f"row {n}", 1.0, lambda: None)
    assert "row 3 1.0000; ... (30 in all)" in many.line() and "row 4" not in many.line()

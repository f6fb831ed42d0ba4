"""What a sweep shows while it runs: a table on a terminal, a line for each program elsewhere."""

import io
import logging

import pytest
from rich.console import Console

from lamv.sweep import show
from lamv.sweep.show import Counts, Running


def test_the_time_to_go_is_by_the_pace_since_this_start(monkeypatch):
    clock = iter([100.0, 130.0, 130.0])
    monkeypatch.setattr(show.time, "monotonic", lambda: next(clock))
    one = show.Show(Counts(4, 0, 12), lambda: "")  # 4 were done before
    # 1 ended since, 4 are half way: 3 of 8 in 30 seconds.
    assert one.seconds_left(Counts(4, 1, 12), [Running("p", "erm", 4, 0.5)]) == pytest.approx(50)
    assert one.seconds_left(Counts(4, 0, 12), []) is None


def test_the_table_says_what_runs_and_which_is_best():
    one = show.Show(Counts(0, 0, 6), lambda: "erm lr=0.1, valid/accuracy 0.9")
    out = Console(file=io.StringIO(), width=100)
    out.print(one._table(Counts(2, 1, 6), [Running("abc", "mixup and 2 more", 3, 0.5)], waiting=4))
    text = out.file.getvalue()
    assert "2 of 6 cells done, 1 failed; 1 programs run, 4 wait; about" in text
    assert "best so far: erm lr=0.1, valid/accuracy 0.9" in text and "mixup and 2 more" in text


def test_in_a_pipe_a_program_that_ends_is_a_line(caplog):
    one = show.Show(Counts(0, 0, 6), lambda: "erm, valid/accuracy 0.9")
    with caplog.at_level(logging.INFO, "lamv.sweep"), one:
        one.draw(Counts(0, 0, 6), lambda: pytest.fail("nothing is drawn in a pipe"), 3)
        one.ended("abc (erm) is done", Counts(2, 0, 6))
    assert caplog.messages == ["2 of 6 cells: abc (erm) is done; best so far: erm, valid/accuracy 0.9"]


def test_durations_are_in_the_unit_that_suits_them():
    assert [show._duration(seconds) for seconds in (40, 600, 9000)] == ["40 s", "10 min", "2.5 h"]

"""Which checkpoints are evaluated, and the notes on what was not."""

from pathlib import Path

import pytest

from lamv.errors import CheckpointError, ConfigError
from lamv.evaluate.files import notes_in_words, steps_of


def test_steps_are_the_last_all_or_those_named():
    assert steps_of("last", [20, 40], Path()) == [40] and steps_of("all", [20, 40], Path()) == [20, 40]
    assert steps_of("20", [20, 40], Path()) == [20]
    for which in ("30", "20,30", "first"):
        with pytest.raises(ConfigError, match="some of"):
            steps_of(which, [20, 40], Path())
    with pytest.raises(CheckpointError, match="has no checkpoints; train first"):
        steps_of("last", [], Path())


def test_a_note_names_its_rows():
    rows = [(name, ["no probe"] if name in "abcde" else []) for name in "abcdef"]
    assert notes_in_words(rows) == ["a, b, c, d and 1 more rows: no probe."]
    assert notes_in_words([("a", ["x"]), ("b", ["x", "y"])]) == ["All rows: x.", "b: y."]
    assert notes_in_words([("a", ["x"])]) == ["a: x."]

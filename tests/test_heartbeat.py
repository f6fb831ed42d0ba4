"""A line now and then: only in silence, and of whoever knows more."""

import logging
import threading

import pytest

from lamv import heartbeat


@pytest.fixture
def lines(monkeypatch):
    """What was logged, and an event at each of them."""
    monkeypatch.setattr(heartbeat, "SILENCE", 0.02)
    said, seen = [], threading.Event()

    class Seen(logging.Handler):
        def emit(self, record):
            said.append(record.getMessage())
            seen.set()

    handler, logger = Seen(), logging.getLogger("lamv")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    yield said, seen
    logger.setLevel(level)
    logger.removeHandler(handler)


def test_a_silent_command_says_that_it_is_at_work(lines):
    said, seen = lines
    with heartbeat.beating():
        assert seen.wait(30)
    assert said[0] == "after 0 s: at work"


def test_who_knows_more_is_asked_and_may_have_nothing_to_say(lines):
    said, seen = lines
    asked = threading.Event()

    def nothing():
        asked.set()
        return ""

    with heartbeat.beating():
        with heartbeat.telling(nothing):
            assert asked.wait(30)
        with heartbeat.telling(lambda: "step 3 of 9"):
            seen.clear()
            assert seen.wait(30)
    assert "step 3 of 9" in said[-1]


def test_where_others_speak_it_is_silent(lines, monkeypatch):
    monkeypatch.setattr(heartbeat, "SILENCE", 1000.0)
    with heartbeat.beating():
        logging.getLogger("lamv.train").warning("something")
    assert lines[0] == ["something"] and not [t for t in threading.enumerate() if t.name == "heartbeat"]


@pytest.mark.parametrize(
    ("seconds", "said"), [(4.4, "4 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (9000, "2.5 h")]
)
def test_durations(seconds, said):
    assert heartbeat.duration(seconds) == said

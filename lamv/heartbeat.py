"""A line now and then from a command that says nothing else: of hours in a log file, no minute looks like a crash."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Generator

#: Seconds of silence before a line. Later on, a twentieth of the time so far: a day is some hundred lines.
SILENCE, SHARE = 60.0, 1 / 20
logger = logging.getLogger("lamv")
_tell: list[Callable[[], str]] = []


@contextlib.contextmanager
def telling(line: Callable[[], str]) -> Generator[None]:
    """Within this, `line()` is what a heartbeat says, in another thread; "" where nothing need be said."""
    _tell.append(line)
    try:
        yield
    finally:
        _tell.remove(line)


@contextlib.contextmanager
def beating() -> Generator[None]:
    """Within this, a line is logged whenever nothing else was for a while."""
    heard, ended, began = _Heard(), threading.Event(), time.monotonic()

    def beat() -> None:
        while not ended.wait(SILENCE / 10):
            now = time.monotonic()
            if now - heard.last < max(SILENCE, SHARE * (now - began)):
                continue
            line = _tell[-1]() if _tell else "at work"
            if line:
                logger.info("after %s: %s", duration(now - began), line)

    logging.getLogger().addHandler(heard)
    thread = threading.Thread(target=beat, daemon=True, name="heartbeat")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        logging.getLogger().removeHandler(heard)


def duration(seconds: float) -> str:
    """ "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class _Heard(logging.Handler):
    """When something was last logged."""

    def __init__(self):
        super().__init__()
        self.last = time.monotonic()

    def emit(self, record) -> None:
        self.last = time.monotonic()

"""How far a sweep is: on a terminal a table of what runs, with time to go and the best cell so far; elsewhere a line for
each program that ends."""

import logging
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

logger = logging.getLogger("lamv.sweep")


class Running(NamedTuple):
    """A program that runs. progress: share of its steps."""

    id: str
    what: str
    cells: int
    progress: float


class Counts(NamedTuple):
    """Cells."""

    done: int
    failed: int
    all: int

    @property
    def ended(self) -> int:
        return self.done + self.failed


class Show:
    """best: the best cell so far, in words."""

    def __init__(self, counts: Counts, best: Callable[[], str]):
        self._started, self._first = time.monotonic(), counts
        self._best, self._drawn = best, 0.0
        self._live = Live(console=Console(stderr=True), auto_refresh=False) if sys.stderr.isatty() else None

    def __enter__(self) -> "Show":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_) -> None:
        if self._live:
            self._live.stop()

    def ended(self, what: str, counts: Counts) -> None:
        """A program ended; what: how, in words."""
        if not self._live:
            best = self._best()
            logger.info(
                "%d of %d cells: %s%s", counts.ended, counts.all, what, f"; best so far: {best}" if best else ""
            )

    def draw(self, counts: Counts, running: Callable[[], Sequence[Running]], waiting: int) -> None:
        """Draw the table, at most once a second."""
        if self._live and time.monotonic() > self._drawn + 1.0:
            self._drawn = time.monotonic()
            self._live.update(self._table(counts, running(), waiting), refresh=True)

    def _table(self, counts: Counts, running: Sequence[Running], waiting: int) -> Group:
        table = Table(box=None, pad_edge=False)
        for heading in ("program", "cells", "", "trains"):
            table.add_column(heading, justify="right" if heading == "cells" else "left", no_wrap=True)
        for one in running:
            table.add_row(one.id, str(one.cells), ProgressBar(1.0, one.progress, width=24), one.what)
        failed = f", {counts.failed} failed" if counts.failed else ""
        left = self.seconds_left(counts, running)
        ends = "" if left is None else f"; about {_duration(left)} to go"
        best = self._best()
        return Group(
            Text(
                f"{counts.done} of {counts.all} cells done{failed}; {len(running)} programs run, {waiting} wait{ends}"
            ),
            *([Text(f"best so far: {best}")] if best else []),
            table,
        )

    def seconds_left(self, counts: Counts, running: Sequence[Running]) -> float | None:
        """By the pace since the sweep was started; None as long as nothing is known of it."""
        now = counts.ended - self._first.ended + sum(one.cells * one.progress for one in running)
        rest = counts.all - self._first.ended - now
        return (time.monotonic() - self._started) * rest / now if now > 0 else None


def _duration(seconds: float) -> str:
    """ "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

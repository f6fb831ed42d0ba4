"""How far a run is: steps a second, time to go, the loss and how far it is above its floor.

Bars on a terminal; elsewhere a line now and then (lamv.heartbeat).
"""

import contextlib
import sys
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from lamv import heartbeat
from lamv.errors import listed

#: Rows whose loss a line gives.
IN_A_LINE = 4


class Progress:
    """A bar for each row of a recipe. Also knows each row's pace, by which the loop plans its dispatches."""

    def __init__(self, rows: Sequence[tuple[str, int]], step: int):
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]} loss {task.fields[loss]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._tasks = {
            name: self._bars.add_task(name, total=steps, completed=min(step, steps), pace="compiling", loss="-")
            for name, steps in rows
        }
        self._pace: dict[str, float] = {}
        self._since: dict[str, tuple[int, float]] = {}
        self._left = {name: max(steps - step, 0) for name, steps in rows}
        self._last = max(steps for _, steps in rows)
        self._loss: dict[str, tuple[float, Callable[[], float | None]]] = {}
        self._telling = contextlib.ExitStack()

    def knows(self, rows: Sequence) -> bool:
        """Whether all of these rows have taken steps, so that what trains them is compiled."""
        return all(row.name in self._pace for row in rows)

    def piece(self, rows: Sequence[str], seconds: float) -> int:
        """How many steps all of these rows can take in that time, at least 1; also 1 as long as their pace is unknown."""
        if any(row not in self._pace for row in rows):
            return 1
        return max(1, int(seconds / sum(1 / self._pace[row] for row in rows)))

    def advanced(self, row: str, steps: int, seconds: float) -> None:
        """A row took some steps. The first ones compile, which shows in their pace."""
        self._pace[row] = steps / max(seconds, 1e-9)
        self._left[row] -= steps
        steps_before, seconds_before = self._since.get(row, (0, 0.0))
        self._since[row] = steps_before + steps, seconds_before + seconds
        self._bars.update(self._tasks[row], advance=steps, pace=f"{self._pace[row]:.4g} steps/s")

    def take_timing(self, row: str) -> dict[str, float]:
        """Steps and seconds of a row since this was last asked."""
        steps, seconds = self._since.pop(row, (0, 0.0))
        return {"steps": steps, "seconds": round(seconds, 6)}

    def loss(self, row: str, value: float, floor: Callable[[], float | None]) -> None:
        """A row's training loss. floor: what it cannot fall below (lamv.train.floor), computed where it is shown."""
        self._loss[row] = value, floor
        if not self._bars.disable:
            self._bars.update(self._tasks[row], loss=self._said(row))

    def line(self) -> str:
        """Where the run is: "step 300 of 600, about 2 min to go; loss: ERM 0.0123; LS .1 0.5123 (floor + 0.0120)"."""
        done = self._last - max(self._left.values())
        ahead = {row: steps for row, steps in self._left.items() if steps}
        if not ahead.keys() <= self._pace.keys():
            return f"step {done} of {self._last}, compiling"
        left = sum(steps / self._pace[row] for row, steps in ahead.items())
        # A copy, since training goes on beside the thread that asks.
        losses = listed([f"{row} {self._said(row)}" for row in list(self._loss)], IN_A_LINE, "; ")
        return f"step {done} of {self._last}, about {heartbeat.duration(left)} to go{losses and f'; loss: {losses}'}"

    def _said(self, row: str) -> str:
        value, floor = self._loss[row]
        least = floor()
        return f"{value:.4f} (floor + {value - least:.4f})" if least else f"{value:.4f}"

    def __enter__(self):
        self._bars.start()
        self._telling.enter_context(heartbeat.telling(self.line if self._bars.disable else str))
        return self

    def __exit__(self, *_):
        self._telling.close()
        self._bars.stop()

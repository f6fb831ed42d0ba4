"""How far a run is: steps a second, time to go and the loss, on a terminal; silence elsewhere."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars


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
        steps_before, seconds_before = self._since.get(row, (0, 0.0))
        self._since[row] = steps_before + steps, seconds_before + seconds
        self._bars.update(self._tasks[row], advance=steps, pace=f"{self._pace[row]:.4g} steps/s")

    def take_timing(self, row: str) -> dict[str, float]:
        """Steps and seconds of a row since this was last asked."""
        steps, seconds = self._since.pop(row, (0, 0.0))
        return {"steps": steps, "seconds": round(seconds, 6)}

    def loss(self, row: str, value: float) -> None:
        self._bars.update(self._tasks[row], loss=f"{value:.4f}")

    def __enter__(self):
        self._bars.start()
        return self

    def __exit__(self, *_):
        self._bars.stop()

"""What trackers are told: runs, points and results; and the identity by which they know a workdir again."""

import json
import re
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

from lamv import files
from lamv.errors import WorkdirError

#: In the workdir: {"id": what trackers know it by}.
FILE = "trackers.json"
#: Of `Results.table`; sd is None for one seed.
COLUMNS = ("row", "metric", "mean", "sd", "n")
_lock = threading.Lock()

#: A step, and {metric: value}.
Point = tuple[int, Mapping[str, float]]


class TrackedRun(NamedTuple):
    """A row with one seed. number: of the row in the recipe; config: of the row, nested."""

    row: str
    number: int
    replica: int
    seed: int
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.row}/seed {self.seed}"

    @property
    def knobs(self) -> dict[str, str | float | bool]:
        """The config by dotted keys; lists as text, and without what is unset."""
        return {
            key: value if isinstance(value, str | bool | int | float) else str(value)
            for key, value in _flat(self.config)
            if value is not None
        }


class Figure(NamedTuple):
    """A figure of the report."""

    name: str
    png: bytes
    caption: str


class Results(NamedTuple):
    """What a run has come to. step: its last; table: COLUMNS; markdown: the tables of methods, as in report.md."""

    step: int
    finished: bool
    figures: Sequence[Figure]
    table: Sequence[tuple[str, str, float, float | None, int]]
    markdown: str


class Tracker(Protocol):
    """One library. It is made with the workdir and used by one thread; whatever it raises, the run goes on without it.

    package: to import, and to install. view: where its content is to be seen.
    """

    package: ClassVar[str]
    view: str

    def __init__(self, workdir: Path) -> None: ...

    def begin(self, run: TrackedRun) -> int:
        """Open a run, or open it again; returns the last step that it has already, -1 for none."""
        ...

    def log(self, run: TrackedRun, points: Sequence[Point]) -> None:
        """Add points, in the order of their steps."""
        ...

    def finish(self, results: Results | None) -> None:
        """Close all runs. results: None for a training that was interrupted."""
        ...


def identity(workdir: Path) -> str:
    """Twelve letters that no other workdir has, kept in its trackers.json.

    Raises WorkdirError where that file holds none, and as files.write_whole does.
    """
    path = workdir / FILE
    with _lock:
        try:
            stored = files.read_json(path)
        except FileNotFoundError:
            stored = {"id": uuid.uuid4().hex[:12]}
            files.write_whole(path, json.dumps(stored) + "\n")
        except (OSError, ValueError):
            stored = None
    own = stored.get("id") if isinstance(stored, dict) else None
    # It becomes a part of names of folders that are removed.
    if not isinstance(own, str) or not re.fullmatch("[0-9a-f]{12}", own):
        raise WorkdirError(f"{path} is not as lamv writes it; delete it, and trackers will take this for a new run")
    return own


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value

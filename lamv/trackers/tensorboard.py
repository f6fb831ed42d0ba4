"""Event files for TensorBoard, in the workdir: tensorboard/ROW/seed N/, with figures and tables in tensorboard/report/.

A run that is opened again is written anew, from metrics.jsonl. Its new file begins with the mark of a restart, over which
TensorBoard forgets what it has read before. Numbers are 32-bit floats.
"""

import io
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from lamv.trackers.base import Point, Results, TrackedRun

#: Where tensorboardX asks `Appended` for a file.
SCHEME = "lamv"
LONGEST = 80


class TensorBoard:
    """The `Tracker` of this library; see the module."""

    package: ClassVar[str] = "tensorboardX"

    def __init__(self, workdir: Path):
        from tensorboardX import record_writer

        record_writer.register_writer_factory(SCHEME, Files)
        self.folder = workdir.resolve() / "tensorboard"
        self.view = f"tensorboard --logdir={workdir / 'tensorboard'}"
        self._folders: dict[int, str] = {}
        self._writers: dict[str, Any] = {}

    def begin(self, run: TrackedRun) -> int:
        from tensorboardX import summary

        row = self._folders.setdefault(run.number, self._new_folder(run.row))
        self._writers[run.name] = writer = _writer(self.folder / row / f"seed {run.seed}")
        # Without a summary of the experiment, TensorBoard gathers knobs and metrics from the runs.
        _, start, _ = summary.hparams(run.knobs, {})
        writer.write_event(_event(0, start))
        writer.flush()
        return -1

    def log(self, run: TrackedRun, points: Sequence[Point]) -> None:
        from tensorboardX import summary

        writer = self._writers[run.name]
        for step, metrics in points:
            of_step = summary.Summary()
            for key, value in metrics.items():
                of_step.MergeFrom(summary.scalar(key, value))
            writer.write_event(_event(step, of_step))
        writer.flush()

    def finish(self, results: Results | None) -> None:
        from tensorboardX import summary

        if results is None:
            return
        _, _, end = summary.hparams({}, {})
        for writer in self._writers.values() if results.finished else ():
            writer.write_event(_event(results.step, end))
            writer.flush()
        writer = _writer(self.folder / "report")
        for figure in results.figures:
            width, height = Image.open(io.BytesIO(figure.png)).size
            image = summary.Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=figure.png)
            value = summary.Summary.Value(tag=f"report/{figure.name}", image=image)
            writer.write_event(_event(results.step, summary.Summary(value=[value])))
        writer.write_event(_event(results.step, summary.text("report/results", results.markdown)))
        writer.flush()

    def _new_folder(self, row: str) -> str:
        """A name for the folder of a row, which may be called anything; rows have different ones."""
        name = re.sub(r"[^\w .,=+%()-]", "_", row)[:LONGEST].strip(" .") or "row"
        return name if name not in self._folders.values() else f"{name} ({len(self._folders)})"


class Appended:
    """A file that is open only while it is written to, as there may be thousands."""

    def __init__(self, path: str):
        self.path, self._waiting = Path(path.removeprefix(f"{SCHEME}:")), []

    def write(self, data: bytes) -> None:
        self._waiting.append(data)

    def flush(self) -> None:
        with open(self.path, "ab") as file:
            file.write(b"".join(self._waiting))
        self._waiting.clear()


class Files:
    """What tensorboardX opens `Appended` by."""

    open = Appended


def _writer(folder: Path) -> Any:
    """A writer of a new event file, the only one in its folder, with which TensorBoard starts over."""
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()
    # Not tensorboardX's own SummaryWriter: it has a thread and a queue for each run, and what is in those is lost by a kill.
    writer = EventsWriter(f"{SCHEME}:{folder / 'events'}")
    writer.write_event(Event(wall_time=time.time(), step=0, session_log=SessionLog(status=SessionLog.START)))
    return writer


def _event(step: int, summary: Any) -> Any:
    from tensorboardX.proto.event_pb2 import Event

    return Event(wall_time=time.time(), step=step, summary=summary)

"""Trackio: its local database, in TRACKIO_DIR. Nothing is sent; `trackio sync` publishes a project."""

import io
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from PIL import Image

from lamv.trackers.base import COLUMNS, Point, Results, TrackedRun, identity


class Trackio:
    """The `Tracker` of this library; see the module."""

    package: ClassVar[str] = "trackio"

    def __init__(self, workdir: Path):
        # trackio.init has one run at a time, known by its name alone, and its runs hide errors: we write to the database.
        from trackio.sqlite_storage import SQLiteStorage

        self.database, self.id, self.group = SQLiteStorage, identity(workdir), workdir.resolve().name
        self.project = os.environ.get("TRACKIO_PROJECT", "lamv")
        self.view = f"trackio show --project={self.project}"

    def begin(self, run: TrackedRun) -> int:
        last = self.database.get_max_step_for_run(self.project, run.name, run_id=self._id(run))
        return -1 if last is None else last

    def log(self, run: TrackedRun, points: Sequence[Point]) -> None:
        steps, metrics = zip(*points, strict=True)
        about = {"_Group": self.group, "_Created": datetime.now(UTC).isoformat(), "_Username": None}
        config = {**run.config, "row": run.row, "seed": run.seed, **about}
        self.database.bulk_log(
            self.project, run.name, [dict(of) for of in metrics], list(steps), config=config, run_id=self._id(run)
        )

    def finish(self, results: Results | None) -> None:
        if results is None:
            return
        import trackio

        report = trackio.Run(
            url=None, project=self.project, client=None, name="report", run_id=f"{self.id}-report", group=self.group
        )
        images = {
            figure.name: trackio.Image(Image.open(io.BytesIO(figure.png)), caption=figure.caption)
            for figure in results.figures
        }
        table = trackio.Table(columns=list(COLUMNS), data=[list(line) for line in results.table])
        report.log({**images, "results": table}, step=results.step)
        report.finish()

    def _id(self, run: TrackedRun) -> str:
        return f"{self.id}-{run.number}-{run.replica}"

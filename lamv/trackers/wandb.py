"""Weights & Biases: online where there is a key, else offline, into the workdir.

A run is known again by its id. Offline, where nobody can say what a run has, its file is written anew from metrics.jsonl.
"""

import io
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from lamv.trackers.base import COLUMNS, Point, Results, TrackedRun, identity


class Wandb:
    """The `Tracker` of this library; see the module."""

    package: ClassVar[str] = "wandb"

    def __init__(self, workdir: Path):
        import wandb

        self.workdir, self.id = workdir.resolve(), identity(workdir)
        self.mode = os.environ.get("WANDB_MODE", "online")
        # Without asking for a key: nobody may be there to answer.
        if self.mode == "online" and not wandb.login(prompt=False, verify=False):
            self.mode = "offline"
        here = f"wandb sync {workdir / 'wandb' / 'offline-run-*'}"
        self.view = f"{here if self.mode == 'offline' else 'your account'} ({self.mode})"
        self._runs: dict[str, Any] = {}

    def begin(self, run: TrackedRun) -> int:
        config = {**run.config, "row": run.row, "seed": run.seed}
        self._runs[run.name] = opened = self._open(f"{run.number}-{run.replica}", run.name, "train", config)
        return opened.step - 1 if self.mode == "online" and opened.resumed else -1

    def log(self, run: TrackedRun, points: Sequence[Point]) -> None:
        for step, metrics in points:
            self._runs[run.name].log(dict(metrics), step=step)

    def finish(self, results: Results | None) -> None:
        import wandb

        if results:
            self._runs[""] = report = self._open("report", "report", "report", {})
            images = {
                figure.name: wandb.Image(Image.open(io.BytesIO(figure.png)), caption=figure.caption)
                for figure in results.figures
            }
            table = wandb.Table(columns=list(COLUMNS), data=[list(line) for line in results.table])
            report.log({**images, "results": table})
        for opened in self._runs.values():
            opened.finish(exit_code=0 if results else 1)

    def _open(self, own: str, name: str, job: str, config: dict) -> Any:
        import wandb

        if self.mode == "offline":
            for old in (self.workdir / "wandb").glob(f"offline-run-*-{self.id}-{own}"):
                shutil.rmtree(old)
        return wandb.init(
            project=os.environ.get("WANDB_PROJECT", "lamv"), dir=self.workdir, id=f"{self.id}-{own}", name=name,
            group=self.workdir.name, job_type=job, config=config, reinit="create_new",
            mode=self.mode, resume="allow" if self.mode == "online" else None,
            # Links in a workdir that others may write to are refused when a run resumes.
            settings=wandb.Settings(silent=True, console="off", symlink=False, x_disable_stats=True),
        )  # fmt: skip

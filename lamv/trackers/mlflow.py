"""MLflow: a parent run for the workdir, with figures and tables, and a run below it for each row and seed.

Into the server or store of MLFLOW_TRACKING_URI, else into a database in the workdir. Runs are known again by a tag.
"""

import io
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from lamv.trackers.base import COLUMNS, Point, Results, TrackedRun, identity

#: What MLflow takes at once, and letters of a parameter.
METRICS, PARAMS, LONGEST = 1000, 100, 6000
TAG = "lamv.id"


class MLflow:
    """The `Tracker` of this library; see the module."""

    package: ClassVar[str] = "mlflow"

    def __init__(self, workdir: Path):
        from mlflow import MlflowClient

        for talkative in ("mlflow", "alembic"):
            logging.getLogger(talkative).setLevel(logging.WARNING)
        folder, uri = workdir.resolve() / "mlflow", os.environ.get("MLFLOW_TRACKING_URI")
        artifacts = None
        if not uri:
            folder.mkdir(exist_ok=True)
            uri, artifacts = f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri()
        self.view = f"mlflow ui --backend-store-uri={uri}"
        self.id, self.client = identity(workdir), MlflowClient(uri)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "lamv")
        found = self.client.get_experiment_by_name(name)
        self.experiment = found.experiment_id if found else self.client.create_experiment(name, artifacts)
        self.parent, _ = self._open("workdir", workdir.resolve().name, {}, {})
        self._runs: dict[str, str] = {}

    def begin(self, run: TrackedRun) -> int:
        known = {**run.knobs, "row": run.row, "seed": run.seed}
        self._runs[run.name], is_new = self._open(
            f"{run.number}-{run.replica}", run.name, known, {"mlflow.parentRunId": self.parent}
        )
        if is_new:
            return -1
        # Every point has the loss.
        history = self.client.get_metric_history(self._runs[run.name], "train/loss")
        return max((metric.step for metric in history), default=-1)

    def log(self, run: TrackedRun, points: Sequence[Point]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        for step, metrics in points:
            # The loss last: where it is, the others are.
            values = [
                Metric(key, metrics[key], now, step) for key in sorted(metrics, key=lambda key: key == "train/loss")
            ]
            for start in range(0, len(values), METRICS):
                self.client.log_batch(self._runs[run.name], metrics=values[start : start + METRICS])

    def finish(self, results: Results | None) -> None:
        if results:
            for figure in results.figures:
                self.client.log_image(self.parent, Image.open(io.BytesIO(figure.png)), f"figures/{figure.name}.png")
            table = {"columns": list(COLUMNS), "data": [list(line) for line in results.table]}
            self.client.log_text(self.parent, json.dumps(table), "results.json")
            self.client.log_text(self.parent, results.markdown, "results.md")
        if results is None or results.finished:
            for run in (*self._runs.values(), self.parent):
                self.client.set_terminated(run, "FINISHED" if results else "KILLED")

    def _open(self, own: str, name: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> tuple[str, bool]:
        """The run with this id of ours, and whether it is new."""
        from mlflow.entities import Param

        own = f"{self.id}-{own}"
        found = self.client.search_runs([self.experiment], f"tags.`{TAG}` = '{own}'")
        if found:
            self.client.update_run(found[0].info.run_id, "RUNNING")
            return found[0].info.run_id, False
        run = self.client.create_run(self.experiment, tags={TAG: own, **tags}, run_name=name).info.run_id
        listed = [Param(key, str(value)[:LONGEST]) for key, value in params.items()]
        for start in range(0, len(listed), PARAMS):
            self.client.log_batch(run, params=listed[start : start + PARAMS])
        return run, True

"""Follows metrics.jsonl: a thread for each tracker, so that none can stop or slow the run, or another tracker."""

import contextlib
import importlib.util
import io
import logging
import threading
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lamv import files
from lamv.errors import ConfigError, DataError, StorageError, WorkdirError, brief, nearest, one_line
from lamv.results import experiment, jsonl, runs
from lamv.results.records import Row
from lamv.trackers.base import Figure, Point, Results, TrackedRun, Tracker
from lamv.trackers.mlflow import MLflow
from lamv.trackers.tensorboard import TensorBoard
from lamv.trackers.trackio import Trackio
from lamv.trackers.wandb import Wandb

METRICS = "metrics.jsonl"
#: Seconds between two looks at the file.
PAUSE = 1.0
#: Seconds that the end of a run waits for trackers, and that of an interrupted one, which may be about to be killed.
PATIENCE, HASTE = 120.0, 5.0
logger = logging.getLogger("lamv.trackers")


def checked(flag: str, names: Iterable[str]) -> list[str]:
    """The names, each once. Raises ConfigError (exit 64) for one that is no tracker."""
    names = list(dict.fromkeys(name.strip() for name in names))
    for name in names:
        if name not in TRACKERS:
            raise ConfigError(
                f"--{flag} has {brief(name)}, must be of {', '.join(TRACKERS)}, with commas between"
                f"{nearest(name, TRACKERS)}"
            )
    return names


def export(workdir: str | Path, names: Sequence[str]) -> dict[str, int]:
    """Send what trackers lack of a training run, in whatever state it is; returns how many points each was sent.

    Raises ConfigError (exit 64) for a tracker that is not installed, DataError (65) for a workdir without a training run,
    and StorageError (74) where a tracker fails.
    """
    for name, command in missing(names).items():
        raise ConfigError(f"--to has {name!r}, which is not installed; {command}")
    if experiment.is_experiment(workdir):
        raise DataError(f"{workdir} is that of an experiment on theory, which has no curves; give a training run's")
    runs.read(workdir)
    mirror = Mirror(workdir, names)
    mirror.begin()
    mirror.finish(patience=None)
    failed = [follower.name for follower in mirror.followers if follower.failure]
    if failed:
        raise StorageError(
            f"not all could be sent to {' and '.join(failed)}, as said above; run the same command again"
        )
    return {follower.name: follower.sent for follower in mirror.followers}


def missing(names: Iterable[str]) -> dict[str, str]:
    """{tracker: the command that installs it} of those whose library is not there."""
    packages = {name: TRACKERS[name].package for name in names}
    return {
        name: f"python -m pip install {package}"
        for name, package in packages.items()
        if importlib.util.find_spec(package) is None
    }


class Mirror:
    """The trackers of a workdir. Those whose library is missing are left out with a warning.

    Until the end of the context, or `finish`, what trackers print to stdout is dropped: that is for the command's results.
    """

    def __init__(self, workdir: str | Path, names: Sequence[str]):
        self.workdir, self._names, self._begun = Path(workdir), names, False
        self.followers: list[Follower] = []
        self._muted = contextlib.ExitStack()

    def __enter__(self) -> "Mirror":
        return self

    def __exit__(self, *_) -> None:
        self._end(None, HASTE)

    def begin(self) -> None:
        """Start to follow the file, which is that of this run from now on."""
        self._begun, without = True, missing(self._names)
        for name, command in without.items():
            logger.warning("tracker %s is left out, as it is not installed: %s", name, command)
        self.followers = [Follower(name, self.workdir) for name in self._names if name not in without]
        if self.followers:
            self._muted.enter_context(contextlib.redirect_stdout(io.StringIO()))
        for follower in self.followers:
            follower.start()

    def finish(self, patience: float | None = PATIENCE) -> None:
        """Hand over the rest of the lines, and the results. patience: seconds; None waits for as long as it takes."""
        if not self._begun:  # the run was finished already
            self.begin()
        results = None
        if any(follower.is_alive() for follower in self.followers):
            try:
                results = results_of(self.workdir)
            except Exception as error:
                logger.warning("trackers get no figures and tables: %s", one_line(error))
        self._end(results, patience)

    def _end(self, results: Results | None, patience: float | None) -> None:
        for follower in self.followers:
            follower.end(results)
        until = None if patience is None else time.monotonic() + patience
        for follower in self.followers:
            if follower.failure:  # it was waited for once
                continue
            follower.join(None if until is None else max(0.0, until - time.monotonic()))
            if follower.is_alive():
                follower.drop(f"it was not done after {patience:.0f} s")
        self._muted.close()

    @property
    def hangs(self) -> bool:
        """Whether a tracker is still at work, which may keep the process from ending."""
        return any(follower.is_alive() for follower in self.followers)


class Follower(threading.Thread):
    """Hands the lines of a workdir's metrics.jsonl to a tracker. sent: how many; failure: why it was dropped."""

    def __init__(self, tracker: str, workdir: Path):
        super().__init__(name=tracker, daemon=True)
        self.workdir, self.sent, self.failure = workdir, 0, ""
        self._read = 0
        self._rows: dict[str, tuple[int, Row]] = {}
        self._runs: dict[tuple[str, int], TrackedRun] = {}
        self._last: dict[tuple[str, int], int] = {}
        self._ends = threading.Event()
        self._results: Results | None = None

    def end(self, results: Results | None) -> None:
        """Ask to hand over what is left, and to end."""
        self._results = self._results or results
        self._ends.set()

    def drop(self, why: str) -> None:
        if not self.failure:
            self.failure = why
            logger.warning(
                "tracker %s is dropped: %s; python -m experiments.export --workdir=%s --to=%s sends the rest",
                self.name, " ".join(why.split())[:500], self.workdir, self.name,
            )  # fmt: skip

    def run(self) -> None:
        try:
            with self._alone():
                tracker = TRACKERS[self.name](self.workdir)
                logger.info("tracked by %s: %s", self.name, tracker.view)
                while True:
                    ends = self._ends.wait(PAUSE)
                    self._hand_over(tracker)
                    if ends:
                        return tracker.finish(self._results)
        except BaseException as error:  # a library may even raise SystemExit
            self.drop(str(error) if isinstance(error, WorkdirError) else one_line(error))

    @contextlib.contextmanager
    def _alone(self) -> Generator[None]:
        """No other process tells this tracker of this workdir."""
        files.refuse_links(self.workdir)
        try:
            with FileLock(self.workdir / f".{self.name}.lock", timeout=0):
                yield
        except Timeout:
            raise WorkdirError(f"another process tracks {self.workdir} by {self.name}; wait for it") from None

    def _hand_over(self, tracker: Tracker) -> None:
        """Log the new lines, but for steps that the tracker has."""
        for name, lines in self._new_lines().items():
            if name not in self._runs:
                self._runs[name] = self._run_of(lines[0])
                self._last[name] = tracker.begin(self._runs[name])
            points = [_point(line) for line in lines if line["step"] > self._last[name]]
            if points:
                tracker.log(self._runs[name], points)
                self._last[name] = points[-1][0]
                self.sent += len(points)

    def _new_lines(self) -> dict[tuple[str, int], list[dict[str, Any]]]:
        """Whole lines that the file has got, by row and replica."""
        path, notes, found = self.workdir / METRICS, [], {}
        with contextlib.suppress(FileNotFoundError):
            files.check_is_file(path)
            with open(path, "rb") as file:
                file.seek(self._read)
                content = file.read()
            content = content[: content.rfind(b"\n") + 1]
            self._read += len(content)
            for line in jsonl.parse_lines(content, METRICS, notes):
                found.setdefault((line["row"], line["replica"]), []).append(line)
        for note in notes:
            logger.warning("tracker %s: %s", self.name, note)
        return found

    def _run_of(self, line: Mapping[str, Any]) -> TrackedRun:
        self._rows = self._rows or {row.name: (n, row) for n, row in enumerate(runs.read(self.workdir).rows)}
        if line["row"] not in self._rows:
            raise WorkdirError(f"{METRICS} has lines of {brief(line['row'])}, which is no row of the run")
        number, row = self._rows[line["row"]]
        seed = line.get("seed", row.knob("seed", 0) + line["replica"])
        return TrackedRun(row.name, number, line["replica"], seed, row.config)


def results_of(workdir: Path) -> Results:
    """Figures and tables of the report of a workdir."""
    from lamv import report
    from lamv.report import export

    run = runs.read(workdir)
    compared, sections = report.sections_of(run)
    figures = [Figure(one.name, one.png(), one.caption) for section in sections for one in section.figures]
    table = [
        (row.name, metric, spread.mean, spread.sd, spread.n)
        for row in run.rows
        for metric, spread in row.metrics.items()
    ]
    return Results(run.end or 0, run.finished, figures, table, export.markdown(run.title, compared))


def _point(line: Mapping[str, Any]) -> Point:
    return line["step"], {key: value for key, value in line.items() if "/" in key}


#: By the names that --track and --to take.
TRACKERS: dict[str, type[Tracker]] = {"tensorboard": TensorBoard, "wandb": Wandb, "mlflow": MLflow, "trackio": Trackio}

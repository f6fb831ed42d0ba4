"""A run: when what happens. All rows of a recipe advance together, from one checkpoint to the next.

Going side by side, rather than row after row, means that one number, the step, says where a run is; that a mistake in
the last row shows in the first minute; and that the rows can be compared while they train.

Order of events, from cheap to dear: check the config, lock the workdir, read the teachers if there are any, read the
data, check the config against it, look for a checkpoint, and only then compile.
"""

import contextlib
import json
import logging
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from lamv import claims
from lamv import config as configs
from lamv.data import description
from lamv.errors import Preempted, WorkdirMismatch
from lamv.train import budget, parallel, selection, stages, teacher, tracking
from lamv.train.checkpoint import Checkpoints
from lamv.train.progress import Progress
from lamv.train.rows import Bench, Cohort, RowRun, cohorts, describe

#: A dispatch lasts about this long at most, so that progress moves and a signal is heard. Bits do not depend on it.
SECONDS_A_PIECE = 2.0
logger = logging.getLogger("lamv.train")


def train(
    config, workdir: str | Path, overrides: Mapping[str, Any] | None = None, devices: Sequence | None = None
) -> dict[str, Any]:
    """Train every row of a recipe with every seed; returns the content of summary.json.

    config: a filled lamv.config.defaults(). overrides: what the command line set; holds for all rows. devices: None for
    all of them. A run that was interrupted goes on from its last whole checkpoint and ends with the same bits; one that
    is done is left as it is. Processes other than the first get a summary without rows. Raises LamvError's subclasses,
    each with its exit code.
    """
    overrides = dict(overrides or {})
    rows = configs.expand(config, overrides)
    run = configs.snapshot(config, rows)
    parallel.agree(configs.fingerprint(run))
    with tracking.Workdir(workdir, writes=parallel.is_main_process()) as place:
        place.compare(run)
        if (place.path / "DONE").exists():
            logger.info("%s is done; nothing to do", place.path)
            return place.read("summary.json")
        teachers = teacher.of_rows(rows)
        before = place.read("provenance.json") or {}
        teacher.check_same(before.get("teachers", ()), teachers.values())
        bench = Bench(rows, devices)
        budget.check(rows, bench)
        row_runs = [RowRun(row, bench, teachers.get(row.name)) for row in rows]
        for row in row_runs:
            configs.check_length(row.config, row.steps - row.first_step)
        changed = tracking.same_data(before, bench.sources)
        if changed:
            raise WorkdirMismatch(
                f"workdir {place.path} was begun with other data: {changed}; put the data back, or choose another --workdir"
            )
        reading = bench.described(row_runs)
        place.claim(run)
        described = teacher.described(teachers.values())
        place.write("provenance.json", tracking.provenance(bench.sources, bench.layout.mesh.shape, described, reading))
        _announce(row_runs, bench, reading)
        checkpoints = Checkpoints(
            place.path / "checkpoints", configs.fingerprint(run), [row.name for row in rows], config.keep_checkpoints
        )
        with contextlib.closing(checkpoints), _StopSignal() as stop:
            step = _resume(row_runs, checkpoints)
            place.cut_back("metrics.jsonl", step)
            place.cut_back("timing.jsonl", step)
            _run(row_runs, config, step, place, checkpoints, stop)
        return _finish(row_runs, place, config, overrides, reading)


def _resume(row_runs: Sequence[RowRun], checkpoints: Checkpoints) -> int:
    found = checkpoints.restore()
    if found is None:
        for row in row_runs:
            row.init()
        return 0
    step, tree = found
    for number, row in enumerate(row_runs):
        row.load(tree[str(number)])
    logger.info("resuming at step %d", step)
    return step


def _run(row_runs, config, step: int, place: tracking.Workdir, checkpoints: Checkpoints, stop: "_StopSignal") -> None:
    last = max(row.steps for row in row_runs)
    marks = [period for period in (config.log_every, config.eval_every, config.checkpoint_every) if period]
    trained_together = cohorts(row_runs)
    with Progress([(row.name, row.steps) for row in row_runs], step) as progress:
        while step < last:
            active = [row for row in row_runs if row.steps > step]
            # The next step at which anything is due; a row that is shorter than the others ends on one of its own.
            due = min([step + mark - step % mark for mark in marks] + [row.steps for row in active])
            step, start = min(due, step + _piece(active, progress)), step
            for cohort in trained_together:
                if cohort.steps > start:
                    _advance(cohort, start, step, progress)
            if step == due:
                _record(active, step, config, place, progress)
            stop.ask_others(step)
            saves = bool(config.checkpoint_every) and step % config.checkpoint_every == 0
            if step == last or stop.asked or saves:
                checkpoints.save(step, {str(n): row.arrays() for n, row in enumerate(row_runs)})
            if stop.asked and step < last:
                raise Preempted(
                    f"stopped by {stop.asked} at step {step} of {last}, all saved; run the same command again"
                )


def _advance(cohort: Cohort, start: int, stop: int, progress: Progress) -> None:
    before = time.perf_counter()
    cohort.advance(start, stop)
    cohort.wait()
    share = (time.perf_counter() - before) / len(cohort.rows)
    for row in cohort.rows:
        progress.advanced(row.name, stop - start, share)


def _piece(rows: Sequence[RowRun], progress: Progress) -> int:
    """How many steps to take before looking around. Processes must not differ in it, so several do not go by the clock."""
    if jax.process_count() > 1:
        return max(row.steps for row in rows)
    return progress.piece([row.name for row in rows], SECONDS_A_PIECE)


def _record(rows: Sequence[RowRun], step: int, config, place: tracking.Workdir, progress: Progress) -> None:
    """The lines of this step in metrics.jsonl, one for each row and seed, where any are due."""
    logs = step % config.log_every == 0
    evaluates = bool(config.eval_every) and step % config.eval_every == 0
    for row in rows:
        ends = step == row.steps
        if not (logs or evaluates or ends):
            continue
        losses = row.take_loss(step)
        lines = [
            {"step": step, "row": row.name, "replica": r, "seed": row.config.seed + r, "train/loss": loss}
            for r, loss in enumerate(losses)
        ]
        if evaluates or ends:
            # A row whose numbers may be those of this step wants all of them.
            found = row.evaluate(row.test_splits if row.config.select.rule == "last" and not ends else None)
            lines = [line | new for line, new in zip(lines, found, strict=True)]
        place.append("metrics.jsonl", lines)
        place.append("timing.jsonl", [{"step": step, "row": row.name, **progress.take_timing(row.name)}])
        progress.loss(row.name, float(np.mean(losses)))


def _finish(
    row_runs, place: tracking.Workdir, config, overrides: Mapping[str, Any], reading: Mapping[str, Any]
) -> dict[str, Any]:
    """summary.json from one line of every row and seed, so that it says what metrics.jsonl says; then DONE."""
    arrays = [array for row in row_runs for array in row.arrays().values()]
    if not place.writes:
        return {"title": config.title, "overrides": dict(overrides), "rows": [], "claims": []}
    measured: dict[tuple[str, int], list[dict]] = {}
    for line in read_lines(place.path / "metrics.jsonl"):
        measured.setdefault((line["row"], line["replica"]), []).append(line)
    rows = []
    for row in row_runs:
        lines = [
            selection.selected(measured[row.name, replica], row.config.select, row.selectable_after)
            for replica in range(row.config.seeds)
        ]
        told = {} if row.config.select.rule == "last" else {"selected": [line["step"] for line in lines]}
        rows.append(tracking.summary_row(row.name, configs.nested(row.config), tracking.values_of(lines)) | told)
    # A claim speaks of the recipe as it stands: with other settings it is listed, but not judged.
    kept = all(configs.KNOB[key].free or key in ("seed", "seeds") for key in overrides if key in configs.KNOB)
    means = {(row["name"], metric): spread["mean"] for row in rows for metric, spread in row["metrics"].items()}
    judged = claims.judged(config.claims, lambda row, metric: means.get((row, metric))) if kept else []
    notes = [note for row in row_runs for note in stages.notes(row)]
    summary = {
        "title": config.title, "overrides": dict(overrides), "data": dict(reading), "notes": notes, "rows": rows,
        "claims": judged,
    }  # fmt: skip
    place.write("summary.json", summary)
    place.write("DONE", {"sha256": tracking.digest(arrays)})
    return summary


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a JSON-lines file, parsed."""
    with open(path) as file:
        yield from map(json.loads, file)


def _announce(row_runs: Sequence[RowRun], bench: Bench, reading: Mapping[str, Any]) -> None:
    """What was read and is about to be trained: above all, which targets the loss will see."""
    for line in description.lines(reading):
        logger.info("%s", line)
    logger.info("devices %s", dict(bench.layout.mesh.shape))
    for row in row_runs:
        words = describe(row.config, row.plan.num_classes)
        logger.info("%s: %s; %d seeds, %d steps", row.name, words, row.config.seeds, row.steps)


class _StopSignal:
    """Remembers the first SIGTERM or SIGINT, so that the run can save and stop; a second one ends it at once."""

    def __init__(self):
        self.asked = ""
        self._before: dict[int, Any] = {}

    def __enter__(self):
        # Several processes must agree on where to stop: there, JAX listens for SIGTERM, and `ask_others` hears of it.
        if jax.process_count() == 1:
            with contextlib.suppress(ValueError):  # not in the main thread: the caller's business
                for number in (signal.SIGTERM, signal.SIGINT):
                    self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def ask_others(self, step: int) -> None:
        """Where several processes run: whether one of them was told to stop, the same answer at the same step in all."""
        if jax.process_count() > 1 and multihost_utils.reached_preemption_sync_point(step):
            self.asked = "SIGTERM"

    def _heard(self, number, frame):
        self.asked = signal.Signals(number).name
        for number, handler in self._before.items():
            signal.signal(number, handler)

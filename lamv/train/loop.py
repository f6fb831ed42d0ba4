"""A run: when what happens. All rows of a recipe advance together, from one checkpoint to the next.

Going side by side, rather than row after row, means that one number, the step, says where a run is; that a mistake in
the last row shows in the first minute; and that the rows can be compared while they train.

Order of events, from cheap to dear: check the config, lock the workdir, read the data, check the config against it,
look for a checkpoint, and only then compile.
"""

import contextlib
import json
import logging
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from lamv import config as configs
from lamv.core import methods, metrics, variance
from lamv.core.batch import whole
from lamv.core.targets import one_hot
from lamv.data import load
from lamv.data.resident import Plan, examples_of, plan, select_classes
from lamv.errors import NotFiniteError, Preempted
from lamv.train import parallel, tracking
from lamv.train.checkpoint import Checkpoints, flat, unflat
from lamv.train.progress import Progress
from lamv.train.step import Measured, Program, knobs_of

#: A dispatch lasts about this long at most, so that progress moves and a signal is heard. Bits do not depend on it.
SECONDS_A_PIECE = 2.0
logger = logging.getLogger("lamv.train")


class Bench:
    """The data on the devices, and the compiled functions; both shared by all rows that can share them."""

    def __init__(self, rows: Sequence[configs.Row], devices: Sequence | None = None):
        config = rows[0].config
        self.layout = parallel.Layout(config, config.seeds, devices)
        self.splits = load(config.data.name, config.data.path or None, config.data.verify)
        self._examples: dict[tuple, Any] = {}
        self._functions: dict[tuple, Callable] = {}

    def splits_for(self, config):
        return select_classes(self.splits, config.data.classes)

    def examples_for(self, config):
        if config.data.classes not in self._examples:
            host = examples_of(self.splits_for(config))
            self._examples[config.data.classes] = self.layout.place(host, replicas=False)
        return self._examples[config.data.classes]

    def function(self, name: str, key: str, make: Callable[[], Callable]) -> Callable:
        """The compiled function of that name and program key, made at the first call."""
        if (name, key) not in self._functions:
            self._functions[name, key] = make()
        return self._functions[name, key]


class Lane:
    """The seeds of a row that one call trains: knobs, tables and state, on the devices, with a leading axis of seeds."""

    def __init__(self, seeds: Sequence[int], knobs, train, tests):
        self.seeds, self.knobs, self.train, self.tests = list(seeds), knobs, train, tests
        self.state = None


class RowRun:
    """One row of a recipe while it trains."""

    def __init__(self, row: configs.Row, bench: Bench):
        config = self.config = row.config
        self.name, self._bench, self._layout = row.name, bench, bench.layout
        splits = bench.splits_for(config)
        seeds = [config.seed + replica for replica in range(config.seeds)]
        self.plan: Plan = plan(splits, [config] * len(seeds), seeds)
        self.train_size = self.plan.train.rows.shape[1]
        stored_shape = next(iter(splits.parts.values())).inputs.shape[1:]
        configs.check_against_data(config, splits.num_classes, self.train_size, stored_shape)
        self.steps = configs.steps_of(config, self.train_size)
        self.program = Program(config, self.plan, self.steps)
        self._counts, evaluated = self._evaluated()
        size = parallel.together(config, len(seeds))
        self.lanes = [self._lane(seeds[first : first + size], first, evaluated) for first in range(0, len(seeds), size)]

    def init(self) -> None:
        for lane in self.lanes:
            lane.state = self._init(lane.knobs)

    def advance(self, start: int, stop: int) -> None:
        """Train from step `start` up to, not including, step `stop`."""
        run = self._function("step", lambda p: self._repeated(p.step, shared=1))
        for lane in self.lanes:
            examples = self._bench.examples_for(self.config)
            lane.state = run(lane.state, lane.knobs, lane.train, examples, start, stop)

    def wait(self) -> None:
        jax.block_until_ready([lane.state for lane in self.lanes])

    def take_loss(self, step: int) -> list[float]:
        """Mean training loss of every seed since this was last asked. Raises NotFiniteError (exit 70)."""
        losses = []
        for lane in self.lanes:
            total, number = parallel.fetch((lane.state.loss_sum, lane.state.loss_steps))
            losses += [float(value) for value in total / number]
            zeros = self._layout.place((np.zeros_like(total), np.zeros_like(number)), replicas=True)
            lane.state = lane.state._replace(loss_sum=zeros[0], loss_steps=zeros[1])
        for loss, replica in zip(losses, range(len(losses)), strict=True):
            if not np.isfinite(loss):
                raise NotFiniteError(
                    f"the training loss of row {self.name!r}, seed {self.config.seed + replica}, is {loss} before step"
                    f" {step}; the last checkpoint is kept; lower optim.lr or set optim.clip_norm"
                )
        return losses

    def evaluate(self, splits: Sequence[str] | None = None) -> list[dict[str, float]]:
        """Metrics of every seed on these splits (None: all, the training set too), keyed "split/metric"."""
        results = []
        for lane in self.lanes:
            of_lane = [{} for _ in lane.seeds]
            for split in self._counts if splits is None else splits:
                for found, new in zip(of_lane, self._metrics(lane, split), strict=True):
                    found |= {f"{split}/{metric}": value for metric, value in new.items()}
            results += of_lane
        return results

    @property
    def test_splits(self) -> list[str]:
        return list(self.plan.tests)

    def arrays(self) -> dict[str, np.ndarray]:
        """The state of all seeds on the host, flat, for a checkpoint."""
        lanes = [flat(parallel.fetch(lane.state)) for lane in self.lanes]
        return {name: np.concatenate([lane[name] for lane in lanes]) for name in lanes[0]}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the state from a checkpoint. Raises WorkdirMismatch for the state of another model."""
        first = 0
        for lane in self.lanes:
            shapes = jax.eval_shape(self._init, lane.knobs)
            own = {name: array[first : first + len(lane.seeds)] for name, array in arrays.items()}
            lane.state = self._layout.place(unflat(shapes, own), replicas=True)
            first += len(lane.seeds)

    def _metrics(self, lane: Lane, split: str) -> list[dict[str, float]]:
        sums = self._sums(lane, split)
        predictions = parallel.fetch(sums.predictions)
        moments = parallel.fetch({"features": _decompose(sums.features), "outputs": _decompose(sums.outputs)})
        kernel = self._first_kernel(lane) if split == "test" else None
        results = []
        for r in range(len(lane.seeds)):
            found = metrics.prediction_metrics(jax.tree.map(itemgetter(r), predictions))
            for where, parts in moments.items():
                found |= {f"{where}/{VARIANCE_NAMES[part]}": float(value[r]) for part, value in parts.items()}
            if kernel is not None:
                found["weight_norm_ratio"] = metrics.weight_norm_ratio(kernel[r], self.plan.cue)
            wrong = [name for name, value in found.items() if not np.isfinite(value)]
            if wrong:
                raise NotFiniteError(
                    f"{split}/{wrong[0]} of row {self.name!r}, seed {lane.seeds[r]}, is not finite; the last checkpoint is"
                    " kept; lower optim.lr or set optim.clip_norm"
                )
            results.append(found)
        return results

    def _sums(self, lane: Lane, split: str) -> Measured:
        nothing = self._function("nothing", lambda p: self._layout.mapped(p.nothing, shared=0), method=False)
        tally = self._function("tally", lambda p: self._repeated(p.tally, shared=2), method=False)
        count = self._counts[split]
        batches = -(-count // self.config.eval_batch_size)
        examples = self._bench.examples_for(self.config)
        return tally(
            nothing(lane.knobs), lane.state, lane.knobs, lane.tests[split], examples, np.int32(count), 0, batches
        )

    def _init(self, knobs):
        return self._function("init", lambda p: self._layout.mapped(p.init, shared=0), method=False)(knobs)

    def _repeated(self, body: Callable, *, shared: int) -> Callable:
        return self._layout.repeated(body, shared=shared, compiled_loop=parallel.compiled_loop(self.config))

    def _function(self, name: str, make: Callable[[Program], Callable], method: bool = True) -> Callable:
        """Shared with all rows of the same program; `method`: whether the label augmentation is part of what it is."""
        key = configs.program_key(self.config, without=() if method else ("method.",))
        return self._bench.function(name, key, lambda: make(self.program))

    def _evaluated(self):
        """Size of every evaluated split, and their tables, padded to one length so that they share a program."""
        tables = dict(self.plan.tests)
        train_size = min(self.config.data.eval_train_size, self.train_size)
        if train_size:
            tables["train"] = jax.tree.map(lambda table: table[:, :train_size], self.plan.train)
        counts = {name: table.rows.shape[1] for name, table in tables.items()}
        longest = max(counts.values())

        def padded(values):
            return np.pad(values, ((0, 0), (0, longest - values.shape[1])), mode="edge")

        return counts, {name: jax.tree.map(padded, table) for name, table in tables.items()}

    def _lane(self, seeds: Sequence[int], first: int, evaluated: Mapping[str, Any]) -> Lane:
        knobs = jax.tree.map(lambda *values: np.stack(values), *(knobs_of(self.config, seed) for seed in seeds))
        own = jax.tree.map(lambda table: table[first : first + len(seeds)], (self.plan.train, dict(evaluated)))
        return Lane(seeds, *self._layout.place((knobs, *own), replicas=True))

    def _first_kernel(self, lane: Lane) -> np.ndarray | None:
        """(seeds, inputs, units) kernel of the layer that reads the inputs, where there is a cue and such a layer."""
        if self.plan.cue is None or "first" not in lane.state.params:
            return None
        kernel = parallel.fetch(lane.state.params["first"]["kernel"])
        linear = "head" not in lane.state.params
        return kernel - kernel.mean(axis=-1, keepdims=True) if linear else kernel


#: How the parts of lamv.core.variance.decompose are called as metrics.
VARIANCE_NAMES = {
    "total": "total_variance",
    "within": "within_variance",
    "between": "between_variance",
    "mean_square": "mean_square",
    "within_per_unit": "within_variance_per_unit",
    "within_over_mean_square": "within_over_mean_square",
    "within_over_total": "within_over_total",
}
_decompose = jax.jit(jax.vmap(variance.decompose))


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
        if (place.path / "DONE").exists():
            place.claim(run)
            logger.info("%s is done; nothing to do", place.path)
            return place.read("summary.json")
        bench = Bench(rows, devices)
        row_runs = [RowRun(row, bench) for row in rows]
        place.claim(run)
        place.write("provenance.json", tracking.provenance(bench.splits.sources, bench.layout.mesh.shape))
        _announce(row_runs, bench)
        checkpoints = Checkpoints(
            place.path / "checkpoints", configs.fingerprint(run), [row.name for row in rows], config.keep_checkpoints
        )
        with contextlib.closing(checkpoints), _StopSignal() as stop:
            step = _resume(row_runs, checkpoints)
            place.cut_back("metrics.jsonl", step)
            place.cut_back("timing.jsonl", step)
            _run(row_runs, config, step, place, checkpoints, stop)
        return _finish(row_runs, place, config, overrides)


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
    with Progress([(row.name, row.steps) for row in row_runs], step) as progress:
        while step < last:
            active = [row for row in row_runs if row.steps > step]
            # The next step at which anything is due; a row that is shorter than the others ends on one of its own.
            due = min([step + mark - step % mark for mark in marks] + [row.steps for row in active])
            step, start = min(due, step + _piece(active, progress)), step
            for row in active:
                before = time.perf_counter()
                row.advance(start, step)
                row.wait()
                progress.advanced(row.name, step - start, time.perf_counter() - before)
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
            found = row.evaluate(None if ends else row.test_splits)
            lines = [line | new for line, new in zip(lines, found, strict=True)]
        place.append("metrics.jsonl", lines)
        place.append("timing.jsonl", [{"step": step, "row": row.name, **progress.take_timing(row.name)}])
        progress.loss(row.name, float(np.mean(losses)))


def _finish(row_runs, place: tracking.Workdir, config, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """summary.json from the last line of every row and seed, so that it says what metrics.jsonl says; then DONE."""
    arrays = [array for row in row_runs for array in row.arrays().values()]
    if not place.writes:
        return {"title": config.title, "overrides": dict(overrides), "rows": [], "claims": []}
    final: dict[str, list[dict]] = {row.name: [] for row in row_runs}
    for line in read_lines(place.path / "metrics.jsonl"):
        if any(line["row"] == row.name and line["step"] == row.steps for row in row_runs):
            final[line["row"]].append(line)
    rows = []
    for row in row_runs:
        lines = sorted(final[row.name], key=lambda line: line["replica"])
        values = {key: [line[key] for line in lines] for key in lines[0] if "/" in key}
        rows.append(tracking.summary_row(row.name, configs.nested(row.config), values))
    # A claim speaks of the recipe as it stands: with other settings it is listed, but not judged.
    kept = all(configs.KNOB[key].free or key in ("seed", "seeds") for key in overrides if key in configs.KNOB)
    claims = tracking.judged(config.claims, rows) if kept else []
    summary = {"title": config.title, "overrides": dict(overrides), "rows": rows, "claims": claims}
    place.write("summary.json", summary)
    place.write("DONE", {"sha256": tracking.digest(arrays)})
    return summary


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a JSON-lines file, parsed."""
    with open(path) as file:
        yield from map(json.loads, file)


def _announce(row_runs: Sequence[RowRun], bench: Bench) -> None:
    """What is about to be trained: above all, which targets the loss will see."""
    logger.info("%s: devices %s", bench.splits.name, dict(bench.layout.mesh.shape))
    for row in row_runs:
        words = describe(row.config, row.plan.num_classes)
        logger.info("%s: %s; %d seeds, %d steps", row.name, words, row.config.seeds, row.steps)


def describe(config, num_classes: int) -> str:
    """The method of a row with those knobs that it uses, and the target that it gives to an example of class 0."""
    method = methods.METHODS[config.method.name]
    names = [name for name in methods.knobs_of(method) if name in config.method]
    words = f"{config.method.name}({', '.join(f'{name}={config.method[name]}' for name in names)})"
    label = one_hot(np.zeros(2, np.int32), num_classes)
    # Two examples of one class: a method that mixes them leaves their target what it would be without mixing.
    _, targets = methods.apply(
        method, jax.random.key(0), jax.numpy.zeros((2, 1)), label, knobs=config.method.to_dict(), rows=whole(2)
    )
    on_label, on_other = (float(value) for value in targets[0][:2])
    mixes = "; mixed with a partner's, like the inputs" if "rows" in methods.knobs_of(method) else ""
    return f"{words}: target {on_label:.4g} on the label, {on_other:.4g} on each other class{mixes}"


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

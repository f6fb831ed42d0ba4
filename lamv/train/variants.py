"""The rows of a recipe in training: replicas, stages, metrics.

The seeds of a row are trained as `Replicas`: all side by side where that pays, or one for each device group. Rows of the
same program (lamv.config.program_key) share its compilation, and may be trained by one call, as a `Stack`.
"""

import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lamv import config as configs
from lamv.catalog import mitigations
from lamv.core import metrics
from lamv.data.description import missing_classes, names_of
from lamv.data.resident import DataView, SplitIndex, data_view
from lamv.data.splits import Splits
from lamv.errors import ConfigError, NotFiniteError
from lamv.train import parallel
from lamv.train.checkpoint import flat, unflat
from lamv.train.evaluation import Sums, split_metrics
from lamv.train.replica import State, traced_knobs
from lamv.train.session import Functions, Session
from lamv.train.step import WARM_UP, Program
from lamv.train.teacher import Teacher
from lamv.unused import check_length

logger = logging.getLogger("lamv.train")


class Stages(NamedTuple):
    """Ends of the stages, in steps from the very first: a warm-up, the run up to its switch of methods, the rest."""

    warm_up: int
    switch: int
    steps: int

    def bounds(self) -> list[tuple[int, int, int]]:
        """(stage, first step, end) of each stage; see Program.step."""
        return [(WARM_UP, 0, self.warm_up), (0, self.warm_up, self.switch), (1, self.switch, self.steps)]

    def at(self, step: int) -> int:
        """The stage of the step after so many, or of the last one; after a warm-up still that of the warm-up."""
        if 0 < step == self.warm_up:
            return WARM_UP
        within = min(step, self.steps - 1)
        return next(stage for stage, first, end in self.bounds() if first <= within < end)


class Replicas:
    """Seeds of a row that one call trains: knobs, tables and state, on the devices, with a leading axis of replicas.

    first: number of the first of them in the row. teacher: variables of their teachers, () for none. state: set by
    VariantRun.init or load.
    """

    state: State

    def __init__(self, seeds: Sequence[int], first: int, knobs, train, tests, teacher=()):
        self.seeds, self.first = list(seeds), first
        self.knobs, self.train, self.tests, self.teacher = knobs, train, tests, teacher

    @property
    def network(self) -> State:
        """The state without what only training uses, which differs by optimiser and mitigation."""
        return self.state._replace(optimiser=(), running=(), mitigation={}, soft=())

    @property
    def numbers(self) -> range:
        """Numbers of the replicas in the row."""
        return range(self.first, self.first + len(self.seeds))

    def of(self, tree):
        """Their part of arrays with a leading axis of all replicas of the row."""
        return jax.tree.map(lambda values: values[self.first : self.first + len(self.seeds)], tree)


class VariantRun:
    """One row of a recipe in training. teacher: of a row with `distill.row`; only training needs it."""

    def __init__(self, row: configs.Variant, session: Session, teacher: Teacher | None = None):
        config = self.config = row.config
        self.name, self.layout, self._session, self._teacher = row.name, session.layout, session, teacher
        splits = session.splits_for(config)
        seeds = [config.seed + replica for replica in range(config.seeds)]
        self.view: DataView = data_view(splits, [config] * len(seeds), seeds)
        self.train_size = self.view.train.rows.shape[1]
        self.names = names_of(splits, config.data.shortcut.kind)
        self.stored_shape = next(iter(splits.parts.values())).inputs.shape[1:]
        configs.check_against_data(
            config, splits.num_classes, self.train_size, self.stored_shape, splits.is_regression, bool(splits.words)
        )
        configs.check_mitigation(config, self.view)
        own_steps = configs.steps_of(config, self.train_size)
        check_length(config, own_steps)
        warm_up, switch = mitigations.knob_of(config, "first_steps", 0), config.method.switch
        if warm_up > own_steps:
            raise ConfigError(
                f"config.mitigation.first_steps is {warm_up}, must be at most the {own_steps} steps of the"
                " run: the first stage has the beginning of its schedule"
            )
        self.steps = warm_up + own_steps
        self.stages = Stages(warm_up, min(warm_up + switch, self.steps) if switch else self.steps, self.steps)
        taught_by = None if teacher is None else teacher.config
        self.program = Program(config, self.view, taught_by, warm_up_steps=self.stages.warm_up)
        self.functions = Functions(session, self.program, self._program_key(), taught_by)
        self._counts, tables = _evaluated(self.view, min(config.data.eval_train_size, self.train_size))
        size = parallel.together(config, len(seeds), taught_by)
        self.replicas = [
            self._placed(seeds[first : first + size], first, tables) for first in range(0, len(seeds), size)
        ]

    def init(self) -> None:
        """Start at step 0."""
        for replicas in self.replicas:
            replicas.state = self.program.mitigation.begun(self, replicas)

    def advance(self, start: int, stop: int) -> None:
        """Train from step `start` up to, not including, step `stop`."""
        Stack([self]).advance(start, stop)

    def wait(self) -> None:
        """Block until the state is computed."""
        jax.block_until_ready([replicas.state for replicas in self.replicas])

    def take_loss(self, step: int) -> list[float]:
        """Mean training loss of every seed since the last call. Raises NotFiniteError (exit 70)."""
        losses = []
        for replicas in self.replicas:
            total, number = parallel.fetch((replicas.state.loss_sum, replicas.state.loss_steps))
            losses += [float(value) for value in total / number]
            zeros = self.layout.place((np.zeros_like(total), np.zeros_like(number)), replicas=True)
            replicas.state = replicas.state._replace(loss_sum=zeros[0], loss_steps=zeros[1])
        for replica, loss in enumerate(losses):
            if not np.isfinite(loss):
                raise NotFiniteError(
                    f"the training loss of row {self.name!r}, seed {self.config.seed + replica}, is {loss} before step"
                    f" {step}; the last checkpoint is kept; lower optim.lr or set optim.clip_norm",
                    row=self.name,
                )
        return losses

    def evaluate(self, splits: Sequence[str] | None = None) -> list[dict[str, float]]:
        """Metrics of every seed on these splits (None: all, the training set too), keyed "split/metric"."""
        results = []
        for replicas in self.replicas:
            values = [{} for _ in replicas.seeds]
            for split in self._counts if splits is None else splits:
                for known, new in zip(values, split_metrics(self, replicas, split), strict=True):
                    known |= {f"{split}/{metric}": value for metric, value in new.items()}
            results += [known | metrics.cue_drop(known) for known in values]
        return results

    def sums(self, replicas: Replicas, split: str) -> Sums:
        """One pass over a split, on the devices."""
        count = self._counts[split]
        batches = -(-count // self.config.eval_batch_size)
        return self.functions.add(
            self.functions.nothing(replicas.knobs), replicas.network, replicas.knobs, replicas.tests[split],
            self.examples, np.int32(count), 0, batches,
        )  # fmt: skip

    def labels_of(self, table: SplitIndex, replica: int) -> np.ndarray:
        """(M,) labels of the examples of a table on the host, for one replica."""
        if len(table.labels):
            return np.asarray(table.labels[replica])
        return self._session.labels_for(self.config)[table.rows[replica]]

    def missing_classes(self) -> list[str]:
        """A sentence where some seed's training set is without a class."""
        if self.view.regression:
            return []
        labels = [self.labels_of(self.view.train, replica) for replica in range(self.config.seeds)]
        seeds = range(self.config.seed, self.config.seed + self.config.seeds)
        return missing_classes(labels, self.names.classes, seeds)

    @property
    def whole_data(self) -> Splits:
        """The data set with all of its classes, on the host."""
        return self._session.splits

    @property
    def examples(self):
        """The data of the row, on the devices."""
        return self._session.examples_for(self.config)

    def arrays(self) -> dict[str, np.ndarray]:
        """The state of all seeds on the host, flat, for a checkpoint."""
        states = [flat(parallel.fetch(replicas.state)) for replicas in self.replicas]
        return {name: np.concatenate([state[name] for state in states]) for name in states[0]}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the state from a checkpoint. Raises WorkdirMismatch for the state of another model."""
        for replicas in self.replicas:
            shapes = jax.eval_shape(self.functions.init, replicas.knobs)
            replicas.state = self.layout.place(unflat(shapes, replicas.of(dict(arrays))), replicas=True)

    def stacked_with(self) -> tuple | None:
        """What rows must have in common to be trained by one call; None for a row that is trained by itself."""
        config, how = self.config, self.config.parallel
        together = how.rows == "together"
        if how.rows == "auto":  # where two seeds would be
            together = how.spread == 1 and parallel.together(config, 2, self._teacher and self._teacher.config) == 2
        if not together or len(self.replicas) > 1:
            return None
        return self.functions.key, config.method.switch, id(self.examples)

    def _program_key(self) -> str:
        # Subsampling may leave rows with the same knobs training sets of several sizes, and epochs of several lengths.
        key = f"{configs.program_key(self.config, without=configs.BETWEEN_STEPS)} {self.train_size} {self.steps}"
        return key if self._teacher is None else key + self._teacher.program_key

    def _placed(self, seeds: Sequence[int], first: int, tables: Mapping[str, SplitIndex]) -> Replicas:
        """These seeds of the row, on the devices."""
        each = [traced_knobs(self.config, seed, self.steps - self.stages.warm_up) for seed in seeds]
        knobs = jax.tree.map(lambda *values: np.stack(values), *each)
        teacher, model = self._teacher, self.program.teacher
        taught_by = teacher.variables(model.init, self.view.shape) if teacher and model else ()
        standardise, *rest = jax.tree.map(
            lambda values: values[first : first + len(seeds)],
            (self.view.standardise, self.view.train, dict(tables), taught_by),
        )
        placed = self.layout.place((knobs._replace(standardise=standardise), *rest), replicas=True)
        return Replicas(seeds, first, *placed)


class Stack:
    """Rows of one program that one call trains; or a single row, one `Replicas` after the other."""

    def __init__(self, rows: Sequence[VariantRun]):
        for row in rows:
            if row.config.distill.row and row.program.teacher is None:
                raise ValueError(f"row {row.name!r} learns from a teacher and was made without; see lamv.train.teacher")
        self.rows, self.steps = list(rows), rows[0].steps
        each = [row.replicas[0] for row in rows]
        # Joined once: this does not change in training.
        self._given = None if len(rows) == 1 else _joined([(one.knobs, one.teacher, one.train) for one in each])

    def advance(self, start: int, stop: int) -> None:
        """Train from step `start` up to, not including, step `stop`."""
        one = self.rows[0]
        for stage, first, end in one.stages.bounds():
            first, last = max(first, start), min(end, stop)
            if first >= last:
                continue
            if stage == 0 and first == one.stages.warm_up > 0:
                self._each("second_stage")
                for note in itertools.chain.from_iterable(row.program.mitigation.notes(row) for row in self.rows):
                    logger.warning("%s", note)
            self._run(one.functions.step(stage), one.examples, first, last)
        if stop == self.steps:
            self._each("ended")

    def wait(self) -> None:
        """Block until the states are computed."""
        for row in self.rows:
            row.wait()

    def _run(self, run: Callable, examples, first: int, last: int) -> None:
        if self._given is None:
            for one in self.rows[0].replicas:
                one.state = run(one.state, one.knobs, one.teacher, one.train, examples, first, last)
            return
        each = [row.replicas[0] for row in self.rows]
        state = run(_joined([one.state for one in each]), *self._given, examples, first, last)
        ends = np.cumsum([len(one.seeds) for one in each]).tolist()
        for one, part in zip(each, _parted(state, tuple(ends)), strict=True):
            one.state = part

    def _each(self, hook: str) -> None:
        for row in self.rows:
            for replicas in row.replicas:
                replicas.state = getattr(row.program.mitigation, hook)(row, replicas)


def stacks(rows: Sequence[VariantRun]) -> list[Stack]:
    """The rows of a run, joined where one call trains them."""
    together: dict[Any, list[VariantRun]] = {}
    for row in rows:
        together.setdefault(row.stacked_with() or row.name, []).append(row)
    return [Stack(of) for of in together.values()]


@jax.jit
def _joined(trees: Sequence[Any]):
    """Trees of arrays, concatenated along their first axis."""
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *trees)


@partial(jax.jit, static_argnums=1)
def _parted(tree, ends: tuple[int, ...]) -> list[Any]:
    """The inverse of _joined."""
    bounds = list(zip((0, *ends), ends, strict=False))
    return [jax.tree.map(lambda leaf, a=first, b=end: leaf[a:b], tree) for first, end in bounds]


def evenly(table: SplitIndex, number: int) -> SplitIndex:
    """So many examples of a split, evenly spaced: data may be sorted by class."""
    size = table.rows.shape[1]
    indices = np.arange(size) if number >= size else np.linspace(0, size - 1, number).astype(np.int64)
    return jax.tree.map(lambda values: values[:, indices], table)


def _evaluated(view: DataView, train_size: int) -> tuple[dict[str, int], dict[str, SplitIndex]]:
    """Sizes of the evaluated splits, and their tables, padded to one length so that they share a program.

    train_size: evaluated examples of the training set.
    """
    tables = dict(view.tests)
    if train_size:
        # Without environments, so that all splits have tables of one structure.
        tables["train"] = evenly(view.train._replace(environments=()), train_size)
    counts = {name: table.rows.shape[1] for name, table in tables.items()}
    longest = max(counts.values())

    def padded(values):
        return np.pad(values, ((0, 0), (0, longest - values.shape[1])), mode="edge")

    return counts, {name: jax.tree.map(padded, table) for name, table in tables.items()}

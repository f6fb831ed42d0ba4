"""The rows of a recipe while they train: their data on the devices, their compiled functions, their state.

A row's seeds are trained in lanes: a lane is what one call of a compiled function advances, all seeds side by side where
that pays, or one seed for each device group. Rows of the same program (lamv.config.program_key) share its compilation.
"""

import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamv import config as configs
from lamv.catalog import mitigations
from lamv.core import methods, metrics
from lamv.core.batch import whole
from lamv.core.targets import one_hot
from lamv.core.variance import decompose_replicas
from lamv.data import Source, Splits, load
from lamv.data.classes import select_classes
from lamv.data.description import Names, described, missing_classes, names_of, overruled, planted
from lamv.data.partners import WithPartners, with_partners
from lamv.data.resident import Plan, Table, examples_of, plan
from lamv.errors import ConfigError, NotFiniteError
from lamv.train import parallel
from lamv.train.checkpoint import flat, unflat
from lamv.train.step import FIRST_STAGE, Measured, Program, State, traced_knobs
from lamv.train.teacher import Teacher

logger = logging.getLogger("lamv.train")


class Bench:
    """The data on the devices, and the compiled functions; both shared by all rows that can share them."""

    def __init__(self, rows: Sequence[configs.Row], devices: Sequence | None = None):
        config = rows[0].config
        self.layout = parallel.Layout(config, config.seeds, devices)
        self.splits = load(
            config.data.name, config.data.path or None, config.data.verify, **configs.reading(config.data)
        )
        self._splits: dict[tuple, Splits] = {}
        self._examples: dict[tuple, Any] = {}
        self._labels: dict[tuple, np.ndarray] = {}
        self._functions: dict[tuple, Callable] = {}

    def splits_for(self, config):
        key = self._key(config)
        if key not in self._splits:
            splits = select_classes(self.splits, config.data.classes, config.data.superclasses)
            if config.data.shortcut.kind == "dominoes":
                splits = with_partners(splits, config.data)
            self._splits[key] = splits
        return self._splits[key]

    def examples_for(self, config):
        key = self._key(config)
        if key not in self._examples:
            self._examples[key] = self.layout.place(examples_of(self.splits_for(config)), replicas=False)
        return self._examples[key]

    @property
    def sources(self) -> list[Source]:
        """The files that were read: of the data, and of images that cues are made of."""
        others = [of.partners.sources for of in self._splits.values() if isinstance(of, WithPartners) and of.partners]
        return list(dict.fromkeys([*self.splits.sources, *itertools.chain.from_iterable(others)]))

    def described(self, rows: Sequence["RowRun"]) -> dict[str, Any]:
        """What was read and what these rows make of it; names of what is the same in all of them."""
        names = [row.names for row in rows]
        notes = planted([row.config for row in rows])
        for row in rows:
            notes += overruled(self.splits, row.config.data.shortcut.kind)
            notes += row.missing_classes()
        if len(set(names)) > 1:
            notes.append("rows differ in their classes or groups, which are numbered in the tables")
        return described(self.splits, names[0] if len(set(names)) == 1 else Names(()), list(dict.fromkeys(notes)))

    @staticmethod
    def _key(config) -> tuple:
        """What the examples of a row depend on, beside what is common to the run."""
        shortcut, key = config.data.shortcut, (config.data.classes, config.data.superclasses)
        if shortcut.kind != "dominoes":
            return key
        return (*key, shortcut.images, shortcut.images_path, shortcut.images_classes)

    def labels_for(self, config) -> np.ndarray:
        """The labels of `examples_for`, on the host; fetched once, as every split and seed of an evaluation asks."""
        key = self._key(config)
        if key not in self._labels:
            self._labels[key] = parallel.fetch(self.examples_for(config).labels)
        return self._labels[key]

    def function(self, name: str, key: str, make: Callable[[], Callable]) -> Callable:
        """The compiled function of that name and program key, made at the first call."""
        if (name, key) not in self._functions:
            self._functions[name, key] = make()
        return self._functions[name, key]


class Lane:
    """Replicas that one call trains: knobs, tables and state, on the devices, with a leading axis of replicas.

    teacher: the variables of their teachers, () for none.
    """

    def __init__(self, seeds: Sequence[int], knobs, train, tests, teacher=()):
        self.seeds, self.knobs, self.train, self.tests, self.teacher = list(seeds), knobs, train, tests, teacher
        self.state = None

    @property
    def network(self) -> State:
        """The state as evaluation sees it: without what only training has, which differs by optimiser and mitigation."""
        return self.state._replace(optimiser=(), running=(), mitigation={})


class RowRun:
    """One row of a recipe while it trains. teacher: of a row with `distill.row`; all but training goes without it."""

    def __init__(self, row: configs.Row, bench: Bench, teacher: Teacher | None = None):
        config = self.config = row.config
        self._teacher = teacher
        self.name, self._bench, self.layout = row.name, bench, bench.layout
        splits = bench.splits_for(config)
        seeds = [config.seed + replica for replica in range(config.seeds)]
        self.plan: Plan = plan(splits, [config] * len(seeds), seeds)
        self.train_size = self.plan.train.rows.shape[1]
        self.names = names_of(splits, config.data.shortcut.kind)
        self.stored_shape = next(iter(splits.parts.values())).inputs.shape[1:]
        configs.check_against_data(config, splits.num_classes, self.train_size, self.stored_shape, splits.is_regression)
        configs.check_mitigation(config, self.plan)
        own_steps = configs.steps_of(config, self.train_size)
        #: After how many steps the network starts anew (mitigation jtt); 0: it never does.
        self.first_step = mitigations.knob_of(config, "first_steps", 0)
        if self.first_step > own_steps:
            raise ConfigError(
                f"config.mitigation.first_steps is {self.first_step}, must be at most the {own_steps} steps of the"
                " run: the first stage has the beginning of its schedule"
            )
        self.steps = self.first_step + own_steps
        self._teacher_config = None if teacher is None else teacher.config
        self.program = Program(config, self.plan, own_steps, self._teacher_config, first_step=self.first_step)
        self._counts, evaluated = self._evaluated()
        size = parallel.together(config, len(seeds), self._teacher_config)
        self.lanes = [self._lane(seeds[first : first + size], first, evaluated) for first in range(0, len(seeds), size)]

    def init(self) -> None:
        for lane in self.lanes:
            lane.state = self.program.mitigation.begun(self, lane)

    def advance(self, start: int, stop: int) -> None:
        """Train from step `start` up to, not including, step `stop`."""
        Cohort([self]).advance(start, stop)

    def wait(self) -> None:
        """Until what was asked for has been computed."""
        jax.block_until_ready([lane.state for lane in self.lanes])

    def phases(self) -> list[tuple[int, int, int]]:
        """(phase, first step, end) of what is trained differently: see Program.step."""
        first, switch = self.first_step, self.config.method.switch
        switch = min(first + switch, self.steps) if switch else self.steps
        return [(FIRST_STAGE, 0, first), (0, first, switch), (1, switch, self.steps)]

    def phase_at(self, step: int) -> int:
        """Which phase a state that has taken so many steps goes on with, or ended in; a first stage ends in its own."""
        if 0 < step == self.first_step:
            return FIRST_STAGE
        within = min(step, self.steps - 1)
        return next(phase for phase, first, end in self.phases() if first <= within < end)

    def take_loss(self, step: int) -> list[float]:
        """Mean training loss of every seed since this was last asked. Raises NotFiniteError (exit 70)."""
        losses = []
        for lane in self.lanes:
            total, number = parallel.fetch((lane.state.loss_sum, lane.state.loss_steps))
            losses += [float(value) for value in total / number]
            zeros = self.layout.place((np.zeros_like(total), np.zeros_like(number)), replicas=True)
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
            results += [found | metrics.cue_drop(found) for found in of_lane]
        return results

    def labels_of(self, table: Table, replica: int) -> np.ndarray:
        """(M,) labels of the examples of a split (host arrays), as one replica has them."""
        if len(table.labels):
            return np.asarray(table.labels[replica])
        return self._bench.labels_for(self.config)[table.rows[replica]]

    def missing_classes(self) -> list[str]:
        """A sentence where some seed's training set is without a class."""
        if self.plan.regression:
            return []
        seeds = range(self.config.seed, self.config.seed + self.config.seeds)
        table = self.plan.train
        labels = table.labels if len(table.labels) else self._bench.labels_for(self.config)[table.rows]
        return missing_classes(labels, self.names.classes, seeds)

    def check_teacher(self) -> None:
        if self.config.distill.row and self._teacher is None:
            raise ValueError(f"row {self.name!r} learns from a teacher and was made without; see lamv.train.teacher")

    def lane_of(self, lane: Lane) -> slice:
        """The replicas of a lane among those of the row."""
        first = lane.seeds[0] - self.config.seed
        return slice(first, first + len(lane.seeds))

    @property
    def examples(self):
        """The data of the row, on the devices."""
        return self._bench.examples_for(self.config)

    @property
    def test_splits(self) -> list[str]:
        return list(self.plan.tests)

    def arrays(self) -> dict[str, np.ndarray]:
        """The state of all seeds on the host, flat, for a checkpoint."""
        lanes = [flat(parallel.fetch(lane.state)) for lane in self.lanes]
        return {name: np.concatenate([lane[name] for lane in lanes]) for name in lanes[0]}

    def state_bytes(self) -> int:
        """Of the arrays of a checkpoint."""
        return sum(leaf.nbytes for lane in self.lanes for leaf in jax.tree.leaves(lane.state))

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the state from a checkpoint. Raises WorkdirMismatch for the state of another model."""
        first = 0
        for lane in self.lanes:
            shapes = jax.eval_shape(self._init(), lane.knobs)
            own = {name: array[first : first + len(lane.seeds)] for name, array in arrays.items()}
            lane.state = self.layout.place(unflat(shapes, own), replicas=True)
            first += len(lane.seeds)

    def _metrics(self, lane: Lane, split: str) -> list[dict[str, float]]:
        sums = self.sums(lane, split)
        predictions = parallel.fetch(sums.predictions)
        moments = parallel.fetch({where: decompose_replicas(getattr(sums, where)) for where in ("features", "outputs")})
        of_weights = self.weight_norm_ratios(lane) if split == "test" else None
        results = []
        for r, seed in enumerate(lane.seeds):
            found = self.in_numbers(jax.tree.map(itemgetter(r), predictions), seed - self.config.seed)
            for where, parts in moments.items():
                found |= {f"{where}/{name}": float(value[r]) for name, value in parts.items()}
            if of_weights is not None:
                found |= of_weights[r]
            wrong = [name for name, value in found.items() if not np.isfinite(value)]
            if wrong:
                raise NotFiniteError(
                    f"{split}/{wrong[0]} of row {self.name!r}, seed {lane.seeds[r]}, is not finite; the last checkpoint is"
                    " kept; lower optim.lr or set optim.clip_norm"
                )
            results.append(found)
        return results

    def in_numbers(self, predictions, replica: int) -> dict[str, float]:
        """The metrics of the sums of one replica, of the kind that the task has."""
        if self.plan.regression:
            return metrics.regression_metrics(predictions)
        return metrics.prediction_metrics(predictions, self.plan.group_counts[replica], self.plan.num_attributes)

    def sums(self, lane: Lane, split: str) -> Measured:
        """One pass over a split, on the devices."""
        nothing = self.function("nothing", lambda p: self.layout.mapped(p.nothing, shared=0), method=False)
        tally = self.function("tally", lambda p: self.repeated(p.tally, shared=2), method=False)
        count = self._counts[split]
        batches = -(-count // self.config.eval_batch_size)
        examples = self.examples
        return tally(
            nothing(lane.knobs), lane.network, lane.knobs, lane.tests[split], examples, np.int32(count), 0, batches
        )

    def initial(self, lane: Lane) -> State:
        """The state before the first step, but for what its mitigation puts into it."""
        return self._init()(lane.knobs)

    def _init(self) -> Callable:
        remembered = self.train_size if self.program.remembers else 0
        name = f"init {remembered} {sorted(self.program.mitigation.shapes.items())}"
        return self.function(name, lambda p: self.layout.mapped(p.init, shared=0), method=False)

    def step_function(self, phase: int) -> Callable:
        """(state, knobs, teacher, table, examples, start, stop) -> state, for any number of replicas."""
        return self.function(f"step {phase}", lambda p: self._phase(p, phase))

    def trained_with(self) -> tuple | None:
        """What rows must have in common to be trained by one call; None for a row that is trained by itself."""
        config = self.config
        together = config.parallel.rows == "together"
        if config.parallel.rows == "auto":
            # Where two seeds would be, of which a single one does not tell.
            together = parallel.together(config, 2, self._teacher_config) == 2 and config.parallel.spread == 1
        if not together or len(self.lanes) > 1:
            return None
        return self._program_key(), config.method.switch, id(self.examples)

    def _program_key(self) -> str:
        # Subsampling may leave rows with the same knobs training sets of several sizes, and epochs of several lengths.
        key = f"{configs.program_key(self.config, without=('method.switch', 'select.'))} {self.train_size} {self.steps}"
        return key if self._teacher is None else key + self._teacher.program_key

    def _phase(self, program: Program, phase: int) -> Callable:
        def step(state, knobs, teacher, *rest):
            return program.step(state, knobs, *rest, phase=phase, teacher=teacher)

        at_once = parallel.compiled_loop(self.config, self._teacher_config)
        return self.layout.repeated(step, shared=1, compiled_loop=at_once)

    def repeated(self, body: Callable, *, shared: int) -> Callable:
        return self.layout.repeated(body, shared=shared, compiled_loop=parallel.compiled_loop(self.config))

    def function(self, name: str, make: Callable[[Program], Callable], method: bool = True) -> Callable:
        """Shared with all rows of the same program; `method`: whether what is trained against is part of what it is."""
        key = self._program_key() if method else configs.program_key(self.config, without=OF_TRAINING)
        return self._bench.function(name, key, lambda: make(self.program))

    def _evaluated(self):
        """Size of every evaluated split, and their tables, padded to one length so that they share a program."""
        tables = dict(self.plan.tests)
        train_size = min(self.config.data.eval_train_size, self.train_size)
        if train_size:
            # Without what only training looks at, so that all splits have tables of one structure.
            seen = self.plan.train._replace(environments=())
            tables["train"] = evenly(seen, train_size)
        counts = {name: table.rows.shape[1] for name, table in tables.items()}
        longest = max(counts.values())

        def padded(values):
            return np.pad(values, ((0, 0), (0, longest - values.shape[1])), mode="edge")

        return counts, {name: jax.tree.map(padded, table) for name, table in tables.items()}

    def _lane(self, seeds: Sequence[int], first: int, evaluated: Mapping[str, Any]) -> Lane:
        knobs = jax.tree.map(lambda *values: np.stack(values), *(traced_knobs(self.config, seed) for seed in seeds))
        own = jax.tree.map(lambda values: values[first : first + len(seeds)], self.plan.standardise)
        knobs = knobs._replace(standardise=own)
        taught_by = self._teacher.variables(self.program.teacher.init, self.plan.shape) if self._teacher else ()
        own = jax.tree.map(
            lambda values: values[first : first + len(seeds)], (self.plan.train, dict(evaluated), taught_by)
        )
        return Lane(seeds, *self.layout.place((knobs, *own), replicas=True))

    def weight_norm_ratios(self, lane: Lane) -> list[dict[str, float]] | None:
        """Of every seed: weight on the cue's inputs, next to that on all others, in the layer that reads the inputs.

        None where there is no cue, where all inputs carry it, or where there is no such layer.
        """
        model = self.program.model
        if self.plan.cue is None or model.first is None:
            return None
        kernels = parallel.fetch(lane.state.params[model.first]["kernel"])
        if model.first == model.last:  # linear: the softmax does not see the mean over classes
            kernels = kernels - kernels.mean(axis=-1, keepdims=True)
        measures = {"weight_norm_ratio": metrics.weight_norm_ratio, "weight_norm_share": metrics.weight_norm_share}
        return [{name: of(kernel, self.plan.cue) for name, of in measures.items()} for kernel in kernels]


class Cohort:
    """Rows of one program, whose replicas are all trained by one call, side by side; or a single row, lane by lane."""

    def __init__(self, rows: Sequence[RowRun]):
        self.rows, self.steps = list(rows), rows[0].steps
        lanes = [row.lanes[0] for row in rows]
        # What does not change while training is put together once.
        self._given = None if len(rows) == 1 else _joined([(lane.knobs, lane.teacher, lane.train) for lane in lanes])

    def advance(self, start: int, stop: int) -> None:
        """Train from step `start` up to, not including, step `stop`."""
        for row in self.rows:
            row.check_teacher()
        one = self.rows[0]
        for phase, first, end in one.phases():
            first, last = max(first, start), min(end, stop)
            if first >= last:
                continue
            if phase == 0 and first == one.first_step > 0:
                self._each("second_stage")
                for note in itertools.chain.from_iterable(row.program.mitigation.notes(row) for row in self.rows):
                    logger.warning("%s", note)
            self._run(one.step_function(phase), one.examples, first, last)
        if stop == self.steps:
            self._each("ended")

    def wait(self) -> None:
        for row in self.rows:
            row.wait()

    def _run(self, run: Callable, examples, first: int, last: int) -> None:
        if self._given is None:
            for lane in self.rows[0].lanes:
                lane.state = run(lane.state, lane.knobs, lane.teacher, lane.train, examples, first, last)
            return
        lanes = [row.lanes[0] for row in self.rows]
        state = run(_joined([lane.state for lane in lanes]), *self._given, examples, first, last)
        for lane, own in zip(lanes, _parted(state, [len(lane.seeds) for lane in lanes]), strict=True):
            lane.state = own

    def _each(self, hook: str) -> None:
        for row in self.rows:
            for lane in row.lanes:
                lane.state = getattr(row.program.mitigation, hook)(row, lane)


def cohorts(rows: Sequence[RowRun]) -> list[Cohort]:
    """The rows of a run, put together as they are trained."""
    together: dict[Any, list[RowRun]] = {}
    for row in rows:
        together.setdefault(row.trained_with() or row.name, []).append(row)
    return [Cohort(of) for of in together.values()]


@jax.jit
def _joined(trees: Sequence[Any]):
    """Trees of arrays, put one behind the other along their first axis."""
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *trees)


@partial(jax.jit, static_argnums=1)
def _split(tree, ends: tuple[int, ...]):
    bounds = list(zip((0, *ends), ends, strict=False))
    return [jax.tree.map(lambda leaf, a=first, b=end: leaf[a:b], tree) for first, end in bounds]


def _parted(tree, sizes: Sequence[int]) -> list[Any]:
    """The inverse of _joined."""
    return _split(tree, tuple(np.cumsum(sizes).tolist()))


def evenly(table: Table, number: int) -> Table:
    """So many places of a split, evenly spaced: of data in the order of their classes, the first ones are of few."""
    size = table.rows.shape[1]
    places = np.arange(size) if number >= size else np.linspace(0, size - 1, number).astype(np.int64)
    return jax.tree.map(lambda values: values[:, places], table)


#: Knobs that initialisation and evaluation do not look at.
OF_TRAINING = (
    "method.", "distill.", "mitigation.", "select.", "data.label_noise", "loss.confidence_penalty",
    "loss.entropy_threshold", "loss.anneal", "optim.after_switch",
)  # fmt: skip


def describe(config, num_classes: int) -> str:
    """The methods of a row with those knobs that they use and, where the label decides it, the target that they give.

    Last, where there are any, the mitigation and the teacher.
    """
    first, *then = (_described(name, config, num_classes) for name in configs.methods_of(config))
    words = first + "".join(f"; from step {config.method.switch} on {words}" for words in then)
    if config.mitigation.name != "erm":
        words += f"; mitigation {config.mitigation.name}"
    distill = config.distill
    if not distill.row:
        return words
    return f"{words}; distilled from {distill.row!r} at temperature {distill.temperature:g}, weight {distill.weight:g}"


def _described(name: str, config, num_classes: int) -> str:
    method = methods.METHODS[name]
    asks = methods.knobs_of(method)
    alone = not {"rows", "prior", "running"} & set(asks)  # a function of the label and nothing else
    # What is left at its empty default need not be said, nor that labels are not smoothed before they are mixed.
    said = [knob for knob in asks if knob in config.method and (config.method[knob] or knob == "smoothing")]
    if not alone and not config.method.smoothing:
        said = [knob for knob in said if knob not in ("smoothing", "convention")]
    words = f"{name}({', '.join(f'{knob}={config.method[knob]}' for knob in said)})"
    if not alone or num_classes == 1:
        return words
    target = one_hot(np.zeros(1, np.int32), num_classes)
    made = methods.apply(method, jax.random.key(0), None, target, knobs=config.method.to_dict(), rows=whole(1))
    on_label, on_other = (float(value) for value in made.targets[0][:2])
    return f"{words}: target {on_label:.4g} on the label, {on_other:.4g} on each other class"

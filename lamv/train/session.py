"""What the rows of a run share: the data on the devices, and the compiled functions."""

import contextlib
import contextvars
import itertools
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np

from lamv import config as configs
from lamv.data import Source, Splits, load
from lamv.data.classes import select_classes
from lamv.data.description import Names, described, long_tail, overruled, planted
from lamv.data.partners import WithPartners, with_partners
from lamv.data.resident import examples_of
from lamv.train import parallel
from lamv.train.evaluation import Tally
from lamv.train.step import Program

#: Knobs that initialisation and evaluation do not look at.
OF_TRAINING = (
    "method.", "distill.", "mitigation.", "select.", "data.label_noise", "data.imbalance.", "loss.confidence_penalty",
    "loss.entropy_threshold", "loss.anneal", "loss.max_suppression", "optim.after_switch",
)  # fmt: skip


#: What was read within `reading_once`, by the arguments; None outside of it.
_kept: contextvars.ContextVar[dict[str, Splits] | None] = contextvars.ContextVar("kept", default=None)


def read(data) -> Splits:
    """The data set of a config's `data`, on the host; raises as lamv.data.load does."""
    options = {
        "image_size": data.image_size, "on_broken": data.on_broken, "task": data.task,
        "text_length": data.text.length, "text_vocabulary": data.text.vocabulary,
        "columns": {what: name for what, name in data.columns.to_dict().items() if name},
    }  # fmt: skip
    kept, key = _kept.get(), repr((data.name, data.path, data.verify, options))
    if kept is None:
        return load(data.name, data.path or None, data.verify, **options)
    if key not in kept:
        kept[key] = load(data.name, data.path or None, data.verify, **options)
    return kept[key]


@contextlib.contextmanager
def reading_once() -> Generator[None]:
    """Within this, sessions of the same data read it once: photographs are decoded once for all trainings of an audit."""
    before = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(before)


class Session:
    """The data on the devices, read once and shared by all rows that can share it."""

    def __init__(self, rows: Sequence[configs.Variant], devices: Sequence | None = None):
        config = rows[0].config
        self.layout = parallel.Layout(config, config.seeds, devices)
        self.splits = read(config.data)
        self.functions: dict[tuple[str, str], Callable] = {}
        self._splits: dict[tuple, Splits] = {}
        self._examples: dict[tuple, Any] = {}
        self._labels: dict[tuple, np.ndarray] = {}

    def splits_for(self, config):
        """The data with the classes of a row, and images for its cue."""
        key = _data_key(config)
        if key not in self._splits:
            splits = select_classes(self.splits, config.data.classes, config.data.superclasses)
            if config.data.shortcut.kind == "dominoes":
                splits = with_partners(splits, config.data)
            self._splits[key] = splits
        return self._splits[key]

    def examples_for(self, config):
        """The examples of `splits_for`, on the devices."""
        key = _data_key(config)
        if key not in self._examples:
            self._examples[key] = self.layout.place(examples_of(self.splits_for(config)), replicas=False)
        return self._examples[key]

    def labels_for(self, config) -> np.ndarray:
        """The labels of `examples_for`, on the host; fetched once, as every split and seed of an evaluation asks."""
        key = _data_key(config)
        if key not in self._labels:
            self._labels[key] = parallel.fetch(self.examples_for(config).labels)
        return self._labels[key]

    @property
    def sources(self) -> list[Source]:
        """The files that were read: of the data, and of images that cues are made of."""
        others = [of.partners.sources for of in self._splits.values() if isinstance(of, WithPartners) and of.partners]
        return list(dict.fromkeys([*self.splits.sources, *itertools.chain.from_iterable(others)]))

    def described(self, rows: Sequence) -> dict[str, Any]:
        """What was read and what these rows (lamv.train.variants) make of it; names of what is the same in all of them."""
        names = {row.names for row in rows}
        notes = planted([row.config for row in rows])
        for row in rows:
            notes += overruled(self.splits, row.config.data.shortcut.kind) + row.missing_classes()
            notes += long_tail(row.view.tail, row.names.classes)
        if len(names) > 1:
            notes.append("rows differ in their classes or groups, which are numbered in the tables")
        shared = names.pop() if len(names) == 1 else Names(())
        return described(self.splits, shared, list(dict.fromkeys(notes)))


def _data_key(config) -> tuple:
    """What the examples of a row depend on, beside what is common to the run."""
    shortcut, key = config.data.shortcut, (config.data.classes, config.data.superclasses)
    if shortcut.kind != "dominoes":
        return key
    return (*key, shortcut.images, shortcut.images_path, shortcut.images_classes)


class Functions:
    """The compiled functions of a row, each made at the first call and shared with all rows of the same program.

    key: of the program in training. teacher: the config of a teacher's row.
    """

    def __init__(self, session: Session, program: Program, key: str, teacher=None):
        self.program, self.tally, self.key = program, Tally(program), key
        self._session, self._teacher = session, teacher

    def get(self, name: str, make: Callable[[], Callable], training: bool = False) -> Callable:
        """The function of that name. training: whether it depends on knobs that evaluation does not look at."""
        key = name, self.key if training else configs.program_key(self.program.config, without=OF_TRAINING)
        if key not in self._session.functions:
            self._session.functions[key] = make()
        return self._session.functions[key]

    @property
    def init(self) -> Callable:
        """(knobs) -> state."""
        remembered = self.program.train_size if self.program.remembers else 0
        name = f"init {remembered} {self.program.has_soft_labels} {sorted(self.program.mitigation.shapes.items())}"
        return self.get(name, lambda: self._session.layout.mapped(self.program.init, shared=0, once=True))

    def step(self, stage: int) -> Callable:
        """(state, knobs, teacher, table, examples, start, stop) -> state, for any number of replicas."""

        def step(state, knobs, teacher, *rest):
            return self.program.step(state, knobs, *rest, stage=stage, teacher=teacher)

        def make():
            return self.repeated(step, shared=1, teacher=self._teacher)

        return self.get(f"step {stage}", make, training=True)

    @property
    def nothing(self) -> Callable:
        """(knobs) -> the sums that `add` starts from."""
        return self.get("nothing", lambda: self._session.layout.mapped(self.tally.nothing, shared=0))

    @property
    def add(self) -> Callable:
        """(sums, state, knobs, table, examples, count, start, stop) -> sums."""
        return self.get("tally", lambda: self.repeated(self.tally.add, shared=2))

    def repeated(self, body: Callable, *, shared: int, teacher=None) -> Callable:
        """See lamv.train.parallel.Layout.repeated."""
        at_once = parallel.compiled_loop(self.program.config, teacher)
        return self._session.layout.repeated(body, shared=shared, compiled_loop=at_once)

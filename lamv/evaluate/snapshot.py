"""The argument of evaluators: the networks of a row at one checkpoint, their data, and the options."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import jax
import numpy as np

from lamv.data.resident import Examples, SplitIndex
from lamv.evaluate import own_inputs
from lamv.evaluate.passes import Passes
from lamv.train import parallel
from lamv.train.variants import Replicas, evenly


class Options(NamedTuple):
    """What to compute beyond the metrics of training.

    brief: nothing. examples: at most so many of the training set, the validation set and another data set; None: as
    data.eval_train_size has it. classes: for the projection; the first two for the information.

    The rest is of the last checkpoint only. attacks, corruptions: sizes, in raw units (images in [0, 1]).
    robust_examples: of the test set, for these. probe: layers, or "all" alone. transfer: "NAME" or "NAME:PATH" of the data
    set to probe on, or "unseen", the classes that data.classes leaves out; "": the run's own.
    """

    brief: bool = False
    examples: int | None = None
    classes: tuple[int, int, int] = (0, 1, 2)
    attacks: tuple[float, ...] = ()
    corruptions: tuple[float, ...] = ()
    robust_examples: int = 1000
    probe: tuple[str, ...] = ()
    transfer: str = ""


@dataclass
class Result:
    """Of one replica: metrics by key; curves for figures; metrics of each test example, (N,)."""

    metrics: dict[str, float] = field(default_factory=dict)
    curves: list[dict[str, Any]] = field(default_factory=list)
    examples: dict[str, np.ndarray] = field(default_factory=dict)


class OtherData(NamedTuple):
    """A data set to probe on: tables of its "train" and "test" for one replica, (1, M), and labels (N,)."""

    name: str
    tables: dict[str, SplitIndex]
    examples: Examples
    labels: np.ndarray


class Snapshot:
    """Replicas of a row at a checkpoint.

    tables: of the evaluated splits, the training set first, whose class means the others are compared with. held_out: of
    "valid", or of the examples that training leaves out, if any. notes: what was not computed, as keys, so that each is
    given once; snapshots may share them.
    """

    def __init__(
        self, passes: Passes, replicas: Replicas, options: Options, step: int,
        notes: dict[str, None], other_data: OtherData | None = None,
    ):  # fmt: skip
        self.passes, self.row, self.view, self.replicas = passes, passes.row, passes.view, replicas
        self.options, self.step, self.notes, self.other_data = options, step, notes, other_data
        tables = {"train": self.view.train._replace(environments=()), "validation": self.view.validation}
        if "valid" in self.view.tests:
            del tables["validation"]  # the same examples
        limit = max_examples(self.row.config, options)
        tables = {split: evenly(table, limit) for split, table in tables.items() if table is not None and limit}
        tables = replicas.of({**tables, **self.view.tests})
        self.held_out = tables.pop("validation", None) or tables.get("valid")
        # In this order again, which jax has sorted by name.
        self.tables: dict[str, SplitIndex] = {
            split: tables[split] for split in ("train", *self.view.tests) if split in tables
        }

    @cached_property
    def last_kernels(self) -> np.ndarray | None:
        """(R, D, K) kernels of the last layer; None for a regression."""
        if self.view.regression:
            return None
        return parallel.fetch(self.replicas.state.params[self.row.program.model.last]["kernel"])

    @cached_property
    def own_inputs(self) -> list[tuple[float | None, float, dict[str, np.ndarray]]]:
        """(lam, weight, activations) of lamv.evaluate.own_inputs, weights summing to 1."""
        most = min(own_inputs.EXAMPLES, max_examples(self.row.config, self.options))
        return [
            (lam, weight, own_inputs.augmented(self.passes, self.replicas, self.step, most, lam))
            for lam, weight in own_inputs.nodes(self.passes, self.step)
        ]

    def labels(self, table: SplitIndex) -> list[np.ndarray]:
        """(M,) labels of the examples of a table, for each replica."""
        return [self.row.labels_of(table, r) for r in range(len(self.replicas.numbers))]

    def given_labels(self, table: SplitIndex) -> list[np.ndarray]:
        """As `labels`, of the training set and with its label noise."""
        if not self.row.config.data.label_noise or self.view.regression:
            return self.labels(table)

        def targets(replica, shared, b):
            return {"logits": self.passes.read(replica, shared, b).targets}

        return list(self.passes.gathered("given labels", targets, self.replicas, table)["logits"].argmax(axis=-1))

    def of_classes(self, split: str, classes: Sequence[int], most: int) -> SplitIndex | None:
        """The first examples of these classes, equally many of each in all replicas; None where a class has none."""
        table = self.tables[split]
        indices = [[np.flatnonzero(labels == c)[:most] for c in classes] for labels in self.labels(table)]
        fewest = min(len(of_class) for replica in indices for of_class in replica)
        if not fewest:
            self.note(
                f"no examples of one of the classes {tuple(classes)} where they are needed; --classes names others"
            )
            return None
        kept = np.stack([np.concatenate([of_class[:fewest] for of_class in replica]) for replica in indices])
        return jax.tree.map(lambda values: np.take_along_axis(values, kept, axis=1), table)

    def note(self, reason: str) -> None:
        """Keep why something is not computed."""
        self.notes[reason] = None


def max_examples(config, options: Options) -> int:
    """Examples, at most, of the splits that `Options.examples` limits."""
    return config.data.eval_train_size if options.examples is None else options.examples


def rounded(values) -> list[float]:
    """Five digits of each, for a figure."""
    return [float(f"{value:.5g}") for value in values]

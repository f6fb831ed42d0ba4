"""A data set on the device, once: all examples in one array, and splits as tables of row numbers.

A replica (a seed with its settings) may have its own cut into training and test set and its own planted cue, yet the
examples exist once: what differs is a table. A batch is a vector of row numbers, gathered inside the jitted step.

Axis letters: N examples, R replicas, M examples of a split.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from lamv.core import shortcuts
from lamv.data.splits import Normalisation, Splits
from lamv.errors import ConfigError


class Examples(NamedTuple):
    """inputs (N, H, W, C) uint8 or (N, D) float32, as stored; labels (N,) int32, or float32 for regression."""

    inputs: jax.Array
    labels: jax.Array


class Table(NamedTuple):
    """A split of every replica: which examples, what the cue says of them, which group they are in; (R, M) int32 each.

    rows: row numbers in Examples. attributes: see lamv.core.shortcuts, ABSENT where there is no cue. groups: in
    [0, num_groups), or num_groups for "in no group". What a run does not need is (): labels, where they are not those of
    the examples; environments, of the training set; partners, row numbers of the images that a cue is made of.
    """

    rows: jax.Array
    attributes: jax.Array
    groups: jax.Array
    labels: jax.Array | tuple = ()
    environments: jax.Array | tuple = ()
    partners: jax.Array | tuple = ()


class Plan(NamedTuple):
    """Which examples each replica of a program trains and is tested on, and what a network sees of them.

    shape: of one example as the network sees it, flattened and with its cue. cue: which inputs of the flattened example
    carry the cue, (prod(shape),) bool; None where there is none. class_frequencies: (K,) shares of the classes in the
    part that training sets are drawn from, so that they are the same for every seed. regression: whether labels are
    numbers to be predicted; then there is one class. validation: examples of an official training part that `train_size`
    leaves out of training, with the cue as in training; None where it leaves none.
    """

    train: Table
    tests: dict[str, Table]
    normalisation: Normalisation
    num_classes: int
    num_groups: int
    shape: tuple[int, ...]
    cue: np.ndarray | None
    class_frequencies: np.ndarray
    regression: bool
    validation: Table | None


def select_classes(splits: Splits, classes: Sequence[int]) -> Splits:
    """Only the examples of `classes`, relabelled 0, 1, ... in the order given. Raises ConfigError for an unknown class."""
    if not classes:
        return splits
    if splits.is_regression:
        raise ConfigError(
            f"config.data.classes is {tuple(classes)}, must be () for {splits.name}, which has no classes"
        )
    if max(classes) >= splits.num_classes or len(set(classes)) != len(classes) or len(classes) < 2:
        raise ConfigError(
            f"config.data.classes is {tuple(classes)}, must be two or more different numbers below {splits.num_classes}"
            f" ({splits.name}); name the classes to keep"
        )
    renumber = np.full(splits.num_classes, -1, np.int32)
    renumber[list(classes)] = np.arange(len(classes))
    parts = {}
    for name, part in splits.parts.items():
        keep = renumber[part.labels] >= 0
        groups = None if part.groups is None else part.groups[keep]
        parts[name] = part._replace(
            inputs=part.inputs[keep], labels=renumber[part.labels[keep]], ids=part.ids[keep], groups=groups
        )
    names = tuple(splits.class_names[c] for c in classes)
    return Splits(splits.name, parts, names, splits.normalisation, splits.sources)


class Cut(NamedTuple):
    """Row numbers, sorted: of the training set, of the test set, and of what is in neither."""

    train: np.ndarray
    test: np.ndarray
    left_out: np.ndarray


def cut(splits: Splits, seed: int, train_size: int | None) -> Cut:
    """Which examples train and which test, for one seed; row numbers count through the parts in order.

    A data set with official parts keeps its test set, and `train_size` (None: all) draws from its training part.
    One without is shuffled by the seed: the first `train_size` (None: two thirds) train, the rest test.
    """
    if "all" in splits.parts:
        number = len(splits.parts["all"].labels)
        order = shuffled(seed, number)
        size = number * 2 // 3 if train_size is None else train_size
        rest, left_out = order[size:], order[:0]
        most = number - 1
    else:
        number = len(splits.parts["train"].labels)
        size = number if train_size is None else train_size
        order = np.arange(number) if size == number else shuffled(seed, number)
        rest, left_out = number + np.arange(len(splits.parts["test"].labels)), order[size:]
        most = number
    if size > most:
        raise ConfigError(f"config.data.train_size is {size}, must be at most {most} for {splits.name}; ask for less")
    return Cut(np.sort(order[:size]), np.sort(rest), np.sort(left_out))


def shuffled(seed: int, number: int) -> np.ndarray:
    """A permutation of range(number) by raw draws of Philox, whose stream numpy guarantees never to change."""
    return np.argsort(np.random.Philox(key=seed).random_raw(number), kind="stable")


def examples_of(splits: Splits) -> Examples:
    """All parts of a data set in one array, in order; what the tables of `plan` point into."""
    parts = splits.parts.values()
    return Examples(np.concatenate([part.inputs for part in parts]), np.concatenate([part.labels for part in parts]))


def plan(splits: Splits, configs: Sequence, seeds: Sequence[int]) -> Plan:
    """Tables for replicas with these configs and seeds (equal lengths R); they differ in traced knobs only.

    Where a shortcut is planted, the test set comes in the placements of lamv.core.shortcuts: "test" (cue as in
    training), "test_aligned", "test_random", "test_conflicting", "test_absent"; else only "test". The group of an
    example is y * A + a with a cue, and the data's own group without. Raises ConfigError for a cue that does not fit.
    """
    config = configs[0]
    labels = np.concatenate([part.labels for part in splits.parts.values()])
    shape = next(iter(splits.parts.values())).inputs.shape[1:]
    if config.data.flatten:
        shape = (math.prod(shape),)
    cues, cue = config.data.shortcut.kind != "none", None
    if cues and splits.is_regression:
        raise ConfigError(
            f"config.data.shortcut.kind must be 'none' for {splits.name}: a cue says a class, and it has none"
        )
    if cues:
        try:
            cue = shortcuts.cue_inputs(config.data.shortcut.kind, shape, splits.num_classes)
            shape = shortcuts.planted_shape(config.data.shortcut.kind, shape, splits.num_classes)
        except ValueError as error:
            raise ConfigError(f"config.data.shortcut.kind is {config.data.shortcut.kind!r}: {error}") from None
    own_groups = _own_groups(splits)
    num_groups = splits.num_classes**2 if cues else 0 if own_groups is None else int(own_groups.max()) + 1

    def table(rows_of_replica: list[np.ndarray], placement: str, stream: int) -> Table:
        rows = np.stack(rows_of_replica).astype(np.int32)
        attributes = np.full(rows.shape, shortcuts.ABSENT, np.int32)
        groups = np.full(rows.shape, num_groups, np.int32) if own_groups is None else own_groups[rows]
        if cues:
            for r, (replica, seed) in enumerate(zip(configs, seeds, strict=True)):
                attributes[r] = shortcuts.draw_attributes(
                    np.random.default_rng([seed, stream]), labels[rows[r]], splits.num_classes,
                    placement=placement, reliability=replica.data.shortcut.reliability,
                )  # fmt: skip
            groups = np.where(attributes < 0, num_groups, labels[rows] * splits.num_classes + attributes)
        return Table(rows, attributes, groups.astype(np.int32))

    cuts = [cut(splits, seed, config.data.train_size) for seed in seeds]
    test_rows = [one.test for one in cuts]
    placements = shortcuts.PLACEMENTS if cues else ("as_train",)
    tests = {
        "test" if placement == "as_train" else f"test_{placement}": table(test_rows, placement, 1 + stream)
        for stream, placement in enumerate(placements)
    }
    train = table([one.train for one in cuts], "as_train", 0)
    left_out = [one.left_out for one in cuts]
    validation = table(left_out, "as_train", 1 + len(shortcuts.PLACEMENTS)) if len(left_out[0]) else None
    drawn_from = next(iter(splits.parts.values())).labels
    counts = [len(drawn_from)] if splits.is_regression else np.bincount(drawn_from, minlength=splits.num_classes)
    frequencies = (np.array(counts) / len(drawn_from)).astype(np.float32)
    return Plan(train, tests, splits.normalisation, splits.num_classes, num_groups, tuple(shape), cue, frequencies,
                splits.is_regression, validation)  # fmt: skip


def _own_groups(splits: Splits) -> np.ndarray | None:
    groups = [part.groups for part in splits.parts.values()]
    return None if any(g is None for g in groups) else np.concatenate(groups)

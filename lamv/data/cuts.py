"""Which examples of a data set train, test and validate, for one seed."""

from typing import NamedTuple

import numpy as np

from lamv.data.splits import Splits, joined
from lamv.errors import ConfigError


class Indices(NamedTuple):
    """Indices of examples, sorted: the training set, the test set, what is in none of the sets, the validation set."""

    train: np.ndarray
    test: np.ndarray
    left_out: np.ndarray
    valid: np.ndarray


def cut(
    splits: Splits, seed: int, train_size: int | None, valid_size: int = 0, per_class: int | None = None
) -> Indices:
    """Which examples train, test and validate, for one seed; indices count through the parts in order.

    A data set with official parts keeps its test set, and `train_size` (None: all) draws from its training part.
    One without is shuffled by the seed: the first `train_size` (None: two thirds) train, the rest test. `valid_size`
    examples for validation are drawn from what does not train: from an official part for it (0: all of it), else from
    what the training part leaves, else from what would test. per_class: training examples of each class, in place of
    train_size. Raises ConfigError where there are too few.
    """
    whole = "all" in splits.parts
    indices = indices_of(splits, splits.training_part)
    number = len(indices)
    size = train_size if train_size is not None else number * 2 // 3 if whole else number
    most = number - 1 if whole else number
    if size > most:
        raise ConfigError(f"config.data.train_size is {size}, must be at most {most} for {splits.name}; ask for less")
    order = indices if size == number else indices[shuffled(seed, number)]
    train, rest = order[:size], order[size:]
    if per_class is not None:
        train, rest = _of_each_class(splits, indices[shuffled(seed, number)], per_class)
    if "valid" in splits.parts:
        pool = indices_of(splits, "valid")
        most, why = len(pool), "its validation part has no more"
        valid = pool[shuffled(seed, len(pool))[:valid_size]] if valid_size else pool
    else:
        most = len(rest) - 1 if whole else len(rest)
        why = "one at least must test" if whole else "so many of its training part does data.train_size leave"
        valid, rest = rest[:valid_size], rest[valid_size:]
    if valid_size > most:
        raise ConfigError(f"config.data.valid_size is {valid_size}, must be at most {most} for {splits.name}: {why}")
    test, left_out = (rest, rest[:0]) if whole else (indices_of(splits, "test"), rest)
    return Indices(*map(np.sort, (train, test, left_out, valid)))


def _of_each_class(splits: Splits, order: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `number` of each class, and the others, in this order. Raises ConfigError where a class has too few."""
    labels = joined(splits, "labels")[order]
    if splits.is_regression:
        raise ConfigError(f"config.data.per_class is {number}, must be unset for {splits.name}, which has no classes")
    whole, sizes = "all" in splits.parts, np.bincount(labels, minlength=splits.num_classes)
    if number > (most := sizes.min() - whole):
        few = splits.class_names[int(sizes.argmin())]
        raise ConfigError(
            f"config.data.per_class is {number}, must be at most {most} for {splits.name}: {few} has {sizes.min()} examples"
        )
    # How many of its class come before each example.
    before = np.argsort(np.argsort(labels, kind="stable")) - (np.cumsum(sizes) - sizes)[labels]
    return order[before < number], order[before >= number]


def indices_of(splits: Splits, name: str) -> np.ndarray:
    """Indices of the examples of a part, in order."""
    start = 0
    for part, split in splits.parts.items():
        if part == name:
            return np.arange(start, start + len(split.labels))
        start += len(split.labels)
    raise KeyError(name)


def shuffled(seed: int, number: int) -> np.ndarray:
    """A permutation of range(number) by raw draws of Philox, whose stream numpy guarantees never to change."""
    return np.argsort(np.random.Philox(key=seed).random_raw(number), kind="stable")

"""Which examples of a data set train, test and validate, for one seed."""

from typing import NamedTuple

import numpy as np

from lamv.data.splits import Splits
from lamv.errors import ConfigError


class Cut(NamedTuple):
    """Row numbers, sorted: of the training set, of the test set, of what is in none of them, and of what validates."""

    train: np.ndarray
    test: np.ndarray
    left_out: np.ndarray
    valid: np.ndarray


def cut(splits: Splits, seed: int, train_size: int | None, valid_size: int = 0) -> Cut:
    """Which examples train, test and validate, for one seed; row numbers count through the parts in order.

    A data set with official parts keeps its test set, and `train_size` (None: all) draws from its training part.
    One without is shuffled by the seed: the first `train_size` (None: two thirds) train, the rest test. `valid_size`
    examples for validation are drawn from what does not train: from an official part for it (0: all of it), else from
    what the training part leaves, else from what would test. Raises ConfigError where there are too few.
    """
    whole = "all" in splits.parts
    rows = rows_of(splits, "all" if whole else "train")
    number = len(rows)
    size = train_size if train_size is not None else number * 2 // 3 if whole else number
    most = number - 1 if whole else number
    if size > most:
        raise ConfigError(f"config.data.train_size is {size}, must be at most {most} for {splits.name}; ask for less")
    order = rows if size == number else rows[shuffled(seed, number)]
    train, rest = order[:size], order[size:]
    if "valid" in splits.parts:
        pool = rows_of(splits, "valid")
        _check_valid_size(valid_size, len(pool), splits, "its validation part has no more")
        valid = pool[shuffled(seed, len(pool))[:valid_size]] if valid_size else pool
    else:
        most = len(rest) - 1 if whole else len(rest)
        why = "one at least must test" if whole else "so many of its training part does data.train_size leave"
        _check_valid_size(valid_size, most, splits, why)
        valid, rest = rest[:valid_size], rest[valid_size:]
    test, left_out = (rest, rest[:0]) if whole else (rows_of(splits, "test"), rest)
    return Cut(*(np.sort(found) for found in (train, test, left_out, valid)))


def _check_valid_size(size: int, most: int, splits: Splits, why: str) -> None:
    if size > most:
        raise ConfigError(f"config.data.valid_size is {size}, must be at most {most} for {splits.name}: {why}")


def rows_of(splits: Splits, name: str) -> np.ndarray:
    """Row numbers of a part, in order."""
    sizes = {part: len(found.labels) for part, found in splits.parts.items()}
    before = list(sizes).index(name)
    return sum(list(sizes.values())[:before]) + np.arange(sizes[name])


def shuffled(seed: int, number: int) -> np.ndarray:
    """A permutation of range(number) by raw draws of Philox, whose stream numpy guarantees never to change."""
    return np.argsort(np.random.Philox(key=seed).random_raw(number), kind="stable")

"""From the values of labels, groups and attributes in a file to the numbers 0, 1, ... that the rest of lamv computes with.

Labels may be whole numbers of any range, booleans or strings. Their distinct values, in order, are the classes: numbers
by size, False before True, strings by letter, but strings that are all numbers by size.
"""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamv.data.splits import Split, make_split
from lamv.errors import DataError, listed


class Coded(NamedTuple):
    """codes: for each part, (N,) int32 in [0, K), or () where it has none. names: of the K values, in their codes' order.

    Labels for regression are (N,) float32 without names. note: a sentence on the mapping, "" where each value is its code.
    """

    codes: list[np.ndarray]
    names: tuple[str, ...]
    note: str


def coded(where: str, what: str, arrays: Sequence[np.ndarray]) -> Coded:
    """The values of these (N,) arrays, one a part, as codes that are common to all parts.

    where, what: the file and the kind of value ("labels"), for messages. Raises DataError, naming both, for values that
    are neither whole numbers, booleans nor strings, for arrays of different kinds, for empty strings, and for strings
    that write one number or one word in two ways.
    """
    kinds = {_kind(where, what, array) for array in arrays}
    if len(kinds) > 1:
        raise DataError(f"{where}: {what} are {' and '.join(sorted(kinds))} in different parts; save all as one kind")
    if kinds == {"strings"}:
        lists = [[text.strip() for text in array.tolist()] for array in arrays]
        values, number = _ordered_texts(where, what, {text for texts in lists for text in texts})
        names = tuple(values)
        codes = [np.array([number[text] for text in texts], np.int32) for texts in lists]
    else:
        # As Python's whole numbers where uint64 and int64 would meet in float64, which rounds them.
        wide = any(array.dtype == np.uint64 for array in arrays)
        joined = np.concatenate([array.astype(object if wide else array.dtype) for array in arrays])
        values, numbered = np.unique(joined, return_inverse=True)
        names = tuple(str(value) for value in values.tolist())
        codes = np.split(numbered.astype(np.int32), np.cumsum([len(array) for array in arrays])[:-1])
    return Coded(codes, names, _note(what, names))


def split_of(
    file: str,
    inputs: np.ndarray,
    labels: Coded,
    groups: Coded | None,
    attributes: Coded | None,
    at: int,
    rows: Any = ...,
) -> Split:
    """These rows of the part at that position of `codes`. Raises as make_split does."""
    codes = [values.codes[at][rows] if values and values.codes[at].size else None for values in (groups, attributes)]
    number = len(attributes.names) if attributes else 0
    values = labels.codes[at][rows]
    if labels.names:
        return make_split(file, inputs, values, len(labels.names), *codes, number)
    return make_split(file, inputs, np.zeros(len(values), np.int32), 1, *codes, number)._replace(labels=values)


def whole(array: np.ndarray) -> bool:
    """Whether an array of floats holds whole numbers only, of a size at which floats tell them apart."""
    return bool(np.all(np.isfinite(array)) and np.all(np.abs(array) < 2.0**53) and np.all(array == np.round(array)))


def note_on_whole_floats(what: str) -> str:
    """A note for whole floats, which are taken for regression and may have been meant as classes."""
    return (
        f"{what} are floats, all of them whole: they are numbers to be predicted; if these are classes,"
        " --config.data.task=classification"
    )


def from_one_hot(where: str, what: str, array: np.ndarray) -> np.ndarray:
    """(N, K) one-hot rows, K at least 2, or (N, 1), as (N,): the column of each 1, or the one column.

    Raises DataError, naming the row, for rows that are not one-hot.
    """
    if array.ndim != 2 or array.shape[1] == 0:
        raise DataError(f"{where}: {what} have the shape {array.shape}; (N,), (N, 1) or one-hot (N, K) is needed")
    if array.shape[1] == 1:
        return array[:, 0]
    if array.dtype.kind not in "biuf":
        raise DataError(f"{where}: {what} are {array.dtype} {array.shape}; one-hot rows are of numbers or booleans")
    ones = array == 1
    bad = np.flatnonzero((ones.sum(axis=1) != 1) | ~((array == 0) | ones).all(axis=1))
    if bad.size:
        raise DataError(
            f"{where}: {what} have the shape {array.shape}, but row {bad[0]} is not one-hot (a 1 and else 0); give the"
            " class of each example instead, (N,)"
        )
    return ones.argmax(axis=1)


def number_of(text: str) -> float | None:
    """The finite number that a text writes, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _kind(where: str, what: str, array: np.ndarray) -> str:
    if array.ndim == 1 and array.dtype.kind in "iubUT":
        return {"b": "booleans", "U": "strings", "T": "strings"}.get(array.dtype.kind, "whole numbers")
    raise DataError(
        f"{where}: {what} are {array.dtype} {array.shape}; whole numbers, booleans or strings (N,) are needed"
    )


def _ordered_texts(where: str, what: str, texts: set[str]) -> tuple[list[str], Mapping[str, int]]:
    if "" in texts:
        raise DataError(f"{where}: {what} hold an empty string; every example needs a value")
    numbers = {text: number_of(text) for text in texts}
    words = None in numbers.values()
    _refuse_twins(where, what, texts, lambda text: numbers[text] if numbers[text] is not None else text, "number")
    _refuse_twins(where, what, texts, lambda text: unicodedata.normalize("NFKC", text), "word")
    order = sorted(texts, key=lambda text: text if words else (numbers[text], text))
    return order, {text: code for code, text in enumerate(order)}


def _refuse_twins(where: str, what: str, texts: set[str], same, kind: str) -> None:
    """DataError for two texts that mean the same."""
    first: dict = {}
    for text in sorted(texts):
        other = first.setdefault(same(text), text)
        if other != text:
            raise DataError(
                f"{where}: {what} {other!r} and {text!r} write one {kind} in two ways; write it in one way"
                + (f" ({ascii(other)}, {ascii(text)})" if kind == "word" else "")
            )


def _note(what: str, names: Sequence[str]) -> str:
    if list(names) == [str(code) for code in range(len(names))]:
        return ""
    note = f"{what} {listed(names)} are numbered 0 to {len(names) - 1} in this order"
    folded = {name.casefold() for name in names}
    return note if len(folded) == len(names) else f"{note}; some differ only in upper and lower case"

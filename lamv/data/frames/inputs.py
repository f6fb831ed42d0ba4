"""From the columns of a table to the inputs of a network.

Numbers, dates (in days) and booleans (1 for true and yes) are standardised: less their mean, over their standard
deviation (divided by N). Texts become a column of 0 and 1 for each of their values, in the order of letters. A missing
number becomes the mean, with an indicator column for where it was; a missing text is a value of its own. Means,
deviations and values are those of the training rows. Constant columns and the like are left out, with a note on why.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lamv import memory
from lamv.data.frames.columns import MANY, MISSING, Series, are_days_and_months, check_finite, column_of, refuse_mixed
from lamv.data.frames.frame import Frame
from lamv.errors import DataError, listed, shown

#: Values of a text column, each of which is an input, beyond which it is left out.
MAX_VALUES = 1000
FREE_TEXT = "another text in nearly every row (names, or free text)"
#: What columns of row numbers are called; they have no name in the files that pandas writes.
INDEX = re.compile(r"(Unnamed: \d+|index|id|row|)", re.IGNORECASE)
TEXTS = ("text", "category", "digits")


class Inputs(NamedTuple):
    """values: (N, D) float32. names: of the D inputs. notes: what became of the columns, a sentence each.

    numbers: (D,) which inputs are numbers; with `fill`, values are finite, else those of numbers are NaN where missing.
    columns: that inputs are made of.
    """

    values: np.ndarray
    names: tuple[str, ...]
    numbers: tuple[bool, ...]
    notes: tuple[str, ...]
    columns: tuple[str, ...]


class _Encoded(NamedTuple):
    """The inputs that a column becomes. numbers: (N,) float32, the first of them, or None. codes: (N,) which of the others
    is 1, -1 for none; None without others. filled: number of missing values; unknown: of those not in the training rows.
    """

    kind: str
    names: tuple[str, ...]
    numbers: np.ndarray | None
    codes: np.ndarray | None
    filled: int = 0
    unknown: int = 0


def drop_flag(name: str) -> str:
    """The flag that leaves a column out."""
    return f'--config.data.columns.drop="({name!r},)"'


class _LeftOut(Exception):
    """Why a column is left out."""


def encode(frame: Frame, names: Sequence[str], trains: np.ndarray, fill: bool = True) -> Inputs:
    """The columns of these names as inputs. trains: (N,) bool, the rows by which the columns are standardised.

    fill: whether a missing number becomes the mean here, or stays NaN for whoever standardises once more. Raises
    DataError, naming the column and the row, for numbers that float32 cannot hold and for texts that were meant to be
    numbers; DataError where no column is left, or where memory cannot hold the inputs.
    """
    encoded: dict[str, _Encoded] = {}
    left_out: dict[str, list[str]] = {}
    for name in names:
        try:
            encoded[name] = _encoded(frame, column_of(frame, name), trains)
        except _LeftOut as why:
            left_out.setdefault(str(why), []).append(name)
    reasons = [f"{_called(columns)} left out: {why}" for why, columns in left_out.items()]
    if not encoded:
        why = f"; {'; '.join(reasons)}" if reasons else ", only what is to be learned"
        why += "; configs/own_data.py:text trains on texts" if FREE_TEXT in left_out else ""
        raise DataError(f"{shown(frame.path)}: holds no column to learn from{why}")
    width = sum(len(column.names) for column in encoded.values())
    if short := memory.shortage(3 * 4 * width * frame.rows):
        raise DataError(
            f"{shown(frame.path)}: {frame.rows:,} rows of {width:,} inputs take {short}; drop columns of many texts"
            f" ({drop_flag('NAME')})"
        )
    notes = (_summary(len(names), width, encoded), *reasons, *_notes(encoded))
    values, inputs, numbers = np.zeros((frame.rows, width), np.float32), [], []
    for column in encoded.values():
        first, of_numbers = len(inputs), column.numbers is not None
        if of_numbers:
            values[:, first] = column.numbers
        if column.codes is not None:
            ones = np.flatnonzero(column.codes >= 0)
            values[ones, first + of_numbers + column.codes[ones]] = 1
        inputs += column.names
        numbers += [of_numbers and at == 0 for at in range(len(column.names))]
    if fill:
        values[np.isnan(values)] = 0.0
    return Inputs(values, tuple(inputs), tuple(numbers), notes, tuple(encoded))


def _encoded(frame: Frame, column: Series, trains: np.ndarray) -> _Encoded:
    if not column.kind:
        raise _LeftOut(f"values of type {frame.types[column.name]} are not read")
    if not (column.codes >= 0).any():
        raise _LeftOut("no value in any row")
    if not (column.codes[trains] >= 0).any():
        raise _LeftOut("no value in the training rows")
    if column.numbers.size:
        return _number(frame, column, trains)
    refuse_mixed(frame, column, f"or leave the column out, {drop_flag(column.name)}")
    return _category(column, trains)


def _number(frame: Frame, column: Series, trains: np.ndarray) -> _Encoded:
    missing = column.codes < 0
    if _is_row_number(column):
        raise _LeftOut("it numbers the rows")
    check_finite(frame, column, f"leave the column out, {drop_flag(column.name)}")
    values = column.numbers[column.codes]
    known = values[trains & ~missing]
    indicator = bool(missing[trains].any())
    mean, deviation = known.mean(), known.std()
    constant = bool(known.min() == known.max() or deviation == 0)
    if constant and not indicator:
        raise _LeftOut("one value in all training rows")
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = np.where(missing, np.nan, (values - mean) / (1.0 if constant else deviation)).astype(np.float32)
    for row in np.flatnonzero(~np.isfinite(numbers) & ~missing)[:1]:
        raise DataError(
            f"{frame.where(column.name)}: {values[row]:g} ({frame.at(row)}) is beyond float32 once it is standardised (mean"
            f" {mean:g}, deviation {deviation:g}); mend it, or leave the column out, {drop_flag(column.name)}"
        )
    codes = np.where(missing, 0, -1) if indicator else None
    names = (column.name,) * (not constant) + (f"{column.name} is missing",) * indicator
    return _Encoded(column.kind, names, None if constant else numbers, codes, int(missing.sum()))


def _is_row_number(column: Series) -> bool:
    """0, 1, 2, ... or 1, 2, 3, ... down the table, which is more than chance where it is long or has a telling name."""
    number = len(column.codes)
    if column.kind not in ("whole", "real") or len(column.numbers) != number or (column.codes < 0).any():
        return False
    if number <= MANY and not INDEX.fullmatch(column.name):
        return False
    values = column.numbers[column.codes]
    return values[0] in (0, 1) and bool(np.array_equal(values, values[0] + np.arange(number)))


def _category(column: Series, trains: np.ndarray) -> _Encoded:
    missing = column.codes < 0
    known = np.unique(column.codes[trains & ~missing])
    if are_days_and_months(column):
        raise _LeftOut("dates, of which day and month cannot be told apart; write YYYY-MM-DD")
    if len(known) > max(MANY, np.count_nonzero(trains) / 2):
        raise _LeftOut(FREE_TEXT)
    if len(known) > MAX_VALUES:
        raise _LeftOut(f"more than {MAX_VALUES:,} different texts")
    texts = sorted((column.values[int(code)].as_py(), code) for code in known)
    indicator = bool(missing[trains].any())
    names = tuple(f"{column.name}={text}" for text, _ in texts) + (f"{column.name} is missing",) * indicator
    if len(names) == 1:
        raise _LeftOut("one value in all training rows")
    # The last entry is that of missing values, whose code is -1.
    new = np.full(len(column.values) + 1, -1)
    new[[code for _, code in texts]] = np.arange(len(texts))
    new[-1] = len(texts) if indicator else -1
    codes = new[column.codes]
    return _Encoded(column.kind, names, None, codes, int(missing.sum()), int(np.sum((codes < 0) & ~missing)))


def _summary(number: int, width: int, encoded: Mapping[str, _Encoded]) -> str:
    numbers = sum(column.numbers is not None for column in encoded.values())
    texts = sum(column.kind in TEXTS for column in encoded.values())
    indicators = sum(column.codes is not None and column.kind not in TEXTS for column in encoded.values())
    counts = (
        (numbers, "of numbers, standardised"),
        (texts, "of texts, one-hot"),
        (indicators, "to say where a number is missing"),
    )
    become = f"{number} column{'s become' if number > 1 else ' becomes'} {width} input{'s' * (width > 1)}"
    return f"{become}: {', '.join(f'{count} {words}' for count, words in counts if count)}"


def _notes(encoded: Mapping[str, _Encoded]) -> Iterator[str]:
    """What the names of the inputs do not show."""
    numbers = [f"{shown(n)} ({c.filled:,})" for n, c in encoded.items() if c.filled and c.kind not in TEXTS]
    texts = [f"{shown(n)} ({c.filled:,})" for n, c in encoded.items() if c.filled and c.kind in TEXTS]
    unknown = [f"{shown(n)} ({c.unknown:,})" for n, c in encoded.items() if c.unknown]
    if numbers:
        yield f"missing numbers are the mean of their column: {listed(numbers)}"
    if texts:
        yield (
            "missing texts are a value of their own, or 0 in all inputs where none is missing in training:"
            f" {listed(texts)}"
        )
    if unknown:
        yield f"values that no training row has are 0 in all inputs: {listed(unknown)}"
    if numbers or texts:
        yield f"missing is an empty value, or one of {', '.join(MISSING[1:])}"
    for kind, what in (
        ("date", "dates are days since 1970-01-01"),
        ("yes", "true and yes are 1, false and no 0"),
        ("digits", "numbers with leading zeros are taken as texts"),
    ):
        names = [name for name, column in encoded.items() if column.kind == kind]
        if names:
            yield f"{what}: {listed([shown(name) for name in names])}"


def _called(names: Sequence[str]) -> str:
    return f"column{'s' * (len(names) > 1)} {listed([shown(name) for name in names])}"

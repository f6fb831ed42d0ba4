"""The kind of a column of a table, from its values.

A column is codes into its distinct values, so that each of these is looked at once. Texts that are all numbers are a column
of numbers, in a CSV and in a Parquet file alike.
"""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import compute

from lamv.data.frames.frame import Frame, is_text
from lamv.errors import DataError, and_more, brief

#: Texts that stand for "no value", just as they are written here, with or without space around them.
MISSING = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "?")
YES = {"false": 0.0, "true": 1.0, "no": 0.0, "yes": 1.0}
#: Distinct values of a column that are many: more are no list of choices, unless most of them come up again and again.
MANY = 20

WHOLE_NUMBER = r"^[+-]?\d+$"
NUMBER = r"^[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|(?i:inf(inity)?))$"
#: Numbers as people write them for people: with a decimal comma, separated thousands, a currency or per cent.
NEARLY_NUMBER = r"^[+-]?[$\x{20AC}\x{A3}]? ?(\d+([.,]\d+)?|\d{1,3}([., '\x{A0}]\d{3})+([.,]\d+)?) ?[%$\x{20AC}\x{A3}]?$"
LEADING_ZERO = r"^0\d+$"
DATE = r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?Z?)?$"
DAY_AND_MONTH = r"^\d{1,2}[/.-]\d{1,2}[/.-](\d\d|\d{4})$"

MICROSECONDS_A_DAY = 86_400_000_000


class Series(NamedTuple):
    """kind: "whole" or "real" numbers, "yes" (booleans, yes and no), "date", "text", "category" (texts, by their
    type in the file), "digits" (with leading zeros, like postcodes), or "" where values of this type are not read.

    codes: (N,) int32, the position of each value in `values`, -1 where it is missing. values: the distinct values as they
    are stored, an Arrow array. numbers: the same as float64 (dates: days since 1970-01-01), () for texts.
    """

    name: str
    kind: str
    codes: np.ndarray
    values: Any
    numbers: np.ndarray = np.empty(0)

    def texts(self) -> list[str]:
        """The distinct values as texts, in their order."""
        return list(map(str, self.values.to_pylist()))

    def first(self, code: int) -> int:
        """The first row with that value."""
        return int(np.argmax(self.codes == code))


def column_of(frame: Frame, name: str) -> Series:
    """A column of the table, by its name."""
    type, array = frame.types[name], frame.arrays.get(name)
    of = pa.types
    if of.is_null(type):
        return Series(name, "text", np.full(frame.rows, -1, np.int32), pa.array([], pa.string()))
    try:
        if is_text(type):
            return _of_texts(name, *_encoded(array), categories=of.is_dictionary(type))
        if of.is_boolean(type):
            return _of_numbers(name, "yes", array, pa.bool_())
        if of.is_integer(type):
            return _of_numbers(name, "whole", array, type)
        if of.is_floating(type) or of.is_decimal(type):
            return _of_numbers(name, "real", array, pa.float64())
        if of.is_date(type) or of.is_timestamp(type):
            return _of_numbers(name, "date", array, pa.timestamp("us"))
    except pa.ArrowException:  # a number or a time that the type to compute with cannot hold
        pass
    return Series(name, "", np.full(frame.rows, -1, np.int32), None)


def _encoded(array) -> tuple[np.ndarray, Any]:
    """Codes and distinct values of an Arrow column; codes are -1 where there is no value."""
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    if isinstance(array, pa.ChunkedArray):
        array = array.unify_dictionaries().combine_chunks()
    codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return codes, array.dictionary


def _of_texts(name: str, codes: np.ndarray, values, categories: bool) -> Series:
    """categories: by their type in the file; numbers among them are names."""
    codes, values = _distinct(codes, values.cast(pa.string()))
    if categories or not len(values):
        return Series(name, "category", codes, values)
    if _all_are(values, NUMBER):
        if _all_are(values, r"^\d+$") and compute.any(compute.match_substring_regex(values, LEADING_ZERO)).as_py():
            return Series(name, "digits", codes, values)
        kind = "whole" if _all_are(values, WHOLE_NUMBER) else "real"
        return Series(name, kind, codes, values, values.cast(pa.float64()).to_numpy(zero_copy_only=False))
    if len(values) <= 2 * len(YES):
        lower = [text.lower() for text in values.to_pylist()]
        if {*lower} <= {"true", "false"} or {*lower} <= {"yes", "no"}:
            return Series(name, "yes", codes, values, np.array([YES[text] for text in lower]))
    if _all_are(values, DATE):
        try:
            times = compute.replace_substring_regex(values, "Z$", "").cast(pa.timestamp("us"))
        except pa.ArrowInvalid:  # a 31st of February
            return Series(name, "text", codes, values)
        return Series(name, "date", codes, values, _numbers(times))
    return Series(name, "text", codes, values)


def _distinct(codes: np.ndarray, values) -> tuple[np.ndarray, Any]:
    """The same without the space around values, and without those that stand for a missing one."""
    trimmed = compute.utf8_trim_whitespace(values)
    if values.null_count or not trimmed.equals(values):  # then some may be there twice
        again, values = _encoded(trimmed)
        codes = np.append(again, np.int32(-1))[codes]
    known = compute.invert(compute.is_in(values, value_set=pa.array(MISSING)))
    kept = known.to_numpy(zero_copy_only=False)
    new = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1).astype(np.int32)
    return new[codes], values.filter(known)


def _of_numbers(name: str, kind: str, array, type) -> Series:
    array = array.cast(type, safe=not pa.types.is_timestamp(type))
    if pa.types.is_floating(type):
        array = compute.if_else(compute.is_nan(array), pa.scalar(None, type), array)
    codes, values = _encoded(array)
    return Series(name, kind, codes, values, _numbers(values))


def _numbers(values) -> np.ndarray:
    if pa.types.is_timestamp(values.type):
        return values.cast(pa.int64()).to_numpy(zero_copy_only=False) / MICROSECONDS_A_DAY
    return values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def _all_are(values, pattern: str) -> bool:
    return bool(compute.all(compute.match_substring_regex(values, pattern)).as_py())


def are_days_and_months(column: Series) -> bool:
    """Whether all values are dates of which nobody can tell the day from the month."""
    return len(column.values) > 0 and _all_are(column.values, DAY_AND_MONTH)


def refuse_mixed(frame: Frame, column: Series, way_out: str) -> None:
    """DataError where texts were meant to be numbers: most are, or nearly, and of many different values."""
    if column.kind != "text" or not len(column.values):
        return
    like, nearly = (
        compute.match_substring_regex(column.values, pattern).to_numpy(zero_copy_only=False)
        for pattern in (NUMBER, NEARLY_NUMBER)
    )
    sizes = np.bincount(column.codes[column.codes >= 0], minlength=len(like))
    rows, all_rows = int(sizes[like | nearly].sum()), int(sizes.sum())
    if 2 * rows <= all_rows or np.count_nonzero(like | nearly) <= min(MANY, all_rows / 2):
        return
    others = np.flatnonzero(~like)
    text = column.values[int(others[0])].as_py()
    raise DataError(
        f"{frame.where(column.name)}: {rows:,} of {all_rows:,} values look like numbers, but {brief(text)}"
        f" ({frame.at(column.first(others[0]))}) is not written as one{and_more(others)}; write numbers like -1234.5 and"
        f" missing values like NA, {way_out}"
    )


def check_finite(frame: Frame, column: Series, way_out: str) -> None:
    """DataError for the first row with a number that float32 cannot hold."""
    with np.errstate(over="ignore"):
        bad = np.flatnonzero(~np.isfinite(column.numbers.astype(np.float32)))
    if bad.size:
        row = min(map(column.first, bad))
        raise DataError(
            f"{frame.where(column.name)}: {brief(column.texts()[column.codes[row]])} ({frame.at(row)}) is not finite as"
            f" float32; mend it, or {way_out}"
        )

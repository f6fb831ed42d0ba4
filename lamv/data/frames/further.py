"""Further rows for a table: of the user's, to be predicted, in the columns and types of the table.

They are put above the table's own rows, so that both are encoded at once (lamv.data.frames.inputs), by means, deviations
and texts of the table's own training rows.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lamv.data.frames.columns import column_of
from lamv.data.frames.frame import Frame, is_text, read_frame
from lamv.data.frames.inputs import TEXTS
from lamv.errors import DataError, brief, listed, nearest, one_line, shown

logger = logging.getLogger("lamv.data")


def above(frame: Frame, x: Any, names: Sequence[str], trains: np.ndarray) -> tuple[Frame, int]:
    """The table with the rows of x above its own, in the columns of these names; and how many these are.

    x: {name: values}, a pandas.DataFrame, or the path of a CSV or Parquet file; other columns of it are passed over.
    trains: (N,) bool, the training rows. Raises DataError for a column that is missing, of another length, or of texts in
    place of numbers; a text that no training row has is warned of.
    """
    given: Any = read_frame(Path(x).expanduser()).arrays if isinstance(x, str | Path) else x
    arrays, lengths = {}, {}
    for name in names:
        if name not in given:
            there = list(map(str, given.keys()))
            raise DataError(
                f"x has no column {brief(name)}{nearest(name, there)}; the network reads {listed(list(names))}"
            )
        type = pa.string() if is_text(frame.types[name]) else frame.types[name]
        new = _cast(name, given[name], type)
        old = frame.arrays[name].cast(type)
        arrays[name] = pa.chunked_array([*_chunks(new), *_chunks(old)])
        lengths[name] = len(new)
    number = next(iter(lengths.values()))
    for name, length in lengths.items():
        if length != number or not number:
            raise DataError(
                f"x: column {brief(name)} has {length} values and {brief(names[0])} {number}; rows are needed"
            )
    both = frame._replace(path=Path("x"), arrays=arrays, rows=frame.rows + number, lines=False)
    for name in names:
        _check_kind(frame, both, name, number, trains)
    return both, number


def _cast(name: str, values: Any, type) -> Any:
    """An Arrow array of the table's type; those of a CSV are texts."""
    try:
        array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, from_pandas=True)
        if pa.types.is_timestamp(array.type):
            array = array.cast(pa.timestamp("us"))
        return array.cast(pa.string() if pa.types.is_null(array.type) else type)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(
            f"x: column {brief(name)} cannot be read as {type}, its type in the table ({one_line(error)})"
        ) from error


def _chunks(array) -> list:
    return array.chunks if isinstance(array, pa.ChunkedArray) else [array]


def _check_kind(frame: Frame, both: Frame, name: str, number: int, trains: np.ndarray) -> None:
    old, all_rows = column_of(frame, name), column_of(both, name)
    texts = all_rows.texts()
    new = {texts[code] for code in np.unique(all_rows.codes[:number]) if code >= 0}
    known = {old.texts()[code] for code in np.unique(old.codes[trains]) if code >= 0}
    unknown = listed([brief(text) for text in sorted(new - known)], most=3)
    of_texts = old.kind in TEXTS
    if of_texts != (all_rows.kind in TEXTS) or (old.kind == "date") != (all_rows.kind == "date"):
        raise DataError(
            f"x: column {brief(name)} has {unknown}, and holds {'texts' if of_texts else f'{old.kind} values'} in"
            f" {shown(frame.path)}; write its values as they are there"
        )
    if of_texts and new - known:
        logger.warning("x: column %s has %s, which no training row has: 0 in all of its inputs", brief(name), unknown)

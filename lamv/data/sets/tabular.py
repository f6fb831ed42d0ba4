"""A user's own table, from a CSV or Parquet file: a row for every example, and a name for every column.

    age,income,colour,label
    39,51000,red,yes
    17,,blue,no

The column "label" is to be learned; optional columns are "split" (train, valid, test), "group" and "attribute". Other names
for these are given in data.columns.label and so on. All other columns are inputs, see lamv.data.frames.inputs.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lamv.data.frames.columns import MANY, Series, check_finite, column_of, refuse_mixed
from lamv.data.frames.frame import Frame, read_frame
from lamv.data.frames.further import above
from lamv.data.frames.inputs import drop_flag, encode
from lamv.data.labels import Coded, coded, note_on_whole_floats, number_of, split_of, whole
from lamv.data.sets.image_folder import PARTS, part_of
from lamv.data.splits import Source, Splits
from lamv.errors import DataError, and_more, brief, nearest, shown

#: What a column can be other than an input.
ROLES = ("label", "split", "group", "attribute")


def read(path: Path, task: str, columns: Mapping[str, Any]) -> Splits:
    """parts={"train", "test"}, perhaps "valid", as the column "split" says; without one {"all"}.

    inputs: (N, D) float32, standardised by the rows of "train"; without a column "split", by all rows here and by those
    that train once the seed has cut the table (Splits.standardise), until when missing numbers are NaN.
    labels: whole numbers, booleans or texts are classes, see lamv.data.labels; numbers with a point are for regression.
    task: "classification" takes whole numbers with a point for classes too, "regression" all numbers for regression.
    ids: positions of the rows in the file. columns: see lamv.data.Options.
    Raises DataError, naming the file and the column, for columns that are not there, rows without a label, split, group or
    attribute, labels that do not fit the task, and what lamv.data.frames.frame.read_frame and encode refuse.
    """
    frame = read_frame(path)
    roles = _roles(frame, columns)
    labels = _labels(frame, column_of(frame, roles["label"]), task)
    parts = _parts(frame, roles.get("split"))
    groups, attributes = (
        _classes(frame, column_of(frame, roles[role]), f"{role}s") if role in roles else None
        for role in ("group", "attribute")
    )
    if attributes and not labels.names:
        name = roles["attribute"]
        raise DataError(
            f"{frame.where(name)}: attributes have no meaning with labels that are numbers; make it groups,"
            f" --config.data.columns.group={shown(name)}, or drop it, {drop_flag(name)}"
        )
    official = "split" in roles
    trains = parts == ("train" if official else "all")
    taken = {*roles.values(), *columns.get("drop", ())}
    inputs = encode(frame, [name for name in frame.types if name not in taken], trains, official)
    if official:
        scope = f"means, deviations and the values of texts are those of the {np.count_nonzero(trains):,} training rows"
    else:
        scope = "means and deviations are those of the rows that a seed trains on; the values of texts are those of all rows"
    indices = {part: np.flatnonzero(parts == part) for part in ("train", "valid", "test", "all") if part in parts}
    splits = {
        part: split_of(str(path), inputs.values[rows], labels, groups, attributes, 0, rows)._replace(ids=rows)
        for part, rows in indices.items()
    }
    notes = (*frame.notes, *(values.note for values in (labels, groups, attributes) if values), *inputs.notes, scope)
    return Splits(
        name="table",
        parts=splits,
        class_names=labels.names or (roles["label"],),
        sources=(Source(path.name, frame.sha256, official=None),),
        attribute_names=attributes.names if attributes else (),
        own_group_names=groups.names if groups else (),
        input_names=inputs.names,
        standardise=() if official else inputs.numbers,
        notes=tuple(filter(None, notes)),
    )


def further(path: Path, columns: Mapping[str, Any], x: Any, names: Sequence[str]) -> np.ndarray:
    """(M, D) float32, rows of the user's as `read` makes inputs of the table's own, by the training rows of the table.

    x: see lamv.data.frames.further. names: of the inputs of the table. Raises DataError as these two do.
    """
    frame = read_frame(path)
    roles = _roles(frame, columns)
    taken = {*roles.values(), *columns.get("drop", ())}
    official = "split" in roles
    trains = _parts(frame, roles.get("split")) == ("train" if official else "all")
    own = encode(frame, [name for name in frame.types if name not in taken], trains, official)
    both, number = above(frame, x, own.columns, trains)
    inputs = encode(both, own.columns, np.append(np.zeros(number, bool), trains), official)
    if not inputs.names == own.names == tuple(names):
        raise DataError(
            f"x: its columns become {len(inputs.names)} inputs, and those of {shown(path)} are {len(names)}; is that the"
            " table of the training, and are values written as they are there?"
        )
    return inputs.values[:number]


def _roles(frame: Frame, columns: Mapping[str, Any]) -> dict[str, str]:
    """{role: name of its column}, of those roles that some column has."""
    dropped = tuple(columns.get("drop", ()))
    given = {role: columns[role] for role in ROLES if columns.get(role)}
    for what, name in (*given.items(), *(("drop", name) for name in dropped)):
        if name not in frame.types:
            raise _no_column(frame, name, f"--config.data.columns.{what}=NAME names a column")
    named = [*given.values(), *dropped]
    for name in named:
        if named.count(name) > 1:
            raise DataError(f"{frame.where(name)} is named twice in data.columns; it can be one thing only")
    roles = {role: role for role in ROLES if role in frame.types and role not in named} | given
    if "label" not in roles:
        raise _no_column(frame, "label", "say which is to be learned, --config.data.columns.label=NAME")
    if "group" in roles and "attribute" in roles:
        raise DataError(
            f"{shown(frame.path)}: has a column of groups, {brief(roles['group'])}, and one of attributes,"
            f" {brief(roles['attribute'])}, which make groups with the labels; drop one, {drop_flag(roles['group'])}"
        )
    return {role: roles[role] for role in ROLES if role in roles}


def _no_column(frame: Frame, name: str, way_out: str) -> DataError:
    numbers = [other for other in frame.types if number_of(other) is not None]
    first = "; is its first line one of names?" if len(numbers) > len(frame.types) / 2 else ""
    known = list(map(brief, frame.types))
    if len(known) > 12:  # what is to be learned is often the last
        known[10:-1] = [f"... ({len(known)} in all)"]
    return DataError(
        f"{frame.where(name)} is missing{nearest(name, frame.types)}; the columns are {', '.join(known)};"
        f" {way_out}{first}"
    )


def _check_complete(frame: Frame, column: Series, what: str) -> None:
    """DataError for values of a type that is not read, and for rows without a value."""
    if not column.kind:
        raise DataError(
            f"{frame.where(column.name)} is of type {frame.types[column.name]}; {what} are numbers, booleans or texts"
        )
    missing = np.flatnonzero(column.codes < 0)
    if missing.size:
        raise DataError(
            f"{frame.where(column.name)} has no value in {frame.at(missing[0])}{and_more(missing)}; every row needs one:"
            " fill it in, or leave the row out"
        )


def _labels(frame: Frame, column: Series, task: str) -> Coded:
    _check_complete(frame, column, "labels")
    where = frame.where(column.name)
    if column.kind == "date":
        raise DataError(f"{where} holds dates; labels are numbers, booleans or texts")
    refuse_mixed(frame, column, "or, if these are classes, write them with a letter")
    if task == "regression" or (task == "auto" and column.kind == "real"):
        return _numbers(frame, column)
    if column.kind == "real" and not whole(column.numbers):
        raise DataError(f"{where} holds numbers that are not all whole; classes are whole numbers or texts")
    number = len(column.values)
    if task == "auto" and column.kind == "whole" and number > max(MANY, frame.rows / 10):
        raise DataError(
            f"{where} holds {number:,} different whole numbers in {frame.rows:,} rows; if they are to be predicted as"
            " numbers, --config.data.task=regression, and if these are classes, --config.data.task=classification"
        )
    return _classes(frame, column, "labels")


def _numbers(frame: Frame, column: Series) -> Coded:
    """Labels for regression."""
    if not column.numbers.size:
        raise DataError(
            f"{frame.where(column.name)} holds texts, such as {brief(column.texts()[0])}; regression needs numbers"
        )
    check_finite(frame, column, "leave the row out")
    whole_floats = column.kind == "real" and whole(column.numbers)
    note = note_on_whole_floats(f"labels ({shown(column.name)})") if whole_floats else ""
    return Coded([column.numbers.astype(np.float32)[column.codes]], (), note)


def _classes(frame: Frame, column: Series, what: str) -> Coded:
    """Labels, groups or attributes of all rows."""
    _check_complete(frame, column, what)
    values = column.values
    if column.kind == "real" and whole(column.numbers):
        values = column.numbers.astype(np.int64)
    elif pa.types.is_integer(values.type) or pa.types.is_boolean(values.type):
        values = values.to_numpy(zero_copy_only=False)
    else:
        values = np.array(column.texts(), np.dtypes.StringDType())
    classes = coded(frame.where(column.name), what, [values])
    for name in classes.names:
        if not name.isprintable():
            raise DataError(
                f"{frame.where(column.name)}: {name!r} holds a line break or the like; {what} are names of one line"
            )
    return classes._replace(codes=[classes.codes[0][column.codes]])


def _parts(frame: Frame, name: str | None) -> np.ndarray:
    """(N,) names of parts."""
    if name is None:
        return np.full(frame.rows, "all")
    column = column_of(frame, name)
    _check_complete(frame, column, "splits")
    texts = [text.strip() for text in column.texts()]
    for code, text in enumerate(texts):
        if part_of(text) is None:
            raise DataError(
                f"{frame.where(name)}: {brief(text)} ({frame.at(column.first(code))}) is not allowed{nearest(text, PARTS)};"
                f" allowed: {', '.join(PARTS)}; if it does not say which rows train, drop it, {drop_flag(name)}"
            )
    parts = np.array([part_of(text) for text in texts])[column.codes]
    for needed in ("train", "test"):
        if needed not in parts:
            raise DataError(
                f"{frame.where(name)} holds {', '.join(sorted(set(parts.tolist())))} and no {needed}; add such rows, or drop"
                f" it, {drop_flag(name)}, and the seed cuts the table"
            )
    return parts

"""A user's own table, from a CSV or Parquet file: a row for every example, and a name for every column.

    age,income,colour,label
    39,51000,red,yes
    17,,blue,no

One column, "label", is to be learned. Where there are columns "split" (train, valid, test), "group" or "attribute", they
say to which part and group a row belongs. Columns of other names are named by data.columns.label and so on. All others
are the inputs, see lamv.data.tabular.inputs.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lamv.data.labels import Coded, coded, note_on_whole_floats, number_of, whole
from lamv.data.sets.image_folder import PARTS, part_of
from lamv.data.splits import Normalisation, Source, Split, Splits, make_split
from lamv.data.tabular import files
from lamv.data.tabular.columns import MANY, Series, column_of, refuse_mixed
from lamv.data.tabular.files import Frame
from lamv.data.tabular.inputs import drop, encode
from lamv.errors import DataError, and_more, brief, nearest, shown

#: What a column can be but an input; each has its own name unless data.columns says another.
ROLES = ("label", "split", "group", "attribute")


class Labels(NamedTuple):
    """What is to be learned. values: (N,) int32 classes, or float32; names: of the classes, () for regression."""

    values: np.ndarray
    names: tuple[str, ...]
    notes: tuple[str, ...]


def read(path: Path, task: str, columns: Mapping[str, Any]) -> Splits:
    """parts={"train", "test"}, perhaps "valid", as the column "split" says; without one {"all"}.

    inputs: (N, D) float32, standardised by the rows of "train"; without a column "split", by all rows here and by those
    that train once the seed has cut the table (Splits.standardise), until when missing numbers are NaN.
    labels: whole numbers, booleans or texts are classes, see lamv.data.labels; numbers with a point are for regression.
    task: "classification" takes whole numbers with a point for classes too, "regression" all numbers for regression.
    ids: positions of the rows in the file. columns: see lamv.data.Options.
    Raises DataError, naming the file and the column, for columns that are not there, rows without a label, split, group or
    attribute, labels that do not fit the task, and what lamv.data.tabular.files.read and encode refuse.
    """
    frame = files.read(path)
    roles = _roles(frame, columns)
    own = _labels(frame, column_of(frame, roles["label"]), task)
    parts = _parts(frame, roles.get("split"))
    groups = _coded(frame, roles["group"], "groups") if "group" in roles else None
    attributes = _coded(frame, roles["attribute"], "attributes") if "attribute" in roles else None
    _check_groups(frame, roles, own, attributes)
    trains = parts == ("train" if "split" in roles else "all")
    taken = {*roles.values(), *columns.get("drop", ())}
    inputs = encode(frame, [name for name in frame.types if name not in taken], trains, "split" in roles)
    if "split" in roles:
        of = f"means, deviations and the values of texts are those of the {np.count_nonzero(trains):,} training rows"
    else:
        of = "means and deviations are those of the rows that a seed trains on; the values of texts are those of all rows"
    found = [np.flatnonzero(parts == part) for part in ("train", "valid", "test", "all")]
    splits = {
        str(parts[rows[0]]): _split(frame, inputs.values, rows, own, groups, attributes) for rows in found if rows.size
    }
    return Splits(
        name="table",
        parts=splits,
        class_names=own.names or (roles["label"],),
        normalisation=Normalisation(),
        sources=(Source(path.name, frame.sha256, official=None),),
        attribute_names=attributes.names if attributes else (),
        own_group_names=groups.names if groups else (),
        input_names=inputs.names,
        standardise=() if "split" in roles else inputs.numbers,
        notes=(
            *frame.notes,
            *own.notes,
            *(one.note for one in (groups, attributes) if one and one.note),
            *inputs.notes,
            of,
        ),
    )


def _roles(frame: Frame, columns: Mapping[str, Any]) -> dict[str, str]:
    """{role: name of its column}, of those roles that some column has."""
    drop = tuple(columns.get("drop", ()))
    given = {role: columns[role] for role in ROLES if columns.get(role)}
    for what, name in (*given.items(), *(("drop", name) for name in drop)):
        if name not in frame.types:
            raise _no_column(frame, name, f"--config.data.columns.{what}=NAME names a column")
    named = [*given.values(), *drop]
    for name in named:
        if named.count(name) > 1:
            raise DataError(f"{frame.where(name)} is named twice in data.columns; it can be one thing only")
    roles = {role: role for role in ROLES if role in frame.types and role not in named} | given
    if "label" not in roles:
        raise _no_column(frame, "label", "say which is to be learned, --config.data.columns.label=NAME")
    if "group" in roles and "attribute" in roles:
        raise DataError(
            f"{shown(frame.path)}: has a column of groups, {brief(roles['group'])}, and one of attributes,"
            f" {brief(roles['attribute'])}, which make groups with the labels; drop one,"
            f" {drop(roles['group'])}"
        )
    return {role: roles[role] for role in ROLES if role in roles}


def _no_column(frame: Frame, name: str, way_out: str) -> DataError:
    numbers = [found for found in frame.types if number_of(found) is not None]
    first = "; is its first line one of names?" if len(numbers) > len(frame.types) / 2 else ""
    known = [brief(found) for found in frame.types]
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


def _labels(frame: Frame, column: Series, task: str) -> Labels:
    _check_complete(frame, column, "labels")
    where = frame.where(column.name)
    if column.kind == "date":
        raise DataError(f"{where} holds dates; labels are numbers, booleans or texts")
    refuse_mixed(frame, column, "or, if these are classes, write them with a letter")
    if task == "regression" or (task == "auto" and column.kind == "real"):
        return _numbers(frame, column)
    values, number = column.values, len(column.values)
    if column.kind == "real":
        if not whole(column.numbers):
            raise DataError(f"{where} holds numbers that are not all whole; classes are whole numbers or texts")
        values = column.numbers.astype(np.int64)
    if task == "auto" and column.kind == "whole" and number > max(MANY, frame.rows / 10):
        raise DataError(
            f"{where} holds {number:,} different whole numbers in {frame.rows:,} rows; if they are to be predicted as"
            " numbers, --config.data.task=regression, and if these are classes, --config.data.task=classification"
        )
    found = _of_values(frame, column, "labels", values)
    return Labels(found.codes[0], found.names, (found.note,) if found.note else ())


def _numbers(frame: Frame, column: Series) -> Labels:
    """Labels for regression."""
    where = frame.where(column.name)
    if column.numbers is None:
        raise DataError(f"{where} holds texts, such as {brief(column.texts()[0])}; regression needs numbers")
    with np.errstate(over="ignore"):
        numbers = column.numbers.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        row = min(column.first(code) for code in bad)
        raise DataError(
            f"{where}: {brief(column.texts()[column.codes[row]])} ({frame.at(row)}) is not finite as float32; mend it, or"
            " leave the row out"
        )
    notes = ()
    if column.kind == "real" and whole(column.numbers):
        notes = (note_on_whole_floats(f"labels ({shown(column.name)})"),)
    return Labels(numbers[column.codes], (), notes)


def _coded(frame: Frame, name: str, what: str) -> Coded:
    """Groups or attributes: codes is of one array, (N,) int32."""
    column = column_of(frame, name)
    _check_complete(frame, column, what)
    values = column.values
    if column.kind == "real" and whole(column.numbers):
        values = column.numbers.astype(np.int64)
    return _of_values(frame, column, what, values)


def _of_values(frame: Frame, column: Series, what: str, values: Any) -> Coded:
    """The codes of the rows, by the distinct values of the column: an Arrow array, or whole numbers."""
    import pyarrow as pa

    where = frame.where(column.name)
    if not isinstance(values, np.ndarray):
        if pa.types.is_integer(values.type) or pa.types.is_boolean(values.type):
            values = values.to_numpy(zero_copy_only=False)
        else:
            values = np.array([str(value) for value in values.to_pylist()], np.dtypes.StringDType())
    found = coded(where, what, [values])
    for name in found.names:
        if not name.isprintable():
            raise DataError(f"{where}: {name!r} holds a line break or the like; {what} are names of one line")
    return found._replace(codes=[found.codes[0][column.codes]])


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
                f" allowed: {', '.join(PARTS)}; if it does not say which rows train, drop it, {drop(name)}"
            )
    parts = np.array([part_of(text) for text in texts])[column.codes]
    for needed in ("train", "test"):
        if needed not in parts:
            raise DataError(
                f"{frame.where(name)} holds {', '.join(sorted(set(parts.tolist())))} and no {needed}; add such rows, or drop"
                f" it, {drop(name)}, and the seed cuts the table"
            )
    return parts


def _check_groups(frame: Frame, roles: Mapping[str, str], own: Labels, attributes: Coded | None) -> None:
    if attributes is None:
        return
    name = roles["attribute"]
    if not own.names:
        raise DataError(
            f"{frame.where(name)}: attributes have no meaning with labels that are numbers; make it groups,"
            f" --config.data.columns.group={shown(name)}, or drop it, {drop(name)}"
        )


def _split(
    frame: Frame, inputs: np.ndarray, rows: np.ndarray, own: Labels, groups: Coded | None, attributes: Coded | None
) -> Split:
    codes = [None if one is None else one.codes[0][rows] for one in (groups, attributes)]
    number = len(attributes.names) if attributes else 0
    labels = own.values[rows] if own.names else np.zeros(len(rows), np.int32)
    split = make_split(str(frame.path), inputs[rows], labels, max(len(own.names), 1), *codes, number)
    return split._replace(labels=own.values[rows], ids=rows.astype(np.int64))

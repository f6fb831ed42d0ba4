"""What the columns of a table are beside inputs: labels, parts, groups and attributes of its rows.

Each has a column of its name, or of the name that data.columns gives it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from lamv.data.class_folders import PARTS, part_of
from lamv.data.frames.columns import MANY, Series, check_finite, column_of, refuse_mixed
from lamv.data.frames.frame import Frame
from lamv.data.frames.inputs import drop_flag
from lamv.data.labels import Coded, coded, note_on_whole_floats, number_of, split_of, whole
from lamv.data.splits import Split
from lamv.errors import DataError, and_more, brief, nearest, shown

#: What a column can be other than an input.
ROLES = ("label", "split", "group", "attribute")


class Roles(NamedTuple):
    """columns: {role: name of its column}. labels, groups, attributes: of all rows; the last two may be None.

    parts: (N,) "train", "valid" and "test", or "all" where no column is of parts. official: whether one is.
    """

    columns: Mapping[str, str]
    labels: Coded
    groups: Coded | None
    attributes: Coded | None
    parts: np.ndarray
    official: bool

    @property
    def trains(self) -> np.ndarray:
        """(N,) bool: rows that train, or may."""
        return self.parts == ("train" if self.official else "all")

    @property
    def notes(self) -> list[str]:
        """On how labels, groups and attributes were numbered."""
        return [values.note for values in (self.labels, self.groups, self.attributes) if values and values.note]

    def splits(self, frame: Frame, inputs: np.ndarray) -> dict[str, Split]:
        """The parts, by name. inputs: (N, ...). ids: positions of the rows in the file."""
        indices = {part: np.flatnonzero(self.parts == part) for part in ("train", "valid", "test", "all")}
        return {
            part: split_of(str(frame.path), inputs[rows], self.labels, self.groups, self.attributes, 0, rows)._replace(
                ids=rows
            )
            for part, rows in indices.items()
            if len(rows)
        }

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the classes; for regression, of the column that is predicted."""
        return self.labels.names or (self.columns["label"],)

    @property
    def attribute_names(self) -> tuple[str, ...]:
        return self.attributes.names if self.attributes else ()

    @property
    def group_names(self) -> tuple[str, ...]:
        return self.groups.names if self.groups else ()


def read_roles(frame: Frame, columns: Mapping[str, Any], task: str) -> Roles:
    """What the rows of a table are. columns, task: see lamv.data.Options.

    Raises DataError, naming the file and the column, for columns that are not there, rows without a label, split, group or
    attribute, and labels that do not fit the task.
    """
    roles = roles_of(frame, columns)
    labels = _labels_of(frame, column_of(frame, roles["label"]), task)
    parts = parts_of(frame, roles.get("split"))
    groups, attributes = (
        _classes_of(frame, column_of(frame, roles[role]), f"{role}s") if role in roles else None
        for role in ("group", "attribute")
    )
    if attributes and not labels.names:
        name = roles["attribute"]
        raise DataError(
            f"{frame.where(name)}: attributes have no meaning with labels that are numbers; make it groups,"
            f" --config.data.columns.group={shown(name)}, or drop it, {drop_flag(name)}"
        )
    return Roles(roles, labels, groups, attributes, parts, "split" in roles)


def roles_of(frame: Frame, columns: Mapping[str, Any]) -> dict[str, str]:
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


def _labels_of(frame: Frame, column: Series, task: str) -> Coded:
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
    return _classes_of(frame, column, "labels")


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


def _classes_of(frame: Frame, column: Series, what: str) -> Coded:
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


def parts_of(frame: Frame, name: str | None) -> np.ndarray:
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

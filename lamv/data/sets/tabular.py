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

from lamv.data.frames.frame import read_frame
from lamv.data.frames.further import above
from lamv.data.frames.inputs import encode
from lamv.data.frames.roles import parts_of, read_roles, roles_of
from lamv.data.splits import Source, Splits
from lamv.errors import DataError, shown


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
    roles = read_roles(frame, columns, task)
    official, trains = roles.official, roles.trains
    taken = {*roles.columns.values(), *columns.get("drop", ())}
    inputs = encode(frame, [name for name in frame.types if name not in taken], trains, official)
    if official:
        scope = f"means, deviations and the values of texts are those of the {np.count_nonzero(trains):,} training rows"
    else:
        scope = "means and deviations are those of the rows that a seed trains on; the values of texts are those of all rows"
    return Splits(
        name="table",
        parts=roles.splits(frame, inputs.values),
        class_names=roles.class_names,
        sources=(Source(path.name, frame.sha256, official=None),),
        attribute_names=roles.attribute_names,
        own_group_names=roles.group_names,
        input_names=inputs.names,
        standardise=() if official else inputs.numbers,
        notes=(*frame.notes, *roles.notes, *inputs.notes, scope),
    )


def further(path: Path, columns: Mapping[str, Any], x: Any, names: Sequence[str]) -> np.ndarray:
    """(M, D) float32, rows of the user's as `read` makes inputs of the table's own, by the training rows of the table.

    x: see lamv.data.frames.further. names: of the inputs of the table. Raises DataError as these two do.
    """
    frame = read_frame(path)
    roles = roles_of(frame, columns)
    taken = {*roles.values(), *columns.get("drop", ())}
    official = "split" in roles
    trains = parts_of(frame, roles.get("split")) == ("train" if official else "all")
    own = encode(frame, [name for name in frame.types if name not in taken], trains, official)
    both, number = above(frame, x, own.columns, trains)
    inputs = encode(both, own.columns, np.append(np.zeros(number, bool), trains), official)
    if not inputs.names == own.names == tuple(names):
        raise DataError(
            f"x: its columns become {len(inputs.names)} inputs, and those of {shown(path)} are {len(names)}; is that the"
            " table of the training, and are values written as they are there?"
        )
    return inputs.values[:number]

"""The first block of an audit: what was read, and what about it a user should know before any training."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamv import config as configs
from lamv.audit.question import Question
from lamv.data import description
from lamv.data.photographs.folder import is_image
from lamv.data.photographs.metadata import path_column
from lamv.data.splits import NONE, Splits, joined
from lamv.errors import ConfigError, DataError, listed, shown
from lamv.train import session

TABLES = (".csv", ".tsv", ".txt", ".parquet", ".pq")
#: A column that alone is right so often about the label is worth a look.
TELLING = 0.98
#: Bins of a column by which it predicts.
BINS = 16
#: Examples of a class, and of a group, that an audit needs: some train, and some test.
FEWEST, FEWEST_OF_GROUP = 6, 30


class Reading(NamedTuple):
    """settings: knobs under `data` of a recipe. splits: the data set. block: for audit.json and the page."""

    settings: Mapping[str, Any]
    splits: Splits
    block: Mapping[str, Any]


def read(question: Question) -> Reading:
    """Read the data and describe it. Raises ConfigError and DataError as lamv.data.load does, and for regression."""
    settings = settings_of(question)
    splits = splits_of(settings)
    if splits.is_regression:
        raise DataError(
            f"{shown(question.data)}: the labels are numbers to be predicted, and an audit is of classes; write classes as"
            " whole numbers or texts, or train with configs/own_data.py:regression"
        )
    return Reading(settings, splits, block_of(splits))


def splits_of(settings: Mapping[str, Any]) -> Splits:
    """The data set of these knobs under `data`, as trainings read it: within `reading_once`, the same arrays."""
    config = configs.defaults()
    set_data(config, settings)
    return session.read(config.data)


def set_data(config, settings: Mapping[str, Any]) -> None:
    """Set these knobs under `data` in a recipe."""
    for key, value in settings.items():
        configs.set_knob(config, f"data.{key}", value, where="the audit")


def settings_of(question: Question) -> dict[str, Any]:
    """How to read the path, by what is there: a folder, a list of photographs, a table, or arrays."""
    path, suffix = question.data, question.data.suffix.lower()
    settings: dict[str, Any] = {"path": str(path)}
    photographs = settings | {"name": "image_folder", "on_broken": "skip", "image_size": question.image_size}
    roles = {"columns.label": question.label, "columns.attribute": question.groups}
    if suffix == ".csv" and path.is_file() and path_column(path, is_image):
        return photographs | {role: name for role, name in roles.items() if name}
    if suffix in TABLES:
        return settings | {"name": "table", **{role: name for role, name in roles.items() if name}}
    for flag, name in (("--label", question.label), ("--groups", question.groups)):
        if name:
            raise ConfigError(
                f"{flag} is {name!r}, which names a column of a table, and {shown(path)} is none; leave it out: in an .npz"
                " file labels are `labels` and groups `attributes`, in a folder of photographs see docs/data.md"
            )
    if suffix == ".npz":
        return settings | {"name": "npz"}
    if path.is_file():
        raise ConfigError(
            f"--data is {shown(path)}, must be a folder of photographs, or a file that ends in .npz, {', '.join(TABLES)}"
        )
    return photographs


def block_of(splits: Splits) -> dict[str, Any]:
    """What was read (lamv.data.description), and duplicates, predictive columns, classes of few examples."""
    described = description.described(splits, description.names_of(splits, "none"))
    counts = np.sum(list(described["counts"].values()), axis=0)
    groups = joined(splits, "groups")
    sizes = _groups(described["groups"], groups) if (groups != NONE).any() else None
    duplicates, predictive = duplicates_of(splits), predictive_columns(splits)
    return {
        "name": splits.name,
        "network": "",
        "inputs": described["inputs"],
        "examples": described["examples"],
        "classes": described["classes"],
        "counts": counts.tolist(),
        "groups": sizes,
        "left_out": described["left_out"],
        "notes": described["notes"],
        "duplicates": duplicates,
        "predictive_columns": predictive,
        "warnings": [
            *_of_few(described["classes"], counts, sizes or {}),
            *_of_duplicates(duplicates),
            *_of_predictive(predictive),
        ],
    }


def duplicates_of(splits: Splits) -> dict[str, int]:
    """Numbers of examples whose inputs are there more than once: in all, across train and test, with other labels."""
    seen: dict[bytes, list[tuple[str, int]]] = {}
    for part, of in splits.parts.items():
        rows = np.ascontiguousarray(of.inputs).reshape(len(of.labels), -1)
        for row, label in zip(rows, of.labels.tolist(), strict=True):
            seen.setdefault(row.tobytes() if row.nbytes <= 64 else _digest(row), []).append((part, label))
    again = [copies for copies in seen.values() if len(copies) > 1]
    return {
        "examples": sum(len(copies) - 1 for copies in again),
        "across_parts": sum(len({part for part, _ in copies}) > 1 for copies in again),
        "with_other_labels": sum(len({label for _, label in copies}) > 1 for copies in again),
    }


def predictive_columns(splits: Splits) -> list[dict[str, Any]]:
    """The columns of a table that alone tell the classes apart, [{"column", "accuracy"}], best first.

    A column predicts the class that is most frequent in its bin (BINS of equal counts, or its values where these are few);
    bins are learned on half of the examples and judged on the other.
    """
    if not splits.input_names:
        return []
    inputs, labels = joined(splits, "inputs"), joined(splits, "labels")
    order = np.argsort(np.random.Philox(key=0).random_raw(len(labels)), kind="stable")
    learns, judges = order[::2], order[1::2]
    found = []
    for column, places in columns_of(splits.input_names).items():
        values = _codes(inputs[:, places])
        bins = values.max() + 1
        table = np.zeros((bins, splits.num_classes), int)
        np.add.at(table, (values[learns], labels[learns]), 1)
        share = float((table.argmax(axis=1)[values[judges]] == labels[judges]).mean()) if len(judges) else 0.0
        if share >= TELLING:
            found.append({"column": column, "accuracy": share})
    return sorted(found, key=lambda one: -one["accuracy"])


def columns_of(names: Sequence[str]) -> dict[str, list[int]]:
    """{column of the table: its inputs}: texts became an input for each value, NAME=VALUE, missing numbers one more."""
    columns: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        columns.setdefault(name.partition("=")[0].removesuffix(" is missing"), []).append(place)
    return columns


def _codes(values: np.ndarray) -> np.ndarray:
    """(N,) numbers of bins of the values (N, inputs of a column)."""
    first = (
        np.nan_to_num(values[:, 0], nan=-np.inf) if values.shape[1] == 1 else values @ np.arange(1, values.shape[1] + 1)
    )
    first = np.nan_to_num(first, nan=0.0, neginf=-1e30)
    distinct = np.unique(first)
    if len(distinct) > BINS:
        distinct = np.unique(np.quantile(first, np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.searchsorted(distinct, first, side="right")


def _groups(names: Sequence[str], groups: np.ndarray) -> dict[str, int]:
    sizes = np.bincount(groups[groups != NONE], minlength=len(names))
    return {name: int(size) for name, size in zip(names, sizes, strict=False)}


def _of_few(classes: Sequence[str], counts: np.ndarray, groups: Mapping[str, int]) -> list[str]:
    warnings = []
    few = [f"{name} ({count})" for name, count in zip(classes, counts, strict=True) if 0 < count < FEWEST]
    if few:
        warnings.append(f"Fewer than {FEWEST} examples of {listed(few)}: too few to judge these classes.")
    few = [f"{name} ({count})" for name, count in groups.items() if count < FEWEST_OF_GROUP]
    if few:
        warnings.append(
            f"Fewer than {FEWEST_OF_GROUP} examples of the groups {listed(few, between='; ')}. A group of fewer than 10 test"
            " examples does not count for the worst group."
        )
    return warnings


def _of_duplicates(found: Mapping[str, int]) -> list[str]:
    warnings = []
    if found["across_parts"]:
        warnings.append(
            f"{found['across_parts']} inputs are both in a training and in a test part: what is measured on these is"
            " memory, not learning. Remove them from one of the two."
        )
    elif found["examples"]:
        warnings.append(
            f"{found['examples']} examples repeat another one exactly; copies may fall on both sides of the cut into train"
            " and test."
        )
    if found["with_other_labels"]:
        warnings.append(f"{found['with_other_labels']} inputs are there with two different labels.")
    return warnings


def _digest(row: np.ndarray) -> bytes:
    return hashlib.blake2b(row.tobytes(), digest_size=16).digest()


def _of_predictive(columns: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each column that predicts the label by itself."""
    return [
        f"The column {one['column']!r} alone predicts the class of {100 * one['accuracy']:.1f} % of the examples. Is it"
        " known before the label is? An identifier, or something written down afterwards, must not be given to the network."
        for one in columns[:3]
    ]

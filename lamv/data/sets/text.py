"""A user's own texts, with a label each: a CSV or Parquet file, or a folder for every class.

    text,label
    "Never again, the soup was cold.",bad
    "Lovely place, friendly people",good

In a table, the column "text" is read; label, split, group and attribute are as in lamv.data.sets.tabular, and other columns
are passed over. In a folder, texts are .txt files in UTF-8, see lamv.data.class_folders.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lamv import memory
from lamv.data.class_folders import FileKind, found, inner
from lamv.data.frames.columns import column_of
from lamv.data.frames.frame import Frame, read_frame
from lamv.data.frames.roles import ROLES, Roles, read_roles
from lamv.data.labels import split_of
from lamv.data.photographs.folder import walk
from lamv.data.splits import Source, Split, Splits
from lamv.data.words import notes_of, numbered, vocabulary_of, words_of
from lamv.errors import ConfigError, DataError, and_more, brief, listed, shown
from lamv.files import kind_of

KIND = FileKind("text", "texts", "text", (".txt",), "list the texts in a CSV with the columns text and label")
#: Bytes of memory for each byte of a text, which becomes words and their numbers.
PER_BYTE = 16


def read(path: Path, text_length: int, text_vocabulary: int, task: str, columns: Mapping[str, Any]) -> Splits:
    """parts={"train", "test"}, perhaps "valid", or {"all"}: inputs (N, L) int32, numbers of words.

    path: a table, or a folder. text_length: words of a text that are kept, its first; L is at most that. text_vocabulary:
    words with a number of their own, the commonest of "train"; of all texts, where the seed cuts them. task, columns: as in
    lamv.data.sets.tabular; columns["text"]: the column of the texts.
    Raises DataError, naming the file, for texts without a word, files that are not UTF-8 or larger than memory, and what
    read_frame, read_roles, walk and lamv.data.class_folders refuse.
    """
    if path.is_dir():
        for role, name in columns.items():
            raise ConfigError(
                f"config.data.columns.{role} is {brief(name)}, and {shown(path)} is a folder; leave it out"
            )
        return _from_folder(path, text_length, text_vocabulary)
    if not path.is_file():
        raise DataError(f"text: {shown(path)} is {kind_of(path)}; give a folder, a .csv or a .parquet file")
    return _from_table(read_frame(path), text_length, text_vocabulary, task, columns)


def splits_of(texts: Sequence[Sequence[str]], trains: np.ndarray, length: int, most: int) -> tuple[np.ndarray, dict]:
    """(N, L) numbers of the words of all texts; and the fields of Splits that are about words.

    texts: the words of each. trains: (N,) bool, the texts that the vocabulary is made of. most: its words.
    """
    training = [words for words, counts in zip(texts, trains, strict=True) if counts]
    vocabulary = vocabulary_of(training, most)
    made = numbered(texts, vocabulary, length)
    of_all = "the texts that a seed tests on among them" if trains.all() else "the training texts alone"
    common = " commonest" if len(vocabulary) - 2 == most else ""
    note = f"the vocabulary is the {len(vocabulary) - 2:,}{common} words of {len(training):,} texts, {of_all}"
    return made.numbers, {"words": vocabulary, "notes": (note, *notes_of(made, length))}


def _from_table(frame: Frame, length: int, most: int, task: str, columns: Mapping[str, Any]) -> Splits:
    roles = read_roles(frame, {what: name for what, name in columns.items() if what != "text"}, task)
    name = _text_column(frame, roles, columns)
    column = column_of(frame, name)
    missing = np.flatnonzero(column.codes < 0)
    if missing.size:
        raise DataError(
            f"{frame.where(name)} has no text in {frame.at(missing[0])}{and_more(missing)}; leave the row out"
        )
    if column.kind not in ("text", "category"):
        raise DataError(f"{frame.where(name)} holds {column.kind or 'other'} values, such as"
                        f" {brief(column.texts()[0]) if column.values is not None else frame.types[name]}; texts are"
                        " needed: name their column, --config.data.columns.text=NAME")  # fmt: skip
    distinct = [words_of(text) for text in column.texts()]
    for code in [code for code, words in enumerate(distinct) if not words][:1]:
        raise DataError(
            f"{frame.where(name)}: {brief(column.texts()[code])} ({frame.at(column.first(code))}) has no word in it; leave"
            " the row out"
        )
    inputs, about = splits_of([distinct[code] for code in column.codes], roles.trains, length, most)
    passed_over = [shown(other) for other in frame.types if other not in {*roles.columns.values(), name}]
    others = [f"columns that are not read: {listed(passed_over)}"] if passed_over else []
    return Splits(
        name="text",
        parts=roles.splits(frame, inputs),
        class_names=roles.class_names,
        sources=(Source(frame.path.name, frame.sha256, official=None),),
        attribute_names=roles.attribute_names,
        own_group_names=roles.group_names,
        words=about["words"],
        notes=(*frame.notes, *roles.notes, *others, *about["notes"]),
    )


def _text_column(frame: Frame, roles: Roles, columns: Mapping[str, Any]) -> str:
    """Its name: that which is given, "text", or that of the one column which is nothing else."""
    name = columns.get("text") or "text"
    dropped = columns.get("drop", ())
    if name in frame.types and name not in roles.columns.values():
        return name
    left = [other for other in frame.types if other not in {*roles.columns.values(), *dropped}]
    if not columns.get("text") and len(left) == 1:
        return left[0]
    taken = next((role for role in ROLES if roles.columns.get(role) == name), "")
    what = f"is the {taken} already" if taken else "is missing"
    raise DataError(
        f"{frame.where(name)} {what}; the other columns are {listed(list(map(brief, left))) or 'none'}; name that of the"
        " texts, --config.data.columns.text=NAME"
    )


def _from_folder(path: Path, length: int, most: int) -> Splits:
    folder = inner(KIND, path)
    tree = walk("text", folder, "error")
    files, parts, classes, notes = found(KIND, folder, tree)
    if short := memory.shortage(PER_BYTE * sum(tree.files[file][0] for file in files)):
        raise DataError(f"text: {shown(folder)}: its texts take {short}; use fewer, or shorter ones")
    digest, texts = hashlib.sha256(), []
    for file in files:
        content = (folder / file).read_bytes()
        digest.update(f"{file}\0{len(content)}\0".encode() + content)
        texts.append(_words_in(folder / file, content))
    at = np.array(parts)
    training = "train" if "train" in parts else "all"
    inputs, about = splits_of(texts, at == training, length, most)
    splits: dict[str, Split] = {}
    for part in [part for part in ("train", "valid", "test", "all") if part in parts]:
        rows = np.flatnonzero(at == part)
        splits[part] = split_of(str(folder), inputs[rows], classes, None, None, 0, rows)._replace(ids=rows)
    below = (
        (f"read from {shown(folder.relative_to(path))}/, the only folder in {shown(path)}",) if folder != path else ()
    )
    return Splits(
        name="text",
        parts=splits,
        class_names=classes.names,
        sources=(Source(f"{folder.name}/ ({len(files):,} .txt files)", digest.hexdigest(), official=None),),
        words=about["words"],
        notes=(*below, *notes, *about["notes"]),
    )


def _words_in(path: Path, content: bytes) -> list[str]:
    try:
        words = words_of(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(
            f"text: {shown(path)} is not UTF-8 (byte 0x{content[error.start]:02x}); save it so, or, if it is"
            " Latin-1: iconv -f latin1 -t utf-8"
        ) from None
    if not words or b"\0" in content:
        what = "holds a NUL byte, so this is no text" if b"\0" in content else "has no word in it"
        raise DataError(f"text: {shown(path)} {what}; take it away")
    return words

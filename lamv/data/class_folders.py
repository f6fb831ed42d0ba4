"""A folder for every class, of photographs or of texts: train/CLASS/..., test/CLASS/... and perhaps valid/CLASS/..., or
CLASS/... alone, which the seed cuts. Folders of classes may hold folders.

PARTS has the names of parts, in capitals or not, also as in train_set or "Training Data". A folder that holds nothing but
the folder of such a data set stands for it. A layout that is nearly one of these is refused, not read as another.
"""

import difflib
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lamv.data.labels import Coded, coded
from lamv.data.photographs.folder import MOST_LEVELS, Tree
from lamv.errors import DataError, and_more, brief, listed, shown

PARTS = {
    "train": "train", "training": "train", "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid",
    "development": "valid", "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip
# What may follow the name of a part: train_set, "Test Images".
AFTER = ("", "set", "data", "split", "images")
ALLOWED = "train, valid (val, dev) or test (eval)"

# What file managers leave behind; any other file among those of a class is refused.
LITTER = ("thumbs.db", "desktop.ini", "icon\r")
# Files that may have been meant as a list.
TABLES = (".csv", ".tsv", ".xls", ".xlsx", ".json", ".jsonl", ".parquet")

# A longer name of a class is no name.
LONGEST = 200


class FileKind(NamedTuple):
    """The files of a data set of this `name`.

    what, one: the words for them and for one of them ("texts", "text"). endings: of file names, in lower case. instead:
    how else they may be listed. metadata: the file that lists them, "" for none.
    """

    name: str
    what: str
    one: str
    endings: tuple[str, ...]
    instead: str
    metadata: str = ""

    def has(self, file: str) -> bool:
        """Whether a file is one, by its ending."""
        return file.lower().endswith(self.endings)


class ClassFolders(NamedTuple):
    """files: "/"-separated names relative to the folder, sorted. parts: "train", ... or "all", one a file. notes: a sentence
    each, on what a folder was taken for.
    """

    files: list[str]
    parts: list[str]
    classes: Coded
    notes: tuple[str, ...]


def found(kind: FileKind, folder: Path, tree: Tree) -> ClassFolders:
    """The files of the classes. tree: what is below the folder.

    Raises DataError for files of the kind outside of the folders of classes, files among them that are none, classes
    without files, and parts that are missing, doubled or inside of the classes.
    """
    parts = _part_folders(kind, folder, tree)
    depth = 1 if parts else 0  # of the folders of classes
    files, labels, stray = [], [], []
    for file in sorted([*tree.files, *tree.gone]):
        names = file.split("/")
        inside = len(names) > depth + 1 and (not parts or names[0] in parts)
        if inside and kind.has(file):
            files.append(file)
            labels.append(names[depth])
        elif (inside and names[-1].lower() not in LITTER) or kind.has(file):
            stray.append(folder / file)
    form = f"{'|'.join(parts)}/CLASS/" if parts else "CLASS/"
    for path in stray[:1]:
        raise DataError(
            f"{kind.name}: {shown(path)}{and_more(stray)} is no {kind.one} of a class; {form} may hold files that end in"
            f" {', '.join(kind.endings)}, and nothing else of {shown(folder)} may"
        )
    _check_filled(kind, folder, tree, files, depth, parts)
    if not files:
        neither = f"neither {kind.metadata} nor" if kind.metadata else "no"
        raise DataError(f"{kind.name}: {shown(folder)} holds {neither} {kind.what} in folders CLASS/")
    classes = coded_names(f"{kind.name}: {shown(folder)}", "classes", labels)
    part_of_file = [parts[file.split("/")[0]] if parts else "all" for file in files]
    notes = tuple(filter(None, (classes.note, *_layout_notes(kind, tree, files, depth, parts))))
    return ClassFolders(files, part_of_file, classes, notes)


def _layout_notes(kind: FileKind, tree: Tree, files: Sequence[str], depth: int, parts: Mapping[str, str]) -> list[str]:
    """What a folder of classes was taken for, where it could have been something else."""
    notes = []
    renamed = [f"{shown(name)}/ as {part}" for name, part in parts.items() if name != part]
    if renamed:
        notes.append(f"read {', '.join(renamed)}")
    inner = sorted({"/".join(names[: depth + 2]) for file in files if len(names := file.split("/")) > depth + 2})
    if inner:
        notes.append(
            f"folders inside of those of classes count as part of the class: {listed([shown(i) for i in inner])}"
        )
    tables = sorted(file for file in tree.files if "/" not in file and file.lower().endswith(TABLES))
    if tables:
        hint = f"; a list of {kind.what} is called {kind.metadata}" if kind.metadata else ""
        notes.append(f"not read: {listed([shown(t) for t in tables])}{hint}")
    return notes


def _part_folders(kind: FileKind, folder: Path, tree: Tree) -> dict[str, str]:
    """The part of each folder at the top that is one; {} where the folders at the top are classes."""
    top = sorted(name for name in tree.folders if "/" not in name)
    by_part: dict[str, str] = {}
    for name in top:
        part = part_of(name)
        if part in by_part:
            raise DataError(
                f"{kind.name}: {shown(folder)} holds both {by_part[part]}/ and {name}/, which mean {part!r}; keep one"
            )
        if part:
            by_part[part] = name
    if not by_part:
        _refuse_near_parts(kind, folder, tree, top)
    others = [shown(name) for name in top if name not in by_part.values()]
    for needed in ("train", "test") if by_part else ():
        if needed not in by_part:
            beside = f", beside {listed(others)}" if others else ""
            raise DataError(
                f"{kind.name}: {shown(folder)} holds {', '.join(by_part.values())} and no {needed}{beside}; add it, or"
                f" rename one; if {next(iter(by_part.values()))} is a class, {kind.instead}"
            )
    return {by_part[part]: part for part in ("train", "valid", "test") if part in by_part}


def _refuse_near_parts(kind: FileKind, folder: Path, tree: Tree, top: Sequence[str]) -> None:
    """DataError where all folders of "classes" seem to be parts, or the parts lie inside of them."""
    with_own = {file.split("/")[0] for file in tree.files if file.count("/") == 1 and kind.has(file)}
    if len(top) > 1 and (all(map(_with_a_part, top)) or (not with_own and all(map(_like_a_part, top)))):
        raise DataError(
            f"{kind.name}: {shown(folder)} holds {listed([shown(name) for name in top])}: parts? Call them {ALLOWED}; if"
            f" they are classes, {kind.instead}"
        )
    for name in sorted(tree.folders):
        if name.count("/") == 1 and part_of(name.split("/")[1]):
            label, part = name.split("/")
            if len(top) == 1:
                raise DataError(
                    f"{kind.name}: {shown(folder / name)} lies one level too deep; give {shown(folder / label)}"
                )
            raise DataError(
                f"{kind.name}: {shown(folder / name)}: parts lie outside, classes inside; call it"
                f" {shown(f'{part}/{label}')}"
            )


def _with_a_part(name: str) -> bool:
    """Whether a name begins or ends with that of a part: train_cat, cat-test."""
    words = [word for word in re.split(r"[\s_.-]+", name.casefold()) if word]
    return any(word in PARTS for word in (*words[:1], *words[-1:]))


def _like_a_part(name: str) -> bool:
    """Whether a name seems to be that of a part: mistyped, with a number, or a "holdout", which may be either."""
    key = re.sub(r"[\s_.-]+|\d+$", "", name.casefold())
    return _with_a_part(name) or bool(difflib.get_close_matches(key, (*PARTS, "holdout", "heldout"), n=1, cutoff=0.75))


def _check_filled(
    kind: FileKind, folder: Path, tree: Tree, files: Sequence[str], depth: int, parts: Mapping[str, str]
) -> None:
    """DataError for the folder of a class or part without files."""
    used = {"/".join(file.split("/")[: depth + 1]) for file in files}
    classes = [name for name in sorted(tree.folders) if name.count("/") == depth]
    empty = [name for name in classes if (not parts or name.split("/")[0] in parts) and name not in used]
    if files:
        empty += [name for name in parts if not any(file.startswith(f"{name}/") for file in files)]
    for name in empty:
        raise DataError(f"{kind.name}: {shown(folder / name)} holds no {kind.what}; fill it, or take it away")


def coded_names(where: str, what: str, values: Sequence[str]) -> Coded:
    """lamv.data.labels.coded of values that are names of one line, and distinct without the space around them."""
    distinct = sorted(set(values))
    stripped: dict[str, str] = {}
    for name in distinct:
        if len(name) > LONGEST or any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in name):
            raise DataError(
                f"{where}: {what}: {brief(name)} is longer than {LONGEST}, or has a line break or the like in it"
            )
        other = stripped.setdefault(name.strip(), name)
        if other != name:
            raise DataError(f"{where}: {what} {other!r} and {name!r} differ only in spaces; rename one")
    names = coded(where, what, [np.array(distinct)])
    number = dict(zip(distinct, names.codes[0].tolist(), strict=True))
    return names._replace(codes=[np.array([number[value] for value in values], np.int32)])


def part_of(name: str) -> str | None:
    """The part that a name of a folder, or a value of the column split, means; None where it means none."""
    key = re.sub(r"[\s_.-]+", "", name.casefold())
    return next((PARTS[stem] for stem in map(key.removesuffix, AFTER) if stem in PARTS), None)


def inner(kind: FileKind, path: Path) -> Path:
    """The folder that holds the data set: `path`, or the first below it that does not hold one folder only."""
    folder = path
    for _ in range(MOST_LEVELS):
        names, folders = _entries(folder)
        if len(folders) != 1 or part_of(folders[0]) or _is_listed(kind, names) or any(map(kind.has, names)):
            return folder
        below, has_folders = _entries(folder / folders[0])
        # With files of its own and no list of them, it is the folder of a class.
        if not _is_listed(kind, below) and (any(map(kind.has, below)) or not has_folders):
            return folder
        folder = folder / folders[0]
    return folder


def _is_listed(kind: FileKind, names: Sequence[str]) -> bool:
    return bool(kind.metadata) and kind.metadata in map(str.casefold, names)


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """The names in a folder, but for hidden files and litter, and those of them that are folders and no links."""
    entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    entries = [entry for entry in entries if entry.name != "__MACOSX" and entry.name.lower() not in LITTER]
    return [entry.name for entry in entries], [e.name for e in entries if e.is_dir(follow_symlinks=False)]

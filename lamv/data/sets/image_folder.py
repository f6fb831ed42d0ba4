"""A user's own photographs, from a folder.

Either with metadata.csv, which has a row for every photograph below the folder,

    path,label,split,group
    birds/001.jpg,landbird,train,water

where split is the part. The column group, which is optional, holds the attribute a: groups are y * A + a. Without the
column split, all photographs are one part, which the seed cuts into train and test.

Or without metadata.csv, a folder for every class: train/CLASS/..., test/CLASS/... and perhaps valid/CLASS/..., or CLASS/...
alone, which the seed cuts. Folders of classes may hold folders.

PARTS has the names of parts, in capitals or not, also as in train_set or "Training Data". A folder that holds nothing but
the folder of such a data set stands for it. A layout that is nearly one of these is refused, not read as another.

Labels and groups are words or numbers, numbered as in lamv.data.labels.
"""

import difflib
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from lamv.data.integrity import unverified
from lamv.data.labels import Coded, coded
from lamv.data.photographs import listing as photographs
from lamv.data.photographs.folder import ENDINGS, MOST_LEVELS, Tree, is_image, walk
from lamv.data.photographs.listing import Listing, read_listing
from lamv.data.photographs.metadata import csv_rows, path_column
from lamv.data.splits import Splits
from lamv.errors import ConfigError, DataError, and_more, brief, listed, shown
from lamv.files import kind_of

METADATA = "metadata.csv"
NO_COLUMNS: Mapping[str, Any] = MappingProxyType({})
PARTS = {
    "train": "train", "training": "train", "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid",
    "development": "valid", "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip
# What may follow the name of a part: train_set, "Test Images".
AFTER = ("", "set", "data", "split", "images")
ALLOWED = "train, valid (val, dev) or test (eval)"

# What file managers leave behind; any other file among the photographs of a class is refused.
LITTER = ("thumbs.db", "desktop.ini", "icon\r")
# Files that may have been meant as metadata.csv.
TABLES = (".csv", ".tsv", ".xls", ".xlsx", ".json", ".jsonl", ".parquet")

# A longer name of a class is no name.
LONGEST = 200


def read(path: Path, image_size: int, on_broken: str = "error", columns: Mapping[str, Any] = NO_COLUMNS) -> Splits:
    """parts={"train", "test"}, perhaps "valid", or {"all"}: inputs (N, image_size, image_size, 3) uint8.

    path: a folder, or a CSV file that lists photographs below its folder; then `columns` may say what the columns of the
    label, the split and the attribute are called, and other columns are passed over.
    Raises DataError and WorkdirError as `walk` and `read_listing` do, and DataError for metadata of another form,
    photographs outside of the folders of classes, files among them that are no images, classes without photographs, and
    parts that are missing, doubled or inside of the classes.
    """
    if path.suffix.lower() == ".csv" and path.is_file():
        return read_listing("image_folder", _from_list(path, on_broken, columns), image_size, on_broken)
    for role, name in columns.items():
        raise ConfigError(
            f"config.data.columns.{role} is {brief(name)}, and {shown(path)} is no list of photographs, .csv; leave it out"
        )
    if not path.is_dir():
        raise DataError(
            f"image_folder: {shown(path)} is {kind_of(path)}; give the folder, or a list of photographs, .csv"
        )
    folder = _inner(path)
    metadata = _metadata(folder)
    tree = walk("image_folder", folder, on_broken)
    listing = _from_metadata(folder, tree, metadata) if metadata else _from_folders(folder, tree)
    if folder != path:
        inner = shown(folder.relative_to(path))
        listing = listing._replace(notes=(f"read from {inner}/, the only folder in {shown(path)}", *listing.notes))
    return read_listing("image_folder", listing, image_size, on_broken)


def part_of(name: str) -> str | None:
    """The part that a name of a folder, or a value of the column split, means; None where it means none."""
    key = re.sub(r"[\s_.-]+", "", name.casefold())
    return next((PARTS[stem] for stem in map(key.removesuffix, AFTER) if stem in PARTS), None)


def _inner(path: Path) -> Path:
    """The folder that holds the data set: `path`, or the first below it that does not hold one folder only."""
    folder = path
    for _ in range(MOST_LEVELS):
        names, folders = _entries(folder)
        has_list = METADATA in map(str.casefold, names)
        if len(folders) != 1 or part_of(folders[0]) or has_list or any(map(is_image, names)):
            return folder
        inner, has_folders = _entries(folder / folders[0])
        # With photographs of its own and no list of them, it is the folder of a class.
        if METADATA not in map(str.casefold, inner) and (any(map(is_image, inner)) or not has_folders):
            return folder
        folder = folder / folders[0]
    return folder


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """The names in a folder, but for hidden files and litter, and those of them that are folders and no links."""
    entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    entries = [entry for entry in entries if entry.name != "__MACOSX" and entry.name.lower() not in LITTER]
    return [entry.name for entry in entries], [e.name for e in entries if e.is_dir(follow_symlinks=False)]


def _metadata(folder: Path) -> Path | None:
    """metadata.csv, in capitals or not, whatever it is; None where there is none."""
    names = sorted(entry.name for entry in os.scandir(folder) if entry.name.casefold() == METADATA)
    if len(names) > 1:
        raise DataError(f"image_folder: {shown(folder)} holds both {names[0]} and {names[1]}; keep one")
    return folder / names[0] if names else None


def _from_list(path: Path, on_broken: str, columns: Mapping[str, Any]) -> Listing:
    """The photographs of a CSV file that may call its columns as it likes, and list only some of those in its folder."""
    named = {role: columns.get(role) or role for role in ("label", "split")}
    named["group"] = columns.get("attribute") or columns.get("group") or "group"
    named["path"] = path_column(path, is_image)
    if not named["path"]:
        raise DataError(f"{shown(path)}: no column, or several, holds names of photographs; one is needed")
    needed = [named["path"], named["label"], *(named["group"] for role in ("attribute", "group") if columns.get(role))]
    rows, passed_over = [], []
    for where, row in csv_rows(path, needed):
        rows.append((where, {role: row[name] for role, name in named.items() if name in row}))
        passed_over = passed_over or [name for name in row if name not in named.values()]
    listed_files = {row["path"] for _, row in rows}
    tree = walk("image_folder", path.parent, on_broken)
    others = sum(is_image(file) and file not in listed_files for file in tree.files)
    files = {file: at for file, at in tree.files.items() if file in listed_files or not is_image(file)}
    listing = _from_rows(path.parent, tree._replace(files=files), path, rows)
    notes = [f"columns {listed(passed_over)} of {path.name} are passed over"] if passed_over else []
    notes += (
        [f"{others} photographs in the folder are not listed in {path.name}, and are passed over"] if others else []
    )
    return listing._replace(notes=(*listing.notes, *notes))


def _from_metadata(folder: Path, tree: Tree, metadata: Path) -> Listing:
    return _from_rows(folder, tree, metadata, csv_rows(metadata, ("path", "label"), optional=("split", "group")))


def _from_rows(folder: Path, tree: Tree, metadata: Path, given: Iterable[tuple[str, Mapping[str, str]]]) -> Listing:
    rows, spelt = [], {}
    for where, row in given:
        if "split" in row and spelt.setdefault(row["split"], part_of(row["split"])) is None:
            raise DataError(f"{where}: split is {brief(row['split'])}; allowed: {ALLOWED}, in capitals or not")
        rows.append(row)
    labels = _coded(shown(metadata), "labels", [row["label"] for row in rows])
    groups = None
    if "group" in rows[0]:
        groups = _coded(shown(metadata), "groups", [row["group"] for row in rows])
    others = [f"{brief(text)} as {part}" for text, part in sorted(spelt.items()) if text != part]
    notes = (labels.note, groups.note if groups else "", f"split: read {listed(others)}" if others else "")
    return Listing(
        folder=folder,
        tree=tree,
        files=[row["path"] for row in rows],
        parts=[spelt[row["split"]] if "split" in row else "all" for row in rows],
        labels=labels.codes[0],
        attributes=groups.codes[0] if groups else None,
        class_names=labels.names,
        attribute_names=groups.names if groups else (),
        source=metadata,
        sources=(unverified(metadata),),
        notes=tuple(filter(None, notes)),
    )


def _from_folders(folder: Path, tree: Tree) -> Listing:
    parts = _part_folders(folder, tree)
    depth = 1 if parts else 0  # of the folders of classes
    files, labels, stray = [], [], []
    for file in sorted([*tree.files, *tree.gone]):
        names = file.split("/")
        inside = len(names) > depth + 1 and (not parts or names[0] in parts)
        if inside and is_image(file):
            files.append(file)
            labels.append(names[depth])
        elif (inside and names[-1].lower() not in LITTER) or is_image(file):
            stray.append(folder / file)
    form = f"{'|'.join(parts)}/CLASS/" if parts else "CLASS/"
    for path in stray[:1]:
        raise DataError(
            f"image_folder: {shown(path)}{and_more(stray)} is no image of a class; {form} may hold files that end in"
            f" {', '.join(ENDINGS)}, and nothing else of {shown(folder)} may"
        )
    _check_filled(folder, tree, files, depth, parts)
    if not files:
        raise DataError(f"image_folder: {shown(folder)} holds neither {METADATA} nor photographs in folders CLASS/")
    classes = _coded(f"image_folder: {shown(folder)}", "classes", labels)
    part_of_file = [parts[file.split("/")[0]] if parts else "all" for file in files]
    notes = tuple(filter(None, (classes.note, *_layout_notes(tree, files, depth, parts))))
    return Listing(folder, tree, files, part_of_file, classes.codes[0], None, classes.names, notes=notes)


def _layout_notes(tree: Tree, files: Sequence[str], depth: int, parts: Mapping[str, str]) -> list[str]:
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
        notes.append(f"not read: {listed([shown(t) for t in tables])}; a list of photographs is called {METADATA}")
    return notes


def _part_folders(folder: Path, tree: Tree) -> dict[str, str]:
    """The part of each folder at the top that is one; {} where the folders at the top are classes."""
    top = sorted(name for name in tree.folders if "/" not in name)
    by_part: dict[str, str] = {}
    for name in top:
        part = part_of(name)
        if part in by_part:
            raise DataError(
                f"image_folder: {shown(folder)} holds both {by_part[part]}/ and {name}/, which mean {part!r}; keep one"
            )
        if part:
            by_part[part] = name
    if not by_part:
        _refuse_near_parts(folder, tree, top)
    others = [shown(name) for name in top if name not in by_part.values()]
    for needed in ("train", "test") if by_part else ():
        if needed not in by_part:
            beside = f", beside {listed(others)}" if others else ""
            raise DataError(
                f"image_folder: {shown(folder)} holds {', '.join(by_part.values())} and no {needed}{beside}; add it, or"
                f" rename one; if {next(iter(by_part.values()))} is a class, list the photographs in {METADATA}"
            )
    return {by_part[part]: part for part in photographs.PARTS if part in by_part}


def _refuse_near_parts(folder: Path, tree: Tree, top: Sequence[str]) -> None:
    """DataError where all folders of "classes" seem to be parts, or the parts lie inside of them."""
    with_own = {file.split("/")[0] for file in tree.files if file.count("/") == 1 and is_image(file)}
    if len(top) > 1 and (all(map(_with_a_part, top)) or (not with_own and all(map(_like_a_part, top)))):
        raise DataError(
            f"image_folder: {shown(folder)} holds {listed([shown(name) for name in top])}: parts? Call them {ALLOWED}; if"
            f" they are classes, list the photographs in {METADATA}"
        )
    for name in sorted(tree.folders):
        if name.count("/") == 1 and part_of(name.split("/")[1]):
            label, part = name.split("/")
            if len(top) == 1:
                raise DataError(
                    f"image_folder: {shown(folder / name)} lies one level too deep; give {shown(folder / label)}"
                )
            raise DataError(
                f"image_folder: {shown(folder / name)}: parts lie outside, classes inside; call it"
                f" {shown(f'{part}/{label}')}"
            )


def _with_a_part(name: str) -> bool:
    """Whether a name begins or ends with that of a part: train_cat, cat-test."""
    words = [word for word in re.split(r"[\s_.-]+", name.casefold()) if word]
    return any(word in PARTS for word in (*words[:1], *words[-1:]))


def _like_a_part(name: str) -> bool:
    """Whether a name seems to be that of a part: mistyped, with a number, or one of which nobody knows which it is."""
    key = re.sub(r"[\s_.-]+|\d+$", "", name.casefold())
    return _with_a_part(name) or bool(difflib.get_close_matches(key, (*PARTS, "holdout", "heldout"), n=1, cutoff=0.75))


def _check_filled(folder: Path, tree: Tree, files: Sequence[str], depth: int, parts: Mapping[str, str]) -> None:
    """DataError for the folder of a class or part without photographs."""
    used = {"/".join(file.split("/")[: depth + 1]) for file in files}
    classes = [name for name in sorted(tree.folders) if name.count("/") == depth]
    empty = [name for name in classes if (not parts or name.split("/")[0] in parts) and name not in used]
    if files:
        empty += [name for name in parts if not any(file.startswith(f"{name}/") for file in files)]
    for name in empty:
        raise DataError(f"image_folder: {shown(folder / name)} holds no photographs; fill it, or take it away")


def _coded(where: str, what: str, values: Sequence[str]) -> Coded:
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

"""A user's own photographs, from a folder.

Either with metadata.csv, which has a row for every photograph below the folder,

    path,label,split,group
    birds/001.jpg,landbird,train,water

where split is the part. The column group, which is optional, holds the attribute a: groups are y * A + a. Without the
column split, all photographs are one part, which the seed cuts into train and test.

Or without metadata.csv, a folder for every class, see lamv.data.class_folders.

Labels and groups are words or numbers, numbered as in lamv.data.labels.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lamv.data.class_folders import ALLOWED, FileKind, coded_names, found, inner, part_of
from lamv.data.integrity import unverified
from lamv.data.photographs.folder import ENDINGS, Tree, is_image, walk
from lamv.data.photographs.listing import Listing, read_listing
from lamv.data.photographs.metadata import csv_rows, path_column
from lamv.data.splits import Splits
from lamv.errors import ConfigError, DataError, brief, listed, shown
from lamv.files import kind_of

METADATA = "metadata.csv"
KIND = FileKind("image_folder", "photographs", "image", ENDINGS, f"list the photographs in {METADATA}", METADATA)
NO_COLUMNS: Mapping[str, Any] = MappingProxyType({})


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
    folder = inner(KIND, path)
    metadata = _metadata(folder)
    tree = walk("image_folder", folder, on_broken)
    listing = _from_metadata(folder, tree, metadata) if metadata else _from_folders(folder, tree)
    if folder != path:
        below = shown(folder.relative_to(path))
        listing = listing._replace(notes=(f"read from {below}/, the only folder in {shown(path)}", *listing.notes))
    return read_listing("image_folder", listing, image_size, on_broken)


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
    labels = coded_names(shown(metadata), "labels", [row["label"] for row in rows])
    groups = None
    if "group" in rows[0]:
        groups = coded_names(shown(metadata), "groups", [row["group"] for row in rows])
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
    files, parts, classes, notes = found(KIND, folder, tree)
    return Listing(folder, tree, files, parts, classes.codes[0], None, classes.names, notes=notes)

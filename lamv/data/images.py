"""Photographs in folders: what the readers of such data sets share.

A reader says which files there are and what they show (`Listing`). Here the list is held against the folder, and the
photographs become arrays (lamv.data.decoding). Whatever can be known without decoding is checked before the first
photograph is decoded: names, parts, classes, files that are missing, files that nobody listed.

Hidden files are passed over. Symbolic links are followed inside the folder and refused where they lead out of it.
"""

import csv
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

import numpy as np

from lamv.data import decoding
from lamv.data.integrity import and_more, make_split, one_line, sha256_of, shown
from lamv.data.splits import Normalisation, Source, Splits
from lamv.errors import DataError

# Means and standard deviations of ImageNet's training photographs, by channel, as pretrained networks expect them.
NORMALISATION = Normalisation(255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

PARTS = ("train", "valid", "test", "all")
ENDINGS = (".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")

Value = TypeVar("Value")


class Tree(NamedTuple):
    """What lies below a folder, by relative "/"-separated name: size and time (ns) of files, and the folders."""

    files: dict[str, tuple[int, int]]
    folders: list[str]


class Listing(NamedTuple):
    """What is said of the photographs below `folder`, in the order of the file that says it.

    files: names relative to `folder`, "/"-separated. parts: of PARTS, one a file. labels, attributes: (N,) int32;
    attributes may be None. source: the file that says so; None where the folders themselves do.
    """

    folder: Path
    tree: Tree
    files: Sequence[str]
    parts: Sequence[str]
    labels: np.ndarray
    attributes: np.ndarray | None
    class_names: tuple[str, ...]
    attribute_names: tuple[str, ...] = ()
    source: Path | None = None
    sources: tuple[Source, ...] = ()


def read(name: str, listing: Listing, image_size: int) -> Splits:
    """The photographs of a listing as Splits, inputs (N, image_size, image_size, 3) uint8 RGB.

    Parts come in the order of PARTS, and each in the order of the listing; ids are positions in the listing. The inputs
    of all parts are read-only views, one after the other, of a single file that is mapped into memory. groups are
    y * A + a, or None without attributes.
    Raises DataError, naming the first file and saying how many more there are, for files that are listed twice, lead
    outside the folder, are missing, unlisted or broken; DataError for a missing part or a class that training has not;
    WorkdirError where the cache cannot be written.
    """
    files = _checked_names(name, listing)
    parts = np.array(listing.parts)
    _check_parts(name, listing, parts)
    _check_presence(name, listing, files)
    rows = {part: np.flatnonzero(parts == part) for part in PARTS if part in listing.parts}
    order = np.concatenate(list(rows.values()))
    photographs = [decoding.Photograph(files[row], *listing.tree.files[files[row]]) for row in order]
    pixels, digest = decoding.read(name, listing.folder, photographs, image_size)
    splits, start = {}, 0
    for part, at in rows.items():
        attributes = None if listing.attributes is None else listing.attributes[at]
        inputs, start = pixels[start : start + len(at)], start + len(at)
        split = make_split(
            str(listing.folder), inputs, listing.labels[at], len(listing.class_names), attributes=attributes,
            num_attributes=len(listing.attribute_names),
        )  # fmt: skip
        splits[part] = split._replace(ids=at.astype(np.int64))
    decoded = Source(f"{listing.folder.name}/ decoded to {image_size}x{image_size}", digest, official=None)
    sources = (*listing.sources, decoded)
    return Splits(name, splits, listing.class_names, NORMALISATION, sources, listing.attribute_names)


def walk(folder: Path) -> Tree:
    """All regular files and folders below a folder, hidden ones left out.

    Raises DataError for a symbolic link that leads outside, or to a folder that it lies in.
    """
    root = os.path.realpath(folder)
    tree = Tree({}, [])
    left = [("", (root,))]  # folders to look into: relative name, and the real paths on the way to it
    while left:
        prefix, way = left.pop()
        with os.scandir(way[-1]) as entries:
            for entry in entries:
                name = prefix + entry.name
                if entry.name.startswith("."):
                    continue
                real = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
                if entry.is_symlink() and (real in way or not real.startswith(os.path.join(root, ""))):
                    what = f"is a link to {shown(real)}, outside the folder or around in a circle"
                    raise DataError(f"{shown(folder / name)}: {what}; put the files themselves there")
                if entry.is_dir():
                    tree.folders.append(name)
                    left.append((f"{name}/", (*way, real)))
                elif entry.is_file():
                    stat = entry.stat()
                    tree.files[name] = stat.st_size, stat.st_mtime_ns
    return tree


def table(path: Path, needed: Sequence[str], optional: Sequence[str] | None = None) -> Iterator[tuple[str, dict]]:
    """The rows of a CSV file with a header, each with where it stands, for messages: ("FILE, line 2", {column: text}).

    optional: the other columns that may be there; None lets all be, and passes them over.
    Raises DataError, naming the file and the line, for a missing, doubled or unknown column, a row that is longer or
    shorter than the header, no rows at all, or a file that is no CSV in UTF-8.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = [column.strip() for column in next(reader, [])]
            _check_header(path, header, needed, optional)
            empty = True
            for fields in reader:
                where = f"{path}, line {reader.line_num}"
                if fields and len(fields) != len(header):
                    raise DataError(f"{where}: has {len(fields)} fields; the header has {len(header)}")
                if fields:
                    empty = False
                    yield where, {column: text.strip() for column, text in zip(header, fields, strict=True)}
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is no CSV file in UTF-8 ({one_line(error)}); save it as one") from error
    if empty:
        raise DataError(f"{path}: holds no rows below its header; list at least one photograph")


def chosen(where: str, column: str, text: str, meanings: Mapping[str, Value]) -> Value:
    """What a field means; DataError, naming the place, the field and what is allowed, where it means nothing."""
    if text not in meanings:
        raise DataError(f"{where}: {column} is {text!r}; allowed: {', '.join(meanings)}")
    return meanings[text]


def numbered(values: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """The distinct values in order, numbers by size and words by letter, and the place of each value among them."""
    numbers = {text: _number(text) for text in set(values)}
    words = None in numbers.values()
    names = sorted(numbers, key=lambda text: text if words else (numbers[text], text))
    place = {text: index for index, text in enumerate(names)}
    return tuple(names), np.array([place[text] for text in values], np.int32)


def is_image(name: str) -> bool:
    """Whether a file's ending is that of an image."""
    return name.lower().endswith(ENDINGS)


def source_of(path: Path) -> Source:
    """A file of metadata, of which no official digest is known."""
    return Source(path.name, sha256_of(path), official=None)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _check_header(path: Path, header: list[str], needed: Sequence[str], optional: Sequence[str] | None) -> None:
    columns = ", ".join(map(repr, header)) or "nothing"
    for column in needed:
        if column not in header:
            raise DataError(f"{path}: column {column!r} is missing; the first line holds {columns}")
    if len(set(header)) != len(header):
        raise DataError(f"{path}: two columns have one name; the first line holds {columns}")
    # A mistyped name would be passed over in silence, and with it the groups.
    for column in header:
        if optional is not None and column not in (*needed, *optional):
            allowed = ", ".join((*needed, *optional))
            raise DataError(f"{path}: column {column!r} has no meaning here; allowed: {allowed}")


def _checked_names(name: str, listing: Listing) -> list[str]:
    """The names of the files without "./" and the like, once they are distinct and inside the folder."""
    seen, twice, outside = set(), [], []
    files = [str(PurePosixPath(file)) for file in listing.files]
    for file in files:
        path = PurePosixPath(file)
        if path.is_absolute() or ".." in path.parts:
            outside.append(file)
        if file in seen:
            twice.append(file)
        seen.add(file)
    where = f"{name}: {listing.source}:"
    _refuse(where, outside, "leads outside the folder", "give names relative to it")
    _refuse(where, twice, "is listed twice", "list it once")
    return files


def _check_parts(name: str, listing: Listing, parts: np.ndarray) -> None:
    where = f"{name}: {listing.source or listing.folder}"
    found = [part for part in PARTS if part in listing.parts]
    for part in () if found == ["all"] else ("train", "test"):
        if part not in found:
            raise DataError(f"{where}: the part {part!r} is empty; 'train' and 'test' need photographs, 'valid' may")
    names = listing.class_names
    if len(names) < 2:
        raise DataError(f"{where}: holds one class, {names[0]!r}; at least 2 are needed")
    learnt = "all" if "all" in found else "train"
    counts = np.bincount(listing.labels[parts == learnt], minlength=len(names))
    for label in np.flatnonzero(counts == 0):
        raise DataError(f"{where}: class {names[label]!r} has no photograph in {learnt!r}; is its name mistyped?")


def _check_presence(name: str, listing: Listing, files: list[str]) -> None:
    if listing.source is None:  # the list was made of what is there
        return
    listed, by = set(files), listing.source.name
    missing = [listing.folder / file for file in files if file not in listing.tree.files]
    unlisted = sorted(file for file in listing.tree.files if is_image(file) and file not in listed)
    way_out = "fetch or unpack the data set again"
    _refuse(f"{name}:", missing, f"is missing, of {len(files)} files that {by} lists", way_out)
    way_out = "list what belongs to the data set, and take the rest away"
    _refuse(f"{name}:", [listing.folder / file for file in unlisted], f"is not listed in {by}", way_out)


def _refuse(start: str, culprits: Collection[str | Path], what: str, way_out: str) -> None:
    """DataError for the first of the culprits that says how many more there are; nothing where there are none."""
    for culprit in culprits:
        raise DataError(f"{start} {shown(culprit)} {what}{and_more(culprits)}; {way_out}")

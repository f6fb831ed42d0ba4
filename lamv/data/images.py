"""Photographs in folders: what the readers of such data sets share.

A reader says which files there are and what they show (`Listing`). Here the list is held against the folder, and the
photographs become arrays (lamv.data.decoding). Whatever can be known without decoding is checked before the first
photograph is decoded: names, parts, classes, files that are missing, files that nobody listed.

Hidden files are passed over, and so is __MACOSX. Symbolic links are followed inside the folder and refused where they lead
out of it. What is neither file nor folder (a link to nothing, a pipe, a device) is refused and never opened.

on_broken: "error" refuses a data set with a photograph that cannot be read. "skip" leaves such photographs out, listed ones
that are missing among them, as long as they are at most half and no class and no part loses all of its own.
"""

import csv
import logging
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

import numpy as np

from lamv.data import decoding
from lamv.data.decoding import Facts
from lamv.data.integrity import and_more, kind_of, make_split, one_line, sha256_of, shown
from lamv.data.splits import Normalisation, Source, Splits
from lamv.errors import DataError, brief, listed, nearest

# Means and standard deviations of ImageNet's training photographs, by channel, as pretrained networks expect them.
NORMALISATION = Normalisation(255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

PARTS = ("train", "valid", "test", "all")
ENDINGS = (".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")

# Links may lead to a folder in several ways, and so on from there: a few of them can make any number of names.
MOST_LEVELS, MOST_WAYS = 64, 16
# No system opens a longer one.
LONGEST_NAME = 4096
# A table of 10 million photographs is smaller.
MAX_TABLE = 1 << 30

# What else columns of metadata are called.
SYNONYMS = {
    "path": ("file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img", "photograph"),
    "label": ("labels", "class", "class_name", "target", "category", "y"),
    "split": ("splits", "part", "partition", "set", "subset"),
    "group": ("groups", "attribute", "attributes", "place", "background", "environment"),
}

logger = logging.getLogger("lamv.data")

Value = TypeVar("Value")


class Tree(NamedTuple):
    """What lies below a folder, by relative "/"-separated name: size and time (ns) of files, and the folders.

    gone: photographs that are links to nothing, with what to say of them.
    """

    files: dict[str, tuple[int, int]]
    folders: list[str]
    gone: dict[str, str]


class Listing(NamedTuple):
    """What is said of the photographs below `folder`, in the order of the file that says it.

    files: names relative to `folder`, "/"-separated. parts: of PARTS, one a file. labels, attributes: (N,) int32;
    attributes may be None. source: the file that says so; None where the folders themselves do. crossing, notes:
    as in Splits.
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
    crossing: str = "{label} on {attribute}"
    notes: tuple[str, ...] = ()


def read(name: str, listing: Listing, image_size: int, on_broken: str) -> Splits:
    """The photographs of a listing as Splits, inputs (N, image_size, image_size, 3) uint8 RGB.

    Parts come in the order of PARTS, and each in the order of the listing; ids are positions in the listing, also where
    photographs are left out. The inputs of all parts are read-only views, one after the other, of a single file that is
    mapped into memory. groups are y * A + a, or None without attributes. notes say what the photographs are like.
    Raises DataError, naming the first file and saying how many more there are, for files that are listed twice, lead
    outside the folder, are missing, unlisted or broken; DataError for a missing part or a class that training has not;
    WorkdirError where the cache cannot be written.
    """
    files = _checked_names(name, listing)
    parts = np.array(listing.parts)
    _check_parts(name, listing, parts)
    left_out = _absent(name, listing, files, on_broken)
    _check_left_out(name, listing, files, parts, left_out)
    order = [row for part in PARTS for row in np.flatnonzero(parts == part).tolist() if row not in left_out]
    photographs = [decoding.Photograph(files[row], *listing.tree.files[files[row]]) for row in order]
    decoded = decoding.read(name, listing.folder, photographs, image_size, on_broken)
    left_out |= {order[position]: why for position, why in decoded.broken.items()}
    _check_left_out(name, listing, files, parts, left_out)
    kept = np.array([row for row in order if row not in left_out])
    splits, start = {}, 0
    for part in PARTS:
        at = kept[parts[kept] == part]
        if not at.size:
            continue
        attributes = None if listing.attributes is None else listing.attributes[at]
        inputs, start = decoded.pixels[start : start + len(at)], start + len(at)
        split = make_split(
            str(listing.folder), inputs, listing.labels[at], len(listing.class_names), attributes=attributes,
            num_attributes=len(listing.attribute_names),
        )  # fmt: skip
        splits[part] = split._replace(ids=at.astype(np.int64))
    source = Source(f"{listing.folder.name}/ decoded to {image_size}x{image_size}", decoded.sha256, official=None)
    names = [shown(files[row]) for row in sorted(left_out)]
    reasons = tuple(f"{file}: {left_out[row]}" for file, row in zip(names, sorted(left_out), strict=True))
    notes = [*listing.notes, *_notes(decoded.facts, len(kept), image_size)]
    if names:
        were = "was" if len(names) == 1 else "were"
        notes.append(f"{len(names)} of {len(files)} photographs {were} left out (data.on_broken=skip): {listed(names)}")
        logger.warning("%s: left out: %s%s", name, reasons[0], and_more(reasons))
    return Splits(
        name=name,
        parts=splits,
        class_names=listing.class_names,
        normalisation=NORMALISATION,
        sources=(*listing.sources, source),
        attribute_names=listing.attribute_names,
        crossing=listing.crossing,
        notes=tuple(notes),
        left_out=reasons,
    )


def walk(name: str, folder: Path, on_broken: str) -> Tree:
    """All regular files and folders below a folder, hidden ones left out.

    name: of the data set, for messages. Raises DataError for a symbolic link that leads outside, or to a folder that it lies
    in; for what is neither file nor folder, naming the first and saying how many more there are, but for links to nothing
    in the place of photographs under "skip"; for a folder with the name of a photograph, a name that is no text, and folders
    without end.
    """
    root = os.path.realpath(folder)
    tree, odd, ways = Tree({}, [], {}), {}, Counter()
    left = [("", (root,))]  # folders to look into: relative name, and the real paths on the way to it
    while left:
        prefix, way = left.pop()
        with os.scandir(way[-1]) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name == "__MACOSX":
                    continue
                file = _checked_name(name, folder, prefix + entry.name)
                real = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
                mode = _mode_of(entry)
                if mode is not None and entry.is_symlink():
                    _check_link(name, folder / file, real, root, way)
                if mode is None or not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                    odd[file] = f"is {kind_of(Path(entry.path))}"
                elif stat.S_ISREG(mode):
                    of_file = entry.stat()
                    tree.files[file] = of_file.st_size, of_file.st_mtime_ns
                else:
                    ways[real] += 1
                    _check_folder(name, folder / file, len(way), ways[real])
                    tree.folders.append(file)
                    left.append((f"{file}/", (*way, real)))
    if on_broken == "skip":
        tree.gone.update({file: why for file, why in odd.items() if why.startswith("is a link") and is_image(file)})
    odd = {file: why for file, why in odd.items() if file not in tree.gone}
    for file in sorted(odd)[:1]:
        way_out = (
            "fetch the files first (git annex get, dvc pull)" if odd[file].startswith("is a link") else "take it away"
        )
        raise DataError(f"{name}: {shown(folder / file)} {odd[file]}{and_more(odd)}; {way_out}")
    return tree


def _mode_of(entry: os.DirEntry) -> int | None:
    """Of what an entry is or leads to; None of a link to nothing or to itself."""
    try:
        return entry.stat().st_mode
    except OSError:
        if entry.is_symlink() and not os.path.exists(entry.path):
            return None
        raise


def _check_link(name: str, path: Path, real: str, root: str, way: tuple[str, ...]) -> None:
    if real in way or not real.startswith(os.path.join(root, "")):
        what = f"is a link to {shown(real)}, outside the folder or around in a circle"
        raise DataError(f"{name}: {shown(path)}: {what}; put the files themselves there")


def _check_folder(name: str, path: Path, level: int, ways: int) -> None:
    if is_image(path.name):
        raise DataError(f"{name}: {shown(path)} is a folder with the name of a photograph; rename it, or take it away")
    if level > MOST_LEVELS:
        where = shown(path)
        raise DataError(f"{name}: {where[:200]}... lies {level} folders deep; at most {MOST_LEVELS} are looked into")
    if ways > MOST_WAYS:
        raise DataError(
            f"{name}: {shown(path)}: links lead there in more than {MOST_WAYS} ways; put the files themselves there"
        )


def _checked_name(name: str, folder: Path, file: str) -> str:
    try:
        file.encode()
    except UnicodeEncodeError:
        raise DataError(f"{name}: {shown(folder / file)}: the name is not UTF-8; rename it") from None
    return file


def table(path: Path, needed: Sequence[str], optional: Sequence[str] | None = None) -> Iterator[tuple[str, dict]]:
    """The rows of a CSV file with a header, each with where it stands, for messages: ("FILE, line 2", {column: text}).

    optional: the other columns that may be there; None lets all be, and passes them over.
    Raises DataError, naming the file and the line, for a missing, doubled or unknown column, a row that is longer or
    shorter than the header, a field of `needed` or `optional` that is empty, no rows at all, or a file that is no CSV
    in UTF-8.
    """
    check_text(path)
    filled = (*needed, *(optional or ()))
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = [column.strip() for column in next(reader, [])]
            _check_header(path, header, needed, optional)
            empty = True
            for fields in reader:
                where = f"{shown(path)}, line {reader.line_num}"
                if fields and len(fields) != len(header):
                    raise DataError(f"{where}: has {len(fields)} fields; the header has {len(header)}")
                if fields:
                    empty = False
                    row = {column: text.strip() for column, text in zip(header, fields, strict=True)}
                    for column in filled:
                        if row.get(column) == "":
                            raise DataError(f"{where}: {column} is empty; every photograph needs one")
                    yield where, row
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{shown(path)}: is no CSV file in UTF-8 ({one_line(error)}); save it as one") from error
    if empty:
        raise DataError(f"{shown(path)}: holds no rows below its header; list at least one photograph")


def check_text(path: Path) -> None:
    """DataError where a list of photographs is no file, or far too large for one; opening a pipe would wait for ever."""
    if not path.is_file():
        raise DataError(f"{shown(path)} is {kind_of(path)}; a file is needed")
    if path.stat().st_size > MAX_TABLE:
        raise DataError(
            f"{shown(path)}: {path.stat().st_size} bytes; at most {MAX_TABLE} are read as a list of photographs"
        )


def chosen(where: str, column: str, text: str, meanings: Mapping[str, Value]) -> Value:
    """What a field means; DataError, naming the place, the field and what is allowed, where it means nothing."""
    if text not in meanings:
        raise DataError(f"{where}: {column} is {brief(text)}; allowed: {', '.join(meanings)}")
    return meanings[text]


def is_image(name: str) -> bool:
    """Whether a file's ending is that of an image."""
    return name.lower().endswith(ENDINGS)


def source_of(path: Path) -> Source:
    """A file of metadata, of which no official digest is known."""
    return Source(path.name, sha256_of(path), official=None)


def _check_header(path: Path, header: list[str], needed: Sequence[str], optional: Sequence[str] | None) -> None:
    columns = listed([brief(column) for column in header]) or "nothing"
    allowed = (*needed, *(optional or ()))
    if len(header) == 1 and needed[0] != header[0]:
        for separator, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if separator in header[0]:
                raise DataError(f"{shown(path)}: columns are separated by {called}; save it with commas")
    for column in needed:
        if column not in header:
            meant = [other for other in header if other not in allowed and _meant(other, allowed) == column]
            way_out = f"; rename {meant[0]!r} to it" if meant else f"; needed: {', '.join(needed)}"
            raise DataError(f"{shown(path)}: column {column!r} is missing; the first line holds {columns}{way_out}")
    if len(set(header)) != len(header):
        raise DataError(f"{shown(path)}: two columns have one name; the first line holds {columns}")
    # A mistyped name would be passed over in silence, and with it the groups.
    for column in header:
        if optional is not None and column not in allowed:
            meant = _meant(column, allowed)
            hint = f" (did you mean {meant!r}?)" if meant else nearest(column, allowed)
            if column == "" or column.startswith("Unnamed:"):
                hint = " (an index? save the table without it)"
            raise DataError(
                f"{shown(path)}: column {brief(column)} has no meaning here{hint}; allowed: {', '.join(allowed)}"
            )


def _meant(column: str, allowed: Sequence[str]) -> str | None:
    """The allowed column that another name stands for."""
    for known in allowed:
        if column.casefold() == known.casefold() or column.casefold() in SYNONYMS.get(known, ()):
            return known
    return None


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
    where = f"{name}: {listing.source and shown(listing.source)}:"
    endless = [brief(file) for file in files if len(file) > LONGEST_NAME]
    _refuse(where, endless, f"is longer than {LONGEST_NAME}", "give names relative to the folder")
    _refuse(where, outside, "leads outside the folder", "give names relative to it")
    _refuse(where, twice, "is listed twice", "list it once")
    return files


def _check_parts(name: str, listing: Listing, parts: np.ndarray) -> None:
    where = f"{name}: {shown(listing.source or listing.folder)}"
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
        others = [other for other, count in zip(names, counts, strict=True) if count]
        raise DataError(
            f"{where}: class {names[label]!r} has no photograph in {learnt!r}; is its name mistyped?"
            + nearest(names[label], others)
        )


def _absent(name: str, listing: Listing, files: list[str], on_broken: str) -> dict[int, str]:
    """The rows of photographs that are not there, with what to say of them; DataError unless they may be skipped."""
    tree = listing.tree
    absent = {row: tree.gone.get(file, "is missing") for row, file in enumerate(files) if file not in tree.files}
    if listing.source is None:  # the list was made of what is there
        return absent
    names, by = set(files), listing.source.name
    what = f"is missing, of {len(files)} files that {by} lists"
    near = _second_look([files[row] for row in absent], [file for file in tree.files if file not in names])
    for file, hint in near.items():
        raise DataError(f"{name}: {shown(listing.folder / file)} {what}{and_more(absent)}; {hint}")
    folders = set(tree.folders)
    _refuse(f"{name}:", [files[row] for row in absent if files[row] in folders], "is a folder", f"list files in {by}")
    if on_broken == "error":
        way_out = "fetch or unpack the data set again, or --config.data.on_broken=skip leaves them out"
        _refuse(f"{name}:", [listing.folder / files[row] for row in absent], what, way_out)
    unlisted = sorted(file for file in [*tree.files, *tree.gone] if is_image(file) and file not in names)
    way_out = "list what belongs to the data set, and take the rest away"
    _refuse(f"{name}:", [listing.folder / file for file in unlisted], f"is not listed in {by}", way_out)
    return absent


def _second_look(missing: Sequence[str], there: Sequence[str]) -> dict[str, str]:
    """For the first missing name that is nearly that of a file which is there, a hint at how they differ."""
    whole, base, stem = {}, Counter(), {}
    for file in there if missing else ():
        whole[_folded(file)] = file
        last = _folded(file).rpartition("/")[2]
        base[last] += 1
        base[last.rpartition(".")[0]] += 1
        stem[last] = stem[last.rpartition(".")[0]] = file
    for file in missing:
        if any(part.startswith(".") for part in PurePosixPath(file).parts):
            return {file: "hidden files, whose names begin with a dot, are not read; rename them"}
        levels = _folded(file).split("/")
        ends = ["/".join(levels[start:]) for start in range(len(levels))]
        found = next((whole[end] for end in ends if end in whole), None)
        for last in (levels[-1], levels[-1].rpartition(".")[0]):
            if found is None and base[last] == 1:
                found = stem[last]
        if found is not None:
            return {file: _difference(file, found)}
    return {}


def _folded(file: str) -> str:
    """A name without what is easily got wrong: capitals, spaces at the ends, kinds of slashes, forms of Unicode."""
    parts = unicodedata.normalize("NFKC", file.replace("\\", "/")).casefold().split("/")
    return "/".join(part.strip() for part in parts if part.strip() not in ("", "."))


def _difference(file: str, there: str) -> str:
    if "\\" in file and "\\" not in there:
        return f"{shown(there)} is there: write slashes, not backslashes"
    if unicodedata.normalize("NFC", file) == unicodedata.normalize("NFC", there):
        return f"{ascii(there)} is there, another Unicode form of {ascii(file)}: write one as the other"
    return f"did you mean {there!r}? Names are relative to the folder, with the capitals and spaces of the files"


def _check_left_out(
    name: str, listing: Listing, files: list[str], parts: np.ndarray, left_out: Mapping[int, str]
) -> None:
    """DataError where what is left out is more than half of all, all of a class that is to be learnt, or all of a part."""
    if not left_out:
        return
    kept = np.array([row not in left_out for row in range(len(files))])
    lost = []
    if 2 * len(left_out) > len(files):
        lost.append((f"{len(left_out)} of {len(files)} photographs", sorted(left_out)))
    for part in sorted(set(parts.tolist())):
        own = parts == part
        if not kept[own].any():
            lost.append((f"all {np.count_nonzero(own)} photographs of {part!r}", np.flatnonzero(own).tolist()))
        if part not in ("all", "train"):
            continue
        sizes, remain = (
            np.bincount(listing.labels[rows], minlength=len(listing.class_names)) for rows in (own, own & kept)
        )
        for label in np.flatnonzero((sizes > 0) & (remain == 0)):
            rows = np.flatnonzero(own & (listing.labels == label)).tolist()
            lost.append((f"all {sizes[label]} photographs of class {listing.class_names[label]!r} in {part!r}", rows))
    for what, rows in lost:
        raise DataError(
            f"{name}: {what} cannot be read: {shown(listing.folder / files[rows[0]])} {left_out[rows[0]]}{and_more(rows)};"
            " data.on_broken=skip is for a few, fetch the data set again"
        )


def _notes(facts: Facts, number: int, image_size: int) -> Iterator[str]:
    """What photographs are like, a sentence each."""
    (_, *small), (_, *large) = facts.smallest, facts.largest
    if not small == large == [image_size, image_size]:
        sizes = f"{small[0]}x{small[1]}" + ("" if small == large else f" to {large[0]}x{large[1]}")
        note = f"photographs of {sizes} pixels, their middle squares scaled to {image_size}x{image_size}"
        if facts.enlarged:
            note += f"; {facts.enlarged} of {number} are smaller and were enlarged"
        yield note
    if facts.transparent:
        yield f"transparent pixels, in {facts.transparent} of {number} photographs, were composited on white"
    if facts.frames:
        yield f"of several frames or pages, in {facts.frames} of {number} photographs, the first was read"


def _refuse(start: str, culprits: Collection[str | Path], what: str, way_out: str) -> None:
    """DataError for the first of the culprits that says how many more there are; nothing where there are none."""
    for culprit in culprits:
        raise DataError(f"{start} {shown(culprit)} {what}{and_more(culprits)}; {way_out}")

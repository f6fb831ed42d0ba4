"""A list of photographs held against the folder that they are in, and read.

A reader says which files there are and what they show (`Listing`). Everything that can be known without decoding is
checked first: names, parts, classes, files that are missing, files that are not listed.

on_broken: "error" refuses a data set with a photograph that cannot be read. "skip" leaves such photographs out, listed ones
that are missing among them, as long as they are at most half and no class and no part loses all of its photographs.
"""

import logging
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from lamv.data.photographs import cache
from lamv.data.photographs.decode import Facts
from lamv.data.photographs.folder import Tree, is_image
from lamv.data.splits import Normalisation, Source, Splits, make_split
from lamv.errors import DataError, and_more, brief, listed, nearest, shown

# Means and standard deviations of ImageNet's training photographs, by channel, as pretrained networks expect them.
NORMALISATION = Normalisation(255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

PARTS = ("train", "valid", "test", "all")

# No system opens a longer one.
LONGEST_NAME = 4096

logger = logging.getLogger("lamv.data")


class Listing(NamedTuple):
    """The photographs below `folder` and what they show, in the order of the list.

    files: names relative to `folder`, "/"-separated. parts: of PARTS, one a file. labels, attributes: (N,) int32;
    attributes may be None. source: the file with the list; None where the folders themselves are the list. crossing,
    notes: as in Splits.
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


def read_listing(name: str, listing: Listing, image_size: int, on_broken: str) -> Splits:
    """The photographs of a listing as Splits, inputs (N, image_size, image_size, 3) uint8 RGB.

    Parts come in the order of PARTS, and each in the order of the listing; ids are positions in the listing, also where
    photographs are left out. The inputs of all parts are read-only views, one after the other, of a single file that is
    mapped into memory. groups are y * A + a, or None without attributes. notes describe the photographs.
    Raises DataError, naming the first file and counting the others, for files that are listed twice, lead outside the
    folder, are missing, unlisted or broken; DataError for a missing part or a class that training lacks; WorkdirError
    where the cache cannot be written.
    """
    files = _checked_names(name, listing)
    parts = np.array(listing.parts)
    _check_parts(name, listing, parts)
    left_out = _absent(name, listing, files, on_broken)
    _check_left_out(name, listing, files, parts, left_out)
    order = [at for part in PARTS for at in np.flatnonzero(parts == part).tolist() if at not in left_out]
    photographs = [cache.Photograph(files[at], *listing.tree.files[files[at]]) for at in order]
    decoded = cache.read(name, listing.folder, photographs, image_size, on_broken)
    left_out |= {order[index]: why for index, why in decoded.broken.items()}
    _check_left_out(name, listing, files, parts, left_out)
    kept = np.array([at for at in order if at not in left_out])
    splits, start = {}, 0
    for part in PARTS:
        ids = kept[parts[kept] == part]
        if ids.size:
            inputs, start = decoded.pixels[start : start + len(ids)], start + len(ids)
            attributes = None if listing.attributes is None else listing.attributes[ids]
            splits[part] = make_split(
                str(listing.folder), inputs, listing.labels[ids], len(listing.class_names), attributes=attributes,
                num_attributes=len(listing.attribute_names),
            )._replace(ids=ids.astype(np.int64))  # fmt: skip
    notes = [*listing.notes, *_notes(decoded.facts, len(kept), image_size)]
    names = [shown(files[at]) for at in sorted(left_out)]
    reasons = tuple(f"{file}: {left_out[at]}" for file, at in zip(names, sorted(left_out), strict=True))
    if names:
        were = "was" if len(names) == 1 else "were"
        notes.append(f"{len(names)} of {len(files)} photographs {were} left out (data.on_broken=skip): {listed(names)}")
        logger.warning("%s: left out: %s%s", name, reasons[0], and_more(reasons))
    pixels = Source(f"{listing.folder.name}/ decoded to {image_size}x{image_size}", decoded.sha256, official=None)
    return Splits(
        name=name,
        parts=splits,
        class_names=listing.class_names,
        normalisation=NORMALISATION,
        sources=(*listing.sources, pixels),
        attribute_names=listing.attribute_names,
        crossing=listing.crossing,
        notes=tuple(notes),
        left_out=reasons,
    )


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

"""A list of photographs, compared with the folder that they are in, and read.

Everything that can be known without decoding is checked first: names, parts, classes, missing files, unlisted files.

on_broken: "error" refuses a data set with a photograph that cannot be read. "skip" leaves such photographs out, listed ones
that are missing among them, as long as they are at most half and no class and no part loses all of its photographs.
"""

import logging
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from lamv.data.photographs import cache
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
    photographs = [(files[at], *listing.tree.files[files[at]]) for at in order]
    pixels, sha256, outcomes = cache.read(name, listing.folder, photographs, image_size, on_broken)
    left_out |= {at: why for at, why in zip(order, outcomes, strict=True) if isinstance(why, str)}
    _check_left_out(name, listing, files, parts, left_out)
    kept = np.array([at for at in order if at not in left_out])
    splits, start = {}, 0
    for part in PARTS:
        ids = kept[parts[kept] == part]
        if ids.size:
            inputs, start = pixels[start : start + len(ids)], start + len(ids)
            attributes = None if listing.attributes is None else listing.attributes[ids]
            splits[part] = make_split(
                str(listing.folder), inputs, listing.labels[ids], len(listing.class_names), attributes=attributes,
                num_attributes=len(listing.attribute_names),
            )._replace(ids=ids.astype(np.int64))  # fmt: skip
    facts = np.array([facts for facts in outcomes if not isinstance(facts, str)])
    notes = [*listing.notes, *_notes(facts, image_size)]
    names = [shown(files[at]) for at in sorted(left_out)]
    reasons = tuple(f"{file}: {left_out[at]}" for file, at in zip(names, sorted(left_out), strict=True))
    if names:
        were = "was" if len(names) == 1 else "were"
        notes.append(f"{len(names)} of {len(files)} photographs {were} left out (data.on_broken=skip): {listed(names)}")
        logger.warning("%s: left out: %s%s", name, reasons[0], and_more(reasons))
    source = Source(f"{listing.folder.name}/ decoded to {image_size}x{image_size}", sha256, official=None)
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


def _checked_names(name: str, listing: Listing) -> list[str]:
    """The names of the files without "./" and the like, once they are distinct and inside the folder."""
    paths = list(map(PurePosixPath, listing.files))
    files = list(map(str, paths))
    where = f"{name}: {listing.source and shown(listing.source)}:"
    endless = [brief(file) for file in files if len(file) > LONGEST_NAME]
    _refuse(where, endless, f"is longer than {LONGEST_NAME}", "give names relative to the folder")
    outside = [str(path) for path in paths if path.is_absolute() or ".." in path.parts]
    _refuse(where, outside, "leads outside the folder", "give names relative to it")
    first = {file: at for at, file in reversed(list(enumerate(files)))}
    twice = [file for at, file in enumerate(files) if first[file] != at]
    _refuse(where, twice, "is listed twice", "list it once")
    return files


def _check_parts(name: str, listing: Listing, parts: np.ndarray) -> None:
    where = f"{name}: {shown(listing.source or listing.folder)}"
    learnt = "all" if "all" in listing.parts else "train"
    for part in () if learnt == "all" else ("train", "test"):
        if part not in listing.parts:
            raise DataError(f"{where}: the part {part!r} is empty; 'train' and 'test' need photographs, 'valid' may")
    names = listing.class_names
    if len(names) < 2:
        raise DataError(f"{where}: holds one class, {names[0]!r}; at least 2 are needed")
    counts = np.bincount(listing.labels[parts == learnt], minlength=len(names))
    for label in np.flatnonzero(counts == 0):
        others = [other for other, count in zip(names, counts, strict=True) if count]
        raise DataError(
            f"{where}: class {names[label]!r} has no photograph in {learnt!r}; is its name mistyped?"
            + nearest(names[label], others)
        )


def _absent(name: str, listing: Listing, files: list[str], on_broken: str) -> dict[int, str]:
    """Why photographs are not there, by their index; DataError unless they may be skipped."""
    tree = listing.tree
    absent = {at: tree.gone.get(file, "is missing") for at, file in enumerate(files) if file not in tree.files}
    if listing.source is None:  # the list was made of what is there
        return absent
    names, by, missing = set(files), listing.source.name, [files[at] for at in absent]
    what = f"is missing, of {len(files)} files that {by} lists"
    file, hint = _second_look(missing, [file for file in tree.files if file not in names])
    if hint:
        raise DataError(f"{name}: {shown(listing.folder / file)} {what}{and_more(absent)}; {hint}")
    folders = set(tree.folders)
    _refuse(f"{name}:", [file for file in missing if file in folders], "is a folder", f"list files in {by}")
    if on_broken == "error":
        way_out = "fetch or unpack the data set again, or --config.data.on_broken=skip leaves them out"
        _refuse(f"{name}:", [listing.folder / file for file in missing], what, way_out)
    unlisted = sorted(file for file in [*tree.files, *tree.gone] if is_image(file) and file not in names)
    way_out = "list what belongs to the data set, and take the rest away"
    _refuse(f"{name}:", [listing.folder / file for file in unlisted], f"is not listed in {by}", way_out)
    return absent


def _second_look(missing: Sequence[str], there: Sequence[str]) -> tuple[str, str]:
    """The first missing name that nearly matches a file, with a hint at how they differ; ("", "") for none."""
    whole: dict[str, str] = {}
    by_last: dict[str, list[str]] = {}
    for file in there if missing else ():
        whole[_folded(file)] = file
        for last in _last(_folded(file)):
            by_last.setdefault(last, []).append(file)
    for file in missing:
        if any(part.startswith(".") for part in PurePosixPath(file).parts):
            return file, "hidden files, whose names begin with a dot, are not read; rename them"
        folded = _folded(file)
        ends = [folded.split("/", start)[-1] for start in range(folded.count("/") + 1)]
        alone = [by_last[last][0] for last in _last(folded) if len(by_last.get(last, ())) == 1]
        for match in (*filter(None, map(whole.get, ends)), *alone):
            return file, _difference(file, match)
    return "", ""


def _last(file: str) -> tuple[str, str]:
    """The last part of a name, with and without its ending."""
    name = file.rpartition("/")[2]
    return name, name.rpartition(".")[0]


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
    """DataError where what is left out is more than half of all, all of a class in training, or all of a part."""
    gone = np.isin(np.arange(len(files)), list(left_out))
    lost = [(f"{len(left_out)} of {len(files)} photographs", gone)] if 2 * len(left_out) > len(files) else []
    for part in sorted(set(parts[gone].tolist())):
        members = parts == part
        lost.append((f"all {members.sum()} photographs of {part!r}", members))
        for label in np.unique(listing.labels[gone & members]) if part in ("all", "train") else ():
            of_class = members & (listing.labels == label)
            what = f"all {of_class.sum()} photographs of class {listing.class_names[label]!r} in {part!r}"
            lost.append((what, of_class))
    for what, members in lost:
        if gone[members].all():
            first = np.flatnonzero(members)[0]
            raise DataError(
                f"{name}: {what} cannot be read: {shown(listing.folder / files[first])} {left_out[first]}"
                f"{and_more(members[members])}; data.on_broken=skip is for a few, fetch the data set again"
            )


def _notes(facts: np.ndarray, image_size: int) -> Iterator[str]:
    """What photographs are like, a sentence each. facts: (N, 4), see lamv.data.photographs.decode."""
    transparent, frames, width, height = facts.T
    number, order = len(facts), np.lexsort((height, width, width * height))
    small, large = facts[order[0], 2:].tolist(), facts[order[-1], 2:].tolist()
    if not small == large == [image_size, image_size]:
        sizes = f"{small[0]}x{small[1]}" + ("" if small == large else f" to {large[0]}x{large[1]}")
        note = f"photographs of {sizes} pixels, their middle squares scaled to {image_size}x{image_size}"
        if enlarged := np.count_nonzero(np.minimum(width, height) < image_size):
            note += f"; {enlarged} of {number} are smaller and were enlarged"
        yield note
    if transparent.any():
        yield f"transparent pixels, in {transparent.sum()} of {number} photographs, were composited on white"
    if frames.any():
        yield f"of several frames or pages, in {frames.sum()} of {number} photographs, the first was read"


def _refuse(start: str, culprits: Collection[str | Path], what: str, way_out: str) -> None:
    """DataError for the first of the culprits that says how many more there are; nothing where there are none."""
    for culprit in culprits:
        raise DataError(f"{start} {shown(culprit)} {what}{and_more(culprits)}; {way_out}")

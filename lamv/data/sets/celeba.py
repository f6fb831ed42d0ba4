"""CelebA: faces with 40 binary attributes, one of which is the label here and another the spurious attribute.

Liu, Luo, Wang and Tang, "Deep learning face attributes in the wild", ICCV 2015. Hair colour as the label and gender as
the attribute, names as in the data, follow Sagawa et al., "Distributionally robust neural networks", ICLR 2020.

Needed are the aligned and cropped photographs (178 x 218), list_attr_celeba and list_eval_partition. The lists are
read in their published form (.txt) and, where that is not there, as the .csv files of common mirrors.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lamv.data.integrity import first_of, unverified
from lamv.data.photographs.folder import walk
from lamv.data.photographs.listing import Listing, read_listing
from lamv.data.photographs.metadata import check_text, chosen, csv_rows
from lamv.data.splits import Splits
from lamv.errors import DataError, and_more, shown

LABEL = "Blond_Hair"
ATTRIBUTE = "Male"

ATTRIBUTES, PARTITION, PHOTOGRAPHS = "list_attr_celeba", "list_eval_partition", "img_align_celeba"
# As published, in folders of their own; unpacked side by side; or a folder within one of the same name.
PLACES = {
    ATTRIBUTES: (f"{ATTRIBUTES}.txt", f"Anno/{ATTRIBUTES}.txt", f"{ATTRIBUTES}.csv"),
    PARTITION: (f"{PARTITION}.txt", f"Eval/{PARTITION}.txt", f"{PARTITION}.csv"),
    PHOTOGRAPHS: (f"{PHOTOGRAPHS}/{PHOTOGRAPHS}", PHOTOGRAPHS, f"Img/{PHOTOGRAPHS}"),
}

SPLITS = {"0": "train", "1": "valid", "2": "test"}
SIGNS = {"-1": 0, "0": 0, "1": 1}  # some mirrors write 0 for -1


def read(path: Path, image_size: int, on_broken: str = "error") -> Splits:
    """parts={"train", "valid", "test"}: inputs (N, image_size, image_size, 3) uint8; LABEL and ATTRIBUTE are 1 where so.

    path: the folder with the lists and the photographs. The middle 178 x 178 pixels are what is scaled.
    Raises DataError and WorkdirError as `walk` and `read_listing` do, and DataError for lists that are not as published or
    do not name the same files.
    """
    attributes, partition, folder = (_find(path, what) for what in PLACES)
    signs = _by_file(attributes, {LABEL: SIGNS, ATTRIBUTE: SIGNS}, named=True)
    parts = _by_file(partition, {"partition": SPLITS})
    for one, other, names in (
        (attributes, partition, signs.keys() - parts),
        (partition, attributes, parts.keys() - signs),
    ):
        for name in sorted(names)[:1]:
            raise DataError(
                f"celeba: {shown(name)}{and_more(names)} is in {one} and not in {other}; fetch both lists again"
            )
    labels, males = np.array(list(signs.values()), np.int32).T
    listing = Listing(
        folder=folder,
        tree=walk("celeba", folder, on_broken),
        files=list(signs),
        parts=[parts[file][0] for file in signs],
        labels=labels,
        attributes=males,
        class_names=(f"not {LABEL}", LABEL),
        attribute_names=(f"not {ATTRIBUTE}", ATTRIBUTE),
        source=partition,
        sources=(unverified(attributes), unverified(partition)),
        crossing="{label}, {attribute}",
    )
    return read_listing("celeba", listing, image_size, on_broken)


def _find(path: Path, what: str) -> Path:
    there = first_of(path, PLACES[what], "folder" if what == PHOTOGRAPHS else "file")
    if there is None:
        hint = f"; unpack {what}.zip there" if what == PHOTOGRAPHS else ""
        raise DataError(f"celeba: {shown(path)} holds none of {', '.join(PLACES[what])}{hint}")
    return there


def _by_file(path: Path, meanings: Mapping[str, Mapping[str, Any]], named: bool = False) -> dict[str, list]:
    """What a list says in these columns, for each file."""
    values = {}
    for where, row in _rows(path, ("image_id", *meanings), named):
        if row["image_id"] in values:
            raise DataError(f"{where}: {row['image_id']!r} is listed twice; list it once")
        values[row["image_id"]] = [chosen(where, name, row[name], meanings[name]) for name in meanings]
    return values


def _rows(path: Path, columns: Sequence[str], named: bool = False) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a list with these columns, each with its position for messages.

    named: a .txt begins with the number of its rows, and the names of all columns but the first.
    """
    if path.suffix == ".csv":
        yield from csv_rows(path, columns)
        return
    lines, names, count, number = _lines(path), columns, [], 0
    if named:
        _, count = next(lines, ("", [""]))
        names = (columns[0], *next(lines, ("", []))[1])
        for name in columns:
            if name not in names:
                raise DataError(
                    f"{path}: {name} is missing in its second line, which names the attributes; fetch it again"
                )
    for where, fields in lines:
        number += 1
        if len(fields) != len(names):
            what = f"{len(names) - 1} attributes" if named else "its part, 0, 1 or 2,"
            raise DataError(f"{where}: has {len(fields)} fields; a file and {what} are needed")
        yield where, dict(zip(names, fields, strict=True))
    if named and (count != [str(number)] or not number):
        raise DataError(
            f"{path}: its first line counts {' '.join(count)!r} photographs, and {number} follow; fetch it again"
        )


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The lines of a .txt that are not empty, split at white space, each with its position for messages."""
    check_text(path)
    try:
        with open(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield f"{path}, line {number}", line.split()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text in UTF-8; fetch it again") from error

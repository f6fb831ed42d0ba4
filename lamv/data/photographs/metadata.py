"""Lists of photographs, from CSV files."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from lamv.errors import DataError, brief, listed, nearest, one_line, shown
from lamv.files import kind_of

# A list of 10 million photographs is smaller.
MAX_TABLE = 1 << 30

# What else columns of metadata are called.
SYNONYMS = {
    "path": ("file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img", "photograph"),
    "label": ("labels", "class", "class_name", "target", "category", "y"),
    "split": ("splits", "part", "partition", "set", "subset"),
    "group": ("groups", "attribute", "attributes", "place", "background", "environment"),
}

Value = TypeVar("Value")


def csv_rows(path: Path, needed: Sequence[str], optional: Sequence[str] | None = None) -> Iterator[tuple[str, dict]]:
    """The rows of a CSV file with a header, each with its position for messages: ("FILE, line 2", {column: text}).

    optional: the other columns that may be there; None ignores all others.
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
            for fields in filter(None, reader):
                where, empty = f"{shown(path)}, line {reader.line_num}", False
                if len(fields) != len(header):
                    raise DataError(f"{where}: has {len(fields)} fields; the header has {len(header)}")
                row = {column: text.strip() for column, text in zip(header, fields, strict=True)}
                for column in filled:
                    if row.get(column) == "":
                        raise DataError(f"{where}: {column} is empty; every photograph needs one")
                yield where, row
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{shown(path)}: is no CSV file in UTF-8 ({one_line(error)}); save it as one") from error
    if empty:
        raise DataError(f"{shown(path)}: holds no rows below its header; list at least one photograph")


def path_column(path: Path, is_image: Callable[[str], bool]) -> str:
    """The column of a CSV file that holds the names of photographs, by its first row; "" where none does."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header, first = next(reader, []), next(reader, [])
    except (csv.Error, OSError, UnicodeDecodeError):
        return ""
    named = [name.strip() for name, text in zip(header, first, strict=False) if is_image(text.strip())]
    return named[0] if len(named) == 1 else ""


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

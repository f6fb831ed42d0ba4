"""A table from a CSV or Parquet file: columns of texts, or of the types in the file.

Every value of a CSV stays a text here, so that no column changes its type further down; lamv.data.frames.columns decides
what the texts mean. What memory cannot hold is refused before it is read.
"""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from lamv import memory
from lamv.data.integrity import sha256_of
from lamv.errors import DataError, and_more, brief, listed, one_line, shown

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
#: Where the offsets of an array of texts end.
MAX_CSV = (1 << 31) - (1 << 20)
#: Bytes of memory for each byte of a CSV: a value and its separator are two bytes at least, and become a text with its
#: offset, a code and a number.
PER_BYTE = 8
#: Bytes of memory for each byte of a Parquet file's pages, and for each value in them.
PER_PAGE_BYTE, PER_VALUE = 2, 24


class Frame(NamedTuple):
    """types: {name: Arrow type} of all columns, in the order of the file; arrays: of those columns that are not nested.

    rows: how many. lines: whether each row is one line of the file, below one line of names. sha256: of the file.
    notes: what had to be guessed.
    """

    path: Path
    types: Mapping[str, Any]
    arrays: Mapping[str, Any]
    rows: int
    lines: bool
    sha256: str
    notes: tuple[str, ...] = ()

    def at(self, row: int) -> str:
        """Where in the file a row is that is counted from 0."""
        return f"line {row + 2}" if self.lines else f"row {row + 1}"

    def where(self, column: str) -> str:
        """The file and the column, for messages."""
        return f"{shown(self.path)}: column {brief(column)}"


def read_frame(path: Path) -> Frame:
    """A CSV, which may be compressed (.gz) and separated by any of DELIMITERS, or a Parquet file, as its first bytes say.

    Raises DataError for what is no file, damaged, empty, larger than memory or not rectangular, for two columns of one
    name, and for a CSV that is not UTF-8 or has a quote without its end.
    """
    if not path.is_file():
        raise DataError(f"{shown(path)}: is no file; give a .csv or .parquet file")
    with open(path, "rb") as file:
        begins = file.read(4)
    if begins == b"PAR1" or path.suffix.lower() in (".parquet", ".pq"):
        frame = _read_parquet(path)
    elif begins == b"PK\x03\x04":
        raise DataError(f"{shown(path)}: is an Excel file or a .zip; save the table as CSV (UTF-8)")
    else:
        frame = _read_csv(path, zipped=begins[:2] == b"\x1f\x8b")
    if not frame.rows:
        raise DataError(f"{shown(path)}: has columns {listed([brief(name) for name in frame.types])}, and no rows")
    return frame


def _read_csv(path: Path, zipped: bool) -> Frame:
    content, sha256 = _content(path, zipped)
    names, delimiter = _header(path, content)
    array, lines = _parsed(path, content, names, delimiter)
    notes = [] if delimiter == "," else [f"columns are separated by {DELIMITERS[delimiter]}"]
    called = [name or f"Unnamed: {number}" for number, name in enumerate(names)]
    if called != names:
        notes.append(f"columns without a name are called {listed(sorted(set(called) - set(names)))}")
    _refuse_twins(path, called)
    columns = dict(zip(called, array.columns, strict=True))
    return Frame(path, dict.fromkeys(called, pa.string()), columns, array.num_rows, lines, sha256, tuple(notes))


def _content(path: Path, zipped: bool) -> tuple[bytes, str]:
    """The text of a CSV in UTF-8, without byte order mark and with a line break at its end; and the sha256 of the file."""
    there = memory.available()
    most = min(there.bytes // PER_BYTE, MAX_CSV)
    size = path.stat().st_size
    content = b""
    if size <= most:
        content = path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        if zipped:
            try:
                with gzip.open(io.BytesIO(content)) as unzipped:
                    content = unzipped.read(most + 1)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise DataError(f"{shown(path)}: damaged .gz file ({one_line(error)}); save it again") from error
        size = len(content)
    if size > most:
        needed = f"the {memory.shown(MAX_CSV)} that a CSV may have" if most == MAX_CSV else (
            f"a {PER_BYTE}th of the {memory.shown(there.bytes)} that are {there.limit}, what reading it takes"
        )  # fmt: skip
        raise DataError(f"{shown(path)}: holds more than {needed}; save fewer rows or columns, or Parquet")
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        what = "is UTF-16, not UTF-8" if utf16 else f"line {line} is not UTF-8 (byte 0x{content[error.start]:02x})"
        raise DataError(
            f"{shown(path)}: {what}; save it as CSV (UTF-8), or, if it is Latin-1: iconv -f latin1 -t utf-8"
        ) from None
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise DataError(f"{shown(path)}: line {line} holds a NUL byte, so this is no CSV, or a damaged one")
    if not content.strip():
        raise DataError(f"{shown(path)}: is empty; the first line must hold the names of the columns")
    return (content if content.endswith((b"\n", b"\r")) else content + b"\n"), sha256


def _header(path: Path, content: bytes) -> tuple[list[str], str]:
    """The names in the first line, and what separates them: that of DELIMITERS by which they are most."""
    if content[:1] in b"\r\n":
        raise DataError(f"{shown(path)}: the first line is empty; it must hold the names of the columns")
    headers = {}
    for delimiter in DELIMITERS:
        try:  # not strictly: quotes are where they should be for one of the separators only
            headers[delimiter] = next(csv.reader(_lines(content), delimiter=delimiter))
        except csv.Error:
            headers[delimiter] = []
    delimiter = max(headers, key=lambda delimiter: len(headers[delimiter]))
    names = [name.strip() for name in headers[delimiter]]
    if len(names) < 2:
        known = ", ".join(DELIMITERS.values())
        raise DataError(
            f"{shown(path)}: the first line, {brief(''.join(names))}, is the name of one column; at least 2, separated by"
            f" one of {known}, are needed"
        )
    return names, delimiter


def _lines(content: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(content), "utf-8", newline="")


def _count(path: Path, content: bytes, delimiter: str) -> int:
    """The rows, the names among them, that Python's reader finds; DataError for quotes without an end."""
    reader = csv.reader(_lines(content), delimiter=delimiter, strict=True)
    rows = begin = 0
    try:
        for record in reader:
            rows, begin = rows + bool(record), reader.line_num
    except csv.Error as error:
        raise DataError(
            f"{shown(path)}: the row that begins in line {begin + 1} has a quote that ends wrongly or not at all ({error});"
            " write a quote within a value as two of them"
        ) from None
    return rows


def _parsed(path: Path, content: bytes, names: Sequence[str], delimiter: str):
    """The rows as an Arrow table of texts with columns "0", "1", ..., and whether each row is one line."""
    ragged = []

    def refuse(row) -> str:
        ragged.append((row.number, row.actual_columns))
        return "skip"

    columns = [str(number) for number in range(len(names))]
    try:
        array = arrow_csv.read_csv(
            pa.BufferReader(content),
            arrow_csv.ReadOptions(
                use_threads=False, block_size=len(content) + 1, column_names=columns, skip_rows_after_names=1
            ),
            arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse),
            arrow_csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowException as error:
        raise DataError(f"{shown(path)}: cannot be read as CSV ({one_line(error)})") from error
    # Arrow forgives a quote without its end, and makes one value of all that follows.
    rows = array.num_rows + len(ragged)
    if b'"' in content and _count(path, content, delimiter) != rows + 1:
        raise DataError(
            f"{shown(path)}: its quotes can be read in two ways; write a quote within a value as two of them"
        )
    lines = content.count(b"\n") == rows + 1
    for number, values in ragged[:1]:
        at = f"line {number}" if lines else f"row {number - 1}"
        raise DataError(
            f"{shown(path)}: {at} has {values} values{and_more(ragged)}, and the first line {len(names)} names; there must"
            " be one for each, and quotes around values that hold a separator"
        )
    return array, lines


def _read_parquet(path: Path) -> Frame:
    try:
        with open(path, "rb") as file:
            content = parquet.ParquetFile(file)
            schema = content.schema_arrow
            _refuse_twins(path, schema.names)
            types = {field.name: field.type for field in schema}
            flat = [name for name, type in types.items() if not pa.types.is_nested(type)]
            _check_size(path, content.metadata)
            # As codes, so that a long text which every row repeats is there once.
            texts = [name for name in flat if is_text(types[name])]
            content = parquet.ParquetFile(file, read_dictionary=texts, page_checksum_verification=True)
            array = content.read(columns=flat)
            array.validate(full=True)
            if array.num_rows != content.metadata.num_rows or set(flat) - set(array.column_names):
                raise DataError(f"{shown(path)}: damaged Parquet file (rows or columns are missing); save it again")
    except (pa.ArrowException, OSError, UnicodeDecodeError, ValueError, KeyError, OverflowError, MemoryError) as error:
        if getattr(error, "filename", None):
            raise
        raise DataError(
            f"{shown(path)}: no Parquet file, or a damaged one ({one_line(error)}); save it again"
        ) from error
    columns = {name: array.column(name) for name in flat}
    return Frame(path, types, columns, array.num_rows, False, sha256_of(path))


def is_text(type: Any) -> bool:
    """Whether an Arrow type is of texts, or of categories that are texts."""
    of = pa.types
    if of.is_dictionary(type):
        type = type.value_type
    return of.is_string(type) or of.is_large_string(type) or of.is_string_view(type)


def _check_size(path: Path, metadata) -> None:
    """Whether memory can hold what the footer promises; a page of a few bytes can hold a million values."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    pages = sum(group.total_byte_size for group in groups)
    if sum(group.num_rows for group in groups) != metadata.num_rows or min(metadata.num_rows, pages) < 0:
        raise DataError(f"{shown(path)}: damaged Parquet file (its parts do not add up to its rows); save it again")
    needed = PER_PAGE_BYTE * pages + PER_VALUE * metadata.num_rows * metadata.num_columns
    if short := memory.shortage(needed):
        raise DataError(
            f"{shown(path)}: {metadata.num_rows:,} rows of {metadata.num_columns:,} columns take {short}; save fewer rows or"
            " columns"
        )


def _refuse_twins(path: Path, names: Sequence[str]) -> None:
    stripped = [name.strip() for name in names]
    for name in stripped:
        if stripped.count(name) > 1:
            raise DataError(f"{shown(path)}: column {brief(name)} is there twice; rename one")

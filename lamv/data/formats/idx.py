"""IDX files, gzipped or not.

An IDX file is two zero bytes, one for the element type, one for the number of axes, then the length of every axis as a
big-endian 32-bit integer, then the elements (LeCun, Cortes and Burges, "The MNIST database of handwritten digits").
"""

import gzip
import hashlib
import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from lamv.errors import DataError, one_line

# Five times the largest official file. A header may claim 2^32 images, and a gzip file of a few MB may back it.
MAX_BYTES = 1 << 28


def read_idx(path: Path, axes: int) -> tuple[np.ndarray, str]:
    """The uint8 array in an IDX file with that many axes, and the sha256 of the decompressed bytes.

    Raises DataError, naming the file, for a wrong header, too few or too many bytes, damaged gzip data, or an array
    of more than MAX_BYTES.
    """
    try:
        with _open(path) as file:
            header = file.read(4 * (1 + axes))
            shape = _parse_header(path, header, axes)
            # One byte more than there should be: it shows trailing bytes, and makes gzip check its CRC at the end.
            body = file.read(math.prod(shape) + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged gzip data ({one_line(error)}); fetch the file again") from error
    if len(body) != math.prod(shape):
        number = f"only {len(body)}" if len(body) < math.prod(shape) else "more"
        raise DataError(f"{path}: {number} bytes after the header; its shape {shape} needs {math.prod(shape)}")
    return np.frombuffer(body, np.uint8).reshape(shape), hashlib.sha256(header + body).hexdigest()


def _open(path: Path) -> gzip.GzipFile | io.BufferedReader:
    # By its first bytes: browsers and mirrors unpack files without taking the .gz off their names.
    with open(path, "rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if zipped else open(path, "rb")


def _parse_header(path: Path, header: bytes, axes: int) -> tuple[int, ...]:
    magic = bytes([0, 0, 0x08, axes])  # 0x08: unsigned bytes
    if header[:4] != magic:
        begin = header[:4].hex() or "nothing"
        raise DataError(f"{path}: begins with {begin}; an IDX file of bytes in {axes} axes begins with {magic.hex()}")
    if len(header) != 4 * (1 + axes):
        raise DataError(f"{path}: ends within its header, after {len(header)} bytes of {4 * (1 + axes)}")
    shape = struct.unpack(f">{axes}I", header[4:])
    if math.prod(shape) > MAX_BYTES:
        raise DataError(f"{path}: claims shape {shape}, {math.prod(shape)} bytes; at most {MAX_BYTES} are read")
    return shape

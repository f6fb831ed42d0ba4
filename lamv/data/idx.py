"""MNIST and Fashion-MNIST from their IDX files, gzipped or not.

An IDX file is two zero bytes, one for the element type, one for the number of axes, then the length of every axis as a
big-endian 32-bit integer, then the elements (LeCun, Cortes and Burges, "The MNIST database of handwritten digits").
"""

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lamv.data import prepared
from lamv.data.integrity import identify, kind_of, make_split, one_line, sha256_of, shown
from lamv.data.splits import Normalisation, Source, Split, Splits
from lamv.errors import DataError

UNSIGNED_BYTE = 0x08
IMAGE_SHAPE = (28, 28, 1)

# Five times the largest official file. A header may claim 2^32 images, and a gzip file of a few MB may back it.
MAX_BYTES = 1 << 28

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def read_mnist(path: Path) -> Splits:
    """MNIST (LeCun et al., 1998): train and test, inputs (N, 28, 28, 1) uint8, labels in [0, 10).

    path: the folder of the four IDX files, or one that tensorflow-datasets prepared.
    Raises DataError, naming the file, for one that is missing, damaged or misshapen.
    """
    return _read("mnist", path, DIGITS, Normalisation(255.0, (0.1307,), (0.3081,)))


def read_fashion_mnist(path: Path) -> Splits:
    """Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017); otherwise as `read_mnist`."""
    return _read("fashion_mnist", path, CLOTHES, Normalisation(255.0, (0.2860,), (0.3530,)))


def _read(name: str, path: Path, class_names: tuple[str, ...], normalisation: Normalisation) -> Splits:
    if version_dir := prepared.find(name, path):
        return prepared.read(name, version_dir, IMAGE_SHAPE, len(class_names), normalisation)
    if not path.is_dir():
        raise DataError(f"{name}: {shown(path)} is {kind_of(path)}; give the folder that holds the four IDX files")
    train, train_sources = _read_part(name, path, "train", len(class_names))
    test, test_sources = _read_part(name, path, "t10k", len(class_names))
    return Splits(name, {"train": train, "test": test}, class_names, normalisation, train_sources + test_sources)


def _read_part(name: str, folder: Path, prefix: str, num_classes: int) -> tuple[Split, tuple[Source, Source]]:
    images_file = _find(folder, f"{prefix}-images-idx3-ubyte")
    labels_file = _find(folder, f"{prefix}-labels-idx1-ubyte")
    # The headers first: what does not fit together is not read.
    images_shape, labels_shape = read_shape(images_file, axes=3), read_shape(labels_file, axes=1)
    if images_shape[1:] != IMAGE_SHAPE[:2]:
        raise DataError(f"{images_file}: images of {images_shape[1]}x{images_shape[2]} pixels; {name} has 28x28")
    if images_shape[0] != labels_shape[0]:
        found = f"{labels_shape[0]} labels for {images_shape[0]} inputs, as {images_file} has the shape {images_shape}"
        raise DataError(f"{labels_file}: {found}; the counts must be equal")
    images, images_digest = read_idx(images_file, axes=3)
    labels, labels_digest = read_idx(labels_file, axes=1)
    sources = (
        identify(name, images_file.name, sha256_of(images_file), images_digest),
        identify(name, labels_file.name, sha256_of(labels_file), labels_digest),
    )
    return make_split(str(labels_file), images[..., None], labels, num_classes), sources


def _find(folder: Path, stem: str) -> Path:
    names = [stem, stem.replace("-idx", ".idx")]
    names += [f"{name}.gz" for name in names]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    for name in names:
        if (kind := kind_of(folder / name)) != "missing":
            raise DataError(f"{shown(folder / name)} is {kind}; a file is needed")
    raise DataError(f"{shown(folder)}: holds no {stem}; allowed names: {', '.join(names)}")


def read_shape(path: Path, axes: int) -> tuple[int, ...]:
    """The shape that an IDX file claims in its header. Raises DataError as read_idx does."""
    try:
        with _open(path) as file:
            shape = _parse_header(path, file.read(4 * (1 + axes)), axes)
            zipped = isinstance(file, gzip.GzipFile)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged gzip data ({one_line(error)}); fetch the file again") from error
    if not zipped:
        _check_length(path, shape, path.stat().st_size - 4 * (1 + axes))
    return shape


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
    _check_length(path, shape, len(body))
    digest = hashlib.sha256(header + body).hexdigest()
    return np.frombuffer(body, np.uint8).reshape(shape), digest


def _check_length(path: Path, shape: tuple[int, ...], length: int) -> None:
    if length != math.prod(shape):
        found = f"only {length}" if length < math.prod(shape) else "more"
        raise DataError(f"{path}: {found} bytes after the header; its shape {shape} needs {math.prod(shape)}")


def _open(path: Path) -> BinaryIO:
    # Told by the first bytes: browsers and mirrors unpack files without taking the .gz off their names.
    with open(path, "rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if zipped else open(path, "rb")


def _parse_header(path: Path, header: bytes, axes: int) -> tuple[int, ...]:
    magic = bytes([0, 0, UNSIGNED_BYTE, axes])
    if header[:4] != magic:
        found = header[:4].hex() or "nothing"
        raise DataError(f"{path}: begins with {found}; an IDX file of bytes in {axes} axes begins with {magic.hex()}")
    if len(header) != 4 * (1 + axes):
        raise DataError(f"{path}: ends within its header, after {len(header)} bytes of {4 * (1 + axes)}")
    shape = struct.unpack(f">{axes}I", header[4:])
    if math.prod(shape) > MAX_BYTES:
        raise DataError(f"{path}: claims shape {shape}, {math.prod(shape)} bytes; at most {MAX_BYTES} are read")
    return shape

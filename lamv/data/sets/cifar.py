"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009), in every form in which they are passed around.

A path may be the official archive, binary or Python version; its unpacked folder; a folder that holds either; or a
folder that tensorflow-datasets prepared. A folder with the archive and the unpacked files is read from the archive,
which is the one with an official digest.

Both versions store an image as 3072 bytes: 1024 red, 1024 green, 1024 blue, each row by row.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lamv.data.formats import archive, pickles, prepared
from lamv.data.integrity import identify, sha256_of, unverified
from lamv.data.splits import Normalisation, Splits, check_class_names, make_split
from lamv.errors import DataError, shown
from lamv.files import kind_of

IMAGE_SHAPE = (32, 32, 3)
IMAGE_BYTES = 3072

Batch = tuple[np.ndarray, np.ndarray]  # images (N, 32, 32, 3) uint8, labels (N,)


class Version(NamedTuple):
    """One of the forms in which a data set is published: its files, and how to read them."""

    archive: str
    folder: str
    train: tuple[str, ...]
    test: str
    names: str
    read_batch: Callable[[str, bytes], Batch]
    read_names: Callable[[str, bytes], list[str]]


class Dataset(NamedTuple):
    """CIFAR-10 or CIFAR-100. class_names: for want of the file with their names; () where that is needed."""

    name: str
    versions: tuple[Version, ...]
    normalisation: Normalisation
    num_classes: int
    class_names: tuple[str, ...] = ()


def read_cifar10(path: Path) -> Splits:
    """CIFAR-10: train and test, inputs (N, 32, 32, 3) uint8 RGB, labels in [0, 10).

    The train batches come in the order 1 to 5. Raises DataError, naming the file, for one that is missing, damaged,
    misshapen or hostile.
    """
    return _read(path, CIFAR10)


def read_cifar100(path: Path) -> Splits:
    """CIFAR-100 with its 100 fine labels; otherwise as `read_cifar10`. The 20 coarse labels are not read."""
    return _read(path, CIFAR100)


def _read(path: Path, dataset: Dataset) -> Splits:
    name, number, normalisation = dataset.name, dataset.num_classes, dataset.normalisation
    if version_dir := prepared.find(name, path):
        return prepared.read(name, version_dir, IMAGE_SHAPE, number, normalisation)
    path = _locate(path, dataset)
    if version := _version_of(path, dataset):
        files = archive.read_folder(path, (*version.train, version.test, version.names))
        sources = tuple(unverified(path / file) for file in files)
    else:
        version, files = _read_archive(path, dataset)
        sources = (identify(name, path.name, sha256_of(path)),)
    for file in (*version.train, version.test):
        if file not in files:
            needed = ", ".join((*version.train, version.test, version.names))
            raise DataError(f"{path}: {file} is missing; {version.folder} holds {needed}")
    parts = {}
    for part, of_part in (("train", version.train), ("test", (version.test,))):
        batches = [(f"{path}/{file}", *version.read_batch(f"{path}/{file}", files[file])) for file in of_part]
        for batch in batches:
            make_split(*batch, number)  # names the file of a label that is out of range
        _, images, labels = zip(*batches, strict=True)
        parts[part] = make_split(str(path), np.concatenate(images), np.concatenate(labels), number)
    class_names = dataset.class_names
    if version.names in files:
        file = f"{path}/{version.names}"
        class_names = check_class_names(file, version.read_names(file, files[version.names]), number)
    elif not class_names:
        raise DataError(f"{path}: {version.names} is missing; it names the {number} classes")
    return Splits(name, parts, class_names, normalisation, sources)


def _locate(path: Path, dataset: Dataset) -> Path:
    """The archive, or the folder with the files, that `path` is or holds."""
    if not (path.is_file() or path.is_dir()):
        raise DataError(f"{dataset.name}: {shown(path)} is {kind_of(path)}; give an archive or a folder")
    if path.is_file() or _version_of(path, dataset):
        return path
    for archived in (path / version.archive for version in dataset.versions):
        if archived.is_file():
            return archived
        if (kind := kind_of(archived)) != "missing":
            raise DataError(f"{dataset.name}: {shown(archived)} is {kind}; an archive is needed")
    for folder in (path / version.folder for version in dataset.versions):
        if _version_of(folder, dataset):
            return folder
    allowed = ", ".join(f"{version.archive}, {version.folder}/" for version in dataset.versions)
    raise DataError(f"{dataset.name}: {path} holds none of {allowed}; see https://www.cs.toronto.edu/~kriz/cifar.html")


def _version_of(folder: Path, dataset: Dataset) -> Version | None:
    """The version of which a folder holds a file of examples."""
    for version in dataset.versions:
        if any((folder / file).is_file() for file in (*version.train, version.test)):
            return version
    return None


def _read_archive(path: Path, dataset: Dataset) -> tuple[Version, dict[str, bytes]]:
    wanted = [f"{v.folder}/{file}" for v in dataset.versions for file in (*v.train, v.test, v.names)]
    members = archive.read_tar_gz(path, wanted)
    for version in dataset.versions:
        folder = f"{version.folder}/"
        files = {name.removeprefix(folder): data for name, data in members.items() if name.startswith(folder)}
        if files:
            return version, files
    allowed = " or ".join(f"{version.folder}/" for version in dataset.versions)
    raise DataError(f"{path}: is no archive of {dataset.name}: it holds no {allowed}")


def _images(rows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _binary_batch(file: str, data: bytes, *, label_bytes: int) -> Batch:
    row = label_bytes + IMAGE_BYTES
    if len(data) % row or not data:
        raise DataError(f"{file}: {len(data)} bytes; a whole number of rows of {row} bytes is needed")
    rows = np.frombuffer(data, np.uint8).reshape(-1, row)
    # CIFAR-100 has a coarse label before the fine one.
    return _images(rows[:, label_bytes:]), rows[:, label_bytes - 1]


def _binary_names(file: str, data: bytes) -> list[str]:
    return [line.strip() for line in data.decode(errors="replace").splitlines() if line.strip()]


def _pickled_batch(file: str, data: bytes, *, label_key: str) -> Batch:
    content = pickles.read_dict(file, data)
    rows = _entry(file, content, "data")
    if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != IMAGE_BYTES:
        kind = f"{rows.dtype} {rows.shape}" if isinstance(rows, np.ndarray) else type(rows).__name__
        raise DataError(f"{file}: 'data' is {kind}; a uint8 array (N, {IMAGE_BYTES}) is needed")
    if rows.nbytes > len(data):
        raise DataError(
            f"{file}: 'data' claims {rows.nbytes} bytes, more than the file has; fetch the official archive"
        )
    labels = _entry(file, content, label_key)
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise DataError(f"{file}: {label_key!r} is not a list of integers")
    return _images(rows), np.array(labels)


def _pickled_names(file: str, data: bytes, *, names_key: str) -> list[str]:
    names = _entry(file, pickles.read_dict(file, data), names_key)
    if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
        raise DataError(f"{file}: {names_key!r} is a {type(names).__name__}; a list of strings is needed")
    return [pickles.text(name) for name in names]


def _entry(file: str, content: dict[str, Any], key: str) -> Any:
    if key not in content:
        raise DataError(f"{file}: has no {key!r}, but {', '.join(map(repr, sorted(content)))}")
    return content[key]


CIFAR10 = Dataset(
    "cifar10",
    (
        Version(
            "cifar-10-binary.tar.gz", "cifar-10-batches-bin", tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
            "test_batch.bin", "batches.meta.txt", partial(_binary_batch, label_bytes=1), _binary_names,
        ),
        Version(
            "cifar-10-python.tar.gz", "cifar-10-batches-py", tuple(f"data_batch_{i}" for i in range(1, 6)),
            "test_batch", "batches.meta", partial(_pickled_batch, label_key="labels"),
            partial(_pickled_names, names_key="label_names"),
        ),
    ),
    Normalisation(255.0, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    10,
    ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
)  # fmt: skip

CIFAR100 = Dataset(
    "cifar100",
    (
        Version(
            "cifar-100-binary.tar.gz", "cifar-100-binary", ("train.bin",), "test.bin", "fine_label_names.txt",
            partial(_binary_batch, label_bytes=2), _binary_names,
        ),
        Version(
            "cifar-100-python.tar.gz", "cifar-100-python", ("train",), "test", "meta",
            partial(_pickled_batch, label_key="fine_labels"), partial(_pickled_names, names_key="fine_label_names"),
        ),
    ),
    Normalisation(255.0, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    100,
)  # fmt: skip

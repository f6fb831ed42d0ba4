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
from lamv.data.splits import Normalisation, Source, Split, Splits, check_class_names, make_split
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

    @property
    def files(self) -> tuple[str, ...]:
        return (*self.train, self.test, self.names)


class Dataset(NamedTuple):
    name: str
    versions: tuple[Version, ...]
    num_classes: int
    normalisation: Normalisation
    class_names: tuple[str, ...] | None  # what to call the classes where the file with their names is gone


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
    if version_dir := prepared.find(dataset.name, path):
        return prepared.read(dataset.name, version_dir, IMAGE_SHAPE, dataset.num_classes, dataset.normalisation)
    path = _locate(path, dataset)
    version = _version_of(path, dataset)
    version, files, sources = _read_folder(path, version) if version else _read_archive(path, dataset)
    for file in (*version.train, version.test):
        if file not in files:
            raise DataError(f"{path}: {file} is missing; {version.folder} holds {', '.join(version.files)}")
    return Splits(
        name=dataset.name,
        parts={
            "train": _read_part(path, version, version.train, files, dataset.num_classes),
            "test": _read_part(path, version, (version.test,), files, dataset.num_classes),
        },
        class_names=_class_names(path, version, files, dataset),
        normalisation=dataset.normalisation,
        sources=sources,
    )


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
    for version in dataset.versions:
        if any((folder / file).is_file() for file in (*version.train, version.test)):
            return version
    return None


Files = tuple[Version, dict[str, bytes], tuple[Source, ...]]


def _read_folder(folder: Path, version: Version) -> Files:
    files = archive.read_folder(folder, version.files)
    return version, files, tuple(unverified(folder / file) for file in files)


def _read_archive(path: Path, dataset: Dataset) -> Files:
    wanted = [f"{version.folder}/{file}" for version in dataset.versions for file in version.files]
    members = archive.read_tar_gz(path, wanted)
    for version in dataset.versions:
        folder = f"{version.folder}/"
        files = {name.removeprefix(folder): data for name, data in members.items() if name.startswith(folder)}
        if files:
            return version, files, (identify(dataset.name, path.name, sha256_of(path)),)
    allowed = " or ".join(f"{version.folder}/" for version in dataset.versions)
    raise DataError(f"{path}: is no archive of {dataset.name}: it holds no {allowed}")


def _read_part(
    path: Path, version: Version, names: tuple[str, ...], files: dict[str, bytes], num_classes: int
) -> Split:
    paths = {f"{path}/{name}": files[name] for name in names}
    batches = [make_split(file, *version.read_batch(file, data), num_classes) for file, data in paths.items()]
    inputs, labels = (np.concatenate(arrays) for arrays in zip(*(batch[:2] for batch in batches), strict=True))
    return make_split(str(path), inputs, labels, num_classes)


def _class_names(path: Path, version: Version, files: dict[str, bytes], dataset: Dataset) -> tuple[str, ...]:
    if version.names in files:
        file = f"{path}/{version.names}"
        return check_class_names(file, version.read_names(file, files[version.names]), dataset.num_classes)
    if dataset.class_names is None:
        raise DataError(f"{path}: {version.names} is missing; it names the {dataset.num_classes} classes")
    return dataset.class_names


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
    name="cifar10",
    versions=(
        Version(
            archive="cifar-10-binary.tar.gz",
            folder="cifar-10-batches-bin",
            train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
            test="test_batch.bin",
            names="batches.meta.txt",
            read_batch=partial(_binary_batch, label_bytes=1),
            read_names=_binary_names,
        ),
        Version(
            archive="cifar-10-python.tar.gz",
            folder="cifar-10-batches-py",
            train=tuple(f"data_batch_{i}" for i in range(1, 6)),
            test="test_batch",
            names="batches.meta",
            read_batch=partial(_pickled_batch, label_key="labels"),
            read_names=partial(_pickled_names, names_key="label_names"),
        ),
    ),
    num_classes=10,
    normalisation=Normalisation(255.0, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
)

CIFAR100 = Dataset(
    name="cifar100",
    versions=(
        Version(
            archive="cifar-100-binary.tar.gz",
            folder="cifar-100-binary",
            train=("train.bin",),
            test="test.bin",
            names="fine_label_names.txt",
            read_batch=partial(_binary_batch, label_bytes=2),
            read_names=_binary_names,
        ),
        Version(
            archive="cifar-100-python.tar.gz",
            folder="cifar-100-python",
            train=("train",),
            test="test",
            names="meta",
            read_batch=partial(_pickled_batch, label_key="fine_labels"),
            read_names=partial(_pickled_names, names_key="fine_label_names"),
        ),
    ),
    num_classes=100,
    normalisation=Normalisation(255.0, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    class_names=None,
)

"""Files of CIFAR, as its publisher writes them."""

import io
import pickle
import tarfile
from pathlib import Path

import numpy as np

from lamv.data.sets import cifar

DATASETS = {"cifar10": cifar.CIFAR10, "cifar100": cifar.CIFAR100}


VERSIONS = {version.folder: (name, version) for name, dataset in DATASETS.items() for version in dataset.versions}


BINARY, PYTHON = "cifar-10-batches-bin", "cifar-10-batches-py"


ROWS = 3


def batch(index: int, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (ROWS, 32, 32, 3) and labels of three classes; the last label is the largest there is."""
    rng = np.random.default_rng(index)
    labels = np.array([*rng.permutation([0, num_classes // 2]), num_classes - 1])
    return rng.integers(0, 256, (ROWS, 32, 32, 3), dtype=np.uint8), labels


def python2_pickle(content: dict) -> bytes:
    """Protocol 2 with byte strings and the old module name, as Python 2 and NumPy 1 wrote the official files."""
    raw = pickle.dumps({key.encode(): value for key, value in content.items()}, protocol=2)
    return raw.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def contents(folder: str) -> dict[str, bytes]:
    """The files of a version, in the bytes of its publisher, with ROWS images a batch."""
    name, version = VERSIONS[folder]
    count = DATASETS[name].num_classes
    names = [f"class {i}" for i in range(count)]
    files = {}
    for index, file in enumerate((*version.train, version.test)):
        images, labels = batch(index, count)
        pixels = images.transpose(0, 3, 1, 2).reshape(ROWS, 3072)
        fine = labels.astype(np.uint8)[:, None]
        if folder == BINARY:
            files[file] = np.hstack([fine, pixels]).tobytes()
        elif folder == "cifar-100-binary":
            files[file] = np.hstack([fine // 5, fine, pixels]).tobytes()
        else:
            key = "labels" if name == "cifar10" else "fine_labels"
            files[file] = python2_pickle({"data": pixels, key: labels.tolist(), "batch_label": "x"})
    if folder.endswith("py") or folder.endswith("python"):
        key = "label_names" if name == "cifar10" else "fine_label_names"
        files[version.names] = python2_pickle({key: names})
    else:
        files[version.names] = "\n".join([*names, "", ""]).encode()
    return files


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    path.mkdir()
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def write_archive(path: Path, files: dict[str, bytes], *extra: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in extra:
            tar.addfile(member)
    return path


def in_folder(folder: str, files: dict[str, bytes] | None = None) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in (files or contents(folder)).items()}


def replaced(folder: str, file: str, content: bytes) -> dict[str, bytes]:
    return contents(folder) | {file: content}


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info

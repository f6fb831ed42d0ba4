"""Which of the known data sets lie at the usual places, with the digests of their files. Nothing is decoded."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lamv.data import DATASETS
from lamv.data.integrity import OFFICIAL, identify, sha256_of
from lamv.data.sets import celeba, waterbirds

#: Beside the default of a reader; below each, two folders deep.
PLACES = ("data", "~/data", "~/datasets", "~/tensorflow_datasets")
#: Entries of a folder that are looked at, and bytes of a file that are read, at most.
MOST_ENTRIES, MOST_BYTES = 200, 2**30
ARCHIVES = {file: name for name, files in OFFICIAL.items() for file in files.values()}
FOLDERS = {
    "cifar-10-batches-bin": "cifar10", "cifar-10-batches-py": "cifar10", "cifar-100-binary": "cifar100",
    "cifar-100-python": "cifar100", waterbirds.FOLDER: "waterbirds", celeba.PHOTOGRAPHS: "celeba",
}  # fmt: skip


def find(places: Iterable[str] = ()) -> list[dict[str, Any]]:
    """[{name, path, files: [{file, sha256, official}]}], a data set of one folder each.

    places: folders beside the usual ones. official: whether the digest is the publisher's; None where none is known.
    `files` is empty for a data set of many files, whose digests are checked when it is read.
    """
    usual = [reader.default for reader in DATASETS.values() if reader.default]
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for place in dict.fromkeys(os.path.abspath(os.path.expanduser(place)) for place in (*places, *PLACES, *usual)):
        for path in _below(Path(place), 2):
            name, source = _known(path)
            if name:
                folder = path if path.is_dir() else path.parent
                entry = found.setdefault((name, str(folder)), {"name": name, "path": str(folder), "files": []})
                entry["files"] += [source] if source else []
    return list(found.values())


def _below(folder: Path, depth: int) -> Iterator[Path]:
    """The folder and what is below it; of a large folder, the first entries."""
    try:
        entries = sorted(folder.iterdir())[:MOST_ENTRIES] if folder.is_dir() else []
    except OSError:
        return
    for path in entries:
        yield path
        if depth and path.is_dir() and path.name not in FOLDERS:
            yield from _below(path, depth - 1)


def _known(path: Path) -> tuple[str, dict[str, Any] | None]:
    """The data set of a file or folder, "" for none, and the file's digest."""
    if path.is_dir():
        is_prepared = path.name in DATASETS and any(path.glob("*/dataset_info.json"))  # by tensorflow-datasets
        return FOLDERS.get(path.name, path.name if is_prepared else ""), None
    if path.name.replace(".idx", "-idx") not in ARCHIVES or not path.is_file() or path.stat().st_size > MOST_BYTES:
        return "", None
    try:
        digest, content = sha256_of(path), _content_digest(path)
    except (OSError, EOFError, zlib.error) as error:
        return _likely(path, ()), {"file": path.name, "sha256": None, "official": False, "error": str(error)}
    name = _likely(path, (digest, content))
    return name, identify(name, path.name, digest, content)._asdict()


def _likely(path: Path, digests: Iterable[str | None]) -> str:
    """The data set of a file; those of MNIST and of Fashion-MNIST have the same names."""
    if "idx" not in path.name:
        return ARCHIVES[path.name]
    known = next((name for name in OFFICIAL if not OFFICIAL[name].keys().isdisjoint(digests)), "")
    return known or ("fashion_mnist" if "fashion" in str(path.parent).lower() else "mnist")


def _content_digest(path: Path) -> str | None:
    """Of what a compressed IDX file holds."""
    if "idx" not in path.name or path.suffix != ".gz":
        return None
    sha, left = hashlib.sha256(), MOST_BYTES
    with gzip.open(path) as file:
        while left > 0 and (piece := file.read(2**20)):
            sha.update(piece)
            left -= len(piece)
    return sha.hexdigest()

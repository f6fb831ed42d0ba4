"""From a name and a path to arrays: `load("cifar10", "cifar-10-binary.tar.gz")`.

Nothing is downloaded. Where the files are to be had is said in the error of a load without a path.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from lamv.data import arrays, cifar, diabetes, digits, idx, integrity
from lamv.data.splits import Normalisation, Source, Split, Splits
from lamv.errors import ConfigError, DataError, nearest

__all__ = ["DATASETS", "Normalisation", "Source", "Split", "Splits", "load"]


class Reader(NamedTuple):
    """How a data set gets into memory.

    read: path -> Splits, or () -> Splits where `holds` is empty.
    holds: what the path must hold and where to get it.
    default: where it may already lie.
    """

    read: Callable[..., Splits]
    holds: str = ""
    default: str = ""


def load(name: str, path: str | Path | None = None, verify: str = "warn") -> Splits:
    """Reads a data set into memory.

    name: one of DATASETS.
    path: the file or folder that its reader takes (see there); None where it needs none or lies in its usual place.
    verify: "warn" logs a warning about files that are not the official ones, "official" refuses all that are not known
        to be.
    Raises ConfigError for an unknown name or `verify` or a path that has no use, and DataError for a path that is
    missing, files that are missing, damaged, misshapen or hostile, and, under "official", files that are not official.
    """
    if verify not in integrity.VERIFY:
        raise ConfigError(f"verify={verify!r} is unknown; allowed: {', '.join(integrity.VERIFY)}")
    if name not in DATASETS:
        raise ConfigError(f"data set {name!r} is unknown{nearest(name, DATASETS)}; known: {', '.join(DATASETS)}")
    reader = DATASETS[name]
    try:
        splits = reader.read(*_locate(name, reader, path))
    except OSError as error:
        raise DataError(
            f"{name}: {error.filename or path}: cannot be read ({error.strerror or integrity.one_line(error)})"
        ) from error
    integrity.enforce(splits, verify)
    return splits


def _locate(name: str, reader: Reader, path: str | Path | None) -> tuple[Path, ...]:
    """The arguments of `reader.read`: the path, once it is known to exist, or nothing."""
    if not reader.holds:
        if path:
            raise ConfigError(f"data set {name!r} is read from its package; leave the path {str(path)!r} out")
        return ()
    if not path and not (reader.default and Path(reader.default).exists()):
        raise DataError(f"{name}: needs a path, e.g. --config.data.path=DIR; it must hold {reader.holds}")
    found = Path(path or reader.default).expanduser()
    if not found.exists():
        raise DataError(f"{name}: {found} does not exist; it must hold {reader.holds}")
    return (found,)


DATASETS = {
    "digits": Reader(digits.read),
    "diabetes": Reader(diabetes.read),
    "mnist": Reader(
        idx.read_mnist,
        holds="the four IDX files, train-images-idx3-ubyte.gz and so on, from "
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    "fashion_mnist": Reader(
        idx.read_fashion_mnist,
        holds="the four IDX files, train-images-idx3-ubyte.gz and so on, from "
        "https://github.com/zalandoresearch/fashion-mnist or Debian's package dataset-fashion-mnist",
        default="/usr/share/datasets/fashion-mnist",
    ),
    "cifar10": Reader(
        cifar.read_cifar10,
        holds="cifar-10-binary.tar.gz or cifar-10-python.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html",
    ),
    "cifar100": Reader(
        cifar.read_cifar100,
        holds="cifar-100-binary.tar.gz or cifar-100-python.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html",
    ),
    "npz": Reader(arrays.read, holds="arrays, as in numpy.savez('FILE.npz', inputs=..., labels=...)"),
}

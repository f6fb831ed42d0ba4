"""From a name and a path to arrays: `load("cifar10", "cifar-10-binary.tar.gz")`.

Nothing is downloaded. Where the files are to be had is said in the error of a load without a path.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from lamv.data import arrays, celeba, cifar, diabetes, digits, idx, image_folder, integrity, waterbirds
from lamv.data.splits import Normalisation, Source, Split, Splits
from lamv.errors import ConfigError, DataError, nearest

__all__ = ["DATASETS", "Normalisation", "Source", "Split", "Splits", "load"]


# Some thousand photographs of this size fill the memory of a device; a larger one is a slip.
MAX_IMAGE_SIZE = 1024


class Reader(NamedTuple):
    """How a data set gets into memory.

    read: path -> Splits, or () -> Splits where `holds` is empty; with image_size=... where `sized`.
    holds: what the path must hold and where to get it.
    default: where it may already lie.
    sized: whether it reads photographs, which come in any size.
    """

    read: Callable[..., Splits]
    holds: str = ""
    default: str = ""
    sized: bool = False


def load(name: str, path: str | Path | None = None, verify: str = "warn", image_size: int = 64) -> Splits:
    """Reads a data set into memory.

    name: one of DATASETS.
    path: the file or folder that its reader takes (see there); None where it needs none or lies in its usual place.
    verify: "warn" logs a warning about files that are not the official ones, "official" refuses all that are not known
        to be.
    image_size: the side, in pixels, of the squares that photographs become, 1 to MAX_IMAGE_SIZE; other data keep theirs.
    Raises ConfigError for an unknown name or `verify`, a path that has no use or an image_size out of range, DataError for
    a path that is missing, files that are missing, damaged, misshapen or hostile, and, under "official", files that are
    not official; and WorkdirError where the cache of decoded photographs cannot be used.
    """
    if verify not in integrity.VERIFY:
        raise ConfigError(f"verify={verify!r} is unknown; allowed: {', '.join(integrity.VERIFY)}")
    if name not in DATASETS:
        raise ConfigError(f"data set {name!r} is unknown{nearest(name, DATASETS)}; known: {', '.join(DATASETS)}")
    reader = DATASETS[name]
    options = _options(name, reader, verify, image_size)
    try:
        splits = reader.read(*_locate(name, reader, path), **options)
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


def _options(name: str, reader: Reader, verify: str, image_size: int) -> dict[str, int]:
    if not reader.sized:
        return {}
    if type(image_size) is not int or not 1 <= image_size <= MAX_IMAGE_SIZE:
        raise ConfigError(f"image_size={image_size!r} must be a whole number from 1 to {MAX_IMAGE_SIZE}; 64 is usual")
    if verify == "official":  # said before hundreds of thousands of photographs are decoded
        raise DataError(f"{name}: no official sha256 of its photographs is known; set verify=warn")
    return {"image_size": image_size}


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
    "image_folder": Reader(
        image_folder.read,
        holds="photographs in train/CLASS/ and test/CLASS/, or in CLASS/, or metadata.csv with path, label, split and group",
        sized=True,
    ),
    "waterbirds": Reader(
        waterbirds.read,
        holds="waterbird_complete95_forest2water2/, as linked at https://github.com/kohpangwei/group_DRO",
        sized=True,
    ),
    "celeba": Reader(
        celeba.read,
        holds="img_align_celeba/, list_attr_celeba.txt and list_eval_partition.txt from"
        " https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        sized=True,
    ),
}

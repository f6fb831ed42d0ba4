"""From a name and a path to arrays: `load("cifar10", "cifar-10-binary.tar.gz")`.

Nothing is downloaded; the error of a load without a path says where to get the files.

sets/         one reader a data set, on top of formats/, photographs/ and frames/ (tables)
splits        what a reader returns: labels, classes and description work on it
cuts, tables  which examples a seed trains and tests on, and what it draws for each of them: indices, no inputs
resident      all inputs in one array on the device, and the view of it that a run has
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from lamv.data import integrity
from lamv.data.classes import check_classes
from lamv.data.sets import (
    bifair_synthetic,
    celeba,
    cifar,
    docstrings,
    image_folder,
    mnist,
    npz,
    scikit_learn,
    waterbirds,
)
from lamv.data.splits import Normalisation, Source, Split, Splits
from lamv.errors import ConfigError, DataError, nearest, one_line, shown
from lamv.files import kind_of
from lamv.knobs import MAX_IMAGE_SIZE

__all__ = ["DATASETS", "Normalisation", "Source", "Split", "Splits", "load"]


ON_BROKEN = ("error", "skip")
TASKS = ("auto", "classification", "regression")


class Options(NamedTuple):
    """How to read what comes in more than one way; a reader is passed those that it takes (Reader.takes).

    image_size: the side, in pixels, of the squares that photographs become, 1 to MAX_IMAGE_SIZE.
    on_broken: photographs that cannot be read: "error" refuses the data set, "skip" leaves them out and names them.
    task: "classification", "regression" (labels are numbers to be predicted), or "auto", which goes by their type.
    text_length, text_vocabulary: words of a text that are kept, and words that have a number of their own; at least 1.
    columns: of a table, {"label": NAME, "split": ..., "group": ..., "attribute": ..., "drop": (NAME, ...)}, where these are
        not the columns' names, see lamv.data.sets.tabular.
    """

    image_size: int = 64
    on_broken: str = "error"
    task: str = "auto"
    text_length: int = 64
    text_vocabulary: int = 20_000
    columns: Mapping[str, Any] = MappingProxyType({})


class Reader(NamedTuple):
    """How a data set gets into memory.

    read: path -> Splits, or () -> Splits where `holds` is empty; with the Options that it `takes` by name.
    holds: what the path must hold and where to get it.
    default: where it may already lie.
    """

    read: Callable[..., Splits]
    holds: str = ""
    default: str = ""
    takes: tuple[str, ...] = ()


def load(name: str, path: str | Path | None = None, verify: str = "warn", **options: Any) -> Splits:
    """Reads a data set into memory.

    name: one of DATASETS. path: the file or folder that its reader takes; None where it needs none or has a default.
    verify: "warn" logs a warning about files that are not official, "official" refuses all that are not known to be.
    options: fields of Options; a data set that has no use for one ignores it.
    Raises ConfigError for an unknown name or `verify`, a path that has no use or an option out of range, DataError for
    a path that is missing, files that are missing, damaged, misshapen or hostile, classes that cannot be learned
    (lamv.data.classes.check_classes), and, under "official", files that are not official; and WorkdirError where the cache
    of decoded photographs cannot be used.
    """
    if verify not in integrity.VERIFY:
        raise ConfigError(f"verify={verify!r} is unknown; allowed: {', '.join(integrity.VERIFY)}")
    if name not in DATASETS:
        raise ConfigError(f"data set {name!r} is unknown{nearest(name, DATASETS)}; known: {', '.join(DATASETS)}")
    reader = DATASETS[name]
    taken = _taken(name, reader, verify, Options(**options))
    located = _locate(name, reader, path)
    try:
        splits = reader.read(*located, **taken)
    except OSError as error:
        raise DataError(
            f"{name}: {shown(error.filename or str(path))}: cannot be read ({error.strerror or one_line(error)})"
        ) from error
    integrity.enforce(splits, verify)
    return check_classes(splits, ": ".join([name, *map(shown, located)]))


def _locate(name: str, reader: Reader, path: str | Path | None) -> tuple[Path, ...]:
    """The arguments of `reader.read`: the path, once it is known to exist, or nothing."""
    if not reader.holds:
        if path:
            raise ConfigError(f"data set {name!r} is read from its package; leave the path {str(path)!r} out")
        return ()
    needs = f"it must hold {reader.holds}"
    if not path and not (reader.default and Path(reader.default).exists()):
        raise DataError(f"{name}: needs a path, e.g. --config.data.path=DIR; {needs}")
    path = path or reader.default
    try:
        located = Path(path).expanduser()
        exists = located.exists()
    except (OSError, RuntimeError) as error:  # a name too long for the system; ~ of somebody unknown
        raise DataError(f"{name}: {shown(path)} cannot be looked up ({one_line(error)}); {needs}") from error
    if located.is_symlink() and not exists:
        raise DataError(f"{name}: {shown(located)} is {kind_of(located)}; fetch the data first")
    if not exists:
        raise DataError(f"{name}: {shown(located)} does not exist; {needs}")
    return (located,)


def _taken(name: str, reader: Reader, verify: str, options: Options) -> dict[str, Any]:
    """The options that a reader takes, once all are in range."""
    size = options.image_size
    if type(size) is not int or not 1 <= size <= MAX_IMAGE_SIZE:
        raise ConfigError(f"image_size={size!r} must be a whole number from 1 to {MAX_IMAGE_SIZE}; 64 is usual")
    for option in ("text_length", "text_vocabulary"):
        value = getattr(options, option)
        if type(value) is not int or value < 1:
            raise ConfigError(f"{option}={value!r} must be a whole number of at least 1")
    for option, allowed in (("on_broken", ON_BROKEN), ("task", TASKS)):
        value = getattr(options, option)
        if value not in allowed:
            raise ConfigError(f"{option}={value!r} is unknown; allowed: {', '.join(allowed)}")
    if "image_size" in reader.takes and verify == "official":  # before all photographs are decoded
        raise DataError(f"{name}: no official sha256 of its photographs is known; set verify=warn")
    return {option: getattr(options, option) for option in reader.takes}


def _read_table(path: Path, **options: Any) -> Splits:
    """lamv.data.sets.tabular.read, imported late: pyarrow takes half a second, and nothing else needs it."""
    from lamv.data.sets import tabular

    return tabular.read(path, **options)


def _read_text(path: Path, **options: Any) -> Splits:
    """lamv.data.sets.text.read, imported late: so does a table of texts."""
    from lamv.data.sets import text

    return text.read(path, **options)


IDX_FILES = "the four IDX files, train-images-idx3-ubyte.gz and so on, from"
DATASETS = {
    "digits": Reader(scikit_learn.read_digits),
    "diabetes": Reader(scikit_learn.read_diabetes),
    "bifair_synthetic": Reader(bifair_synthetic.read),
    "mnist": Reader(mnist.read_mnist, holds=f"{IDX_FILES} https://ossci-datasets.s3.amazonaws.com/mnist/"),
    "fashion_mnist": Reader(
        mnist.read_fashion_mnist,
        holds=f"{IDX_FILES} https://github.com/zalandoresearch/fashion-mnist or Debian's package dataset-fashion-mnist",
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
    "npz": Reader(npz.read, holds="arrays, as in numpy.savez('FILE.npz', inputs=..., labels=...)", takes=("task",)),
    "table": Reader(
        _read_table,
        holds="a row of numbers and texts for every example and a column called label, in CSV or Parquet",
        takes=("task", "columns"),
    ),
    "text": Reader(
        _read_text,
        holds="a row for every text with columns called text and label, in CSV or Parquet; or texts, .txt, in CLASS/ or in"
        " train/CLASS/ and test/CLASS/",
        takes=("text_length", "text_vocabulary", "task", "columns"),
    ),
    "docstrings": Reader(docstrings.read, takes=("text_length", "text_vocabulary")),
    "image_folder": Reader(
        image_folder.read,
        holds="photographs in train/CLASS/ and test/CLASS/, or in CLASS/, or metadata.csv with path, label, split and group",
        takes=("image_size", "on_broken", "columns"),
    ),
    "waterbirds": Reader(
        waterbirds.read,
        holds="waterbird_complete95_forest2water2/, as linked at https://github.com/kohpangwei/group_DRO",
        takes=("image_size", "on_broken"),
    ),
    "celeba": Reader(
        celeba.read,
        holds="img_align_celeba/, list_attr_celeba.txt and list_eval_partition.txt from"
        " https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        takes=("image_size", "on_broken"),
    ),
}

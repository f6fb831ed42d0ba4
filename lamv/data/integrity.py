"""Whether data files are the published ones, by their sha256.

Distributors recompress: Debian's Fashion-MNIST files differ from the publisher's in the gzip header only (with the original
name and time there, they have the official digests). IDX files are therefore known by the digests of their contents as well.
The digest of the digits is of the arrays that scikit-learn 1.9 returns, images then labels.
"""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

from lamv.data.splits import Source, Splits
from lamv.errors import DataError, shown
from lamv.files import kind_of

VERIFY = ("warn", "official")

# data set -> sha256 -> the file that has it. Names without .gz are decompressed contents.
OFFICIAL = {
    "digits": {"87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826": "sklearn.datasets.load_digits"},
    "mnist": {
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609": "train-images-idx3-ubyte.gz",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c": "train-labels-idx1-ubyte.gz",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6": "t10k-images-idx3-ubyte.gz",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6": "t10k-labels-idx1-ubyte.gz",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db": "train-images-idx3-ubyte",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5": "train-labels-idx1-ubyte",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7": "t10k-images-idx3-ubyte",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2": "t10k-labels-idx1-ubyte",
    },
    "fashion_mnist": {
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84": "train-images-idx3-ubyte.gz",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845": "train-labels-idx1-ubyte.gz",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073": "t10k-images-idx3-ubyte.gz",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5": "t10k-labels-idx1-ubyte.gz",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888": "train-images-idx3-ubyte",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9": "train-labels-idx1-ubyte",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b": "t10k-images-idx3-ubyte",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34": "t10k-labels-idx1-ubyte",
    },
    "cifar10": {
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd": "cifar-10-binary.tar.gz",
        "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce": "cifar-10-python.tar.gz",
    },
    "cifar100": {
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec": "cifar-100-binary.tar.gz",
        "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7": "cifar-100-python.tar.gz",
    },
}

logger = logging.getLogger("lamv.data")


def sha256_of(path: Path) -> str:
    """The hex sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identify(dataset: str, file: str, digest: str, content_digest: str | None = None) -> Source:
    """A file of a data set with official digests, known by its sha256 or by that of its decompressed contents."""
    expected = _official_digests(dataset, file)
    official = digest in expected or content_digest in expected
    return Source(file, digest, official if expected else None)


def unverified(path: Path) -> Source:
    """A file without an official digest."""
    return Source(path.name, sha256_of(path), official=None)


def first_of(folder: Path, names: Sequence[str], kind: str = "file") -> Path | None:
    """The first of these names that is a file (or a folder, for that `kind`) in a folder; None where none exists.

    Raises DataError where there is no such file, but something else by one of the names, such as a pipe or a dangling link.
    """
    paths = [folder / name for name in names]
    path = next(filter(Path.is_dir if kind == "folder" else Path.is_file, paths), None)
    for other in paths if path is None else ():
        if (kind_there := kind_of(other)) != "missing":
            raise DataError(f"{shown(other)} is {kind_there}; a {kind} is needed")
    return path


def enforce(splits: Splits, verify: str) -> None:
    """Under "warn", logs one warning for all files that are not official; under "official", raises DataError for the first
    file that is not known to be."""
    others = [source for source in splits.sources if source.official is False]
    if verify == "official":
        for source in others + [source for source in splits.sources if source.official is None]:
            raise DataError(f"{splits.name}: {_not_official(splits.name, source)}")
    elif others:
        different = ", ".join(f"{source.file} (sha256 {source.sha256})" for source in others)
        logger.warning("%s: not the official files, results may not compare with others': %s", splits.name, different)


def _official_digests(dataset: str, file: str) -> dict[str, str]:
    known = OFFICIAL.get(dataset, {})
    stem = file.removesuffix(".gz").replace(".idx", "-idx")
    same_file = {digest: name for digest, name in known.items() if name.removesuffix(".gz") == stem}
    # A renamed archive is still the official one; an IDX file in another's place is not.
    return same_file or known


def _not_official(dataset: str, source: Source) -> str:
    expected = " or ".join(f"{digest} ({name})" for digest, name in _official_digests(dataset, source.file).items())
    has = f"{source.file} has sha256 {source.sha256}"
    if source.official is False:
        return f"{has}, the official is {expected}; fetch the official file, or set verify=warn"
    if not expected:
        return f"{has}, and no official one exists; set verify=warn"
    return (
        f"no official sha256 is known for {source.file} in this layout; give the official archive or files, or set"
        f" verify=warn: {expected}"
    )

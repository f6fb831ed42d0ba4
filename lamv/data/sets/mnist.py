"""MNIST and Fashion-MNIST, from their IDX files or as tensorflow-datasets prepares them."""

from pathlib import Path

from lamv.data.formats import prepared
from lamv.data.formats.idx import read_idx
from lamv.data.integrity import first_of, identify, sha256_of
from lamv.data.splits import Normalisation, Source, Split, Splits, make_split
from lamv.errors import DataError, shown
from lamv.files import kind_of

IMAGE_SHAPE = (28, 28, 1)

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
    images, images_digest = read_idx(images_file, axes=3)
    labels, labels_digest = read_idx(labels_file, axes=1)
    if images.shape[1:] != IMAGE_SHAPE[:2]:
        raise DataError(f"{images_file}: images of {images.shape[1]}x{images.shape[2]} pixels; {name} has 28x28")
    if len(images) != len(labels):
        raise DataError(
            f"{labels_file}: {len(labels)} labels for {len(images)} inputs, as {images_file} has the shape {images.shape};"
            " the counts must be equal"
        )
    sources = (
        identify(name, images_file.name, sha256_of(images_file), images_digest),
        identify(name, labels_file.name, sha256_of(labels_file), labels_digest),
    )
    return make_split(str(labels_file), images[..., None], labels, num_classes), sources


def _find(folder: Path, stem: str) -> Path:
    names = [stem, stem.replace("-idx", ".idx")]
    names += [f"{name}.gz" for name in names]
    file = first_of(folder, names)
    if file is None:
        raise DataError(f"{shown(folder)}: holds no {stem}; allowed names: {', '.join(names)}")
    return file

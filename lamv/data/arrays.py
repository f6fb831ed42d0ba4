"""A user's own arrays, from one .npz file.

Either `inputs` and `labels`, which the seed then cuts into train and test; or `train_inputs`, `train_labels`,
`test_inputs`, `test_labels` and perhaps `valid_inputs`, `valid_labels`. With each of these parts optionally `groups`, or
`attributes`, of which the groups are made (`train_groups` and so on). Optionally `class_names`.

    np.savez("mine.npz", inputs=x, labels=y)
"""

from pathlib import Path

import numpy as np

from lamv.data.integrity import check_class_names, make_split, one_line, sha256_of
from lamv.data.splits import Normalisation, Source, Split, Splits
from lamv.errors import DataError

WHOLE = ("inputs", "labels", "groups", "attributes")
CUT = tuple(f"{part}_{array}" for part in ("train", "valid", "test") for array in WHOLE)
NAMES = "class_names"

# Without class_names the largest label says how many classes there are; one stray label must not make millions.
MAX_CLASSES = 100_000
# Nor must one stray attribute; there is a group for every class and attribute.
MAX_GROUPS = 1_000_000


def read(path: Path) -> Splits:
    """parts={"all"} or {"train", "test"}, and perhaps "valid", named after the arrays that the file holds.

    inputs: (N, H, W, C) or (N, H, W) uint8 images, or (N, D) vectors of any integer or float type, finite, which become
    float32. labels: (N,) integers in [0, K), or floats, finite, for regression. groups: (N,) integers >= 0. attributes: (N,)
    integers in [0, A), for classes only, A counted over all parts; groups are then y * A + a. class_names: K strings,
    "0".."K-1" if absent. Images are normalised to [0, 1], vectors are left as they are.
    Raises DataError, naming the file and the array, for anything else; pickled (object) arrays are never loaded.
    """
    if not path.is_file():
        raise DataError(f"npz: {path} is a folder; give the .npz file")
    arrays = _load(path)
    prefixes = _parts(path, arrays)
    for prefix in prefixes.values():
        _check_part(path, arrays, prefix)
    labels = [f"{prefix}labels" for prefix in prefixes.values()]
    num_classes = 1 if _regression(path, arrays, labels) else _num_classes(path, arrays, labels)
    num_attributes = _num_attributes(path, arrays, prefixes, num_classes)
    parts = {part: _split(path, arrays, prefix, num_classes, num_attributes) for part, prefix in prefixes.items()}
    _check_alike(path, parts)
    names = arrays[NAMES].tolist() if NAMES in arrays else map(str, range(num_classes))
    inputs = next(iter(parts.values())).inputs
    channels = inputs.shape[-1]
    images = Normalisation(255.0, (0.0,) * channels, (1.0,) * channels)
    return Splits(
        name="npz",
        parts=parts,
        class_names=check_class_names(f"{path}: {NAMES}", names, num_classes),
        normalisation=images if inputs.ndim == 4 else Normalisation(),
        sources=(Source(path.name, sha256_of(path), official=None),),
        attribute_names=tuple(map(str, range(num_attributes))),
    )


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        with open(path, "rb") as file:
            content = np.load(file, allow_pickle=False)
            if isinstance(content, np.ndarray):
                raise DataError(f"{path}: is an .npy file with one array; save both with numpy.savez")
            return {name: content[name] for name in content.files}
    except (DataError, OSError):
        raise
    except Exception as error:  # zipfile, zlib and struct each have their own ways to say that bytes are missing
        if "allow_pickle" in str(error):
            why = "no .npz file, or one with Python objects, which could run code"
            raise DataError(f"{path}: {why}; save plain arrays with numpy.savez") from error
        raise DataError(f"{path}: damaged .npz file ({one_line(error)}); save it again") from error


def _parts(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, str]:
    """Part name -> prefix of its arrays' names."""
    cut = any(name in arrays for name in CUT)
    allowed = (*(CUT if cut else WHOLE), NAMES)
    # An array with a mistyped name would be left out silently, and with it the groups.
    for name in arrays:
        if name not in allowed:
            raise DataError(f"{path}: array {name!r} has no meaning here; allowed: {', '.join(allowed)}")
    parts = {"train": "train_", "valid": "valid_", "test": "test_"} if cut else {"all": ""}
    if not any(name.startswith("valid_") for name in arrays):
        parts.pop("valid", None)
    for name in (f"{prefix}{array}" for prefix in parts.values() for array in ("inputs", "labels")):
        if name not in arrays:
            raise DataError(f"{path}: array {name!r} is missing; the file holds {', '.join(arrays) or 'nothing'}")
    return parts


def _check_part(path: Path, arrays: dict[str, np.ndarray], prefix: str) -> None:
    for name in (f"{prefix}labels", f"{prefix}groups", f"{prefix}attributes"):
        if name not in arrays:
            continue
        array = arrays[name]
        if array.ndim == 1 and array.dtype.kind == "f" and name.endswith("labels"):
            if not np.isfinite(array.astype(np.float32)).all():
                raise DataError(f"{path}: array {name!r} has values that are not finite as float32; mend or drop those")
            continue
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise DataError(f"{path}: array {name!r} is {array.dtype} {array.shape}; integers (N,) are needed")
        if array.size and not 0 <= array.min() <= array.max() < 2**31:
            raise DataError(f"{path}: array {name!r} has values {array.min()}..{array.max()}; 0 to 2^31-1 are allowed")


def _regression(path: Path, arrays: dict[str, np.ndarray], labels: list[str]) -> bool:
    """Whether the labels are real numbers to be predicted."""
    real = [arrays[name].dtype.kind == "f" for name in labels]
    if any(real) and not all(real):
        raise DataError(f"{path}: {' and '.join(labels)} must be both integers (classes) or both floats (regression)")
    if any(real) and NAMES in arrays:
        raise DataError(f"{path}: array {NAMES!r} has no meaning with float labels; save integers, or leave it out")
    return any(real)


def _num_classes(path: Path, arrays: dict[str, np.ndarray], labels: list[str]) -> int:
    if NAMES in arrays:
        names = arrays[NAMES]
        if names.ndim != 1 or names.dtype.kind != "U":
            raise DataError(f"{path}: array {NAMES!r} is {names.dtype} {names.shape}; strings (K,) are needed")
        return len(names)
    num_classes = 1 + max(int(arrays[name].max(initial=0)) for name in labels)
    if num_classes > MAX_CLASSES:
        raise DataError(f"{path}: the largest label is {num_classes - 1}; without {NAMES!r} at most {MAX_CLASSES - 1}")
    return num_classes


def _num_attributes(path: Path, arrays: dict[str, np.ndarray], prefixes: dict[str, str], num_classes: int) -> int:
    """A, over all parts; 0 where no part has attributes."""
    given = [f"{prefix}attributes" for prefix in prefixes.values() if f"{prefix}attributes" in arrays]
    if given and len(given) < len(prefixes):
        raise DataError(f"{path}: only {', '.join(given)}; give attributes of all parts, or of none")
    for name in given[:1]:
        if any(arrays[f"{prefix}labels"].dtype.kind == "f" for prefix in prefixes.values()):
            raise DataError(f"{path}: array {name!r} has no meaning with float labels; save groups instead")
    largest = max((int(arrays[name].max(initial=0)) for name in given), default=-1)
    if num_classes * (largest + 1) > MAX_GROUPS:
        most = MAX_GROUPS // num_classes - 1
        raise DataError(f"{path}: the largest attribute is {largest}; with {num_classes} classes at most {most}")
    return largest + 1


def _split(path: Path, arrays: dict[str, np.ndarray], prefix: str, num_classes: int, num_attributes: int) -> Split:
    inputs = _inputs(path, f"{prefix}inputs", arrays[f"{prefix}inputs"])
    file = f"{path}: array {prefix + 'labels'!r}"
    labels, groups, attributes = (arrays.get(f"{prefix}{array}") for array in ("labels", "groups", "attributes"))
    if labels.dtype.kind == "f":
        checked = make_split(file, inputs, np.zeros(len(labels), np.int32), 1, groups)
        return checked._replace(labels=labels.astype(np.float32))
    return make_split(file, inputs, labels, num_classes, groups, attributes, num_attributes)


def _inputs(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    found = f"{path}: array {name!r} is {array.dtype} {array.shape}"
    if array.size == 0:
        raise DataError(f"{found}; it holds nothing")
    if array.ndim in (3, 4):
        if array.dtype != np.uint8:
            raise DataError(f"{found}; images must be uint8 (N, H, W, C) or (N, H, W)")
        return array if array.ndim == 4 else array[..., None]
    if array.ndim != 2 or array.dtype.kind not in "iuf":
        raise DataError(f"{found}; uint8 images (N, H, W, C) or (N, H, W), or real vectors (N, D), are needed")
    with np.errstate(over="ignore"):
        vectors = array.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if bad.size:
        raise DataError(f"{found}; example {bad[0]} is not finite as float32")
    return vectors


def _check_alike(path: Path, parts: dict[str, Split]) -> None:
    shapes = {part: split.inputs.shape[1:] for part, split in parts.items()}
    if len(set(shapes.values())) > 1:
        found = " and ".join(f"{shape} in {part}" for part, shape in shapes.items())
        raise DataError(f"{path}: one example is {found}; the shapes must be equal")

"""A user's own arrays, from one .npz file.

Either `inputs` and `labels`, which the seed then cuts into train and test; or `train_inputs`, `train_labels`,
`test_inputs`, `test_labels` and perhaps `valid_inputs`, `valid_labels`. With any of these parts optionally `groups`, or
`attributes`, of which the groups are made (`train_groups` and so on). Optionally `class_names`.

    np.savez("mine.npz", inputs=x, labels=y)
"""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lamv import memory
from lamv.data.integrity import unverified
from lamv.data.labels import Coded, coded, from_one_hot, note_on_whole_floats, split_of, whole
from lamv.data.splits import Normalisation, Splits, check_class_names
from lamv.errors import DataError, listed, nearest, one_line, shown

KINDS = ("inputs", "labels", "groups", "attributes")
PARTS = ("train", "valid", "test")
NAMES = "class_names"
#: Numbers of channels that images have; another number on the last axis, and one of these on the second, is (N, C, H, W).
CHANNELS = (1, 3, 4)

Arrays = Mapping[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]


def read(path: Path, task: str) -> Splits:
    """parts={"all"} or {"train", "test"}, and perhaps "valid", named after the arrays that the file holds.

    inputs: (N, H, W, C) or (N, H, W) uint8 images, or (N, D) vectors of numbers or booleans, finite, which become
    float32. labels: (N,) whole numbers of any range, booleans or strings, also as (N, 1), or one-hot (N, K): classes, see
    lamv.data.labels; or floats, finite, for regression. groups, attributes: (N,) of the same kinds as classes;
    attributes for classes only, and with them groups are y * A + a. class_names: K strings, the class of label 0, 1, ...;
    without, a class is called what its label is. A name that no label has is left out. Images are normalised to [0, 1],
    vectors are left as they are.
    task: "auto" takes floats for regression and all else for classes; "classification", also whole floats for classes;
    "regression", also whole numbers for regression.
    Raises DataError, naming the file and the array, for anything else, and for arrays that memory cannot hold, before
    they are read; pickled (object) arrays are never loaded.
    """
    if not path.is_file():
        raise DataError(f"npz: {shown(path)} is no file; give the .npz file")
    shapes = _shapes(path)
    parts = _parts(path, shapes)
    arrays = _load(path)
    labels = _labels(path, arrays, parts, task)
    groups, attributes = (_coded(path, arrays, parts, kind) for kind in ("groups", "attributes"))
    if attributes:
        _check_attributes(path, parts, labels, groups, attributes)
        groups = None
    splits = {}
    for at, part in enumerate(parts):
        inputs = _inputs(path, _name(part, "inputs"), arrays[_name(part, "inputs")])
        splits[part] = split_of(str(path), inputs, labels, groups, attributes, at)
    examples = {part: split.inputs.shape[1:] for part, split in splits.items()}
    if len(set(examples.values())) > 1:
        different = " and ".join(f"{shape} in {part}" for part, shape in examples.items())
        raise DataError(f"{path}: one example is {different}; the shapes must be equal")
    channels, normalisation = inputs.shape[-1], Normalisation()
    if inputs.ndim == 4:
        normalisation = Normalisation(255.0, (0.0,) * channels, (1.0,) * channels)
    return Splits(
        name="npz",
        parts=splits,
        class_names=labels.names or ("value",),
        normalisation=normalisation,
        sources=(unverified(path),),
        attribute_names=attributes.names if attributes else (),
        own_group_names=groups.names if groups else (),
        notes=tuple(values.note for values in (labels, groups, attributes) if values and values.note),
    )


def _name(part: str, kind: str) -> str:
    return kind if part == "all" else f"{part}_{kind}"


def _shapes(path: Path) -> Shapes:
    """The shape of each array by its header, once these agree with the file and all arrays fit into memory."""
    shapes, total = {}, 0
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                with archive.open(member) as file:
                    shape, dtype = _header(file)
                    declared = file.tell() + int(np.prod(shape, dtype=object)) * dtype.itemsize
                if dtype.hasobject:
                    raise DataError(
                        f"{path}: array {name!r} holds Python objects, which could run code; save plain arrays"
                    )
                if name in shapes:
                    raise DataError(f"{path}: damaged .npz file (array {name!r} is there twice); save it again")
                if declared != member.file_size:
                    wrong = f"{name!r} should be {declared} bytes long, not {member.file_size}"
                    raise DataError(f"{path}: damaged .npz file (array {wrong}); save it again")
                shapes[name] = shape
                total += declared
    except (DataError, OSError):
        raise
    except Exception as error:  # zipfile, zlib and struct raise errors of many classes
        raise DataError(f"{path}: {_no_npz(path)} ({one_line(error)}); save plain arrays with numpy.savez") from error
    if short := memory.shortage(2 * total):
        raise DataError(f"{path}: reading its arrays takes {short}; save fewer examples, or smaller ones")
    return shapes


def _header(file) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the array in an open .npy file, of the two versions that plain arrays have."""
    version = np.lib.format.read_magic(file)
    of_version = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in of_version:
        raise ValueError(f"version {version} of the .npy format")
    shape, _, dtype = of_version[version](file)
    return shape, dtype


def _no_npz(path: Path) -> str:
    with open(path, "rb") as file:
        begins = file.read(6)
    if begins == b"\x93NUMPY":
        return "is an .npy file with one array"
    return "damaged .npz file" if begins[:2] == b"PK" else "is no .npz file"


def _load(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except OSError:
        raise
    except Exception as error:
        raise DataError(f"{path}: damaged .npz file ({one_line(error)}); save it again") from error


def _parts(path: Path, shapes: Shapes) -> tuple[str, ...]:
    """The parts that the file holds, once all arrays are known by name, none is missing and their lengths agree."""
    official = [_name(part, kind) for part in PARTS for kind in KINDS]
    cut = any(name in shapes for name in official)
    allowed = (*(official if cut else KINDS), NAMES)
    # An array with a mistyped name would be left out silently, and with it the groups.
    for name in shapes:
        if name not in allowed:
            raise DataError(
                f"{path}: array {name!r} has no meaning here{nearest(name, allowed)}; allowed: {', '.join(allowed)}"
            )
    validates = any(name.startswith("valid_") for name in shapes)
    parts = tuple(part for part in PARTS if part != "valid" or validates) if cut else ("all",)
    for name in (_name(part, kind) for part in parts for kind in ("inputs", "labels")):
        if name not in shapes:
            raise DataError(f"{path}: array {name!r} is missing; the file holds {', '.join(shapes) or 'nothing'}")
    for part in parts:
        inputs = _name(part, "inputs")
        for name in (_name(part, kind) for kind in KINDS):
            if name in shapes and shapes[name][:1] != shapes[inputs][:1]:
                raise DataError(
                    f"{path}: array {name!r} has the shape {shapes[name]} and '{inputs}' {shapes[inputs]}; the first axis,"
                    " of the examples, must be equally long"
                )
    return parts


def _labels(path: Path, arrays: Arrays, parts: Sequence[str], task: str) -> Coded:
    """Classes, or float32 (N,) to be predicted, without names."""
    flat = []
    for name in (_name(part, "labels") for part in parts):
        flat.append(arrays[name] if arrays[name].ndim == 1 else from_one_hot(str(path), name, arrays[name]))
    real = [array.dtype.kind == "f" for array in flat]
    if any(real) and not all(real):
        kinds = ", ".join(f"{array.dtype} in {part}" for part, array in zip(parts, flat, strict=True))
        raise DataError(
            f"{path}: labels are {kinds}; save all as whole numbers (classes), or all as floats (regression)"
        )
    whole_floats = all(real) and all(map(whole, flat))
    if task == "regression" or (task == "auto" and all(real)):
        if NAMES in arrays:
            raise DataError(
                f"{path}: array {NAMES!r} has no meaning with float labels; leave it out, or, if these are classes,"
                " --config.data.task=classification"
            )
        numbers = []
        for part, array in zip(parts, flat, strict=True):
            where = f"{path}: array '{_name(part, 'labels')}'"
            if array.dtype.kind not in "iufb":
                raise DataError(f"{where} is {array.dtype}; regression needs numbers")
            numbers.append(_as_float32(where, array))
        return Coded(numbers, (), note_on_whole_floats("labels") if whole_floats else "")
    if all(real):
        if not whole_floats:
            raise DataError(f"{path}: labels are floats that are not all whole; classes are whole numbers or strings")
        flat = [array.astype(np.int64) for array in flat]
    classes = coded(str(path), "labels", flat)
    return _named(path, classes, arrays[NAMES], flat[0].dtype.kind in "UT") if NAMES in arrays else classes


def _as_float32(where: str, array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        values = array.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
    if bad.size:
        value = f"is {array[bad[0]]}, not" if array.ndim == 1 else "is not"
        raise DataError(f"{where}: example {bad[0]} {value} finite as float32; mend or drop such examples")
    return values


def _named(path: Path, labels: Coded, array: np.ndarray, texts: bool) -> Coded:
    """The labels as numbers of the names that `class_names` gives them, without the names that no label has.

    texts: whether labels are such names themselves, and not their numbers 0 to K - 1.
    """
    if array.ndim != 1 or array.dtype.kind not in "UT":
        raise DataError(f"{path}: array {NAMES!r} is {array.dtype} {array.shape}; strings (K,) are needed")
    names = check_class_names(f"{path}: {NAMES}", array.tolist(), len(array))
    number = {(name if texts else str(n)): n for n, name in enumerate(names)}
    for label in labels.names:
        if label not in number:
            allowed = listed(names) if texts else f"whole numbers from 0 to {len(names) - 1}, one for each of {NAMES}"
            raise DataError(f"{path}: label {label} is not allowed; allowed: {allowed}")
    used = [number[label] for label in labels.names]
    order = sorted(set(used))
    new = np.array([order.index(n) for n in used], np.int32)
    unused = [name for n, name in enumerate(names) if n not in used]
    note = f"class_names {listed(unused)} are left out: no label has them" if unused else ""
    return Coded([new[codes] for codes in labels.codes], tuple(names[n] for n in order), note)


def _coded(path: Path, arrays: Arrays, parts: Sequence[str], kind: str) -> Coded | None:
    """The groups or attributes of each part, () for one that has none; None where no part has any."""
    given = {part: arrays[_name(part, kind)] for part in parts if _name(part, kind) in arrays}
    if not given:
        return None
    flat = [array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array for array in given.values()]
    values = coded(str(path), kind, flat)
    by_part = dict(zip(given, values.codes, strict=True))
    return values._replace(codes=[by_part.get(part, np.empty(0, np.int32)) for part in parts])


def _check_attributes(path: Path, parts: Sequence[str], labels: Coded, groups: Coded | None, attributes: Coded) -> None:
    """Whether attributes fit the labels, and are consistent with the groups that came with them, if any."""
    if not labels.names:
        raise DataError(f"{path}: array 'attributes' has no meaning with labels that are numbers; save groups instead")
    for part, y, g, a in zip(parts, labels.codes, groups.codes if groups else (), attributes.codes, strict=False):
        if not g.size:
            continue
        if not a.size:
            raise DataError(
                f"{path}: {part} has groups and no attributes, unlike other parts; give attributes of it too"
            )
        crossed = y.astype(np.int64) * len(attributes.names) + a
        pairs = len(np.unique(np.stack([crossed, g]), axis=1).T)
        if not pairs == len(np.unique(crossed)) == len(np.unique(g)):
            raise DataError(
                f"{path}: the groups of {part} are not those that labels and attributes make, y * A + a; leave them out"
            )


def _inputs(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    kind = f"{path}: array {name!r} is {array.dtype} {array.shape}"
    if array.size == 0:
        raise DataError(f"{kind}; it holds nothing")
    if array.ndim in (3, 4):
        if array.dtype != np.uint8:
            way_out = "; images in [0, 1] are (255 * x).round().astype('uint8')" if array.dtype.kind == "f" else ""
            raise DataError(f"{kind}; images must be uint8 (N, H, W, C) or (N, H, W){way_out}")
        if array.ndim == 4 and array.shape[1] in CHANNELS and array.shape[3] not in CHANNELS:
            raise DataError(
                f"{kind}: {array.shape[1]} pixels high with {array.shape[3]} channels, or (N, C, H, W)? Save (N, H, W, C),"
                " for example x.transpose(0, 2, 3, 1)"
            )
        return array if array.ndim == 4 else array[..., None]
    if array.ndim != 2 or array.dtype.kind not in "iufb":
        raise DataError(f"{kind}; uint8 images (N, H, W, C) or (N, H, W), or real vectors (N, D), are needed")
    return _as_float32(kind, array)

"""A user's own arrays, from one .npz file.

Either `inputs` and `labels`, which the seed then cuts into train and test; or `train_inputs`, `train_labels`,
`test_inputs`, `test_labels` and perhaps `valid_inputs`, `valid_labels`. With any of these parts optionally `groups`, or
`attributes`, of which the groups are made (`train_groups` and so on). Optionally `class_names`.

    np.savez("mine.npz", inputs=x, labels=y)
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lamv import memory
from lamv.data import labels as vocabulary
from lamv.data.integrity import unverified
from lamv.data.labels import Coded
from lamv.data.splits import Normalisation, Split, Splits, check_class_names, make_split
from lamv.errors import DataError, listed, nearest, one_line, shown

WHOLE = ("inputs", "labels", "groups", "attributes")
CUT = tuple(f"{part}_{array}" for part in ("train", "valid", "test") for array in WHOLE)
NAMES = "class_names"
#: Numbers of channels that images have; another number on the last axis, and one of these on the second, is (N, C, H, W).
CHANNELS = (1, 3, 4)

Arrays = Mapping[str, np.ndarray]


class Labels(NamedTuple):
    """What is to be learned. values: {part: (N,) int32 classes, or float32}; names: of the classes, () for regression."""

    values: dict[str, np.ndarray]
    names: tuple[str, ...]
    notes: tuple[str, ...]


def read(path: Path, task: str) -> Splits:
    """parts={"all"} or {"train", "test"}, and perhaps "valid", named after the arrays that the file holds.

    inputs: (N, H, W, C) or (N, H, W) uint8 images, or (N, D) vectors of numbers or booleans, finite, which become
    float32. labels: (N,) whole numbers of any range, booleans or strings, also as (N, 1), or one-hot (N, K): classes, see
    lamv.data.labels; or floats, finite, for regression. groups, attributes: (N,) of the same kinds as classes;
    attributes for classes only, and with them groups are y * A + a. class_names: K strings, the class of label 0, 1, ...;
    without, a class is called what its label is. A name that no label says is left out. Images are normalised to [0, 1],
    vectors are left as they are.
    task: "auto" takes floats for regression and all else for classes; "classification", also whole floats for classes;
    "regression", also whole numbers for regression.
    Raises DataError, naming the file and the array, for anything else, and for arrays that memory cannot hold, before
    they are read; pickled (object) arrays are never loaded.
    """
    if not path.is_file():
        raise DataError(f"npz: {shown(path)} is no file; give the .npz file")
    shapes = _shapes(path)
    prefixes = _parts(path, shapes)
    _check_counts(path, shapes, prefixes)
    arrays = _load(path)
    own = _labels(path, arrays, prefixes, task)
    if own.names and NAMES in arrays:
        texts = all(arrays[f"{prefix}labels"].dtype.kind in "UT" for prefix in prefixes.values())
        own = _named(path, own, arrays[NAMES], texts)
    groups, attributes = (_coded(path, arrays, prefixes, array) for array in ("groups", "attributes"))
    if attributes is not None:
        _check_attributes(path, own, groups, attributes)
        groups = None
    parts = {part: _split(path, arrays, prefix, part, own, groups, attributes) for part, prefix in prefixes.items()}
    _check_alike(path, parts)
    inputs = next(iter(parts.values())).inputs
    channels = inputs.shape[-1]
    images = Normalisation(255.0, (0.0,) * channels, (1.0,) * channels)
    return Splits(
        name="npz",
        parts=parts,
        class_names=own.names or ("value",),
        normalisation=images if inputs.ndim == 4 else Normalisation(),
        sources=(unverified(path),),
        attribute_names=attributes[0].names if attributes else (),
        own_group_names=groups[0].names if groups else (),
        notes=tuple(note for note in (*own.notes, *(c[0].note for c in (groups, attributes) if c)) if note),
    )


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of each array by the headers in the file, once they agree with its size and fit into memory."""
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
                if name in shapes or declared != member.file_size:
                    why = (
                        "is there twice"
                        if name in shapes
                        else f"should be {declared} bytes long, not {member.file_size}"
                    )
                    raise DataError(f"{path}: damaged .npz file (array {name!r} {why}); save it again")
                shapes[name] = shape
                total += declared
    except (DataError, OSError):
        raise
    except Exception as error:  # zipfile, zlib and struct each have their own ways to say that bytes are missing
        raise DataError(f"{path}: {_no_npz(path)} ({one_line(error)}); save plain arrays with numpy.savez") from error
    there = memory.available()
    if 2 * total > there.bytes:
        raise DataError(
            f"{path}: its arrays take {memory.shown(total)}, reading them twice that, and {memory.shown(there.bytes)}"
            f" are {there.limit}; save fewer examples, or smaller ones"
        )
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


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except OSError:
        raise
    except Exception as error:
        raise DataError(f"{path}: damaged .npz file ({one_line(error)}); save it again") from error


def _parts(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """Part name -> prefix of its arrays' names."""
    cut = any(name in shapes for name in CUT)
    allowed = (*(CUT if cut else WHOLE), NAMES)
    # An array with a mistyped name would be left out silently, and with it the groups.
    for name in shapes:
        if name not in allowed:
            raise DataError(
                f"{path}: array {name!r} has no meaning here{nearest(name, allowed)}; allowed: {', '.join(allowed)}"
            )
    parts = {"train": "train_", "valid": "valid_", "test": "test_"} if cut else {"all": ""}
    if not any(name.startswith("valid_") for name in shapes):
        parts.pop("valid", None)
    for name in (f"{prefix}{array}" for prefix in parts.values() for array in ("inputs", "labels")):
        if name not in shapes:
            raise DataError(f"{path}: array {name!r} is missing; the file holds {', '.join(shapes) or 'nothing'}")
    return parts


def _check_counts(path: Path, shapes: Mapping[str, tuple[int, ...]], prefixes: Mapping[str, str]) -> None:
    """Whether there are as many labels, groups and attributes as inputs; known before anything is read."""
    for prefix in prefixes.values():
        counts = {name: shapes[name][:1] for array in WHOLE if (name := f"{prefix}{array}") in shapes}
        for name, count in counts.items():
            if count != counts[f"{prefix}inputs"]:
                raise DataError(
                    f"{path}: array {name!r} has the shape {shapes[name]} and '{prefix}inputs' {shapes[f'{prefix}inputs']};"
                    " the first axis, of the examples, must be equally long"
                )


def _labels(path: Path, arrays: Arrays, prefixes: Mapping[str, str], task: str) -> Labels:
    found = {part: arrays[f"{prefix}labels"] for part, prefix in prefixes.items()}
    where = {part: f"{path}: array '{prefix}labels'" for part, prefix in prefixes.items()}
    flat = {
        p: vocabulary.from_one_hot(f"{path}", f"{prefixes[p]}labels", a) if a.ndim != 1 else a for p, a in found.items()
    }
    real = {part: array.dtype.kind == "f" for part, array in flat.items()}
    if any(real.values()) and not all(real.values()):
        kinds = ", ".join(f"{array.dtype} in {part}" for part, array in flat.items())
        raise DataError(
            f"{path}: labels are {kinds}; save all as whole numbers (classes), or all as floats (regression)"
        )
    whole = all(vocabulary.whole(array) for part, array in flat.items() if real[part])
    if task == "regression" or (task == "auto" and all(real.values())):
        if NAMES in arrays:
            raise DataError(
                f"{path}: array {NAMES!r} has no meaning with float labels; leave it out, or, if these are classes,"
                " --config.data.task=classification"
            )
        notes = ()
        if all(real.values()) and whole:
            notes = (vocabulary.note_on_whole_floats("labels"),)
        return Labels({part: _numbers(where[part], array) for part, array in flat.items()}, (), notes)
    if all(real.values()):
        if not whole:
            raise DataError(f"{path}: labels are floats that are not all whole; classes are whole numbers or strings")
        flat = {part: array.astype(np.int64) for part, array in flat.items()}
    coded = vocabulary.coded(str(path), "labels", list(flat.values()))
    note = "" if NAMES in arrays else coded.note
    return Labels(dict(zip(flat, coded.codes, strict=True)), coded.names, (note,) if note else ())


def _numbers(where: str, array: np.ndarray) -> np.ndarray:
    """(N,) float32 to be predicted."""
    if array.dtype.kind not in "iufb":
        raise DataError(f"{where} is {array.dtype}; regression needs numbers")
    with np.errstate(over="ignore"):
        values = array.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise DataError(
            f"{where} has values that are not finite as float32, example {bad[0]} is {array[bad[0]]}; mend or drop those"
        )
    return values


def _named(path: Path, own: Labels, array: np.ndarray, texts: bool) -> Labels:
    """The labels as numbers of the names that `class_names` gives them, without the names that no label says.

    texts: whether labels are such names themselves, and not their numbers 0 to K - 1.
    """
    if array.ndim != 1 or array.dtype.kind not in "UT":
        raise DataError(f"{path}: array {NAMES!r} is {array.dtype} {array.shape}; strings (K,) are needed")
    names = check_class_names(f"{path}: {NAMES}", array.tolist(), len(array))
    number = {(name if texts else str(n)): n for n, name in enumerate(names)}
    for called in own.names:
        if called not in number:
            allowed = listed(names) if texts else f"whole numbers from 0 to {len(names) - 1}, one for each of {NAMES}"
            raise DataError(f"{path}: label {called} is not allowed; allowed: {allowed}")
    used = [number[called] for called in own.names]
    order = sorted(set(used))
    new = np.array([order.index(n) for n in used], np.int32)
    unused = [name for n, name in enumerate(names) if n not in used]
    notes = own.notes
    if unused:
        notes += (f"class_names {listed(unused)} are left out: no label says them",)
    return Labels({part: new[codes] for part, codes in own.values.items()}, tuple(names[n] for n in order), notes)


def _coded(path: Path, arrays: Arrays, prefixes: Mapping[str, str], array: str) -> tuple[Coded, dict] | None:
    """(codes and names, {part: (N,) codes}) of the groups or attributes of those parts that have them; None without any."""
    given = {part: arrays[f"{prefix}{array}"] for part, prefix in prefixes.items() if f"{prefix}{array}" in arrays}
    if not given:
        return None
    flat = [found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found for found in given.values()]
    coded = vocabulary.coded(str(path), array, flat)
    return coded, dict(zip(given, coded.codes, strict=True))


def _check_attributes(path: Path, own: Labels, groups, attributes) -> None:
    """Whether attributes fit the labels, and the groups that came with them, if any, say the same."""
    if not own.names:
        raise DataError(f"{path}: array 'attributes' has no meaning with labels that are numbers; save groups instead")
    number = len(attributes[0].names)
    for part, found in (groups[1] if groups else {}).items():
        if part not in attributes[1]:
            raise DataError(
                f"{path}: {part} has groups and no attributes, unlike other parts; give attributes of it too"
            )
        crossed = own.values[part].astype(np.int64) * number + attributes[1][part]
        pairs = len(np.unique(np.stack([crossed, found]), axis=1).T)
        if not pairs == len(np.unique(crossed)) == len(np.unique(found)):
            raise DataError(
                f"{path}: the groups of {part} are not those that labels and attributes make, y * A + a; leave them out"
            )


def _split(path: Path, arrays: Arrays, prefix: str, part: str, own: Labels, groups, attributes) -> Split:
    inputs = _inputs(path, f"{prefix}inputs", arrays[f"{prefix}inputs"])
    codes = [None if found is None else found[1].get(part) for found in (groups, attributes)]
    number = len(attributes[0].names) if attributes else 0
    values = own.values[part]
    labels = values if own.names else np.zeros(len(values), np.int32)
    split = make_split(str(path), inputs, labels, max(len(own.names), 1), *codes, number)
    return split if own.names else split._replace(labels=values)


def _inputs(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    found = f"{path}: array {name!r} is {array.dtype} {array.shape}"
    if array.size == 0:
        raise DataError(f"{found}; it holds nothing")
    if array.ndim in (3, 4):
        if array.dtype != np.uint8:
            way_out = "; images in [0, 1] are (255 * x).round().astype('uint8')" if array.dtype.kind == "f" else ""
            raise DataError(f"{found}; images must be uint8 (N, H, W, C) or (N, H, W){way_out}")
        if array.ndim == 4 and array.shape[1] in CHANNELS and array.shape[3] not in CHANNELS:
            raise DataError(
                f"{found}: {array.shape[1]} pixels high with {array.shape[3]} channels, or (N, C, H, W)? Save (N, H, W, C),"
                " for example x.transpose(0, 2, 3, 1)"
            )
        return array if array.ndim == 4 else array[..., None]
    if array.ndim != 2 or array.dtype.kind not in "iufb":
        raise DataError(f"{found}; uint8 images (N, H, W, C) or (N, H, W), or real vectors (N, D), are needed")
    with np.errstate(over="ignore"):
        vectors = array.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if bad.size:
        raise DataError(f"{found}; example {bad[0]} is not finite as float32")
    return vectors


def _check_alike(path: Path, parts: Mapping[str, Split]) -> None:
    shapes = {part: split.inputs.shape[1:] for part, split in parts.items()}
    if len(set(shapes.values())) > 1:
        found = " and ".join(f"{shape} in {part}" for part, shape in shapes.items())
        raise DataError(f"{path}: one example is {found}; the shapes must be equal")

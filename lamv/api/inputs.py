"""Inputs of the user's in the form in which the data set of a run stores its own.

images           (N, H, W, C) uint8, for a data set of images
vectors          (N, D) numbers, for vectors; of a table: as encoded (Row.data), or columns by their names
columns          {name: (N,) values}, a pandas.DataFrame, or the path of a CSV or Parquet file, for a table
texts            a list of them, for a data set of texts: (N, L) numbers of words in its vocabulary
photographs      paths of files, for photographs: each is cropped and scaled as those of the data set were
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lamv.data.words import numbered, words_of
from lamv.errors import ConfigError, DataError, brief, nearest, shown

#: Data sets of photographs, whose files may be given.
PHOTOGRAPHS = ("image_folder", "waterbirds", "celeba")


def as_stored(x: Any, splits, config, split_names: Sequence[str] = ()) -> np.ndarray:
    """(N, ...) of the shape and type of the data set's own inputs, N at least 1.

    splits: lamv.data.Splits. split_names: for what to say of a text that is neither. Raises ConfigError, DataError.
    """
    name = config.data.name
    if name == "table" and (isinstance(x, Mapping) or hasattr(x, "columns") or _is_file(x)):
        from lamv.data.sets import tabular  # late: pyarrow

        return tabular.further(Path(config.data.path).expanduser(), _columns_of(config), x, splits.input_names)
    if name in PHOTOGRAPHS and not isinstance(x, np.ndarray) and _are_files(x):
        return photographs([x] if isinstance(x, str | Path) else x, config.data.image_size)
    if splits.words and not isinstance(x, np.ndarray | str | Path):
        return _texts(x, splits)
    if isinstance(x, str | Path):
        raise ConfigError(
            f"x is {brief(str(x))}, must be a split ({', '.join(split_names)}){nearest(x, split_names)}, or inputs"
        )
    return _as_array(x, next(iter(splits.parts.values())).inputs, splits)


def photographs(paths: Sequence[str | Path], image_size: int) -> np.ndarray:
    """(N, image_size, image_size, 3) uint8. Raises DataError, naming the file, for one that cannot be read."""
    from lamv.data.photographs.decode import attempt

    pixels = []
    for path in map(Path, paths):
        found = attempt("x", path.expanduser(), image_size)
        if isinstance(found, str):
            raise DataError(f"{shown(path)} {found}")
        pixels.append(found[0])
    return np.stack(pixels)


def _texts(x: Any, splits) -> np.ndarray:
    """(N, L) int32. Raises ConfigError for what is no list of texts, DataError for a text without a word."""
    texts = list(x)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise ConfigError(f"x is {brief(x)}, must be a list of texts")
    words = [words_of(text) for text in texts]
    for number in [number for number, of_text in enumerate(words) if not of_text][:1]:
        raise DataError(f"x[{number}] is {brief(texts[number])}, which has no word in it")
    length = next(iter(splits.parts.values())).inputs.shape[1]
    made = numbered(words, splits.words, length).numbers
    return np.pad(made, ((0, 0), (0, length - made.shape[1])))


def as_attributes(attributes: Any, number: int, config, num_classes: int) -> np.ndarray:
    """(N,) int32 in [0, K). Raises ConfigError for other values, and where no cue is planted."""
    if config.data.shortcut.kind == "none":
        raise ConfigError("attributes are given, but no cue is planted in this row (data.shortcut.kind is 'none')")
    values = np.asarray(attributes)
    if values.shape != (number,) or values.dtype.kind not in "iu" or ((values < 0) | (values >= num_classes)).any():
        raise ConfigError(
            f"attributes are {values.dtype} {values.shape}, must be ({number},) whole numbers from 0 to {num_classes - 1}"
        )
    return values.astype(np.int32)


def _as_array(x: Any, stored: np.ndarray, splits) -> np.ndarray:
    values = np.asarray(x)
    images, shape = stored.ndim == 4, stored.shape[1:]
    needed = f"{'uint8' if images else 'numbers'} (N, {', '.join(map(str, shape))}) as {splits.name} stores them"
    kind = f"x is {values.dtype} {values.shape}, must be {needed}"
    if values.shape[1:] != shape or not len(values):
        hint = ""
        if values.shape == shape:
            hint = "; for a single one, x[None]"
        elif images and values.shape[1:] == shape[:2] and shape[2] == 1:
            hint = "; give the channel an axis, x[..., None]"
        elif splits.input_names:
            hint = "; or give the columns by their names"
        raise ConfigError(f"{kind}{hint}")
    if images and values.dtype != np.uint8:
        raise ConfigError(f"{kind}, from 0 to {splits.normalisation.scale:g}; whole numbers as x.astype('uint8')")
    if images:
        return values
    if values.dtype.kind not in "iufb":
        raise ConfigError(kind)
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    missing = np.isnan(values) & np.array(splits.standardise or False)
    for row in np.flatnonzero(~(np.isfinite(values) | missing).all(axis=1))[:1]:
        raise ConfigError(f"x[{row}] is not finite as float32; mend it, or leave it out")
    return values


def _columns_of(config) -> dict[str, Any]:
    return {what: name for what, name in config.data.columns.to_dict().items() if name}


def _is_file(x: Any) -> bool:
    return isinstance(x, str | Path) and Path(x).expanduser().is_file()


def _are_files(x: Any) -> bool:
    return _is_file(x) or (isinstance(x, Sequence) and len(x) > 0 and all(isinstance(one, str | Path) for one in x))

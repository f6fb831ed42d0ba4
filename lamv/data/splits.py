"""What every data set looks like to the rest of lamv: arrays with their labels, ids and groups.

For regression the labels are real numbers, and there is one "class", the quantity that is predicted.

Axis letters: N examples, H W C image height, width, channels, D input dimension, K classes, G groups.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lamv.errors import DataError

#: In place of the attribute or group of an example whose part has none.
NONE = -1


class Split(NamedTuple):
    """One part of a data set, on the host.

    inputs: (N, H, W, C) uint8 images, (N, D) float32 vectors, or (N, L) int32 numbers of words (lamv.data.words).
    labels: (N,) int32 in [0, K); or, for regression, (N,) float32, what is to be predicted.
    ids: (N,) int64, the position of each example in the source files; stable across subsets and seeds.
    groups: (N,) int32 in [0, G), or None where this part has none.
    attributes: (N,) int32 in [0, A), or None where this part has none; with them, groups are y * A + a.
    """

    inputs: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    groups: np.ndarray | None = None
    attributes: np.ndarray | None = None


class Normalisation(NamedTuple):
    """Per-channel map from stored values to what a network sees: (x / scale - mean) / std.

    `mean` and `std` have one entry a channel (images) or a single entry (vectors).
    """

    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)


class Source(NamedTuple):
    """A file that was read: its name, the sha256 of its bytes, and whether that digest is the official one.

    `official` is None where no official digest is known for this file.
    """

    file: str
    sha256: str
    official: bool | None


@dataclass(frozen=True)
class Splits:
    """A data set: its parts by name, and what is common to them.

    The parts are "train" and "test", and perhaps "valid"; or "all" where the seed cuts it. attribute_names: of the A values
    of the attribute, () where there is none. own_group_names: of groups that are not made of labels and attributes.
    crossing: template for the name of a group, of its class and attribute. input_names: of the D inputs of a vector, ()
    where they have none. standardise: which of them are standardised by what a seed trains on, () for none; NaN in these is
    a missing value, which becomes their mean. words: the vocabulary of texts, () for other data. notes: what was mapped,
    filled in or ignored, a sentence each. left_out: files that could not be read.
    """

    name: str
    parts: dict[str, Split]
    class_names: tuple[str, ...]
    normalisation: Normalisation = Normalisation()
    sources: tuple[Source, ...] = ()
    attribute_names: tuple[str, ...] = ()
    own_group_names: tuple[str, ...] = ()
    crossing: str = "{label}, {attribute}"
    input_names: tuple[str, ...] = ()
    standardise: tuple[bool, ...] = ()
    words: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def group_names(self) -> tuple[str, ...]:
        """Of all groups in the order of their numbers, y * A + a where there are attributes; () where there are none."""
        if not self.attribute_names:
            return self.own_group_names
        return crossed(self.class_names, self.attribute_names, self.crossing)

    @property
    def training_part(self) -> str:
        """The part that training sets are drawn from."""
        return "all" if "all" in self.parts else "train"

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def is_regression(self) -> bool:
        return any(part.labels.dtype.kind == "f" for part in self.parts.values())


def crossed(classes: Sequence[str], attributes: Sequence[str], crossing: str) -> tuple[str, ...]:
    """The names of the groups y * A + a."""
    # replace, not format: a name may hold braces.
    return tuple(crossing.replace("{label}", y).replace("{attribute}", a) for y in classes for a in attributes)


def joined(splits: Splits, name: str) -> np.ndarray:
    """A field of all parts in one array, with NONE for the examples of a part that lacks it."""
    arrays = ((getattr(part, name), len(part.labels)) for part in splits.parts.values())
    return np.concatenate([np.full(size, NONE, np.int32) if array is None else array for array, size in arrays])


def make_split(
    file: str,
    inputs: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    groups: np.ndarray | None = None,
    attributes: np.ndarray | None = None,
    num_attributes: int = 0,
) -> Split:
    """A Split of `inputs` in their order, once labels, groups and attributes fit them.

    With attributes, groups are y * num_attributes + a. Raises DataError, naming `file`, for no examples, unequal counts,
    a label outside [0, num_classes), or more groups than int32 can number.
    """
    if not len(inputs):
        raise DataError(f"{file}: holds no examples; at least 1 is needed")
    for what, values in (("labels", labels), ("groups", groups), ("attributes", attributes)):
        if values is not None and len(values) != len(inputs):
            raise DataError(f"{file}: {len(values)} {what} for {len(inputs)} inputs; the counts must be equal")
    for first in np.flatnonzero((labels < 0) | (labels >= num_classes))[:1]:
        raise DataError(f"{file}: label {labels[first]} of example {first} is outside 0..{num_classes - 1}")
    if attributes is not None:
        if num_classes * num_attributes >= 2**31:
            raise DataError(
                f"{file}: {num_attributes} attributes of {num_classes} classes make too many groups; below 2^31 are allowed"
            )
        groups = labels.astype(np.int64) * num_attributes + attributes
    ids = np.arange(len(inputs), dtype=np.int64)
    groups, attributes = (None if values is None else values.astype(np.int32) for values in (groups, attributes))
    return Split(inputs, labels.astype(np.int32), ids, groups, attributes)


def check_class_names(file: str, names: Iterable[str], num_classes: int) -> tuple[str, ...]:
    """The names as a tuple, once they are `num_classes` distinct, non-empty ones; otherwise DataError naming `file`."""
    names = tuple(names)
    if len(names) != num_classes or len(set(names)) != num_classes or not all(names):
        raise DataError(f"{file}: {len(set(names))} distinct class names in {len(names)}; {num_classes} are needed")
    return names

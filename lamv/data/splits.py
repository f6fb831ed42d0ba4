"""What every data set looks like to the rest of lamv: arrays with their labels, ids and groups.

For regression the labels are real numbers, and there is one "class", the quantity that is predicted.

Axis letters: N examples, H W C image height, width, channels, D input dimension, K classes, G groups.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


class Split(NamedTuple):
    """One part of a data set, on the host.

    inputs: (N, H, W, C) uint8 images, or (N, D) float32 vectors.
    labels: (N,) int32 in [0, K); or, for regression, (N,) float32, what is to be predicted.
    ids: (N,) int64, the position of each example in the source files; stable across subsets and seeds.
    groups: (N,) int32 >= 0, or None where the data set has no groups.
    attributes: (N,) int32 in [0, A), or None where the data set has none; with them, groups are y * A + a.
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
    of the attribute, () where there is none.
    """

    name: str
    parts: dict[str, Split]
    class_names: tuple[str, ...]
    normalisation: Normalisation = Normalisation()
    sources: tuple[Source, ...] = field(default=())
    attribute_names: tuple[str, ...] = ()

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def is_regression(self) -> bool:
        return any(part.labels.dtype.kind == "f" for part in self.parts.values())

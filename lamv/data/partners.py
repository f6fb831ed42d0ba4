"""The second images that some cues are made of: fitted to the first ones, and drawn for each example.

dominoes puts an image of another data set above each example, cat_channel one of the same data set beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamv.data import load
from lamv.data.classes import select_classes
from lamv.data.splits import Split, Splits
from lamv.errors import ConfigError

#: Partners from another data set are stored as uint8 over this.
SCALE = 255.0
#: Images that are resized at a time.
CHUNK = 2000


@dataclass(frozen=True, kw_only=True)
class WithPartners(Splits):
    """A data set with another one, whose classes are 0 to K - 1 and whose images have the shape of its own."""

    partners: Splits


def with_partners(splits: Splits, data) -> WithPartners:
    """splits with the data set beside it that data.shortcut.images names. data: config.data, as in lamv.config.

    Raises ConfigError where it is not named, or does not have the classes or the images that are needed.
    """
    shortcut = data.shortcut
    if not shortcut.images:
        raise ConfigError(
            "config.data.shortcut.images is '', must name the data set whose images dominoes puts above; for example"
            " --config.data.shortcut.images=mnist"
        )
    others = load(
        shortcut.images, shortcut.images_path or None, data.verify, image_size=data.image_size, on_broken=data.on_broken
    )
    return beside(splits, others, shortcut.images_classes)


def beside(splits: Splits, others: Splits, classes: Sequence[int] = ()) -> WithPartners:
    """splits with `others` beside it: the class classes[a] of these says a; (): the first says 0, and so on."""
    for data_set in (splits, others):
        if data_set.is_regression or any(part.inputs.ndim != 4 for part in data_set.parts.values()):
            raise ConfigError(
                f"config.data.shortcut.kind is 'dominoes', which puts image above image, but {data_set.name} has no classes"
                " of images; choose another data set"
            )
    number = splits.num_classes
    if len(classes or range(others.num_classes)) < number or (classes and len(classes) != number):
        raise ConfigError(
            f"config.data.shortcut.images_classes is {tuple(classes)}, must name {number} classes of {others.name}, one for"
            f" each class of {splits.name}; it has {others.num_classes}"
        )
    if classes or others.num_classes > number:
        others = select_classes(others, classes or range(number), knob="config.data.shortcut.images_classes")
    shape = next(iter(splits.parts.values())).inputs.shape[1:]
    parts = {
        name: Split(fitted(part.inputs, others.normalisation.scale, shape), part.labels, part.ids)
        for name, part in others.parts.items()
    }
    partners = Splits(others.name, parts, others.class_names, sources=others.sources)
    return WithPartners(**vars(splits), partners=partners)


def fitted(images: np.ndarray, scale: float, shape: tuple[int, ...]) -> np.ndarray:
    """(N, h, w, c) images, stored over `scale`, as (N, H, W, C) uint8 over 255.

    Enlarged by the largest whole factor that fits, or reduced by means over areas until they fit, then put into the middle
    of black; grey becomes coloured by repetition, coloured grey by the mean.
    """
    if images.dtype != np.uint8 or scale != SCALE:
        images = np.rint(images.astype(np.float32) * (SCALE / scale)).astype(np.uint8)
    channels = shape[2]
    if images.shape[3] != channels:
        grey = images if images.shape[3] == 1 else np.rint(images.mean(axis=3, keepdims=True)).astype(np.uint8)
        images = grey.repeat(channels, axis=3)
    factor = min(shape[0] / images.shape[1], shape[1] / images.shape[2])
    if factor >= 1:
        images = images.repeat(int(factor), axis=1).repeat(int(factor), axis=2)
    else:
        images = _reduced(images, *(max(1, int(side * factor + 1e-9)) for side in images.shape[1:3]))
    missing = [want - side for want, side in zip(shape[:2], images.shape[1:3], strict=True)]
    return np.pad(images, [(0, 0), *((m // 2, m - m // 2) for m in missing), (0, 0)])


def draw_partners(
    rng: np.random.Generator, attributes: np.ndarray, candidates: np.ndarray, labels: np.ndarray, *, whose: str
) -> np.ndarray:
    """(M,) int32: for each attribute (M,) in [0, K), one of the candidates (P,) of that label (P,); 0 for ABSENT.

    Raises ConfigError where an attribute has no candidate. whose: what the candidates are, for that error.
    """
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=attributes.max(initial=0) + 1)
    first = np.cumsum(counts) - counts
    present = attributes >= 0
    classes = attributes[present]
    if np.any(counts[classes] == 0):
        raise ConfigError(
            f"there is no image of class {classes[counts[classes] == 0][0]} to be put beside others in {whose}; the cue"
            f" needs one of each class: take more examples, or other classes"
        )
    offsets = (rng.random(len(attributes))[present] * counts[classes]).astype(np.int64)
    partners = np.zeros(len(attributes), np.int32)
    partners[present] = candidates[order[first[classes] + offsets]]
    return partners


def _reduced(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Each pixel the mean over the area that it covers."""
    rows, columns = _areas(images.shape[1], height), _areas(images.shape[2], width)
    reduced = np.empty((len(images), height, width, images.shape[3]), np.uint8)
    for start in range(0, len(images), CHUNK):
        some = slice(start, start + CHUNK)
        means = np.einsum("yh,xw,nhwc->nyxc", rows, columns, images[some].astype(np.float32), optimize=True)
        reduced[some] = np.rint(means)
    return reduced


def _areas(side: int, smaller: int) -> np.ndarray:
    """(smaller, side) float32: row i holds how much of pixel i each of the old ones covers; rows sum to 1."""
    edges = np.arange(smaller + 1) * (side / smaller)
    old = np.arange(side)
    covered = np.minimum(edges[1:, None], old[None] + 1) - np.maximum(edges[:-1, None], old[None])
    return (np.maximum(covered, 0) / (side / smaller)).astype(np.float32)

"""A data set on the device: all examples in one array, once, and the view of them that a run has.

Replicas (seeds with their settings) share the examples. Each has a training and a test set and a planted cue: arrays of
indices and attributes. A batch is a vector of indices, gathered inside the jitted step.

Axis letters: N examples, R replicas, M examples of a split.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lamv.catalog import mitigations
from lamv.core import shortcuts
from lamv.data.cuts import cut
from lamv.data.long_tails import LongTail
from lamv.data.partners import WithPartners
from lamv.data.split_index import LEFT_OUT, VALID, Array, Indexer, SplitIndex, counts
from lamv.data.splits import Normalisation, Splits, joined
from lamv.errors import ConfigError


class Examples(NamedTuple):
    """inputs (N, H, W, C) uint8, (N, D) float32 or (N, L) int32 numbers of words, as stored; labels (N,)
    int32, or float32 for regression.

    partners: (P, H, W, C) uint8 over lamv.data.partners.SCALE, the images of another data set that a cue is made of, or ().
    """

    inputs: Array
    labels: Array
    partners: Array | tuple = ()


class DataView(NamedTuple):
    """The examples on which the replicas of a program train and are tested, and what a network sees of them.

    tests: by the name of the split, "valid" among them where there is one.
    normalisation: of examples of raw_shape. raw_shape: of an example with a cue that acts on images. shape: as the network
        sees it, flattened (if at all) and with any cue.
    cue: (prod(shape),) bool, the inputs that carry the cue; None without a cue, and where all inputs carry it.
    class_frequencies: (K,) shares of the classes in the part that training sets are drawn from, before labels are flipped,
        or in a training set with a long tail; so they are the same for every seed.
    num_classes: 1 for regression. num_attributes: 0 without attributes. num_environments: of the training set, 0 where it
        is not divided.
    validation: "valid", or without it the examples of an official training part that `train_size` leaves out, with the cue
        as in training; None where there are none.
    group_counts: (R, num_groups) sizes of the groups in the training sets, before a mitigation subsamples them.
    grouped: the splits, "train" among them, of which some example is in a group.
    standardise: mean and standard deviation, (R, D) float32 each, of the inputs in a replica's training set, for data that
        is standardised by it (Splits.standardise); else ().
    tail: sizes of the classes in the training set of every replica, before a mitigation subsamples it, where
        data.imbalance makes them unequal; else None.
    num_words: of the vocabulary of texts; 0 for other data.
    """

    train: SplitIndex
    tests: dict[str, SplitIndex]
    normalisation: Normalisation
    num_classes: int
    num_groups: int
    shape: tuple[int, ...]
    cue: np.ndarray | None
    class_frequencies: np.ndarray
    regression: bool
    validation: SplitIndex | None
    raw_shape: tuple[int, ...]
    num_attributes: int
    num_environments: int
    group_counts: np.ndarray
    grouped: frozenset[str] = frozenset()
    standardise: tuple[np.ndarray, np.ndarray] | tuple = ()
    tail: LongTail | None = None
    num_words: int = 0


def examples_of(splits: Splits) -> Examples:
    """All parts of a data set in one array, in order."""
    partners = joined(splits.partners, "inputs") if isinstance(splits, WithPartners) else ()
    return Examples(joined(splits, "inputs"), joined(splits, "labels"), partners)


def data_view(splits: Splits, configs: Sequence, seeds: Sequence[int]) -> DataView:
    """The view of replicas with these configs and seeds (equal lengths R); the configs differ in traced knobs only.

    With a shortcut, the test set comes in the placements of lamv.core.shortcuts: "test" (cue as in training, or of
    test_reliability), "test_aligned", "test_random", "test_conflicting" and "test_absent" (cat_channel: "test", without a
    second image, and "test_aligned"); otherwise there is only "test". "valid" comes last. Labels are flipped first, so cues
    and groups follow the flipped ones. The group of an example is y * A + a with a cue or an attribute of the data, else the
    data's own group. Raises ConfigError for a cue or a mitigation that does not fit the data.
    """
    config = configs[0]
    _check(splits, config)
    raw_shape, shape, cue = _shapes(splits, config)
    cuts = [cut(splits, seed, config.data.train_size, config.data.valid_size, config.data.per_class) for seed in seeds]
    indexer, tail = Indexer(splits, configs, seeds), None
    if config.data.imbalance.ratio > 1:
        tail, training = indexer.long_tailed([one.train for one in cuts], config.data.imbalance)
        cuts = [one._replace(train=rows) for one, rows in zip(cuts, training, strict=True)]

    def index(part: str, placement: str, stream: int) -> SplitIndex:
        return indexer.index([getattr(one, part) for one in cuts], part, placement, stream)

    cued = config.data.shortcut.kind != "none"
    placements = shortcuts.split_placements(config.data.shortcut.kind) if cued else {"test": "as_train"}
    tests = {
        name: index("test", placement, 1 + shortcuts.PLACEMENTS.index(placement))
        for name, placement in placements.items()
    }
    train = index("train", "as_train", 0)
    group_counts = counts(train.groups, indexer.num_groups)
    if by := mitigations.subsampled_by(config):
        train = indexer.subsampled(train, by)
    validation = index("left_out", "as_train", LEFT_OUT) if len(cuts[0].left_out) else None
    if len(cuts[0].valid):
        validation = tests["valid"] = index("valid", "as_train", VALID)
    sizes = _class_sizes(splits) if tail is None else tail.sizes
    # The normalisation repeats for the channels of a second image.
    mean, std = splits.normalisation.mean, splits.normalisation.std
    times = raw_shape[-1] // len(mean) if len(mean) > 1 else 1
    return DataView(
        train, tests, splits.normalisation._replace(mean=mean * times, std=std * times), splits.num_classes,
        indexer.num_groups, shape, cue, (sizes / sizes.sum()).astype(np.float32), splits.is_regression, validation,
        raw_shape, indexer.num_attributes, len(config.data.shortcut.environments), group_counts,
        frozenset(name for name, of in {"train": train, **tests}.items() if np.any(of.groups < indexer.num_groups)),
        _standardise(splits, train), tail, len(splits.words),
    )  # fmt: skip


def _check(splits: Splits, config) -> None:
    """ConfigError where the data lacks what the knobs need."""
    shortcut, by = config.data.shortcut, mitigations.subsampled_by(config)
    for knob, asked, must_be in (
        ("data.shortcut.kind", shortcut.kind != "none", "'none'"),
        ("data.label_flip", config.data.label_flip, "0"),
        ("data.imbalance.ratio", config.data.imbalance.ratio > 1, "1"),
        ("mitigation.name", by == "class", "'erm'"),
    ):
        if asked and splits.is_regression:
            raise ConfigError(
                f"config.{knob} must be {must_be} for {splits.name}: it needs classes, and there are none"
            )
    if shortcut.kind != "none" and splits.words:
        raise ConfigError(
            f"config.data.shortcut.kind is {shortcut.kind!r}, must be 'none' for {splits.name}: cues are planted in numbers,"
            " not in words; give the data an attribute column"
        )
    if shortcut.kind == "dominoes" and not isinstance(splits, WithPartners):
        raise ConfigError(
            "config.data.shortcut.kind is 'dominoes', but there are no images to be put above; name their data set in"
            " data.shortcut.images"
        )
    if by == "group" and shortcut.kind == "none" and splits.parts[splits.training_part].groups is None:
        raise ConfigError(
            f"config.mitigation.name is {config.mitigation.name!r}, but the data has no groups: plant a cue, or give the"
            " data an attribute/group column"
        )


def _shapes(splits: Splits, config) -> tuple[tuple[int, ...], tuple[int, ...], np.ndarray | None]:
    """raw_shape, shape and cue of the view. A cue that acts on images comes before they are flattened, others after."""
    kind, cue, shapes = config.data.shortcut.kind, None, []
    shape = next(iter(splits.parts.values())).inputs.shape[1:]
    try:
        for images in (True, False):
            if kind != "none" and shortcuts.acts_on_images(kind) == images:
                cue = shortcuts.cue_inputs(kind, shape, splits.num_classes)
                shape = shortcuts.planted_shape(kind, shape, splits.num_classes)
            shapes.append(tuple(shape))
            if config.data.flatten:
                shape = (math.prod(shape),)
    except ValueError as error:
        raise ConfigError(f"config.data.shortcut.kind is {kind!r}: {error}") from None
    return *shapes, cue


def _class_sizes(splits: Splits) -> np.ndarray:
    """(K,) examples of each class in the part that training sets are drawn from; (1,) for regression."""
    labels = splits.parts[splits.training_part].labels
    return np.array([len(labels)]) if splits.is_regression else np.bincount(labels, minlength=splits.num_classes)


def _standardise(splits: Splits, train: SplitIndex) -> tuple[np.ndarray, np.ndarray] | tuple:
    """Mean and deviation of what each replica trains on, (R, D) each; 0 and 1 for inputs that stay as they are."""
    if not any(splits.standardise):
        return ()
    which = np.array(splits.standardise)
    inputs = joined(splits, "inputs")[:, which].astype(np.float64)
    mean = np.zeros((len(train.rows), len(which)), np.float32)
    deviation = np.ones_like(mean)
    for replica, rows in enumerate(train.rows):
        trained = np.ma.masked_invalid(inputs[rows])
        mean[replica, which] = trained.mean(axis=0).filled(0)
        deviations = trained.std(axis=0).filled(0)
        deviation[replica, which] = np.where(deviations > 0, deviations, 1)
    return mean, deviation

"""A data set on the device, once: all examples in one array, and splits as tables of row numbers.

A replica (a seed with its settings) may have its own cut into training and test set and its own planted cue, yet the
examples exist once: what differs is a table. A batch is a vector of row numbers, gathered inside the jitted step.

Axis letters: N examples, R replicas, M examples of a split.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lamv.catalog import mitigations
from lamv.core import shortcuts
from lamv.data.cuts import cut
from lamv.data.partners import WithPartners
from lamv.data.splits import Normalisation, Splits, joined
from lamv.data.tables import LEFT_OUT, VALID, Array, Table, Tables, counts
from lamv.errors import ConfigError


class Examples(NamedTuple):
    """inputs (N, H, W, C) uint8 or (N, D) float32, as stored; labels (N,) int32, or float32 for regression.

    partners: (P, H, W, C) uint8 over lamv.data.partners.SCALE, images of another data set, where the cue is made of them.
    """

    inputs: Array
    labels: Array
    partners: Array | tuple = ()


class Plan(NamedTuple):
    """Which examples each replica of a program trains and is tested on, and what a network sees of them.

    shape: of one example as the network sees it, flattened and with its cue; raw_shape: before it is normalised and
    flattened, with a cue that acts on images. normalisation: for raw_shape. cue: which inputs of the flattened example
    carry the cue, (prod(shape),) bool; None where there is none, or where all inputs carry it. class_frequencies: (K,)
    shares of the classes in the part that training sets are drawn from, before labels are flipped, so that they are the
    same for every seed. regression: whether labels are numbers to be predicted; then there is one class. validation: the
    split "valid" where there is one, else the examples of an official training part that `train_size` leaves out, with
    the cue as in training; None where it leaves none. num_attributes: A, 0 where there are none. num_environments: of the
    training set, 0 where it is not divided. group_counts: (R, num_groups) sizes of the groups in the training
    sets, before a mitigation takes examples away. standardise: (mean, deviation), (R, D) float32 each, by which a replica
    standardises its inputs after that (Splits.standardise), or (). grouped: the splits, "train" among them, of which some
    example is in a group.
    """

    train: Table
    tests: dict[str, Table]
    normalisation: Normalisation
    num_classes: int
    num_groups: int
    shape: tuple[int, ...]
    cue: np.ndarray | None
    class_frequencies: np.ndarray
    regression: bool
    validation: Table | None
    raw_shape: tuple[int, ...]
    num_attributes: int
    num_environments: int
    group_counts: np.ndarray
    grouped: frozenset[str] = frozenset()
    standardise: tuple[np.ndarray, np.ndarray] | tuple = ()


def examples_of(splits: Splits) -> Examples:
    """All parts of a data set in one array, in order; what the tables of `plan` point into."""
    partners = joined(splits.partners, "inputs") if isinstance(splits, WithPartners) else ()
    return Examples(joined(splits, "inputs"), joined(splits, "labels"), partners)


def plan(splits: Splits, configs: Sequence, seeds: Sequence[int]) -> Plan:
    """Tables for replicas with these configs and seeds (equal lengths R); they differ in traced knobs only.

    Where a shortcut is planted, the test set comes in the placements of lamv.core.shortcuts: "test" (cue as in
    training, or of test_reliability), "test_aligned", "test_random", "test_conflicting", "test_absent"; else only "test".
    (cat_channel has "test", without a second image, and "test_aligned".) "valid" comes last, where something validates.
    Labels are flipped first, so that cues and groups are those of the flipped ones. The group of an example is y * A + a
    with a cue or an attribute of the data, and else the data's own group. Raises ConfigError for a cue that does not fit.
    """
    config = configs[0]
    _check(splits, config)
    raw_shape, shape, cue = _shapes(splits, config)
    cuts = [cut(splits, seed, config.data.train_size, config.data.valid_size) for seed in seeds]
    tables = Tables(splits, configs, seeds)

    def table(part: str, placement: str, stream: int) -> Table:
        return tables.table([getattr(one, part) for one in cuts], part, placement, stream)

    cued = config.data.shortcut.kind != "none"
    placements = shortcuts.split_placements(config.data.shortcut.kind) if cued else {"test": "as_train"}
    tests = {
        name: table("test", placement, 1 + shortcuts.PLACEMENTS.index(placement))
        for name, placement in placements.items()
    }
    train = table("train", "as_train", 0)
    group_counts = counts(train.groups, tables.num_groups)
    if by := mitigations.subsampled_by(config):
        train = tables.subsampled(train, by)
    validation = table("left_out", "as_train", LEFT_OUT) if len(cuts[0].left_out) else None
    if len(cuts[0].valid):
        validation = tests["valid"] = table("valid", "as_train", VALID)
    grouped = frozenset(name for name, of in {"train": train, **tests}.items() if np.any(of.groups < tables.num_groups))
    return Plan(
        train, tests, _normalisation(splits, raw_shape), splits.num_classes, tables.num_groups, shape, cue,
        _class_frequencies(splits), splits.is_regression, validation, raw_shape, tables.num_attributes,
        len(config.data.shortcut.environments), group_counts, grouped, _standardise(splits, train),
    )  # fmt: skip


def _check(splits: Splits, config) -> None:
    """Whether the data has what the knobs ask of it."""
    shortcut = config.data.shortcut
    if splits.is_regression:
        for knob, asked, why in (
            ("data.shortcut.kind", shortcut.kind != "none", "'none'"),
            ("data.label_flip", config.data.label_flip, "0"),
            ("mitigation.name", mitigations.subsampled_by(config) == "class", "'erm'"),
        ):
            if asked:
                raise ConfigError(
                    f"config.{knob} must be {why} for {splits.name}: it needs classes, and there are none"
                )
    if shortcut.kind == "dominoes" and not isinstance(splits, WithPartners):
        raise ConfigError(
            "config.data.shortcut.kind is 'dominoes', but there are no images to be put above; name their data set in"
            " data.shortcut.images"
        )
    no_groups = shortcut.kind == "none" and splits.parts[splits.training_part].groups is None
    if mitigations.subsampled_by(config) == "group" and no_groups:
        raise ConfigError(
            f"config.mitigation.name is {config.mitigation.name!r}, but the data has no groups: plant a cue, or give the"
            " data an attribute/group column"
        )


def _shapes(splits: Splits, config) -> tuple[tuple, tuple, np.ndarray | None]:
    """Shape of an example in raw units and as the network sees it, and the cue's inputs; see Plan."""
    kind, classes = config.data.shortcut.kind, splits.num_classes
    shape, cue = next(iter(splits.parts.values())).inputs.shape[1:], None
    try:
        if shortcuts.acts_on_images(kind):
            cue = shortcuts.cue_inputs(kind, shape, classes)
            shape = shortcuts.planted_shape(kind, shape, classes)
        raw_shape = shape
        if config.data.flatten:
            shape = (math.prod(shape),)
        if kind != "none" and not shortcuts.acts_on_images(kind):
            cue = shortcuts.cue_inputs(kind, shape, classes)
            shape = shortcuts.planted_shape(kind, shape, classes)
    except ValueError as error:
        raise ConfigError(f"config.data.shortcut.kind is {kind!r}: {error}") from None
    return tuple(raw_shape), tuple(shape), cue


def _normalisation(splits: Splits, raw_shape: tuple[int, ...]) -> Normalisation:
    """The data's own, repeated for the channels of a second image; a single value holds for any number of them."""
    own, channels = splits.normalisation, raw_shape[-1]
    times = channels // len(own.mean) if len(own.mean) > 1 else 1
    return own._replace(mean=own.mean * times, std=own.std * times)


def _standardise(splits: Splits, train: Table) -> tuple[np.ndarray, np.ndarray] | tuple:
    """Mean and deviation of what each replica trains on, (R, D) each; 0 and 1 for inputs that stay as they are."""
    if not any(splits.standardise):
        return ()
    which = np.array(splits.standardise)
    inputs = joined(splits, "inputs")[:, which].astype(np.float64)
    mean = np.zeros((len(train.rows), len(which)), np.float32)
    deviation = np.ones_like(mean)
    for replica, rows in enumerate(train.rows):
        own = np.ma.masked_invalid(inputs[rows])
        mean[replica, which] = own.mean(axis=0).filled(0)
        found = own.std(axis=0).filled(0)
        deviation[replica, which] = np.where(found > 0, found, 1)
    return mean, deviation


def _class_frequencies(splits: Splits) -> np.ndarray:
    labels = splits.parts[splits.training_part].labels
    sizes = [len(labels)] if splits.is_regression else np.bincount(labels, minlength=splits.num_classes)
    return (np.array(sizes) / len(labels)).astype(np.float32)

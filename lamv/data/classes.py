"""Which classes a data set has, whether they can be learned, and the groups that they and the attributes make."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from lamv.data.splits import Splits, joined
from lamv.errors import ConfigError, DataError, and_more, listed

#: The classes that config.data.classes leaves out, as data to probe on.
UNSEEN = "unseen"
#: Training examples of a class below which there is a note that they are few.
FEW = 5


def check_classes(splits: Splits, where: str) -> Splits:
    """The data set, with notes on classes of few examples, once its classes can be learned.

    where: its name and path, for messages. Raises DataError for fewer than two classes with training examples, for a
    class that only other parts have, and for regression where all training labels are the same.
    """
    if splits.is_regression:
        trained = splits.parts[splits.training_part].labels
        if trained.min() == trained.max():
            raise DataError(f"{where}: all training labels are {trained[0]:g}; there is nothing to predict")
        return splits
    names, sizes = splits.class_names, class_sizes(splits)
    learned = sizes[splits.training_part]
    for part, size in sizes.items():
        unseen = np.flatnonzero((size > 0) & (learned == 0))
        if unseen.size:
            raise DataError(
                f"{where}: class {names[unseen[0]]!r} has {size[unseen[0]]} examples in {part!r} and none to train on"
                f"{and_more(unseen)}; is its name mistyped? Give it training examples, or take it away"
            )
    if np.count_nonzero(learned) < 2:
        one = names[int(np.argmax(learned))]
        raise DataError(f"{where}: all training examples are of one class, {one!r}; at least 2 classes are needed")
    notes = []
    if not learned.all():
        none = [names[c] for c in np.flatnonzero(learned == 0)]
        notes.append(f"no example is of {listed(none)}; these classes count all the same")
    few = np.flatnonzero((learned > 0) & (learned < FEW))
    if few.size:
        shown = [f"{names[c]} ({learned[c]})" for c in few]
        notes.append(f"fewer than {FEW} training examples of {listed(shown)}: what is measured of these means little")
    return dataclasses.replace(splits, notes=(*splits.notes, *notes))


def class_sizes(splits: Splits) -> dict[str, np.ndarray]:
    """{part: (K,) number of examples of each class}."""
    return {name: np.bincount(part.labels, minlength=splits.num_classes) for name, part in splits.parts.items()}


def select_classes(
    splits: Splits, classes: Sequence[int], superclasses: Sequence[int] = (), *, knob: str = "config.data.classes"
) -> Splits:
    """Only the examples of `classes`, relabelled 0, 1, ... in the order given; then class c becomes superclasses[c].

    () leaves the classes as they are. knob: what to call `classes` in the ConfigError for an unknown class.
    """
    if (classes or superclasses) and splits.is_regression:
        name = knob if classes else "config.data.superclasses"
        raise ConfigError(
            f"{name} is {tuple(classes or superclasses)}, must be () for {splits.name}, which has no classes"
        )
    if classes:
        if max(classes) >= splits.num_classes or len(set(classes)) != len(classes) or len(classes) < 2:
            raise ConfigError(
                f"{knob} is {tuple(classes)}, must be two or more different numbers below {splits.num_classes}"
                f" ({splits.name}); name the classes to keep"
            )
        new = np.full(splits.num_classes, -1, np.int32)
        new[list(classes)] = np.arange(len(classes))
        splits = _relabelled(splits, new, tuple(splits.class_names[c] for c in classes))
    if superclasses:
        number = max(superclasses) + 1
        if len(superclasses) != splits.num_classes or set(superclasses) != set(range(number)) or number < 2:
            raise ConfigError(
                f"config.data.superclasses is {tuple(superclasses)}, must name a new class for each of the"
                f" {splits.num_classes} classes, and use all from 0 to at least 1; for example"
                f" {tuple(int(2 * c >= splits.num_classes) for c in range(splits.num_classes))}"
            )
        members = ([n for n, c in zip(splits.class_names, superclasses, strict=True) if c == s] for s in range(number))
        splits = _relabelled(splits, np.array(superclasses, np.int32), tuple("|".join(names) for names in members))
    return splits


def unseen_classes(splits: Splits, classes: Sequence[int]) -> Splits:
    """The examples of all other classes than `classes`, relabelled 0, 1, ...; ConfigError unless there are two or more."""
    others = tuple(c for c in range(splits.num_classes) if c not in classes)
    if not classes or len(others) < 2:
        raise ConfigError(
            f"--transfer is {UNSEEN!r}, but config.data.classes is {tuple(classes)}, must leave out two or more of the"
            f" {splits.num_classes} classes of {splits.name}; probe on another data set, or train on fewer classes"
        )
    return select_classes(splits, others)


def _relabelled(splits: Splits, new: np.ndarray, names: tuple[str, ...]) -> Splits:
    """new: (K,) the label that each label becomes; examples where it is negative are left out."""
    number, parts = number_of_attributes(splits), {}
    for name, part in splits.parts.items():
        keep = new[part.labels] >= 0
        if not keep.any():
            raise ConfigError(
                f"config.data.classes keeps {listed(names)}, of which {name!r} of {splits.name} has no example"
            )
        if not keep.all():
            part = part._replace(**{key: value[keep] for key, value in part._asdict().items() if value is not None})
        part = part._replace(labels=new[part.labels])
        if part.attributes is not None:
            part = part._replace(groups=groups_of(part.labels, part.attributes, number, len(names) * number))
        parts[name] = part
    return dataclasses.replace(splits, parts=parts, class_names=names)


def groups_of(labels: np.ndarray, attributes: np.ndarray, num_attributes: int, nowhere: int) -> np.ndarray:
    """y * A + a, or `nowhere` where there is no attribute; int32."""
    return np.where(attributes < 0, nowhere, labels * num_attributes + attributes).astype(np.int32)


def number_of_attributes(splits: Splits) -> int:
    """A, 0 where no part has attributes."""
    return len(splits.attribute_names) or int(joined(splits, "attributes").max()) + 1  # NONE is -1

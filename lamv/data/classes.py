"""Which classes a data set has, and the groups that they and the attributes make."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from lamv.data.splits import Splits
from lamv.errors import ConfigError


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


def _relabelled(splits: Splits, new: np.ndarray, names: tuple[str, ...]) -> Splits:
    """new: (K,) the label that each label becomes; examples where it is negative are left out."""
    number, parts = number_of_attributes(splits), {}
    for name, part in splits.parts.items():
        keep = new[part.labels] >= 0
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
    attributes = joined(splits, "attributes")
    return len(splits.attribute_names) or (0 if attributes is None else int(attributes.max()) + 1)


def joined(splits: Splits, name: str) -> np.ndarray | None:
    """A field of all parts in one array; None where a part lacks it."""
    arrays = [getattr(part, name) for part in splits.parts.values()]
    return None if any(array is None for array in arrays) else np.concatenate(arrays)

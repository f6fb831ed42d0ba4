"""What was read, in words: for the first lines of a run, and for its files.

A run keeps `described` in provenance.json from its start and in summary.json at its end:

    name, inputs      "digits", "images of 8 x 8 pixels, 1 channel, uint8"
    examples          {part: number}, as read
    classes           names, in the order of their numbers; [] for regression
    counts            {part: [examples of each class]}
    attributes, groups, crossing    names of the attribute's values, of all groups, and how the former make the latter
    columns           names of the inputs of a table
    notes             what was mapped, filled in, passed over, planted: a sentence each
    left_out          files that could not be read
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamv.data.classes import class_sizes
from lamv.data.long_tails import PARTS, LongTail
from lamv.data.splits import NONE, Splits, crossed, joined
from lamv.errors import listed

#: Groups beyond which their names are not kept: no table shows them one by one.
NAMED_GROUPS = 10_000
#: Classes up to which the sizes of a long tail stand beside their names.
NAMED_CLASSES = 20


class Names(NamedTuple):
    """Names of classes, of values of the attribute, of groups that are not made of these; and the crossing (Splits)."""

    classes: tuple[str, ...]
    attributes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    crossing: str = "{label}, {attribute}"


def names_of(splits: Splits, cue: str) -> Names:
    """Names of the classes and groups of a data set in which a cue of that kind is planted ("none": the data's own)."""
    classes = () if splits.is_regression else splits.class_names
    if cue != "none":
        return Names(classes, tuple(f"{cue} of {name}" for name in classes), crossing="{label} with {attribute}")
    return Names(classes, splits.attribute_names, splits.own_group_names, splits.crossing)


def described(splits: Splits, names: Names, notes: Sequence[str] = ()) -> dict[str, Any]:
    """The data set and its names, as JSON can hold it. notes: what the run adds to those of the data set."""
    groups = names.groups
    if names.attributes and len(names.attributes) * len(names.classes) <= NAMED_GROUPS:
        groups = crossed(names.classes, names.attributes, names.crossing)
    return {
        "name": splits.name,
        "inputs": _inputs(splits),
        "examples": {part: len(of.labels) for part, of in splits.parts.items()},
        "classes": list(names.classes),
        "counts": {} if splits.is_regression else {part: n.tolist() for part, n in class_sizes(splits).items()},
        "attributes": list(names.attributes),
        "groups": list(groups),
        "crossing": names.crossing,
        "columns": list(splits.input_names),
        "notes": [*splits.notes, *notes],
        "left_out": list(splits.left_out),
    }


def lines(data: Mapping[str, Any]) -> list[str]:
    """A `described` data set as the lines that a run begins with."""
    parts = ", ".join(f"{number:,} examples in {part}" for part, number in data["examples"].items())
    if "all" in data["examples"]:
        parts = f"{data['examples']['all']:,} examples, cut into train and test by the seed"
    first = f"{data['name']}: {parts}; {data['inputs']}"
    if data["classes"]:
        sizes = data["counts"]["all" if "all" in data["counts"] else "train"]
        shown = [f"{name} ({size:,})" for name, size in zip(data["classes"], sizes, strict=False)]
        first += f"; {len(data['classes'])} classes: {listed(shown)}"
    else:
        first += "; labels are numbers to be predicted"
    if data["groups"]:
        first += f"; {len(data['groups'])} groups: {listed(data['groups'], between='; ')}"
    return [first, *(f"{data['name']}: {note}" for note in data["notes"])]


def _inputs(splits: Splits) -> str:
    """What one example is, in words."""
    some = next(iter(splits.parts.values())).inputs
    if some.ndim == 4:
        height, width, channels = some.shape[1:]
        return f"images of {height} x {width} pixels, {channels} channel{'s' * (channels > 1)}, {some.dtype}"
    if splits.words:
        return f"texts of at most {some.shape[1]} words, from a vocabulary of {len(splits.words):,}"
    low = min(float(np.nanmin(part.inputs)) for part in splits.parts.values())
    high = max(float(np.nanmax(part.inputs)) for part in splits.parts.values())
    return f"vectors of {some.shape[1]} numbers from {low:.4g} to {high:.4g}"


def planted(configs: Sequence) -> list[str]:
    """What these configs do to the examples, a sentence each: cues, noise on labels, kept classes; no sentence twice."""
    sentences = []
    for data in (config.data for config in configs):
        shortcut = data.shortcut
        if shortcut.kind != "none":
            share = " and ".join(f"{100 * r:g} %" for r in shortcut.environments or (shortcut.reliability,))
            noise = f", noise {shortcut.noise:g}" if shortcut.noise else ""
            sentences.append(
                f"a {shortcut.kind} is planted in every training example (data.shortcut): strength"
                f" {shortcut.strength:g}{noise}; it says the label in {share} of them"
            )
        if data.label_flip:
            sentences.append(
                f"{100 * data.label_flip:g} % of all labels are flipped to another class (data.label_flip)"
            )
        if data.label_noise:
            sentences.append(f"{100 * data.label_noise:g} % of the training labels are replaced (data.label_noise)")
        if data.classes:
            sentences.append(f"only classes {', '.join(map(str, data.classes))} are kept (data.classes)")
        if data.superclasses:
            sentences.append(f"classes are merged to {max(data.superclasses) + 1} (data.superclasses)")
    return list(dict.fromkeys(sentences))


def overruled(splits: Splits, cue: str) -> list[str]:
    """A sentence where a planted cue takes the place of attributes or groups of the data."""
    has = [name for name in ("attributes", "groups") if cue != "none" and (joined(splits, name) != NONE).any()]
    return [f"the {name} that come with the data are not used: the planted {cue} makes the groups" for name in has[:1]]


def long_tail(tail: LongTail | None, names: Sequence[str]) -> list[str]:
    """A sentence on the training examples that each class of these names keeps, where there is a long tail."""
    if tail is None:
        return []
    named = len(names) <= NAMED_CLASSES
    sizes = [f"{name} ({size:,})" if named else f"{size:,}" for name, size in zip(names, tail.sizes, strict=True)]
    counted = [f"{np.sum(tail.parts == place)} {part}" for place, part in enumerate(PARTS)]
    return [
        f"the training set has a long tail (data.imbalance), {tail.profile} with ratio {tail.ratio:g}; each seed draws"
        f" {tail.sizes.sum():,} examples: {', '.join(sizes)}; classes of many, medium and few: {', '.join(counted)}"
    ]


def missing_classes(labels: Sequence[np.ndarray], names: Sequence[str], seeds: Sequence[int]) -> list[str]:
    """A sentence where the training set that a seed drew, labels (M,) each, is without some class."""
    for drawn, seed in zip(labels, seeds, strict=True):
        none = [names[c] for c in np.flatnonzero(np.bincount(drawn, minlength=len(names)) == 0)]
        if none:
            rest = "train on more, or on these classes only"
            return [f"the training set of seed {seed} has no example of {listed(none)}; {rest}"]
    return []

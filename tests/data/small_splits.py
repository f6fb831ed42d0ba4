"""Small data sets, and how a run sees them."""

import numpy as np

from lamv import config as configs
from lamv import data
from lamv.data.resident import data_view
from lamv.data.splits import Normalisation, Source, Split, Splits
from lamv.rows import expand

NAMES = ("zero", "one", "two", "three")


def part(number, first_id=0, groups=None, shape=(2, 3, 1)):
    """Examples whose pixels all say their id, with labels 0, 1, 2, 3, 0, 1, ..."""
    ids = first_id + np.arange(number)
    inputs = np.broadcast_to(ids.reshape(-1, *(1 for _ in shape)), (number, *shape)).astype(np.uint8)
    return Split(inputs, (ids % 4).astype(np.int32), ids, groups)


UNCUT = Splits("uncut", {"all": part(30)}, NAMES, Normalisation(255.0), (Source("file", "ab", None),))


OFFICIAL = Splits("official", {"train": part(20), "test": part(8, first_id=20)}, NAMES)


TAG = {"data.shortcut.kind": "tag"}


def planned(splits=UNCUT, seeds=(0,), knobs=None):
    (row,) = expand(configs.defaults(), {"steps": 1, **(knobs or {})})
    return data_view(splits, [row.config] * len(seeds), seeds)


DIGITS = data.load("digits")


def clean_labels(splits, rows):
    return np.concatenate([found.labels for found in splits.parts.values()])[rows]


def with_attributes(number=30, parts=("all",)):
    """Attributes 0, 0, 0, 0, 1, 1, 1, 1, 2, ... of three, groups y * 3 + a."""
    found, first = {}, 0
    for name in parts:
        one = part(number, first_id=first)
        attributes = (one.ids // 4 % 3).astype(np.int32)
        found[name] = one._replace(attributes=attributes, groups=one.labels * 3 + attributes)
        first += number
    return Splits("own", found, NAMES, Normalisation(255.0), attribute_names=("red", "green", "blue"))

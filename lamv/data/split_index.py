"""The examples that each replica has in a split, and what its seed draws for them.

Axis letters: N examples, R replicas, M examples of a split, K classes, A attributes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from lamv.core import shortcuts
from lamv.data.classes import groups_of, number_of_attributes
from lamv.data.cuts import cut
from lamv.data.long_tails import LongTail, long_tail, remaining
from lamv.data.partners import WithPartners, draw_partners
from lamv.data.splits import Splits, joined
from lamv.errors import ConfigError

#: On the host, or on the device.
Array = np.ndarray | jax.Array
#: Streams of random numbers, one for each thing that a seed draws: never renumber, only add. 0: attributes of the training
#: set; 1 to 5: of the test set, by placement.
LEFT_OUT, VALID = 6, 7
FLIPS, ENVIRONMENTS, PAIRS, SUBSAMPLE, LONG_TAIL = 20, 21, 22, 23, 24
#: Plus the stream of the attributes of the same split.
PARTNERS = 40


class SplitIndex(NamedTuple):
    """A split of every replica, (R, M) int32 each.

    rows: indices into Examples. attributes: see lamv.core.shortcuts, ABSENT where there is no cue. groups: in
    [0, num_groups), or num_groups for "in no group". () where a run does not need it: labels that are not those of the
    examples; environments, of the training set; partners, indices into Examples.partners or, where that is (), into
    Examples.inputs.
    """

    rows: Array
    attributes: Array
    groups: Array
    labels: Array | tuple = ()
    environments: Array | tuple = ()
    partners: Array | tuple = ()


class Indexer:
    """Makes the split indices of replicas with these configs and seeds; see lamv.data.resident.data_view.

    labels: by replica, (N,) of all examples, flipped; clean: (N,) as they are stored.
    """

    def __init__(self, splits: Splits, configs: Sequence, seeds: Sequence[int]):
        self._splits, self._shortcuts, self._seeds = splits, [config.data.shortcut for config in configs], seeds
        self._kind, self._classes = configs[0].data.shortcut.kind, splits.num_classes
        self._flips = any(config.data.label_flip for config in configs)
        self.clean = joined(splits, "labels")
        self.labels = [self.clean] * len(seeds)
        if self._flips:
            self.labels = [
                _flipped(self.clean, self._classes, config.data.label_flip, _generator(seed, FLIPS))
                for config, seed in zip(configs, seeds, strict=True)
            ]
        self._own_groups, self._own_attributes = joined(splits, "groups"), joined(splits, "attributes")
        if self._kind != "none":
            self.num_attributes = self._classes
        else:
            self.num_attributes = 0 if splits.is_regression else number_of_attributes(splits)
        own_groups = max(len(splits.own_group_names), int(self._own_groups.max()) + 1)
        self.num_groups = self._classes * self.num_attributes or own_groups

    def index(self, rows_of_replica: Sequence[np.ndarray], part: str, placement: str, stream: int) -> SplitIndex:
        """One split. part: of the cut, "train", "test", "valid" or "left_out"; stream: of its attributes."""
        rows = np.stack(rows_of_replica).astype(np.int32)
        replicas = range(len(rows))
        labels = np.stack([self.labels[r][rows[r]] for r in replicas])
        environments = self._environments(rows.shape[1]) if part == "train" else ()
        attributes = self._own_attributes[rows].astype(np.int32)
        if self._kind != "none":
            reliabilities = [self._reliability(r, part, environments) for r in replicas]
            attributes = np.stack(
                [self._attributes(r, labels[r], placement, stream, reliabilities[r]) for r in replicas]
            )
        if self.num_attributes:
            groups = groups_of(labels, attributes, self.num_attributes, self.num_groups)
        else:
            groups = self._own_groups[rows]
            groups = np.where(groups < 0, self.num_groups, groups)
        partners = ()
        if shortcuts.needs_partner(self._kind):
            partners = np.stack([self._partners(r, rows[r], attributes[r], part, stream) for r in replicas])
        return SplitIndex(
            rows, attributes, groups.astype(np.int32), labels if self._flips else (), environments, partners
        )

    def long_tailed(self, rows_of_replica: Sequence[np.ndarray], imbalance) -> tuple[LongTail, list[np.ndarray]]:
        """The training sets with a long tail, of one size in all replicas; each seed draws the examples that remain.

        imbalance: config.data.imbalance. Raises ConfigError where a class would have no example.
        """
        labels = [self.labels[r][rows] for r, rows in enumerate(rows_of_replica)]
        available = np.min([np.bincount(of_seed, minlength=self._classes) for of_seed in labels], axis=0)
        tail = long_tail(imbalance.profile, imbalance.ratio, available)
        return tail, [
            rows[remaining(of_seed, tail.sizes, _generator(seed, LONG_TAIL))]
            for rows, of_seed, seed in zip(rows_of_replica, labels, self._seeds, strict=True)
        ]

    def subsampled(self, index: SplitIndex, by: str) -> SplitIndex:
        """Equally many examples of each group or class that occurs, the same number for all replicas."""
        members, number = index.groups, self.num_groups
        if by == "class":
            number = self._classes
            members = self.clean[index.rows] if isinstance(index.labels, tuple) else index.labels
        sizes = counts(members, number)
        occupied = (sizes > 0).sum(axis=1)
        if len(set(occupied)) > 1:
            raise ConfigError(
                f"config.mitigation.name is 'subsample', but seeds {list(self._seeds)} have {occupied.tolist()} groups with"
                " examples, must be equally many; train one seed at a time, or balance by class"
            )
        smallest = sizes[sizes > 0].min()
        kept_of = []
        for seed, of_seed in zip(self._seeds, members, strict=True):
            order = _generator(seed, SUBSAMPLE).permutation(len(of_seed))
            kept = [order[of_seed[order] == member][:smallest] for member in np.unique(of_seed) if member < number]
            kept_of.append(np.sort(np.concatenate(kept)))
        return jax.tree.map(lambda values: np.take_along_axis(values, np.stack(kept_of), axis=1), index)

    def _environments(self, number: int) -> np.ndarray | tuple:
        """(R, number) int32: the training set divided evenly, by the seed; () where it is not divided."""
        many = len(self._shortcuts[0].environments)
        drawn = [_generator(seed, ENVIRONMENTS).permutation(number) % many for seed in self._seeds if many]
        return np.stack(drawn).astype(np.int32) if many else ()

    def _reliability(self, replica: int, part: str, environments) -> float | np.ndarray:
        shortcut = self._shortcuts[replica]
        among = np.array(shortcut.environments)
        if part == "train" and len(among):
            return among[environments[replica]]
        given = {"test": shortcut.test_reliability, "valid": shortcut.valid_reliability}.get(part)
        if given is not None:
            return given
        return among.mean() if len(among) else shortcut.reliability

    def _attributes(self, replica: int, labels, placement: str, stream: int, reliability) -> np.ndarray:
        seed = self._seeds[replica]
        if self._kind == "cat_channel":
            pairs = shortcuts.draw_pairs(_generator(seed, PAIRS), self._classes)
            return np.full(len(labels), shortcuts.ABSENT, np.int32) if placement == "absent" else pairs[labels]
        return shortcuts.draw_attributes(
            _generator(seed, stream), labels, self._classes, placement=placement, reliability=reliability
        )

    def _partners(self, replica: int, rows, attributes, part: str, stream: int) -> np.ndarray:
        """From the split itself (cat_channel), or from the test or the training part of the other data set (dominoes)."""
        seed = self._seeds[replica]
        candidates, labels, whose = rows, self.clean, self._splits.name
        if isinstance(self._splits, WithPartners):
            others = self._splits.partners
            cut_of_others = cut(others, seed, None)
            candidates = cut_of_others.test if part == "test" else cut_of_others.train
            labels, whose = joined(others, "labels"), others.name
        rng = _generator(seed, PARTNERS + stream)
        return draw_partners(rng, attributes, candidates, labels[candidates], whose=f"{whose} ({part})")


def counts(members: Array, number: int) -> np.ndarray:
    """(R, number) how often each of 0 to number - 1 occurs in the members (R, M) of each replica."""
    return np.stack([np.bincount(of_replica, minlength=number)[:number] for of_replica in members])


def _flipped(labels: np.ndarray, num_classes: int, probability: float, rng: np.random.Generator) -> np.ndarray:
    """(N,) each label replaced with that probability by one of the others, all equally likely."""
    others = (labels + rng.integers(1, num_classes, size=len(labels))) % num_classes
    return np.where(rng.random(len(labels)) < probability, others, labels).astype(np.int32)


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, stream])

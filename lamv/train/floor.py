"""What the training loss of a row cannot fall below: the entropy of its targets, however good the network.

A smoothed or mixed loss that stays at 0.5 looks like a stall; how far it is above its floor says whether it is one.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from lamv.core import laws
from lamv.core.methods import METHODS
from lamv.core.targets import matched_smoothing, smooth, smooth_towards, suppressed
from lamv.train.mitigations import base
from lamv.train.variants import VariantRun

Knobs = Mapping[str, Any]


def of_row(row: VariantRun, step: int) -> float | None:
    """The least mean loss, nats, of the method at that step; 0 for one-hot targets.

    It is the mean entropy of the targets, or that of the mean target where the inputs do not tell which one was drawn; with
    MaxSup, of what these become (lamv.core.targets.suppressed). None where it cannot be told beforehand: another loss than
    the cross-entropy, a teacher, a mitigation that draws or pairs the examples that a method combines, and a method without
    an entry in FLOORS.
    """
    config, mitigation = row.config, row.program.mitigation
    method = row.program.method(row.stages.at(step))
    name = next((name for name, known in METHODS.items() if known is method), "")
    chosen = "sampling" in mitigation.shapes and method.combines
    pairs = type(mitigation).pairs is not base.Mitigation.pairs
    if config.loss.name != "cross_entropy" or config.distill.row or chosen or pairs or name not in FLOORS:
        return None
    knobs = {**config.method, "max_suppression": config.loss.max_suppression}
    return FLOORS[name](knobs, np.asarray(row.view.class_frequencies, np.float64))


def _entropy(targets: np.ndarray, knobs: Knobs) -> np.ndarray:
    """(..., K) -> (...), in nats; of the suppressed targets where there is MaxSup."""
    if share := knobs.get("max_suppression", 0.0):
        targets = np.asarray(suppressed(jnp.asarray(targets), share), np.float64)
    some = np.where(targets > 0, targets, 1.0)
    return -np.sum(some * np.log(some), axis=-1)


def _smoothed(knobs: Knobs, prior: np.ndarray, smoothing: float | None = None) -> np.ndarray:
    """(K, K) targets of label smoothing, by label."""
    share = knobs["smoothing"] if smoothing is None else smoothing
    labels = jnp.eye(len(prior))
    return np.asarray(smooth(labels, share, knobs["convention"]) if share else labels, np.float64)


def _of_smoothing(knobs: Knobs, prior: np.ndarray) -> float:
    return float(prior @ _entropy(_smoothed(knobs, prior), knobs))


def _of_unigram(knobs: Knobs, prior: np.ndarray) -> float:
    smoothed = smooth_towards(jnp.eye(len(prior)), knobs["smoothing"], jnp.asarray(prior, jnp.float32))
    return float(prior @ _entropy(np.asarray(smoothed), knobs))


def _of_over_smoothing(knobs: Knobs, prior: np.ndarray) -> float:
    return float(prior @ _entropy(_smoothed({"convention": "uniform"}, prior, knobs["over_smoothing"]), knobs))


def _of_matched(knobs: Knobs, prior: np.ndarray) -> float:
    """The mean entropy of the Mixup that is matched, but for MaxSup."""
    mixed = _of_mixing()({**knobs, "smoothing": 0.0, "max_suppression": 0.0}, prior)
    if not knobs.get("max_suppression"):
        return mixed
    return _of_smoothing({**knobs, "smoothing": matched_smoothing(mixed, len(prior), knobs["convention"])}, prior)


def _nodes(knobs: Knobs, law: str = "law") -> tuple[np.ndarray, np.ndarray]:
    """Values of lam and their weights."""
    text = knobs[law] or knobs["law"]
    return (laws.parse(text) if text else laws.beta(knobs["alpha"])).nodes()


def _of_mixing(
    nodes: Callable[[Knobs], tuple[np.ndarray, np.ndarray]] = _nodes,
) -> Callable[[Knobs, np.ndarray], float]:
    """Of q = lam q_i + (1 - lam) q_j, with a partner j of any label."""

    def floor(knobs: Knobs, prior: np.ndarray) -> float:
        own, (values, weights) = _smoothed(knobs, prior), nodes(knobs)
        same = float(prior**2 @ _entropy(own, knobs))
        pairs = values[:, None] * own[0] + (1 - values[:, None]) * own[1]
        return same + (1 - float(prior @ prior)) * float(weights @ _entropy(pairs, knobs))

    return floor


def _of_target_mixup(knobs: Knobs, prior: np.ndarray) -> float:
    """The input is one's own and the partner's label is any."""
    own, (values, weights) = _smoothed(knobs, prior), _nodes(knobs)
    kept = float(weights @ np.maximum(values, 1 - values))
    return float(prior @ _entropy(kept * own + (1 - kept) * (prior @ own), knobs))


def _of_regmixup(knobs: Knobs, prior: np.ndarray) -> float:
    return _of_smoothing(knobs, prior) + knobs["weight"] * _of_mixing()(knobs, prior)


#: (knobs of the method, frequencies of the classes) -> nats. Without an entry: targets that depend on images, on the
#: network or on who is near, or that are below 0.
FLOORS: dict[str, Callable[[Knobs, np.ndarray], float]] = {
    "erm": lambda knobs, prior: _of_smoothing({**knobs, "smoothing": 0.0}, prior),
    "label_smoothing": _of_smoothing,
    "unigram_smoothing": _of_unigram,
    "over_smoothing": _of_over_smoothing,
    "disturb_label": _of_smoothing,  # in expectation, see lamv.core.targets
    "matched_smoothing": _of_matched,
    "mixup": _of_mixing(),
    "midpoint": _of_mixing(lambda knobs: (np.array([0.5]), np.ones(1))),
    "decoupled_mixup": _of_mixing(lambda knobs: _nodes(knobs, "target_law")),
    "input_mixup": _of_smoothing,
    "target_mixup": _of_target_mixup,
    "same_class_mixup": _of_smoothing,
    "manifold_mixup": _of_mixing(),
    "regmixup": _of_regmixup,
}

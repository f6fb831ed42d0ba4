"""What is measured of a network while it trains: sums over a split, and the metrics made of them."""

from operator import itemgetter
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamv.core import batch, metrics, variance
from lamv.core.variance import decompose_replicas
from lamv.data.long_tails import PARTS
from lamv.data.resident import DataView, Examples, SplitIndex
from lamv.errors import NotFiniteError
from lamv.train import parallel
from lamv.train.batches import Batch
from lamv.train.parallel import DATA_AXIS
from lamv.train.replica import Knobs, State
from lamv.train.step import Program


class Sums(NamedTuple):
    """Sums over a split: predictions, and class moments of the features and of the outputs."""

    predictions: metrics.PredictionSums | metrics.RegressionSums
    features: variance.Moments
    outputs: variance.Moments


class Tally:
    """Sums over a split, batch by batch; for one replica and one device's share of a batch, as Program is."""

    def __init__(self, program: Program):
        self.program, self.view = program, program.view

    def nothing(self, knobs: Knobs) -> Sums:
        """The sums of no example, where a pass starts."""
        classes = self.view.num_classes
        nobody = jnp.zeros(0, jnp.int32)
        return Sums(
            self.predictions(jnp.zeros((0, classes)), nobody, nobody, nobody, nobody),
            variance.empty(classes, self.program.feature_size),
            variance.empty(classes, classes),
        )

    def add(self, sums: Sums, state: State, knobs: Knobs, table: SplitIndex, examples: Examples, count, b) -> Sums:
        """Add batch number b of a split to the sums. Its first `count` examples are real, the table may be padded."""
        seen, mask = self.read(table, examples, knobs, count, b)
        logits, features = self.program.forward(state, seen.inputs)
        predictions = self.predictions(logits, seen.labels, mask, seen.groups, seen.attributes)
        # A regression has one class, for the moments.
        labels = jnp.zeros_like(seen.labels, jnp.int32) if self.view.regression else seen.labels

        def moments(values):
            return variance.merge_over(variance.class_moments(values, labels, self.view.num_classes, mask), DATA_AXIS)

        return Sums(
            jax.tree.map(lambda old, new: old + lax.psum(new, DATA_AXIS), sums.predictions, predictions),
            variance.merge(sums.features, moments(features)),
            variance.merge(sums.outputs, moments(self.program.loss.outputs(logits))),
        )

    def read(self, table: SplitIndex, examples: Examples, knobs: Knobs, count, b, **how) -> tuple[Batch, jax.Array]:
        """This device's share of batch b of a split, and (B,) bool: which examples are real. how: as in Batches.at."""
        devices = lax.axis_size(DATA_AXIS)
        # Rounded up to an equal share for every device; what is beyond the end is masked anyway.
        size = -(-self.program.config.eval_batch_size // devices) * devices
        indices = b * size + batch.part(size, DATA_AXIS).positions
        seen = self.program.batches.at(examples, table, jnp.minimum(indices, len(table.rows) - 1), knobs, **how)
        return seen, indices < count

    def predictions(self, logits, labels, mask, groups, attributes):
        """The sums of these examples, of the kind that the task has."""
        if self.view.regression:
            return metrics.regression_sums(self.program.loss.outputs(logits), labels, mask)
        # Only a planted cue says a class: an attribute that comes with the data is of its own kind.
        # (And in cat_channel, another class than the label.)
        cue = attributes if self.program.config.data.shortcut.kind not in ("none", "cat_channel") else None
        return metrics.prediction_sums(logits, labels, mask, groups, self.view.num_groups, cue=cue)


def split_metrics(run, replicas, split: str) -> list[dict[str, float]]:
    """Metrics of a split of each of these replicas (lamv.train.variants). Raises NotFiniteError (exit 70)."""
    sums = run.sums(replicas, split)
    predictions = parallel.fetch(sums.predictions)
    moments = parallel.fetch({where: decompose_replicas(getattr(sums, where)) for where in ("features", "outputs")})
    ratios = weight_norm_ratios(run, replicas.state) if split == "test" else None
    results = []
    for r, seed in enumerate(replicas.seeds):
        values = prediction_metrics(run.view, jax.tree.map(itemgetter(r), predictions), replicas.first + r)
        for where, parts in moments.items():
            values |= {f"{where}/{name}": float(value[r]) for name, value in parts.items()}
        if ratios is not None:
            values |= ratios[r]
        wrong = [name for name, value in values.items() if not np.isfinite(value)]
        if wrong:
            raise NotFiniteError(
                f"{split}/{wrong[0]} of row {run.name!r}, seed {seed}, is not finite; the last checkpoint is"
                " kept; lower optim.lr or set optim.clip_norm",
                row=run.name,
            )
        results.append(values)
    return results


def prediction_metrics(view: DataView, predictions, replica: int) -> dict[str, float]:
    """The metrics of the sums of one replica, of the kind that the task has."""
    if view.regression:
        return metrics.regression_metrics(predictions)
    measured = metrics.prediction_metrics(predictions, view.group_counts[replica], view.num_attributes)
    return (
        measured if view.tail is None else measured | metrics.tail_metrics(predictions.classes, view.tail.parts, PARTS)
    )


def weight_norm_ratios(run, state: State) -> list[dict[str, float]] | None:
    """Of every replica of a state: weight on the cue's inputs over that on all others, in the layer that reads the inputs.

    None where there is no cue, where all inputs carry it, or where there is no such layer.
    """
    model, cue = run.program.model, run.view.cue
    if cue is None or model.first is None:
        return None
    kernels = parallel.fetch(state.params[model.first]["kernel"])
    if model.first == model.last:  # linear: the softmax does not see the mean over classes
        kernels = kernels - kernels.mean(axis=-1, keepdims=True)
    measures = {"weight_norm_ratio": metrics.weight_norm_ratio, "weight_norm_share": metrics.weight_norm_share}
    return [{name: measure(kernel, cue) for name, measure in measures.items()} for kernel in kernels]

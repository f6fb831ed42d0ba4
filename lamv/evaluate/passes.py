"""Passes of a trained row over its data: sums on the devices, and activations of each example.

`statistics` is one forward pass over a split for everything that is a sum: counts, class moments of every layer, geometry
of the features. Of each example it keeps the logits alone, which calibration, margins and selective prediction sort.
`gathered` keeps what an evaluator computes of a batch, (N, D), for a bounded number of examples.

A pass is compiled once for all checkpoints, and for all rows that share a program.

Axis letters: R replicas, M examples of a split, B examples of a device's share of a batch, K classes, D units.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamv.core import batch, collapse, metrics, variance
from lamv.data.resident import Examples, SplitIndex
from lamv.models.layers import entering, hidden_widths, watching
from lamv.train import parallel
from lamv.train.batches import Batch
from lamv.train.parallel import DATA_AXIS
from lamv.train.variants import Replicas, VariantRun


class Statistics(NamedTuple):
    """The results of a pass over a split.

    moments: by layer, the hidden ones under "layers/NAME", then features, logits and outputs. nearest: number of examples
    whose nearest centre is the predicted class. logits: (M, K), in the order of the split.
    """

    predictions: metrics.PredictionSums | metrics.RegressionSums
    moments: dict[str, variance.Moments]
    geometry: collapse.Geometry
    nearest: jax.Array
    logits: jax.Array


class Replica(NamedTuple):
    """Inputs of a pass, of one replica. value: a number that varies between calls (a level, a lam), or centres."""

    state: Any
    knobs: Any
    table: SplitIndex
    value: Any = ()


class Shared(NamedTuple):
    """Inputs of a pass, of all replicas. count: examples of the split, whose table may be padded."""

    examples: Examples
    count: Any


class Passes:
    """The passes of one row; they return numpy arrays with a leading axis of replicas."""

    def __init__(self, row: VariantRun):
        self.row, self.program, self.view, self.tally = row, row.program, row.view, row.functions.tally
        self.num_classes = self.view.num_classes  # 1 for a regression, whose moments are those of a single class
        hidden = hidden_widths(self.program.model, self.view.shape)
        self.widths = {f"layers/{name}": width for name, width in hidden.items()}
        self.widths |= {"features": self.program.feature_size, "logits": self.num_classes, "outputs": self.num_classes}
        devices = row.layout.mesh.shape[DATA_AXIS]
        self.batch_size = -(-row.config.eval_batch_size // devices) * devices

    @property
    def layers(self) -> list[str]:
        """Names of the layers, in order of depth; features, logits and outputs come last."""
        return [where.removeprefix("layers/") for where in self.widths]

    def statistics(self, replicas: Replicas, table: SplitIndex, centres=None) -> Statistics:
        """One pass over a split. centres: (R, K, D) for `nearest`; None: no centre is near."""
        if centres is None:
            centres = np.zeros((len(replicas.seeds), self.num_classes, self.program.feature_size), np.float32)
        centres = self.row.layout.place(np.asarray(centres, np.float32), replicas=True)
        replica, shared, batches = self.arguments(replicas, table, centres)
        empty = self.row.functions.get("pass: empty", lambda: self.row.layout.mapped(self._empty, shared=0))
        run = self.compiled("statistics", self._add_batch)
        statistics = parallel.fetch(run(empty(replica.table), replica, shared, 0, batches))
        return statistics._replace(logits=statistics.logits[:, : table.rows.shape[1]])

    def activations(
        self, replicas: Replicas, table: SplitIndex, examples: Examples | None = None, wheres: Sequence[str] = ()
    ) -> dict[str, np.ndarray]:
        """Of these layers, () for every one, {where: (R, M, D)}. examples: those of another data set."""
        wheres = tuple(wheres or self.widths)

        def compute(replica: Replica, shared: Shared, b):
            values = self.forward(replica.state, self.read(replica, shared, b).inputs)
            return {where: values[where] for where in wheres}

        return self.gathered(f"activations {wheres}", compute, replicas, table, wheres=wheres, examples=examples)

    def gathered(
        self, name: str, compute: Callable, replicas: Replicas, table: SplitIndex, *, value=None,
        wheres: Sequence[str] = ("logits",), examples: Examples | None = None,
    ) -> dict[str, np.ndarray]:  # fmt: skip
        """{where: (R, M, D)} of `compute(replica, shared, b)` -> {where: (B, D)} over a split. value: Replica.value."""
        value = () if value is None else self.row.layout.place(np.full(len(replicas.seeds), value), replicas=True)
        replica, shared, batches = self.arguments(replicas, table, value, examples)
        widths = {where: self.widths[where] for where in wheres}
        kept = self.filled(name, compute, (replica, shared), widths, replica.table.rows.shape[1], batches)
        return {where: values[:, : shared.count] for where, values in kept.items()}

    def filled(
        self, name: str, compute: Callable, arguments: tuple[Replica, Shared], widths, length: int, batches: int,
        method: bool = False,
    ) -> dict[str, np.ndarray]:  # fmt: skip
        """{where: (R, length, D)} of `compute(*arguments, b)` for the batches in order; widths: {where: D}.

        method: whether the pass depends on the method of the row.
        """

        def body(kept, replica: Replica, shared: Shared, b):
            return stored(kept, b, compute(replica, shared, b))

        replicas = arguments[0].table.rows.shape[0]
        start = {where: np.zeros((replicas, length, width), np.float32) for where, width in widths.items()}
        run = self.compiled(name, body, method)
        return parallel.fetch(run(self.row.layout.place(start, replicas=True), *arguments, 0, batches))

    def compiled(self, name: str, body: Callable, method: bool = False) -> Callable:
        """`body(carry, replica, shared, b) -> carry` as a function of (carry, replica, shared, first, last batch)."""
        functions = self.row.functions
        return functions.get(f"pass: {name}", lambda: functions.repeated(body, shared=1), training=method)

    def arguments(self, replicas: Replicas, table: SplitIndex, value=(), examples=None) -> tuple[Replica, Shared, int]:
        """(replica, shared, number of batches) of a pass over a split; the table is padded to whole batches."""
        missing = -table.rows.shape[1] % self.batch_size
        padded = jax.tree.map(lambda values: np.pad(values, ((0, 0), (0, missing)), mode="edge"), table)
        padded = self.row.layout.place(padded, replicas=True)
        shared = Shared(self.row.examples if examples is None else examples, np.int32(table.rows.shape[1]))
        return Replica(replicas.network, replicas.knobs, padded, value), shared, padded.rows.shape[1] // self.batch_size

    def read(self, replica: Replica, shared: Shared, b, **how) -> Batch:
        """This device's share of batch b. how: as in Batches.at."""
        return self.tally.read(replica.table, shared.examples, replica.knobs, shared.count, b, **how)[0]

    def read_training(self, replica: Replica, shared: Shared, t, stage: int, law=None) -> batch.Augmented:
        """This device's share of the training batch of step t, as the method makes it. law: of lam, in place of its own."""
        state, knobs, table, _ = replica
        drawn = self.program.drawn(state, knobs, table, shared.examples, t, stage=stage)
        return self.program.augmented(drawn, state, knobs, stage=stage, law=law)

    def forward(self, state, inputs, hidden: Callable | None = None) -> dict[str, jax.Array]:
        """Outputs of every layer, {where: (B, D)}. hidden: as Augmented.hidden."""
        watched: dict[str, jax.Array] = {}
        with entering(hidden), watching(watched):
            logits, features = self.program.forward(state, inputs)
        named = {f"layers/{name}": values for name, values in watched.items()}
        return {**named, "features": features, "logits": logits, "outputs": self.program.loss.outputs(logits)}

    def logits(self, state, inputs) -> jax.Array:
        """(B, K) of the network in evaluation."""
        return self.program.forward(state, inputs)[0]

    def _add_batch(self, sums: Statistics, replica: Replica, shared: Shared, b) -> Statistics:
        seen, mask = self.tally.read(replica.table, shared.examples, replica.knobs, shared.count, b)
        values = self.forward(replica.state, seen.inputs)
        classes = jnp.zeros_like(seen.labels, jnp.int32) if self.view.regression else seen.labels
        predictions = self.tally.predictions(values["logits"], seen.labels, mask, seen.groups, seen.attributes)
        geometry = collapse.geometry(values["features"], classes, self.num_classes, mask)
        nearest = collapse.nearest_class(
            values["features"], replica.value, present=jnp.any(replica.value != 0, axis=-1)
        )
        agree = jnp.argmax(values["logits"], axis=-1) == nearest
        moments = {
            where: variance.merge(
                sums.moments[where],
                variance.merge_over(variance.class_moments(values[where], classes, self.num_classes, mask), DATA_AXIS),
            )
            for where in self.widths
        }
        return Statistics(
            jax.tree.map(lambda old, new: old + lax.psum(new, DATA_AXIS), sums.predictions, predictions),
            moments,
            collapse.merge(sums.geometry, collapse.merge_over(geometry, DATA_AXIS)),
            sums.nearest + lax.psum(jnp.sum(agree & mask), DATA_AXIS),
            stored({"logits": sums.logits}, b, {"logits": values["logits"]})["logits"],
        )

    def _empty(self, table: SplitIndex) -> Statistics:
        none = jnp.zeros(0, jnp.int32)
        return Statistics(
            self.tally.predictions(jnp.zeros((0, self.num_classes)), none, none, none, none),
            {where: variance.empty(self.num_classes, width) for where, width in self.widths.items()},
            collapse.empty(self.num_classes, self.program.feature_size),
            jnp.int32(0),
            jnp.zeros((table.rows.shape[0], self.num_classes)),
        )


def stored(kept: Mapping[str, jax.Array], b, values: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    """The buffers {where: (M, D)} with the values (B, D) that all devices have of batch b, in float32."""
    whole = lax.all_gather(dict(values), DATA_AXIS, tiled=True)
    return {
        name: lax.dynamic_update_slice(kept[name], value.astype(jnp.float32), (b * value.shape[0], 0))
        for name, value in whole.items()
    }

"""The passes of a trained row over its data: what is summed up on the devices, and what is kept of each example.

`seen` is the pass for everything that is a sum: one forward pass over a split, and with it the class moments of every
layer, the geometry of the features, and counts; states merge across batches and devices, so a split may be as large as
it likes. Of an example it keeps the logits, (N, K) in all, since calibration, margins and selective prediction sort them.

`kept` and `own` keep (N, D) activations, and are for a bounded number of examples: the probe and the projection want them
one by one; and on a method's own inputs a cell (lamv.core.bounds) is known only once all targets are.

Each pass is a compiled function of the state and of the numbers that vary (which batch, which level): it is compiled once
for all checkpoints, and once for all rows that share their program.

Axis letters: R replicas, M places of a split, K classes, D units.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamv.core import attacks, batch, collapse, corruptions, laws, metrics, variance
from lamv.core.losses import cross_entropy
from lamv.core.methods import knobs_of
from lamv.core.targets import one_hot
from lamv.data.resident import Table
from lamv.models.layers import entering, hidden_widths, watching
from lamv.train import parallel
from lamv.train.parallel import DATA_AXIS
from lamv.train.rows import Lane, RowRun
from lamv.train.step import root_key, step_key

#: Points of the Gauss rule that stands for a continuous law of lam.
NODES = 8
#: Steps of projected gradient ascent; each goes a quarter of eps.
ASCENTS = 10
#: Standard deviation of the noise that stands for augmentation where a run has none, in the units the network sees.
JITTER = 0.1


class Seen(NamedTuple):
    """What a pass over a split leaves, by replica.

    moments: by layer, the hidden ones under "layers/NAME", then features, logits and outputs. nearest: number of examples
    whose nearest centre is the class that the network says. logits: (M, K), in the order of the split.
    """

    predictions: metrics.PredictionSums | metrics.RegressionSums
    moments: dict[str, variance.Moments]
    geometry: collapse.Geometry
    nearest: jax.Array
    logits: jax.Array


class Passes:
    """The passes of one row. Arrays that come back are numpy, with a leading axis of the replicas of the lane."""

    def __init__(self, row: RowRun):
        self.row, self.program = row, row.program
        plan = self.program.plan
        # A regression has examples of one class, as far as moments go.
        self.classes = plan.num_classes
        hidden = hidden_widths(self.program.model, plan.shape)
        self._widths = {f"layers/{name}": width for name, width in hidden.items()}
        self._widths |= {"features": self.program.feature_size, "logits": self.classes, "outputs": self.classes}
        self.wheres = list(self._widths)
        self.batch = _rounded_up(row.config.eval_batch_size, row.layout.mesh.shape[DATA_AXIS])

    def seen(self, lane: Lane, table: Table, centres=None) -> Seen:
        """One pass over a split. centres: (R, K, D) that features are compared with, for `nearest`; None: nothing."""
        seen = parallel.fetch(self.sums(lane, table, centres))
        return seen._replace(logits=seen.logits[:, : table.rows.shape[1]])

    def sums(self, lane: Lane, table: Table, centres=None) -> Seen:
        """What `seen` returns, still on the devices, and with the logits of places that pad the last batch."""
        count = table.rows.shape[1]
        table = self.padded(table)
        replicas = len(lane.seeds)
        if centres is None:
            centres = np.zeros((replicas, self.classes, self.program.feature_size), np.float32)
        centres = self.row.layout.place(np.asarray(centres, np.float32), replicas=True)
        nothing = self._function("seen nothing", lambda: self.row.layout.mapped(self._nothing, shared=0))
        run = self._function("seen", lambda: self.row.repeated(self._seen, shared=2))
        batches = table.rows.shape[1] // self.batch
        return run(
            nothing(table), lane.network, lane.knobs, table, centres, self.row.examples, np.int32(count), 0, batches
        )

    def kept(self, lane: Lane, table: Table, examples=None) -> dict[str, np.ndarray]:
        """Activations of every layer for each example, {where: (R, M, D)}. examples: those of another data set."""

        def body(kept, state, knobs, table, examples, count, b):
            inputs, _, _ = self.inputs_of(table, knobs, examples, count, b)
            return self._stored(kept, b, self._activations(state, inputs))

        return self._gathered("kept", body, lane, table, self._widths, examples=examples)

    def drawn(self, lane: Lane, table: Table, draws: int) -> np.ndarray:
        """Logits (R, M, draws, K) of augmented views of each example: the run's crop, flip and cutout, or else noise."""
        augment = self.row.config.data.augment
        augments = bool(augment.crop or augment.flip or augment.cutout)

        def body(kept, state, knobs, table, draw, examples, count, b):
            rows = batch.part(self.batch, DATA_AXIS)
            places, _ = self.program.evaluated(table, count, b)
            t = MOST_VIEWS * b + draw  # a "step" of its own for each view of each batch
            inputs, _ = self.program.examples_at(
                examples, table, places, knobs, augment=(t, rows) if augments else None
            )
            if not augments:
                keys = rows.keys(step_key(knobs, JITTER_STREAM, t))
                inputs += JITTER * jax.vmap(lambda key, x: jax.random.normal(key, x.shape))(keys, inputs)
            return self._stored(kept, b, {"logits": self.program.forward(state, inputs)[0]})

        views = [
            self._gathered("drawn", body, lane, table, {"logits": self.classes}, per_replica=(draw,))["logits"]
            for draw in range(draws)
        ]
        return np.stack(views, axis=2)

    def own(self, lane: Lane, step: int, most: int, lam: float | None = None) -> dict[str, np.ndarray]:
        """Activations on batches as the run's method makes them, and their "targets", {where: (R, M, D)}.

        step: of the checkpoint; it says which of two methods is on. most: how many examples to draw at the most, in whole
        batches; of a method that does not combine examples, none twice. lam: in place of the method's law (see `nodes`).
        """
        config, train_size = self.row.config, self.row.train_size
        phase = self.row.phase_at(step)
        per_epoch = train_size // config.batch_size
        first = -(-self.row.steps // per_epoch) * per_epoch  # an epoch that training has not seen
        batches = max(1, most // config.batch_size)
        if "rows" not in knobs_of(self.program.method(phase)):
            batches = min(batches, per_epoch)

        def body(kept, state, knobs, table, lam_here, examples, b):
            rows, t = batch.part(config.batch_size, DATA_AXIS), first + b
            places = self.program.places(phase, state, knobs, t, rows)
            inputs, labels = self.program.examples_at(examples, table, places, knobs, augment=(t, rows))
            targets = self.program.targets_of(labels, table, places, examples, knobs)
            law = None if lam is None else laws.fixed(lam_here)
            made = self.program.augmented(phase, state, knobs, table, inputs, labels, targets, places, rows, t, law=law)
            with entering(made.hidden):
                values = self._activations(state, made.inputs)
            return self._stored(kept, b, {**values, "targets": made.targets})

        shapes = {**self._widths, "targets": self.classes}
        name = f"own {phase} {lam is None} {batches}"
        run = self._function(name, lambda: self.row.repeated(body, shared=1), method=True)
        start = self._buffers(shapes, batches * config.batch_size, len(lane.seeds))
        lam_here = self._per_replica(0.0 if lam is None else lam, lane)
        kept = run(start, lane.state, lane.knobs, lane.train, lam_here, self.row.examples, 0, batches)
        return parallel.fetch(kept)

    def nodes(self, step: int) -> list[tuple[float | None, float]]:
        """(lam, weight) at which `own` is to be run: [(None, 1)] where the method has no law that could be replaced."""
        config = self.row.config.method
        asks = set(knobs_of(self.program.method(self.row.phase_at(step))))
        if not {"law", "rows"} <= asks or "target_law" in asks:
            return [(None, 1.0)]
        law = laws.parse(config.law) if config.law else laws.beta(config.alpha)
        return [(float(lam), float(weight)) for lam, weight in zip(*law.nodes(NODES), strict=True)]

    def attacked(self, lane: Lane, table: Table, kind: str, eps: float) -> np.ndarray:
        """Logits (R, M, K) at inputs moved by at most eps a coordinate (eps in raw units, as images in [0, 1])."""
        scale, low, high = self._input_range()

        def body(kept, state, knobs, table, eps, examples, count, b):
            inputs, labels, _ = self.inputs_of(table, knobs, examples, count, b)
            targets = one_hot(labels, self.classes)

            def slope(x):
                return jax.grad(lambda x: jnp.sum(cross_entropy(self.program.forward(state, x)[0], targets)))(x)

            size = eps * scale
            if kind == "fgsm":
                moved = attacks.fgsm(slope, inputs, size, low, high)
            else:
                moved = attacks.pgd(slope, inputs, size, low, high, steps=ASCENTS, step_size=size / 4, unroll=not loops)
            return self._stored(kept, b, {"logits": self.program.forward(state, moved)[0]})

        loops = parallel.compiled_loop(self.row.config)
        kept = self._gathered(
            f"attacked {kind}", body, lane, table, {"logits": self.classes}, per_replica=(np.float32(eps),)
        )
        return kept["logits"]

    def corrupted(self, lane: Lane, table: Table, kind: str, level: float) -> np.ndarray:
        """Logits (R, M, K) at images with a corruption of lamv.core.corruptions."""
        corrupt = corruptions.CORRUPTIONS[kind]

        def body(kept, state, knobs, table, level, examples, count, b):
            key = jax.random.fold_in(root_key(knobs), CORRUPTION_STREAM)

            def change(images, rows_of_data):
                keys = jax.vmap(jax.random.fold_in, (None, 0))(key, rows_of_data)
                return jax.vmap(lambda key, image: corrupt(key, image, level))(keys, images)

            inputs = self.inputs_of(table, knobs, examples, count, b, change=change)[0]
            return self._stored(kept, b, {"logits": self.program.forward(state, inputs)[0]})

        kept = self._gathered(
            f"corrupted {kind}", body, lane, table, {"logits": self.classes}, per_replica=(np.float32(level),)
        )
        return kept["logits"]

    def _seen(self, seen: Seen, state, knobs, table: Table, centres, examples, count, b) -> Seen:
        inputs, labels, (places, mask) = self.inputs_of(table, knobs, examples, count, b)
        values = self._activations(state, inputs)
        classes = jnp.zeros_like(labels, jnp.int32) if self.program.plan.regression else labels
        predictions = self.program.predictions(
            values["logits"], labels, mask, table.groups[places], table.attributes[places]
        )
        geometry = collapse.geometry(values["features"], classes, self.classes, mask)
        nearest = collapse.nearest_class(values["features"], centres, present=jnp.any(centres != 0, axis=-1))
        agree = jnp.argmax(values["logits"], axis=-1) == nearest
        moments = {
            where: variance.merge(
                seen.moments[where],
                variance.merge_over(variance.class_moments(values[where], classes, self.classes, mask), DATA_AXIS),
            )
            for where in self.wheres
        }
        return Seen(
            jax.tree.map(lambda old, new: old + lax.psum(new, DATA_AXIS), seen.predictions, predictions),
            moments,
            collapse.merge(seen.geometry, collapse.merge_over(geometry, DATA_AXIS)),
            seen.nearest + lax.psum(jnp.sum(agree & mask), DATA_AXIS),
            self._stored({"logits": seen.logits}, b, {"logits": values["logits"]})["logits"],
        )

    def _nothing(self, table: Table) -> Seen:
        nobody = jnp.zeros(0, jnp.int32)
        return Seen(
            self.program.predictions(jnp.zeros((0, self.classes)), nobody, nobody, nobody, nobody),
            {where: variance.empty(self.classes, dim) for where, dim in self._widths.items()},
            collapse.empty(self.classes, self.program.feature_size),
            jnp.int32(0),
            jnp.zeros((table.rows.shape[0], self.classes)),
        )

    def inputs_of(self, table: Table, knobs, examples, count, b, change=None):
        """Inputs and labels of this device's share of batch b, and (places, which of them are real)."""
        places, mask = self.program.evaluated(table, count, b)
        inputs, labels = self.program.examples_at(examples, table, places, knobs, change=change)
        return inputs, labels, (places, mask)

    def _activations(self, state, inputs) -> dict[str, jax.Array]:
        """What every layer puts out, {where: (B, D)}."""
        hidden: dict[str, jax.Array] = {}
        with watching(hidden):
            logits, features = self.program.forward(state, inputs)
        named = {f"layers/{name}": value for name, value in hidden.items()}
        return {**named, "features": features, "logits": logits, "outputs": self.program.loss.outputs(logits)}

    def _stored(self, kept: Mapping[str, jax.Array], b, values: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """The buffers with what all devices have of batch b written to its place."""
        whole = lax.all_gather(dict(values), DATA_AXIS, tiled=True)
        return {
            name: lax.dynamic_update_slice(kept[name], value.astype(jnp.float32), (b * value.shape[0], 0))
            for name, value in whole.items()
        }

    def _gathered(
        self,
        name: str,
        body: Callable,
        lane: Lane,
        table: Table,
        shapes: Mapping[str, int],
        per_replica: Sequence[Any] = (),
        examples=None,
    ) -> dict[str, np.ndarray]:
        """The buffers that `body` fills in the course of a pass over a split; per_replica: the same for each of them."""
        count = table.rows.shape[1]
        table = self.padded(table)
        length = table.rows.shape[1]
        run = self._function(name, lambda: self.row.repeated(body, shared=2))
        given = [self._per_replica(value, lane) for value in per_replica]
        start = self._buffers(shapes, length, len(lane.seeds))
        examples = self.row.examples if examples is None else examples
        kept = run(start, lane.network, lane.knobs, table, *given, examples, np.int32(count), 0, length // self.batch)
        return {where: values[:, :count] for where, values in parallel.fetch(kept).items()}

    def _buffers(self, shapes: Mapping[str, int], length: int, replicas: int) -> dict[str, jax.Array]:
        host = {where: np.zeros((replicas, length, dim), np.float32) for where, dim in shapes.items()}
        return self.row.layout.place(host, replicas=True)

    def _per_replica(self, value, lane: Lane):
        return self.row.layout.place(np.full(len(lane.seeds), value), replicas=True)

    def padded(self, table: Table) -> Table:
        """The table on the devices, up to a whole number of batches."""
        missing = -table.rows.shape[1] % self.batch
        padded = jax.tree.map(lambda values: np.pad(values, ((0, 0), (0, missing)), mode="edge"), table)
        return self.row.layout.place(padded, replicas=True)

    def _input_range(self):
        """What eps = 1 is in the units that the network sees, and the range of valid inputs there; per coordinate."""
        plan, config = self.program.plan, self.row.config.data
        normalisation = plan.normalisation
        stored = plan.raw_shape
        spread = np.broadcast_to(np.float32(normalisation.std if config.normalise else 1.0), stored)
        mean = np.broadcast_to(np.float32(normalisation.mean if config.normalise else 0.0), stored)
        images = len(stored) == 3
        low = (0 - mean) / spread if images else np.full(stored, -np.inf, np.float32)
        high = (1 - mean) / spread if images else np.full(stored, np.inf, np.float32)
        return tuple(
            self._as_seen(values, beyond) for values, beyond in ((1 / spread, 1.0), (low, -np.inf), (high, np.inf))
        )

    def _as_seen(self, values: np.ndarray, beyond: float) -> np.ndarray:
        """An array over a stored example in the shape that the network sees; inputs of a planted tag get `beyond`."""
        shape = self.program.plan.shape
        if values.shape == tuple(shape):
            return values[None]
        flat = np.full(int(np.prod(shape)), beyond, np.float32)
        flat[: values.size] = values.reshape(-1)
        return flat.reshape(1, *shape)

    def _function(self, name: str, make: Callable[[], Callable], method: bool = False) -> Callable:
        return self.row.function(f"pass: {name}", lambda _: make(), method=method)


#: More views of an example than anyone draws.
MOST_VIEWS = 1000
#: Streams of randomness that only passes draw from, apart from those of lamv.train.step.
JITTER_STREAM, CORRUPTION_STREAM = 100, 101


def _rounded_up(number: int, step: int) -> int:
    return -(-number // step) * step

"""A second stage that trains only the last layer, on frozen features, for training sets with a long tail.

    lort    label over-smoothing (Sun et al., ICLR 2025): the trained last layer goes on, on targets with the share
            over_smoothing moved off the label: 1 - d + d / K on it and d / K elsewhere
    crt     classifier re-training (Kang et al., ICLR 2020): the last layer begins anew, and all classes are drawn equally
            often; targets are the labels

Batches are those of a training step before the method of the row, with crop, flip, cue and label noise. The optimiser and
the shape of its schedule are the run's, begun anew, over `mitigation.refit_epochs` at the peak `mitigation.refit_lr`, and
without weight decay. Frozen features are those of evaluation: batch statistics stay, too.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from lamv.core import batch, mitigation
from lamv.core.targets import smooth
from lamv.data.split_index import counts
from lamv.train import parallel
from lamv.train.batches import Draw, batch_indices
from lamv.train.mitigations.base import Mitigation
from lamv.train.optimisation import optimiser
from lamv.train.replica import ORDER, root_key, step_key


class LORT(Mitigation):
    """The last layer is trained on by nearly uniform targets."""

    def head(self, row, replicas):
        """The last layer at the start of the second stage, of every replica."""
        return replicas.state.params[row.program.model.last]

    def sampling(self, row, replicas) -> np.ndarray:
        """(R, M) how often each training example is to be drawn, next to the others; (R, 0) for the order of epochs."""
        return np.zeros((len(replicas.seeds), 0), np.float32)

    def targets(self, targets, knobs):
        """(B, K) what the last layer is trained on."""
        return smooth(targets, knobs.mitigation["over_smoothing"])

    def drawn(self, sampling, knobs, draw: Draw, train_size: int):
        """(B,) indices into the training set, at a step of the second stage."""
        return batch_indices(root_key(knobs), draw, train_size)

    def ended(self, row, replicas):
        steps = max(1, round(self.config.refit_epochs * (row.train_size // row.config.batch_size)))
        head = parallel.fetch(self.head(row, replicas))
        moments = jax.vmap(self._optimiser(row, replicas.knobs, steps).init)(head)
        start, sampling = row.layout.place(
            ((head, parallel.fetch(moments)), self.sampling(row, replicas)), replicas=True
        )
        run = row.functions.get(f"{self.config.name}, second stage", lambda: self._stage(row, steps), training=True)
        # Steps are numbered on from the run's, so that no draw is made twice.
        head, _ = run(
            start,
            replicas.network,
            replicas.knobs,
            replicas.train,
            sampling,
            row.examples,
            row.steps,
            row.steps + steps,
        )
        return replicas.state._replace(params={**replicas.state.params, row.program.model.last: head})

    def _optimiser(self, row, knobs, steps: int) -> optax.GradientTransformation:
        own = {"lr": knobs.mitigation["refit_lr"], "weight_decay": 0.0, "steps": steps}
        return optimiser(row.config, knobs._replace(**own))

    def _stage(self, row, steps: int):
        """(start, network, knobs, table, sampling, examples, first step, end) -> the last layer and its optimiser."""
        program, axis, last = row.program, self.axis, row.program.model.last

        def body(carry, state, knobs, table, sampling, examples, t):
            head, moments = carry
            draw = Draw(t, batch.part(row.config.batch_size, axis))
            seen = program.batches.at(
                examples, table, self.drawn(sampling, knobs, draw, row.train_size), knobs, draw=draw
            )
            targets = self.targets(seen.targets, knobs)

            def loss(head):
                outputs = program.forward(state._replace(params={**state.params, last: head}), seen.inputs)[0]
                return jnp.mean(program.loss.function(outputs, targets))

            gradient = lax.pmean(jax.grad(loss)(head), axis)
            updates, moments = self._optimiser(row, knobs, steps).update(gradient, moments, head)
            return optax.apply_updates(head, updates), moments

        return row.functions.repeated(body, shared=1)


class CRT(LORT):
    """A new last layer is trained on batches in which all classes come up equally often."""

    def head(self, row, replicas):
        return row.functions.init(replicas.knobs).params[row.program.model.last]

    def sampling(self, row, replicas):
        table = replicas.of(row.view.train)
        labels = np.stack([row.labels_of(table, r) for r in range(len(replicas.seeds))])
        sizes = counts(labels, row.view.num_classes)
        return np.stack([mitigation.sampling(*of_seed) for of_seed in zip(sizes, labels, strict=True)]).astype(
            np.float32
        )

    def targets(self, targets, knobs):
        return targets

    def drawn(self, sampling, knobs, draw: Draw, train_size: int):
        return mitigation.draw_indices(step_key(knobs, ORDER, draw.t), draw.rows, sampling)

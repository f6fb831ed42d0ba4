"""The hooks of a mitigation, all of which do nothing here.

In this order: `begun` before the first step; in each step `stepped` (what updates it consists of), `indices` (which
examples), `pairs` (who may be mixed with whom), `memberships` and `scored` (what the loss looks at), `weighed` and
`share_of_rest` (what is minimised); `second_stage` between two stages; `ended` after the last step. The formulas are in
lamv.core.mitigation; here they meet a batch, the traced knobs of a replica, and the axis that a batch is spread over.

`row` is a lamv.train.variants.VariantRun, `replicas` some of its seeds. What changes during training is in `kept`, a dict
of arrays with the `shapes` of the mitigation, which every checkpoint holds:

    counts      training examples of each group, or of what else is balanced
    log_q       log weights of the groups
    sampling    (train_size,) how often each training example is to be drawn, next to the others
    weights     (train_size,) of the losses of training examples; first, second: the moments of their updates
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamv.core import batch, mitigation
from lamv.data.resident import DataView
from lamv.data.split_index import counts
from lamv.train import parallel
from lamv.train.batches import Batch


class Mitigation:
    """No mitigation: empirical risk minimisation of what the method makes of the batch.

    axis: the mapped axis that a batch is spread over. warm_up_steps: of a first stage, before the run itself.
    """

    def __init__(self, config, view: DataView, *, axis: str, warm_up_steps: int = 0):
        self.config, self.view, self.axis, self.warm_up_steps = config.mitigation, view, axis, warm_up_steps

    @property
    def weighs(self) -> bool:
        """Whether it weighs the rows of a batch: then the loss is no plain mean."""
        return False

    @property
    def balances(self) -> str:
        """What is balanced: "group", "class", "environment" or "attribute"."""
        return self.config.by

    @property
    def number(self) -> int:
        """Classes, or groups, G, that are balanced."""
        return self.view.num_classes if self.balances == "class" else self.view.num_groups

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {}

    def begun(self, row, replicas):
        """The state before the first step."""
        state = row.functions.init(replicas.knobs)
        if not self.shapes:
            return state
        table = replicas.of(row.view.train)
        by_class = self.balances == "class"
        members = np.stack([row.labels_of(table, r) for r in range(len(replicas.seeds))]) if by_class else table.groups
        sizes = counts(members, self.number).astype(np.float32)  # (R, G)
        kept = parallel.fetch(state.mitigation)
        if "counts" in kept:
            kept["counts"] = self.arranged(sizes)
        if "sampling" in kept and not self.warm_up_steps:
            weights = [mitigation.sampling(*of_replica) for of_replica in zip(sizes, members, strict=True)]
            kept["sampling"] = np.stack(weights).astype(np.float32)
        return state._replace(mitigation=row.layout.place(kept, replicas=True))

    def arranged(self, sizes: np.ndarray) -> np.ndarray:
        """(R, G) numbers of training examples as `counts` has them."""
        return sizes

    def indices(self, kept, key, rows: batch.Rows, done):
        """(B,) indices into the training set, drawn by weight. done: share of the run's steps before this one."""
        return mitigation.draw_indices(key, rows, kept["sampling"])

    def pairs(self, key, drawn: Batch, knobs) -> batch.Rows:
        """The rows of the batch with a rule for partners; the same object where there is none."""
        return drawn.draw.rows

    def stepped(self, state, knobs, t, once: Callable, judged: Callable):
        """The state after step t of the run. once: (state, step) -> state after one update on the batch of that step.

        judged: state -> (losses (B,) of the network in evaluation, Batch) of other training examples, as they are.
        """
        return once(state, t)

    def memberships(self, kept, drawn: Batch):
        """(B, G) shares of each example in the groups that the loss looks at; None where it looks at none."""
        return None

    def scored(self, kept, knobs, logits, memberships):
        """The logits (B, K) as the loss sees them."""
        return logits

    def weighed(self, kept, knobs, made: batch.Augmented, losses, slopes: Callable, t):
        """(losses (B,) to be minimised, None where they are unchanged; the next `kept`).

        slopes: () -> (B,) derivatives of the losses by a scale on the logits. Weights are computed from risks of the global
        batch, and are held fixed in the gradient: lamv.core.mitigation says why the gradient is the right one.
        """
        return None, kept

    def share_of_rest(self, knobs, t):
        """Factor of the penalties beside the loss."""
        return 1.0

    def second_stage(self, row, replicas):
        """The state after the warm-up steps."""
        return replicas.state

    def notes(self, row) -> list[str]:
        """Sentences on the outcome, for the summary."""
        return []

    def ended(self, row, replicas):
        """The state after the last step."""
        return replicas.state


class Weighing(Mitigation):
    """A mitigation that looks at the groups of the examples of a batch."""

    @property
    def weighs(self) -> bool:
        return True

    def memberships(self, kept, drawn: Batch):
        members = {
            "class": lambda: (drawn.labels, self.view.num_classes),
            "group": lambda: (drawn.groups, self.view.num_groups),
            "attribute": lambda: (drawn.attributes, self.view.num_attributes),
            "environment": lambda: (drawn.environments, self.view.num_environments),
        }
        return mitigation.memberships_of(*members[self.balances]())

    def risks(self, values, made: batch.Augmented):
        """(risk, mass), (G,) each over the global batch, of values (B,) of this device's rows."""
        total = partial(lax.psum, axis_name=self.axis)
        return mitigation.risks(lax.stop_gradient(values), made.memberships, importance(made), total)

    def row_weights(self, coefficients, made: batch.Augmented, mass):
        """(B,) weights of this device's rows, of coefficients (G,) of the risks."""
        return mitigation.row_weights(coefficients, made.memberships, importance(made), mass)


def importance(made: batch.Augmented) -> jax.Array:
    """(B,) weights that a method gives its rows; 1 each where it gives none."""
    return jnp.ones(len(made.targets)) if made.weights is None else made.weights

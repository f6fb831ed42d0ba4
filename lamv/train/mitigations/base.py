"""What a mitigation may do in the course of training: hooks, all of which do nothing here.

In this order: `begun` before the first step; in each step `indices` (which examples), `pairs` (who may be mixed with whom),
`memberships` and `scored` (what the loss looks at), `weighed` and `share_of_rest` (what is minimised); `second_stage`
between two stages; `ended` after the last step. The formulas are in lamv.core.mitigation; here they meet a batch, the
traced knobs of a replica, and the axis that a batch is spread over.

`row` is a lamv.train.variants.VariantRun, `replicas` some of its seeds. What changes in the course of training is in
`kept`, a dict of arrays with the `shapes` of the mitigation. It is in every checkpoint, so that a run which is stopped in
either stage goes on in it:

    counts      training examples of each group, or of what else is balanced
    log_q       log weights of the groups
    sampling    (train_size,) how often each training example is to be drawn, next to the others
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamv.core import batch, mitigation
from lamv.data.resident import Plan
from lamv.data.tables import counts
from lamv.train import parallel
from lamv.train.batches import Batch

Shapes = dict[str, tuple[int, ...]]


class Mitigation:
    """No mitigation: empirical risk minimisation of what the method makes of the batch.

    For the rows of one program, one replica, and one device's share of a batch. axis: the mapped axis that a batch is spread
    over. warm_up_steps: those of a first stage, before the run itself.
    """

    #: Whether it weighs the rows of a batch: then the loss is no plain mean.
    weighs = False

    def __init__(self, config, plan: Plan, *, axis: str, warm_up_steps: int = 0):
        self.config, self.plan, self.axis, self.warm_up_steps = config.mitigation, plan, axis, warm_up_steps

    @property
    def balances(self) -> str:
        """What is balanced or weighed: "group", "class", "environment" or "attribute"."""
        return self.config.by

    @property
    def shapes(self) -> Shapes:
        return {}

    @property
    def draws(self) -> bool:
        """Whether the examples of a batch are drawn by weight, and not in the order of an epoch."""
        return "sampling" in self.shapes

    def begun(self, row, replicas):
        """The state before the first step."""
        state = row.functions.init(replicas.knobs)
        if not self.shapes:
            return state
        sizes, members = _sizes(row, replicas, self.balances)
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

    def indices(self, kept, key, rows: batch.Rows):
        """(B,) indices into the training set, drawn by weight."""
        return mitigation.draw_indices(key, rows, kept["sampling"])

    def pairs(self, key, drawn: Batch, knobs) -> batch.Rows:
        """The rows of the batch, and who of them may be mixed with whom; the same object where there is no rule for it."""
        return drawn.draw.rows

    def memberships(self, drawn: Batch):
        """(B, G) shares of each example in what the loss weighs; None where it weighs nothing."""
        return None

    def scored(self, kept, knobs, logits, memberships):
        """The logits (B, K) as the loss sees them."""
        return logits

    def weighed(self, kept, knobs, made: batch.Augmented, losses, slopes: Callable, t):
        """(losses (B,) of this device's rows as they are to be minimised, `kept` from now on); None where as they are.

        slopes: () -> (B,) derivatives of the losses by a scale on the logits. Weights are computed from risks of the global
        batch, and are held fixed in the gradient: lamv.core.mitigation says why the gradient is the right one.
        """
        return None, kept

    def share_of_rest(self, knobs, t):
        """What all that is added to the loss is multiplied by."""
        return 1.0

    def second_stage(self, row, replicas):
        """The state with which the run itself begins, after the warm-up steps."""
        return replicas.state

    def notes(self, row) -> list[str]:
        """What the mitigation came to that its name does not say."""
        return []

    def ended(self, row, replicas):
        """The state after the last step."""
        return replicas.state


class Weighing(Mitigation):
    """What looks at the groups of the rows of a batch, and weighs their losses."""

    weighs = True

    def memberships(self, drawn: Batch):
        members = {
            "class": lambda: (drawn.labels, self.plan.num_classes),
            "group": lambda: (drawn.groups, self.plan.num_groups),
            "attribute": lambda: (drawn.attributes, self.plan.num_attributes),
            "environment": lambda: (drawn.environments, self.plan.num_environments),
        }
        return mitigation.memberships_of(*members[self.balances]())

    @property
    def number(self) -> int:
        """How many of what is balanced there are."""
        return self.plan.num_classes if self.balances == "class" else self.plan.num_groups

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


def nothing_kept(shapes: Shapes) -> dict[str, jax.Array]:
    """`kept` before anything is known."""
    return {name: jnp.zeros(shape) for name, shape in shapes.items()}


def _sizes(row, replicas, balances: str) -> tuple[np.ndarray, np.ndarray]:
    """(R, G) numbers of training examples by what is balanced, and (R, M) which of these each one is in."""
    table = replicas.of(row.plan.train)
    if balances == "class":
        number = row.plan.num_classes
        members = np.stack([row.labels_of(table, r) for r in range(len(replicas.seeds))])
    else:
        number, members = row.plan.num_groups, table.groups
    return counts(members, number).astype(np.float32), members

"""What the mitigation of a row does inside of a training step: who is drawn, who is mixed with whom, what losses weigh.

The formulas are in lamv.core.mitigation; here they meet the tables of a replica, its traced knobs, and the axis that a batch
is spread over. What happens before the first step, between two stages and after the last one is in lamv.train.stages, and
what is cut from the training set in lamv.data.tables.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from lamv.core import batch, mitigation
from lamv.data.resident import Plan, Table

#: Those that draw the examples of a batch by weight, and those that look at the groups of its rows in the loss.
SAMPLING = ("resample", "lisa", "jtt")
WEIGHING = ("reweight", "group_dro", "irm", "vrex", "logit_adjustment")


class Mitigation:
    """The mitigation of the rows of one program, for one replica and one device's share of a batch.

    axis: the mapped axis that a batch is spread over. first_step: where the run itself begins, after a first stage. What
    changes in the course of training is in `kept`, a dict of arrays with these `shapes`:

    counts      training examples of each group, or what else is balanced; by attribute and class (A, K) where logits are
                adjusted by group
    log_q       log weights of the groups
    sampling    (train_size,) how often each training example is to be drawn, next to the others

    All are 0 at first; lamv.train.stages fills in the first and the last.
    """

    def __init__(self, config, plan: Plan, *, axis: str, first_step: int = 0):
        self.name, self._plan, self._axis = config.mitigation.name, plan, axis
        self._anneal, self._first_step = config.mitigation.anneal, first_step
        #: What is balanced or weighed: "group", "class", "environment" or "attribute".
        self.balances = _balanced(config, plan)
        self.shapes = self._shapes()

    @property
    def draws(self) -> bool:
        """Whether the examples of a batch are drawn by weight, and not in the order of an epoch."""
        return "sampling" in self.shapes

    def places(self, kept, key, rows: batch.Rows):
        """(B_local,) places in the training set, drawn by weight."""
        return mitigation.draw_places(key, rows, kept["sampling"])

    def pairs(self, key, table: Table, places, labels, knobs, rows: batch.Rows) -> batch.Rows:
        """The rows of the batch, and who of them may be mixed with whom; the same object where there is no rule for it."""
        return mitigation.paired(
            self.name, key, rows, labels=labels, attributes=table.attributes[places], groups=table.groups[places],
            mix_ratio=knobs["mix_ratio"],
        )  # fmt: skip

    def memberships(self, table: Table, places, labels):
        """(B_local, G) what an example is in of that which the loss looks at; None where it looks at nothing."""
        if self.name not in WEIGHING:
            return None
        members = {
            "class": lambda: (labels, self._plan.num_classes),
            "group": lambda: (table.groups[places], self._plan.num_groups),
            "attribute": lambda: (table.attributes[places], self._plan.num_attributes),
            "environment": lambda: (table.environments[places], self._plan.num_environments),
        }
        return mitigation.memberships_of(*members[self.balances]())

    def scored(self, kept, knobs, logits, memberships):
        """The logits (B, K) as the loss sees them."""
        if memberships is None or self.name != "logit_adjustment":
            return logits
        offsets = mitigation.logit_offsets(kept["counts"], knobs["tau"])
        by_group = offsets.ndim == 2
        shares = mitigation.attribute_shares(memberships, self._plan.num_attributes) if by_group else None
        return mitigation.adjusted_logits(logits, offsets, shares)

    def weighed(self, kept, knobs, made: batch.Augmented, losses, slopes: Callable, t):
        """(losses (B,) of this device's rows as they are to be minimised, `kept` from now on); None where as they are.

        slopes: () -> (B,) derivatives of the losses by a scale on the logits. Weights are computed from risks of the global
        batch, and are held fixed in the gradient: lamv.core.mitigation says why the gradient is the right one.
        """
        members = made.memberships
        if members is None or self.name == "logit_adjustment":
            return None, kept
        importance = jnp.ones_like(losses) if made.weights is None else made.weights
        if self.name == "reweight":
            return importance * mitigation.reweight(kept["counts"], members) * losses, kept

        def risks(values):
            return mitigation.risks(lax.stop_gradient(values), members, importance, lambda x: lax.psum(x, self._axis))

        def weights(coefficients):
            return mitigation.row_weights(coefficients, members, importance, mass)

        risk, mass = risks(losses)
        if self.name == "group_dro":
            log_q, q = mitigation.group_dro(
                kept["log_q"], risk, mass, kept["counts"], step_size=knobs["step_size"], adjustment=knobs["adjustment"]
            )
            return weights(q) * losses, {**kept, "log_q": log_q}
        penalty = self._penalty(knobs, t)
        if self.name == "vrex":
            return weights(mitigation.vrex(risk, mass, penalty)) * losses, kept
        own_slopes = slopes()
        of_losses, of_slopes = mitigation.irm(risks(own_slopes)[0], mass, penalty)
        return weights(of_losses) * losses + weights(of_slopes) * own_slopes, kept

    def share_of_rest(self, knobs, t):
        """What all that is added to the loss is multiplied by: irm divides the whole of it by its penalty above 1."""
        return 1 / jnp.maximum(self._penalty(knobs, t), 1.0) if self.name == "irm" else 1.0

    def _penalty(self, knobs, t):
        """The factor of the penalty of irm and vrex at step t."""
        return mitigation.annealed(knobs["penalty"], t - self._first_step, self._anneal)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        plan = self._plan
        number = plan.num_classes if self.balances == "class" else plan.num_groups
        if self.name == "logit_adjustment" and self.balances == "group":
            return {"counts": (plan.num_attributes, plan.num_classes)}
        if self.name in ("reweight", "logit_adjustment"):
            return {"counts": (number,)}
        if self.name == "group_dro":
            return {"counts": (number,), "log_q": (number,)}
        return {"sampling": plan.train.rows.shape[1:]} if self.name in SAMPLING else {}


def nothing_kept(shapes) -> dict[str, jax.Array]:
    """`kept` before anything is known."""
    return {name: jnp.zeros(shape) for name, shape in shapes.items()}


def _balanced(config, plan: Plan) -> str:
    if config.mitigation.name in ("irm", "vrex"):
        return "environment" if plan.num_environments else "attribute"
    return "group" if config.mitigation.name == "lisa" else config.mitigation.by

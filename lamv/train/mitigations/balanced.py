"""Balancing groups or classes: by weights in the loss, or by who is drawn.

`subsample`, which leaves examples out of the training set, needs no hook: see lamv.data.resident.
"""

from lamv.core import mitigation
from lamv.train.mitigations.base import Mitigation, Weighing, importance


class Reweight(Weighing):
    """The loss of an example is divided by the share of its group."""

    @property
    def shapes(self):
        return {"counts": (self.number,)}

    def weighed(self, kept, knobs, made, losses, slopes, t):
        weights = mitigation.reweight(kept["counts"], made.memberships)
        return importance(made) * weights * losses, kept


class Resample(Mitigation):
    """Examples are drawn so that all groups come up equally often."""

    @property
    def shapes(self):
        return {"sampling": self.plan.train.rows.shape[1:]}

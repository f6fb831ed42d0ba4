"""Logit adjustment (Menon et al. 2021): in the training loss, logits are raised by the log of how frequent classes are."""

import numpy as np

from lamv.core import mitigation
from lamv.train.mitigations.base import Weighing


class LogitAdjustment(Weighing):
    """`counts` are those of classes (K,), or by attribute and class (A, K) where frequencies are those among an attribute's
    examples."""

    @property
    def shapes(self):
        by_attribute = (self.plan.num_attributes, self.plan.num_classes)
        return {"counts": by_attribute if self.balances == "group" else (self.number,)}

    def arranged(self, sizes: np.ndarray) -> np.ndarray:
        if self.balances != "group":
            return sizes
        return sizes.reshape(-1, self.plan.num_classes, self.plan.num_attributes).swapaxes(1, 2)  # (R, A, K)

    def scored(self, kept, knobs, logits, memberships):
        if memberships is None:
            return logits
        offsets = mitigation.logit_offsets(kept["counts"], knobs["tau"])
        by_group = offsets.ndim == 2
        shares = mitigation.attribute_shares(memberships, self.plan.num_attributes) if by_group else None
        return mitigation.adjusted_logits(logits, offsets, shares)

"""Mitigations that weigh losses by group, or shift the logits that the loss sees."""

import jax.numpy as jnp
import numpy as np

from lamv.core import mitigation
from lamv.train.mitigations.base import Weighing, importance


class Reweight(Weighing):
    """The loss of an example is divided by the share of its group."""

    @property
    def shapes(self):
        return {"counts": (self.number,)}

    def weighed(self, kept, knobs, made, losses, slopes, t):
        weights = mitigation.reweight(kept["counts"], made.memberships)
        return importance(made) * weights * losses, kept


class GroupDRO(Weighing):
    """A weighted mean over groups, whose weights grow with their risks (Sagawa et al. 2020).

    `log_q`, the log weights, begin at 0: all groups count alike.
    """

    @property
    def shapes(self):
        return {"counts": (self.number,), "log_q": (self.number,)}

    def weighed(self, kept, knobs, made, losses, slopes, t):
        risk, mass = self.risks(losses, made)
        log_q, q = mitigation.group_dro(
            kept["log_q"], risk, mass, kept["counts"], step_size=knobs["step_size"], adjustment=knobs["adjustment"]
        )
        return self.row_weights(q, made, mass) * losses, {**kept, "log_q": log_q}


class _Penalised(Weighing):
    """A penalty over training environments; where the data has none, over attributes."""

    @property
    def balances(self) -> str:
        return "environment" if self.view.num_environments else "attribute"

    def penalty(self, knobs, t):
        """The factor of the penalty at step t."""
        return mitigation.annealed(knobs["penalty"], t - self.warm_up_steps, self.config.anneal)


class VREx(_Penalised):
    """The variance of the risks is added to their mean (Krueger et al. 2021)."""

    def weighed(self, kept, knobs, made, losses, slopes, t):
        risk, mass = self.risks(losses, made)
        coefficients = mitigation.vrex(risk, mass, self.penalty(knobs, t))
        return self.row_weights(coefficients, made, mass) * losses, kept


class IRM(_Penalised):
    """The squared derivatives of the risks by a factor on the logits are added (IRMv1; Arjovsky et al. 2019)."""

    def weighed(self, kept, knobs, made, losses, slopes, t):
        _, mass = self.risks(losses, made)
        own_slopes = slopes()
        of_losses, of_slopes = mitigation.irm(self.risks(own_slopes, made)[0], mass, self.penalty(knobs, t))
        weights = [self.row_weights(coefficients, made, mass) for coefficients in (of_losses, of_slopes)]
        return weights[0] * losses + weights[1] * own_slopes, kept

    def share_of_rest(self, knobs, t):
        """The whole loss is divided by a penalty above 1."""
        return 1 / jnp.maximum(self.penalty(knobs, t), 1.0)


class LogitAdjustment(Weighing):
    """In the training loss, logits are raised by the log frequencies of classes (Menon et al. 2021).

    `counts` are those of classes (K,), or by attribute and class (A, K), for frequencies among examples of an attribute.
    """

    @property
    def shapes(self):
        by_attribute = (self.view.num_attributes, self.view.num_classes)
        return {"counts": by_attribute if self.balances == "group" else (self.number,)}

    def arranged(self, sizes: np.ndarray) -> np.ndarray:
        if self.balances != "group":
            return sizes
        return sizes.reshape(-1, self.view.num_classes, self.view.num_attributes).swapaxes(1, 2)  # (R, A, K)

    def scored(self, kept, knobs, logits, memberships):
        if memberships is None:
            return logits
        offsets = mitigation.logit_offsets(kept["counts"], knobs["tau"])
        shares = mitigation.attribute_shares(memberships, self.view.num_attributes) if offsets.ndim == 2 else None
        return mitigation.adjusted_logits(logits, offsets, shares)

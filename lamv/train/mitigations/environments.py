"""Penalties over training environments: invariant risk minimisation and V-REx."""

import jax.numpy as jnp

from lamv.core import mitigation
from lamv.train.mitigations.base import Weighing


class _Penalised(Weighing):
    @property
    def balances(self) -> str:
        return "environment" if self.plan.num_environments else "attribute"

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

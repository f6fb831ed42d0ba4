"""Fair weights by bilevel optimisation (BiFair; Ozdayi, Kantarcioglu & Iyer 2021).

Every training example n has a weight w_n in the loss, 1 at first and of either sign. A step of the run is

    inner   theta_i = update of theta_{i-1} by the gradient of (1 / B) sum_n w_n l_n,   i = 1, ..., inner_steps
    outer   w <- Adam by the derivative of  F(theta_k(w)) + utility mean l   by w, taken through the inner updates

l are losses, in F and in the mean of the network in evaluation, on another batch of examples, without label augmentation;
of these, only examples whose group is known count. F is lamv.core.mitigation.unfairness. A mixture of examples has the
mixture of their weights, as it has that of their memberships in groups elsewhere. The inner updates are those of the run's
optimiser, whose moments are differentiated, too.

The published code (github.com/TinfoilHat0/BiFair) starts w at random in [0, 1], looks at the favourable class alone in F
(both are there, commented out), and begins each step with new moments of the inner Adam. It chooses the threshold of the
decision by balanced accuracy on validation examples; here it is the largest output.
"""

from typing import cast

import jax
import jax.numpy as jnp
import optax
from jax import lax

from lamv.core import mitigation
from lamv.train.mitigations.base import Mitigation, importance


class BiFair(Mitigation):
    """Weights of training examples that are learned so that the losses of the groups of a class come out alike.

    `weights` (train_size,), with `first` and `second`, the moments of Adam.
    """

    @property
    def weighs(self) -> bool:
        return True

    @property
    def shapes(self):
        return dict.fromkeys(("weights", "first", "second"), self.view.train.rows.shape[1:])

    def begun(self, row, replicas):
        state = super().begun(row, replicas)
        return state._replace(mitigation={**state.mitigation, "weights": jnp.ones_like(state.mitigation["weights"])})

    def memberships(self, kept, drawn):
        """(B, 1) weights of the examples, so that what mixes examples mixes their weights."""
        return kept["weights"][drawn.indices][:, None]

    def weighed(self, kept, knobs, made, losses, slopes, t):
        return importance(made) * made.memberships[:, 0] * losses, kept

    def stepped(self, state, knobs, t, once, judged):
        kept, number = state.mitigation, self.config.inner_steps

        def outer(weights):
            inner = state._replace(mitigation={**kept, "weights": weights})
            for i in range(number):
                inner = once(inner, number * t + i)
            return self.objective(*judged(inner), knobs["utility"]), inner

        slope, after = jax.grad(outer, has_aux=True)(kept["weights"])
        # Each device has the share of its own rows, not yet divided by the number of devices.
        slope = lax.pmean(slope, self.axis)
        moments = optax.ScaleByAdamState(t, kept["first"], kept["second"])
        update, moved = optax.scale_by_adam().update(slope, moments)
        moved = cast(optax.ScaleByAdamState, moved)
        weights = kept["weights"] - knobs["outer_lr"] * update
        return after._replace(mitigation={"weights": weights, "first": moved.mu, "second": moved.nu})

    def objective(self, losses, seen, utility):
        """F + utility x mean loss, over the examples of the global batch whose group is known."""
        members = mitigation.memberships_of(seen.groups, self.view.num_groups)
        ones = jnp.ones_like(losses)
        risk, mass = mitigation.risks(losses, members, ones, lambda sums: lax.psum(sums, self.axis))
        mean = jnp.sum(risk * mass) / jnp.maximum(jnp.sum(mass), 1.0)
        return mitigation.unfairness(risk, mass, self.view.num_attributes) + utility * mean

"""The optimiser of a replica, and the schedule of its learning rate."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import optax

from lamv.catalog import mitigations
from lamv.config import decay_of
from lamv.core.losses import decays
from lamv.train.replica import Knobs

#: Added under the root of Adam that is differentiated through: the square of its epsilon.
ADAM_ROOT = 1e-16


def optimiser(config, knobs: Knobs) -> optax.GradientTransformation:
    """The optimiser of a config, with the learning rate, its schedule's steps and the weight decay of the replica."""
    optim, is_sgd = config.optim, config.optim.name == "sgd"
    # Updates in a step of the run, which the schedule counts.
    inner_steps = mitigations.knob_of(config, "inner_steps", 0)
    chain = [optax.clip_by_global_norm(optim.clip_norm)] if optim.clip_norm else []
    # Where a mitigation differentiates through updates, a root of 0 (an input that is always 0) must have a derivative.
    root = ADAM_ROOT if inner_steps else 0.0
    chain.append(optax.trace(optim.momentum, nesterov=optim.nesterov) if is_sgd else optax.scale_by_adam(eps_root=root))
    if decay_of(config) == "decoupled":
        mask = partial(jax.tree_util.tree_map_with_path, decays)
        chain.append(optax.add_decayed_weights(knobs.weight_decay, mask))
    shape = schedule(optim, knobs.steps)
    chain.append(
        optax.scale_by_learning_rate(lambda count: knobs.lr * shape(jnp.asarray(count) // max(inner_steps, 1)))
    )
    return optax.chain(*chain)


def schedule(optim, steps) -> Callable:
    """Learning rate as a fraction of its peak, by step: linear warm-up, then cosine to 0, steps down, or constant."""
    warmup, rest = optim.warmup, jnp.maximum(steps - optim.warmup, 1)

    def shape(t):
        if optim.schedule == "cosine":
            after = 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip((t - warmup) / rest, 0, 1)))
        elif optim.schedule == "step":
            # Of a traced number of steps in float32: what is a whole number may come out just above it.
            reached = [t >= fraction * (1 - 2e-7) * steps for fraction in optim.milestones]
            passed = sum(one.astype(jnp.float32) for one in reached)
            after = jnp.float32(optim.gamma) ** passed
        else:
            after = jnp.float32(1)
        return jnp.where(t < warmup, (t + 1) / max(warmup, 1), after)

    return shape

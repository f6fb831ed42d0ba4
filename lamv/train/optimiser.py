"""Optimisers of optax, and the schedule of the learning rate."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from lamv.config import decay_of
from lamv.core.losses import decays
from lamv.train.replica import Knobs


def optimiser(config, steps: int, knobs: Knobs) -> optax.GradientTransformation:
    """Of a config, for a run of so many steps; learning rate and weight decay are those of the replica."""
    optim = config.optim
    direction = {
        "sgd": lambda: optax.trace(optim.momentum, nesterov=optim.nesterov),
        "adam": optax.scale_by_adam,
        "adamw": optax.scale_by_adam,
    }
    chain = [optax.clip_by_global_norm(optim.clip_norm)] if optim.clip_norm else []
    chain.append(direction[optim.name]())
    if decay_of(config) == "decoupled":
        mask = lambda params: jax.tree_util.tree_map_with_path(decays, params)  # noqa: E731
        chain.append(optax.add_decayed_weights(knobs.weight_decay, mask))
    shape = schedule(optim, steps)
    chain.append(optax.scale_by_learning_rate(lambda count: knobs.lr * shape(count)))
    return optax.chain(*chain)


def schedule(optim, steps: int) -> Callable:
    """Learning rate as a fraction of its peak, by step: linear warm-up, then cosine to 0, steps down, or constant."""
    warmup, rest = optim.warmup, max(steps - optim.warmup, 1)

    def shape(t):
        if optim.schedule == "cosine":
            after = 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip((t - warmup) / rest, 0, 1)))
        elif optim.schedule == "step":
            passed = sum((t >= fraction * steps).astype(jnp.float32) for fraction in optim.milestones)
            after = jnp.float32(optim.gamma) ** passed
        else:
            after = jnp.float32(1)
        return jnp.where(t < warmup, (t + 1) / max(warmup, 1), after)

    return shape


def only(layer: str, updates):
    """Updates with those of all other layers at 0."""
    return {name: tree if name == layer else jax.tree.map(jnp.zeros_like, tree) for name, tree in updates.items()}

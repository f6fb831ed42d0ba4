"""Many small trainings in one program: seeds, laws of lam, decays and methods side by side under one vmap.

What differs between replicas is data: arrays with a leading axis R. Their number of steps, shapes and loss are common.
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from lamv.core.losses import binary_logits, cross_entropy


@partial(jax.jit, static_argnames=("loss", "steps", "optimiser", "record", "record_every"))
def fit(
    loss: Callable,
    params,
    knobs,
    keys: jax.Array,
    *,
    steps: int,
    optimiser: optax.GradientTransformation,
    record: Callable | None = None,
    record_every: int = 0,
) -> tuple[Any, Any]:
    """Minimise loss(params, knobs, key, t) for R replicas at once, full-batch or as the loss draws its batches.

    params, knobs: pytrees with leading axis R. keys: (R,) keys; step t gets fold_in(key, t). optimiser: common to all.
    record: (params, knobs) -> pytree, taken before the first step and after every `record_every` steps (a divisor of
    `steps`; 0: only at the start and the end). Returns the trained params, and the records with leading axes
    (R, steps / record_every + 1), or None without `record`. Raises ValueError if `record_every` does not divide `steps`.
    """
    every = record_every or steps
    if steps % every:
        raise ValueError(f"record_every is {record_every}, must divide the {steps} steps")

    def one(params, knobs, key):
        def step(t, carry):
            params, state = carry
            gradient = jax.grad(loss)(params, knobs, jax.random.fold_in(key, t), t)
            updates, state = optimiser.update(gradient, state, params)
            return optax.apply_updates(params, updates), state

        def piece(carry, first):
            carry = lax.fori_loop(first, first + every, step, carry)
            return carry, record(carry[0], knobs) if record else None

        start = record(params, knobs) if record else None
        (params, _), records = lax.scan(piece, (params, optimiser.init(params)), jnp.arange(steps // every) * every)
        if record:
            records = jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), start, records)
        return params, records

    return jax.vmap(one)(params, knobs, keys)


def recorded(names: Collection, *arguments, **options) -> dict[Any, dict[str, np.ndarray]]:
    """name -> quantity -> (seeds, records): the records of `fit`, scalars by quantity, for R = names x seeds."""
    records = jax.tree.map(lambda r: np.asarray(r).reshape(len(names), -1, r.shape[-1]), fit(*arguments, **options)[1])
    return {name: {key: values[i] for key, values in records.items()} for i, name in enumerate(names)}


def stacked(replicas: Sequence) -> Any:
    """Pytrees of arrays, one a replica, as one with leading axis R."""
    return jax.tree.map(lambda *values: np.stack(values), *replicas)


def seeds_of(config) -> range:
    """The seeds of the replicas of each row."""
    return range(config.seed, config.seed + config.seeds)


def keys_of(config, times: int = 1) -> jax.Array:
    """(times x seeds,) keys, those of the seeds repeated: rows of one seed share their draws."""
    return jax.vmap(jax.random.key)(jnp.tile(jnp.array(list(seeds_of(config))), times))


def stream(seed: int, number: int) -> np.random.Generator:
    """The generator of one kind of draws of a seed: 0 the start, 1 the partners, 2 lam, others by experiment."""
    return np.random.default_rng([seed, number])


def two_layers(seed: int, inputs: int, width: int, classes: int) -> dict[str, np.ndarray]:
    """Kernels (out, in) and biases of a network with one hidden layer, uniform on +-1 / sqrt(fan in)."""
    rng = stream(seed, 0)
    shapes = {"kernel1": (width, inputs), "bias1": (width,), "kernel2": (classes, width), "bias2": (classes,)}
    reach = {"kernel1": inputs**-0.5, "bias1": inputs**-0.5, "kernel2": width**-0.5, "bias2": width**-0.5}
    return {name: rng.uniform(-reach[name], reach[name], shape).astype(np.float32) for name, shape in shapes.items()}


def binary_loss(outputs, targets):
    """Mean logistic loss of outputs (n,) of a binary model against targets (n, 2)."""
    return jnp.mean(cross_entropy(binary_logits(outputs), targets))

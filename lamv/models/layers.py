"""Reaching into a model from outside: what enters each of its layers, by name, and what its hidden layers put out.

A layer is a submodule; its name is the path of attributes to it with dots between ("first", "stage2_block0.conv1").
No model has to know of this: flax calls an interceptor at every layer.
"""

import contextlib
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp


def entering(change: Callable[[str, jax.Array], jax.Array] | None):
    """A context in which `change(name, activations)` replaces what enters each layer; None leaves everything alone."""
    if change is None:
        return contextlib.nullcontext()

    def interceptor(call, args, kwargs, context):
        name = ".".join(context.module.path)
        if context.method_name == "__call__" and name and args:
            args = (change(name, args[0]), *args[1:])
        return call(*args, **kwargs)

    return nn.intercept_methods(interceptor)


def layer_names(model: nn.Module, shape: tuple[int, ...]) -> list[str]:
    """Names of the layers of a model, in the order in which an input of this shape goes through them."""
    names: dict[str, None] = {}

    def note(name, activations):
        names[name] = None
        return activations

    with entering(note):
        _trace(model, shape)
    return list(names)


@contextlib.contextmanager
def watching(seen: dict[str, jax.Array]):
    """A context in which `seen` gathers what each hidden layer puts out, by name and in order, as (B, D) float32.

    Hidden layers are the outermost ones (dense layers, convolutions, residual blocks). Their output is taken as the next
    of them reads it, after the activation function and the norm between. A feature map has its channels for units, each
    averaged over positions. The layer before the last one is left out: what it puts out are the features of the model.
    """
    inner: list[str] = []

    def interceptor(call, args, kwargs, context):
        path = context.module.path
        if context.method_name == "__call__" and len(path) == 1 and args and not isinstance(context.module, NORMS):
            if inner and path[0] != context.module.parent.last:
                seen[inner[-1]] = pooled(args[0])
            inner.append(path[0])
        return call(*args, **kwargs)

    with nn.intercept_methods(interceptor):
        yield


def hidden_layers(model: nn.Module, shape: tuple[int, ...]) -> list[str]:
    """Names of the hidden layers that `watching` sees, in order."""
    return list(hidden_widths(model, shape))


def hidden_widths(model: nn.Module, shape: tuple[int, ...]) -> dict[str, int]:
    """Number of units of each hidden layer, as `watching` sees it."""
    seen: dict[str, jax.Array] = {}
    with watching(seen):
        _trace(model, shape)
    return {name: activations.shape[-1] for name, activations in seen.items()}


def pooled(activations: jax.Array) -> jax.Array:
    """(B, ..., D) as (B, D) float32: averaged over positions."""
    return jnp.mean(activations, axis=tuple(range(1, activations.ndim - 1)), dtype=jnp.float32)


NORMS = (nn.BatchNorm, nn.LayerNorm, nn.GroupNorm)


def _trace(model: nn.Module, shape: tuple[int, ...]) -> None:
    jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), jnp.zeros((1, *shape)))

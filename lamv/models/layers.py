"""Reaching into a model from outside: what enters each of its layers, by name.

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
        jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), jnp.zeros((1, *shape)))
    return list(names)

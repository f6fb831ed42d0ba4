"""Adversarial examples under the L-infinity norm: inputs within eps of the given ones that make the loss large.

    fgsm   x + eps sign(g(x))                                          (Goodfellow, Shlens & Szegedy 2015)
    pgd    x <- the allowed input nearest to x + step_size sign(g(x)), steps times               (Madry et al. 2018)

inputs are (B, ...) floats; integers count as float32. loss_gradient is g: inputs -> d loss / d inputs of the same shape,
where the loss is the sum or the mean over examples: only signs enter, and no example may depend on the others (evaluate
BatchNorm on its running statistics). eps, low, high and step_size are numbers, or arrays that broadcast against the
inputs from the right: (C,) for one value a channel, as in images that were normalised by channel, where eps in raw units
is eps / std_c here, and the range [0, 1] is [(0 - mean_c) / std_c, (1 - mean_c) / std_c].

Allowed is what lies within eps of the input and in the valid range [low, high], where one is given. An input that lies
outside of its range, by rounding perhaps, may stay where it is, so that eps = 0 gives the inputs back bit for bit. A
negative eps raises ValueError where it is known, for no input is allowed then.
Gradients that are not finite are not hidden: NaN comes back as NaN.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamv.core.checks import floating, known


def fgsm(loss_gradient: Callable, inputs: jax.Array, eps, low=None, high=None) -> jax.Array:
    """The fast gradient sign method: one step of eps >= 0 in every input, uphill. Optimal where the loss is linear."""
    inputs = floating(inputs)
    lowest, highest = _allowed(inputs, eps, low, high)
    return jnp.clip(inputs + _like(inputs, eps) * jnp.sign(loss_gradient(inputs)), lowest, highest)


def pgd(
    loss_gradient: Callable,
    inputs: jax.Array,
    eps,
    low=None,
    high=None,
    *,
    steps: int,
    step_size,
    unroll: bool = False,
) -> jax.Array:
    """Projected gradient ascent: `steps` steps of `step_size`, each followed by the way back to what is allowed.

    It starts at the inputs: to reach the boundary, steps x step_size has to be eps or more.
    unroll: no loop in the compiled program, which takes longer to compile, but runs faster where loops are slow. Raises
    ValueError for steps < 1.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}, must be at least 1")
    inputs = floating(inputs)
    lowest, highest = _allowed(inputs, eps, low, high)
    step_size = _like(inputs, step_size)

    def ascend(_, x):
        return jnp.clip(x + step_size * jnp.sign(loss_gradient(x)), lowest, highest)

    return lax.fori_loop(0, steps, ascend, jnp.clip(inputs, lowest, highest), unroll=unroll)


def _allowed(inputs: jax.Array, eps, low, high) -> tuple[jax.Array, jax.Array]:
    """The least and the largest allowed value of every input."""
    if known(eps) and not np.all(np.asarray(eps) >= 0):
        raise ValueError(f"eps is {eps}, must be 0 or more")
    eps = _like(inputs, eps)
    lowest, highest = inputs - eps, inputs + eps
    if low is not None:
        lowest = jnp.minimum(jnp.maximum(lowest, _like(inputs, low)), inputs)
    if high is not None:
        highest = jnp.maximum(jnp.minimum(highest, _like(inputs, high)), inputs)
    return lowest, highest


def _like(inputs: jax.Array, value) -> jax.Array:
    """`value` in the type of the inputs, with as many axes."""
    value = jnp.asarray(value, inputs.dtype)
    return jnp.expand_dims(value, tuple(range(inputs.ndim - value.ndim)))

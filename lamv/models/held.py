"""Values that are computed once on a CPU, however many read them."""

import jax
import jax.numpy as jnp
from jax import lax


def held(values: jax.Array) -> jax.Array:
    """The same values, computed once where the backend is a CPU.

    There, XLA repeats cheap operations in every reader of their result: the normalisations, activations and sums of several
    residual blocks are computed anew wherever one of their values is read. It never repeats a division. NaN, infinities and
    the signs of zeros stay as they are, and what holds for the values holds for their derivatives.
    """
    return values / ones_for(values) if jax.default_backend() == "cpu" else values


@jax.custom_jvp
def held_values(values: jax.Array) -> jax.Array:
    """`held` without holding the derivative: where that is what one convolution has put out, it is computed once anyway."""
    return held(values)


held_values.defjvps(lambda tangent, out, values: tangent)


def ones_for(values: jax.Array) -> jax.Array:
    """Ones to divide by, of which XLA learns too late what they are to leave the division out.

    They stand behind a barrier, and that together with the values: alone, a loop would carry them along as an array.
    """
    ones, _ = lax.optimization_barrier((jnp.ones_like(values), lax.stop_gradient(values)))
    return ones

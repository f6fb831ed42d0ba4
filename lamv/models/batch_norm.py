"""flax's BatchNorm as it is fast on a CPU: the same statistics, outputs and gradients, up to rounding.

XLA's loops on a CPU run along the last axis, and sixteen channels are too short for them: here several pixels lie side by
side in rows of 128 numbers or more, whose sums are folded at the end. The derivative is written out, since autodiff's goes
through E[x^2] - E[x]^2 and loses digits there; its sums over the batch are as few as can be.
"""

import math
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

#: A row is at least so long, where the number of pixels allows that.
WIDTH = 128


class BatchNorm(nn.BatchNorm):
    """flax's layer with its parameters and statistics, for channels on the last axis, scaled and shifted.

    Raises ValueError for other options of flax's, and for a mask.
    """

    @nn.compact
    def __call__(self, x: jax.Array, use_running_average: bool | None = None, *, mask: jax.Array | None = None):
        if self.axis != -1 or not (self.use_bias and self.use_scale) or self.axis_index_groups or mask is not None:
            raise ValueError(
                "BatchNorm of the last axis, with a scale and a bias, without groups and masks: use flax's"
            )
        channels = x.shape[-1:]
        averages = self.variable("batch_stats", "mean", jnp.zeros, channels, jnp.float32)
        variances = self.variable("batch_stats", "var", jnp.ones, channels, jnp.float32)
        scale = self.param("scale", self.scale_init, channels, self.param_dtype)
        bias = self.param("bias", self.bias_init, channels, self.param_dtype)
        inputs = x.astype(jnp.float32)
        if nn.merge_param("use_running_average", self.use_running_average, use_running_average):
            y = _standardise(inputs, averages.value, variances.value, scale, bias, self.epsilon)
        else:
            axis_name = None if self.is_initializing() else self.axis_name
            y, mean, var = normalise(inputs, scale, bias, self.epsilon, axis_name)
            if not self.is_initializing():
                averages.value = self.momentum * averages.value + (1 - self.momentum) * mean
                variances.value = self.momentum * variances.value + (1 - self.momentum) * var
        return y.astype(self.dtype or jnp.result_type(x, scale, bias))


@partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def normalise(x, scale, bias, epsilon: float, axis_name: str | None):
    """x (..., C) with mean 0 and variance 1 in each channel, times `scale` (C,) plus `bias` (C,); its mean and variance.

    axis_name: a mapped axis, whose shares of the batch count as one; None for none.
    """
    rows = _wide(x)
    mean = _average(rows, len(scale), axis_name)
    var = _average(jnp.square(rows - _across(mean, rows)), len(scale), axis_name)
    return _standardise(x, mean, var, scale, bias, epsilon), mean, var


def _standardise(x, mean, var, scale, bias, epsilon: float):
    rows = _wide(x)
    y = (rows - _across(mean, rows)) * _across(scale * lax.rsqrt(var + epsilon), rows) + _across(bias, rows)
    return y.reshape(x.shape)


@normalise.defjvp
def _derivative(epsilon, axis_name, primals, tangents):
    """With z = (x - mean) / sd, the derivative of y is scale / sd (dx - E[dx] - z E[z dx]) + z dscale + dbias.

    All that is constant along the batch is brought together, so that the gradient has two sums: of dy and of z dy.
    """
    x, scale, bias = primals
    dx, dscale, dbias = tangents
    y, mean, var = normalise(x, scale, bias, epsilon, axis_name)
    rows, drows = _wide(x), _wide(dx)
    inverse = lax.rsqrt(var + epsilon)
    z = (rows - _across(mean, rows)) * _across(inverse, rows)
    average = partial(_average, channels=len(scale), axis_name=axis_name)
    dmean, along = average(drows), average(z * drows)
    factor = scale * inverse
    dy = (
        _across(factor, rows) * drows
        + _across(dbias - factor * dmean, rows)
        + z * _across(dscale - factor * along, rows)
    )
    return (y, mean, var), (dy.reshape(x.shape), dmean, 2 * along / inverse)


def _wide(x):
    """(..., C) as (rows, q C): q pixels side by side."""
    channels = x.shape[-1]
    pixels = math.gcd(x.size // channels, 2 ** math.ceil(math.log2(max(WIDTH / channels, 1))))
    return x.reshape(-1, pixels * channels)


def _average(rows, channels: int, axis_name: str | None):
    """(C,) averages over the pixels, and over the mapped axis."""
    average = jnp.mean(jnp.mean(rows, axis=0).reshape(-1, channels), axis=0)
    return average if axis_name is None else lax.pmean(average, axis_name)


def _across(values, rows):
    """(C,) values for each number of a row, (1, q C)."""
    return jnp.tile(values, rows.shape[1] // len(values))[None]

"""The convolution, the normalisation and the residual blocks that the ResNets are made of.

A block is given `conv` and `norm`, the constructors of its layers with the options of the network already bound, so
that neither the compute dtype nor the training mode is handed through every level.
"""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from lamv.models import batch_norm, convolution
from lamv.models.held import held, held_values


def conv_layer(dtype: jnp.dtype) -> Callable[..., nn.Module]:
    """`conv(width, kernel=3, stride=1, name=...)`: no bias, which the BatchNorm that follows would subtract again."""
    layer = convolution_layer()
    kaiming = nn.initializers.variance_scaling(2.0, "fan_out", "normal")

    def conv(width: int, kernel: int = 3, stride: int = 1, *, name: str) -> nn.Conv:
        size = (kernel, kernel)
        padding = kernel // 2  # not "SAME", which pads a stride-2 convolution on one side only
        return layer(width, size, stride, padding, use_bias=False, kernel_init=kaiming, dtype=dtype, name=name)

    return conv


def convolution_layer() -> Callable[..., nn.Conv]:
    """flax's, which on a CPU convolves in a way that is fast there."""
    return partial(nn.Conv, conv_general_dilated=convolution.on_cpu if jax.default_backend() == "cpu" else None)


def norm_layer(train: bool, axis_name: str | None, dtype: jnp.dtype) -> Callable[..., nn.Module]:
    """`norm(name=...)`: BatchNorm by the batch in training and by the running statistics (float32) otherwise.

    A running statistic keeps .9 of its value a step: what PyTorch calls a momentum of .1.
    """
    layer = batch_norm.BatchNorm if jax.default_backend() == "cpu" else nn.BatchNorm
    return partial(layer, use_running_average=not train, momentum=0.9, epsilon=1e-5, axis_name=axis_name, dtype=dtype)


def relu(x: jax.Array) -> jax.Array:
    """max(x, 0), for the convolutions that follow and their gradients."""
    return held_values(nn.relu(x))


class Block(nn.Module):
    """The options of a residual block; `width` is that of its 3x3 convolutions."""

    width: int
    stride: int
    conv: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]

    def changes_shape(self, x: jax.Array, width: int) -> bool:
        """Whether the sum with a branch of `width` channels needs a shortcut other than the identity."""
        return self.stride != 1 or x.shape[-1] != width


class BasicBlock(Block):
    """Two 3x3 convolutions (He et al. 2015, arXiv:1512.03385, figure 5 left).

    Where the shape changes, the shortcut is a 1x1 convolution with BatchNorm (the paper's option B) or, without
    `projection`, the input subsampled and padded with zero channels (option A, no parameters).
    """

    projection: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        branch = self.conv(self.width, stride=self.stride, name="conv1")(x)
        branch = relu(self.norm(name="norm1")(branch))
        branch = self.conv(self.width, name="conv2")(branch)
        branch = self.norm(name="norm2")(branch)
        if self.changes_shape(x, self.width):
            if self.projection:
                x = self.conv(self.width, kernel=1, stride=self.stride, name="shortcut")(x)
                x = self.norm(name="shortcut_norm")(x)
            else:
                x = subsample_and_pad(x, self.width, self.stride)
        return held(nn.relu(x + branch))


class BottleneckBlock(Block):
    """1x1, 3x3 and 1x1 convolutions, the last one four times as wide (He et al. 2015, figure 5 right)."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        branch = self.conv(self.width, kernel=1, name="conv1")(x)
        branch = relu(self.norm(name="norm1")(branch))
        branch = self.conv(self.width, stride=self.stride, name="conv2")(branch)
        branch = relu(self.norm(name="norm2")(branch))
        branch = self.conv(4 * self.width, kernel=1, name="conv3")(branch)
        branch = self.norm(name="norm3")(branch)
        if self.changes_shape(x, 4 * self.width):
            x = self.conv(4 * self.width, kernel=1, stride=self.stride, name="shortcut")(x)
            x = self.norm(name="shortcut_norm")(x)
        return held(nn.relu(x + branch))


class PreActBlock(Block):
    """BatchNorm and ReLU before each 3x3 convolution, nothing after the sum (He et al. 2016, arXiv:1603.05027).

    Where the shape changes, the shortcut is a bare 1x1 convolution of the activated input.
    """

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        active = relu(self.norm(name="norm1")(x))
        branch = self.conv(self.width, stride=self.stride, name="conv1")(active)
        branch = relu(self.norm(name="norm2")(branch))
        branch = self.conv(self.width, name="conv2")(branch)
        if self.changes_shape(x, self.width):
            x = self.conv(self.width, kernel=1, stride=self.stride, name="shortcut")(active)
        return held(x + branch)


def subsample_and_pad(x: jax.Array, width: int, stride: int) -> jax.Array:
    """Every `stride`-th pixel of each row and column, with zero channels appended up to `width`."""
    x = x[:, ::stride, ::stride, :]
    return jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, width - x.shape[-1])))

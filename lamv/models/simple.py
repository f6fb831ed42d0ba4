"""Small models without BatchNorm: a linear classifier, a multi-layer perceptron and a small convolutional network."""

from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from lamv.models.blocks import convolution_layer, relu
from lamv.models.classifier import Classifier, require_images
from lamv.models.held import held

he_normal = nn.initializers.he_normal()  # variance 2 / fan_in: keeps the scale of activations through ReLUs


class Linear(Classifier, kw_only=True):
    """x W + b, in float32 always: the only layer is the last one. The features are the flattened inputs themselves."""

    first = last = "first"

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        features = flatten(inputs).astype(jnp.float32)
        logits = nn.Dense(self.num_classes, name="first")(features)
        return logits, features


class MLP(Classifier, kw_only=True):
    """Dense layers with ReLU, one per width, then the output layer; He-normal kernels and zero biases throughout."""

    first = "first"
    widths: Sequence[int] = (64,)

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        x = flatten(inputs)
        for depth, width in enumerate(self.widths):
            name = f"hidden{depth}" if depth else "first"
            x = nn.relu(nn.Dense(width, kernel_init=he_normal, dtype=self.dtype, name=name)(x))
        features = x.astype(jnp.float32)
        logits = nn.Dense(self.num_classes, kernel_init=he_normal, name="head")(features)
        return logits, features


class CNN(Classifier, kw_only=True):
    """A 3x3 convolution of stride 2 for each width but the last, then a dense layer of the last width; ReLU after each.

    With no BatchNorm to shift the activations, the convolutions have biases.
    """

    widths: Sequence[int] = (16, 32, 64)

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        require_images(inputs)
        *conv_widths, dense_width = self.widths
        x = held(inputs)
        conv = partial(convolution_layer(), kernel_init=he_normal, dtype=self.dtype)
        for depth, width in enumerate(conv_widths):
            x = relu(conv(width, (3, 3), 2, padding=1, name=f"conv{depth}")(x))
        x = nn.relu(nn.Dense(dense_width, kernel_init=he_normal, dtype=self.dtype, name="dense")(flatten(x)))
        features = x.astype(jnp.float32)
        logits = nn.Dense(self.num_classes, name="head")(features)
        return logits, features


def flatten(x: jax.Array) -> jax.Array:
    """(N, ...) as (N, D)."""
    return x.reshape(len(x), -1)

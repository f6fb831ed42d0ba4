"""What every model is: a linen module that returns logits and features.

`model.apply(variables, inputs, train=...)` takes inputs (B, H, W, C) or (B, D), floats, and returns (logits, features):
logits (B, K) and features (B, D), the penultimate activations. Both are float32, and the last dense layer is computed
in float32 whatever the compute dtype: the logits are `features @ kernel + bias` with no rounding to bfloat16 between.
Parameters and BatchNorm statistics are float32 always.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from lamv.errors import ConfigError


class Classifier(nn.Module, kw_only=True):
    """The options that all models share. A model without BatchNorm ignores `axis_name`."""

    num_classes: int
    axis_name: str | None = None  # the mapped axis over which BatchNorm statistics are averaged; may be unbound in init
    dtype: jnp.dtype = jnp.float32  # of the computation below the last dense layer

    def __call__(self, inputs: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        raise NotImplementedError


def require_images(inputs: jax.Array) -> None:
    """A convolution would take a batch of vectors for a single image and fail far from the cause."""
    if inputs.ndim != 4:
        raise ConfigError(f"inputs have shape {inputs.shape}; this model needs images (B, H, W, C): use linear or mlp")

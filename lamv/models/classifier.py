"""What every model is: a linen module that returns logits and features.

`model.apply(variables, inputs, train=...)` takes inputs (B, H, W, C) or (B, D), floats, or texts
(lamv.models.text), and returns (logits, features):
logits (B, K) and features (B, D), the penultimate activations. Both are float32, and the last dense layer is computed
in float32 whatever the compute dtype: the logits are `features @ kernel + bias` with no rounding to bfloat16 between.
Parameters and BatchNorm statistics are float32 always.
"""

from collections.abc import Mapping
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from lamv.errors import ConfigError


class Classifier(nn.Module, kw_only=True):
    """The options that all models share, and the names of its ends. Without BatchNorm, `axis_name` is ignored.

    last: the dense layer from features to logits, which optim.after_switch=head trains alone and dfr fits anew. first: the
    dense layer that reads the inputs, its kernel with a row for each of their coordinates, by which the weight on a planted
    cue is measured; None where there is no such layer.
    """

    last: ClassVar[str] = "head"
    first: ClassVar[str | None] = None

    num_classes: int
    axis_name: str | None = None  # the mapped axis over which BatchNorm statistics are averaged; may be unbound in init
    dtype: jnp.dtype = jnp.float32  # of the computation below the last dense layer

    def __call__(self, inputs: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        raise NotImplementedError


def check_ends(name: str, model: Classifier, params: Mapping, inputs: int, features: int) -> None:
    """Whether a model has the layers that it declares. params: of it, or their shapes.

    inputs, features: number of coordinates of an input, and of the features. Raises ConfigError.
    """
    ends = {"last": (model.last, features, model.num_classes), "first": (model.first, inputs, None)}
    for end, (layer, wide, out) in ends.items():
        kernel = params.get(layer, {}).get("kernel") if layer else None
        if layer and (
            kernel is None or kernel.ndim != 2 or kernel.shape[0] != wide or out not in (None, kernel.shape[1])
        ):
            raise ConfigError(
                f"model {name!r} declares {layer!r} as its {end} layer, which must be a dense layer of {wide} inputs"
                f"{f' and {out} outputs' if out else ''}; its layers: {', '.join(params)}; set {end} = NAME in"
                f" {type(model).__name__}"
            )


def require_images(inputs: jax.Array) -> None:
    """A convolution would take a batch of vectors for a single image and fail far from the cause."""
    if inputs.ndim != 4:
        raise ConfigError(f"inputs have shape {inputs.shape}; this model needs images (B, H, W, C): use linear or mlp")

"""The models by name. Each returns (logits, features); `lamv/models/classifier.py` has the contract.

A new model is a `Classifier` in a file of its family and an entry of MODELS.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lamv.errors import ConfigError, brief, nearest
from lamv.knobs import MAX_LAYERS, MAX_WIDTH
from lamv.models.classifier import Classifier
from lamv.models.resnet import RESNETS
from lamv.models.simple import CNN, MLP, Linear
from lamv.models.text import EmbeddingBag, TextTransformer
from lamv.models.wide_resnet import WIDE_RESNETS


class Model(NamedTuple):
    """An entry of MODELS."""

    make: Callable[..., Classifier]
    vectorise: bool = False  # train the replicas under one vmap? Else one after another: a convolution fills the device
    takes_widths: bool = False
    reads_words: bool = False  # a TextClassifier, for texts and nothing else


def build(
    name: str,
    *,
    num_classes: int,
    widths: Sequence[int] | None = None,
    dtype: str = "float32",
    axis_name: str | None = None,
    num_words: int = 0,
) -> Classifier:
    """The model of that name in MODELS.

    widths: of the hidden layers, of models that take them (in a cnn the last is dense); None for the model's own.
    dtype: of the computation below the last dense layer, "float32" or "bfloat16"; parameters, statistics, logits and
        features are float32 always.
    axis_name: the mapped axis over which BatchNorm statistics are averaged; None to keep each device's own.
    num_words: of the vocabulary, for models of texts.
    """
    if name not in MODELS:
        raise ConfigError(f"model.name is {name!r}, must be one of {', '.join(MODELS)}{nearest(name, MODELS)}")
    if dtype not in DTYPES:
        raise ConfigError(f"model.dtype is {dtype!r}, must be one of {', '.join(DTYPES)}{nearest(dtype, DTYPES)}")
    options = {"num_classes": num_classes, "dtype": DTYPES[dtype], "axis_name": axis_name}
    if widths is not None:
        options["widths"] = checked_widths(name, widths)
    if MODELS[name].reads_words:
        options["num_words"] = num_words
    return MODELS[name].make(**options)


def checked_widths(name: str, widths: Sequence[int]) -> tuple[int, ...]:
    """As a tuple, since a module that jit takes as a static argument must be hashable."""
    if not MODELS[name].takes_widths:
        takers = ", ".join(other for other, model in MODELS.items() if model.takes_widths)
        raise ConfigError(f"model.widths is {widths}, but {name} has fixed widths; drop it or use one of: {takers}")
    valid = isinstance(widths, (tuple, list)) and all(
        type(width) is int and 1 <= width <= MAX_WIDTH for width in widths
    )
    if not valid or not 0 < len(widths) <= MAX_LAYERS:
        raise ConfigError(
            f"model.widths is {brief(widths)}; it must be one or more whole numbers, {MAX_LAYERS} at most, each at least 1"
            f" and at most {MAX_WIDTH}"
        )
    return tuple(widths)


def count_parameters(params: Any) -> int:
    """The number of scalars in a pytree of arrays (or of their shapes, as jax.eval_shape returns them)."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}

MODELS = {
    "linear": Model(Linear, vectorise=True),
    "mlp": Model(MLP, vectorise=True, takes_widths=True),
    "cnn": Model(CNN, takes_widths=True),
    "embedding_bag": Model(EmbeddingBag, vectorise=True, takes_widths=True, reads_words=True),
    "text_transformer": Model(TextTransformer, vectorise=True, reads_words=True),
    **{name: Model(make) for name, make in (RESNETS | WIDE_RESNETS).items()},
}

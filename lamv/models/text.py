"""Models of texts: numbers of words in, embeddings mixed, and padding that never counts.

A text of n words in L positions is embedded as (L, E + 1): at each position w e and w, where e is the embedding of the word
and w = L / n, or 0 at padding. A mean over positions is then the mean over the words. Every method of lamv.core that mixes
is linear in its inputs, and is given this in their place (lamv.train.step): lam of one text and 1 - lam of another have at
each position the content lam w e + (1 - lam) w' e' and the weight lam w + (1 - lam) w'. So either text has its share,
however long it is, lam = 1 is the text itself bit for bit, and what is padding in both counts for nothing.

Axis letters: B texts, L positions, E units of an embedding.
"""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from lamv.data.words import PADDING
from lamv.models.classifier import Classifier
from lamv.models.simple import he_normal


class TextClassifier(Classifier, kw_only=True):
    """A model that reads (B, L) numbers of words, or what `embed` makes of them, (B, L, E + 1).

    num_words: of the vocabulary. size: E. The embeddings are a parameter and no layer: what mixes at layers never sees
    numbers of words.
    """

    num_words: int
    size: int = 64

    def setup(self):
        self.embedding = self.param("embedding", nn.initializers.normal(self.size**-0.5), (self.num_words, self.size))

    def embed(self, numbers: jax.Array) -> jax.Array:
        """(B, L) numbers of words, of any type -> (B, L, E + 1) float32. A text without words is 0."""
        numbers = numbers.astype(jnp.int32)
        there = (numbers != PADDING).astype(jnp.float32)
        weight = there * numbers.shape[1] / jnp.maximum(jnp.sum(there, axis=1, keepdims=True), 1)
        return joined(self.embedding[numbers] * weight[..., None], weight)

    def embedded(self, inputs: jax.Array) -> jax.Array:
        """The inputs embedded, if they are not."""
        return self.embed(inputs) if inputs.ndim == 2 else inputs


class EmbeddingBag(TextClassifier, kw_only=True):
    """The mean of the embeddings of a text's words, then dense layers with ReLU, one a width, and the output layer."""

    widths: Sequence[int] = (64,)

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        x = jnp.mean(self.embedded(inputs)[..., :-1], axis=1)
        for depth, width in enumerate(self.widths):
            x = nn.relu(nn.Dense(width, kernel_init=he_normal, dtype=self.dtype, name=f"hidden{depth}")(x))
        features = x.astype(jnp.float32)
        logits = nn.Dense(self.num_classes, kernel_init=he_normal, name="head")(features)
        return logits, features


class TextTransformer(TextClassifier, kw_only=True):
    """A transformer encoder (Vaswani et al. 2017), norms before layers: blocks of attention and two dense layers.

    The features are the mean over the words after the last block, normalised. depth: blocks.
    """

    depth: int = 2
    heads: int = 4

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        x = self.embedded(inputs)
        content, weight = x[..., :-1], x[..., -1]
        x = joined(content + weight[..., None] * positions(*content.shape[1:])[None], weight)
        for depth in range(self.depth):
            x = EncoderBlock(self.heads, self.dtype, name=f"block{depth}")(x)
        features = nn.LayerNorm(name="norm")(jnp.mean(x[..., :-1], axis=1, dtype=jnp.float32))
        logits = nn.Dense(self.num_classes, name="head")(features)
        return logits, features


class EncoderBlock(nn.Module):
    """(B, L, E + 1) -> (B, L, E + 1), weights unchanged.

    A position is attended to in proportion to its weight: log w is added to the scores of its key.
    """

    heads: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        content, weight = x[..., :-1], x[..., -1]
        size, some = content.shape[-1], weight > 0
        safe = jnp.where(some, weight, 1.0)
        x = content / safe[..., None]  # of what is at a position, a mean
        y = nn.LayerNorm(dtype=self.dtype, name="norm0")(x)
        query, key, value = (
            nn.DenseGeneral((self.heads, size // self.heads), dtype=self.dtype, name=name)(y)
            for name in ("query", "key", "value")
        )
        scores = jnp.where(some, jnp.log(safe), -1e30)[:, None, None].astype(self.dtype)
        y = nn.dot_product_attention(query, key, value, bias=scores, dtype=self.dtype)
        x = x + nn.DenseGeneral(size, axis=(-2, -1), dtype=self.dtype, name="out")(y)
        y = nn.LayerNorm(dtype=self.dtype, name="norm1")(x)
        y = nn.gelu(nn.Dense(2 * size, dtype=self.dtype, name="dense0")(y))
        x = x + nn.Dense(size, dtype=self.dtype, name="dense1")(y)
        return joined(x.astype(jnp.float32) * weight[..., None], weight)


def joined(content: jax.Array, weight: jax.Array) -> jax.Array:
    """(B, L, E) and (B, L) as (B, L, E + 1)."""
    return jnp.concatenate([content, weight[..., None]], axis=-1)


def positions(length: int, size: int) -> np.ndarray:
    """(L, E) sines and cosines of the position at wave lengths from 2 pi to 20,000 pi (Vaswani et al. 2017, section 3.5)."""
    angles = np.arange(length)[:, None] * np.exp(-math.log(1e4) * np.arange(0, size, 2) / size)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[:, :size].astype(np.float32)

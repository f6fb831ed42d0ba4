"""Matching two views of the same things: InfoNCE, the hard-negative triplet, and which pairs of a batch to trust.

All take the similarities (B, B) of a batch: row i compares view A of pair i with view B of every pair, the diagonal are the
pairs. Rows find B from A; the transpose finds A from B. `cosines` makes them; over a temperature they are logits. float32,
losses and scores (B,), in nats but for the triplet. ValueError for what is not square.
"""

import jax
import jax.numpy as jnp

from lamv.core.losses import cross_entropy
from lamv.core.targets import smooth


def cosines(first: jax.Array, second: jax.Array) -> jax.Array:
    """(B, D) and (N, D) features -> (B, N) cosines, in [-1, 1]; a feature of 0 has cosine 0 with all."""

    def unit(features):
        squares = jnp.sum(jnp.square(features), axis=-1, keepdims=True)
        return features * jax.lax.rsqrt(jnp.maximum(squares, 1e-12))

    return unit(first) @ unit(second).T


def info_nce(logits: jax.Array, smoothing: jax.Array | float = 0.0) -> jax.Array:
    """Cross-entropy of each row of logits (B, B) against its own column (van den Oord et al. 2018), (B,).

    smoothing: s in [0, 1) of the targets, (1 - s) e_i + s / B: uniform label smoothing, with the batch for classes.
    """
    return cross_entropy(logits, smooth(jnp.eye(_size(logits)), smoothing))


def both_ways(loss, similarities: jax.Array, *arguments) -> jax.Array:
    """Mean of a loss of B from A and of A from B, (B,)."""
    return (loss(similarities, *arguments) + loss(similarities.T, *arguments)) / 2


def hardest_triplet(similarities: jax.Array, margin: float = 0.2) -> jax.Array:
    """max(0, margin + max_{j != i} s_ij - s_ii), (B,): only the hardest wrong match counts (Faghri et al. 2018)."""
    pairs = jnp.diagonal(similarities)
    hardest = jnp.max(jnp.where(jnp.eye(_size(similarities), dtype=bool), -jnp.inf, similarities), axis=-1)
    return jnp.maximum(0.0, margin + hardest - pairs)


def pair_scores(similarities: jax.Array, temperature: jax.Array | float) -> dict[str, jax.Array]:
    """Three scores (B,) of each pair; the larger, the more trustworthy. Means of both ways, where there are two.

    cosine: s_ii. softmax: log probability of the pair among all matches, at the temperature. energy: the negative energy
    log sum_j exp(s_ij / temperature) of Liu et al. 2020, the free energy of a classifier over the batch; it asks whether
    there is any good match, not whether the pair is one.
    """
    _size(similarities)
    logits = similarities / temperature
    energy = both_ways(lambda z: jax.nn.logsumexp(z, axis=-1), logits)
    pairs = jnp.diagonal(similarities)
    return {"cosine": pairs, "softmax": pairs / temperature - energy, "energy": energy}


def surest(scores: jax.Array, share: jax.Array | float) -> jax.Array:
    """1 for the round(share B) pairs of highest score (B,), 0 for the rest; of equal scores the earlier ones."""
    place = jnp.arange(len(scores))
    earlier = (scores[None] == scores[:, None]) & (place[None] < place[:, None])
    # By comparing all with all: on a CPU, to sort costs more than the rest of a small training step.
    ranks = jnp.sum((scores[None] > scores[:, None]) | earlier, axis=1)
    return (ranks < jnp.round(share * len(scores))).astype(jnp.float32)


def relative_entropy(logits: jax.Array) -> jax.Array:
    """Entropy of the matches of each row of (B, B) logits, in units of log B: (B,) in [0, 1]."""
    log_p = jax.nn.log_softmax(logits, axis=-1)
    return -jnp.sum(jnp.exp(log_p) * log_p, axis=-1) / jnp.log(_size(logits))


def complementary_loss(logits: jax.Array) -> jax.Array:
    """-1 / (B - 1) sum_{j != i} log(1 - p_ij), (B,): what a row is not, which holds for a wrong pair as well."""
    size = _size(logits)
    # log(1 - p) from the logits: 1 - p_ij is the sum of the others' shares. Kept off 0, where p_ij is all but 1.
    others = jnp.log1p(-jnp.minimum(jax.nn.softmax(logits, axis=-1), 1 - 1e-6))
    return -jnp.sum(jnp.where(jnp.eye(size, dtype=bool), 0.0, others), axis=-1) / (size - 1)


def _size(similarities) -> int:
    if similarities.ndim != 2 or similarities.shape[0] != similarities.shape[1] or len(similarities) < 2:
        raise ValueError(f"similarities are of shape {similarities.shape}, must be (B, B), B >= 2")
    return len(similarities)

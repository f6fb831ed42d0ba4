"""Per-example losses. float32 whatever the compute dtype, in nats, and nothing smoothed behind the reader's back."""

import jax
import jax.numpy as jnp


def cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """-sum_k q_k log softmax(z)_k, for (B, K) logits and (B, K) targets -> (B,) float32.

    Never below the entropy of the targets, and equal to it where softmax(logits) = targets.
    """
    log_probs = jax.nn.log_softmax(logits.astype(jnp.float32), axis=-1)
    return -jnp.sum(targets.astype(jnp.float32) * log_probs, axis=-1)


def weight_penalty(params) -> jax.Array:
    """1/2 the squared norm of all weights that decay (see `decays`): the penalty of the theory, up to its factor."""
    weights = [w for path, w in jax.tree_util.tree_leaves_with_path(params) if decays(path, w)]
    return 0.5 * sum(jnp.sum(jnp.square(w.astype(jnp.float32))) for w in weights)


def decays(path, weight) -> bool:
    """Whether weight decay touches a parameter: kernels do; biases and the scales of norms (rank < 2) do not."""
    return weight.ndim >= 2

"""Per-example losses. float32 whatever the compute dtype, in nats, and nothing smoothed behind the reader's back.

All take (B, K) logits and (B, K) targets, or a teacher's (B, K) logits, and return (B,). ValueError where the two have not
one shape, labels (B,) above all. LOSSES has those of targets by name, each with the map from logits to what the network is
then said to put out: probabilities, or the logits themselves.

A logit may be -inf, for a class that is ruled out: 0 log 0 is 0, in the gradient too, and a target above 0 there makes the
loss infinite. A logit or a target that is NaN makes it NaN.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from lamv.core.checks import check_positive, check_targets, floating


def cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """-sum_k q_k log softmax(z)_k, for (B, K) logits and (B, K) targets -> (B,) float32.

    Never below the entropy of the targets, and equal to it where softmax(logits) = targets.
    """
    logits, targets = _alike(logits, targets)
    return -jnp.sum(_share_of(targets, jax.nn.log_softmax(logits, axis=-1)), axis=-1)


def binary_logits(outputs: jax.Array) -> jax.Array:
    """f of a binary model, (...), as two logits, (..., 2), whose softmax for class 1 is the logistic function of f."""
    outputs = floating(outputs)
    return jnp.stack([-outputs, outputs], axis=-1) / 2


def sigmoid_cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Binary cross-entropy of each class by itself, summed over the classes: K logistic regressions.

    sum_k -q_k log s(z_k) - (1 - q_k) log(1 - s(z_k)), s the logistic function.
    """
    logits, targets = _alike(logits, targets)
    of_class = _share_of(targets, jax.nn.log_sigmoid(logits))
    return -jnp.sum(of_class + _share_of(1 - targets, jax.nn.log_sigmoid(-logits)), axis=-1)


def squared_error(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """sum_k (z_k - q_k)^2: regression, or classification by least squares."""
    logits, targets = _alike(logits, targets)
    return jnp.sum(jnp.square(logits - targets), axis=-1)


def confidence_penalty(logits: jax.Array, threshold: jax.Array | float = 0.0) -> jax.Array:
    """What a confident prediction costs (Pereyra et al. 2017), in nats: (B, K) logits -> (B,).

    -H(softmax(z)), to be added to a loss with a factor; with a threshold > 0, the hinge max(0, threshold - H), which
    leaves predictions alone whose entropy is above it (section 3.1). Raises ValueError for logits (B,).
    """
    logits, _ = _alike(logits, logits)
    log_probs = jax.nn.log_softmax(logits, axis=-1)
    entropy = -jnp.sum(_share_of(jnp.exp(log_probs), log_probs), axis=-1)
    return jnp.where(threshold <= 0, -entropy, jnp.maximum(threshold - entropy, 0.0))


def max_suppression(logits: jax.Array) -> jax.Array:
    """max_k z_k - mean_k z_k (MaxSup, NeurIPS 2025), to be added to a loss with a factor s: (B, K) logits -> (B,) >= 0.

    Smoothing over all classes adds s (z_y - mean z) to the cross-entropy of the label, exactly (lamv.core.smoothing_loss):
    the two losses are one where the largest logit is the label's, and differ by s (max z - z_y) elsewhere. The gradient is
    1 on the largest logit and -1/K on all; largest ones that tie share it. Infinite where a class is ruled out, as that
    smoothing is. Raises ValueError for logits (B,).
    """
    logits, _ = _alike(logits, logits)
    return jnp.max(logits, axis=-1) - jnp.mean(logits, axis=-1)


def distillation(student_logits: jax.Array, teacher_logits: jax.Array, temperature: jax.Array | float) -> jax.Array:
    """T^2 KL(softmax(z_t / T) || softmax(z_s / T)) (Hinton, Vinyals & Dean 2015), in nats: (B, K) logits twice -> (B,).

    temperature: T, a scalar above 0 (ValueError for any other that is known). The factor T^2 keeps gradients of one size
    while T grows: for T far above centred logits, the term is sum_k (z_s - z_t)_k^2 / (2 K) (their section 2.1). The
    gradient goes to both networks; whoever teaches is to be held fixed by the caller.
    """
    check_positive("temperature", temperature)
    of_student, of_teacher = (
        jax.nn.log_softmax(logits / temperature, axis=-1) for logits in _alike(student_logits, teacher_logits)
    )
    # What the teacher rules out has no part, whatever the student says of it: -inf less -inf would be NaN.
    apart = jnp.where(jnp.isneginf(of_teacher), 0.0, of_teacher - of_student)
    return jnp.square(temperature) * jnp.sum(jnp.exp(of_teacher) * apart, axis=-1)


def weight_penalty(params) -> jax.Array | float:
    """1/2 the squared norm of all weights that decay (see `decays`): the penalty of the theory, up to its factor."""
    weights = [w for path, w in jax.tree_util.tree_leaves_with_path(params) if decays(path, w)]
    return 0.5 * sum(jnp.sum(jnp.square(w.astype(jnp.float32))) for w in weights)


def decays(path, weight) -> bool:
    """Whether weight decay touches a parameter: kernels do; biases and the scales of norms (rank < 2) do not."""
    return weight.ndim >= 2


def _alike(logits, targets) -> tuple[jax.Array, jax.Array]:
    """Logits and targets, or logits twice, in float32. Raises ValueError unless they are of one shape."""
    if logits.ndim < 2:
        raise ValueError(f"logits are of shape {logits.shape}, must be (B, K)")
    check_targets(targets)
    if logits.shape != targets.shape:
        raise ValueError(f"logits and targets are of shapes {logits.shape} and {targets.shape}, must both be (B, K)")
    return logits.astype(jnp.float32), targets.astype(jnp.float32)


def _share_of(probs: jax.Array, logs: jax.Array) -> jax.Array:
    """probs times logs, in which 0 times -inf is 0. The -inf is replaced before the product, for the gradient's sake."""
    return probs * jnp.where((probs == 0) & jnp.isneginf(logs), 0.0, logs)


class Loss(NamedTuple):
    """function: (logits, targets) -> (B,). outputs: (B, K) logits -> (B, K), what the network puts out under this loss."""

    function: Callable
    outputs: Callable


LOSSES = {
    "cross_entropy": Loss(cross_entropy, jax.nn.softmax),
    "sigmoid": Loss(sigmoid_cross_entropy, jax.nn.sigmoid),
    "squared_error": Loss(squared_error, lambda logits: logits),
}

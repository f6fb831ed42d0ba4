"""Against shortcuts: weights of groups and of examples, penalties over environments, rules of pairing.

Groups are those of a label and an attribute, g = y A + a, or the classes, or training environments. An example belongs to
them by its memberships, a row of M: one-hot for an example of the data, and mixed as targets are where a method mixes
examples, so that a mixture belongs to the groups of its parts by their share in it. Rows of M sum to 1, or to 0 for an
example of no group, which then counts in none of what is here.

    losses (B,), memberships M (B, G), importance v (B,)   of this device's rows; v is `Augmented.weights`, or ones
    mass_g = sum_b v_b M_bg,   risk_g = sum_b v_b M_bg losses_b / mass_g   (G,), over the global batch

What is to be minimised is a function of the risks, and its gradient is that of sum_g c_g risk_g, with coefficients c
that are held fixed. `row_weights` turns c into weights of rows, so that every device can take the mean of its own
weighted losses, and the mean of the gradients over devices is the one that is meant. Coefficients are

    group_dro  q_g, which grow where the risk is large                      (Sagawa et al. 2020, algorithm 1)
    vrex       the derivative of  mean R + penalty Var R                    (Krueger et al. 2021)
    irm        the derivative of  mean R + penalty mean (dR / dw)^2         (Arjovsky et al. 2019, IRMv1)

`total` stands for the sum of an array over devices: lax.psum over the mapped axis, or the identity on one device.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamv.core.batch import Rows
from lamv.core.checks import check_shape, inside, integers, known

#: What examples are balanced by.
BY = ("group", "class")


# Risks of groups, and weights of rows


def memberships_of(groups, num_groups: int) -> jax.Array:
    """(B, G) of whole examples, one-hot, for groups (B,) of any integer type; one outside of [0, G) is none: zeros."""
    return jax.nn.one_hot(integers("groups", groups), num_groups, dtype=jnp.float32)


def risks(losses, memberships, importance, total: Callable = lambda x: x) -> tuple[jax.Array, jax.Array]:
    """(risk, mass) of each group over the global batch, (G,) twice; a group without mass in the batch has risk 0."""
    check_shape("losses", losses, importance.shape)
    shares = importance[:, None] * memberships
    mass, summed = total(jnp.stack([jnp.sum(shares, axis=0), jnp.sum(shares * losses[:, None], axis=0)]))
    return _over(summed, mass), mass


def row_weights(coefficients, memberships, importance, mass) -> jax.Array:
    """Weights (B,) of the losses of this device's rows, in place of the importance, for sum_g c_g risk_g.

    The sum of weight times loss over the global batch is sum_g c_g risk_g times the sum of mass, which is the number of
    examples where all have importance 1: so the mean over examples is sum_g c_g risk_g, and where an importance scales
    the whole loss, it goes on doing so. c_g = mass_g / sum of mass gives back the importance. Groups that have no mass
    in the batch have no part.
    """
    coefficients, mass = lax.stop_gradient((coefficients, mass))
    return importance * _of_rows(jnp.sum(mass) * _over(coefficients, mass), memberships)


def reweight(counts, memberships) -> jax.Array:
    """Weights (B,) by which every group counts as much as any other: 1 / (occupied groups x share of the group).

    counts: (G,) examples of each group (or class, with memberships in classes) in the training set, over which the
    weights have mean 1. To be multiplied into the importance.
    """
    return _of_rows(_over(jnp.sum(counts) / jnp.maximum(jnp.sum(counts > 0), 1), counts), memberships)


def group_dro(log_q, risk, mass, counts, *, step_size, adjustment=0.0) -> tuple[jax.Array, jax.Array]:
    """One step of the weights of groups of group DRO: (new log_q, coefficients q), (G,) each (Sagawa et al. 2020).

    q_g is multiplied by exp(step_size (risk_g + adjustment / sqrt(n_g))) and normalised (algorithm 1, with
    their adjustment for small groups). log_q: zeros at the start. counts: (G,) examples n_g of each group in the training
    set; a group without any has weight 0. A group without mass in the batch has no risk there: its weight changes by
    the normalisation alone. The loss of the step is sum_g q_g risk_g with the new q, and the adjustment, a constant,
    enters only q.
    """
    adjusted = lax.stop_gradient(risk) + _over(adjustment, jnp.sqrt(counts))
    felt = jnp.where(jnp.isnan(mass), jnp.nan, jnp.where(mass == 0, 0.0, adjusted))
    moved = log_q + step_size * felt
    # Not -inf: the state of a run is finite, or it is not saved.
    log_q = jax.nn.log_softmax(jnp.where(counts == 0, -1e30, moved))
    return log_q, jnp.exp(log_q)


# Penalties over environments


def vrex(risk, mass, penalty) -> jax.Array:
    """Coefficients (E,) of V-REx (Krueger et al. 2021): the derivative of mean R + penalty Var R by each risk.

    Mean and variance (over E, not E - 1) are over the environments that have mass in the batch, and the rest have 0.
    The paper's objective is sum R + beta Var R: E times this one, with beta = E penalty.
    """
    present, number = _present(mass)
    mean = jnp.sum(present * risk) / number
    return lax.stop_gradient(present * (1 + 2 * penalty * (risk - mean)) / number)


def irm(slope, mass, penalty) -> tuple[jax.Array, jax.Array]:
    """(coefficients of the losses, coefficients of the slopes), (E,) each, of IRMv1 (Arjovsky et al. 2019).

    slope: (E,) derivative D_e of the risk of an environment by a scale w on the logits at w = 1: the `risks` of
    `scale_slopes`. The objective is mean R + penalty mean D^2 over the environments that have mass in the batch, which
    is the paper's sum over E; divided by the penalty where that is above 1, as in the published code, so that a large
    penalty does not act as a large learning rate. Its gradient is that of sum_e c_e R_e + d_e D_e with c and d, the two
    that come back, held fixed; each goes through `row_weights`, one for the losses and the other for the slopes.

    D^2 of a batch is above that of the data by the variance of D, so that the penalty is felt as larger in small batches.
    """
    present, number = _present(mass)
    scale = 1 / (number * jnp.maximum(penalty, 1.0))
    return present * scale, lax.stop_gradient(present * 2 * penalty * slope * scale)


def scale_slopes(loss: Callable, logits, targets) -> jax.Array:
    """(B,) derivative of each example's loss(w logits, targets) by w, at w = 1."""
    return jax.jvp(lambda w: loss(w * logits, targets), (jnp.float32(1),), (jnp.float32(1),))[1]


def annealed(penalty, t, anneal):
    """The penalty of step t: 1 at the most before step `anneal`."""
    return jnp.where(t < anneal, jnp.minimum(penalty, 1.0), penalty)


# Fair weights


def unfairness(risk, mass, num_attributes: int) -> jax.Array:
    """Mean over classes of how far the risks of their groups lie apart, max - min over attributes (Ozdayi et al. 2021).

    risk, mass: (G,) of groups g = y A + a, of `risks`; groups without mass, and classes with fewer than two groups that have
    any, have no part. With two classes and two attributes it is 1/2 sum_y |E[l | y, a=0] - E[l | y, a=1]|.
    """
    risk, present = risk.reshape(-1, num_attributes), (mass > 0).reshape(-1, num_attributes)
    apart = jnp.max(risk, axis=1, initial=-jnp.inf, where=present) - jnp.min(
        risk, axis=1, initial=jnp.inf, where=present
    )
    several = jnp.sum(present, axis=1) > 1
    return jnp.sum(jnp.where(several, apart, 0.0)) / jnp.maximum(jnp.sum(several), 1)


# Logit adjustment


def logit_offsets(counts, tau) -> jax.Array:
    """tau log(frequencies), in the shape of `counts` (Menon et al. 2021).

    counts: (K,) examples of each class, or (A, K) of each class among those of an attribute, of which every row becomes
    frequencies by itself. Every cell counts one more than it has, so that none is log 0.
    """
    counts = jnp.asarray(counts, jnp.float32) + 1
    return tau * (jnp.log(counts) - jnp.log(jnp.sum(counts, axis=-1, keepdims=True)))


def adjusted_logits(logits, offsets, shares=None) -> jax.Array:
    """The logits (B, K) that the training loss, and nothing else, sees: offsets (K,) are added to each row.

    Offsets (A, K) are added by shares (B, A) of a row in the attributes: see `attribute_shares`.
    """
    return logits + (offsets[None] if shares is None else jnp.matmul(shares, offsets, precision="highest"))


def attribute_shares(memberships, num_attributes: int) -> jax.Array:
    """Shares in attributes of memberships in groups g = y A + a: (B, K A) -> (B, A)."""
    return jnp.sum(memberships.reshape(len(memberships), -1, num_attributes), axis=1)


# Who is drawn


def sampling(counts, groups) -> jax.Array:
    """(M,) probabilities of examples by which every occupied group is drawn as often as any other.

    counts: (G,) examples of each group; groups: (M,) int, the group of each example. An example of no group (outside of
    [0, G)) has 0.
    """
    groups = integers("groups", groups)
    one = _over(1.0 / jnp.maximum(jnp.sum(counts > 0), 1), counts)
    return jnp.where(inside(groups, len(counts)), one[jnp.clip(groups, 0, len(counts) - 1)], 0.0)


def jtt_weights(correct, upweight) -> jax.Array:
    """(M,) how often an example counts in the second stage of Just Train Twice (Liu et al. 2021).

    correct: (M,) bool, what the network of the first stage got right. To be drawn by (`draw_indices`), which is the
    published training set with copies, in expectation.
    """
    return jnp.where(correct, 1.0, jnp.float32(upweight))


def easier_half(losses: np.ndarray) -> np.ndarray:
    """(..., M) float32: 1 for the half of the examples with the smaller losses, 0 for the others; the odd one is easy.

    By rank and not by the median itself, which equal losses would share.
    """
    ranks = np.argsort(np.argsort(losses, axis=-1, kind="stable"), axis=-1)
    return (ranks < (losses.shape[-1] + 1) // 2).astype(np.float32)


def draw_indices(key: jax.Array, rows: Rows, weights: jax.Array) -> jax.Array:
    """(B_local,) int32 indices in [0, M), each drawn with probability weight / sum of weights, with replacement.

    By the inverse of the distribution function. Keyed by global position, so that the result does not depend on how many
    devices the batch is spread over. weights: (M,) as for `distribution`; a weight of 0 is never drawn. Where traced
    weights are none, all indices are M: there is no such example.
    """
    cumulative = distribution(weights)
    draw = jax.vmap(lambda key: jax.random.randint(key, (), 0, cumulative[-1], jnp.uint32))(rows.keys(key))
    return jnp.searchsorted(cumulative, draw, side="right").astype(jnp.int32)


def distribution(weights: jax.Array) -> jax.Array:
    """Cumulative shares of the weights, (M,) uint32: each weight's share of 2^31, rounded, but 1 at least if above 0.

    In whole numbers, since a cumulative sum in float32 is off by up to 2^-24 of the whole, which is a per cent of an
    example's share at M = 200,000, and a float32 draw has only 2^23 values. weights: at least 0 and not all 0, in any
    unit. M up to a million, for which a share is good to 3e-4. Other weights raise ValueError where they are known; where
    they are traced, all shares are 0.
    """
    if known(weights):
        found = np.asarray(weights, np.float64)
        low, total = found.min(), found.sum()
        if not (low >= 0 and 0 < total < np.inf):
            raise ValueError(
                f"weights go down to {low:g} and sum to {total:g}, must be at least 0, not all 0, and finite"
            )
    shares = jnp.round(weights / jnp.sum(weights) * jnp.float32(2**31)).astype(jnp.uint32)
    cumulative = jnp.cumsum(jnp.where(weights > 0, jnp.maximum(shares, 1), 0), dtype=jnp.uint32)
    return jnp.where(jnp.all(weights >= 0) & (jnp.sum(weights) < jnp.inf), cumulative, 0)


# Who may be mixed with whom: (B_local, B) bool each, for Rows.allowed. What a row is, labels (B_local,) and so on, is
# given for this device's rows; those of the others are fetched.


def within_groups(rows: Rows, groups) -> jax.Array:
    """Partners are of the same group; an example may be its own, as in Mixup."""
    return groups[:, None] == rows.everyone(groups)[None]


def across_attributes(rows: Rows, attributes) -> jax.Array:
    """Partners are of another attribute, whatever their labels: a mixture then has the cues of two."""
    return attributes[:, None] != rows.everyone(attributes)[None]


def lisa(key: jax.Array, rows: Rows, labels, attributes, mix_ratio) -> jax.Array:
    """The partners of LISA (Yao et al. 2022), selective augmentation: either is drawn for each row.

    With probability mix_ratio of the same label and another attribute ("intra-label"), so that targets stay as they
    are, else of the same attribute and another label ("intra-domain").
    """
    intra_label = jax.vmap(jax.random.uniform)(rows.keys(key)) < mix_ratio
    all_labels, all_attributes = rows.everyone((labels, attributes))
    same_label = labels[:, None] == all_labels[None]
    same_attribute = attributes[:, None] == all_attributes[None]
    return jnp.where(intra_label[:, None], same_label & ~same_attribute, same_attribute & ~same_label)


def _of_rows(values, memberships) -> jax.Array:
    """sum_g M_bg values_g, (B,); as a sum, since a product of matrices is rounded to fewer bits on a GPU."""
    return jnp.sum(memberships * values[None], axis=1)


def _over(values, by) -> jax.Array:
    """values / by, and 0 where `by` is 0."""
    return jnp.where(by == 0, 0.0, values / jnp.where(by == 0, 1.0, by))


def _present(mass) -> tuple[jax.Array, jax.Array]:
    """(1 for environments that have mass in the batch and 0 for others, how many have)."""
    present = jnp.sign(mass)  # a mass is not negative; one of NaN stays what it is
    return present, jnp.maximum(jnp.sum(present), 1.0)

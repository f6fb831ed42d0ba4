"""Which share of the training data each domain should have: the data mixing law, and online data mixing.

The law (Ye et al., "Data Mixing Laws", ICLR 2025) is fitted on the host, in float64. Losses are in nats, shares (N, D) are
non-negative and sum to 1 over the domains:

    L(r) = c + k exp(sum_j t_j r_j)

A constant that is added to all t_j is a factor of k, as sum_j r_j = 1. The law predicts losses, but its t_j mean nothing by
themselves: `fit_mixing_law` puts the last of them to 0, and the others are relative to it.

Online data mixing (Albalak et al. 2023) draws a domain for each batch by a bandit's rule, with the loss as the reward. Its
functions are of jax: they go into a training step, and D is the number of domains.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import least_squares

LARGEST = 30.0  # of an exponent


class MixingLaw(NamedTuple):
    """c and k in nats, t (D,); the last t is 0 where the law was fitted here."""

    floor: float
    scale: float
    exponents: np.ndarray

    def __call__(self, shares) -> np.ndarray:
        """(N, D) shares -> (N,) losses."""
        return self.floor + self.scale * np.exp(np.asarray(shares, np.float64) @ self.exponents)


def fit_mixing_law(shares, losses, *, starts: int = 12, seed: int = 0) -> MixingLaw:
    """The law with the least squared error on losses (N,) at shares (N, D), the best of several random starts.

    Given t, c and k follow by linear least squares, so that only t is searched for (between -30 and 30). Raises ValueError
    for shapes that do not fit, shares that do not sum to 1, and fewer than D + 1 mixtures, the number of parameters.
    """
    shares, losses = np.asarray(shares, np.float64), np.asarray(losses, np.float64)
    if shares.ndim != 2 or losses.shape != shares.shape[:1] or len(losses) < shares.shape[1] + 1:
        raise ValueError(
            f"shares and losses are of shapes {shares.shape} and {losses.shape}, must be (N, D) and (N,), N > D"
        )
    if not np.allclose(shares.sum(axis=1), 1, atol=1e-5):
        raise ValueError("shares do not sum to 1 over the domains")

    def columns(t):
        return np.stack([np.ones(len(shares)), np.exp(shares[:, :-1] @ t)], axis=1)

    def best_linear(t):
        return np.linalg.lstsq(columns(t), losses, rcond=None)[0]

    rng, found = np.random.default_rng(seed), []
    for _ in range(starts):
        start = rng.normal(scale=2.0, size=shares.shape[1] - 1).clip(-LARGEST / 2, LARGEST / 2)
        found.append(
            least_squares(lambda t: columns(t) @ best_linear(t) - losses, start, bounds=(-LARGEST, LARGEST))
        )  # fmt: skip
    t = min(found, key=lambda one: one.cost).x
    floor, scale = best_linear(t)
    return MixingLaw(float(floor), float(scale), np.append(t, 0.0))


def exploration(step, num_domains: int) -> jax.Array:
    """eps_t = min(1 / D, sqrt(ln D / (D t))): the least probability of a domain at step t >= 0; 1 / D at 0."""
    step = jnp.maximum(jnp.asarray(step, jnp.float32), 1e-12)
    return jnp.minimum(1 / num_domains, jnp.sqrt(jnp.log(num_domains) / (num_domains * step)))


def online_shares(rewards: jax.Array, step) -> jax.Array:
    """pi_t = (1 - D eps_t) softmax(eps_(t-1) R) + eps_t, for rewards R (D,) before step t >= 1: (D,), sums to 1."""
    num = rewards.shape[-1]
    least = exploration(step, num)
    return (1 - num * least) * jax.nn.softmax(exploration(step - 1, num) * rewards) + least


def online_rewards(rewards: jax.Array, domain, loss, shares: jax.Array, decay: float = 0.9) -> jax.Array:
    """R_d <- decay R_d + (1 - decay) loss / pi_d for the domain d of the batch; the other rewards (D,) stay.

    loss: of the batch, a scalar. shares: pi (D,), by which d was drawn. decay: in [0, 1).
    """
    return rewards.at[domain].set(decay * rewards[domain] + (1 - decay) * loss / shares[domain])

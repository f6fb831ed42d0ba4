"""The Mixup family: (key, inputs, targets) -> (inputs, targets).

inputs are (B, ...) floats, targets (B, K) probabilities; both come back in the same shape. The partner of every example
is drawn by one permutation of the batch, used for inputs and targets alike; an example may be its own partner
(probability 1 / B), which is what makes the pair law the product law in expectation.

Mixup (Zhang et al. 2018, equation 1):  x = lam x_i + (1 - lam) x_j,  q = lam q_i + (1 - lam) q_j,  lam ~ Beta(a, a).
Midpoint Mixup (Chidambaram et al. 2023): lam = 1/2, the limit a -> infinity.

`rows` is only needed where the batch is spread over devices (see lamv.core.batch); leave it out otherwise.
"""

import jax
import jax.numpy as jnp

from lamv.core.batch import Rows, whole
from lamv.core.targets import check_range

LAM_PER = ("example", "batch")


def mixup(key, inputs, targets, *, alpha, lam_per: str = "example", rows: Rows | None = None):
    """Mixup with lam ~ Beta(alpha, alpha), drawn for each example or once for the batch.

    key: a JAX key. alpha: > 0; 1 is the uniform law, small values stay close to ERM, large ones to the midpoint.
    Raises ValueError for alpha <= 0 (where it is known) or an unknown lam_per.
    """
    check_range("alpha", alpha, low=jnp.finfo(jnp.float32).tiny, below=float("inf"), note="(Beta(alpha, alpha))")
    rows = rows or whole(inputs.shape[0])
    partner_key, lam_key = jax.random.split(key)
    partner = draw_partner(partner_key, rows)
    lam = draw_lam(lam_key, rows, alpha=alpha, lam_per=lam_per)
    return mix(inputs, rows.take(inputs, partner), lam), mix(targets, rows.take(targets, partner), lam)


def midpoint(key, inputs, targets, *, rows: Rows | None = None):
    """Midpoint Mixup: every example is averaged with its partner, inputs and targets alike."""
    rows = rows or whole(inputs.shape[0])
    partner = draw_partner(jax.random.split(key)[0], rows)
    lam = jnp.full(inputs.shape[:1], 0.5, jnp.float32)
    return mix(inputs, rows.take(inputs, partner), lam), mix(targets, rows.take(targets, partner), lam)


def mix(first: jax.Array, second: jax.Array, lam: jax.Array) -> jax.Array:
    """lam first + (1 - lam) second, row by row: (B, ...) twice and lam (B,) in [0, 1]. lam = 1 gives `first` exactly."""
    lam = lam.reshape(lam.shape + (1,) * (first.ndim - lam.ndim)).astype(first.dtype)
    return lam * first + (1 - lam) * second


def draw_partner(key: jax.Array, rows: Rows) -> jax.Array:
    """(B_local,) global positions of the partners: one uniform permutation of the global batch."""
    return jax.random.permutation(key, rows.batch_size)[rows.positions]


def draw_lam(key: jax.Array, rows: Rows, *, alpha, lam_per: str) -> jax.Array:
    """(B_local,) float32 mixing weights from Beta(alpha, alpha), one draw an example or one for all."""
    if lam_per not in LAM_PER:
        raise ValueError(f"lam_per is {lam_per!r}; use one of {', '.join(LAM_PER)}")
    if lam_per == "batch":
        return jnp.broadcast_to(jax.random.beta(key, alpha, alpha), rows.positions.shape)
    return jax.vmap(lambda k: jax.random.beta(k, alpha, alpha))(rows.keys(key))

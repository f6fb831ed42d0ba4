"""Which rows of the global batch a device holds, how it reaches the others, and what a method makes of them.

A method that combines examples (Mixup) pairs rows of the *global* batch. On one device that is plain indexing. On
several, each device holds a slice, and `Rows` hides the difference: draws are keyed by global position, and `take`
fetches any rows of the global batch. So the result does not depend on how many devices the batch is spread over.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class Augmented(NamedTuple):
    """What a method makes of a batch, where that is more than inputs and targets.

    weights: (B,) share of each example in the loss, which is sum of weights times losses over the number of examples
    that came in; None for 1 each. hidden: (layer name, activations that enter it) -> activations, of the same shape;
    None where the network is left alone. memberships: (B, G) shares of each example in the groups, where they were
    given; mixed as the targets are.
    """

    inputs: jax.Array
    targets: jax.Array
    weights: jax.Array | None = None
    hidden: Callable[[str, jax.Array], jax.Array] | None = None
    memberships: jax.Array | None = None


class Rows(NamedTuple):
    """The rows of the global batch that the arrays at hand hold.

    positions: (B_local,) int32, global positions, contiguous and in order.
    batch_size: number of rows of the global batch.
    axis_name: the mapped device axis the batch is spread over, or None where the batch is whole.
    allowed: (B_local, batch_size) bool, who of the global batch may be whose partner, where there is a rule
        (lamv.core.mitigation); None: anyone.
    """

    positions: jax.Array
    batch_size: int
    axis_name: str | None = None
    allowed: jax.Array | None = None

    def take(self, values, indices: jax.Array):
        """Rows `indices` of the global batch: (B_local, ...) values and (n,) global indices -> (n, ...).

        values: an array or a tree of arrays.
        """
        if self.axis_name is not None:
            values = lax.all_gather(values, self.axis_name, tiled=True)
        return jax.tree.map(lambda leaf: jnp.take(leaf, indices, axis=0), values)

    def everyone(self, values):
        """All rows of the global batch: (B_local, ...) values, or a tree of such -> (batch_size, ...)."""
        return self.take(values, jnp.arange(self.batch_size))

    def keys(self, key: jax.Array) -> jax.Array:
        """One key for each local row, (B_local,), folded from its global position."""
        return jax.vmap(jax.random.fold_in, (None, 0))(key, self.positions)


def whole(batch_size: int) -> Rows:
    """The batch is all here."""
    return Rows(jnp.arange(batch_size, dtype=jnp.int32), batch_size)


def part(batch_size: int, axis_name: str) -> Rows:
    """This device's equal share of a batch that is spread over the mapped axis `axis_name`.

    Raises ValueError where there is none: rows would be left out.
    """
    local, rest = divmod(batch_size, lax.axis_size(axis_name))
    if rest:
        raise ValueError(f"batch_size is {batch_size}, must be a multiple of {lax.axis_size(axis_name)} devices")
    return Rows(lax.axis_index(axis_name) * local + jnp.arange(local, dtype=jnp.int32), batch_size, axis_name)


def permuted(key: jax.Array, positions: jax.Array, size: jax.Array | int, rounds: int = 8) -> jax.Array:
    """Where a pseudo-random permutation of range(size), chosen by `key`, sends each position.

    A Feistel network over the fewest bits that hold `size`, walked until it lands inside. Unlike a shuffled array it
    needs no memory and no sort, and any position can be asked for alone: the order of an epoch becomes a pure function
    of (key, position). Always a bijection; close to a uniform draw among the bijections, for more than a few positions.

    positions: (...) int32 in [0, size). size: 1 to 2**30, static or traced. Returns (...) int32.
    Source: Black & Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002, sections 3 and 5 (cycle walking).
    """
    size = jnp.asarray(size, jnp.uint32)
    bits = 32 - lax.clz(jnp.maximum(size, 2) - 1).astype(jnp.uint32)
    low_bits = bits // 2
    low_mask, high_mask = (jnp.uint32(1) << low_bits) - 1, (jnp.uint32(1) << (bits - low_bits)) - 1
    round_keys = jax.random.bits(key, (rounds,), jnp.uint32)

    def mixed(word, round_key):
        # The finaliser of MurmurHash3: every input bit reaches every output bit.
        word = (word ^ round_key) * jnp.uint32(0x85EBCA6B)
        word = (word ^ (word >> 13)) * jnp.uint32(0xC2B2AE35)
        return word ^ (word >> 16)

    def encipher(word):
        high, low = word >> low_bits, word & low_mask
        for i in range(0, rounds, 2):
            high = high ^ (mixed(low, round_keys[i]) & high_mask)
            low = low ^ (mixed(high, round_keys[i + 1]) & low_mask)
        return (high << low_bits) | low

    def step(word):
        return jnp.where(word < size, word, encipher(word))

    start = encipher(positions.astype(jnp.uint32))
    return lax.while_loop(lambda word: jnp.any(word >= size), step, start).astype(jnp.int32)

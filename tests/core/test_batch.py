"""Rows of a spread batch, and the pseudo-random permutation that orders an epoch."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.core.batch import part, permuted, whole

KEY = jax.random.key(3)
permuted_traced = jax.jit(permuted)


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_parts_make_up_the_whole(parts):
    values = jnp.arange(24.0).reshape(8, 3)
    indices = jnp.array([7, 0, 0, 3, 5, 1, 6, 2])

    def on_a_part(values, indices):
        rows = part(8, "data")
        return rows.positions, rows.take(values, indices), jax.random.key_data(rows.keys(KEY))

    cut = (values.reshape(parts, 8 // parts, 3), indices.reshape(parts, 8 // parts))
    positions, taken, keys = jax.jit(jax.vmap(on_a_part, axis_name="data"))(*cut)
    np.testing.assert_array_equal(positions.reshape(8), whole(8).positions)
    np.testing.assert_array_equal(taken.reshape(8, 3), whole(8).take(values, indices))
    np.testing.assert_array_equal(keys.reshape(8, -1), jax.random.key_data(whole(8).keys(KEY)))


def test_every_row_has_a_key_of_its_own():
    keys = np.asarray(jax.random.key_data(whole(50).keys(KEY)))
    assert len(np.unique(keys, axis=0)) == 50


def test_permuted_is_a_bijection_for_all_small_sizes():
    sizes, positions = jnp.arange(1, 201), jnp.arange(200)
    # A position must lie below its size: those beyond ask for the last one again, and are cut off below.
    all_sizes = jax.jit(jax.vmap(lambda size: permuted(KEY, jnp.minimum(positions, size - 1), size)))(sizes)
    for size, images in zip(sizes, np.asarray(all_sizes), strict=True):
        np.testing.assert_array_equal(np.sort(images[:size]), np.arange(size), err_msg=f"no bijection for size {size}")


@pytest.mark.parametrize("size", [1200, 50_000, 65_536, 65_537])
def test_permuted_is_a_bijection_for_large_sizes(size):
    images = permuted_traced(KEY, jnp.arange(size), size)
    assert images.dtype == jnp.int32
    np.testing.assert_array_equal(np.sort(images), np.arange(size))


@pytest.mark.parametrize("size", [1, 2, 37, 1200])
def test_a_static_size_and_a_traced_size_agree(size):
    positions = jnp.arange(size)
    static = jax.jit(partial(permuted, size=size))(KEY, positions)
    np.testing.assert_array_equal(static, permuted_traced(KEY, positions, size))


def test_a_position_can_be_asked_for_alone():
    everywhere = permuted_traced(KEY, jnp.arange(100), 100)
    for position in (0, 50, 99):
        assert permuted_traced(KEY, jnp.int32(position), 100) == everywhere[position]


def test_different_keys_give_different_orders():
    orders = jax.jit(jax.vmap(lambda key: permuted(key, jnp.arange(100), 100)))(jax.random.split(KEY, 200))
    assert len(np.unique(orders, axis=0)) == 200


@pytest.mark.parametrize("size", [10, 16, 37])
def test_every_position_goes_anywhere_about_equally_often(size):
    draws = 200 * size
    keys = jax.random.split(jax.random.key(0), draws)
    images = np.asarray(jax.jit(jax.vmap(lambda key: permuted(key, jnp.arange(size), size)))(keys))
    counts = (images[..., None] == np.arange(size)).sum(axis=0)
    chi_square = ((counts - 200) ** 2 / 200).sum(axis=1)
    freedom = size - 1
    limit = freedom + 6 * np.sqrt(2 * freedom)
    assert chi_square.max() < limit, "some position prefers some places; look at the rounds of the Feistel network"
    # A shift by a random number would pass so far; neighbours must not stay neighbours.
    apart = (images[:, 1] - images[:, 0]) % size
    steps = np.bincount(apart, minlength=size)[1:]
    expected = draws / (size - 1)
    assert ((steps - expected) ** 2 / expected).sum() < limit, "neighbours keep a preferred distance"


def test_a_batch_that_cannot_be_shared_equally_has_no_parts():
    with pytest.raises(ValueError, match="batch_size is 10, must be a multiple of 4 devices"):
        jax.vmap(lambda _: part(10, "data").positions, axis_name="data")(jnp.zeros(4))

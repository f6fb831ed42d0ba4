"""The BatchNorm for CPUs against flax's: values, statistics, gradients, shares of a batch on a mapped axis."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.models.batch_norm import BatchNorm, normalise

rng = np.random.default_rng(0)
#: (N, H, W, C): rows of several pixels; an odd number of pixels; more channels than a row; vectors; one channel.
SHAPES = [(4, 4, 4, 16), (3, 5, 7, 8), (2, 2, 3, 200), (6, 12), (2, 4, 4, 1)]
OPTIONS = {"momentum": 0.9, "epsilon": 1e-5}


def inputs(shape, dtype=jnp.float32):
    values = rng.normal(size=shape) * np.arange(1, shape[-1] + 1) + np.arange(shape[-1]) / 2
    return jnp.asarray(values, dtype)


def variables_of(channels):
    params = {"scale": rng.normal(size=channels), "bias": rng.normal(size=channels)}
    statistics = {"mean": rng.normal(size=channels), "var": rng.uniform(1, 2, size=channels)}
    return jax.tree.map(jnp.float32, {"params": params, "batch_stats": statistics})


def run(layer, x, variables, weights, **options):
    """(outputs and statistics, gradients by inputs and parameters) of a layer in training."""
    module = layer(use_running_average=False, **OPTIONS, **options)

    def loss(x, params):
        y, updates = module.apply({**variables, "params": params}, x, mutable=["batch_stats"])
        return jnp.sum(weights * y.astype(jnp.float32) ** 2), (y, updates["batch_stats"])

    gradients, outputs = jax.grad(loss, argnums=(0, 1), has_aux=True)(x, variables["params"])
    return outputs, gradients


def agree(ours, flaxs, tolerance):
    assert jax.tree.structure(ours) == jax.tree.structure(flaxs)
    for mine, theirs in zip(jax.tree.leaves(ours), jax.tree.leaves(flaxs), strict=True):
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
        theirs = np.asarray(theirs, np.float32)
        scale = max(np.abs(theirs).max(), 1e-6)
        np.testing.assert_allclose(np.asarray(mine, np.float32), theirs, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("dtype, tolerance", [(jnp.float32, 2e-5), (jnp.bfloat16, 2e-2)])
@pytest.mark.parametrize("shape", SHAPES)
def test_training(shape, dtype, tolerance):
    x, variables = inputs(shape, dtype), variables_of(shape[-1])
    weights = jnp.asarray(rng.normal(size=shape), jnp.float32)
    ours, flaxs = (
        jax.jit(partial(run, layer, dtype=dtype))(x, variables, weights) for layer in (BatchNorm, nn.BatchNorm)
    )
    agree(ours, flaxs, tolerance)


@pytest.mark.parametrize("shape", SHAPES)
def test_evaluation(shape):
    x, variables = inputs(shape), variables_of(shape[-1])
    ours, flaxs = (
        jax.jit(partial(layer(use_running_average=True, **OPTIONS).apply, mutable=["batch_stats"]))(variables, x)
        for layer in (BatchNorm, nn.BatchNorm)
    )
    agree(ours, flaxs, 1e-6)


@pytest.mark.parametrize("options", [{"axis": 1}, {"use_scale": False}, {"axis_index_groups": [[0]]}])
def test_what_is_not_covered_is_refused(options):
    with pytest.raises(ValueError, match="use flax's"):
        BatchNorm(use_running_average=False, **options).init(jax.random.key(0), inputs((6, 12)))
    with pytest.raises(ValueError, match="use flax's"):
        BatchNorm(use_running_average=False).init(jax.random.key(0), inputs((6, 12)), mask=jnp.ones((6, 1), bool))


@pytest.mark.parametrize("options", [{}, {"dtype": jnp.bfloat16}, {"scale_init": nn.initializers.zeros}])
def test_variables_begin_as_flaxs(options):
    """Of the same names, shapes and types, so that a checkpoint fits either; and untouched by what init sees."""
    both = [layer(use_running_average=False, axis_name="unbound", **options) for layer in (BatchNorm, nn.BatchNorm)]
    ours, flaxs = (layer.init(jax.random.key(0), inputs((2, 4, 4, 16))) for layer in both)
    assert jax.tree.structure(ours) == jax.tree.structure(flaxs)
    jax.tree.map(np.testing.assert_array_equal, ours, flaxs)


def test_shares_of_a_batch_count_as_one():
    """Values, statistics and the averaged gradient over a mapped axis are those of the whole batch."""
    x, variables, weights = (
        inputs((8, 2, 2, 16)),
        variables_of(16),
        jnp.asarray(rng.normal(size=(8, 2, 2, 16)), jnp.float32),
    )
    (whole, statistics), (of_x, of_params) = jax.jit(partial(run, BatchNorm))(x, variables, weights)
    shared = jax.vmap(partial(run, BatchNorm, axis_name="data"), in_axes=(0, None, 0), axis_name="data")
    (parts, of_parts), (by_x, by_params) = jax.jit(shared)(
        x.reshape(2, 4, 2, 2, 16), variables, weights.reshape(2, 4, 2, 2, 16)
    )
    agree(parts.reshape(x.shape), whole, 2e-5)
    agree(jax.tree.map(lambda leaf: leaf[1], of_parts), statistics, 2e-5)
    agree(by_x.reshape(x.shape), of_x, 2e-5)
    agree(jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), by_params), of_params, 2e-5)


def test_gradient_where_the_mean_is_large():
    """E[x^2] - E[x]^2 has lost all digits here; against a float64 gradient by hand."""
    x = inputs((4, 4, 4, 16)) + 1e3
    dy = rng.normal(size=x.shape)
    scale, bias = jnp.full(16, 2.0), jnp.zeros(16)
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(normalise(x, scale, bias, 1e-5, None)[0] * jnp.float32(dy))))(x)

    exact, axes = np.asarray(x, np.float64), (0, 1, 2)
    sd = np.sqrt(exact.var(axes) + 1e-5)
    z = (exact - exact.mean(axes)) / sd
    expected = 2 / sd * (dy - dy.mean(axes) - z * (z * dy).mean(axes))
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-3 * np.abs(expected).max())


def test_derivatives_agree_in_both_modes_and_for_the_statistics():
    x, tangent = inputs((4, 2, 2, 16)), inputs((4, 2, 2, 16))
    scale, bias = jnp.full(16, 2.0), jnp.ones(16)

    def outputs(x):
        y, mean, var = normalise(x, scale, bias, 1e-5, None)
        return jnp.sum(jnp.sin(y)) + jnp.sum(mean**2) + jnp.sum(jnp.sqrt(var))

    def plain(x):
        mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
        y = (x - mean) / jnp.sqrt(var + 1e-5) * scale + bias
        return jnp.sum(jnp.sin(y)) + jnp.sum(mean**2) + jnp.sum(jnp.sqrt(var))

    for derive in (jax.grad, lambda f: lambda x: jax.jvp(jax.grad(f), (x,), (tangent,))):
        with jax.numpy_rank_promotion("allow"):
            agree(jax.jit(derive(outputs))(x), jax.jit(derive(plain))(x), 1e-4)


def test_nan_and_infinity_stay():
    x, variables = inputs((4, 4, 4, 16)), variables_of(16)
    x = x.at[0, 0, 0, 3].set(jnp.nan).at[0, 0, 0, 5].set(jnp.inf)
    ours, flaxs = (
        layer(use_running_average=False, **OPTIONS).apply(variables, x, mutable=["batch_stats"])[0]
        for layer in (BatchNorm, nn.BatchNorm)
    )
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(flaxs))

"""Held values are the same values, their derivatives too, and XLA computes them once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.models.held import held, held_values

VALUES = [0.0, -0.0, 1.5, -2e-38, 3e38, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("hold", [held, held_values])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_values_are_left_as_they_are(hold, dtype):
    values = jnp.asarray(VALUES, dtype)
    np.testing.assert_array_equal(np.asarray(jax.jit(hold)(values)).tobytes(), np.asarray(values).tobytes())


@pytest.mark.parametrize("hold", [held, held_values])
def test_derivatives_in_both_modes_and_under_vmap(hold):
    x = jnp.arange(3.0)
    np.testing.assert_array_equal(jax.grad(lambda x: jnp.sum(hold(x) ** 2))(x), 2 * x)
    np.testing.assert_array_equal(jax.jvp(hold, (x,), (x + 1,))[1], x + 1)
    np.testing.assert_array_equal(jax.grad(lambda x: jnp.sum(jax.grad(lambda x: jnp.sum(hold(x) ** 3))(x)))(x), 6 * x)
    np.testing.assert_array_equal(jax.vmap(hold)(x[:, None]), x[:, None])


def test_a_loop_does_not_carry_the_ones_along():
    """Each pass would read them again; a residual network's were twenty arrays as large as its activations."""

    def loop(x):
        return jax.lax.fori_loop(0, x.shape[0], lambda _, x: jnp.sin(held(jnp.cos(x))), x)

    program = jax.jit(loop).lower(jnp.ones((8, 16))).compile().as_text()
    [carried] = [line.split(" while(")[0] for line in program.splitlines() if " while(" in line]
    assert carried.count("f32[8,16]") == 1


@pytest.mark.parametrize("hold, sines", [(held, 1), (held_values, 1), (lambda x: x, 3)])
def test_a_value_with_several_readers_is_computed_once(hold, sines):
    """The second case shows what this is for; if it fails, XLA has mended that and `held` can go."""

    def readers(x, y):
        value = hold(jnp.maximum(jnp.sin(x) * y, 0))
        return jnp.sum(value * 2, axis=0), jnp.maximum(value - y, 0), jnp.tanh(value)

    x = jnp.ones((64, 64))
    assert jax.jit(readers).lower(x, x).compile().as_text().count("sine(") == sines


def test_nothing_is_done_on_an_accelerator(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    values = jnp.ones(3)
    assert held(values) is values

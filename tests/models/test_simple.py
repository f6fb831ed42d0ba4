"""The small models against numpy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.models import build


def initialised(name, inputs, **options):
    model = build(name, num_classes=3, **options)
    return model, jax.jit(partial(model.init, train=True))(jax.random.key(0), inputs)


def test_linear_by_hand():
    model = build("linear", num_classes=2)
    first = {"kernel": jnp.array([[1.0, 0.0], [2.0, -1.0], [0.5, 4.0]]), "bias": jnp.array([0.25, -1.0])}
    logits, features = model.apply({"params": {"first": first}}, jnp.array([[1.0, 2.0, 4.0]]), train=True)
    np.testing.assert_array_equal(logits, [[1 + 4 + 2 + 0.25, 0 - 2 + 16 - 1]])
    np.testing.assert_array_equal(features, [[1.0, 2.0, 4.0]])


def test_linear_flattens_images_row_by_row():
    images = jnp.arange(2 * 2 * 3 * 1, dtype=jnp.float32).reshape(2, 2, 3, 1)
    model, variables = initialised("linear", images)
    logits, features = model.apply(variables, images, train=False)
    np.testing.assert_array_equal(features, np.arange(12).reshape(2, 6))
    np.testing.assert_allclose(logits, features @ variables["params"]["first"]["kernel"], rtol=1e-6)


@pytest.mark.parametrize("widths", [(4,), (4, 6, 5)])
def test_mlp_against_numpy(widths):
    inputs = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    model, variables = initialised("mlp", inputs, widths=widths)
    logits, features = model.apply(variables, inputs, train=True)

    x = inputs
    for name in ["first", "hidden1", "hidden2"][: len(widths)]:
        layer = variables["params"][name]
        x = np.maximum(x @ np.asarray(layer["kernel"]) + np.asarray(layer["bias"]), 0)
    head = variables["params"]["head"]
    np.testing.assert_allclose(features, x, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(logits, x @ np.asarray(head["kernel"]) + np.asarray(head["bias"]), rtol=1e-5, atol=1e-5)


def test_mlp_begins_he_normal_with_zero_biases():
    inputs = jnp.zeros((1, 200))
    _, variables = initialised("mlp", inputs, widths=(400, 500))
    for layer, fan_in in zip(("first", "hidden1", "head"), (200, 400, 500), strict=True):
        kernel, bias = variables["params"][layer]["kernel"], variables["params"][layer]["bias"]
        assert float(kernel.std()) == pytest.approx(np.sqrt(2 / fan_in), rel=0.06)
        assert not bias.any()


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_bfloat16_rounds_below_the_head_only(name):
    inputs = jax.random.normal(jax.random.key(1), (2, 8, 8, 3))
    options = {"num_classes": 3, "widths": (8, 16)}
    init = build(name, **options).init_with_output
    (logits, _), variables = jax.jit(partial(init, train=True))(jax.random.key(0), inputs)
    half = build(name, **options, dtype="bfloat16")
    rounded, features = jax.jit(partial(half.apply, train=True))(variables, inputs)
    head = variables["params"]["head"]
    np.testing.assert_allclose(rounded, features @ head["kernel"] + head["bias"][None], rtol=1e-5, atol=1e-6)
    assert 0 < np.abs(logits - rounded).max() < 0.05 * np.abs(logits).max()

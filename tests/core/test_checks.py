"""What is asked of arguments: shapes and types in a trace too, values where they are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.core.checks import (
    check_labels,
    check_probabilities,
    check_range,
    check_shape,
    check_targets,
    floating,
    inside,
    integers,
)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int32", "uint32"])
def test_integers_become_float32(run, dtype):
    found = run(floating)(np.array([0, 1, 1], dtype))
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(found, [0, 1, 1])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_floats_stay_as_they_are(run, dtype):
    assert run(floating)(jnp.ones(2, dtype)).dtype == dtype


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "uint32"])
def test_no_label_overflows(run, dtype):
    found = run(lambda labels: inside(integers("labels", labels), 300))(np.array([0, 255, np.iinfo(dtype).max], dtype))
    np.testing.assert_array_equal(found, [True, True, dtype == "uint8"])


def test_values_pass_in_a_trace_and_shapes_do_not(run):
    checks = (
        lambda x: check_range("x", x[0], low=0.0, below=1.0),
        lambda x: check_probabilities("x", x),
        lambda x: check_labels(x, 1),
    )
    for check in checks:
        with pytest.raises(ValueError, match="must be"):
            check(jnp.array([5.0, 1.0]))
        jax.jit(check)(jnp.array([5.0, 1.0]))
    shapes = (lambda x: check_range("x", x, low=0.0, below=9.0), lambda x: check_shape("x", x, (3,)), check_targets)
    for check in shapes:
        with pytest.raises(ValueError, match=r"of shape \(2,\), must be"):
            run(check)(jnp.array([5.0, 1.0]))


@pytest.mark.parametrize("wrong", [[50, 30, 20], [0.5, 0.6, -0.1], [np.nan, 0.5, 0.5], [[0.5, 0.5], [0.5, 0.4]]])
def test_counts_are_no_probabilities(wrong):
    with pytest.raises(ValueError, match="prior holds .* must be probabilities"):
        check_probabilities("prior", np.array(wrong))
    check_probabilities("prior", np.float32([0.1, 0.2, 0.7]))


def test_targets_of_another_number_say_how_to_make_them():
    check_targets(np.ones((4, 3)), 4)
    with pytest.raises(ValueError, match=r"of shape \(4,\), must be \(4, K\); .* lamv.core.targets.one_hot"):
        check_targets(np.ones(4, int), 4)
    with pytest.raises(ValueError, match=r"of shape \(1, 3\), must be \(4, K\)"):
        check_targets(np.ones((1, 3)), 4)

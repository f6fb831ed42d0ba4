"""Cross-entropy and the weight penalty by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from lamv.core.losses import cross_entropy, weight_penalty

LOG_PROBS = np.log(np.array([[0.7, 0.2, 0.1]], np.float32))


@pytest.mark.parametrize(
    "target, expected",
    [((1, 0, 0), 0.356674944), ((0, 0, 1), 2.302585093), ((0.3, 0, 0.7), 1.718812048), ((0, 0, 0), 0.0)],
)
def test_cross_entropy_by_hand(run, target, expected):
    loss = run(cross_entropy)(LOG_PROBS, np.array([target], np.float32))
    np.testing.assert_allclose(loss, [expected], rtol=1e-6)


def test_a_common_shift_of_the_logits_does_not_count(run):
    target = np.array([[0.3, 0, 0.7]], np.float32)
    np.testing.assert_allclose(run(cross_entropy)(LOG_PROBS + 100, target), [1.718812048], rtol=1e-5)


def test_large_logits_stay_finite(run):
    logits = np.array([[1e4, 0.0], [1e4, 0.0]], np.float32)
    np.testing.assert_array_equal(run(cross_entropy)(logits, np.eye(2, dtype=np.float32)), [0.0, 1e4])


def test_low_precision_logits_give_a_float32_loss(run):
    loss = run(cross_entropy)(jnp.zeros((2, 10), jnp.bfloat16), jnp.full((2, 10), 0.1, jnp.bfloat16))
    assert loss.dtype == jnp.float32
    np.testing.assert_allclose(loss, np.log(10), rtol=2e-3)


def test_penalty_counts_kernels_only(run):
    params = {
        "dense": {"kernel": jnp.array([[1.0, 2.0], [0.0, -2.0]]), "bias": jnp.array([100.0, 100.0])},
        "conv": {"kernel": jnp.full((3, 3, 1, 2), 0.5)},
        "norm": {"scale": jnp.full(4, 100.0), "bias": jnp.full(4, 100.0)},
        "temperature": jnp.float32(100.0),
    }
    assert run(weight_penalty)(params) == 0.5 * (9 + 18 * 0.25)

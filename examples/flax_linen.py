"""Mixup on smoothed labels in a loop of Flax linen: python -m examples.flax_linen"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.training.train_state import TrainState

from lamv import data
from lamv.core import losses, mixing, targets, variance


class Network(nn.Module):
    @nn.compact
    def __call__(self, x):
        features = nn.relu(nn.Dense(64)(x))
        return nn.Dense(10)(features), features


@jax.jit
def step(state, key, x, y):
    q = targets.smooth(targets.one_hot(y, 10), 0.1)  # smooth first, then mix
    x, q = mixing.mixup(key, x, q, alpha=1.0)

    def loss(params):
        logits, _ = state.apply_fn({"params": params}, x)
        return losses.cross_entropy(logits, q).mean()

    return state.apply_gradients(grads=jax.grad(loss)(state.params))


@jax.jit
def measure(state, x, y):
    logits, features = state.apply_fn({"params": state.params}, x)
    parts = variance.decompose(variance.class_moments(features, y, 10))
    return jnp.mean(jnp.argmax(logits, axis=1) == y), parts["within_over_total"]


def main(steps=300):
    digits, rng = data.load("digits").parts["all"], np.random.default_rng(0)
    x, y = np.float32(digits.inputs.reshape(-1, 64) / 16), digits.labels
    network = Network()
    params = jax.jit(network.init)(jax.random.key(0), x[:1])["params"]
    state = TrainState.create(apply_fn=network.apply, params=params, tx=optax.adam(5e-3))
    for key in jax.random.split(jax.random.key(1), steps):
        rows = rng.integers(1200, size=128)
        state = step(state, key, x[rows], y[rows])
    accuracy, share = map(float, measure(state, x[1200:], y[1200:]))
    print(f"accuracy {100 * accuracy:.1f} %, {100 * share:.0f} % of the variance is within classes")
    return accuracy, share


if __name__ == "__main__":
    main()

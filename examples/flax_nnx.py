"""Mixup on smoothed labels in a loop of Flax nnx: python -m examples.flax_nnx"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from lamv import data
from lamv.core import losses, mixing, targets, variance


class Network(nnx.Module):
    def __init__(self, rngs):
        self.hidden, self.head = nnx.Linear(64, 64, rngs=rngs), nnx.Linear(64, 10, rngs=rngs)

    def __call__(self, x):
        features = nnx.relu(self.hidden(x))
        return self.head(features), features


@nnx.jit
def step(network, optimiser, key, x, y):
    q = targets.smooth(targets.one_hot(y, 10), 0.1)  # smooth first, then mix
    x, q = mixing.mixup(key, x, q, alpha=1.0)

    def loss(network):
        logits, _ = network(x)
        return losses.cross_entropy(logits, q).mean()

    optimiser.update(network, nnx.grad(loss)(network))


@nnx.jit
def measure(network, x, y):
    logits, features = network(x)
    parts = variance.decompose(variance.class_moments(features, y, 10))
    return jnp.mean(jnp.argmax(logits, axis=1) == y), parts["within_over_total"]


def main(steps=300):
    digits, rng = data.load("digits").parts["all"], np.random.default_rng(0)
    x, y = np.float32(digits.inputs.reshape(-1, 64) / 16), digits.labels
    network = Network(nnx.Rngs(0))
    optimiser = nnx.Optimizer(network, optax.adam(5e-3), wrt=nnx.Param)
    for key in jax.random.split(jax.random.key(1), steps):
        rows = rng.integers(1200, size=128)
        step(network, optimiser, key, x[rows], y[rows])
    accuracy, share = map(float, measure(network, x[1200:], y[1200:]))
    print(f"accuracy {100 * accuracy:.1f} %, {100 * share:.0f} % of the variance is within classes")
    return accuracy, share


if __name__ == "__main__":
    main()

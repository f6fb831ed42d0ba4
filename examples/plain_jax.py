"""Label smoothing and Mixup in a loop of plain JAX: python -m examples.plain_jax

lamv.core is pure functions of arrays, without config, files or flax; the lines that use it are marked.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from lamv import data
from lamv.core import losses, mixing, targets, variance

METHODS = {
    "ERM": lambda key, x, q: (x, q),
    "LS .1": lambda key, x, q: (x, targets.smooth(q, 0.1)),  # lamv: targets are (B, K) probabilities
    "Mixup": partial(mixing.mixup, alpha=1.0),  # lamv: inputs and targets by the same partners and weights
}
OPTIMISER = optax.adam(5e-3)


def network(params, x):
    features = jax.nn.relu(x @ params["first"])
    return features @ params["head"], features


@partial(jax.jit, static_argnames="method")
def step(params, state, key, x, y, method):
    x, q = METHODS[method](key, x, targets.one_hot(y, 10))  # lamv
    # lamv: a loss for each example, of targets that are probabilities
    gradient = jax.grad(lambda p: losses.cross_entropy(network(p, x)[0], q).mean())(params)
    updates, state = OPTIMISER.update(gradient, state)
    return optax.apply_updates(params, updates), state


@jax.jit
def measure(params, x, y):
    logits, features = network(params, x)
    parts = variance.decompose(variance.class_moments(features, y, 10))  # lamv: total, within, between
    return jnp.mean(jnp.argmax(logits, axis=1) == y), parts["within_over_total"]


def main(method, steps=300):
    digits, rng = data.load("digits").parts["all"], np.random.default_rng(0)
    x, y = np.float32(digits.inputs.reshape(-1, 64) / 16), digits.labels
    params = {name: np.float32(rng.normal(0, 0.15, (64, out))) for name, out in (("first", 64), ("head", 10))}
    state = OPTIMISER.init(params)
    for key in jax.random.split(jax.random.key(0), steps):
        rows = rng.integers(1200, size=128)
        params, state = step(params, state, key, x[rows], y[rows], method)
    accuracy, share = map(float, measure(params, x[1200:], y[1200:]))
    print(f"{method}: accuracy {100 * accuracy:.1f} %, {100 * share:.0f} % of the variance is within classes")
    return accuracy, share


if __name__ == "__main__":
    for method in METHODS:
        main(method)

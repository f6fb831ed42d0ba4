"""CutMix on numpy batches of a PyTorch DataLoader; it needs torch, lamv does not: python -m examples.pytorch_loader"""

import jax
import numpy as np
import optax

from lamv import data
from lamv.core import losses, regions, targets, variance

OPTIMISER = optax.adam(5e-3)


def network(params, images):
    features = jax.nn.relu(images.reshape(len(images), -1) @ params["first"])
    return features @ params["head"], features


@jax.jit
def step(params, state, key, images, labels):
    x, q = regions.cutmix(key, images, targets.one_hot(labels, 10))
    gradient = jax.grad(lambda p: losses.cross_entropy(network(p, x)[0], q).mean())(params)
    updates, state = OPTIMISER.update(gradient, state)
    return optax.apply_updates(params, updates), state


def train(loader, epochs):
    """loader: any iterable of (images, labels)."""
    rng, key = np.random.default_rng(0), jax.random.key(0)
    params = {name: np.float32(rng.normal(0, 0.15, (64, out))) for name, out in (("first", 64), ("head", 10))}
    state = OPTIMISER.init(params)
    for images, labels in (batch for _ in range(epochs) for batch in loader):
        key, step_key = jax.random.split(key)
        params, state = step(params, state, step_key, images, labels)
    return params


def evaluate(params, loader):
    batches = [(*network(params, images), labels) for images, labels in loader]
    logits, features, labels = map(np.concatenate, zip(*batches, strict=True))
    accuracy = np.mean(logits.argmax(axis=1) == labels)
    share = variance.squared_deviations(features, labels).mean() / features.var(axis=0).sum()
    print(f"accuracy {100 * accuracy:.1f} %, {100 * share:.0f} % of the variance is within classes")
    return accuracy, share


def main(epochs=30):
    from torch.utils.data import DataLoader

    def as_arrays(examples):
        return tuple(map(np.stack, zip(*examples, strict=True)))

    digits = data.load("digits").parts["all"]
    examples = list(zip(np.float32(digits.inputs / 16), digits.labels, strict=True))
    params = train(DataLoader(examples[:1200], batch_size=100, shuffle=True, collate_fn=as_arrays), epochs)
    return evaluate(params, DataLoader(examples[1200:], batch_size=100, collate_fn=as_arrays))


if __name__ == "__main__":
    main()

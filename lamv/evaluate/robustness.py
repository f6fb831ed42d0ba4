"""Accuracy and margins on test inputs that are attacked, or corrupted."""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from lamv.core import attacks, corruptions, selection
from lamv.core.losses import cross_entropy
from lamv.core.targets import one_hot
from lamv.data.resident import SplitIndex
from lamv.evaluate.passes import Passes, Replica, Shared
from lamv.evaluate.snapshot import Result, Snapshot
from lamv.train import parallel
from lamv.train.replica import root_key
from lamv.train.variants import Replicas

ATTACKS = ("fgsm", "pgd")
#: Steps of projected gradient ascent; each goes a quarter of eps.
ASCENTS = 10
#: A stream of randomness apart from those of lamv.train.replica.
CORRUPTION_STREAM = 101


def under_attack(snapshot: Snapshot) -> list[Result]:
    """test/attack/KIND_EPS/{accuracy,margin_mean}."""
    if snapshot.view.num_words:
        snapshot.note("no attacks, as the inputs are words and not numbers that can be moved")
        return []
    return _measured(snapshot, "attack", ATTACKS, snapshot.options.attacks, attacked)


def under_corruption(snapshot: Snapshot) -> list[Result]:
    """test/corruption/KIND_LEVEL/{accuracy,margin_mean}, of images."""
    if len(snapshot.row.stored_shape) != 3:
        snapshot.note("no corruptions, as the inputs are not images")
        return []
    return _measured(snapshot, "corruption", corruptions.CORRUPTIONS, snapshot.options.corruptions, corrupted)


def attacked(passes: Passes, replicas: Replicas, table: SplitIndex, kind: str, eps: float) -> np.ndarray:
    """Logits (R, M, K) at inputs moved by at most eps a coordinate (eps in raw units, as images in [0, 1])."""
    scale, low, high = _input_range(passes)
    unroll = not parallel.compiled_loop(passes.row.config)

    def compute(replica: Replica, shared: Shared, b):
        seen = passes.read(replica, shared, b)
        inputs, targets = seen.inputs, one_hot(seen.labels, passes.num_classes)

        def slope(x):
            return jax.grad(lambda x: jnp.sum(cross_entropy(passes.logits(replica.state, x), targets)))(x)

        size = replica.value * scale
        if kind == "fgsm":
            moved = attacks.fgsm(slope, inputs, size, low, high)
        else:
            moved = attacks.pgd(slope, inputs, size, low, high, steps=ASCENTS, step_size=size / 4, unroll=unroll)
        return {"logits": passes.logits(replica.state, moved)}

    return passes.gathered(f"attacked {kind}", compute, replicas, table, value=np.float32(eps))["logits"]


def corrupted(passes: Passes, replicas: Replicas, table: SplitIndex, kind: str, level: float) -> np.ndarray:
    """Logits (R, M, K) at images with a corruption of lamv.core.corruptions."""
    corrupt = corruptions.CORRUPTIONS[kind]

    def compute(replica: Replica, shared: Shared, b):
        key = jax.random.fold_in(root_key(replica.knobs), CORRUPTION_STREAM)

        def change(images, ids):
            keys = jax.vmap(jax.random.fold_in, (None, 0))(key, ids)
            return jax.vmap(lambda key, image: corrupt(key, image, replica.value))(keys, images)

        inputs = passes.read(replica, shared, b, change=change).inputs
        return {"logits": passes.logits(replica.state, inputs)}

    return passes.gathered(f"corrupted {kind}", compute, replicas, table, value=np.float32(level))["logits"]


def _measured(
    snapshot: Snapshot, what: str, kinds: Iterable[str], sizes: Sequence[float], logits_of: Callable
) -> list[Result]:
    table = jax.tree.map(lambda values: values[:, : snapshot.options.robust_examples], snapshot.tables["test"])
    labels, results = snapshot.labels(table), [Result() for _ in snapshot.replicas.numbers]
    for kind, size in itertools.product(kinds, sizes):
        logits = logits_of(snapshot.passes, snapshot.replicas, table, kind, size)
        name = f"test/{what}/{kind}_{size:g}"
        for result, of_replica, true in zip(results, logits, labels, strict=True):
            result.metrics[f"{name}/accuracy"] = float(np.mean(of_replica.argmax(1) == true))
            result.metrics[f"{name}/margin_mean"] = float(selection.margins(of_replica, true).mean())
    return results


def _input_range(passes: Passes) -> list[np.ndarray]:
    """eps = 1 in the units that the network sees, and the range of valid inputs there; per coordinate."""
    view, normalises = passes.view, passes.row.config.data.normalise
    stored = view.raw_shape
    deviation = np.broadcast_to(np.asarray(view.normalisation.std if normalises else 1.0, np.float32), stored)
    mean = np.broadcast_to(np.asarray(view.normalisation.mean if normalises else 0.0, np.float32), stored)
    images = len(stored) == 3
    low = (0 - mean) / deviation if images else np.full(stored, -np.inf, np.float32)
    high = (1 - mean) / deviation if images else np.full(stored, np.inf, np.float32)
    return [_as_seen(view.shape, *ends) for ends in ((1 / deviation, 1.0), (low, -np.inf), (high, np.inf))]


def _as_seen(shape: tuple[int, ...], values: np.ndarray, beyond: float) -> np.ndarray:
    """An array over a stored example in the shape that the network sees; inputs of a planted tag get `beyond`."""
    if values.shape == tuple(shape):
        return values[None]
    flat = np.full(math.prod(shape), beyond, np.float32)
    flat[: values.size] = values.reshape(-1)
    return flat.reshape(1, *shape)

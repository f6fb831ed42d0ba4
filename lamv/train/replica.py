"""One replica: its traced knobs, its state, and the keys of its random streams."""

from typing import Any, NamedTuple

import jax
import numpy as np

from lamv.knobs import KNOBS

#: The named streams of randomness. Numbers are part of the definition of a run: never renumber, only add.
INIT, ORDER, AUGMENT, MIX, CUE, LABEL_NOISE, PAIRS, OUTER = range(8)


class Knobs(NamedTuple):
    """The traced knobs of a replica, as scalars; see `traced` in lamv.knobs.

    steps: of the schedule of the learning rate; traced, so that a run of another length needs no compilation. standardise:
    (mean, deviation), (D,) each, of its training set, where inputs are standardised by that; else ().
    """

    seed: jax.Array
    steps: jax.Array
    lr: jax.Array
    weight_decay: jax.Array
    confidence_penalty: jax.Array
    entropy_threshold: jax.Array
    max_suppression: jax.Array
    label_noise: jax.Array
    strength: jax.Array
    noise: jax.Array
    method: dict[str, jax.Array]
    mitigation: dict[str, jax.Array]
    distill: dict[str, jax.Array]
    standardise: tuple[jax.Array, jax.Array] | tuple = ()


class State(NamedTuple):
    """What training changes. `loss_sum` and `loss_steps` gather the loss since the last logged step.

    running: (train_size, K) running mean of the predictions for each training example, or () where no method asks for
    it. soft: lamv.core.targets.SoftLabels, or () likewise. mitigation: the arrays that the mitigation keeps, see
    lamv.train.mitigations.
    """

    params: Any
    batch_stats: Any
    optimiser: Any
    loss_sum: jax.Array
    loss_steps: jax.Array
    running: Any
    mitigation: dict[str, jax.Array]
    soft: Any = ()

    @property
    def variables(self) -> dict[str, Any]:
        """As a model takes them."""
        return {"params": self.params} | ({"batch_stats": self.batch_stats} if self.batch_stats else {})


def traced_knobs(config, seed: int, steps: int) -> Knobs:
    """The traced knobs of a config, as numpy scalars, for the replica with this seed, in a run of so many steps."""
    loss, shortcut = config.loss, config.data.shortcut
    values = (
        config.optim.lr, config.optim.weight_decay, loss.confidence_penalty, loss.entropy_threshold,
        loss.max_suppression, config.data.label_noise, shortcut.strength, shortcut.noise,
    )  # fmt: skip

    def traced_in(part: str) -> dict:
        keys = [knob.key for knob in KNOBS if knob.traced and knob.key.startswith(f"{part}.")]
        return {name: np.float32(config[part][name]) for _, name in (key.split(".") for key in keys)}

    scalars: list[Any] = [np.uint32(seed), np.int32(steps), *(np.float32(value) for value in values)]
    parts = {part: traced_in(part) for part in ("method", "mitigation", "distill")}
    return Knobs(*scalars, **parts)


def root_key(knobs: Knobs) -> jax.Array:
    """The key of a replica. The generator is named, so that a user's default cannot change what a seed means."""
    return jax.random.key(knobs.seed, impl="threefry2x32")


def step_key(knobs: Knobs, stream: int, t) -> jax.Array:
    """The key of one stream at step t."""
    return jax.random.fold_in(jax.random.fold_in(root_key(knobs), stream), t)

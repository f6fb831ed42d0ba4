"""A function of one replica and of one device's share of a batch, mapped over all replicas and all devices.

Replicas are a leading axis R of the state, the knobs and the tables; examples and step numbers are common to them.
Devices form a mesh (replica, data): replicas are spread over the first axis, each batch over the second, which is the
DATA_AXIS of the collectives in lamv.train.step, also on a single device.
"""

from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax import lax
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from lamv import models
from lamv.errors import ConfigError, WorkdirMismatch

#: Names of the mapped axes: replicas lie along one, the batch is spread over the other.
REPLICA_AXIS, DATA_AXIS = "replica", "data"
#: Of a program that runs once, on a CPU: compiling a residual network's initial state takes a third of the time.
QUICK = {"xla_backend_optimization_level": 1}


class Layout:
    """The devices of a run, and how replicas and batches are spread over them.

    config: of any row (devices are common to all). Raises ConfigError where replicas or batches do not divide evenly.
    """

    def __init__(self, config, replicas_of_a_row: int, devices: Sequence | None = None):
        parallel = config.parallel
        devices = list(jax.devices() if devices is None else devices)
        if parallel.devices > len(devices):
            raise ConfigError(
                f"config.parallel.devices is {parallel.devices}, must be at most {len(devices)}; 0 uses all"
            )
        devices = devices[: parallel.devices or len(devices)]
        self.how, self.spread = parallel.map, parallel.spread
        if self.how == "pmap" and jax.process_count() > 1:
            raise ConfigError("config.parallel.map is 'pmap', must be shard_map with several processes")
        for things, number in (("devices", len(devices)), ("seeds", replicas_of_a_row)):
            if number % self.spread:
                raise ConfigError(
                    f"config.parallel.spread is {self.spread}, must divide the number of {things}, {number}"
                )
        self.mesh = Mesh(np.array(devices).reshape(self.spread, -1), (REPLICA_AXIS, DATA_AXIS))
        share = len(devices) // self.spread
        if config.batch_size % share:
            raise ConfigError(
                f"config.batch_size is {config.batch_size}, must be a multiple of the {share} devices that share a batch;"
                f" set --config.batch_size={(config.batch_size // share + 1) * share}, or fewer --config.parallel.devices"
            )

    def mapped(self, function: Callable, *, shared: int, donate: bool = False, once: bool = False) -> Callable:
        """`function(*per_replica, *shared)`, for one replica, as a compiled function of R replicas.

        The last `shared` arguments are common to the replicas; the others, and the result, have a leading axis R. With
        `donate`, the first argument's memory is given to the result, where the mapping can do that. once: it will run a
        single time, so that compiling it fast is worth more than a fast program.
        """
        over_replicas = _over_replicas(function, shared)
        if self.how == "pmap":
            return self._pmapped(over_replicas)
        return self._shard_mapped(over_replicas, shared, donate, once)

    def repeated(self, body: Callable, *, shared: int, compiled_loop: bool) -> Callable:
        """`body(carry, *per_replica, *shared, i) -> carry` for one replica, as `run(carry, ..., start, stop)` for R.

        compiled_loop: all of i = start, ..., stop - 1 in one dispatch, else one dispatch for each. The bounds are traced:
        however a run is cut into pieces, it executes the same program, so resuming cannot change a bit.
        """
        if compiled_loop:

            def loop(carry, *rest):
                *arguments, start, stop = rest
                return lax.fori_loop(start, stop, lambda i, carry: body(carry, *arguments, i), carry)

            return self.mapped(loop, shared=shared + 2, donate=True)
        once = self.mapped(body, shared=shared + 1, donate=True)

        def run(carry, *rest):
            *arguments, start, stop = rest
            for i in range(start, stop):
                carry = once(carry, *arguments, np.int32(i))
            return carry

        return run

    def place(self, tree, *, replicas: bool):
        """Put host arrays on the devices: split by replica, or a copy for every device."""
        sharding = NamedSharding(self.mesh, PartitionSpec(REPLICA_AXIS) if replicas else PartitionSpec())
        if jax.process_count() == 1:
            return jax.device_put(tree, sharding)

        def parts(leaf):  # of the whole array, which every process holds already: nothing is sent
            array = np.asarray(leaf)
            return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

        return jax.tree.map(parts, tree)

    def _shard_mapped(self, function: Callable, shared: int, donate: bool, once: bool) -> Callable:
        def call(*arguments):
            specs = [PartitionSpec(REPLICA_AXIS)] * (len(arguments) - shared) + [PartitionSpec()] * shared
            # check_vma=False: with it, autodiff would already sum the gradients over the data axis, silently.
            return jax.shard_map(
                function, mesh=self.mesh, in_specs=tuple(specs), out_specs=PartitionSpec(REPLICA_AXIS),
                check_vma=False,
            )(*arguments)  # fmt: skip

        quick = QUICK if once and self.mesh.devices.flat[0].platform == "cpu" else None
        return jax.jit(call, donate_argnums=(0,) if donate else (), compiler_options=quick)

    def _pmapped(self, function: Callable) -> Callable:
        # pmap wants one argument that really is split; the rest is copied to every device, and comes back as one copy.
        devices = list(self.mesh.devices.flat)
        local = [d for d in devices if d.process_index == jax.process_index()]

        def call(device_number, arguments):
            return function(*arguments)

        mapped = jax.pmap(call, axis_name=DATA_AXIS, in_axes=(0, None), out_axes=None, devices=devices)
        return lambda *arguments: mapped(np.arange(len(local)), arguments)


def together(config, seeds: int, teacher=None) -> int:
    """How many seeds of a row are trained by one call: all of them side by side (vmap), or one for each device group."""
    how = config.parallel.replicas
    if how == "auto":
        how = "vmap" if _vectorise(config, teacher) else "loop"
    return seeds if how == "vmap" else config.parallel.spread


def compiled_loop(config, teacher=None) -> bool:
    """Whether many steps go into one dispatch. Not for convolutions on a CPU, be they the teacher's.

    There, a dispatch is small beside a convolution, so that the loop gains nothing (docs/performance.md); and with a model
    whose convolutions are flax's own, which XLA runs 26 to 46 times slower inside of a loop, it would lose a lot.
    """
    if config.parallel.dispatch == "auto":
        return _vectorise(config, teacher) or jax.default_backend() != "cpu"
    return config.parallel.dispatch == "loop"


def _vectorise(*configs) -> bool:
    return all(models.MODELS[config.model.name].vectorise for config in configs if config is not None)


def fetch(tree):
    """Device arrays as numpy arrays, whole, on every process."""

    def whole(leaf) -> np.ndarray:
        if isinstance(leaf, jax.Array) and not (leaf.is_fully_addressable or leaf.is_fully_replicated):
            leaf = multihost_utils.process_allgather(leaf, tiled=True)
        return np.asarray(leaf)

    return jax.tree.map(whole, tree)


def agree(fingerprint: str) -> None:
    """Raise WorkdirMismatch unless all processes of a run were given the same config."""
    if jax.process_count() == 1:
        return
    mine = np.frombuffer(bytes.fromhex(fingerprint), np.uint8)
    if not (multihost_utils.process_allgather(mine) == mine[None]).all():
        raise WorkdirMismatch("the processes of this run were given different configs; start all with the same command")


def _over_replicas(function: Callable, shared: int) -> Callable:
    def mapped(*arguments):
        per_replica, common = arguments[: len(arguments) - shared], arguments[len(arguments) - shared :]
        if jax.tree.leaves(per_replica)[0].shape[0] > 1:
            return jax.vmap(lambda *own: function(*own, *common))(*per_replica)
        # A lone replica without vmap is exactly the program of a run with one seed.
        only = function(*jax.tree.map(lambda leaf: leaf[0], per_replica), *common)
        return jax.tree.map(lambda leaf: leaf[None], only)

    return mapped

"""What a batch of images costs before the network sees it: from the arrays on the device, or streamed from the host.

    python -m benchmarks.input [--size=32] [--examples=10000] [--batch=128] [--steps=50] [--json=FILE]

Each makes the same batches: random crop and flip, normalised. `resident` is what lamv does: all examples on the device, a
batch is a vector of indices. The others pick the rows on the host and send them, from an array in memory or from a file
mapped into memory; `ahead`: a thread does so for the next batch meanwhile. All run in the same process, in turns.
"""

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks import timing
from experiments import launch
from lamv import xla

xla.prepare()

SIZE = flags.DEFINE_integer("size", 32, "Pixels of a side.")
EXAMPLES = flags.DEFINE_integer("examples", 10_000, "Images there are.")
BATCH = flags.DEFINE_integer("batch", 128, "Images of a batch.")
STEPS = flags.DEFINE_integer("steps", 50, "Batches of one timing.")
TURNS = flags.DEFINE_integer("turns", 5, "Timings of each way.")


def main() -> None:
    import jax

    from lamv.core import batch
    from lamv.data import load
    from lamv.data.resident import data_view, examples_of
    from lamv.train.batches import Batches, Draw, Stored, batch_indices
    from lamv.train.replica import root_key, traced_knobs

    with tempfile.TemporaryDirectory() as folder:
        config = timing.recipe(folder, "linear", images=EXAMPLES.value, size=SIZE.value)
        config.batch_size = BATCH.value
        splits = load(config.data.name, config.data.path)
        view = data_view(splits, [config], [0])
        knobs, batches, rows = traced_knobs(config, 0, STEPS.value), Batches(config, view), batch.whole(BATCH.value)
        table = jax.tree.map(lambda values: jax.device_put(values[0]), view.train)
        stored = examples_of(splits)
        examples, images = jax.tree.map(jax.device_put, stored), stored.inputs
        np.save(Path(folder) / "images.npy", images)
        mapped = np.load(Path(folder) / "images.npy", mmap_mode="r")

        @jax.jit
        def resident(examples, table, t):
            draw = Draw(t, rows)
            return batches.at(
                examples, table, batch_indices(root_key(knobs), draw, EXAMPLES.value), knobs, draw=draw
            ).inputs

        @jax.jit
        def augmented(inputs, ids, t):
            return batches.inputs(Stored(ids, inputs, ids, ids, ids, (), ()), knobs, draw=Draw(t, rows))

        def sent(source, t):
            first = t * BATCH.value % (EXAMPLES.value - BATCH.value + 1)
            ids = order[first : first + BATCH.value]
            return jax.device_put((source[ids], ids.astype(np.int32)))

        order = np.random.default_rng(0).permutation(EXAMPLES.value)
        worker = ThreadPoolExecutor(1)

        def from_device():
            for t in range(STEPS.value):
                jax.block_until_ready(resident(examples, table, t))

        def streamed(source):
            for t in range(STEPS.value):
                jax.block_until_ready(augmented(*sent(source, t), t))

        def ahead(source):
            upcoming = worker.submit(sent, source, 0)
            for t in range(STEPS.value):
                arrays = upcoming.result()
                if t + 1 < STEPS.value:
                    upcoming = worker.submit(sent, source, t + 1)
                jax.block_until_ready(augmented(*arrays, t))

        ways = {
            "resident": from_device,
            "streamed from memory": lambda: streamed(images),
            "streamed from memory, ahead": lambda: ahead(images),
            "streamed from a file": lambda: streamed(mapped),
            "streamed from a file, ahead": lambda: ahead(mapped),
        }
        seconds = timing.interleaved(ways, TURNS.value)
        worker.shutdown()
    base = seconds["resident"]
    results = [
        {"input": name, "ms": 1e3 * timing.median(times, STEPS.value), "over_resident": timing.ratio(times, base)}
        for name, times in seconds.items()
    ]
    timing.report(results, TURNS.value)


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=()))

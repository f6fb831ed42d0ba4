"""What the pass for the class moments costs, next to a bare forward pass over the same images.

    python -m benchmarks.analysis [--model=resnet20] [--dtype=float32] [--images=5000] [--rounds=5]

Both are compiled functions over the same batches of the same images, in the same process, in turns; the best time of each
counts, since other work on the machine can only add to it. Three passes: `bare` returns the logits of each batch and
nothing else; `evaluation` is the pass of training, with the moments of features and outputs; `statistics` is that of
experiments.evaluate: the moments of every layer, the D x D geometry of the features, the logits kept. Results, with device
and versions, are in benchmarks/README.md.
"""

import sys
import tempfile
import time

from absl import flags

from experiments import launch

launch.use_fast_convolutions()

MODEL = flags.DEFINE_string("model", "resnet20", "Name of the network.")
DTYPE = flags.DEFINE_string("dtype", "float32", "Of the computation.")
IMAGES = flags.DEFINE_integer("images", 5000, "Images of a pass.")
ROUNDS = flags.DEFINE_integer("rounds", 5, "Timings of each.")


def main() -> None:
    import jax
    import numpy as np

    from benchmarks import timing
    from lamv import config as configs
    from lamv.evaluate.passes import Passes
    from lamv.train.session import Session
    from lamv.train.variants import VariantRun

    with tempfile.TemporaryDirectory() as folder:
        config = timing.recipe(folder, MODEL.value, DTYPE.value, images=3 * IMAGES.value)
        config.data.eval_train_size = IMAGES.value
        [row] = configs.expand(config)
        run = VariantRun(row, Session([row]))
    run.init()
    passes, [replicas] = Passes(run), run.replicas
    table = jax.tree.map(lambda values: values[:, : IMAGES.value], run.plan.train)
    replica, shared, batches = passes.arguments(replicas, table)

    def bare(logits, replica, shared, b):
        return passes.logits(replica.state, passes.read(replica, shared, b).inputs)

    forward = passes.compiled("bare", bare)

    def bare_pass():
        logits = run.layout.place(np.zeros((1, passes.batch_size, passes.num_classes), np.float32), replicas=True)
        return forward(logits, replica, shared, 0, batches)

    ways = {
        "bare": bare_pass,
        "evaluation": lambda: run.sums(replicas, "train"),
        "statistics": lambda: passes.statistics(replicas, table),
    }
    best = dict.fromkeys(ways, float("inf"))
    for turn in range(ROUNDS.value + 1):
        for name, way in ways.items():
            before = time.perf_counter()
            jax.block_until_ready(way())
            if turn:  # the first compiles
                best[name] = min(best[name], time.perf_counter() - before)
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}: {MODEL.value} {DTYPE.value}, {IMAGES.value} images")
    for name, seconds in best.items():
        print(
            f"  {name:10} {seconds:8.3f} s, {seconds / best['bare']:6.3f} x bare, {IMAGES.value / seconds:8.0f} images/s"
        )


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=()))

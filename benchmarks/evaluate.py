"""What the pass for the class moments costs, next to a bare forward pass over the same images.

    python -m benchmarks.evaluate [--model=resnet20] [--dtype=float32] [--images=5000] [--turns=5] [--json=FILE]

All are compiled functions over the same batches of the same images, in the same process, in turns. `bare` returns the
logits of each batch and nothing else; `evaluation` is the pass of training, with the moments of features and outputs;
`statistics` is that of experiments.evaluate: the moments of every layer, the D x D geometry of the features, the logits.
"""

import sys
import tempfile

from absl import flags

from benchmarks import timing
from experiments import launch
from lamv import xla

xla.prepare()

MODEL = flags.DEFINE_string("model", "resnet20", "Name of the network.")
DTYPE = flags.DEFINE_string("dtype", "float32", "Of the computation.")
IMAGES = flags.DEFINE_integer("images", 5000, "Images of a pass.")
TURNS = flags.DEFINE_integer("turns", 5, "Timings of each.")


def main() -> None:
    import jax
    import numpy as np

    from lamv.evaluate.passes import Passes
    from lamv.rows import expand
    from lamv.train.session import Session
    from lamv.train.variants import VariantRun

    with tempfile.TemporaryDirectory() as folder:
        config = timing.recipe(folder, MODEL.value, DTYPE.value, images=3 * IMAGES.value)
        config.data.eval_train_size = IMAGES.value
        [row] = expand(config)
        run = VariantRun(row, Session([row]))
    run.init()
    passes, [replicas] = Passes(run), run.replicas
    table = jax.tree.map(lambda values: values[:, : IMAGES.value], run.view.train)
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
    seconds = timing.interleaved(
        {name: lambda way=way: jax.block_until_ready(way()) for name, way in ways.items()}, TURNS.value
    )
    results = [
        {
            "pass": name,
            "seconds": timing.median(times),
            "over_bare": timing.ratio(times, seconds["bare"]),
        }
        for name, times in seconds.items()
    ]
    timing.report(results, TURNS.value)


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=()))

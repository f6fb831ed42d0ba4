"""Milliseconds of a training step of lamv's engine, by dispatch (compiled loop or step by step) and by replicas.

    python -m benchmarks.dispatch [--model=resnet20] [--method=mixup] [--seeds=1] [--steps=50] [--json=FILE]

Random 32 x 32 images, batch 128, crop and flip on. Every variant runs in the same process, in turns.
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
METHOD = flags.DEFINE_string("method", "mixup", "Label augmentation.")
SEEDS = flags.DEFINE_integer("seeds", 1, "Number of replicas.")
STEPS = flags.DEFINE_integer("steps", 50, "Steps of one timing.")
TURNS = flags.DEFINE_integer("turns", 3, "Timings of each variant.")
DISPATCH = flags.DEFINE_list("dispatch", ["loop", "step"], "Of parallel.dispatch.")
REPLICAS = flags.DEFINE_list("replicas", ["loop"], "Of parallel.replicas.")


def main() -> None:
    from lamv.rows import expand
    from lamv.train.session import Session
    from lamv.train.variants import VariantRun

    with tempfile.TemporaryDirectory() as folder:
        config = timing.recipe(folder, MODEL.value, DTYPE.value)
        config.seeds, config.method.name = SEEDS.value, METHOD.value
        ways = {}
        for dispatch in DISPATCH.value:
            for replicas in REPLICAS.value:
                [row] = expand(config, {"parallel.dispatch": dispatch, "parallel.replicas": replicas})
                ways[dispatch, replicas] = timing.Advancing([VariantRun(row, Session([row]))], STEPS.value)
    seconds = timing.interleaved(ways, TURNS.value)
    first = next(iter(seconds.values()))
    results = [
        {"dispatch": dispatch, "replicas": replicas, "ms": 1e3 * timing.median(times, STEPS.value),
         "over_first": timing.ratio(times, first)}
        for (dispatch, replicas), times in seconds.items()
    ]  # fmt: skip
    timing.report(results, TURNS.value)


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=()))

"""Milliseconds of a training step of lamv's engine, by dispatch (compiled loop or step by step) and by replicas.

    python -m benchmarks.dispatch [--model=resnet20] [--dtype=float32] [--method=mixup] [--seeds=1] [--steps=50]

Random 32 x 32 images, batch 128, crop and flip on. Every variant runs in the same process, in turns, three times; the
best time of each counts, since other work on the machine can only add to it. Results, with device and versions, are in
benchmarks/README.md.
"""

import sys
import tempfile

from absl import flags

from experiments import launch

launch.use_fast_convolutions()

MODEL = flags.DEFINE_string("model", "resnet20", "Name of the network.")
DTYPE = flags.DEFINE_string("dtype", "float32", "Of the computation.")
METHOD = flags.DEFINE_string("method", "mixup", "Label augmentation.")
SEEDS = flags.DEFINE_integer("seeds", 1, "Number of replicas.")
STEPS = flags.DEFINE_integer("steps", 50, "Steps of one timing.")
VARIANTS = flags.DEFINE_list("variants", ["loop", "step"], "Of parallel.dispatch.")
REPLICAS = flags.DEFINE_list("replicas", ["loop"], "Of parallel.replicas.")


def main() -> None:
    import jax

    from benchmarks import timing
    from lamv import config as configs
    from lamv.train.session import Session
    from lamv.train.variants import VariantRun

    with tempfile.TemporaryDirectory() as folder:
        config = timing.recipe(folder, MODEL.value, DTYPE.value)
        config.seeds, config.method.name = SEEDS.value, METHOD.value
        runs = {}
        for dispatch in VARIANTS.value:
            for replicas in REPLICAS.value:
                changes = {"parallel.dispatch": dispatch, "parallel.replicas": replicas}
                [row] = configs.expand(config, changes)
                run = runs[f"dispatch={dispatch} replicas={replicas}"] = VariantRun(row, Session([row]))
                timing.first_two(run)
    best = timing.best_of_three(runs, STEPS.value)
    what = f"{MODEL.value} {DTYPE.value} {METHOD.value}, batch 128, seeds {SEEDS.value}"
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}: {what}")
    for name, seconds in best.items():
        print(f"  {name:32} {1e3 * seconds:9.3f} ms a step, {SEEDS.value * 128 / seconds:10.0f} images/s")


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=()))

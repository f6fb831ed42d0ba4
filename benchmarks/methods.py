"""Milliseconds of a training step under every method, and its ratio to ERM.

    python -m benchmarks.methods [--model=resnet18] [--dtype=float32] [--methods=mixup,cutmix,...] [--steps=30]

Random 32 x 32 images, batch 128, crop and flip on. All methods run in one process, in turns, three times; the best time
of each counts, since other work on the machine can only add to it. benchmarks/README.md says what has been measured.
"""

import sys
import tempfile

from absl import flags

from experiments import launch

launch.use_fast_convolutions()

MODEL = flags.DEFINE_string("model", "resnet18", "Name of the network.")
DTYPE = flags.DEFINE_string("dtype", "float32", "Of the computation.")
METHODS = flags.DEFINE_list("methods", None, "Which ones; all by default. ERM always runs.")
STEPS = flags.DEFINE_integer("steps", 30, "Steps of one timing.")
#: manifold_mixup mixes at one of three depths, where the network has them.
DEPTHS = {"resnet": ("input", "stage2_block0", "stage3_block0"), "mlp": ("input", "head"), "cnn": ("input", "head")}


def main() -> None:
    import jax

    from benchmarks import timing
    from lamv import config as configs
    from lamv.core.methods import METHODS as KNOWN
    from lamv.train.session import Session
    from lamv.train.variants import VariantRun

    names = ["erm", *(name for name in METHODS.value or KNOWN if name != "erm")]
    depths = next((layers for family, layers in DEPTHS.items() if family in MODEL.value), ("input",))
    with tempfile.TemporaryDirectory() as folder:
        config = timing.recipe(folder, MODEL.value, DTYPE.value)
        config.rows = {name: {"method.name": name, "method.smoothing": 0.1, "method.layers": depths} for name in names}
        rows = configs.expand(config)
        session = Session(rows)
        runs = {row.name: VariantRun(row, session) for row in rows}
        seconds_to_compile = {name: timing.first_two(run) for name, run in runs.items()}
    best = timing.best_of_three(runs, STEPS.value)
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}: {MODEL.value} {DTYPE.value}, batch 128")
    for name, seconds in best.items():
        ratio = seconds / best["erm"]
        print(
            f"  {name:20} {1e3 * seconds:9.3f} ms a step, {ratio:5.2f} x ERM; first two {seconds_to_compile[name]:.1f} s"
        )


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=()))

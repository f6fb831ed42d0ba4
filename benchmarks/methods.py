"""Milliseconds of a training step under every method, and its ratio to ERM.

    python -m benchmarks.methods [--model=resnet18] [--dtype=float32] [--methods=mixup,cutmix,...] [--steps=30] [--json=FILE]

Random 32 x 32 images, batch 128, crop and flip on. All methods run in one process, in turns.
"""

import sys
import tempfile

from absl import flags

from benchmarks import timing
from experiments import launch
from lamv import xla

xla.prepare()

MODEL = flags.DEFINE_string("model", "resnet18", "Name of the network.")
DTYPE = flags.DEFINE_string("dtype", "float32", "Of the computation.")
METHODS = flags.DEFINE_list("methods", None, "Which ones; all by default. ERM always runs.")
STEPS = flags.DEFINE_integer("steps", 30, "Steps of one timing.")
TURNS = flags.DEFINE_integer("turns", 3, "Timings of each method.")
#: manifold_mixup mixes at one of three depths, where the network has them.
DEPTHS = {"resnet": ("input", "stage2_block0", "stage3_block0"), "mlp": ("input", "head"), "cnn": ("input", "head")}


def main() -> None:
    from lamv.core.methods import METHODS as KNOWN
    from lamv.core.methods import knobs_of
    from lamv.rows import expand
    from lamv.train.session import Session
    from lamv.train.variants import VariantRun

    names = ["erm", *(name for name in METHODS.value or KNOWN if name != "erm")]
    depths = next((layers for family, layers in DEPTHS.items() if family in MODEL.value), ("input",))
    with tempfile.TemporaryDirectory() as folder:
        config = timing.recipe(folder, MODEL.value, DTYPE.value)
        knobs = {"smoothing": 0.1, "layers": depths}
        config.rows = {
            name: {"method.name": name}
            | {f"method.{knob}": knobs[knob] for knob in knobs if knob in knobs_of(KNOWN[name])}
            for name in names
        }
        rows = expand(config)
        session = Session(rows)
        ways = {row.name: timing.Advancing([VariantRun(row, session)], STEPS.value) for row in rows}
    seconds = timing.interleaved(ways, TURNS.value)
    results = [
        {"method": name, "ms": 1e3 * timing.median(times, STEPS.value), "over_erm": timing.ratio(times, seconds["erm"])}
        for name, times in seconds.items()
    ]
    timing.report(results, TURNS.value)


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=()))

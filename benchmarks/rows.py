"""Milliseconds a step of rows that share a program, trained side by side and one after another.

    python -m benchmarks.rows [--rows=12] [--seeds=5] [--steps=100]

The network and the data of configs/digits_tag.py, with rows that differ in the strength of the tag. Both ways run in one
process, in turns, three times; the best time of each counts. benchmarks/README.md says what has been measured.
"""

import sys

from absl import flags

from experiments import launch
from lamv import xla

xla.prepare()

ROWS = flags.DEFINE_integer("rows", 12, "Rows of one program.")
SEEDS = flags.DEFINE_integer("seeds", 5, "Seeds of each row.")
STEPS = flags.DEFINE_integer("steps", 100, "Steps of one timing.")


def main() -> None:
    import time

    import jax

    from configs.digits_tag import get_config
    from lamv import config as configs
    from lamv.train.session import Session
    from lamv.train.variants import VariantRun, stacks

    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}: {ROWS.value} rows x {SEEDS.value} seeds")
    for method in ("erm", "label_smoothing", "mixup"):
        ways = {}
        for how in ("together", "apart"):
            config = get_config()
            config.steps, config.seeds = 100_000, SEEDS.value
            config.rows = {f"{i}": {"method.name": method, "data.shortcut.strength": i / 10} for i in range(ROWS.value)}
            rows = configs.expand(config, {"parallel.rows": how, "method.smoothing": 0.1})
            session = Session(rows)
            runs = [VariantRun(row, session) for row in rows]
            for run in runs:
                run.init()
            ways[how] = stacks(runs)
        best = dict.fromkeys(ways, float("inf"))
        for turn in range(4):
            for how, groups in ways.items():
                before = time.perf_counter()
                for group in groups:
                    group.advance(turn * STEPS.value, (turn + 1) * STEPS.value)
                for group in groups:
                    group.wait()
                if turn:  # the first turn compiles
                    best[how] = min(best[how], (time.perf_counter() - before) / STEPS.value)
        ratio = best["together"] / best["apart"]
        told = ", ".join(f"{how} {1e3 * seconds:.2f} ms" for how, seconds in best.items())
        print(f"  {method:16} {told} a step of all rows, ratio {ratio:.2f}")


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=()))

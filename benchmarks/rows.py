"""Milliseconds a step of rows that share a program, trained side by side and one after another.

    python -m benchmarks.rows [--rows=12] [--seeds=5] [--steps=100] [--json=FILE]

The network and the data of configs/digits_tag.py, with rows that differ in the strength of the tag. Both ways run in one
process, in turns.
"""

import sys

from absl import flags

from benchmarks import timing
from experiments import launch
from lamv import xla

xla.prepare()

ROWS = flags.DEFINE_integer("rows", 12, "Rows of one program.")
SEEDS = flags.DEFINE_integer("seeds", 5, "Seeds of each row.")
STEPS = flags.DEFINE_integer("steps", 100, "Steps of one timing.")
TURNS = flags.DEFINE_integer("turns", 3, "Timings of each way.")


def main() -> None:
    results = []
    for method in ("erm", "label_smoothing", "mixup"):
        ways = {how: advancing(method, how) for how in ("together", "apart")}
        seconds = timing.interleaved(ways, TURNS.value)
        times = {f"{how}_ms": 1e3 * timing.median(seconds[how], STEPS.value) for how in ways}
        results.append({"method": method, **times, "ratio": timing.ratio(seconds["together"], seconds["apart"])})
    timing.report(results, TURNS.value)


def advancing(method: str, how: str) -> timing.Advancing:
    """Steps of all rows; how: of config.parallel.rows."""
    from configs.digits_tag import get_config
    from lamv.rows import expand
    from lamv.train.session import Session
    from lamv.train.variants import VariantRun

    config = get_config()
    config.steps, config.seeds, config.claims = 100_000, SEEDS.value, ()
    given = {"method.name": method} | ({"method.smoothing": 0.1} if method == "label_smoothing" else {})
    config.rows = {f"{i}": given | {"data.shortcut.strength": i / 10} for i in range(ROWS.value)}
    rows = expand(config, {"parallel.rows": how})
    session = Session(rows)
    return timing.Advancing([VariantRun(row, session) for row in rows], STEPS.value)


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=()))

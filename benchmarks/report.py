"""Seconds and bytes of one page on many workdirs, made up and then reported on.

    python -m benchmarks.report [--workdirs=500] [--metrics=300]

Six in ten are finished and evaluated, three finished, the rest running or broken; each has four methods of three seeds,
a recipe of its own for each ten workdirs. Time on the clock of the command, imports and figures included.
docs/performance.md says what has been measured.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from absl import flags

from experiments import launch

WORKDIRS = flags.DEFINE_integer("workdirs", 500, "How many.", lower_bound=10)
METRICS = flags.DEFINE_integer("metrics", 300, "Metrics of each evaluated row and seed.", lower_bound=40)
ROOT = Path(__file__).parents[1]
METHODS = {"ERM": "erm", "LS .1": "label_smoothing", "Mixup": "mixup", "CutMix": "cutmix"}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        read = write_workdirs(Path(folder), WORKDIRS.value, METRICS.value)
        before = time.perf_counter()
        command = [sys.executable, "-m", "experiments.report", f"--runs={folder}"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        seconds = time.perf_counter() - before
        print(f"{WORKDIRS.value} workdirs, {read / 1e6:.0f} MB: {seconds:.1f} s")
        for name in ("report.html", "report.md", "report.tex"):
            print(f"  {name:12} {(Path(folder) / name).stat().st_size / 1e6:6.2f} MB")


def write_workdirs(folder: Path, number: int, metrics: int) -> int:
    """So many workdirs below a folder; returns how many bytes they hold."""
    from tests import workdirs

    padded = workdirs.EVALUATED | {
        f"test_absent/other/{place}": 0.123456789 for place in range(metrics - len(workdirs.EVALUATED))
    }
    for place in range(number):
        path, kind = folder / f"run{place:04d}", place % 10
        if place % 50 == 49:
            path.mkdir()
            (path / "config.json").write_text("{")
            continue
        values = workdirs.measured(random=0.5 + 0.04 * kind, shortcut=False)
        rows = [
            workdirs.row(name, values, method=method, shortcut="none", lr=0.001 * (1 + place // 10))
            for name, method in METHODS.items()
        ]
        for row in rows:
            row["config"]["seed"] = 3 * kind
        summary = workdirs.summary(*rows)
        workdirs.write(path, summary, finished=kind != 9)
        if kind < 6:
            workdirs.evaluate(path, summary, steps=(10, 20), values=padded)
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=()))

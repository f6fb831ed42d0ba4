"""From process start to report: the demo with an empty cache of compiled programs, and again with a full one.

    python -m benchmarks.start [--steps=600] [--json=FILE]

Whole commands in processes of their own, with an empty home: seconds of wall time and of CPU, the import of each command,
and the first step of a ResNet-18. The second of each pair finds compiled what the first has kept.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from absl import flags

from benchmarks import timing
from experiments import launch

STEPS = flags.DEFINE_integer("steps", 600, "Steps of the demo.")
ROOT = Path(__file__).parents[1]
#: Seconds of the first step, and of a second, which compiles nothing.
FIRST_STEP = """
import sys, tempfile, time
from lamv import xla
xla.prepare()
begun = time.perf_counter()
from benchmarks import timing
from lamv.rows import expand
from lamv.train.session import Session
from lamv.train.variants import VariantRun
with tempfile.TemporaryDirectory() as folder:
    [row] = expand(timing.recipe(folder, "resnet18", images=256))
    run = VariantRun(row, Session([row]))
run.init(); run.advance(0, 1); run.wait()
print(time.perf_counter() - begun)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"HOME": folder}
        environment = {
            name: value for name, value in environment.items() if not name.startswith(("JAX_", "LAMV_", "XDG_"))
        }
        results = []
        for cache in ("cold", "warm"):
            demo = ["-m", "experiments.train", "--config=configs/digits_tag.py", f"--config.steps={STEPS.value}"]
            results.append(measured(f"demo, {cache}", [*demo, f"--workdir={folder}/{cache}"], environment))
        for cache in ("cold", "warm"):
            results.append(measured(f"ResNet-18, first step, {cache}", ["-c", FIRST_STEP], environment))
        for command in ("train", "evaluate", "report", "theory"):
            results.append(
                measured(f"import of experiments.{command}", ["-c", f"import experiments.{command}"], environment)
            )
    timing.report(results, 1)


def measured(what: str, arguments: list[str], environment: dict[str, str]) -> dict[str, float | str]:
    """Wall and CPU seconds of a process. Raises CalledProcessError where it fails."""
    before, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return {"what": what, "seconds": time.perf_counter() - before, "cpu_seconds": cpu}


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=()))

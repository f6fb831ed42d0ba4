"""A training step of lamv beside the same step in PyTorch, on a CPU, or on a GPU where both find one.

    python -m benchmarks.train_step [--models=resnet20,resnet18] [--threads=1] [--turns=7] [--json=FILE] [--pytorch=PYTHON]

Each runs in a process of its own and takes as many steps as it is told. They take turns, so that other work on the machine
slows both; printed is the median over turns of the ratio within a turn, for wall time and for processor time. Above 1, lamv
is slower. PyTorch runs eagerly and, with --compiled, compiled as well; the faster of the two counts. Give --pytorch an
interpreter that has torch if this one has not. Memory is the peak resident memory of each process on the host, in MiB, with
libraries and compilation.

The steps differ in what each library does by itself: lamv pads images inside of the step and decays kernels alone, PyTorch
has padded them before and decays every parameter.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from absl import flags

from benchmarks import timing
from experiments import launch
from lamv import xla

xla.prepare()

BATCHES = {"linear": 500, "mlp": 256, "cnn": 128, "resnet20": 128, "resnet18": 128}
BATCH = flags.DEFINE_integer("batch", None, "Examples of a step, where not those of the table in docs/performance.md.")
MODELS = flags.DEFINE_list("models", list(BATCHES), "What is trained.")
DTYPE = flags.DEFINE_enum("dtype", "float32", ["float32", "bfloat16"], "Of the computation; in PyTorch by autocast.")
THREADS = flags.DEFINE_integer("threads", 2, "Processors that each may use.", lower_bound=1)
TURNS = flags.DEFINE_integer("turns", 7, "Turns that each takes.", lower_bound=1)
SECONDS = flags.DEFINE_float("seconds", 2.0, "Length of a turn, about.")
COMPILED = flags.DEFINE_bool("compiled", False, "Whether to compile PyTorch's as well.")
PYTORCH = flags.DEFINE_string("pytorch", sys.executable, "An interpreter that has torch.")


class Steps:
    """A process that takes training steps when it is told to. Raises RuntimeError where it cannot begin."""

    def __init__(self, command: list[str], threads: int):
        # PyTorch's threads spin while they wait, which takes the processor from whoever has his turn; JAX would take
        # three quarters of a GPU's memory at its start.
        quiet = {
            "OMP_WAIT_POLICY": "passive",
            "OMP_NUM_THREADS": str(threads),
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        }
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": os.environ | quiet}
        processors = sorted(os.sched_getaffinity(0))[:threads]
        self.process = subprocess.Popen(["taskset", "-c", ",".join(map(str, processors)), *command], **pipes)
        self.about = self._answer(command)

    def take(self, number: int) -> dict[str, float]:
        """Milliseconds a step of the wall clock and of the processor, over so many steps."""
        print(number, file=self.process.stdin, flush=True)
        return {clock: 1e3 * seconds / number for clock, seconds in self._answer(self.process.args).items()}

    def end(self) -> float:
        """Let it go, and return the most memory that it held, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        [kilobytes] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
        self.process.communicate()
        return int(kilobytes) / 1024

    def _answer(self, command) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(command)} ended with exit code {self.process.wait()}")
        return json.loads(line)


def compare(model: str) -> dict[str, Any]:
    """The entry of `results` of one model."""
    batch, threads = BATCH.value or BATCHES[model], THREADS.value
    commands = {"lamv": [sys.executable, "-m", "benchmarks.lamv_steps", model, str(batch), DTYPE.value]}
    for how in ("eager", "compiled") if COMPILED.value else ("eager",):
        commands[how] = [
            PYTORCH.value,
            "benchmarks/pytorch_steps.py",
            model,
            str(batch),
            DTYPE.value,
            str(threads),
            how,
        ]
    rivals = {name: Steps(command, threads) for name, command in commands.items()}
    for what in ("parameters", "device"):
        each = {name: rival.about[what] for name, rival in rivals.items()}
        if len(set(each.values())) > 1:
            raise RuntimeError(f"{what} of {model}: {each}, must be the same")
    numbers = {name: max(1, round(1e3 * SECONDS.value / rival.take(1)["wall"])) for name, rival in rivals.items()}
    turns = [{name: rival.take(numbers[name]) for name, rival in rivals.items()} for _ in range(TURNS.value)]
    held = {name: rival.end() for name, rival in rivals.items()}
    result = summary(turns)
    memory = {"lamv_mib": held["lamv"], "pytorch_mib": held[result["pytorch"]]}
    about = {"steps": numbers["lamv"], "pytorch_version": rivals["eager"].about["version"]}
    return {"model": model, "batch": batch, **result, **memory, **about}


def summary(turns: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Medians over the turns, and of the ratios within each; PyTorch's faster way is what is compared with."""

    def median(name: str, clock: str = "wall") -> float:
        return statistics.median(turn[name][clock] for turn in turns)

    best = min((name for name in turns[0] if name != "lamv"), key=median)
    ratios = {
        clock: statistics.median(turn["lamv"][clock] / turn[best][clock] for turn in turns) for clock in ("wall", "cpu")
    }
    times = {"lamv_ms": median("lamv"), "pytorch_ms": median(best)}
    return {**times, "ratio": ratios["wall"], "cpu_ratio": ratios["cpu"], "pytorch": best}


def main() -> None:
    timing.report([compare(model) for model in MODELS.value], TURNS.value)


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=()))

"""Milliseconds of a step on 1 to 8 devices carved out of the CPU, and on one and two processes.

    python -m benchmarks.scale [--model=mlp] [--steps=30] [--turns=3] [--json=FILE]

Devices of one CPU share its cores, so more of them cannot be faster: what shows is what mapping and collectives cost. The
ways take turns in one process, but for two processes, which are a run of their own. Ratios are to one device.
"""

import os
import socket
import subprocess
import sys
import tempfile

from absl import flags

from benchmarks import timing
from experiments import launch
from lamv import xla

DEVICES = "--xla_force_host_platform_device_count"
if DEVICES not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {DEVICES}=8".strip()
xla.prepare()

MODEL = flags.DEFINE_string("model", "mlp", "Name of the network.")
STEPS = flags.DEFINE_integer("steps", 30, "Steps of one timing.")
TURNS = flags.DEFINE_integer("turns", 3, "Timings of each way.")
PART = flags.DEFINE_integer("part_of", 0, "Used by the benchmark itself: this is one of so many processes.")
launch.define_process_flags()


def main() -> None:
    launch.join_processes()
    with tempfile.TemporaryDirectory() as folder:
        ways = (
            {"8": way(folder, 8, "shard_map")}
            if PART.value
            else {
                f"{devices} {how}": way(folder, devices, how)
                for how in ("shard_map", "pmap")
                for devices in (1, 2, 4, 8)
            }
        )
    seconds = timing.interleaved(ways, TURNS.value)
    if PART.value:
        print(timing.median(seconds["8"]))
        return
    one = seconds["1 shard_map"]
    results = [
        {"devices": name.split()[0], "map": name.split()[1], "processes": 1,
         "ms": 1e3 * timing.median(times, STEPS.value), "ratio": timing.ratio(times, one)}
        for name, times in seconds.items()
    ]  # fmt: skip
    both = two_processes()
    results.append({"devices": "8", "map": "shard_map", "processes": 2, "ms": 1e3 * both / STEPS.value,
                    "ratio": both / timing.median(one)})  # fmt: skip
    timing.report(results, TURNS.value)


def way(folder: str, devices: int, how: str) -> timing.Advancing:
    """Steps of one row, its batch spread over so many devices."""
    from lamv.rows import expand
    from lamv.train.session import Session
    from lamv.train.variants import VariantRun

    config = timing.recipe(folder, MODEL.value)
    config.data.flatten = MODEL.value == "mlp"
    changes = {"parallel.devices": devices, "parallel.map": how}
    [row] = expand(config, changes)
    return timing.Advancing([VariantRun(row, Session([row]))], STEPS.value)


def two_processes() -> float:
    """Seconds of the same steps by two processes with four devices each."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"XLA_FLAGS": os.environ["XLA_FLAGS"].replace(f"{DEVICES}=8", f"{DEVICES}=4")}
    command = [sys.executable, "-m", "benchmarks.scale", f"--model={MODEL.value}", f"--steps={STEPS.value}",
               f"--turns={TURNS.value}", "--part_of=2",
               f"--coordinator=127.0.0.1:{port}", "--num_processes=2"]  # fmt: skip
    parts = [
        subprocess.Popen([*command, f"--process_id={number}"], env=environment, stdout=subprocess.PIPE, text=True)
        for number in range(2)
    ]
    return max(float(part.communicate(timeout=300)[0].split()[-1]) for part in parts)


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=()))

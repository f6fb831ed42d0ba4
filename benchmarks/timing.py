"""What benchmarks share: ways that take turns, medians of paired ratios, and the file of the results."""

import datetime
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

JSON = flags.DEFINE_string("json", None, "File to which the results are written as well.")
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "torch")


def interleaved(ways: Mapping[str, Callable[[], Any]], turns: int, warm_up: int = 1) -> dict[str, np.ndarray]:
    """(turns,) seconds of each way; they take turns, so that other work on the machine meets all of them.

    A way returns when its work is done. The first `warm_up` turns, in which programs are compiled, do not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(warm_up + turns):
        for name, way in ways.items():
            before = time.perf_counter()
            way()
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - before)
    return {name: np.array(values) for name, values in seconds.items()}


def ratio(seconds: np.ndarray, against: np.ndarray) -> float:
    """The median over turns of one way's time over another's in the same turn."""
    return float(np.median(seconds / against))


def median(seconds: np.ndarray, steps: int = 1) -> float:
    """The median, in seconds of one of so many steps."""
    return float(np.median(seconds)) / steps


def report(results: Sequence[Mapping[str, Any]], n: int) -> None:
    """Print results as a table, and write them where --json says; n: the turns of which each number is the median."""
    shown = [{name: _text(value) for name, value in result.items()} for result in results]
    widths = {name: max(len(name), *(len(row[name]) for row in shown)) for name in shown[0]}
    print(f"{device()}, {', '.join(f'{name} {version}' for name, version in versions().items())}; medians of {n}")
    for row in [{name: name for name in widths}, *shown]:
        print("  ".join(row[name].rjust(width) for name, width in widths.items()))
    if JSON.value:
        date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        content = {
            "device": device(),
            "versions": versions(),
            "flags": os.environ.get("XLA_FLAGS", ""),
            "date": date,
            "n": n,
        }
        Path(JSON.value).write_text(json.dumps(content | {"results": list(results)}, indent=2) + "\n")


def device() -> str:
    """The kind of the devices, and how many; of a CPU, its cores."""
    import jax

    devices = jax.devices()
    number = f"{os.cpu_count()} cores" if devices[0].platform == "cpu" else f"{len(devices)} devices"
    return f"{devices[0].device_kind} ({number})"


def versions() -> dict[str, str]:
    """Versions of those packages that are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def recipe(folder: str, model: str, dtype: str = "float32", images: int = 2048, size: int = 32):
    """A config on so many random images, which are written below `folder`; batch 128, crop and flip on. size: of a side."""
    from lamv import config as configs

    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 256, (images, size, size, 3), dtype=np.uint8)
    np.savez(Path(folder) / "random.npz", inputs=inputs, labels=np.arange(images) % 10)
    config = configs.defaults()
    config.steps, config.batch_size = 10_000, 128
    config.data.name, config.data.path = "npz", f"{folder}/random.npz"
    config.data.augment.crop, config.data.augment.flip = 4, True
    config.model.name, config.model.dtype = model, dtype
    return config


class Advancing:
    """A way for `interleaved`: so many more steps of these rows (lamv.train.variants), each time it is called."""

    def __init__(self, rows: Sequence, steps: int):
        from lamv.train.variants import stacks

        for row in rows:
            row.init()
        self._stacks, self._steps, self._at = stacks(rows), steps, 0

    def __call__(self) -> None:
        for stack in self._stacks:
            stack.advance(self._at, self._at + self._steps)
        for stack in self._stacks:
            stack.wait()
        self._at += self._steps


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else "-" if value is None else str(value)

"""What the benchmarks of the engine share: the data, and how a step is timed."""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lamv import config as configs
from lamv.train.variants import VariantRun


def recipe(folder: str, model: str, dtype: str, images: int = 2048):
    """A config on so many random 32 x 32 images, which are written below `folder`; batch 128, crop and flip on."""
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 256, (images, 32, 32, 3), dtype=np.uint8)
    np.savez(Path(folder) / "random.npz", inputs=inputs, labels=np.arange(images) % 10)
    config = configs.defaults()
    config.steps, config.batch_size = 10_000, 128
    config.data.name, config.data.path = "npz", f"{folder}/random.npz"
    config.data.augment.crop, config.data.augment.flip = 4, True
    config.model.name, config.model.dtype = model, dtype
    return config


def first_two(run: VariantRun) -> float:
    """Seconds of the first two steps, compilation included."""
    run.init()
    before = time.perf_counter()
    run.advance(0, 2)
    run.wait()
    return time.perf_counter() - before


def best_of_three(runs: Mapping[str, VariantRun], steps: int) -> dict[str, float]:
    """Seconds of a step of each run, which take turns; the best of three timings of so many steps."""
    best = dict.fromkeys(runs, float("inf"))
    for turn in range(3):
        for name, run in runs.items():
            start = 10 + turn * steps
            before = time.perf_counter()
            run.advance(start, start + steps)
            run.wait()
            best[name] = min(best[name], (time.perf_counter() - before) / steps)
    return best

"""The convolutions of a residual network alone, forward and both gradients, in lamv and in PyTorch.

    taskset -c 0 python -m benchmarks.convolutions [--model=resnet20] [--batch=128] [--turns=7] [--json=FILE]

Each shape is timed by itself, float32, in one process in turns, on one thread; `number` is how often the network has it, and
the last line adds up the network. PyTorch must be installed; its images are channels_last.
"""

import sys

import numpy as np
from absl import flags

from benchmarks import timing
from experiments import launch
from lamv import xla
from lamv.errors import ConfigError

xla.prepare()

MODEL = flags.DEFINE_enum("model", "resnet20", ["resnet20", "resnet18"], "Whose convolutions.")
BATCH = flags.DEFINE_integer("batch", 128, "Images.", lower_bound=1)
TURNS = flags.DEFINE_integer("turns", 7, "Timings of each.", lower_bound=1)
#: {(pixels a side, channels in, channels out, kernel, stride): how often}; the first's input needs no gradient.
SHAPES = {
    "resnet20": {
        (32, 3, 16, 3, 1): 1, (32, 16, 16, 3, 1): 6,
        (32, 16, 32, 3, 2): 1, (16, 32, 32, 3, 1): 5,
        (16, 32, 64, 3, 2): 1, (8, 64, 64, 3, 1): 5,
    },
    "resnet18": {
        (32, 3, 64, 3, 1): 1, (32, 64, 64, 3, 1): 4,
        (32, 64, 128, 3, 2): 1, (32, 64, 128, 1, 2): 1, (16, 128, 128, 3, 1): 3,
        (16, 128, 256, 3, 2): 1, (16, 128, 256, 1, 2): 1, (8, 256, 256, 3, 1): 3,
        (8, 256, 512, 3, 2): 1, (8, 256, 512, 1, 2): 1, (4, 512, 512, 3, 1): 3,
    },
}  # fmt: skip


def main() -> None:
    try:
        import torch
    except ImportError as error:
        raise ConfigError("PyTorch is not installed; this benchmark compares with it") from error
    torch.set_num_threads(1)
    results = []
    total = {"lamv": np.zeros(TURNS.value), "pytorch": np.zeros(TURNS.value)}
    for shape, number in SHAPES[MODEL.value].items():
        side, wide, width, kernel, stride = shape
        seconds = timing.interleaved({"lamv": lamv(*shape), "pytorch": pytorch(*shape)}, TURNS.value)
        for way, times in seconds.items():
            total[way] += number * times
        name = f"{side} x {side}, {wide} to {width}, {kernel} x {kernel}, stride {stride}"
        results.append({"convolution": name, "number": number, **_compared(seconds)})
    results.append({"convolution": "all", "number": sum(SHAPES[MODEL.value].values()), **_compared(total)})
    timing.report(results, TURNS.value)


def lamv(side: int, wide: int, width: int, kernel: int, stride: int):
    """A way that computes the output and both gradients, as lamv's layers do."""
    import jax

    from lamv.models import convolution

    images, kernels, cotangent = (
        jax.random.normal(jax.random.key(n), shape)
        for n, shape in enumerate(_shapes(side, wide, width, kernel, stride))
    )
    pad = kernel // 2

    def forward(images, kernels):
        return convolution.on_cpu(images, kernels, (stride, stride), ((pad, pad), (pad, pad)))

    def both(images, kernels, cotangent):
        if wide == 3:
            out, back = jax.vjp(lambda kernels: forward(images, kernels), kernels)
        else:
            out, back = jax.vjp(forward, images, kernels)
        return out, back(cotangent)

    run = jax.jit(both)
    return lambda: jax.block_until_ready(run(images, kernels, cotangent))


def pytorch(side: int, wide: int, width: int, kernel: int, stride: int):
    """The same in PyTorch."""
    import torch
    from torch.nn import functional

    images, kernels, cotangent = (torch.randn(shape) for shape in _shapes(side, wide, width, kernel, stride))
    images, cotangent = images.permute(0, 3, 1, 2), cotangent.permute(0, 3, 1, 2)  # views: channels_last
    kernels = kernels.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last).requires_grad_()
    images.requires_grad_(wide != 3)

    def run() -> None:
        images.grad = kernels.grad = None
        functional.conv2d(images, kernels, stride=stride, padding=kernel // 2).backward(cotangent)

    return run


def _shapes(side: int, wide: int, width: int, kernel: int, stride: int) -> tuple:
    """Of images (N, H, W, C), kernels (h, w, C, O) and outputs."""
    return (BATCH.value, side, side, wide), (kernel, kernel, wide, width), (BATCH.value, *[side // stride] * 2, width)


def _compared(seconds) -> dict[str, float]:
    times = {f"{way}_ms": 1e3 * timing.median(each) for way, each in seconds.items()}
    return {**times, "ratio": timing.ratio(seconds["lamv"], seconds["pytorch"])}


if __name__ == "__main__":
    sys.exit(launch.run(main, needs=()))

"""The training step of lamv's engine in plain PyTorch, as a user would write it; `train_step` starts this and times it.

Needs torch and numpy alone, so that it runs where lamv is not installed. Images are channels_last, pixels are gathered as
bytes, cropped, mirrored, scaled and mixed; SGD with momentum and weight decay. bfloat16 is by automatic mixed precision.
Where there is a GPU it runs there, with cuDNN's search for the fastest convolutions and float32 products in TF32, as JAX has
them.

    python benchmarks/pytorch_steps.py MODEL BATCH DTYPE THREADS eager|compiled
"""

import json
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

IMAGES, SIZE, CLASSES, PAD = 2048, 32, 10, 4
RNG = np.random.default_rng(0)


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut: a projection, or the subsampled input padded with zero channels."""

    def __init__(self, wide: int, width: int, stride: int, projection: bool):
        super().__init__()
        self.conv1, self.conv2 = conv(wide, width, stride), conv(width, width)
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.stride, self.more = stride, width - wide
        self.shortcut = None
        if self.more and projection:
            self.shortcut = nn.Sequential(conv(wide, width, stride, kernel=1), nn.BatchNorm2d(width))

    def forward(self, x):
        branch = self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x)))))
        if self.shortcut is not None:
            x = self.shortcut(x)
        elif self.more:
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))
        return functional.relu(x + branch)


def conv(wide: int, width: int, stride: int = 1, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(wide, width, kernel, stride, kernel // 2, bias=False)


def resnet(blocks: tuple[int, ...], widths: tuple[int, ...], projection: bool) -> nn.Module:
    layers = [conv(3, widths[0]), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    wide = widths[0]
    for stage, (number, width) in enumerate(zip(blocks, widths, strict=True)):
        for index in range(number):
            layers.append(Block(wide, width, 2 if stage and not index else 1, projection))
            wide = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(wide, CLASSES))


def cnn() -> nn.Module:
    one, two = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 32, 3, 2, 1)
    dense = [nn.Flatten(), nn.Linear(32 * (SIZE // 4) ** 2, 64), nn.ReLU(), nn.Linear(64, CLASSES)]
    return nn.Sequential(one, nn.ReLU(), two, nn.ReLU(), *dense)


def mlp() -> nn.Module:
    first, second = nn.Linear(3 * SIZE**2, 2048), nn.Linear(2048, 2048)
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), second, nn.ReLU(), nn.Linear(2048, CLASSES))


MODELS = {
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE**2, CLASSES)),
    "mlp": mlp,
    "cnn": cnn,
    "resnet20": lambda: resnet((3, 3, 3), (16, 32, 64), projection=False),
    "resnet18": lambda: resnet((2, 2, 2, 2), (64, 128, 256, 512), projection=True),
}


def prepare(images, labels, rows):
    """Cropped and mirrored images (B, H, W, 3) of those rows, mixed with partners, and their targets."""
    number, device = len(rows), images.device
    top, left = torch.randint(0, 2 * PAD + 1, (2, number), device=device)
    down, across = (start[:, None] + torch.arange(SIZE, device=device) for start in (top, left))
    across = torch.where(torch.rand(number, 1, device=device) < 0.5, across.flip(1), across)
    pixels = images[rows[:, None, None], down[:, :, None], across[:, None, :]]
    inputs = pixels.float() / 255
    targets = functional.one_hot(labels[rows], CLASSES).float()
    lam, partner = float(RNG.beta(1, 1)), torch.randperm(number, device=device)
    return lam * inputs + (1 - lam) * inputs[partner], lam * targets + (1 - lam) * targets[partner]


def main(name: str, batch: int, dtype: str, threads: int, how: str) -> None:
    torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    images = torch.randint(0, 256, (IMAGES, SIZE + 2 * PAD, SIZE + 2 * PAD, 3), dtype=torch.uint8, device=device)
    labels = torch.arange(IMAGES, device=device) % CLASSES
    model = MODELS[name]().to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    forward = torch.compile(model) if how == "compiled" else model

    def step():
        inputs, targets = prepare(images, labels, torch.randint(0, IMAGES, (batch,), device=device))
        if name not in ("linear", "mlp"):
            inputs = inputs.permute(0, 3, 1, 2)  # a view: that is what channels_last means
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype == "bfloat16"):
            loss = functional.cross_entropy(forward(inputs), targets)
        loss.backward()
        optimiser.step()

    def wait():
        if device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(2):
        step()
    wait()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    backend = "gpu" if device.type == "cuda" else "cpu"
    print(
        json.dumps({"parameters": parameters, "version": f"torch {torch.__version__}", "device": backend}), flush=True
    )
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(int(line)):
            step()
        wait()
        print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5])

"""Residual networks for small images: a 3x3 stem of stride 1, no max-pooling, features by global average pooling.

- resnet18, 34 (basic blocks), 50, 101 (bottlenecks): the ImageNet networks of He et al. 2015 (arXiv:1512.03385) with
  the stem that is customary on CIFAR; widths 64 to 512, projection shortcuts.
- resnet20, 32, 44, 56, 110: the CIFAR networks of the same paper (section 4.2); widths 16 to 64, shortcuts without
  parameters. resnet8 and 14 are smaller ones of the same make, for a CPU.
- preact_resnet18: He et al. 2016 (arXiv:1603.05027), with BatchNorm and ReLU before the pooling.
"""

from collections.abc import Callable, Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from lamv.models.blocks import BasicBlock, Block, BottleneckBlock, PreActBlock, conv_layer, norm_layer
from lamv.models.classifier import Classifier, require_images
from lamv.models.held import held


class ResNet(Classifier, kw_only=True):
    """A stem, stages of residual blocks that halve the image from the second stage on, pooling and a dense layer."""

    stage_sizes: Sequence[int]  # blocks per stage
    stage_widths: Sequence[int] = (64, 128, 256, 512)
    stem_width: int = 64
    block: Callable[..., Block] = BasicBlock
    preactivation: bool = False  # blocks that begin with BatchNorm and ReLU: none after the stem, one after the last

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        require_images(inputs)
        conv = conv_layer(self.dtype)
        norm = norm_layer(train, self.axis_name, self.dtype)

        x = conv(self.stem_width, name="stem")(held(inputs))
        if not self.preactivation:
            x = held(nn.relu(norm(name="stem_norm")(x)))
        for stage, (size, width) in enumerate(zip(self.stage_sizes, self.stage_widths, strict=True), start=1):
            for index in range(size):
                stride = 2 if stage > 1 and index == 0 else 1
                x = self.block(width, stride, conv, norm, name=f"stage{stage}_block{index}")(x)
        if self.preactivation:
            x = nn.relu(norm(name="final_norm")(x))

        features = jnp.mean(x, axis=(1, 2), dtype=jnp.float32)
        logits = nn.Dense(self.num_classes, name="head")(features)
        return logits, features


def cifar_resnet(depth: int) -> Callable[..., ResNet]:
    """He's network of 6n + 2 layers for CIFAR: three stages of n basic blocks with two convolutions each."""
    return partial(
        ResNet,
        stage_sizes=((depth - 2) // 6,) * 3,
        stage_widths=(16, 32, 64),
        stem_width=16,
        block=partial(BasicBlock, projection=False),
    )


RESNETS = {
    "resnet18": partial(ResNet, stage_sizes=(2, 2, 2, 2)),
    "resnet34": partial(ResNet, stage_sizes=(3, 4, 6, 3)),
    "resnet50": partial(ResNet, stage_sizes=(3, 4, 6, 3), block=BottleneckBlock),
    "resnet101": partial(ResNet, stage_sizes=(3, 4, 23, 3), block=BottleneckBlock),
    "preact_resnet18": partial(ResNet, stage_sizes=(2, 2, 2, 2), block=PreActBlock, preactivation=True),
    **{f"resnet{depth}": cifar_resnet(depth) for depth in (8, 14, 20, 32, 44, 56, 110)},
}

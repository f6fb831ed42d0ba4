"""Wide residual networks (Zagoruyko and Komodakis 2016, arXiv:1605.07146), without dropout."""

from collections.abc import Callable
from functools import partial

from lamv.models.blocks import PreActBlock
from lamv.models.resnet import ResNet


def wide_resnet(depth: int, widen: int) -> Callable[..., ResNet]:
    """WRN-depth-widen: a stem of width 16 and three stages of (depth - 4) / 6 pre-activation blocks each.

    `widen` multiplies the stage widths 16, 32, 64. The four layers outside the blocks are the stem and, by the paper's
    count, the three shortcut convolutions.
    """
    if depth < 10 or (depth - 4) % 6:
        raise ValueError(f"depth is {depth}; a wide ResNet has 6n + 4 layers: 10, 16, 22, 28, 34, 40, ...")
    return partial(
        ResNet,
        stage_sizes=((depth - 4) // 6,) * 3,
        stage_widths=(16 * widen, 32 * widen, 64 * widen),
        stem_width=16,
        block=PreActBlock,
        preactivation=True,
    )


WIDE_RESNETS = {"wide_resnet28_10": wide_resnet(28, 10)}

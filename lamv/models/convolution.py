"""Convolutions of images as XLA runs them fast on a CPU: the same numbers as lax.conv_general_dilated, up to rounding.

XLA hands a convolution on a CPU to Eigen where images are (N, H, W, C) and kernels (H, W, in, out). What JAX derives from
such a convolution, its gradients and what vmap makes of it, has other layouts. XLA rearranges those outside of loops alone;
within a compiled loop they run as plain nests of loops, up to 46 times slower. So `convolve` is a primitive with rules of
its own: its derivatives are convolutions of the same kind, in that layout, to any order and in both modes; vmap
runs the instances one after another, for a convolution fills the processor, and a grouped one does not.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from lamv.models.held import ones_for

#: Images (N, H, W, C), kernels (H, W, in, out), and images again.
LAYOUT = ("NHWC", "HWIO", "NHWC")
Pair = tuple[int, int]


class Window(NamedTuple):
    """How a kernel goes over an image; a number each for rows and columns.

    spacing: of the image's pixels, with zeros between (1: none); reach: of the kernel's, likewise.
    """

    strides: Pair
    padding: tuple[Pair, ...]
    spacing: Pair = (1, 1)
    reach: Pair = (1, 1)


def on_cpu(
    images: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    padding: str | Sequence[Pair],
    *,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: lax.ConvDimensionNumbers | None = None,
    feature_group_count: int = 1,
    precision: lax.PrecisionLike = None,
) -> jax.Array:
    """What flax's nn.Conv takes as its `conv_general_dilated`. (N, H, W, C), (h, w, C, O) -> (N, H', W', O).

    Raises ValueError for what the models here do not use: grouped convolutions, images without two spatial axes,
    another precision.
    """
    spacing, reach = pair(lhs_dilation or (1, 1)), pair(rhs_dilation or (1, 1))
    if images.ndim != 4 or feature_group_count != 1 or precision is not None:
        raise ValueError(
            f"images {images.shape}, {feature_group_count} groups, precision {precision}: must be (N, H, W, C), 1 and None"
        )
    if isinstance(padding, str):
        sizes = [dilated(size, by) for size, by in zip(kernel.shape, reach, strict=False)]
        padding = lax.padtype_to_pads(images.shape[1:3], sizes, strides, padding)
    rows, columns = padding
    return convolve(images, kernel, Window(pair(strides), (pair(rows), pair(columns)), spacing, reach))


def convolve(images: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """(N, H, W, C), (h, w, C, O) -> (N, H', W', O)."""
    return convolve_p.bind(images, kernel, window=window)


def pair(numbers: Sequence[int]) -> Pair:
    """Two numbers, of rows and of columns, as a tuple of ints, which can be hashed."""
    first, second = numbers
    return int(first), int(second)


def dilated(size: int, by: int) -> int:
    """The length of `size` pixels that lie `by` apart."""
    return (size - 1) * by + 1


def _convolve(images, kernel, *, window: Window):
    strides, padding, spacing, reach = window
    return lax.conv_general_dilated(images, kernel, strides, padding, spacing, reach, LAYOUT)


def _shape(images, kernel, *, window: Window):
    out = jax.eval_shape(lambda images, kernel: _convolve(images, kernel, window=window), images, kernel)
    return images.update(shape=out.shape, dtype=out.dtype, weak_type=False)


def _derivative(arguments, tangents, *, window: Window):
    """Of a bilinear function. The division has the output's gradient computed once, for both of the rules below."""
    images, kernel = arguments
    dimages, dkernel = tangents
    out = convolve(images, kernel, window)
    parts = [] if isinstance(dimages, ad.Zero) else [convolve(dimages, kernel, window)]
    parts += [] if isinstance(dkernel, ad.Zero) else [convolve(images, dkernel, window)]
    return out, sum(parts) / ones_for(out)


def _gradient_of_images(cotangent, images, kernel, *, window: Window):
    """Every output spread over the pixels that it came from: the flipped kernel over outputs that lie a stride apart."""
    strides, padding, spacing, reach = window
    sizes = _extents(images.aval.shape, kernel.shape, cotangent.shape, window)
    padding = tuple((extent - 1 - low, image - out + low) for image, extent, out, (low, _) in sizes)
    flipped = jnp.swapaxes(kernel[::-1, ::-1], 2, 3)
    return convolve(cotangent, flipped, Window(spacing, padding, strides, reach))


def _gradient_of_kernel(cotangent, images, kernel, *, window: Window):
    """The outputs as a kernel that goes over the images, with channels for examples and examples for channels."""
    strides, padding, spacing, reach = window
    sizes = _extents(images.shape, kernel.aval.shape, cotangent.shape, window)
    padding = tuple((low, out + extent - 1 - image - low) for image, extent, out, (low, _) in sizes)
    gradient = convolve(
        jnp.transpose(images, (3, 1, 2, 0)),
        jnp.transpose(cotangent, (1, 2, 0, 3)),
        Window(reach, padding, spacing, strides),
    )
    return jnp.transpose(gradient, (1, 2, 0, 3))


def _extents(images: Sequence[int], kernel: Sequence[int], out: Sequence[int], window: Window) -> list:
    """[(pixels that the images, the kernel and the output span, the padding)], of rows and of columns."""
    strides, padding, spacing, reach = window
    return [
        (dilated(images[1 + i], spacing[i]), dilated(kernel[i], reach[i]), dilated(out[1 + i], strides[i]), padding[i])
        for i in (0, 1)
    ]


def _one_after_another(arguments, axes, *, window: Window):
    """vmap. Images that share a kernel are one larger batch; else a loop over the kernels."""
    images, kernels = arguments
    images_axis, kernels_axis = axes
    if kernels_axis is None:
        images = jnp.moveaxis(images, images_axis, 0)
        out = convolve(images.reshape(-1, *images.shape[2:]), kernels, window)
        return out.reshape(*images.shape[:2], *out.shape[1:]), 0
    kernels = jnp.moveaxis(kernels, kernels_axis, 0)
    if images_axis is None:
        return lax.map(lambda kernel: convolve(images, kernel, window), kernels), 0
    images = jnp.moveaxis(images, images_axis, 0)
    return lax.map(lambda both: convolve(*both, window), (images, kernels)), 0


convolve_p = Primitive("convolve")
convolve_p.def_impl(jax.jit(_convolve, static_argnames="window"))
convolve_p.def_abstract_eval(_shape)
ad.defbilinear(convolve_p, _gradient_of_images, _gradient_of_kernel)
ad.primitive_jvps[convolve_p] = _derivative
batching.primitive_batchers[convolve_p] = _one_after_another
mlir.register_lowering(convolve_p, mlir.lower_fun(_convolve, multiple_results=False))

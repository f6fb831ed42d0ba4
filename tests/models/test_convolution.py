"""The convolutions for CPUs against XLA's own: values and derivatives of every order and mode, vmap, loops."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from lamv.models import convolution

rng = np.random.default_rng(0)
SIZES = {  # image, kernel, stride, padding, dilation of the image and of the kernel
    "3x3": ((8, 8), 3, (1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1)),
    "odd, stride 2": ((9, 7), 3, (2, 2), ((1, 1), (1, 1)), (1, 1), (1, 1)),
    "even, stride 2": ((8, 6), 3, (2, 2), ((1, 1), (1, 1)), (1, 1), (1, 1)),
    "1x1, stride 2": ((8, 7), 1, (2, 2), ((0, 0), (0, 0)), (1, 1), (1, 1)),
    "same": ((7, 8), 3, (2, 2), "SAME", (1, 1), (1, 1)),
    "valid, unlike axes": ((9, 8), 2, (1, 3), "VALID", (1, 1), (1, 1)),
    "dilated": ((5, 6), 3, (2, 1), ((2, 1), (0, 3)), (2, 1), (1, 2)),
}


def ours_and_xlas(case):
    """(our convolution, XLA's), as functions of images and a kernel."""
    _, _, strides, padding, spacing, reach = SIZES[case]
    options = {"lhs_dilation": spacing, "rhs_dilation": reach, "dimension_numbers": convolution.LAYOUT}
    both = convolution.on_cpu, lax.conv_general_dilated
    return [
        lambda *arguments, convolve=convolve: convolve(*arguments, strides, padding, **options) for convolve in both
    ]


def arrays(case, dtype=jnp.float32):
    (height, width), size, *_ = SIZES[case]
    images, kernel = rng.normal(size=(2, height, width, 3)), rng.normal(size=(size, size, 3, 4))
    return jnp.asarray(images, dtype), jnp.asarray(kernel, dtype)


def check(derive, case, *arguments, tolerance=1e-5):
    """Whether `derive(convolve)` of our convolution is that of XLA's, relative to the largest number."""
    ours, xlas = (jax.jit(derive(convolve))(*arguments) for convolve in ours_and_xlas(case))
    for mine, theirs in zip(jax.tree.leaves(ours), jax.tree.leaves(xlas), strict=True):
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
        theirs = np.asarray(theirs, np.float32)
        np.testing.assert_allclose(np.asarray(mine, np.float32), theirs, rtol=0, atol=tolerance * np.abs(theirs).max())


def loss(convolve, images, kernel):
    return jnp.sum(jnp.sin(convolve(images, kernel).astype(jnp.float32)))


def gradients(convolve):
    return jax.grad(partial(loss, convolve), argnums=(0, 1))


@pytest.mark.parametrize("dtype, tolerance", [(jnp.float32, 1e-5), (jnp.bfloat16, 2e-2)])
@pytest.mark.parametrize("case", SIZES)
def test_values_and_gradients(case, dtype, tolerance):
    check(lambda convolve: convolve, case, *arrays(case, dtype), tolerance=tolerance)
    check(gradients, case, *arrays(case, dtype), tolerance=tolerance)


@pytest.mark.parametrize("case", ["odd, stride 2", "dilated"])
def test_derivatives_in_forward_mode_and_of_second_order(case):
    def products(convolve):
        """Hessian-vector products, forward over reverse and reverse over reverse."""

        def squares(*arguments):
            return sum(jnp.sum(gradient**2) for gradient in gradients(convolve)(*arguments))

        return lambda *arguments: (
            jax.jvp(gradients(convolve), arguments, arguments),
            jax.grad(squares, argnums=(0, 1))(*arguments),
        )

    check(products, case, *arrays(case))


@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0)])
def test_replicas(axes):
    """Under vmap, with images, kernels or both of each replica."""
    images, kernel = arrays("odd, stride 2")
    stacked = [
        array if axis is None else jnp.stack([array, 2 * array])
        for axis, array in zip(axes, (images, kernel), strict=True)
    ]
    check(lambda convolve: jax.vmap(convolve, axes), "odd, stride 2", *stacked)
    check(lambda convolve: jax.vmap(gradients(convolve), axes), "odd, stride 2", *stacked)


def test_replicas_are_not_convolved_in_groups():
    """Grouped convolutions are what makes vmap of a network slow on a CPU."""
    images, kernel = (jnp.stack([array] * 3) for array in arrays("3x3"))
    program = jax.jit(jax.vmap(gradients(ours_and_xlas("3x3")[0]))).lower(images, kernel).as_text()
    assert "stablehlo.convolution" in program
    assert {part.split()[0] for part in program.split("feature_group_count = ")[1:]} == {"1"}


def test_layout_of_every_convolution_is_eigens():
    """Within a loop, only this layout is fast."""
    images, kernel = arrays("odd, stride 2")
    program = jax.jit(gradients(ours_and_xlas("odd, stride 2")[0])).lower(images, kernel).as_text()
    layouts = [part.split(",  ")[0].split("window")[0] for part in program.split("dim_numbers = ")[1:]]
    assert len(layouts) == 3, "an output, the images' gradient and the kernel's"
    assert {layout.strip(", ") for layout in layouts} == {"[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"}


def test_nan_and_infinity_go_where_they_go():
    images, kernel = arrays("3x3")
    images = images.at[0, 2, 2, 0].set(jnp.nan).at[1, 4, 4, 1].set(jnp.inf)
    ours, xlas = (jax.jit(convolve)(images, kernel) for convolve in ours_and_xlas("3x3"))
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(xlas))
    np.testing.assert_array_equal(np.isinf(ours), np.isinf(xlas))


def test_what_is_not_covered_is_refused():
    images, kernel = arrays("3x3")
    with pytest.raises(ValueError, match="3 groups"):
        convolution.on_cpu(images, kernel, (1, 1), "SAME", feature_group_count=3)

"""Mixup by regions: some pixels of an example, the others from its partner; (key, inputs, targets) -> (inputs, targets).

inputs are (B, H, W, C) images or (B, D) vectors; a vector counts as an image with one axis, in which a box is a segment.
What is said below holds for any such spatial shape: (H, W), or (D,). targets are (B, K) probabilities. Both come back in
the same shape; integers come back as float32 in targets and in resized inputs, and as they are where pixels are only
moved. Partners, laws of lam, `lam_per`, `rows` and tuples of targets are as in lamv.core.mixing.

With a mask m, 1 on the pixels that are kept and 0 on those of the partner, which are shared by all channels,

    x = m x_i + (1 - m) x_j,   q = s q_i + (1 - s) q_j,   s = pixels kept / all pixels

where s is counted in the mask, so that the target is exact whatever rounding and borders did to the region:

    cutmix     a box of the partner, in place                 (Yun et al. 2019, equations 1 and 2)
    resizemix  the whole partner, made smaller, in a box      (Qin et al. 2020)
    fmix       the partner where a smooth random field is low (Harris et al. 2020)

Every function raises ValueError for inputs of another shape, an option out of its range, or an unknown lam_per.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamv.core.batch import Rows
from lamv.core.checks import check_range, known
from lamv.core.laws import Law
from lamv.core.mixing import draw_lam, draw_partner, law_of, mix, rows_of


def cutmix(
    key, inputs, targets, *, alpha=1.0, law: Law | None = None, lam_per: str = "example", rows: Rows | None = None
):
    """CutMix (Yun et al. 2019): a box of the partner, of the share 1 - lam of the area, is put in place of one's own.

    lam ~ law, or Beta(alpha, alpha). The box has the proportions of the image, with sides rounded to whole pixels. Its
    centre is uniform over the pixels, and what sticks out is cut off, so that the partner gets less than 1 - lam on
    average. lam = 1 leaves the batch as it is. lam = 0 does not give the partner: of a box as large as the image about
    9/16 are inside on average (3/4 for a vector), and all of it only where the centre is the middle.
    """
    rows, spatial, partner, lam, key = _drawn(key, inputs, targets, law_of(alpha, law), lam_per, rows)
    sides = box_sides((1 - lam) ** (1 / len(spatial)), spatial)
    centre = _uniform_place(key, rows, lam_per, np.asarray([spatial]))
    mask = ~box(centre - sides // 2, sides, spatial)
    return combine(mask, inputs, rows.take(inputs, partner), targets, rows.take(targets, partner), lam=lam)


def resizemix(
    key, inputs, targets, *, scale_low=0.1, scale_high=0.8, lam_per: str = "example", rows: Rows | None = None
):
    """ResizeMix (Qin et al. 2020): the whole partner, resized, is pasted at a uniform place wholly inside.

    Its sides are those of the image times a scale that is uniform on [scale_low, scale_high], rounded, and at least one
    pixel; 0 < scale_low <= scale_high <= 1. With both at 1 the partner itself comes back.
    """
    _check_scales(scale_low, scale_high)
    law = Law("uniform", (scale_low, scale_high))
    rows, spatial, partner, scale, key = _drawn(key, inputs, targets, law, lam_per, rows)
    sides = jnp.maximum(box_sides(scale, spatial), 1)
    start = _uniform_place(key, rows, lam_per, np.asarray([spatial]) - sides + 1)
    pasted = jax.vmap(resize_into)(rows.take(inputs, partner), start, sides)
    mask = ~box(start, sides, spatial)
    return combine(mask, inputs, pasted, targets, rows.take(targets, partner), lam=scale)


def fmix(
    key,
    inputs,
    targets,
    *,
    alpha=1.0,
    law: Law | None = None,
    decay_power=3.0,
    lam_per: str = "example",
    rows: Rows | None = None,
):
    """FMix (Harris et al. 2020): the share lam of pixels on which a smooth random field is highest is kept.

    lam ~ law, or Beta(alpha, alpha); exactly round(lam pixels) are kept. decay_power: at least 0; the field's spectrum
    falls as frequency^-decay_power, so that large values make few, smooth regions, and 0 is noise.
    """
    check_range("decay_power", decay_power, low=0.0, below=float("inf"))
    rows, spatial, partner, lam, key = _drawn(key, inputs, targets, law_of(alpha, law), lam_per, rows)
    field = _draw(lambda k: smooth_field(k, spatial, decay_power), key, rows, lam_per)
    number = jnp.round(lam * math.prod(spatial)).astype(jnp.int32)
    mask = jax.vmap(highest)(field, number[: len(field)])
    return combine(mask, inputs, rows.take(inputs, partner), targets, rows.take(targets, partner), lam=lam)


def combine(mask, inputs, partner_inputs, targets, partner_targets, *, lam=0.0):
    """The pixels of `inputs` where the mask is set, else those of the partner; the targets by the number of each.

    mask: (B, *spatial) bool, or (1, *spatial) for one that all share. All pixels set gives `inputs` and `targets` bit
    for bit, and none gives the partner's. targets: (B, K), or a tree of (B, ...) values that are mixed alike. lam: what
    the mask was made of, () or (B,); where that is NaN, a mask says nothing, and the targets are NaN.
    """
    mask = mask.astype(bool)
    pixels = tuple(range(1, mask.ndim))
    kept, rest = (jnp.sum(m, axis=pixels, dtype=jnp.float32) for m in (mask, ~mask))
    # A constant denominator would be compiled to a product with its reciprocal, which is off in the last digit.
    share = jnp.where(jnp.isnan(lam), jnp.nan, jnp.broadcast_to(kept / (kept + rest), inputs.shape[:1]))
    mask = mask.reshape(mask.shape + (1,) * (inputs.ndim - mask.ndim))
    return jnp.where(mask, inputs, partner_inputs), mix(targets, partner_targets, share)


def box_sides(scale: jax.Array, spatial: tuple[int, ...]) -> jax.Array:
    """Sides of the box that is the image times `scale`, in whole pixels: (B,) in [0, 1] -> (B, axes) int32."""
    return jnp.round(scale[:, None] * np.asarray([spatial], np.float32)).astype(jnp.int32)


def box(start: jax.Array, sides: jax.Array, spatial: tuple[int, ...]) -> jax.Array:
    """(B, *spatial) bool, set in the box that begins at `start`; start and sides (B, axes) int. May stick out."""
    at = jnp.indices(spatial)[None]
    start, sides = (values.reshape(values.shape + (1,) * len(spatial)) for values in (start, sides))
    return jnp.all((at >= start) & (at < start + sides), axis=1)


def resize_into(image: jax.Array, start: jax.Array, sides: jax.Array) -> jax.Array:
    """An image (*spatial, ...) resized to `sides` and put at `start`, both (axes,) int, in an image of the same shape.

    Bilinear: pixel o of a side holds the source at (o + 1/2) size / side - 1/2, read between two neighbours and without
    a filter before it. Outside of the box the edge is repeated.
    """
    for axis in range(len(start)):
        size = image.shape[axis]
        at = (jnp.arange(size) - start[axis] + 0.5) * (size / sides[axis]) - 0.5
        at = jnp.clip(at, 0, size - 1)
        below = jnp.floor(at).astype(jnp.int32)
        line = jnp.moveaxis(image, axis, 0)
        line = mix(line[below], line[jnp.minimum(below + 1, size - 1)], 1 - (at - below))
        image = jnp.moveaxis(line, 0, axis)
    return image


def smooth_field(key: jax.Array, spatial: tuple[int, ...], decay_power) -> jax.Array:
    """A Gaussian random field with periodic borders, whose amplitude falls as frequency^-decay_power: (*spatial).

    The inverse Fourier transform of a Gaussian spectrum (that of white noise) times the decay. Frequency 0 decays as
    the lowest that the longer side can hold. The scale of the field is arbitrary.
    """
    axes = [*map(np.fft.fftfreq, spatial[:-1]), np.fft.rfftfreq(spatial[-1])]
    frequency = np.sqrt(sum(f**2 for f in np.meshgrid(*axes, indexing="ij")))
    periods = np.maximum(frequency * max(spatial), 1.0).astype(np.float32)  # from 1 on, so that no power overflows
    spectrum = jnp.fft.rfftn(jax.random.normal(key, spatial, jnp.float32))
    return jnp.fft.irfftn(spectrum * periods**-decay_power, spatial)


def highest(values: jax.Array, number: jax.Array) -> jax.Array:
    """A mask of exactly `number` places at which float32 `values` are highest; among equal values the first.

    number: int in [0, values.size]. The threshold is found bit by bit, which is much faster than sorting on a CPU.
    """
    bits = lax.bitcast_convert_type(values.reshape(-1), jnp.uint32)
    # The order of floats as that of unsigned integers: negative ones are reversed and go below the others.
    ordered = jnp.where(bits >> 31 == 1, ~bits, bits | jnp.uint32(1 << 31))

    def one_more_bit(step, threshold):
        trial = threshold | (jnp.uint32(1 << 31) >> step.astype(jnp.uint32))
        return jnp.where(jnp.sum(ordered >= trial) >= number, trial, threshold)

    threshold = lax.fori_loop(0, 32, one_more_bit, jnp.uint32(0))
    above, equal = ordered > threshold, ordered == threshold
    mask = above | (equal & (jnp.cumsum(equal) <= number - jnp.sum(above)))
    return mask.reshape(values.shape)


def _drawn(key, inputs, targets, law: Law, lam_per: str, rows: Rows | None):
    """The rows at hand, the spatial shape of one input, partners and lam (B_local,), and a key for the region."""
    if inputs.ndim not in (2, 4):
        raise ValueError(f"inputs are of shape {inputs.shape}, must be (B, H, W, C) images or (B, D) vectors")
    rows = rows_of(inputs, targets, rows)
    partner_key, lam_key, region_key = jax.random.split(key, 3)
    partner, lam = draw_partner(partner_key, rows), draw_lam(lam_key, rows, law, lam_per)
    return rows, inputs.shape[1:3], partner, lam, region_key


def _uniform_place(key, rows: Rows, lam_per: str, number) -> jax.Array:
    """(B, axes) int32, uniform on the integers from 0 to below `number`, (B, axes) or (1, axes)."""
    shape = number.shape[1:]
    return jnp.floor(_draw(lambda k: jax.random.uniform(k, shape), key, rows, lam_per) * number).astype(jnp.int32)


def _draw(draw, key, rows: Rows, lam_per: str) -> jax.Array:
    """`draw` of a key for each local row, (B_local, ...), or one for all of them, (1, ...)."""
    return draw(key)[None] if lam_per == "batch" else jax.vmap(draw)(rows.keys(key))


def _check_scales(low, high) -> None:
    if known(low) and known(high) and not 0 < float(low) <= float(high) <= 1:
        raise ValueError(
            f"scale_low and scale_high are {float(low):g} and {float(high):g}, must be 0 < scale_low <= scale_high <= 1"
        )

"""Regions: masks of the right shape and size, targets by the pixels counted, one partner for both."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.core import batch, laws
from lamv.core.mixing import draw_partner
from lamv.core.regions import box, box_sides, combine, cutmix, fmix, highest, resize_into, resizemix, smooth_field

KEY = jax.random.key(7)
METHODS = {"cutmix": cutmix, "resizemix": resizemix, "fmix": fmix}
SHAPES = {"image": (9, 7, 2), "vector": (47,)}  # 63 and 47 pixels: k / 63 and k / 47 are no exact floats
SIZE, MANY = 100, 2000

# One program serves every test of a method and a shape: its options are traced, and its law is uniform throughout.
COMPILED = {name: jax.jit(method, static_argnames="lam_per") for name, method in METHODS.items()}
DEFAULTS = {
    "cutmix": {"law": laws.uniform()},
    "resizemix": {"scale_low": 0.1, "scale_high": 0.8},
    "fmix": {"law": laws.uniform(), "decay_power": 3.0},
}


fields_of = jax.jit(
    lambda keys, decay_power, spatial: jax.vmap(lambda key: smooth_field(key, spatial, decay_power))(keys),
    static_argnames="spatial",
)


def always(lam):
    return laws.Law("uniform", (lam, lam))


def augmented(name, inputs, targets, **options):
    return map(np.asarray, COMPILED[name](KEY, inputs, targets, **DEFAULTS[name] | options))


def random_batch(shape):
    rng = np.random.default_rng(0)
    return rng.normal(size=(SIZE, *shape)).astype(np.float32) * np.float32(1e3), np.eye(SIZE, dtype=np.float32)


def partners(size=SIZE):
    return np.asarray(draw_partner(jax.random.split(KEY, 3)[0], batch.whole(size)))


def drawn(name, shape, size=SIZE, **options):
    """(kept, targets, paired) of a batch whose pixels all hold the position of their example, as do its targets.

    kept: own pixels, (size, *spatial), told from the inputs. paired: the examples that are not their own partner.
    The targets of a large batch have one class only.
    """
    own = np.arange(size).reshape(size, *(1 for _ in shape))
    targets = np.eye(size, dtype=np.float32) if size == SIZE else np.ones((size, 1), np.float32)
    inputs, targets = augmented(name, np.broadcast_to(own, (size, *shape)).astype(np.float32), targets, **options)
    kept = np.round(inputs) == own  # resizing leaves a constant image constant up to rounding
    assert np.all(kept | (np.round(inputs) == partners(size).reshape(own.shape))), (
        "a pixel came from neither of the pair"
    )
    if len(shape) == 3:
        assert np.all(kept == kept[..., :1]), "channels were masked apart"
        kept = kept[..., 0]
    return kept, targets, partners(size) != np.arange(size)


@pytest.mark.parametrize("shape, lam_per", [("image", "example"), ("vector", "example"), ("vector", "batch")])
@pytest.mark.parametrize("name", METHODS)
def test_the_target_is_the_share_of_pixels_to_the_bit(name, shape, lam_per):
    kept, targets, paired = drawn(name, SHAPES[shape], lam_per=lam_per)
    share = kept.reshape(SIZE, -1).sum(axis=1).astype(np.float32) / np.float32(kept[0].size)
    expected = np.zeros((SIZE, SIZE), np.float32)
    for i, j in enumerate(partners()):
        expected[i, i] += share[i]
        expected[i, j] += 1 - share[i]
    np.testing.assert_array_equal(targets, expected)
    different = len({mask.tobytes() for mask in kept[paired]})
    assert different == 1 if lam_per == "batch" else different > SIZE / 2


@pytest.mark.parametrize("name", ["cutmix", "resizemix"])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_the_partner_fills_is_one_box(name, shape):
    kept, _, _ = drawn(name, SHAPES[shape])
    for mask in ~kept:
        sides = [mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)) for axis in range(mask.ndim)]
        np.testing.assert_array_equal(mask, np.outer(*sides) if mask.ndim == 2 else sides[0])
        for side in sides:
            places = np.flatnonzero(side)
            assert len(places) == 0 or np.ptp(places) == len(places) - 1, "a side of the box has gaps"


def test_boxes_by_hand(run):
    start, sides = np.array([[0, 1], [-1, 2], [1, 1]]), np.array([[2, 2], [2, 9], [0, 3]])
    boxes = run(partial(box, spatial=(2, 3)))(start, sides)
    np.testing.assert_array_equal(boxes, [[[0, 1, 1], [0, 1, 1]], [[0, 0, 1], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]])
    segments = run(partial(box, spatial=(4,)))(np.array([[1], [-2]]), np.array([[2], [3]]))
    np.testing.assert_array_equal(segments, [[0, 1, 1, 0], [1, 0, 0, 0]])


@pytest.mark.parametrize("spatial", [(32, 32), (9, 7), (47,)])
def test_before_clipping_the_box_has_the_area_asked_for(run, spatial):
    share = np.linspace(0, 1, 201, dtype=np.float32)  # uniform, as 1 - lam of Beta(1, 1)
    sides = np.asarray(run(partial(box_sides, spatial=spatial))(share ** (1 / len(spatial))))
    exact = share[:, None] ** (1 / len(spatial)) * np.array(spatial)
    assert np.all(np.abs(sides - exact) <= 0.5 + 1e-4), "a side is rounded by more than half a pixel"
    assert np.mean(np.prod(sides, axis=1) / np.prod(spatial)) == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(sides[[0, 200]], [[0] * len(spatial), spatial])


def test_cutmix_is_centred_on_every_pixel_alike():
    kept, targets, paired = drawn("cutmix", (4, 6, 1), MANY, law=always(0.96))  # one pixel of 24, which is the centre
    counts = (~kept[paired]).sum(axis=0)
    assert counts.sum() == paired.sum()
    assert np.all(np.abs(counts - MANY / 24) < 45), "2000 draws of 1 in 24 lie within 5 standard deviations, 45, of 83"
    np.testing.assert_allclose(targets, 1, rtol=1e-6, err_msg="of one class")


def test_a_clipped_box_of_share_one_covers_nine_sixteenths():
    kept, _, paired = drawn("cutmix", (4, 6, 1), MANY, law=always(0.0))
    share = 1 - kept[paired].mean(axis=(1, 2))
    assert share.min() == 1 / 4 and share.max() == 1
    assert share.mean() == pytest.approx(9 / 16, abs=5 * share.std() / np.sqrt(MANY)), "3/4 of each side is left"


@pytest.mark.parametrize("name", ["cutmix", "fmix"])
@pytest.mark.parametrize("shape", SHAPES)
def test_lam_one_leaves_the_batch_to_the_bit(name, shape):
    before = random_batch(SHAPES[shape])
    for old, new in zip(before, augmented(name, *before, law=always(1.0)), strict=True):
        np.testing.assert_array_equal(new.view(np.uint32), old.view(np.uint32))


@pytest.mark.parametrize(
    "name, options", [("fmix", {"law": always(0.0)}), ("resizemix", {"scale_low": 1.0, "scale_high": 1.0})]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_kept_is_the_partner_exactly(name, options, shape):
    before = random_batch(SHAPES[shape])
    for old, new in zip(before, augmented(name, *before, **options), strict=True):
        np.testing.assert_array_equal(new, old[partners()])


@pytest.mark.parametrize("name", ["cutmix", "fmix"])
def test_alpha_is_short_for_beta(name):
    def program(**options):
        return str(
            jax.make_jaxpr(partial(METHODS[name], **options))(
                KEY, np.zeros((3, 4), np.float32), np.eye(3, dtype=np.float32)
            )
        )

    assert program(alpha=2.0) == program(law=laws.beta(2.0)) != program(alpha=3.0)
    assert program() == program(alpha=1.0) and program(alpha=2.0, law=laws.fixed(0.5)) == program(law=laws.fixed(0.5))


def test_combine_by_hand(run):
    mask = np.array([[True, False, True, True], [False, False, False, True]])
    inputs = np.arange(8, dtype=np.float32).reshape(2, 4)
    other, targets, other_targets = -inputs, np.float32([[1, 0], [0.5, 0.5]]), np.float32([[0, 1], [1, 0]])
    mixed, mixed_targets = run(combine)(mask, inputs, other, targets, other_targets)
    np.testing.assert_array_equal(mixed, [[0, -1, 2, 3], [-4, -5, -6, 7]])
    np.testing.assert_array_equal(mixed_targets, [[0.75, 0.25], [0.875, 0.125]])
    np.testing.assert_array_equal(run(combine)(mask[:1], inputs, other, targets, other_targets)[0][1], [4, -5, 6, 7])


def test_resizing_by_hand():
    line = jax.jit(resize_into)(np.float32([0, 1, 4, 9]), np.array([1]), np.array([2]))
    np.testing.assert_array_equal(np.asarray(line)[1:3], [0.5, 6.5], err_msg="half the size is the mean of two")
    image = jax.jit(resize_into)(np.arange(16, dtype=np.float32).reshape(4, 4, 1), np.array([2, 0]), np.array([2, 1]))
    np.testing.assert_array_equal(np.asarray(image)[2:, 0, 0], [3.5, 11.5], err_msg="rows 1/2 and 5/2, column 3/2")


@pytest.mark.parametrize("start, sides", [((0, 0), (9, 7)), ((2, 3), (4, 3)), ((8, 0), (1, 6)), ((1, 2), (7, 5))])
def test_resizing_is_that_of_the_library(start, sides):
    image = np.random.default_rng(0).normal(size=(9, 7, 2)).astype(np.float32)
    ours = np.asarray(jax.jit(resize_into)(image, np.array(start), np.array(sides)))
    theirs = jax.image.resize(image, (*sides, 2), "linear", antialias=False)
    inside = ours[start[0] : start[0] + sides[0], start[1] : start[1] + sides[1]]
    np.testing.assert_allclose(inside, theirs, rtol=1e-5, atol=1e-6)


def test_resizemix_draws_scale_and_place_uniformly_inside():
    kept, _, paired = drawn("resizemix", (500,), MANY)
    sides, start = (~kept[paired]).sum(axis=1), (~kept[paired]).argmax(axis=1)
    assert sides.min() >= 50 and sides.max() <= 400
    assert sides.mean() / 500 == pytest.approx(0.45, abs=5 * 0.7 / np.sqrt(12 * MANY))
    assert sides.var() / 500**2 == pytest.approx(0.7**2 / 12, rel=0.1)
    place = start / (500 - sides)
    assert place.min() < 0.01 and place.max() == 1, "both borders are reached, and the segment stays inside"
    assert place.mean() == pytest.approx(0.5, abs=5 / np.sqrt(12 * MANY))
    assert place.var() == pytest.approx(1 / 12, rel=0.1)


@pytest.mark.parametrize("scale, height, width", [(0.001, 1, 1), (0.3, 3, 2), (0.6, 5, 4), (0.99, 9, 7)])
def test_resizemix_keeps_the_proportions_and_one_pixel_at_least(scale, height, width):
    kept, _, paired = drawn("resizemix", SHAPES["image"], scale_low=scale, scale_high=scale)
    for mask in ~kept[paired]:
        assert (mask.any(axis=1).sum(), mask.any(axis=0).sum()) == (height, width)


@pytest.mark.parametrize("number", [0, 1, 5, 11, 12])
def test_the_highest_are_those_of_a_sort(run, number):
    values = np.random.default_rng(number).normal(size=(3, 4)).astype(np.float32)
    expected = np.zeros(12, bool)
    expected[np.argsort(-values.ravel(), kind="stable")[:number]] = True
    np.testing.assert_array_equal(run(highest)(values, jnp.int32(number)), expected.reshape(3, 4))


def test_equal_values_do_not_change_the_number():
    masked = jax.jit(highest)
    values = np.float32([2, -1, 2, -1, 2, -3])
    for number in range(7):
        assert np.sum(masked(values, np.int32(number))) == number
    np.testing.assert_array_equal(masked(values, jnp.int32(2)), [1, 0, 1, 0, 0, 0], err_msg="the first of equals")
    np.testing.assert_array_equal(masked(values, jnp.int32(4)), [1, 1, 1, 0, 1, 0])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("lam", [0.0, 0.004, 0.3, 0.5, 0.999, 1.0])
def test_fmix_keeps_exactly_the_rounded_number(shape, lam):
    kept, _, paired = drawn("fmix", SHAPES[shape], law=always(lam))
    number = np.round(np.float32(lam) * np.float32(kept[0].size))
    np.testing.assert_array_equal(kept[paired].reshape(paired.sum(), -1).sum(axis=1), number)


@pytest.mark.parametrize("spatial", [(16, 16), (64,)])
@pytest.mark.parametrize("decay_power", [0.0, 1.0, 3.0])
def test_the_spectrum_of_the_field_falls_as_asked(spatial, decay_power):
    fields = fields_of(jax.random.split(jax.random.key(1), 1000), decay_power, spatial=spatial)
    power = np.mean(np.abs(np.fft.fftn(fields, axes=range(1, fields.ndim))) ** 2, axis=0)
    # |F|^2 of one frequency is exponential: the mean of 1000 is known to 3 percent, a ratio of two to 4.5.
    for near, far, times in [(1, 2, 2), (1, 4, 4), (2, 6, 3)]:
        for axis in range(len(spatial)):
            at = [tuple(f if a == axis else 0 for a in range(len(spatial))) for f in (near, far)]
            assert power[at[0]] / power[at[1]] == pytest.approx(times ** (2 * decay_power), rel=0.25)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_steeper_decay_makes_smoother_masks(shape):
    def borders(decay_power):
        kept, _, _ = drawn("fmix", SHAPES[shape], law=always(0.5), decay_power=decay_power)
        return np.mean(kept[:, 1:] != kept[:, :-1])

    noise, rough, smooth = borders(0.0), borders(1.0), borders(3.0)
    assert noise == pytest.approx(0.5, abs=0.03), "neighbours of white noise agree by chance"
    assert smooth < 0.7 * rough < 0.7 * noise


@pytest.mark.parametrize("name", METHODS)
def test_a_lone_example_keeps_its_target(name):
    inputs, targets = np.arange(12, dtype=np.float32).reshape(1, 2, 3, 2), np.float32([[0.25, 0.75]])
    mixed, mixed_targets = augmented(name, inputs, targets)
    np.testing.assert_allclose(mixed_targets, targets, rtol=1e-6)
    if name != "resizemix":  # which puts a smaller copy of the example into itself
        np.testing.assert_array_equal(mixed, inputs)


@pytest.mark.parametrize("name", METHODS)
def test_keys_may_be_mapped(name):
    one_batch = random_batch(SHAPES["vector"])
    keys = jnp.stack([jax.random.key(8), KEY])
    mapped = jax.jit(jax.vmap(lambda key: METHODS[name](key, *one_batch, **DEFAULTS[name])))(keys)
    for together, alone in zip(map(np.asarray, mapped), augmented(name, *one_batch), strict=True):
        np.testing.assert_allclose(together[1], alone, rtol=1e-5)
        assert not np.array_equal(together[0], alone)


@pytest.mark.parametrize("name", METHODS)
def test_shapes_and_types_stay(name):
    inputs, targets = np.zeros((3, 4, 4, 1), jnp.bfloat16), np.ones((3, 2), np.float32)
    mixed, mixed_targets = jax.eval_shape(METHODS[name], KEY, inputs, targets)
    assert (mixed.shape, mixed.dtype) == (inputs.shape, inputs.dtype)
    assert (mixed_targets.shape, mixed_targets.dtype) == (targets.shape, targets.dtype)


@cache
def in_parts(shape, lam_per, parts):
    """What every method makes of a batch that is spread over this many devices."""

    def on_a_part(inputs, targets):
        options = {"lam_per": lam_per, "rows": batch.part(SIZE, "data")}
        return {name: of(KEY, inputs, targets, **options, **DEFAULTS[name]) for name, of in METHODS.items()}

    cut = [values.reshape(parts, SIZE // parts, *values.shape[1:]) for values in random_batch(SHAPES[shape])]
    return jax.jit(jax.vmap(on_a_part, axis_name="data"))(*cut)


@pytest.mark.parametrize("shape, lam_per, parts", [("image", "example", 4), ("vector", "batch", 2)])
@pytest.mark.parametrize("name", METHODS)
def test_draws_do_not_depend_on_how_the_batch_is_cut(name, shape, lam_per, parts):
    whole = augmented(name, *random_batch(SHAPES[shape]), lam_per=lam_per)
    for piece, expected in zip(in_parts(shape, lam_per, parts)[name], whole, strict=True):
        np.testing.assert_array_equal(
            np.asarray(piece).reshape(expected.shape),
            expected,
            err_msg="a draw is keyed by something other than the global position",
        )


@pytest.mark.parametrize(
    "name, options, value, allowed",
    [
        ("cutmix", {"alpha": 0.0}, "alpha is 0,", "inf)"),
        ("fmix", {"alpha": float("nan")}, "alpha is nan,", "inf)"),
        ("cutmix", {"lam_per": "sample"}, "'sample'", "example, batch"),
        ("resizemix", {"lam_per": "sample"}, "'sample'", "example, batch"),
        ("fmix", {"lam_per": "sample"}, "'sample'", "example, batch"),
        ("fmix", {"decay_power": -1.0}, "decay_power is -1,", "[0, inf)"),
        ("resizemix", {"scale_low": 0.0}, "0 and 0.8", "0 < scale_low <= scale_high <= 1"),
        ("resizemix", {"scale_low": 0.9}, "0.9 and 0.8", "0 < scale_low <= scale_high <= 1"),
        ("resizemix", {"scale_high": 1.5}, "0.1 and 1.5", "0 < scale_low <= scale_high <= 1"),
        ("resizemix", {"scale_high": float("nan")}, "0.1 and nan", "0 < scale_low <= scale_high <= 1"),
    ],
)
def test_what_is_out_of_range_is_refused_in_one_line(name, options, value, allowed):
    with pytest.raises(ValueError) as caught:
        METHODS[name](KEY, np.zeros((3, 4), np.float32), np.eye(3), **options)
    message = str(caught.value)
    assert value in message and allowed in message and "\n" not in message


@pytest.mark.parametrize("name", METHODS)
def test_inputs_without_a_place_are_refused_in_one_line(name):
    with pytest.raises(ValueError, match=r"inputs are of shape \(3, 4, 2\), must be \(B, H, W, C\) images or .*$"):
        METHODS[name](KEY, np.zeros((3, 4, 2), np.float32), np.eye(3))


def test_pixels_that_only_move_keep_their_type_and_targets_do_not(run):
    inputs, partner = (np.full((1, 2, 2, 1), value, np.uint8) for value in (200, 100))
    mask = np.array([[[1, 0], [1, 1]]])  # of 0 and 1, as good as a bool
    x, q = run(combine)(mask, inputs, partner, np.array([[1, 0]], np.uint8), np.array([[0, 1]], np.uint8))
    assert x.dtype == np.uint8 and q.dtype == np.float32
    np.testing.assert_array_equal(x[0, ..., 0], [[200, 100], [200, 200]])
    np.testing.assert_array_equal(q, [[0.75, 0.25]])


def test_pixels_that_are_averaged_are_floats():
    found = jax.jit(resize_into)(np.arange(0, 80, 20, dtype=np.uint8)[:, None], np.array([0]), np.array([2]))
    np.testing.assert_allclose(found[:2, 0], [10, 50], err_msg="the means of two pixels each")


@pytest.mark.parametrize("name", ["cutmix", "fmix"])
def test_a_mask_of_no_share_leaves_no_target(name):
    """As a traced alpha that is out of range makes it."""
    assert np.isnan([*augmented(name, *random_batch(SHAPES["image"]), law=always(np.nan))][1]).all()

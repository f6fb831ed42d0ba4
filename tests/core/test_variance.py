"""Class moments: hand-computed variances, exact merging in any order, and float32 accuracy far from the origin."""

from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamv.core.variance import Moments, class_moments, decompose, empty, group_variances, merge, merge_over, per_unit

FEATURES = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [0.0, 4.0]], np.float32)
LABELS = np.array([0, 0, 1, 1])
EXPECTED = {
    "total_variance": 4.25,
    "within_variance": 1.0,
    "between_variance": 3.25,
    "mean_square": 7.5,
    "within_variance_per_unit": 0.5,
    "within_over_mean_square": 1 / 7.5,
    "within_over_total": 1 / 4.25,
}
moments_of = jax.jit(class_moments, static_argnames="num_classes")
merged, variances_of, units_of = jax.jit(merge), jax.jit(decompose), jax.jit(per_unit)
properties = settings(deadline=None, derandomize=True, max_examples=30)
seeds = st.integers(0, 2**32 - 1)


def assert_same(a: Moments, b: Moments, message: str, scale: float = 1.0):
    for name, left, right in zip(Moments._fields, a, b, strict=True):
        np.testing.assert_allclose(left, right, rtol=2e-5, atol=2e-5 * scale, err_msg=f"{name}: {message}")


def random_batch(seed: int):
    """12 rows, 3 units, labels below 4 (some classes may be missing), a part number below 3 for every row."""
    rng = np.random.default_rng(seed)
    features = (5 + rng.normal(size=(12, 3))).astype(np.float32)
    return features, rng.integers(4, size=12), rng.integers(3, size=12)


def in_parts(features, labels, parts):
    return [moments_of(features, labels, 4, parts == part) for part in range(3)]


def by_numpy(features, labels):
    """The decomposition in float64, from its definition."""
    features = features.astype(np.float64)
    class_mean = np.stack([features[labels == label].mean(axis=0) for label in range(labels.max() + 1)])[labels]
    return {
        "total": np.square(features - features.mean(axis=0)).mean(axis=0),
        "within": np.square(features - class_mean).mean(axis=0),
        "between": np.square(class_mean - features.mean(axis=0)).mean(axis=0),
    }


def test_variances_by_hand(run):
    found = run(lambda h, y: decompose(class_moments(h, y, 2)))(FEATURES, LABELS)
    assert set(found) == set(EXPECTED)
    for name, expected in EXPECTED.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-6, err_msg=name)


def test_moments_by_hand():
    count, mean, scatter = moments_of(FEATURES, LABELS, 2)
    np.testing.assert_array_equal(count, [2, 2])
    np.testing.assert_array_equal(mean, [[2, 0], [0, 3]])
    np.testing.assert_array_equal(scatter, [[2, 0], [0, 2]])


@pytest.mark.parametrize("first", [0, 1, 2, 4])
def test_two_parts_merge_to_the_whole(first):
    is_first = np.arange(4) < first
    a, b = moments_of(FEATURES, LABELS, 2, is_first), moments_of(FEATURES, LABELS, 2, ~is_first)
    found = variances_of(merged(a, b))
    for name, expected in EXPECTED.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-6, err_msg=name)


def test_per_unit_by_hand():
    units = units_of(moments_of(FEATURES, LABELS, 2))
    np.testing.assert_allclose(units["within"], [0.5, 0.5], rtol=1e-6)
    np.testing.assert_allclose(units["between"], [1.0, 2.25], rtol=1e-6)
    np.testing.assert_allclose(units["total"], [1.5, 2.75], rtol=1e-6)


@pytest.mark.parametrize("part", ["total", "within", "between"])
def test_units_sum_to_the_whole(part):
    features, labels, _ = random_batch(0)
    moments = moments_of(features, labels, 4)
    np.testing.assert_allclose(units_of(moments)[part].sum(), variances_of(moments)[f"{part}_variance"], rtol=1e-6)
    np.testing.assert_allclose(units_of(moments)[part], by_numpy(features, labels)[part], rtol=1e-5)


def test_scatter_over_count_is_the_variance_of_each_output_given_the_class():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    probs = np.asarray(jax.nn.softmax(rng.normal(size=(60, 3)).astype(np.float32)))
    moments = moments_of(probs, labels, 3)
    expected = [probs[labels == label].astype(np.float64).var(axis=0) for label in range(3)]
    np.testing.assert_allclose(moments.scatter / moments.count[:, None], expected, rtol=1e-5)


def test_a_class_without_examples_does_not_count():
    assert variances_of(moments_of(FEATURES, LABELS, 2)) == variances_of(moments_of(FEATURES, LABELS, 7))


def test_nothing_varies_where_all_are_alike():
    found = variances_of(moments_of(np.zeros((5, 2), np.float32), np.arange(5) % 2, 2))
    assert {name: float(value) for name, value in found.items()} == dict.fromkeys(EXPECTED, 0.0), "0 / 0 must give 0"


@properties
@given(seeds)
def test_merging_does_not_depend_on_order(seed):
    features, labels, parts = random_batch(seed)
    a, b, c = in_parts(features, labels, parts)
    assert_same(merged(a, b), merged(b, a), "merge must be commutative", scale=10)
    assert_same(merged(merged(a, b), c), merged(a, merged(b, c)), "merge must be associative", scale=10)
    assert_same(merged(merged(a, b), c), moments_of(features, labels, 4), "parts must merge to the whole", scale=10)


@properties
@given(seeds)
def test_the_order_of_examples_does_not_count(seed):
    features, labels, _ = random_batch(seed)
    order = np.random.default_rng(seed).permutation(12)
    assert_same(
        moments_of(features[order], labels[order], 4), moments_of(features, labels, 4), "rows were permuted", scale=10
    )


@properties
@given(seed=seeds, filler=st.sampled_from([np.nan, np.inf, -np.inf, 1e30]))
def test_what_a_masked_row_holds_does_not_count(seed, filler):
    features, labels, parts = random_batch(seed)
    real = parts > 0
    dirty, dirty_labels = np.where(real[:, None], features, np.float32(filler)), np.where(real, labels, 0)
    for name, clean, found in zip(
        Moments._fields, moments_of(features, labels, 4, real), moments_of(dirty, dirty_labels, 4, real), strict=True
    ):
        np.testing.assert_array_equal(found, clean, err_msg=f"{name}: a masked row of {filler} got through")


def test_merging_with_nothing_changes_nothing():
    moments = moments_of(FEATURES, LABELS, 2)
    for unchanged in (merged(moments, empty(2, 2)), merged(empty(2, 2), moments)):
        for value, expected in zip(unchanged, moments, strict=True):
            np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_merging_over_devices_gives_each_the_whole(parts):
    features, labels, _ = random_batch(1)

    def on_a_device(features, labels):
        return merge_over(class_moments(features, labels, 4), "data")

    cut = features.reshape(parts, -1, 3), labels.reshape(parts, -1)
    everywhere = jax.jit(jax.vmap(on_a_device, axis_name="data"))(*cut)
    for device in range(parts):
        on_device = jax.tree.map(lambda value: value[device], everywhere)  # noqa: B023
        assert_same(on_device, moments_of(features, labels, 4), f"device {device} of {parts}", scale=10)


@pytest.mark.parametrize("batch_size", [500, 20_000])
def test_a_large_mean_costs_no_digits(batch_size):
    rng = np.random.default_rng(0)
    labels = np.arange(20_000) % 10
    features = (1e3 + rng.normal(size=(20_000, 64)) + rng.normal(size=(10, 64))[labels]).astype(np.float32)
    batches = [slice(start, start + batch_size) for start in range(0, 20_000, batch_size)]
    moments = reduce(merged, (moments_of(features[rows], labels[rows], 10) for rows in batches), empty(10, 64))
    found = variances_of(moments)
    for part, expected in by_numpy(features, labels).items():
        np.testing.assert_allclose(found[f"{part}_variance"], expected.sum(), rtol=1e-5, err_msg=part)
    mean_square = np.square(features.astype(np.float64)).sum(axis=1).mean()
    np.testing.assert_allclose(found["mean_square"], mean_square, rtol=1e-5)


def test_low_precision_features_are_counted_in_float32():
    moments = moments_of(jnp.asarray(FEATURES, jnp.bfloat16), LABELS, 2)
    assert {value.dtype for value in moments} == {jnp.dtype("float32")}
    np.testing.assert_array_equal(moments.scatter, [[2, 0], [0, 2]])


# What is no number


@pytest.mark.parametrize("wrong", [2, 255, -1])
def test_a_label_out_of_range_leaves_no_number(run, wrong):
    labels = np.array([0, wrong, 1, 1])
    found = run(lambda h, y: decompose(class_moments(h, y, 2)))(FEATURES, labels)
    assert all(np.isnan(value) for value in found.values())
    mask = np.array([1, 0, 1, 1])
    assert_same(
        moments_of(FEATURES, labels, 2, mask), moments_of(FEATURES, LABELS, 2, mask), "masked rows hold anything"
    )


def test_labels_of_a_narrow_type_do_not_wrap():
    moments = moments_of(FEATURES, np.array([5, 5, 44, 44], np.uint8), 300)
    np.testing.assert_array_equal(np.flatnonzero(moments.count), [5, 44])


def test_moments_of_nan_have_no_ratios(run):
    found = run(decompose)(Moments(*(jnp.full(shape, jnp.nan) for shape in ((3,), (3, 2), (3, 2)))))
    assert all(np.isnan(value) for value in found.values())
    assert all(np.isnan(value) for value in variances_of(empty(3, 2)).values()), "nor have those of no example"
    still = variances_of(moments_of(np.zeros((4, 2), np.float32), LABELS, 2))
    assert still["within_over_total"] == still["within_over_mean_square"] == 0


@pytest.mark.parametrize("labels, mask", [((1,), None), ((4, 1), None), ((4,), (1,)), ((4,), (4, 1))])
def test_shapes_that_do_not_fit_are_not_stretched(labels, mask):
    with pytest.raises(ValueError, match=r"are of shape .*, must be \(4,\)"):
        class_moments(FEATURES, np.zeros(labels, int), 2, None if mask is None else np.ones(mask))


def test_variances_of_groups_by_hand():
    features = [[0.0, 0.0], [2.0, 0.0], [0.0, 1.0], [2.0, 1.0], [5.0, 5.0], [1.0, 1.0], [3.0, 3.0]]
    found = group_variances(features, [0, 0, 0, 0, 4, 7, 7])
    assert set(found) == {0, 7}, "one example has no variance"
    assert found[0] == pytest.approx((1 + 0.25, 1))  # of a rectangle, 2 by 1
    assert found[7] == pytest.approx((2, 2))  # along the diagonal
    rng = np.random.default_rng(0)
    features = rng.normal(size=(9, 20))
    [(within, largest)] = group_variances(features, np.zeros(9, int)).values()
    covariance = np.cov(features.T, bias=True)
    assert within == pytest.approx(np.trace(covariance)) and largest == pytest.approx(
        np.linalg.eigvalsh(covariance)[-1]
    )
    with pytest.raises(ValueError, match="groups"):
        group_variances(features, np.zeros(8, int))

"""Class geometry: hand-computed and brute-force collapse, exact merging in any order, float32 accuracy over long streams."""

from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamv.core.collapse import Geometry, collapse_metrics, empty, geometry, merge, merge_over, nearest_class
from lamv.core.variance import class_moments, decompose
from lamv.core.variance import empty as no_moments
from lamv.core.variance import merge as merge_moments

FEATURES = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [0.0, 4.0]], np.float32)
LABELS = np.array([0, 0, 1, 1])
ETF = (np.eye(3) - 1 / 3).astype(np.float32)
COLLAPSE = {"nc1", "nc1_trace", "nc2_equinorm", "nc2_equiangular"}
WEIGHTS = {"nc2_weights_equinorm", "nc2_weights_equiangular", "nc3"}
geometry_of = jax.jit(geometry, static_argnames="num_classes")
merged, nearest = jax.jit(merge), jax.jit(nearest_class)
moments_of, moments_merged = jax.jit(class_moments, static_argnames="num_classes"), jax.jit(merge_moments)
properties = settings(deadline=None, derandomize=True, max_examples=20)
seeds = st.integers(0, 2**32 - 1)


def by_numpy(features, labels, kernel):
    """Every metric in float64 from its definition: pairs of examples, pseudo-inverses, singular values of the data."""
    h = features.astype(np.float64)
    classes = np.unique(labels)
    mu = np.stack([h[labels == c].mean(axis=0) for c in classes])
    place = np.searchsorted(classes, labels)
    m = mu - mu.mean(axis=0)
    number = len(classes)
    sigma_w = sum(np.outer(d, d) for d in h - mu[place]) / len(h)
    sigma_b = sum(np.outer(d, d) for d in m) / number
    within = np.square(h - mu[place]).sum() / len(h)
    between = np.square(mu[place] - h.mean(axis=0)).sum() / len(h)

    def angles(v):
        cos = [
            a @ b / np.linalg.norm(a) / np.linalg.norm(b) for i, a in enumerate(v) for j, b in enumerate(v) if i != j
        ]
        return np.mean(np.abs(np.array(cos) + 1 / (number - 1)))

    def norms(v):
        return np.std([np.linalg.norm(row) for row in v]) / np.mean([np.linalg.norm(row) for row in v])

    w = kernel.astype(np.float64)[:, classes].T
    unit = h / np.linalg.norm(h, axis=1, keepdims=True)
    blocks = np.array([[(1 - unit[labels == a] @ unit[labels == b].T).mean() for a in classes] for b in classes])
    s = np.linalg.svd(h - h.mean(axis=0), compute_uv=False)
    s = s[s > 1e-9 * s[0]] / s[s > 1e-9 * s[0]].sum()
    return {
        "collapse/nc1": np.trace(sigma_w @ np.linalg.pinv(sigma_b, rcond=1e-6)) / number,
        "collapse/nc1_trace": within / between,
        "collapse/nc2_equinorm": norms(m),
        "collapse/nc2_equiangular": angles(m),
        "collapse/nc2_weights_equinorm": norms(w),
        "collapse/nc2_weights_equiangular": angles(w),
        "collapse/nc3": np.square(w / np.linalg.norm(w) - m / np.linalg.norm(m)).sum(),
        "separation": 1 - np.diag(blocks).mean() / blocks.mean(),
        "effective_rank": np.exp(-(s * np.log(s)).sum()),
        "feature_norm_mean": np.linalg.norm(h, axis=1).mean(),
        "feature_norm_sd": np.linalg.norm(h, axis=1).std(),
    }


def assert_metrics(found, expected, rtol=1e-5):
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=rtol, err_msg=name)


def assert_same(a: Geometry, b: Geometry, message: str, scale: float = 1.0):
    for name, left, right in zip(Geometry._fields, a, b, strict=True):
        np.testing.assert_allclose(left, right, rtol=2e-5, atol=2e-5 * scale, err_msg=f"{name}: {message}")


def random_batch(seed: int):
    """12 rows, 3 units, labels below 4 (some classes may be missing), a part number below 3 for every row."""
    rng = np.random.default_rng(seed)
    features = (5 + rng.normal(size=(12, 3))).astype(np.float32)
    return features, rng.integers(4, size=12), rng.integers(3, size=12)


def test_state_by_hand():
    g = geometry_of(FEATURES, LABELS, 2)
    np.testing.assert_array_equal(g.count, [2, 2])
    np.testing.assert_array_equal(g.mean, [[2, 0], [0, 3]])
    np.testing.assert_array_equal(g.cross, [[2, 0], [0, 2]])
    np.testing.assert_array_equal(g.direction, [[1, 0], [0, 1]])
    np.testing.assert_array_equal(g.distance, [0, 0])
    np.testing.assert_allclose([g.norm_mean, g.norm_scatter], [2.5, 5.0], rtol=1e-6)


def test_metrics_by_hand():
    found = collapse_metrics(geometry_of(FEATURES, LABELS, 2))
    # Two classes, so the centred means are opposite: NC2 is 0. The covariance is [[1.5, -1.5], [-1.5, 2.75]].
    s = np.sqrt(2.125 + np.array([-1, 1]) * np.hypot(0.625, 1.5))
    s = s / s.sum()
    expected = {
        "collapse/nc1": 0.5 / 3.25 / 2,
        "collapse/nc1_trace": 1 / 3.25,
        "collapse/nc2_equinorm": 0.0,
        "collapse/nc2_equiangular": 0.0,
        "separation": 1.0,
        "effective_rank": np.exp(-(s * np.log(s)).sum()),
        "feature_norm_mean": 2.5,
        "feature_norm_sd": np.sqrt(1.25),
    }
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-12, err_msg=name)


def test_separation_by_hand():
    features = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 2.0]], np.float32)
    root = np.sqrt(0.5)
    # Pairs within the first class, within the second, and between the two, both ways.
    within = ((1 - root) * 2 / 4 + 0) / 2
    between = (1 + 1 + 2 * (1 - root)) / 4
    found = collapse_metrics(geometry_of(features, LABELS, 2))["separation"]
    np.testing.assert_allclose(found, 1 - within / ((within + between) / 2), rtol=1e-6)
    np.testing.assert_allclose(found, 0.796508640, rtol=1e-6)


def test_a_feature_of_zeros_is_at_distance_1_from_all_and_from_itself():
    features = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 2.0]], np.float32)
    g = geometry_of(features, LABELS, 2)
    np.testing.assert_array_equal(g.direction, [[0.5, 0], [0, 1]])
    np.testing.assert_allclose(g.distance, [1.5, 0.0])  # 3 of the 4 pairs of the first class are at distance 1
    within = 3 / 4 / 2
    np.testing.assert_allclose(collapse_metrics(g)["separation"], 1 - within / ((within + 1) / 2), rtol=1e-6)


def test_nothing_is_left_of_a_collapsed_simplex():
    features, labels = np.repeat(5 * ETF, 2, axis=0), np.repeat(np.arange(3), 2)
    found = collapse_metrics(geometry_of(features, labels, 3), kernel=0.3 * ETF)
    for name in COLLAPSE | WEIGHTS:
        assert abs(found[f"collapse/{name}"]) < 1e-6, name
    np.testing.assert_allclose(found["separation"], 1.0, rtol=1e-6)
    np.testing.assert_allclose(found["effective_rank"], 2.0, rtol=1e-6)


def test_nc2_and_nc3_by_hand():
    features = np.array([[2.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]], np.float32) + 7
    found = collapse_metrics(geometry_of(features, np.arange(3), 3), kernel=np.array([[1.0, 0, 0], [0, 1, 1]]))
    np.testing.assert_allclose(found["collapse/nc2_equinorm"], np.std([2, 1, 1]) / (4 / 3), rtol=1e-6)
    np.testing.assert_allclose(found["collapse/nc2_equiangular"], (2 * 0.5 + 1.5) / 3, rtol=1e-6)
    np.testing.assert_allclose(found["collapse/nc2_weights_equinorm"], 0.0, atol=1e-12)
    np.testing.assert_allclose(found["collapse/nc2_weights_equiangular"], (2 * 0.5 + 1.5) / 3, rtol=1e-6)
    np.testing.assert_allclose(found["collapse/nc3"], 2 - 2 * 2 / np.sqrt(3 * 6), rtol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_metrics_are_their_definitions(seed):
    rng = np.random.default_rng(seed)
    number, dim = 60, (5, 20, 80)[seed]
    labels = rng.choice(4, number, p=(0.4, 0.3, 0.2, 0.1))
    features = (rng.normal(size=(number, dim)) + rng.normal(size=(4, dim))[labels] + 1).astype(np.float32)
    kernel = rng.normal(size=(dim, 4)).astype(np.float32)
    assert_metrics(collapse_metrics(geometry_of(features, labels, 4), kernel), by_numpy(features, labels, kernel), 2e-5)


def test_more_classes_than_units():
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 8
    features = (rng.normal(size=(80, 3)) + rng.normal(size=(8, 3))[labels]).astype(np.float32)
    kernel = rng.normal(size=(3, 8))
    assert_metrics(collapse_metrics(geometry_of(features, labels, 8), kernel), by_numpy(features, labels, kernel), 2e-5)


def test_a_class_without_examples_does_not_count():
    rng = np.random.default_rng(0)
    features, kernel = rng.normal(size=(30, 5)).astype(np.float32), rng.normal(size=(5, 6)).astype(np.float32)
    few = np.arange(30) % 3
    spread = np.array([1, 3, 4])[few]
    found = collapse_metrics(geometry_of(features, spread, 6), kernel)
    assert_metrics(found, collapse_metrics(geometry_of(features, few, 3), kernel[:, [1, 3, 4]]), 1e-6)


def test_what_is_not_defined_is_left_out():
    rng = np.random.default_rng(0)
    features, kernel = rng.normal(size=(12, 4)).astype(np.float32), rng.normal(size=(4, 3)).astype(np.float32)
    one_class = collapse_metrics(geometry_of(features, np.ones(12, np.int32), 3), kernel)
    assert set(one_class) == {"collapse/nc2_weights_equinorm", "separation", "effective_rank", "feature_norm_mean",
                              "feature_norm_sd"}  # fmt: skip
    assert one_class["separation"] == 0.0
    same_means = collapse_metrics(geometry_of(np.tile(features[:4], (3, 1)), np.repeat(np.arange(3), 4), 3))
    assert not {f"collapse/{name}" for name in COLLAPSE} & set(same_means)
    assert same_means["separation"] == 0.0


@pytest.mark.parametrize("value", [0.0, 0.1, 1e3])
def test_features_that_are_all_alike_have_a_norm_and_nothing_else(value):
    features, labels = np.full((39, 4), value, np.float32), np.arange(39) % 3
    first = np.arange(39) < 17
    g = merged(geometry_of(features, labels, 3, first), geometry_of(features, labels, 3, ~first))
    found = collapse_metrics(g)
    assert set(found) - {"separation"} == {"feature_norm_mean", "feature_norm_sd"}
    # Zeros have no direction: all are at distance 1 from all, within a class as between classes.
    assert found.get("separation") == (0.0 if value == 0 else None)
    np.testing.assert_allclose(found["feature_norm_mean"], 2 * value, rtol=1e-6)
    np.testing.assert_allclose(found["feature_norm_sd"], 0.0, atol=1e-6 * value)


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_the_effective_rank_is_that_of_a_flat_spectrum(rank):
    """Features on a cross of `rank` axes, rotated into 40 units: rounding in the other 40 - rank must not count."""
    rng = np.random.default_rng(rank)
    axes = np.linalg.qr(rng.normal(size=(40, 40)))[0][:rank]
    features = np.concatenate([axes, -axes]).astype(np.float32) + 3
    found = collapse_metrics(geometry_of(features, np.arange(2 * rank) % 2, 2))
    np.testing.assert_allclose(found["effective_rank"], rank, rtol=1e-5)


@properties
@given(seeds)
def test_merging_does_not_depend_on_order(seed):
    features, labels, parts = random_batch(seed)
    a, b, c = (geometry_of(features, labels, 4, parts == part) for part in range(3))
    assert_same(merged(a, b), merged(b, a), "merge must be commutative", scale=10)
    assert_same(merged(merged(a, b), c), merged(a, merged(b, c)), "merge must be associative", scale=10)
    assert_same(merged(merged(a, b), c), geometry_of(features, labels, 4), "parts must merge to the whole", scale=10)


@properties
@given(seeds)
def test_the_order_of_examples_does_not_count(seed):
    features, labels, _ = random_batch(seed)
    order = np.random.default_rng(seed).permutation(12)
    permuted = geometry_of(features[order], labels[order], 4)
    assert_same(permuted, geometry_of(features, labels, 4), "rows were permuted", scale=10)


@properties
@given(seed=seeds, filler=st.sampled_from([np.nan, np.inf, -np.inf, 1e30]), label=st.sampled_from([-1, 0, 99]))
def test_what_a_masked_row_holds_does_not_count(seed, filler, label):
    features, labels, parts = random_batch(seed)
    real = parts > 0
    dirty, dirty_labels = np.where(real[:, None], features, np.float32(filler)), np.where(real, labels, label)
    clean, found = geometry_of(features, labels, 4, real), geometry_of(dirty, dirty_labels, 4, real)
    for name, expected, value in zip(Geometry._fields, clean, found, strict=True):
        np.testing.assert_array_equal(value, expected, err_msg=f"{name}: a masked row of {filler} got through")


def test_padding_does_not_count():
    features, labels, _ = random_batch(2)
    padded = np.concatenate([features, np.full((4, 3), np.nan, np.float32)]), np.concatenate([labels, np.zeros(4, int)])
    assert_same(geometry_of(*padded, 4, np.arange(16) < 12), geometry_of(features, labels, 4), "padded", scale=10)


def test_merging_with_nothing_changes_nothing():
    g = geometry_of(FEATURES, LABELS, 2)
    nothing = geometry_of(np.full((4, 2), np.nan, np.float32), LABELS, 2, np.zeros(4))
    for unchanged in (merged(g, empty(2, 2)), merged(empty(2, 2), g), merged(g, nothing), merged(nothing, g)):
        for value, expected in zip(unchanged, g, strict=True):
            np.testing.assert_array_equal(value, expected)


def test_a_stream_may_overwrite_its_state():
    g = jax.jit(merge, donate_argnums=0)(empty(2, 2), geometry_of(FEATURES, LABELS, 2))
    np.testing.assert_array_equal(g.cross, [[2, 0], [0, 2]])


@pytest.mark.parametrize("parts", [1, 4])
def test_merging_over_devices_gives_each_the_whole(parts):
    features, labels, _ = random_batch(1)

    def on_a_device(features, labels):
        return merge_over(geometry(features, labels, 4), "data")

    cut = features.reshape(parts, -1, 3), labels.reshape(parts, -1)
    everywhere = jax.jit(jax.vmap(on_a_device, axis_name="data"))(*cut)
    for device in range(parts):
        on_device = jax.tree.map(lambda value: value[device], everywhere)  # noqa: B023
        assert_same(on_device, geometry_of(features, labels, 4), f"device {device} of {parts}", scale=10)


def test_merging_over_real_devices_one_of_which_has_nothing():
    features, labels, _ = random_batch(3)
    mask = np.arange(12) < 9
    mesh = jax.make_mesh((4,), ("data",), devices=jax.devices()[:4], axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.P("data")
    everywhere = jax.shard_map(
        lambda h, y, m: merge_over(geometry(h, y, 4, m), "data"), mesh=mesh, in_specs=spec, out_specs=jax.P()
    )
    assert_same(
        jax.jit(everywhere)(features, labels, mask), geometry_of(features, labels, 4, mask), "devices", scale=10
    )


def test_replicas_by_vmap_are_those_one_by_one():
    batches = [random_batch(seed)[:2] for seed in range(3)]
    stacked = jax.jit(jax.vmap(lambda h, y: geometry(h, y, 4)))(*map(np.stack, zip(*batches, strict=True)))
    for replica, (features, labels) in enumerate(batches):
        one = jax.tree.map(lambda value: value[replica], stacked)  # noqa: B023
        assert_same(one, geometry_of(features, labels, 4), f"replica {replica}", scale=10)


@pytest.mark.parametrize("batch_size", [200, 4000])
def test_a_large_mean_costs_no_more_digits_than_rounding_it(batch_size):
    rng = np.random.default_rng(0)
    labels = np.arange(4000) % 10
    features = (1e3 + rng.normal(size=(4000, 32)) + rng.normal(size=(10, 32))[labels]).astype(np.float32)
    batches = [slice(start, start + batch_size) for start in range(0, 4000, batch_size)]
    g = reduce(merged, (geometry_of(features[rows], labels[rows], 10) for rows in batches), empty(10, 32))
    h = features.astype(np.float64)
    means = np.stack([h[labels == c].mean(axis=0) for c in range(10)])
    cross = (h - means[labels]).T @ (h - means[labels])
    assert np.linalg.norm(g.cross - cross) <= 1e-5 * np.linalg.norm(cross)
    unit = h / np.linalg.norm(h, axis=1, keepdims=True)
    directions = np.stack([unit[labels == c].mean(axis=0) for c in range(10)])
    centred = means - means.mean(axis=0)
    within = (1 - np.square(directions).sum(axis=1)).mean()
    s = np.linalg.svd(h - h.mean(axis=0), compute_uv=False)
    s = s / s.sum()
    found = collapse_metrics(g)
    expected = {
        "collapse/nc1": np.trace(cross / 4000 @ np.linalg.pinv(centred.T @ centred / 10, rcond=1e-6)) / 10,
        "collapse/nc1_trace": np.trace(cross) / 4000 / np.square(centred).sum(axis=1).mean(),
        "collapse/nc2_equinorm": np.std(np.linalg.norm(centred, axis=1)) / np.mean(np.linalg.norm(centred, axis=1)),
        "separation": 1 - within / (1 - np.square(directions.mean(axis=0)).sum()),
        "effective_rank": np.exp(-(s * np.log(s)).sum()),
        "feature_norm_mean": np.linalg.norm(h, axis=1).mean(),
        "feature_norm_sd": np.linalg.norm(h, axis=1).std(),
    }
    for name, value in expected.items():
        # Differences of class means have the rounding of the means, 6e-5 at 1e3, and not more digits than that leaves.
        rtol = 1e-5 if name in ("effective_rank", "feature_norm_mean", "feature_norm_sd") else 1e-4
        np.testing.assert_allclose(found[name], value, rtol=rtol, err_msg=name)


def test_60000_examples_of_2048_units_keep_the_digits_of_float64():
    """All 60,000 x 2,048 features pass through both statistics' batches; the geometry takes the first 128 units."""
    rng = np.random.default_rng(0)
    size, dim, narrow, batches = 2000, 2048, 128, 30
    block = rng.standard_normal((size, dim), np.float32)
    labels = np.sort(rng.integers(10, size=size))
    bounds = np.searchsorted(labels, np.arange(11))
    block += 3 * rng.standard_normal((10, dim), np.float32)[labels]
    moments, g = no_moments(10, dim), empty(10, narrow)
    count, sums, square = np.zeros(10), np.zeros((10, dim)), 0.0
    slices = []
    # Around a point near the mean, so that float64 itself cancels nothing.
    origin = np.full(dim, 50.0)
    for scale, shift in zip(np.linspace(0.5, 1.5, batches), np.linspace(40, 60, batches), strict=True):
        features = block * np.float32(scale) + np.float32(shift)
        moments = moments_merged(moments, moments_of(features, labels, 10))
        g = merged(g, geometry_of(features[:, :narrow], labels, 10))
        exact = features - origin
        count += np.bincount(labels, minlength=10)
        sums += [exact[first:last].sum(axis=0) for first, last in zip(bounds[:-1], bounds[1:], strict=True)]
        square += np.vdot(exact, exact)
        slices.append(exact[:, :narrow].copy())
    number, means = count.sum(), sums / count[:, None]
    explained = np.sum(count[:, None] * np.square(means))
    grand = sums.sum(axis=0) / number
    expected = {
        "total_variance": square / number - np.square(grand).sum(),
        "within_variance": (square - explained) / number,
        "between_variance": explained / number - np.square(grand).sum(),
        "mean_square": square / number + 2 * grand @ origin + origin @ origin,
    }
    assert number == 60_000
    found = jax.jit(decompose)(moments)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, err_msg=name)
    together = np.concatenate(slices)
    cross = together.T @ together - (count[:, None] * means[:, :narrow]).T @ means[:, :narrow]
    assert np.linalg.norm(g.cross - cross) <= 1e-5 * np.linalg.norm(cross)
    np.testing.assert_allclose(np.diag(g.cross), np.diag(cross), rtol=1e-5)


def test_low_precision_features_are_counted_in_float32():
    g = geometry_of(jnp.asarray(FEATURES, jnp.bfloat16), LABELS, 2)
    assert {value.dtype for value in g} == {jnp.dtype("float32")}
    np.testing.assert_array_equal(g.cross, [[2, 0], [0, 2]])


def test_the_nearest_class_by_hand(run):
    features = np.array([[0.9, 0.0], [2.4, 0.0], [2.6, 0.0], [9.0, 9.0]], np.float32)
    means = np.array([[0.0, 0.0], [2.0, 0.0], [3.0, 0.0]], np.float32)
    np.testing.assert_array_equal(run(nearest_class)(features, means), [0, 1, 2, 2])
    np.testing.assert_array_equal(run(nearest_class)(features, means, np.array([True, True, False])), [0, 1, 1, 1])


def test_the_nearest_of_close_classes_far_from_the_origin():
    """Means 1/4 apart at 1e4: the expanded square, 1e8 in float32, has no digit left to tell them."""
    means = np.array([[1e4, 1e4], [1e4 + 0.25, 1e4], [-1e4, 3e4]], np.float32)
    features = np.array([[1e4 + 0.0625, 1e4], [1e4 + 0.1875, 1e4], [-1e4, 3e4]], np.float32)
    np.testing.assert_array_equal(nearest(features, means), [0, 1, 2])


def test_the_nearest_class_is_that_of_float64():
    rng = np.random.default_rng(0)
    features, means = rng.normal(size=(200, 16)).astype(np.float32), rng.normal(size=(7, 16)).astype(np.float32)
    distance = np.linalg.norm(features[:, None].astype(np.float64) - means[None].astype(np.float64), axis=-1)
    np.testing.assert_array_equal(nearest(features, means), distance.argmin(axis=1))


@pytest.mark.parametrize("dtype, label", [(np.uint8, 255), (np.int32, -1), (np.int32, 2)])
def test_a_label_out_of_range_leaves_no_number(dtype, label):
    labels = np.array([0, 0, 1, label], dtype)
    state = geometry_of(FEATURES, labels, 2)
    assert all(np.isnan(value).all() for value in state[:4])
    with pytest.raises(ValueError, match=r"holds nan or infinity; must be finite"):
        collapse_metrics(state)
    mask = np.array([1, 1, 1, 0])
    assert_same(
        geometry_of(FEATURES, labels, 2, mask), geometry_of(FEATURES, LABELS, 2, mask), "masked rows hold anything"
    )


@pytest.mark.parametrize("labels, mask", [((1,), (4,)), ((4, 1), (4,)), ((4,), (1,))])
def test_shapes_that_do_not_fit_are_not_stretched(labels, mask):
    with pytest.raises(ValueError, match=r"are of shape .*, must be \(4,\)"):
        geometry(FEATURES, np.zeros(labels, int), 2, np.ones(mask))


def test_of_no_example_there_are_no_metrics():
    with pytest.raises(ValueError, match="the geometry is of 0 examples"):
        collapse_metrics(empty(2, 3))


def test_directions_that_float32_cannot_hold_are_left_out():
    """The square of a norm of 1e20 is not: such a feature has no direction, least of all that of 0."""
    features = np.concatenate([FEATURES, [[1e20, 0]]]).astype(np.float32)
    state = geometry_of(features, np.array([0, 0, 1, 1, 1]), 2)
    assert np.isnan(state.norm_mean) and np.isnan(state.direction).all() and np.isnan(state.distance).all()


@pytest.mark.parametrize("feature, mean", [(np.nan, 0.0), (0.0, np.nan), (np.inf, 0.0), (1e20, 0.0)])
def test_no_class_is_the_nearest_where_no_distance_is_known(run, feature, mean):
    features, means = np.float32([[feature, 0], [1, 1]]), np.float32([[mean, 0], [1, 2]])
    found = run(nearest_class)(features, means)
    np.testing.assert_array_equal(found, [-1, -1 if np.isnan(mean) else 1])
    np.testing.assert_array_equal(nearest_class(features[1:], np.float32([[0, 0], [1, 2]]), np.zeros(2, bool)), [-1])

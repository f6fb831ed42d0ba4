"""Exchanged parts: what moves, what stays, and the directions that separate classes without varying within them."""

import numpy as np
import pytest

from lamv.core import exchange

SHAPE = (8, 8, 3)


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, 5, *SHAPE)).astype(np.float32)


def test_a_mask_exchanges_its_block_and_nothing_else(pair):
    inputs, others = pair
    block = exchange.blocks(SHAPE)["row 1, column 2"]
    made = np.array(exchange.mask(inputs, others, block))
    np.testing.assert_array_equal(made[:, :2, 2:4], others[:, :2, 2:4])
    made[:, :2, 2:4] = inputs[:, :2, 2:4]
    np.testing.assert_array_equal(made, inputs)


def test_blocks_cover_every_pixel_once():
    for shape in (SHAPE, (3, 5, 1), (1, 1, 1)):
        np.testing.assert_array_equal(sum(exchange.blocks(shape).values()), np.ones(shape))


def test_a_span_moves_the_coordinates_along_it_and_leaves_the_rest(pair):
    inputs, others = pair
    axes = np.linalg.qr(np.random.default_rng(1).normal(size=(192, 4)))[0].astype(np.float32)
    made = np.asarray(exchange.span(inputs, others, axes)).reshape(5, -1)
    np.testing.assert_allclose(made @ axes, others.reshape(5, -1) @ axes, atol=1e-5)
    rest = np.eye(192, dtype=np.float32) - axes @ axes.T
    np.testing.assert_allclose(made @ rest, inputs.reshape(5, -1) @ rest, atol=1e-5)


def test_the_mean_colour_of_another_image(pair):
    inputs, others = pair
    made = np.asarray(exchange.span(inputs, others, exchange.mean_colour(SHAPE)))
    np.testing.assert_allclose(made.mean(axis=(1, 2)), others.mean(axis=(1, 2)), atol=1e-5)
    differences = made - inputs
    np.testing.assert_allclose(differences, np.broadcast_to(differences[:, :1, :1], differences.shape), atol=1e-5)


def test_bands_that_cover_all_frequencies_exchange_the_whole_image(pair):
    inputs, others = pair
    made = inputs
    for low, high in ((0, 0.2), (0.2, 0.3), (0.3, 0.75)):
        made = np.asarray(exchange.band(made, others, np.array([low, high], np.float32), shape=SHAPE))
    np.testing.assert_allclose(made, others, atol=1e-5)


def test_a_band_takes_over_a_grating_of_its_frequency_and_no_other():
    y, x = np.mgrid[:16, :16] / 16
    fine, coarse = (np.cos(2 * np.pi * periods * (x + y)) for periods in (4, 1))
    inputs, others = (values.astype(np.float32).reshape(1, -1) for values in (coarse, 2 * coarse + 3 * fine))
    made = exchange.band(inputs, others, np.array([0.25, 0.75], np.float32), shape=(16, 16, 1))
    np.testing.assert_allclose(np.asarray(made).reshape(16, 16), coarse + 3 * fine, atol=1e-4)


@pytest.mark.parametrize("kind", ["mask", "span"])
def test_an_exchange_with_itself_changes_nothing(pair, kind):
    parts = {"mask": np.ones(SHAPE, np.float32), "span": exchange.mean_colour(SHAPE)}
    made = getattr(exchange, kind)(pair[0], pair[0], parts[kind])
    np.testing.assert_allclose(made, pair[0], atol=1e-6)


@pytest.mark.parametrize(
    ("size", "examples", "step"), [(20, 400, 1), (300, 120, 10)]
)  # fewer inputs than examples, and more
def test_a_direction_without_variance_within_classes_comes_first(size, examples, step):
    rng = np.random.default_rng(2)
    labels = np.arange(examples) % 2
    inputs = rng.normal(size=(examples, size)) + labels[:, None] * 0.2
    inputs[:, 7] = step * (labels - 0.5)
    found = exchange.discriminants(inputs, labels, 2)
    assert found.accuracy == 1
    assert abs(found.span[7, 0]) > 0.9
    assert found.within_share[0] < 0.02


def test_the_directions_of_three_classes_match_those_of_scikit_learn():
    from sklearn.datasets import load_iris
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    inputs, labels = load_iris(return_X_y=True)
    found = exchange.discriminants(inputs, labels, 3)
    known = LinearDiscriminantAnalysis(solver="eigen").fit(inputs, labels).scalings_[:, :2]
    # The same plane: each direction lies in the span of the others'.
    axes = np.linalg.qr(known)[0]
    assert (np.linalg.norm(axes.T @ found.span, axis=0) > 0.92).all()  # but for the ridge
    assert found.within_share[0] < found.within_share[1]


def test_the_span_of_the_directions_is_orthonormal_and_nested():
    rng = np.random.default_rng(3)
    labels = rng.integers(4, size=300)
    inputs = rng.normal(size=(300, 10)) + 2 * rng.normal(size=(4, 10))[labels]
    found = exchange.discriminants(inputs, labels, 4)
    assert found.span.shape == (10, 3)
    np.testing.assert_allclose(found.span.T @ found.span, np.eye(3), atol=1e-5)
    first = found.axes[:, 0] / np.linalg.norm(found.axes[:, 0])
    np.testing.assert_allclose(abs(first @ found.span[:, 0]), 1, atol=1e-5)


def test_a_class_without_examples_and_too_few_examples():
    rng = np.random.default_rng(4)
    found = exchange.discriminants(rng.normal(size=(40, 3)), np.arange(40) % 2, 5)
    assert found.span.shape == (3, 1)
    with pytest.raises(ValueError, match="directions need"):
        exchange.discriminants(np.ones((2, 3)), np.array([0, 1]), 2)


def test_a_part_alone_tells_the_label_by_its_values_or_by_its_energy():
    rng = np.random.default_rng(5)
    labels = np.arange(600) % 2
    by_value = (labels + 0.1 * rng.normal(size=600))[:, None]
    phases = np.cos(np.arange(20)[None] + rng.uniform(0, 6.3, size=(600, 1)))
    by_energy = phases * (0.2 + labels[:, None])
    for values in (by_value, by_energy):
        accuracy, share = exchange.alone(values, labels, 2)
        assert accuracy > 0.95 and share < 0.1
    accuracy, share = exchange.alone(rng.normal(size=(600, 4)), labels, 2)
    assert 0.3 < accuracy < 0.7 and share > 0.9
    assert exchange.alone(np.zeros((600, 4)), labels, 2) == (0.5, 1.0)

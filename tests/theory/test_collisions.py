"""Collisions: the nearest mixed point of other classes, blockwise, against all distances in float64."""

import json

import numpy as np
import pytest

from lamv import data, theory
from lamv.theory import collisions as subject

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def outcome():
    config = theory.recipe("collisions", seeds=2, share=0.4, block=128)
    theory.validate(config)
    return subject.run(config)


@pytest.fixture(scope="module")
def examples():
    """50 images of 3 classes, of which two are the same image, differently labelled."""
    pixels = RNG.integers(256, size=(50, 12), dtype=np.uint8)
    pixels[1] = pixels[0]
    labels = RNG.integers(3, size=50).astype(np.int32)
    labels[:2] = 0, 1
    return subject.ImageSet(pixels, labels)


@pytest.fixture(scope="module")
def view(examples):
    return subject.View.of(examples, 255.0, (0.3, 0.2, 0.5))


def brute_force(examples, probes, pairs, std):
    """The definition, over the whole matrix of distances."""
    scaled = [e.pixels / (255 * np.tile(std, e.pixels.shape[1] // len(std))) for e in (examples, probes)]
    mixed = pairs.lam[:, None] * scaled[0][pairs.first] + (1 - pairs.lam[:, None]) * scaled[0][pairs.second]
    distance = np.sqrt(np.sum(np.square(scaled[1][:, None] - mixed[None]), axis=2))
    own = (probes.labels[:, None] == examples.labels[pairs.first][None]) | (
        probes.labels[:, None] == examples.labels[pairs.second][None]
    )
    return np.min(np.where(own, np.inf, distance), axis=1)


@pytest.mark.parametrize("block", [7, 16, 64])
@pytest.mark.parametrize("kind", ["mixed", "unmixed"])
def test_blocks_give_the_minimum_of_all_distances(examples, view, block, kind):
    pairs = subject.draw_pairs(np.random.default_rng(1), 50, 2.0) if kind == "mixed" else subject.themselves(50)
    probes = subject.ImageSet(RNG.integers(256, size=(20, 12), dtype=np.uint8), np.arange(20, dtype=np.int32) % 3)
    for some in (examples, probes):
        expected = brute_force(examples, some, pairs, (0.3, 0.2, 0.5))
        resident = [subject.to_device(part, block) for part in (examples, some)]
        found = subject.nearest(*resident, pairs, view, block=block)[: len(some.labels)]
        # A square of 0 is off by some 1e-6 of the squares that it is the difference of.
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=5e-3)
        np.testing.assert_allclose(
            subject.nearest_directly(examples, some, pairs, view, block=block), expected, rtol=1e-6
        )
    if kind == "unmixed":
        assert brute_force(examples, examples, pairs, (0.3, 0.2, 0.5))[0] == 0, "the doubled image is no collision here"


def test_an_example_that_shares_a_label_with_every_mixed_point_has_none(examples, view):
    pairs = subject.Pairs(np.array([0, 0]), np.array([1, 1]), np.array([0.5, 0.2], np.float32))  # classes 0 and 1
    resident = subject.to_device(examples, 16)
    found = subject.nearest(resident, resident, pairs, view, block=16)[:50]
    np.testing.assert_array_equal(np.isinf(found), examples.labels != 2)


def test_digits_survive_at_the_size_of_photographs():
    """3,072 pixels far from 0 and close to one another: what ||a||^2 + ||b||^2 - 2 a b is bad at."""
    pixels = (200 + RNG.integers(8, size=(64, 3072))).astype(np.uint8)
    examples = subject.ImageSet(pixels, np.arange(64, dtype=np.int32) % 4)
    view = subject.View.of(examples, 255.0, subject.PUBLISHED_STD["cifar10"])
    pairs = subject.draw_pairs(np.random.default_rng(3), 64, 1024.0)
    resident = subject.to_device(examples, 32)
    found = subject.nearest(resident, resident, pairs, view, block=32)
    exact = subject.nearest_directly(examples, examples, pairs, view, block=32)
    np.testing.assert_allclose(found, exact, rtol=1e-4)


def test_every_training_example_is_mixed_once_with_a_uniform_partner():
    pairs = subject.draw_pairs(np.random.default_rng(0), 30_000, 8.0)
    np.testing.assert_array_equal(pairs.first, np.arange(30_000))
    assert abs(np.mean(pairs.second) / 15_000 - 1) < 0.02
    np.testing.assert_allclose([np.mean(pairs.lam), np.var(pairs.lam)], [0.5, 1 / 68], rtol=0.05)


def test_a_share_is_drawn_without_replacement():
    part = data.Split(np.arange(40, dtype=np.uint8).reshape(20, 2, 1, 1), np.arange(20, dtype=np.int32), np.arange(20))
    some = subject.subset(part, 0.5, np.random.default_rng(0))
    assert some.pixels.shape == (10, 2) and len(set(some.labels.tolist())) == 10
    np.testing.assert_array_equal(some.pixels[:, 0], 2 * some.labels)
    assert len(subject.subset(part, 1.0, np.random.default_rng(0)).labels) == 20


def test_rows_and_their_numbers(outcome):
    assert [row["name"] for row in outcome.rows] == ["train", "train, unmixed", "test", "test, unmixed"]
    for row in outcome.rows:
        average, smallest = row["metrics"]["average"], row["metrics"]["smallest"]
        assert 0 < smallest["mean"] < average["mean"] and average["n"] == 2
    assert [row["config"]["examples"] for row in outcome.rows] == [479, 479, 239, 239]  # 40 % of 1198 and of 599


def test_digits_have_no_published_numbers_and_agree_with_float64(outcome):
    (check,) = outcome.checks
    assert check.source == "differences in float64" and check.holds


def test_published_numbers_are_for_the_published_setting():
    found = {"train": [np.array([18.0, 60.0])], "test": [np.array([49.0, 49.0])]}
    config = theory.recipe("collisions", data_name="cifar10", share=0.2)
    published = [c for c in subject._checks(found, [0.0], config) if c.source.startswith("published")]
    assert [(c.quantity, c.expected, c.holds) for c in published] == [
        ("train: average distance", 49.033, False),
        ("train: smallest distance", 17.716, True),
        ("test: average distance", 49.041, True),
        ("test: smallest distance", 22.133, False),
    ]
    other = theory.recipe("collisions", data_name="cifar10", share=0.5)
    assert len(subject._checks(found, [0.0], other)) == 1


def test_all_of_it_is_plain_data(outcome):
    (figure,) = json.loads(json.dumps(outcome.figures, allow_nan=False))
    assert [series["name"] for series in figure["series"]] == [row["name"] for row in outcome.rows]
    assert all(np.all(np.diff(series["x"]) >= 0) for series in figure["series"])
    json.dumps(outcome.rows, allow_nan=False)


def test_a_share_that_leaves_no_other_classes_is_an_error():
    with pytest.raises(theory.ConfigError, match="take more"):
        subject.run(theory.recipe("collisions", seeds=1, share=0.001, block=128))


def test_an_impossible_share_is_refused():
    with pytest.raises(theory.ConfigError, match="share"):
        theory.validate(theory.recipe("collisions", share=0.0))

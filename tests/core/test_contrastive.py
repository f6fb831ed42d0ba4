"""InfoNCE, the triplet and the scores of pairs, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.core import contrastive

#: Two pairs: their cosines are .8 and .4, of the wrong matches .2 and .6.
TWO = np.array([[0.8, 0.2], [0.6, 0.4]], np.float32)


def test_cosines_by_hand():
    found = contrastive.cosines(jnp.array([[3.0, 4.0], [0.0, 0.0]]), jnp.array([[1.0, 0.0], [0.0, -2.0], [3.0, 4.0]]))
    np.testing.assert_allclose(found, [[0.6, -0.8, 1.0], [0, 0, 0]], atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_info_nce_of_two_pairs_by_hand(smoothing):
    """Row 1 has log odds .6, row 2 -.2: losses log(1 + e^-.6) and log(1 + e^.2), and s/2 of the log odds more."""
    found = contrastive.info_nce(TWO, smoothing)
    plain = np.log1p(np.exp([-0.6, 0.2]))
    np.testing.assert_allclose(found, plain + smoothing / 2 * np.array([0.6, -0.2]), rtol=1e-5)


def test_both_ways_is_the_mean_of_rows_and_columns():
    """Columns: log odds .2 and .2."""
    found = contrastive.both_ways(contrastive.info_nce, TWO)
    np.testing.assert_allclose(found, (np.log1p(np.exp([-0.6, 0.2])) + np.log1p(np.exp(-0.2))) / 2, rtol=1e-5)


def test_the_smoothed_loss_is_least_at_the_smoothed_target():
    """(1 - s) + s / B of the pair: with B = 2, s = .2 log odds of ln 9, where the gradient is 0."""
    gradient = jax.grad(lambda gap: contrastive.info_nce(gap * jnp.eye(2), 0.2).sum())(jnp.log(9.0))
    np.testing.assert_allclose(gradient, 0.0, atol=1e-6)


@pytest.mark.parametrize("margin, expected", [(0.2, [0.0, 0.4]), (1.0, [0.4, 1.2])])
def test_triplet_by_hand(margin, expected):
    np.testing.assert_allclose(contrastive.hardest_triplet(TWO, margin), expected, atol=1e-6)


def test_triplet_sees_only_the_hardest():
    three = jnp.array([[0.5, 0.4, 0.1], [0.9, 0.9, 0.9], [-1.0, -1.0, 0.0]])
    np.testing.assert_allclose(contrastive.hardest_triplet(three, 0.2), [0.1, 0.2, 0.0], atol=1e-6)


def test_scores_by_hand():
    found = contrastive.pair_scores(TWO, 0.5)
    np.testing.assert_allclose(found["cosine"], [0.8, 0.4])
    rows, columns = np.log(np.exp(2 * TWO).sum(axis=1)), np.log(np.exp(2 * TWO).sum(axis=0))
    np.testing.assert_allclose(found["energy"], (rows + columns) / 2, rtol=1e-5)
    np.testing.assert_allclose(found["softmax"], [1.6, 0.8] - (rows + columns) / 2, rtol=1e-4)


@pytest.mark.parametrize("share, kept", [(1.0, [1, 1, 1, 1]), (0.5, [0, 1, 1, 0]), (0.7, [1, 1, 1, 0]), (0.0, [0] * 4)])
def test_the_surest_share_is_kept(share, kept):
    np.testing.assert_array_equal(contrastive.surest(jnp.array([0.2, 0.9, 0.5, -1.0]), share), kept)


def test_of_equal_scores_the_earlier_are_kept():
    np.testing.assert_array_equal(contrastive.surest(jnp.zeros(4), 0.5), [1, 1, 0, 0])


def test_relative_entropy_is_one_where_all_matches_are_alike():
    found = contrastive.relative_entropy(jnp.array([[0.0, 0.0], [50.0, 0.0]]))
    np.testing.assert_allclose(found, [1.0, 0.0], atol=1e-6)
    p = 0.9
    found = contrastive.relative_entropy(jnp.log(jnp.array([[p, 1 - p], [0.5, 0.5]])))[0]
    np.testing.assert_allclose(found, -(p * np.log(p) + (1 - p) * np.log(1 - p)) / np.log(2), rtol=1e-5)


def test_complementary_loss_by_hand():
    """Of three matches with probabilities .7, .2, .1, the first is the pair: (-ln .8 - ln .9) / 2."""
    logits = jnp.log(jnp.array([[0.7, 0.2, 0.1]] * 3))
    found = contrastive.complementary_loss(logits)
    np.testing.assert_allclose(found[0], -(np.log(0.8) + np.log(0.9)) / 2, rtol=1e-5)
    np.testing.assert_allclose(found[2], -(np.log(0.3) + np.log(0.8)) / 2, rtol=1e-5)
    assert np.all(np.isfinite(contrastive.complementary_loss(jnp.array([[0.0, 1e3], [0.0, 0.0]]))))


@pytest.mark.parametrize("function", [contrastive.info_nce, contrastive.hardest_triplet, contrastive.relative_entropy])
def test_what_is_not_square_is_an_error(function):
    with pytest.raises(ValueError, match=r"\(2, 3\), must be \(B, B\)"):
        function(jnp.zeros((2, 3)))

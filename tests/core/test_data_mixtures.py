"""The data mixing law and the bandit of online data mixing, by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from lamv.core.data_mixtures import MixingLaw, exploration, fit_mixing_law, online_rewards, online_shares


def test_the_law_by_hand():
    law = MixingLaw(1.0, 2.0, np.array([-1.0, 0.0]))
    shares = [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    np.testing.assert_allclose(law(shares), [3.0, 1 + 2 * np.exp(-0.5), 1 + 2 * np.exp(-1)])


def test_a_constant_added_to_the_exponents_is_a_factor():
    shares = np.random.default_rng(0).dirichlet(np.ones(3), size=5)
    t = np.array([-2.0, 0.5, 1.0])
    np.testing.assert_allclose(MixingLaw(1, 2, t)(shares), MixingLaw(1, 2 * np.exp(-3.0), t + 3)(shares))


@pytest.mark.parametrize("number", [2, 4])
def test_exact_losses_give_the_law_back(number):
    rng = np.random.default_rng(number)
    true = MixingLaw(1.3, 0.8, np.append(rng.uniform(-3, 1, number - 1), 0.0))
    shares, others = rng.dirichlet(np.ones(number), size=(2, 15))
    found = fit_mixing_law(shares, true(shares), starts=4)
    np.testing.assert_allclose(found(others), true(others), rtol=1e-5)
    np.testing.assert_allclose(found.exponents, true.exponents, rtol=1e-3)
    assert found.floor == pytest.approx(1.3, abs=1e-3)


@pytest.mark.parametrize(
    "shares, losses, words",
    [(np.eye(2), [1.0, 2.0], "N > D"), (np.ones((3, 2)), np.ones(3), "sum to 1"), (np.ones(3), np.ones(3), "shapes")],
)
def test_what_cannot_be_fitted_is_an_error(shares, losses, words):
    with pytest.raises(ValueError, match=words):
        fit_mixing_law(shares, losses)


def test_exploration_by_hand():
    """ln 4 / 4 = .3466: above 1 / 16 up to step 5, so all domains are equal until then."""
    np.testing.assert_allclose(exploration(0, 4), 0.25)
    np.testing.assert_allclose(exploration(5, 4), 0.25)
    np.testing.assert_allclose(exploration(100, 4), np.sqrt(np.log(4) / 400), rtol=1e-6)


def test_online_shares_by_hand():
    """Two domains at step 8: eps_8 = sqrt(ln 2 / 16), eps_7 = sqrt(ln 2 / 14), rewards 0 and 10."""
    now, before = np.sqrt(np.log(2) / 16), np.sqrt(np.log(2) / 14)
    second = (1 - 2 * now) / (1 + np.exp(-10 * before)) + now
    np.testing.assert_allclose(online_shares(np.array([0.0, 10.0], np.float32), 8), [1 - second, second], rtol=1e-5)
    np.testing.assert_allclose(online_shares(np.array([0.0, 10.0], np.float32), 1), [0.5, 0.5])


def test_rewards_by_hand():
    """.9 x 3 + .1 x 2 / .25 = 3.5 for the domain of the batch; the other is left alone."""
    found = online_rewards(jnp.array([1.0, 3.0]), 1, 2.0, jnp.array([0.75, 0.25]))
    np.testing.assert_allclose(found, [1.0, 3.5], rtol=1e-6)

"""Noisy pairs: which pairs are wrong, the loss with two terms, and a short run of all methods."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from lamv import theory
from lamv.core import contrastive
from lamv.errors import ConfigError
from lamv.theory import noisy_pairs as subject

SMALL = {
    "seeds": 2, "noises": (0.0, 0.5), "smoothings": (0.2,), "points": 200, "test": 200, "width": 32, "batch_size": 50, "steps": 100,
    "warm_up": 20, "learning_rate": 5e-3,
}  # fmt: skip


@pytest.fixture(scope="module")
def outcome():
    config = theory.recipe("noisy_pairs", **SMALL)
    theory.validate(config)
    return subject.run(config)


def metrics(outcome, name):
    return next(r for r in outcome.rows if r["name"] == name)["metrics"]


def test_a_share_of_the_pairs_is_wrong_and_nobody_gets_the_own():
    views = subject.pairs(0, 1797, 1200, 597, 0.4)
    assert views.wrong.sum() == 480 and len(views.test) == 597
    np.testing.assert_array_equal(views.partner != views.train, views.wrong)
    np.testing.assert_array_equal(np.sort(views.partner), np.sort(views.train))
    assert not set(views.train) & set(views.test)
    clean = subject.pairs(0, 1797, 1200, 597, 0.0)
    np.testing.assert_array_equal(clean.partner, clean.train)


def test_batches_have_no_pair_twice():
    batches = subject._batches(0, theory.recipe("noisy_pairs", **SMALL))
    assert batches.shape == (100, 50) and all(len(set(batch)) == 50 for batch in batches)


def test_two_terms_by_hand():
    """Pair 1 kept, pair 2 dropped; all matches alike: weights are 1 and each term is ln 2."""
    np.testing.assert_allclose(
        subject.with_two_terms(jnp.zeros((2, 2)), jnp.array([1.0, 0.0])), 2 * np.log(2), rtol=1e-5
    )
    logits = jnp.array([[1.0, 0.0], [0.0, 0.0]])
    rows = contrastive.relative_entropy(logits.T)[0] * contrastive.info_nce(logits)[0]
    expected = rows - np.log(1 - 0.5)  # symmetric: both ways are alike
    np.testing.assert_allclose(subject.with_two_terms(logits, jnp.array([1.0, 0.0])), expected, rtol=1e-5)


def test_auroc_is_that_of_right_above_wrong():
    assert subject._auroc(np.array([0.9, 0.5, 0.4, 0.1]), np.array([False, True, False, True])) == 0.75
    assert np.isnan(subject._auroc(np.array([0.9, 0.5]), np.array([False, False])))


def test_without_noise_a_filter_drops_nothing(outcome):
    """Keeping all pairs is InfoNCE, number by number."""
    plain = metrics(outcome, "InfoNCE, noise 0")
    for score in subject.SCORES:
        assert metrics(outcome, f"filter by {score}, noise 0") == plain
    assert plain["test/recall"]["mean"] > 5 / 200, "five times chance"


def test_noise_hurts_and_the_cosine_finds_it(outcome):
    plain, noisy = (metrics(outcome, f"InfoNCE, noise {noise}") for noise in ("0", "0.5"))
    assert noisy["test/same class"]["mean"] < plain["test/same class"]["mean"] - 0.05
    assert noisy["cosine/AUROC after the warm-up"]["mean"] > 0.6
    assert "cosine/AUROC at the end" not in plain


@pytest.mark.parametrize(
    "change, words",
    [
        ({"steps": 110}, "steps is 110, must be 5 times"),
        ({"points": 40}, "points is 40"),
        ({"noises": (0.5, 0.2)}, "must ascend"),
        ({"noises": (0.0, 0.005)}, "two wrong pairs"),
    ],
)
def test_what_does_not_fit_is_one_line(change, words):
    with pytest.raises(ConfigError, match=words):
        subject.run(theory.recipe("noisy_pairs", **SMALL | change))


def test_all_of_it_is_plain_data(outcome):
    json.dumps([outcome.rows, [c._asdict() for c in outcome.checks], outcome.figures], allow_nan=False)
    assert len(outcome.rows) == 2 * 8 and len(outcome.checks) == 1 + 6 + 1

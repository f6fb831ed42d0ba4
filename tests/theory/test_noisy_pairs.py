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


@pytest.mark.parametrize("score", subject.SCORES)
def test_the_surest_pairs_of_a_batch_are_learned_from_once_the_warm_up_is_over(score):
    """By hand from the cosines, of views A and of the views B that they were handed; half of the pairs are kept."""
    config = theory.recipe("noisy_pairs", **SMALL | {"batch_size": 6, "points": 6, "seeds": 1})
    rng = np.random.default_rng(0)
    images, partner = jnp.asarray(rng.normal(size=(6, 2, 32)), jnp.float32), np.array([1, 0, 2, 3, 4, 5])
    params = {view: subject.two_layers(seed, 32, 8, 32) for seed, view in enumerate("ab")}
    method = subject.Matching("filter", smoothing=0.2, score=score)
    loss, _ = subject.functions(config, images, jnp.zeros(6, int), method)
    knobs = subject._setting(method, 0.5) | {"train": np.arange(6), "partner": partner, "seed": 0}
    early, late = (float(loss(params, knobs, None, t)) for t in (config.warm_up - 1, config.warm_up))

    def by_hand(t, kept):
        batch = subject._batches(0, config)[t]
        first, second = (subject.features(params[view], images[i, place]) for view, i, place in
                         (("a", batch, 0), ("b", partner[batch], 1)))  # fmt: skip
        cosines = contrastive.cosines(first, second)
        losses = contrastive.both_ways(contrastive.info_nce, cosines / config.temperature, 0.2)
        order = np.argsort(-contrastive.pair_scores(cosines, config.temperature)[score])
        return np.mean(np.asarray(losses)[order[:kept]])

    np.testing.assert_allclose([early, late], [by_hand(19, 6), by_hand(20, 3)], rtol=1e-4)
    assert abs(by_hand(20, 3) - by_hand(20, 6)) > 1e-3


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
        ({"noises": (0.5, 0.5)}, "must ascend"),
        ({"noises": (0.0, 0.005)}, "two pairs at least"),
        ({"noises": (0.0, 0.001)}, "two pairs at least"),
    ],
)
def test_what_does_not_fit_is_one_line(change, words):
    with pytest.raises(ConfigError, match=words):
        subject.run(theory.recipe("noisy_pairs", **SMALL | change))


def test_all_of_it_is_plain_data(outcome):
    json.dumps([outcome.rows, [c._asdict() for c in outcome.checks], outcome.figures], allow_nan=False)
    assert len(outcome.rows) == 2 * 8 and len(outcome.checks) == 1 + 6 + 1

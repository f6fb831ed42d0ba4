"""Data mixtures: the chains and their exact losses, averages of parameters, and a short run of all parts."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv import theory
from lamv.errors import ConfigError
from lamv.theory import mixtures as subject
from lamv.theory.mixtures import chains, law, merging, online

#: Sizes at which programs are shared: 9 models a seed in the law, and as many unions and parts.
SMALL = {
    "seeds": 2, "concentrations": (0.1, 0.3, 1.0), "natural": (0.7, 0.2, 0.1), "tokens": 8, "length": 12,
    "batch_size": 8, "mixtures": 9, "fitted": 6, "steps": 30, "start_steps": 30, "part_steps": 30, "online_steps": 40,
    "learning_rate": 0.02,
}  # fmt: skip
TWO = chains.Chains(
    np.array([[[0.5, 0.5], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]], np.float32),
    np.array([[2 / 3, 1 / 3], [0.5, 0.5]], np.float32),
)


@pytest.fixture(scope="module")
def outcome():
    config = theory.recipe("mixtures", **SMALL)
    theory.validate(config)
    return subject.run(config)


def checks(outcome, words):
    return [c for c in outcome.checks if words in c.quantity]


def row(outcome, name):
    return next(r for r in outcome.rows if r["name"] == name)["metrics"]


def test_stationary_distribution_and_entropy_rate_by_hand():
    np.testing.assert_allclose(chains.stationary(TWO.transitions[0]), [2 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(chains.entropy_rates(TWO), [2 / 3 * np.log(2), 0], atol=1e-7)


def test_domains_share_a_part_and_the_first_is_the_most_predictable():
    world = chains.draw_chains(3, (0.05, 0.5, 5.0), 0.35, 16)
    np.testing.assert_allclose(world.transitions.sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        np.einsum("da,dab->db", world.stationary, world.transitions), world.stationary, atol=1e-6
    )
    assert np.all(np.diff(chains.entropy_rates(world)) > 0)
    same = chains.draw_chains(3, (0.05, 0.5), 1.0, 16)
    np.testing.assert_array_equal(same.transitions[0], same.transitions[1])


def test_texts_by_inversion():
    """Domain 1 alternates. In domain 0, token 0 is followed by 0 below .5, else by 1, and 1 by 0."""
    uniform = jnp.array([[0.1, 0.9, 0.6], [0.4, 0.3, 0.2], [0.7, 0.3, 0.9], [0.9, 0.9, 0.1]])
    texts = jax.jit(chains.draw_texts)(uniform, TWO, jnp.array([0, 1, 1]))
    np.testing.assert_array_equal(texts, [[0, 0, 1, 0], [1, 0, 1, 0], [1, 0, 1, 0]])


def test_logits_are_those_of_the_network():
    params = chains.initial(0, 8)
    first, second = np.array([3, 5]), np.array([7, 0])
    read = np.concatenate([params["embedding"][first], params["embedding"][second]], axis=1)
    expected = np.maximum(read @ params["hidden"] + params["shift"], 0) @ params["out"] + params["bias"]
    np.testing.assert_allclose(chains.logits(params, first, second), expected, rtol=1e-4, atol=1e-5)


def test_exact_losses_are_the_expectation_of_those_of_texts():
    params = chains.initial(1, 2)
    exact = np.asarray(chains.exact_losses(params, TWO))
    log_p = np.asarray(jax.nn.log_softmax(chains.logits(params, np.array([0, 1]), np.array([1, 0]))))
    np.testing.assert_allclose(exact[1], -(log_p[0, 0] + log_p[1, 1]) / 2, rtol=1e-5)
    texts = jax.jit(chains.draw_texts)(jax.random.uniform(jax.random.key(0), (40, 2000)), TWO, jnp.zeros(2000, int))
    np.testing.assert_allclose(chains.text_loss(params, texts), exact[0], rtol=0.02)


def test_r2_by_hand():
    assert law.explained(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(0.5)


def test_the_chosen_mixture_is_the_least_predicted():
    laws = [law.MixingLaw(0.0, 1.0, np.array([-2.0, 0.0])), law.MixingLaw(0.0, 1.0, np.array([0.0, -2.0]))]
    np.testing.assert_allclose(law.best_mixture(laws, 0), [0.5, 0.5], atol=0.02)


def test_the_held_out_mixtures_are_not_fitted():
    config = theory.recipe("mixtures", **SMALL)
    rng = np.random.default_rng(0)
    shares, losses = rng.dirichlet(np.ones(3), size=9), rng.uniform(1, 2, (9, 3))
    one = law.fit_of(config, shares, losses)
    other = law.fit_of(config, shares, losses + 5.0 * (np.arange(9) >= 6)[:, None])
    np.testing.assert_array_equal(one.measured, losses[6:])
    np.testing.assert_array_equal(one.predicted, other.predicted)
    np.testing.assert_array_equal(one.linear, other.linear)
    assert one.predicted.shape == one.linear.shape == (3, 3)


def test_models_of_different_stages_see_different_texts():
    config = theory.recipe("mixtures", **SMALL)
    worlds = [chains.draw_chains(seed, config.concentrations, config.shared, config.tokens) for seed in (0, 1)]
    starts = chains.stacked([chains.stacked([chains.initial(seed, 8)] * 9) for seed in (0, 1)])
    shares = np.full((2, 9, 3), 1 / 3)
    first, second = (chains.train(config, worlds, starts, shares, 30, stage=stage)["out"] for stage in (0, 1))
    assert not np.array_equal(first, second) and not np.array_equal(first[:, 0], first[:, 1])


def test_published_losses_follow_the_law(outcome):
    own = row(outcome, "published, 70M, GitHub")
    found = [own[f"fit/{key}"]["mean"] for key in ("c", "exponent", "R2")]
    np.testing.assert_allclose(found, [1.110, -1.643, 0.99835], atol=2e-3)
    assert all(c.holds for c in checks(outcome, "published"))


def test_unions_are_all_sets_but_the_whole():
    assert len(merging.unions(5)) == 25
    np.testing.assert_array_equal(merging.unions(3), [[1, 1, 0], [1, 0, 1], [0, 1, 1]])


def test_joint_models_and_averages_are_of_the_same_unions(monkeypatch):
    """Models whose parameters are the shares that they were last trained on, and the seed that they started from."""
    config, worlds = theory.recipe("mixtures", **SMALL), [TWO, TWO]
    monkeypatch.setattr(chains, "initial", lambda seed, tokens: {"start": np.float64(seed)})
    monkeypatch.setattr(
        chains, "train", lambda config, worlds, params, shares, steps, stage=0: params | {"shares": shares}
    )
    monkeypatch.setattr(
        chains, "losses", lambda model, worlds: np.concatenate([model["shares"], model["start"][..., None]], axis=-1)
    )
    subsets = merging.unions(3)
    found = merging.measured(config, worlds, subsets)
    for losses in found.values():
        np.testing.assert_allclose(losses[..., :3], np.tile(subsets / 2, (2, 1, 1)))
    seeds = np.array([[0.0] * 3, [1.0] * 3])
    np.testing.assert_array_equal(found["joint"][..., 3], seeds)
    np.testing.assert_array_equal(found["one start"][..., 3], seeds)
    parts = merging.APART * np.array([1, 2, 3]) + seeds
    np.testing.assert_allclose(found["different starts"][..., 3], parts @ subsets.T / 2)


def test_averages_are_means_of_the_parts():
    parts = {"w": np.arange(6.0).reshape(1, 3, 2)}
    found = merging.averages(parts, merging.unions(3))["w"]
    np.testing.assert_allclose(found, [[[1, 2], [2, 3], [3, 4]]])


def test_slopes_by_hand():
    """Over three unions, the average moves by a half of what joint training does in domain 1, and not in domain 2."""
    joint = np.array([[[1.0, 1.0], [2.0, 4.0], [3.0, 1.0]]])
    merged = np.array([[[5.0, 7.0], [5.5, 7.0], [6.0, 7.0]]])
    np.testing.assert_allclose(merging._slopes(merged, joint), [[0.5, 0.0]], atol=1e-12)


def test_averages_of_different_starts_are_worse(outcome):
    same, other = (row(outcome, f"averages, {name}") for name in ("one start", "different starts"))
    assert other["averaged - joint/loss"]["mean"] > same["averaged - joint/loss"]["mean"] + 0.02


def test_extremes_are_a_cycle_and_noise():
    world = online.extremes(chains.draw_chains(0, (0.1, 0.2, 0.3), 0.35, 8))
    np.testing.assert_allclose(world.transitions[0, 7, 0], online.SURE + (1 - online.SURE) / 8, rtol=1e-6)
    assert chains.entropy_rates(world)[0] < 0.2
    np.testing.assert_allclose(chains.entropy_rates(world)[-1], np.log(8), rtol=1e-6)
    np.testing.assert_allclose(
        np.einsum("da,dab->db", world.stationary, world.transitions), world.stationary, atol=1e-6
    )


def test_what_is_drawn_more_often_is_learned_better():
    """The first domain, nearly a cycle, by 98 % and by 1 % of the texts."""
    own = [online.extremes(chains.draw_chains(seed, SMALL["concentrations"], 0.35, 8)) for seed in (0, 1)]
    often, rarely = (
        online.train(theory.recipe("mixtures", **SMALL | {"natural": natural}), own)[0]["natural"][:, 0]
        for natural in ((0.98, 0.01, 0.01), (0.01, 0.01, 0.98))
    )
    assert np.all(often < rarely - 0.2), (often, rarely)


def test_online_mixing_draws_noise_more_often(outcome):
    natural, uniform, own = (row(outcome, f"online, extremes, {name}") for name in online.STRATEGIES)
    np.testing.assert_allclose(natural["share/last"]["mean"], 0.1, rtol=1e-5)
    np.testing.assert_allclose(uniform["share/last"]["mean"], 1 / 3, rtol=1e-5)
    assert own["share/last"]["mean"] > 1 / 3 > own["share/first"]["mean"]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"natural": (0.5, 0.3, 0.1, 0.1)}, "natural has 4"),
        ({"fitted": 3}, "fitted is 3"),
        ({"fitted": 8}, "fitted is 8"),
    ],
)
def test_what_does_not_fit_is_one_line(change, words):
    with pytest.raises(ConfigError, match=words):
        subject.run(theory.recipe("mixtures", **SMALL | change))


def test_all_of_it_is_plain_data(outcome):
    json.dumps([outcome.rows, [c._asdict() for c in outcome.checks], outcome.figures], allow_nan=False)
    assert len(outcome.rows) == 4 + 3 + 1 + 2 + 6 and len(outcome.figures) == 4

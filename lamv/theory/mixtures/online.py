"""Online data mixing: a bandit chooses the domain of each batch, and the loss of the batch is its reward."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from lamv.core.data_mixtures import online_rewards, online_shares
from lamv.theory.mixtures import chains
from lamv.theory.outcome import Outcome, check, lines, row, series
from lamv.theory.replicas import keys_of, seeds_of, stacked

PAPER = "Online Data Mixing (Albalak et al. 2023), in direction"
SURE = 0.98  # probability of the likely next token in the nearly deterministic domain
STRATEGIES = ("natural", "uniform", "online")


def extremes(world: chains.Chains) -> chains.Chains:
    """The same domains but for two: the first is made nearly deterministic, a cycle, and the last pure noise."""
    tokens = world.transitions.shape[-1]
    noise = np.full((tokens, tokens), 1 / tokens, np.float32)
    cycle = (SURE * np.roll(np.eye(tokens), 1, axis=1) + (1 - SURE) * noise).astype(np.float32)
    transitions = np.stack([cycle, *world.transitions[1:-1], noise])
    return chains.Chains(transitions, np.stack([noise[0], *world.stationary[1:-1], noise[0]]))


def run(config, worlds, outcome: Outcome) -> None:
    """Natural proportions, equal shares and online mixing, on the domains and on those with two extremes."""
    for name, own in (("domains", worlds), ("extremes", [extremes(world) for world in worlds])):
        excess, probabilities = train(config, own)
        metrics = {strategy: _metrics(excess[strategy], probabilities[strategy]) for strategy in STRATEGIES}
        for strategy, values in metrics.items():
            setting = {"task": "online", "domains": name, "steps": config.online_steps}
            outcome.rows.append(row(f"online, {name}, {strategy}", values, setting))
        outcome.checks.extend((_checks_extremes if name == "extremes" else _checks)(metrics))
        outcome.figures.append(_figure(name, probabilities["online"], config))


def _metrics(excess, probabilities):
    """excess: (seeds, D). probabilities: (seeds, T, D)."""
    return {
        "excess/mean": excess.mean(axis=1),
        "excess/but the last": excess[:, :-1].mean(axis=1),
        "share/first": probabilities.mean(axis=1)[:, 0],
        "share/last": probabilities.mean(axis=1)[:, -1],
    }


def train(config, worlds) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """By strategy: (seeds, D) loss above the entropy rate, and (seeds, T, D) probability of each domain by step."""
    num_domains, times = len(config.concentrations), len(STRATEGIES)
    natural = np.array(config.natural, np.float32) / np.sum(config.natural)
    fixed = np.stack([natural, np.full(num_domains, 1 / num_domains), np.full(num_domains, 1 / num_domains)])
    knobs = {
        "shares": np.repeat(fixed, config.seeds, axis=0).astype(np.float32),
        "online": np.repeat([False, False, True], config.seeds),
        "chains": stacked([*worlds] * times),
    }
    starts = stacked([chains.initial(seed, config.tokens) for seed in seeds_of(config)] * times)
    options = {"steps": config.online_steps, "batch_size": config.batch_size, "length": config.length}
    losses, probabilities = _fit(
        starts, knobs, keys_of(config, times), learning_rate=config.learning_rate, decay=config.decay, **options
    )
    floors = np.array([chains.entropy_rates(world) for world in worlds])
    split = np.asarray(losses, np.float64).reshape(times, config.seeds, -1) - floors
    shares = np.asarray(probabilities).reshape(times, config.seeds, config.online_steps, -1)
    return dict(zip(STRATEGIES, split, strict=True)), dict(zip(STRATEGIES, shares, strict=True))


@partial(jax.jit, static_argnames=("steps", "batch_size", "length", "learning_rate", "decay"))
def _fit(params, knobs, keys, *, steps, batch_size, length, learning_rate, decay):
    """(R, D) losses at the end, and (R, T, D) probabilities of the domains; all R trainings in one program."""
    optimiser = chains.adam(learning_rate)

    def one(params, knobs, key):
        def step(carry, t):
            params, state, rewards = carry
            shares = jnp.where(knobs["online"], online_shares(rewards, t), knobs["shares"])
            uniform = jax.random.uniform(jax.random.fold_in(key, t), (1 + length, batch_size))
            domain = chains.inverse(shares, uniform[0, 0])
            texts = chains.draw_texts(uniform[1:], knobs["chains"], jnp.full(batch_size, domain))
            loss, gradient = jax.value_and_grad(chains.text_loss)(params, texts)
            updates, state = optimiser.update(gradient, state, params)
            rewards = online_rewards(rewards, domain, loss, shares, decay)
            return (optax.apply_updates(params, updates), state, rewards), shares

        start = (params, optimiser.init(params), jnp.zeros_like(knobs["shares"]))
        (params, *_), shares = jax.lax.scan(step, start, 1 + jnp.arange(steps))
        return chains.exact_losses(params, knobs["chains"]), shares

    return jax.vmap(one)(params, knobs, keys)


def _checks(metrics):
    natural, uniform, online = (metrics[strategy]["excess/mean"] for strategy in STRATEGIES)
    return [
        check("online, domains: loss above entropy, natural proportions - online", natural - online, 0.0, PAPER,
              relation=">="),
        check("online, domains: loss above entropy, online - uniform: a tie", online - uniform, 0.0, "measured here",
              tolerance=0.01),
    ]  # fmt: skip


def _checks_extremes(metrics):
    uniform, online = metrics["uniform"], metrics["online"]
    learnable, wasted = "excess/but the last", online["share/last"] - uniform["share/last"]
    source = "measured here: a loss that cannot fall is a reward all the same"
    return [
        check("online, extremes: share of pure noise, online - uniform", wasted, 0.0, source, relation=">="),
        check("online, extremes: loss above entropy on the other domains, online - uniform",
              online[learnable] - uniform[learnable], 0.0, source, relation=">="),
    ]  # fmt: skip


def _figure(name: str, probabilities, config):
    every = max(1, config.online_steps // 100)
    steps = np.arange(1, config.online_steps + 1)[::every]
    last = {"domains": "", "extremes": ", pure noise"}[name]
    first = {"domains": "", "extremes": ", nearly deterministic"}[name]
    labels = [f"domain {d + 1}" for d in range(probabilities.shape[2])]
    labels[0], labels[-1] = labels[0] + first, labels[-1] + last
    return lines(
        f"online_{name}", f"Online data mixing: probability of each domain, {name}",
        f"Probability with which the domain of the next batch is drawn, mean and sd over {config.seeds} seeds. All start"
        " equal; domains whose loss is higher are drawn more often.",
        "step", "probability",
        series=[series(label, steps, probabilities[:, ::every, d]) for d, label in enumerate(labels)],
    )  # fmt: skip

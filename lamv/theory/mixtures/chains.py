"""Texts from Markov chains, and a small language model of which every loss is known exactly.

A domain is a Markov chain over the tokens 0 ... V - 1. Its transition matrix is a part `shared` with all domains and a
part of its own, whose rows are drawn from Dirichlet(`concentration`): the smaller, the more predictable the next token.
The model reads two tokens: an embedding of each, a hidden layer with ReLU, logits over the next. As it sees one of V^2
contexts, its loss on a domain is a finite sum; what no model can go below is the entropy rate of the chain.
"""

from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.special import entr

from lamv.core.losses import cross_entropy
from lamv.theory.replicas import fit, keys_of, stacked, stream

EMBEDDING, HIDDEN = 16, 64

adam = cache(optax.adam)  # one optimiser, one program


class Chains(NamedTuple):
    """D domains over V tokens. transitions: (D, V, V), rows sum to 1. stationary: (D, V). All float32."""

    transitions: np.ndarray
    stationary: np.ndarray


def draw_chains(seed: int, concentrations, shared: float, tokens: int) -> Chains:
    """A chain for each of the concentrations, all above 0. shared: in [0, 1]."""
    rng = stream(seed, 3)
    common = rng.dirichlet(np.ones(tokens), size=tokens)
    own = np.stack([rng.dirichlet(np.full(tokens, c), size=tokens) for c in concentrations])
    transitions = shared * common + (1 - shared) * own
    return Chains(transitions.astype(np.float32), np.stack([stationary(p) for p in transitions]).astype(np.float32))


def stationary(transitions: np.ndarray) -> np.ndarray:
    """(V,) the distribution that a chain (V, V) with positive entries keeps: pi P = pi."""
    tokens = len(transitions)
    equations = np.concatenate([transitions.T - np.eye(tokens), np.ones((1, tokens))])
    return np.linalg.lstsq(equations, np.eye(tokens + 1)[-1], rcond=None)[0]


def entropy_rates(chains: Chains) -> np.ndarray:
    """(D,) nats a token: sum_b pi_b H(P_b), the least loss that any model can have on a domain."""
    return np.sum(chains.stationary * entr(chains.transitions.astype(np.float64)).sum(axis=-1), axis=-1)


def initial(seed: int, tokens: int) -> dict[str, np.ndarray]:
    """Parameters at the start: normal, of variance 1 / fan in (embeddings: 1); biases 0."""
    rng = stream(seed, 0)
    shapes = {"embedding": (tokens, EMBEDDING), "hidden": (2 * EMBEDDING, HIDDEN), "out": (HIDDEN, tokens)}
    sizes = {"embedding": 1.0, "hidden": (2 * EMBEDDING) ** -0.5, "out": HIDDEN**-0.5}
    params = {name: (sizes[name] * rng.normal(size=shape)).astype(np.float32) for name, shape in shapes.items()}
    return params | {"shift": np.zeros(HIDDEN, np.float32), "bias": np.zeros(tokens, np.float32)}


def logits(params, first, second):
    """Tokens (B,) twice, the one before the last and the last -> (B, V) logits of the next."""
    # Embedding and kernel are one table for each of the two places.
    tables = jnp.einsum("ve,peh->pvh", params["embedding"], params["hidden"].reshape(2, EMBEDDING, HIDDEN))
    hidden = jax.nn.relu(tables[0][first] + tables[1][second] + params["shift"][None])
    return hidden @ params["out"] + params["bias"][None]


def inverse(probabilities, uniform):
    """Index i where the distribution function of probabilities (..., N) passes uniform (...), in [0, 1)."""
    passed = jnp.sum(jnp.cumsum(probabilities, axis=-1) < jnp.asarray(uniform)[..., None], axis=-1)
    return jnp.minimum(passed, probabilities.shape[-1] - 1)  # rounding may leave the sum below 1


def draw_texts(uniform, chains: Chains, domains):
    """(T, B) numbers in [0, 1) and (B,) domains -> (B, T) tokens, from the stationary start on."""

    def step(token, u):
        token = inverse(chains.transitions[domains, token], u)
        return token, token

    first = inverse(chains.stationary[domains], uniform[0])
    rest = jax.lax.scan(step, first, uniform[1:])[1]
    return jnp.concatenate([first[None], rest]).T


def text_loss(params, texts):
    """Mean cross-entropy, nats a token, of each token of texts (B, T) given the two before it."""
    next_token = jax.nn.one_hot(texts[:, 2:].ravel(), len(params["bias"]))
    return jnp.mean(cross_entropy(logits(params, texts[:, :-2].ravel(), texts[:, 1:-1].ravel()), next_token))


@cache
def mixture_loss(batch_size: int, length: int):
    """The loss for lamv.theory.replicas.fit: of a batch of texts, the domain of each drawn by knobs["shares"] (D,)."""

    def loss(params, knobs, key, t):
        # One call for all that is random: each takes a second to compile.
        uniform = jax.random.uniform(key, (1 + length, batch_size))
        domains = inverse(jnp.broadcast_to(knobs["shares"], (batch_size, *knobs["shares"].shape)), uniform[0])
        return text_loss(params, draw_texts(uniform[1:], knobs["chains"], domains))

    return loss


def train(config, worlds, params, shares, steps: int, stage: int = 0):
    """Params (seeds, M, ...) of M models for each seed, trained further on shares (seeds, M, D), in one program.

    stage: models of different stages see different texts.
    """
    seeds, number = shares.shape[:2]
    knobs = {
        "shares": shares.reshape(seeds * number, -1).astype(np.float32),
        "chains": stacked([world for world in worlds for _ in range(number)]),
    }
    keys = jax.vmap(lambda key: jax.random.split(jax.random.fold_in(key, stage), number))(keys_of(config)).reshape(-1)
    flat = jax.tree.map(lambda values: values.reshape(-1, *values.shape[2:]), params)
    loss = mixture_loss(config.batch_size, config.length)
    trained, _ = fit(loss, flat, knobs, keys, steps=steps, optimiser=adam(config.learning_rate))
    return jax.tree.map(lambda values: np.asarray(values).reshape(seeds, number, *values.shape[1:]), trained)


@jax.jit
def losses(params, worlds):
    """(seeds, M, D) exact losses of params (seeds, M, ...) on the domains of worlds (seeds, ...)."""
    return jax.vmap(jax.vmap(exact_losses, in_axes=(0, None)))(params, worlds)


def exact_losses(params, chains: Chains):
    """(D,) expected cross-entropy in nats a token on every domain, by summing over all contexts."""
    tokens = len(params["bias"])
    first, second = jnp.divmod(jnp.arange(tokens**2), tokens)
    log_p = jax.nn.log_softmax(logits(params, first, second)).reshape(tokens, tokens, tokens)
    weights = chains.stationary[:, :, None] * chains.transitions
    return -jnp.einsum("dab,dbc,abc->d", weights, chains.transitions, log_p)

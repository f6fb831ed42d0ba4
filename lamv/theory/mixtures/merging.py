"""Averages of the parameters of models trained on single domains, as a stand-in for models trained on unions of them."""

from itertools import combinations

import jax
import numpy as np

from lamv.theory.mixtures import chains
from lamv.theory.outcome import Outcome, check, curve, lines, row
from lamv.theory.replicas import seeds_of, stacked

PAPER = "Scalable Data Ablation Approximations (EMNLP 2024), in direction; the margin is ours"
APART = 1_000_003  # between the seeds of the starts of a seed


def run(config, worlds, outcome: Outcome) -> None:
    """Joint training on every union of domains, and averages of parts from one start and from different starts."""
    subsets = unions(len(config.concentrations))
    losses = measured(config, worlds, subsets)
    for name in ("one start", "different starts"):
        outcome.rows.append(row(f"averages, {name}", _metrics(losses[name], losses["joint"]), {"task": "averages"}))
    outcome.checks.extend(_checks(losses))
    outcome.figures.append(_figure(losses, len(worlds)))


def unions(num_domains: int) -> np.ndarray:
    """(U, D) 0 / 1: all sets of two domains or more, but for that of all."""
    sets = [c for size in range(2, num_domains) for c in combinations(range(num_domains), size)]
    return np.array([[d in one for d in range(num_domains)] for one in sets], np.float32)


def measured(config, worlds, subsets) -> dict[str, np.ndarray]:
    """Losses (seeds, U, D) of "joint" models, and of averages of parts from "one start" and from "different starts"."""
    num_domains, alone = subsets.shape[1], np.eye(subsets.shape[1])
    # What is continued was trained on all domains alike: model 0 for unions and parts, and the others for the control,
    # in which each part has a start of its own.
    starts = [
        stacked([chains.initial(seed + APART * d, config.tokens) for d in range(num_domains + 1)])
        for seed in seeds_of(config)
    ]
    equal = np.full((config.seeds, num_domains + 1, num_domains), 1 / num_domains)
    started = chains.train(config, worlds, stacked(starts), equal, config.start_steps)
    origin = np.concatenate([np.zeros(len(subsets) + num_domains, int), 1 + np.arange(num_domains)])
    kinds = np.concatenate([subsets / subsets.sum(axis=1, keepdims=True), alone, alone])
    params = chains.train(
        config, worlds, jax.tree.map(lambda values: values[:, origin], started),
        np.tile(kinds, (config.seeds, 1, 1)), config.part_steps, stage=1,
    )  # fmt: skip
    ends = np.cumsum([0, len(subsets), num_domains, num_domains])
    joint, own, other = (jax.tree.map(lambda values, i=i: values[:, ends[i] : ends[i + 1]], params) for i in range(3))
    models = {"joint": joint, "one start": averages(own, subsets), "different starts": averages(other, subsets)}
    return {name: np.asarray(chains.losses(model, stacked(worlds)), np.float64) for name, model in models.items()}


def averages(parts, subsets):
    """Pytree of (seeds, D, ...) parameters and (U, D) sets -> (seeds, U, ...): mean of the parts of each set."""
    weights = subsets / subsets.sum(axis=1, keepdims=True)
    return jax.tree.map(lambda values: np.einsum("ud,sd...->su...", weights, values), parts)


def _correlations(merged, joint) -> np.ndarray:
    """(seeds, D) over the unions."""
    return np.array(
        [[np.corrcoef(m, j)[0, 1] for m, j in zip(a.T, b.T, strict=True)] for a, b in zip(merged, joint, strict=True)]
    )


def _slopes(merged, joint) -> np.ndarray:
    """(seeds, D) of the loss of the average over that of joint training, by least squares over the unions."""
    centred = joint - joint.mean(axis=1, keepdims=True)
    return np.sum(merged * centred, axis=1) / np.sum(np.square(centred), axis=1)


def _metrics(merged, joint):
    correlation = _correlations(merged, joint)
    of_mean = [np.corrcoef(m.mean(axis=1), j.mean(axis=1))[0, 1] for m, j in zip(merged, joint, strict=True)]
    return {
        "correlation/least domain": correlation.min(axis=1),
        "correlation/mean domain": correlation.mean(axis=1),
        "correlation/mean loss": of_mean,
        "slope/mean domain": _slopes(merged, joint).mean(axis=1),
        "averaged - joint/loss": (merged - joint).mean(axis=(1, 2)),
    }


def _checks(losses):
    same, other = (_metrics(losses[name], losses["joint"]) for name in ("one start", "different starts"))
    key, apart = "correlation/least domain", "averaged - joint/loss"
    control = "control: averages presume one start"
    return [
        check("averages, one start: least correlation of a domain with joint training", same[key], 0.95, PAPER,
              relation=">="),
        check("averages, one start: loss - that of joint training", same[apart], 0.0, PAPER, tolerance=0.03),
        check("averages, different starts: least correlation of a domain", other[key], 0.9, control, relation="<="),
        check("averages, different starts: loss - that of joint training", other[apart], 0.1, control, relation=">="),
    ]  # fmt: skip


def _figure(losses, seeds: int):
    joint = losses["joint"].ravel()
    ends = [joint.min(), joint.max()]
    names = ("one start", "different starts")
    return lines(
        "averages", "Averages of parameters and joint training",
        f"Loss on each domain, in nats a token, for all unions of domains and {seeds} seeds: of the average of the"
        " parameters of models of single domains, against that of a model trained on the union.",
        "loss of joint training", "loss of the average",
        series=[*(curve(f"parts from {n}", joint, losses[n].ravel(), "points") for n in names),
                curve("equal", ends, ends, "dashed")],
    )  # fmt: skip

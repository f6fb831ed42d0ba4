"""The data mixing law: losses as a function of the shares of the domains, published ones and those of the toy."""

from typing import NamedTuple

import numpy as np

from lamv.core.data_mixtures import MixingLaw, fit_mixing_law
from lamv.theory.mixtures import chains
from lamv.theory.outcome import Outcome, check, curve, lines, row
from lamv.theory.replicas import seeds_of, stacked, stream

PAPER = "Data Mixing Laws (Ye et al. 2025)"
GITHUB = np.array([0.25, 0.375, 0.5, 0.625, 0.75])  # its share of the data; the rest is Pile-CC
CANDIDATES = 20_000  # mixtures among which the law chooses


class PublishedLosses(NamedTuple):
    """Losses of a model on a domain at the shares GITHUB after 30,000 steps, and the exponent that the paper fitted."""

    model: str
    domain: str
    losses: tuple[float, ...]
    exponent: float


PUBLISHED = (
    PublishedLosses("70M", "GitHub", (1.4443, 1.3860, 1.3278, 1.2936, 1.2568), -1.64),
    PublishedLosses("70M", "Pile-CC", (3.4987, 3.5316, 3.5670, 3.6269, 3.7033), -2.52),
    PublishedLosses("160M", "GitHub", (1.2130, 1.1553, 1.1066, 1.0762, 1.0412), -1.61),
    PublishedLosses("160M", "Pile-CC", (3.1634, 3.1921, 3.2300, 3.2936, 3.3660), -2.72),
)  # fmt: skip


def explained(predicted, measured) -> float:
    """R2 of predictions of measurements, (N,) each: 1 less the squared error over that of their mean."""
    return 1 - np.sum(np.square(measured - predicted)) / np.sum(np.square(measured - np.mean(measured)))


def published(outcome: Outcome) -> None:
    """The law through the published losses of two domains."""
    for one in PUBLISHED:
        own = GITHUB if one.domain == "GitHub" else 1 - GITHUB
        shares, losses = np.stack([own, 1 - own], axis=1), np.array(one.losses)
        law = fit_mixing_law(shares, losses)
        left_out = [_left_out(shares, losses, i) for i in range(len(losses))]
        metrics = {
            "fit/c": law.floor, "fit/k": law.scale, "fit/exponent": law.exponents[0],
            "fit/R2": explained(law(shares), losses), "left_out/error": np.mean(np.abs(left_out - losses)),
        }  # fmt: skip
        name = f"published, {one.model}, {one.domain}"
        outcome.rows.append(row(name, metrics, {"task": "law", "domain": one.domain, "model": one.model}))
        outcome.checks.extend(
            [
                check(f"{name}: R2 of the law", metrics["fit/R2"], 0.995, PAPER, relation=">="),
                check(f"{name}: exponent of the own share", law.exponents[0], one.exponent, PAPER, tolerance=0.2),
            ]
        )


def _left_out(shares, losses, i: int) -> float:
    others = np.arange(len(losses)) != i
    return fit_mixing_law(shares[others], losses[others])(shares[i : i + 1])[0]


class LawFit(NamedTuple):
    """Of one seed, a law for each domain, and losses (H, D) held out: by the laws, by a linear fit, and measured."""

    laws: list[MixingLaw]
    predicted: np.ndarray
    linear: np.ndarray
    measured: np.ndarray


def toy(config, worlds, outcome: Outcome) -> None:
    """Mixtures drawn from Dirichlet(1), a model for each; the law is fitted on some and judged on the others."""
    seeds = seeds_of(config)
    shares = np.stack(
        [stream(seed, 4).dirichlet(np.ones(len(config.concentrations)), config.mixtures) for seed in seeds]
    )
    losses = trained(config, worlds, shares)
    fits = [fit_of(config, r, loss) for r, loss in zip(shares, losses, strict=True)]
    chosen = np.stack([best_mixture(one.laws, seed) for one, seed in zip(fits, seeds, strict=True)])
    uniform = np.full_like(chosen, 1 / chosen.shape[1])
    at = trained(config, worlds, np.stack([chosen, uniform], axis=1)).mean(axis=2)  # (seeds, 2)
    best = losses.mean(axis=2).min(axis=1)
    for d in range(shares.shape[2]):
        outcome.rows.append(_row(config, fits, worlds, d))
    regret = {"regret/chosen by the law": at[:, 0] - best, "regret/uniform": at[:, 1] - best}
    outcome.rows.append(row("law, mean over domains", regret, {"task": "law"}))
    outcome.checks.extend(_checks(fits, regret))
    outcome.figures.append(_figure(fits))


def trained(config, worlds, shares) -> np.ndarray:
    """(seeds, M, D) exact losses on each domain of models trained on shares (seeds, M, D), all from one start a seed."""
    starts = [stacked([chains.initial(seed, config.tokens)] * shares.shape[1]) for seed in seeds_of(config)]
    params = chains.train(config, worlds, stacked(starts), shares, config.steps)
    return np.asarray(chains.losses(params, stacked(worlds)), np.float64)


def fit_of(config, shares, losses) -> LawFit:
    """The fits of one seed on its first `fitted` mixtures, judged on the rest."""
    inside, outside = slice(None, config.fitted), slice(config.fitted, None)
    laws = [fit_mixing_law(shares[inside], of_domain) for of_domain in losses[inside].T]
    linear = np.linalg.lstsq(shares[inside], losses[inside], rcond=None)[0]  # shares sum to 1: the intercept is in it
    predicted = np.stack([law(shares[outside]) for law in laws], axis=1)
    return LawFit(laws, predicted, shares[outside] @ linear, losses[outside])


def best_mixture(laws, seed: int) -> np.ndarray:
    """(D,) the mixture with the least predicted mean loss over the domains."""
    candidates = stream(seed, 5).dirichlet(np.ones(len(laws)), CANDIDATES)
    return candidates[np.argmin(np.mean([law(candidates) for law in laws], axis=0))]


def _scores(fits, which: str, d: int) -> np.ndarray:
    return np.array([explained(getattr(one, which)[:, d], one.measured[:, d]) for one in fits])


def _row(config, fits, worlds, d: int):
    metrics = {
        "law/R2": _scores(fits, "predicted", d),
        "law/error": np.array([np.mean(np.abs(one.predicted - one.measured)[:, d]) for one in fits]),
        "linear/R2": _scores(fits, "linear", d),
        "entropy rate": np.array([chains.entropy_rates(world)[d] for world in worlds]),
    }
    setting = {"task": "law", "concentration": config.concentrations[d], "mixtures": config.mixtures}
    return row(f"law, domain {d + 1}", metrics, setting)


def _checks(fits, regret):
    domains = range(fits[0].measured.shape[1])
    source = f"{PAPER}, in direction; the margin is ours"
    chosen, uniform = regret.values()
    return [
        *(
            check(f"toy, domain {d + 1}: R2 of the law on held-out mixtures", _scores(fits, "predicted", d), 0.95, source,
                  relation=">=")
            for d in domains
        ),
        *(
            check(f"toy, domain {d + 1}: R2 of the law - of a linear fit",
                  _scores(fits, "predicted", d) - _scores(fits, "linear", d), 0.0, source, relation=">=")
            for d in domains
        ),
        check("toy: mean loss at the mixture that the law chooses - at the best one trained", chosen, 0.02, source,
              relation="<="),
        check("toy: mean loss at that mixture - at equal shares: a tie", chosen - uniform, 0.0, "measured here",
              tolerance=0.01),
    ]  # fmt: skip


def _figure(fits):
    points = []
    for d in range(fits[0].measured.shape[1]):
        x, y = (np.concatenate([getattr(one, which)[:, d] for one in fits]) for which in ("predicted", "measured"))
        points.append(curve(f"domain {d + 1}", x, y, "points"))
    ends = [min(min(p["y"]) for p in points), max(max(p["y"]) for p in points)]
    return lines(
        "law", "The data mixing law on held-out mixtures",
        f"Loss on each domain, in nats a token, of the held-out mixtures of {len(fits)} seeds, against what the law fitted"
        " on the other mixtures predicts; on the line both agree.",
        "predicted loss", "measured loss", series=[*points, curve("equal", ends, ends, "dashed")],
    )  # fmt: skip

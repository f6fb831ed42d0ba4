"""Least squares on mixed data, linear in orthonormal random features: gradient descent beside its closed form."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from lamv.core.closed_forms import least_squares_risk
from lamv.core.losses import squared_error
from lamv.core.mixing import mix
from lamv.theory.outcome import Outcome, check, curve, lines, row
from lamv.theory.replicas import fit, seeds_of

PATH = 1000  # measurements along gradient descent
PLAIN = optax.sgd(1.0)  # the learning rate is a factor of the loss: one program for all
PREDICTED = "closed form of gradient flow, all modes"
PAPER = "reported by Liu et al. 2023, in direction"


class LeastSquares(NamedTuple):
    """Least squares of one replica: phi (M, p) and q (M,) to fit, theta* (p,), test_phi (N, p)."""

    phi: np.ndarray
    q: np.ndarray
    truth: np.ndarray
    test_phi: np.ndarray


def least_squares_problem(config, seed: int, number: int, mixing: bool) -> LeastSquares:
    """Teacher, `number` training points and what is made of them: mixed points, or the points themselves in turn."""
    rng = np.random.default_rng([seed, 0])
    inner = rng.normal(size=(config.inputs, config.features)) / np.sqrt(config.inputs)
    shift = 0.5 * rng.normal(size=config.features)
    raw = np.tanh(rng.normal(size=(20_000, config.inputs)) @ inner + shift)
    size, directions = np.linalg.eigh(raw.T @ raw / len(raw))
    truth = rng.normal(size=config.features) / np.sqrt(config.features)

    def phi(x):
        return np.tanh(x @ inner + shift) @ (directions / np.sqrt(size))

    test_phi = phi(rng.normal(size=(4000, config.inputs)))
    x = rng.normal(size=(number, config.inputs))
    first, second = rng.integers(number, size=(2, config.mixed))
    lam = rng.uniform(size=config.mixed)
    if not mixing:
        first, lam = np.arange(config.mixed) % number, np.ones(config.mixed)
    target = phi(x) @ truth
    return LeastSquares(phi(mix(x[first], x[second], lam)), mix(target[first], target[second], lam), truth, test_phi)


def predicted_risk(problem: LeastSquares, times) -> dict[str, np.ndarray]:
    """Squared distance from the truth at `times` (learning rate x steps): "exact", and as if noise were "independent"."""
    number = len(problem.q)
    rates, modes = np.linalg.eigh(problem.phi.T @ problem.phi / number)
    reached = rates > 1e-10 * rates[-1]  # where there are no data, the student stays at 0
    bias = -modes.T @ problem.truth
    rates, modes, never = rates[reached], modes[:, reached], np.square(bias[~reached]).sum()
    bias = bias[reached]
    noise = modes.T @ (problem.phi.T @ problem.q) / number / rates + bias
    left = np.exp(-np.multiply.outer(times, rates))
    exact = np.square(left * bias + (1 - left) * noise).sum(axis=1)
    return {"exact": exact + never, "independent": least_squares_risk(times, bias**2, noise**2, rates) + never}


def descent_loss(theta, data, key, t):
    """Half the mean squared error, whose gradient flow has the eigenvalues of E phi phi^T for rates, times data["rate"]."""
    return data["rate"] * jnp.mean(squared_error((data["phi"] @ theta)[:, None], data["q"][:, None])) / 2


def weights(theta, data):
    """The record of `fit`: theta (p,) itself."""
    return theta


def run(config, outcome: Outcome) -> None:
    """Least squares on mixed data against its closed form, added to the outcome."""
    seeds, kinds = seeds_of(config), [(name, number) for name in ("Mixup", "ERM") for number in config.points]
    problems = [
        least_squares_problem(config, seed, number, name == "Mixup") for name, number in kinds for seed in seeds
    ]
    kept, times = measurements(config.rate, config.descent)
    paths = descend(problems, config.rate, config.descent)[:, kept]
    risks = [
        {"measured": np.square((path - p.truth) @ p.test_phi.T).mean(axis=1), **predicted_risk(p, times)}
        for p, path in zip(problems, paths, strict=True)
    ]
    curves = {}
    for i, (name, number) in enumerate(kinds):
        own = risks[i * len(seeds) : (i + 1) * len(seeds)]
        c = curves[name, number] = {key: np.stack([risk[key] for risk in own]) for key in own[0]}
        metrics = {
            f"{prefix}/{key}": values
            for prefix, which in (("risk", "measured"), ("predicted", "exact"), ("independent", "independent"))
            for key, values in turn_metrics(c[which], times).items()
        }
        setting = {"task": "least squares", "method": name, "n": number, "features": config.features}
        outcome.rows.append(row(f"least squares, {name}, n {number}", metrics, setting))
    outcome.checks.extend(_checks(curves, times, config.points))
    outcome.figures.extend(_figures(curves, times, config))


def measurements(rate: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Which records of the path are looked at, evenly in the logarithm, and their times (learning rate x steps)."""
    kept = np.unique(np.geomspace(1, PATH, 50).round().astype(int))
    return kept, rate * (steps // PATH) * kept


def descend(problems, rate: float, steps: int) -> np.ndarray:
    """(R, PATH + 1, p): the weights along gradient descent from 0, for all problems (phi, q, ...) in one program."""
    data = {key: jnp.asarray(np.stack([getattr(p, key) for p in problems]), jnp.float32) for key in ("phi", "q")}
    data["rate"] = jnp.full(len(problems), rate)
    start, keys = jnp.zeros(data["phi"].shape[::2]), jax.random.split(jax.random.key(0), len(problems))
    _, thetas = fit(
        descent_loss, start, data, keys, steps=steps, optimiser=PLAIN, record=weights, record_every=steps // PATH
    )
    return np.asarray(thetas, np.float64)


def turn_metrics(risk, times):
    """Where and how low each curve (seeds, T) is least, its end, and by what share the end lies above the minimum."""
    lowest, end = risk.min(axis=1), risk[:, -1]
    return {"turning_time": times[risk.argmin(axis=1)], "minimum": lowest, "end": end, "rise": end / lowest - 1}


def _checks(curves, times, points):
    few, many = ("Mixup", points[0]), ("Mixup", points[-1])
    off = dict.fromkeys(("Mixup", "ERM"), 0.0)
    for (name, _), c in curves.items():
        off[name] = max(off[name], np.abs(c["measured"].mean(0) / c["exact"].mean(0) - 1).max())
    turn = {kind: turn_metrics(curve["measured"], times) for kind, curve in curves.items()}
    closed = turn_metrics(curves[few]["exact"], times)
    return [
        *(
            check(f"least squares, {name}: largest share by which measured and predicted curve differ", value, 0.0,
                  PREDICTED, tolerance=0.1)
            for name, value in off.items()
        ),
        check(f"least squares, Mixup, n {few[1]}: end / minimum - 1", turn[few]["rise"], 0.05, PAPER, relation=">="),
        check(f"least squares, Mixup, n {few[1]}: end / minimum, measured over predicted",
              (1 + turn[few]["rise"]) / (1 + closed["rise"]), 1.0, PREDICTED, tolerance=0.05),
        check("least squares, ERM: largest end / minimum - 1",
              max(t["rise"].max() for k, t in turn.items() if k[0] == "ERM"), 0.0, "closed form: exact targets",
              tolerance=0.01),
        check(f"least squares, Mixup: turning time, n {few[1]} - n {many[1]}",
              turn[few]["turning_time"] - turn[many]["turning_time"], 0.0, PAPER, relation="<="),
    ]  # fmt: skip


def _figures(curves, times, config):
    def line(name, values, style):
        return curve(name, times, values.mean(axis=0), style)

    over = f"Test risk over training time (learning rate x steps), mean over {config.seeds} teachers."
    measured, predicted = [], []
    for (name, number), c in curves.items():
        label = f"{name}, n {number}"
        measured.append(line(label, c["measured"], "dashed" if name == "ERM" else "points"))
        if name != "ERM":
            measured.append(line(f"{label}, predicted", c["exact"], "line"))
            predicted.append(line(label, c["exact"], "line"))
            predicted.append(line(f"{label}, were the noise independent", c["independent"], "dashed"))
    return [
        lines(
            "least_squares", "Least squares on mixed data",
            f"{over} Points are gradient descent on mixed data, lines the closed form of gradient flow, dashes"
            " ERM. The fewer the points, the earlier and the higher Mixup's curve turns up.",
            "time", "risk", x_scale="log", series=measured,
        ),
        lines(
            "independent", "If the noise were independent of the teacher",
            f"{over} Both are closed forms and end alike; taking noise and teacher for independent promises a"
            " lower minimum than there is.",
            "time", "risk", x_scale="log", series=predicted,
        ),
    ]  # fmt: skip

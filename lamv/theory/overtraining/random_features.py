"""Regression on random ReLU features, with a teacher that the student can be and one that it cannot."""

from typing import NamedTuple

import numpy as np

from lamv.core.mixing import mix
from lamv.errors import ConfigError
from lamv.theory.outcome import Outcome, check, curve, lines, row
from lamv.theory.overtraining.least_squares import PAPER, PREDICTED, descend, measurements, turn_metrics
from lamv.theory.replicas import seeds_of

TEACHERS = ("own features", "tanh network")


class RandomFeatures(NamedTuple):
    """Of one replica: phi (M, p) and q (M,) to fit, test_phi (N, p) and test_q (N,) to be judged on."""

    phi: np.ndarray
    q: np.ndarray
    test_phi: np.ndarray
    test_q: np.ndarray


def run(config, outcome: Outcome) -> None:
    """Both teachers, with Mixup and with ERM, for every number of points: gradient descent beside its closed form."""
    seeds = seeds_of(config)
    kinds = [(teacher, name, n) for teacher in TEACHERS for name in ("Mixup", "ERM") for n in config.points]
    problems = [problem(config, seed, n, teacher, name == "Mixup") for teacher, name, n in kinds for seed in seeds]
    largest = max(np.linalg.norm(own.phi, 2) ** 2 / len(own.q) for own in problems)
    if config.relu_rate * largest >= 2:
        raise ConfigError(
            f"config.relu_rate is {config.relu_rate:g}, must be below {2 / largest:.3g}, where descent diverges"
        )
    kept, times = measurements(config.relu_rate, config.descent)
    # By teacher, as that is the size of the program for least squares.
    halves = problems[: len(problems) // 2], problems[len(problems) // 2 :]
    thetas = np.concatenate([descend(half, config.relu_rate, config.descent)[:, kept] for half in halves])
    curves = {}
    for i, (teacher, name, n) in enumerate(kinds):
        own = range(i * len(seeds), (i + 1) * len(seeds))
        c = curves[teacher, name, n] = {
            "measured": np.stack([risk(thetas[r], problems[r]) for r in own]),
            "predicted": np.stack([risk(flow(problems[r], times), problems[r]) for r in own]),
        }
        metrics = {f"risk/{key}": values for key, values in turn_metrics(c["measured"], times).items()}
        setting = {"task": "random features", "teacher": teacher, "method": name, "n": n, "features": config.features}
        outcome.rows.append(row(f"random features, {teacher}, {name}, n {n}", metrics, setting))
    outcome.checks.extend(_checks(curves, times, config.points))
    outcome.figures.extend(_figure(curves, times, teacher, config) for teacher in TEACHERS)


def problem(config, seed: int, number: int, teacher: str, mixing: bool) -> RandomFeatures:
    """`number` training points of a teacher in TEACHERS and what is made of them, as for least squares."""
    rng = np.random.default_rng([seed, 1])
    dimension, features = config.inputs, config.features
    inner, shift = rng.normal(size=(dimension, features)) / np.sqrt(dimension), 0.5 * rng.normal(size=features)
    # The network's weights are twice as large: tanh is curved where x is.
    hidden, offset = 2 * rng.normal(size=(dimension, features)) / np.sqrt(dimension), 0.5 * rng.normal(size=features)
    outer = rng.normal(size=features)

    def phi(x):
        return np.maximum(x @ inner + shift, 0) / np.sqrt(features)

    def truth(x):
        return (phi(x) if teacher == "own features" else np.tanh(x @ hidden + offset) / np.sqrt(features)) @ outer

    test_x, x = rng.normal(size=(4000, dimension)), rng.normal(size=(number, dimension))
    first, second = rng.integers(number, size=(2, config.mixed))
    lam = rng.uniform(size=config.mixed)
    if not mixing:
        first, lam = np.arange(config.mixed) % number, np.ones(config.mixed)
    target = truth(x)
    q = mix(target[first], target[second], lam)
    return RandomFeatures(phi(mix(x[first], x[second], lam)), q, phi(test_x), truth(test_x))


def flow(own: RandomFeatures, times) -> np.ndarray:
    """(T, p): theta_t = (I - exp(-G t)) theta_mix, the weights of gradient flow from 0, in the modes of G."""
    number = len(own.q)
    rates, modes = np.linalg.eigh(own.phi.T @ own.phi / number)
    rates, modes = rates[reached := rates > 1e-10 * rates[-1]], modes[:, reached]
    end = modes.T @ (own.phi.T @ own.q) / number / rates
    return -np.expm1(-np.multiply.outer(times, rates)) * end @ modes.T


def risk(thetas, own: RandomFeatures) -> np.ndarray:
    """(T,) mean squared error on the test points of weights (T, p)."""
    return np.square(thetas @ own.test_phi.T - own.test_q).mean(axis=1)


def _checks(curves, times, points):
    inside, outside = TEACHERS
    few, many = points[0], points[-1]
    turn = {kind: turn_metrics(c["measured"], times) for kind, c in curves.items()}
    off = max(np.abs(c["measured"].mean(0) / c["predicted"].mean(0) - 1).max() for c in curves.values())
    erm = np.max([turn[inside, "ERM", n]["rise"] for n in points], axis=0)
    return [
        check("random features: largest share by which measured and predicted curve differ", off, 0.0, PREDICTED,
              tolerance=0.1),
        *(
            check(f"random features, {teacher}, Mixup, n {few}: end / minimum - 1", turn[teacher, "Mixup", few]["rise"],
                  0.05, PAPER, relation=">=")
            for teacher in TEACHERS
        ),
        check(f"random features, {inside}, ERM: largest end / minimum - 1 over the sizes", erm, 0.05,
              "exact targets that the student can fit", relation="<="),
        check(f"random features, {inside}, Mixup: rise, n {few} - n {many}",
              turn[inside, "Mixup", few]["rise"] - turn[inside, "Mixup", many]["rise"], 0.0, PAPER, relation=">="),
        check(f"random features, {outside}, ERM, n {many}: end / minimum - 1", turn[outside, "ERM", many]["rise"], 0.05,
              "measured here: what the student cannot fit is noise too", relation=">="),
        check(f"random features, {outside}, n {many}: rise, Mixup - ERM",
              turn[outside, "Mixup", many]["rise"] - turn[outside, "ERM", many]["rise"], 0.0, PAPER, relation=">="),
    ]  # fmt: skip


def _figure(curves, times, teacher: str, config):
    over = f"mean over {config.seeds} teachers"
    own = {(name, n): c for (of, name, n), c in curves.items() if of == teacher}
    measured = [
        curve(f"{name}, n {n}", times, c["measured"].mean(axis=0), "dashed" if name == "ERM" else "points")
        for (name, n), c in own.items()
    ]
    predicted = [
        curve(f"Mixup, n {n}, predicted", times, c["predicted"].mean(axis=0))
        for (name, n), c in own.items()
        if name == "Mixup"
    ]
    words = {
        "own features": "The teacher is a student: only Mixup's targets carry noise.",
        "tanh network": "The student cannot be the teacher: ERM, too, fits what it cannot learn, and its risk rises.",
    }
    return lines(
        f"random_features_{teacher.replace(' ', '_')}", f"Random ReLU features, teacher: {teacher}",
        f"Test risk over training time (learning rate x steps), {over}. Points are gradient descent on mixed data, lines"
        f" its closed form, dashes ERM. {words[teacher]}",
        "time", "risk", x_scale="log", series=[*measured, *predicted],
    )  # fmt: skip

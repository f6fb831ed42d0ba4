"""Two moons: how far from its training points a network trained with Mixup puts its decision boundary, against ERM's.

The setting is that of the two-moons figure of "Towards Understanding the Data Dependency of Mixup-style Training"
(Chidambaram et al., ICLR 2022) and of its code: 300 points of two interleaved half circles with Gaussian noise of sd .1,
recentred, folded to the side of their class and moved apart, so that a strip of width 2 gap lies free between the
classes; a network 2 - 500 - 2 with ReLU, uniform on +-1 / sqrt(fan in) at the start; Adam at 1e-3, 1,000 full batches;
10 seeds, each with points of its own. Mixup draws a partner for each point (itself included) and one lam ~ Beta(alpha,
alpha) a step. The claim is that for a suitable alpha Mixup's boundary has the larger margin. The paper shows boundaries;
here their margins are measured.

The margin of a network on its training points is  min_n s_n dist(x_n, B),  where B is the set of points at which both
classes get probability one half and s_n is 1 for a point on its own side of B and -1 for one on the wrong side. B is
the zero contour of the log odds on a square grid of spacing 0.02, linear between neighbours; as a two-layer ReLU network
is piecewise linear, this is exact but for cells with a kink. No boundary can have a larger margin than half the smallest
distance between points of different classes.

The code of the figure never resets the gradients of its Mixup runs (it does those of ERM): Adam there follows the sum of
all gradients so far. `summed` trains these as well, as rows of their own.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from contourpy import contour_generator
from jax import lax

from lamv.core.losses import cross_entropy
from lamv.core.mixing import mix
from lamv.errors import ConfigError
from lamv.knobs import Allowed, Knob, above, anything, at_least, between
from lamv.theory.outcome import Outcome, check, lines, plain, row, series
from lamv.theory.replicas import fit, seeds_of, stacked, stream, two_layers

some_alphas = Allowed(lambda values: all(0 < v < 2**31 for v in values), "numbers above 0")

KNOBS = (
    Knob("alphas", (1.0, 32.0, 64.0, 128.0, 512.0, 1024.0), some_alphas, "Mixup: lam ~ Beta(alpha, alpha)"),
    Knob("points", 300, at_least(4), "training points, half of them of each class"),
    Knob("noise", 0.1, between(0, 0.15), "standard deviation of the points about the half circles"),
    Knob("gap", 0.1, between(0, 1), "half the width of the strip between the classes; published: 0.1 and 0.5"),
    Knob("steps", 1000, at_least(1), "full-batch steps of Adam"),
    Knob("learning_rate", 1e-3, above(0), "of Adam"),
    Knob("width", 500, at_least(1), "of the hidden layer"),
    Knob("summed", False, anything, "train Mixup also on sums of gradients, as the published code does"),
)

#: The square in which boundaries are looked for. All points are well inside.
AXIS = np.linspace(-2.5, 2.5, 251, dtype=np.float32)
NAMES = {False: "Mixup", True: "Mixup, summed gradients"}
CLAIMS = {
    "margin": "claim (Chidambaram et al. 2022)",
    "mean_distance": "claim (Chidambaram et al. 2022), read as the mean over the points",
}


class Training(NamedTuple):
    """alpha: None for ERM. summed: whether Adam is given sums of gradients."""

    name: str
    alpha: float | None = None
    summed: bool = False


def methods(config) -> list[Training]:
    """ERM, and Mixup with each alpha; once more on sums of gradients where the knob `summed` is set."""
    mixup = [Training(f"mixup alpha={alpha:g}", alpha) for alpha in config.alphas]
    summed = [Training(f"{name}, summed", alpha, True) for name, alpha, _ in mixup if config.summed]
    return [Training("erm"), *mixup, *summed]


def run(config) -> Outcome:
    """Every method with every seed, and how far its boundary keeps from the training points."""
    seeds = seeds_of(config)
    moons = [two_moons(seed, config) for seed in seeds]
    most = np.array([widest_margin(points, labels) for points, labels in moons])
    fields, measures = {}, {}
    for method, trained in networks(config, seeds, moons):
        fields[method] = np.asarray(log_odds(trained))
        distances = np.stack([signed_distances(z, *data) for z, data in zip(fields[method], moons, strict=True)])
        measures[method] = {
            "margin": distances.min(axis=1),
            "mean_distance": distances.mean(axis=1),
            "error": (distances < 0).mean(axis=1),
            "margin_share": distances.min(axis=1) / most,
        }
    rows = [row(m, values, {"method": m, "gap": config.gap, "steps": config.steps}) for m, values in measures.items()]
    margins = {method: values["margin"] for method, values in measures.items()}
    figures = [_field(fields, moons[0], len(seeds)), _margin_lines(margins, most, config)]
    return Outcome(rows, _checks(measures, most, config), figures, REMARKS)


REMARKS = (
    "The margin is that of the worst point, the mean distance that of all of them; the paper shows boundaries and gives no"
    " number for either.",
    "Where Mixup's margin is the smaller one, this is believed to be the reason: a pair of different classes asks for lam,"
    " nearly one half if alpha is large, wherever it falls, and it often falls well inside one of the classes. The"
    " outputs are then near one half over a wide strip, and the boundary wanders in it.",
)


def two_moons(seed: int, config) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 2) float32, across and along the strip, and labels (n,) int; class 1 has the negative first coordinate."""
    from sklearn.datasets import make_moons

    points, labels = make_moons(config.points, noise=config.noise, random_state=seed)
    side = 1 - 2 * labels
    across = points[:, 1] + 0.3 * side
    across = np.abs(across - across.mean())  # what lies on the other class's side is folded back
    return np.stack([side * (across + config.gap), points[:, 0] - 0.5], axis=1).astype(np.float32), labels


def networks(config, seeds, moons):
    """Trains the methods one after the other, all seeds of one side by side: pairs (method, params with axis R)."""
    # One method at a time: the activations of more replicas at once would not fit a processor's cache.
    params = stacked([two_layers(seed, 2, config.width, 2) for seed in seeds])
    shape = (config.steps, config.points)
    knobs = {
        "points": np.stack([points for points, _ in moons]),
        "targets": np.stack([np.eye(2, dtype=np.float32)[labels] for _, labels in moons]),
        "partner": np.stack([stream(seed, 1).integers(config.points, size=shape, dtype=np.int32) for seed in seeds]),
    }
    keys = jax.random.split(jax.random.key(0), len(seeds))  # all that is random is in the tables
    adam = optax.adam(config.learning_rate)
    # With a decay of 1, the trace of the gradients is their sum.
    summed = optax.chain(optax.trace(1.0), adam)
    for method in methods(config):
        knobs["lam"] = np.stack([lam_table(seed, method.alpha, config.steps) for seed in seeds])
        optimiser = summed if method.summed else adam
        yield method.name, fit(mixup_loss, params, knobs, keys, steps=config.steps, optimiser=optimiser)[0]


def lam_table(seed: int, alpha: float | None, steps: int) -> np.ndarray:
    """lam of every step, (T,) float32: 1 without alpha."""
    lam = np.ones(steps) if alpha is None else stream(seed, 2).beta(alpha, alpha, steps)
    return lam.astype(np.float32)


def logits(params, points):
    """(B, 2) points -> (B, 2)."""
    # Hidden units come first: on a CPU the products and their gradients then are a fifth faster.
    hidden = jax.nn.relu(params["kernel1"] @ points.T + params["bias1"][:, None])
    return (params["kernel2"] @ hidden).T + params["bias2"][None]


def mixup_loss(params, knobs, key, t):
    """Mean cross-entropy of the points mixed with their partners of step t."""
    partner = knobs["partner"][t]
    lam = jnp.broadcast_to(knobs["lam"][t], partner.shape)
    points, targets = (mix(knobs[name], knobs[name][partner], lam) for name in ("points", "targets"))
    return jnp.mean(cross_entropy(logits(params, points), targets))


@jax.jit
def log_odds(params):
    """log P(class 1) - log P(class 0) of every replica on the grid: (R, second coordinate, first coordinate)."""

    def one_line(params, second):
        z = logits(params, jnp.stack([AXIS, jnp.full(AXIS.shape, second)], axis=1))
        return z[:, 1] - z[:, 0]

    return lax.map(lambda params: lax.map(lambda second: one_line(params, second), AXIS), params)


def signed_distances(z: np.ndarray, points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) distance of each point to the boundary z = 0, negative for a point on the wrong side of it.

    z: (G, G) log odds on the grid. Raises ConfigError where z has one sign all over the grid.
    """
    start, end = boundary(z)
    if not len(start):
        raise ConfigError("config.steps is too small: a network still puts everything into one class; train it longer")
    # The nearest place of a piece is start + share (end - start), with a share that is cut to [0, 1].
    along, away = (end - start)[None], points[:, None] - start[None]
    length = np.maximum(np.sum(np.square(along), axis=-1), np.finfo(np.float32).tiny)
    share = np.clip(np.sum(away * along, axis=-1) / length, 0, 1)
    squares = np.sum(np.square(away - share[..., None] * along), axis=-1)
    distance = np.sqrt(np.min(squares, axis=1))
    return np.where((_interpolated(z, points) > 0) == (labels == 1), distance, -distance)


def boundary(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends, (E, 2) each, of the straight pieces of z = 0, for z (G, G) on the grid."""
    contours = contour_generator(AXIS, AXIS, z).lines(0.0)
    if not contours:
        return np.zeros((0, 2)), np.zeros((0, 2))
    return np.concatenate([c[:-1] for c in contours]), np.concatenate([c[1:] for c in contours])


def _interpolated(z: np.ndarray, points: np.ndarray) -> np.ndarray:
    """z at points inside of the grid, bilinear between the corners of their cell."""
    at = (points - AXIS[0]) / (AXIS[1] - AXIS[0])
    (i, j), (s, t) = np.floor(at).astype(int).T, (at % 1).T
    below, above_ = (1 - s) * z[j, i] + s * z[j, i + 1], (1 - s) * z[j + 1, i] + s * z[j + 1, i + 1]
    return (1 - t) * below + t * above_


def widest_margin(points: np.ndarray, labels: np.ndarray) -> float:
    """Half the smallest distance between points of different classes, which no boundary's margin exceeds."""
    apart = points[labels == 0][:, None] - points[labels == 1][None]
    return float(np.sqrt(np.min(np.sum(np.square(apart), axis=-1))) / 2)


def _checks(measures, most, config) -> list:
    """Mixup, at the alpha that suits it best, against ERM on the same points from the same start."""
    checks = []
    for summed, name in NAMES.items():
        own = [method.name for method in methods(config) if method.alpha is not None and method.summed == summed]
        for measure, source in CLAIMS.items() if own else ():
            best = own[np.argmax([np.mean(measures[method][measure]) for method in own])]
            difference = measures[best][measure] - measures["erm"][measure]
            quantity = f"{name}: {measure.replace('_', ' ')} at its best alpha, less ERM's"
            checks.append(check(quantity, difference, 0.0, source, relation=">=", note=f"best: {best}"))
    excess = max(np.max(values["margin"] - most) for values in measures.values())
    quantity = "all methods: margin less half the distance of the classes, largest"
    return [*checks, check(quantity, excess, 0.0, "theorem (triangle inequality)", relation="<=", tolerance=1e-3)]


def _field(fields, data, number: int) -> dict:
    points, labels = data
    every = slice(None, None, 5)
    inside = np.flatnonzero(np.abs(AXIS[every]) <= 2)
    panels = []
    for method, z in fields.items():
        p = np.mean(1 / (1 + np.exp(-z[:, every, every].clip(-60, 60))), axis=0)
        panels.append({"name": method, "z": plain(np.round(p[np.ix_(inside, inside)], 3).astype(np.float64))})
    axis = plain(np.round(AXIS[every][inside].astype(np.float64), 3))
    classes = [{"name": f"class {c}"} | dict(zip("xy", plain(points[labels == c].T), strict=True)) for c in (0, 1)]
    return {
        "kind": "field", "name": "two_moons", "title": "Two moons: decision boundaries",
        "caption": f"Probability of class 1, mean over {number} seeds; the line is one half. The points are those of the"
        " first seed. The farther the line keeps from the points, the larger the margin.",
        "x_label": "across the strip", "y_label": "along the strip", "x": axis, "y": axis, "panels": panels,
        "points": classes, "levels": [0.5],
    }  # fmt: skip


def _margin_lines(margins, most, config) -> dict:
    curves = []
    for summed, name in NAMES.items():
        own = [method for method in methods(config) if method.alpha is not None and method.summed == summed]
        if own:
            values = np.stack([margins[method.name] for method in own])
            curves.append(series(name, [method.alpha for method in own], values, axis=1))
    caption = (
        "Smallest distance of a training point to the decision boundary (negative: a point is on the wrong side), mean"
        f" and sd over {len(most)} seeds. Above the line of ERM, Mixup has the larger margin."
    )
    levels = [{"y": float(np.mean(margins["erm"])), "name": "ERM"}]
    levels += [{"y": float(np.mean(most)), "name": "largest possible"}]
    title, scales = "Two moons: margin over alpha", {"x_scale": "log"}
    return lines("two_moons_margin", title, caption, "alpha", "margin", **scales, series=curves, levels=levels)

"""Mixup learns the rare features of a class, ERM memorises the noise of the points that show them (Zou et al. 2023).

After "The Benefits of Mixup for Feature Learning" (ICML 2023). Two classes y, each with a common feature v_y and a rare
feature v'_y, all four orthonormal (here the first four coordinates). A point is P patches in R^d:

    feature         v_y, or v'_y for the few rare points
    feature noise   `noise_patches` patches hold feature_noise v_0 or feature_noise v_1, by the toss of a coin
    noise           the others are N(0, noise^2 I) on the coordinates that hold no feature

The network is F_c(x) = sum over channels r and patches p of <w_cr, x_p>^2, softmax of (F_0, F_1), trained by gradient
descent from N(0, init^2) on all n^2 ordered pairs at every step: features lam x_i + (1 - lam) x_j, targets with tau.
Features of a class enter without a sign, since the square would not see it.

The default setting follows from the rates at which the weights grow from a small start: in proportion to 37 along a
common feature (common points of a class), to 3 along a rare one (rare points of a class), and to d noise^2 = 10 along
the noise patch of a single point.

    3 < 10 < 37     a common feature is learnt before any noise, but noise before a rare feature

So ERM fits the common points, then the rare ones by their noise, which is of no use on new points: there the feature
noise decides, a fair coin. The start is small (init = 0.01) for the faster growth to win. feature_noise^2 = 0.09 is well
below 1, so that a feature outweighs the feature noise.

Mixup adds a force. Where the feature patches of two points meet, <w, lam v' + (1 - lam) v>^2 holds the product
2 lam (1 - lam) <w, v'> <w, v>, and <w, v> is large: v' grows along with it, at any size of its own. Noise has no such
partner. That presumes that feature patches meet: they are the first patch of every point. In the row "anywhere" the
feature is at a place drawn for each point, the noise meets features too, and the advantage should shrink.

The benefit arises early, so Mixup may be stopped early and followed by ERM: "Mixup, then ERM", with the reverse beside.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from lamv.core.laws import Law, fixed, uniform
from lamv.core.losses import cross_entropy
from lamv.core.mixing import mix
from lamv.errors import ConfigError
from lamv.knobs import Allowed, Knob, above, at_least, between, whole_numbers
from lamv.theory.outcome import Outcome, check, lines, row, series
from lamv.theory.replicas import recorded, seeds_of, stacked

POINTS = 25  # of each curve

halves = Allowed(lambda values: all(0.5 <= v <= 1 for v in values), "numbers from 0.5 to 1")
whole_records = Allowed(lambda value: value > 0 and value % POINTS == 0, f"a multiple of {POINTS} above 0")

KNOBS = (
    Knob("common", 37, at_least(1), "training points of each class with its common feature"),
    Knob("rare", 3, at_least(1), "training points of each class with its rare feature"),
    Knob("dim", 400, at_least(5), "dimension of a patch; the first four coordinates are the features"),
    Knob("patches", 4, at_least(3), "patches of a point"),
    Knob("noise_patches", 1, at_least(0), "patches of feature noise; at most patches - 2"),
    Knob("feature_noise", 0.3, at_least(0), "size of the feature noise, in units of a feature"),
    Knob("noise", 0.16, above(0), "standard deviation of a noise coordinate"),
    Knob("channels", 4, at_least(1), "channels of a class"),
    Knob("init", 0.01, above(0), "standard deviation of the weights at the start"),
    Knob("lam", 0.7, between(0.5, 1), "weight of the features in Mixup with constants"),
    Knob("taus", (0.6, 0.8, 0.9), halves, "weights of the targets in decoupled Mixup"),
    Knob("learning_rate", 2.0, above(0), "of gradient descent"),
    Knob("steps", 500, whole_records, "full-batch steps"),
    Knob("switches", (125, 250), whole_numbers(1), "steps from which the second method of a schedule takes over"),
    Knob("test", 100, at_least(1), "test points of each class in each of the two groups"),
)

THEOREM = "theorem (Zou et al. 2023), in direction; the margin is ours"


class Schedule(NamedTuple):
    """The law of lam, and that from step `switch` on; tau None: the targets take lam. aligned: feature patches meet."""

    law: Law
    then: Law | None = None
    switch: int = 0
    tau: float | None = None
    aligned: bool = True


def methods_of(config) -> dict[str, Schedule]:
    """Every method by the name of its row."""
    erm, tied = fixed(1.0), fixed(config.lam)
    return {
        "ERM": Schedule(erm),
        "Mixup": Schedule(tied),
        **{_decoupled(config, tau): Schedule(tied, tau=tau) for tau in config.taus},
        "Mixup, uniform lam": Schedule(uniform()),
        **{_stopped(switch): Schedule(tied, erm, switch) for switch in config.switches},
        **{f"ERM, Mixup from {switch}": Schedule(erm, tied, switch) for switch in config.switches[-1:]},
        "Mixup, anywhere": Schedule(tied, aligned=False),
    }


def _decoupled(config, tau: float) -> str:
    return f"Mixup, lam {config.lam:g}, tau {tau:g}"


def _stopped(switch: int) -> str:
    return f"Mixup, ERM from {switch}"


def run(config) -> Outcome:
    """All methods in one program, and what they have learnt of each feature."""
    if config.noise_patches > config.patches - 2:
        raise ConfigError(
            f"config.noise_patches is {config.noise_patches}, must be at most patches - 2 = {config.patches - 2}: one patch"
            " is the feature, and one at least is noise"
        )
    methods = methods_of(config)
    curves = train(config, methods)
    last = {name: {key: values[:, -1] for key, values in curve.items()} for name, curve in curves.items()}
    rows = [row(name, last[name], _setting(method, config)) for name, method in methods.items()]
    return Outcome(rows, _checks(last, config), _figures(curves, config), REMARKS)


REMARKS = (
    "'memorised' is the accuracy on rare training points of which only the Gaussian noise patches are left: it is high where"
    " the network knows these by heart. Mixup memorises too, unless tau is close to one half; what sets it apart is that it"
    " learns the rare feature besides.",
    "All replicas share their test points, so that methods that decide by the feature noise have the same accuracy, with"
    " sd 0: the share of points on which it happens to be right.",
    "Stopping Mixup early has its price where it comes too early. Under ERM the rare feature stays as large as it was at the"
    " switch, while the common one keeps growing, and with it what the feature noise adds to the wrong class.",
)


def draw(rng, config, common: int, rare: int, aligned: bool = True):
    """(x (n, P, d) float32, labels (n,), is_rare (n,) bool): `common` and `rare` points of each class, classes in turn."""
    number = 2 * (common + rare)
    labels, is_rare = np.arange(number) % 2, np.arange(number) >= 2 * common
    x = config.noise * rng.normal(size=(number, config.patches, config.dim))
    x[:, :, :4] = 0.0
    # Places in random order; where features are aligned, place 0 keeps coming first.
    first = 1 if aligned else 0
    order = np.tile(np.arange(config.patches), (number, 1))
    order[:, first:] = rng.permuted(order[:, first:], axis=1)
    everyone = np.arange(number)
    x[everyone, order[:, 0]] = np.eye(config.dim)[labels + 2 * is_rare]
    for place in order[:, 1 : 1 + config.noise_patches].T:
        x[everyone, place] = config.feature_noise * np.eye(config.dim)[rng.integers(2, size=number)]
    return x.astype(np.float32), labels, is_rare


def train(config, methods) -> dict[str, dict[str, np.ndarray]]:
    """Every method with every seed in one program: method -> quantity -> (seeds, POINTS + 1)."""
    starts, knobs = [], []
    for method in methods.values():
        for seed in seeds_of(config):
            rng = np.random.default_rng([seed, 0])
            starts.append((config.init * rng.normal(size=(2, config.channels, config.dim))).astype(np.float32))
            x, labels, _ = draw(rng, config, config.common, config.rare, method.aligned)
            knobs.append({"x": x, "targets": np.eye(2, dtype=np.float32)[labels], **_weights(method, seed, config)})
    keys = jax.random.split(jax.random.key(config.seed), len(starts))  # unused: all that is random is in the knobs
    return recorded(
        methods, pair_loss, stacked(starts), stacked(knobs), keys, steps=config.steps,
        optimiser=optax.sgd(config.learning_rate), record=recorder(config), record_every=config.steps // POINTS,
    )  # fmt: skip


def _weights(method: Schedule, seed: int, config) -> dict[str, np.ndarray]:
    """lam and tau of every step, (steps,) each; one lam a step, the same for all pairs."""
    lam = np.array(method.law.draw(jax.random.key(seed), (config.steps,)))
    if method.then is not None:
        lam[method.switch :] = method.then.draw(jax.random.key(seed), lam[method.switch :].shape)
    return {"lam": lam, "tau": lam if method.tau is None else np.full_like(lam, method.tau)}


def outputs(weights, x):
    """F (n, 2) at points x (n, P, d), for weights (2, channels, d)."""
    return jnp.sum(jnp.square(jnp.einsum("npd,crd->ncpr", x, weights)), axis=(2, 3))


def pair_outputs(weights, x, lam):
    """F (n^2, 2) at all mixed points, pair (i, j) in row i n + j.

    The square of a mixture needs no more than the inner products of both ends: n^2 small products, not n^2 networks.
    """
    ends = jnp.einsum("npd,crd->cnpr", x, weights).reshape(2, len(x), -1)
    products = jnp.einsum("cia,cja->cij", ends, ends)
    own = jnp.sum(jnp.square(ends), axis=2)
    mixed = lam**2 * own[:, :, None] + (1 - lam) ** 2 * own[:, None, :] + 2 * lam * (1 - lam) * products
    return mixed.reshape(2, -1).T


def pair_loss(weights, knobs, key, t):
    """Mean cross-entropy over all ordered pairs, with the lam and tau of step t."""
    number = len(knobs["x"])
    first, second = jnp.repeat(knobs["targets"], number, axis=0), jnp.tile(knobs["targets"], (number, 1))
    targets = mix(first, second, jnp.broadcast_to(knobs["tau"][t], (number**2,)))
    return jnp.mean(cross_entropy(pair_outputs(weights, knobs["x"], knobs["lam"][t]), targets))


def held_out(config):
    """The test points that all replicas share, as `draw` gives them."""
    return draw(np.random.default_rng([config.seed, 1]), config, config.test, config.test)


def coin(config) -> float:
    """Accuracy on rare test points of a network that goes by their feature noise alone; a tie counts one half."""
    x, labels, is_rare = held_out(config)
    toward = np.sign(np.square(x[is_rare]).sum(axis=1) @ np.array([1.0, -1.0] + [0.0] * (config.dim - 2)))
    return float(np.mean((1 + toward * np.where(labels[is_rare] == 0, 1, -1)) / 2))


def recorder(config):
    """(weights, knobs) -> what is measured along the way, scalars."""
    x, labels, is_rare = (jnp.asarray(values) for values in held_out(config))
    rare_train = slice(2 * config.common, None)

    def record(weights, knobs):
        right = jnp.argmax(outputs(weights, x), axis=1) == labels
        own_labels = jnp.argmax(knobs["targets"], axis=1)
        fitted = jnp.argmax(outputs(weights, knobs["x"]), axis=1) == own_labels
        only_noise = knobs["x"][rare_train].at[:, :, :4].set(0.0)
        memorised = jnp.argmax(outputs(weights, only_noise), axis=1) == own_labels[rare_train]
        strength = jnp.max(jnp.abs(weights[:, :, :4]), axis=1)  # (class, feature)
        return {
            "test_common/accuracy": jnp.mean(right, where=~is_rare),
            "test_rare/accuracy": jnp.mean(right, where=is_rare),
            "train_rare/accuracy": jnp.mean(fitted[rare_train]),
            "train_rare/memorised": jnp.mean(memorised),
            "common_feature": (strength[0, 0] + strength[1, 1]) / 2,
            "rare_feature": (strength[0, 2] + strength[1, 3]) / 2,
        }

    return record


def _setting(method: Schedule, config) -> dict:
    tau = "lam" if method.tau is None else method.tau
    laws = {"lam": str(method.law), "then": str(method.then or ""), "switch": method.switch, "tau": tau}
    return laws | {"aligned": method.aligned, "steps": config.steps, "n": 2 * (config.common + config.rare)}


def _checks(last, config):
    rare = {name: metrics["test_rare/accuracy"] for name, metrics in last.items()}
    mixed = "as good as tied Mixup, " + THEOREM
    return [
        check("rare accuracy, Mixup - ERM", rare["Mixup"] - rare["ERM"], 0.25, THEOREM, relation=">="),
        check("rare accuracy, Mixup", rare["Mixup"], 0.95, THEOREM, relation=">="),
        check("rare accuracy, ERM: the coin of the feature noise", rare["ERM"], coin(config),
              "exact share of test points whose feature noise is right; one half of the population", tolerance=0.02),
        check("common accuracy, ERM", last["ERM"]["test_common/accuracy"], 0.95, THEOREM, relation=">="),
        check("common accuracy, Mixup", last["Mixup"]["test_common/accuracy"], 0.95, THEOREM, relation=">="),
        check("rare training points known by their noise, ERM", last["ERM"]["train_rare/memorised"], 0.9, THEOREM,
              relation=">="),
        *(
            check(f"rare accuracy, tau {tau:g} - tied", rare[_decoupled(config, tau)] - rare["Mixup"], 0.0,
                  mixed, tolerance=0.05)
            for tau in config.taus
        ),
        *(
            check(f"rare accuracy, ERM from {switch} - Mixup to the end", rare[_stopped(switch)] - rare["Mixup"], 0.0,
                  THEOREM, relation=">=", tolerance=0.02)
            for switch in config.switches
        ),
        check("rare accuracy, Mixup: aligned - anywhere", rare["Mixup"] - rare["Mixup, anywhere"], 0.0,
              "the product of two features, see the docstring", relation=">="),
    ]  # fmt: skip


def _figures(curves, config):
    steps = np.linspace(0, config.steps, POINTS + 1)
    n = config.seeds
    accuracy = [series(name, steps, curve["test_rare/accuracy"]) for name, curve in curves.items()]
    shown = {"ERM": "line", "Mixup": "dashed"}
    strengths = [
        series(f"{label}, {name}", steps, curves[name][key], style)
        for name, style in shown.items()
        for label, key in (("common", "common_feature"), ("rare", "rare_feature"))
    ]
    return [
        lines(
            "rare_accuracy", "Accuracy on points with the rare feature",
            f"Test accuracy on the rare group over steps of gradient descent, mean and sd over {n} seeds. The level is what"
            " the feature noise alone gives.",
            "step", "rare accuracy", series=accuracy, levels=[{"y": coin(config), "name": "feature noise alone"}],
        ),
        lines(
            "features", "What the weights learn",
            f"Largest |<w, feature>| over the channels of a feature's own class, mean over both classes and {n} seeds. Under"
            " ERM the rare feature stays small; under Mixup it follows the common one.",
            "step", "|<w, feature>|", y_scale="log", series=strengths,
        ),
    ]  # fmt: skip

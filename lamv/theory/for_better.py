"""Label augmentation helps where the shortcut is the noisier feature: the sign of its effect, turned by one dial.

By the theory of Chidambaram & Ge 2025 (minimum-variance features), label smoothing and Mixup favour the feature with the
lower variance of YX. That need not be the shortcut. Here a shortcut is strong but imperfect, and a
core feature is weak but always right, among many dimensions of noise:

    shortcut  4 (1 + noise N) Y, with its sign flipped for a share of the examples (0.15 and 20 % in the base setting)
    core      1 (1 + 0.15 N) Y
    the rest  N(0, 1) in every dimension

A flip puts the shortcut of an example on the wrong side, which adds 4 flip (1 - flip) strength^2 to Var(YX).
Measured are the weights of linear models (no bias): w_spu / w_core. To second order around the optimal logit, label
smoothing with weight decay is ridge regression, and its weights follow

    (B Cov(YX) + weight_decay I)^-1 E[YX],    B the curvature of the loss at the optimal logit,

which without weight decay is Fisher's discriminant. The same holds for Mixup with a B of its own (see `_curvature`).
ERM has no curvature left where it separates well, so that it leans towards E[YX], which has no variance in it. Label
augmentation therefore relies less on the shortcut than ERM where the shortcut varies more, and more where it varies
less. The dial is the variance of the shortcut: its noise without flips, then flips. All rows, settings and seeds are
columns of one program.

Minority accuracy is that on test examples whose shortcut is flipped, majority accuracy that on the others.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.special import expit

from lamv.core.batch import whole
from lamv.core.closed_forms import mixup_slope
from lamv.core.laws import uniform
from lamv.core.linear import lda_direction
from lamv.core.mixing import draw_partner, mix
from lamv.core.targets import one_hot, smooth
from lamv.knobs import Allowed, Knob, above, at_least, below, between
from lamv.theory.outcome import Outcome, check, lines, row, series
from lamv.theory.replicas import binary_loss, fit, keys_of, seeds_of, stacked

_settings = Allowed(
    lambda pairs: all(len(p) == 2 and p[0] > 0 and 0 <= p[1] < 0.5 for p in pairs),
    "pairs (noise above 0, flip rate from 0 to below 0.5)",
)
KNOBS = (
    Knob("examples", 1000, at_least(10), "training examples"),
    Knob("test_examples", 4000, at_least(10), "test examples with and without a flipped shortcut, each"),
    Knob("noise_dims", 200, at_least(1), "dimensions of pure noise"),
    Knob("strength", 4.0, above(0), "mean of the shortcut before flips; that of the core feature is 1"),
    Knob("core_noise", 0.15, above(0), "relative standard deviation of the core feature"),
    Knob("noise", 0.15, above(0), "base setting: relative standard deviation of the shortcut"),
    Knob("flip_rate", 0.2, below(0, 0.5), "base setting: share of examples whose shortcut is that of the other class"),
    Knob("dial", ((0.02, 0.0), (0.05, 0.0), (0.08, 0.0), (0.15, 0.0), (0.15, 0.02), (0.15, 0.05)), _settings,
         "further settings (noise, flip_rate) of the shortcut, over which Var(YX) is swept"),
    Knob("smoothing", 0.1, between(1e-6, 0.99), "label smoothing over all classes"),
    Knob("weight_decay", 0.01, above(0), "of the rows with weight decay: weight_decay / 2 ||w||^2 in the loss"),
    Knob("steps", 1500, at_least(1), "steps of full-batch Adam, cosine schedule to 0"),
    Knob("lr", 0.01, above(0), "learning rate of Adam"),
)  # fmt: skip

#: name: (smoothing, Mixup, weight decay), each on or off.
METHODS = {
    "ERM": (0, 0, 0), "LS": (1, 0, 0), "Mixup": (0, 1, 0),
    "ERM + wd": (0, 0, 1), "LS + wd": (1, 0, 1), "Mixup + wd": (0, 1, 1),
}  # fmt: skip
#: Each augmentation with the ERM of the same weight decay.
PAIRS = (("LS", "ERM"), ("Mixup", "ERM"), ("LS + wd", "ERM + wd"), ("Mixup + wd", "ERM + wd"))
LAW = uniform()
MEASURED_BEFORE = "measured before by us, n = 5"


def run(config) -> Outcome:
    """The base table, the dial, and where label augmentation changes sides."""
    settings = sorted({(config.noise, config.flip_rate), *map(tuple, config.dial)}, key=lambda s: _variance(s, config))
    weights = _train(config, settings)
    measured = _measure(config, settings, weights)
    base = settings.index((config.noise, config.flip_rate))
    checks = [*_base_checks(measured, base), *_dial_checks(config, settings, measured)]
    return Outcome(_rows(config, settings, measured), checks, _figures(config, settings, measured), REMARKS)


REMARKS = (
    "The same theorem carries both morals: whether less variance is for better or for worse is decided by which of the"
    " two features varies less, and that is a property of the data.",
    "Reliance is what the theory speaks of; accuracy shows it only where a flip is rare enough for ERM to lean on the"
    " shortcut and frequent enough for label augmentation to notice its variance.",
)


def _variance(setting, config) -> float:
    """Var(YX) of the shortcut over that of the core feature."""
    noise, flip = setting
    return config.strength**2 * (noise**2 + 4 * flip * (1 - flip)) / config.core_noise**2


def _predicted(setting, config, method) -> float:
    """w_spu / w_core of label smoothing or Mixup to second order: (B Cov + weight_decay I)^-1 E[YX]."""
    smoothed, _, decayed = METHODS[method]
    ridge = decayed * config.weight_decay / _curvature(config.smoothing if smoothed else None)
    mean = np.array([config.strength * (1 - 2 * setting[1]), 1.0])
    spread = config.core_noise**2 * np.diag([_variance(setting, config), 1.0])
    shortcut, core = lda_direction(mean, spread + ridge * np.eye(2))
    return float(shortcut / core)


def _curvature(smoothing: float | None) -> float:
    """B: what half the variance of YX along w costs, at the optimal logit without weight decay. None: Mixup.

    Label smoothing: e (1 - e), e the target of the wrong class. Mixup: the mean over pairs of sigmoid'(f) (lam^2 +
    (1 - lam)^2), the second being the part of the variance that is left in a mixed point.
    """
    if smoothing is not None:
        return smoothing / 2 * (1 - smoothing / 2)
    lam, weights = LAW.nodes()
    slope = mixup_slope(LAW)["slope"]
    same, other = expit(slope) * expit(-slope), expit(slope * (2 * lam - 1)) * expit(-slope * (2 * lam - 1))
    return float(weights @ ((lam**2 + (1 - lam) ** 2) * (same + other)) / 2)


def _train(config, settings) -> np.ndarray:
    """(seeds, settings, methods, 2 + noise_dims) weights: shortcut, core, noise. Every replica is one seed."""
    switches = np.tile(np.array(list(METHODS.values()), np.float32), (len(settings), 1))
    switches *= np.array([config.smoothing, 1.0, config.weight_decay], np.float32)
    columns = dict(zip(("smoothing", "mixed", "decay"), switches.T, strict=True))
    knobs = stacked([_draw(config, settings, seed) | columns for seed in seeds_of(config)])
    shape = (config.seeds, len(switches))
    start = {"planted": jnp.zeros((*shape, 2)), "noise": jnp.zeros((*shape, config.noise_dims))}
    optimiser = optax.adam(optax.cosine_decay_schedule(config.lr, config.steps))
    params, _ = fit(_loss, start, knobs, keys_of(config), steps=config.steps, optimiser=optimiser)
    weights = np.concatenate([params["planted"], params["noise"]], axis=-1)
    return weights.reshape(config.seeds, len(settings), len(METHODS), -1)


def _draw(config, settings, seed) -> dict[str, np.ndarray]:
    """labels (n,), noise (n, noise_dims), planted (columns, 2, n); settings differ in the shortcut alone."""
    rng = np.random.default_rng(seed)
    number = config.examples
    labels = rng.permutation(number) % 2
    sign = 2.0 * labels - 1
    own, core, flips = rng.normal(size=number), rng.normal(size=number), rng.uniform(size=number)
    weak = (1 + config.core_noise * core) * sign
    planted = [
        [config.strength * (1 + noise * own) * sign * np.where(flips < flip, -1, 1), weak] for noise, flip in settings
    ]
    planted = np.repeat(np.array(planted, np.float32), len(METHODS), axis=0)
    noise = rng.normal(size=(number, config.noise_dims)).astype(np.float32)
    return {"labels": labels.astype(np.int32), "noise": noise, "planted": planted}


def _loss(params, knobs, key, _):
    """The sum over columns of each column's objective: their gradients do not meet, nor do Adam's moments."""
    outputs = params["noise"] @ knobs["noise"].T + jnp.einsum("mf,mfn->mn", params["planted"], knobs["planted"])
    targets = jax.vmap(lambda s: smooth(one_hot(knobs["labels"], 2), s))(knobs["smoothing"])
    partner_key, lam_key = jax.random.split(key)
    partner = draw_partner(partner_key, whole(outputs.shape[1]))
    lam = LAW.draw(lam_key, partner.shape)

    def objective(outputs, targets, mixed, decay, planted, noise):
        # f is linear: f at the mixed point is the mixed f, which spares the mixing of all the dimensions.
        own = jnp.where(mixed > 0, lam, 1.0)
        outputs, targets = mix(outputs, outputs[partner], own), mix(targets, targets[partner], own)
        return binary_loss(outputs, targets) + decay / 2 * (jnp.sum(jnp.square(planted)) + jnp.sum(jnp.square(noise)))

    losses = jax.vmap(objective)(outputs, targets, knobs["mixed"], knobs["decay"], params["planted"], params["noise"])
    return jnp.sum(losses)


def _measure(config, settings, weights) -> dict[str, np.ndarray]:
    """ratio, minority and majority: (seeds, settings, methods) each.

    Test examples have fresh noise; the planted features and the noise add up to a margin, which is Gaussian in the
    noise dimensions given w, so that one draw of N(0, 1) times ||w_noise|| stands for all of them.
    """
    rng = np.random.default_rng([config.seed, 1])
    own, core, rest = rng.normal(size=(3, config.test_examples))
    noise = np.array([s[0] for s in settings])[None, :, None, None]
    shortcut, weak, rest_norm = weights[..., 0, None], weights[..., 1, None], np.linalg.norm(weights[..., 2:], axis=-1)
    from_shortcut = shortcut * config.strength * (1 + noise * own)
    others = weak * (1 + config.core_noise * core) + rest_norm[..., None] * rest
    return {
        "ratio": weights[..., 0] / weights[..., 1],
        "minority": np.mean(others - from_shortcut > 0, axis=-1),
        "majority": np.mean(others + from_shortcut > 0, axis=-1),
    }


def _named(setting) -> str:
    noise, flip = setting
    return f"flips {flip:g}" if flip else f"noise {noise:g}"


def _rows(config, settings, measured) -> list[dict]:
    names = {"reliance": "ratio", "minority_accuracy": "minority", "majority_accuracy": "majority"}
    rows = []
    for s, setting in enumerate(settings):
        for m, (method, (smoothed, mixed, decayed)) in enumerate(METHODS.items()):
            metrics = {name: measured[key][:, s, m] for name, key in names.items()}
            about = {"noise": setting[0], "flip_rate": setting[1], "variance_ratio": _variance(setting, config)}
            about |= {"smoothing": smoothed * config.smoothing, "alpha": 1.0 if mixed else None}
            about |= {"weight_decay": decayed * config.weight_decay}
            rows.append(row(f"{_named(setting)}: {method}", metrics, about))
    return rows


def _base_checks(measured, base) -> list:
    """What was measured before, on one side and with room: the effect is twofold to fivefold there."""
    ratio = dict(zip(METHODS, np.moveaxis(measured["ratio"][:, base], 1, 0), strict=True))
    claims = [
        ("LS over ERM", ratio["LS"] / ratio["ERM"], 0.5),
        ("Mixup over ERM", ratio["Mixup"] / ratio["ERM"], 0.5),
        ("LS over ERM, with wd", ratio["LS + wd"] / ratio["ERM + wd"], 0.7),
        ("Mixup over ERM, with wd", ratio["Mixup + wd"] / ratio["ERM + wd"], 0.8),
    ]
    return [
        check(f"base setting: reliance on the shortcut, {name}", values, limit, MEASURED_BEFORE, relation="<=")
        for name, values, limit in claims
    ]


def _dial_checks(config, settings, measured) -> list:
    """The steadiest shortcut is relied on more, the most variable less, with the change where it is predicted."""
    checks, names, flipped = [], list(METHODS), [flip > 0 for _, flip in settings]
    source = "direction given by the minimum-variance theorem (Chidambaram & Ge 2025)"
    for method, reference in PAIRS:
        relative = _relative(measured, method, reference)
        where = f"{method} over {reference}"
        checks += [
            check(f"least variable shortcut: {where}", relative[:, 0], 1, source, relation=">="),
            check(f"most variable shortcut: {where}", relative[:, -1], 1, source, relation="<="),
        ]
        gain = measured["minority"][..., names.index(method)] - measured["minority"][..., names.index(reference)]
        if any(flipped):
            quantity = f"minority accuracy, {method} minus {reference}, mean of the settings with flips"
            checks.append(check(quantity, gain[:, flipped].mean(axis=1), 0, source, relation=">="))
    source = "second-order expansion of the method's loss, against the measured ERM"
    for method, reference in PAIRS:
        found = _crossings(_variances(config, settings), _relative(measured, method, reference))
        reached = measured["ratio"][:, :, names.index(reference)].mean(axis=0)
        expected = np.array([_predicted(s, config, method) for s in settings])
        predicted = _crossings(_variances(config, settings), (expected / reached)[None])
        if found is not None and predicted is not None:
            quantity = f"log10 of the variance ratio at the crossing, {method} against {reference}"
            checks.append(check(quantity, np.log10(found), np.log10(predicted[0]), source, tolerance=0.5))
    return checks


def _variances(config, settings) -> np.ndarray:
    return np.array([_variance(s, config) for s in settings])


def _relative(measured, method, reference) -> np.ndarray:
    """(seeds, settings): w_spu / w_core of a method over that of another, the same seed for both."""
    names = list(METHODS)
    return measured["ratio"][..., names.index(method)] / measured["ratio"][..., names.index(reference)]


def _crossings(variances, relative) -> np.ndarray | None:
    """Per row, the variance ratio at which `relative` first falls through 1 (log-linear in between), or None."""
    found = []
    for values in np.log(relative):
        (below_one,) = np.nonzero(values <= 0)
        if not len(below_one) or below_one[0] == 0:
            return None
        after = below_one[0]
        share = values[after - 1] / (values[after - 1] - values[after])
        ends = np.log(variances[after - 1 : after + 1])
        found.append(np.exp(ends[0] + share * (ends[1] - ends[0])))
    return np.array(found)


def _figures(config, settings, measured) -> list[dict]:
    variances, over = _variances(config, settings), f"(n = {config.seeds} seeds, ± 1 sd)"
    label = "Var(YX) of the shortcut / of the core feature"
    expected = {m: np.array([[_predicted(s, config, m) for s in settings]]) for m in ("LS", "LS + wd")}
    by_method = {key: np.moveaxis(measured[key], -1, 0) for key in ("ratio", "minority")}
    return [
        lines(
            "dial", "The variance of the shortcut decides the sign of the effect",
            f"Reliance on the shortcut, w_spu / w_core, relative to ERM of the same weight decay {over}. Above 1, label"
            " augmentation relies on the shortcut more than ERM does; below, less. Up to a ratio of"
            f" {config.strength**2 * config.noise**2 / config.core_noise**2:g} the shortcut is always right and only its"
            " noise grows; beyond, its sign is flipped for a growing share of the examples.",
            label, "reliance, relative to ERM", x_scale="log", y_scale="log",
            series=[series(f"{a} / {b}", variances, _relative(measured, a, b)) for a, b in PAIRS],
            levels=[{"y": 1.0, "name": "as ERM"}],
        ),
        lines(
            "ratios", "Weight of the shortcut over that of the core feature",
            f"w_spu / w_core of each method {over}. Dashed: what the second-order expansion predicts for label smoothing,"
            " Fisher's ratio without weight decay and that of ridge regression with it.",
            label, "w_spu / w_core", x_scale="log", y_scale="log",
            series=[series(m, variances, values) for m, values in zip(METHODS, by_method["ratio"], strict=True)]
            + [series(f"{m}, predicted", variances, values, "dashed") for m, values in expected.items()],
        ),
        lines(
            "minority", "Accuracy where the shortcut is wrong",
            f"Accuracy on test examples with a flipped shortcut {over}. A method survives a flip if it gives the shortcut"
            f" less than about 1 / {config.strength:g} of the weight of the core feature; with rare flips in training,"
            " label augmentation reaches that before ERM does.",
            label, "minority accuracy", x_scale="log",
            series=[series(m, variances, values) for m, values in zip(METHODS, by_method["minority"], strict=True)],
        ),
    ]  # fmt: skip

"""Which of two features a linear model learns: theorems on the minimum-variance bias of label augmentation, measured.

Binary data Y = +-1 have low-variance coordinates L and high-variance coordinates H, where variance is that of YX:

    YX_L = mean + s_L N(0, 1)        YX_H uniform on [1.2, 3]        every coordinate independent

f(x) = <w, x>, no bias. Share(H) = ||w_H||^2 / ||w||^2. The statements are those of Chidambaram & Ge 2025 (section 3) in
a form that can be checked; e is the probability that the smoothed target gives to the wrong class.

    A  ERM + (beta / 2) ||w||^2: if for the unit u along w_L some unit v on H has Y<v, X> >= Y<u, X> always, then
       <w_H, v> >= ||w_L||, so Share(H) >= 1/2. Stationarity reads w = E[s YX] / beta with s > 0, and <w, v> >= <w, u>.
       The maximum margin, w = sum of a_i y_i x_i with a_i >= 0, has the same proof. If L dominates, L gets half.
    B  Label smoothing, YX_L constant, Cov(YX_H) positive definite: w_H = 0 and <w_L, E YX_L> = z* = log((1 - e) / e).
       By Jensen's inequality E l(Z) >= l(E Z) >= h(e), with equality only where Z = z* always.
    C  Mixup, X_L constant given Y, balanced, E[X_H | Y] = Y mu: w_H = 0, and the slope along L is c* of `mixup_slope`.
    Small variance: to second order label smoothing and Mixup follow Fisher's discriminant, w_H / w_L ~ s_L^2.
    Gaussian YX (Stein's lemma): without weight decay ERM and label smoothing have one direction. The negative control.

A trap: A is about the penalised objective. Adam without weight decay does not end at the maximum margin of the
Euclidean norm, and puts less than half of the weight on H. That row is kept, as a warning.

Exact minimisers of lamv.core.closed_forms are the oracle; beside them models are trained by full-batch Adam, with lam and
partner drawn anew in every step, all settings of one dimension as replicas of one program.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.stats import beta as beta_law

from lamv.core import closed_forms, linear
from lamv.core.laws import beta
from lamv.core.mixing import mix
from lamv.core.targets import one_hot, smooth
from lamv.knobs import Allowed, Knob, above, at_least, between
from lamv.theory.outcome import Outcome, check, curve, lines, row, series
from lamv.theory.replicas import binary_loss, fit, keys_of, seeds_of

_many = Allowed(lambda values: len(values) > 0 and all(v > 0 for v in values), "one or more numbers above 0")
_deviations = Allowed(lambda values: 0 in values and all(v >= 0 for v in values), "numbers of at least 0, 0 among them")
_smoothings = Allowed(lambda values: all(0 < v < 1 for v in values), "numbers above 0 and below 1")
_dimensions = Allowed(lambda pairs: all(len(p) == 2 and min(p) >= 1 for p in pairs), "pairs (dims of L, dims of H)")
KNOBS = (
    Knob("examples", 500, at_least(10), "training examples; both classes have as many"),
    Knob("deviations", (0.0, 0.05, 0.1, 0.2, 0.3), _deviations, "s_L, for one dimension of each kind"),
    Knob("dimensions", ((5, 5), (2, 20)), _dimensions, "further (dims of L, dims of H)"),
    Knob("wide_deviations", (0.0, 0.1), _deviations, "s_L for those dimensions"),
    Knob("sweep_deviation", 0.05, at_least(0), "s_L of the sweeps over weight decay, smoothing and alpha"),
    Knob("weight_decays", (1e-3, 1e-2, 1e-1, 1.0), _many, "of the sweep: weight_decay / 2 ||w||^2 in the loss"),
    Knob("smoothings", (0.01, 0.03, 0.1, 0.5), _smoothings, "of the sweep, over all classes"),
    Knob("alphas", (0.1, 0.3, 1.0, 10.0), _many, "of the sweep: lam ~ Beta(alpha, alpha)"),
    Knob("smoothing", 0.2, between(1e-6, 0.99), "label smoothing elsewhere, over all classes"),
    Knob("weight_decay", 1e-3, above(0), "weight decay elsewhere"),
    Knob("steps", 1500, at_least(1), "steps of full-batch Adam, cosine schedule to 0"),
    Knob("lr", 0.5, above(0), "learning rate of Adam"),
    Knob("instances", 60, at_least(1), "random data sets on which theorem A is tried"),
    Knob("gaussian_examples", 20_000, at_least(100), "examples of the Gaussian control"),
)

HIGH = (1.2, 3.0)
#: L above H everywhere: the case in which theorem A speaks for L.
SWAPPED_MEAN = 3.0
#: Two points: YX_L = 1 and YX_H = 1.2 or 3. weight decay -> (w_L, w_H) of ERM, found by Newton's method and by
#: Nelder-Mead; s_L -> w_H / w_L of label smoothing 0.2 where YX_L = 1 +- s_L.
TWO_POINT_ERM = {
    1.0: (0.242918, 0.445349), 0.1: (0.715592, 1.045729), 0.01: (1.416795, 1.798932), 1e-3: (2.208190, 2.681558),
    1e-4: (3.032529, 3.646726),
}  # fmt: skip
TWO_POINT_RATE = {0.4: 0.413251, 0.2: 0.102182, 0.1: 0.025766, 0.05: 0.006470, 0.025: 0.001620}
TWO_POINT_SLOPE = {0.2: 4.180541, 0.5: 3.721178, 1.0: 3.542283, 2.0: 3.524879, 8.0: 3.917392, 32.0: 4.693504}
#: YX ~ N((0.5, 1), diag(0.04, 1)): (e, weight decay) -> Share(H), found by two-dimensional quadrature.
GAUSSIAN_MEAN, GAUSSIAN_COVARIANCE = np.array([0.5, 1.0]), np.diag([0.04, 1.0])
GAUSSIAN_SHARE = {
    (0.0, 0.0): 0.006359, (0.0, 0.01): 0.091407, (0.0, 0.1): 0.411652,
    (0.05, 0.0): 0.006359, (0.05, 0.01): 0.058232, (0.05, 0.1): 0.384319,
    (0.1, 0.0): 0.006359, (0.1, 0.01): 0.043551, (0.1, 0.1): 0.360828,
    (0.25, 0.0): 0.006359, (0.25, 0.01): 0.027983, (0.25, 0.1): 0.311377,
}  # fmt: skip
MEASURED_BEFORE = "measured before by us, n = 5"


def run(config) -> Outcome:
    """Oracles, then trained models of every dimension, then the figures."""
    settings = _settings(config)
    share, weights, data = _train(config, (1, 1), settings)
    exact = np.array([[_exact(x, s) for x in of] for s, of in zip(settings, data, strict=True)])
    wide = {dims: _settings_wide(config) for dims in map(tuple, config.dimensions)}
    wide_share = {dims: _train(config, dims, s)[0] for dims, s in wide.items()}
    control = _gaussian_control(config)
    rows = [_row("1+1", s, share[i], weights[i]) for i, s in enumerate(settings)]
    for dims, of in wide.items():
        rows += [_row(f"{dims[0]}+{dims[1]}", s, wide_share[dims][i]) for i, s in enumerate(of)]
    rows.append(row("Gaussian control, no decay", {k: v for k, v in control.items() if k != "cosine"}))
    checks = [
        *_closed_forms(), *_random_instances(config), *_trained_checks(config, settings, share, weights, exact),
        *_wide_checks(wide, wide_share), *_gaussian_checks(control),
    ]  # fmt: skip
    figures = [*_figures(config, settings, share), boundary_figure()]
    return Outcome(rows, checks, figures, _remarks(config, settings, share))


def _setting(method, deviation, smoothing=0.0, alpha=None, weight_decay=0.0, mean=1.0) -> dict:
    """One row: what differs between replicas. alpha None: no Mixup."""
    return {"method": method, "deviation": deviation, "smoothing": smoothing, "alpha": alpha,
            "weight_decay": weight_decay, "mean": mean}  # fmt: skip


def _methods(config, deviation, *, decay, mean=1.0) -> list[dict]:
    common = {"weight_decay": decay, "mean": mean}
    return [
        _setting("ERM", deviation, **common),
        _setting("LS", deviation, smoothing=config.smoothing, **common),
        _setting("Mixup", deviation, alpha=1.0, **common),
    ]


def _settings(config) -> list[dict]:
    """Every row in one dimension of each kind, none of them twice."""
    at, decay = config.sweep_deviation, config.weight_decay
    found = [s for d in config.deviations for wd in (0.0, decay) for s in _methods(config, d, decay=wd)]
    found += [s for wd in config.weight_decays for s in _methods(config, at, decay=wd)]
    found += [_setting("LS", at, smoothing=s, weight_decay=decay) for s in config.smoothings]
    found += [_setting("Mixup", at, alpha=float(a), weight_decay=decay) for a in config.alphas]
    found += [_setting("ERM", 0.0, weight_decay=wd) for wd in config.weight_decays]
    found += _methods(config, 0.0, decay=decay, mean=SWAPPED_MEAN)
    return [s for i, s in enumerate(found) if s not in found[:i]]


def _settings_wide(config) -> list[dict]:
    return [
        s for d in config.wide_deviations for wd in (0.0, config.weight_decay) for s in _methods(config, d, decay=wd)
    ]


def _train(config, dims, settings):
    """share (settings, seeds) and weights (settings, seeds, d) of the trained models, and the data they had."""
    seeds, labels = seeds_of(config), np.arange(config.examples) % 2
    data = np.array([[_draw(config, dims, s, seed, labels) for seed in seeds] for s in settings], np.float32)
    replicas = len(settings) * len(seeds)
    each = {name: [s[name] for s in settings] for name in ("smoothing", "weight_decay")}
    each["lam"] = [_lam_table(s["alpha"], config.examples) for s in settings]
    knobs = {name: np.repeat(np.array(v, np.float32), len(seeds), axis=0) for name, v in each.items()}
    knobs |= {"inputs": data.reshape(replicas, config.examples, -1), "labels": np.tile(labels, (replicas, 1))}
    optimiser = optax.adam(optax.cosine_decay_schedule(config.lr, config.steps))
    start, keys = jnp.zeros((replicas, sum(dims))), keys_of(config, len(settings))
    weights, _ = fit(_loss, start, knobs, keys, steps=config.steps, optimiser=optimiser)
    weights = np.asarray(weights, np.float64).reshape(len(settings), len(seeds), -1)
    high = np.arange(sum(dims)) >= dims[0]
    share = np.array([[linear.high_variance_share(w, high) for w in of] for of in weights])
    return share, weights, data


def _draw(config, dims, setting, seed, labels) -> np.ndarray:
    """(n, d) inputs, L first. Settings of one seed share their draws: they are paired."""
    rng = np.random.default_rng(seed)
    low = setting["mean"] + setting["deviation"] * rng.normal(size=(len(labels), dims[0]))
    high = rng.uniform(*HIGH, size=(len(labels), dims[1]))
    return np.concatenate([low, high], axis=1) * (2.0 * labels - 1)[:, None]


def _lam_table(alpha, number) -> np.ndarray:
    """(n,) quantiles of Beta(alpha, alpha) in the middle of n equal parts; ones without Mixup."""
    return np.ones(number) if alpha is None else beta_law.ppf((np.arange(number) + 0.5) / number, alpha, alpha)


def _loss(weights, knobs, key, _):
    """The penalised objective; every step shifts the partners, and the table of lam, by draws of their own.

    A shift by 0 to n - 1 makes every example, itself included, the partner with the same probability.
    """
    inputs, number = knobs["inputs"], knobs["labels"].shape[0]
    targets = smooth(one_hot(knobs["labels"], 2), knobs["smoothing"])
    partner_shift, lam_shift = jax.random.randint(key, (2,), 0, number)
    lam = jnp.roll(knobs["lam"], lam_shift)
    inputs = mix(inputs, jnp.roll(inputs, partner_shift, axis=0), lam)
    targets = mix(targets, jnp.roll(targets, partner_shift, axis=0), lam)
    return binary_loss(inputs @ weights, targets) + knobs["weight_decay"] / 2 * jnp.sum(jnp.square(weights))


def _exact(inputs, setting) -> np.ndarray:
    """The minimiser on the same examples, where it exists and is cheap: not for Mixup, whose pairs are n^2."""
    if setting["alpha"] is not None or not (setting["smoothing"] or setting["weight_decay"]):
        return np.full(inputs.shape[1], np.nan)
    loss = "label_smoothing" if setting["smoothing"] else "erm"
    options = {"smoothing": setting["smoothing"], "weight_decay": setting["weight_decay"]}
    return linear.linear_minimizer(inputs, np.arange(len(inputs)) % 2, loss=loss, **options)["w"]


def _two_point(deviation=0.0) -> tuple[np.ndarray, np.ndarray]:
    """YX_L = 1 +- deviation, YX_H = 1.2 or 3, all combinations alike, both classes: (8, 2) and (8,)."""
    u = np.array([[low, high] for low in (1 - deviation, 1 + deviation) for high in HIGH])
    return np.concatenate([u, -u]), np.repeat([1, -1], 4)


def _closed_forms() -> list:
    """The oracles on the two-point data: the largest deviation of each family from its closed form."""
    x, y = _two_point()
    margin = linear.max_margin(x, y)
    erm = [linear.linear_minimizer(x, y, weight_decay=b)["w"] - w for b, w in TWO_POINT_ERM.items()]
    smoothed = []
    for s in (0.1, 0.2, 0.5):
        found = linear.linear_minimizer(x, y, loss="label_smoothing", smoothing=s)
        expected = [closed_forms.optimal_logit_gap(2, s), 0.0, closed_forms.minimal_loss(2, s)]
        smoothed.append(np.array([*found["w"], found["loss"]]) - expected)
    mixed = []
    for alpha, slope in TWO_POINT_SLOPE.items():
        mixed.append(linear.linear_minimizer(x, y, loss="mixup", law=beta(alpha))["w"] - [slope, 0.0])
        mixed.append(np.array([closed_forms.mixup_slope(beta(alpha))["slope"] - slope, 0.0]))
    rate = [linear.linear_minimizer(*_two_point(s), loss="label_smoothing", smoothing=0.2)["w"] for s in TWO_POINT_RATE]
    rate = np.array([w[1] / w[0] for w in rate])
    slope = np.diff(np.log(rate))[-1] / np.diff(np.log(list(TWO_POINT_RATE)))[-1]
    gaussian = []
    for (wrong, decay), share in GAUSSIAN_SHARE.items():
        law = (GAUSSIAN_MEAN, GAUSSIAN_COVARIANCE)
        w = linear.gaussian_minimizer(*law, smoothing=2 * wrong, weight_decay=decay)
        gaussian.append(linear.high_variance_share(w, [1]) - share)
    near = partial(check, tolerance=1e-5)
    return [
        near("two points: Share(H) of the maximum margin", linear.high_variance_share(margin["w"], [1]), 36 / 61,
             "closed form"),
        near("two points: its geometric margin", margin["margin"], np.sqrt(2.44), "closed form"),
        near("two points: ERM + wd, error of 5 minimisers", _largest(erm), 0, "two-dimensional search (A)"),
        near("two points: LS, error of 3 minimisers and losses", _largest(smoothed), 0, "closed form (B)"),
        near("two points: Mixup, error of 6 minimisers", _largest(mixed), 0, "closed form (C)"),
        near("two points: w_H / w_L of LS over s_L, error of 5", _largest(rate - list(TWO_POINT_RATE.values())), 0,
             "two-dimensional search"),
        check("two points: slope of log w_H / w_L over log s_L", slope, 2, "second-order expansion", tolerance=0.02),
        near("Gaussian: Share(H) of 12 minimisers, error", _largest(gaussian), 0, "quadrature (Stein's lemma)"),
    ]  # fmt: skip


def _largest(deviations) -> float:
    return float(np.max(np.abs(np.array(deviations))))


def _random_instances(config) -> list:
    """Theorem A on random data whose first coordinate of H is at least ||X_L||: it dominates every direction of L."""
    rng = np.random.default_rng(config.seed)
    shares, surplus, margins = [], [], []
    for _ in range(config.instances):
        low, high = int(rng.integers(1, 4)), int(rng.integers(1, 5))
        u = rng.normal(size=(30, low)) + rng.uniform(0, 2, size=low)
        v = rng.normal(size=(30, high))
        v[:, 0] = np.linalg.norm(u, axis=1) * (1 + rng.uniform(0, 1, size=30)) + 0.2
        sign = np.where(rng.uniform(size=30) < 0.5, -1, 1)
        sign[:2] = -1, 1
        x = sign[:, None] * np.concatenate([u, v], axis=1)
        w = linear.linear_minimizer(x, sign, weight_decay=float(rng.choice([1.0, 1e-2, 1e-4])))["w"]
        on_high = np.arange(low + high) >= low
        shares.append(linear.high_variance_share(w, on_high))
        surplus.append(w[low] - np.linalg.norm(w[:low]))
        margins.append(linear.high_variance_share(linear.max_margin(x, sign)["w"], on_high))
    number = f"smallest of {config.instances} random data sets"
    return [
        check(f"ERM + wd: Share(H), {number}", min(shares), 0.5, "theorem A", relation=">="),
        check(f"ERM + wd: <w_H, v> - ||w_L||, {number}", min(surplus), 0, "theorem A", relation=">="),
        check(f"maximum margin: Share(H), {number}", min(margins), 0.5, "theorem A, corollary", relation=">="),
    ]


def _of(settings, **wanted) -> list[int]:
    return [i for i, s in enumerate(settings) if all(s[k] == v for k, v in wanted.items())]


def _trained_checks(config, settings, share, weights, exact) -> list:
    """The trained models in one dimension of each kind, by the theorems and by earlier runs; 0.05: well below half."""
    (smoothed,) = _of(settings, method="LS", deviation=0.0, mean=1.0, weight_decay=0.0, smoothing=config.smoothing)
    (mixed,) = _of(settings, method="Mixup", deviation=0.0, mean=1.0, weight_decay=0.0)
    (plain_erm,) = _of(settings, method="ERM", deviation=0.0, mean=1.0, weight_decay=0.0)
    decayed = [i for i in _of(settings, method="ERM", mean=1.0) if settings[i]["weight_decay"]]
    constant = [i for i in decayed if settings[i]["deviation"] == 0]
    steady = [i for m in ("LS", "Mixup") for i in _of(settings, method=m, mean=1.0, weight_decay=0.0)]
    steady = [i for i in steady if settings[i]["deviation"] <= 0.05]
    (swapped,) = _of(settings, method="ERM", mean=SWAPPED_MEAN)
    apart = np.nanmax(np.linalg.norm(weights - exact, axis=-1) / np.linalg.norm(exact, axis=-1), axis=0)
    slope = closed_forms.mixup_slope(beta(1.0))["slope"]
    return [
        check("trained against exact minimiser, largest relative distance of w", apart, 0,
              "Newton's method on the same examples", tolerance=0.02),
        check("ERM + wd, s_L = 0: Share(H), least of all decays", share[constant].min(axis=0), 0.5, "theorem A",
              relation=">="),
        check("ERM + wd, any s_L: Share(H), least of all", share[decayed].min(axis=0), 0.5, MEASURED_BEFORE,
              relation=">="),
        check("ERM + wd, L dominates: Share(H)", share[swapped], 0.5, "theorem A for L", relation="<="),
        check("LS, s_L = 0: Share(H)", share[smoothed], 0, "theorem B", tolerance=1e-3),
        check("LS, s_L = 0: w_L", weights[smoothed, :, 0], closed_forms.optimal_logit_gap(2, config.smoothing),
              "closed form (B)", tolerance=0.02),
        check("Mixup, s_L = 0: Share(H)", share[mixed], 0, "theorem C", tolerance=1e-3),
        check("Mixup, s_L = 0: w_L", weights[mixed, :, 0], slope, "closed form (C)", tolerance=0.1),
        check("LS and Mixup, s_L up to 0.05: Share(H), largest", share[steady].max(axis=0), 0.05, MEASURED_BEFORE,
              relation="<="),
        check("Adam without decay, s_L = 0: Share(H)", share[plain_erm], 0.5, MEASURED_BEFORE, relation="<=",
              note="the trap: not a minimiser, so theorem A does not speak of it"),
    ]  # fmt: skip


def _wide_checks(wide, shares) -> list:
    checks = []
    for dims, settings in wide.items():
        decayed = [i for i in _of(settings, method="ERM", deviation=0.0) if settings[i]["weight_decay"]]
        name = f"{dims[0]}+{dims[1]} dimensions, s_L = 0"
        least = shares[dims][decayed].min(axis=0)
        checks.append(check(f"{name}: ERM + wd, Share(H)", least, 0.5, "theorem A", relation=">="))
        for method, theorem in (("LS", "theorem B"), ("Mixup", "theorem C")):
            (one,) = _of(settings, method=method, deviation=0.0, weight_decay=0.0)
            checks.append(check(f"{name}: {method}, Share(H)", shares[dims][one], 0, theorem, tolerance=0.02))
    return checks


def _gaussian_control(config) -> dict[str, list[float]]:
    """Minimisers without weight decay on Gaussian samples: their shares, and the cosine of ERM with label smoothing."""
    shares = {"share_of_H, ERM": [], "share_of_H, LS": [], "cosine": []}
    for seed in seeds_of(config):
        rng = np.random.default_rng(seed)
        sign = np.arange(config.gaussian_examples) % 2 * 2 - 1
        noise = rng.normal(size=(len(sign), 2)) * np.sqrt(np.diag(GAUSSIAN_COVARIANCE))
        x = (GAUSSIAN_MEAN + noise) * sign[:, None]
        # A decay that is as good as none, which spares the search for a separating line among so many points.
        erm = linear.linear_minimizer(x, sign, weight_decay=1e-9)["w"]
        smoothed = linear.linear_minimizer(x, sign, loss="label_smoothing", smoothing=config.smoothing)["w"]
        shares["share_of_H, ERM"].append(linear.high_variance_share(erm, [1]))
        shares["share_of_H, LS"].append(linear.high_variance_share(smoothed, [1]))
        shares["cosine"].append(erm @ smoothed / np.linalg.norm(erm) / np.linalg.norm(smoothed))
    return shares


def _gaussian_checks(control) -> list:
    expected = linear.high_variance_share(linear.lda_direction(GAUSSIAN_MEAN, GAUSSIAN_COVARIANCE), [1])
    source = "closed form (Stein's lemma)"
    return [
        check("Gaussian control: cosine of ERM and LS", control["cosine"], 1, source, tolerance=1e-3),
        check("Gaussian control: Share(H) of ERM", control["share_of_H, ERM"], expected, source, tolerance=0.005),
        check("Gaussian control: Share(H) of LS", control["share_of_H, LS"], expected, source, tolerance=0.005),
    ]


def _row(dims, setting, share, weights=None) -> dict:
    parts = [dims, setting["method"]]
    if setting["smoothing"]:
        parts.append(f"{setting['smoothing']:g}")
    if setting["alpha"] is not None:
        parts.append(f"{setting['alpha']:g}")
    name = " ".join(parts) + (f" + wd {setting['weight_decay']:g}" if setting["weight_decay"] else "")
    name += f", s_L {setting['deviation']:g}" + (f", L at {setting['mean']:g}" if setting["mean"] != 1 else "")
    metrics = {"share_of_H": share}
    if weights is not None:
        metrics |= {"w_L": weights[:, 0], "w_H": weights[:, 1]}
    return row(name, metrics, setting)


def _remarks(config, settings, share) -> list[str]:
    (trap,) = _of(settings, method="ERM", deviation=0.0, mean=1.0, weight_decay=0.0)
    return [
        f"Trap: ERM by Adam without weight decay ends at Share(H) = {share[trap].mean():.3f} (n = {share.shape[1]}) even"
        f" where H dominates (learning rate {config.lr:g}; smaller with a smaller one). Adam's steps are of one size in"
        " every coordinate, so w leans towards equal weights; theorem A and its corollary are about the penalised objective"
        " and the maximum margin, and are measured there.",
        "With s_L above 0, H no longer dominates in the tails, so theorem A has nothing to say; ERM with weight decay"
        " stays above half nevertheless.",
        "The effect fades continuously: by s_L = 0.3 the low-variance feature is no longer much the less variable one,"
        " and label smoothing and Mixup follow Fisher's discriminant there, as the dashed line shows.",
    ]


def _lda_share(deviation) -> float:
    """Share(H) of Fisher's discriminant for one dimension of each kind."""
    mean, variance = np.mean(HIGH), (HIGH[1] - HIGH[0]) ** 2 / 12
    ratio = mean / variance * deviation**2
    return ratio**2 / (1 + ratio**2)


def _figures(config, settings, share) -> list[dict]:
    n, at = config.seeds, config.sweep_deviation
    caption = f"Share(H) of trained models (n = {n} seeds, ± 1 sd); above one half, most weight is on the high-variance"
    half = [{"y": 0.5, "name": "one half"}]

    def measured(name, x_of, **wanted):
        picked = sorted(_of(settings, mean=1.0, **wanted), key=lambda i: settings[i][x_of])
        if x_of != "deviation":  # no place for 0 on a logarithmic axis
            picked = [i for i in picked if settings[i][x_of] > 0]
        return series(name, [settings[i][x_of] for i in picked], share[picked], axis=1)

    methods = {"ERM": {"method": "ERM"}, "LS": {"method": "LS", "smoothing": config.smoothing},
               "Mixup": {"method": "Mixup", "alpha": 1.0}}  # fmt: skip
    fine = np.linspace(0, max(config.deviations), 101)
    over_deviation = [
        measured(name + (" + wd" if decay else ""), "deviation", weight_decay=decay, **of)
        for decay in (0.0, config.weight_decay) for name, of in methods.items()
    ]  # fmt: skip
    lda = curve("Fisher", fine, [_lda_share(s) for s in fine], "dashed")
    decays = [measured(name, "weight_decay", deviation=at, **of) for name, of in methods.items()]
    smoothings = measured("LS + wd", "smoothing", method="LS", deviation=at, weight_decay=config.weight_decay)
    alphas = measured("Mixup + wd", "alpha", method="Mixup", deviation=at, weight_decay=config.weight_decay)
    tail = f" (s_L = {at:g}"
    return [
        lines(
            "share_over_deviation", "The less a feature varies, the more label augmentation relies on it",
            f"{caption} feature. Without weight decay and with {config.weight_decay:g} of it, over the standard deviation of"
            " the other feature. Dashed: Fisher's discriminant, the prediction for small variances. ERM without decay is"
            " the trap of Adam: it is not a minimiser.",
            "s_L, standard deviation of the low-variance feature", "Share(H)", levels=half, series=[*over_deviation, lda],
        ),
        lines(
            "share_over_decay", "Weight decay gives the weight to the high-variance feature",
            f"{caption} feature, over weight decay{tail}, smoothing {config.smoothing:g}, Mixup with alpha 1). ERM is above"
            " one half for every decay; the others approach it where the decay outweighs the data.",
            "weight decay", "Share(H)", x_scale="log", levels=half, series=decays,
        ),
        lines(
            "share_over_smoothing", "A little smoothing is enough",
            f"{caption} feature, over label smoothing{tail}, weight decay {config.weight_decay:g}).",
            "label smoothing", "Share(H)", x_scale="log", levels=half, series=[smoothings],
        ),
        lines(
            "share_over_alpha", "Mixup's law hardly matters, once there is mixing",
            f"{caption} feature, over alpha of Beta(alpha, alpha){tail}, weight decay {config.weight_decay:g}).",
            "alpha", "Share(H)", x_scale="log", levels=half, series=[alphas],
        ),
    ]  # fmt: skip


def boundary_figure(smoothings=(0.0, 0.005, 0.02, 0.1, 0.5), weight_decay=1e-3, deviation=0.1) -> dict:
    """How the decision boundary turns from one feature to the other as smoothing grows: exact minimisers, one sample."""
    rng = np.random.default_rng(0)
    sign = np.repeat([1, -1], 60)
    u = np.stack([1 + deviation * rng.normal(size=120), rng.uniform(*HIGH, size=120)], axis=1)
    x = u * sign[:, None]
    shown = [curve(f"class {s:+d}", *x[sign == s].T, "points") for s in (1, -1)]
    for smoothing in smoothings:
        loss = "label_smoothing" if smoothing else "erm"
        w = linear.linear_minimizer(x, sign, loss=loss, smoothing=smoothing, weight_decay=weight_decay)["w"]
        shown.append(_boundary(f"smoothing {smoothing:g}" if smoothing else "ERM", w))
    mixed = linear.linear_minimizer(x, sign, loss="mixup", law=beta(1.0), weight_decay=weight_decay)["w"]
    shown.append(_boundary("Mixup", mixed) | {"style": "dashed"})
    caption = (
        "Two classes, 60 examples each, in a low-variance feature (across) and a high-variance feature (up),"
        f" and where linear models change sides (exact minimisers, weight decay {weight_decay:g}). ERM cuts across both"
        " features and relies more on the one that is larger on average; the more smoothing, the more upright the"
        " boundary, which is to rely on the feature that varies less. Mixup, dashed, does the same."
    )
    labels = ("low-variance feature", "high-variance feature")
    return lines("boundary", "The boundary turns as smoothing grows", caption, *labels, series=shown)


def _boundary(name, w, reach=3.2) -> dict:
    """The part of <w, x> = 0 with both coordinates within `reach`."""
    along = np.array([w[1], -w[0]]) / np.max(np.abs(w)) * reach
    return curve(name, *np.stack([-along, along], axis=1))

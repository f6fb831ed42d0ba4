"""Where Mixup and ERM learn one linear classifier, and where they do not.

Chidambaram et al. 2022 (section 3.2) study linear models in high dimension, where training with Mixup and training
without end in the same classifier. Here the condition is derived for f(x) = <w, x> on n examples with Y = +-1, as many
of each class, X the matrix of examples, and lam of any law that is not confined to {0, 1/2, 1}:

    The Mixup loss depends on w only by the outputs z_i = <w, x_i>, as f is linear: f(x_lam) = lam z_i + (1 - lam) z_j. It
    is strictly convex in z, and symmetric in the examples of a class and under a change of signs, so its minimum over
    all z is z = c* y, with c* of `mixup_slope`. If the examples are linearly independent (points in general position,
    d >= n), every z can be had: Mixup interpolates its labels, and the solution of least norm, where gradient descent
    from 0 and a vanishing weight decay end, is w = c* X' K^-1 y, with the Gram matrix K = X X'. (With a bias, d >= n - 1.)

    ERM goes to the maximum margin w = sum of a_i y_i x_i, a >= 0, with y_i z_i = 1 where a_i > 0 (by gradient descent:
    Soudry et al. 2018). Interpolation is of this form with a = y * K^-1 y. So the two have the same direction if and only
    if every y_i (K^-1 y)_i >= 0: all examples are support vectors.

Independent isotropic examples fulfil that for d well above n log n ("proliferation of support vectors", Hsu, Muthukumar &
Xu 2021). So there are three regimes: d < n, where Mixup cannot interpolate and the two differ; from d = n on, where
Mixup interpolates but ERM leaves out examples; and large d, where they are equal. Label smoothing interpolates as
Mixup does. The argument is empty for lam in {0, 1/2, 1}, where no minimum is attained; it fails without independence,
and for unbalanced classes without a bias the outputs of the two classes differ in size.

Two kinds of data: "planted", a low-variance feature 1 + 0.1 N, a high-variance one uniform on [1.2, 3] (both times Y),
and d - 2 dimensions of N(0, 1); and "generic", N(0, 1) in d >= n dimensions with labels that mean nothing.
"""

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
from lamv.theory.outcome import Outcome, check, lines, row, series
from lamv.theory.replicas import binary_loss, fit, keys_of, seeds_of

_even = Allowed(lambda n: n >= 4 and n % 2 == 0, "an even number of at least 4")
_dims = Allowed(lambda values: len(values) > 1 and list(values) == sorted(set(values)) and values[0] >= 2,
                "two or more growing numbers of at least 2")  # fmt: skip
KNOBS = (
    Knob("examples", 24, _even, "training examples n; both classes have as many"),
    Knob("test_examples", 2000, at_least(10), "test examples, on which decisions are compared"),
    Knob("dimensions", (2, 4, 8, 16, 24, 32, 64, 128, 256, 1024), _dims, "dimensions d of the data"),
    Knob("alpha", 1.0, above(0), "Mixup: lam ~ Beta(alpha, alpha)"),
    Knob("smoothing", 0.1, between(1e-6, 0.99), "label smoothing over all classes"),
    Knob("steps", 4000, at_least(1), "steps of full-batch gradient descent with Nesterov's momentum"),
)

STEP, MOMENTUM = 2.0, 0.95
KINDS = ("planted", "generic")
METHODS = ("ERM", "Mixup", "LS")


def run(config) -> Outcome:
    """Exact solutions over the dimension, models that were trained on the same examples, and the condition."""
    cells = [(kind, d) for kind in KINDS for d in config.dimensions if kind == "planted" or d >= config.examples]
    data = [[_draw(config, kind, d, seed) for seed in seeds_of(config)] for kind, d in cells]
    trained = _train(config, data)
    found = [
        [_compare(config, *draw, w) for draw, w in zip(*of, strict=True)] for of in zip(data, trained, strict=True)
    ]
    measured = {key: np.array([[one[key] for one in of] for of in found]) for key in found[0][0]}
    rows = [
        row(f"{kind}, d = {d}", {k: v[i] for k, v in measured.items()}, {"kind": kind, "d": d, "n": config.examples})
        for i, (kind, d) in enumerate(cells)
    ]
    about = (config, cells, measured)
    return Outcome(rows, _checks(*about), _figures(*about), _remarks(*about))


def _draw(config, kind, dim, seed) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """inputs (n, d), signs (n,), and test inputs (test_examples, d) of the same law."""
    rng = np.random.default_rng([seed, dim, KINDS.index(kind)])
    number = config.examples + config.test_examples
    sign = np.where(np.arange(number) % 2, 1.0, -1.0)
    x = rng.normal(size=(number, dim))
    if kind == "planted":
        x[:, 0] = sign * (1 + 0.1 * x[:, 0])
        x[:, 1] = sign * rng.uniform(1.2, 3.0, size=number)
    return x[: config.examples], sign[: config.examples], x[config.examples :]


def _train(config, data) -> np.ndarray:
    """(cells, seeds, methods, n) directions by gradient descent from 0, in coordinates of the examples' span.

    Gradient descent never leaves the span of the examples, and turns with them, so an orthonormal basis of the span
    serves as well as the dimensions themselves: n coordinates, with zeros for d < n, in one program for all d. Inputs
    are scaled to a largest singular value of sqrt(n), so that the curvature is at most 1/4 and STEP suits all of them.
    """
    inputs = np.array([[_in_span(x)[0] for x, _, _ in of] for of in data], np.float32)
    cells, seeds, number = inputs.shape[:3]
    replicas = cells * seeds
    quantiles = beta_law.ppf((np.arange(number**2) + 0.5) / number**2, config.alpha, config.alpha)
    lam = np.random.default_rng(config.seed).permutation(quantiles).astype(np.float32)
    labels = (data[0][0][1] > 0).astype(np.int32)
    knobs = {name: np.tile(values, (replicas, 1)) for name, values in (("labels", labels), ("lam", lam))}
    knobs |= {"inputs": inputs.reshape(replicas, number, number)}
    knobs |= {"smoothing": np.full(replicas, config.smoothing, np.float32)}
    optimiser = optax.sgd(optax.cosine_decay_schedule(STEP, config.steps), momentum=MOMENTUM, nesterov=True)
    start = jnp.zeros((replicas, len(METHODS), number))
    weights, _ = fit(_loss, start, knobs, keys_of(config, cells), steps=config.steps, optimiser=optimiser)
    weights = np.asarray(weights, np.float64).reshape(cells, seeds, len(METHODS), number)
    return weights / np.linalg.norm(weights, axis=-1, keepdims=True)


def _in_span(x) -> tuple[np.ndarray, np.ndarray]:
    """The examples in n coordinates (n, n), scaled, and the map (n, d) that takes weights there back to the inputs."""
    left, sizes, basis = np.linalg.svd(x, full_matrices=False)
    number, scale = len(x), np.sqrt(len(x)) / sizes[0]
    spare = number - len(sizes)
    design = np.pad(left * sizes * scale, ((0, 0), (0, spare)))
    return design, np.pad(basis * scale, ((0, spare), (0, 0)))


def _loss(weights, knobs, key, _):
    """The sum of the objectives of ERM, Mixup and label smoothing, weights (3, n): their gradients do not meet.

    Mixup sees all n^2 ordered pairs in every step, with the quantiles of its law handed out anew.
    """
    labels = one_hot(knobs["labels"], 2)
    number = labels.shape[0]
    plain_outputs, outputs, smoothed_outputs = weights @ knobs["inputs"].T
    lam = jnp.roll(knobs["lam"], jax.random.randint(key, (), 0, number**2))
    first, second = jnp.divmod(jnp.arange(number**2), number)
    mixed = binary_loss(mix(outputs[first], outputs[second], lam), mix(labels[first], labels[second], lam))
    smoothed = binary_loss(smoothed_outputs, smooth(labels, knobs["smoothing"]))
    return binary_loss(plain_outputs, labels) + mixed + smoothed


def _compare(config, x, sign, test, trained) -> dict[str, float]:
    """The metrics of one data set. trained: (methods, n) directions in the coordinates of `_in_span`."""
    law = beta(config.alpha)
    margin = linear.max_margin(x, sign)["w"]
    mixed = linear.linear_minimizer(x, sign, loss="mixup", law=law)["w"]
    smoothed = linear.linear_minimizer(x, sign, loss="label_smoothing", smoothing=config.smoothing)["w"]
    erm_trained, mixed_trained, _ = trained @ _in_span(x)[1]
    outputs = sign * (x @ mixed)
    independent = x.shape[1] >= len(x)
    reversed_first = test * np.where(np.arange(x.shape[1]) == 0, -1.0, 1.0)
    duals = sign * np.linalg.solve(x @ x.T, sign) if independent else np.zeros(1)
    return {
        "cosine_of_Mixup_with_maximum_margin": _cosine(mixed, margin),
        "agreement_of_decisions": _agreement(test, mixed, margin),
        "agreement_with_first_feature_reversed": _agreement(reversed_first, mixed, margin),
        "cosine_of_Mixup_with_LS": _cosine(mixed, smoothed),
        "cosine_of_trained_Mixup_with_exact": _cosine(mixed_trained, mixed),
        "cosine_of_trained_ERM_with_maximum_margin": _cosine(erm_trained, margin),
        "cosine_of_trained_Mixup_with_trained_ERM": _cosine(mixed_trained, erm_trained),
        "support_vectors": float(np.mean(sign * (x @ margin) < 1 + 1e-6)),
        "condition": float(independent and duals.min() >= 0),
        "deviation_from_slope": float(np.max(np.abs(outputs / closed_forms.mixup_slope(law)["slope"] - 1))),
    }


def _agreement(test, a, b) -> float:
    return float(np.mean((test @ a > 0) == (test @ b > 0)))


def _cosine(a, b) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def _checks(config, cells, measured) -> list:
    wide = [i for i, (_, d) in enumerate(cells) if d >= config.examples]
    narrow = cells.index(("planted", config.dimensions[0]))
    last = [cells.index((kind, config.dimensions[-1])) for kind in KINDS if (kind, config.dimensions[-1]) in cells]
    cosine, condition = measured["cosine_of_Mixup_with_maximum_margin"], measured["condition"]
    mismatches = np.sum((cosine > 1 - 1e-7) != (condition > 0), axis=0)
    derived = "derivation: minimum of the loss over the outputs"
    checks = [
        check("Mixup and maximum margin agree although the condition fails, or the reverse: data sets", mismatches, 0,
              "derivation: all dual weights non-negative"),
    ]  # fmt: skip
    square = [i for i, (_, d) in enumerate(cells) if d == config.examples]
    for name, picked in (("d = n", square), ("other d", [i for i in range(len(cells)) if i not in square])):
        if picked:
            least = measured["cosine_of_trained_Mixup_with_exact"][picked].min(axis=0)
            quantity, source = (
                f"{name}: cosine of trained Mixup with exact, least",
                "Newton's method on the same examples",
            )
            checks.append(check(quantity, least, 0.99, source, relation=">="))
    if wide:
        checks += [
            check("d >= n: outputs of Mixup against c* y, largest relative deviation",
                  measured["deviation_from_slope"][wide].max(axis=0), 0, derived, tolerance=1e-6),
            check("d >= n: cosine of Mixup with label smoothing, least",
                  measured["cosine_of_Mixup_with_LS"][wide].min(axis=0), 1, derived, tolerance=1e-6),
        ]  # fmt: skip
    if config.dimensions[0] < config.examples:
        name = f"planted, d = {config.dimensions[0]}"
        source = "theorems on minimum-variance features (Chidambaram & Ge 2025)"
        checks += [
            check(f"{name}: cosine of Mixup with maximum margin", cosine[narrow], 0.9, source, relation="<="),
            check(f"{name}: cosine of trained Mixup with trained ERM",
                  measured["cosine_of_trained_Mixup_with_trained_ERM"][narrow], 0.9, source, relation="<="),
        ]  # fmt: skip
    for i in last:
        kind, d = cells[i]
        source = "proliferation of support vectors (Hsu, Muthukumar & Xu 2021): d well above n log n"
        checks += [
            check(f"{kind}, d = {d}: cosine of Mixup with maximum margin", cosine[i], 1, source, tolerance=1e-3),
            check(f"{kind}, d = {d}: cosine of trained Mixup with trained ERM",
                  measured["cosine_of_trained_Mixup_with_trained_ERM"][i], 0.99, source, relation=">="),
            check(f"{kind}, d = {d}: agreement of decisions", measured["agreement_of_decisions"][i], 0.99, source,
                  relation=">="),
        ]  # fmt: skip
    return checks


def _figures(config, cells, measured) -> list[dict]:
    n = config.examples

    def curve(name, metric, kind, style="line"):
        picked = [i for i, cell in enumerate(cells) if cell[0] == kind]
        return series(name, [cells[i][1] for i in picked], measured[metric][picked], style, axis=1)

    exact, trained = "cosine_of_Mixup_with_maximum_margin", "cosine_of_trained_Mixup_with_trained_ERM"
    return [
        lines(
            "cosine", "With dimensions to spare, Mixup and ERM are one classifier",
            f"Cosine between the weights of Mixup and of ERM for n = {n} examples (n = {config.seeds} data sets, ± 1 sd)."
            " Exact: the Mixup minimiser and the maximum margin, where ERM goes without end. Trained: gradient descent on"
            f" both for {config.steps} steps. From d = n = {n} on Mixup interpolates its labels; the two are the same once"
            " all examples are support vectors.",
            "dimension d", "cosine", x_scale="log",
            series=[curve(f"{kind}, exact", exact, kind) for kind in KINDS]
            + [curve(f"{kind}, trained", trained, kind, "points") for kind in KINDS],
        ),
        lines(
            "support", "They are the same where all examples are support vectors",
            f"Share of examples that are support vectors of the maximum margin, and share of {config.seeds} data sets in"
            " which every y (K^-1 y) is non-negative, which is the condition for equal directions.",
            "dimension d", "share", x_scale="log",
            series=[curve(f"{kind}, support vectors", "support_vectors", kind) for kind in KINDS]
            + [curve(f"{kind}, condition", "condition", kind, "dashed") for kind in KINDS],
        ),
        lines(
            "decisions", "Decisions on new examples",
            f"Share of {config.test_examples} new examples on which Mixup and the maximum margin decide alike"
            f" (n = {config.seeds} data sets, ± 1 sd). Where both features of the planted data say the same, so do both"
            " classifiers; dashed: with the low-variance feature reversed, they differ wherever their weights do.",
            "dimension d", "agreement", x_scale="log",
            series=[curve(kind, "agreement_of_decisions", kind) for kind in KINDS]
            + [curve("planted, reversed", "agreement_with_first_feature_reversed", "planted", "dashed")],
        ),
    ]  # fmt: skip


def _remarks(config, cells, measured) -> list[str]:
    """Where the equality fails although Mixup interpolates, and where training has not arrived."""
    remarks = [
        "For d below n Mixup weighs every example, and the maximum margin only its support vectors: the equality fails, in"
        " the way that the theorems on minimum-variance features say."
    ]
    between_them = [
        f"{kind}, d = {d} ({measured['cosine_of_Mixup_with_maximum_margin'][i].mean():.3f})"
        for i, (kind, d) in enumerate(cells)
        if d >= config.examples and measured["condition"][i].mean() < 1
    ]
    if between_them:
        remarks.append(
            "High dimension alone is not enough. Mixup interpolates its labels, and yet some data sets have examples that"
            f" are no support vectors, so that the two differ (mean cosine): {'; '.join(between_them)}."
        )
    if config.examples in config.dimensions:
        remarks.append(
            "At d = n the Gram matrix is all but singular: gradient descent takes more steps than these to interpolate"
            " along its smallest eigenvalue, and trained Mixup is not yet where its minimiser is."
        )
    return remarks

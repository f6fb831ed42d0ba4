"""Training too long with Mixup hurts: the test curve falls, turns and rises (Liu et al. 2023).

After "Over-training with Mixup May Hurt Generalization" (ICLR 2023). A mixed target is right for a mixed input only where
the truth is linear in between; elsewhere it carries noise, a function of the data, that a network fits in the end.

Least squares. On mixed data (phi, q) gradient flow from 0 gives theta_t = (I - exp(-G t)) theta_mix, with G = E phi phi^T
and theta_mix the minimiser. In the modes of G (eigenvalue m_k), its distance from the truth theta* is

    sum over k of (e_k b_k + (1 - e_k) r_k)^2,   e_k = exp(-m_k t),   b = -theta*,   r = theta_mix - theta*

what is yet to be learnt and what is learnt wrongly. Were r independent of b, its mean would be the sum of
e_k^2 b_k^2 + (1 - e_k)^2 r_k^2 (lamv.core.closed_forms.least_squares_risk), which always turns: one mode with b^2 = 1 and
r^2 = s turns at e = s / (1 + s). Here r is a linear function of theta*, so both predictions are shown.

The student is linear in `features` random features tanh(w x + a), x ~ N(0, I), made orthonormal under the law of x: then
the squared distance is the test risk. The teacher is of the same form, so that the targets of ERM are exact: its r is 0
where there are data (and -b, never approached, where there are none), and its risk cannot rise. All that makes Mixup's
curve turn is the curvature of tanh. Less data than features leave modes with small eigenvalues, in which the noise weighs
most: the sizes are a quarter, half and all of the number of features.

Digits. A network 64 - width - 10 with ReLU on a few of scikit-learn's digits, Adam, mini-batches drawn with replacement,
lam ~ U[0, 1]. The turning point of a run is where its error on one half of the other digits (moving average) is least;
what is reported is measured on the second half, so that picking a minimum does not feign a rise. Then each run starts
again with Mixup up to its turning point and ERM from there on.

Label noise, exactly: three points 0, 1, 2 with labels 0, 1, 0 and lam = 1/2. Of the mixed points that fall on 1, a third
is point 1 with itself and two thirds are midpoints of 0 and 2, with the label 0 although the label there is 1.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from lamv.core.closed_forms import least_squares_risk, least_squares_turning_point, mixup_optimal
from lamv.core.laws import fixed, uniform
from lamv.core.losses import cross_entropy, squared_error
from lamv.core.mixing import midpoint, mix, mixup
from lamv.data import load
from lamv.errors import ConfigError
from lamv.knobs import Allowed, Knob, above, at_least, between, whole_numbers
from lamv.theory.outcome import Outcome, check, curve, lines, row, series
from lamv.theory.replicas import fit, keys_of, recorded, seeds_of, stacked

PATH = 1000  # measurements along gradient descent on least squares
WINDOW = 7  # measurements in the moving average that finds the turning point

whole_path = Allowed(lambda value: value > 0 and value % PATH == 0, f"a multiple of {PATH} above 0")

KNOBS = (
    Knob("features", 64, at_least(2), "least squares: random features"),
    Knob("inputs", 10, at_least(1), "least squares: dimension of x"),
    Knob("points", (16, 32, 64), whole_numbers(2), "least squares: training points, from few to many"),
    Knob("mixed", 500, at_least(2), "least squares: mixed points, drawn once"),
    Knob("rate", 0.1, above(0), "least squares: learning rate of gradient descent"),
    Knob("descent", 4000, whole_path, "least squares: full-batch steps"),
    Knob("sizes", (40, 80, 160), whole_numbers(10), "digits: training examples, from few to many"),
    Knob("width", 64, at_least(1), "digits: of the hidden layer"),
    Knob("batch_size", 32, at_least(2), "digits: examples of a step"),
    Knob("learning_rate", 1e-3, above(0), "digits: of Adam"),
    Knob("steps", 5000, at_least(10), "digits: steps of training"),
    Knob("records", 100, between(WINDOW, 199), "digits: measurements along the way; a divisor of steps"),
)

PREDICTED = "closed form of gradient flow, all modes"
PAPER = "reported by Liu et al. 2023, in direction"


def run(config) -> Outcome:
    """What is known exactly, then least squares, then digits."""
    if config.steps % config.records:
        raise ConfigError(f"config.records is {config.records}, must divide the {config.steps} steps")
    if max(config.sizes) > 1500:
        raise ConfigError(f"config.sizes is {config.sizes}, must leave some of 1797 digits to test: at most 1500 each")
    outcome = Outcome([], oracles(), [], REMARKS)
    _least_squares(config, outcome)
    _digits(config, outcome)
    return outcome


REMARKS = (
    "In least squares each rise is relative to the minimum of the same curve, and is 0 at least; a check asks for 5 % with"
    " the fewest points. The risk of ERM with fewer points than features stops where the data end.",
    "Taking noise and teacher for independent gives the end of the curve, but too low a minimum. What is left out is the sum"
    " of 2 e_k (1 - e_k) b_k r_k, and it is positive: Mixup's minimiser is, in part, a shrunken teacher.",
    "On digits the cross-entropy against one-hot test labels would rise under ERM too, from growing confidence; the error"
    " does not, and is what is compared.",
)


def oracles():
    """What is known exactly: the toy's turning point, and the label noise of the midpoint on the alternating line."""
    turn = least_squares_turning_point(1.0, 0.25)
    votes = mixup_optimal(np.arange(3.0), np.array([0, 1, 0]), 2, fixed(0.5), np.array([1.0]))
    places, labels = np.tile(np.arange(3.0, dtype=np.float32), 10_000), np.tile([0, 1, 0], 10_000)
    x, targets = jax.jit(midpoint)(jax.random.key(0), places, np.eye(2, dtype=np.float32)[labels])
    drawn = np.asarray(targets)[np.asarray(x) == 1.0, 0].mean()
    return [
        check("toy with one mode, s = 1/4: turning point", turn["time"], np.log(5), "closed form", tolerance=1e-6),
        check("toy with one mode, s = 1/4: risk there", turn["risk"], 0.2, "closed form", tolerance=1e-9),
        check("wrong labels at 1 under the midpoint of 0, 1, 0", votes[0, 0], 2 / 3, "exact enumeration",
              tolerance=1e-12),
        check("the same among 30,000 draws", drawn, 2 / 3, "exact enumeration", tolerance=0.02),
    ]  # fmt: skip


class Problem(NamedTuple):
    """Least squares of one replica: phi (M, p) and q (M,) to fit, theta* (p,), test_phi (N, p)."""

    phi: np.ndarray
    q: np.ndarray
    truth: np.ndarray
    test_phi: np.ndarray


def least_squares_problem(config, seed: int, number: int, mixing: bool) -> Problem:
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
    return Problem(phi(mix(x[first], x[second], lam)), mix(target[first], target[second], lam), truth, test_phi)


def predicted_risk(problem: Problem, times) -> dict[str, np.ndarray]:
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
    """Half the mean squared error, whose gradient flow has the eigenvalues of E phi phi^T for rates."""
    return jnp.mean(squared_error((data["phi"] @ theta)[:, None], data["q"][:, None])) / 2


def _least_squares(config, outcome: Outcome) -> None:
    seeds, kinds = seeds_of(config), [(name, number) for name in ("Mixup", "ERM") for number in config.points]
    problems = [
        least_squares_problem(config, seed, number, name == "Mixup") for name, number in kinds for seed in seeds
    ]
    kept = np.unique(np.geomspace(1, PATH, 50).round().astype(int))
    times = config.rate * (config.descent // PATH) * kept
    paths = descend(config, problems)[:, kept]
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
            for key, values in _turn_metrics(c[which], times).items()
        }
        setting = {"task": "least squares", "method": name, "n": number, "features": config.features}
        outcome.rows.append(row(f"least squares, {name}, n {number}", metrics, setting))
    outcome.checks.extend(_least_squares_checks(curves, times, config.points))
    outcome.figures.extend(_least_squares_figures(curves, times, config))


def descend(config, problems) -> np.ndarray:
    """(R, PATH + 1, p): the weights along gradient descent from 0, for all problems in one program."""
    data = {key: jnp.asarray(np.stack([getattr(p, key) for p in problems]), jnp.float32) for key in ("phi", "q")}
    start, keys = jnp.zeros((len(problems), config.features)), jax.random.split(jax.random.key(0), len(problems))
    _, thetas = fit(
        descent_loss, start, data, keys, steps=config.descent, optimiser=optax.sgd(config.rate),
        record=lambda theta, data: theta, record_every=config.descent // PATH,
    )  # fmt: skip
    return np.asarray(thetas, np.float64)


def _turn_metrics(risk, times):
    """Where and how low each curve (seeds, T) is least, its end, and by what share the end lies above the minimum."""
    lowest, end = risk.min(axis=1), risk[:, -1]
    return {"turning_time": times[risk.argmin(axis=1)], "minimum": lowest, "end": end, "rise": end / lowest - 1}


def _least_squares_checks(curves, times, points):
    few, many = ("Mixup", points[0]), ("Mixup", points[-1])
    off = dict.fromkeys(("Mixup", "ERM"), 0.0)
    for (name, _), c in curves.items():
        off[name] = max(off[name], np.abs(c["measured"].mean(0) / c["exact"].mean(0) - 1).max())
    turn = {kind: _turn_metrics(curve["measured"], times) for kind, curve in curves.items()}
    closed = _turn_metrics(curves[few]["exact"], times)
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


def _least_squares_figures(curves, times, config):
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


def _digits(config, outcome: Outcome) -> None:
    kinds = [(name, size) for name in ("Mixup", "ERM") for size in config.sizes]
    until = np.repeat([config.steps if name == "Mixup" else 0 for name, _ in kinds], config.seeds)
    curves = train_digits(config, kinds, until)
    turns = {kind: turning_records(c["validation"]) for kind, c in curves.items()}
    every = config.steps // config.records
    switch = np.concatenate([turns["Mixup", size] * every for size in config.sizes])
    switched = [("Mixup, then ERM", size) for size in config.sizes]
    curves |= train_digits(config, switched, switch)
    turns |= {kind: turns["Mixup", kind[1]] for kind in switched}
    metrics = {}
    for (name, size), c in curves.items():
        turn = turns[name, size]
        at_turn, end = c["test"][np.arange(config.seeds), turn], c["test"][:, -1]
        metrics[name, size] = {
            "test/turning_step": turn * every, "test/error_at_turn": at_turn, "test/error": end,
            "test/rise": end - at_turn,
        }  # fmt: skip
        setting = {"task": "digits", "method": name, "n": size, "steps": config.steps}
        outcome.rows.append(row(f"digits, {name}, n {size}", metrics[name, size], setting))
    outcome.checks.extend(_digits_checks(metrics, config.sizes))
    outcome.figures.extend(_digits_figure(curves, size, config) for size in config.sizes)


def train_digits(config, kinds, until) -> dict[tuple[str, int], dict[str, np.ndarray]]:
    """For each kind (name, size), the curves "validation" and "test" of the error, (seeds, records + 1).

    until: (R,) steps with Mixup, for all kinds and seeds.
    """
    sizes, seeds = [size for _, size in kinds], seeds_of(config)
    split = load("digits").parts["all"]
    inputs = split.inputs.reshape(len(split.inputs), -1) / np.float32(16)
    inputs = jnp.asarray((inputs - inputs.mean(axis=0)) / inputs.std())
    labels = jnp.asarray(split.labels)
    targets = jax.nn.one_hot(labels, 10)
    orders = np.stack([np.random.default_rng([seed, 0]).permutation(len(inputs)) for seed in seeds])
    shapes = {"hidden": (64, config.width), "shift": (config.width,), "out": (config.width, 10), "bias": (10,)}
    starts = [_initial(shapes, seed) for _ in sizes for seed in seeds]
    knobs = {
        "order": jnp.asarray(np.tile(orders, (len(sizes), 1))),
        "number": jnp.asarray(np.repeat(sizes, len(seeds))),
        "until": jnp.asarray(until),
    }

    def loss(params, knobs, key, t):
        drawn, mixed = jax.random.split(key)
        batch = knobs["order"][jax.random.randint(drawn, (config.batch_size,), 0, knobs["number"])]
        low = jnp.where(t < knobs["until"], 0.0, 1.0)  # from there on lam is 1, which is ERM
        x, q = mixup(mixed, inputs[batch], targets[batch], law=uniform(low, 1.0))
        return jnp.mean(cross_entropy(logits(params, x), q))

    def record(params, knobs):
        others = knobs["order"][max(config.sizes) :]
        wrong = jnp.argmax(logits(params, inputs[others]), axis=1) != labels[others]
        return {"validation": jnp.mean(wrong[::2]), "test": jnp.mean(wrong[1::2])}

    return recorded(
        kinds, loss, stacked(starts), knobs, keys_of(config, len(kinds)), steps=config.steps,
        optimiser=optax.adam(config.learning_rate), record=record, record_every=config.steps // config.records,
    )  # fmt: skip


def logits(params, x):
    """(B, 64) -> (B, 10)."""
    return jax.nn.relu(x @ params["hidden"] + params["shift"][None]) @ params["out"] + params["bias"][None]


def turning_records(error) -> np.ndarray:
    """(seeds,) the record about which the moving average of each curve (seeds, T) is least."""
    smooth = np.stack([np.convolve(curve, np.ones(WINDOW) / WINDOW, "valid") for curve in error])
    return smooth.argmin(axis=1) + WINDOW // 2


def _initial(shapes, seed: int):
    rng = np.random.default_rng([seed, 1])
    scale = {"hidden": np.sqrt(2 / 64), "out": np.sqrt(1 / shapes["out"][0])}
    return {name: (scale.get(name, 0.0) * rng.normal(size=shape)).astype(np.float32) for name, shape in shapes.items()}


def _digits_checks(metrics, sizes):
    few, many = sizes[0], sizes[-1]
    rise = {kind: values["test/rise"] for kind, values in metrics.items()}
    turn = {size: metrics["Mixup", size]["test/turning_step"] for size in sizes}
    end = {kind: values["test/error"] for kind, values in metrics.items()}
    return [
        *(check(f"digits, Mixup, n {n}: error at the end - at the turning point", rise["Mixup", n], 0.01, PAPER,
                relation=">=") for n in sizes),
        check(f"digits: rise under Mixup, n {few} - n {many}", rise["Mixup", few] - rise["Mixup", many], 0.0, PAPER,
              relation=">="),
        *(check(f"digits, ERM, n {n}: error at the end - at the turning point", rise["ERM", n], 0.0, "no label noise",
                tolerance=0.01) for n in sizes),
        check(f"digits, Mixup: turning step, n {few} - n {many}", turn[few] - turn[many], 0.0, PAPER, relation="<="),
        *(check(f"digits, n {n}: error at the end, ERM from the turning point on - Mixup",
                end["Mixup, then ERM", n] - end["Mixup", n], 0.0, PAPER, relation="<=") for n in sizes),
    ]  # fmt: skip


def _digits_figure(curves, size, config):
    steps = np.linspace(0, config.steps, config.records + 1)[1:]
    styles = {"Mixup": "line", "ERM": "line", "Mixup, then ERM": "dashed"}
    error = [series(name, steps, curves[name, size]["test"][:, 1:], style) for name, style in styles.items()]
    caption = (
        f"Mean and sd over {config.seeds} seeds. Past its turning point, Mixup's error grows as long as training"
        " lasts; with ERM from each run's turning point on it does not."
    )
    title = f"Test error of a network trained on {size} digits"
    return lines(f"digits_{size}", title, caption, "step", "test error", x_scale="log", series=error)

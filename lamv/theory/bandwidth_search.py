"""RC-Mixup with its published search for the bandwidth: regression from spectra, with a share of wrong labels.

After "RC-Mixup: A Data Augmentation Strategy against Noisy Data for Regression Tasks" (Hwang, Kim & Whang, KDD 2024) and its
code. C-Mixup draws the partner j of an example i with probability proportional to exp(-|y_i - y_j|^2 / (2 b^2)), with one
lam ~ Beta(alpha, alpha) a batch. RC-Mixup

    1. trains by C-Mixup at the first bandwidth for `warm_up` epochs, and goes on from the epoch of least validation RMSE;
    2. before each epoch keeps the share 1 - noise of the training set that fits best, its clean set: all others are neither
       trained on nor partners;
    3. every `every` epochs trains on from the same network and optimiser with each bandwidth for `trial` epochs, and goes on
       with the last network of the bandwidth whose best epoch has the least validation RMSE; those epochs count once.

What is measured is the network of the epoch of least validation RMSE since the warm-up; for the other rows, since the start.

The authors' data, 226 inputs and four labels from 30 to 160, are not in their repository. Here an example is the
reflectance at 226 wavelengths from 500 to 3000 nm of four layers, nitride and oxide in turn (refractive indices 2.00 and
1.46, without absorption), on silicon (3.9): exact for light at a right angle, by the recursion over layers. The labels
are their thicknesses in nm, uniform on [30, 160]. Wrong labels are as in the code: normal noise of sd 60 on all four, drawn
again until all lie in [30, 160]. Inputs are scaled to [0, 1] by the training set.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from lamv.claims import Claim
from lamv.core.mixing import mix
from lamv.errors import ConfigError
from lamv.knobs import Allowed, Knob, above, at_least, below
from lamv.theory.outcome import Outcome, check, lines, row, series
from lamv.theory.replicas import seeds_of, stacked, stream

some_bandwidths = Allowed(lambda values: len(values) > 0 and all(0 < v < 2**31 for v in values), "numbers above 0")

KNOBS = (
    Knob("bandwidths", (5.0, 10.0, 15.0, 20.0), some_bandwidths, "candidates, in nm"),
    Knob("bandwidth", 20.0, above(0), "of the warm-up and of C-Mixup, in nm"),
    Knob("noise", 0.3, below(0, 1), "share of training examples with wrong labels, known to RC-Mixup"),
    Knob("points", 1000, at_least(4), "training examples; published: 2000. A quarter validate, half test"),
    Knob("warm_up", 200, at_least(1), "epochs of C-Mixup; published: 1000"),
    Knob("epochs", 200, at_least(1), "epochs after the warm-up, a multiple of `every`; published: 1000"),
    Knob("every", 100, at_least(1), "epochs from one search to the next; published: 500"),
    Knob("trial", 100, at_least(1), "epochs that each bandwidth is tried for, `every` at most; published: 500"),
    Knob("alpha", 2.0, above(0), "lam ~ Beta(alpha, alpha), one a batch"),
    Knob("batch_size", 128, at_least(1), "examples of a step"),
    Knob("learning_rate", 0.01, above(0), "of Adam"),
    Knob("width", 128, at_least(1), "of both hidden layers"),
)

WAVELENGTHS = np.linspace(500.0, 3000.0, 226)
INDICES, SUBSTRATE = (2.00, 1.46, 2.00, 1.46), 3.9
LOW, HIGH, NOISE_SD = 30.0, 160.0, 60.0
#: Of RC-Mixup with 30 % noise, seed 410.
NOTEBOOK, PUBLISHED = "the authors’ notebook, their data", {"rmse": 8.1799, "mape": 6.1727}
PAPER = "claim (Hwang, Kim & Whang 2024)"


class Data(NamedTuple):
    """inputs (N, 226) and labels (N, 4) to train on, to validate and to test; wrong: (N,) bool, of the training set."""

    train: tuple[np.ndarray, np.ndarray]
    valid: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    wrong: np.ndarray


class Fit(NamedTuple):
    """A network in training: params, Adam's moments, and the params and validation RMSE of its best epoch so far."""

    params: Any
    moments: Any
    best: Any
    rmse: jax.Array


class Way(NamedTuple):
    """How a batch is made.

    bandwidth: of all replicas, or (R,); inf: any partner. mixes: lam is drawn, else 1. clean: of those that fit best
    only.
    """

    bandwidth: Any
    mixes: bool = True
    clean: bool = False


def run(config) -> Outcome:
    """The rows without a warm-up of their own, then RC-Mixup at one bandwidth and with its search, on the same data."""
    _check(config)
    data = [dataset(seed, config) for seed in seeds_of(config)]
    on_device = jax.tree.map(jnp.asarray, stacked([(one.train, one.valid) for one in data]))
    start = jax.vmap(lambda params: begin(params, config))(
        stacked([network(seed, config) for seed in seeds_of(config)])
    )
    advance = partial(_advanced, config, on_device)
    length = config.warm_up + config.epochs
    plain = {"ERM": Way(np.inf, False), "Mixup": Way(np.inf), "C-Mixup": Way(config.bandwidth)}
    fits = {name: advance(start, way, 0, length)[0] for name, way in plain.items()}
    warm, _ = advance(start, plain["C-Mixup"], 0, config.warm_up)
    warm = jax.vmap(lambda params: begin(params, config))(warm.best)
    for name, way in {"clean set, not mixed": Way(np.inf, False, True), "RC-Mixup, one bandwidth":
                      Way(config.bandwidth, clean=True)}.items():  # fmt: skip
        fits[name] = advance(warm, way, config.warm_up, config.epochs)[0]
    fits["RC-Mixup"], picks, curves = _searched(config, advance, warm)
    measures = {name: _measured(fit.best, data, config.noise) for name, fit in fits.items()}
    measures["RC-Mixup"]["bandwidth"] = picks.mean(axis=0)
    rows = [row(name, values, {"method": name, "noise": config.noise}) for name, values in measures.items()]
    rows.append(row(NOTEBOOK, PUBLISHED))
    return Outcome(rows, _checks(measures), [_figure(curves, config)], REMARKS)


REMARKS = (
    "The published numbers are of data that are not to be had: they stand beside ours for their size only.",
    "RC-Mixup knows the share of wrong labels, and has as many epochs as the other rows; its search trains each bandwidth.",
)


def reflectance(thickness: np.ndarray) -> np.ndarray:
    """Share of light that layers of these thicknesses (N, 4) in nm, the outermost first, reflect: (N, 226) in [0, 1].

    From the substrate outwards, r <- (r_l + r p) / (1 + r_l r p), with r_l = (n_(l-1) - n_l) / (n_(l-1) + n_l) of Fresnel at
    the outer side of layer l and p = exp(-4 pi i n_l d_l / wavelength), the phase of a passage to and fro.
    """
    outside = (1.0, *INDICES)
    amplitude = np.full(
        (len(thickness), len(WAVELENGTHS)), (INDICES[-1] - SUBSTRATE) / (INDICES[-1] + SUBSTRATE), complex
    )
    for layer in reversed(range(len(INDICES))):
        phase = np.exp(-4j * np.pi * INDICES[layer] * thickness[:, layer, None] / WAVELENGTHS)
        boundary = (outside[layer] - INDICES[layer]) / (outside[layer] + INDICES[layer])
        amplitude = (boundary + amplitude * phase) / (1 + boundary * amplitude * phase)
    return np.abs(amplitude) ** 2


def dataset(seed: int, config) -> Data:
    """Training set with wrong labels, and clean validation and test sets, of one seed."""
    rng = stream(seed, 3)
    sizes = (config.points, config.points // 4, config.points // 2)
    labels = [rng.uniform(LOW, HIGH, (size, 4)) for size in sizes]
    inputs = [reflectance(values) for values in labels]
    low, high = inputs[0].min(axis=0), inputs[0].max(axis=0)
    wrong = np.zeros(config.points, bool)
    wrong[rng.choice(config.points, int(config.noise * config.points), replace=False)] = True
    for place in np.flatnonzero(wrong):
        labels[0][place] = mistaken(labels[0][place], rng)
    pairs = [
        (((x - low) / (high - low)).astype(np.float32), y.astype(np.float32))
        for x, y in zip(inputs, labels, strict=True)
    ]
    return Data(*pairs, wrong)


def mistaken(label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(4,) the label with noise, drawn again until all of it is in range."""
    while True:
        drawn = label + NOISE_SD * rng.standard_normal(len(label))
        if (drawn >= LOW).all() and (drawn <= HIGH).all():
            return drawn


def network(seed: int, config) -> list[dict[str, np.ndarray]]:
    """Layers 226 - width - width - 4, uniform on +-1 / sqrt(fan in)."""
    rng, sizes = stream(seed, 0), (len(WAVELENGTHS), config.width, config.width, 4)
    return [
        {name: rng.uniform(-1, 1, shape).astype(np.float32) / np.float32(np.sqrt(fan_in))
         for name, shape in (("kernel", (fan_in, units)), ("bias", (units,)))}
        for fan_in, units in zip(sizes, sizes[1:], strict=False)
    ]  # fmt: skip


def outputs(params, inputs):
    """(B, 226) inputs -> (B, 4); leaky ReLU of slope 0.1."""
    for layer in params[:-1]:
        inputs = jax.nn.leaky_relu(inputs @ layer["kernel"] + layer["bias"][None], 0.1)
    return inputs @ params[-1]["kernel"] + params[-1]["bias"][None]


def begin(params, config) -> Fit:
    """A network at the start of a stage: Adam forgets, and no epoch is the best yet."""
    return Fit(params, optax.adam(config.learning_rate).init(params), params, jnp.float32(jnp.inf))


def best_fitting(errors, number: int):
    """(N,) bool: the `number` examples of least error (N,)."""
    return jnp.argsort(jnp.argsort(errors)) < number


def near(key, labels, all_labels, bandwidth, among):
    """(B,) partners of examples with labels (B, 4): j with probability ~ among_j exp(-|y - y_j|^2 / (2 bandwidth^2))."""
    squares = jnp.sum(jnp.square(labels[:, None] - all_labels[None]), axis=-1)
    cumulative = jnp.cumsum(jnp.exp(-squares / (2 * bandwidth**2)) * among[None], axis=1)
    draw = jax.random.uniform(key, (len(labels), 1)) * cumulative[:, -1:]
    # The first place whose cumulative weight exceeds the draw: one of no weight never is.
    return jnp.minimum(jnp.sum(cumulative <= draw, axis=1), len(all_labels) - 1)


def picked(best_rmse):
    """Which of the candidates (C,) goes on: that of least validation RMSE, of equal ones the last, as in the code."""
    return len(best_rmse) - 1 - jnp.argmin(best_rmse[::-1])


def kept(candidates: Fit, before: Fit) -> tuple[Fit, jax.Array]:
    """(the fit that goes on, number of the candidate) of candidates with a leading axis C that all went on from `before`.

    Params and moments are those of the candidate after its last epoch; the best epoch is that of all rounds.
    """
    number = picked(candidates.rmse)
    chosen = jax.tree.map(lambda values: values[number], candidates)
    better = chosen.rmse <= before.rmse
    best = jax.tree.map(lambda new, old: jnp.where(better, new, old), chosen.best, before.best)
    return chosen._replace(best=best, rmse=jnp.minimum(chosen.rmse, before.rmse)), number


def rmse_of(params, inputs, labels):
    """Root mean square error over all examples and labels, in nm."""
    return jnp.sqrt(jnp.mean(jnp.square(outputs(params, inputs) - labels)))


@partial(jax.jit, static_argnames=("number", "batch_size", "rate"))
def _trained(fits: Fit, data, bandwidth, lam, keys, first, epochs, *, number, batch_size, rate):
    """(fits, validation RMSE (R, T), 0 from `epochs` on) after `epochs` more, for R replicas.

    lam: (R, T, S), of every epoch of the run and every step of an epoch. number: examples of the clean set. first, epochs:
    traced, so that stages of any length are one program.
    """
    adam = optax.adam(rate)

    def one(fit, data, bandwidth, lam, key):
        (inputs, labels), valid = data

        def epoch(e, carry):
            fit, curve = carry
            key_t = jax.random.fold_in(key, first + e)
            among = jnp.ones(len(labels), bool)
            if number < len(labels):
                among = best_fitting(jnp.mean(jnp.square(outputs(fit.params, inputs) - labels), axis=1), number)
            # In random order, those that are left out last.
            order = jnp.argsort(jax.random.uniform(key_t, among.shape) + ~among)

            def step(i, carry):
                params, moments = carry
                rows = lax.dynamic_slice(order, (i * batch_size,), (batch_size,))
                partner = near(jax.random.fold_in(key_t, i), labels[rows], labels, bandwidth, among)
                x, y = (mix(values[rows], values[partner], lam[first + e, i][None]) for values in (inputs, labels))
                gradient = jax.grad(lambda params: jnp.mean(jnp.square(outputs(params, x) - y)))(params)
                updates, moments = adam.update(gradient, moments, params)
                return optax.apply_updates(params, updates), moments

            params, moments = lax.fori_loop(0, number // batch_size, step, (fit.params, fit.moments))
            rmse = rmse_of(params, *valid)
            best = jax.tree.map(lambda new, old: jnp.where(rmse <= fit.rmse, new, old), params, fit.best)
            return Fit(params, moments, best, jnp.minimum(rmse, fit.rmse)), curve.at[e].set(rmse)

        return lax.fori_loop(0, epochs, epoch, (fit, jnp.zeros(len(lam))))

    return jax.vmap(one)(fits, data, bandwidth, lam, keys)


def _advanced(config, data, fits: Fit, way: Way, first: int, epochs: int) -> tuple[Fit, np.ndarray]:
    """_trained for all seeds. Rows of one seed share the draws of an epoch."""
    seeds, size = seeds_of(config), (config.warm_up + config.epochs, config.points // config.batch_size)
    lam = [stream(seed, 2).beta(config.alpha, config.alpha, size) if way.mixes else np.ones(size) for seed in seeds]
    fits, rmse = _trained(
        fits, data, jnp.broadcast_to(jnp.float32(way.bandwidth), len(seeds)), np.stack(lam).astype(np.float32),
        jax.vmap(jax.random.key)(jnp.array(list(seeds))), first, epochs, batch_size=config.batch_size,
        number=config.points - int(config.noise * config.points) * way.clean, rate=config.learning_rate,
    )  # fmt: skip
    return fits, np.asarray(rmse)[:, :epochs]


def _searched(config, advance, fits: Fit) -> tuple[Fit, np.ndarray, np.ndarray]:
    """(fits, bandwidths that each round chose (rounds, R), validation RMSE of the first round (C, R, trial))."""
    picks, curves = [], []
    for start in range(config.warm_up, config.warm_up + config.epochs, config.every):
        fresh = fits._replace(rmse=jnp.full_like(fits.rmse, jnp.inf))
        tried = [advance(fresh, Way(b, clean=True), start, config.trial) for b in config.bandwidths]
        curves.append(np.stack([rmse for _, rmse in tried]))
        candidates = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(fit for fit, _ in tried))
        fits, numbers = jax.vmap(kept, in_axes=(1, 0))(candidates, fits)
        picks.append(np.array(config.bandwidths)[np.asarray(numbers)])
        if config.trial < config.every:
            # Each seed goes on with its own bandwidth.
            own = Way(jnp.asarray(picks[-1], jnp.float32), clean=True)
            fits, _ = advance(fits, own, start + config.trial, config.every - config.trial)
    return fits, np.stack(picks), curves[0]


def _measured(params, data: list[Data], noise: float) -> dict[str, np.ndarray]:
    """Test errors, and the share of wrong labels among the examples that fit best, of every seed."""
    measures = {"rmse": [], "mape": [], "wrong_kept": []}
    for r, one in enumerate(data):
        own = jax.tree.map(lambda leaf, r=r: leaf[r], params)
        inputs, labels = one.test
        error = np.asarray(outputs(own, inputs)) - labels
        measures["rmse"].append(np.sqrt(np.mean(error**2)))
        measures["mape"].append(100 * np.mean(np.abs(error) / labels))
        errors = np.mean((np.asarray(outputs(own, one.train[0])) - one.train[1]) ** 2, axis=1)
        fitting = best_fitting(errors, len(errors) - int(noise * len(errors)))
        measures["wrong_kept"].append(one.wrong[np.asarray(fitting)].mean())
    return {name: np.array(values) for name, values in measures.items()}


def _checks(measures) -> list[Claim]:
    """What the paper claims, by the differences of test RMSE on the same data."""
    pairs = (("RC-Mixup", "C-Mixup"), ("RC-Mixup", "RC-Mixup, one bandwidth"), ("C-Mixup", "ERM"))
    checks = [
        check(f"test RMSE of {one}, less that of {other}", measures[one]["rmse"] - measures[other]["rmse"], 0.0, PAPER,
              relation="<=")
        for one, other in pairs
    ]  # fmt: skip
    tie = measures["RC-Mixup"]["rmse"] - measures["clean set, not mixed"]["rmse"]
    quantity = "test RMSE of RC-Mixup, less that of clean set, not mixed"
    return [*checks, check(quantity, tie, 0.0, "measured here: a tie", tolerance=0.5)]


def _figure(curves: np.ndarray, config) -> dict[str, Any]:
    epochs = np.arange(config.warm_up + 1, config.warm_up + config.trial + 1)
    found = [series(f"{b:g} nm", epochs, rmse) for b, rmse in zip(config.bandwidths, curves, strict=True)]
    return lines(
        "search", "The first search", "Validation RMSE of each bandwidth, mean and sd over seeds.", "epoch", "RMSE, nm",
        series=found,
    )  # fmt: skip


def _check(config) -> None:
    """Raise ConfigError for knobs that contradict each other."""
    if config.epochs % config.every or config.trial > config.every:
        raise ConfigError(
            f"config.epochs is {config.epochs}, config.every is {config.every} and config.trial is {config.trial}: every"
            " must divide epochs, and trial be at most every"
        )
    clean = config.points - int(config.noise * config.points)
    if config.batch_size > clean:
        raise ConfigError(
            f"config.batch_size is {config.batch_size}, must be at most the {clean} examples of the clean set; set less, or"
            " more config.points"
        )

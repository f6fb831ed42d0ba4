"""A network on a few digits: test error of Mixup, of ERM, and of Mixup with ERM from the turning point on."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from lamv.core.laws import uniform
from lamv.core.losses import cross_entropy
from lamv.core.mixing import mixup
from lamv.data import load
from lamv.theory.outcome import Outcome, check, lines, row, series
from lamv.theory.overtraining.least_squares import PAPER
from lamv.theory.replicas import keys_of, recorded, seeds_of, stacked

WINDOW = 7  # measurements in the moving average that finds the turning point


def run(config, outcome: Outcome) -> None:
    """A network on a few digits: Mixup, ERM, and a switch from one to the other, added to the outcome."""
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
    outcome.checks.extend(_checks(metrics, config.sizes))
    outcome.figures.extend(_figure(curves, size, config) for size in config.sizes)


def train_digits(config, kinds, until) -> dict[tuple[str, int], dict[str, np.ndarray]]:
    """For each kind (name, size), the curves "validation" and "test" of the error, (seeds, records + 1).

    until: (R,) steps with Mixup, for all kinds and seeds.
    """
    sizes, seeds = [size for _, size in kinds], seeds_of(config)
    split = load("digits").parts["all"]
    inputs = split.inputs.reshape(len(split.inputs), -1) / np.float32(16)
    # By all digits, those of the test among them: their pixels, not their labels.
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


def _checks(metrics, sizes):
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


def _figure(curves, size, config):
    steps = np.linspace(0, config.steps, config.records + 1)[1:]
    styles = {"Mixup": "line", "ERM": "line", "Mixup, then ERM": "dashed"}
    error = [series(name, steps, curves[name, size]["test"][:, 1:], style) for name, style in styles.items()]
    caption = (
        f"Mean and sd over {config.seeds} seeds. Past its turning point, Mixup's error grows as long as training"
        " lasts; with ERM from each run's turning point on it does not."
    )
    title = f"Test error of a network trained on {size} digits"
    return lines(f"digits_{size}", title, caption, "step", "test error", x_scale="log", series=error)

"""Label noise: what smoothing does to it, and what the backward correction, smoothing with a negative sign, does.

A share r of the training labels is drawn anew from all K classes, once and for all. In expectation the noisy label is the
clean one smoothed by r, so a model trained long enough on noisy labels learns smoothed probabilities. Two answers:

label smoothing       adds more of the same, and shrinks what the model can memorise (see Lukasik et al., ICML 2020)
backward correction   targets (q - (r / K) 1) / (1 - r): its loss on noisy labels is, in expectation, the plain loss on
                      clean ones (Patrini et al., CVPR 2017); off the label they are negative, and the loss is unbounded
                      below for a model that can fit every label

Training is the ordinary engine's, below workdir / "training"; test labels are clean.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from lamv import config as configs
from lamv.core.losses import cross_entropy
from lamv.core.targets import correct_noise, one_hot, smooth
from lamv.data import DATASETS
from lamv.knobs import Allowed, Knob, above, anything, at_least, below, one_of
from lamv.theorems.outcome import Outcome, check, row, sd_over
from lamv.train import loop

rates = Allowed(lambda values: len(values) > 1 and all(0 <= v < 1 for v in values), "two or more numbers in [0, 1)")
KNOBS = (
    Knob("data_name", "digits", one_of(*DATASETS), "data set"),
    Knob("data_path", "", anything, "its files, where it has any", free=True),
    Knob("rates", (0.0, 0.2, 0.4, 0.6), rates, "shares of training labels drawn anew, rising from 0"),
    Knob("smoothing", 0.1, below(0, 1), "of the smaller label-smoothing row"),
    Knob("large_smoothing", 0.5, below(0, 1), "of the larger one"),
    Knob("width", 64, at_least(1), "of the hidden layer"),
    Knob("lr", 0.005, above(0), "peak learning rate of Adam; it falls to 0 by a cosine"),
    Knob("steps", 1000, at_least(1), "length of training: long enough to memorise noise"),
)


def run(config, workdir: Path) -> Outcome:
    """Rows "method, r = rate"; the correction knows the rate."""
    summary = loop.train(_recipe(config), Path(workdir) / "training")
    measured = {
        trained["name"]: {
            "accuracy": trained["metrics"]["test/accuracy"]["values"],
            "nll": trained["metrics"]["test/nll"]["values"],
            "clean training accuracy": trained["metrics"]["train/accuracy"]["values"],
        }
        for trained in summary["rows"]
    }
    rows = [row(name, values) for name, values in measured.items()]
    checks = _checks(config, measured)
    missed = [check for check in checks if not check.holds and "correction minus" in check.quantity]
    remarks = [REMARK, WHY] if missed else [REMARK]
    return Outcome(rows, [*_identities(config), *checks], _figures(config, measured), remarks)


REMARK = (
    "The noise is drawn anew from all classes, so of a share r, r / K keep their label. The training accuracy is against the"
    " clean labels: a model that memorised the noise stays below 1."
)
WHY = (
    "The correction falls short of ERM here. What is believed to be the cause: its targets off the label are negative, so"
    " the loss of a network that can fit each label by itself has no floor, and what is right in expectation is fitted"
    " example by example; the NLL of its rows, far above that of the others, agrees. The noise is undone on average only."
)


def _methods(config):
    return {
        "ERM": {"method.name": "erm"},
        f"LS {config.smoothing:g}": {"method.name": "label_smoothing", "method.smoothing": config.smoothing},
        f"LS {config.large_smoothing:g}": {
            "method.name": "label_smoothing",
            "method.smoothing": config.large_smoothing,
        },
        "correction": {"method.name": "noise_correction"},
        "Mixup": {"method.name": "mixup"},
    }


def _recipe(config):
    recipe = configs.defaults()
    recipe.title = f"Label noise on {config.data_name}"
    recipe.data.name, recipe.data.path = config.data_name, config.data_path
    recipe.data.flatten = True
    recipe.model.name, recipe.model.widths = "mlp", (config.width,)
    recipe.optim.name, recipe.optim.lr = "adam", config.lr
    recipe.steps, recipe.log_every = config.steps, max(1, config.steps // 10)
    recipe.seed, recipe.seeds = config.seed, config.seeds
    recipe.parallel.devices = 1  # models this small lose by being spread
    for rate in config.rates:
        for name, knobs in _methods(config).items():
            known = {"method.noise_rate": rate} if name == "correction" else {}
            recipe.rows[_name(name, rate)] = knobs | known | {"data.label_noise": rate}
    return recipe


def _name(method: str, rate: float) -> str:
    return f"{method}, r = {rate:g}"


def _identities(config):
    """The two expectations, exactly, on random logits: over the K labels that a clean one may turn into."""
    classes, rate = 10, max(config.rates)
    logits = 3 * jax.random.normal(jax.random.key(config.seed), (1, classes))
    clean = one_hot(jnp.zeros(1, jnp.int32), classes)
    probability = smooth(clean, rate)[0]
    every = one_hot(jnp.arange(classes), classes)
    noisy = probability @ cross_entropy(jnp.tile(logits, (classes, 1)), every)
    corrected = probability @ cross_entropy(jnp.tile(logits, (classes, 1)), correct_noise(every, rate))
    plain, smoothed = cross_entropy(logits, clean)[0], cross_entropy(logits, smooth(clean, rate))[0]
    return [
        check(f"mean loss on noisy labels, r = {rate:g}", noisy, smoothed, "closed form: label smoothing by r",
              tolerance=1e-4),
        check(f"mean corrected loss on noisy labels, r = {rate:g}", corrected, plain, "closed form: loss on clean labels",
              tolerance=1e-4),
    ]  # fmt: skip


def _checks(config, measured):
    def accuracy(method, rate):
        return np.array(measured[_name(method, rate)]["accuracy"])

    erm, small, large, correction, mixup = _methods(config)
    middle = config.rates[len(config.rates) // 2]
    shrinks = "sign: smoothing shrinks what can be memorised"
    checks = [
        check(f"accuracy of ERM, r = {config.rates[0]:g} minus r = {middle:g}",
              accuracy(erm, config.rates[0]) - accuracy(erm, middle), 0.02, "noise does harm", relation=">=")
    ]  # fmt: skip
    for method, source in ((large, shrinks), (mixup, "sign: no example is seen twice alike"),
                           (correction, "sign: in expectation the noise is undone")):  # fmt: skip
        gap = accuracy(method, middle) - accuracy(erm, middle)
        checks.append(check(f"accuracy, r = {middle:g}: {method} minus ERM", gap, 0.0, source, relation=">="))
    gap = accuracy(large, middle) - accuracy(small, middle)
    checks.append(check(f"accuracy, r = {middle:g}: {large} minus {small}", gap, 0.0, shrinks, relation=">="))
    return checks


def _figures(config, measured):
    def series(metric, scale):
        for method in _methods(config):
            values = [scale * np.array(measured[_name(method, rate)][metric]) for rate in config.rates]
            sd = [float(sd_over(v)) for v in values]
            yield {"name": method, "x": list(config.rates), "y": [float(v.mean()) for v in values], "sd": sd,
                   "style": "line"}  # fmt: skip

    figures = []
    for metric, label, scale in (("accuracy", "test accuracy (%)", 100), ("nll", "test NLL (nats)", 1)):
        figures.append({
            "kind": "lines", "name": metric, "title": f"{label} under label noise",
            "caption": f"Clean test examples; mean ± sd over {config.seeds} seeds. To the right, a larger share of the"
            " training labels is wrong.",
            "x_label": "share of training labels drawn anew", "y_label": label, "x_scale": "linear", "y_scale": "linear",
            "series": list(series(metric, scale)),
        })  # fmt: skip
    return figures

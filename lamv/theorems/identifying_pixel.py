"""An identifying pixel: two classes, a linear model, and in training one further input that gives the class away.

The pixel does not vary within a class, so it is the feature of least variance: label smoothing and Mixup should rely on
it, ERM less so (Chidambaram & Ge, ICLR 2025, experiments with a training-only spurious dimension; their numbers are not
used here). How it is coded decides where that shows:

one-sided   strength x [y = 1], absent at test: a model that relies on it puts all examples into one class
centred     strength x (2 y - 1), absent at test: the threshold between the classes stays where it is, so little is seen
            there; what tells is the pixel of the other class ("conflicting") and the ratio of weight norms

Training is the ordinary engine's, below workdir / "training": logistic regression as a softmax over two classes, so a
decay of wd on its kernel is one of wd / 2 on the difference of the two columns. Rows are compared at equal decay: ERM
with a strong decay raises its own ratio.
"""

from pathlib import Path

import numpy as np

from lamv import config as configs
from lamv.data import DATASETS
from lamv.knobs import Knob, above, anything, at_least, below, one_of, whole_numbers
from lamv.theorems.outcome import Outcome, check, row, sd_over
from lamv.train import loop

KNOBS = (
    Knob("data_name", "digits", one_of(*DATASETS), "data set"),
    Knob("data_path", "", anything, "its files, where it has any", free=True),
    Knob("classes", (1, 8), whole_numbers(0), "the two classes"),
    Knob("train_size", 0, at_least(0), "training examples, drawn by the seed; 0: all there are"),
    Knob("one_sided", 1.0, above(0), "strength of the one-sided pixel, in the units that the model sees"),
    Knob("centred", 0.3, above(0), "strength of the centred pixel"),
    Knob("smoothing", 0.2, below(0, 1), "of the label-smoothing rows: half of it is on the wrong class"),
    Knob("weight_decay", 2e-3, above(0), "of the rows with decay"),
    Knob("lr", 0.01, above(0), "peak learning rate of Adam; it falls to 0 by a cosine"),
    Knob("steps", 1500, at_least(1), "length of training"),
    Knob("batch_size", 128, at_least(1), "examples of a step"),
)

METHODS = {
    "ERM": {"method.name": "erm"},
    "LS half": {"method.name": "label_smoothing"},
    "LS": {"method.name": "label_smoothing"},
    "Mixup": {"method.name": "mixup"},
}
#: What each row is measured by: metric of the engine -> name here.
MEASURES = {
    "test/accuracy": "aligned accuracy",
    "test_absent/accuracy": "absent accuracy",
    "test_conflicting/accuracy": "reversed accuracy",
    "test/weight_norm_ratio": "weight ratio",
}


def run(config, workdir: Path) -> Outcome:
    """Rows "coding method [+wd]"; checks of what each coding shows, at equal decay and from the same seeds."""
    summary = loop.train(_recipe(config), Path(workdir) / "training")
    measured = {}
    for trained in summary["rows"]:
        values = {name: trained["metrics"][metric]["values"] for metric, name in MEASURES.items()}
        measured[trained["name"]] = values
    rows = [row(name, values) for name, values in measured.items()]
    return Outcome(rows, _checks(measured), _figures(config, measured), _remarks(config))


def _recipe(config):
    recipe = configs.defaults()
    recipe.title = f"Identifying pixel, {config.data_name} {config.classes[0]} against {config.classes[1]}"
    recipe.data.name, recipe.data.path, recipe.data.classes = config.data_name, config.data_path, tuple(config.classes)
    recipe.data.flatten, recipe.data.shortcut.kind = True, "pixel"
    if config.train_size:
        recipe.data.train_size = config.train_size
    recipe.model.name = "linear"
    recipe.optim.name, recipe.optim.lr = "adam", config.lr
    recipe.steps, recipe.batch_size = config.steps, config.batch_size
    recipe.log_every = max(1, config.steps // 10)
    recipe.seed, recipe.seeds = config.seed, config.seeds
    recipe.parallel.devices = 1  # models this small lose by being spread
    smoothing = {"LS half": config.smoothing / 2, "LS": config.smoothing}
    for coding, strength in (("one_sided", config.one_sided), ("centred", config.centred)):
        for decay in (0.0, config.weight_decay):
            for name, knobs in METHODS.items():
                if decay and name == "LS half":
                    continue
                recipe.rows[_name(coding, name, bool(decay))] = knobs | {
                    "method.smoothing": smoothing.get(name, 0.0),
                    "data.shortcut.coding": coding,
                    "data.shortcut.strength": strength,
                    "optim.weight_decay": decay,
                }
    return recipe


def _name(coding: str, method: str, decays: bool) -> str:
    return f"{coding.replace('_', '-')} {method}{' + wd' if decays else ''}"


def _checks(measured):
    def of(coding, method, metric, decays=False):
        return np.array(measured[_name(coding, method, decays)][metric])

    source = "theorem B or C (low variance is preferred): sign and margin"
    checks = []
    for method in ("LS", "Mixup"):
        gap = of("one_sided", "ERM", "absent accuracy") - of("one_sided", method, "absent accuracy")
        checks.append(
            check(f"one-sided, pixel absent: accuracy of ERM minus {method}", gap, 0.1, source, relation=">=")
        )
    for method in ("LS", "Mixup"):
        gap = of("centred", "ERM", "reversed accuracy") - of("centred", method, "reversed accuracy")
        margin = 0.1 if method == "LS" else 0.0
        checks.append(check(f"centred, reversed: accuracy of ERM minus {method}", gap, margin, source, relation=">="))
        loss = of("centred", "ERM", "absent accuracy") - of("centred", method, "absent accuracy")
        words = f"centred, pixel absent: accuracy of ERM minus {method}"
        checks.append(check(words, loss, 0.05, "a centred cue leaves the threshold where it is", relation="<="))
    for decays in (False, True):
        for method, factor in (("LS", 2.0), ("Mixup", 1.5)):
            ratio = of("centred", method, "weight ratio", decays) / of("centred", "ERM", "weight ratio", decays)
            words = f"centred{', with decay' if decays else ''}: weight ratio of {method} over that of ERM"
            checks.append(check(words, ratio, factor, source, relation=">="))
    order = of("one_sided", "LS half", "absent accuracy") - of("one_sided", "LS", "absent accuracy")
    words = "one-sided, pixel absent: accuracy with half the smoothing minus that with all of it"
    checks.append(check(words, order, 0.0, "more smoothing, more reliance", relation=">="))
    return checks


def _figures(config, measured):
    figures = []
    for coding in ("one_sided", "centred"):
        names = [name for name in measured if name.startswith(coding.replace("_", "-"))]
        series = [
            {
                "name": metric,
                "y": [100 * float(np.mean(measured[name][metric])) for name in names],
                "sd": [100 * float(sd_over(measured[name][metric])) for name in names],
            }
            for metric in ("aligned accuracy", "absent accuracy", "reversed accuracy")
        ]
        figures.append({
            "kind": "bars", "name": f"accuracy-{coding.replace('_', '-')}", "title": f"{coding.replace('_', '-')} pixel",
            "caption": "Test accuracy with the pixel as in training, without it, and with that of the other class; mean"
            f" ± sd over {config.seeds} seeds. The further left the last two, the more the model relies on the pixel.",
            "x_label": "accuracy (%)", "groups": [name.split(" ", 1)[1] for name in names], "series": series,
        })  # fmt: skip
    return figures


def _remarks(config):
    return [
        f"Classes {config.classes[0]} and {config.classes[1]} of {config.data_name}. Easy pairs hide the effect, and where"
        " nothing else separates all of the training examples, or the pixel is too strong, ERM relies on it too: the checks"
        " are about pairs and strengths in between."
    ]

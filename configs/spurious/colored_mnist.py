"""Colour or shape? Colored MNIST in two protocols, on Fashion-MNIST, with a network of width 2,048.

python -m experiments.train --config=configs/spurious/colored_mnist.py --workdir=runs/colored
"""

from configs.spurious_common import ERM, mixup, smoothing
from lamv import config as configs

METHODS = {"ERM": ERM, "LS .1": smoothing(0.1), "LS .5": smoothing(0.5), "Mixup": mixup()}
#: Two classes, 0-4 and 5-9, a quarter of the labels flipped; colour says the flipped label, but for 10 or 20 %, and in
#: the test set for 90 %.
TWO_COLOURS = {
    "data.superclasses": (0, 0, 0, 0, 0, 1, 1, 1, 1, 1),
    "data.label_flip": 0.25,
    "data.shortcut.test_reliability": 0.1,
}
PROTOCOLS = {
    "IRM": {**TWO_COLOURS, "data.shortcut.environments": (0.9, 0.8)},
    "one environment": {
        **TWO_COLOURS,
        "data.shortcut.reliability": 0.8,
        "data.shortcut.valid_reliability": 0.5,
    },
    # Ten classes, each with its colour, which is right for 98 % and varies a little.
    "ten colours": {"data.shortcut.reliability": 0.98, "data.shortcut.noise": 0.05},
}


def get_config(data: str = "fashion_mnist"):
    config = configs.defaults()
    config.title = f"Colored {data}"
    config.about = "Colour goes along with the label better than shape does, in training. Which of the two is learned?"
    config.rows = {
        f"{protocol} · {name}": {**PROTOCOLS[protocol], **knobs}
        for protocol in PROTOCOLS
        for name, knobs in METHODS.items()
    }
    for name in ("irm", "vrex"):
        config.rows[f"IRM · {name}"] = {**PROTOCOLS["IRM"], "mitigation.name": name, "mitigation.anneal": 100}
    config.seeds = 5
    config.steps = 400
    config.batch_size = 128
    config.log_every = 100
    config.data.name = data
    config.data.train_size = 1200 if data == "digits" else 10_000  # drawn by each seed
    config.data.valid_size = 200 if data == "digits" else 2000
    config.data.normalise = False
    config.data.shortcut.kind = "colour"
    config.data.shortcut.strength = 1.0
    config.model.name = "mlp"
    config.model.widths = (2048,)
    config.optim.name = "adam"
    config.optim.lr = 1e-3
    return config

"""An identifying pixel in logistic regression: which methods rely on it, and where that shows.

python -m experiments.train --config=configs/spurious/identifying_pixel.py --workdir=runs/identifying_pixel
"""

from configs.spurious_common import ERM, crossed, mixup, smoothing
from lamv import config as configs

METHODS = {"ERM": ERM, "LS .1": smoothing(0.1), "LS .2": smoothing(0.2), "Mixup": mixup()}
CODINGS = {
    "one-sided": {"data.shortcut.coding": "one_sided", "data.shortcut.strength": 1.0},
    "centred": {"data.shortcut.coding": "centred", "data.shortcut.strength": 0.3},
}


def get_config():
    config = configs.defaults()
    config.title = "An identifying pixel in logistic regression"
    config.about = (
        "In training, one further input gives the class away. Does a linear model rely on it, and how can one tell?"
    )
    config.rows = crossed(METHODS, CODINGS, {"": {}, "wd 2e-3": {"optim.weight_decay": 2e-3}})
    config.seeds = 5
    config.steps = 1500
    config.batch_size = 128
    config.log_every = 150
    config.data.name = "digits"
    config.data.classes = (1, 8)
    config.data.flatten = True
    config.data.shortcut.kind = "pixel"
    config.model.name = "linear"
    config.optim.name = "adam"
    config.optim.lr = 0.01
    absent, reversed_, ratio = "test_absent/accuracy", "test_conflicting/accuracy", "test/weight_norm_ratio"
    config.claims = (
        *((f"{name} · one-sided", absent, "<=", 0.85, "ERM · one-sided") for name in ("LS .2", "Mixup")),
        ("LS .2 · one-sided", absent, "<=", 1.0, "LS .1 · one-sided"),
        ("LS .2 · centred", reversed_, "<=", 0.85, "ERM · centred"),
        ("Mixup · centred", reversed_, "<=", 1.0, "ERM · centred"),
        *((f"{name} · centred", absent, ">=", 0.95, "ERM · centred") for name in ("LS .2", "Mixup")),
        *(
            (f"{name} · centred{decay}", ratio, ">=", times, f"ERM · centred{decay}")
            for decay in ("", " · wd 2e-3")
            for name, times in (("LS .2", 2.0), ("Mixup", 1.5))
        ),
    )
    return config

"""An identifying pixel in logistic regression: which methods rely on it, and where that shows.

python -m experiments.train --config=configs/spurious/identifying_pixel.py --workdir=runs/identifying_pixel

The pixel does not vary within a class, so it is the feature of least variance (Chidambaram & Ge, ICLR 2025, with a spurious
dimension in training only). How it is coded decides where that shows: one-sided, strength x [y = 1], it moves the threshold
between the classes when it is absent at test; centred, strength x (2 y - 1), it leaves the threshold where it is, and only
the pixel of the other class and the ratio of weight norms tell. Rows are to be compared at equal decay: ERM with a strong
decay raises its own ratio. Digits 1 against 8; half a minute on two cores.

Expected, mean ± sd over 5 seeds, accuracy in %; all claims hold:

                              ERM           LS .1         LS .2         Mixup
    one-sided, pixel absent   94.6 ± 2.8    56.3 ± 3.9    52.9 ± 4.1    54.5 ± 4.5
    centred, pixel absent     98.0 ± .8     97.6 ± 1.2    97.0 ± 1.3    97.3 ± 1.6
    centred, pixel reversed   91.8 ± 2.0    46.2 ± 13.0    3.2 ± 2.9    32.6 ± 11.4
    centred, weight ratio      .31 ± .03     .56 ± .10     .86 ± .19     .68 ± .13
    the same, wd 2e-3          .78 ± .06    1.51 ± .11    2.20 ± .17    1.62 ± .10

On other data, with --config.data.name, .path, .classes and .train_size, easy pairs hide the effect; where nothing else
separates all of the training examples (Fashion-MNIST 2 against 4, CIFAR-10 0 against 1), ERM relies on the pixel too.
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

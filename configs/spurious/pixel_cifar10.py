"""One pixel gives the class away, airplane or automobile, in training: how much weight does a linear model put on it?

    python -m experiments.train --config=configs/spurious/pixel_cifar10.py --workdir=runs/pixel \
        --config.data.path=DIR_OR_ARCHIVE

Logistic regression on 3,072 inputs and one more, +1 or -1. A minute and a half on two cores. Expected, mean ± sd over 5
seeds, on a copy of the images that went through JPEG once:

             pixel absent   pixel reversed   weight-norm ratio
    ERM      81.6 ± .2      38.2 ± 1.0       1.00 ± .02
    LS .1    81.3 ± .3      11.5 ± 1.8       1.07 ± .02
    LS .2    80.8 ± .2        .8 ± .3        1.08 ± .02
    Mixup    81.6 ± .5      12.1 ± 1.2       1.11 ± .03

A weight decay of 5e-4 changes none of it by more than .01. With a centred pixel the threshold stays where it was when the
pixel is blank, so it is the reversed one that tells; --config.data.shortcut.coding=one_sided moves the threshold too.
"""

from configs.spurious_common import ERM, crossed, mixup, smoothing
from lamv import config as configs


def get_config():
    config = configs.defaults()
    config.title = "CIFAR-10, airplane and automobile, with an identifying pixel"
    config.about = (
        "Every training image carries one more input, +1 for automobiles and -1 for airplanes. A linear model can use"
        " it, or the picture. What is left of its accuracy when the input is blank, or lies?"
    )
    methods = {"ERM": ERM, "LS .1": smoothing(0.1), "LS .2": smoothing(0.2), "Mixup": mixup()}
    config.rows = crossed(methods, {"": {}, "wd 5e-4": {"optim.weight_decay": 5e-4}})
    config.seeds = 5
    config.steps = 2000
    config.batch_size = 128
    config.data.name = "cifar10"
    config.data.classes = (0, 1)
    config.data.flatten = True
    config.data.shortcut.kind = "pixel"
    config.data.shortcut.strength = 1.0
    config.data.shortcut.coding = "centred"
    config.model.name = "linear"
    config.optim.name = "adam"
    config.optim.lr = 1e-3
    reversed_ = "test_conflicting/accuracy"
    config.claims = (
        ("LS .1", reversed_, "<=", 0.5, "ERM"),
        ("LS .2", reversed_, "<=", 0.1, "ERM"),
        ("Mixup", reversed_, "<=", 0.5, "ERM"),
        *((f"{name} · wd 5e-4", reversed_, "<=", 0.5, "ERM · wd 5e-4") for name in ("LS .1", "LS .2", "Mixup")),
        *((name, "test/weight_norm_ratio", ">=", 1.02, "ERM") for name in ("LS .1", "LS .2", "Mixup")),
    )
    return config

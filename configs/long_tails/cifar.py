"""CIFAR-10-LT and CIFAR-100-LT: the published long tails, from the official files.

    python -m experiments.train --config=configs/long_tails/cifar.py --workdir=runs/cifar10_lt \
        --config.data.path=DIR_OR_ARCHIVE
    python -m experiments.train --config=configs/long_tails/cifar.py:cifar100 --workdir=runs/cifar100_lt \
        --config.data.path=DIR_OR_ARCHIVE

Imbalance ratio 100: 5,000 to 50 images of a class of CIFAR-10, 500 to 5 of CIFAR-100; other published ones are 50 and 10
(--config.data.imbalance.ratio). CIFAR-100 has the settings of LORT's code (ResNet-34, 200 epochs, batch 64, learning rate
.01, weight decay 5e-3; then 20 epochs at 5e-4), but for the strides of the network, the examples that remain (there the
first of each class, here drawn by the seed), and its report of the best epoch on the test set under mirroring. Both are
for an accelerator and were not run here.

`cifar.py:quick` is a small network on CIFAR-10, 4 epochs and 2 of the second stage, 80 CPU seconds. Test accuracy (of the
three rarest classes), %, 5 seeds: ERM 28.6 ± .6 (.1 ± .1), LA 38.1 ± 2.0 (27.9 ± 3.8), cRT 38.8 ± 1.1 (35.0 ± 2.8), LORT
32.7 ± 1.7 (16.3 ± 5.0).

    python -m experiments.train --config=configs/long_tails/cifar.py:quick --workdir=runs/cifar_lt_quick \
        --config.data.path=DIR_OR_ARCHIVE
"""

from configs.cifar_common import recipe
from configs.long_tails_common import ADJUSTED, CRT, lort, rows
from configs.spurious_common import ERM
from lamv.errors import ConfigError

MAXSUP = "MaxSup's repository, CIFAR-10-LT with label smoothing, imbalance ratio 100"
ABOUT = "A long tail of classes: what smoothing and Mixup do to the rare ones, and what a new last layer gives back."


def get_config(which: str = "cifar10"):
    if which not in SETTINGS:
        raise ConfigError(f"the recipe has no {which!r}, must be one of {', '.join(SETTINGS)}: cifar.py:quick")
    return SETTINGS[which]()


def cifar10():
    config = recipe("cifar10", "resnet32", title="CIFAR-10-LT")
    config.about, config.rows = ABOUT, rows(lr=0.1)
    config.data.imbalance.ratio = 100.0
    config.published = (("LS .1", "test/accuracy", 0.764, MAXSUP),)
    return config


def cifar100():
    config = recipe("cifar100", "resnet34", title="CIFAR-100-LT")
    config.about, config.rows = ABOUT, rows(lr=0.01)
    config.data.imbalance.ratio = 100.0
    config.batch_size, config.optim.lr, config.optim.weight_decay = 64, 0.01, 5e-3
    return config


def quick():
    config = cifar10()
    config.title, config.published = "CIFAR-10-LT, a small network", ()
    short = {"mitigation.refit_epochs": 2.0}
    config.rows = {
        "ERM": ERM,
        "LA": ADJUSTED,
        "cRT": CRT | short | {"mitigation.refit_lr": 0.02},
        "LORT": lort() | short,
    }
    config.epochs, config.seeds = 4.0, 5
    config.eval_every = config.checkpoint_every = 0
    config.data.augment.crop, config.data.augment.flip = 0, False
    config.model.name, config.model.widths = "cnn", (8, 16, 32)
    config.optim.lr, config.optim.weight_decay = 0.02, 5e-4
    config.claims = (
        ("ERM", "test/few_accuracy", "<=", 0.02),
        *((name, "test/few_accuracy", ">=", 0.2) for name in ("LA", "cRT")),
        *((name, "test/accuracy", ">=", 1.2, "ERM") for name in ("LA", "cRT")),
        ("LORT", "test/accuracy", ">=", 1.05, "ERM"),
        ("LORT", "test/accuracy", "<=", 0.95, "cRT"),
    )
    return config


SETTINGS = {"cifar10": cifar10, "cifar100": cifar100, "quick": quick}

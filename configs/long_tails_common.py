"""What the recipes on long tails have in common: methods by what is done about the tail. Not a recipe."""

from collections.abc import Mapping
from typing import Any

from configs.spurious_common import ERM, crossed, mixup, smoothing
from lamv import config as configs

METHODS = {"ERM": ERM, "LS .1": smoothing(0.1), "Mixup": mixup()}
ADJUSTED = {"mitigation.name": "logit_adjustment", "mitigation.by": "class"}
CRT = {"mitigation.name": "crt", "mitigation.refit_epochs": 10.0}


def lort(lr: float = 5e-4, epochs: float = 20.0) -> dict[str, Any]:
    """LORT; without arguments as published."""
    return {"mitigation.name": "lort", "mitigation.refit_lr": lr, "mitigation.refit_epochs": epochs}


def rows(cure: Mapping[str, Mapping[str, Any]] = {}, *, lr: float) -> dict[str, Mapping[str, Any]]:
    """METHODS by nothing, logit adjustment, cRT at the learning rate `lr` of the run, and LORT; then `cure`, of ERM only."""
    cures = {
        "": {},
        "LA": ADJUSTED,
        "cRT": CRT | {"mitigation.refit_lr": lr},
        "LORT": lort(),
    }
    return crossed(METHODS, cures) | {f"ERM · {name}": ERM | knobs for name, knobs in cure.items()}


def small(title: str, about: str):
    """An MLP of 128 units, SGD with the strong weight decay that LORT was published with; batch 64, 5 seeds."""
    config = configs.defaults()
    config.title, config.about = title, about
    config.seeds = 5
    config.batch_size = 64
    config.log_every = 100
    config.data.flatten = True
    config.model.name = "mlp"
    config.model.widths = (128,)
    config.optim.name = "sgd"
    config.optim.lr = 0.1
    config.optim.weight_decay = 5e-3
    return config

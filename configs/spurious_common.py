"""What the recipes on shortcuts have in common: rows by method and mitigation, and the small networks. Not a recipe."""

from collections.abc import Mapping
from typing import Any

from lamv import config as configs

Knobs = Mapping[str, Any]

ERM: Knobs = {"method.name": "erm"}
MIDPOINT: Knobs = {"method.name": "midpoint"}


def smoothing(share: float) -> Knobs:
    return {"method.name": "label_smoothing", "method.smoothing": share}


def mixup(alpha: float = 1.0) -> Knobs:
    return {"method.name": "mixup", "method.alpha": alpha}


def crossed(*axes: Mapping[str, Knobs]) -> dict[str, Knobs]:
    """Rows for all combinations of one entry of each axis; names are put together, empty ones left out."""
    rows: dict[str, Knobs] = {"": {}}
    for axis in axes:
        rows = {
            " · ".join(part for part in (name, other) if part): {**knobs, **more}
            for name, knobs in rows.items()
            for other, more in axis.items()
        }
    return rows


def digits(title: str, about: str):
    """An MLP of 64 units on digits (8 x 8, in [0, 1]) with a tag: 1,200 train in each seed, 600 steps of Adam."""
    config = configs.defaults()
    config.title, config.about = title, about
    config.seeds = 5
    config.steps = 600
    config.batch_size = 128
    config.data.name = "digits"
    config.data.train_size = 1200
    config.data.flatten = True
    config.data.normalise = False
    config.data.shortcut.kind = "tag"
    config.data.shortcut.strength = 0.5
    config.model.name = "mlp"
    config.model.widths = (64,)
    config.optim.name = "adam"
    config.optim.lr = 5e-3
    config.optim.decay = "penalty"
    return config

"""The experiments of `python -m experiments.theory`: each sets a theorem, or a published toy result, beside a measurement.

One module an experiment, with KNOBS (as in lamv.knobs, beyond the common ones here) and `run(config) -> Outcome`; its
docstring states what is shown. Knobs that contradict each other raise ConfigError. lamv.theory.runner runs it, recipes are
in configs/theory, lamv.report.theory_page makes the page.
"""

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from ml_collections import config_dict

from lamv import paths
from lamv.config import check_seeds, is_text
from lamv.errors import ConfigError, brief, nearest
from lamv.knobs import Knob, anything, between, number_of_seeds

EXPERIMENTS = (
    "alternating_line", "bandwidth_search", "collisions", "for_better", "linear_equivalence", "linear_features",
    "mixtures", "multi_view", "noisy_pairs", "overtraining", "rare_features", "two_moons",
)  # fmt: skip

COMMON = (
    Knob("title", "", anything, "heading of the report", free=True),
    Knob("about", "", anything, "what the experiment shows, in a sentence or two, for the report", free=True),
    Knob("experiment", "", anything, "name of a module of lamv.theory"),
    Knob("seed", 0, between(0, 2**31 - 1), "the first seed; replica r uses seed + r"),
    Knob("seeds", 5, number_of_seeds, "number of seeds (replicas) of each row"),
)


def load(experiment: str) -> ModuleType:
    """The module of that name. Raises ConfigError for an unknown one."""
    if experiment not in EXPERIMENTS:
        known = ", ".join(EXPERIMENTS) + nearest(experiment, EXPERIMENTS)
        raise ConfigError(f"config.experiment is {brief(experiment)}, must be one of {known}")
    return importlib.import_module(f"lamv.theory.{experiment}")


def knobs_of(experiment: str) -> dict[str, Knob]:
    """Every knob of an experiment by its key."""
    return {knob.key: knob for knob in (*COMMON, *load(experiment).KNOBS)}


def recipe(experiment: str, **changes) -> config_dict.ConfigDict:
    """A config with every knob of an experiment at its default but for `changes`, locked."""
    values = {key: knob.default for key, knob in knobs_of(experiment).items()}
    config = config_dict.ConfigDict(values | {"experiment": experiment})
    config.lock()
    config.update(changes)
    return config


def validate(config: Mapping) -> None:
    """Raise ConfigError, one line, for the first knob that is out of its range."""
    for key, knob in knobs_of(config["experiment"]).items():
        if key not in config:
            raise ConfigError(f"config.{key} is not set ({knob.meaning}); make the config with lamv.theory.recipe")
        value = config[key]
        if not _holds(knob, value):
            raise ConfigError(f"config.{key} is {brief(value)}, must be {knob.allowed.words} ({knob.meaning})")
        if not all(
            is_text(part) for part in (value if isinstance(value, tuple) else (value,)) if isinstance(part, str)
        ):
            raise ConfigError(f"config.{key} is {brief(value)}, must be text: it has bytes that are none, or a NUL")
    if config.get("data_path"):  # only looked at: recorded as it was given
        paths.local("config.data_path", config["data_path"])
    check_seeds(config)


def _holds(knob: Knob, value: Any) -> bool:
    try:
        return isinstance(value, knob.type) and bool(knob.allowed.holds(value))
    except (TypeError, ValueError, OverflowError):  # such as a name among numbers
        return False

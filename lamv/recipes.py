"""Recipes in Python: `load("digits_tag")` is the config of configs/digits_tag.py.

A recipe is a Python file and is run as one: use only those you trust. So is a file that registers models, data sets or
methods of one's own (`register`); a recipe may do so itself.
"""

import contextlib
import importlib.util
import re
import sys
from collections.abc import Generator
from pathlib import Path
from types import ModuleType

from ml_collections import ConfigDict

from lamv import paths, places
from lamv.errors import ConfigError, LamvError, brief, one_line, shown


def load(recipe: str | Path) -> ConfigDict:
    """The config that a recipe returns, to be changed and trained.

    recipe: the path of a file, or the name of one of lamv ("digits_tag", "spurious/digits_grid"); ":ARGUMENT" at its end is
    passed to get_config. Raises ConfigError.
    """
    config = load_any(recipe)
    if "experiment" in config:
        raise ConfigError(f"{shown(recipe)} is an experiment on theory; run it with: {places.called('theory')}")
    return config


def load_any(recipe: str | Path) -> ConfigDict:
    """As `load`, also of an experiment on theory."""
    found, colon, argument = places.find_recipe(paths.local("the recipe", str(recipe))).partition(":")
    file = Path(found)
    get_config = getattr(_run(file, "the recipe"), "get_config", None)
    if get_config is None:
        raise ConfigError(f"{shown(file)} is no recipe: it has no get_config(); see configs/ for examples")
    with _reported("the recipe", file):
        config = get_config(*[argument] * bool(colon))
    if not isinstance(config, ConfigDict):
        raise ConfigError(f"{shown(file)}: get_config() must return a config, not {brief(config)}; see configs/")
    return config


def register(file: str | Path) -> ModuleType:
    """Run a Python file that registers models, data sets or methods, such as a recipe; returns it as a module."""
    path = Path(paths.local("the file to register from", str(file)))
    if not path.is_file():
        raise ConfigError(f"{shown(path)} does not exist; give the Python file that registers your models or data sets")
    return _run(path, "the file")


def _find_neighbours(file: Path) -> None:
    """Let a file import what lies beside it, as a script does, and the recipes of lamv, `configs.cifar_common` say."""
    for folder in (str(file.resolve().parent), str(places.ROOT)):
        if folder not in sys.path:
            sys.path.append(folder)


def _run(file: Path, what: str) -> ModuleType:
    # A name of its own, so that a recipe math.py does not stand in for Python's math.
    spec = importlib.util.spec_from_file_location(f"recipe {file.stem}", file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{shown(file)} is no Python file, NAME.py")
    module = importlib.util.module_from_spec(spec)
    _find_neighbours(file)
    sys.modules[spec.name] = module  # where dataclasses, such as networks, look up the types of their fields
    with _reported(what, file):
        spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _reported(what: str, file: Path) -> Generator[None]:
    """Whatever the user's program raises, in one line."""
    try:
        yield
    except (Exception, SystemExit) as error:
        said = str(error) if isinstance(error, LamvError) else one_line(error)
        # ml_collections lists all knobs there are before the one that may have been meant.
        said = re.sub(r"'?(Key .*?) Other fields present: .*?(Did you mean .*?)?'?$", r"\1 \2", said).strip()
        raise ConfigError(f"{what} {shown(file)} fails: {said[:300]}{'...' * (len(said) > 300)}") from error

"""Where recipes, commands and pages are: beside the package in a checkout, inside of it as installed.

A wheel carries configs/, experiments/ and docs/ in lamv/suite, so that it puts one name alone among a user's packages. With
`ROOT` on sys.path, `configs` and `experiments` are imported either way: recipes and commands need not know. Without jax.
"""

import difflib
import os
import sys
from pathlib import Path

from lamv.errors import ConfigError, brief

_SUITE = Path(__file__).parent / "suite"
INSTALLED = (_SUITE / "experiments").is_dir()
#: The folder of configs/, experiments/ and docs/.
ROOT = _SUITE if INSTALLED else _SUITE.parents[1]
#: What lamv.verify found out about all recipes; docs/claims.md and docs/papers.md are made of it.
RECORD = ROOT / "docs" / "claims.json"


def called(command: str) -> str:
    """How a command is called here: "lamv train" as installed, else "python -m experiments.train"."""
    by_script = any(Path(word).name == "lamv" for word in sys.orig_argv[1:2])  # installed as editable
    return f"lamv {command}" if INSTALLED or by_script else f"python -m experiments.{command}"


def recipes() -> dict[str, Path]:
    """{name: file} of the recipes of lamv, such as "spurious/digits_grid"."""
    folder = ROOT / "configs"
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in sorted(folder.rglob("*.py"))
        if "\ndef get_config(" in path.read_text(encoding="utf-8")
    }


def is_of_theory(recipe: str) -> bool:
    """Whether a recipe is for the command theory, by its name."""
    return recipe.startswith("theory/")


def find_recipe(given: str) -> str:
    """The file of a recipe, with its argument: "digits_tag", "own_data:table", or a path, with or without .py.

    A file where the user is comes before one of lamv with that name. Raises ConfigError, with the nearest names.
    """
    name, colon, argument = given.partition(":")
    stem = name.removesuffix(".py")
    for path in (name, ROOT / name, f"{stem}.py", ROOT / f"{stem}.py", ROOT / "configs" / f"{stem}.py"):
        if os.path.isfile(path):
            return f"{path}{colon}{argument}"
    known = recipes()
    near = [recipe for recipe in known if Path(recipe).name == Path(stem).name]
    near = near or difflib.get_close_matches(stem.removeprefix("configs/")[:200], known, n=3, cutoff=0.6)
    hint = f"; did you mean {' or '.join(near)}?" if near else ";"
    raise ConfigError(f"there is no recipe {brief(name)}{hint} {called('list recipes')} lists those of lamv")

"""Recipes and commands by name, in a checkout and laid out as a wheel lays them out."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lamv import places, suite
from lamv.errors import ConfigError

ROOT = Path(__file__).parents[2]


def test_commands_are_the_modules_that_can_be_run_each_with_a_sentence():
    commands = suite.commands()
    assert {"train", "evaluate", "report", "theory", "audit", "list", "doctor"} <= set(commands)
    assert not {"launch", "experiments", "__init__"} & set(commands)
    assert all(sentence and "python -m" not in sentence for sentence in commands.values())


def test_recipes_are_all_files_with_a_config_by_name():
    assert {"digits_tag", "spurious/digits_grid", "theory/two_moons"} <= set(places.recipes())
    assert not [name for name in places.recipes() if "_common" in name]


@pytest.mark.parametrize("given", ["digits_tag", "digits_tag.py", "configs/digits_tag", "configs/digits_tag.py"])
def test_a_recipe_is_found_by_name_and_by_path_wherever_one_is(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert places.find_recipe(given) == str(ROOT / "configs" / "digits_tag.py")
    assert places.find_recipe(f"{given}:table") == f"{ROOT / 'configs' / 'digits_tag.py'}:table"


def test_a_file_of_ones_own_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("digits_tag.py").write_text("")
    assert places.find_recipe("digits_tag") == "digits_tag.py"
    assert places.find_recipe(f"{tmp_path}/digits_tag.py:x") == f"{tmp_path}/digits_tag.py:x"


@pytest.mark.parametrize(
    ("given", "words"),
    [("digits_tga", "did you mean digits_tag"), ("digits_grid", "did you mean spurious/digits_grid?"),
     ("configs/spurious/dominos.py", "spurious/dominoes"), ("", "list recipes"), ("zzzzzzzz", "''zzzzzzzz''")],
)  # fmt: skip
def test_an_unknown_recipe_is_refused_with_the_nearest(given, words):
    with pytest.raises(ConfigError) as caught:
        places.find_recipe(given)
    assert words.strip("'") in str(caught.value) and "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Run `lamv` of a folder that has what the wheel has, from an empty folder."""
    site, elsewhere = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("elsewhere")
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    leave_out = shutil.ignore_patterns("__pycache__")
    for package in build["packages"]:
        shutil.copytree(ROOT / package, site / package, ignore=leave_out)
    for folder, place in build["force-include"].items():
        shutil.copytree(ROOT / folder, site / place, ignore=leave_out)

    def run(*arguments):
        code = "import sys; from lamv.__main__ import main; sys.argv[0] = 'lamv'; sys.exit(main())"
        return subprocess.run(
            [sys.executable, "-P", "-c", code, *arguments], cwd=elsewhere, capture_output=True, text=True, timeout=300,
            env={**os.environ, "PYTHONPATH": str(site)},
        )  # fmt: skip

    return run


def test_commands_and_recipes_are_there_as_installed(installed):
    assert "train " in installed().stdout
    shown = installed("list", "recipes", "digits_tag").stdout
    assert "lamv train --config=digits_tag" in shown and "suite/configs/digits_tag.py" in shown
    page = installed("list", "methods", "mixup").stdout.split()[-1].partition("#")[0]
    assert Path(page).is_file()
    refused = installed("trian")
    assert refused.returncode == 64 and refused.stderr.endswith("no command 'trian' (did you mean 'train'?)\n")


def test_a_recipe_finds_its_neighbours_as_installed(installed):
    """Its own mistake comes first, the imports of the recipe are before that."""
    result = installed("train", "--config=spurious/digits_grid", "--workdir=run", "--config.steps=0")
    assert result.returncode == 64 and "config.steps is 0, must be at least 1" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["experiments/train.py", "--helpfull"], "--workdir"), (["-m", "experiments.train", "--list"], "spurious/digits_grid"),
     (["-m", "lamv", "list", "knobs", "optim.lr"], "peak learning rate")],
)  # fmt: skip
def test_first_tries_lead_somewhere(arguments, words):
    result = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stderr) == (0, "") and words in result.stdout

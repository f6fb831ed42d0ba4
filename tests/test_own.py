"""A model, a reader and a method of one's own: by registration in a recipe, without a change in lamv, in every command."""

import re
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

import lamv
from lamv import models
from lamv.core.methods import METHODS
from lamv.data import DATASETS
from lamv.errors import ConfigError
from lamv.models import MODELS
from lamv.rows import expand

OWN = Path(__file__).parent / "recipes" / "own.py"
#: What the recipe registers.
NAMES = ((MODELS, "cosine"), (DATASETS, "clouds"), (METHODS, "barely"))


def forget():
    for registry, name in NAMES:
        registry.pop(name, None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of a recipe that lies anywhere."""
    folder = tmp_path_factory.mktemp("own")
    recipe = Path(shutil.copy(OWN, folder / "my_recipe.py"))
    yield recipe, lamv.train(recipe, folder / "run")
    forget()


def test_it_is_trained_by_its_recipe(trained):
    _, run = trained
    assert list(run) == ["barely"] and run["barely"].config["model"]["name"] == "cosine"
    assert run["barely"].metrics["test/accuracy"] > 0.9


def test_who_reads_the_workdir_names_the_file_that_registers_it(trained):
    recipe, run = trained
    forget()
    again = lamv.load(run.path)
    np.testing.assert_array_equal(again["barely"].metrics["train/loss"], run["barely"].metrics["train/loss"])
    with pytest.raises(
        ConfigError, match=re.escape("row 'barely' of config.json has data.name 'clouds', which is not registered")
    ):
        again["barely"].predict("test")
    lamv.register(recipe)
    assert np.mean(again["barely"].predict("test").argmax(axis=1) == again["barely"].examples("test").labels) > 0.9
    assert again["barely"].predict(np.float32([[3, 3], [-2, -2]])).argmax(axis=1).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("import nothing_there", "fails: ModuleNotFoundError: No module named 'nothing_there'"),
        ("raise SystemExit(3)", "fails: SystemExit: 3"),
        ("x = 1", "is no recipe: it has no get_config()"),
        ("def get_config():\n    return 3", "get_config() must return a config, not 3"),
        ("from lamv import config\ndef get_config(): return config.defaults().x", "fails: AttributeError"),
        ("from ml_collections import ConfigDict\ndef get_config(): return ConfigDict({'experiment': 1})", "experiments.theory"),
    ],
)  # fmt: skip
def test_a_recipe_that_is_none_is_one_line(tmp_path, content, words):
    file = tmp_path / "mine.py"
    file.write_text(content)
    with pytest.raises(ConfigError) as raised:
        lamv.recipe(file)
    assert words in str(raised.value) and "\n" not in str(raised.value)


def test_a_recipe_by_its_name_with_an_argument_and_neighbours(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert lamv.recipe("own_data:table").data.name == "table"
    assert lamv.recipe("spurious/digits_grid").data.shortcut.kind == "tag"
    (tmp_path / "beside_it.py").write_text("STEPS = 7")
    (tmp_path / "mine.py").write_text(
        "from beside_it import STEPS\nfrom lamv import config\n\n"
        "def get_config():\n    made = config.defaults()\n    made.steps = STEPS\n    return made\n"
    )
    assert lamv.recipe("mine.py").steps == 7
    for wrong, words in {"digits_tga": "did you mean digits_tag", "https://x/y.py": "on this machine"}.items():
        with pytest.raises(ConfigError, match=re.escape(words)):
            lamv.recipe(wrong)
    with pytest.raises(ConfigError, match="does not exist"):
        lamv.register("nowhere.py")


def test_a_recipe_may_define_dataclasses_as_networks_are(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from __future__ import annotations\nimport dataclasses\nfrom lamv import config\n\n"
        "@dataclasses.dataclass\nclass Network:\n    width: int = 3\n\n"
        "def get_config():\n    made = config.defaults()\n    made.steps = Network().width\n    return made\n"
    )
    assert lamv.recipe(tmp_path / "mine.py").steps == 3


def test_the_code_on_the_page_does_what_it_says(tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "python.md").read_text()
    codes = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    [recipe] = [code for code in codes if "my_recipe.py" in code]
    [loop] = [code for code in codes if "lamv.core import" in code]
    (tmp_path / "my_recipe.py").write_text(recipe)
    try:
        [row] = expand(lamv.recipe(tmp_path / "my_recipe.py"))
        model = models.build(row.config.model.name, num_classes=10)
        (logits, features), _ = jax.eval_shape(
            lambda x: model.init_with_output(jax.random.key(0), x, train=False), jax.numpy.zeros((2, 8, 8, 1))
        )
        assert logits.shape == (2, 10) and features.shape == (2, 16)
    finally:
        MODELS.pop("tiny", None)
    space = {}
    jax.eval_shape(lambda: exec(loop, space))  # traced, not compiled
    assert {"within_variance", "within_over_total"} <= set(space["parts"]) and space["loss"].shape == ()

"""Every recipe can be run, and says how; the demo reaches what it claims."""

import ast
import importlib.util
from pathlib import Path

import pytest

from lamv import config as configs
from lamv import recipes, theory
from lamv.errors import ConfigError
from lamv.evaluate import Options, evaluate
from lamv.results import runs
from lamv.rows import expand
from lamv.train import loop
from tests.sessions import Shared

ROOT = Path(__file__).parents[1]
THEORY = sorted(ROOT.glob("configs/theory/*.py"))
RECIPES = [path for path in sorted(ROOT.glob("configs/**/*.py")) if "_common" not in path.stem and path not in THEORY]
DEMO = ROOT / "configs" / "digits_tag.py"


@pytest.fixture(scope="module", autouse=True)
def compiled_once():
    """Rows of different recipes have programs in common."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("lamv.train.loop", "lamv.evaluate"):
            patch.setattr(f"{module}.Session", Shared)
        yield


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_recipe_is_valid_and_its_docstring_has_the_command(path):
    rows = expand(load(path))
    assert rows
    doc = ast.get_docstring(ast.parse(path.read_text()))
    assert f"--config={path.relative_to(ROOT)}" in doc, "the command in the docstring must be this recipe's"


@pytest.mark.parametrize(
    "recipe",
    [
        *(f"long_tails/cifar:{which}" for which in ("cifar10", "cifar100", "quick")),
        *(f"midpoint_images:{which}" for which in ("fashion_mnist", "cifar10", "published")),
    ],
)
def test_what_a_recipe_takes_as_an_argument_is_valid(recipe):
    assert expand(recipes.load(recipe))


@pytest.mark.parametrize("recipe", ["long_tails/cifar:cifar", "midpoint_images:mnist"])
def test_an_argument_that_a_recipe_does_not_know_is_refused(recipe):
    with pytest.raises(ConfigError, match="must be one of"):
        recipes.load(recipe)


@pytest.mark.parametrize("path", THEORY, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_recipe_on_theory_is_valid_and_its_docstring_has_the_command(path):
    config = load(path)
    theory.validate(config)
    assert config.title and config.about, "the page opens with what the experiment shows"
    doc = ast.get_docstring(ast.parse(path.read_text()))
    assert "experiments.theory" in doc and f"--config={path.relative_to(ROOT)}" in doc


def test_claims_name_rows_that_exist():
    for path in RECIPES:
        config = load(path)
        assert {claim[0] for claim in config.claims} <= {row.name for row in expand(config)}


def test_rows_of_the_demo_share_three_programs():
    rows = expand(load(DEMO))
    assert len(rows) == 7 and len({configs.program_key(row.config) for row in rows}) == 3


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    recipe = load(DEMO)
    recipe.eval_every = 0
    return loop.train(recipe, tmp_path_factory.mktemp("demo") / "run", {"parallel.devices": 1, "seeds": 2})


def means(summary, metric):
    return {row["name"]: row["metrics"][metric]["mean"] for row in summary["rows"]}


def test_the_demo_reaches_its_claims(demo):
    assert len(demo["claims"]) == 10
    missed = [claim for claim in demo["claims"] if not claim["holds"]]
    assert not missed


def test_first_layers_put_more_weight_on_the_tag_with_augmented_labels(demo):
    ratio = means(demo, "test/weight_norm_ratio")
    assert ratio["ERM"] < ratio["LS .1"] and ratio["ERM"] < ratio["Mixup"]
    assert ratio["ERM+wd"] < ratio["LS .1+wd"] and ratio["ERM+wd"] < ratio["Mixup+wd"]


def test_augmented_labels_shrink_the_variance_of_features(demo):
    within = means(demo, "test_random/features/within_variance")
    assert within["LS .1"] < within["ERM"] and within["Mixup"] < within["ERM"]


def test_noise_on_the_tag_closes_the_gap(tmp_path):
    """The preference is for low variance, not for shortcuts: where the tag varies more than the shape, nobody uses it."""
    recipe = load(DEMO)
    with recipe.unlocked():
        recipe.rows = {name: recipe.rows[name] for name in ("ERM", "LS .1", "Mixup")}
        recipe.claims = ()
    overrides = {"data.shortcut.noise": 0.5, "seeds": 1, "steps": 300, "eval_every": 0, "parallel.devices": 1}
    accuracy = means(loop.train(recipe, tmp_path, overrides), "test_random/accuracy")
    assert abs(accuracy["ERM"] - accuracy["LS .1"]) <= 0.05
    assert min(accuracy.values()) > 0.9


@pytest.mark.claims
@pytest.mark.parametrize(
    ("recipe", "rows", "number"),
    [
        ("label_noise", ("ERM · r = 0", "ERM · r = 0.4", "LS .5 · r = 0.4", "correction · r = 0.4"), 4),
        ("spurious/identifying_pixel", [f"{m} · {c}" for m in ("ERM", "LS .2") for c in ("one-sided", "centred")], 4),
    ],
)
def test_what_label_augmentation_does_is_what_the_recipes_on_theory_claim(tmp_path, recipe, rows, number):
    """Some of their rows, with one of their seeds."""
    config = load(ROOT / "configs" / f"{recipe}.py")
    with config.unlocked():
        config.rows = {name: config.rows[name] for name in rows}
        config.claims = tuple(claim for claim in config.claims if {claim[0], claim[-1]} <= set(rows))
    claims = loop.train(config, tmp_path, {"seeds": 1, "parallel.devices": 1})["claims"]
    assert [claim["holds"] for claim in claims] == [True] * number, claims


@pytest.mark.claims
def test_variances_shrink_as_the_recipe_on_them_claims(tmp_path):
    """Its rows without weight decay, with one of its seeds."""
    recipe = load(ROOT / "configs" / "digits_variance.py")
    plain = ["ERM", "LS .1", "Mixup"]
    with recipe.unlocked():
        recipe.rows = {name: recipe.rows[name] for name in plain}
        recipe.claims = tuple(claim for claim in recipe.claims if claim[0] in plain)
    assert len(recipe.claims) == 6
    loop.train(recipe, tmp_path / "run", {"seeds": 1, "parallel.devices": 1, "checkpoint_every": 1500})
    evaluate(tmp_path / "run", options=Options(brief=True))
    claims = runs.read(tmp_path / "run").claims
    assert [claim.holds for claim in claims] == [True] * 6, claims

"""What the README shows is what the code does."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv import config as configs
from lamv.catalog.mitigations import MITIGATIONS
from lamv.core import methods, mixing
from lamv.core.batch import whole
from lamv.core.methods import METHODS
from lamv.core.targets import one_hot
from lamv.errors import ConfigError
from lamv.rows import expand
from tests.train.test_mitigated import LINEAR, changed, run_of

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def shown(what):
    """The code block of the README that has these words."""
    [code] = [code for code in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL) if what in code]
    return code


@pytest.fixture
def recipe(monkeypatch):
    """The recipe with a method that the README adds, run as it stands; the method is gone after the test."""
    monkeypatch.syspath_prepend(ROOT)
    with monkeypatch.context() as patch:
        known = dict(METHODS)
        patch.setattr(methods, "METHODS", {**known})
        namespace = {"__name__": "recipe"}
        exec(shown("def get_config"), namespace)
        [name] = methods.METHODS.keys() - known
    monkeypatch.setitem(METHODS, name, namespace["METHODS"][name])
    return namespace["get_config"], name


@pytest.fixture
def added(recipe):
    """The name of that method."""
    return recipe[1]


def test_the_recipe_of_the_readme_trains_the_method_with_and_without_smoothing(recipe):
    get_config, name = recipe
    of_method = [row.config for row in expand(get_config()) if row.config.method.name == name]
    assert sorted(config.method.smoothing for config in of_method) == [0.0, 0.1]


def test_the_loss_of_the_readme_is_that_of_smoothed_labels_mixed():
    namespace = {}
    exec(shown("def loss"), namespace)
    images, labels = jnp.arange(24.0).reshape(12, 2), jnp.arange(12) % 10
    uniform = jax.jit(namespace["loss"], static_argnums=1)(
        None, lambda _, x: jnp.zeros((12, 10)), jax.random.key(0), images, labels
    )
    assert uniform == pytest.approx(np.log(10)), "logits of 0 cost log K whatever the targets, if these sum to 1"


def test_the_method_that_the_readme_adds_works_as_shown(added):
    inputs, targets = jnp.arange(24.0).reshape(12, 2), one_hot(jnp.arange(12) % 2, 2)
    memberships = one_hot(jnp.arange(12) % 4, 4)
    knobs = {"alpha": 1.0, "lam_per": "example", "smoothing": 0.0, "convention": "uniform"}

    @jax.jit
    def batch(x, q, smoothing):
        return methods.apply(
            METHODS[added], jax.random.key(0), x, q, knobs=knobs | {"smoothing": smoothing}, rows=whole(12),
            memberships=memberships,
        )  # fmt: skip

    made = batch(inputs, targets, 0.0)
    left_alone = np.all(made.targets == targets, axis=1)
    assert 0 < left_alone.sum() < 12, "pairs of both kinds, or this shows nothing"
    np.testing.assert_array_equal(made.inputs[left_alone], inputs[left_alone])
    assert np.all(np.any(made.inputs != inputs, axis=1) == ~left_alone)
    assert np.all(made.targets[~left_alone] > 0)
    assert np.all(np.any(made.memberships != memberships, axis=1) == ~left_alone), "who is mixed is in two groups"
    np.testing.assert_allclose(batch(inputs, targets, 0.5).targets, 0.5 * made.targets + 0.25, atol=1e-6)


@pytest.fixture
def mixed_once(monkeypatch):
    """No step mixes the batch beside the method."""

    def mixed_again(*_, **__):
        raise AssertionError("the batch would be mixed twice")

    monkeypatch.setattr("lamv.train.step.mixing.mixup", mixed_again)


@pytest.mark.parametrize("mitigation", [name for name, one in MITIGATIONS.items() if one.in_steps])
def test_the_method_that_the_readme_adds_is_traced_under_every_mitigation(added, mitigation, mixed_once):
    run = run_of(**LINEAR | {"method.name": added, "mitigation.name": mitigation, "steps": 3}, init=False)
    [one] = run.replicas
    state = jax.eval_shape(run.functions.init, one.knobs)
    after = jax.eval_shape(run.functions.step(0), state, one.knobs, one.teacher, one.train, run.examples, 0, 3)
    assert jax.tree.structure(after) == jax.tree.structure(state)


@pytest.mark.parametrize("mitigation", ["group_dro", "lisa"])  # one that weighs, and one that chooses partners
def test_the_method_that_the_readme_adds_is_trained_under_a_mitigation(added, mitigation, mixed_once):
    run = run_of(**LINEAR | {"method.name": added, "mitigation.name": mitigation, "steps": 3})
    before = run.arrays()
    run.advance(0, 3)
    after = run.arrays()
    assert all(np.isfinite(values).all() for values in after.values())
    assert changed(before, after)


def test_a_method_that_does_not_say_whether_it_combines_examples_is_refused(monkeypatch):
    monkeypatch.setitem(METHODS, "mine", mixing.mixup)
    with pytest.raises(ConfigError, match="'mine' does not say whether it combines examples.*mixing_method"):
        configs.check_method("mine")
    monkeypatch.setitem(METHODS, "mine", methods.target_method(lambda key, inputs, targets: (2 * inputs, targets)))
    with pytest.raises(TypeError, match="changes the inputs"):
        methods.apply(METHODS["mine"], jax.random.key(0), jnp.ones((2, 2)), jnp.eye(2), knobs={}, rows=whole(2))


def test_files_that_the_readme_names_exist():
    for target in re.findall(r"\]\((?!https?:|#)([^)]+)\)", README):
        assert (ROOT / target).exists(), target
    for recipe in re.findall(r"--config=(configs/\S+\.py)", README):
        if recipe != "configs/NAME.py":
            assert (ROOT / recipe).exists(), recipe
    for module in re.findall(r"python -m ([\w.]+)", README):
        assert (ROOT / (module.replace(".", "/") + ".py")).exists(), module


def test_requirements_of_the_library_are_those_of_the_checkout():
    required = {line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()} - {""}
    [block] = re.findall(r"dependencies = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), flags=re.DOTALL)
    library = set(re.findall(r'"([^"]+)"', block))
    assert (
        required - library == {"pytest>=8", "hypothesis>=6.100", "pytest-xdist>=3.6", "ruff>=0.12", "ty>=0.0.108"}
        and library <= required
    )


def test_constraints_pin_everything_that_is_required():
    pinned = {
        line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        name = re.match(r"[\w-]*", line)[0].lower()
        assert not name or name in pinned, name

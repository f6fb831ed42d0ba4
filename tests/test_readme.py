"""What the README shows is what the code does."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from lamv.core import mixing
from lamv.core.batch import whole
from lamv.core.methods import METHODS, apply
from lamv.core.targets import one_hot

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_method_that_the_readme_adds_works_as_shown():
    [code] = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    function, entry = code.split("# lamv/core/methods.py")
    namespace = dict(vars(mixing))
    exec(function, namespace)
    [name] = re.findall(r'"(\w+)": \w+\}', entry)
    method = namespace[name]
    inputs, targets = jnp.arange(24.0).reshape(12, 2), one_hot(jnp.arange(12) % 2, 2)
    knobs = {"alpha": 1.0, "lam_per": "example", "smoothing": 0.0, "convention": "uniform"}
    made = jax.jit(lambda x, q: apply(method, jax.random.key(0), x, q, knobs=knobs, rows=whole(12)))(inputs, targets)
    left_alone = np.all(made.targets == targets, axis=1)
    assert 0 < left_alone.sum() < 12, "pairs of both kinds, or this shows nothing"
    np.testing.assert_array_equal(made.inputs[left_alone], inputs[left_alone])
    assert np.all(np.any(made.inputs != inputs, axis=1) == ~left_alone)
    assert np.all(made.targets[~left_alone] > 0)
    assert name not in METHODS, "it is in lamv now; show another"


def test_files_that_the_readme_names_exist():
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", README):
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
    assert required - library == {"pytest>=8", "hypothesis>=6.100", "pytest-xdist>=3.6"} and library <= required


def test_constraints_pin_everything_that_is_required():
    pinned = {
        line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        name = re.match(r"[\w-]*", line)[0].lower()
        assert not name or name in pinned, name

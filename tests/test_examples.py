"""The examples train, in a few steps, as they are shown."""

import importlib.util
from pathlib import Path

import jax
import numpy as np
import pytest

from lamv import data

FOLDER = Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True)
def as_a_user():
    """Biases are added to batches."""
    with jax.numpy_rank_promotion("allow"):
        yield


def example(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_plain_jax(capsys):
    measured = [example("plain_jax").main(method, steps=40) for method in ("ERM", "LS .1")]
    assert all(accuracy > 0.6 and 0 < share < 1 for accuracy, share in measured)
    assert measured[0] != measured[1] and "LS .1: accuracy" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["flax_linen", "flax_nnx"])
def test_flax(name, capsys):
    accuracy, share = example(name).main(steps=40)
    assert accuracy > 0.6 and 0 < share < 1
    assert f"accuracy {100 * accuracy:.1f} %" in capsys.readouterr().out


def test_batches_of_any_loader():
    module = example("pytorch_loader")
    digits = data.load("digits").parts["all"]
    images = np.float32(digits.inputs / 16)
    loader = [(images[first : first + 100], digits.labels[first : first + 100]) for first in range(0, 1700, 100)]
    accuracy, share = module.evaluate(module.train(loader[:12], epochs=5), loader[12:])
    assert accuracy > 0.6 and 0 < share < 1


def test_batches_of_pytorch():
    pytest.importorskip("torch")
    assert example("pytorch_loader").main(epochs=5)[0] > 0.6


def test_examples_are_short():
    assert all(len(file.read_text().splitlines()) <= 60 for file in FOLDER.glob("*.py"))

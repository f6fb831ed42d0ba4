"""Rows and workdirs that several tests look at, and none changes."""

import pytest

from lamv.evaluate import evaluate
from lamv.train import loop
from tests.evaluate.rows import METHODS, recipe, trained


@pytest.fixture(scope="session")
def mlp():
    return trained()


@pytest.fixture(scope="session")
def mixup():
    return trained(**{"method.name": "mixup"})


@pytest.fixture(scope="session")
def single(tmp_path_factory):
    """A workdir of one seed, evaluated."""
    path = tmp_path_factory.mktemp("run") / "single"
    loop.train(recipe({name: METHODS[name] for name in ("ERM", "LS .1")}, seeds=1), path)
    evaluate(path)
    return path

"""Workdirs that several files report on."""

import json

import pytest

from lamv import report
from lamv.results import analysis
from tests import workdirs
from tests.pages import undraw
from tests.workdirs import FOUR_METHODS, evaluated, four_methods


@pytest.fixture(autouse=True)
def undrawn_unless_marked(request):
    """Pages that a test writes are without drawings, but for those marked `drawn` and those of wider fixtures."""
    if "drawn" not in request.keywords:
        undraw(request.getfixturevalue("monkeypatch"))


@pytest.fixture(scope="session")
def workdir(tmp_path_factory):
    """Evaluated at two steps, and reported on."""
    path = evaluated(tmp_path_factory.mktemp("analysis") / "run", steps=(10, 20))
    report.write(path)
    return path


@pytest.fixture(scope="session")
def one_seed(tmp_path_factory):
    """Of one seed, with bootstrap intervals over examples."""
    path = evaluated(tmp_path_factory.mktemp("one") / "run", four_methods(seeds=1))
    with open(path / analysis.CURVES, "a") as file:
        for name in FOUR_METHODS:
            line = {"step": 20, "row": name, "replica": 0, "seed": 0}
            found = [workdirs.interval(line, "test/accuracy", 0.9, 0.8612, 0.9312)]
            if name != "ERM":
                found.append(workdirs.interval(line, "test/accuracy", -0.09, -0.1234, -0.0567, "ERM"))
            file.writelines(json.dumps(one) + "\n" for one in found)
    report.write(path)
    return path

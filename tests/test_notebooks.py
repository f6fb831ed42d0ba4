"""The notebooks run, cell by cell, in a few steps; the audit in one of them has tests of its own.

Their code is run here, rather than in a kernel: that takes no further packages and no further process.
"""

import json
from pathlib import Path

import jax
import matplotlib
import pytest

from tests.sessions import Shared

FOLDER = Path(__file__).parents[1] / "examples"
SLOW, QUICK = "QUICK = False", "QUICK = True"


class OneDevice(Shared):
    """Programs for one device compile faster, and those of the first notebook's runs are the same."""

    def __init__(self, rows, devices=None):
        super().__init__(rows, jax.devices()[:1])


@pytest.mark.parametrize("name, figures", [("paper", 5), ("practitioner", 2)])
def test_a_notebook(name, figures, tmp_path, monkeypatch, capsys):
    matplotlib.use("agg")
    from matplotlib import pyplot

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lamv.train.loop.Session", OneDevice)
    cells = json.loads((FOLDER / f"{name}.ipynb").read_text())["cells"]
    assert not any(cell.get("outputs") for cell in cells), "stored without outputs"
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert SLOW in sources[0]
    sources[0] = sources[0].replace(SLOW, QUICK)
    namespace = {}
    with matplotlib.rc_context(), jax.numpy_rank_promotion("allow"):
        for number, source in enumerate(sources):
            exec(compile(source, f"{name}, cell {number}", "exec"), namespace)
        assert len(pyplot.get_fignums()) == figures
        pyplot.close("all")
    assert "ERM" in capsys.readouterr().out

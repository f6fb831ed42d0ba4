"""Two swept knobs as a grid."""

import pytest

from lamv.compare import sweeps
from lamv.results import runs
from tests import workdirs


def swept(path, *settings):
    """A run of label smoothing with these (smoothing, weight decay), beside ERM."""
    values = workdirs.measured(shortcut=False)
    rows = [
        workdirs.changed(
            workdirs.row(f"{s}, {w}", values, method="label_smoothing", weight_decay=w), method__smoothing=s
        )
        for s, w in settings
    ]
    return runs.read(workdirs.write(path / "run", workdirs.summary(workdirs.row("ERM", values), *rows)))


def test_rows_that_differ_in_two_numbers_are_a_grid(tmp_path):
    run = swept(tmp_path, (0.3, 0.0), (0.1, 0.0), (0.1, 0.01), (0.3, 0.01), (0.1, 0.1))
    [sweep] = sweeps.of(run.rows)
    assert (sweep.method, sweep.down, sweep.across) == ("label_smoothing", "method.smoothing", "optim.weight_decay")
    assert sweep.values == ([0.1, 0.3], [0.0, 0.01, 0.1])
    assert sweep.rows[0.3, 0.01].name == "0.3, 0.01" and (0.3, 0.1) not in sweep.rows


@pytest.mark.parametrize(
    "settings",
    [
        [(0.1, 0.0), (0.2, 0.0), (0.3, 0.0)],
        [(0.1, 0.0), (0.2, 0.01)],
        [(0.1, 0.0), (0.2, 0.0), (0.3, 0.0), (0.4, 0.0), (0.1, 0.01), (0.1, 0.02), (0.1, 0.03)],
    ],
    ids=["one knob", "both at once", "a cross"],
)
def test_others_are_not(tmp_path, settings):
    assert sweeps.of(swept(tmp_path, *settings).rows) == []

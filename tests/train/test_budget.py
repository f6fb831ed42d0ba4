"""What cannot fit is refused from shapes alone, before anything is allocated."""

import time

import numpy as np
import pytest

from lamv import config as configs
from lamv import memory
from lamv.errors import ConfigError, DataError
from lamv.rows import expand
from lamv.train import budget
from lamv.train.session import Session

GIB = 1 << 30


@pytest.fixture
def check(tmp_path, monkeypatch):
    """check(gib, data, knobs): the budget of one row on these arrays, with so much memory free."""

    def run(gib, knobs, **data):
        arrays = {"inputs": np.zeros((60, 4), np.float32), "labels": np.arange(60) % 3} | data
        np.savez(tmp_path / "mine.npz", **arrays)
        config = configs.defaults()
        config.update({"steps": 10, "batch_size": 8})
        config.data.name, config.data.path = "npz", str(tmp_path / "mine.npz")
        rows = expand(config, knobs)
        session = Session(rows)
        monkeypatch.setattr(memory, "available", lambda: memory.Available(int(gib * GIB), "free here"))
        budget.check(rows, session)

    return run


def test_what_fits_is_not_refused(check):
    check(0.01, {"model.widths": (64,), "seeds": 5})


@pytest.mark.parametrize(
    "knobs, words",
    [
        (
            {"model.widths": (65536,) * 3},
            ("the states of 1 rows x 1 seeds of mlp of widths (65536, 65536, 65536)", "smaller model"),
        ),
        ({"seeds": 5000, "model.widths": (512, 512)}, ("the states of 1 rows x 5000 seeds", "fewer seeds")),
    ],
)
def test_what_is_asked_for_and_does_not_fit_is_exit_64_with_both_numbers(check, knobs, words):
    begin = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        check(4, knobs)
    assert time.monotonic() - begin < 10
    message = str(caught.value)
    assert "GiB of memory are needed" in message and "4.0 GiB are free here" in message and "\n" not in message
    for word in words:
        assert word in message


def test_classes_that_do_not_fit_are_exit_65(check):
    number = 30_000
    labels = np.arange(number)
    with pytest.raises(DataError, match=f"class moments, {number} x {number} numbers"):
        check(8, {"model.widths": (8,)}, inputs=np.zeros((number, 2), np.float32), labels=labels)


def test_the_state_that_is_counted_is_the_state_that_there_is(tmp_path):
    """Parameters of an MLP by hand: (4 + 1) 8 + (8 + 1) 3."""
    assert budget._network("mlp", (8,), "float32", 3, (4,)) == (67, 8, 8)
    assert budget._network("mlp", (8, 5), "float32", 3, (4,)) == (5 * 8 + 9 * 5 + 6 * 3, 13, 5)

"""Plans: what is dropped first where time is short, and that nothing is dropped without a word."""

import numpy as np
import pytest

from lamv.audit import plan, reading
from lamv.audit.question import Question, parsed


@pytest.fixture
def read(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", inputs=rng.normal(size=(900, 5)), labels=np.arange(900) % 3)
    return reading.read(asked(tmp_path / "a.npz"))


def asked(data, minutes=10.0):
    return Question(data, data.with_name("audit.html"), parsed("label_smoothing:.1,mixup:1"), minutes=minutes)


def test_time_enough_gives_ten_seeds_five_doses_and_remedies(monkeypatch, tmp_path, read):
    monkeypatch.setattr(plan, "pace", lambda *_: (0.1, 1e-4))
    made = plan.made(asked(tmp_path / "a.npz"), read)
    assert (made.seeds, made.cues, made.doses, made.remedies, made.left_out) == (10, 4, 5, True, ())
    assert made.steps == 1500


def test_the_shorter_the_time_the_less_and_it_is_said(monkeypatch, tmp_path, read):
    sizes = []
    for seconds in (1e-4, 3e-2, 6e-2, 0.2, 0.6, 5.0):
        monkeypatch.setattr(plan, "pace", lambda *_, s=seconds: (0.1, s))
        made = plan.made(asked(tmp_path / "a.npz"), read)
        sizes.append((made.seeds, made.doses, made.remedies, made.steps))
        assert bool(made.left_out) == (not made.remedies)
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) > 3
    assert sizes[-1] == (3, 0, False, plan.LEAST)
    assert any("training for 1500 steps" in words for words in made.left_out)


def test_a_plan_is_kept_as_it_was_made():
    made = plan.Plan(5, 400, 1, 3, True, 32, "mlp", 1e-3, 300, ("trying remedies",))
    assert plan.from_record(made.recorded()) == made


def test_the_network_and_the_batch_suit_the_data(tmp_path, read):
    assert plan.network_for(read) == "mlp"
    assert (plan.batch_of(600), plan.batch_of(5000), plan.batch_of(50_000), plan.batch_of(7)) == (32, 64, 128, 7)
    np.savez(tmp_path / "i.npz", inputs=np.zeros((60, 16, 16, 3), np.uint8), labels=np.arange(60) % 2)
    assert plan.network_for(reading.read(asked(tmp_path / "i.npz"))) == "cnn"


def test_the_pace_of_this_machine_is_taken_by_training(tmp_path, read):
    compiling, seconds = plan.pace(asked(tmp_path / "a.npz"), read, plan.Plan(2, 100, 0, 0, False, 32, "linear"))
    assert 0 < seconds < compiling

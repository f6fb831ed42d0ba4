"""What a network rests on, against a forward pass by hand: a linear network, a column exchanged, the worst group."""

import numpy as np
import pytest

from lamv import config as configs
from lamv.audit import measure, question, reading
from lamv.audit.question import ERM, Question, parsed
from lamv.train import loop, teacher

METHODS = parsed("mixup:1")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(arrays, measured, {row: (kernel (R, D, K), bias (R, K))}) of linear networks on data with a test part."""
    folder = tmp_path_factory.mktemp("measure")
    rng = np.random.default_rng(0)
    arrays = {}
    for part, number in (("train", 120), ("test", 64)):
        labels = np.arange(number) % 3
        inputs = rng.normal(size=(number, 6)) + np.eye(6)[labels] * 1.5
        arrays |= {f"{part}_inputs": inputs.astype(np.float32), f"{part}_labels": labels}
        arrays[f"{part}_attributes"] = (np.arange(number) // 3) % 2
    np.savez(folder / "data.npz", **arrays)
    asked = Question(folder / "data.npz", folder / "audit.html", METHODS)
    config = configs.defaults()
    config.rows = question.rows([ERM, *METHODS])
    config.seeds, config.steps, config.batch_size, config.checkpoint_every, config.keep_checkpoints = 2, 40, 24, 10, 8
    config.data.name, config.data.path, config.model.name = "npz", str(asked.data), "linear"
    loop.train(config, folder / "own")
    measured = measure.measure(folder / "own", reading.read(asked), examples=1000)
    run = teacher.TeacherRun(str(folder / "own"))
    known = {name: run.teacher(name).arrays for name in run.rows}
    return arrays, measured, {n: (of["params.first.kernel"], of["params.first.bias"]) for n, of in known.items()}


@pytest.mark.parametrize("row", ["erm", "mixup(1)"])
@pytest.mark.parametrize("column", [0, 5])
def test_accuracy_with_the_column_of_another_example(trained, row, column):
    arrays, measured, weights = trained
    inputs, labels = arrays["test_inputs"], arrays["test_labels"]
    for seed in range(2):
        kernel, bias = (of[seed] for of in weights[row])
        partners = np.argsort(np.random.Philox(key=(seed, 7)).random_raw(64), kind="stable")
        swapped = inputs.copy()
        swapped[:, column] = inputs[partners, column]
        called = (swapped @ kernel + bias).argmax(axis=1)
        of = measured["rows"][row]["parts"][f"column input {column}"]
        assert of["accuracy"][seed] == pytest.approx((called == labels).mean())
        differs = labels[partners] != labels
        assert of["follows"][seed] == pytest.approx((called == labels[partners])[differs].mean())


def test_the_worst_of_the_groups(trained):
    arrays, measured, weights = trained
    groups = 2 * arrays["test_labels"] + arrays["test_attributes"]
    kernel, bias = (of[1] for of in weights["erm"])
    right = (arrays["test_inputs"] @ kernel + bias).argmax(axis=1) == arrays["test_labels"]
    assert measured["rows"]["erm"]["accuracy"][1] == pytest.approx(right.mean())
    assert measured["rows"]["erm"]["groups"][1] == pytest.approx(min(right[groups == g].mean() for g in range(6)))


def test_a_group_of_few_examples_counts_for_nothing():
    right, groups = np.array([False] * 3 + [True] * 9 + [False] * 3), np.array([0] * 3 + [1] * 12)
    assert measure._worst(right, groups) == 0.75
    assert measure._worst(right[:5], groups[:5]) is None


def test_the_hard_examples_are_those_that_most_rows_get_wrong_early(trained):
    _, measured, _ = trained
    assert measured["sizes"]["test"] == 64
    assert len(measured["sizes"]["hard"]) == 2 and max(measured["sizes"]["hard"]) < 64
    assert len(measured["rows"]["erm"]["clusters"]) == 2


def test_parts_of_a_table_are_its_columns_and_directions(trained):
    keys = [part["key"] for part in trained[1]["parts"]]
    assert {f"column input {n}" for n in range(6)} <= set(keys)
    assert keys[-2:] == ["leading direction", "low-variance directions"]
    described = trained[1]["parts"][-1]
    assert set(described["columns"]) <= {"input 0", "input 1", "input 2"}  # where the classes differ
    assert 0 < described["within_share"] < 1

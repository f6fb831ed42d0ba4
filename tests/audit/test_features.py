"""Frozen features: those of the network that was given, for every example, standardised."""

import numpy as np
import pytest

from lamv import config as configs
from lamv.audit import features, reading
from lamv.audit.question import Question, parsed
from lamv.errors import ConfigError, DataError
from lamv.train import loop, teacher


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A perceptron of two rows, trained for a moment on five inputs and two classes."""
    folder = tmp_path_factory.mktemp("weights")
    rng = np.random.default_rng(0)
    np.savez(folder / "other.npz", inputs=rng.normal(size=(60, 5)), labels=np.arange(60) % 2)
    config = configs.defaults()
    config.rows = {"first": {}, "second": {"optim.lr": 0.05}}
    config.seeds, config.steps, config.batch_size = 2, 5, 16
    config.data.name, config.data.path = "npz", str(folder / "other.npz")
    config.model.widths = (7,)
    loop.train(config, folder / "run")
    return folder / "run"


def question(tmp_path, trained, row="", inputs=5):
    """Data of three classes with a test part and attributes."""
    rng = np.random.default_rng(1)
    arrays = {}
    for part, number in (("train", 30), ("test", 18)):
        arrays[f"{part}_inputs"] = rng.normal(size=(number, inputs))
        arrays[f"{part}_labels"] = np.array(["ape", "bee", "cow"])[np.arange(number) % 3]
        arrays[f"{part}_attributes"] = np.arange(number) % 2
    np.savez(tmp_path / "mine.npz", **arrays)
    return Question(
        tmp_path / "mine.npz", tmp_path / "audit.html", parsed("mixup:1"), weights=f"{trained}{row}"
    ), arrays


@pytest.mark.parametrize(("row", "name"), [("", "first"), (":second", "second")])
def test_features_are_those_of_the_named_row(tmp_path, trained, row, name):
    asked, arrays = question(tmp_path, trained, row)
    made = features.of_weights(asked, reading.read(asked), tmp_path / "runs")
    known = teacher.TeacherRun(str(trained)).teacher(name).arrays
    kernel, bias = known["params.first.kernel"][0], known["params.first.bias"][0]
    inputs = np.concatenate([arrays["train_inputs"], arrays["test_inputs"]]).astype(np.float32)
    expected = np.maximum(inputs @ kernel + bias, 0)
    expected = expected[:, expected.std(axis=0) > 0]
    expected = (expected - expected.mean(axis=0)) / expected.std(axis=0)
    got = np.concatenate([made.splits.parts[part].inputs for part in ("train", "test")])
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_labels_names_and_groups_stay_with_their_examples(tmp_path, trained):
    asked, arrays = question(tmp_path, trained)
    made = features.of_weights(asked, reading.read(asked), tmp_path / "runs")
    assert made.splits.class_names == ("ape", "bee", "cow")
    names = np.array(made.splits.class_names)
    np.testing.assert_array_equal(names[made.splits.parts["test"].labels], arrays["test_labels"])
    np.testing.assert_array_equal(made.splits.parts["train"].attributes, arrays["train_attributes"])
    assert "row 'first'" in made.block["network"]


def test_weights_that_are_not_there_or_do_not_fit_are_one_line(tmp_path, trained):
    asked, _ = question(tmp_path, trained, ":third")
    with pytest.raises(ConfigError, match="must be one of 'first', 'second'"):
        features.of_weights(asked, reading.read(asked), tmp_path / "runs")
    asked, _ = question(tmp_path, trained, inputs=4)
    with pytest.raises(DataError, match="trained on inputs of another shape"):
        features.of_weights(asked, reading.read(asked), tmp_path / "runs")
    with pytest.raises(DataError, match="--weights"):
        features.of_weights(asked._replace(weights=str(tmp_path)), reading.read(asked), tmp_path / "runs")

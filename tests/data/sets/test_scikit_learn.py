"""The digits, and the diabetes data: as scikit-learn has them, standardised, and what a run makes of real labels."""

import importlib.util
import sys

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits

from lamv import config as configs
from lamv import data
from lamv.errors import ConfigError
from lamv.rows import expand
from lamv.train.session import Session
from lamv.train.variants import VariantRun


def test_inputs_and_labels_are_standardised():
    part = data.load("diabetes").parts["all"]
    assert part.inputs.shape == (442, 10) and part.inputs.dtype == part.labels.dtype == np.float32
    for values in (part.inputs, part.labels):
        np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(values.std(axis=0), 1, rtol=1e-5)
    np.testing.assert_array_equal(
        np.argsort(part.labels, kind="stable"), np.argsort(load_diabetes().target, kind="stable")
    )


def rows_of(**knobs):
    config = configs.defaults()
    config.steps, config.batch_size, config.seeds = 30, 64, 1
    config.data.name, config.model.name, config.optim.lr = "diabetes", "linear", 0.01
    return expand(config, {"loss.name": "squared_error"} | knobs)


def test_least_squares_learns_and_is_measured_by_its_error():
    [row] = rows_of()
    run = VariantRun(row, Session([row]))
    run.init()
    [before] = run.evaluate(["test"])
    run.advance(0, 30)
    [after] = run.evaluate(["test"])
    assert "test/accuracy" not in after and after["test/rmse"] < 0.85 < before["test/rmse"]
    state = run.arrays()
    kernel, bias = (state[f"params.first.{name}"][0] for name in ("kernel", "bias"))
    part, table = data.load("diabetes").parts["all"], run.view.tests["test"].rows[0]
    error = part.inputs[table] @ kernel[:, 0] + bias[0] - part.labels[table]
    assert after["test/rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-5)
    assert after["test/mae"] == pytest.approx(np.mean(np.abs(error)), rel=1e-5)


@pytest.mark.parametrize(
    "knobs, words",
    [
        ({"loss.name": "cross_entropy"}, "'cross_entropy', must be squared_error"),
        ({"loss.max_suppression": 0.1}, "must be squared_error without confidence_penalty and max_suppression"),
        ({"method.name": "label_smoothing"}, "'label_smoothing', must be one of erm"),
        ({"method.then": "same_class_mixup", "method.switch": 5}, "'same_class_mixup', must be one of erm"),
        ({"method.name": "mixup", "method.smoothing": 0.1}, "smoothing is 0.1, must be 0"),
        ({"data.classes": (0, 1)}, r"classes is \(0, 1\), must be \(\)"),
        ({"data.shortcut.kind": "tag"}, "must be 'none'"),
    ],
)
def test_what_is_for_classes_is_refused(knobs, words):
    [row] = rows_of(**knobs)
    with pytest.raises(ConfigError, match=words) as caught:
        VariantRun(row, Session([row]))
    assert "\n" not in str(caught.value)


def test_digits():
    splits = data.load("digits", verify="official")
    split = splits.parts["all"]
    assert split.inputs.shape == (1797, 8, 8, 1) and split.inputs.dtype == np.uint8 and split.inputs.max() == 16
    assert np.bincount(split.labels).min() == 174 and split.labels.dtype == np.int32
    assert splits.class_names == tuple("0123456789") and splits.normalisation == data.Normalisation(scale=16.0)
    assert splits.sources[0].official is True


@pytest.mark.parametrize("found", [True, False])
def test_digits_are_those_of_scikit_learn_wherever_its_file_lies(monkeypatch, found):
    if not found:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    read, theirs = data.load("digits").parts["all"], load_digits()
    np.testing.assert_array_equal(read.inputs[..., 0], theirs.images)
    np.testing.assert_array_equal(read.labels, theirs.target)


def test_digits_without_scikit_learn(refused, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    refused("digits", None, "pip install scikit-learn")


def test_digits_have_no_path(refused):
    refused("digits", "/data", "'/data'", "leave", error=ConfigError)

"""The linear probe: what a linear rule can read it reads, its penalty is the one that is stated, and it never warns."""

import shutil

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lamv.errors import ConfigError, DataError
from lamv.evaluate import Options, evaluate
from lamv.evaluate import probes as probing
from lamv.evaluate.probes import STRENGTHS, other_data, probe, standardiser
from lamv.train.session import Session
from lamv.train.variants import VariantRun
from tests.evaluate.rows import evaluated, recipe, small
from tests.test_floors import imported_with


def clusters(seed: int, number: int = 90, classes: int = 3, dim: int = 5, spread: float = 1.0):
    """Features about a centre for each class, and the labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(number) % classes
    return 4 * np.eye(classes, dim)[labels] + spread * rng.normal(size=(number, dim)), labels


def test_digits_from_their_pixels():
    """Far above chance, and what scikit-learn's own pipeline finds at the strength chosen."""
    digits = load_digits()
    pixels, labels = digits.data[::2], digits.target[::2]
    found = probe(pixels, labels, digits.data[1::2], digits.target[1::2])
    regression = LogisticRegression(C=1 / (found["strength"] * len(labels)), max_iter=1000)
    pipeline = make_pipeline(StandardScaler(), regression).fit(pixels, labels)
    assert found["accuracy"] == pytest.approx(pipeline.score(digits.data[1::2], digits.target[1::2]), abs=2e-3)
    assert 0.9 < found["accuracy"] <= found["train_accuracy"]
    assert found["strength"] in STRENGTHS


def test_labels_that_say_nothing_are_not_read():
    rng = np.random.default_rng(0)
    found = probe(rng.normal(size=(400, 4)), rng.integers(2, size=400), rng.normal(size=(2000, 4)),
                  rng.integers(2, size=2000))  # fmt: skip
    assert 0.45 < found["accuracy"] < 0.55


def test_what_is_not_linear_is_not_read():
    square = np.random.default_rng(0).uniform(-1, 1, size=(2000, 2))
    labels = (square[:, 0] * square[:, 1] > 0).astype(int)
    assert probe(square[:1000], labels[:1000], square[1000:], labels[1000:])["accuracy"] < 0.6
    product = np.column_stack([square, square.prod(axis=1)])
    assert probe(product[:1000], labels[:1000], product[1000:], labels[1000:])["accuracy"] > 0.97


@pytest.mark.parametrize("classes", [2, 3])
def test_the_objective_is_the_one_stated(classes):
    """Against a minimisation of the docstring's formula by finite differences."""
    features, labels = clusters(0, 60, classes, spread=3.0)
    inputs = standardiser(features)(features)
    rows = 1 if classes == 2 else classes

    def objective(flat):
        logits = inputs @ flat[:-rows].reshape(rows, 5).T + flat[-rows:]
        logits = np.column_stack([np.zeros(60), logits]) if classes == 2 else logits
        losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(60), labels]
        return losses.mean() + 0.3 / 2 * np.square(flat[:-rows]).sum()

    best = minimize(objective, np.zeros(6 * rows), options={"gtol": 1e-6}).x
    model = probing.fitted(inputs, labels, 0.3)
    np.testing.assert_allclose(model.coef_, best[:-rows].reshape(rows, 5), atol=2e-3)


def test_scale_and_shift_of_a_unit_do_not_matter():
    features, labels = clusters(0, spread=2.0)
    test_features, test_labels = clusters(1, spread=2.0)
    scale, shift = np.array([1e-3, 1e3, 1.0, 7.0, 0.1]), np.array([5.0, -2.0, 0.0, 100.0, 1.0])
    found = probe(features, labels, test_features, test_labels)
    moved = probe(scale * features + shift, labels, scale * test_features + shift, test_labels)
    assert moved == found and 0.5 < found["accuracy"] < 1


def test_units_that_are_constant_are_left_out():
    features, labels = clusters(0, spread=2.0)
    test_features, test_labels = clusters(1, spread=2.0)
    found = probe(features, labels, test_features, test_labels)
    for constant in (np.zeros(90), np.full(90, 0.1), 0.1 + 1e-9 * np.random.default_rng(0).normal(size=90)):
        # A unit that is dead on the training features, and alive on others.
        with_constant = np.column_stack([features, constant])
        test_with_constant = np.column_stack([test_features, 1e6 * np.arange(90)])
        assert probe(with_constant, labels, test_with_constant, test_labels) == found


def test_standardised_units_have_mean_zero_and_deviation_one():
    features, _ = clusters(0)
    found = standardiser(features)(features)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found.std(axis=0), 1)
    np.testing.assert_array_equal(standardiser(np.ones((4, 2)))(np.full((3, 2), 7.0)), 0)


def test_the_same_twice_and_labels_of_any_name():
    features, labels = clusters(0, spread=2.0)
    test_features, test_labels = clusters(1, spread=2.0)
    found = probe(features, labels, test_features, test_labels)
    assert probe(features, labels, test_features, test_labels) == found
    names = np.array([7, -3, 40])
    assert probe(features, names[labels], test_features, names[test_labels]) == found


def test_the_strength_is_chosen_by_examples_held_out(monkeypatch):
    """Noise units beside few examples: the held-out part asks for more strength than the training part would."""
    features, labels = clusters(0, 60, spread=2.0)
    features = np.column_stack([features, np.random.default_rng(2).normal(size=(60, 200))])
    found = probe(features, labels, features, labels)
    assert found["strength"] > min(STRENGTHS)
    seen, fitted = [], probing.fitted
    monkeypatch.setattr(probing, "fitted", lambda x, y, strength: seen.append(y) or fitted(x, y, strength))
    probe(features, labels, features, labels)
    assert [len(y) for y in seen] == [48] * len(STRENGTHS) + [60]
    np.testing.assert_array_equal(np.bincount(seen[0]), [16, 16, 16])  # every fifth of each class is held out


def test_a_fit_that_stops_early_is_still_a_probe(monkeypatch):
    features, labels = clusters(0)
    monkeypatch.setattr(probing, "MAX_ITERATIONS", 1)
    assert probe(features, labels, features, labels)["accuracy"] > 0.5


def test_it_is_imported_without_scikit_learn():
    assert not [name for name in imported_with("lamv.evaluate.probes") if name.split(".")[0] == "sklearn"]


FEATURES, LABELS = clusters(0)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: probe(FEATURES * np.nan, LABELS, FEATURES, LABELS), "hold nan or infinity"),
        (lambda: probe(FEATURES, LABELS, FEATURES * np.inf, LABELS), "hold nan or infinity"),
        (lambda: probe(FEATURES, 0 * LABELS, FEATURES, LABELS), "90 training examples of 1 classes are too few"),
        (lambda: probe(FEATURES[:3], LABELS[:3], FEATURES, LABELS), "3 training examples of 3 classes are too few"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, message):
    with pytest.raises(DataError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_robustness_and_probes_where_asked_for(single, tmp_path):
    path = tmp_path / "copied"
    shutil.copytree(single, path)
    lines = evaluate(
        path, options=Options(brief=True, attacks=(0.0, 0.1), robust_examples=300, probe=("first", "features"))
    )
    for one in lines:
        clean = one["test/attack/fgsm_0/accuracy"]
        assert clean == one["test/attack/pgd_0/accuracy"]
        assert one["test/attack/pgd_0.1/accuracy"] <= one["test/attack/fgsm_0.1/accuracy"] + 0.02 < clean
        assert one["test/attack/fgsm_0.1/margin_mean"] < one["test/attack/fgsm_0/margin_mean"]
        assert one["probe/digits/features/accuracy"] > 0.8 and one["probe/digits/first/accuracy"] > 0.8
        assert "augmented/loss" not in one and not any("projection" in key for key in one)


def test_the_classes_that_were_left_out_are_data_to_probe_on():
    config = recipe({"ERM": {}}, seeds=1, **{"data.classes": (4, 0, 7, 8, 9), "data.train_size": 300})
    evaluation, results = evaluated(config, brief=True, probe=("features",), transfer="unseen")
    other = evaluation.other_data
    assert other.name == "unseen" and np.array_equal(np.unique(other.labels), range(5))
    assert len(other.labels) == len(other.examples.inputs) == 905  # of the digits 1, 2, 3, 5, 6
    for result in results:
        assert 0.5 < result.metrics["probe/unseen/features/accuracy"] < 1
        assert not any(key.startswith("probe/digits") for key in result.metrics)


def test_another_data_set_is_put_into_the_shape_and_units_of_the_own(tmp_path):
    """Smaller images in the middle of black ones, in sixteenths like the digits; larger ones are refused."""
    row = small()
    run = VariantRun(row, Session([row]))
    images = np.random.default_rng(0).integers(0, 256, (20, 6, 4, 3), dtype=np.uint8)
    labels = np.arange(20) % 3
    parts = {"train_inputs": images, "train_labels": labels, "test_inputs": images[:9], "test_labels": labels[:9]}
    np.savez(tmp_path / "other.npz", **parts)
    other = other_data(Options(probe=("all",), transfer=f"npz:{tmp_path / 'other.npz'}", examples=12), run)
    assert other.name == "npz" and other.examples.inputs.shape == (29, 8, 8, 1)
    np.testing.assert_allclose(other.examples.inputs[0, 1:7, 2:6, 0], images[0].mean(-1) / 255 * 16, rtol=1e-5)
    assert np.asarray(other.examples.inputs).sum() == pytest.approx(
        np.asarray(other.examples.inputs)[:, 1:7, 2:6].sum()
    )
    assert {split: table.rows.shape for split, table in other.tables.items()} == {"train": (1, 12), "test": (1, 9)}
    np.testing.assert_array_equal(other.labels[other.tables["test"].rows[0]], labels[:9])
    np.savez(tmp_path / "large.npz", **{**parts, "train_inputs": np.zeros((20, 9, 9, 1), np.uint8),
                                        "test_inputs": np.zeros((9, 9, 9, 1), np.uint8)})  # fmt: skip
    with pytest.raises(ConfigError, match="must have \\(8, 8, 1\\) or less"):
        other_data(Options(probe=("all",), transfer=f"npz:{tmp_path / 'large.npz'}"), run)

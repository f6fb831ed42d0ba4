"""Probes on the data of the run, and on another data set."""

import shutil

import numpy as np
import pytest

from lamv.errors import ConfigError
from lamv.evaluate import Options, evaluate
from lamv.evaluate.transfer import other_data
from lamv.train.session import Session
from lamv.train.variants import VariantRun
from tests.evaluate.rows import small


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

"""The synthetic data of BiFair: exact shares, and a feature whose mean is the label."""

import numpy as np
import pytest

from lamv.data import load


def test_shares_are_exact_and_the_feature_goes_by_the_label_alone():
    splits = load("bifair_synthetic")
    part = splits.parts["all"]
    assert part.inputs.shape == (6000, 2) and splits.num_classes == 2
    np.testing.assert_array_equal(part.inputs[:, 1], part.attributes)
    for attribute, share in ((0, 1 / 3), (1, 2 / 3)):
        own = part.attributes == attribute
        assert own.sum() == 3000 and part.labels[own].mean() == pytest.approx(share)
        for label in (0, 1):
            feature = part.inputs[own & (part.labels == label), 0]
            assert feature.mean() == pytest.approx(label, abs=4 / np.sqrt(len(feature)))
            assert feature.std() == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(part.groups, 2 * part.labels + part.attributes)
    np.testing.assert_array_equal(load("bifair_synthetic").parts["all"].inputs, part.inputs)

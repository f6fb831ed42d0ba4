"""Inputs of the user's in the form of the data set's own."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from lamv.api import inputs
from lamv.data.splits import Split, Splits
from lamv.errors import ConfigError, DataError


def of(name, stored, **fields):
    labels = np.zeros(len(stored), np.int32)
    splits = Splits(name, {"all": Split(stored, labels, labels)}, ("a", "b"), **fields)
    return splits, SimpleNamespace(data=SimpleNamespace(name=name, image_size=8))


def test_photographs_are_decoded_as_those_of_the_data(tmp_path):
    data = of("image_folder", np.zeros((2, 8, 8, 3), np.uint8))
    pixels = np.full((16, 16, 3), 200, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    for x in (tmp_path / "one.png", [str(tmp_path / "one.png")]):
        np.testing.assert_array_equal(inputs.as_stored(x, *data), np.full((1, 8, 8, 3), 200))
    np.testing.assert_array_equal(inputs.as_stored(pixels[None, :8, :8], *data), np.full((1, 8, 8, 3), 200))
    with pytest.raises(DataError, match="broken.png is no image of a kind that is read"):
        inputs.as_stored([tmp_path / "one.png", tmp_path / "broken.png"], *data)


def test_a_missing_number_may_be_missing_where_the_data_has_such(tmp_path):
    data = of("mine", np.zeros((2, 2), np.float32), standardise=(True, False))
    np.testing.assert_array_equal(inputs.as_stored([[np.nan, 1]], *data), np.float32([[np.nan, 1]]))
    for wrong in ([[0, np.nan]], [[np.inf, 0]], [[1e39, 0]]):
        with pytest.raises(ConfigError, match=r"x\[0\] is not finite as float32"):
            inputs.as_stored(wrong, *data)
    with pytest.raises(ConfigError, match="must be numbers"):
        inputs.as_stored([["a", "b"]], *data)


def test_texts_are_numbered_by_the_vocabulary_of_the_data():
    data = of("mine", np.zeros((2, 3), np.int32), words=("<padding>", "<unknown>", "good", "soup"))
    np.testing.assert_array_equal(inputs.as_stored(["Good SOUP!", "a good good soup"], *data), [[2, 3, 0], [1, 2, 2]])
    np.testing.assert_array_equal(inputs.as_stored(np.array([[2, 0, 0]]), *data), [[2, 0, 0]])
    with pytest.raises(DataError, match=r"x\[1\] is '...', which has no word"):
        inputs.as_stored(["good", "..."], *data)
    with pytest.raises(ConfigError, match="must be a list of texts"):
        inputs.as_stored([1, 2], *data)

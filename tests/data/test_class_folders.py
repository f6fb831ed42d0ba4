"""Folders of classes: names of parts. tests/data/sets has whole folders, of photographs and of texts."""

import pytest

from lamv.data.class_folders import part_of


@pytest.mark.parametrize(
    "name, part",
    [
        ("train", "train"), ("Train", "train"), ("TRAINING", "train"), ("train_set", "train"), ("Training Data", "train"),
        ("val", "valid"), ("Valid", "valid"), ("VALIDATION", "valid"), ("dev", "valid"), ("val-images", "valid"),
        ("test", "test"), ("Testing", "test"), ("test.split", "test"), ("Eval", "test"), ("evaluation_set", "test"),
        ("trainer", None), ("train2017", None), ("set", None), ("", None), ("all", None), ("trains", None),
    ],
)  # fmt: skip
def test_names_of_parts(name, part):
    assert part_of(name) == part

"""From columns to inputs: standardised numbers, missing values, columns that are left out."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_files import column, labelled, read, said, written

from lamv import memory


def test_numbers_missing_only_outside_of_training_have_no_column_of_their_own(save_table):
    splits = read(save_table({"x": [1, 3, "NA"], "split": ["train", "train", "test"], "label": [0, 1, 0]}))
    assert splits.input_names == ("x",) and splits.parts["test"].inputs.tolist() == [[0]]
    assert said(splits, "missing numbers", "x (1)")


def test_a_constant_with_missing_values_tells_by_these_alone(save_table):
    assert read(save_table({"x": [7, "", 7, 7], "label": [0, 1, 0, 1]})).input_names == ("x is missing",)


def test_large_numbers_with_small_differences(save_table):
    splits = read(save_table({"x": [10**15 + 1, 10**15 + 3], "label": [0, 1]}))
    assert column(splits, "x") == [-1, 1], "float64 until they are standardised"


LEFT_OUT = {
    "constant": ([7] * 30, "one value in all training rows"),
    "constant text": (["a"] * 30, "one value in all training rows"),
    "empty": ([""] * 30, "no value in any row"),
    "rows": (list(range(30)), "it numbers the rows"),
    "rows from 1": (list(range(1, 31)), "it numbers the rows"),
    "names": ([f"person {i}" for i in range(30)], "another text in nearly every row"),
    "american dates": ([f"{1 + i % 12}/{1 + i}/2020" for i in range(30)], "day and month"),
}


@pytest.mark.parametrize("kind", LEFT_OUT)
def test_columns_that_tell_nothing_are_left_out(save_table, kind):
    values, why = LEFT_OUT[kind]
    splits = read(save_table(labelled(**{kind: values})))
    assert splits.input_names == ("x",) and said(splits, kind, "left out", why)


def test_an_index_without_a_name_is_left_out(save_table):
    splits = read(save_table(",x,label\n0,5,a\n1,7,b\n"))
    assert splits.input_names == ("x",) and said(splits, "Unnamed: 0", "numbers the rows")
    assert read(save_table("x,label,\n5,a,\n7,b,\n")).input_names == ("x",), "a separator at the end of every line"
    assert read(save_table("Unnamed: 0,x,label\n1,5,a\n2,7,b\n")).input_names == ("x",)
    assert read(save_table("n,x,label\n1,5,a\n2,7,b\n")).input_names == ("n", "x"), "two rows may be counted by chance"


def test_values_that_training_lacks_altogether(save_table):
    parts = ["train"] * 15 + ["test"] * 15
    splits = read(save_table(labelled(late=[""] * 15 + [1] * 15, split=parts)))
    assert splits.input_names == ("x",) and said(splits, "late left out", "no value in the training rows")


def test_too_many_texts(save_table, monkeypatch):
    monkeypatch.setattr("lamv.data.frames.inputs.MAX_VALUES", 25)
    splits = read(save_table(labelled(90, word=[f"w{i % 30}" for i in range(90)])))
    assert splits.input_names == ("x",) and said(splits, "word left out", "more than 25")


def test_inputs_that_memory_cannot_hold(save_table, refused, monkeypatch):
    path = save_table(labelled(100, word=[f"w{i % 50}" for i in range(100)]), "mine.parquet")
    monkeypatch.setattr(memory, "available", lambda: memory.Available(20_000, "free here"))
    refused("table", path, "100 rows of 51 inputs take 59.8 KiB")


def test_a_table_of_nothing_but_free_text_says_who_trains_on_texts(save_table, refused):
    texts = [f"a soup for {i}" for i in range(30)]
    path = save_table({"text": texts, "label": ["good", "bad"] * 15})
    refused(
        "table", path, "text left out: another text in nearly every row", "configs/own_data.py:text trains on texts"
    )


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=40).filter(lambda v: np.std(v) > 1e-3))
def test_numbers_are_standardised(values):
    columns = {"x": values, "split": ["train"] * len(values), "label": [i % 2 for i in range(len(values))]}
    columns = {name: [*of, other] for (name, of), other in zip(columns.items(), (0.0, "test", 0), strict=True)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.csv"
        path.write_text(written(columns))
        found = read(path).parts
    expected = (np.array(values) - np.mean(values)) / np.std(values)
    np.testing.assert_allclose(found["train"].inputs[:, 0], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["test"].inputs[0, 0], -np.mean(values) / np.std(values), rtol=1e-4, atol=1e-5)

"""What columns hold: numbers, dates, categories, texts."""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from table_files import column, labelled, read, said

NUMBERS = {
    "signs": ["-1", "+1", "-1", "+1"],
    "points": [".5", "1.", "0.5", "1.0"],
    "exponents": ["1e0", "2E+0", "1.0", "20e-1"],
    "answers": ["no", "Yes", "NO", "yes"],
    "booleans": ["False", "true", "FALSE", "True"],
    "days": ["1970-01-01", "1970-01-02", "1970-01-01T00:00:00Z", "1970-01-02 00:00"],
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_what_is_read_as_numbers(save_table, kind):
    splits = read(save_table({kind: NUMBERS[kind], "label": [0, 1, 0, 1]}))
    assert column(splits, kind) == [-1, 1, -1, 1] and splits.input_names == (kind,)


def test_dates_in_parquet_count_days(save_table):
    moments = [datetime(2024, 2, 28), datetime(2024, 2, 29, 12), datetime(2024, 3, 2)]
    splits = read(save_table({"t": pa.array(moments, pa.timestamp("ns", "UTC")), "label": [0, 1, 0]}, "mine.parquet"))
    days = np.array([0, 1.5, 3])
    np.testing.assert_allclose(column(splits, "t"), (days - days.mean()) / days.std(), rtol=1e-6)


@pytest.mark.parametrize(
    "type", [pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.decimal128(20, 3), pa.decimal256(40, 2)]
)
def test_numbers_of_any_type_in_parquet(save_table, type):
    values = pa.array([1, 3, None]).cast(pa.int8()).cast(pa.float32()).cast(type)
    splits = read(save_table({"x": values, "label": [0, 1, 0]}, "mine.parquet"))
    assert splits.input_names == ("x", "x is missing") and splits.standardise == (True, False)
    np.testing.assert_array_equal(splits.parts["all"].inputs, [[-1, 0], [1, 0], [np.nan, 1]])


def test_not_a_number_is_a_missing_number(save_table):
    splits = read(save_table({"x": [1.0, np.nan, 3.0], "label": [0, 1, 0]}, "mine.parquet"))
    np.testing.assert_array_equal(splits.parts["all"].inputs, [[-1, 0], [np.nan, 1], [1, 0]])


def test_categories_of_a_parquet_file_stay_so_where_they_look_like_numbers(save_table):
    stars = pa.array(["10", "9", "10", None]).dictionary_encode()
    splits = read(save_table({"stars": stars, "label": [0, 1, 0, 1]}, "mine.parquet"))
    assert splits.input_names == ("stars=10", "stars=9", "stars is missing")


def test_leading_zeros_are_no_numbers(save_table):
    splits = read(save_table({"zip": ["01234", "90210", "01234", "90210"], "label": [0, 1, 0, 1]}))
    assert splits.input_names == ("zip=01234", "zip=90210") and said(splits, "leading zeros", "zip")


def test_a_few_numbers_among_texts_are_texts(save_table):
    splits = read(save_table(labelled(children=[["0", "1", "2", "3+"][i % 4] for i in range(30)])))
    assert splits.input_names == ("x", "children=0", "children=1", "children=2", "children=3+")


def test_parquet_types_that_are_not_read(save_table):
    columns = {"lists": [[1]] * 30, "things": [{"a": 1}] * 30, "raw": [b"1"] * 30, "nothing": pa.nulls(30)}
    splits = read(save_table(labelled(**columns, span=pa.array([1] * 30, pa.duration("s"))), "mine.parquet"))
    assert splits.input_names == ("x",) and said(splits, "nothing", "no value")
    for name, type in {"lists": "list", "things": "struct", "raw": "binary", "span": "duration"}.items():
        assert said(splits, name, f"of type {type}", "are not read")


def test_a_text_among_numbers_is_refused_and_not_made_a_category(save_table, refused):
    ages = [str(20 + i) for i in range(30)]
    ages[7] = "unknown"
    path = save_table(labelled(age=ages))
    refused("table", path, "'age': 29 of 30 values look like numbers, but 'unknown' (line 9)", "drop=\"('age',)\"")
    path = save_table({"x": list(range(5, 35)), "label": [f"{v}.5" if v != "unknown" else v for v in ages]})
    refused("table", path, "'label'", "but 'unknown' (line 9)")

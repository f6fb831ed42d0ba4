"""CSV and Parquet files: separators, quotes, damage, memory."""

import gzip
import io
import os
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from table_files import PEOPLE, check_whatever, read, said

from lamv import memory

COLUMNS = {
    "whole": list(range(0, 60, 2)),
    "real": [float(v) for v in np.random.default_rng(0).normal(size=30)],
    "gaps": [None if i % 7 == 0 else i / 8 for i in range(30)],
    "word": [["red", "blue", "", "green"][i % 4] for i in range(30)],
    "true": [i % 4 == 0 for i in range(30)],
    "day": [date(2020, 1, 1 + i) for i in range(30)],
    "time": [datetime(2020, 1, 1 + i, 6, 30) for i in range(30)],
    "exact": [Decimal(i * i) / 4 for i in range(30)],
    "code": [f"{7 * i % 5:03}" for i in range(30)],
    "split": [["train", "test", "valid"][i % 3] for i in range(30)],
    "group": [["a", "b"][i // 3 % 2] for i in range(30)],
    "label": [["cat", "dog"][i // 2 % 2] for i in range(30)],
}


def test_csv_and_parquet_of_the_same_content_are_the_same_to_the_bit(save_table):
    one, other = read(save_table(COLUMNS)), read(save_table(COLUMNS, "mine.parquet"))
    assert one.input_names == other.input_names and one.notes == other.notes and one.class_names == other.class_names
    assert one.group_names == other.group_names == ("a", "b") and len(one.input_names) == 17
    for part in one.parts:
        for here, there in zip(one.parts[part], other.parts[part], strict=True):
            np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize("delimiter, word", [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_other_separators_are_found_in_the_first_line(save_table, delimiter, word):
    splits = read(save_table(PEOPLE.replace(",", delimiter), "mine.tsv"))
    np.testing.assert_array_equal(splits.parts["train"].inputs, read(save_table(PEOPLE)).parts["train"].inputs)
    assert said(splits, f"separated by {word}")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace(",", " , "),
        lambda text: text.rstrip(),
        lambda text: text + "\n\n",
        lambda text: '"' + text.replace(",", '","').replace("\n", '"\n"').rstrip('"'),
    ],
)
def test_the_same_table_written_in_another_way(save_table, change):
    one, other = read(save_table(PEOPLE)), read(save_table(change(PEOPLE)))
    assert one.input_names == other.input_names and one.notes == other.notes
    np.testing.assert_array_equal(one.parts["train"].inputs, other.parts["train"].inputs)


def test_compressed(save_table):
    np.testing.assert_array_equal(
        read(save_table(gzip.compress(PEOPLE.encode()), "mine.csv.gz")).parts["train"].inputs,
        read(save_table(PEOPLE)).parts["train"].inputs,
    )


def test_quoted_values_hold_separators_line_breaks_and_quotes(save_table):
    splits = read(save_table('x,c,label\n1,"a, b",0\n2,"c\nd",1\n3,"e ""f""",0\n'))
    assert splits.input_names == ("x", "c=a, b", "c=c\nd", 'c=e "f"')
    assert splits.parts["all"].inputs[:, 1:].tolist() == np.eye(3).tolist()


def test_no_parquet_file(save_table, refused):
    path = save_table(COLUMNS, "mine.parquet")
    raw = path.read_bytes()
    for content in (b"", b"x,label\n1,2\n", raw[:-10], raw[:200], raw[:-300] + bytes(290) + raw[-10:]):
        path.write_bytes(content)
        refused("table", path, path, "Parquet")
    refused("table", save_table({"x": [1.0], "label": [[1]]}, "mine.parquet"), "'label' is of type list")
    refused(
        "table", save_table({"x": pa.array([], pa.int8()), "label": pa.array([], pa.int8())}, "mine.parquet"), "no rows"
    )


def test_what_is_no_file(tmp_path, refused):
    refused("table", tmp_path, tmp_path, "is no file")
    os.mkfifo(tmp_path / "pipe.csv")
    refused("table", tmp_path / "pipe.csv", "is no file")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "annex")
    refused("table", tmp_path / "gone.csv", "is a link", "annex")
    refused("table", None, "needs a path", "CSV or Parquet")


@pytest.mark.parametrize("file", ["mine.csv", "mine.csv.gz", "mine.parquet"])
def test_what_memory_cannot_hold_is_not_read(save_table, refused, monkeypatch, file):
    content = gzip.compress(PEOPLE.encode() * 1000) if file.endswith("gz") else COLUMNS
    path = save_table(content, file)
    monkeypatch.setattr(memory, "available", lambda: memory.Available(5000, "free here"))
    refused("table", path, path, "4.9 KiB", "free here")


def test_a_column_of_one_text_that_would_fill_memory(tmp_path, refused):
    rows = 2_000_000
    text = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), pa.array(["x" * 1000]))
    parquet.write_table(pa.table({"c": text}), tmp_path / "bomb.parquet", compression="zstd")
    assert (tmp_path / "bomb.parquet").stat().st_size < 1 << 20
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "available", lambda: memory.Available(1 << 25, "free here"))
        refused("table", tmp_path / "bomb.parquet", "2,000,000 rows of 1 columns take", "32.0 MiB are free here")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.one_of(st.binary(max_size=80), st.text(max_size=60).map(lambda t: f"x,label\n{t}".encode("utf-8", "replace")))
)
def test_any_bytes(content):
    check_whatever(content, "any.csv")


@pytest.fixture(scope="module")
def some_parquet():
    file = io.BytesIO()
    parquet.write_table(pa.table(COLUMNS), file)
    return file.getvalue()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=5), st.booleans())
def test_any_damage(some_parquet, changes, of_footer):
    raw = bytearray(some_parquet)
    begin = len(raw) - 2000 if of_footer else 4
    for at, byte in changes:
        raw[begin + int(at * (len(raw) - begin - 1))] = byte
    check_whatever(bytes(raw), "any.parquet")

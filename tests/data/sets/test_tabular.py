import csv
import gzip
import io
import os
import tempfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from lamv import data, memory
from lamv.errors import DataError

PEOPLE = """age,income,colour,split,label
20,1,red,train,yes
40,,blue,train,no
60,3,,Train,yes
20,5,red,training,no
60,,green,val,yes
30,3,?,TEST,no
"""


@pytest.fixture
def save(tmp_path):
    """save(text or bytes or {column: values}, name): the path of a CSV or Parquet file that holds it."""

    def write(content, name="mine.csv"):
        path = tmp_path / name
        if name.endswith(".parquet"):
            parquet.write_table(pa.table(content), path)
        elif isinstance(content, dict):
            path.write_text(written(content), encoding="utf-8")
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def written(columns):
    """Columns as the text of a CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([columns, *zip(*columns.values(), strict=True)])
    return text.getvalue()


def read(path, **options):
    return data.load("table", path, **options)


def column(splits, name, part="all"):
    return splits.parts[part].inputs[:, splits.input_names.index(name)].tolist()


def said(splits, *words):
    """Whether one of the notes holds all the words."""
    return any(all(word in note for word in words) for note in splits.notes)


def labelled(number=30, **columns):
    """Columns of so many rows, with a column of classes and one of numbers."""
    return {"x": [i * i for i in range(number)], **columns, "label": [i % 2 for i in range(number)]}


# Right values


def test_a_table_with_numbers_texts_missing_values_and_parts(save):
    path = save(PEOPLE)
    splits = read(path)
    assert splits.input_names == (
        "age", "income", "income is missing", "colour=blue", "colour=red", "colour is missing"
    )  # fmt: skip
    assert list(splits.parts) == ["train", "valid", "test"] and splits.class_names == ("no", "yes")
    train, valid, test = splits.parts.values()
    # Ages 20, 40, 60, 20 have mean 35 and deviation sqrt(275); incomes 1, 3, 5 have mean 3 and deviation sqrt(8 / 3).
    age, income = 275**0.5, (8 / 3) ** 0.5
    np.testing.assert_array_equal(
        train.inputs,
        np.float32(
            [
                [-15 / age, -2 / income, 0, 0, 1, 0],
                [5 / age, 0, 1, 1, 0, 0],
                [25 / age, 0, 0, 0, 0, 1],
                [-15 / age, 2 / income, 0, 0, 1, 0],
            ]
        ),
    )
    np.testing.assert_array_equal(valid.inputs, np.float32([[25 / age, 0, 1, 0, 0, 0]]))
    np.testing.assert_array_equal(test.inputs, np.float32([[-5 / age, 0, 0, 0, 0, 1]]))
    assert [part.labels.tolist() for part in splits.parts.values()] == [[1, 0, 1, 0], [1], [0]]
    assert [part.ids.tolist() for part in splits.parts.values()] == [[0, 1, 2, 3], [4], [5]]
    assert train.inputs.dtype == np.float32 and train.labels.dtype == np.int32 and train.ids.dtype == np.int64
    assert splits.normalisation == data.Normalisation(), "not standardised twice"
    assert splits.sources[0].file == path.name and splits.sources[0].official is None


def test_every_decision_is_said(save):
    notes = read(save(PEOPLE)).notes
    assert notes[:7] == (
        "labels no, yes are numbered 0 to 1 in this order",
        "3 columns become 6 inputs: 2 of numbers, standardised, 1 of texts, one-hot, 1 to say where a number is missing",
        "missing numbers are the mean of their column: income (2)",
        "missing texts are a value of their own, or 0 in all inputs where none is missing in training: colour (2)",
        "values that no training row has are 0 in all inputs: colour (1)",
        "missing is an empty value, or one of NA, N/A, n/a, #N/A, <NA>, NaN, nan, NULL, null, ?",
        "means, deviations and the values of texts are those of the 4 training rows",
    )


def test_only_the_training_rows_are_looked_at(save):
    one = save({"x": [1, 3, 100], "c": ["a", "b", "z"], "split": ["train", "train", "test"], "label": [0, 1, 0]})
    splits = read(one)
    assert splits.input_names == ("x", "c=a", "c=b")
    assert splits.parts["train"].inputs.tolist() == [[-1, 1, 0], [1, 0, 1]]
    assert splits.parts["test"].inputs.tolist() == [[98, 0, 0]]
    assert said(splits, "values that no training row has", "c (1)")


def test_without_a_column_split_all_rows_are_looked_at_and_that_is_said(save):
    splits = read(save({"x": [1, 3], "label": [0, 1]}))
    assert list(splits.parts) == ["all"] and splits.parts["all"].inputs.tolist() == [[-1], [1]]
    assert said(splits, "means and deviations are those of the rows that a seed trains on")
    assert splits.standardise == (True,), "once the seed has cut the table"


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


def test_csv_and_parquet_of_the_same_content_are_the_same_to_the_bit(save):
    one, other = read(save(COLUMNS)), read(save(COLUMNS, "mine.parquet"))
    assert one.input_names == other.input_names and one.notes == other.notes and one.class_names == other.class_names
    assert one.group_names == other.group_names == ("a", "b") and len(one.input_names) == 17
    for part in one.parts:
        for here, there in zip(one.parts[part], other.parts[part], strict=True):
            np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize("delimiter, word", [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_other_separators_are_found_in_the_first_line(save, delimiter, word):
    splits = read(save(PEOPLE.replace(",", delimiter), "mine.tsv"))
    np.testing.assert_array_equal(splits.parts["train"].inputs, read(save(PEOPLE)).parts["train"].inputs)
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
def test_the_same_table_written_in_another_way(save, change):
    one, other = read(save(PEOPLE)), read(save(change(PEOPLE)))
    assert one.input_names == other.input_names and one.notes == other.notes
    np.testing.assert_array_equal(one.parts["train"].inputs, other.parts["train"].inputs)


def test_compressed(save):
    np.testing.assert_array_equal(
        read(save(gzip.compress(PEOPLE.encode()), "mine.csv.gz")).parts["train"].inputs,
        read(save(PEOPLE)).parts["train"].inputs,
    )


def test_quoted_values_hold_separators_line_breaks_and_quotes(save):
    splits = read(save('x,c,label\n1,"a, b",0\n2,"c\nd",1\n3,"e ""f""",0\n'))
    assert splits.input_names == ("x", "c=a, b", "c=c\nd", 'c=e "f"')
    assert splits.parts["all"].inputs[:, 1:].tolist() == np.eye(3).tolist()


NUMBERS = {
    "signs": ["-1", "+1", "-1", "+1"],
    "points": [".5", "1.", "0.5", "1.0"],
    "exponents": ["1e0", "2E+0", "1.0", "20e-1"],
    "answers": ["no", "Yes", "NO", "yes"],
    "booleans": ["False", "true", "FALSE", "True"],
    "days": ["1970-01-01", "1970-01-02", "1970-01-01T00:00:00Z", "1970-01-02 00:00"],
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_what_is_read_as_numbers(save, kind):
    splits = read(save({kind: NUMBERS[kind], "label": [0, 1, 0, 1]}))
    assert column(splits, kind) == [-1, 1, -1, 1] and splits.input_names == (kind,)


def test_dates_in_parquet_count_days(save):
    moments = [datetime(2024, 2, 28), datetime(2024, 2, 29, 12), datetime(2024, 3, 2)]
    splits = read(save({"t": pa.array(moments, pa.timestamp("ns", "UTC")), "label": [0, 1, 0]}, "mine.parquet"))
    days = np.array([0, 1.5, 3])
    np.testing.assert_allclose(column(splits, "t"), (days - days.mean()) / days.std(), rtol=1e-6)


@pytest.mark.parametrize(
    "type", [pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.decimal128(20, 3), pa.decimal256(40, 2)]
)
def test_numbers_of_any_type_in_parquet(save, type):
    values = pa.array([1, 3, None]).cast(pa.int8()).cast(pa.float32()).cast(type)
    splits = read(save({"x": values, "label": [0, 1, 0]}, "mine.parquet"))
    assert splits.input_names == ("x", "x is missing") and splits.standardise == (True, False)
    np.testing.assert_array_equal(splits.parts["all"].inputs, [[-1, 0], [1, 0], [np.nan, 1]])


def test_not_a_number_is_a_missing_number(save):
    splits = read(save({"x": [1.0, np.nan, 3.0], "label": [0, 1, 0]}, "mine.parquet"))
    np.testing.assert_array_equal(splits.parts["all"].inputs, [[-1, 0], [np.nan, 1], [1, 0]])


def test_numbers_missing_only_outside_of_training_have_no_column_of_their_own(save):
    splits = read(save({"x": [1, 3, "NA"], "split": ["train", "train", "test"], "label": [0, 1, 0]}))
    assert splits.input_names == ("x",) and splits.parts["test"].inputs.tolist() == [[0]]
    assert said(splits, "missing numbers", "x (1)")


def test_a_constant_with_missing_values_tells_by_these_alone(save):
    assert read(save({"x": [7, "", 7, 7], "label": [0, 1, 0, 1]})).input_names == ("x is missing",)


def test_categories_of_a_parquet_file_stay_so_where_they_look_like_numbers(save):
    stars = pa.array(["10", "9", "10", None]).dictionary_encode()
    splits = read(save({"stars": stars, "label": [0, 1, 0, 1]}, "mine.parquet"))
    assert splits.input_names == ("stars=10", "stars=9", "stars is missing")


def test_leading_zeros_are_no_numbers(save):
    splits = read(save({"zip": ["01234", "90210", "01234", "90210"], "label": [0, 1, 0, 1]}))
    assert splits.input_names == ("zip=01234", "zip=90210") and said(splits, "leading zeros", "zip")


def test_a_few_numbers_among_texts_are_texts(save):
    splits = read(save(labelled(children=[["0", "1", "2", "3+"][i % 4] for i in range(30)])))
    assert splits.input_names == ("x", "children=0", "children=1", "children=2", "children=3+")


def test_large_numbers_with_small_differences(save):
    splits = read(save({"x": [10**15 + 1, 10**15 + 3], "label": [0, 1]}))
    assert column(splits, "x") == [-1, 1], "float64 until they are standardised"


# Columns that are left out

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
def test_columns_that_tell_nothing_are_left_out(save, kind):
    values, why = LEFT_OUT[kind]
    splits = read(save(labelled(**{kind: values})))
    assert splits.input_names == ("x",) and said(splits, kind, "left out", why)


def test_an_index_without_a_name_is_left_out(save):
    splits = read(save(",x,label\n0,5,a\n1,7,b\n"))
    assert splits.input_names == ("x",) and said(splits, "Unnamed: 0", "numbers the rows")
    assert read(save("x,label,\n5,a,\n7,b,\n")).input_names == ("x",), "a separator at the end of every line"
    assert read(save("Unnamed: 0,x,label\n1,5,a\n2,7,b\n")).input_names == ("x",)
    assert read(save("n,x,label\n1,5,a\n2,7,b\n")).input_names == ("n", "x"), "two rows may be counted by chance"


def test_parquet_types_that_are_not_read(save):
    columns = {"lists": [[1]] * 30, "things": [{"a": 1}] * 30, "raw": [b"1"] * 30, "nothing": pa.nulls(30)}
    splits = read(save(labelled(**columns, span=pa.array([1] * 30, pa.duration("s"))), "mine.parquet"))
    assert splits.input_names == ("x",) and said(splits, "nothing", "no value")
    for name, type in {"lists": "list", "things": "struct", "raw": "binary", "span": "duration"}.items():
        assert said(splits, name, f"of type {type}", "are not read")


def test_values_that_training_lacks_altogether(save):
    parts = ["train"] * 15 + ["test"] * 15
    splits = read(save(labelled(late=[""] * 15 + [1] * 15, split=parts)))
    assert splits.input_names == ("x",) and said(splits, "late left out", "no value in the training rows")


def test_too_many_texts(save, monkeypatch):
    monkeypatch.setattr("lamv.data.frames.inputs.MAX_VALUES", 25)
    splits = read(save(labelled(90, word=[f"w{i % 30}" for i in range(90)])))
    assert splits.input_names == ("x",) and said(splits, "word left out", "more than 25")


def test_columns_that_are_dropped(save):
    splits = read(save(PEOPLE), columns={"drop": ("age", "split")})
    assert "age" not in splits.input_names and list(splits.parts) == ["all"]


# Labels, groups and attributes


@pytest.mark.parametrize(
    "labels, names, codes",
    [
        (["10", "9", "10", "-3"], ("-3", "9", "10"), [2, 1, 2, 0]),
        (["dog", "cat", "dog", " cat"], ("cat", "dog"), [1, 0, 1, 0]),
        (["True", "False", "True", "True"], ("False", "True"), [1, 0, 1, 1]),
        (["01", "02", "01", "02"], ("01", "02"), [0, 1, 0, 1]),
    ],
)
def test_classes(save, labels, names, codes):
    splits = read(save({"x": [1, 2, 4, 8], "label": labels}))
    assert splits.class_names == names and splits.parts["all"].labels.tolist() == codes


@pytest.mark.parametrize(
    "labels, names, codes",
    [
        ([2**60 + 1, 2**60, 0, 0], ("0", str(2**60), str(2**60 + 1)), [2, 1, 0, 0]),
        ([True, False, True, True], ("False", "True"), [1, 0, 1, 1]),
        (pa.array(["b", "a", "b", "a"]).dictionary_encode(), ("a", "b"), [1, 0, 1, 0]),
    ],
)
def test_classes_of_a_parquet_file(save, labels, names, codes):
    splits = read(save({"x": [1, 2, 4, 8], "label": labels}, "mine.parquet"))
    assert splits.class_names == names and splits.parts["all"].labels.tolist() == codes


@pytest.mark.parametrize("file", ["mine.csv", "mine.parquet"])
def test_floats_are_numbers_to_be_predicted(save, file):
    splits = read(save({"x": [1, 2, 4], "price": [0.5, 2.0, 1.5]}, file), columns={"label": "price"})
    assert splits.is_regression and splits.class_names == ("price",)
    assert splits.parts["all"].labels.tolist() == [0.5, 2.0, 1.5] and splits.parts["all"].labels.dtype == np.float32
    assert not said(splits, "data.task")


@pytest.mark.parametrize("file", ["mine.csv", "mine.parquet"])
def test_whole_floats_are_either(save, file):
    path = save({"x": [1, 2, 4], "label": [1.0, 0.0, 1.0]}, file)
    assert read(path).is_regression and said(read(path), "if these are classes, --config.data.task=classification")
    splits = read(path, task="classification")
    assert splits.class_names == ("0", "1") and splits.parts["all"].labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize("file", ["mine.csv", "mine.parquet"])
def test_whole_numbers_for_regression(save, file):
    splits = read(save({"x": [1, 2, 4], "label": [3, 1, 2]}, file), task="regression")
    assert splits.is_regression and splits.parts["all"].labels.tolist() == [3, 1, 2]


def test_many_whole_numbers_are_either(save, refused):
    path = save({"x": [i * i for i in range(50)], "label": [1000 + i // 2 for i in range(50)]})
    refused("table", path, path, "25 different whole numbers in 50 rows", "task=regression", "task=classification")
    assert read(path, task="classification").num_classes == 25 and read(path, task="regression").is_regression


@pytest.mark.parametrize(
    "groups, names", [([3, 7, 3], ("3", "7")), (["b", "a", "b"], ("a", "b")), ([1.0, 2.0, 1.0], ("1", "2"))]
)
@pytest.mark.parametrize("file", ["mine.csv", "mine.parquet"])
def test_groups(save, groups, names, file):
    splits = read(save({"x": [1, 2, 4], "group": groups, "label": [0, 1, 0]}, file))
    assert splits.group_names == names and splits.input_names == ("x",)
    assert splits.parts["all"].groups.tolist() == ([1, 0, 1] if groups[0] == "b" else [0, 1, 0])


def test_attributes_make_groups(save):
    splits = read(
        save({"x": [1, 2, 4], "place": ["w", "l", "w"], "label": ["b", "b", "a"]}), columns={"attribute": "place"}
    )
    split = splits.parts["all"]
    assert split.attributes.tolist() == [1, 0, 1] and split.groups.tolist() == [3, 2, 1]
    assert splits.group_names == ("a, l", "a, w", "b, l", "b, w") and splits.input_names == ("x",)


# Refusals

BAD = {
    "nothing": (b"", "is empty"),
    "blank": (b"\n\n", "is empty"),
    "first line": (b"\nx,label\n1,2\n", "first line is empty"),
    "names only": ("x,label\n", "no rows"),
    "one column": ("label\n1\n2\n", "'label'", "at least 2"),
    "spaces": ("x y label\n1 2 3\n", "'x y label'", "semicolons"),
    "labels only": ("label,split\na,train\nb,train\na,test\n", "no column to learn from"),
    "nothing left": ("x,label\n1,a\n1,b\n", "no column to learn from", "x left out", "one value"),
    "no label": ("x,Label\n1,a\n2,b\n", "'label' is missing (did you mean 'Label'?)", "'x', 'Label'", "columns.label=NAME"),
    "no names": ("5.1,3.5,a\n4.9,3.0,b\n", "'label' is missing", "is its first line one of names?"),
    "twins": ("x,x ,label\n1,2,a\n2,3,b\n", "'x' is there twice"),
    "short row": ("x,label\n1,a\n2\n3,b,4\n", "line 3 has 1 values (and 1 more)", "2 names"),
    "long row": ('x,label\n"1\n",a\n2,b,3\n', "row 2 has 3 values", "2 names"),
    "open quote": ('x,label\n1,"a\n2,b\n3,a\n', "begins in line 2", "quote"),
    "stray quote": ('x,label\n1,"a"b"\n2,b\n', "begins in line 2", "quote"),
    "open quotes": ('x,label\n1,"a\n2,"b\n3,a\n', "begins in line 2", "quote"),
    "latin-1": ("x,label\n1,a\n2,\xe9\n".encode("latin-1"), "line 3 is not UTF-8", "0xe9"),
    "utf-16": ("x,label\n1,a\n".encode("utf-16"), "UTF-16"),
    "binary": (b"x,label\n1,a\n2,\0\n", "line 3 holds a NUL"),
    "excel": (b"PK\x03\x04...", "Excel"),
    "gzip": (b"\x1f\x8b\x08...", "damaged .gz"),
    "missing label": ("x,label\n1,a\n2,\n3,NA\n4,b\n", "'label' has no value in line 3 (and 1 more)"),
    "missing group": ("x,group,label\n1,,a\n2,g,b\n", "'group' has no value in line 2"),
    "missing split": ("x,split,label\n1,train,a\n2,?,b\n", "'split' has no value in line 3"),
    "split words": ("x,split,label\n1,train,a\n2,tset,b\n", "'tset' (line 3)", "did you mean 'test'?", "drop"),
    "no test": ("x,split,label\n1,train,a\n2,train,b\n", "'split' holds train and no test", "drop"),
    "unseen class": ("x,split,label\n1,train,a\n2,train,b\n3,test,c\n", "class 'c' has 1 examples in 'test'"),
    "one class": ("x,label\n1,a\n2,a\n", "of one class, 'a'"),
    "label twins": ("x,label\n1,1\n2,01\n3,1\n", "'01' and '1'", "two ways"),
    "label of two lines": ('x,label\n1,"a\nb"\n2,c\n', "line break"),
    "label dates": ("x,label\n1,2020-01-01\n2,2020-01-02\n", "'label' holds dates"),
    "groups and attributes": ("x,group,attribute,label\n1,1,1,a\n2,1,1,b\n", "'group'", "'attribute'", "drop one"),
    "attributes of numbers": ("x,attribute,label\n1,1,0.5\n2,1,1.5\n", "no meaning with labels that are numbers"),
    "infinite": ("x,label\n1,a\n-inf,b\n", "'x': '-inf' (line 3) is not finite as float32", "drop"),
    "too large": ("x,label\n1e39,a\n1,b\n", "'x': '1e39' (line 2) is not finite as float32"),
    "far too large": ("x,label\n1e400,a\n1,b\n", "'x': '1e400' (line 2)"),
    "far away": ("x,split,label\n0,train,a\n1e-30,train,b\n1e20,test,a\n", "1e+20 (line 4) is beyond float32"),
    "infinite label": ("x,label\n1,0.5\n2,inf\n", "'label': 'inf' (line 3) is not finite"),
    "decimal comma": ('x,c,label\n1,"1,5",a\n2,"2,5",b\n4,"3,5",a\n', "3 of 3 values look like numbers, but '1,5' (line 2)"),
    "thousands": ('x,c,label\n1,"1,500",a\n2,"$2,500.10",b\n4,"10 %",a\n', "3 of 3 values look like numbers", "and 2 more"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_refused(save, refused, kind):
    content, *words = BAD[kind]
    path = save(content)
    refused("table", path, path, *words)


def test_a_text_among_numbers_is_refused_and_not_made_a_category(save, refused):
    ages = [str(20 + i) for i in range(30)]
    ages[7] = "unknown"
    path = save(labelled(age=ages))
    refused("table", path, "'age': 29 of 30 values look like numbers, but 'unknown' (line 9)", "drop=\"('age',)\"")
    path = save({"x": list(range(5, 35)), "label": [f"{v}.5" if v != "unknown" else v for v in ages]})
    refused("table", path, "'label'", "but 'unknown' (line 9)")


@pytest.mark.parametrize(
    "columns, words",
    [
        ({"label": "lable"}, ("'lable' is missing (did you mean 'label'?)", "columns.label")),
        ({"group": "place"}, ("'place' is missing", "columns.group")),
        ({"drop": ("x", "y")}, ("'y' is missing", "columns.drop")),
        ({"drop": ("label",)}, ("'label' is missing",)),
        ({"label": "x", "group": "x"}, ("'x' is named twice",)),
        ({"label": "x", "drop": ("x",)}, ("'x' is named twice",)),
    ],
)
def test_columns_that_are_named_wrongly(save, columns, words):
    with pytest.raises(DataError) as caught:
        read(save("x,z,label\n1,3,a\n2,2,b\n"), columns=columns)
    if columns.get("drop") != ("label",):
        assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    "labels, task, word",
    [(["a", "b"], "regression", "regression needs numbers"), ([0.5, 1.5], "classification", "not all whole")],
)
def test_labels_that_do_not_fit_the_task(save, labels, task, word):
    with pytest.raises(DataError, match=word):
        read(save({"x": [1, 2], "label": labels}), task=task)


def test_no_parquet_file(save, refused):
    path = save(COLUMNS, "mine.parquet")
    raw = path.read_bytes()
    for content in (b"", b"x,label\n1,2\n", raw[:-10], raw[:200], raw[:-300] + bytes(290) + raw[-10:]):
        path.write_bytes(content)
        refused("table", path, path, "Parquet")
    refused("table", save({"x": [1.0], "label": [[1]]}, "mine.parquet"), "'label' is of type list")
    refused("table", save({"x": pa.array([], pa.int8()), "label": pa.array([], pa.int8())}, "mine.parquet"), "no rows")


def test_what_is_no_file(tmp_path, refused):
    refused("table", tmp_path, tmp_path, "is no file")
    os.mkfifo(tmp_path / "pipe.csv")
    refused("table", tmp_path / "pipe.csv", "is no file")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "annex")
    refused("table", tmp_path / "gone.csv", "is a link", "annex")
    refused("table", None, "needs a path", "CSV or Parquet")


@pytest.mark.parametrize("file", ["mine.csv", "mine.csv.gz", "mine.parquet"])
def test_what_memory_cannot_hold_is_not_read(save, refused, monkeypatch, file):
    content = gzip.compress(PEOPLE.encode() * 1000) if file.endswith("gz") else COLUMNS
    path = save(content, file)
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


def test_inputs_that_memory_cannot_hold(save, refused, monkeypatch):
    path = save(labelled(100, word=[f"w{i % 50}" for i in range(100)]), "mine.parquet")
    monkeypatch.setattr(memory, "available", lambda: memory.Available(20_000, "free here"))
    refused("table", path, "100 rows of 51 inputs take 59.8 KiB")


# Anything at all


def check_whatever(content, name):
    """Reading ends in sound arrays, or in one line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            splits = read(path)
        except DataError as error:
            assert len(str(error).splitlines()) == 1, str(error)
            return
    assert splits.input_names and all(len(note.splitlines()) == 1 for note in splits.notes)
    for part in splits.parts.values():
        assert part.inputs.shape == (len(part.labels), len(splits.input_names)) and part.inputs.dtype == np.float32
        assert np.isfinite(part.inputs).all() and np.isfinite(part.labels).all() and len(part.ids) == len(part.labels)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.one_of(st.binary(max_size=80), st.text(max_size=60).map(lambda t: f"x,label\n{t}".encode("utf-8", "replace")))
)
def test_any_bytes(content):
    check_whatever(content, "any.csv")


cells = st.one_of(
    st.sampled_from(["", "NA", "1", "-2.5", "inf", "1e300", "yes", "No", "007", "1,5"]),
    st.sampled_from(["2020-02-30", "2020-02-29", "1/2/2020", '"', "a\nb", "é"]),
    st.integers(-100, 100).map(str),
    st.floats(width=32).map(str),
    st.text(max_size=4),
)
rows = st.tuples(cells, cells, st.sampled_from(["a", "b", "1"]), st.sampled_from(["train", "test", "x"]))
names = st.tuples(cells, cells, st.just("label"), st.sampled_from(["split", "group", "attribute", "a\nb"]))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(names, st.lists(rows, max_size=30))
def test_any_table(names, rows):
    text = io.StringIO()
    csv.writer(text).writerows([names, *rows])
    check_whatever(text.getvalue().encode("utf-8", "replace"), "any.csv")


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

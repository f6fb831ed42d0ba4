"""A user's own table: its parts, labels, groups and attributes, and what is refused."""

import csv
import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_files import PEOPLE, cells, check_whatever, read, rows, said

from lamv import data
from lamv.errors import DataError


def test_a_table_with_numbers_texts_missing_values_and_parts(save_table):
    path = save_table(PEOPLE)
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


def test_every_decision_is_said(save_table):
    notes = read(save_table(PEOPLE)).notes
    assert notes[:7] == (
        "labels no, yes are numbered 0 to 1 in this order",
        "3 columns become 6 inputs: 2 of numbers, standardised, 1 of texts, one-hot, 1 to say where a number is missing",
        "missing numbers are the mean of their column: income (2)",
        "missing texts are a value of their own, or 0 in all inputs where none is missing in training: colour (2)",
        "values that no training row has are 0 in all inputs: colour (1)",
        "missing is an empty value, or one of NA, N/A, n/a, #N/A, <NA>, NaN, nan, NULL, null, ?",
        "means, deviations and the values of texts are those of the 4 training rows",
    )


def test_only_the_training_rows_are_looked_at(save_table):
    one = save_table({"x": [1, 3, 100], "c": ["a", "b", "z"], "split": ["train", "train", "test"], "label": [0, 1, 0]})
    splits = read(one)
    assert splits.input_names == ("x", "c=a", "c=b")
    assert splits.parts["train"].inputs.tolist() == [[-1, 1, 0], [1, 0, 1]]
    assert splits.parts["test"].inputs.tolist() == [[98, 0, 0]]
    assert said(splits, "values that no training row has", "c (1)")


def test_without_a_column_split_all_rows_are_looked_at_and_that_is_said(save_table):
    splits = read(save_table({"x": [1, 3], "label": [0, 1]}))
    assert list(splits.parts) == ["all"] and splits.parts["all"].inputs.tolist() == [[-1], [1]]
    assert said(splits, "means and deviations are those of the rows that a seed trains on")
    assert splits.standardise == (True,), "once the seed has cut the table"


def test_columns_that_are_dropped(save_table):
    splits = read(save_table(PEOPLE), columns={"drop": ("age", "split")})
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
def test_classes(save_table, labels, names, codes):
    splits = read(save_table({"x": [1, 2, 4, 8], "label": labels}))
    assert splits.class_names == names and splits.parts["all"].labels.tolist() == codes


@pytest.mark.parametrize(
    "labels, names, codes",
    [
        ([2**60 + 1, 2**60, 0, 0], ("0", str(2**60), str(2**60 + 1)), [2, 1, 0, 0]),
        ([True, False, True, True], ("False", "True"), [1, 0, 1, 1]),
        (pa.array(["b", "a", "b", "a"]).dictionary_encode(), ("a", "b"), [1, 0, 1, 0]),
    ],
)
def test_classes_of_a_parquet_file(save_table, labels, names, codes):
    splits = read(save_table({"x": [1, 2, 4, 8], "label": labels}, "mine.parquet"))
    assert splits.class_names == names and splits.parts["all"].labels.tolist() == codes


@pytest.mark.parametrize("file", ["mine.csv", "mine.parquet"])
def test_floats_are_numbers_to_be_predicted(save_table, file):
    splits = read(save_table({"x": [1, 2, 4], "price": [0.5, 2.0, 1.5]}, file), columns={"label": "price"})
    assert splits.is_regression and splits.class_names == ("price",)
    assert splits.parts["all"].labels.tolist() == [0.5, 2.0, 1.5] and splits.parts["all"].labels.dtype == np.float32
    assert not said(splits, "data.task")


@pytest.mark.parametrize("file", ["mine.csv", "mine.parquet"])
def test_whole_floats_are_either(save_table, file):
    path = save_table({"x": [1, 2, 4], "label": [1.0, 0.0, 1.0]}, file)
    assert read(path).is_regression and said(read(path), "if these are classes, --config.data.task=classification")
    splits = read(path, task="classification")
    assert splits.class_names == ("0", "1") and splits.parts["all"].labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize("file", ["mine.csv", "mine.parquet"])
def test_whole_numbers_for_regression(save_table, file):
    splits = read(save_table({"x": [1, 2, 4], "label": [3, 1, 2]}, file), task="regression")
    assert splits.is_regression and splits.parts["all"].labels.tolist() == [3, 1, 2]


def test_many_whole_numbers_are_either(save_table, refused):
    path = save_table({"x": [i * i for i in range(50)], "label": [1000 + i // 2 for i in range(50)]})
    refused("table", path, path, "25 different whole numbers in 50 rows", "task=regression", "task=classification")
    assert read(path, task="classification").num_classes == 25 and read(path, task="regression").is_regression


@pytest.mark.parametrize(
    "groups, names", [([3, 7, 3], ("3", "7")), (["b", "a", "b"], ("a", "b")), ([1.0, 2.0, 1.0], ("1", "2"))]
)
@pytest.mark.parametrize("file", ["mine.csv", "mine.parquet"])
def test_groups(save_table, groups, names, file):
    splits = read(save_table({"x": [1, 2, 4], "group": groups, "label": [0, 1, 0]}, file))
    assert splits.group_names == names and splits.input_names == ("x",)
    assert splits.parts["all"].groups.tolist() == ([1, 0, 1] if groups[0] == "b" else [0, 1, 0])


def test_attributes_make_groups(save_table):
    splits = read(
        save_table({"x": [1, 2, 4], "place": ["w", "l", "w"], "label": ["b", "b", "a"]}), columns={"attribute": "place"}
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
def test_refused(save_table, refused, kind):
    content, *words = BAD[kind]
    path = save_table(content)
    refused("table", path, path, *words)


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
def test_columns_that_are_named_wrongly(save_table, columns, words):
    with pytest.raises(DataError) as caught:
        read(save_table("x,z,label\n1,3,a\n2,2,b\n"), columns=columns)
    if columns.get("drop") != ("label",):
        assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    "labels, task, word",
    [(["a", "b"], "regression", "regression needs numbers"), ([0.5, 1.5], "classification", "not all whole")],
)
def test_labels_that_do_not_fit_the_task(save_table, labels, task, word):
    with pytest.raises(DataError, match=word):
        read(save_table({"x": [1, 2], "label": labels}), task=task)


names = st.tuples(cells, cells, st.just("label"), st.sampled_from(["split", "group", "attribute", "a\nb"]))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(names, st.lists(rows, max_size=30))
def test_any_table(names, rows):
    text = io.StringIO()
    csv.writer(text).writerows([names, *rows])
    check_whatever(text.getvalue().encode("utf-8", "replace"), "any.csv")

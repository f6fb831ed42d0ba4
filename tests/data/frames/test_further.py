"""Rows that are predicted become what the table's own rows became."""

import logging

import numpy as np
import pyarrow as pa
import pytest
from table_files import PEOPLE, labelled, read

from lamv.data.sets import tabular
from lamv.errors import DataError

ODD = labelled(
    text=["red", "", "blue", "green", "red"] * 6, flag=["yes", "no"] * 15, day=["2020-01-05", "2021-12-31", ""] * 10,
    some=[0.1 * n if n % 7 else "" for n in range(30)], id=list(range(30)), code=["007", "12"] * 15,
)  # fmt: skip

TYPED = ODD | {
    "flag": [True, False] * 15, "some": [0.1 * n if n % 7 else None for n in range(30)],
    "day": pa.array(np.arange("2020-01-01", "2020-01-31", dtype="datetime64[D]")),
    "text": pa.array(ODD["text"]).dictionary_encode(),
}  # fmt: skip


def further(path, x):
    return tabular.further(path, {}, x, read(path).input_names)


def own(path):
    parts = read(path).parts.values()
    return np.concatenate([part.inputs for part in parts])[np.argsort(np.concatenate([part.ids for part in parts]))]


def test_the_rows_of_the_table_again_are_its_inputs_bit_for_bit(save_table):
    for content, name in ((PEOPLE, "a.csv"), (ODD, "b.csv"), (TYPED, "c.parquet")):
        path = save_table(content, name)
        np.testing.assert_array_equal(further(path, str(path)), own(path))


def test_columns_in_memory_are_as_those_of_a_file(save_table):
    path = save_table(ODD)
    x = {name: values[:3] for name, values in ODD.items() if name not in ("id", "label")}
    x |= {"some": np.array([np.nan, 0.1, 0.2]), "text": ["red", None, "blue"]}
    x["day"] = np.array(["2020-01-05", "2021-12-31", "NaT"], "datetime64[ns]")
    np.testing.assert_array_equal(further(path, x), own(path)[:3])
    np.testing.assert_array_equal(further(path, {name: values[:1] for name, values in x.items()}), own(path)[:1])
    with pytest.raises(DataError, match="'flag' has 'false', 'true', and holds yes values"):
        further(path, x | {"flag": [True, False, True]})
    typed = save_table(TYPED, "typed.parquet")
    np.testing.assert_array_equal(
        further(typed, x | {"flag": [True, False, True], "day": TYPED["day"][:3]}), own(typed)[:3]
    )


def test_a_text_that_nobody_was_trained_on_is_warned_of(save_table, caplog):
    path = save_table(PEOPLE)
    names = read(path).input_names
    with caplog.at_level(logging.WARNING, "lamv.data"):
        [made] = further(path, {"age": [35], "income": [None], "colour": ["green"]})
    assert made.tolist() == [0.0, 0, 1, 0, 0, 0] and names[3] == "colour=blue", "the mean, and missing"
    assert "'colour' has 'green', which no training row has" in caplog.text


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ({"age": [3], "incme": [1], "colour": ["red"]}, "no column 'income' (did you mean 'incme'?); the network reads age"),
        ({"age": [3, 4], "income": [1], "colour": ["red"]}, "column 'income' has 1 values and 'age' 2"),
        ({"age": [], "income": [], "colour": []}, "rows are needed"),
        ({"age": ["old"], "income": [1], "colour": ["red"]}, "column 'age' has 'old', and holds whole values in"),
        ({"age": [1e40], "income": [1], "colour": ["red"]}, "x: column 'age': '1e+40' (row 1) is not finite as float32"),
        ({"age": [object()], "income": [1], "colour": ["red"]}, "column 'age' cannot be read as string"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(save_table, x, words):
    with pytest.raises(DataError) as raised:
        further(save_table(PEOPLE), x)
    assert words in str(raised.value) and "\n" not in str(raised.value)

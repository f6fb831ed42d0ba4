"""From what a file calls its classes to numbers: every kind of label, one order, one numbering for all parts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamv.data import labels
from lamv.errors import DataError

KINDS = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20).map(lambda v: np.array(v, np.int64)),
    st.lists(st.booleans(), min_size=1, max_size=20).map(lambda v: np.array(v, bool)),
    st.lists(st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1), min_size=1, max_size=20).map(
        np.array
    ),
)


@given(KINDS)
def test_codes_count_from_0_without_a_gap_and_names_give_the_values_back(array):
    [codes], names, note = labels.coded("file", "labels", [array])
    assert sorted(set(codes.tolist())) == list(range(len(names)))
    assert [names[code] for code in codes] == [str(value) for value in array.tolist()]
    assert bool(note) == (list(names) != [str(code) for code in range(len(names))])


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=30), st.integers(1, 29))
def test_parts_share_one_numbering(values, cut):
    whole = labels.coded("file", "labels", [np.array(values)])
    parts = labels.coded("file", "labels", [np.array(values[:cut], int), np.array(values[cut:], int)])
    assert np.concatenate(parts.codes).tolist() == whole.codes[0].tolist() and parts.names == whole.names


def test_strings_that_are_all_numbers_are_ordered_by_size():
    assert labels.coded("file", "labels", [np.array(["10", "9", "-1"])]).names == ("-1", "9", "10")
    assert labels.coded("file", "labels", [np.array(["10", "9", "x"])]).names == ("10", "9", "x")


def test_spaces_around_a_word_are_no_part_of_it():
    assert labels.coded("file", "labels", [np.array(["cat ", " cat", "dog"])]).names == ("cat", "dog")


def test_the_note_says_the_order_and_what_differs_in_case_only():
    assert labels.coded("f", "labels", [np.array([3, 1])]).note == "labels 1, 3 are numbered 0 to 1 in this order"
    assert "only in upper and lower case" in labels.coded("f", "labels", [np.array(["Dog", "dog"])]).note
    many = labels.coded("f", "labels", [np.arange(5, 40)])
    assert "14, ... (35 in all) are numbered 0 to 34" in many.note


@pytest.mark.parametrize(
    "arrays, words",
    [
        ([np.array(["1", "1.0"])], "'1' and '1.0' write one number in two ways"),
        ([np.array(["é", "e\u0301"])], "write one word in two ways"),
        ([np.array(["a", ""])], "an empty string"),
        ([np.array([0.5])], "float64"),
        ([np.array([[1]])], "(1, 1)"),
        ([np.array([1]), np.array(["1"])], "strings and whole numbers in different parts"),
        ([np.array([1]), np.array([True])], "booleans and whole numbers"),
    ],
)
def test_what_is_refused(arrays, words):
    with pytest.raises(DataError, match="file: labels") as caught:
        labels.coded("file", "labels", arrays)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9))
def test_one_hot_rows_and_single_columns(values):
    for dtype in (bool, int, float):
        assert labels.from_one_hot("f", "labels", np.eye(5, dtype=dtype)[values]).tolist() == values
    assert labels.from_one_hot("f", "labels", np.array(values)[:, None]).tolist() == values


@pytest.mark.parametrize(
    "rows", [[[0, 0]], [[1, 1]], [[1, 2]], [[0.5, 0.5]], [[1, np.nan]], [["a", "b"]], np.ones((1, 0))]
)
def test_other_rows_are_refused(rows):
    with pytest.raises(DataError, match="one-hot"):
        labels.from_one_hot("f", "labels", np.array(rows))


@pytest.mark.parametrize(
    "values, is_whole", [([1.0, -3.0], True), ([0.5], False), ([np.nan], False), ([np.inf], False), ([2.0**53], False)]
)
def test_whole_floats(values, is_whole):
    assert labels.whole(np.array(values)) == is_whole

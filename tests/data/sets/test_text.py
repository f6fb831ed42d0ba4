"""A user's own texts: tables and folders of classes; and the docstrings."""

import hashlib

import numpy as np
import pytest

from lamv import data
from lamv.data.description import described, names_of
from lamv.data.sets import docstrings
from lamv.errors import ConfigError, DataError

ROWS = "text,label\nGood soup,good\nBad soup!,bad\ngood good people,good\nno,bad\n"


@pytest.fixture
def save(tmp_path):
    def save(content=ROWS, file="mine.csv"):
        (tmp_path / file).write_text(content, encoding="utf-8")
        return tmp_path / file

    return save


@pytest.fixture
def folder(tmp_path):
    def folder(**texts):
        for name, text in texts.items():
            path = tmp_path / "texts" / f"{name.replace('__', '/')}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "texts"

    return folder


def refused(path, *parts, error=DataError, **options):
    with pytest.raises(error) as caught:
        data.load("text", path, **options)
    message = str(caught.value)
    assert all(str(part) in message for part in parts) and "\n" not in message, message


def test_a_table(save):
    path = save()
    splits = data.load("text", path)
    assert splits.class_names == ("bad", "good") and list(splits.parts) == ["all"]
    part = splits.parts["all"]
    # good 3, soup 2, then bad, no, people by letter.
    assert splits.words[2:] == ("good", "soup", "bad", "no", "people")
    np.testing.assert_array_equal(part.inputs, [[2, 3, 0], [4, 3, 0], [2, 2, 6], [5, 0, 0]])
    assert part.labels.tolist() == [1, 0, 1, 0] and part.ids.tolist() == [0, 1, 2, 3]
    assert splits.sources[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert any("5 words of 4 texts, the texts that a seed tests on among them" in note for note in splits.notes)
    about = described(splits, names_of(splits, "none"))
    assert about["inputs"] == "texts of at most 3 words, from a vocabulary of 7"


def test_the_vocabulary_is_that_of_the_training_texts(save):
    rows = "said,label,split,group,year\nx y,a,train,1,3\ny,b,train,2,4\nz y,a,test,1,5\n"
    splits = data.load("text", save(rows), columns={"text": "said"}, text_length=1)
    assert splits.words[2:] == ("y", "x") and splits.own_group_names == ("1", "2")
    assert splits.parts["train"].inputs.tolist() == [[3], [2]] and splits.parts["test"].inputs.tolist() == [[1]]
    notes = " ".join(splits.notes)
    assert "2 texts, the training texts alone" in notes and "columns that are not read: year" in notes
    assert "2 of 3 texts are longer than 1 words" in notes and "1 of 3 words are not in the vocabulary" in notes


def test_the_only_column_beside_the_label_is_that_of_the_texts(save):
    assert len(data.load("text", save("review,label\nx y,a\nz,b\n")).words) == 5


def test_numbers_to_be_predicted(save):
    splits = data.load("text", save("text,label\nx y,0.5\nz,1.25\n"))
    assert splits.is_regression and splits.parts["all"].labels.tolist() == [0.5, 1.25]


@pytest.mark.parametrize(
    "content, parts",
    [
        ("text,label\n...,a\nx,b\n", ("mine.csv", "'...'", "line 2", "no word")),
        ("text,label\n,a\nx,b\n", ("column 'text'", "no text in line 2")),
        ("one,two,label\nx,y,a\n", ("column 'text' is missing", "'one', 'two'", "--config.data.columns.text=NAME")),
        ("text,label\n1,a\n2,b\n", ("column 'text'", "whole", "'1'", "--config.data.columns.text")),
        ("text,kind\nx,a\n", ("column 'label' is missing",)),
    ],
)
def test_tables_that_are_refused(save, content, parts):
    refused(save(content), *parts)


def test_a_column_cannot_be_both(save):
    refused(save(), "column 'label' is the label already", columns={"text": "label"})


def test_a_folder_of_classes(folder):
    path = folder(train__a__1="x y", train__a__2="\ufeffx", train__b__1="z", test__a__1="x w", test__b__1="z")
    splits = data.load("text", path)
    assert splits.class_names == ("a", "b") and splits.words[2:] == ("x", "y", "z")
    assert splits.parts["train"].inputs.tolist() == [[2, 3], [2, 0], [4, 0]]
    assert splits.parts["test"].inputs.tolist() == [[2, 1], [4, 0]]
    [source] = splits.sources
    assert source.file == "texts/ (5 .txt files)"
    (path / "test" / "b" / "1.txt").write_text("y")
    assert data.load("text", path).sources[0].sha256 != source.sha256


@pytest.mark.parametrize(
    "texts, parts",
    [
        ({"a__1": b"caf\xe9", "b__1": "x"}, ("1.txt is not UTF-8 (byte 0xe9)", "iconv")),
        ({"a__1": " ", "b__1": "x"}, ("1.txt has no word",)),
        ({"a__1": "x\0", "b__1": "x"}, ("NUL",)),
        ({"train__a__1": "x", "train__b__1": "y"}, ("holds train and no test", "list the texts in a CSV")),
        ({"a": "x"}, ("is no text of a class", ".txt")),
        ({"a__1": "x"}, ("one class",)),
    ],
)
def test_folders_that_are_refused(folder, texts, parts):
    refused(folder(**texts), *parts)


def test_a_folder_has_no_columns(folder):
    refused(folder(a__1="x", b__1="y"), "config.data.columns.label", error=ConfigError, columns={"label": "y"})


@pytest.mark.parametrize("option", ["text_length", "text_vocabulary"])
def test_options_out_of_range(save, option):
    refused(save(), f"{option}=0", error=ConfigError, **{option: 0})


# Docstrings

MODULE = '''
def f():
    """One two three jax four five six seven NumPy eight, np.nine.

    And a tenth.
    """

def g():
    """Too short for a text."""
'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    def installed(**modules):
        for name, content in modules.items():
            (tmp_path / name / "tests").mkdir(parents=True)
            (tmp_path / name / "a.py").write_text(content)
            (tmp_path / name / "tests" / "b.py").write_text(MODULE.replace("One", "Tested"))
        folders = {name: tmp_path / name for name in modules}
        monkeypatch.setattr(docstrings, "_installed", lambda: folders)

    return installed


def test_docstrings(installed):
    other = MODULE.replace("Two", "2").replace("One", "Other")
    installed(numpy=MODULE, jax=other + MODULE)
    with pytest.raises(DataError, match="all training examples are of one class, 'jax'"):
        data.load("docstrings")  # what both have is left out, and tests are not read
    installed_again = MODULE.replace("eight", "last")
    docstrings._installed()["numpy"].joinpath("c.py").write_text(installed_again)
    splits = data.load("docstrings", text_length=3)
    assert splits.class_names == ("numpy", "jax") and splits.parts["all"].labels.tolist() == [0, 1]
    assert [[splits.words[number] for number in row] for row in splits.parts["all"].inputs.tolist()] == [
        ["one", "two", "three"], ["other", "two", "three"]
    ]  # fmt: skip
    assert not {"jax", "numpy", "np"} & set(splits.words) and "nine" in splits.words
    assert "numpy 2" in splits.sources[0].file and splits.sources == data.load("docstrings", text_length=3).sources


def test_one_library_is_too_few(installed):
    installed(numpy=MODULE)
    with pytest.raises(DataError, match="1 of numpy, scipy.* at least 2 are needed"):
        data.load("docstrings")

"""Tables, and what a reader makes of their columns."""

import csv
import io
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from lamv import data
from lamv.errors import DataError

PEOPLE = """age,income,colour,split,label
20,1,red,train,yes
40,,blue,train,no
60,3,,Train,yes
20,5,red,training,no
60,,green,val,yes
30,3,?,TEST,no
"""


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
        assert np.isfinite(part.labels).all() and len(part.ids) == len(part.labels)
        # A missing number stays so where a seed standardises by what it trains on.
        missing_may_be = np.array(splits.standardise or (False,) * len(splits.input_names))
        assert (np.isfinite(part.inputs) | (np.isnan(part.inputs) & missing_may_be)).all()


cells = st.one_of(
    st.sampled_from(["", "NA", "1", "-2.5", "inf", "1e300", "yes", "No", "007", "1,5"]),
    st.sampled_from(["2020-02-30", "2020-02-29", "1/2/2020", '"', "a\nb", "é"]),
    st.integers(-100, 100).map(str),
    st.floats(width=32).map(str),
    st.text(max_size=4),
)


rows = st.tuples(cells, cells, st.sampled_from(["a", "b", "1"]), st.sampled_from(["train", "test", "x"]))

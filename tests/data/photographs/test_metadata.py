"""Lists of photographs: their columns, their size, what they may be."""

import os

import hypothesis
import hypothesis.strategies as st
import pytest
from image_folders import ROWS, load
from PIL import Image

from lamv.errors import DataError


def test_columns_in_any_order_with_spaces_and_a_byte_order_mark(save_folder):
    folder = save_folder(
        rows=[(part, f" {label} ", path) for path, label, part, _ in ROWS], header="\ufeffsplit, label,path"
    )
    assert load(folder).class_names == ("cat", "dog")


HEADERS = {
    "path,label,split,groups": (
        "column 'groups' has no meaning here (did you mean 'group'?)",
        "path, label, split, group",
    ),
    "path,label,split,place": ("column 'place' has no meaning here (did you mean 'group'?)",),
    "path,label,split,grop": ("column 'grop' has no meaning here (did you mean 'group'?)",),
    "path,label,split,": ("column '' has no meaning here (an index? save the table without it)",),
    "Path,label,split,group": ("column 'path' is missing", "rename 'Path' to it"),
    "file_name,label,split,group": ("column 'path' is missing", "rename 'file_name' to it"),
    "path,class,split,group": ("column 'label' is missing", "rename 'class' to it"),
    "path,a,split,group": (
        "column 'label' is missing; the first line holds 'path', 'a', 'split', 'group'; needed: path, label",
    ),
    "path,label,label,group": ("two columns have one name",),
    "path;label;split;group": ("columns are separated by semicolons; save it with commas",),
    "path\tlabel": ("columns are separated by tabs",),
    "": ("column 'path' is missing", "nothing"),
}


@pytest.mark.parametrize("header", HEADERS)
def test_a_mistyped_column_is_not_passed_over(save_folder, refused, header):
    refused("image_folder", save_folder(rows=ROWS, header=header), "metadata.csv", *HEADERS[header])


cells = st.sampled_from(
    ["a.png", "b.png", "c.png", "cat", "dog", "train", "test", "val", "", "0", "0.0", "é", '"', "x,y", "\0"]
)


tables = st.lists(st.lists(cells, min_size=1, max_size=5), max_size=6).map(
    lambda rows: "\n".join(map(",".join, rows)).encode()
)


headed = st.builds(
    lambda header, rows: header + b"\n" + rows,
    st.sampled_from([b"path,label,split", b"path,label", b"label,path"]),
    tables,
)


@hypothesis.settings(max_examples=150, deadline=None, derandomize=True)
@hypothesis.given(content=st.one_of(st.binary(max_size=60), tables, headed))
def test_any_metadata_are_one_line_or_a_data_set(shared, content):
    (shared / "metadata.csv").write_bytes(content)
    try:
        splits = load(shared)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert sum(len(part.labels) for part in splits.parts.values()) == 3 and splits.num_classes >= 2


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    root = tmp_path_factory.mktemp("shared")
    for seed, name in enumerate("abc"):
        Image.new("L", (4, 4), seed).save(root / f"{name}.png")
    return root


def test_a_table_that_is_too_large_is_not_read(save_folder, refused):
    folder = save_folder(rows=ROWS)
    with open(folder / "metadata.csv", "ab") as file:
        file.truncate(1 << 40)
    refused("image_folder", folder, "metadata.csv", "at most")


def test_a_pipe_is_not_opened(save_folder, refused):
    folder = save_folder(rows=[*ROWS, ("z.png", "cat", "train", "a")])
    os.mkfifo(folder / "z.png")
    refused("image_folder", folder, "z.png is a pipe")

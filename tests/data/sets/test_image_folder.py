"""A user's own photographs: folders of classes, or metadata.csv."""

import os
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from PIL import Image

from lamv import data
from lamv.data.sets import image_folder
from lamv.errors import DataError

ROWS = [
    ("x/1.png", "cat", "train", "grass"),
    ("x/2.png", "dog", "test", "snow"),
    ("3.png", "dog", "train", "sand"),
    ("y/4.png", "cat", "val", "snow"),
    ("y/5.png", "cat", "test", "grass"),
    ("y/6.png", "dog", "valid", "grass"),
]


@pytest.fixture
def save(tmp_path, photograph):
    """save(*names): photographs in a new folder; save(rows=...): with metadata.csv too. Returns the folder."""

    def make(*names, rows=None, header="path,label,split,group"):
        root = tmp_path / "mine"
        for seed, name in enumerate(names or [row[0] for row in ROWS]):
            photograph(root / name, seed)
        if rows is not None:
            (root / "metadata.csv").write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")
        return root

    return make


def load(folder, **options):
    return data.load("image_folder", folder, image_size=4, **options)


# metadata.csv


def test_metadata(save):
    splits = load(save(rows=ROWS))
    assert splits.class_names == ("cat", "dog") and splits.attribute_names == ("grass", "sand", "snow")
    assert list(splits.parts) == ["train", "valid", "test"]
    train, valid, test = splits.parts.values()
    assert (train.ids.tolist(), valid.ids.tolist(), test.ids.tolist()) == ([0, 2], [3, 5], [1, 4])
    assert train.labels.tolist() == [0, 1] and train.attributes.tolist() == [0, 1] and train.groups.tolist() == [0, 4]
    assert valid.groups.tolist() == [2, 3] and test.groups.tolist() == [5, 0] and test.groups.dtype == np.int32
    assert train.inputs.shape == (2, 4, 4, 3)


def test_metadata_without_groups(save):
    splits = load(save(rows=[row[:3] for row in ROWS], header="path,label,split"))
    assert splits.attribute_names == ()
    assert all(part.groups is None and part.attributes is None for part in splits.parts.values())


def test_numbers_are_sorted_as_numbers(save):
    numbers = {"cat": "10", "dog": "9", "grass": "-1", "snow": "3", "sand": "12"}
    splits = load(save(rows=[(path, numbers[label], part, numbers[group]) for path, label, part, group in ROWS]))
    assert splits.class_names == ("9", "10") and splits.attribute_names == ("-1", "3", "12")
    assert splits.parts["train"].groups.tolist() == [3, 2]


def test_columns_in_any_order_with_spaces_and_a_byte_order_mark(save):
    folder = save(rows=[(part, f" {label} ", path) for path, label, part, _ in ROWS], header="\ufeffsplit, label,path")
    assert load(folder).class_names == ("cat", "dog")


WRONG = {
    "unknown split": (
        [("x/1.png", "cat", "later", "a")],
        "line 2",
        "split is 'later'",
        "train, valid (val, dev) or test (eval)",
    ),
    "empty split": ([*ROWS[:2], ("3.png", "cat", "", "a")], "line 4", "split is empty"),
    "empty label": ([("x/1.png", "", "train", "a")], "line 2", "label is empty"),
    "empty group": ([*ROWS[:2], ("3.png", "cat", "train", "")], "line 4", "group is empty"),
    "empty path": ([("", "cat", "train", "a")], "line 2", "path is empty"),
    "one class": ([(path, "cat", part, group) for path, _, part, group in ROWS], "one class, 'cat'"),
    "mistyped class": ([*ROWS[:5], ("y/6.png", "Dog", "valid", "grass")], "class 'Dog'", "'train'"),
    "no training": ([row for row in ROWS if row[2] != "train"], "'train' is empty"),
    "no test": ([row for row in ROWS if row[2] != "test"], "'test' is empty"),
    "parent": ([*ROWS, ("x/../1.png", "cat", "train", "a")], "x/../1.png", "outside"),
    "long": ([*ROWS, ("x" * 5000, "cat", "train", "a")], "xxx...", "longer than 4096"),
    "absolute": ([*ROWS, ("/mine/1.png", "cat", "train", "a")], "/mine/1.png", "outside"),
    "twice": ([*ROWS, ROWS[2]], "3.png", "twice"),
    "missing": ([*ROWS, ("z.png", "cat", "train", "a")], "z.png is missing"),
    "missing, odd": ([*ROWS, ('"a\nb.png"', "cat", "train", "a")], "a\\nb.png' is missing"),
    "unlisted": (ROWS[:4], "y/5.png is not listed in metadata.csv (and 1 more)"),
    "folder": ([*ROWS, ("x", "cat", "train", "a")], "x is a folder; list files in metadata.csv"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_metadata(save, refused, cache, kind):
    rows, *words = WRONG[kind]
    refused("image_folder", save(rows=rows), *words)
    assert not cache.exists(), "nothing is decoded before the list is found to be right"


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
def test_a_mistyped_column_is_not_passed_over(save, refused, header):
    refused("image_folder", save(rows=ROWS, header=header), "metadata.csv", *HEADERS[header])


def test_metadata_without_parts(save):
    folder = save(rows=[(path, label, group) for path, label, _, group in ROWS], header="path,label,group")
    splits = load(folder)
    assert list(splits.parts) == ["all"] and splits.parts["all"].ids.tolist() == [0, 1, 2, 3, 4, 5]
    assert splits.parts["all"].groups.tolist() == [0, 5, 4, 2, 0, 3]


def test_parts_in_any_spelling(save):
    spelt = ["Train", "TEST", "training_set", "Dev", " Testing ", "validation-data"]
    splits = load(save(rows=[(*row[:2], part, row[3]) for row, part in zip(ROWS, spelt, strict=True)]))
    assert {part: of.ids.tolist() for part, of in splits.parts.items()} == {
        "train": [0, 2],
        "valid": [3, 5],
        "test": [1, 4],
    }
    assert any(
        note.startswith("split: read 'Dev' as valid, 'TEST' as test, 'Testing' as test,") for note in splits.notes
    )


@pytest.mark.parametrize("name", ["Metadata.csv", "METADATA.CSV"])
def test_metadata_in_capitals(save, refused, name):
    folder = save(rows=ROWS)
    (folder / "metadata.csv").rename(folder / name)
    assert list(load(folder).parts) == ["train", "valid", "test"]
    (folder / "metadata.csv").write_text("")
    refused("image_folder", folder, f"holds both {name} and metadata.csv")


def test_names_and_notes(save):
    splits = load(save(rows=ROWS))
    assert (
        splits.crossing == "{label} on {attribute}" and splits.group_names[4] == "dog on sand" and splits.left_out == ()
    )
    assert splits.notes[:2] == (
        "labels cat, dog are numbered 0 to 1 in this order",
        "groups grass, sand, snow are numbered 0 to 2 in this order",
    )


def numbered(*labels):
    return [
        (row[0], label, "train" if n % 3 else "test", "a")
        for n, (row, label) in enumerate(zip(ROWS, labels, strict=True))
    ]


def test_one_number_in_two_spellings(save, refused):
    refused(
        "image_folder", save(rows=numbered("0", "1", "0.0", "1", "0", "1")), "labels '0' and '0.0' write one number"
    )
    rows = [(*row[:3], group) for row, group in zip(ROWS, ("1", "01", "2", "1", "2", "1"), strict=True)]
    refused("image_folder", save(rows=rows), "groups '01' and '1' write one number")


def test_names_that_are_none(save, refused):
    refused("image_folder", save(rows=numbered("a", '"b\nc"', "a", '"b\nc"', "a", "a")), "'b\\nc'", "line break")
    refused("image_folder", save(rows=numbered("a", "b" * 201, "a", "a", "a", "a")), "longer than 200")


NEAR = {  # what the table says, what lies there
    "backslash": ("x\\1.png", "x/1.png", "x/1.png is there: write slashes, not backslashes"),
    "drive": ("C:\\mine\\x\\1.png", "x/1.png", "x/1.png is there: write slashes"),
    "composed": (
        "caf\u00e9.png",
        "cafe\u0301.png",
        "'cafe\\u0301.png' is there, another Unicode form of 'caf\\xe9.png'",
    ),
    "decomposed": ("cafe\u0301.png", "caf\u00e9.png", "'caf\\xe9.png' is there, another Unicode form"),
    "capitals": ("x/IMG.JPG", "x/img.jpg", "did you mean 'x/img.jpg'?"),
    "spaces": ("x /1.png", "x/1.png", "did you mean 'x/1.png'?"),
    "space in the file": ("x/1.png", "x/1.png ", "did you mean 'x/1.png '?"),
    "other folder": ("1.png", "x/1.png", "did you mean 'x/1.png'?"),
    "longer": ("mine/x/1.png", "x/1.png", "did you mean 'x/1.png'?"),
    "ending": ("x/1.jpg", "x/1.png", "did you mean 'x/1.png'?"),
    "no ending": ("x/1", "x/1.png", "did you mean 'x/1.png'?"),
    "hidden": (".x/1.png", ".x/1.png", "hidden files"),
}


@pytest.mark.parametrize("on_broken", ["error", "skip"])
@pytest.mark.parametrize("kind", NEAR)
def test_a_second_look_for_the_nearly_same_name(save, refused, kind, on_broken):
    says, there, hint = NEAR[kind]
    folder = save("a.png", "b.png", "c.png", rows=[("a.png", "0", "train"), ("b.png", "1", "train"), ("c.png", "1", "test"),
                                                   (says, "1", "test")], header="path,label,split")  # fmt: skip
    (folder / there).parent.mkdir(exist_ok=True)
    (folder / there).write_bytes((folder / "a.png").read_bytes())
    refused("image_folder", folder, "is missing, of 4 files that metadata.csv lists; ", hint, on_broken=on_broken)


def test_a_leading_dot_is_no_other_name(save):
    assert len(load(save(rows=[(f"./{row[0]}", *row[1:]) for row in ROWS])).parts["train"].labels) == 2


def test_missing_photographs_are_left_out(save, refused):
    folder = save(rows=ROWS)
    (folder / "y" / "6.png").unlink()
    refused("image_folder", folder, "6.png is missing", "--config.data.on_broken=skip")
    splits = load(folder, on_broken="skip")
    assert splits.left_out == ("y/6.png: is missing",)
    assert "1 of 6 photographs was left out (data.on_broken=skip): y/6.png" in splits.notes
    (folder / "y" / "4.png").unlink()
    refused("image_folder", folder, "all 2 photographs of 'valid' cannot be read", "y/4.png", on_broken="skip")
    for name in ("x/2.png", "y/5.png"):
        (folder / name).unlink()
    refused(
        "image_folder",
        folder,
        "4 of 6 photographs cannot be read: ",
        "x/2.png is missing (and 3 more)",
        on_broken="skip",
    )


def test_missing_and_broken_photographs_are_counted_together(save, refused):
    folder = save(rows=ROWS)
    (folder / "y" / "6.png").unlink()
    for name in ("x/1.png", "x/2.png", "y/5.png"):
        (folder / name).write_bytes(b"")
    refused("image_folder", folder, "4 of 6 photographs cannot be read: ", "x/1.png is no image", on_broken="skip")


# Any text, in the place of metadata.csv

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


# Folders of classes


def test_folders_of_classes(save):
    splits = load(
        save("train/b/1.png", "train/a/2.png", "val/b/3.png", "test/a/4.png", "test/b/in/5.png", "test/b/6.JPEG")
    )
    assert splits.class_names == ("a", "b") and list(splits.parts) == ["train", "valid", "test"]
    assert [part.labels.tolist() for part in splits.parts.values()] == [[0, 1], [1], [0, 1, 1]]
    assert all(part.groups is None for part in splits.parts.values())


def test_folders_of_classes_alone_are_one_part(save):
    splits = load(save("10/1.png", "9/1.png", "9/2.png"))
    assert list(splits.parts) == ["all"] and splits.class_names == ("9", "10")
    assert splits.parts["all"].labels.tolist() == [1, 0, 0], "files come in the order of their names"
    assert splits.parts["all"].ids.tolist() == [0, 1, 2]


def test_what_is_passed_over(save):
    folder = save("a/1.png", "b/1.png", "b/._1.png", ".git/x/1.png")
    for name in ("README.txt", "b/Thumbs.db", "b/.DS_Store"):
        (folder / name).write_text("")
    assert len(load(folder).parts["all"].labels) == 2


REFUSED = {
    "empty class": (("a/1.png", "b/1.png"), "c/", "mine/c holds no photographs"),
    "empty class in a part": (("train/a/1.png", "train/b/1.png", "test/a/1.png"), "test/b/", "test/b holds no"),
    "no image": (("a/1.png", "b/1.png"), "b/notes.txt", "b/notes.txt is no image of a class", ".jpeg"),
    "at the top": (("a/1.png", "b/1.png", "c.png", "d.png"), "", "mine/c.png (and 1 more)"),
    "not in a class": (
        ("train/a/1.png", "train/b/1.png", "train/c.png", "test/a/1.png"),
        "",
        "train/c.png is no image",
    ),
    "not in a part": (
        ("train/a/1.png", "train/b/1.png", "test/a/1.png", "more/a/1.png"),
        "",
        "more/a/1.png",
        "train|test",
    ),
    "no test": (("train/a/1.png", "val/a/1.png"), "", "holds train, val and no test"),
    "no train": (("test/a/1.png", "cat/a/1.png"), "", "holds test and no train, beside cat", "if test is a class"),
    "no test, in capitals": (("Train/a/1.png", "Tst/a/1.png"), "", "holds Train and no test, beside Tst"),
    "one part": (("train/a/1.png", "train/b/1.png"), "", "holds train and no test;"),
    "both, in capitals": (
        ("Train/a/1.png", "training/a/1.png", "test/a/1.png"),
        "",
        "Train/ and training/, which mean 'train'",
    ),
    "two for one part": (
        ("train/a/1.png", "eval/a/1.png", "test/a/1.png"),
        "",
        "both eval/ and test/, which mean 'test'",
    ),
    "no photograph in a part": (
        ("train/a/1.png", "train/b/1.png", "test/a/1.png"),
        "val/",
        "mine/val holds no photographs",
    ),
    "parts in names of classes": (("train_cat/1.png", "test_cat/1.png"), "", "holds test_cat, train_cat: parts?"),
    "too deep, beside a photograph": (
        ("x/train/a/1.png", "x/test/a/1.png", "1.png"),
        "",
        "x/test lies one level too deep; give",
    ),
    "mistyped": (
        ("trian/a/1.png", "tset/a/1.png"),
        "",
        "holds trian, tset: parts?",
        "train, valid (val, dev) or test (eval)",
    ),
    "with years": (("train2017/a/1.png", "val2017/a/1.png"), "", "holds train2017, val2017: parts?"),
    "parts in classes": (
        ("a/train/1.png", "a/Test/1.png", "b/train/1.png"),
        "",
        "mine/a/Test: parts lie outside",
        "Test/a",
    ),
    "parts without classes": (("train/1.png", "test/2.png"), "", "test/2.png (and 1 more) is no image of a class"),
    "a folder like a photograph": (
        ("a/1.png", "b/1.png"),
        "b/x.png/",
        "b/x.png is a folder with the name of a photograph",
    ),
    "spaces": (("a/1.png", "a /1.png"), "", "classes 'a' and 'a ' differ only in spaces"),
    "one number twice": (("0/1.png", "0.0/1.png"), "", "classes '0' and '0.0' write one number"),
    "line break": (("a/1.png", "b\nc/1.png"), "", "'b\\nc'", "line break"),
    "two forms": (("caf\u00e9/1.png", "cafe\u0301/1.png"), "", "write one word in two ways"),
    "both": (
        ("train/a/1.png", "val/a/1.png", "valid/a/1.png", "test/a/1.png"),
        "",
        "both val/ and valid/, which mean 'valid'",
    ),
    "class not learnt": (("train/a/1.png", "train/b/1.png", "test/c/1.png"), "", "class 'c'", "'train'"),
    "one class": (("a/1.png",), "", "one class, 'a'"),
    "nothing": (("a.png",), "", "mine/a.png is no image of a class"),
    "odd name": (("a/1.png", "b/1.png", "c\nd.png"), "", "c\\nd.png' is no image"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_folders(save, refused, kind):
    names, extra, *words = REFUSED[kind]
    folder = save(*names)
    if extra.endswith("/"):
        (folder / extra).mkdir()
    elif extra:
        (folder / extra).write_text("")
    refused("image_folder", folder, *words)


def test_neither_a_file_nor_an_empty_folder(tmp_path, refused):
    refused("image_folder", tmp_path, "holds neither metadata.csv nor photographs")
    (tmp_path / "a.png").write_text("")
    refused("image_folder", tmp_path / "a.png", "is a file")


@pytest.mark.parametrize(
    "name, part",
    [
        ("train", "train"), ("Train", "train"), ("TRAINING", "train"), ("train_set", "train"), ("Training Data", "train"),
        ("val", "valid"), ("Valid", "valid"), ("VALIDATION", "valid"), ("dev", "valid"), ("val-images", "valid"),
        ("test", "test"), ("Testing", "test"), ("test.split", "test"), ("Eval", "test"), ("evaluation_set", "test"),
        ("trainer", None), ("train2017", None), ("set", None), ("", None), ("all", None), ("trains", None),
    ],
)  # fmt: skip
def test_names_of_parts(name, part):
    assert image_folder.part_of(name) == part


@pytest.mark.parametrize(
    "names", [("Train", "TEST", "Val"), ("training", "testing", "validation"), ("train_set", "Test", "dev")]
)
def test_parts_as_folders_in_any_spelling(save, names):
    splits = load(save(*(f"{part}/{label}/1.png" for part in names for label in ("a", "b"))))
    assert [part.labels.tolist() for part in splits.parts.values()] == [[0, 1]] * 3
    assert list(splits.parts) == ["train", "valid", "test"] and splits.class_names == ("a", "b")
    assert f"{names[0]}/ as train" in splits.notes[1] and f"{names[1]}/ as test" in splits.notes[1]


def test_parts_with_the_usual_names_need_no_note(save):
    notes = load(save("train/a/1.png", "train/b/1.png", "test/a/1.png")).notes
    assert not any("read" in note for note in notes)


@pytest.mark.parametrize("inner", ["archive", "a/b c/d"])
def test_what_holds_one_folder_stands_for_it(save, inner):
    folder = save(f"{inner}/train/a/1.png", f"{inner}/train/b/1.png", f"{inner}/test/a/1.png")
    (folder / "__MACOSX" / "train").mkdir(parents=True)
    (folder / "README.txt").write_text("")
    splits = load(folder)
    assert list(splits.parts) == ["train", "test"] and splits.class_names == ("a", "b")
    assert splits.notes[0] == f"read from {inner}/, the only folder in {folder}"


def test_one_folder_with_metadata_or_classes(save, photograph):
    folder = save(rows=ROWS)
    assert list(load(folder.parent).parts) == ["train", "valid", "test"]
    photograph(folder.parent / "other" / "data" / "a" / "1.png")
    photograph(folder.parent / "other" / "data" / "b" / "1.png")
    assert load(folder.parent / "other").class_names == ("a", "b")


def test_folders_within_classes_are_noted(save):
    notes = load(save("a/1.png", "a/x/2.png", "b/y/3.png")).notes
    assert "folders inside of those of classes count as part of the class: a/x, b/y" in notes


def test_a_table_of_another_name_is_noted(save):
    folder = save("a/1.png", "b/1.png")
    (folder / "labels.csv").write_text("x")
    assert "not read: labels.csv; a list of photographs is called metadata.csv" in load(folder).notes


# Links


def test_links_inside_the_folder_are_followed(save):
    folder = save("train/a/1.png", "train/b/1.png")
    (folder / "test").symlink_to(folder / "train")
    (folder / "train" / "a" / "2.png").symlink_to("1.png")
    assert [len(part.labels) for part in load(folder).parts.values()] == [3, 3]


def test_the_folder_may_be_a_link_itself(save):
    folder = save("a/1.png", "b/1.png")
    (folder.parent / "link").symlink_to(folder)
    assert load(folder.parent / "link").num_classes == 2


@pytest.mark.parametrize("target", ["outside/1.png", "outside", "mine2/1.png"])
def test_links_that_lead_outside(save, refused, photograph, target):
    folder = save("a/1.png", "b/1.png")
    photograph(folder.parent / "outside" / "1.png")
    photograph(folder.parent / "mine2" / "1.png")
    (folder / "b" / "link.png").symlink_to(folder.parent / target)
    refused("image_folder", folder, folder / "b" / "link.png", "is a link to", target, "outside")


def test_links_that_go_around_in_a_circle(save, refused):
    folder = save("a/1.png", "b/1.png")
    (folder / "a" / "to_b").symlink_to(folder / "b")
    (folder / "b" / "to_a").symlink_to(folder / "a")
    refused("image_folder", folder, "is a link to", "circle")


@pytest.mark.parametrize("kind", ["pipe", "socket", "link"])
@pytest.mark.parametrize("name", ["a/9.png", "c", "notes.txt", "metadata.csv"])
@pytest.mark.parametrize("on_broken", ["error", "skip"])
def test_what_is_neither_file_nor_folder(save, refused, put, kind, name, on_broken):
    folder = save("a/1.png", "b/1.png")
    put(kind, folder / name)
    if kind == "link" and name == "a/9.png" and on_broken == "skip":
        assert load(folder, on_broken="skip").left_out == ("a/9.png: is a link to nothing, which is not there",)
        return
    refused("image_folder", folder, folder / name, f"is a {kind}", on_broken=on_broken)
    if name == "a/9.png":
        put(kind, folder / "b/8.png")
        refused("image_folder", folder, folder / name, f"is a {kind}", "(and 1 more)", on_broken=on_broken)


def test_links_to_nothing_that_are_listed(save, refused):
    folder = save(rows=ROWS)
    (folder / "y/6.png").unlink()
    (folder / "y/6.png").symlink_to("../.store/6.png")
    refused("image_folder", folder, "y/6.png is a link to ../.store/6.png, which is not there; fetch the files first")
    assert load(folder, on_broken="skip").left_out == ("y/6.png: is a link to ../.store/6.png, which is not there",)


def test_links_to_themselves(save, refused):
    folder = save("a/1.png", "b/1.png")
    (folder / "a" / "2.png").symlink_to("3.png")
    (folder / "a" / "3.png").symlink_to("2.png")
    refused("image_folder", folder, "a/2.png is a link to 3.png, which is not there (and 1 more)")


def test_links_that_double_at_every_step(save, refused):
    """2^40 names of 40 folders."""
    folder = save("a/1.png", "b/1.png")
    for level in range(40):
        (folder / "b" / f"{level}").mkdir()
        for link in "xy":
            (folder / "b" / f"{level}" / link).symlink_to(folder / "b" / f"{level + 1}")
    (folder / "b" / "40").mkdir()
    refused("image_folder", folder, "links lead there in more than 16 ways")


def test_folders_without_end(save, refused):
    folder = save("a/1.png", "b/1.png")
    inner = folder / "b" / Path(*"x" * 70)
    inner.mkdir(parents=True)
    refused("image_folder", folder, "lies 65 folders deep; at most 64")


def test_a_name_that_is_no_text(save, refused):
    folder = save("a/1.png", "b/1.png")
    os.mkdir(os.fsencode(folder) + b"/b/\xff")
    refused("image_folder", folder, "b/\\udcff", "the name is not UTF-8")


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_path_that_is_no_folder(tmp_path, refused, put, kind):
    put(kind, tmp_path / "given")
    refused("image_folder", tmp_path / "given", f"is a {kind}")


def test_a_folder_that_may_not_be_read(save, refused, monkeypatch):
    folder = save("a/1.png", "b/1.png")
    scandir = os.scandir

    def closed(path):
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    refused("image_folder", folder, folder / "b", "cannot be read (Permission denied)")


def test_a_table_that_is_too_large_is_not_read(save, refused):
    folder = save(rows=ROWS)
    with open(folder / "metadata.csv", "ab") as file:
        file.truncate(1 << 40)
    refused("image_folder", folder, "metadata.csv", "at most")


def test_a_pipe_is_not_opened(save, refused):
    folder = save(rows=[*ROWS, ("z.png", "cat", "train", "a")])
    os.mkfifo(folder / "z.png")
    refused("image_folder", folder, "z.png is a pipe")

"""A user's own photographs: folders of classes, or metadata.csv."""

import numpy as np
import pytest
from image_folders import ROWS, load

# metadata.csv


def test_metadata(save_folder):
    splits = load(save_folder(rows=ROWS))
    assert splits.class_names == ("cat", "dog") and splits.attribute_names == ("grass", "sand", "snow")
    assert list(splits.parts) == ["train", "valid", "test"]
    train, valid, test = splits.parts.values()
    assert (train.ids.tolist(), valid.ids.tolist(), test.ids.tolist()) == ([0, 2], [3, 5], [1, 4])
    assert train.labels.tolist() == [0, 1] and train.attributes.tolist() == [0, 1] and train.groups.tolist() == [0, 4]
    assert valid.groups.tolist() == [2, 3] and test.groups.tolist() == [5, 0] and test.groups.dtype == np.int32
    assert train.inputs.shape == (2, 4, 4, 3)


def test_metadata_without_groups(save_folder):
    splits = load(save_folder(rows=[row[:3] for row in ROWS], header="path,label,split"))
    assert splits.attribute_names == ()
    assert all(part.groups is None and part.attributes is None for part in splits.parts.values())


def test_numbers_are_sorted_as_numbers(save_folder):
    numbers = {"cat": "10", "dog": "9", "grass": "-1", "snow": "3", "sand": "12"}
    splits = load(save_folder(rows=[(path, numbers[label], part, numbers[group]) for path, label, part, group in ROWS]))
    assert splits.class_names == ("9", "10") and splits.attribute_names == ("-1", "3", "12")
    assert splits.parts["train"].groups.tolist() == [3, 2]


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
def test_wrong_metadata(save_folder, refused, cache, kind):
    rows, *words = WRONG[kind]
    refused("image_folder", save_folder(rows=rows), *words)
    assert not cache.exists(), "nothing is decoded before the list is found to be right"


def test_metadata_without_parts(save_folder):
    folder = save_folder(rows=[(path, label, group) for path, label, _, group in ROWS], header="path,label,group")
    splits = load(folder)
    assert list(splits.parts) == ["all"] and splits.parts["all"].ids.tolist() == [0, 1, 2, 3, 4, 5]
    assert splits.parts["all"].groups.tolist() == [0, 5, 4, 2, 0, 3]


def test_parts_in_any_spelling(save_folder):
    spelt = ["Train", "TEST", "training_set", "Dev", " Testing ", "validation-data"]
    splits = load(save_folder(rows=[(*row[:2], part, row[3]) for row, part in zip(ROWS, spelt, strict=True)]))
    assert {part: of.ids.tolist() for part, of in splits.parts.items()} == {
        "train": [0, 2],
        "valid": [3, 5],
        "test": [1, 4],
    }
    assert any(
        note.startswith("split: read 'Dev' as valid, 'TEST' as test, 'Testing' as test,") for note in splits.notes
    )


@pytest.mark.parametrize("name", ["Metadata.csv", "METADATA.CSV"])
def test_metadata_in_capitals(save_folder, refused, name):
    folder = save_folder(rows=ROWS)
    (folder / "metadata.csv").rename(folder / name)
    assert list(load(folder).parts) == ["train", "valid", "test"]
    (folder / "metadata.csv").write_text("")
    refused("image_folder", folder, f"holds both {name} and metadata.csv")


def test_names_and_notes(save_folder):
    splits = load(save_folder(rows=ROWS))
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


def test_one_number_in_two_spellings(save_folder, refused):
    refused(
        "image_folder",
        save_folder(rows=numbered("0", "1", "0.0", "1", "0", "1")),
        "labels '0' and '0.0' write one number",
    )
    rows = [(*row[:3], group) for row, group in zip(ROWS, ("1", "01", "2", "1", "2", "1"), strict=True)]
    refused("image_folder", save_folder(rows=rows), "groups '01' and '1' write one number")


def test_names_that_are_none(save_folder, refused):
    refused("image_folder", save_folder(rows=numbered("a", '"b\nc"', "a", '"b\nc"', "a", "a")), "'b\\nc'", "line break")
    refused("image_folder", save_folder(rows=numbered("a", "b" * 201, "a", "a", "a", "a")), "longer than 200")


# Folders of classes


def test_folders_of_classes(save_folder):
    splits = load(
        save_folder("train/b/1.png", "train/a/2.png", "val/b/3.png", "test/a/4.png", "test/b/in/5.png", "test/b/6.JPEG")
    )
    assert splits.class_names == ("a", "b") and list(splits.parts) == ["train", "valid", "test"]
    assert [part.labels.tolist() for part in splits.parts.values()] == [[0, 1], [1], [0, 1, 1]]
    assert all(part.groups is None for part in splits.parts.values())


def test_folders_of_classes_alone_are_one_part(save_folder):
    splits = load(save_folder("10/1.png", "9/1.png", "9/2.png"))
    assert list(splits.parts) == ["all"] and splits.class_names == ("9", "10")
    assert splits.parts["all"].labels.tolist() == [1, 0, 0], "files come in the order of their names"
    assert splits.parts["all"].ids.tolist() == [0, 1, 2]


def test_what_is_passed_over(save_folder):
    folder = save_folder("a/1.png", "b/1.png", "b/._1.png", ".git/x/1.png")
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
def test_refused_folders(save_folder, refused, kind):
    names, extra, *words = REFUSED[kind]
    folder = save_folder(*names)
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
    "names", [("Train", "TEST", "Val"), ("training", "testing", "validation"), ("train_set", "Test", "dev")]
)
def test_parts_as_folders_in_any_spelling(save_folder, names):
    splits = load(save_folder(*(f"{part}/{label}/1.png" for part in names for label in ("a", "b"))))
    assert [part.labels.tolist() for part in splits.parts.values()] == [[0, 1]] * 3
    assert list(splits.parts) == ["train", "valid", "test"] and splits.class_names == ("a", "b")
    assert f"{names[0]}/ as train" in splits.notes[1] and f"{names[1]}/ as test" in splits.notes[1]


def test_parts_with_the_usual_names_need_no_note(save_folder):
    notes = load(save_folder("train/a/1.png", "train/b/1.png", "test/a/1.png")).notes
    assert not any("read" in note for note in notes)


@pytest.mark.parametrize("inner", ["archive", "a/b c/d"])
def test_what_holds_one_folder_stands_for_it(save_folder, inner):
    folder = save_folder(f"{inner}/train/a/1.png", f"{inner}/train/b/1.png", f"{inner}/test/a/1.png")
    (folder / "__MACOSX" / "train").mkdir(parents=True)
    (folder / "README.txt").write_text("")
    splits = load(folder)
    assert list(splits.parts) == ["train", "test"] and splits.class_names == ("a", "b")
    assert splits.notes[0] == f"read from {inner}/, the only folder in {folder}"


def test_one_folder_with_metadata_or_classes(save_folder, photograph):
    folder = save_folder(rows=ROWS)
    assert list(load(folder.parent).parts) == ["train", "valid", "test"]
    photograph(folder.parent / "other" / "data" / "a" / "1.png")
    photograph(folder.parent / "other" / "data" / "b" / "1.png")
    assert load(folder.parent / "other").class_names == ("a", "b")


def test_folders_within_classes_are_noted(save_folder):
    notes = load(save_folder("a/1.png", "a/x/2.png", "b/y/3.png")).notes
    assert "folders inside of those of classes count as part of the class: a/x, b/y" in notes


def test_a_table_of_another_name_is_noted(save_folder):
    folder = save_folder("a/1.png", "b/1.png")
    (folder / "labels.csv").write_text("x")
    assert "not read: labels.csv; a list of photographs is called metadata.csv" in load(folder).notes


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_path_that_is_no_folder(tmp_path, refused, put, kind):
    put(kind, tmp_path / "given")
    refused("image_folder", tmp_path / "given", f"is a {kind}")

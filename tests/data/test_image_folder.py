"""A user's own photographs: folders of classes, or metadata.csv."""

import os

import numpy as np
import pytest

from lamv import data

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


def load(folder):
    return data.load("image_folder", folder, image_size=4)


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
        [("x/1.png", "cat", "training", "a")],
        "line 2",
        "split is 'training'",
        "train, valid, val, test",
    ),
    "empty label": ([("x/1.png", "", "train", "a")], "line 2", "label is empty"),
    "empty group": ([*ROWS[:2], ("3.png", "cat", "train", "")], "line 4", "group is empty"),
    "empty path": ([("", "cat", "train", "a")], "line 2", "path is empty"),
    "one class": ([(path, "cat", part, group) for path, _, part, group in ROWS], "one class, 'cat'"),
    "mistyped class": ([*ROWS[:5], ("y/6.png", "Dog", "valid", "grass")], "class 'Dog'", "'train'"),
    "no training": ([row for row in ROWS if row[2] != "train"], "'train' is empty"),
    "no test": ([row for row in ROWS if row[2] != "test"], "'test' is empty"),
    "parent": ([*ROWS, ("x/../1.png", "cat", "train", "a")], "x/../1.png", "outside"),
    "absolute": ([*ROWS, ("/mine/1.png", "cat", "train", "a")], "/mine/1.png", "outside"),
    "twice": ([*ROWS, ROWS[2]], "3.png", "twice"),
    "missing": ([*ROWS, ("z.png", "cat", "train", "a")], "z.png is missing"),
    "missing, odd": ([*ROWS, ('"a\nb.png"', "cat", "train", "a")], "a\\nb.png' is missing"),
    "unlisted": (ROWS[:4], "y/5.png is not listed in metadata.csv (and 1 more)"),
    "folder": ([*ROWS, ("x", "cat", "train", "a")], "mine/x is missing"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_metadata(save, refused, cache, kind):
    rows, *words = WRONG[kind]
    refused("image_folder", save(rows=rows), *words)
    assert not cache.exists(), "nothing is decoded before the list is found to be right"


def test_a_mistyped_column_is_not_passed_over(save, refused):
    refused("image_folder", save(rows=ROWS, header="path,label,split,groups"), "'groups'", "group")
    refused("image_folder", save(rows=ROWS, header="file,label,split,group"), "'path' is missing")


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
    "both": (("train/a/1.png", "val/a/1.png", "valid/a/1.png", "test/a/1.png"), "", "both valid/ and val/"),
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


@pytest.mark.parametrize("target", ["outside/1.png", "outside", "mine2/1.png", "none"])
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


def test_a_pipe_is_not_opened(save, refused):
    folder = save(rows=[*ROWS, ("z.png", "cat", "train", "a")])
    os.mkfifo(folder / "z.png")
    refused("image_folder", folder, "z.png is missing")

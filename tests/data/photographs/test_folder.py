"""Links, folders and what is neither file nor folder."""

import os
from pathlib import Path

import pytest
from image_folders import ROWS, load


def test_links_inside_the_folder_are_followed(save_folder):
    folder = save_folder("train/a/1.png", "train/b/1.png")
    (folder / "test").symlink_to(folder / "train")
    (folder / "train" / "a" / "2.png").symlink_to("1.png")
    assert [len(part.labels) for part in load(folder).parts.values()] == [3, 3]


def test_the_folder_may_be_a_link_itself(save_folder):
    folder = save_folder("a/1.png", "b/1.png")
    (folder.parent / "link").symlink_to(folder)
    assert load(folder.parent / "link").num_classes == 2


@pytest.mark.parametrize("target", ["outside/1.png", "outside", "mine2/1.png"])
def test_links_that_lead_outside(save_folder, refused, photograph, target):
    folder = save_folder("a/1.png", "b/1.png")
    photograph(folder.parent / "outside" / "1.png")
    photograph(folder.parent / "mine2" / "1.png")
    (folder / "b" / "link.png").symlink_to(folder.parent / target)
    refused("image_folder", folder, folder / "b" / "link.png", "is a link to", target, "outside")


def test_links_that_go_around_in_a_circle(save_folder, refused):
    folder = save_folder("a/1.png", "b/1.png")
    (folder / "a" / "to_b").symlink_to(folder / "b")
    (folder / "b" / "to_a").symlink_to(folder / "a")
    refused("image_folder", folder, "is a link to", "circle")


@pytest.mark.parametrize("kind", ["pipe", "socket", "link"])
@pytest.mark.parametrize("name", ["a/9.png", "c", "notes.txt", "metadata.csv"])
@pytest.mark.parametrize("on_broken", ["error", "skip"])
def test_what_is_neither_file_nor_folder(save_folder, refused, put, kind, name, on_broken):
    folder = save_folder("a/1.png", "b/1.png")
    put(kind, folder / name)
    if kind == "link" and name == "a/9.png" and on_broken == "skip":
        assert load(folder, on_broken="skip").left_out == ("a/9.png: is a link to nothing, which is not there",)
        return
    refused("image_folder", folder, folder / name, f"is a {kind}", on_broken=on_broken)
    if name == "a/9.png":
        put(kind, folder / "b/8.png")
        refused("image_folder", folder, folder / name, f"is a {kind}", "(and 1 more)", on_broken=on_broken)


def test_links_to_nothing_that_are_listed(save_folder, refused):
    folder = save_folder(rows=ROWS)
    (folder / "y/6.png").unlink()
    (folder / "y/6.png").symlink_to("../.store/6.png")
    refused("image_folder", folder, "y/6.png is a link to ../.store/6.png, which is not there; fetch the files first")
    assert load(folder, on_broken="skip").left_out == ("y/6.png: is a link to ../.store/6.png, which is not there",)


def test_links_to_themselves(save_folder, refused):
    folder = save_folder("a/1.png", "b/1.png")
    (folder / "a" / "2.png").symlink_to("3.png")
    (folder / "a" / "3.png").symlink_to("2.png")
    refused("image_folder", folder, "a/2.png is a link to 3.png, which is not there (and 1 more)")


def test_links_that_double_at_every_step(save_folder, refused):
    """2^40 names of 40 folders."""
    folder = save_folder("a/1.png", "b/1.png")
    for level in range(40):
        (folder / "b" / f"{level}").mkdir()
        for link in "xy":
            (folder / "b" / f"{level}" / link).symlink_to(folder / "b" / f"{level + 1}")
    (folder / "b" / "40").mkdir()
    refused("image_folder", folder, "links lead there in more than 16 ways")


def test_folders_without_end(save_folder, refused):
    folder = save_folder("a/1.png", "b/1.png")
    inner = folder / "b" / Path(*"x" * 70)
    inner.mkdir(parents=True)
    refused("image_folder", folder, "lies 65 folders deep; at most 64")


def test_a_name_that_is_no_text(save_folder, refused):
    folder = save_folder("a/1.png", "b/1.png")
    os.mkdir(os.fsencode(folder) + b"/b/\xff")
    refused("image_folder", folder, "b/\\udcff", "the name is not UTF-8")


def test_a_folder_that_may_not_be_read(save_folder, refused, monkeypatch):
    folder = save_folder("a/1.png", "b/1.png")
    scandir = os.scandir

    def closed(path):
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    refused("image_folder", folder, folder / "b", "cannot be read (Permission denied)")

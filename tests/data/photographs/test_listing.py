"""Lists held against the folder: names that nearly match, photographs that are missing."""

import pytest
from image_folders import ROWS, load

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
def test_a_second_look_for_the_nearly_same_name(save_folder, refused, kind, on_broken):
    says, there, hint = NEAR[kind]
    folder = save_folder("a.png", "b.png", "c.png", rows=[("a.png", "0", "train"), ("b.png", "1", "train"), ("c.png", "1", "test"),
                                                   (says, "1", "test")], header="path,label,split")  # fmt: skip
    (folder / there).parent.mkdir(exist_ok=True)
    (folder / there).write_bytes((folder / "a.png").read_bytes())
    refused("image_folder", folder, "is missing, of 4 files that metadata.csv lists; ", hint, on_broken=on_broken)


def test_a_leading_dot_is_no_other_name(save_folder):
    assert len(load(save_folder(rows=[(f"./{row[0]}", *row[1:]) for row in ROWS])).parts["train"].labels) == 2


def test_missing_photographs_are_left_out(save_folder, refused):
    folder = save_folder(rows=ROWS)
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


def test_missing_and_broken_photographs_are_counted_together(save_folder, refused):
    folder = save_folder(rows=ROWS)
    (folder / "y" / "6.png").unlink()
    for name in ("x/1.png", "x/2.png", "y/5.png"):
        (folder / name).write_bytes(b"")
    refused("image_folder", folder, "4 of 6 photographs cannot be read: ", "x/1.png is no image", on_broken="skip")

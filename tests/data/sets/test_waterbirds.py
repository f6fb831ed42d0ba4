"""Waterbirds in its published layout: metadata.csv and photographs in folders by species."""

import numpy as np
import pytest

from lamv import data
from lamv.data.sets.waterbirds import FOLDER

HEADER = "img_id,img_filename,y,split,place,place_filename"
SPECIES = ("059.California_Gull", "117.Clay_colored_Sparrow")
# img_id, y, split, place: parts alternate, as in the published file.
BIRDS = [(1, 0, 0, 0), (2, 1, 2, 0), (3, 1, 0, 1), (4, 0, 1, 1), (5, 0, 0, 1), (6, 1, 2, 1), (7, 0, 2, 0), (8, 1, 1, 0)]


def line(number, y, split, place):
    return f"{number},{name(number, y)},{y},{split},{place},/o/ocean/{number:08}.jpg"


def name(number, y):
    return f"{SPECIES[1 - y]}/Bird_{number:04}.jpg"


@pytest.fixture
def folder(tmp_path, photograph):
    root = tmp_path / FOLDER
    for number, y, _, _ in BIRDS:
        photograph(root / name(number, y), number, width=15, height=10 + number, quality=95)
    write(root, [line(*bird) for bird in BIRDS])
    return root


def write(root, lines, header=HEADER):
    (root / "metadata.csv").write_text("\n".join([header, *lines]) + "\n")


def test_parts_labels_and_groups(folder):
    splits = data.load("waterbirds", folder, image_size=8)
    assert list(splits.parts) == ["train", "valid", "test"]
    assert splits.class_names == ("landbird", "waterbird") and splits.attribute_names == ("land", "water")
    for code, part in enumerate(splits.parts.values()):
        rows = [bird for bird in BIRDS if bird[2] == code]
        assert part.inputs.shape == (len(rows), 8, 8, 3) and part.inputs.dtype == np.uint8
        assert part.labels.tolist() == [y for _, y, _, _ in rows]
        assert part.attributes.tolist() == [place for _, _, _, place in rows]
        assert part.groups.tolist() == [2 * y + place for _, y, _, place in rows]
        assert part.ids.tolist() == [number - 1 for number, _, _, _ in rows]
        assert {array.dtype for array in (part.labels, part.attributes, part.groups)} == {np.dtype(np.int32)}
    assert splits.normalisation.scale == 255 and splits.normalisation.mean == (0.485, 0.456, 0.406)
    assert [source.file for source in splits.sources] == ["metadata.csv", f"{FOLDER}/ decoded to 8x8"]


def test_photographs_follow_their_labels(folder, photograph):
    parts = data.load("waterbirds", folder, image_size=8).parts
    for number, _, split, _ in BIRDS:
        part = list(parts.values())[split]
        colours = photograph(folder.parent / "again.png", number, 15, 10 + number).mean((0, 1))
        found = part.inputs[part.ids == number - 1][0].mean((0, 1))
        assert np.abs(found - colours).max() < 12


def test_the_parts_lie_one_after_the_other_in_memory(folder):
    parts = list(data.load("waterbirds", folder, image_size=8).parts.values())
    for one, other in zip(parts, parts[1:], strict=False):
        assert one.inputs.ctypes.data + one.inputs.nbytes == other.inputs.ctypes.data


def test_the_folder_or_its_parent(folder, refused):
    splits = data.load("waterbirds", folder.parent, image_size=8)
    assert splits.sources == data.load("waterbirds", folder, image_size=8).sources
    refused("waterbirds", folder / SPECIES[0], "metadata.csv", FOLDER)


def test_without_validation_photographs(folder):
    write(folder, [line(number, y, split if split != 1 else 0, place) for number, y, split, place in BIRDS])
    assert list(data.load("waterbirds", folder, image_size=8).parts) == ["train", "test"]


WRONG = {
    "unknown split": (["1,a.jpg,0,3,0,x"], "line 2", "split is '3'", "0, 1, 2"),
    "label not binary": (["1,a.jpg,0,0,0,x", "2,b.jpg,gull,0,0,x"], "line 3", "y is 'gull'", "0, 1"),
    "place not binary": (["1,a.jpg,0,0,,x"], "line 2", "place is empty"),
    "short row": (["1,a.jpg,0,0"], "line 2", "4 fields", "6"),
    "long row": (["1,a,b.jpg,0,0,0,x"], "line 2", "7 fields"),
    "open quote": (['1,"a.jpg,0,0,0,x'], "is no CSV"),
    "no rows": ([], "no rows"),
    "no test": ([line(*bird) for bird in BIRDS if bird[2] < 2], "'test' is empty"),
    "no waterbird learnt": ([line(*bird) for bird in BIRDS if bird[2] or not bird[1]], "'waterbird'", "'train'"),
    "outside": (["1,../a.jpg,0,0,0,x", "2,/etc/b.jpg,0,0,0,x"], "../a.jpg", "outside the folder (and 1 more)"),
    "twice": ([line(*BIRDS[0]), line(*BIRDS[0])], name(1, 0), "twice"),
    "twice in disguise": ([line(*BIRDS[0]), line(*BIRDS[0]).replace("/B", "/./B")], name(1, 0), "twice"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_metadata(folder, refused, kind):
    lines, *words = WRONG[kind]
    write(folder, lines)
    refused("waterbirds", folder, "metadata.csv", *words)


def test_wrong_columns(folder, refused):
    lines = [line(*bird) for bird in BIRDS]
    write(folder, lines, HEADER.replace("place,", "background,"))
    refused("waterbirds", folder, "column 'place' is missing", "'background'")
    write(folder, lines, HEADER.replace("img_id", "y"))
    refused("waterbirds", folder, "one name")
    (folder / "metadata.csv").write_bytes(b"\xff\xfe\x00")
    refused("waterbirds", folder, "metadata.csv", "UTF-8")


def test_missing_and_unlisted_photographs(folder, refused, photograph):
    photograph(folder / SPECIES[1] / "Stray_1.JPG", 1, format="jpeg")
    photograph(folder / SPECIES[1] / "Stray_2.jpg", 1)
    (folder / "README.txt").write_text("not a photograph")
    refused("waterbirds", folder, "Stray_1.JPG", "not listed in metadata.csv (and 1 more)")
    (folder / name(3, 1)).unlink()
    refused("waterbirds", folder, name(3, 1), "is missing, of 8 files that metadata.csv lists;")
    (folder / name(7, 0)).unlink()
    refused("waterbirds", folder, name(3, 1), "(and 1 more)")


def test_names_and_notes(folder):
    splits = data.load("waterbirds", folder, image_size=8)
    assert splits.group_names == ("landbird on land", "landbird on water", "waterbird on land", "waterbird on water")
    assert splits.notes[0].startswith("photographs of 15x11 to 15x18 pixels, their middle squares scaled to 8x8")


def test_broken_and_missing_photographs_are_left_out(folder, refused):
    write(folder, [line(*bird) for bird in (*BIRDS, (9, 0, 0, 0), (10, 1, 0, 1))])
    (folder / name(10, 1)).write_bytes((folder / name(3, 1)).read_bytes())
    (folder / name(3, 1)).write_bytes(b"")
    refused("waterbirds", folder, name(9, 0), "is missing, of 10 files", "--config.data.on_broken=skip")
    splits = data.load("waterbirds", folder, image_size=8, on_broken="skip")
    assert [file.split(":")[0] for file in splits.left_out] == [name(3, 1), name(9, 0)]
    train = splits.parts["train"]
    assert train.ids.tolist() == [0, 4, 9] and train.groups.tolist() == [0, 1, 3]


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_what_is_no_file_is_not_opened(folder, refused, put, kind):
    put(kind, folder / SPECIES[0] / "more.jpg")
    refused("waterbirds", folder, folder / SPECIES[0] / "more.jpg", f"is a {kind}")
    put(kind, folder / "metadata.csv")
    refused("waterbirds", folder, folder / "metadata.csv", f"is a {kind}")


def test_official_is_refused_before_decoding(folder, cache, refused):
    refused("waterbirds", folder, "no official sha256", verify="official")
    assert not cache.exists()

"""CelebA in its published layout, and in those of mirrors."""

import numpy as np
import pytest

from lamv import data

NAMES = ("5_o_Clock_Shadow", "Blond_Hair", "Male", "Young")
# Blond_Hair, Male, part
FACES = [(1, -1, 0), (-1, 1, 0), (1, 1, 2), (-1, -1, 1), (-1, -1, 2), (1, -1, 0)]
FILES = [f"{number:06}.jpg" for number in range(1, 7)]


def attributes(faces=FACES, count=None, names=NAMES, files=FILES):
    rows = [f"{file} {'':>2}1 {blond:2} {male:2} -1" for file, (blond, male, _) in zip(files, faces, strict=False)]
    return "\n".join([str(len(rows) if count is None else count), " ".join(names) + " ", *rows]) + "\n"


def partition(faces=FACES, files=FILES):
    return "".join(f"{file} {part}\n" for file, (_, _, part) in zip(files, faces, strict=False))


def as_csv(text, header):
    return "\n".join([header, *(",".join(row.split()) for row in text.splitlines())]) + "\n"


@pytest.fixture
def folder(tmp_path, photograph):
    for seed, file in enumerate(FILES):
        photograph(tmp_path / "img_align_celeba" / file, seed, 178, 218)
    (tmp_path / "list_attr_celeba.txt").write_text(attributes())
    (tmp_path / "list_eval_partition.txt").write_text(partition())
    return tmp_path


def check(splits):
    assert list(splits.parts) == ["train", "valid", "test"]
    assert splits.class_names == ("not Blond_Hair", "Blond_Hair") and splits.attribute_names == ("not Male", "Male")
    for code, part in enumerate(splits.parts.values()):
        rows = [(blond > 0, male > 0) for blond, male, at in FACES if at == code]
        assert part.inputs.shape == (len(rows), 8, 8, 3) and part.inputs.dtype == np.uint8
        assert part.labels.tolist() == [blond for blond, _ in rows]
        assert part.attributes.tolist() == [male for _, male in rows]
        assert part.groups.tolist() == [2 * blond + male for blond, male in rows]
        assert part.ids.tolist() == [row for row, face in enumerate(FACES) if face[2] == code]


def test_published_layout(folder):
    splits = data.load("celeba", folder, image_size=8)
    check(splits)
    files = [source.file for source in splits.sources]
    assert files == ["list_attr_celeba.txt", "list_eval_partition.txt", "img_align_celeba/ decoded to 8x8"]


def test_the_middle_square_is_what_is_seen(folder, photograph):
    original = photograph(folder / "img_align_celeba" / FILES[0], 0, 178, 218, quality=95)
    seen = data.load("celeba", folder, image_size=1).parts["train"].inputs[0]
    assert np.abs(seen.ravel() - original[20:198].mean((0, 1))).max() < 16


def test_folders_of_their_own(folder):
    for file, place in (
        ("list_attr_celeba.txt", "Anno"),
        ("list_eval_partition.txt", "Eval"),
        ("img_align_celeba", "Img"),
    ):
        (folder / place).mkdir()
        (folder / file).rename(folder / place / file)
    check(data.load("celeba", folder, image_size=8))


@pytest.mark.parametrize("negative", ["-1", "0"])
def test_csv_mirror(folder, negative):
    (folder / "list_attr_celeba.txt").unlink()
    (folder / "list_eval_partition.txt").unlink()
    rows = attributes().split("\n", 2)[2].replace("-1", negative)
    (folder / "list_attr_celeba.csv").write_text(as_csv(rows, "image_id," + ",".join(NAMES)))
    (folder / "list_eval_partition.csv").write_text(as_csv(partition(), "image_id,partition"))
    (folder / "img_align_celeba").rename(folder / "inner")
    (folder / "img_align_celeba").mkdir()
    (folder / "inner").rename(folder / "img_align_celeba" / "img_align_celeba")
    check(data.load("celeba", folder, image_size=8))


WRONG = {
    "count": ("attr", attributes(count=7), "counts '7'", "6 follow"),
    "no faces": ("attr", attributes([]), "counts '0'", "0 follow"),
    "no names": ("attr", "6\n", "Blond_Hair is missing"),
    "empty": ("attr", "", "Blond_Hair is missing"),
    "other names": ("attr", attributes(names=("A", "Blond_Hair", "B", "C")), "Male is missing"),
    "field missing": (
        "attr",
        attributes().replace("000002.jpg   1 -1", "000002.jpg -1"),
        "line 4",
        "4 fields",
        "4 attri",
    ),
    "no sign": ("attr", attributes().replace("000002.jpg   1 -1", "000002.jpg   1 ?"), "line 4", "Blond_Hair is '?'"),
    "twice": ("attr", attributes(files=["000001.jpg", *FILES[:5]]), "line 4", "twice"),
    "bytes": ("attr", b"\xff\xfe", "UTF-8"),
    "part": ("eval", partition().replace("3.jpg 2", "3.jpg 5"), "line 3", "partition is '5'", "0, 1, 2"),
    "no part": ("eval", partition().replace("3.jpg 2", "3.jpg"), "line 3", "1 fields"),
    "twice in parts": ("eval", partition() + "000001.jpg 1\n", "line 7", "twice"),
    "not in parts": ("eval", partition(FACES[:4]), "000005.jpg (and 1 more)", "not in", "list_eval_partition.txt"),
    "not in attributes": ("eval", partition() + "9.jpg 0\n", "9.jpg is in", "not in", "list_attr_celeba.txt"),
    "no training": ("eval", partition().replace(" 0\n", " 1\n"), "'train' is empty"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_lists(folder, refused, kind):
    which, content, *words = WRONG[kind]
    file = folder / {"attr": "list_attr_celeba.txt", "eval": "list_eval_partition.txt"}[which]
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused("celeba", folder, file.name, *words)


def test_missing_unlisted_and_broken_photographs(folder, refused, photograph):
    photographs = folder / "img_align_celeba"
    for file in FILES[3:6]:
        (photographs / file).write_bytes((photographs / file).read_bytes()[:400])
    refused("celeba", folder, photographs / FILES[3], "(and 2 more), of 6")
    photograph(photographs / "000007.jpg")
    refused("celeba", folder, photographs / "000007.jpg", "not listed in list_eval_partition.txt")
    (photographs / FILES[1]).unlink()
    refused("celeba", folder, photographs / FILES[1], "is missing, of 6 files that list_eval_partition.txt lists")


def test_names(folder):
    names = data.load("celeba", folder, image_size=8).group_names
    assert names == ("not Blond_Hair, not Male", "not Blond_Hair, Male", "Blond_Hair, not Male", "Blond_Hair, Male")


def test_broken_photographs_are_left_out(folder):
    (folder / "img_align_celeba" / FILES[5]).write_bytes(b"")
    splits = data.load("celeba", folder, image_size=8, on_broken="skip")
    assert [file.split(":")[0] for file in splits.left_out] == [FILES[5]]
    assert splits.parts["train"].ids.tolist() == [0, 1]


@pytest.mark.parametrize("file", ["img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_what_is_no_file_is_not_opened(folder, refused, put, file, kind):
    if file == "img_align_celeba":
        (folder / file).rename(folder / "elsewhere")
    if (file, kind) != ("img_align_celeba", "folder"):
        put(kind, folder / file)
        refused("celeba", folder, folder / file, f"is a {kind}")


@pytest.mark.parametrize("file", ["img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt"])
def test_what_the_folder_must_hold(folder, refused, file):
    (folder / file).rename(folder / "elsewhere")
    message = refused("celeba", folder, folder, f"holds none of {file}"[:25], file)
    assert ("img_align_celeba.zip" in message) == (file == "img_align_celeba")

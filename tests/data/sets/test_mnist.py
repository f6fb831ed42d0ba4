import gzip
import hashlib
import logging
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from lamv import data
from lamv.data import integrity
from lamv.data.formats import idx

PARTS = {"train": ("train", 7), "test": ("t10k", 3)}
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def encode(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def arrays(prefix: str, count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(count)
    return {
        f"{prefix}-images-idx3-ubyte": rng.integers(0, 256, (count, 28, 28), dtype=np.uint8),
        f"{prefix}-labels-idx1-ubyte": rng.integers(0, 10, count, dtype=np.uint8),
    }


@pytest.fixture
def folder(tmp_path):
    for prefix, count in PARTS.values():
        for name, array in arrays(prefix, count).items():
            (tmp_path / name).write_bytes(encode(array))
    return tmp_path


def check(splits):
    for part, (prefix, count) in PARTS.items():
        images, labels = arrays(prefix, count).values()
        split = splits.parts[part]
        np.testing.assert_array_equal(split.inputs, images[..., None])
        np.testing.assert_array_equal(split.labels, labels)
        np.testing.assert_array_equal(split.ids, np.arange(count))
        assert (split.inputs.dtype, split.labels.dtype, split.ids.dtype) == (np.uint8, np.int32, np.int64)
        assert split.groups is None


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_raw_files(folder, name):
    splits = data.load(name, folder)
    check(splits)
    assert splits.name == name and splits.num_classes == 10 and splits.normalisation.scale == 255
    assert [source.official for source in splits.sources] == [False] * 4


@pytest.mark.parametrize("rename", [lambda name: f"{name}.gz", lambda name: name.replace("-idx", ".idx") + ".gz"])
def test_gzipped_files_and_the_other_spelling(folder, rename):
    for path in list(folder.iterdir()):
        (folder / rename(path.name)).write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    check(data.load("mnist", str(folder)))


def test_unpacked_file_that_kept_its_gz_name(folder):
    for path in list(folder.iterdir()):
        path.rename(f"{path}.gz")
    check(data.load("mnist", folder))


def test_missing_file(folder, refused):
    (folder / "t10k-labels-idx1-ubyte").unlink()
    refused("mnist", folder, folder, "t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte.gz")


def test_a_file_for_a_folder(folder, refused):
    refused("mnist", folder / "train-images-idx3-ubyte", "is a file", "folder")


IMAGES = encode(np.zeros((7, 28, 28), np.uint8))
LABELS = encode(np.zeros(7, np.uint8))
DAMAGE = {
    "empty": ("images", b"", "nothing"),
    "magic": ("images", b"\0\0\x09\x03" + IMAGES[4:], "00000903", "00000803"),
    "float elements": ("images", b"\0\0\x0d\x03" + IMAGES[4:], "00000d03"),
    "labels for images": ("images", LABELS, "00000801", "3 axes"),
    "images for labels": ("labels", IMAGES, "00000803", "1 axes"),
    "cut in the header": ("images", IMAGES[:9], "ends within its header"),
    "cut": ("images", IMAGES[:-1], f"only {7 * 784 - 1} bytes"),
    "trailing": ("images", IMAGES + b"\0", "more bytes"),
    "count in the header": ("images", IMAGES[:7] + b"\x08" + IMAGES[8:], "(8, 28, 28)"),
    "one byte": ("images", b"\0", "begins with 00"),
    "size in the header": ("images", IMAGES[:4] + b"\xff" * 4 + IMAGES[8:], "at most"),
    "one too many": ("images", encode(np.zeros((8, 28, 28), np.uint8)), "7 labels for 8 inputs", "(8, 28, 28)"),
    "none": ("images", encode(np.zeros((0, 28, 28), np.uint8)), "7 labels for 0 inputs"),
    "other pixels": ("images", encode(np.zeros((7, 14, 56), np.uint8)), "14x56", "28x28"),
    "fewer labels": ("labels", encode(np.zeros(6, np.uint8)), "6 labels for 7 inputs"),
    "label range": ("labels", encode(np.array([0, 1, 2, 10, 4, 5, 6], np.uint8)), "label 10 of example 3", "0..9"),
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_damage(folder, refused, kind, suffix):
    which, content, *words = DAMAGE[kind]
    path = folder / f"train-{which}-idx{3 if which == 'images' else 1}-ubyte"
    path.unlink()
    path = path.with_name(path.name + suffix)
    path.write_bytes(gzip.compress(content) if suffix else content)
    refused("mnist", folder, path, *words)


def test_no_examples(folder, refused):
    (folder / "train-images-idx3-ubyte").write_bytes(encode(np.zeros((0, 28, 28), np.uint8)))
    (folder / "train-labels-idx1-ubyte").write_bytes(encode(np.zeros(0, np.uint8)))
    refused("mnist", folder, "train-labels", "no examples")


@pytest.mark.parametrize("damage", [lambda raw: raw[:-200], lambda raw: raw[:-4], lambda raw: raw[:-8] + bytes(8)])
def test_damaged_gzip(folder, refused, damage):
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(damage(gzip.compress(path.read_bytes())))
    refused("mnist", folder, path, "damaged gzip data", "fetch")


def test_counts_are_compared_before_the_bodies_are_read(folder, refused, monkeypatch):
    (folder / "train-labels-idx1-ubyte").write_bytes(gzip.compress(encode(np.zeros(8, np.uint8))))
    monkeypatch.setattr(idx, "read_idx", None)
    refused("mnist", folder, "8 labels for 7 inputs")


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_what_is_no_file_is_not_opened(folder, refused, put, kind):
    put(kind, folder / "t10k-labels-idx1-ubyte")
    refused("mnist", folder, folder / "t10k-labels-idx1-ubyte", f"is a {kind}")
    if kind != "folder":
        put(kind, folder / "given")
        refused("mnist", folder / "given", folder / "given", f"is a {kind}")
    put(kind, folder / "dataset_info.json")
    refused("mnist", folder, folder / "t10k-labels-idx1-ubyte", f"is a {kind}")


def test_gzip_bomb_is_read_no_further_than_its_header_says(folder, refused):
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(IMAGES + bytes(50 << 20), compresslevel=1))
    refused("mnist", folder, path, "more bytes")


def test_a_header_may_not_claim_more_than_the_limit(folder, refused, monkeypatch):
    monkeypatch.setattr(idx, "MAX_BYTES", 7 * 784 - 1)
    refused("mnist", folder, "train-images-idx3-ubyte", "at most 5487")


def test_official_by_the_file_or_by_its_contents(folder, refused, monkeypatch, caplog):
    digests = {}
    for path in folder.iterdir():
        digests[hashlib.sha256(path.read_bytes()).hexdigest()] = path.name
    monkeypatch.setitem(integrity.OFFICIAL, "mnist", digests)
    with caplog.at_level(logging.WARNING, "lamv.data"):
        assert all(source.official for source in data.load("mnist", folder, "official").sources)
        for path in list(folder.iterdir()):
            (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
        sources = data.load("mnist", folder, "official").sources
    assert all(source.official for source in sources) and not caplog.records
    file = folder / sources[0].file
    assert sources[0].sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_official_files_in_each_others_places_are_not_official(folder, refused, monkeypatch):
    paths = [
        folder / f"{prefix}-{kind}-ubyte" for prefix in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
    ]
    digests = {hashlib.sha256(path.read_bytes()).hexdigest(): path.name for path in paths}
    monkeypatch.setitem(integrity.OFFICIAL, "mnist", digests)
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, contents[2:] + contents[:2], strict=True):
        path.write_bytes(content)
    refused("mnist", folder, "train-images-idx3-ubyte", "the official is", verify="official")


def test_unofficial_files_warn_once_or_are_refused(folder, refused, caplog):
    with caplog.at_level(logging.WARNING, "lamv.data"):
        splits = data.load("fashion_mnist", folder)
    (record,) = caplog.records
    assert all(source.sha256 in record.getMessage() for source in splits.sources)
    assert "\n" not in record.getMessage()
    found = splits.sources[0].sha256
    official = "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
    refused("fashion_mnist", folder, "train-images-idx3-ubyte", found, official, verify="official")


@pytest.mark.skipif(not DEBIAN.is_dir(), reason=f"Debian's dataset-fashion-mnist is not installed in {DEBIAN}")
def test_debians_fashion_mnist_is_found_and_official():
    splits = data.load("fashion_mnist", verify="official")
    assert splits.parts["train"].inputs.shape == (60_000, 28, 28, 1)
    assert splits.parts["test"].inputs.shape == (10_000, 28, 28, 1)
    assert np.bincount(splits.parts["train"].labels).tolist() == [6000] * 10
    pixels = splits.parts["train"].inputs / np.float32(255)
    assert abs(pixels.mean() - splits.normalisation.mean[0]) < 1e-4
    assert abs(pixels.std() - splits.normalisation.std[0]) < 1e-4


@pytest.mark.skipif("LAMV_MNIST" not in os.environ, reason="LAMV_MNIST does not name a folder with MNIST's IDX files")
def test_real_mnist_is_official():
    splits = data.load("mnist", os.environ["LAMV_MNIST"], verify="official")
    assert np.bincount(splits.parts["test"].labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]

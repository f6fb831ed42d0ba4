"""MNIST and Fashion-MNIST from their IDX files."""

import gzip
import hashlib
import logging
import os
from pathlib import Path

import numpy as np
import pytest
from idx_files import PARTS, arrays, encode

from lamv import data
from lamv.data import integrity

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


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
def test_raw_files(idx_folder, name):
    splits = data.load(name, idx_folder)
    check(splits)
    assert splits.name == name and splits.num_classes == 10 and splits.normalisation.scale == 255
    assert [source.official for source in splits.sources] == [False] * 4


@pytest.mark.parametrize("rename", [lambda name: f"{name}.gz", lambda name: name.replace("-idx", ".idx") + ".gz"])
def test_gzipped_files_and_the_other_spelling(idx_folder, rename):
    for path in list(idx_folder.iterdir()):
        (idx_folder / rename(path.name)).write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    check(data.load("mnist", str(idx_folder)))


def test_unpacked_file_that_kept_its_gz_name(idx_folder):
    for path in list(idx_folder.iterdir()):
        path.rename(f"{path}.gz")
    check(data.load("mnist", idx_folder))


def test_missing_file(idx_folder, refused):
    (idx_folder / "t10k-labels-idx1-ubyte").unlink()
    refused("mnist", idx_folder, idx_folder, "t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte.gz")


def test_a_file_for_a_folder(idx_folder, refused):
    refused("mnist", idx_folder / "train-images-idx3-ubyte", "is a file", "folder")


def test_no_examples(idx_folder, refused):
    (idx_folder / "train-images-idx3-ubyte").write_bytes(encode(np.zeros((0, 28, 28), np.uint8)))
    (idx_folder / "train-labels-idx1-ubyte").write_bytes(encode(np.zeros(0, np.uint8)))
    refused("mnist", idx_folder, "train-labels", "no examples")


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_what_is_no_file_is_not_opened(idx_folder, refused, put, kind):
    put(kind, idx_folder / "t10k-labels-idx1-ubyte")
    refused("mnist", idx_folder, idx_folder / "t10k-labels-idx1-ubyte", f"is a {kind}")
    if kind != "folder":
        put(kind, idx_folder / "given")
        refused("mnist", idx_folder / "given", idx_folder / "given", f"is a {kind}")
    put(kind, idx_folder / "dataset_info.json")
    refused("mnist", idx_folder, idx_folder / "t10k-labels-idx1-ubyte", f"is a {kind}")


def test_official_by_the_file_or_by_its_contents(idx_folder, refused, monkeypatch, caplog):
    digests = {}
    for path in idx_folder.iterdir():
        digests[hashlib.sha256(path.read_bytes()).hexdigest()] = path.name
    monkeypatch.setitem(integrity.OFFICIAL, "mnist", digests)
    with caplog.at_level(logging.WARNING, "lamv.data"):
        assert all(source.official for source in data.load("mnist", idx_folder, "official").sources)
        for path in list(idx_folder.iterdir()):
            (idx_folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
        sources = data.load("mnist", idx_folder, "official").sources
    assert all(source.official for source in sources) and not caplog.records
    file = idx_folder / sources[0].file
    assert sources[0].sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_official_files_in_each_others_places_are_not_official(idx_folder, refused, monkeypatch):
    paths = [
        idx_folder / f"{prefix}-{kind}-ubyte" for prefix in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
    ]
    digests = {hashlib.sha256(path.read_bytes()).hexdigest(): path.name for path in paths}
    monkeypatch.setitem(integrity.OFFICIAL, "mnist", digests)
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, contents[2:] + contents[:2], strict=True):
        path.write_bytes(content)
    refused("mnist", idx_folder, "train-images-idx3-ubyte", "the official is", verify="official")


def test_unofficial_files_warn_once_or_are_refused(idx_folder, refused, caplog):
    with caplog.at_level(logging.WARNING, "lamv.data"):
        splits = data.load("fashion_mnist", idx_folder)
    (record,) = caplog.records
    assert all(source.sha256 in record.getMessage() for source in splits.sources)
    assert "\n" not in record.getMessage()
    found = splits.sources[0].sha256
    official = "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
    refused("fashion_mnist", idx_folder, "train-images-idx3-ubyte", found, official, verify="official")


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

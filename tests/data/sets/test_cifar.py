"""CIFAR-10 and CIFAR-100, in both versions, as a folder and as an archive."""

import hashlib
import os
import pickle

import numpy as np
import pytest
from cifar_files import (
    BINARY,
    DATASETS,
    PYTHON,
    VERSIONS,
    batch,
    contents,
    in_folder,
    python2_pickle,
    replaced,
    write_archive,
    write_folder,
)

from lamv import data
from lamv.data import integrity


def check(splits, name):
    count = DATASETS[name].num_classes
    batches = [batch(index, count) for index in range(6 if name == "cifar10" else 2)]
    for part, expected in {"train": batches[:-1], "test": batches[-1:]}.items():
        split = splits.parts[part]
        np.testing.assert_array_equal(split.inputs, np.concatenate([images for images, _ in expected]))
        np.testing.assert_array_equal(split.labels, np.concatenate([labels for _, labels in expected]))
        np.testing.assert_array_equal(split.ids, np.arange(len(split.labels)))
        assert (split.inputs.dtype, split.labels.dtype) == (np.uint8, np.int32)
    assert splits.class_names[-1] == f"class {count - 1}" and splits.num_classes == count


@pytest.mark.parametrize("folder", VERSIONS)
def test_every_layout_as_folder_and_as_archive(tmp_path, folder):
    name, version = VERSIONS[folder]
    check(data.load(name, write_folder(tmp_path / folder, contents(folder))), name)
    check(data.load(name, tmp_path), name)
    path = write_archive(tmp_path / version.archive, in_folder(folder))
    check(data.load(name, path), name)
    # The archive goes before the folder beside it, for it is the one with a digest.
    splits = data.load(name, tmp_path)
    assert [source.file for source in splits.sources] == [version.archive]


def test_an_archive_is_not_unpacked(tmp_path):
    path = write_archive(tmp_path / "renamed.tgz", in_folder(BINARY))
    check(data.load("cifar10", path), "cifar10")
    assert list(tmp_path.iterdir()) == [path]


def test_python3_pickles(tmp_path):
    files = contents(PYTHON)
    for name, content in files.items():
        content = {key.decode(): value for key, value in pickle.loads(content).items()}
        files[name] = pickle.dumps(content, protocol=3)
    check(data.load("cifar10", write_folder(tmp_path / PYTHON, files)), "cifar10")


def test_class_names_default_for_cifar10_only(tmp_path, refused):
    files = contents(BINARY)
    del files["batches.meta.txt"]
    splits = data.load("cifar10", write_folder(tmp_path / "ten", files))
    assert splits.class_names[0] == "airplane" and splits.class_names[9] == "truck"
    files = contents("cifar-100-binary")
    del files["fine_label_names.txt"]
    refused("cifar100", write_folder(tmp_path / "hundred", files), "fine_label_names.txt", "missing")


@pytest.mark.parametrize("folder", VERSIONS)
def test_missing_batch(tmp_path, refused, folder):
    name, version = VERSIONS[folder]
    files = contents(folder)
    del files[version.test]
    refused(name, write_folder(tmp_path / folder, files), version.test, "missing")
    refused(name, write_archive(tmp_path / "a.tar.gz", in_folder(folder, files)), "a.tar.gz", version.test, "missing")


def test_nothing_there(tmp_path, refused):
    refused("cifar100", tmp_path, tmp_path, "cifar-100-binary.tar.gz", "cifar-100-python/")


def test_archive_of_the_other_data_set(tmp_path, refused):
    path = write_archive(tmp_path / "a.tar.gz", in_folder("cifar-100-binary"))
    refused("cifar10", path, path, "no archive of cifar10", BINARY)


def unbacked(shape: tuple[int, ...]) -> bytes:
    """A pickle of some bytes with an array of that shape, as np.ndarray(shape) makes it: memory that nobody has written."""

    class Array:
        def __reduce__(self):
            return np.ndarray, (shape, "u1")

    return python2_pickle({"data": Array(), "labels": [1]})


ROW = bytes(3073)


DAMAGE = {
    "cut": (BINARY, "data_batch_2.bin", bytes(5000), "5000 bytes", "3073"),
    "empty": (BINARY, "data_batch_2.bin", b"", "0 bytes"),
    "label": (BINARY, "data_batch_3.bin", ROW + b"\x0a" + ROW[1:], "label 10 of example 1", "0..9"),
    "names": (BINARY, "batches.meta.txt", b"one\ntwo\n", "2 distinct class names", "10"),
    "same names": (BINARY, "batches.meta.txt", b"one\n" * 10, "1 distinct class names in 10"),
    "coarse for fine": ("cifar-100-binary", "train.bin", b"\0\x64" + bytes(3072), "label 100 of example 0"),
    "cut 100": ("cifar-100-binary", "test.bin", bytes(3073), "3074"),
    "no pickle": (PYTHON, "data_batch_2", b"hello", "damaged pickle"),
    "cut pickle": (PYTHON, "data_batch_2", contents(PYTHON)["data_batch_2"][:2000], "damaged pickle"),
    "empty pickle": (PYTHON, "data_batch_2", b"", "damaged pickle"),
    "a list": (PYTHON, "data_batch_2", pickle.dumps([1], protocol=2), "a list", "dict"),
    "no data": (PYTHON, "test_batch", python2_pickle({"labels": [1]}), "'data'", "'labels'"),
    "data a list": (PYTHON, "test_batch", python2_pickle({"data": [1], "labels": [1]}), "is list", "uint8"),
    "wide": (PYTHON, "test_batch", python2_pickle({"data": np.zeros((1, 9), np.uint8), "labels": [1]}), "(1, 9)"),
    "floats": (PYTHON, "test_batch", python2_pickle({"data": np.zeros((1, 3072)), "labels": [1]}), "float64"),
    "text labels": (PYTHON, "test_batch", python2_pickle({"data": np.zeros((1, 3072), np.uint8), "labels": ["1"]})),
    "no rows": (
        PYTHON,
        "test_batch",
        pickle.dumps({"data": np.zeros((0, 3072), np.uint8), "labels": []}, 3),
        "no examples",
    ),
    "not on disk": (PYTHON, "test_batch", unbacked((1 << 20, 3072)), "claims 3221225472 bytes"),
    "number as key": (PYTHON, "test_batch", pickle.dumps({1: 2}, protocol=2), "a int as key"),
    "names in lists": (PYTHON, "batches.meta", python2_pickle({"label_names": [["a"]] * 10}), "list of strings"),
    "huge label": (PYTHON, "test_batch", python2_pickle({"data": np.zeros((1, 3072), np.uint8), "labels": [2**70]})),
    "minus": (
        PYTHON,
        "test_batch",
        python2_pickle({"data": np.zeros((1, 3072), np.uint8), "labels": [-1]}),
        "label -1",
    ),
    "more labels": (PYTHON, "test_batch", python2_pickle({"data": np.zeros((1, 3072), np.uint8), "labels": [1, 2]})),
    "names a string": (PYTHON, "batches.meta", python2_pickle({"label_names": "abcdefghij"}), "label_names"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage(tmp_path, refused, kind):
    folder, file, content, *words = DAMAGE[kind]
    name, _ = VERSIONS[folder]
    files = replaced(folder, file, content)
    path = write_folder(tmp_path / folder, files)
    refused(name, path, path / file, *words)
    path = write_archive(tmp_path / "a.tar.gz", in_folder(folder, files))
    refused(name, path, f"{path}/{file}", *words)


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
@pytest.mark.parametrize("name", [f"{BINARY}/data_batch_2.bin", "cifar-10-binary.tar.gz", "."])
def test_what_is_no_file_is_not_opened(tmp_path, refused, put, kind, name):
    write_folder(tmp_path / BINARY, contents(BINARY))
    place = tmp_path / ("given" if name == "." else name)
    put(kind, place)
    word = "holds none of" if (kind, name) == ("folder", ".") else f"is a {kind}"
    refused("cifar10", place if name == "." else tmp_path, place, word)


def test_official(tmp_path, refused, monkeypatch):
    path = write_archive(tmp_path / "cifar-10-binary.tar.gz", in_folder(BINARY))
    official = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    assert data.load("cifar10", path).sources == (data.Source(path.name, found, False),)
    refused("cifar10", path, path.name, found, official, verify="official")
    monkeypatch.setitem(integrity.OFFICIAL, "cifar10", {found: path.name})
    for name in (path, path.rename(tmp_path / "renamed.tar.gz")):
        if name.exists():
            assert data.load("cifar10", name, "official").sources[0].official is True


def test_folders_have_no_official_digest(tmp_path, refused, caplog):
    path = write_folder(tmp_path / BINARY, contents(BINARY))
    splits = data.load("cifar10", path)
    assert not caplog.records and {source.official for source in splits.sources} == {None}
    refused("cifar10", path, "no official sha256 is known", "cifar-10-binary.tar.gz", verify="official")


@pytest.mark.skipif("LAMV_CIFAR10" not in os.environ, reason="LAMV_CIFAR10 does not name an archive or a folder")
def test_real_cifar10():
    splits = data.load("cifar10", os.environ["LAMV_CIFAR10"])
    assert splits.parts["train"].inputs.shape == (50_000, 32, 32, 3)
    assert np.bincount(splits.parts["train"].labels).tolist() == [5000] * 10
    assert np.bincount(splits.parts["test"].labels).tolist() == [1000] * 10
    assert splits.class_names[3] == "cat"
    means = splits.parts["train"].inputs.mean((0, 1, 2)) / 255
    np.testing.assert_allclose(means, splits.normalisation.mean, atol=1e-3)

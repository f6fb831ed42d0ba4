import codecs
import gzip
import hashlib
import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from lamv import data
from lamv.data import integrity
from lamv.data.formats import archive
from lamv.data.sets import cifar

DATASETS = {"cifar10": cifar.CIFAR10, "cifar100": cifar.CIFAR100}
VERSIONS = {version.folder: (name, version) for name, dataset in DATASETS.items() for version in dataset.versions}
BINARY, PYTHON = "cifar-10-batches-bin", "cifar-10-batches-py"
ROWS = 3


def batch(index: int, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (ROWS, 32, 32, 3) and labels of three classes; the last label is the largest there is."""
    rng = np.random.default_rng(index)
    labels = np.array([*rng.permutation([0, num_classes // 2]), num_classes - 1])
    return rng.integers(0, 256, (ROWS, 32, 32, 3), dtype=np.uint8), labels


def python2_pickle(content: dict) -> bytes:
    """Protocol 2 with byte strings and the old module name, as Python 2 and NumPy 1 wrote the official files."""
    raw = pickle.dumps({key.encode(): value for key, value in content.items()}, protocol=2)
    return raw.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def contents(folder: str) -> dict[str, bytes]:
    """The files of a version, in the bytes of its publisher, with ROWS images a batch."""
    name, version = VERSIONS[folder]
    count = DATASETS[name].num_classes
    names = [f"class {i}" for i in range(count)]
    files = {}
    for index, file in enumerate((*version.train, version.test)):
        images, labels = batch(index, count)
        pixels = images.transpose(0, 3, 1, 2).reshape(ROWS, 3072)
        fine = labels.astype(np.uint8)[:, None]
        if folder == BINARY:
            files[file] = np.hstack([fine, pixels]).tobytes()
        elif folder == "cifar-100-binary":
            files[file] = np.hstack([fine // 5, fine, pixels]).tobytes()
        else:
            key = "labels" if name == "cifar10" else "fine_labels"
            files[file] = python2_pickle({"data": pixels, key: labels.tolist(), "batch_label": "x"})
    if folder.endswith("py") or folder.endswith("python"):
        key = "label_names" if name == "cifar10" else "fine_label_names"
        files[version.names] = python2_pickle({key: names})
    else:
        files[version.names] = "\n".join([*names, "", ""]).encode()
    return files


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    path.mkdir()
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def write_archive(path: Path, files: dict[str, bytes], *extra: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in extra:
            tar.addfile(member)
    return path


def in_folder(folder: str, files: dict[str, bytes] | None = None) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in (files or contents(folder)).items()}


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


def replaced(folder: str, file: str, content: bytes) -> dict[str, bytes]:
    return contents(folder) | {file: content}


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


class Hostile:
    def __init__(self, call, *args):
        self.call, self.args = call, args

    def __reduce__(self):
        return self.call, self.args


@pytest.mark.parametrize("file", ["data_batch_1", "batches.meta"])
def test_hostile_pickle_runs_nothing(tmp_path, refused, file):
    target = tmp_path / "written"
    attacks = [
        Hostile(os.system, f"touch {target}"),
        Hostile(exec, f"open({str(target)!r}, 'w')"),
        Hostile(open, target),
    ]
    for number, attack in enumerate(attacks):
        for protocol in (0, 2, 5):
            files = replaced(PYTHON, file, pickle.dumps({b"data": attack}, protocol=protocol))
            path = write_folder(tmp_path / f"{number}-{protocol}", files)
            refused("cifar10", path, path / file, "could run code", "official archive")
    assert not target.exists()


@pytest.mark.parametrize("encoding", ["hex", "zlib", "utf-16"])
def test_a_pickle_may_not_encode_as_it_likes(tmp_path, refused, encoding):
    """An encoding that doubles its input makes 2^N bytes of N steps."""
    attack = pickle.dumps({b"data": Hostile(codecs.encode, "abc", encoding)}, protocol=2)
    path = write_folder(tmp_path / PYTHON, replaced(PYTHON, "data_batch_1", attack))
    refused("cifar10", path, "damaged pickle", encoding, "latin1 is allowed")


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
@pytest.mark.parametrize("name", [f"{BINARY}/data_batch_2.bin", "cifar-10-binary.tar.gz", "."])
def test_what_is_no_file_is_not_opened(tmp_path, refused, put, kind, name):
    write_folder(tmp_path / BINARY, contents(BINARY))
    place = tmp_path / ("given" if name == "." else name)
    put(kind, place)
    word = "holds none of" if (kind, name) == ("folder", ".") else f"is a {kind}"
    refused("cifar10", place if name == "." else tmp_path, place, word)


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


HOSTILE = {
    "parent": (member(f"{BINARY}/../../evil"), "leads outside"),
    "absolute": (member("/tmp/evil"), "leads outside"),
    "symlink": (member(f"{BINARY}/link", tarfile.SYMTYPE, "/etc/passwd"), "is a link"),
    "hard link": (member(f"{BINARY}/link", tarfile.LNKTYPE, f"{BINARY}/test_batch.bin"), "is a link"),
    "device": (member(f"{BINARY}/null", tarfile.CHRTYPE), "device"),
    "pipe": (member(f"{BINARY}/pipe", tarfile.FIFOTYPE), "device"),
    "twice": (member(f"{BINARY}/test_batch.bin"), "twice"),
    "twice, spelt otherwise": (member(f"{BINARY}//./test_batch.bin"), "twice"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_member(tmp_path, refused, kind):
    extra, *words = HOSTILE[kind]
    path = write_archive(tmp_path / "a.tar.gz", in_folder(BINARY), extra)
    refused("cifar10", path, path, *words)
    assert list(tmp_path.iterdir()) == [path]


def test_sparse_member(tmp_path, refused):
    # One stored block, said to lie at the start of 1 TiB of zeros.
    sparse = member(f"{BINARY}/test_batch.bin", tarfile.GNUTYPE_SPARSE)
    header = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    header[386:410] = b"00000000000\0" + b"00000001000\0"
    header[483:495] = b"\x80" + (1 << 40).to_bytes(11, "big")
    header[124:136] = b"00000001000\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(bytes(header) + bytes(512 * 21)))
    refused("cifar10", path, path, "sparse")


def gnu_sparse(size: str) -> bytes:
    """A tar whose sparse member has a size that is no number."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        sparse = member(f"{BINARY}/test_batch.bin")
        sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": size}
        tar.addfile(sparse)
    return file.getvalue()


def test_too_many_members(tmp_path, refused):
    extra = [member(f"{BINARY}/{i}") for i in range(archive.MAX_MEMBERS)]
    path = write_archive(tmp_path / "a.tar.gz", in_folder(BINARY), *extra)
    refused("cifar10", path, path, "more than 64 members")


def test_bomb(tmp_path, refused, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1 << 20)
    path = write_archive(tmp_path / "a.tar.gz", in_folder(BINARY) | {"readme": bytes(2 << 20)})
    refused("cifar10", path, path, "more than 1048576 bytes")
    path = write_archive(tmp_path / "a.tar.gz", in_folder(BINARY))
    path.write_bytes(path.read_bytes() + gzip.compress(bytes(2 << 20)))
    refused("cifar10", path, path, "more than 1048576 bytes")
    monkeypatch.setattr(archive, "MAX_BYTES", 5000)
    refused("cifar10", write_folder(tmp_path / BINARY, contents(BINARY)), BINARY, "exceeds 5000 bytes")


@pytest.mark.parametrize("damage", [
    lambda raw: b"",
    lambda raw: b"no archive",
    lambda raw: raw[: len(raw) // 2],
    lambda raw: raw[:-4],
    lambda raw: raw[:-8] + bytes(8),
    lambda raw: gzip.compress(b"no archive"),
    lambda raw: gzip.compress(gzip.decompress(raw)[:30_000]),
    lambda raw: gzip.compress(b"x" + bytes(511) + gzip.decompress(raw)),
    lambda raw: gzip.compress(gnu_sparse("x")),
])  # fmt: skip
def test_damaged_archive(tmp_path, refused, damage):
    path = write_archive(tmp_path / "a.tar.gz", in_folder(BINARY))
    path.write_bytes(damage(path.read_bytes()))
    refused("cifar10", path, path)


def test_every_flipped_byte_of_an_archive_is_noticed(tmp_path, refused):
    path = write_archive(tmp_path / "a.tar.gz", in_folder(BINARY))
    raw = path.read_bytes()
    for position in np.random.default_rng(0).integers(30, len(raw), 30):
        path.write_bytes(raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :])
        refused("cifar10", path, path)


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

"""What comes in place of data: every reader answers each of these in one line, at once, and reads none of it as something else.

Two tables: what a path may be instead of a file or a folder, for all readers; and files that look right from outside.
"""

import gzip
import io
import os
import signal
import socket
import tarfile
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lamv import data
from lamv.errors import DataError

READERS = ("npz", "table", "mnist", "fashion_mnist", "cifar10", "cifar100", "image_folder", "waterbirds", "celeba")
SECONDS = 60  # for all examples of a test, on a busy machine
NOISE = np.random.default_rng(0).integers(0, 256, 4096, np.uint8).tobytes()
VECTORS = np.arange(40, dtype=np.float32).reshape(20, 2)
LABELS = np.arange(20) % 2


@pytest.fixture(autouse=True)
def at_once():
    """A reader that hangs, on a pipe for instance, is stopped and fails."""

    def late(*_):
        raise TimeoutError(f"no answer within {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


# What a path may be


def _socket(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def _bytes(content):
    return lambda path: path.write_bytes(content)


def _link(target):
    return lambda path: path.symlink_to(target)


def _folder(*names, content=b""):
    def make(path):
        path.mkdir()
        for name in names:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)

    return make


def _zipped_nothing(path):
    with zipfile.ZipFile(path, "w"):
        pass


PATHS = {
    "nothing": lambda path: None,
    "a dangling link": _link("annex/objects/1f/Zq"),
    "a link to itself": _link("data"),
    "a pipe": os.mkfifo,
    "a socket": _socket,
    "a device": _link("/dev/zero"),
    "an empty file": _bytes(b""),
    "a byte": _bytes(b"\x00"),
    "noise": _bytes(NOISE),
    "text": _bytes("naïve text, one line\n".encode()),
    "another encoding": _bytes("a;b\nnaïve;1\n".encode("utf-16")),
    "a web page": _bytes(b"<!DOCTYPE html><html><body>404 Not Found</body></html>\n"),
    "a pointer of Git LFS": _bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"),
    "a zip of nothing": _zipped_nothing,
    "the head of a gzip file": _bytes(gzip.compress(NOISE)[:40]),
    "a pickle": _bytes(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."),
    "an empty folder": _folder(),
    "a folder of a hidden file": _folder(".DS_Store"),
    "a folder of noise": _folder("data_batch_1.bin", "train-images-idx3-ubyte", "metadata.csv", content=NOISE),
    "a folder of empty files": _folder("train/a/1.png", "train/b/1.png", "test/a/1.png"),
}


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("reader", READERS)
def test_a_path_that_is_no_data(tmp_path, refused, reader, kind):
    PATHS[kind](tmp_path / "data")
    refused(reader, tmp_path / "data")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", [b"line\nbreak", b"\xff\xfe", b"a" * 300, b"~nobody-of-this-name/x", b"nul\0byte"])
def test_a_name_that_cannot_be_printed_or_opened(tmp_path, refused, reader, name):
    path = os.fsdecode(name)
    refused(reader, path if path.startswith("~") else f"{tmp_path}/{path}").encode("utf-8")


# Files that look right from outside


def npz(**arrays):
    def make(root):
        np.savez(root / "data.npz", **arrays)
        return root / "data.npz"

    return make


def members(entries, compression=zipfile.ZIP_STORED):
    """An .npz file of these (name, bytes)."""

    def make(root):
        with warnings.catch_warnings(), zipfile.ZipFile(root / "data.npz", "w", compression) as archive:
            warnings.simplefilter("ignore")  # of a name that is there twice
            for name, content in entries:
                archive.writestr(name, content)
        return root / "data.npz"

    return make


def npy(array, old=b"", new=b""):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue().replace(old, new) if old else file.getvalue()


def cut(make, keep):
    def shortened(root):
        path = make(root)
        content = path.read_bytes()
        path.write_bytes(content[: int(keep * len(content))])
        return path

    return shortened


def csv(text, name="data.csv"):
    def make(root):
        path = root / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return make


def png(size=(8, 8), colour=(200, 10, 10), kind="png"):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


def photographs(files, links=()):
    def make(root):
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        for name, target in links:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(target)
        return root

    return make


def idx(**changes):
    """The four files of MNIST with 20 images each; changes: of a file's bytes, by its short name."""
    images = b"\0\0\x08\x03" + np.array([20, 28, 28], ">u4").tobytes() + bytes(20 * 784)
    labels = b"\0\0\x08\x01" + np.array([20], ">u4").tobytes() + (np.arange(20) % 10).astype("u1").tobytes()
    names = {"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels,
             "t10k-images-idx3-ubyte": images, "t10k-labels-idx1-ubyte": labels}  # fmt: skip

    def make(root):
        for name, content in names.items():
            short = name.split("-idx")[0].replace("-", "_")
            changed = changes[short](content) if short in changes else content
            (root / name).write_bytes(changed)
        return root

    return make


ROW = bytes([3]) + bytes(3072)


def cifar(**changes):
    def make(root):
        folder = root / "cifar-10-batches-bin"
        folder.mkdir()
        for number, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
            content = b"".join(bytes([(number + i) % 10]) + ROW[1:] for i in range(10))
            (folder / f"{name}.bin").write_bytes(changes[name](content) if name in changes else content)
        return root

    return make


def archive(*entries):
    """cifar-10-binary.tar.gz with these (name, type, bytes or target)."""

    def make(root):
        with tarfile.open(root / "cifar-10-binary.tar.gz", "w:gz", compresslevel=1) as tar:
            for name, kind, content in entries:
                info = tarfile.TarInfo(name)
                info.type = kind
                if kind == tarfile.REGTYPE:
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
                else:
                    info.linkname = content
                    tar.addfile(info)
        return root / "cifar-10-binary.tar.gz"

    return make


GOOD = {f"{c}/{i}.png": png(colour=(20 * i, 0, 250 * (c == "b"))) for c in "ab" for i in range(6)}
META = "path,label,split\n" + "".join(f"{name},{name[0]},{'test' if '5' in name else 'train'}\n" for name in GOOD)
FILES = {
    # npz
    "npz: cut in half": ("npz", cut(npz(inputs=VECTORS, labels=LABELS), 0.5)),
    "npz: the last byte is gone": ("npz", cut(npz(inputs=VECTORS, labels=LABELS), 0.999)),
    "npz: text in place of an array": ("npz", members([("inputs.npy", b"hello"), ("labels.npy", npy(LABELS))])),
    "npz: a file that is no array": ("npz", members([("inputs", b"hello"), ("labels", b"x")])),
    "npz: an array twice": ("npz", members([("inputs.npy", npy(VECTORS))] * 2 + [("labels.npy", npy(LABELS))])),
    "npz: a shape beyond the bytes": ("npz", members([("inputs.npy", npy(VECTORS, b"(20, 2)", b"(99, 2)")), ("labels.npy", npy(LABELS))])),
    "npz: a shape short of the bytes": ("npz", members([("inputs.npy", npy(VECTORS, b"(20, 2)", b"(10, 2)")), ("labels.npy", npy(LABELS))])),
    "npz: a negative shape": ("npz", members([("inputs.npy", npy(VECTORS, b"(20, 2)", b"(-1, 2)")), ("labels.npy", npy(LABELS))])),
    "npz: a header that is code": ("npz", members([("inputs.npy", npy(VECTORS, b"False", b"exit("))])),
    "npz: objects": ("npz", npz(inputs=np.array([{}] * 20, object), labels=LABELS)),
    "npz: records": ("npz", npz(inputs=np.zeros(20, [("a", "f4")]), labels=LABELS)),
    "npz: a name that leads outside": ("npz", members([("../../inputs.npy", npy(VECTORS)), ("labels.npy", npy(LABELS))])),
    "npz: a bomb": ("npz", members([("inputs.npy", npy(np.zeros((1 << 22, 2), np.uint8))), ("labels.npy", npy(LABELS))], zipfile.ZIP_DEFLATED)),
    "npz: no examples": ("npz", npz(inputs=VECTORS[:0], labels=LABELS[:0])),
    "npz: one example": ("npz", npz(inputs=VECTORS[:1], labels=LABELS[:1])),
    "npz: numbers that are not finite": ("npz", npz(inputs=np.full((20, 2), np.inf), labels=LABELS)),
    "npz: dates": ("npz", npz(inputs=VECTORS.astype("M8[s]"), labels=LABELS)),
    "npz: labels of half the examples": ("npz", npz(inputs=VECTORS, labels=LABELS[:10])),
    "npz: soft labels": ("npz", npz(inputs=VECTORS, labels=np.full((20, 2), 0.5))),
    "npz: labels in a cube": ("npz", npz(inputs=VECTORS, labels=LABELS.reshape(20, 1, 1))),
    "npz: empty labels": ("npz", npz(inputs=VECTORS, labels=np.array([""] * 20))),
    "npz: two spellings": ("npz", npz(inputs=VECTORS, labels=np.array(["1", "1.0"] * 10))),
    "npz: channels first": ("npz", npz(inputs=np.zeros((20, 3, 32, 32), np.uint8), labels=LABELS)),
    "npz: images of floats": ("npz", npz(inputs=np.zeros((20, 8, 8, 3)), labels=LABELS)),
    "npz: a mistyped name": ("npz", npz(inputs=VECTORS, label=LABELS)),
    # tables
    "table: a header alone": ("table", csv("a,b,label\n")),
    "table: no label": ("table", csv("a,b\n1,2\n3,4\n")),
    "table: labels alone": ("table", csv("label\n" + "0\n1\n" * 10)),
    "table: a row that is too long": ("table", csv("a,label\n" + "1,0\n2,1\n" * 10 + "1,2,3\n")),
    "table: a row that is too short": ("table", csv("a,b,label\n" + "1,5,0\n2,4,1\n" * 10 + "1,2\n")),
    "table: an open quote": ("table", csv('a,label\n"1,0\n2,1\n')),
    "table: a column twice": ("table", csv("a,a,label\n" + "1,2,0\n3,4,1\n" * 10)),
    "table: another encoding": ("table", csv("a,label\nnaïf,0\nb,1\n".encode("latin-1"))),
    "table: NUL bytes": ("table", csv(b"a,label\n\0\0,0\n\0,1\n")),
    "table: one class": ("table", csv("a,label\n" + "1,0\n2,0\n" * 10)),
    "table: a label is missing": ("table", csv("a,label\n" + "1,0\n2,1\n" * 10 + "3,\n")),
    "table: beyond float32": ("table", csv("a,label\n" + "1e300,0\n2,1\n" * 10)),
    "table: infinite": ("table", csv("a,label\n" + "inf,0\n2,1\n" * 10)),
    "table: an unknown split": ("table", csv("a,split,label\n" + "1,train,0\n2,later,1\n" * 10)),
    "table: no test": ("table", csv("a,split,label\n" + "1,train,0\n2,train,1\n" * 10)),
    "table: a class in test only": ("table", csv("a,split,label\n" + "1,train,0\n2,train,1\n" * 10 + "3,test,2\n")),
    "table: all columns constant": ("table", csv("a,b,label\n" + "1,x,0\n1,x,1\n" * 10)),
    "table: Parquet that is none": ("table", csv(b"PAR1" + NOISE + b"PAR1", "data.parquet")),
    "table: Parquet cut short": ("table", csv(b"PAR1", "data.parquet")),
    # photographs
    "photographs: one class": ("image_folder", photographs({n: c for n, c in GOOD.items() if n < "b"})),
    "photographs: an empty class": ("image_folder", photographs(GOOD | {"c/.keep": b""})),
    "photographs: cut short": ("image_folder", photographs(GOOD | {"a/x.png": png((64, 64))[:80]})),
    "photographs: empty": ("image_folder", photographs(GOOD | {"a/x.png": b""})),
    "photographs: text": ("image_folder", photographs(GOOD | {"a/x.png": b"hello"})),
    "photographs: SVG": ("image_folder", photographs(GOOD | {"a/x.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>"})),
    "photographs: PostScript": ("image_folder", photographs(GOOD | {"a/x.png": png(kind="eps")})),
    "photographs: a bomb": ("image_folder", photographs(GOOD | {"a/x.png": png((20_000, 20_000))[:2000]})),
    "photographs: a stray file": ("image_folder", photographs(GOOD | {"a/labels.txt": b"x"})),
    "photographs: a dangling link": ("image_folder", photographs(GOOD, [("a/x.png", "../annex/x.png")])),
    "photographs: a link outside": ("image_folder", photographs(GOOD, [("a/x.png", "/etc/hostname")])),
    "photographs: a link to the device of zeros": ("image_folder", photographs(GOOD, [("a/x.png", "/dev/zero")])),
    "photographs: a folder that holds itself": ("image_folder", photographs(GOOD, [("a/loop", "../a")])),
    "photographs: one level too deep": ("image_folder", photographs({"stray.png": png()} | {f"x/{p}/{n}": c for p in ("train", "test") for n, c in GOOD.items()})),
    "photographs: a part is missing": ("image_folder", photographs({f"train/{n}": c for n, c in GOOD.items()})),
    "photographs: parts beside classes": ("image_folder", photographs(GOOD | {f"train/{n}": c for n, c in GOOD.items()})),
    "photographs: two names of one part": ("image_folder", photographs({f"{p}/{n}": c for p in ("train", "Train", "test") for n, c in GOOD.items()})),
    "list: a missing file": ("image_folder", photographs(GOOD | {"metadata.csv": (META + "a/9.png,a,train\n").encode()})),
    "list: backslashes": ("image_folder", photographs(GOOD | {"metadata.csv": META.replace("a/", "a\\").encode()})),
    "list: outside": ("image_folder", photographs(GOOD | {"metadata.csv": (META + "../x.png,a,train\n").encode()})),
    "list: a file twice": ("image_folder", photographs(GOOD | {"metadata.csv": (META + "a/0.png,b,train\n").encode()})),
    "list: no label": ("image_folder", photographs(GOOD | {"metadata.csv": META.replace("label", "klass").encode()})),
    "list: two spellings": ("image_folder", photographs(GOOD | {"metadata.csv": META.replace(",a,", ",0,").replace("b/3.png,b", "b/3.png,0.0").encode()})),
    "list: one class": ("image_folder", photographs(GOOD | {"metadata.csv": META.replace(",b,", ",a,").encode()})),
    "list: UTF-16": ("image_folder", photographs(GOOD | {"metadata.csv": META.encode("utf-16")})),
    "list: only a header": ("image_folder", photographs(GOOD | {"metadata.csv": b"path,label,split\n"})),
    # IDX
    "idx: a byte is missing": ("mnist", idx(train_images=lambda b: b[:-1])),
    "idx: a byte too many": ("mnist", idx(train_images=lambda b: b + b"x")),
    "idx: another type": ("mnist", idx(train_images=lambda b: b"\0\0\x0d\x03" + b[4:])),
    "idx: labels in place of images": ("mnist", idx(train_images=lambda b: b"\0\0\x08\x01" + b[4:])),
    "idx: four billion images": ("mnist", idx(train_images=lambda b: b[:4] + b"\xff" * 12 + b[16:])),
    "idx: fewer labels": ("mnist", idx(t10k_labels=lambda b: b[:4] + np.array([19], ">u4").tobytes() + b[8:-1])),
    "idx: a label of 10": ("mnist", idx(train_labels=lambda b: b[:-1] + b"\x0a")),
    "idx: one class": ("mnist", idx(train_labels=lambda b: b[:8] + bytes(20))),
    "idx: none": ("mnist", idx(train_labels=lambda b: b[:4] + bytes(4), train_images=lambda b: b[:4] + bytes(4) + b[8:16])),
    "idx: empty": ("mnist", idx(train_labels=lambda b: b"")),
    "idx: damaged gzip": ("mnist", idx(train_images=lambda b: gzip.compress(b)[:-9])),
    "idx: another size": ("mnist", idx(train_images=lambda b: b[:8] + np.array([56, 14], ">u4").tobytes() + b[16:])),
    # CIFAR
    "cifar: a byte is missing": ("cifar10", cifar(data_batch_3=lambda b: b[:-1])),
    "cifar: an empty batch": ("cifar10", cifar(data_batch_3=lambda b: b"")),
    "cifar: a label of 10": ("cifar10", cifar(test_batch=lambda b: b"\x0a" + b[1:])),
    "cifar: one class": ("cifar10", cifar(**{n: lambda b: ROW * 10 for n in ("test_batch", *(f"data_batch_{i}" for i in range(1, 6)))})),
    "cifar: other than it says": ("cifar100", cifar()),
    "tar: a link": ("cifar10", archive(("cifar-10-batches-bin/data_batch_1.bin", tarfile.SYMTYPE, "/etc/passwd"))),
    "tar: a device": ("cifar10", archive(("cifar-10-batches-bin/data_batch_1.bin", tarfile.CHRTYPE, ""))),
    "tar: outside": ("cifar10", archive(("../../data_batch_1.bin", tarfile.REGTYPE, ROW))),
    "tar: absolute": ("cifar10", archive(("/cifar-10-batches-bin/data_batch_1.bin", tarfile.REGTYPE, ROW))),
    "tar: a batch is missing": ("cifar10", archive(("cifar-10-batches-bin/data_batch_1.bin", tarfile.REGTYPE, ROW))),
    "tar: a batch twice": ("cifar10", archive(*[("cifar-10-batches-bin/data_batch_1.bin", tarfile.REGTYPE, ROW)] * 2)),
    "tar: a thousand members": ("cifar10", archive(*[(f"x/{i}", tarfile.REGTYPE, b"") for i in range(1000)])),
    "tar: something else": ("cifar10", archive(("readme.txt", tarfile.REGTYPE, b"hello"))),
    "tar: a bomb": ("cifar10", archive(("cifar-10-batches-bin/data_batch_1.bin", tarfile.REGTYPE, bytes(257 << 20)))),
    "tar: cut": ("cifar10", cut(archive(("cifar-10-batches-bin/data_batch_1.bin", tarfile.REGTYPE, NOISE)), 0.5)),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_not_what_it_seems(tmp_path, refused, kind):
    reader, make = FILES[kind]
    refused(reader, make(tmp_path))


def test_there_are_enough_of_them():
    assert len(FILES) >= 90 and len(PATHS) * len(READERS) >= 120


# Any bytes at all


def _read_or_refused(reader, path):
    """Either a data set whose arrays fit together, or one line."""
    try:
        splits = data.load(reader, path)
    except DataError as error:
        assert "\n" not in str(error)
        return
    for part in splits.parts.values():
        missing = np.isnan(part.inputs) & np.array(
            splits.standardise or False
        )  # filled once the seed has cut the table
        assert len(part.inputs) == len(part.labels) > 0 and np.isfinite(part.inputs[~missing]).all()
        if not splits.is_regression:
            assert part.labels.min() >= 0 and part.labels.max() < splits.num_classes


ANY = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
FILE_READERS = ("npz", "table", "cifar10")


@pytest.mark.parametrize("reader", FILE_READERS)
@ANY
@given(content=st.binary(max_size=300))
def test_any_bytes(tmp_path, reader, content):
    (tmp_path / "any").write_bytes(content)
    _read_or_refused(reader, tmp_path / "any")


@ANY
@given(place=st.integers(0, 1 << 16), byte=st.integers(0, 255), keep=st.integers(0, 1 << 16))
def test_any_damage_of_an_npz_file(tmp_path, place, byte, keep):
    content = bytearray(npz(inputs=VECTORS, labels=LABELS)(tmp_path).read_bytes())
    content[place % len(content)] = byte
    (tmp_path / "damaged.npz").write_bytes(content if keep % 3 else content[: keep % len(content)])
    _read_or_refused("npz", tmp_path / "damaged.npz")


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
@ANY
@given(place=st.integers(0, 60), byte=st.integers(0, 255))
def test_any_damage_of_an_idx_file(tmp_path, name, place, byte):
    root = idx()(tmp_path)
    content = bytearray((root / name).read_bytes())
    content[place % len(content)] = byte
    (root / name).write_bytes(content)
    _read_or_refused("mnist", root)


@ANY
@given(
    values=st.lists(st.one_of(st.integers(), st.booleans(), st.text(max_size=3), st.floats()), min_size=20, max_size=20)
)
def test_any_labels(tmp_path, values):
    labels = np.array(values)
    if labels.dtype == object:
        return
    np.savez(tmp_path / "any.npz", inputs=VECTORS, labels=labels)
    _read_or_refused("npz", tmp_path / "any.npz")

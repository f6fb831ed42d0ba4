"""What the reader tests share: nearly all of them end in a refusal, which must be one line that names the culprit."""

import os
import stat

import numpy as np
import pyarrow as pa
import pytest
from idx_files import PARTS, arrays, encode
from image_folders import ROWS
from PIL import Image
from pyarrow import parquet
from table_files import written

from lamv import data
from lamv.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """The folder of decoded photographs, empty, instead of the user's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("LAMV_CACHE", str(folder))
    return folder / "images"


@pytest.fixture
def photograph():
    """photograph(path, seed, width, height): saves smooth random colours, which survive a JPEG; returns the pixels."""

    def save(path, seed=0, width=12, height=10, **options):
        path.parent.mkdir(parents=True, exist_ok=True)
        few = np.random.default_rng(seed).integers(0, 256, (2, 2, 3), np.uint8)
        image = Image.fromarray(few).resize((width, height), Image.Resampling.BILINEAR)
        image.save(path, **options)
        return np.asarray(image)

    return save


@pytest.fixture
def put():
    """put(kind, path): something that is no file, where a file is to be: a pipe, a folder, a socket, a link to nothing."""

    def make(kind, path):
        if os.path.lexists(path):
            path.unlink()
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        elif kind == "socket":
            os.mknod(path, stat.S_IFSOCK | 0o600)
        else:
            path.symlink_to("nothing")

    return make


@pytest.fixture
def refused():
    """refused(name, path, *words): loading fails with one line that holds all the words; returns the line."""

    def check(name, path, *words, verify="warn", error=DataError, **options):
        with pytest.raises(error) as caught:
            data.load(name, path, verify, **options)
        message = str(caught.value)
        assert "\n" not in message
        for word in words:
            assert str(word) in message
        return message

    return check


@pytest.fixture
def save_folder(tmp_path, photograph):
    """save(*names): photographs in a new folder; save(rows=...): with metadata.csv too. Returns the folder."""

    def make(*names, rows=None, header="path,label,split,group"):
        root = tmp_path / "mine"
        for seed, name in enumerate(names or [row[0] for row in ROWS]):
            photograph(root / name, seed)
        if rows is not None:
            (root / "metadata.csv").write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")
        return root

    return make


@pytest.fixture
def save_table(tmp_path):
    """save(text or bytes or {column: values}, name): the path of a CSV or Parquet file that holds it."""

    def write(content, name="mine.csv"):
        path = tmp_path / name
        if name.endswith(".parquet"):
            parquet.write_table(pa.table(content), path)
        elif isinstance(content, dict):
            path.write_text(written(content), encoding="utf-8")
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def idx_folder(tmp_path):
    for prefix, count in PARTS.values():
        for name, array in arrays(prefix, count).items():
            (tmp_path / name).write_bytes(encode(array))
    return tmp_path

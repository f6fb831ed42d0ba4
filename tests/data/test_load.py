import subprocess
import sys

import numpy as np
import pytest

from lamv import data
from lamv.errors import ConfigError, DataError


def test_unknown_name(refused):
    message = refused("cifar-10", None, "'cifar-10'", "mean 'cifar10'", error=ConfigError)
    assert all(name in message for name in data.DATASETS)
    assert "mean" not in refused("xyz", None, error=ConfigError)
    refused(None, None, "None", error=ConfigError)


def test_unknown_verify(refused):
    refused("digits", None, "'of'", "warn, official", verify="of", error=ConfigError)


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cifar100", "npz", "image_folder", "waterbirds", "celeba"])
@pytest.mark.parametrize("path", [None, ""])
def test_no_path(refused, name, path):
    refused(name, path, name, "--config.data.path=", "must hold")


def test_default_path(refused, monkeypatch, tmp_path):
    reader = data.DATASETS["fashion_mnist"]
    monkeypatch.setitem(data.DATASETS, "fashion_mnist", reader._replace(default=str(tmp_path)))
    refused("fashion_mnist", None, tmp_path, "train-images-idx3-ubyte")
    monkeypatch.setitem(data.DATASETS, "fashion_mnist", reader._replace(default=str(tmp_path / "none")))
    refused("fashion_mnist", None, "needs a path", "dataset-fashion-mnist")


@pytest.mark.parametrize(
    "name", ["mnist", "fashion_mnist", "cifar10", "cifar100", "npz", "image_folder", "waterbirds", "celeba"]
)
def test_path_that_does_not_exist(refused, name, tmp_path):
    refused(name, tmp_path / "none", tmp_path / "none", "does not exist")


def test_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    np.savez(tmp_path / "mine.npz", inputs=np.eye(3), labels=np.arange(3))
    assert data.load("npz", "~/mine.npz").num_classes == 3


@pytest.mark.parametrize("image_size", [0, -8, 1025, 8.0, "8", True, None])
@pytest.mark.parametrize("name", ["image_folder", "waterbirds", "celeba"])
def test_image_size(tmp_path, name, image_size):
    with pytest.raises(ConfigError, match=f"image_size={image_size!r} must be a whole number from 1 to 1024"):
        data.load(name, tmp_path, image_size=image_size)


def test_image_size_is_of_photographs_only(tmp_path):
    np.savez(tmp_path / "mine.npz", inputs=np.eye(3), labels=np.arange(3))
    assert data.load("npz", tmp_path / "mine.npz", image_size=8).parts["all"].inputs.shape == (3, 3)
    sized = {name for name, reader in data.DATASETS.items() if "image_size" in reader.takes}
    assert sized == {"image_folder", "waterbirds", "celeba"}


def test_unreadable_file(refused, monkeypatch, tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(b"x")
    monkeypatch.setattr(
        "gzip.GzipFile.__init__",
        lambda self, path: (_ for _ in ()).throw(PermissionError(13, "Permission denied", path)),
    )
    refused("cifar10", path, path, "Permission denied")


def test_refusals_end_the_process_with_their_codes():
    assert (ConfigError.exit_code, DataError.exit_code) == (64, 65)


def test_reading_imports_neither_jax_nor_tensorflow():
    code = "import sys, lamv.data as data; data.load('digits'); print(sorted({'jax', 'tensorflow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"

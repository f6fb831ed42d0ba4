import io
import json
import logging
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from lamv import data

tfds = pytest.importorskip("tensorflow_datasets", reason="tensorflow-datasets is not installed")

SHAPES = {"mnist": (28, 28, 1), "fashion_mnist": (28, 28, 1), "cifar10": (32, 32, 3), "cifar100": (32, 32, 3)}


def example(i: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(i).integers(0, 256, shape, dtype=np.uint8)


def png(image: np.ndarray) -> io.BytesIO:
    # Encoding an array takes TensorFlow; bytes that are encoded already do not.
    file = io.BytesIO()
    Image.fromarray(image.squeeze()).save(file, "png")
    file.seek(0)
    return file


def prepare(data_dir, name, *, file_format="array_record", counts=(7, 3), shape=None, num_classes=None):
    """Prepares a data set in the form of the real one, as tensorflow-datasets would; returns its version's folder."""
    shape = shape or SHAPES[name]
    num_classes = num_classes or (100 if name == "cifar100" else 10)
    features = {
        "image": tfds.features.Image(shape=shape),
        "label": tfds.features.ClassLabel(names=[f"class {i}" for i in range(num_classes)]),
    }
    if name == "cifar100":
        features["coarse_label"] = tfds.features.ClassLabel(num_classes=20)

    def generate(first, count):
        for i in range(first, first + count):
            yield (
                i,
                {"image": png(example(i, shape)), "label": i % num_classes}
                | ({"coarse_label": 19} if name == "cifar100" else {}),
            )

    with tfds.core.registered.skip_registration():

        class Fixture(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version("3.0.2")

            def _info(self):
                return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

            def _split_generators(self, dl_manager):
                return {"train": generate(0, counts[0]), "test": generate(1000, counts[1])}

            def _generate_examples(self):
                raise NotImplementedError

    Fixture.name = name
    builder = Fixture(data_dir=data_dir, file_format=file_format)
    builder.download_and_prepare()
    return data_dir / name / "3.0.2"


@pytest.mark.parametrize("name", SHAPES)
def test_array_record(tmp_path, name, caplog, capsys):
    version = prepare(tmp_path, name)
    capsys.readouterr()
    caplog.clear()
    for path in (version, version.parent, tmp_path):
        splits = data.load(name, path)
        for part, first in {"train": 0, "test": 1000}.items():
            split = splits.parts[part]
            # tensorflow-datasets shuffles while it prepares; the label says which example it is.
            by_label = {label: i for i, label in enumerate(split.labels.tolist())}
            for i in range(first, first + len(split.labels)):
                np.testing.assert_array_equal(split.inputs[by_label[i % splits.num_classes]], example(i, SHAPES[name]))
            np.testing.assert_array_equal(split.ids, np.arange(len(split.labels)))
        assert splits.name == name and splits.class_names[3] == "class 3" and splits.normalisation.scale == 255
    assert capsys.readouterr() == ("", "") and not caplog.records


def test_sources_have_no_official_digest(tmp_path, refused):
    version = prepare(tmp_path, "mnist")
    sources = data.load("mnist", version).sources
    assert {source.file for source in sources} >= {"dataset_info.json", "mnist-train.array_record-00000-of-00001"}
    assert {source.official for source in sources} == {None}
    refused("mnist", version, "no official sha256 is known", verify="official")


def test_the_newest_version(tmp_path):
    version = prepare(tmp_path, "mnist")
    shutil.copytree(version, version.with_name("3.0.10"))
    (version / "dataset_info.json").write_text("damaged")
    assert data.load("mnist", tmp_path).num_classes == 10


def test_parquet(tmp_path, refused):
    assert len(data.load("mnist", prepare(tmp_path, "mnist", file_format="parquet")).parts["train"].labels) == 7
    # Of more than 100 examples, tensorflow-datasets 4.9.10 gives the first 100.
    version = prepare(tmp_path, "cifar10", file_format="parquet", counts=(150, 3))
    refused("cifar10", version, version, "100 of the 150", "'train'", "--file_format=array_record")


def edit(version, **changes):
    file = version / "dataset_info.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize("file_format", ["tfrecord", "riegeli"])
def test_formats_that_need_tensorflow(tmp_path, refused, file_format):
    version = prepare(tmp_path, "cifar10")
    edit(version, fileFormat=file_format)
    refused("cifar10", version, version, file_format, "TensorFlow", "tfds build cifar10 --file_format=array_record")


def test_another_data_set(tmp_path, refused):
    refused("cifar100", prepare(tmp_path, "cifar10"), "'cifar10'", "'cifar100'")


def test_other_images_and_labels(tmp_path, refused):
    version = prepare(tmp_path / "a", "cifar10", shape=(28, 28, 3))
    refused("cifar10", version, version, "(28, 28, 3)", "(32, 32, 3)")
    version = prepare(tmp_path / "b", "cifar10", num_classes=12)
    refused("cifar10", version, version, "12 distinct class names", "10")


def test_damaged(tmp_path, refused):
    version = prepare(tmp_path, "cifar10")
    shard = version / "cifar10-train.array_record-00000-of-00001"
    content = shard.read_bytes()
    for damaged in (b"", content[: len(content) // 2], content[:40] + bytes(40) + content[80:]):
        shard.write_bytes(damaged)
        refused("cifar10", version, version)
    shard.unlink()
    refused("cifar10", version, version)
    for info in ("", "[]", "{}", "\x00", "[" * 100_000):
        (version / "dataset_info.json").write_text(info)
        refused("cifar10", version, version / "dataset_info.json", "damaged")


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_what_is_no_file_is_not_opened(tmp_path, refused, put, kind):
    version = prepare(tmp_path, "cifar10")
    shard = version / "cifar10-train.array_record-00000-of-00001"
    put(kind, shard)
    refused("cifar10", version, shard, f"is a {kind}")
    put(kind, version / "dataset_info.json")
    refused("cifar10", tmp_path, "holds none of")


def test_a_very_large_description_is_not_read(tmp_path, refused):
    with open(tmp_path / "dataset_info.json", "wb") as file:
        file.truncate(1 << 40)
    refused("mnist", tmp_path, "dataset_info.json", "at most")


def test_without_tensorflow_datasets(tmp_path, refused, monkeypatch):
    version = prepare(tmp_path, "cifar10")
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    refused("cifar10", version, version, "pip install tensorflow-datasets")


def test_absl_is_left_as_it_was(tmp_path):
    level = logging.getLogger("absl").level
    data.load("mnist", prepare(tmp_path, "mnist"))
    assert logging.getLogger("absl").level == level

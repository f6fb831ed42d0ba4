"""Data sets that tensorflow-datasets prepared, read without TensorFlow.

tensorflow-datasets reads its array_record files without TensorFlow, but needs it to prepare images: `HOW_TO_PREPARE` does
that in a separate environment.
"""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

from lamv.data.integrity import unverified
from lamv.data.splits import Normalisation, Splits, check_class_names, make_split
from lamv.errors import DataError, one_line, shown
from lamv.files import kind_of

INFO = "dataset_info.json"
MAX_INFO = 1 << 24  # bytes; a real one has some thousand

HOW_TO_PREPARE = (
    "python3 -m venv /tmp/tfds && /tmp/tfds/bin/pip install tensorflow-cpu tensorflow-datasets importlib_resources && "
    "/tmp/tfds/bin/tfds build {name} --file_format=array_record --data_dir=DIR"
)


def find(name: str, path: Path) -> Path | None:
    """The newest prepared version of the data set that `path` is or holds, None where there is none.

    path: DIR/NAME/VERSION, DIR/NAME, or the DIR that tensorflow-datasets calls data_dir.
    """
    if (path / INFO).is_file():
        return path
    versions = [
        info.parent for pattern in (f"*/{INFO}", f"{name}/*/{INFO}") for info in path.glob(pattern) if info.is_file()
    ]
    return max(versions, key=_version, default=None)


def _version(folder: Path) -> list[int]:
    return [int(part) if part.isdecimal() else -1 for part in folder.name.split(".")]


def read(
    name: str, version_dir: Path, image_shape: tuple[int, ...], num_classes: int, normalisation: Normalisation
) -> Splits:
    """Train and test, inputs (N, *image_shape) uint8, labels in [0, num_classes), in the order of the prepared files.

    Raises DataError, naming the folder, for another data set, a file format that cannot be read without TensorFlow,
    damaged files, or a number of examples that is not the one that was prepared.
    """
    info_file = version_dir / INFO
    _check_info(name, info_file)
    for file in sorted(version_dir.iterdir()):
        if not file.is_file() and not file.is_dir():
            raise DataError(f"{name}: {shown(file)} is {kind_of(file)}; a file is needed, prepare the data set again")
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise DataError(f"{version_dir}: pip install tensorflow-datasets to read it ({one_line(error)})") from error
    absl = logging.getLogger("absl")
    level = absl.level
    absl.setLevel(logging.ERROR)  # holds back advice on installing other image decoders
    try:
        builder = tfds.builder_from_directory(version_dir)
        class_names = builder.info.features["label"].names
        parts = {part: _read_part(builder, part, image_shape) for part in ("train", "test")}
    except DataError:
        raise
    except Exception as error:  # each file format has errors of its own
        raise DataError(f"{version_dir}: cannot be read, prepare it again ({one_line(error)})") from error
    finally:
        absl.setLevel(level)
    class_names = check_class_names(str(info_file), class_names, num_classes)
    splits = {
        part: make_split(f"{version_dir} ({part})", images, labels, num_classes)
        for part, (images, labels) in parts.items()
    }
    sources = tuple(unverified(file) for file in sorted(version_dir.iterdir()) if file.is_file())
    return Splits(name, splits, class_names, normalisation, sources)


def _check_info(name: str, info_file: Path) -> None:
    size = info_file.stat().st_size
    if size > MAX_INFO:
        raise DataError(f"{info_file}: {size} bytes; at most {MAX_INFO} are read")
    try:
        info = json.loads(info_file.read_text())
        prepared_name, file_format = info["name"], info.get("fileFormat", "tfrecord")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"{info_file}: damaged ({one_line(error)}); prepare the data set again") from error
    if prepared_name != name:
        raise DataError(f"{info_file}: this is {prepared_name!r}, {name!r} was asked for")
    if file_format not in ("array_record", "parquet"):
        command = HOW_TO_PREPARE.format(name=name)
        raise DataError(f"{info_file}: {file_format} files need TensorFlow; prepare array_record files: {command}")


def _read_part(builder: Any, part: str, image_shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    source = builder.as_data_source(part)
    prepared = builder.info.splits[part].num_examples
    # Parquet sources can end silently after their first row group.
    if len(source) != prepared:
        command = HOW_TO_PREPARE.format(name=builder.name)
        raise DataError(
            f"{builder.data_path}: {len(source)} of the {prepared} examples of {part!r} can be read; "
            f"prepare array_record files instead: {command}"
        )
    images = np.empty((prepared, *image_shape), np.uint8)
    labels = np.empty(prepared, np.int64)
    for i in range(prepared):
        example = source[i]
        image = example["image"]
        if image.shape != image_shape or image.dtype != np.uint8:
            raise DataError(
                f"{builder.data_path}: image {i} of {part!r} is {image.dtype} {image.shape}; uint8 {image_shape} is needed"
            )
        images[i], labels[i] = image, example["label"]
    return images, labels

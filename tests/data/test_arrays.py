import numpy as np
import pytest

from lamv import data
from lamv.data import arrays

IMAGES = np.arange(4 * 2 * 3 * 3, dtype=np.uint8).reshape(4, 2, 3, 3)
VECTORS = np.linspace(-1, 1, 20).reshape(4, 5)
LABELS = np.array([0, 2, 1, 2])
CUT = {"train_inputs": VECTORS, "train_labels": LABELS, "test_inputs": VECTORS[:2], "test_labels": LABELS[:2]}


@pytest.fixture
def save(tmp_path):
    def write(**content):
        np.savez(tmp_path / "mine.npz", **content)
        return tmp_path / "mine.npz"

    return write


def test_images(save):
    splits = data.load("npz", save(inputs=IMAGES, labels=LABELS, groups=np.array([0, 1, 0, 1])))
    split = splits.parts["all"]
    np.testing.assert_array_equal(split.inputs, IMAGES)
    np.testing.assert_array_equal(split.labels, LABELS)
    np.testing.assert_array_equal(split.groups, [0, 1, 0, 1])
    assert (split.inputs.dtype, split.labels.dtype, split.groups.dtype) == (np.uint8, np.int32, np.int32)
    assert splits.class_names == ("0", "1", "2")
    assert splits.normalisation == data.Normalisation(255.0, (0.0,) * 3, (1.0,) * 3)


def test_images_without_channels(save):
    split = data.load("npz", save(inputs=IMAGES[..., 0], labels=LABELS)).parts["all"]
    np.testing.assert_array_equal(split.inputs, IMAGES[..., :1])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint8, np.int64])
def test_vectors_become_float32(save, dtype):
    vectors = (10 * VECTORS).astype(dtype)
    splits = data.load("npz", save(inputs=vectors, labels=LABELS.astype(np.uint8)))
    split = splits.parts["all"]
    np.testing.assert_array_equal(split.inputs, vectors.astype(np.float32))
    assert split.inputs.dtype == np.float32 and splits.normalisation == data.Normalisation()


def test_train_and_test(save):
    groups = np.zeros(4, np.int8)
    splits = data.load("npz", save(**CUT, train_groups=groups, class_names=np.array(["a", "b", "c", "d"])))
    assert list(splits.parts) == ["train", "test"] and splits.class_names == ("a", "b", "c", "d")
    assert splits.parts["train"].groups.tolist() == [0] * 4 and splits.parts["test"].groups is None
    np.testing.assert_array_equal(splits.parts["test"].inputs, VECTORS[:2].astype(np.float32))


def test_classes_are_counted_over_both_parts(save):
    assert data.load("npz", save(**CUT | {"test_labels": np.array([0, 6])})).num_classes == 7


def test_attributes_make_groups(save):
    splits = data.load("npz", save(inputs=VECTORS, labels=LABELS, attributes=np.array([1, 0, 3, 0], np.uint8)))
    split = splits.parts["all"]
    assert split.attributes.tolist() == [1, 0, 3, 0] and split.groups.tolist() == [1, 8, 7, 8]
    assert (split.attributes.dtype, split.groups.dtype) == (np.int32, np.int32)
    assert splits.attribute_names == ("0", "1", "2", "3")


def test_attributes_are_counted_over_all_parts(save):
    attributes = {"train_attributes": np.array([0, 1, 1, 0]), "test_attributes": np.array([0, 4])}
    parts = data.load("npz", save(**CUT, **attributes)).parts
    assert parts["train"].groups.tolist() == [0, 11, 6, 10] and parts["test"].groups.tolist() == [0, 14]


def test_attributes_with_the_groups_that_they_make(save):
    content = {"inputs": VECTORS, "labels": LABELS, "attributes": np.array([1, 0, 0, 1])}
    groups = 2 * LABELS + content["attributes"]
    assert data.load("npz", save(**content, groups=groups)).parts["all"].groups.tolist() == groups.tolist()


def test_without_attributes_there_are_no_names_of_them(save):
    splits = data.load("npz", save(inputs=VECTORS, labels=LABELS, groups=LABELS))
    assert splits.attribute_names == () and splits.parts["all"].attributes is None


def test_validation_part(save):
    valid = {"valid_inputs": VECTORS[1:], "valid_labels": LABELS[1:], "valid_groups": LABELS[1:]}
    splits = data.load("npz", save(**CUT, **valid))
    assert list(splits.parts) == ["train", "valid", "test"]
    np.testing.assert_array_equal(splits.parts["valid"].inputs, VECTORS[1:].astype(np.float32))
    assert splits.parts["valid"].groups.tolist() == [2, 1, 2] and splits.parts["train"].groups is None


MISSHAPEN = {
    "no labels": ({"inputs": VECTORS}, "'labels'", "missing"),
    "no test": ({"train_inputs": VECTORS, "train_labels": LABELS}, "'test_inputs'", "missing"),
    "empty file": ({}, "'inputs'", "nothing"),
    "typo": ({"inputs": VECTORS, "labels": LABELS, "group": LABELS}, "'group'", "groups"),
    "both": (CUT | {"inputs": VECTORS}, "'inputs'", "train_inputs"),
    "float images": ({"inputs": IMAGES / 255, "labels": LABELS}, "'inputs'", "float64", "uint8"),
    "scalars": ({"inputs": VECTORS[:, 0], "labels": LABELS}, "'inputs'", "(4,)"),
    "complex": ({"inputs": VECTORS + 1j, "labels": LABELS}, "'inputs'", "complex128"),
    "strings": ({"inputs": VECTORS.astype(str), "labels": LABELS}, "'inputs'"),
    "nothing": ({"inputs": VECTORS[:0], "labels": LABELS[:0]}, "'inputs'", "holds nothing"),
    "no columns": ({"inputs": VECTORS[:, :0], "labels": LABELS}, "'inputs'", "(4, 0)"),
    "nan": ({"inputs": np.where(VECTORS > 0.9, np.nan, VECTORS), "labels": LABELS}, "'inputs'", "example 3", "finite"),
    "too large": ({"inputs": VECTORS * 1e300, "labels": LABELS}, "'inputs'", "finite"),
    "nan labels": ({"inputs": VECTORS, "labels": LABELS * np.nan}, "'labels'", "not finite"),
    "named numbers": ({"inputs": VECTORS, "labels": LABELS / 1, "class_names": np.array(["a"])}, "float labels"),
    "numbers and classes": (CUT | {"test_labels": CUT["test_labels"] / 1}, "train_labels and test_labels", "both"),
    "one-hot labels": ({"inputs": VECTORS, "labels": np.eye(4, dtype=int)}, "'labels'", "(4, 4)"),
    "fewer labels": ({"inputs": VECTORS, "labels": LABELS[:3]}, "'labels'", "3 labels for 4 inputs"),
    "negative label": ({"inputs": VECTORS, "labels": LABELS - 1}, "'labels'", "-1..1"),
    "stray label": ({"inputs": VECTORS, "labels": LABELS * 10**6}, "2000000", "class_names"),
    "huge label": ({"inputs": VECTORS, "labels": LABELS.astype(np.uint64) << 62}, "'labels'", "2^31"),
    "label range": ({"inputs": VECTORS, "labels": LABELS, "class_names": np.array(["a", "b"])}, "label 2 of example 1"),
    "names": ({"inputs": VECTORS, "labels": LABELS, "class_names": np.arange(3)}, "'class_names'", "int64"),
    "same names": (
        {"inputs": VECTORS, "labels": LABELS, "class_names": np.array(list("aab"))},
        "class_names",
        "2 distinct",
    ),
    "fewer groups": ({"inputs": VECTORS, "labels": LABELS, "groups": LABELS[:1]}, "1 groups for 4"),
    "negative group": ({"inputs": VECTORS, "labels": LABELS, "groups": -LABELS}, "'groups'", "-2..0"),
    "fewer attributes": ({"inputs": VECTORS, "labels": LABELS, "attributes": LABELS[:1]}, "1 attributes for 4"),
    "negative attribute": ({"inputs": VECTORS, "labels": LABELS, "attributes": LABELS - 1}, "'attributes'", "-1..1"),
    "named attributes": ({"inputs": VECTORS, "labels": LABELS, "attributes": LABELS.astype(str)}, "'attributes'", "<U"),
    "stray attribute": (
        {"inputs": VECTORS, "labels": LABELS, "attributes": LABELS * 10**6},
        "2000000",
        "at most 333332",
    ),
    "attributes of numbers": (
        {"inputs": VECTORS, "labels": LABELS / 1, "attributes": LABELS},
        "float labels",
        "groups",
    ),
    "attributes of one part": (CUT | {"train_attributes": LABELS}, "only train_attributes", "all parts"),
    "other groups": (
        {"inputs": VECTORS, "labels": LABELS, "attributes": LABELS, "groups": LABELS},
        "group 2 of example 1 is not y * A + a = 8 with A = 3",
    ),
    "valid without labels": (CUT | {"valid_inputs": VECTORS}, "'valid_labels' is missing"),
    "valid without inputs": (CUT | {"valid_groups": LABELS}, "'valid_inputs' is missing"),
    "valid alone": ({"valid_inputs": VECTORS, "valid_labels": LABELS}, "'train_inputs' is missing"),
    "unlike valid": (CUT | {"valid_inputs": VECTORS[:, 1:], "valid_labels": LABELS}, "(4,) in valid"),
    "unlike parts": (CUT | {"test_inputs": VECTORS[:2, :3]}, "(5,) in train and (3,) in test"),
    "objects": ({"inputs": np.array([{}, 1, 2, 3], object), "labels": LABELS}, "Python objects"),
}


@pytest.mark.parametrize("kind", MISSHAPEN)
def test_misshapen(save, refused, kind):
    content, *words = MISSHAPEN[kind]
    path = save(**content)
    refused("npz", path, path, *words)


def test_no_npz_file(tmp_path, save, refused):
    path = tmp_path / "file.npz"
    raw = save(inputs=VECTORS, labels=LABELS).read_bytes()
    for content in (b"", b"hello", b"inputs,labels\n1,2\n", raw[:300], raw[:-30], raw[:100] + b"\xff" + raw[101:]):
        path.write_bytes(content)
        refused("npz", path, path)
    with open(path, "wb") as file:
        np.save(file, VECTORS)
    refused("npz", path, path, "numpy.savez")
    refused("npz", tmp_path, tmp_path, "is a folder")


def test_class_limit_is_the_documented_one(save):
    labels = np.array([0, arrays.MAX_CLASSES - 1, 0, 0])
    assert data.load("npz", save(inputs=VECTORS, labels=labels)).num_classes == arrays.MAX_CLASSES


def test_float_labels_are_regression(save):
    splits = data.load("npz", save(inputs=VECTORS, labels=np.array([0.5, -2.0, 1e3, 0.0])))
    assert splits.is_regression and splits.num_classes == 1
    np.testing.assert_array_equal(splits.parts["all"].labels, np.float32([0.5, -2.0, 1e3, 0.0]))
    assert not data.load("npz", save(inputs=VECTORS, labels=LABELS)).is_regression


def test_nothing_is_official(save, refused, caplog):
    path = save(inputs=VECTORS, labels=LABELS)
    assert data.load("npz", path).sources[0].official is None and not caplog.records
    refused("npz", path, path.name, "no official one exists", verify="official")

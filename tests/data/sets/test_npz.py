import io
import os
import time
import zipfile

import numpy as np
import pytest

from lamv import data, memory
from lamv.errors import DataError

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
    splits = data.load("npz", save(**CUT, train_groups=groups, class_names=np.array(["a", "b", "c"])))
    assert list(splits.parts) == ["train", "test"] and splits.class_names == ("a", "b", "c")
    assert splits.parts["train"].groups.tolist() == [0] * 4 and splits.parts["test"].groups is None
    np.testing.assert_array_equal(splits.parts["test"].inputs, VECTORS[:2].astype(np.float32))


# Labels of all kinds


@pytest.mark.parametrize(
    "labels, names, codes",
    [
        ([1, 3, 2, 3], ("1", "2", "3"), [0, 2, 1, 2]),
        ([77, 3, 10, 3], ("3", "10", "77"), [2, 0, 1, 0]),
        ([-1, 1, -1, 1], ("-1", "1"), [0, 1, 0, 1]),
        (np.array([2**63, 0, 2**63, 1], np.uint64), ("0", "1", str(2**63)), [2, 0, 2, 1]),
        ([True, False, True, True], ("False", "True"), [1, 0, 1, 1]),
        (["dog", "cat", "dog", "emu"], ("cat", "dog", "emu"), [1, 0, 1, 2]),
        (["10", "9", "10", "9"], ("9", "10"), [1, 0, 1, 0]),
        ([[2], [0], [2], [0]], ("0", "2"), [1, 0, 1, 0]),
        (np.eye(3, dtype=int)[[1, 0, 2, 1]], ("0", "1", "2"), [1, 0, 2, 1]),
        (np.eye(4)[[3, 0, 3, 0]], ("0", "3"), [1, 0, 1, 0]),
        (np.eye(2, dtype=bool)[[1, 0, 1, 0]], ("0", "1"), [1, 0, 1, 0]),
    ],
)
def test_labels_of_any_kind_are_numbered_from_0_in_a_stated_order(save, labels, names, codes):
    splits = data.load("npz", save(inputs=VECTORS, labels=np.array(labels)))
    assert splits.class_names == names and splits.parts["all"].labels.tolist() == codes
    assert splits.parts["all"].labels.dtype == np.int32
    assert any("are numbered 0 to" in note for note in splits.notes) == (names != ("0", "1", "2")[: len(names)])


def test_the_numbering_is_common_to_all_parts(save):
    parts = data.load("npz", save(**CUT | {"train_labels": LABELS + 7, "test_labels": np.array([9, 7])})).parts
    assert parts["train"].labels.tolist() == [0, 2, 1, 2] and parts["test"].labels.tolist() == [2, 0]


def test_parts_with_whole_numbers_of_different_types(save):
    labels = {"train_labels": np.array([2**63, 1, 0, 1], np.uint64), "test_labels": np.array([0, 1], np.int8)}
    assert data.load("npz", save(**CUT | labels)).class_names == ("0", "1", str(2**63)), "no float64 in between"


def test_class_names_are_for_the_numbers_0_to_k(save):
    splits = data.load("npz", save(inputs=VECTORS, labels=LABELS, class_names=np.array(["1", "0", "2", "never"])))
    assert splits.class_names == ("1", "0", "2") and splits.parts["all"].labels.tolist() == LABELS.tolist()
    assert "class_names never are left out" in splits.notes[0], "smoothing would put mass on a class that no label says"


def test_labels_may_be_class_names(save):
    labels = np.array(["b", "a", "b", "a"])
    splits = data.load("npz", save(inputs=VECTORS, labels=labels, class_names=np.array(["b", "a"])))
    assert splits.class_names == ("b", "a") and splits.parts["all"].labels.tolist() == [0, 1, 0, 1]


def test_few_examples_of_a_class_are_said(save):
    assert (
        "fewer than 5 training examples of 0 (1), 1 (1), 2 (2)"
        in data.load("npz", save(inputs=VECTORS, labels=LABELS)).notes[-1]
    )


def test_attributes_make_groups(save):
    splits = data.load("npz", save(inputs=VECTORS, labels=LABELS, attributes=np.array([1, 0, 3, 0], np.uint8)))
    split = splits.parts["all"]
    assert split.attributes.tolist() == [1, 0, 2, 0] and split.groups.tolist() == [1, 6, 5, 6]
    assert (split.attributes.dtype, split.groups.dtype) == (np.int32, np.int32)
    assert splits.attribute_names == ("0", "1", "3") and splits.group_names[6] == "2, 0"


def test_attributes_are_counted_over_all_parts(save):
    attributes = {"train_attributes": np.array([0, 1, 1, 0]), "test_attributes": np.array([0, 4])}
    parts = data.load("npz", save(**CUT, **attributes)).parts
    assert parts["train"].groups.tolist() == [0, 7, 4, 6] and parts["test"].groups.tolist() == [0, 8]


@pytest.mark.parametrize("groups", [2 * LABELS + [1, 0, 0, 1], [7, 3, 1, 9]])
def test_attributes_with_the_groups_that_they_make(save, groups):
    content = {"inputs": VECTORS, "labels": LABELS, "attributes": np.array([1, 0, 0, 1])}
    found = data.load("npz", save(**content, groups=np.array(groups))).parts["all"].groups
    assert found.tolist() == (2 * LABELS + [1, 0, 0, 1]).tolist(), "whatever the groups are called"


def test_without_attributes_there_are_no_names_of_them(save):
    splits = data.load("npz", save(inputs=VECTORS, labels=LABELS, groups=LABELS))
    assert splits.attribute_names == () and splits.parts["all"].attributes is None


@pytest.mark.parametrize("groups", [[2**31 - 1, 5, 2**31 - 1, 7], ["x", "a", "x", "b"]])
def test_groups_of_any_kind_are_numbered(save, groups):
    splits = data.load("npz", save(inputs=VECTORS, labels=LABELS, groups=np.array(groups)))
    assert splits.parts["all"].groups.tolist() == [2, 0, 2, 1] and len(splits.group_names) == 3


def test_validation_part(save):
    valid = {"valid_inputs": VECTORS[1:], "valid_labels": LABELS[1:], "valid_groups": LABELS[1:]}
    splits = data.load("npz", save(**CUT, **valid))
    assert list(splits.parts) == ["train", "valid", "test"]
    np.testing.assert_array_equal(splits.parts["valid"].inputs, VECTORS[1:].astype(np.float32))
    assert splits.parts["valid"].groups.tolist() == [1, 0, 1] and splits.parts["train"].groups is None
    assert splits.group_names == ("1", "2")


def test_attributes_of_some_parts_are_used_where_they_are(save):
    parts = data.load("npz", save(**CUT, test_attributes=np.array([1, 0]))).parts
    assert parts["train"].groups is None and parts["test"].groups.tolist() == [1, 4]


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
    "numbers and classes": (CUT | {"test_labels": CUT["test_labels"] / 1}, "int64 in train, float64 in test"),
    "words and numbers": (CUT | {"test_labels": np.array(["0", "1"])}, "strings and whole numbers"),
    "soft labels": ({"inputs": VECTORS, "labels": np.full((4, 3), 1 / 3)}, "row 0 is not one-hot"),
    "two ones": ({"inputs": VECTORS, "labels": np.ones((4, 2), int)}, "row 0 is not one-hot"),
    "cube of labels": ({"inputs": VECTORS, "labels": LABELS.reshape(4, 1, 1)}, "(4, 1, 1)"),
    "dates": ({"inputs": VECTORS, "labels": LABELS.astype("M8[D]")}, "datetime64"),
    "complex labels": ({"inputs": VECTORS, "labels": LABELS * 1j}, "complex128"),
    "bytes": ({"inputs": VECTORS, "labels": LABELS.astype("S")}, "|S"),
    "empty string": ({"inputs": VECTORS, "labels": np.array(["a", "", "b", "a"])}, "empty string"),
    "one number twice": ({"inputs": VECTORS, "labels": np.array(["1", "1.0", "2", "1"])}, "'1' and '1.0'", "two ways"),
    "one word twice": ({"inputs": VECTORS, "labels": np.array(["\u00e9", "e\u0301", "b", "b"])}, "two ways", "\\u0301"),
    "one class": ({"inputs": VECTORS, "labels": 0 * LABELS}, "of one class, '0'"),
    "unseen class": (
        CUT | {"test_labels": np.array([0, 6])},
        "class '6' has 1 examples in 'test' and none to train on",
    ),
    "unseen class of valid": (
        CUT | {"valid_inputs": VECTORS, "valid_labels": LABELS + 5},
        "'valid'",
        "none to train on",
    ),
    "fewer labels": ({"inputs": VECTORS, "labels": LABELS[:3]}, "'labels' has the shape (3,)", "equally long"),
    "channels first": (
        {"inputs": IMAGES.transpose(0, 3, 1, 2)[..., [0, 0]], "labels": LABELS},
        "(N, C, H, W)?",
        "transpose",
    ),
    "nothing to predict": ({"inputs": VECTORS, "labels": LABELS * 0.0}, "all training labels are 0"),
    "label range": (
        {"inputs": VECTORS, "labels": LABELS, "class_names": np.array(["a", "b"])},
        "label 2 is not allowed",
        "from 0 to 1",
    ),
    "unnamed label": (
        {"inputs": VECTORS, "labels": np.array(list("abca")), "class_names": np.array(["a", "b"])},
        "label c is not allowed; allowed: a, b",
    ),
    "fewer groups": ({"inputs": VECTORS, "labels": LABELS, "groups": LABELS[:1]}, "'groups' has the shape (1,)"),
    "groups that are numbers": ({"inputs": VECTORS, "labels": LABELS, "groups": LABELS / 2}, "groups are float64"),
    "fewer attributes": ({"inputs": VECTORS, "labels": LABELS, "attributes": LABELS[:1]}, "'attributes' has the shape"),
    "attributes of numbers": (
        {"inputs": VECTORS, "labels": LABELS / 1, "attributes": LABELS},
        "'attributes' has no meaning",
        "groups",
    ),
    "other groups": (
        {"inputs": VECTORS, "labels": LABELS, "attributes": LABELS, "groups": np.array([0, 1, 2, 3])},
        "the groups of all are not those",
        "leave them out",
    ),
    "nan labels": ({"inputs": VECTORS, "labels": LABELS * np.nan}, "'labels'", "not finite", "example 0 is nan"),
    "large labels": ({"inputs": VECTORS, "labels": LABELS * 1e300}, "not finite as float32", "example 1 is 2e+300"),
    "named numbers": ({"inputs": VECTORS, "labels": LABELS / 1, "class_names": np.array(["a"])}, "float labels"),
    "names": ({"inputs": VECTORS, "labels": LABELS, "class_names": np.arange(3)}, "'class_names'", "int64"),
    "same names": (
        {"inputs": VECTORS, "labels": LABELS, "class_names": np.array(list("aab"))},
        "class_names",
        "2 distinct",
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
    refused("npz", tmp_path, tmp_path, "is no file")


def test_what_memory_cannot_hold_is_not_read(save, refused, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: memory.Available(400, "free here"))
    refused("npz", save(inputs=VECTORS, labels=LABELS), "its arrays take", "400 bytes are free here")


def lying(path, name, header):
    """An .npz whose member claims another shape than it has."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for array in ("inputs", "labels"):
            content = io.BytesIO()
            np.save(content, VECTORS if array == "inputs" else LABELS)
            raw = content.getvalue()
            archive.writestr(f"{array}.npy", raw.replace(*header) if array == name else raw)


def test_an_array_that_claims_more_than_it_holds_is_not_read(tmp_path, refused):
    for header in ((b"(4, 5), }      ", b"(4, 5000000), }"), (b"(4, 5), }      ", b"(4000000000000,")):
        lying(tmp_path / "bomb.npz", "inputs", header)
        refused("npz", tmp_path / "bomb.npz", "npz file", "save")


def test_a_bomb_whose_counts_do_not_agree_is_not_unpacked(tmp_path, refused):
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        np.lib.format.write_array(archive.open("labels.npy", "w"), LABELS)
        with archive.open("inputs.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (1 << 26, 4)})
            for _ in range(256):
                file.write(bytes(1 << 20))
    begin = time.monotonic()
    refused("npz", tmp_path / "bomb.npz", "(4,)", "(67108864, 4)", "equally long")
    assert time.monotonic() - begin < 1.0


def test_what_is_no_file(tmp_path, refused):
    (tmp_path / "gone.npz").symlink_to(tmp_path / "annex" / "object")
    refused("npz", tmp_path / "gone.npz", "is a link", "object", "not there")
    os.mkfifo(tmp_path / "pipe.npz")
    refused("npz", tmp_path / "pipe.npz", "is no file")


def test_float_labels_are_regression(save):
    splits = data.load("npz", save(inputs=VECTORS, labels=np.array([0.5, -2.0, 1e3, 0.0])))
    assert not splits.notes
    assert splits.is_regression and splits.num_classes == 1
    np.testing.assert_array_equal(splits.parts["all"].labels, np.float32([0.5, -2.0, 1e3, 0.0]))
    assert not data.load("npz", save(inputs=VECTORS, labels=LABELS)).is_regression


def test_whole_floats_are_classes_where_that_is_asked_for(save, refused):
    path = save(inputs=VECTORS, labels=LABELS / 1)
    splits = data.load("npz", path)
    assert splits.is_regression and "if these are classes, --config.data.task=classification" in splits.notes[0]
    splits = data.load("npz", path, task="classification")
    assert splits.class_names == ("0", "1", "2") and splits.parts["all"].labels.tolist() == LABELS.tolist()
    with pytest.raises(DataError, match="not all whole"):
        data.load("npz", save(inputs=VECTORS, labels=LABELS / 3), task="classification")


def test_whole_numbers_are_predicted_where_that_is_asked_for(save):
    splits = data.load("npz", save(inputs=VECTORS, labels=LABELS), task="regression")
    assert splits.is_regression and splits.parts["all"].labels.dtype == np.float32
    with pytest.raises(DataError, match="regression needs numbers"):
        data.load("npz", save(inputs=VECTORS, labels=np.array(list("abca"))), task="regression")


def test_nothing_is_official(save, refused, caplog):
    path = save(inputs=VECTORS, labels=LABELS)
    assert data.load("npz", path).sources[0].official is None and not caplog.records
    refused("npz", path, path.name, "no official one exists", verify="official")

"""Data as it comes: a folder, a list of photographs, a table, arrays; and what is said of it before any training."""

import numpy as np
import pytest
from PIL import Image

from lamv.audit import plan, reading
from lamv.audit.question import Question, parsed
from lamv.errors import ConfigError, DataError
from lamv.train import session


def asked(data, **options):
    return Question(data, data.with_name("audit.html"), parsed("mixup:1"), **options)


def table(path, header, rows):
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


@pytest.fixture
def photographs(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{number}.png")
    return tmp_path / "pictures"


def test_a_folder_of_class_folders(photographs):
    block = reading.read(asked(photographs, image_size=16)).block
    assert block["classes"] == ["cat", "dog"]
    assert block["counts"] == [12, 12]
    assert block["groups"] is None and block["left_out"] == []


def test_broken_files_are_left_out_by_name(photographs):
    (photographs / "cat" / "0.png").write_bytes(b"no picture")
    block = reading.read(asked(photographs, image_size=16)).block
    assert block["counts"] == [11, 12]
    assert ["0.png" in name for name in block["left_out"]] == [True]


def test_a_table_of_paths_with_columns_of_any_name(photographs):
    names = [f"{name}/{number}.png" for name in ("cat", "dog") for number in range(12)]
    rows = [(name, name[:3], "home" if number % 3 else "away", number) for number, name in enumerate(names[:-2])]
    path = table(photographs / "list.csv", "picture,animal,place,number", rows)
    read = reading.read(asked(path, label="animal", groups="place", image_size=16))
    assert read.block["classes"] == ["cat", "dog"]
    assert read.block["counts"] == [12, 10]
    assert set(read.block["groups"]) == {"cat on away", "cat on home", "dog on away", "dog on home"}
    assert any("number" in note for note in read.block["notes"])
    assert any("2 photographs in the folder are not listed" in note for note in read.block["notes"])


def test_a_table_and_its_columns(tmp_path):
    rng = np.random.default_rng(1)
    rows = [(100 * (n % 2) + n / 1000, rng.normal(), 7, "ab"[n % 2], "xy"[n // 2 % 2]) for n in range(60)]
    path = table(tmp_path / "t.csv", "id,value,constant,kind,site", rows)
    read = reading.read(asked(path, label="kind", groups="site"))
    assert read.block["classes"] == ["a", "b"]
    assert any("constant" in note for note in read.block["notes"])
    assert read.block["predictive_columns"][0]["column"] == "id"
    assert any("'id' alone predicts the class of 100.0 %" in warning for warning in read.block["warnings"])
    assert sum(read.block["groups"].values()) == 60
    assert "site" not in read.splits.input_names


@pytest.mark.parametrize("labels", [["cow", "pig"] * 20, [True, False] * 20, [10, 77] * 20, [-1, 1] * 20])
def test_labels_of_any_kind_are_mapped_and_named(tmp_path, labels):
    np.savez(tmp_path / "a.npz", inputs=np.random.default_rng(2).normal(size=(40, 3)), labels=np.array(labels))
    block = reading.read(asked(tmp_path / "a.npz")).block
    assert sorted(block["classes"]) == sorted(map(str, set(labels)))
    assert block["counts"] == [20, 20]


def test_duplicates_across_train_and_test_and_with_other_labels(tmp_path):
    rng = np.random.default_rng(3)
    train, test = rng.normal(size=(20, 3)), rng.normal(size=(10, 3))
    test[:4] = train[:4]
    labels = np.arange(20) % 2
    tested = np.r_[labels[:3], 1 - labels[3], np.arange(6) % 2]
    np.savez(tmp_path / "a.npz", train_inputs=train, train_labels=labels, test_inputs=test, test_labels=tested)
    block = reading.read(asked(tmp_path / "a.npz")).block
    assert block["duplicates"] == {"examples": 4, "across_parts": 4, "with_other_labels": 1}
    assert any("4 inputs are both in a training and in a test part" in warning for warning in block["warnings"])


def test_the_column_of_an_input_of_texts_and_of_missing_numbers():
    names = ("age", "age is missing", "colour=red", "colour=a=b")
    assert reading.columns_of(names) == {"age": [0, 1], "colour": [2, 3]}


def test_what_cannot_be_audited_is_one_line(tmp_path):
    np.savez(tmp_path / "r.npz", inputs=np.ones((40, 3)), labels=np.linspace(0, 1, 40))
    with pytest.raises(DataError, match="an audit is of classes"):
        reading.read(asked(tmp_path / "r.npz"))
    with pytest.raises(ConfigError, match="--label is 'kind'"):
        reading.settings_of(asked(tmp_path / "r.npz", label="kind"))
    (tmp_path / "a.zip").write_bytes(b"")
    with pytest.raises(ConfigError, match="must be a folder"):
        reading.settings_of(asked(tmp_path / "a.zip"))


@pytest.mark.parametrize("kind", ["photographs", "table", "arrays"])
def test_trainings_have_the_arrays_that_were_described(tmp_path, photographs, kind):
    np.savez(tmp_path / "a.npz", inputs=np.random.default_rng(0).normal(size=(20, 3)), labels=np.arange(20) % 2)
    rows = [(n % 2, n, n // 2 % 2) for n in range(20)]
    question = {
        "photographs": asked(photographs, image_size=16),
        "table": asked(table(tmp_path / "t.csv", "kind,size,site", rows), label="kind", groups="site"),
        "arrays": asked(tmp_path / "a.npz"),
    }[kind]
    with session.reading_once():
        read = reading.read(question)
        planned = plan.Plan(seeds=1, steps=1, cues=0, doses=0, remedies=False, batch_size=4, model="mlp")
        assert session.read(plan.base(question, read, planned).data) is read.splits

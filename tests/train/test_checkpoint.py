"""Checkpoints: what is read is what was written at that step, of that run and on that data; or it is not believed."""

import json
import os
import shutil

import numpy as np
import pytest

from lamv import files
from lamv.errors import CheckpointError, StorageError, WorkdirMismatch
from lamv.train.checkpoint import Checkpoints

LINES = {"metrics.jsonl": {"lines": 0, "sha256": "", "zlib": ""}}


def tree(step):
    return {"0": {"params.kernel": np.full((2, 3), step, np.float32)}}


def manager(folder, keep=3, fingerprint="f", data=("d",)):
    return Checkpoints(folder, fingerprint, ["ERM"], keep, data)


@pytest.fixture
def saved(tmp_path):
    """The folder of checkpoints of steps 10, 20 and 30."""
    own = manager(tmp_path / "checkpoints")
    for step in (10, 20, 30):
        own.save(step, tree(step), LINES)
    own.close()
    return tmp_path / "checkpoints"


def restored(folder, **changes):
    own = manager(folder, **changes)
    try:
        return own.restore()
    finally:
        own.close()


def test_the_newest_comes_back_as_it_was(saved):
    found = restored(saved)
    assert (found.step, found.lines) == (30, LINES)
    np.testing.assert_array_equal(found.tree["0"]["params.kernel"], tree(30)["0"]["params.kernel"])


def swap(folder):
    (folder / "30").rename(folder / "x")
    (folder / "20").rename(folder / "30")
    (folder / "x").rename(folder / "20")


MOVED = {
    "swapped": (swap, 10),
    "renamed to a later step": (lambda folder: (folder / "20").rename(folder / "40"), 30),
    "renamed to an earlier one": (lambda folder: (folder / "30").rename(folder / "15"), 20),
    "the newest copied": (lambda folder: shutil.copytree(folder / "30", folder / "40"), 30),
    "an old one over the newest": (
        lambda folder: (shutil.rmtree(folder / "30"), shutil.copytree(folder / "10", folder / "30")), 20
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", MOVED)
def test_a_checkpoint_is_believed_in_its_place_alone(saved, how, caplog):
    move, step = MOVED[how]
    move(saved)
    found = restored(saved)
    assert found.step == step and found.tree["0"]["params.kernel"][0, 0] == step
    if how != "renamed to an earlier one":
        assert "its folder says step" in caplog.text


def test_where_all_are_out_of_place_there_is_none_to_go_on_from(saved):
    for step in (30, 20, 10):
        (saved / str(step)).rename(saved / str(step + 5))
    with pytest.raises(CheckpointError, match=r"none of the checkpoints .*\(steps \[35, 25, 15\]\)"):
        restored(saved)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_file_that_never_ends_is_damage(saved, kind, caplog):
    path = saved / "30" / "meta" / "metadata"
    path.unlink()
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    assert restored(saved).step == 20 and f"it is a {kind}" in caplog.text


def test_other_data_is_refused_and_where_none_is_given_not_compared(saved):
    with pytest.raises(WorkdirMismatch, match="step 30 .* was trained on other data; put the data back"):
        restored(saved, data=("e",))
    assert restored(saved, data=("d", "d")).step == 30
    assert Checkpoints.reading(saved, "f", ["ERM"]).restore().step == 30


def reseal(folder, step, **changes):
    """Write another meta with a seal that fits."""
    path = folder / str(step) / "meta" / "metadata"
    meta = json.loads(path.read_text()) | changes
    for name in [name for name, value in changes.items() if value is None]:
        del meta[name]
    path.write_text(json.dumps({**meta, "self": files.hash_of(meta)}))


def test_a_checkpoint_of_format_1_is_read(saved):
    reseal(saved, 30, format=1, lines=None, data=None)
    assert restored(saved, data=("e",)).lines == {}


def test_a_format_of_a_later_version_is_refused_not_passed_over(saved):
    reseal(saved, 30, format=9)
    with pytest.raises(WorkdirMismatch, match="has format 9, and this lamv reads 1 to 2"):
        restored(saved)


@pytest.mark.parametrize("saves, free, fits", [(1, 10, False), (1, 2000, True), (9, 2000, False), (9, 8000, True)])
def test_there_is_room_for_all_that_will_be_kept_and_one_more(tmp_path, monkeypatch, saves, free, fits):
    """State of 1 MiB; at most 3 kept and the fourth that is being written: 4 × (1.1 MiB + 64 KiB)."""
    monkeypatch.setattr(files, "free", lambda folder: free * 1024)
    own = manager(tmp_path / "checkpoints")
    if fits:
        own.check_space(1 << 20, saves)
    else:
        with pytest.raises(
            StorageError, match=r"no room .* MiB are needed and .* are free; free space, or set a lower"
        ):
            own.check_space(1 << 20, saves)
    own.close()


def test_what_is_there_already_needs_no_more_room(saved, monkeypatch):
    monkeypatch.setattr(files, "free", lambda folder: 2000 * 1024)
    own = manager(saved)
    own.check_space(1 << 20, saves=9)
    own.close()


@pytest.mark.parametrize(
    "raised, expected",
    [
        (
            "RESOURCE_EXHAUSTED: Error writing",
            r"cannot be written to .*: the disk is full, .* are needed and .* are free",
        ),
        ("PERMISSION_DENIED: no", r"could not be written to .* \(PERMISSION_DENIED: no\)"),
    ],
)
def test_a_checkpoint_that_cannot_be_written_leaves_nothing(saved, monkeypatch, raised, expected):
    own = manager(saved)

    def fails(step, **_):
        (saved / f"{step}.orbax-checkpoint-tmp").mkdir()
        raise ValueError(f"{raised}\nand much more")

    monkeypatch.setattr(own._manager, "save", fails)
    with pytest.raises(StorageError, match=expected) as error:
        own.save(40, tree(40), LINES)
    assert error.value.exit_code == 74 and "\n" not in str(error.value)
    own.close()
    assert sorted(path.name for path in saved.iterdir()) == ["10", "20", "30"]
    assert restored(saved).step == 30

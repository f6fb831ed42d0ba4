"""The files of a workdir that grow, and what a checkpoint's seal makes of them."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamv.errors import DataError, StorageError, WorkdirError, WorkdirMismatch
from lamv.train.tracking import Lines, Workdir, is_run, recorded

ONE, TWO = {"step": 1, "row": "ERM", "test/accuracy": 0.5}, {"step": 2, "row": "ERM", "test/accuracy": 0.75}
RUN = {"title": "t", "claims": [], "rows": [{"name": "ERM", "config": {"seed": 0}}]}


@pytest.fixture
def sealed(tmp_path):
    """A file of two sealed lines, its seal, and its content."""
    lines = Lines(tmp_path / "metrics.jsonl", writes=True)
    lines.append([ONE])
    lines.append([TWO])
    return lines.path, lines.seal(), lines.path.read_bytes()


def again(path):
    return Lines(path, writes=True)


def test_lines_are_what_json_makes_of_them(sealed):
    path, seal, content = sealed
    assert [json.loads(line) for line in content.splitlines()] == [ONE, TWO]
    assert again(path).parsed() == [ONE, TWO]
    assert seal["lines"] == 2 and again(path).matches({key: seal[key] for key in ("lines", "sha256")})


DAMAGES = {
    "missing": (lambda text: None, "it was missing"),
    "empty": (lambda text: b"", "line 1 of 2"),
    "cut": (lambda text: text[:-3], "line 2 of 2"),
    "a digit": (lambda text: text.replace(b"0.75", b"0.85"), "line 2 of 2"),
    "foreign first": (lambda text: b'{"step": 0}\n' + text, "line 1 of 2"),
    "no text": (lambda text: b"\xff\xfe" + text, "line 1 of 2"),
    "twice the first": (lambda text: text.splitlines(keepends=True)[0] * 2, "line 2 of 2"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_sealed_lines_come_back_and_what_was_wrong_is_told(sealed, damage):
    path, seal, content = sealed
    change, told = DAMAGES[damage]
    damaged = change(content)
    path.unlink() if damaged is None else path.write_bytes(damaged)
    lines = again(path)
    assert told in lines.back_to(seal)
    assert path.read_bytes() == content
    assert lines.seal() == seal, "a run that goes on seals what one that was never stopped would"


@pytest.mark.parametrize("beyond", [b"", b'{"step": 3}\n', b'{"step": 3, "ro', b"\xff\n"])
def test_lines_beyond_the_seal_are_of_steps_that_are_taken_again(sealed, beyond):
    path, seal, content = sealed
    path.write_bytes(content + beyond)
    assert again(path).back_to(seal) == "" and path.read_bytes() == content


def test_a_seal_of_no_lines_empties_the_file(tmp_path):
    lines = Lines(tmp_path / "metrics.jsonl", writes=True)
    seal = lines.seal()
    assert lines.back_to(seal) == "" and not lines.path.exists()
    lines.append([ONE])
    assert again(lines.path).back_to(seal) == "" and lines.path.read_bytes() == b""


@given(st.lists(st.lists(st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)))), st.data())
def test_any_lines_come_back_from_any_seal(tmp_path_factory, appended, data):
    path = tmp_path_factory.mktemp("lines") / "metrics.jsonl"
    lines, seals = Lines(path, writes=True), []
    for some in appended:
        lines.append(some)
        seals.append((lines.seal(), path.read_bytes()))
    if seals:
        path.write_bytes(data.draw(st.binary()))
        seal, content = data.draw(st.sampled_from(seals))
        again(path).back_to(seal)
        assert path.read_bytes() == content


def test_without_a_seal_lines_are_kept_up_to_the_step(sealed):
    """As a checkpoint of format 1 has none."""
    path, _, content = sealed
    path.write_bytes(content + b'[1]\n"x"\n{"step": 3}\n{"step": 2, "ro')
    again(path).back_to_step(2)
    assert path.read_bytes() == content
    again(path).back_to_step(1)
    assert again(path).parsed() == [ONE]


def test_who_does_not_write_leaves_the_file_alone(sealed):
    path, seal, content = sealed
    path.write_bytes(content[:10])
    reader = Lines(path, writes=False)
    assert reader.back_to(seal) == ""
    reader.back_to_step(0)
    reader.append([ONE])
    assert path.read_bytes() == content[:10]


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_is_refused(tmp_path, kind):
    path = tmp_path / "metrics.jsonl"
    os.mkfifo(path) if kind == "pipe" else path.mkdir()
    with pytest.raises(WorkdirMismatch, match=f"cannot be read .*{'pipe' if kind == 'pipe' else 'folder'}"):
        again(path).any()


SHAPES = [None, 1, "x", [], [1], {}, {"rows": 1}, {"rows": []}, {"rows": [1]}, {"rows": [{}]}, {"rows": [{"name": 1}]},
          {"rows": [{"name": "a"}]}, {"rows": [{"name": "a", "config": []}]}, RUN | {"claims": 3},
          {"rows": RUN["rows"] * 2}]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
def test_a_config_of_another_form_is_one_line(tmp_path, shape):
    assert is_run(RUN) and not is_run(shape)
    (tmp_path / "config.json").write_text(json.dumps(shape))
    if shape is not None:
        with Workdir(tmp_path, writes=True) as place, pytest.raises(WorkdirMismatch, match="not as lamv writes it"):
            place.compare(RUN)
    with pytest.raises(DataError, match="no readable config.json"):
        recorded(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b"9" * 5_000, b"\x00" * 100])
def test_a_file_that_is_no_json_is_one_line(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with Workdir(tmp_path, writes=True) as place, pytest.raises(WorkdirMismatch, match="config.json cannot be read"):
        place.read("config.json")
    with pytest.raises(DataError, match="no readable config.json"):
        recorded(tmp_path)


def test_a_full_disk_leaves_no_half_line(sealed, monkeypatch):
    path, _, content = sealed

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"the disk is full, \d+ bytes are needed and .* are free"):
        again(path).append([ONE])
    assert path.read_bytes() == content
    with Workdir(path.parent, writes=True) as place, pytest.raises(StorageError):
        place.write("summary.json", {})
    assert [found.name for found in path.parent.iterdir() if "tmp" in found.name] == []


def test_links_are_not_followed_where_others_may_write(tmp_path):
    outside, workdir = tmp_path / "mine", tmp_path / "run"
    outside.write_text("mine")
    workdir.mkdir()
    (workdir / "metrics.jsonl").symlink_to(outside)
    with Workdir(workdir, writes=True) as place, pytest.raises(WorkdirError, match="is a link, which is not followed"):
        place.metrics.append([ONE])
    workdir.chmod(0o777)
    with pytest.raises(WorkdirError, match=r"metrics.jsonl is a link, and others may write"):
        Workdir(workdir, writes=True)
    assert outside.read_text() == "mine"


def test_temporary_files_of_a_run_that_was_killed_are_removed(tmp_path):
    (tmp_path / ".summary.json.123.tmp").write_text("half")
    (tmp_path / ".report.html.123.tmp").write_text("somebody else's")
    with Workdir(tmp_path, writes=True):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", ".report.html.123.tmp"]


# A first try that was refused or crashed

OTHER = {"title": "t", "claims": [], "rows": [{"name": "ERM", "config": {"seed": 1}}]}


@pytest.mark.parametrize("left", ["nothing", "lines of steps", "an empty folder of checkpoints"])
def test_a_workdir_of_which_nothing_was_saved_is_begun_anew(tmp_path, left):
    with Workdir(tmp_path, writes=True) as store:
        store.claim(RUN)
        if left == "lines of steps":
            (tmp_path / "checkpoints").mkdir()
            store.metrics.append([ONE])
            store.timing.append([{"step": 1, "row": "ERM", "seconds": 1.0}])
        if left.startswith("an empty"):
            (tmp_path / "checkpoints").mkdir()
        store.compare(OTHER)
        store.claim(OTHER)
        assert store.read("config.json") == OTHER and not (tmp_path / "metrics.jsonl").exists()


@pytest.mark.parametrize("kept", ["checkpoints/10", "DONE", "summary.json", "evaluation.jsonl", "a save that is gone"])
def test_a_workdir_of_which_something_was_saved_belongs_to_its_config(tmp_path, kept):
    with Workdir(tmp_path, writes=True) as store:
        store.claim(RUN)
        if kept == "a save that is gone":
            store.timing.append([{"step": 10, "event": "saved", "seconds": 0.1}])
        elif kept.startswith("checkpoints"):
            (tmp_path / kept).mkdir(parents=True)
        else:
            (tmp_path / kept).write_text("{}")
        with pytest.raises(WorkdirMismatch, match="begun with another config: ERM: seed 0 -> 1"):
            store.compare(OTHER)
        store.compare(RUN)
        assert store.read("config.json") == RUN

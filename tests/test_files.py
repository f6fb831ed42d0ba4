"""lamv.files: a file is written whole or not at all, what is no file is never waited for, and no error leaves a trace."""

import contextlib
import errno
import json
import os
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from lamv import files
from lamv.errors import LamvError, StorageError, WorkdirError

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away, or make a device")


def message_of(error, *arguments, **options):
    """The one line with which a call fails."""
    call, *arguments = arguments
    with pytest.raises(error) as caught:
        call(*arguments, **options)
    assert isinstance(caught.value, LamvError) and "\n" not in str(caught.value)
    return str(caught.value)


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def no_file(kind, path):
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif kind == "a device":
        path.symlink_to("/dev/zero")


NO_FILES = ("a pipe", "a folder", "a socket", "a device")


@pytest.fixture
def failing(monkeypatch):
    """failing(number): every fsync fails with that error, as a disk that is full, or that fails, does at the latest."""

    def fail(number):
        def fsync(descriptor):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fsync)

    return fail


# Reading


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("read", [files.read_bytes, files.read_text, files.read_json, files.check_is_file])
def test_what_is_no_file_is_told_and_not_waited_for(tmp_path, kind, read):
    no_file(kind, tmp_path / "x")
    with pytest.raises(ValueError, match=f"it is {kind}"):
        read(tmp_path / "x")


def test_a_file_that_is_not_there_is_told_apart_from_one_that_cannot_be_read(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(FileNotFoundError):
        files.read_json(tmp_path / "x")
    for name in ("file/x", "loop", "n" * 300):
        with pytest.raises(OSError) as caught:
            files.read_json(tmp_path / name)
        assert not isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize(
    "content",
    [b"", b" ", b"{", b"\xff\xfe{}", b"\xef\xbb\xbf{}", b"{}\0", b"nul", b"'a'", b"{}{}", b"9" * 5000, b"[" * 100_000,
     b'{"a":' * 100_000, json.dumps({}).encode("utf-16")],
)  # fmt: skip
def test_what_is_no_json_is_a_value_error_of_one_line(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError) as caught:
        files.read_json(tmp_path / "x")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with open(tmp_path / "x", "wb") as file:
        file.truncate(files.MOST + 1)
    with pytest.raises(ValueError, match=r"it has 256\.0 MiB; at most 256\.0 MiB are read"):
        files.read_json(tmp_path / "x")


# Writing whole


def test_a_file_is_replaced_with_the_folders_above_it(tmp_path):
    path = tmp_path / "a" / "b" / "x"
    for text in ("old", "new €", ""):
        files.write_whole(path, text)
        assert path.read_text(encoding="utf-8") == text and left_in(path.parent) == ["x"]


def test_what_is_no_text_is_written_as_a_question_mark(tmp_path):
    files.write_whole(tmp_path / "x", "a\ud800b")
    assert (tmp_path / "x").read_text() == "a?b"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_with_what_is_needed_and_free(tmp_path, failing, number):
    (tmp_path / "x").write_text("old")
    failing(number)
    message = message_of(StorageError, files.write_whole, tmp_path / "x", "n" * 2048)
    assert "the disk is full, 2.0 KiB are needed and" in message and "are free" in message
    assert left_in(tmp_path) == ["x"] and (tmp_path / "x").read_text() == "old" and not files.unfinished


@pytest.mark.parametrize("number, error, words", [
    (errno.EIO, StorageError, "the disk fails"), (errno.EROFS, WorkdirError, "Read-only file system"),
    (errno.EFBIG, WorkdirError, "File too large"), (errno.EPERM, WorkdirError, "choose another path"),
])  # fmt: skip
def test_other_failures_leave_the_old_file_and_no_other(tmp_path, failing, number, error, words):
    (tmp_path / "x").write_text("old")
    failing(number)
    assert words in message_of(error, files.write_whole, tmp_path / "x", "new")
    assert left_in(tmp_path) == ["x"] and (tmp_path / "x").read_text() == "old"


def test_whatever_ends_the_writing_leaves_no_temporary_file(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        files.write_whole(tmp_path / "x", "new")
    assert left_in(tmp_path) == [] and not files.unfinished


@pytest.mark.parametrize("kind", ["a folder", "a device"])
def test_a_folder_and_a_device_are_not_replaced(tmp_path, kind):
    no_file(kind, tmp_path / "x")
    assert f"x is {kind}" in message_of(WorkdirError, files.write_whole, tmp_path / "x", "new")
    assert stat.S_ISCHR(os.stat("/dev/zero").st_mode) and left_in(tmp_path) == ["x"]


@pytest.mark.parametrize("kind", ["a pipe", "a socket"])
def test_a_pipe_and_a_socket_are_replaced(tmp_path, kind):
    no_file(kind, tmp_path / "x")
    files.write_whole(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "new"


def test_a_link_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "mine").write_text("mine")
    for target in ("mine", "nothing"):
        (tmp_path / "x").unlink(missing_ok=True)
        (tmp_path / "x").symlink_to(target)
        files.write_whole(tmp_path / "x", "new")
        assert not (tmp_path / "x").is_symlink() and (tmp_path / "x").read_text() == "new"
    assert (tmp_path / "mine").read_text() == "mine" and not (tmp_path / "nothing").exists()


def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / f".x.{os.getpid()}.tmp").symlink_to("mine")
    files.write_whole(tmp_path / "x", "new")
    assert (tmp_path / "mine").read_text() == "mine" and left_in(tmp_path) == ["mine", "x"]


def test_where_a_folder_should_be_lies_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    for write in (files.write_whole, files.append):
        assert "cannot be written" in message_of(WorkdirError, write, tmp_path / "file" / "x", "new")


@pytest.mark.parametrize("name, number, old, stays", [
    ("x", 2**22 + 1, True, False), ("x", 2**22 + 1, False, True), ("x", os.getppid(), True, True),
    ("y", 2**22 + 1, True, True), ("x", "", True, True),
])  # fmt: skip
def test_what_a_process_that_is_gone_has_left_is_removed(tmp_path, name, number, old, stays):
    left = tmp_path / f".{name}.{number}.tmp"
    left.write_text("half")
    then = time.time() - files.FRESH - (1 if old else -1)
    os.utime(left, (then, then))
    files.write_whole(tmp_path / "x", "new")
    assert left.exists() == stays


def test_what_is_being_written_is_removed_when_the_process_ends(tmp_path, monkeypatch):
    seen = []

    def replace(source, target):
        seen.append(left_in(tmp_path))
        files.remove_unfinished()
        seen.append(left_in(tmp_path))

    monkeypatch.setattr(os, "replace", replace)
    files.write_whole(tmp_path / "x", "new")
    assert seen == [[f".x.{os.getpid()}.tmp"], []]


# Adding


def test_lines_are_added(tmp_path):
    for line in ("a\n", "b €\n", ""):
        files.append(tmp_path / "x", line)
    assert (tmp_path / "x").read_text(encoding="utf-8") == "a\nb €\n"


@pytest.mark.parametrize("number, error", [(errno.ENOSPC, StorageError), (errno.EIO, StorageError)])
def test_what_cannot_be_added_leaves_the_file_as_it_was(tmp_path, failing, number, error):
    files.append(tmp_path / "x", "a\n")
    failing(number)
    message_of(error, files.append, tmp_path / "x", "b" * 5000 + "\n")
    assert (tmp_path / "x").read_text() == "a\n"


@pytest.mark.parametrize("kind", NO_FILES)
def test_to_what_is_no_file_nothing_is_added(tmp_path, kind):
    no_file(kind, tmp_path / "x")
    assert f"x is {kind}" in message_of(WorkdirError, files.append, tmp_path / "x", "a\n")


def test_to_a_link_nothing_is_added(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "x").symlink_to("mine")
    assert "is a link, which is not followed" in message_of(WorkdirError, files.append, tmp_path / "x", "a\n")
    assert (tmp_path / "mine").read_text() == "mine"


# A disk that is full in earnest


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(folder):
    with open(folder / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1024))


def test_a_file_that_does_not_fit_leaves_the_old_one(small_disk):
    files.write_whole(small_disk / "x", "old")
    message = message_of(StorageError, files.write_whole, small_disk / "x", "n" * 100_000)
    assert "97.7 KiB are needed" in message and left_in(small_disk) == ["x"]
    assert (small_disk / "x").read_text() == "old"


@pytest.mark.parametrize("length", [6000, 70_000])
def test_a_line_that_fits_in_part_leaves_no_part(small_disk, length):
    """There is room to the end of the file's last page, which is less than the line and less than a buffer."""
    files.append(small_disk / "x", "a" * 100 + "\n")
    fill(small_disk)
    message_of(StorageError, files.append, small_disk / "x", "b" * length + "\n")
    assert (small_disk / "x").read_text() == "a" * 100 + "\n"
    files.append(small_disk / "x", "c\n")
    assert (small_disk / "x").read_text() == "a" * 100 + "\nc\n"


# Who else may write


def test_links_are_refused_where_others_may_write(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "link").symlink_to("nothing")
    tmp_path.chmod(0o755)
    files.refuse_links(tmp_path)
    for mode in (0o775, 0o757):
        tmp_path.chmod(mode)
        assert "link is a link, and others may write to" in message_of(WorkdirError, files.refuse_links, tmp_path)
    (tmp_path / "below" / "link").unlink()
    files.refuse_links(tmp_path)


def test_a_cache_of_ones_own_is_as_good_as_none_and_as_a_link_to_it(tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "link").symlink_to("cache")
    (tmp_path / "dangling").symlink_to("nothing")
    for name in ("cache", "link", "dangling", "not there"):
        files.refuse_foreign(tmp_path / name, "VARIABLE")


@pytest.mark.parametrize("place, mode, words", [
    ("cache", 0o777, "can be written by every user"), (".", 0o777, "can be replaced by another user"),
    (".", 0o1777, ""), ("cache", 0o770, ""),
])  # fmt: skip
def test_a_cache_that_others_may_change_is_refused(tmp_path, place, mode, words):
    (tmp_path / "cache").mkdir()
    (tmp_path / place).chmod(mode)
    if not words:
        return files.refuse_foreign(tmp_path / "cache", "VARIABLE")
    message = message_of(WorkdirError, files.refuse_foreign, tmp_path / "cache", "VARIABLE")
    assert words in message and "set VARIABLE to a folder of your own" in message


@root
@pytest.mark.parametrize("name", ["cache", "link", "."])
def test_a_cache_of_another_user_is_refused(tmp_path, name):
    (tmp_path / "cache").mkdir()
    (tmp_path / "link").symlink_to("cache")
    os.chown(tmp_path / name, 12345, 12345, follow_symlinks=False)
    words = "can be replaced by" if name == "." else "is another user's"
    cache = tmp_path / ("link" if name == "link" else "cache")
    assert words in message_of(WorkdirError, files.refuse_foreign, cache, "VARIABLE")
    if name != ".":
        assert files.others_may_write(Path(tmp_path / name)) == (name == "cache")


def test_a_device_is_not_replaced(tmp_path):
    try:
        os.mknod(tmp_path / "x", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root can make a device")
    with pytest.raises(WorkdirError, match="x is a device"):
        files.write_whole(tmp_path / "x", "x")
    assert stat.S_ISCHR((tmp_path / "x").stat().st_mode)


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for off in ("0", "", None):
        monkeypatch.delenv("LAMV_CACHE") if off is None else monkeypatch.setenv("LAMV_CACHE", off)
        assert files.user_cache() == tmp_path / ".cache" / "lamv"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert files.user_cache() == tmp_path / "xdg" / "lamv"
    monkeypatch.setenv("LAMV_CACHE", "~/mine")
    assert files.user_cache() == tmp_path / "mine"

"""Files that lamv writes, whole or not at all and never through somebody else's link, and reads back. Without jax."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import shutil
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamv import memory
from lamv.errors import LamvError, StorageError, WorkdirError, shown
from lamv.failpoints import failpoint

#: Bytes of a JSON file, at most; a summary of thousands of rows has some ten millions.
MOST = 1 << 28
#: Seconds for which a process on another machine may be writing a temporary file.
FRESH = 2.0
KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}  # fmt: skip
#: Temporary files that this process is writing, removed when it is asked to stop.
unfinished: set[Path] = set()


def check_is_file(path: Path) -> int:
    """The size of a file, in bytes. Raises FileNotFoundError, other OSErrors, and ValueError for what is no file.

    A pipe would never end, and some devices do not either: they are not opened.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"it is {KINDS.get(stat.S_IFMT(status.st_mode), 'no file')}")
    return status.st_size


def kind_of(path: Path) -> str:
    """What is at a path, in words: "missing", "a folder", "a link to X, which is not there"."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            if not path.exists():
                return f"a link to {shown(path.readlink())}, which is not there"
            mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError as error:
        return f"unreadable ({error.strerror})"
    return "a file" if stat.S_ISREG(mode) else KINDS.get(stat.S_IFMT(mode), "a device")


def read_bytes(path: Path) -> bytes:
    """The content of a file. Raises as `check_is_file` does, and ValueError for more than half of the memory there is."""
    _check_size(path, memory.available().bytes // 2)
    return path.read_bytes()


def read_text(path: Path) -> str:
    """The text of a file. Raises as `read_bytes` does, and ValueError for bytes that are no text."""
    return read_bytes(path).decode("utf-8")


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises as `read_text` does, and ValueError for what is no JSON."""
    _check_size(path, MOST)
    try:
        return json.loads(read_text(path))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _check_size(path: Path, most: int) -> None:
    size = check_is_file(path)
    if size > most:
        raise ValueError(f"it has {memory.shown(size)}; at most {memory.shown(most)} are read")


def digest(path: Path) -> str:
    """sha256 of a file; "" where it cannot be read."""
    try:
        return hashlib.sha256(read_bytes(path)).hexdigest()
    except (OSError, ValueError):
        return ""


def hash_of(content: Mapping[str, Any]) -> str:
    """sha256 of a JSON object without its key "self", which holds this hash."""
    hashed = {key: value for key, value in content.items() if key != "self"}
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()


def write_whole(path: Path, text: str) -> None:
    """Replace a file so that a reader sees either the old content or the new, also after a kill; it is on disk on return.

    Raises StorageError (exit 74) where the disk is full or fails, and WorkdirError (exit 73) for a path that cannot be
    written. No temporary file stays.
    """
    refuse_no_file(path)
    content = text.encode("utf-8", errors="replace")
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    unfinished.add(beside)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(path)
        beside.unlink(missing_ok=True)
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        failpoint("replacing")
        os.replace(beside, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise not_written(path, error, len(content)) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        unfinished.discard(beside)


def append(path: Path, text: str) -> None:
    """Add text to a file, or leave the file as it was; it is on disk on return. Raises as `write_whole` does."""
    refuse_no_file(path, replaces=False)
    content = text.encode("utf-8")
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        # Without a buffer: what is left in one after a failure would be written when it is closed.
        with open(os.open(path, flags, 0o666), "ab", buffering=0) as file:
            before = os.fstat(file.fileno()).st_size
            try:
                written = 0
                while written < len(content):
                    written += file.write(content[written:])
                os.fsync(file.fileno())
            except OSError:
                os.ftruncate(file.fileno(), before)
                raise
    except OSError as error:
        raise not_written(path, error, len(content)) from error


def not_written(path: Path, error: OSError, needed: int) -> LamvError:
    """The error for a file of `needed` bytes that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(f"{path} cannot be written: {in_short(free(path.parent), needed)}")
    if error.errno == errno.EIO:
        return StorageError(
            f"{path} cannot be written ({error.strerror}): the disk fails; choose another, and copy this"
        )
    if error.errno == errno.ELOOP:
        return WorkdirError(f"{path} is a link, which is not followed; remove it, or choose another folder")
    return WorkdirError(f"{path} cannot be written ({error.strerror or error}); choose another path")


def in_short(free_bytes: int, needed: int) -> str:
    """The sentence on a full disk."""
    return (
        f"the disk is full, {memory.shown(needed)} are needed and {memory.shown(free_bytes)} are free; free space, then run"
        " the same command again"
    )


def free(folder: Path) -> int:
    """Bytes that may still be written below a folder, which need not exist yet."""
    for place in (folder, *folder.absolute().parents):
        with contextlib.suppress(OSError):
            return shutil.disk_usage(place).free
    return 0


def others_may_write(folder: Path) -> bool:
    """Whether somebody else owns a folder, or may make files in it."""
    status = os.stat(folder)
    return status.st_uid != os.geteuid() or bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def refuse_links(folder: Path) -> None:
    """Raise WorkdirError for a link below a folder that others may write to: it may lead to files of ours."""
    if not others_may_write(folder):
        return
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(place, name)
            if path.is_symlink():
                raise WorkdirError(
                    f"{path} is a link, and others may write to {folder}: links are not followed there; remove it, or take"
                    f" the folder for yourself alone (chmod go-w)"
                )


def user_cache() -> Path:
    """The user's folder for what can be made again: $LAMV_CACHE, $XDG_CACHE_HOME/lamv or ~/.cache/lamv.

    LAMV_CACHE=0 turns off what is optional there (lamv.xla), and leaves the rest where it is by default; empty, it is unset.
    Raises WorkdirError where there is neither an environment variable nor a home.
    """
    chosen = os.environ.get("LAMV_CACHE")
    if chosen and chosen != "0":
        return Path(chosen).expanduser()
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "lamv"
    except RuntimeError:
        raise WorkdirError("there is no home folder to keep a cache in; set LAMV_CACHE to a folder") from None


def private_folder(*names: str) -> Path:
    """A folder below `user_cache`, by the names on the way to it; what is missing is made for this user alone (0700)."""
    folder = user_cache()
    for name in ("", *names):  # one by one: mkdir gives its mode to the last folder alone
        folder = folder / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def refuse_foreign(folder: Path, variable: str) -> None:
    """Raise WorkdirError for a cache that another user owns, may write to or may replace: its content is trusted.

    variable: the environment variable that names another one. A link of our own is judged by what it leads to.
    """
    try:
        link, target, above = os.lstat(folder), os.stat(folder), os.stat(folder.parent)
    except OSError:  # not there yet, or unreadable
        return
    user = os.geteuid()
    if {link.st_uid, target.st_uid} != {user}:
        whose = "is another user's"
    elif target.st_mode & stat.S_IWOTH:
        whose = "can be written by every user"
    elif above.st_uid not in (user, 0) or (above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX):
        whose = f"can be replaced by another user, by whom {folder.parent} can be written"
    else:
        return
    raise WorkdirError(
        f"the cache {folder} {whose}, and what it holds is believed; set {variable} to a folder of your own, or take this"
        " one for yourself alone (chown, chmod go-w)"
    )


def remove_unfinished() -> None:
    """Remove what this process has begun to write."""
    for path in list(unfinished):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def refuse_no_file(path: Path, replaces: bool = True) -> None:
    """Raise WorkdirError for a device or a folder where a file is to be written: a replaced device is lost to all.

    A pipe or a socket may be replaced, but not written to: that would wait for a reader.
    """
    with contextlib.suppress(OSError):  # not there, or unreadable
        what = KINDS.get(stat.S_IFMT(os.stat(path).st_mode), "")
        if what and not (replaces and what in ("a pipe", "a socket")):
            raise WorkdirError(f"{path} is {what}, and no file that can be written; choose another path")


def _remove_stale(path: Path) -> None:
    """Remove temporary files of this one that killed processes, whose numbers they bear, have left."""
    for stale in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        number = stale.name.split(".")[-2]
        with contextlib.suppress(OSError):
            old = time.time() - stale.lstat().st_mtime > FRESH
            if old and number.isdecimal() and not Path(f"/proc/{number}").exists():
                stale.unlink()


def _sync_folder(folder: Path) -> None:
    """See a rename onto the disk, where the file system can, so that a power cut does not undo it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

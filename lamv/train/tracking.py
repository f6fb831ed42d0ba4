"""The workdir: every file that a run leaves, except for its checkpoints.

config.json      the run as data: rows and all their knobs; a workdir belongs to one config for good
provenance.json  versions, device, git commit, data digests, XLA flags, command; teachers; earlier environments
metrics.jsonl    a line per logged step, row and replica; deterministic fields only, so that equal runs are equal files
timing.jsonl     wall times, which are not
summary.json     mean, sd, n and values of every metric at the end of training, by row
DONE             digests of the final state, of metrics.jsonl and of the results; equal runs have equal ones

Files are replaced whole (write, fsync, rename), so a kill leaves the old one or the new one. The two that grow are
restored from a checkpoint: see `Lines`.
"""

import base64
import contextlib
import fcntl
import hashlib
import json
import logging
import os
import platform
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from lamv import files
from lamv.config import differences
from lamv.errors import DataError, LamvError, WorkdirError, WorkdirMismatch, brief
from lamv.failpoints import failpoint

logger = logging.getLogger("lamv.train")
METRICS, TIMING = "metrics.jsonl", "timing.jsonl"
OWN = ("config.json", "provenance.json", METRICS, TIMING, "summary.json", "DONE")


class Workdir:
    """A directory locked for this process. Processes other than the first of a run only read.

    `metrics` and `timing` are its files that grow. Raises WorkdirError (exit 73) where the directory cannot be created,
    written or locked, or where others may write to it and it has links in it.
    """

    def __init__(self, path: str | Path, writes: bool):
        self.path, self.writes, self._lock = Path(path), writes, None
        self.metrics, self.timing = (Lines(self.path / name, writes) for name in (METRICS, TIMING))
        if not writes:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            files.refuse_links(self.path)
            # Held open while the run goes on; the kernel releases it however the process ends.
            lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
            self._lock = open(lock, "r+", encoding="utf-8", errors="replace")  # noqa: SIM115
        except OSError as error:
            raise files.not_written(self.path, error, 0) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = self._lock.read(200).strip() or "another process"
            self._lock.close()
            raise WorkdirError(
                f"workdir {path} is in use by {holder}; wait for it, or choose another --workdir"
            ) from None
        try:
            self._lock.truncate(0)
            self._lock.write(f"{os.getpid()}@{platform.node()}")
            self._lock.flush()
        except OSError as error:
            raise files.not_written(self.path / ".lock", error, 0) from None
        for left in self.path.glob(".*.tmp"):  # by a process that was killed
            if left.name.startswith(tuple(f".{name}." for name in OWN)):
                left.unlink(missing_ok=True)

    def __enter__(self) -> "Workdir":
        return self

    def __exit__(self, *_) -> None:
        if self._lock:
            self._lock.close()

    def compare(self, run: Mapping[str, Any]) -> None:
        """Raise WorkdirMismatch (exit 78), naming what differs, if this is the workdir of another run.

        One of which nothing was saved, as it was refused or crashed before its first checkpoint, is begun anew instead.
        """
        stored = self.read("config.json")
        if stored is None:
            return
        if not is_run(stored):
            raise _not_ours(self.path / "config.json", "is not as lamv writes it")
        other_kind, changed = "experiment" in stored and "experiment" not in run, differences(stored, run)
        if (other_kind or changed) and not self._has_saved():
            logger.warning("%s was begun with another config, and nothing of it was saved; it is begun anew", self.path)
            if self.writes:
                for name in OWN:
                    (self.path / name).unlink(missing_ok=True)
            return
        if other_kind:
            raise WorkdirMismatch(
                f"workdir {self.path} belongs to the experiment {stored['experiment']!r}; choose another --workdir"
            )
        if changed:
            more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
            raise WorkdirMismatch(
                f"workdir {self.path} was begun with another config: {'; '.join(changed[:3])}{more} (stored -> asked for);"
                " choose another --workdir, or give the stored values"
            )

    def has_checkpoints(self) -> bool:
        """Whether there is a folder of a checkpoint, whole or not."""
        folder = self.path / "checkpoints"
        return folder.is_dir() and any(path.name.isdecimal() for path in folder.iterdir())

    def had_checkpoints(self) -> bool:
        """Whether the lines of steps tell of checkpoints, there or not: every save is an event of timing.jsonl."""
        timed: list[Any] = []
        with contextlib.suppress(ValueError, RecursionError, LamvError):
            timed = [line for line in self.timing.parsed() if isinstance(line, dict)]
        if any("event" in line for line in timed):
            return True
        # The folder is made before the first line.
        return self.metrics.any() and not timed and not (self.path / "checkpoints").is_dir()

    def _has_saved(self) -> bool:
        """Whether the run got as far as a checkpoint, or has results."""
        left = ("DONE", "summary.json", "evaluation.jsonl", "checkpoints/.damaged")
        return (
            any(os.path.lexists(self.path / name) for name in left) or self.has_checkpoints() or self.had_checkpoints()
        )

    def claim(self, run: Mapping[str, Any]) -> None:
        """Make this the workdir of a run (lamv.config.snapshot), unless it is one already."""
        if self.read("config.json") is None:
            self.write("config.json", run)

    def read(self, name: str) -> dict[str, Any] | None:
        """The JSON object in a file, or None where there is no file. Raises WorkdirMismatch for anything else."""
        try:
            content = files.read_json(self.path / name)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise _not_ours(self.path / name, f"cannot be read ({_reason(error)})") from None
        if content is None or isinstance(content, dict):
            return content
        raise _not_ours(self.path / name, "holds no JSON object: it is not as lamv writes it")

    def read_whole(self, name: str) -> dict[str, Any] | None:
        """`read` of a file that can be made again: None, with a warning, where it is damaged."""
        try:
            return self.read(name)
        except WorkdirMismatch:
            logger.warning("%s is damaged, and is made again", self.path / name)
            return None

    def write(self, name: str, content: Any) -> None:
        if self.writes:
            files.write_whole(self.path / name, json.dumps(content, indent=1, sort_keys=False, allow_nan=False) + "\n")


class Lines:
    """A JSON-lines file that grows during a run, and its seal for checkpoints.

    A seal has the lines at that point: their number, their digest, and themselves, compressed. A run that goes on from a
    checkpoint begins with exactly these, whatever the file holds by then.
    """

    def __init__(self, path: Path, writes: bool):
        self.path, self._writes = path, writes
        self._start(b"")

    def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Add lines and see them onto the disk."""
        if not self._writes:
            return
        text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
        files.append(self.path, text)
        self._add(text.encode())
        failpoint("appended")

    def seal(self) -> dict[str, Any]:
        packed = b"".join(self._packed) + self._packer.copy().flush()
        return {**self.digest(), "zlib": base64.b64encode(packed).decode()}

    def digest(self) -> dict[str, Any]:
        """Number and sha256 of the lines so far."""
        return {"lines": self._lines, "sha256": self._sha.hexdigest()}

    def matches(self, digest: Mapping[str, Any]) -> bool:
        """Whether the file has this `digest`, to the byte."""
        content = self._content() or b""
        return digest == {"lines": content.count(b"\n"), "sha256": hashlib.sha256(content).hexdigest()}

    def any(self) -> bool:
        return bool(self._found(files.check_is_file))

    def parsed(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self._content() or b"").splitlines()]

    def back_to(self, seal: Mapping[str, Any]) -> str:
        """Make the file what it was when it was sealed. Returns what was wrong with those lines; "" for nothing.

        Lines beyond them are of steps that the run takes again. A process that does not write does not look either.
        """
        if not self._writes:
            return ""
        sealed = zlib.decompress(base64.b64decode(seal["zlib"]))
        content = self._content()
        self._start(sealed)
        if (content or b"") == sealed:
            return ""
        files.write_whole(self.path, sealed.decode())
        if content is None:
            return "it was missing"
        if content.startswith(sealed):
            return ""
        pairs = zip(content.splitlines(), sealed.splitlines(), strict=False)
        first = next((number for number, (a, b) in enumerate(pairs) if a != b), content.count(b"\n"))
        return f"it was another file from line {first + 1} of {seal['lines']} on"

    def back_to_step(self, step: int) -> None:
        """Drop the lines beyond a step, and what is no whole line: for a checkpoint without a seal of them."""
        if not self._writes:
            return
        content, kept = self._content(), []
        for line in (content or b"").splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line + b"\n")
            except (KeyError, RecursionError, TypeError, ValueError):
                continue
        self._start(b"".join(kept))
        if content is not None:
            files.write_whole(self.path, b"".join(kept).decode())

    def _content(self) -> bytes | None:
        return self._found(files.read_bytes)

    def _found(self, look: Callable[[Path], Any]) -> Any:
        """`look(path)`, None where there is no such file. Raises WorkdirMismatch for what is no file."""
        try:
            return look(self.path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise _not_ours(self.path, f"cannot be read ({_reason(error)})") from None

    def _start(self, content: bytes) -> None:
        self._lines, self._sha, self._packer, self._packed = 0, hashlib.sha256(), zlib.compressobj(1), []
        self._add(content)

    def _add(self, content: bytes) -> None:
        self._lines += content.count(b"\n")
        self._sha.update(content)
        self._packed.append(self._packer.compress(content))


def recorded(workdir: Path, flag: str = "--workdir") -> dict[str, Any]:
    """The run in a workdir's config.json (lamv.config.snapshot). flag: what gave the workdir.

    Raises DataError (exit 65) for a folder that is no training run's.
    """
    try:
        run = files.read_json(workdir / "config.json")
    except (OSError, ValueError):
        run = None
    if isinstance(run, dict) and "experiment" in run:
        raise DataError(
            f"{workdir} is that of the experiment {brief(run['experiment'])}, which has no checkpoints; give {flag} the"
            " workdir of a training run"
        )
    if not is_run(run):
        raise DataError(f"{workdir} has no readable config.json; give {flag} the workdir of a training run")
    return run


def is_run(stored: Any) -> TypeGuard[dict[str, Any]]:
    """Whether the content of a config.json has the form of lamv.config.snapshot."""
    rows = stored.get("rows") if isinstance(stored, dict) else None
    return (
        isinstance(rows, list)
        and bool(rows)
        and all(isinstance(row, dict) and isinstance(row.get("name"), str) for row in rows)
        and all(isinstance(row.get("config"), dict) for row in rows)
        and len({row["name"] for row in rows}) == len(rows)
        and isinstance(stored.get("claims", []), list)
    )


def digest(arrays: Iterable) -> str:
    """sha256 over the bytes of arrays, in order."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(array.tobytes())
    return sha.hexdigest()


def _not_ours(path: Path, why: str) -> WorkdirMismatch:
    return WorkdirMismatch(f"{path} {why}; restore it from a copy, choose another --workdir, or delete this one")


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__

"""The workdir: every file that a run leaves, except for its checkpoints.

config.json      the run as data: rows and all their knobs; a workdir belongs to one config for good
provenance.json  versions, device, git commit, data digests, XLA flags, command; teachers and their digests
metrics.jsonl    a line per logged step, row and replica; deterministic fields only, so that equal runs are equal files
timing.jsonl     wall times, which are not
summary.json     mean, sd, n and values of every metric at the end of training, by row
DONE             the digest of the final state; a workdir that has it is left as it is

Files are replaced whole (write, fsync, rename), so a kill leaves the old one or the new one.
"""

import contextlib
import fcntl
import hashlib
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

import lamv
from lamv.config import differences
from lamv.errors import DataError, WorkdirError, WorkdirMismatch


class Workdir:
    """A directory that this process writes to, and no other. Processes other than the first of a run read only.

    Raises WorkdirError (exit 73) where it cannot be created, written or locked.
    """

    def __init__(self, path: str | Path, writes: bool):
        self.path, self.writes, self._lock = Path(path), writes, None
        if not writes:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # Held open while the run goes on; the kernel lets go of it however the process ends.
            self._lock = open(self.path / ".lock", "a+")  # noqa: SIM115
        except OSError as error:
            raise WorkdirError(
                f"workdir {path} cannot be written ({error.strerror}); choose another --workdir"
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "another process"
            self._lock.close()
            raise WorkdirError(
                f"workdir {path} is in use by {holder}; wait for it, or choose another --workdir"
            ) from None
        self._lock.truncate(0)
        self._lock.write(f"{os.getpid()}@{platform.node()}")
        self._lock.flush()

    def __enter__(self) -> "Workdir":
        return self

    def __exit__(self, *_) -> None:
        if self._lock:
            self._lock.close()

    def compare(self, run: Mapping[str, Any]) -> None:
        """Raise WorkdirMismatch (exit 78), naming what differs, if this is the workdir of another run."""
        stored = self.read("config.json")
        changed = differences(stored, run) if stored else []
        if changed:
            more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
            raise WorkdirMismatch(
                f"workdir {self.path} was begun with another config: {'; '.join(changed[:3])}{more} (stored -> asked for);"
                " choose another --workdir, or give the stored values"
            )

    def claim(self, run: Mapping[str, Any]) -> None:
        """Make this the workdir of a run (lamv.config.snapshot), unless it is one already."""
        if self.read("config.json") is None:
            self.write("config.json", run)

    def read(self, name: str) -> Any:
        """The content of a JSON file, or None where there is none."""
        try:
            return json.loads((self.path / name).read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            raise WorkdirMismatch(
                f"{self.path / name} is not JSON; choose another --workdir, or delete this one"
            ) from None

    def write(self, name: str, content: Any) -> None:
        if self.writes:
            write_whole(self.path / name, json.dumps(content, indent=1, sort_keys=False, allow_nan=False) + "\n")

    def append(self, name: str, lines: Iterable[Mapping[str, Any]]) -> None:
        """Add lines to a JSON-lines file and see them onto the disk."""
        if not self.writes:
            return
        with open(self.path / name, "a") as file:
            file.writelines(json.dumps(line, allow_nan=False) + "\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())

    def cut_back(self, name: str, step: int) -> None:
        """Drop the lines beyond a step, and a last line that a kill tore: what a resumed run will write again."""
        path = self.path / name
        if not self.writes or not path.exists():
            return
        kept = []
        for line in path.read_text().splitlines():
            with contextlib.suppress(ValueError):
                if json.loads(line)["step"] <= step:
                    kept.append(line + "\n")
        write_whole(path, "".join(kept))


def recorded(workdir: Path, flag: str = "--workdir") -> dict[str, Any]:
    """The run of a workdir as its config.json has it (lamv.config.snapshot). flag: what gave the workdir.

    Raises DataError (exit 65) for a folder that is no training run's.
    """
    try:
        run = json.loads((workdir / "config.json").read_text())
    except (OSError, ValueError):
        raise DataError(f"{workdir} has no readable config.json; give {flag} the workdir of a training run") from None
    if "experiment" in run:
        raise DataError(
            f"{workdir} is that of the experiment {run['experiment']!r}, which has no checkpoints; give {flag} the workdir"
            " of a training run"
        )
    return run


def write_whole(path: Path, text: str) -> None:
    """Replace a file so that a reader, or a kill, sees either the old content or the new."""
    beside = path.with_name(f".{path.name}.tmp")
    with open(beside, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def summary_row(name: str, config: Mapping[str, Any], values: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """A row of summary.json: for every metric mean, sd (n - 1 in the denominator; null for n = 1), n and the values."""
    return {"name": name, "config": config, "metrics": {metric: spread(list(v)) for metric, v in values.items()}}


def values_of(lines: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """The metrics that all of these lines have, one line a seed: {metric: values}.

    A group may have no test example in some seeds: then it has no accuracy there.
    """
    common = [key for key in lines[0] if "/" in key and all(key in line for line in lines)]
    return {key: [line[key] for line in lines] for key in common}


def spread(values: list[float]) -> dict[str, Any]:
    """mean, sd, n and values; of values that are not all finite, mean NaN and no sd."""
    if not all(map(math.isfinite, values)):  # which the statistics module fails on
        return {"mean": math.nan, "sd": None, "n": len(values), "values": values}
    sd = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.fmean(values), "sd": sd, "n": len(values), "values": values}


def digest(arrays: Iterable) -> str:
    """sha256 over the bytes of arrays, in order."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(array.tobytes())
    return sha.hexdigest()


def same_data(stored: Mapping[str, Any] | None, sources: Iterable) -> str:
    """A sentence on the first file that a run reads with another digest than its provenance.json has; "" without one.

    stored: the content of provenance.json, None where there is none yet. A file that was renamed or moved is the same.
    """
    now = {source.sha256: source.file for source in sources}
    try:
        before = {source["sha256"]: source["file"] for source in (stored or {}).get("data", ())}
    except (AttributeError, KeyError, TypeError):
        return "what it was cannot be read from provenance.json"
    if not before or set(before) == set(now):
        return ""
    for found, file in now.items():
        if found not in before:
            began = next((sha256 for sha256, other in before.items() if other == file), "unknown")
            return f"{file} has sha256 {found}, and had {began} when the run began"
    return f"{next(file for sha256, file in before.items() if sha256 not in now)} is no longer among the data"


def provenance(
    sources: Iterable,
    mesh: Mapping[str, int],
    teachers: Sequence[Mapping[str, Any]] = (),
    reading: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Where the numbers of a run come from. teachers: lamv.train.teacher.described. reading: lamv.data.description."""
    packages = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scikit-learn", "ml_collections")
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "python": platform.python_version(),
        "packages": {"lamv": lamv.__version__} | {name: _version(name) for name in packages},
        "git_commit": _git_commit(),
        "device": {
            "kind": jax.devices()[0].device_kind,
            "platform": jax.default_backend(),
            "count": jax.device_count(),
            "processes": jax.process_count(),
            "mesh": dict(mesh),
        },
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "data": [source._asdict() for source in sources],
        **({"reading": dict(reading)} if reading else {}),
        **({"teachers": list(teachers)} if teachers else {}),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of the checkout that lamv runs from, with "+changes" where it has any; None outside of a checkout."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None

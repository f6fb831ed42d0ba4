"""Where the numbers of a run come from: provenance.json, and what has changed since when a run goes on."""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

import lamv
from lamv import xla

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scikit-learn", "ml_collections")
#: Keys that are compared when a run goes on: bits may differ where one of them does.
ENVIRONMENT = ("python", "packages", "code", "git_commit", "device", "xla_flags")
#: Changes that one line names.
NAMED = 6
Record = Mapping[str, Any]


def provenance(
    sources: Iterable, mesh: Mapping[str, int], teachers: Sequence[Record] = (), reading: Record | None = None
) -> dict[str, Any]:
    """The content of provenance.json. teachers: lamv.train.teacher.described. reading: of lamv.data.description."""
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        **software(),
        "device": {
            "kind": jax.devices()[0].device_kind, "platform": jax.default_backend(), "count": jax.device_count(),
            "processes": jax.process_count(), "mesh": dict(mesh),
        },
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "allocator": xla.settings()["allocator"],
        "data": [source._asdict() for source in sources],
        **({"reading": dict(reading)} if reading else {}),
        **({"teachers": list(teachers)} if teachers else {}),
    }  # fmt: skip


def software() -> dict[str, Any]:
    """Versions of Python and of packages, the digest of lamv's own code, and its commit. No device is looked at."""
    return {
        "python": platform.python_version(),
        "packages": {"lamv": lamv.__version__} | {name: _version(name) for name in PACKAGES},
        "code": _code(),
        "git_commit": _git_commit(),
    }


def changes(stored: Record, now: Record) -> list[str]:
    """["jax 0.10.1 -> 0.10.2", ...] of ENVIRONMENT; what is not stored is not compared."""
    before, after = (_flat({key: found[key] for key in ENVIRONMENT if key in found}) for found in (stored, now))
    return [
        f"{key} {_short(key, before[key])} -> {_short(key, after[key])}"
        for key in before
        if key in after and before[key] != after[key]
    ]


def in_a_line(changed: Sequence[str]) -> str:
    """The first of the changes, and how many more there are."""
    more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
    return f"{', '.join(changed[:NAMED])}{more}"


def continued(stored: Record, now: Record, step: int) -> dict[str, Any]:
    """The provenance of a run that goes on from a step: `now`, with a history of earlier environments."""
    listed = stored.get("history")
    history = [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []
    changed = changes(stored, now)
    if changed:
        kept = {key: stored[key] for key in ("command", *ENVIRONMENT) if key in stored}
        history.append({"until_step": step, "changed": changed, **kept})
    return {**now, "history": history} if history else dict(now)


def same_data(stored: Record, sources: Iterable) -> str:
    """A sentence on the first file whose digest is not in `stored`, the content of provenance.json; "" for none.

    A file that was renamed or moved is the same.
    """
    now = {source.sha256: source.file for source in sources}
    try:
        before = {source["sha256"]: source["file"] for source in stored.get("data", ())}
    except (AttributeError, KeyError, TypeError):
        return "what it was cannot be read from provenance.json"
    if not before or set(before) == set(now):
        return ""
    for found, file in now.items():
        if found not in before:
            began = next((sha256 for sha256, other in before.items() if other == file), "unknown")
            return f"{file} has sha256 {found}, and had {began} when the run began"
    return f"{next(file for sha256, file in before.items() if sha256 not in now)} is no longer among the data"


def _flat(tree: Record, prefix: str = "") -> dict[str, Any]:
    """Values by the last parts of their keys: "jax", "device.kind"."""
    flat = {}
    for key, value in tree.items():
        below = "" if key == "packages" else f"{prefix}{key}."
        flat |= _flat(value, below) if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _short(key: str, value: Any) -> str:
    text = str(value)
    return text[:12] if key in ("code", "git_commit") else text[:200] or "none"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _code() -> str:
    """sha256 over the modules of lamv; the same version, or commit, may have been edited."""
    folder, sha = Path(lamv.__file__).parent, hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        sha.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes() + b"\0")
    return sha.hexdigest()


def _git_commit() -> str | None:
    """The commit of the checkout that lamv runs from, with "+changes" where it has any; None outside of a checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        done = subprocess.run(command, capture_output=True, timeout=10, check=True)
        return done.stdout.decode(errors="replace").strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None

"""Where the numbers of a run come from: provenance.json, and what is found to have changed when the run goes on."""

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

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scikit-learn", "ml_collections")
#: What a run has been going on with: bits may differ where it is another one.
ENVIRONMENT = ("python", "packages", "code", "git_commit", "device", "xla_flags")
#: Changes that one line names.
NAMED = 6


def provenance(
    sources: Iterable,
    mesh: Mapping[str, int],
    teachers: Sequence[Mapping[str, Any]] = (),
    reading: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Where numbers that are computed now come from.

    teachers: lamv.train.teacher.described. reading: lamv.data.description.
    """
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "python": platform.python_version(),
        "packages": {"lamv": lamv.__version__} | {name: _version(name) for name in PACKAGES},
        "code": _code(),
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


def changes(stored: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """["jax 0.10.1 -> 0.10.2", ...]: what of ENVIRONMENT differs; what is not stored is not compared."""
    before, after = (_flat({key: found[key] for key in ENVIRONMENT if key in found}) for found in (stored, now))
    return [
        f"{key} {_short(key, before[key])} -> {_short(key, after[key])}"
        for key in before
        if key in after and before[key] != after[key]
    ]


def in_a_line(changed: Sequence[str]) -> str:
    more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
    return f"{', '.join(changed[:NAMED])}{more}"


def continued(stored: Mapping[str, Any], now: Mapping[str, Any], step: int) -> dict[str, Any]:
    """The provenance of a run that goes on from a step: `now`, with a history of what it went on with until then."""
    history = [entry for entry in _list(stored.get("history")) if isinstance(entry, Mapping)]
    changed = changes(stored, now)
    if changed:
        kept = {key: stored[key] for key in ("command", *ENVIRONMENT) if key in stored}
        history.append({"until_step": step, "changed": changed, **kept})
    return {**now, "history": history} if history else dict(now)


def same_data(stored: Mapping[str, Any], sources: Iterable) -> str:
    """A sentence on the first file that a run reads with another digest than its provenance.json has; "" without one.

    stored: the content of provenance.json, {} where there is none. A file that was renamed or moved is the same.
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


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by the last parts of their keys: "jax", "device.kind"."""
    flat = {}
    for key, value in tree.items():
        below = "" if key == "packages" else f"{prefix}{key}."
        flat |= _flat(value, below) if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _short(key: str, value: Any) -> str:
    text = str(value)
    return text[:12] if key in ("code", "git_commit") else text[:200] or "none"


def _list(value: Any) -> list:
    return value if isinstance(value, list) else []


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
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here), *arguments]
        done = subprocess.run(command, capture_output=True, timeout=10, check=True)
        return done.stdout.decode(errors="replace").strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None

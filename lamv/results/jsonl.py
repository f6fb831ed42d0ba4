"""Read JSON files and JSON lines of a workdir, damaged or not.

What is missing or damaged becomes a sentence in `notes`, never an error. lamv.train.tracking lists the files;
lamv.results.shapes their parts.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lamv import files
from lamv.results.shapes import LONGEST_KEY, SMALLEST, is_number, is_whole

#: How far an accuracy may lie beyond 0 or 1.
SLACK = 1e-3
MISSING = "{} is missing."


def read_object(path: Path, notes: list[str]) -> dict[str, Any]:
    """The JSON object in a file; {} and a note where there is none, or nothing in it."""
    try:
        content = files.read_json(path)
    except (OSError, ValueError) as error:
        notes.append(MISSING.format(path.name) if is_missing(path, error) else _unreadable(path, error))
    else:
        if isinstance(content, dict) and content:
            return content
        notes.append(f"{path.name} holds {'an empty' if content == {} else 'no'} JSON object.")
    return {}


def read_lines(path: Path, notes: list[str], missing: str = "", grows: bool = False) -> list[dict[str, Any]]:
    """The whole lines of a file of metrics: {"row", "step", "replica", "seed" if there, KEY: number}.

    Lines that cannot be read, and numbers that are not finite, are left out with a note; of a file that grows, a last line
    that is still being written in silence. `missing`: the note where there is no such file.
    """
    try:
        content = files.read_bytes(path)
    except (OSError, ValueError) as error:
        note = missing if is_missing(path, error) else _unreadable(path, error)
        notes.extend([note] if note else [])
        return []
    lines = parse_lines(content, path.name, notes, grows)
    if not lines:
        notes.append(f"{path.name} holds no whole line.")
    return lines


def parse_lines(content: bytes, file: str, notes: list[str], grows: bool = False) -> list[dict[str, Any]]:
    """`read_lines` of a part of a file of metrics, by its name."""
    lines, damaged, lost = [], 0, 0
    for line in content.splitlines(keepends=True):
        parsed = _parsed(line)
        if not _is_head(parsed) or not all(isinstance(v, int | float) for k, v in parsed.items() if "/" in k):
            damaged += line.endswith(b"\n") or not grows
            continue
        numbers = {key: number(value) for key, value in parsed.items() if is_metric(key, value)}
        lost += sum("/" in key for key in parsed) - len(numbers)
        head = {key: parsed[key] for key in ("row", "step", "replica", "seed") if key in parsed}
        lines.append({**head, **numbers})
    _note_damage(file, damaged, notes)
    if lost:
        notes.append(f"{lost} of {file}'s numbers are none that a metric can have, and are left out.")
    return lines


def read_curves(
    path: Path, kinds: Mapping[str, Callable[[Mapping[str, Any]], bool]], notes: list[str]
) -> list[dict[str, Any]]:
    """The lines of evaluation_curves.jsonl of some kinds, as they are; [] where there is no such file.

    kinds: {kind: whether a line of that kind is as it should be}. Lines of other kinds are passed over unread: a file of
    projections is large, and most readers want few of its lines.
    """
    curves, damaged = [], 0
    wanted = {kind: f'"{kind}"'.encode() for kind in kinds}
    for line in _raw_lines(path, notes):
        if not any(name in line for name in wanted.values()):
            continue
        parsed = _parsed(line)
        kind = parsed.get("kind") if isinstance(parsed, dict) else None
        if not _is_head(parsed) or not isinstance(kind, str) or (kind in kinds and not kinds[kind](parsed)):
            damaged += 1
        elif kind in kinds:
            curves.append(parsed)
    _note_damage(path.name, damaged, notes, f" of {' and '.join(kinds)}")
    return curves


def is_metric(key: str, value: Any) -> bool:
    """Whether this may be a metric and a value of it; accuracies are fractions, give or take the rounding of sums."""
    if "/" not in key or len(key) > LONGEST_KEY or not is_number(value):
        return False
    return -SLACK <= value <= 1 + SLACK if key.endswith("accuracy") else value >= 0 or not key.endswith("/count")


def number(value: float) -> float:
    """A number that was read, with 0 for what is too small to compute with."""
    return float(value) if abs(value) >= SMALLEST else 0.0


def _parsed(line: bytes) -> Any:
    """What a line of JSON holds; None where it is none."""
    try:
        return json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


def _is_head(parsed: Any) -> bool:
    """Whether a line has a row, a step and a replica."""
    return (
        isinstance(parsed, dict)
        and isinstance(parsed.get("row"), str)
        and all(is_whole(parsed.get(key)) for key in ("step", "replica"))
        and is_whole(parsed.get("seed", 0))
        and isinstance(parsed.get("split", ""), str)
    )


def _raw_lines(path: Path, notes: list[str]) -> Iterator[bytes]:
    try:
        files.check_is_file(path)
        with open(path, "rb") as file:
            yield from file
    except (OSError, ValueError) as error:
        notes.extend([] if is_missing(path, error) else [_unreadable(path, error)])


def is_missing(path: Path, error: Exception) -> bool:
    """Whether there is no such file, rather than a broken link."""
    return isinstance(error, FileNotFoundError) and not os.path.islink(path)


def _unreadable(path: Path, error: Exception) -> str:
    return f"{path.name} cannot be read ({getattr(error, 'strerror', None) or error})."


def _note_damage(file: str, damaged: int, notes: list[str], what: str = "") -> None:
    if damaged:
        notes.append(f"{damaged} of {file}'s lines{what} cannot be read and are left out.")

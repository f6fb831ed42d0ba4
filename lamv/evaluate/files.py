"""The workdir of an evaluation: checkpoints and claims that it reads, and the files that it writes."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lamv.errors import CheckpointError, ConfigError, DataError, WorkdirMismatch
from lamv.files import write_whole
from lamv.results import jsonl, runs
from lamv.train.checkpoint import Checkpoints, reason

#: Rows that a note names.
NAMED = 4
logger = logging.getLogger("lamv.evaluate")


def steps_of(which: str, steps: list[int], workdir: Path) -> list[int]:
    """Of these steps the "last", "all", or those named with commas between. Raises CheckpointError and ConfigError."""
    if not steps:
        raise CheckpointError(f"{workdir} has no checkpoints; train first, or give another --workdir")
    if which in ("last", "all"):
        return steps if which == "all" else steps[-1:]
    try:
        asked = [int(part) for part in which.split(",")]
    except ValueError:
        asked = []
    if not asked or not set(asked) <= set(steps):
        raise ConfigError(f"--checkpoints is {which!r}, must be last, all, or some of {steps} with commas between")
    return asked


def read_checkpoint(checkpoints: Checkpoints, step: int, notes: list[str] | None):
    """The arrays of a checkpoint. One that cannot be read is left out with a note: None; without `notes` it is an error.

    Raises CheckpointError and WorkdirMismatch.
    """
    try:
        return checkpoints.read(step).tree
    except WorkdirMismatch:
        raise
    except Exception as error:
        # Whatever Orbax, tensorstore or JSON raise over files that are damaged, or that a running run has just deleted.
        why = f"checkpoint of step {step} cannot be read ({reason(error)})"
        if notes is None:
            raise CheckpointError(f"the {why}; name another with --checkpoints") from error
        notes.append(f"The {why} and is left out.")
        return None


def claims_of(workdir: str | Path) -> tuple[int | None, list[dict[str, Any]]]:
    """The last step of a finished run, and its claims, as in summary.json, which are about that step. Else (None, []).

    Where a rule chose the steps of a row, claims are about no single step.
    """
    workdir = Path(workdir)
    summary = jsonl.read_object(workdir / "summary.json", [])
    lines = jsonl.read_lines(workdir / "metrics.jsonl", [], grows=True)
    if not summary or not lines:
        return None, []
    try:
        rows = runs.rows_of(summary)
        runs.claims_of(summary, rows)
    except DataError as error:
        logger.warning("%s: no claims are judged: %s", workdir, error)
        return None, []
    chosen = any(row.selected for row in rows)
    return (None, []) if chosen else (max(line["step"] for line in lines), summary["claims"])


def notes_in_words(notes_by_row: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """ "ERM, LS .1 and 3 more rows: no projection, which ...", of (name of a row, its notes)."""
    rows: dict[str, list[str]] = {}
    for name, notes in notes_by_row:
        for note in notes:
            rows.setdefault(note, []).append(name)
    sentences = []
    for note, names in rows.items():
        more = f" and {len(names) - NAMED} more rows" if len(names) > NAMED else ""
        every = len(names) == len(notes_by_row) > 1
        sentences.append(f"{'All rows' if every else ', '.join(names[:NAMED]) + more}: {note}.")
    return sentences


def write(workdir: Path, lines: Sequence[dict], curves: Sequence[dict], about: Mapping[str, Any]) -> None:
    """The files of an evaluation; the last one has the sha256 of the others, so that a report knows they belong together."""
    digests = {}
    for name, content in (("evaluation.jsonl", lines), ("evaluation_curves.jsonl", curves)):
        text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in content)
        digests[name] = hashlib.sha256(text.encode()).hexdigest()
        write_whole(workdir / name, text)
    about = {**about, "files": digests}
    write_whole(workdir / "evaluation_provenance.json", json.dumps(about, indent=1, allow_nan=False) + "\n")

"""The files of an experiment on theory (`python -m experiments.theory`), read in whatever state they are. No jax.

A workdir of an experiment differs from a training run's in that config.json and summary.json name an "experiment";
lamv.theory.runner lists its files. A number that was not finite is null in summary.json and None here.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lamv import files
from lamv.claims import RELATIONS, Claim, tally
from lamv.errors import DataError, brief
from lamv.results import runs, shapes
from lamv.results.jsonl import MISSING, read_object
from lamv.results.records import Row
from lamv.results.shapes import FLAG, LIST, NUMBER, OBJECT, TEXT, WHOLE, Shape, kept, many, need, optional, record

#: What summary.json has of a check; null where a number was not finite.
CHECK = record({
    "quantity": TEXT, "measured": optional(NUMBER), "expected": optional(NUMBER), "source": TEXT,
    "relation": Shape(lambda value: TEXT.fits(value) and value in ("=", *RELATIONS), "=, >= or <="), "tolerance": NUMBER,
    "sd": optional(NUMBER), "n": WHOLE, "note": TEXT, "holds": FLAG,
})  # fmt: skip


class Experiment(NamedTuple):
    """What the files of a workdir hold. name: module of lamv.theory. notes: what is missing or damaged, a sentence each."""

    path: Path
    name: str
    title: str
    about: str
    overrides: Mapping[str, Any]
    settings: Mapping[str, Any]
    rows: Sequence[Row]
    checks: Sequence[Claim]
    figures: Sequence[Mapping[str, Any]]
    remarks: Sequence[str]
    provenance: Mapping[str, Any]
    seconds: float | None
    notes: Sequence[str]
    finished: bool

    @property
    def answer(self) -> str:
        if not self.finished:
            return "Nothing has been measured yet."
        return tally(self.checks) + "."


def is_experiment(workdir: str | Path) -> bool:
    """Whether a workdir is that of an experiment on theory, rather than of a training run."""
    stored = [read_object(Path(workdir) / name, []) for name in ("config.json", "summary.json")]
    return any(isinstance(content.get("experiment"), str) for content in stored)


def read(workdir: str | Path) -> Experiment:
    """The experiment of a workdir, finished or not. Raises DataError where its files are not as lamv writes them."""
    path, notes = Path(workdir), []
    config = read_object(path / "config.json", notes)
    summary = read_object(path / "summary.json", notes)
    if not summary:
        notes = [note for note in notes if note != MISSING.format("summary.json")]
        notes.append("The experiment is not finished (still going, or interrupted).")
    provenance = kept(read_object(path / "provenance.json", notes), shapes.PROVENANCE, "provenance.json", notes)
    words = {"experiment": TEXT, "title": TEXT, "about": TEXT}
    begun = kept(config, {**words, "rows": many(record({"config": OBJECT}))}, "config.json", notes)
    done = kept(summary, {**words, "figures": LIST, "remarks": many(TEXT), "overrides": OBJECT}, "summary.json", notes)
    name, title, about = (done.get(key) or begun.get(key) or "" for key in words)
    # An experiment has knobs that trainings have not: any that can be shown.
    stored = {
        "config.json": (begun.get("rows") or [{"config": {}}])[0]["config"],
        "summary.json": done.get("overrides", {}),
    }
    settings, overrides = (
        shapes.knobs([("the experiment", config)], file, notes, known={})[0] for file, config in stored.items()
    )
    try:
        rows, checks = (_rows(summary, notes), checks_of(summary)) if summary else ([], [])
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    if begun.get("experiment", name) != name:
        other = brief(begun["experiment"])
        notes.append(f"config.json is of another experiment, {other}; what is shown is from summary.json.")
    if overrides:
        changed = ", ".join(f"{key} = {value}" for key, value in overrides.items())
        notes.append(f"Settings of the recipe were overridden: {changed}. The checks were made for the recipe’s own.")
    notes += _since_done(path, summary)
    return Experiment(
        path, name, title or name, about, overrides, settings, rows, checks, done.get("figures", []),
        done.get("remarks", []), provenance, _seconds(path / "timing.jsonl"), notes, bool(summary),
    )  # fmt: skip


def _since_done(path: Path, summary: Mapping[str, Any]) -> list[str]:
    """A sentence where summary.json is not as it was when the experiment ended, or that cannot be checked."""
    notes: list[str] = []
    done = read_object(path / "DONE", notes).get("sha256")
    if notes or not summary or done == hashlib.sha256(json.dumps(summary).encode()).hexdigest():
        return [note for note in notes if note != MISSING.format("DONE")]
    return [
        "summary.json is not as it was when the experiment ended: its sha256 in DONE is another. The command of the"
        " experiment makes it anew."
    ]


def checks_of(summary: Mapping[str, Any]) -> list[Claim]:
    """The checks of a summary.json. Raises DataError where they are not as lamv writes them."""
    stored = need(summary.get("checks"), many(CHECK), "summary.json: checks")
    return [Claim(*(one[field] for field in Claim._fields)) for one in stored]


def _rows(summary: Mapping[str, Any], notes: list[str]) -> list[Row]:
    """The rows of summary.json; a metric that was not finite is left out, and shown as a dash."""
    stored = need(summary.get("rows"), many(runs.ROW), "summary.json: rows")
    rows = [(f"row {brief(row['name'])}", row) for row in stored]
    configs = shapes.knobs([(where, row.get("config", {})) for where, row in rows], "summary.json", notes, known={})
    found = []
    for (where, row), config in zip(rows, configs, strict=True):
        spreads = {k: runs.spread_of(v, f"summary.json: {brief(k)} of {where}") for k, v in row["metrics"].items()}
        found.append(Row(row["name"], config, {key: spread for key, spread in spreads.items() if spread}))
    return found


def _seconds(path: Path) -> float | None:
    """Wall seconds of the run that finished: the last line of timing.jsonl."""
    try:
        seconds = json.loads(files.read_text(path).splitlines()[-1])["seconds"]
    except (OSError, LookupError, TypeError, ValueError, RecursionError):
        return None
    return seconds if NUMBER.fits(seconds) and seconds >= 0 else None

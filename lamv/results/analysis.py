"""The files of experiments.evaluate in a workdir, read without jax.

evaluation.jsonl             a line per (step, row, replica): {"step", "row", "replica", "seed", KEY: number}
evaluation_curves.jsonl      reliability, risk and coverage, projections, groups, and bootstrap intervals over examples
evaluation_provenance.json   how the evaluation was made; "layers" in order of depth; "notes" on what was not computed

All three may be missing, torn or damaged; `Analysis.notes` says so.
"""

import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lamv.files import digest
from lamv.results import jsonl, shapes
from lamv.results.shapes import NUMBER, TEXT, WHOLE, many, optional, record

LINES, CURVES, PROVENANCE = "evaluation.jsonl", "evaluation_curves.jsonl", "evaluation_provenance.json"
#: Labels and attributes beyond which there is no table of groups.
MOST_GROUPS = 100_000
#: Two measurements of a metric differ where they do by more than this share, and by more than this.
ROUNDING, SMALLEST = 1e-3, 1e-6


class Analysis(NamedTuple):
    """The evaluation of a workdir; without lines where there was none.

    notes: on what is missing or damaged. They grow where curves are, which are read when they are asked for.
    """

    path: Path | None = None
    lines: Sequence[Mapping[str, Any]] = ()
    provenance: Mapping[str, Any] = {}
    notes: list[str] = []

    @property
    def layers(self) -> list[str]:
        """Hidden layers, the first one first."""
        return self.provenance.get("layers", [])

    def last_step(self, row: str) -> int | None:
        """The last evaluated step of a row."""
        return max((line["step"] for line in self.lines if line["row"] == row), default=None)

    def at(self, row: str, steps: Sequence[int]) -> list[Mapping[str, Any]]:
        """The lines of a row, each replica at its own step; fewer than there are steps where one was not evaluated."""
        at_steps = [at_step(self.lines, row, step) for step in steps]
        return [line for replica, lines in enumerate(at_steps) for line in lines if line["replica"] == replica]

    def curves(self, *kinds: str, steps: Mapping[str, Sequence[int]] | None = None) -> list[dict[str, Any]]:
        """The curves of these kinds, of the last evaluated step of their row; read from disk at every call.

        steps: {row: step of each replica} for rows of which others are wanted.
        """
        if self.path is None:
            return []
        notes: list[str] = []
        curves = jsonl.read_curves(self.path / CURVES, {kind: KINDS[kind] for kind in kinds}, notes)
        self.notes.extend(note for note in notes if note not in self.notes)
        last: dict[str, int] = {}
        for curve in curves:
            last[curve["row"]] = max(curve["step"], last.get(curve["row"], 0))
        return [curve for curve in curves if curve["step"] == _step_of(curve, steps or {}, last)]

    def intervals(self) -> dict[tuple[str, str, str | None], "ExampleInterval"]:
        """{(row, metric, name of the ERM row or None): its bootstrap interval over examples}."""
        return {
            (curve["row"], curve["metric"], curve.get("against")): ExampleInterval(
                *(float(curve[end]) for end in ("mean", "low", "high")), curve.get("examples")
            )
            for curve in self.curves("interval")
        }


class ExampleInterval(NamedTuple):
    """95 % interval of a metric of one seed, or of its difference to another row; a bootstrap over the examples."""

    mean: float
    low: float
    high: float
    examples: int | None


def read(workdir: Path) -> Analysis:
    """The evaluation in a workdir, as far as it can be read."""
    notes: list[str] = []
    # A workdir need not be evaluated: no note on files that are missing.
    there = [name for name in (LINES, PROVENANCE) if os.path.lexists(workdir / name)]
    lines = jsonl.read_lines(workdir / LINES, notes)
    stored = jsonl.read_object(workdir / PROVENANCE, notes) if there else {}
    provenance = shapes.kept(stored, shapes.PROVENANCE, PROVENANCE, notes)
    if there == [PROVENANCE]:
        notes.append(f"{LINES} is missing.")
    for name, sha256 in provenance.get("files", {}).items():
        if name in (LINES, CURVES) and digest(workdir / name) != sha256:
            notes.append(f"{name} is not as the evaluation left it: its sha256 in {PROVENANCE} is another.")
    notes += [f"Evaluation: {note}" for note in provenance.get("notes", ())]
    return Analysis(workdir, lines, provenance, notes)


SHARE = shapes.Shape(shapes.is_share, "a number from 0 to 1")
#: Bins; examples, and of a bin that has any their confidence and accuracy.
_BINS = record({"count": many(WHOLE), **dict.fromkeys(("confidence", "accuracy"), many(optional(SHARE)))},
               {"temperature": optional(NUMBER)})  # fmt: skip
_RISK = record({"coverage": many(SHARE), "risk": many(SHARE)})
#: Points of three classes in a plane, labelled 0, 1 and 2, and the three templates.
_PROJECTION = record({**dict.fromkeys(("x", "y", "label"), many(NUMBER)), "templates": many(many(NUMBER))},
                     {"names": many(TEXT), "classes": many(WHOLE)})  # fmt: skip
#: The same of mixed inputs: shares of the three classes in their targets.
_MIXED = record({**dict.fromkeys(("x", "y"), many(NUMBER)), "shares": many(many(SHARE)), "templates": many(many(NUMBER))},
                {"names": many(TEXT), "classes": many(WHOLE)})  # fmt: skip
#: [y, a or null, examples, right ones, ...] of each group.
_GROUPS = record({"groups": many(many(optional(NUMBER)))})
_INTERVAL = record(
    {"metric": TEXT, "mean": NUMBER, "low": NUMBER, "high": NUMBER},
    {"against": optional(TEXT), "examples": optional(WHOLE)},
)


def _are_long(curve: Mapping[str, Any], *keys: str) -> bool:
    """Whether these lists have one length, above 0."""
    lengths = {len(curve[key]) for key in keys}
    return len(lengths) == 1 and 0 not in lengths


def _is_reliability(curve: Mapping[str, Any]) -> bool:
    if not _BINS.fits(curve) or not len(curve["count"]) == len(curve["confidence"]) == len(curve["accuracy"]):
        return False
    bins = zip(curve["count"], curve["confidence"], curve["accuracy"], strict=True)
    return not any(number and None in means for number, *means in bins)


def _is_risk(curve: Mapping[str, Any]) -> bool:
    return (
        _RISK.fits(curve)
        and _are_long(curve, "coverage", "risk")
        and all(a <= b for a, b in itertools.pairwise(curve["coverage"]))
    )


def _is_projection(curve: Mapping[str, Any]) -> bool:
    return (
        _PROJECTION.fits(curve)
        and _are_long(curve, "x", "y", "label")
        and [len(template) for template in curve["templates"]] == [2, 2, 2]
    )


def _is_mixed_projection(curve: Mapping[str, Any]) -> bool:
    return (
        _MIXED.fits(curve)
        and [len(part) for part in (curve["y"], *curve["shares"])] == [len(curve["x"])] * 4
        and [len(template) for template in curve["templates"]] == [2, 2, 2]
    )


def _is_group(line: Sequence) -> bool:
    if len(line) < 4 or not all(map(WHOLE.fits, (line[0], line[1] or 0, *line[2:4]))):
        return False
    y, a, count, correct = line[:4]
    return max(y, a or 0) < MOST_GROUPS and correct <= count > 0


#: {kind: whether a line of evaluation_curves.jsonl of that kind is as it should be}.
KINDS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "reliability": _is_reliability,
    "risk_coverage": _is_risk,
    "projection": _is_projection,
    "mixed_projection": _is_mixed_projection,
    "groups": lambda curve: _GROUPS.fits(curve) and all(map(_is_group, curve["groups"])),
    "interval": _INTERVAL.fits,
}


def _step_of(curve: Mapping[str, Any], steps: Mapping[str, Sequence[int]], last: Mapping[str, int]) -> int | None:
    """The step at which the curve of a row and replica is wanted."""
    row, replica = curve["row"], curve["replica"]
    if row not in steps:
        return last[row]
    return steps[row][replica] if replica < len(steps[row]) else None


def at_step(lines: Iterable[Mapping[str, Any]], row: str, step: int) -> list[Mapping[str, Any]]:
    """The lines of a row at a step, by replica; of a replica that has several the last one counts."""
    return [
        line for _, line in sorted({r["replica"]: r for r in lines if (r["row"], r["step"]) == (row, step)}.items())
    ]


def disagreements(first: Mapping[str, Mapping[int, float]], second: Mapping[str, Mapping[int, float]]) -> list[str]:
    """The metrics {metric: {seed: value}} that both have and that differ, in any seed, by more than rounding."""
    differing = []
    for metric in first.keys() & second.keys():
        for seed in first[metric].keys() & second[metric].keys():
            a, b = first[metric][seed], second[metric][seed]
            if abs(a - b) > ROUNDING * max(abs(a), abs(b)) and abs(a - b) > SMALLEST:
                differing.append(metric)
                break
    return sorted(differing)

"""What experiments.evaluate left in a workdir, read without jax, and put together with what training measured.

evaluation.jsonl             a line per (step, row, replica): {"step", "row", "replica", "seed", KEY: number}
evaluation_curves.jsonl      reliability, risk and coverage, projections, groups, and bootstrap intervals over examples
evaluation_provenance.json   how the evaluation was made; "layers" in order of depth; "notes" on what was not computed

All three may be missing, torn or damaged; `Analysis.notes` says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lamv.study import files

LINES, CURVES, PROVENANCE = "evaluation.jsonl", "evaluation_curves.jsonl", "evaluation_provenance.json"
#: A metric that was measured twice is said to differ where it does by more than this share of itself.
ROUNDING = 1e-3


class Analysis(NamedTuple):
    """The evaluation of a workdir; without lines where there was none."""

    path: Path = Path()
    lines: Sequence[Mapping[str, Any]] = ()
    provenance: Mapping[str, Any] = {}
    notes: Sequence[str] = ()

    @property
    def layers(self) -> list[str]:
        """Hidden layers, the first one first."""
        return files.strings(self.provenance.get("layers"))

    @property
    def of_fewer_examples(self) -> bool:
        """Whether it was told to look at another number of training examples than training does."""
        return files.mapping(self.provenance.get("settings")).get("examples") is not None

    def last_step(self, row: str) -> int | None:
        return max((line["step"] for line in self.lines if line["row"] == row), default=None)

    def at(self, row: str, steps: Sequence[int]) -> list[Mapping[str, Any]]:
        """The lines of a row, each replica at its own step; fewer than there are steps where one was not evaluated."""
        found = [at_step(self.lines, row, step) for step in steps]
        return [line for replica, lines in enumerate(found) for line in lines if line["replica"] == replica]

    def curves(self, *kinds: str, steps: Mapping[str, Sequence[int]] | None = None) -> list[dict[str, Any]]:
        """The curves of these kinds, of the last evaluated step of their row; read from disk at every call.

        steps: {row: step of each replica} for rows of which others are wanted.
        """
        found = files.read_curves(self.path / CURVES, kinds, [])
        last: dict[str, int] = {}
        for curve in found:
            last[curve["row"]] = max(curve["step"], last.get(curve["row"], 0))
        return [curve for curve in found if curve["step"] == _step_of(curve, steps or {}, last)]

    def intervals(self) -> dict[tuple[str, str, str | None], "Interval"]:
        """{(row, metric, name of the ERM row or None): its bootstrap interval over examples}."""
        found = {}
        for curve in self.curves("interval"):
            numbers = [curve.get(key) for key in ("mean", "low", "high")]
            if files.are_numbers(numbers) and isinstance(curve.get("metric"), str):
                against = curve.get("against")
                key = (curve["row"], curve["metric"], None if against is None else str(against))
                examples = curve.get("examples")
                found[key] = Interval(*map(float, numbers), examples if isinstance(examples, int) else None)
        return found


class Interval(NamedTuple):
    """95 % interval of a metric of one seed, or of its difference to another row; a bootstrap over the examples."""

    mean: float
    low: float
    high: float
    examples: int | None


def read(workdir: Path) -> Analysis:
    """The evaluation in a workdir, as far as it can be read."""
    notes: list[str] = []
    lines = files.read_lines(workdir / LINES, notes)
    # A workdir that was not evaluated is as it should be: that its files are missing is no note.
    provenance = files.read_object(workdir / PROVENANCE, notes) if (workdir / PROVENANCE).exists() else {}
    if lines and not provenance and not notes:
        notes.append(f"{PROVENANCE} is missing: how {LINES} was made is not known.")
    if not lines and (workdir / LINES).exists():
        notes.append(f"{LINES} holds no whole line.")
    notes += [f"Evaluation: {note}" for note in files.strings(provenance.get("notes"))]
    return Analysis(workdir, lines, provenance, notes)


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
            if abs(a - b) > ROUNDING * max(abs(a), abs(b)) and abs(a - b) > 1e-9:
                differing.append(metric)
                break
    return sorted(differing)

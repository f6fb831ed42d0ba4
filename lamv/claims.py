"""Claims: what the rows of a recipe, or an experiment on theory, must reach, and whether they do.

A claim is (row, metric, ">=" or "<=", value), about the row's mean over its seeds; or, relative to another row, (row,
metric, relation, times, other row): the mean is at least, or at most, `times` that of the other row. Judged, it is a dict:
row, metric, relation, bound, mean and holds, with times and of if it is relative; None for what was not measured. A
report judges claims again, with what an evaluation has measured.

A published number is (row, metric, value, source), and is set beside the measured one; nothing is judged by it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamv.catalog import metrics
from lamv.errors import ConfigError, brief, listed, nearest

RELATIONS = (">=", "<=")
FORM = "(row, metric, '>=' or '<=', value) or (row, metric, '>=' or '<=', times, other row)"

LABELS = {"regression": ", and its labels are numbers", "classification": ", and its labels are classes"}


class Claim(NamedTuple):
    """A measured number beside the expected one, of a row of a recipe or of an experiment on theory.

    measured: mean over n replicas, with its sd (n - 1 in the denominator). relation: "=" (within `tolerance` of
    expected), ">=" or "<=" (on that side, or within `tolerance` of it). source: where `expected` comes from. holds: None
    where the claim was not judged, for the reason `note`. Numbers that are not known or not finite are None.
    """

    quantity: str
    measured: float | None
    expected: float | None
    source: str = ""
    relation: str = "="
    tolerance: float = 0.0
    sd: float | None = None
    n: int = 1
    note: str = ""
    holds: bool | None = None

    @property
    def verdict(self) -> str:
        if self.holds is None:
            return f"not judged: {self.note}" if self.note else "not judged"
        return "holds" if self.holds else "falls short"


def holds(measured: float, relation: str, expected: float, tolerance: float = 0.0) -> bool:
    """Whether a number is as expected; one that is not finite never is."""
    if not math.isfinite(measured):
        return False
    above = measured - expected
    if relation == "=":
        return abs(above) <= tolerance
    return above >= -tolerance if relation == ">=" else above <= tolerance


def tally(claims: Sequence[Claim]) -> str:
    """ "11 of 12 checks hold"."""
    held = sum(bool(claim.holds) for claim in claims)
    if not claims:
        return "The experiment makes no check"
    if held == len(claims):
        return "The one check holds" if held == 1 else f"All {held} checks hold"
    return f"{held} of {len(claims)} checks hold"


def check(claims: Any, placed: Mapping[str, Sequence[str]], task: str = "") -> None:
    """Raise ConfigError, one line, for the first claim that could never be judged, or not as its author means it.

    placed: by the name of each row, the splits that it has because of its cue, "test_random" and so on. task:
    "classification", "regression", or "" where only the data decides.
    """
    if not isinstance(claims, list | tuple):
        raise ConfigError(f"config.claims is {brief(claims)}, must be a tuple of claims, each {FORM}")
    for number, claim in enumerate(claims):
        where = f"config.claims[{number}] is {brief(claim)}"
        if not isinstance(claim, list | tuple) or len(claim) not in (4, 5):
            hint = "; a single claim needs a comma after it, (claim,)" if isinstance(claim, str) else ""
            raise ConfigError(f"{where}, must be {FORM}{hint}")
        _check_claim(where, claim, placed, task)


def check_published(numbers: Any, placed: Mapping[str, Sequence[str]], task: str = "") -> None:
    """Raise ConfigError, one line, for the first published number of no row or metric. placed, task: as in `check`."""
    form = "(row, metric, value, source)"
    if not isinstance(numbers, list | tuple):
        raise ConfigError(f"config.published is {brief(numbers)}, must be a tuple of published numbers, each {form}")
    for place, number in enumerate(numbers):
        where = f"config.published[{place}] is {brief(number)}"
        if not isinstance(number, list | tuple) or len(number) != 4:
            raise ConfigError(f"{where}, must be {form}")
        row, metric, value, source = number
        _check_claim(where, (row, metric, ">=", value), placed, task)
        if not isinstance(source, str) or not source.strip():
            raise ConfigError(
                f"{where}: its source is {brief(source)}, must say in text where the number was published"
            )


def _check_claim(where: str, claim: Sequence, placed: Mapping[str, Sequence[str]], task: str) -> None:
    row, metric, relation, number, *other = claim
    for which, name in (("row", row), *(("other row", name) for name in other)):
        if not isinstance(name, str) or name not in placed:
            known = listed([repr(known) for known in placed])
            raise ConfigError(f"{where}: its {which} is {brief(name)}, must be one of {known}{nearest(name, placed)}")
    if not isinstance(metric, str):
        raise ConfigError(f"{where}: its metric is {brief(metric)}, must be text, SPLIT/METRIC, such as test/accuracy")
    for name in (row, *other):
        _check_metric(where, name, metric, placed[name], task)
    if not isinstance(relation, str) or relation not in RELATIONS:
        both = "; give two claims, one with each" if relation in ("=", "==") else ""
        raise ConfigError(f"{where}: its relation is {brief(relation)}, must be '>=' or '<='{both}")
    if not _is_finite(number):
        what = "factor" if other else "value"
        raise ConfigError(f"{where}: its {what} is {brief(number)}, must be a finite number, such as 0.9")


def _check_metric(where: str, row: str, metric: str, placed: Sequence[str], task: str) -> None:
    if metrics.is_of_row(metric, placed, task):
        return
    disturbed = metrics.disturbed(metric) if task != "regression" else None
    if disturbed and _as_written(disturbed["size"]) == disturbed["size"]:
        return
    if disturbed:
        raise ConfigError(
            f"{where}: its metric {brief(metric)} is of size {brief(disturbed['size'])}, must be of one as evaluations"
            f" write it: {_as_written(disturbed['size'])}"
        )
    splits, known = (*metrics.SPLITS, *placed), metrics.of_row(tuple(placed), task)
    raise ConfigError(
        f"{where}: its metric is {brief(metric)}, must be one that is measured of row {brief(row)}{nearest(metric, known)}:"
        f" its splits are {', '.join(splits)}{LABELS.get(task, '')}; lamv/catalog/metrics.py lists all metrics"
    )


def _as_written(size: str) -> str:
    """The size of an attack or corruption as in keys of metrics; 0.1 for what is no such size."""
    try:
        number = float(size)
    except ValueError:
        number = -1.0
    return f"{number:g}" if 0 <= number <= 1 else "0.1"


def _is_finite(number: Any) -> bool:
    """Of Python's or NumPy's numbers; True and False are none."""
    if isinstance(number, bool) or not isinstance(number, int | float | np.integer | np.floating):
        return False
    try:
        return math.isfinite(number)
    except OverflowError:  # more digits than a float has
        return False


def judged(claims: Iterable[Sequence], mean: Callable[[str, str], float | None]) -> list[dict[str, Any]]:
    """Every claim with its verdict. mean: (row, metric) -> what was measured, or None.

    A claim with an unknown relation, as in a run of an earlier version, is not judged.
    """
    results = []
    for row, metric, relation, *stated in claims:
        number, of = plain(stated[0]), stated[1] if len(stated) == 2 else None
        other = mean(of, metric) if of else None
        bound = number if of is None else None if other is None else number * other
        value = mean(row, metric)
        known = value is not None and bound is not None and relation in RELATIONS
        verdict = holds(value, relation, bound) if known else None
        result = {"row": row, "metric": metric, "relation": relation, "bound": bound, "mean": value, "holds": verdict}
        results.append(result | ({"times": number, "of": of} if of else {}))
    return results


def as_stated(claim: Mapping[str, Any]) -> tuple:
    """The claim that was judged."""
    stated = (claim["times"], claim["of"]) if "of" in claim else (claim["bound"],)
    return (claim["row"], claim["metric"], claim["relation"], *stated)


def rows_in(claim: Sequence) -> set[str]:
    """The row that a claim is about, and the one that it compares with, if any."""
    return {claim[0], *claim[4:]}


def plain(value: Any) -> Any:
    """A value as built-in types: NumPy's scalars as Python's, lists as tuples."""
    if isinstance(value, list | tuple):
        return tuple(plain(part) for part in value)
    return value.item() if isinstance(value, np.generic) else value

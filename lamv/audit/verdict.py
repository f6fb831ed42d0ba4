"""From measurements to a verdict on each method: helps, safe, risky or inconclusive. numpy and scipy alone.

A method is compared with ERM, seed by seed, in its accuracy and in what its predictions rest on. "Rests more on a part"
means: its accuracy falls further below that of ERM once the part is exchanged (lamv.core.exchange).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamv.core.intervals import over_seeds

HELPS, SAFE, RISKY, INCONCLUSIVE = VERDICTS = ("helps", "safe", "risky", "inconclusive")
#: Kinds of evidence that are accuracies with a part exchanged.
PARTS = ("sufficient", "part")
NO_SURPRISE = "A shortcut of a kind that was not looked for, or examples from elsewhere than these."
#: Directions are found because they tell the classes apart, and bands of frequencies do so in any images: both are a suspect
#: only where classes vary so little along them, as a share of the variance. Data without shortcuts has .1 and more.
SUSPECT_SHARE = 0.05
#: A part is sufficient if by itself it is right as often as this share of ERM's accuracy.
SUFFICIENT = 0.98


class Thresholds(NamedTuple):
    """A loss beyond these is a harm, a smaller one is none; fractions, set on one half of the worlds of benchmarks.audit.

    accuracy: of accuracy. group: of that of the worst group. sufficient: of accuracy with a part exchanged that by itself
    predicts the label; part: with any other part, which the worlds do not decide: correlated columns of real tables differ
    by up to 18 points without any shortcut (lamv.audit, wine).
    """

    accuracy: float = 0.03
    group: float = 0.1
    sufficient: float = 0.04
    part: float = 0.3


THRESHOLDS = Thresholds()


class Evidence(NamedTuple):
    """A difference of a method from ERM. kind: accuracy, group, sufficient or part; words: what it is a difference of.

    suspect: whether it can make a method risky; others are shown and weigh nothing. values: of each seed.
    """

    kind: str
    key: str
    words: str
    values: tuple[float, ...]
    columns: tuple[str, ...] = ()
    suspect: bool = True

    @property
    def interval(self) -> dict[str, Any]:
        """As `interval_of`."""
        return interval_of(self.values)


class Verdict(NamedTuple):
    """verdict, the sentence why, what would change it, and the evidence it rests on, the decisive one first."""

    verdict: str
    why: str
    would_change: str
    evidence: tuple[Evidence, ...]


def interval_of(values: Sequence[float]) -> dict[str, Any]:
    """{"mean", "low", "high", "n"} of values of the seeds; the ends are None for one seed."""
    over = over_seeds(values)
    low, high = (over.low, over.high) if over else (None, None)
    return {"mean": float(np.mean(values)), "low": low, "high": high, "n": len(values)}


def evidence_of(method: str, measured: Mapping[str, Any], accuracy: Mapping[str, Sequence[float]]) -> list[Evidence]:
    """All differences of a method from ERM. measured: lamv.audit.measure. accuracy: of each row, values of the seeds."""
    own, base = measured["rows"][method], measured["rows"]["erm"]
    differences = tuple(a - b for a, b in zip(accuracy[method], accuracy["erm"], strict=True))
    found = [Evidence("accuracy", "accuracy", "accuracy on test examples", differences)]
    for key, words, suspect in (
        ("groups", "accuracy of the worst of your groups", True),
        ("hard", "accuracy on the examples that a short training gets wrong", False),
        ("clusters", "accuracy of the worst cluster of features", False),
    ):
        values = tuple(a - b for a, b in zip(own[key], base[key], strict=True) if a is not None and b is not None)
        if len(values) > 1:
            found.append(Evidence("group", key, words, values, suspect=suspect))
    needed = SUFFICIENT * np.mean(base["accuracy"])
    for part in measured["parts"]:
        pairs = zip(own["parts"][part["key"]]["accuracy"], base["parts"][part["key"]]["accuracy"], strict=True)
        share = part["within_share"]
        kind = "sufficient" if part["alone"] is not None and part["alone"] >= needed else "part"
        values, suspect = tuple(a - b for a, b in pairs), share is None or share < SUSPECT_SHARE
        found.append(Evidence(kind, part["key"], part["words"], values, tuple(part["columns"]), suspect))
    return found


def judge(evidence: Sequence[Evidence], reasons: Sequence[str] = (), thresholds: Thresholds = THRESHOLDS) -> Verdict:
    """The verdict on a method. reasons: why the data allows none, a sentence each.

    Risky: the interval of some difference lies below 0, and its mean below the threshold. Inconclusive: else, if some
    interval reaches below the threshold, or data is too little. Helps: accuracy rises, its interval above 0. Else safe.
    """
    if reasons:
        return Verdict(INCONCLUSIVE, f"Inconclusive, because {reasons[0]}.", "More examples.", tuple(evidence))

    def severity(one: Evidence) -> float:
        return one.interval["mean"] / getattr(thresholds, one.kind)

    suspects = sorted((one for one in evidence if one.suspect), key=severity)
    for one in suspects:
        if _beyond(one, thresholds):
            return Verdict(RISKY, _harm(one), _change(one), _first(one, evidence))
    for one in suspects:
        if _reaches(one, thresholds):
            return Verdict(INCONCLUSIVE, _unsure(one, thresholds), _more(one), _first(one, evidence))
    points = _points(evidence[0].interval)
    if evidence[0].interval["low"] > 0:
        why = f"Accuracy rises by {points}, and nothing that was looked at gets worse."
        return Verdict(HELPS, why, NO_SURPRISE, tuple(evidence))
    why = f"Accuracy differs by {points}, and the method rests on no part of the inputs more than ERM does."
    return Verdict(SAFE, why, NO_SURPRISE, tuple(evidence))


def _first(one: Evidence, evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    return (one, *(other for other in evidence if other is not one))


def _beyond(one: Evidence, thresholds: Thresholds) -> bool:
    interval = one.interval
    return interval["high"] is not None and interval["high"] < 0 and interval["mean"] <= -getattr(thresholds, one.kind)


def _reaches(one: Evidence, thresholds: Thresholds) -> bool:
    low = one.interval["low"]
    return low is None or low < -getattr(thresholds, one.kind)


def _points(interval: Mapping[str, Any]) -> str:
    ends = "" if interval["low"] is None else f" [{100 * interval['low']:+.1f}, {100 * interval['high']:+.1f}]"
    return f"{100 * interval['mean']:+.1f} points{ends}".replace("-", "−")


def _harm(one: Evidence) -> str:
    points = _points(one.interval)
    if one.kind in PARTS:
        named = f" ({', '.join(one.columns)})" if one.columns and "column" not in one.key else ""
        return (
            f"It rests more than ERM on {one.words}{named}: with that of another example, its accuracy differs from ERM’s by"
            f" {points}. If it is not what makes the class, the method will fail where ERM does not."
        )
    return f"It is worse than ERM: {one.words} differs by {points}."


def _change(one: Evidence) -> str:
    if one.kind in PARTS:
        return "Knowing that this part is what makes the class, and stays so in use; or data in which it varies."
    return "A smaller dose, or one of the remedies below."


def _unsure(one: Evidence, thresholds: Thresholds) -> str:
    subject = f"accuracy once {one.words} is exchanged" if one.kind in PARTS else one.words
    return (
        f"Inconclusive, because the difference from ERM in {subject}, {_points(one.interval)}, may be beyond"
        f" {100 * getattr(thresholds, one.kind):g} points."
    )


def _more(one: Evidence) -> str:
    return f"More test examples, or more seeds than {len(one.values)} (more --minutes)."


def recorded(found: Verdict) -> dict[str, Any]:
    """A verdict as audit.json holds it."""
    by_key = {one.key: one for one in found.evidence}
    accuracy, worst = by_key.get("accuracy"), by_key.get("groups") or by_key.get("hard")
    leans = [one for one in found.evidence if one.kind in PARTS and one.suspect and _beyond(one, THRESHOLDS)]
    return {
        "verdict": found.verdict,
        "why": found.why,
        "would_change": found.would_change,
        "accuracy_difference": accuracy.interval if accuracy else None,
        "worst_group_difference": worst.interval if worst else None,
        "leans_on": [
            {"direction": one.words, "columns": list(one.columns), "difference": one.interval} for one in leans
        ],
        "evidence": [
            {"kind": one.kind, "key": one.key, "words": one.words, "suspect": one.suspect, "difference": one.interval}
            for one in found.evidence
        ],
    }

"""How far a claim holds: the measured number minus what it should be, with an interval over seeds.

A claim about a multiple of another row is paired: both numbers of a seed share its data, cue and initialisation.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lamv.claims import Claim, holds
from lamv.core.intervals import Interval, over_seeds, quantile
from lamv.results.records import Row


def of_rows(stated: Mapping[str, Any], rows: Mapping[str, Row]) -> Interval | None:
    """Of a claim of a recipe, as summary.json holds it; None where a row was not measured, or with a single seed."""
    own = rows[stated["row"]].by_seed(stated["metric"]) if stated["row"] in rows else {}
    if "of" in stated:
        other = rows[stated["of"]].by_seed(stated["metric"]) if stated["of"] in rows else {}
        values = [own[seed] - stated["times"] * other[seed] for seed in own if seed in other]
    else:
        values = [value - stated["bound"] for value in own.values()]
    return over_seeds(values) if values else None


def of_check(check: Claim) -> Interval | None:
    """Of a check of an experiment on theory, from its mean, sd and n; None for a single number."""
    if check.measured is None or check.expected is None or check.sd is None or check.n < 2:
        return None
    mean, half = check.measured - check.expected, quantile(check.n) * check.sd / np.sqrt(check.n)
    return Interval(float(mean), float(mean - half), float(mean + half))


def verdict(claim: Claim, margin: Interval | None) -> str:
    """ "holds", "misses" or "not judged"; "holds clearly" or "misses clearly" where the whole interval does.

    Of ">=" and "<=" that is one end of a two-sided 95 % interval, so a one-sided test at 2.5 %; of "=" it is both ends.
    """
    if claim.holds is None:
        return "not judged"
    word = "holds" if claim.holds else "misses"
    if margin is None:
        return word
    at_ends = {holds(end, claim.relation, 0.0, claim.tolerance) for end in (margin.low, margin.high)}
    around = claim.relation == "=" and not claim.holds and not margin.excludes_zero
    return f"{word} clearly" if at_ends == {claim.holds} and not around else word

"""Rows compared with their baselines, seed by seed, with an interval and a verdict.

    for c in compare(run.rows, FALL): c.row, c.baseline, c.difference, c.interval, c.verdict

The baseline of a row with label augmentation is the ERM row whose other knobs are the same (lamv.compare.baseline). Rows
share seeds, and a seed fixes data, cue and initialisation, so differences are taken seed by seed.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lamv.compare.baseline import baseline_of
from lamv.core.intervals import over_seeds
from lamv.results.analysis import ExampleInterval
from lamv.results.records import Row, Spread, spread

#: Accuracy with an aligned cue minus accuracy with a random one: 0 for a network that ignores the cue.
FALL = "fall"
ALIGNED, RANDOM, TEST = "test_aligned/accuracy", "test_random/accuracy", "test/accuracy"
#: Differences of falls within this, a fraction, count as equal.
GAP = 0.03
#: The verdicts.
MORE, LESS, ALIKE, UNDECIDED = "more", "less", "alike", "undecided"


class Comparison(NamedTuple):
    """A row minus its baseline, seed by seed, in `measure` (FALL or TEST); fractions.

    over_examples: of one seed, the 95 % interval of a bootstrap over the test examples, if the evaluation left one.
    """

    row: Row
    baseline: Row
    measure: str
    difference: Spread
    over_examples: tuple[float, float] | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the mean difference; None for one seed."""
        interval = over_seeds(self.difference.values)
        return interval and (interval.low, interval.high)

    @property
    def apart(self) -> bool:
        """Whether that interval excludes 0; False for one seed."""
        interval = over_seeds(self.difference.values)
        return interval is not None and interval.excludes_zero

    @property
    def verdict(self) -> str:
        """ALIKE: the interval lies within GAP of 0; UNDECIDED: it does not, but includes 0.

        Of one seed the interval over examples counts, or else the difference alone.
        """
        low, high = self.interval or self.over_examples or (self.difference.mean,) * 2
        gap = GAP if self.measure == FALL else 0.0
        if -gap <= low and high <= gap:
            return ALIKE
        return MORE if low > 0 else LESS if high < 0 else UNDECIDED


def fall_of(row: Row) -> Spread | None:
    """Accuracy with an aligned cue minus accuracy with a random one, seed by seed."""
    return _minus(row.metrics.get(ALIGNED), row.metrics.get(RANDOM))


def compare(
    rows: Sequence[Row], measure: str, intervals: Mapping[tuple[str, str, str | None], ExampleInterval] | None = None
) -> list[Comparison]:
    """Every row with label augmentation against its baseline, where both have the same seeds.

    intervals: over examples, of the evaluation.
    """
    comparisons = []
    for row in rows:
        baseline = baseline_of(row, rows)
        if baseline is None:
            continue
        difference = _minus(*(fall_of(r) if measure == FALL else r.metrics.get(measure) for r in (row, baseline)))
        if difference is not None:
            over = (intervals or {}).get((row.name, measure, baseline.name)) if difference.n == 1 else None
            comparisons.append(Comparison(row, baseline, measure, difference, over and (over.low, over.high)))
    return comparisons


def difference_of(row: Row, baseline: Row, measure: str) -> Comparison | None:
    """A row against another; None where they do not have the same seeds."""
    difference = _minus(row.metrics.get(measure), baseline.metrics.get(measure))
    return difference and Comparison(row, baseline, measure, difference)


def _minus(first: Spread | None, second: Spread | None) -> Spread | None:
    """Seed by seed; None where either is missing or their numbers of seeds differ."""
    if first is None or second is None or first.n != second.n:
        return None
    return spread([a - b for a, b in zip(first.values, second.values, strict=True)])

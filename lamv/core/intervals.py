"""95 % intervals: how far a mean, a difference or a share may lie from what is expected. numpy and scipy, and jax nowhere.

Which interval is a question of what varies:

    over_seeds(differences)          Student's t: other seeds of the same recipe
    over_examples(values)            percentile bootstrap: other test examples for the network at hand
    difference_over_examples(a, b)   the same for two networks on the same examples
    wilson(correct, count)           a share: few examples, or all or none of them correct

Differences of two rows of a run are taken seed by seed first, since a seed fixes data, cue and initialisation in both. Of
five seeds a percentile bootstrap would exclude a true difference of 0 in 16 % of cases instead of 5 %, so over seeds it is
always t.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

BLOCK = 1 << 19  # numbers drawn at once, so that all stays in the cache and memory in tens of megabytes
LEVEL = 0.95


class Interval(NamedTuple):
    """mean of the values themselves, and the ends of the interval around it."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def over_seeds(values, *, level: float = LEVEL) -> Interval | None:
    """Student's t interval of the expectation of values (N,), one a seed; None for one value, which has no spread.

    mean -+ t sd / sqrt(N), with sd^2 = sum (v - mean)^2 / (N - 1) and t the (1 + level) / 2 quantile for N - 1 degrees of
    freedom (Student 1908). Exact for independent Gaussian values. Raises ValueError for no values, values that are not
    finite, and a level out of (0, 1).
    """
    values = np.asarray(values, np.float64)
    _check(values, level)
    if len(values) == 1:
        return None
    mean, half = values.mean(), quantile(len(values), level) * values.std(ddof=1) / np.sqrt(len(values))
    return Interval(float(mean), float(mean - half), float(mean + half))


def quantile(number: int, level: float = LEVEL) -> float:
    """Of Student's t for `number` >= 2 values: the factor of sd / sqrt(number) in `over_seeds`."""
    return float(stdtrit(number - 1, (1 + level) / 2))


def over_examples(values, *, draws: int = 2000, level: float = LEVEL, seed: int = 0) -> Interval:
    """The mean of values (N,), and the (1 -+ level) / 2 quantiles of the means of `draws` resamples of N with repetition.

    The percentile bootstrap (Efron 1979). level in (0, 1). The same values in the same order and the same seed give the
    same interval. Time goes with N * draws. An interval of few examples is too short: of 30 Gaussian ones, 95 % hold 93
    times in 100. Raises ValueError for no values, values that are not finite, and options out of range.
    """
    values = np.asarray(values, np.float64)
    _check(values, level)
    if draws < 1:
        raise ValueError(f"draws is {draws}, must be 1 or more")
    low, high = np.quantile(_resampled_means(values, draws, seed), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def difference_over_examples(a, b, *, draws: int = 2000, level: float = LEVEL, seed: int = 0) -> Interval:
    """`over_examples` of the mean of a - b, for a and b (N,) of the same examples in the same order.

    What makes an example hard for both drops out, so this is shorter than two intervals held side by side.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"a and b are of shapes {a.shape} and {b.shape}, must be the same; pair them by example")
    return over_examples(a - b, draws=draws, level=level, seed=seed)


def wilson(correct, count, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of the probability of which `correct` of `count` independent draws are a sample; in [0, 1].

    correct, count: numbers or arrays of one shape, 0 <= correct <= count, count >= 1. With z the (1 + level) / 2
    quantile of the normal law, the ends are (correct + z^2 / 2 -+ z sqrt(correct (count - correct) / count + z^2 / 4)) /
    (count + z^2): those p for which correct / count lies z standard deviations sqrt(p (1 - p) / count) away (Wilson 1927;
    Brown, Cai and DasGupta 2001, equation 4). Unlike mean -+ z sd it stays within [0, 1], and has a length where all or
    none are correct. Raises ValueError for counts and a level out of range.
    """
    correct, count = np.asarray(correct, np.float64), np.asarray(count, np.float64)
    if not (np.all(count >= 1) and np.all(correct >= 0) and np.all(correct <= count)):
        raise ValueError(
            f"correct is {correct} of {count}, must be from 0 to count, of 1 or more; leave empty groups out"
        )
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, must be above 0 and below 1; 0.95 is usual")
    z = ndtri((1 + level) / 2)
    centre, half = correct + z**2 / 2, z * np.sqrt(correct * (count - correct) / count + z**2 / 4)
    return np.maximum(centre - half, 0) / (count + z**2), np.minimum((centre + half) / (count + z**2), 1)


def _resampled_means(values: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """(draws,) means of resamples. Raw draws of Philox are a stream that numpy guarantees never to change.

    Which of the N values a resample has depends on N, draws and seed alone: of two arrays of the same examples, draw
    number i is of the same examples.
    """
    number = len(values)
    stream = np.random.Philox(key=seed)
    together = max(1, BLOCK // number)
    means = np.empty(draws)
    for start in range(0, draws, together):
        here = min(together, draws - start)
        high_bits = stream.random_raw(here * number) >> np.uint64(32)
        # An integer below N from 32 bits; probabilities are off by N / 2^32 at most, far below what 2,000 draws see.
        rows = (high_bits * np.uint64(number) >> np.uint64(32)).astype(np.int64)
        means[start : start + here] = values[rows].reshape(here, number).mean(axis=1)
    return means


def _check(values: np.ndarray, level: float) -> None:
    if values.ndim != 1 or not 1 <= len(values) < 2**31:
        raise ValueError(f"values are of shape {values.shape}, must be (N,) with N >= 1")
    if not np.isfinite(values).all():
        raise ValueError("values hold nan or infinity, must be finite")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, must be above 0 and below 1")

"""Is a confidence of 0.8 right four times in five? Calibration, and temperature scaling, on the host in float64.

Arrays are numpy: logits (N, K) with K >= 2, labels (N,) int in [0, K). The softmax at temperature T is

    p = softmax(z / T),   confidence = max_k p_k,   correct = 1[argmax_k z_k = y]

with T = 1 for the model as it is, and the first of equal logits for the argmax. Over N examples,

    expected calibration error  lamv.core.metrics.calibration_error            Guo et al. 2017, equation 3; in [0, 1]
    Brier score                 (1 / N) sum_n sum_k (p_nk - 1[y_n = k])^2      Brier 1950; in [0, 2]
    negative log likelihood     -(1 / N) sum_n log p_{n, y_n}                  nats

A temperature is fitted by the last of these (Guo et al. 2017, section 4.2), on examples that it is not judged on: on a
held-out set where there is one, else on the other half of the set. Functions of logits raise ValueError for logits that
are not finite, for shapes or labels that do not fit, and for temperatures that are not above 0.

`lamv.core.metrics` measures ece and nll by float32 sums that add up over batches and devices; here all logits are at hand.
"""

from typing import NamedTuple

import numpy as np
import scipy.special
from scipy.optimize import brentq

from lamv.core.metrics import BINS, calibration_error, confidence_bins

TEMPERATURES = (1e-2, 1e2)  # the range of `fit_temperature`, in units of the scale of the logits


class Reliability(NamedTuple):
    """Per bin (bins,): count of examples (int), mean confidence and accuracy (float64, nan in an empty bin)."""

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


class Scaled(NamedTuple):
    """A set after temperature scaling: temperature (float), the nll and ece with it, and confidence (N,).

    temperature: the one that was fitted, or the mean of the two where halves of the set fitted each other. found: False
    where a fit ended at an end of its range, or had nothing to scale: its likelihood has no maximum.
    """

    temperature: float
    nll: float
    ece: float
    confidence: np.ndarray
    found: bool


def log_softmax(logits, temperature=1.0) -> np.ndarray:
    """log softmax(z / T), (N, K) float64, for logits (N, K); temperature > 0, one number or (N,)."""
    return scipy.special.log_softmax(_scaled(np.asarray(logits, np.float64), temperature), axis=1)


def confidence_and_correct(logits, labels, temperature=1.0) -> tuple[np.ndarray, np.ndarray]:
    """confidence (N,) float64 in [1 / K, 1] at the temperature, one number or (N,), and correct (N,) bool."""
    logits, labels = checked(logits, labels)
    scaled = _scaled(logits, temperature)
    # One over a sum, rather than the exponential of a logarithm, gives equal logits exactly 1 / K: an edge if K = 15.
    confidence = 1 / np.exp(scaled - scaled.max(axis=1, keepdims=True)).sum(axis=1)
    return confidence, logits.argmax(axis=1) == labels


def reliability(confidence, correct, *, bins: int = BINS) -> Reliability:
    """What a reliability diagram shows: confidence (N,) in [0, 1] and correct (N,) of 0 / 1, in bins of equal width.

    Bins are those of lamv.core.metrics.confidence_bins. An example within rounding of an edge may fall in another bin than
    in float32.
    """
    confidence, correct = _checked_confidence(confidence, correct, bins)
    bin_of = confidence_bins(confidence, bins)
    count = np.bincount(bin_of, minlength=bins)
    some = np.where(count > 0, count, np.nan)
    return Reliability(
        count,
        np.bincount(bin_of, confidence, minlength=bins) / some,
        np.bincount(bin_of, correct, minlength=bins) / some,
    )


def expected_calibration_error(confidence, correct, *, bins: int = BINS, mass: bool = False) -> float:
    """The expected calibration error of confidence (N,) and correct (N,), in bins of equal width or of equal mass.

    Equal mass: in order of confidence, the example of rank r in [0, N) falls in bin floor(r * bins / N), so that counts
    differ by one at most. Examples of equal confidence that several bins share enter each with their mean correctness,
    so that the order of the examples does not matter.
    """
    confidence, correct = _checked_confidence(confidence, correct, bins)
    gap = correct - confidence
    if mass:
        order = np.argsort(confidence, kind="stable")
        gap = (tie_means(confidence, correct) - confidence)[order]
        bin_of = np.arange(len(gap)) * bins // len(gap)
    else:
        bin_of = confidence_bins(confidence, bins)
    return float(calibration_error(np.bincount(bin_of, gap), len(gap)))


def example_brier(logits, labels, temperature=1.0) -> np.ndarray:
    """sum_k (p_k - 1[y = k])^2 of each example: (N,) in [0, 2]; their mean is the Brier score. 0: sure and right."""
    logits, labels = checked(logits, labels)
    apart = np.exp(log_softmax(logits, temperature))
    apart[np.arange(len(labels)), labels] -= 1
    return np.square(apart).sum(axis=1)


def example_nll(logits, labels, temperature=1.0) -> np.ndarray:
    """-log p_y of each example: (N,) nats; their mean is the negative log likelihood."""
    logits, labels = checked(logits, labels)
    return -log_softmax(logits, temperature)[np.arange(len(labels)), labels]


def fit_temperature(logits, labels) -> float:
    """The T of `temperature_range` with the least negative log likelihood of z / T, for logits (N, K) and labels (N,).

    That is convex in s = 1 / T, with derivative (1 / N) sum_n (E_{p(s)}[z] - z_y), whose root is found in a bracket.
    There is none where every label has the largest logit, and T is the low end; nor where labels have on average no
    larger logits than the mean of all classes, and T is the high end. Where all logits of each example are equal, T has no
    effect: 1. `is_found` is False in all three.
    """
    logits, labels = checked(logits, labels)
    over_label = logits - logits[np.arange(len(labels)), labels][:, None]
    if not over_label.any():
        return 1.0

    def slope(log_temperature: float) -> float:
        probs = np.exp(log_softmax(over_label, np.exp(log_temperature)))
        return float((probs * over_label).sum(axis=1).mean())

    ends = temperature_range(logits)
    low, high = np.log(ends)
    # A slope that has underflown to 0 belongs to labels that win by far, so the cold end comes first.
    if slope(low) <= 0:
        return ends[0]
    if slope(high) >= 0:
        return ends[1]
    return float(np.exp(brentq(slope, low, high, xtol=1e-12)))


def temperature_range(logits) -> tuple[float, float]:
    """Where the temperature of logits (N, K) is looked for: TEMPERATURES times the root mean square of z_k - mean z.

    So that c z has c times the temperature of z, whatever c. (0, 0) where all logits of each example are equal.
    """
    logits = checked_logits(logits)
    apart = logits - logits.mean(axis=1, keepdims=True)
    largest = np.abs(apart).max()
    scale = largest * np.sqrt(np.square(apart / largest).mean()) if largest else 0.0
    return float(TEMPERATURES[0] * scale), float(TEMPERATURES[1] * scale)


def is_found(temperature: float, logits) -> bool:
    """Whether a fit to these logits ended within its range, and not at an end of it."""
    low, high = temperature_range(logits)
    return low < temperature < high


def temperature_scaling(logits, labels, held_out=None) -> Scaled:
    """What temperature scaling makes of logits (N, K) with labels (N,); no example is scaled by a fit to itself.

    held_out: (logits, labels) of another set that T is fitted on. Without one, every other row of a fixed pseudo-random
    order forms one half of the set; each half fits the temperature of the other. That needs two examples or more.
    """
    logits, labels = checked(logits, labels)
    if held_out is None:
        temperature, reported, found = _cross_fitted(logits, labels)
    else:
        temperature = reported = fit_temperature(*held_out)
        found = is_found(temperature, held_out[0])
    confidence, correct = confidence_and_correct(logits, labels, temperature)
    nll = float(example_nll(logits, labels, temperature).mean())
    return Scaled(reported, nll, expected_calibration_error(confidence, correct), confidence, found)


def calibration_metrics(logits, labels, held_out=None) -> dict[str, float]:
    """ece, ece_mass, brier and nll as they are; temperature, ece_scaled and nll_scaled after `temperature_scaling`.

    temperature_not_found: 1 where the temperature is at an end of its range, else 0. What needs a temperature is nan for a
    single example without a held-out set: there is nothing to fit it to.
    """
    confidence, correct = confidence_and_correct(logits, labels)
    alone = held_out is None and len(confidence) == 1
    scaled = (
        Scaled(np.nan, np.nan, np.nan, confidence, False) if alone else temperature_scaling(logits, labels, held_out)
    )
    return {
        "ece": expected_calibration_error(confidence, correct),
        "ece_mass": expected_calibration_error(confidence, correct, mass=True),
        "brier": float(example_brier(logits, labels).mean()),
        "nll": float(example_nll(logits, labels).mean()),
        "temperature": scaled.temperature,
        "temperature_not_found": np.nan if alone else float(not scaled.found),
        "ece_scaled": scaled.ece,
        "nll_scaled": scaled.nll,
    }


def tie_means(score, values) -> np.ndarray:
    """(N,) float64: for each example the mean of `values` (N,) over the examples of exactly its `score` (N,)."""
    _, group = np.unique(score, return_inverse=True)
    return (np.bincount(group, values) / np.bincount(group))[group]


def checked_logits(logits) -> np.ndarray:
    """logits (N, K) as float64; ValueError unless N >= 1, K >= 2 and all of them are finite."""
    logits = np.asarray(logits, np.float64)
    if logits.ndim != 2 or logits.shape[0] < 1 or logits.shape[1] < 2:
        raise ValueError(f"logits are of shape {logits.shape}, must be (N, K) with N >= 1 and K >= 2")
    if not np.isfinite(logits).all():
        raise ValueError("logits hold nan or infinity, must be finite; a training that diverged has no confidence")
    return logits


def checked(logits, labels) -> tuple[np.ndarray, np.ndarray]:
    """logits as `checked_logits` has them, and labels (N,); ValueError unless these are integers in [0, K)."""
    logits, labels = checked_logits(logits), np.asarray(labels)
    if labels.shape != logits.shape[:1]:
        raise ValueError(f"labels are of shape {labels.shape}, must be ({len(logits)},), one for each row of logits")
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(
            f"labels lie in [{labels.min()}, {labels.max()}] ({labels.dtype}), must be integers in [0, {logits.shape[1]})"
        )
    return logits, labels


def checked_correct(correct: np.ndarray) -> np.ndarray:
    """correct (N,); ValueError unless it lies in [0, 1], as predicted classes would not."""
    if not (correct.min() >= 0 and correct.max() <= 1):
        raise ValueError(
            f"correct lies in [{correct.min():g}, {correct.max():g}], must be in [0, 1]: 1 where it is right"
        )
    return correct


def _scaled(logits: np.ndarray, temperature) -> np.ndarray:
    """logits (N, K) / T, for T > 0, one number or (N,)."""
    temperature = np.reshape(np.asarray(temperature, np.float64), (-1, 1))
    if len(temperature) not in (1, len(logits)):
        raise ValueError(f"temperature holds {len(temperature)} numbers, must be 1, or {len(logits)} like the logits")
    if not temperature.min(initial=np.inf) > 0:
        raise ValueError(f"temperature is {temperature.min():g}, must be above 0")
    return logits / temperature


def _cross_fitted(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float, bool]:
    """For each example the temperature fitted to the half it is not in, (N,); their mean; whether both are found."""
    if len(labels) < 2:
        raise ValueError("logits hold 1 example, must be 2 or more to fit a temperature to; pass a held-out set")
    # Raw draws of Philox are a stream that numpy guarantees never to change.
    order = np.argsort(np.random.Philox(key=0).random_raw(len(labels)), kind="stable")
    halves = order[0::2], order[1::2]
    fitted = [fit_temperature(logits[half], labels[half]) for half in halves]
    temperature = np.empty(len(labels))
    temperature[halves[0]], temperature[halves[1]] = fitted[1], fitted[0]
    found = all(is_found(one, logits[half]) for one, half in zip(fitted, halves, strict=True))
    return temperature, (fitted[0] + fitted[1]) / 2, found


def _checked_confidence(confidence, correct, bins: int) -> tuple[np.ndarray, np.ndarray]:
    confidence, correct = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    if confidence.ndim != 1 or confidence.shape != correct.shape or not len(confidence):
        raise ValueError(
            f"confidence and correct are of shapes {confidence.shape} and {correct.shape}, must both be (N,), N >= 1"
        )
    if not (confidence.min() >= 0 and confidence.max() <= 1):
        raise ValueError(
            f"confidence lies in [{confidence.min():g}, {confidence.max():g}], must be in [0, 1]; pass probabilities"
        )
    if bins < 1:
        raise ValueError(f"bins is {bins}, must be 1 or more")
    return confidence, checked_correct(correct)

"""Wilson's interval of a share: what an accuracy of few examples can be trusted for. numpy and scipy, and jax nowhere."""

import numpy as np
from scipy.special import ndtri


def wilson(correct, count, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of the probability of which `correct` of `count` independent draws are a sample; in [0, 1].

    correct, count: numbers or arrays of one shape, 0 <= correct <= count, count >= 1. With z the (1 + confidence) / 2
    quantile of the normal law, the ends are (correct + z^2 / 2 -+ z sqrt(correct (count - correct) / count + z^2 / 4)) /
    (count + z^2): those p for which correct / count lies z standard deviations sqrt(p (1 - p) / count) away (Wilson 1927;
    Brown, Cai and DasGupta 2001, equation 4). Unlike mean -+ z sd it stays within [0, 1], and has a length where all or
    none are correct. Raises ValueError for counts and confidences out of range.
    """
    correct, count = np.asarray(correct, np.float64), np.asarray(count, np.float64)
    if not (np.all(count >= 1) and np.all(correct >= 0) and np.all(correct <= count)):
        raise ValueError(
            f"correct is {correct} of {count}, must be from 0 to count, of 1 or more; leave empty groups out"
        )
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}, must be above 0 and below 1; 0.95 is usual")
    z = ndtri((1 + confidence) / 2)
    centre, half = correct + z**2 / 2, z * np.sqrt(correct * (count - correct) / count + z**2 / 4)
    return np.maximum(centre - half, 0) / (count + z**2), np.minimum((centre + half) / (count + z**2), 1)

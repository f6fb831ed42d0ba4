"""Long-tailed training sets: how many examples of each class remain, and which classes have many, a medium number, few.

With K classes and an imbalance ratio IR = n_0 / n_(K - 1), of the largest class over the smallest:

    exponential    n_c = n_0 IR^(-c / (K - 1)), rounded down                  (Cui et al., CVPR 2019)
    step           n_0 in the first half of the classes, n_0 / IR in the rest  (Buda et al. 2018; Cao et al., NeurIPS 2019)

n_0 is the largest for which all classes have so many; a balanced training set is N / K, the published n_0. Classes keep
their order, so that class 0 is the most frequent one.

The parts are thirds of the range of log n_c: "many" are classes with n_c above n_0 IR^(-1/3), "few" those below
n_0 IR^(-2/3), before rounding. Under the exponential profile these are thirds of the classes, under the step profile
its two halves. On CIFAR-100 with IR = 100 the bounds are 108 and 23 examples, where published tables have 100 and 20;
unlike those, they serve data sets of any size.
"""

from typing import NamedTuple

import numpy as np

from lamv.errors import ConfigError

#: profile -> K -> (K,) c / (K - 1), or what stands for it: log(n_0 / n_c) / log IR before rounding.
PROFILES = {
    "exponential": lambda classes: np.arange(classes) / (classes - 1),
    "step": lambda classes: (np.arange(classes) >= classes // 2).astype(float),
}
PARTS = ("many", "medium", "few")


class LongTail(NamedTuple):
    """sizes: (K,) int, training examples of each class. parts: (K,) int, of each class its place in PARTS."""

    profile: str
    ratio: float
    sizes: np.ndarray
    parts: np.ndarray


def long_tail(profile: str, ratio: float, available: np.ndarray) -> LongTail:
    """The long tail of a training set with so many examples of each class, (K,) int.

    ratio: IR, above 1. Raises ConfigError where a class would have no example.
    """
    depth = PROFILES[profile](len(available))
    times = ratio**depth  # n_0 / n_c before rounding
    # Rounding in the power must not cost an example, or ask for one more.
    largest = int(np.floor((available + 1 - 1e-6) * times).min())
    while np.any(_rounded(largest, times) > available):
        largest -= 1
    sizes = _rounded(largest, times)
    if not sizes.all():
        first = int(np.flatnonzero(sizes == 0)[0])
        raise ConfigError(
            f"config.data.imbalance.ratio is {ratio:g}, which leaves class {first} without a training example where the"
            f" largest class has {largest}; set --config.data.imbalance.ratio={max(largest, 1)} or less, or train on more"
        )
    return LongTail(profile, ratio, sizes, np.where(depth < 1 / 3 - 1e-9, 0, np.where(depth > 2 / 3 + 1e-9, 2, 1)))


def remaining(labels: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sorted indices into labels (M,) of `sizes` (K,) random examples of each class, of which there must be as many."""
    order = rng.permutation(len(labels))
    by_class = [order[labels[order] == label][:size] for label, size in enumerate(sizes)]
    return np.sort(np.concatenate(by_class))


def _rounded(largest: int, times: np.ndarray) -> np.ndarray:
    """(K,) int, largest / times rounded down, and up where only the power's own rounding is missing."""
    return np.floor(largest / times + 1e-6).astype(np.int64)

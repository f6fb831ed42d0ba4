"""Fairness of decisions between the values of an attribute, for labels of two classes. numpy alone.

Class 1 is the favourable outcome; TPR_a = P(decided 1 | y = 1, a), FPR_a = P(decided 1 | y = 0, a). Over pairs of values
a, a' of the attribute, the largest of

    eod   |TPR_a - TPR_a'|                                     equal opportunity difference    Hardt et al. 2016
    aod   (|TPR_a - TPR_a'| + |FPR_a - FPR_a'|) / 2            average odds difference         Bellamy et al. 2018
    spd   |P(decided 1 | a) - P(decided 1 | a')|               statistical parity difference   Dwork et al. 2012

All are in [0, 1], 0 where all values of the attribute fare alike. With two values, as usual, there is one pair. AIF360
(Bellamy et al.) has signs: its aod is the mean of differences, in which opposite ones cancel; here they do not, as in the
code of BiFair.
"""

import numpy as np


def differences(groups, num_attributes: int) -> dict[str, float]:
    """eod, aod and spd of groups (G, 2), count and correct of each group g = y A + a, as in lamv.core.metrics.

    {} unless there are two classes and two attributes or more. Each is left out where fewer than two values of the attribute
    have the examples that it needs: of class 1, of both classes, of any class.
    """
    groups = np.asarray(groups, np.float64)
    if num_attributes < 2 or len(groups) != 2 * num_attributes:
        return {}
    count, correct = groups[..., 0].reshape(2, -1), groups[..., 1].reshape(2, -1)
    decided = np.stack([count[0] - correct[0], correct[1]])  # decided 1, of each class and attribute
    some, both = count > 0, (count > 0).all(axis=0)
    measured = {
        "eod": decided[1:, some[1]] / count[1:, some[1]],
        "aod": decided[:, both] / count[:, both],
        "spd": (decided.sum(axis=0) / np.maximum(count.sum(axis=0), 1))[None, some.any(axis=0)],
    }
    return {name: _furthest(rates) for name, rates in measured.items() if rates.shape[1] > 1}


def _furthest(rates: np.ndarray) -> float:
    """The largest distance between two columns of rates (n, A): the mean of |differences| over rows."""
    return float(np.abs(rates[:, :, None] - rates[:, None, :]).mean(axis=0).max())

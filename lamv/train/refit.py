"""Deep feature reweighting: the last layer of a trained network, fitted anew on features of balanced groups.

Features (N, D) are what enters the last layer. They are standardised by the mean and standard deviation of all N; then

    logistic regression:  minimise  C sum_n log(1 + exp(-y_n (w . h_n + b))) + |w|_1 + |b|,   y_n = +-1

on a random subset with as many examples of every group as the smallest group has, by liblinear, which penalises the
intercept too. C is that of STRENGTHS with the best worst-group accuracy on a held-out half, fitted to the other half;
w and b are then averaged over several balanced subsets of all examples. Two classes are one such regression, whose
w . h + b is split evenly between the two outputs. More are one for each class against the rest: on 2000 examples of 512
features and 10 classes that took 1 s where the multinomial one took 3 to 11 (scikit-learn's saga), and it was no less
accurate. Its outputs are then scores: their argmax is meant, and softmax of them is no calibrated probability.

Source: Kirichenko, Izmailov & Wilson, "Last layer re-training is sufficient for robustness to spurious correlations",
ICLR 2023.
"""

import logging
import warnings

import numpy as np

from lamv.errors import DataError

#: What C is chosen from; of equally good ones the first.
STRENGTHS = (1.0, 0.7, 0.3, 0.1, 0.07, 0.03, 0.01)
MAX_ITERATIONS = 1000

logger = logging.getLogger("lamv.refit")


def refit(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, classes: int, subsets: int = 10, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, float]:
    """(kernel (D, K), bias (K,), the C that was chosen) of a last layer for these features.

    labels: (N,) int in [0, classes), every class at least once. groups: (N,) int; any numbers, of which those that occur
    are balanced. A group of one example has no part in the choice of C. subsets: balanced subsets that are averaged.
    Raises DataError for features that are not finite, a class without examples, or no group of two.
    """
    try:
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise DataError("mitigation dfr needs scikit-learn, which is missing; pip install scikit-learn") from error
    _check(features, labels, groups, classes)
    rng = np.random.default_rng(seed)
    scaler = StandardScaler().fit(features.astype(np.float64))
    standardised = scaler.transform(features.astype(np.float64))
    strength = _chosen(standardised, labels, groups, classes, rng)
    drawn = [balanced(groups, rng) for _ in range(subsets)]
    kernels, biases = zip(*(_layer(standardised[s], labels[s], classes, strength) for s in drawn), strict=True)
    kernel = np.mean(kernels, axis=0) / scaler.scale_[:, None]
    return kernel, np.mean(biases, axis=0) - scaler.mean_ @ kernel, strength


def balanced(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sorted places of a random subset with as many of each group that occurs as the smallest of them has."""
    names, counts = np.unique(groups, return_counts=True)
    return np.sort(np.concatenate([rng.permutation(np.flatnonzero(groups == name))[: counts.min()] for name in names]))


def worst_group_accuracy(outputs: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> float:
    """The least accuracy of a group that occurs, for (N, K) outputs."""
    right = outputs.argmax(axis=1) == labels
    return min(float(right[groups == name].mean()) for name in np.unique(groups))


def _chosen(features, labels, groups, classes: int, rng: np.random.Generator) -> float:
    """The C by which a layer that is fitted to one half of each group does best on the other half."""
    held = np.zeros(len(groups), bool)
    for name in np.unique(groups):
        members = rng.permutation(np.flatnonzero(groups == name))
        held[members[(len(members) + 1) // 2 :]] = True
    fitting = np.flatnonzero(~held)
    fitting = fitting[balanced(groups[fitting], rng)]

    def score(strength: float) -> float:
        kernel, bias = _layer(features[fitting], labels[fitting], classes, strength)
        return worst_group_accuracy(features[held] @ kernel + bias, labels[held], groups[held])

    return max(STRENGTHS, key=score)


def _layer(features, labels, classes: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """(D, K) and (K,) of one logistic regression, or of one for each class."""
    if classes == 2:
        weights, intercept = _logistic(features, labels == 1, strength)
        return np.stack([-weights, weights], axis=1) / 2, np.array([-intercept, intercept]) / 2
    fits = [_logistic(features, labels == c, strength) for c in range(classes)]
    return np.stack([weights for weights, _ in fits], axis=1), np.array([intercept for _, intercept in fits])


def _logistic(features, positive, strength: float) -> tuple[np.ndarray, float]:
    """w (D,) and b of scikit-learn's logistic regression with an L1 penalty."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    # The name of the penalty changed in scikit-learn 1.8, and the old one warns there.
    lasso = {"l1_ratio": 1.0} if LogisticRegression().penalty == "deprecated" else {"penalty": "l1"}
    model = LogisticRegression(C=strength, solver="liblinear", max_iter=MAX_ITERATIONS, random_state=0, **lasso)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(features, positive)
    # A layer that stopped early is still one, so this is told rather than warned of.
    if any(issubclass(warning.category, ConvergenceWarning) for warning in caught):
        logger.info("dfr: a logistic regression with C = %g stopped after %d iterations", strength, MAX_ITERATIONS)
    return model.coef_[0], float(model.intercept_[0])


def _check(features, labels, groups, classes: int) -> None:
    if features.ndim != 2 or labels.shape != features.shape[:1] or groups.shape != labels.shape:
        shapes = ", ".join(str(values.shape) for values in (features, labels, groups))
        raise DataError(f"features, labels and groups are of shapes {shapes}, must be (N, D), (N,), (N,)")
    if not np.isfinite(features).all():
        raise DataError("the features for the new last layer hold nan or infinity; lower config.optim.lr")
    missing = np.setdiff1d(np.arange(classes), labels)
    if len(missing):
        raise DataError(
            f"the examples for the new last layer lack class {missing[0]}; every class must have one: raise"
            " config.data.valid_size"
        )
    if np.unique(groups, return_counts=True)[1].max() < 2:
        raise DataError(
            f"the {len(groups)} examples for the new last layer are in as many groups; some group must have two: raise"
            " config.data.valid_size"
        )

"""A linear probe: how much of another task can be read off features that were learned for this one.

L2-regularised multinomial logistic regression (scikit-learn, L-BFGS) on frozen features:

    min_{W, b}  (1 / N) sum_n cross_entropy(W h_n + b, y_n) + strength / 2 ||W||^2

with a row of W for each class; two classes have one row for both, the logit of the second beside 0.

Features are standardised first, by the mean and standard deviation of each unit over the training features. The penalty
is on W, so that without it the same strength would weigh more on small features than on large ones, and it is in their
scale that the features of layers and methods differ first. There is no random state.
"""

import warnings

import numpy as np

from lamv.errors import DataError

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
MAX_ITERATIONS = 2000
FEW = 1 << 22  # units times examples, up to which a fit runs on one thread


def probe(train_features, train_labels, test_features, test_labels, *, strength: float | None = None) -> dict:
    """accuracy on test_features (M, D), train_accuracy on train_features (N, D), strength, and converged (bool).

    Labels are (N,) and (M,) ints, two classes or more among the training ones. strength: of the penalty, positive;
    None takes the one of STRENGTHS that has the highest accuracy on every fifth training example, fitted on the others
    (the strongest among equals), and fits again on all. converged: whether the last fit did, within 2,000 iterations.
    Raises DataError for shapes that do not fit, features that are not finite, labels of one class, and too few
    examples to choose a strength on.
    """
    train_features, test_features = np.asarray(train_features, np.float64), np.asarray(test_features, np.float64)
    train_labels, test_labels = np.asarray(train_labels), np.asarray(test_labels)
    _check(train_features, train_labels, "train_features", "train_labels")
    _check(test_features, test_labels, "test_features", "test_labels")
    if train_features.shape[1] != test_features.shape[1]:
        raise DataError(
            f"test_features have {test_features.shape[1]} units, must have {train_features.shape[1]}, like train_features"
        )
    if strength is None:
        strength = _chosen_strength(train_features, train_labels)
    standardise = standardiser(train_features)
    train_features, test_features = standardise(train_features), standardise(test_features)
    model, converged = _fitted(train_features, train_labels, strength)
    return {
        "accuracy": float((model.predict(test_features) == test_labels).mean()),
        "train_accuracy": float((model.predict(train_features) == train_labels).mean()),
        "strength": strength,
        "converged": converged,
    }


def standardiser(features: np.ndarray):
    """A function of features (., D) that takes out the mean of `features` (N, D), and the standard deviation.

    A unit that is constant up to float32 rounding has no scale to divide by, and is 0 for whatever comes.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    varies = deviation > 1e-6 * np.abs(features).max(axis=0)
    scale = np.where(varies, 1 / np.where(varies, deviation, 1.0), 0.0)
    return lambda values: (values - mean) * scale


def _chosen_strength(features: np.ndarray, labels: np.ndarray) -> float:
    validation = np.zeros(len(labels), bool)
    # Shuffled (by a stream that numpy guarantees never to change), then sorted by class: every fifth of each class.
    order = np.argsort(np.random.Philox(key=0).random_raw(len(labels)), kind="stable")
    validation[order[np.argsort(labels[order], kind="stable")][4::5]] = True
    if not validation.any() or len(np.unique(labels[~validation])) < 2:
        raise DataError(
            f"{len(labels)} training examples are too few to choose a strength on, which takes five of a class;"
            " raise --examples"
        )
    standardised = standardiser(features[~validation])(features)

    def accuracy(strength: float) -> float:
        model, _ = _fitted(standardised[~validation], labels[~validation], strength)
        return float((model.predict(standardised[validation]) == labels[validation]).mean())

    return max(STRENGTHS, key=lambda strength: (accuracy(strength), strength))


def _fitted(features: np.ndarray, labels: np.ndarray, strength: float):
    """scikit-learn's model, fitted to standardised features, and whether it converged."""
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits  # comes with scikit-learn
    except ImportError as error:
        raise DataError("a probe needs scikit-learn, which is missing; pip install scikit-learn") from error
    if not 0 < strength < np.inf:
        raise DataError(f"strength is {strength}, must be positive")
    # C weighs the sum over examples against ||W||^2 / 2.
    model = LogisticRegression(C=1 / (strength * len(labels)), max_iter=MAX_ITERATIONS)
    # Threads that share a little work wait for each other: on a busy machine that made a fit 50 times slower.
    threads = threadpool_limits(1 if features.size <= FEW else None)
    with threads, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(features, labels)
    # A probe that stopped early is still a linear probe, so this is returned and not warned of.
    converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    return model, converged


def _check(features: np.ndarray, labels: np.ndarray, features_name: str, labels_name: str) -> None:
    if features.ndim != 2 or not features.size or labels.shape != features.shape[:1]:
        raise DataError(
            f"{features_name} and {labels_name} are of shapes {features.shape} and {labels.shape}, must be (N, D), (N,)"
        )
    if not np.isfinite(features).all():
        raise DataError(f"{features_name} hold nan or infinity, must be finite")
    if features_name == "train_features" and len(np.unique(labels)) < 2:
        raise DataError(
            f"{labels_name} hold one class, must hold two or more to tell apart; raise --examples where more are to be had"
        )

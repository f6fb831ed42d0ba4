"""Deep feature reweighting: the last layer of a trained network, refitted on features of balanced groups.

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

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamv.data.resident import SplitIndex
from lamv.errors import DataError
from lamv.train import parallel
from lamv.train.mitigations.base import Mitigation

#: What C is chosen from; of equally good ones the first.
STRENGTHS = (1.0, 0.7, 0.3, 0.1, 0.07, 0.03, 0.01)
MAX_ITERATIONS = 1000
logger = logging.getLogger("lamv.refit")


class DFR(Mitigation):
    """The network is trained as without it; then the last layer is replaced."""

    def ended(self, row, replicas):
        split = self.config.refit_on
        table = replicas.of(row.view.train if split == "train" else row.view.tests[split])
        features = self.features(row, replicas, table)
        layers = []
        for r, seed in enumerate(replicas.seeds):
            kernel, bias, _ = refit(
                features[r], row.labels_of(table, r), table.groups[r], classes=row.view.num_classes,
                subsets=self.config.subsets, seed=seed,
            )  # fmt: skip
            layers.append({"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)})
        fitted = row.layout.place(jax.tree.map(lambda *leaves: np.stack(leaves), *layers), replicas=True)
        return replicas.state._replace(params={**replicas.state.params, row.program.model.last: fitted})

    def features(self, row, replicas, table: SplitIndex) -> np.ndarray:
        """(R, M, D) features of the examples of a table, in evaluation."""
        program, count, axis = row.program, table.rows.shape[1], self.axis
        devices = row.layout.mesh.shape[axis]
        size = -(-row.config.eval_batch_size // devices) * devices
        batches = -(-count // size)

        def body(kept, state, knobs, table: SplitIndex, examples, count, b):
            seen, _ = row.functions.tally.read(table, examples, knobs, count, b)
            features = lax.all_gather(program.forward(state, seen.inputs)[1].astype(jnp.float32), axis, tiled=True)
            return lax.dynamic_update_slice(kept, features, (b * size, 0))

        run = row.functions.get("features", lambda: row.functions.repeated(body, shared=2))
        start, placed = row.layout.place(
            (np.zeros((len(replicas.seeds), batches * size, program.feature_size), np.float32), table), replicas=True
        )
        kept = run(start, replicas.network, replicas.knobs, placed, row.examples, np.int32(count), 0, batches)
        return parallel.fetch(kept)[:, :count]


def refit(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, classes: int, subsets: int = 10, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, float]:
    """(kernel (D, K), bias (K,), chosen C) of a last layer for features (N, D).

    labels: (N,) int in [0, classes), every class at least once. groups: (N,) int; those that occur are balanced. A group
    of one example has no part in the choice of C. subsets: balanced subsets that are averaged. Raises DataError for
    features that are not finite, a class without examples, or no group of two.
    """
    from sklearn.preprocessing import StandardScaler

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
    """Sorted indices of a random subset with as many of each group that occurs as the smallest of them has."""
    names, counts = np.unique(groups, return_counts=True)
    return np.sort(np.concatenate([rng.permutation(np.flatnonzero(groups == name))[: counts.min()] for name in names]))


def lowest_accuracy(outputs: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> float:
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
        return lowest_accuracy(features[held] @ kernel + bias, labels[held], groups[held])

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
    # A layer that stopped early is still usable: logged, not warned of.
    if any(issubclass(warning.category, ConvergenceWarning) for warning in caught):
        logger.info("dfr: a logistic regression with C = %g stopped after %d iterations", strength, MAX_ITERATIONS)
    return model.coef_[0], float(model.intercept_[0])


def _check(features, labels, groups, classes: int) -> None:
    if not np.isfinite(features).all():
        raise DataError("the features for the new last layer hold nan or infinity; lower config.optim.lr")
    examples, mend = "examples for the new last layer", "raise config.data.valid_size"
    missing = np.setdiff1d(np.arange(classes), labels)
    if len(missing):
        raise DataError(f"the {examples} lack class {missing[0]}; every class must have one: {mend}")
    if np.unique(groups, return_counts=True)[1].max() < 2:
        raise DataError(f"the {len(groups)} {examples} are in as many groups; some group must have two: {mend}")

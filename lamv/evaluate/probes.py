"""Linear probes: how much of a task can be read off frozen features of layers, on the run's own data or on other data.

Other data is a data set, or "unseen": the classes of the run's own that its rows were not trained on.

L2-regularised multinomial logistic regression (scikit-learn, L-BFGS):

    min_{W, b}  (1 / N) sum_n cross_entropy(W h_n + b, y_n) + strength / 2 ||W||^2

with a row of W for each class; two classes have one row for both, the logit of the second beside 0.

Features are standardised first, by the mean and standard deviation of each unit over the training features. The penalty
is on W, so that without it the same strength would weigh more on small features than on large ones, and it is in their
scale that the features of layers and methods differ first. There is no random state.
"""

import warnings

import jax
import numpy as np

from lamv import data
from lamv.core import shortcuts
from lamv.data.classes import UNSEEN, unseen_classes
from lamv.data.cuts import cut
from lamv.data.resident import Examples, SplitIndex
from lamv.data.splits import joined
from lamv.errors import ConfigError, DataError
from lamv.evaluate.snapshot import Options, OtherData, Result, Snapshot, max_examples
from lamv.train.variants import VariantRun

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
MAX_ITERATIONS = 2000
FEW = 1 << 22  # units times examples, up to which a fit runs on one thread


def probes(snapshot: Snapshot) -> list[Result]:
    """probe/DATA/LAYER/{accuracy,train_accuracy}."""
    if snapshot.view.regression:
        snapshot.note("no probe, as the labels are numbers")
        return []
    passes, replicas, other = snapshot.passes, snapshot.replicas, snapshot.other_data
    results = [Result() for _ in replicas.numbers]
    if other is None:
        name, examples, tables = snapshot.row.config.data.name, None, snapshot.tables
    else:
        name, examples = other.name, other.examples
        tables = jax.tree.map(lambda values: np.broadcast_to(values, (len(results), *values.shape[1:])), other.tables)
    if "train" not in tables:
        snapshot.note("no probe, as data.eval_train_size is 0; give --examples")
        return []
    tables = {split: tables[split] for split in ("train", "test")}
    activations = {split: passes.activations(replicas, table, examples) for split, table in tables.items()}
    labels = {
        split: snapshot.labels(table) if other is None else other.labels[table.rows] for split, table in tables.items()
    }
    for r, result in enumerate(results):
        for layer in passes.layers if snapshot.options.probe == ("all",) else snapshot.options.probe:
            where = layer if layer in activations["train"] else f"layers/{layer}"
            train, test = ((activations[split][where][r], labels[split][r]) for split in ("train", "test"))
            measured = probe(*train, *test)
            for metric in ("accuracy", "train_accuracy"):
                result.metrics[f"probe/{name}/{layer}/{metric}"] = measured[metric]
    return results


def probe(train_features, train_labels, test_features, test_labels) -> dict[str, float]:
    """accuracy on test_features (M, D), train_accuracy on train_features (N, D), and the strength of the penalty.

    Labels are (N,) and (M,) ints. The strength is the one of STRENGTHS that has the highest accuracy on every fifth
    training example, fitted on the others (the strongest among equals); the last fit is on all. Raises DataError for
    features that are not finite, and for too few examples or classes to choose a strength on.
    """
    train_features, test_features = np.asarray(train_features, np.float64), np.asarray(test_features, np.float64)
    if not (np.isfinite(train_features).all() and np.isfinite(test_features).all()):
        raise DataError("features to probe hold nan or infinity, must be finite")
    strength = _chosen_strength(train_features, train_labels)
    standardise = standardiser(train_features)
    model = fitted(standardise(train_features), train_labels, strength)
    return {
        "accuracy": _accuracy(model, standardise(test_features), test_labels),
        "train_accuracy": _accuracy(model, standardise(train_features), train_labels),
        "strength": strength,
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
    held = np.zeros(len(labels), bool)
    # Shuffled (by a stream that numpy guarantees never to change), then sorted by class: every fifth of each class.
    order = np.argsort(np.random.Philox(key=0).random_raw(len(labels)), kind="stable")
    held[order[np.argsort(labels[order], kind="stable")][4::5]] = True
    if not held.any() or len(np.unique(labels[~held])) < 2:
        raise DataError(
            f"{len(labels)} training examples of {len(np.unique(labels))} classes are too few to choose a strength on, which"
            " takes two classes, and five of a class; raise --examples"
        )
    standardised = standardiser(features[~held])(features)

    def accuracy(strength: float) -> float:
        model = fitted(standardised[~held], labels[~held], strength)
        return _accuracy(model, standardised[held], labels[held])

    return max(STRENGTHS, key=lambda strength: (accuracy(strength), strength))


def fitted(features: np.ndarray, labels: np.ndarray, strength: float):
    """scikit-learn's model, fitted to standardised features."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    # C weighs the sum over examples against ||W||^2 / 2.
    model = LogisticRegression(C=1 / (strength * len(labels)), max_iter=MAX_ITERATIONS)
    # Threads that share a little work wait for each other: on a busy machine that made a fit 50 times slower.
    with threadpool_limits(1 if features.size <= FEW else None), warnings.catch_warnings():
        # A probe that stopped early is still a linear probe.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(features, labels)


def _accuracy(model, features: np.ndarray, labels: np.ndarray) -> float:
    return float((model.predict(features) == labels).mean())


def other_data(options: Options, row: VariantRun) -> OtherData | None:
    """The data set of --transfer, on the devices; None: the run's own. Raises ConfigError for one that does not suit."""
    if not options.transfer:
        return None
    name, _, path = options.transfer.partition(":")
    whole = row.whole_data
    splits = unseen_classes(whole, row.config.data.classes) if name == UNSEEN else data.load(name, path or None, "warn")
    if splits.is_regression:
        raise ConfigError(f"--transfer is {name!r}, must be a data set of classes; a probe tells classes apart")
    if any(splits.standardise) or row.view.standardise:
        raise ConfigError(
            f"--transfer is {name!r}, must be of images: a table is standardised by its own training rows"
        )
    if splits.words or row.view.num_words:
        raise ConfigError(
            f"--transfer is {name!r}, must not be of texts, nor the run: each has a vocabulary of its own"
        )
    inputs = _like_own(joined(splits, "inputs"), splits.normalisation.scale, name, row)
    parts = cut(splits, 0, None)
    tables = {}
    for split, rows in (("train", parts.train), ("test", parts.test)):
        rows = rows[: max_examples(row.config, options)][None].astype(np.int32)
        tables[split] = SplitIndex(rows, np.full_like(rows, shortcuts.ABSENT), np.zeros_like(rows))
    examples = row.layout.place(Examples(inputs, np.zeros(len(inputs), np.int32)), replicas=False)
    return OtherData(name, tables, examples, joined(splits, "labels"))


def _like_own(inputs: np.ndarray, scale: float, name: str, row: VariantRun) -> np.ndarray:
    """Inputs of another data set in the shape and the units in which the run's own are stored."""
    shape = row.stored_shape
    if inputs.ndim == 4 and len(shape) == 3:
        if inputs.shape[3] != shape[2]:
            # Grey to colour: three times the same; colour to grey: the mean.
            inputs = inputs.repeat(shape[2], axis=3) if inputs.shape[3] == 1 else inputs.mean(axis=3, keepdims=True)
        # Smaller images are put into the middle of black ones.
        missing = [max(0, side - present) for side, present in zip(shape[:2], inputs.shape[1:3], strict=True)]
        inputs = np.pad(inputs, [(0, 0), *((m // 2, m - m // 2) for m in missing), (0, 0)])
    if inputs.shape[1:] != tuple(shape):
        raise ConfigError(
            f"--transfer is {name!r}, whose examples have shape {inputs.shape[1:]}, must have {tuple(shape)} or less,"
            f" like those of {row.config.data.name}; choose another data set"
        )
    own_scale = row.view.normalisation.scale
    return inputs if own_scale == scale else (inputs / scale * own_scale).astype(np.float32)

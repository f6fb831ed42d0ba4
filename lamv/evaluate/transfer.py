"""Linear probes of layers, on the run's own data or on another data set."""

import jax
import numpy as np

from lamv import data
from lamv.core import shortcuts
from lamv.data.cuts import cut
from lamv.data.resident import Examples, Table
from lamv.data.splits import joined
from lamv.errors import ConfigError, nearest
from lamv.evaluate.probes import probe
from lamv.evaluate.snapshot import Options, OtherData, Result, Snapshot, max_examples
from lamv.train.variants import VariantRun


def probes(snapshot: Snapshot) -> list[Result]:
    """probe/DATA/LAYER/{accuracy,train_accuracy}."""
    if snapshot.plan.regression:
        snapshot.note("no probe, as the labels are numbers")
        return []
    passes, replicas, other = snapshot.passes, snapshot.replicas, snapshot.other_data
    number = len(snapshot.replicas.numbers)
    if other is None:
        name, examples, tables = snapshot.row.config.data.name, None, snapshot.tables
    else:
        name, examples = other.name, other.examples
        tables = {split: _for_replicas(table, number) for split, table in other.tables.items()}
    if "train" not in tables:
        snapshot.note("no probe, as data.eval_train_size is 0; give --examples")
        return []
    tables = {split: tables[split] for split in ("train", "test")}
    activations = {split: passes.activations(replicas, table, examples) for split, table in tables.items()}
    labels = {
        split: snapshot.labels(table) if other is None else other.labels[table.rows] for split, table in tables.items()
    }
    results = [Result() for _ in range(number)]
    for r, result in enumerate(results):
        for layer in passes.layers if snapshot.options.probe == ("all",) else snapshot.options.probe:
            where = layer if layer in activations["train"] else f"layers/{layer}"
            train, test = ((activations[split][where][r], labels[split][r]) for split in ("train", "test"))
            fitted = probe(*train, *test)
            for metric in ("accuracy", "train_accuracy"):
                result.metrics[f"probe/{name}/{layer}/{metric}"] = fitted[metric]
    return results


def other_data(options: Options, row: VariantRun) -> OtherData | None:
    """The data set of --transfer, on the devices; None: the run's own. Raises ConfigError for one that does not suit."""
    if not options.transfer:
        return None
    name, _, path = options.transfer.partition(":")
    if name not in data.DATASETS:
        known = ", ".join(data.DATASETS)
        raise ConfigError(f"--transfer is {name!r}, must be one of {known}{nearest(name, data.DATASETS)}")
    splits = data.load(name, path or None, "warn")
    if splits.is_regression:
        raise ConfigError(f"--transfer is {name!r}, must be a data set of classes; a probe tells classes apart")
    if any(splits.standardise) or row.plan.standardise:
        raise ConfigError(
            f"--transfer is {name!r}, must be of images: a table is standardised by its own training rows"
        )
    inputs = _like_own(joined(splits, "inputs"), splits.normalisation.scale, name, row)
    parts = cut(splits, 0, None)
    tables = {}
    for split, rows in (("train", parts.train), ("test", parts.test)):
        rows = rows[: max_examples(row.config, options)][None].astype(np.int32)
        tables[split] = Table(rows, np.full_like(rows, shortcuts.ABSENT), np.zeros_like(rows))
    examples = row.layout.place(Examples(inputs, np.zeros(len(inputs), np.int32)), replicas=False)
    return OtherData(name, tables, examples, joined(splits, "labels"))


def _like_own(inputs: np.ndarray, scale: float, name: str, row: VariantRun) -> np.ndarray:
    """Inputs of another data set in the shape and the units in which the run's own are stored."""
    shape = row.stored_shape
    if inputs.ndim == 4 and len(shape) == 3 and inputs.shape[3] != shape[2]:
        # Grey to colour: three times the same; colour to grey: the mean.
        inputs = inputs.repeat(shape[2], axis=3) if inputs.shape[3] == 1 else inputs.mean(axis=3, keepdims=True)
    if inputs.ndim == 4 and len(shape) == 3:
        # Smaller images are put into the middle of black ones.
        missing = [max(0, side - present) for side, present in zip(shape[:2], inputs.shape[1:3], strict=True)]
        inputs = np.pad(inputs, [(0, 0), *((m // 2, m - m // 2) for m in missing), (0, 0)])
    if inputs.shape[1:] != tuple(shape):
        raise ConfigError(
            f"--transfer is {name!r}, whose examples have shape {inputs.shape[1:]}, must have {tuple(shape)} or less,"
            f" like those of {row.config.data.name}; choose another data set"
        )
    own_scale = row.plan.normalisation.scale
    return inputs if own_scale == scale else (inputs / scale * own_scale).astype(np.float32)


def _for_replicas(table: Table, replicas: int) -> Table:
    return jax.tree.map(lambda values: np.broadcast_to(values, (replicas, *values.shape[1:])), table)

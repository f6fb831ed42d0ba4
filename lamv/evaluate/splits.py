"""Metrics of each split, by one pass over it: predictions, variance, calibration, selective prediction, collapse.

To measure more of the predictions on a split, add a function to `SPLIT_METRICS`, or to `SPLIT_CURVES` for what is drawn.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from lamv import config as configs
from lamv.compare.baseline import baseline_of
from lamv.core import calibration, metrics, selection
from lamv.core.collapse import Geometry, collapse_metrics
from lamv.core.intervals import difference_over_examples, over_examples
from lamv.core.smoothing_loss import smoothing_parts
from lamv.core.variance import decompose_replicas, squared_deviations
from lamv.errors import NotFiniteError
from lamv.evaluate.snapshot import Result, Snapshot
from lamv.results.records import Row
from lamv.train.evaluation import prediction_metrics, weight_norm_ratios


class Sample(NamedTuple):
    """Of one replica on one split: logits (N, K), labels (N,), geometry of the features, kernel (D, K) of the last layer.

    given: (N,) labels as training has them, wrong ones included; on other splits the labels. held_out: (logits, labels) of
    other examples, for fitting a temperature, if any.
    """

    logits: np.ndarray
    labels: np.ndarray
    given: np.ndarray
    geometry: Geometry
    kernel: np.ndarray
    held_out: tuple[np.ndarray, np.ndarray] | None


def splits(snapshot: Snapshot) -> list[Result]:
    """All metrics of all splits, test/cue_drop, tables of groups, and curves of "test"."""
    passes, replicas, kernels = snapshot.passes, snapshot.replicas, snapshot.last_kernels
    results = [Result() for _ in snapshot.replicas.numbers]
    held_out = _held_out(snapshot)
    centres = None
    for split, table in snapshot.tables.items():
        statistics = passes.statistics(replicas, table, centres)
        if split == "train" and kernels is not None:
            centres = statistics.geometry.mean
            statistics = statistics._replace(nearest=passes.statistics(replicas, table, centres).nearest)
        if not np.isfinite(statistics.logits).all():
            raise NotFiniteError(
                f"the outputs of row {snapshot.row.name!r} on {split} are not finite; look at an earlier step with"
                " --checkpoints"
            )
        variances = {
            f"{where}/{name}": np.asarray(values, np.float64)
            for where, moments in statistics.moments.items()
            for name, values in decompose_replicas(moments).items()
        }
        labels_of = snapshot.labels(table)
        given = snapshot.given_labels(table) if split == "train" else labels_of
        rows = zip(results, statistics.logits, labels_of, strict=True)
        for r, (result, logits, labels) in enumerate(rows):
            predictions, geometry = jax.tree.map(
                lambda leaf, r=r: leaf[r], (statistics.predictions, statistics.geometry)
            )
            measured = prediction_metrics(snapshot.view, predictions, snapshot.replicas.numbers[r])
            if kernels is not None:
                sample = Sample(logits, labels, given[r], geometry, kernels[r], held_out[r])
                for measure in SPLIT_METRICS:
                    measured |= measure(sample)
                if not snapshot.options.brief:
                    curves = group_curves(predictions, snapshot.view.num_attributes)
                    if split == "test":
                        curves += [curve for make in SPLIT_CURVES for curve in make(sample)]
                        result.examples.update(of_examples(sample))
                    result.curves.extend({"split": split, **curve} for curve in curves)
            measured |= {name: float(values[r]) for name, values in variances.items()}
            if centres is not None:
                measured["collapse/nc4"] = 1 - float(statistics.nearest[r]) / len(labels)
            result.metrics.update({f"{split}/{name}": value for name, value in measured.items()})
    for result in results:
        result.metrics.update(metrics.cue_drop(result.metrics))
    return results


def reliance(snapshot: Snapshot) -> list[Result]:
    """Weight on the cue's inputs in the first layer, where only some inputs carry a cue."""
    ratios = weight_norm_ratios(snapshot.row, snapshot.replicas.state) or []
    return [Result({f"test/{name}": value for name, value in of_replica.items()}) for of_replica in ratios]


def deviations(snapshot: Snapshot) -> list[Result]:
    """Of a row of one seed: squared distances of test examples from their class mean, of which V_W is the mean."""
    if snapshot.row.config.seeds > 1:
        return []
    table = snapshot.tables["test"]
    values, [labels] = snapshot.passes.activations(snapshot.replicas, table), snapshot.labels(table)
    wheres = ("features", "outputs")
    return [Result(examples={f"{w}/within_variance": squared_deviations(values[w][0], labels) for w in wheres})]


def of_examples(sample: Sample) -> dict[str, np.ndarray]:
    """Metrics of each example, (N,) each, for a bootstrap."""
    logits, labels = sample.logits, sample.labels
    _, correct = calibration.confidence_and_correct(logits, labels)
    return {
        "accuracy": correct.astype(np.float64),
        "nll": calibration.example_nll(logits, labels),
        "brier": calibration.example_brier(logits, labels),
        "margin_mean": selection.margins(logits, labels),
    }


def baselines(rows: Sequence[configs.Variant]) -> dict[int, int]:
    """Number of a row -> number of the ERM row that differs from it in the method only."""
    plain = [Row(row.name, configs.nested(row.config), {}) for row in rows]
    bases = ((number, baseline_of(row, plain)) for number, row in enumerate(plain))
    return {number: plain.index(base) for number, base in bases if base is not None}


def interval_curves(
    values: Mapping[str, np.ndarray], baseline: Mapping[str, np.ndarray] | None, against: str | None
) -> list[dict]:
    """Bootstrap intervals of each metric, and of its difference to `baseline` on the same examples; {metric: (N,)} of each.

    against: name of the baseline's row.
    """
    curves = []
    for name, of_examples in values.items():
        pairs = [(None, over_examples(of_examples))]
        if baseline is not None:
            pairs.append((against, difference_over_examples(of_examples, baseline[name])))
        for other, (mean, low, high) in pairs:
            curves.append({
                "split": "test", "kind": "interval", "metric": f"test/{name}", "mean": mean, "low": low, "high": high,
                "examples": len(of_examples), "against": other,
            })  # fmt: skip
    return curves


def group_curves(predictions: metrics.PredictionSums, num_attributes: int) -> list[dict[str, Any]]:
    """The table of groups as a curve; none where no example is in a group."""
    groups, left_out = metrics.group_table(predictions.groups, num_attributes)
    return [{"kind": "groups", "groups": groups, "left_out": left_out}] if groups else []


def reliability_curves(sample: Sample) -> list[dict[str, Any]]:
    """Reliability before and after temperature scaling."""
    confidence, correct = calibration.confidence_and_correct(sample.logits, sample.labels)
    scaled = calibration.temperature_scaling(sample.logits, sample.labels, sample.held_out)
    curves = []
    for conf, temperature in ((confidence, None), (scaled.confidence, scaled.temperature)):
        bins = calibration.reliability(conf, correct)
        curves.append({
            "kind": "reliability", "temperature": temperature, "count": [int(n) for n in bins.count],
            "confidence": _listed(bins.confidence), "accuracy": _listed(bins.accuracy),
        })  # fmt: skip
    return curves


def risk_curves(sample: Sample) -> list[dict[str, Any]]:
    """Risk over coverage, by each score."""
    correct = sample.logits.argmax(axis=1) == sample.labels
    curves = []
    for name, score in selection.scores(sample.logits).items():
        coverage, risk = selection.thinned(*selection.risk_coverage(score, correct))
        curves.append({"kind": "risk_coverage", "score": name, "coverage": _listed(coverage), "risk": _listed(risk)})
    return curves


#: (Sample) -> {metric: value}, on every split of a classification; keys get the split in front.
SPLIT_METRICS = (
    lambda sample: calibration.calibration_metrics(sample.logits, sample.labels, sample.held_out),
    lambda sample: selection.selection_metrics(sample.logits, sample.labels),
    lambda sample: selection.margin_metrics(sample.logits, sample.labels),
    lambda sample: collapse_metrics(sample.geometry, sample.kernel),
    lambda sample: smoothing_parts(sample.logits, sample.given),
)
#: (Sample) -> curves, of the test split.
SPLIT_CURVES = (reliability_curves, risk_curves)


def _held_out(snapshot: Snapshot) -> list[tuple[np.ndarray, np.ndarray] | None]:
    """(logits, labels) of each replica on examples left out of training, if any."""
    if snapshot.held_out is None or snapshot.view.regression:
        return [None] * len(snapshot.replicas.numbers)
    logits = snapshot.passes.statistics(snapshot.replicas, snapshot.held_out).logits
    return list(zip(logits, snapshot.labels(snapshot.held_out), strict=True))


def _listed(values: np.ndarray) -> list[float | None]:
    """For JSON, which has no NaN; six digits are more than a figure shows."""
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in np.asarray(values, float)]

"""Every metric: its key, its name in tables, whether it is shown in percent, and on which splits it is measured.

Keys are SPLIT/METRIC, or SPLIT/WHERE/METRIC for what is measured of features, logits, outputs or a layer. To add a metric,
give it a line here: tables show it (`FAMILIES`), and claims may be about it (`of_row`).

Attacks, corruptions, probes and groups have a size, a layer or a number of the run in their keys; those are patterns.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple


class Metric(NamedTuple):
    """`percent`: shown as 100 x. `name`: in the words of a table."""

    key: str
    name: str
    percent: bool = False


class Family(NamedTuple):
    """A table of metrics. `name` for headings, `slug` for ids, `says`: one sentence on what the numbers are."""

    name: str
    slug: str
    says: str
    metrics: tuple[Metric, ...]


SPLIT_NAMES = {
    "train": "training set", "valid": "validation", "test": "test", "test_aligned": "cue aligned",
    "test_random": "cue random", "test_conflicting": "cue conflicting", "test_absent": "cue absent",
}  # fmt: skip
VARIANCES = (
    ("within_variance", "within class", False), ("between_variance", "between classes", False),
    ("total_variance", "total", False), ("within_over_total", "within / total, %", True),
    ("within_over_mean_square", "within / mean square, %", True),
)  # fmt: skip
CALIBRATION = (
    ("nll", "negative log-likelihood, nats", False), ("nll_scaled", "the same after temperature scaling", False),
    ("brier", "Brier score", False), ("ece", "ECE, points", True), ("ece_mass", "ECE, bins of equal mass, points", True),
    ("ece_scaled", "ECE after temperature scaling, points", True), ("temperature", "fitted temperature", False),
    ("aurc", "AURC, maximum probability, %", True), ("aurc_max_logit", "AURC, maximum logit, %", True),
    ("aurc_normalised", "AURC, normalised logits, %", True),
)  # fmt: skip
COLLAPSE = (
    ("collapse/nc1", "NC1, within-class variability", False), ("collapse/nc1_trace", "NC1, ratio of traces", False),
    ("collapse/nc2_equinorm", "NC2, class means of one length", False),
    ("collapse/nc2_equiangular", "NC2, class means at equal angles", False),
    ("collapse/nc2_weights_equinorm", "NC2, weights of one length", False),
    ("collapse/nc2_weights_equiangular", "NC2, weights at equal angles", False),
    ("collapse/nc3", "NC3, weights along class means", False),
    ("collapse/nc4", "NC4, away from the nearest class mean", False),
    ("separation", "class separation R²", False), ("effective_rank", "effective rank", False),
    ("feature_norm_mean", "norm of features, mean", False), ("feature_norm_sd", "norm of features, sd", False),
    ("max_logit_mean", "maximum logit, mean", False), ("logit_norm_mean", "norm of logits, mean", False),
)  # fmt: skip
MARGINS = (
    ("margin_min", "smallest"), ("margin_p1", "1st percentile"), ("margin_p5", "5th percentile"),
    ("margin_p25", "25th percentile"), ("margin_median", "median"), ("margin_mean", "mean"),
    ("margin_cv", "coefficient of variation"),
)  # fmt: skip
WORST_GROUP = "worst_group_accuracy"
GROUPS = (
    (WORST_GROUP, "worst group"), ("mean_group_accuracy", "mean of groups"),
    ("adjusted_accuracy", "adjusted to the groups of training"),
)  # fmt: skip
CUE = (
    ("cue_accuracy", "goes with the cue, %", True), ("label_logit", "logit of the label over the others", False),
    ("cue_logit", "logit of the cue’s class over the others", False),
    ("cue_over_label", "the logit of the cue’s class over that of the label", False),
)  # fmt: skip
RELIANCE = (
    ("cue_drop", "accuracy lost from aligned to conflicting, points", True),
    ("weight_norm_ratio", "first layer: weight ratio", False),
    ("weight_norm_share", "first layer: share of the squared weights, %", True),
)  # fmt: skip
INFORMATION = (
    ("information", "information on the example in the logits, nats"), ("information_limit", "its limit, log N"),
)  # fmt: skip
#: Of labels that are numbers.
ERRORS = (("rmse", "RMSE"), ("mae", "MAE"))
BOUND = (
    ("loss", "loss on own augmented inputs"), ("floor", "entropy floor"), ("kl", "KL to the mean output of a cell"),
    ("variance_half", "variance term, factor 1/2"), ("variance_sharp", "variance term, sharp factor"),
    ("bound_simple", "bound: floor + half variance"), ("bound_half", "bound: floor + KL + half variance"),
    ("bound_sharp", "bound: floor + KL + sharp variance"), ("slack_half", "slack of the half bound"),
    ("slack_sharp", "slack of the sharp bound"), ("variance_over_loss", "sharp variance term / loss"),
    ("rows_per_cell", "rows of a cell, on average"),
    ("features/within_variance", "features: variance within cells"),
    ("features/total_variance", "features: variance, total"),
    ("outputs/within_variance", "outputs: variance within cells"), ("outputs/total_variance", "outputs: variance, total"),
)  # fmt: skip


def _split_metrics(splits: Iterable[str], parts: Iterable[tuple]) -> tuple[Metric, ...]:
    return tuple(
        Metric(f"{split}/{key}", f"{SPLIT_NAMES[split]}: {name}", percent)
        for split in splits
        for key, name, percent in parts
    )


FAMILIES = (
    Family("Accuracy and groups", "accuracy", "In percent; errors of regression in the units of the labels.", (
        *(Metric(f"{split}/accuracy", f"{name}, %", True) for split, name in SPLIT_NAMES.items()),
        *(Metric(f"{split}/{key}", f"{SPLIT_NAMES[split]}: {name}, %", True)
          for split in ("valid", "test", "test_random") for key, name in GROUPS),
        *(Metric(f"test/{key}", f"test: {name}") for key, name in ERRORS), Metric("train/rmse", "training set: RMSE"),
    )),
    Family("Reliance on the cue", "reliance", "How far the network follows what the cue says; differences of accuracies in"
           " points.", (
        Metric("test/cue_drop", RELIANCE[0][1], True),
        *_split_metrics(["test_random"], CUE[:1]), *_split_metrics(["test_conflicting"], CUE[:1]),
        *_split_metrics(["test_random"], CUE[1:]),
        *(Metric(f"test/{key}", name, percent) for key, name, percent in RELIANCE[1:]),
    )),
    Family("Variance of features and outputs", "variance", "Summed over units; shares in percent.", tuple(
        Metric(f"{split}/{where}/{key}", f"{where}, {SPLIT_NAMES[split]}: {name}", percent)
        for where in ("features", "logits", "outputs")
        for split in ("test", "train")
        for key, name, percent in VARIANCES
        if split == "test" or key in ("within_variance", "within_over_total")
    )),
    Family("Collapse", "collapse", "All of NC1 to NC4 are 0 in full collapse.", _split_metrics(("train", "test"), COLLAPSE)),
    Family("Calibration and selection", "calibration", "Lower is better, but for the temperature, which is 1 where"
           " confidence needs no change.", _split_metrics(("test", "test_random"), CALIBRATION)),
    Family("Margins", "margins", "Logit of the label minus the largest other logit.", _split_metrics(
        ("test", "train"), [(key, name, False) for key, name in MARGINS])),
    Family("Bound", "bound", "In nats, but for the variances and the rows of a cell; on the run’s own augmented training"
           " inputs. A cell is the rows of one target.", tuple(Metric(f"augmented/{key}", name) for key, name in BOUND)),
    Family("Robustness", "robustness", "Test accuracy in percent; margins in logits.", ()),
    Family("Probes and information", "probe", "Accuracy of a linear classifier on frozen layers, in percent; information in"
           " nats.", tuple(Metric(f"train/{key}", name) for key, name in INFORMATION)),
)  # fmt: skip


# What is measured

#: Splits that a row may have whatever its cue; "augmented" are training inputs as the method makes them.
SPLITS = ("train", "validation", "valid", "test", "augmented")
WHERES = ("features", "logits", "outputs")
#: Measured, and in no table.
UNSHOWN = ("groups_left_out",)
UNSHOWN_VARIANCES = ("mean_square", "within_variance_per_unit")


def _keys(*lists: Iterable[tuple]) -> tuple[str, ...]:
    return tuple(entry[0] for entries in lists for entry in entries)


OF_CLASSES = ("accuracy", *_keys(CALIBRATION, MARGINS, COLLAPSE, GROUPS), *UNSHOWN)
OF_VARIANCE = (*_keys(VARIANCES), *UNSHOWN_VARIANCES)
OF_BOUND = tuple(key for key in _keys(BOUND) if "/" not in key)
ATTACK = re.compile(r"(?P<split>[^/]+)/attack/(?P<kind>.+)_(?P<size>[^_/]+)/(?P<what>accuracy|margin_mean)")
CORRUPTION = re.compile(r"(?P<split>[^/]+)/corruption/(?P<kind>.+)_(?P<size>[^_/]+)/(?P<what>accuracy)")
PROBE = re.compile(r"probe/(?P<data>[^/]+)/(?P<layer>.+)/accuracy")
GROUP = re.compile(r"(?P<split>[^/]+)/group_(?P<y>\d+)(?:_(?P<a>\d+))?/accuracy")
ATTACK_NAMES = {"fgsm": "FGSM", "pgd": "PGD", "jpeg_like": "JPEG-like"}
HIDDEN_LAYER = re.compile(rf"layers/[^/]+/({'|'.join(OF_VARIANCE)})")


@cache
def of_row(placed: tuple[str, ...], task: str) -> dict[str, None]:
    """The metrics of a row whose keys are known beforehand.

    placed: the splits that it has because of its cue, "test_random" and so on. task: "classification", "regression", or ""
    for either.
    """
    classes, numbers = task != "regression", task != "classification"
    variances = [f"{where}/{part}" for where in WHERES for part in OF_VARIANCE]
    of_split = [*(OF_CLASSES if classes else ()), *(_keys(ERRORS) if numbers else ()), *variances]
    of_split += _keys(CUE) if classes and "test_random" in placed else ()
    of_one: dict[str, Sequence[str]] = {
        "train": ("loss", *(_keys(INFORMATION) if classes else ())),
        "test": _keys(RELIANCE) if classes and placed else (),
        "augmented": (*OF_BOUND, *variances) if classes else (),
    }
    found = [f"{split}/{name}" for split in (*SPLITS, *placed) if split != "augmented" for name in of_split]
    return dict.fromkeys(found + [f"{split}/{name}" for split, names in of_one.items() for name in names])

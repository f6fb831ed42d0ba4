"""The metrics that tables of methods show, by family, with their names; only those that some row was measured for.

`FAMILIES` lists what is known beforehand. Attacks, corruptions and probes have their levels and layers in their keys;
those are found among what was measured. Names are plain text without any markup.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from lamv.study.legend import Legend
from lamv.study.shapes import is_number


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
GROUPS = (
    ("worst_group_accuracy", "worst group"), ("mean_group_accuracy", "mean of groups"),
    ("adjusted_accuracy", "adjusted to the groups of training"),
)  # fmt: skip
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
        Metric("test/rmse", "test: RMSE"), Metric("test/mae", "test: MAE"), Metric("train/rmse", "training set: RMSE"),
    )),
    Family("Reliance on the cue", "reliance", "How far the network follows what the cue says; differences of accuracies in"
           " points.", (
        Metric("test/cue_drop", "accuracy lost from aligned to conflicting, points", True),
        Metric("test_random/cue_accuracy", "cue random: goes with the cue, %", True),
        Metric("test_conflicting/cue_accuracy", "cue conflicting: goes with the cue, %", True),
        Metric("test_random/label_logit", "cue random: logit of the label over the others"),
        Metric("test_random/cue_logit", "cue random: logit of the cue’s class over the others"),
        Metric("test_random/cue_over_label", "cue random: the logit of the cue’s class over that of the label"),
        Metric("test/weight_norm_ratio", "first layer: weight ratio"),
        Metric("test/weight_norm_share", "first layer: share of the squared weights, %", True),
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
           " nats.", (Metric("train/information", "information on the example in the logits, nats"),
                      Metric("train/information_limit", "its limit, log N"))),
)  # fmt: skip
ATTACK = re.compile(r"(?P<split>[^/]+)/attack/(?P<kind>.+)_(?P<size>[^_/]+)/(?P<what>accuracy|margin_mean)")
CORRUPTION = re.compile(r"(?P<split>[^/]+)/corruption/(?P<kind>.+)_(?P<size>[^_/]+)/(?P<what>accuracy)")
PROBE = re.compile(r"probe/(?P<data>[^/]+)/(?P<layer>.+)/accuracy")
GROUP = re.compile(r"(?P<split>[^/]+)/group_(?P<y>\d+)(?:_(?P<a>\d+))?/accuracy")
ATTACK_NAMES = {"fgsm": "FGSM", "pgd": "PGD", "jpeg_like": "JPEG-like"}


def measured(keys: Iterable[str], legend: Legend = Legend()) -> list[Family]:  # noqa: B008  (immutable)
    """The families that have any metric among the keys, with those metrics; groups by the names that the legend has."""
    keys = set(keys)
    found = []
    for family in FAMILIES:
        metrics = [metric for metric in family.metrics if metric.key in keys]
        if family.slug in OF_KEYS:
            metrics += OF_KEYS[family.slug](keys, legend)
        if metrics:
            found.append(family._replace(metrics=tuple(metrics)))
    return found


def kind_name(kind: str) -> str:
    """An attack or a corruption in words."""
    return ATTACK_NAMES.get(kind, kind.replace("_", " "))


def level(size: str) -> float | None:
    """The size of an attack or a corruption as a number; None where it is not written as one, or is endless."""
    try:
        return float(size) if is_number(float(size)) else None
    except ValueError:
        return None


def split_of_groups(keys: Iterable[str]) -> str:
    """The test split whose groups say most: with a random cue, where there is one; "" where there are no groups."""
    keys = set(keys)
    splits = ("test_random", "test")
    return next((split for split in splits if f"{split}/worst_group_accuracy" in keys), "")


def _groups(keys: set[str], legend: Legend) -> list[Metric]:
    """The accuracy of each group on one split."""
    split = split_of_groups(keys)
    matches = [(match, key) for key in keys if (match := GROUP.fullmatch(key)) and match["split"] == split]
    matches.sort(key=lambda pair: (int(pair[0]["y"]), int(pair[0]["a"] or 0)))
    return [Metric(key, f"{SPLIT_NAMES[split]}: {legend.group(*numbers_of(match))}, %", True) for match, key in matches]


def numbers_of(group: re.Match) -> tuple[int, int | None]:
    """(y, a) of a match of GROUP, or (group, None)."""
    return int(group["y"]), None if group["a"] is None else int(group["a"])


def _robustness(keys: set[str], _: Legend) -> list[Metric]:
    found = []
    for pattern, word in ((ATTACK, "ε ="), (CORRUPTION, "level")):
        matches = [(match, key) for key in keys if (match := pattern.fullmatch(key))]
        matches.sort(key=lambda pair: (pair[0]["what"], *_place(pair[0])))
        for match, key in matches:
            margin = match["what"] == "margin_mean"
            name = f"{kind_name(match['kind'])}, {word} {match['size']}" + (": mean margin" if margin else ", %")
            found.append(Metric(key, name, not margin))
    return found


def _place(match: re.Match) -> tuple:
    size = level(match["size"])
    return match["kind"], size is None, size or 0.0, match["size"]


def _probes(keys: set[str], _: Legend) -> list[Metric]:
    matches = [(match, key) for key in sorted(keys) if (match := PROBE.fullmatch(key))]
    return [Metric(key, f"probe of {match['layer']} on {match['data']}, %", True) for match, key in matches]


#: Families whose metrics have more in their keys than can be listed beforehand.
OF_KEYS = {"accuracy": _groups, "robustness": _robustness, "probe": _probes}

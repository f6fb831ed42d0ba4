"""Every metric: its key, its name in tables with its unit, the terms that explain it, and on which splits it is measured.

Keys are SPLIT/METRIC, or SPLIT/WHERE/METRIC for what is measured of features, logits, outputs or a layer. To add a metric,
give it an entry: tables show it (`FAMILIES`), claims may be about it (`of_row`), pages explain it (`terms`).

Attacks, corruptions, probes and groups have a size, a layer or a number in their keys; those are patterns.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

from lamv.catalog import glossary


class MetricEntry(NamedTuple):
    """key: without the split. name: in tables, with its unit. terms: of lamv.catalog.glossary, those that explain it.

    percent: shown as 100 x.
    """

    key: str
    name: str
    terms: tuple[str, ...]
    percent: bool = False


class Metric(NamedTuple):
    """A line of a table: key with the split, name, and whether it is shown as 100 x."""

    key: str
    name: str
    percent: bool = False


class Family(NamedTuple):
    """A table of metrics. `name` for headings, `slug` for ids, `caption`: one sentence on what the numbers are."""

    name: str
    slug: str
    caption: str
    metrics: tuple[Metric, ...]


#: Names in tables, and the terms that explain them.
SPLIT_NAMES = {
    "train": "training set", "valid": "validation", "test": "test", "test_aligned": "cue aligned",
    "test_random": "cue random", "test_conflicting": "cue conflicting", "test_absent": "cue absent",
}  # fmt: skip
SPLIT_TERMS = {
    "valid": "validation", "test": "test", "test_aligned": "aligned", "test_random": "random",
    "test_conflicting": "conflicting", "test_absent": "absent", "augmented": "own augmented inputs",
}  # fmt: skip
WHERES = ("features", "logits", "outputs")

WORST_GROUP = "worst_group_accuracy"
#: Examples of the worst group.
WORST_COUNT = "worst_group_count"
ACCURACY = (MetricEntry("accuracy", "accuracy, %", ("accuracy",), True),)
#: Where classes are unequal, see lamv.core.metrics.
BALANCED = "balanced_accuracy"
CLASSES = (MetricEntry(BALANCED, "balanced accuracy, %", ("balanced accuracy",), True),)
#: Where the training set has a long tail (data.imbalance), see lamv.data.long_tails.
TAIL = tuple(
    MetricEntry(f"{part}_accuracy", f"classes of {part} training examples, %", ("many, medium, few",), True)
    for part in ("many", "medium", "few")
)
#: Of labels that are numbers.
ERRORS = (MetricEntry("rmse", "RMSE", ("RMSE",)), MetricEntry("mae", "MAE", ("MAE",)))
GROUPS = (
    MetricEntry(WORST_GROUP, "worst group", ("group", "worst, mean group"), True),
    MetricEntry("mean_group_accuracy", "mean of groups", ("group", "worst, mean group"), True),
    MetricEntry("adjusted_accuracy", "adjusted to the groups of training", ("group", "adjusted accuracy"), True),
)
#: Of two classes and an attribute.
FAIRNESS = (
    MetricEntry("eod", "equal opportunity difference", ("group", "EOD, AOD, SPD"), True),
    MetricEntry("aod", "average odds difference", ("group", "EOD, AOD, SPD"), True),
    MetricEntry("spd", "statistical parity difference", ("group", "EOD, AOD, SPD"), True),
)
CUE = (
    MetricEntry("cue_accuracy", "goes with the cue, %", ("follows the cue",), True),
    MetricEntry("label_logit", "logit of the label over the others", ("cue : label",)),
    MetricEntry("cue_logit", "logit of the cue’s class over the others", ("cue : label",)),
    MetricEntry("cue_over_label", "the logit of the cue’s class over that of the label", ("cue : label",)),
)
RELIANCE = (
    MetricEntry("cue_drop", "accuracy lost from aligned to conflicting, points", ("cue drop",), True),
    MetricEntry("weight_norm_ratio", "first layer: weight ratio", ("weight ratio",)),
    MetricEntry(
        "weight_norm_share", "first layer: share of the squared weights, %", ("weight ratio", "weight share"), True
    ),
)
#: Below features, logits, outputs or a layer.
VARIANCES = (
    MetricEntry("within_variance", "within class", ("within-class variance",)),
    MetricEntry("between_variance", "between classes", ("between-class variance",)),
    MetricEntry("total_variance", "total", ("total variance",)),
    MetricEntry("within_over_total", "within / total, %", ("V_W / V_T",), True),
    MetricEntry("within_over_mean_square", "within / mean square, %", ("within / mean square",), True),
)
COLLAPSE = (
    MetricEntry("collapse/nc1", "NC1, within-class variability", ("NC1",)),
    MetricEntry("collapse/nc1_trace", "NC1, ratio of traces", ("NC1",)),
    MetricEntry("collapse/nc2_equinorm", "NC2, class means of one length", ("NC2",)),
    MetricEntry("collapse/nc2_equiangular", "NC2, class means at equal angles", ("NC2",)),
    MetricEntry("collapse/nc2_weights_equinorm", "NC2, weights of one length", ("NC2",)),
    MetricEntry("collapse/nc2_weights_equiangular", "NC2, weights at equal angles", ("NC2",)),
    MetricEntry("collapse/nc3", "NC3, weights along class means", ("NC3",)),
    MetricEntry("collapse/nc4", "NC4, away from the nearest class mean", ("NC4",)),
    MetricEntry("separation", "class separation R²", ("class separation",)),
    MetricEntry("effective_rank", "effective rank", ("effective rank",)),
    MetricEntry("feature_norm_mean", "norm of features, mean", ("norms",)),
    MetricEntry("feature_norm_sd", "norm of features, sd", ("norms",)),
    MetricEntry("max_logit_mean", "maximum logit, mean", ("norms",)),
    MetricEntry("logit_norm_mean", "norm of logits, mean", ("norms",)),
)
CALIBRATION = (
    MetricEntry("nll", "negative log-likelihood, nats", ("negative log-likelihood",)),
    MetricEntry("nll_scaled", "the same after temperature scaling", ("negative log-likelihood", "temperature scaling")),
    MetricEntry("brier", "Brier score", ("Brier score",)),
    MetricEntry("ece", "ECE, points", ("ECE",), True),
    MetricEntry("ece_mass", "ECE, bins of equal mass, points", ("ECE",), True),
    MetricEntry("ece_scaled", "ECE after temperature scaling, points", ("ECE", "temperature scaling"), True),
    MetricEntry("temperature", "fitted temperature", ("temperature scaling",)),
    MetricEntry("temperature_not_found", "temperature at an end of its range, % of seeds", ("temperature scaling",), True),
    *(
        MetricEntry(f"{key}{ending}", f"{name}, {score}, %", (term,), True)
        for key, name, term in (
            ("aurc", "AURC", "AURC"), ("augrc", "AUGRC", "AUGRC"),
            ("coverage_at_risk_5", "coverage at 5 % risk", "coverage and risk"),
            ("risk_at_coverage_80", "risk at 80 % coverage", "coverage and risk"),
        )
        for ending, score in (
            ("", "maximum probability"), ("_max_logit", "maximum logit"), ("_normalised", "normalised logits")
        )
    ),
)  # fmt: skip
MARGINS = tuple(
    MetricEntry(f"margin_{key}", name, ("margin",))
    for key, name in (
        ("min", "smallest"), ("p1", "1st percentile"), ("p5", "5th percentile"), ("p25", "25th percentile"),
        ("median", "median"), ("mean", "mean"), ("cv", "coefficient of variation"),
    )
)  # fmt: skip
#: On the training set against the labels as given, noise included.
SMOOTHING = (
    MetricEntry("smoothing/fitted", "largest logit is the label’s, %", ("term of smoothing",), True),
    MetricEntry("smoothing/term", "term of smoothing over s", ("term of smoothing",)),
    MetricEntry("smoothing/right", "... its part on right predictions", ("term of smoothing",)),
    MetricEntry("smoothing/wrong", "... its part on wrong predictions", ("term of smoothing",)),
    MetricEntry("smoothing/regularisation", "... over logits below the label’s", ("term of smoothing",)),
    MetricEntry("smoothing/amplification", "... over logits above the label’s", ("term of smoothing",)),
    MetricEntry("smoothing/apart", "MaxSup’s term minus that of smoothing", ("term of smoothing", "apart")),
)
INFORMATION = (
    MetricEntry("information", "information on the example in the logits, nats", ("information",)),
    MetricEntry("information_limit", "its limit, log N", ("information",)),
)
#: On the split "augmented".
BOUND = (
    MetricEntry("loss", "loss on own augmented inputs", ("own augmented inputs",)),
    MetricEntry("floor", "entropy floor", ("entropy floor",)),
    MetricEntry("kl", "KL to the mean output of a cell", ("bound",)),
    MetricEntry("variance_half", "variance term, factor 1/2", ("bound",)),
    MetricEntry("variance_sharp", "variance term, sharp factor", ("bound",)),
    MetricEntry("bound_simple", "bound: floor + half variance", ("bound",)),
    MetricEntry("bound_half", "bound: floor + KL + half variance", ("bound",)),
    MetricEntry("bound_sharp", "bound: floor + KL + sharp variance", ("bound",)),
    MetricEntry("slack_half", "slack of the half bound", ("bound",)),
    MetricEntry("slack_sharp", "slack of the sharp bound", ("bound",)),
    MetricEntry("variance_over_loss", "sharp variance term / loss", ("bound",)),
    MetricEntry("rows_per_cell", "rows of a cell, on average", ("rows of a cell",)),
)
#: Measured, and in no table.
UNSHOWN = (
    MetricEntry("loss", "training loss", ("training loss",)),
    MetricEntry(WORST_COUNT, "examples of the worst group", ("worst, mean group",)),
    MetricEntry("groups_left_out", "groups without an example", ("worst, mean group",)),
)
UNSHOWN_VARIANCES = (
    MetricEntry("mean_square", "mean square", ("within / mean square",)),
    MetricEntry("within_variance_per_unit", "within class, mean over units", ("within-class variance",)),
)


def _on(splits: Iterable[str], entries: Iterable[MetricEntry], unit: str = "") -> tuple[Metric, ...]:
    return tuple(
        Metric(f"{split}/{entry.key}", f"{SPLIT_NAMES[split]}: {entry.name}{unit}", entry.percent)
        for split in splits
        for entry in entries
    )


FAMILIES = (
    Family("Accuracy and groups", "accuracy", "In percent; errors of regression in the units of the labels.", (
        *(Metric(f"{split}/accuracy", f"{name}, %", True) for split, name in SPLIT_NAMES.items()),
        *_on(("valid", "test"), CLASSES), *_on(("valid", "test"), TAIL),
        *_on(("valid", "test", "test_random"), GROUPS, ", %"),
        *_on(("valid", "test", "test_random"), FAIRNESS, ", points"),
        *_on(["test"], ERRORS), *_on(["train"], ERRORS[:1]),
    )),
    Family("Reliance on the cue", "reliance", "How far the network follows the cue; differences of accuracies in points.", (
        *(Metric(f"test/{entry.key}", entry.name, entry.percent) for entry in RELIANCE[:1]),
        *_on(("test_random", "test_conflicting"), CUE[:1]), *_on(["test_random"], CUE[1:]),
        *(Metric(f"test/{entry.key}", entry.name, entry.percent) for entry in RELIANCE[1:]),
    )),
    Family("Variance of features and outputs", "variance", "Summed over units; shares in percent.", tuple(
        Metric(f"{split}/{where}/{entry.key}", f"{where}, {SPLIT_NAMES[split]}: {entry.name}", entry.percent)
        for where in WHERES
        for split in ("test", "train")
        for entry in VARIANCES
        if split == "test" or entry.key in ("within_variance", "within_over_total")
    )),
    Family("Collapse", "collapse", "All of NC1 to NC4 are 0 in full collapse.", _on(("train", "test"), COLLAPSE)),
    Family("Calibration and selection", "calibration", "Lower is better, except for coverage and for the temperature,"
           " which is 1 where confidence needs no change.", _on(("test", "test_random"), CALIBRATION)),
    Family("Margins", "margins", "Logit of the label minus the largest other logit.", _on(("test", "train"), MARGINS)),
    Family("What smoothing adds to the loss", "smoothing", "In logits, over the factor s; shares in percent. On the training"
           " set against the labels as given, noise included.", _on(("train", "test"), SMOOTHING)),
    Family("Bound", "bound", "In nats, except for the variances and the rows of a cell; on the run’s own augmented training"
           " inputs. A cell is the rows of one target.", (
        *(Metric(f"augmented/{entry.key}", entry.name) for entry in BOUND),
        *(Metric(f"augmented/{where}/{part}_variance", f"{where}: variance{more}")
          for where in ("features", "outputs") for part, more in (("within", " within cells"), ("total", ", total"))),
    )),
    Family("Robustness", "robustness", "Test accuracy in percent; margins in logits.", ()),
    Family("Probes and information", "probe", "Accuracy of a linear classifier on frozen layers, in percent; information in"
           " nats.", tuple(Metric(f"train/{entry.key}", entry.name) for entry in INFORMATION)),
)  # fmt: skip


# What is measured

#: Splits that a row may have whatever its cue; "augmented" are training inputs as the method makes them.
SPLITS = ("train", "validation", "valid", "test", "augmented")
ATTACKS = {"fgsm": "FGSM", "pgd": "PGD"}
CORRUPTIONS = {
    "noise": "noise", "blur": "blur", "contrast": "contrast", "pixelate": "pixelate", "jpeg_like": "JPEG-like",
}  # fmt: skip
ATTACK = re.compile(r"(?P<split>[^/]+)/attack/(?P<kind>.+)_(?P<size>[^_/]+)/(?P<what>accuracy|margin_mean)")
CORRUPTION = re.compile(r"(?P<split>[^/]+)/corruption/(?P<kind>.+)_(?P<size>[^_/]+)/(?P<what>accuracy)")
PROBE = re.compile(r"probe/(?P<data>[^/]+)/(?P<layer>[^/]+)/accuracy")
CLASS = re.compile(r"(?P<split>[^/]+)/class_(?P<y>\d+)/accuracy")
GROUP = re.compile(r"(?P<split>[^/]+)/group_(?P<y>\d+)(?:_(?P<a>\d+))?/accuracy")
#: Of features, in the evaluation.
GROUP_VARIANCE = re.compile(r"(?P<split>[^/]+)/group_(?P<y>\d+)(?:_(?P<a>\d+))?/within_variance")
GROUP_EIGENVALUE = re.compile(r"(?P<split>[^/]+)/group_(?P<y>\d+)(?:_(?P<a>\d+))?/top_eigenvalue")
#: Pattern -> (the term that explains it, what is measured beside the accuracy and in no table).
PATTERNS = {
    ATTACK: ("attacks", "margin_mean"), CORRUPTION: ("corruptions", "margin_mean"),
    PROBE: ("probe", "train_accuracy"), GROUP: ("group", "count"), CLASS: ("balanced accuracy", "count"),
    **dict.fromkeys((GROUP_VARIANCE, GROUP_EIGENVALUE), ("variance within a group", "")),
}  # fmt: skip

#: Of every split of a classification.
OF_PREDICTIONS = (ACCURACY, CLASSES, TAIL, CALIBRATION, MARGINS, COLLAPSE, SMOOTHING, GROUPS, FAIRNESS)
_BY_KEY, _OF_VARIANCE, _OF_BOUND = (
    {entry.key: entry for entries in lists for entry in entries}
    for lists in (
        (*OF_PREDICTIONS, UNSHOWN, ERRORS, CUE, RELIANCE, INFORMATION),
        (VARIANCES, UNSHOWN_VARIANCES),
        (BOUND,),
    )
)
OF_CLASSES = (*(entry.key for entries in OF_PREDICTIONS for entry in entries), WORST_COUNT, "groups_left_out")


def entry_of(key: str) -> MetricEntry | None:
    """The entry of a metric, by its key with the split; None for patterns, and for what is no metric."""
    split, _, name = key.partition("/")
    where, _, part = name.rpartition("/")
    if where in WHERES or re.fullmatch("layers/[^/]+", where):
        return _OF_VARIANCE.get(part)
    return (_OF_BOUND if split == "augmented" else _BY_KEY).get(name)


def listed() -> dict[str, tuple[str, tuple[str, ...]]]:
    """{form of the key: (name in tables, terms)} of every metric: "SPLIT/accuracy", "SPLIT/WHERE/total_variance"."""
    forms = (("SPLIT", _BY_KEY), ("SPLIT/WHERE", _OF_VARIANCE), ("augmented", _OF_BOUND))
    entries = {f"{form}/{key}": (entry.name, entry.terms) for form, by_key in forms for key, entry in by_key.items()}
    entries |= {f"SPLIT/{entry.key}": (f"margin, {entry.name}", entry.terms) for entry in MARGINS}
    patterns = {
        "test/attack/KIND_SIZE/accuracy": f"accuracy under {' and '.join(ATTACKS.values())}, %",
        "test/corruption/KIND_SIZE/accuracy": f"accuracy under {', '.join(CORRUPTIONS.values())}, %",
        "probe/DATA/LAYER/accuracy": "accuracy of a linear probe of a layer, %",
        "SPLIT/group_Y_A/accuracy": "accuracy of the group of label Y and attribute A, %",
        "SPLIT/class_Y/accuracy": "accuracy on the examples of class Y, %",
        "SPLIT/group_Y_A/within_variance": "features: variance within the group of label Y and attribute A",
        "SPLIT/group_Y_A/top_eigenvalue": "features: largest eigenvalue of the covariance within that group",
    }
    of_patterns = zip(patterns.items(), PATTERNS.values(), strict=True)
    return entries | {form: (name, (term,)) for (form, name), (term, _) in of_patterns}


def terms(keys: Iterable[str]) -> list[glossary.Term]:
    """The terms that explain these metrics, their splits and layers included, in the order of the page."""
    names = set()
    for key in keys:
        split, _, name = key.partition("/")
        where = name.partition("/")[0]
        entry = entry_of(key)
        names |= {
            SPLIT_TERMS.get(split),
            where if where in (*WHERES, "layers") else None,
            *(entry.terms if entry else ()),
        }
        names |= {term for pattern, (term, _) in PATTERNS.items() if _match(pattern, key)}
        names |= {"points lost"} if key == "test_random/accuracy" else set()
    return glossary.terms(names)


@cache
def of_row(placed: tuple[str, ...], task: str) -> dict[str, None]:
    """The metrics of a row whose keys are known beforehand.

    placed: the splits that it has because of its cue, "test_random" and so on. task: "classification", "regression", or ""
    for either.
    """
    classes, numbers = task != "regression", task != "classification"
    variances = [f"{where}/{part}" for where in WHERES for part in _OF_VARIANCE]
    of_split = [*(OF_CLASSES if classes else ()), *(_keys(ERRORS) if numbers else ()), *variances]
    of_split += _keys(CUE) if classes and "test_random" in placed else ()
    of_one: dict[str, Sequence[str]] = {
        "train": ("loss", *(_keys(INFORMATION) if classes else ())),
        "test": _keys(RELIANCE) if classes and placed else (),
        "augmented": (*_OF_BOUND, *variances) if classes else (),
    }
    keys = [f"{split}/{name}" for split in (*SPLITS, *placed) if split != "augmented" for name in of_split]
    return dict.fromkeys(keys + [f"{split}/{name}" for split, names in of_one.items() for name in names])


def is_of_row(key: str, placed: Sequence[str], task: str) -> bool:
    """As `of_row`, for a key with a layer, a probe or a group in it, or for any other."""
    split, classes = key.partition("/")[0], task != "regression"
    if key in of_row(tuple(placed), task) or (classes and _match(PROBE, key)):
        return True
    if split not in (*SPLITS, *placed) or (split == "augmented" and not classes):
        return False
    by_name = (
        classes
        and split != "augmented"
        and any(_match(pattern, key) for pattern in (GROUP, CLASS, GROUP_VARIANCE, GROUP_EIGENVALUE))
    )
    return by_name or (key.split("/")[1:2] == ["layers"] and entry_of(key) is not None)


def disturbed(key: str) -> re.Match | None:
    """The match of an attack or a corruption of lamv, whatever its size, on the split "test"."""
    for pattern, kinds in ((ATTACK, ATTACKS), (CORRUPTION, CORRUPTIONS)):
        match = _match(pattern, key)
        if match and match["split"] == "test" and match["kind"] in kinds:
            return match
    return None


def _match(pattern: re.Pattern, key: str) -> re.Match | None:
    """A match of the key, or of the accuracy beside which it is measured."""
    return pattern.fullmatch(key) or pattern.fullmatch(re.sub(f"/{PATTERNS[pattern][1]}$", "/accuracy", key))


def _keys(entries: Iterable[MetricEntry]) -> tuple[str, ...]:
    return tuple(entry.key for entry in entries)

"""The words of a report that do not depend on its numbers: what a row was, what its settings were, how to read it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lamv.catalog import methods, mitigations
from lamv.report import glossary
from lamv.results.records import Row, Run, Term, flatten

#: Knobs that `method_in_words` tells.
TOLD = ("method.", "loss.", "distill.", "mitigation.", "select.", "optim.after_switch")


def method_in_words(row: Row, num_classes: int | None) -> str:
    """The label augmentation and the loss of a row, with the target that the loss sees; what was done against shortcuts.

    num_classes: K, or None where it is not known.
    """
    words = [methods.in_words(row.config, 1 if _regression(row) else num_classes), mitigations.in_words(row.config)]
    if row.selected:
        words.append(f"Its numbers are of the steps {', '.join(map(str, row.selected))}, seed by seed.")
    return " ".join(part for part in words if part)


def _regression(row: Row) -> bool:
    """Whether the labels are numbers, from what was measured."""
    return any(metric.endswith("/rmse") for metric in row.metrics)


def differences(row: Row, rows: Sequence[Row]) -> str:
    """The knobs in which rows differ and which `method_in_words` does not tell: "optim.weight_decay = 0.001"."""
    own = flatten(row.config)
    return ", ".join(f"{key}\xa0=\xa0{_value(own.get(key))}" for key in _differing(rows) if not key.startswith(TOLD))


def _differing(rows: Sequence[Row]) -> list[str]:
    first, *others = (flatten(row.config) for row in rows)
    return [key for key in first if any(other.get(key) != first[key] for other in others)]


def common_settings(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """(knob, value) of every knob that has the same value in all rows."""
    first, *others = (flatten(row.config) for row in rows)
    return [(k, _value(v)) for k, v in first.items() if all(k in o and o[k] == v for o in others)]


def setup(run: Run) -> list[Term]:
    """Data, cue, network, optimiser and length in words, as in the first row; with what differs by row."""
    first = run.rows[0]
    if not first.config:
        return []
    knob = first.knob
    drawn = f"{knob('data.train_size')} training examples, drawn by the seed"
    size = drawn if knob("data.train_size") else "all training examples"
    widths = ", hidden widths " + ", ".join(map(str, knob("model.widths"))) if knob("model.widths") else ""
    length = f"{knob('steps')} steps" if knob("steps") else f"{knob('epochs')} epochs"
    seeds = f"{knob('seeds')} seed{'s' if knob('seeds') != 1 else ''} from {knob('seed')}"
    rate = f"learning rate {_value(knob('optim.lr'))} ({knob('optim.schedule')})"
    decay = f"weight decay {_value(knob('optim.weight_decay'))}"
    differing = _differing(run.rows)
    noisy = any(row.knob("data.label_noise") for row in run.rows)

    def term(name: str, text: str, *keys: str) -> Term:
        of_it = [key for key in differing if key.startswith(keys)]
        return Term(name, f"{text}." + (f" Differs by row: {', '.join(of_it)}." if of_it else ""))

    return [
        term("Data", f"{knob('data.name')}, {size}", "data."),
        *([term("Labels", _noise_in_words(first), "data.label_noise")] if noisy else []),
        term("Cue", _cue_in_words(first), "data.shortcut."),
        term("Network", f"{knob('model.name')}{widths}", "model."),
        term("Optimiser", f"{knob('optim.name')}, {rate}, {decay}", "optim."),
        term("Length", f"{length} of {knob('batch_size')} examples, {seeds}", "steps", "epochs", "batch_size"),
    ]


#: By kind, with its strength.
CUES = {
    "tag": "a tag: {strength} × one-hot of the class, written over or next to the inputs",
    "pixel": "a pixel: one input that tells class 1 from class 0, of size {strength}",
    "colour": "the colour of the image, of strength {strength}",
    "patch": "a coloured patch in the image’s upper left corner, of strength {strength}",
    "watermark": "a number in white digits in the image’s lower right corner, of strength {strength}",
    "colour_cast": "a colour cast over the image, of strength {strength}",
    "frequency": "a grating over the image, of strength {strength}",
    "dominoes": "a second image, of another data set, above the image, of strength {strength}",
    "cat_channel": "a second image of the class in channels of its own, of strength {strength}",
}


def _cue_in_words(row: Row) -> str:
    kind, strength, noise = (row.knob(f"data.shortcut.{k}") for k in ("kind", "strength", "noise"))
    if kind in (None, "none"):
        return "none was planted"
    what = CUES.get(kind, "“{kind}” of strength {strength}").format(kind=kind, strength=strength)
    varies = f"plus Gaussian noise of standard deviation {noise:g}" if noise else "without noise"
    return f"{what}, {varies}; in training it says the label with probability {_reliabilities(row)}"


def _reliabilities(row: Row) -> str:
    """ "0.9", or "0.8 or 0.9, by environment; in the split test with probability 0.1"."""
    of = {key: row.knob(f"data.shortcut.{key}") for key in ("reliability", "environments", "valid_reliability",
                                                            "test_reliability")}  # fmt: skip
    words = _value(of["reliability"])
    if of["environments"]:
        words = " or ".join(f"{share:g}" for share in of["environments"]) + ", by environment"
    for split in ("valid", "test"):
        if of[f"{split}_reliability"] is not None:
            words += f"; in the split {split} with probability {of[f'{split}_reliability']:g}"
    return words


def _noise_in_words(row: Row) -> str:
    rate = row.knob("data.label_noise")
    if not rate:
        return "as in the data set"
    by = "the label of any training example" if _regression(row) else "any class, all equally likely"
    return f"each training label was replaced with probability {rate:g}, once, by {by}; test labels are as they were"


def how_to_read(run: Run, more: Sequence[Term] = ()) -> list[Term]:
    """Definitions of the splits and metrics that this run has. more: of what else the page shows."""
    keys = {key for row in run.rows for key in row.metrics}
    terms = [CUE] if run.cue else []
    terms += [term for prefix, term in SPLITS if any(key.startswith(prefix) for key in keys)]
    terms += [term for part, term in METRICS if any(part in key for key in keys)]
    tables = glossary.TABLES if keys else ()
    return [*terms, *glossary.of_design(run.rows), *more, *glossary.terms(keys), *SURENESS, *tables]


CUE = Term(
    "cue",
    "Inputs that were planted to give the label away (a tag, a pixel). Label augmentation is said to make networks"
    " learn the features that vary least within a class; a cue without noise does not vary at all. Whether it was"
    " learned shows where it is random.",
)
SPLITS = (
    ("valid/", Term("validation", "Examples not trained on, by which a step may be chosen.")),
    (
        "test/",
        Term("test", "Examples not trained on; the cue, if any, as in training, unless the setting says otherwise."),
    ),
    ("test_aligned/", Term("aligned", "The same examples; the cue always says the label.")),
    ("test_random/", Term("random", "The cue says any of the classes, all equally likely: it carries no information.")),
    ("test_conflicting/", Term("conflicting", "The cue always says a class other than the label.")),
    ("test_absent/", Term("absent", "The cue is left out; its inputs are 0, but for noise where it has any.")),
)
METRICS = (
    ("/rmse", Term("RMSE", "Root mean square error, √(E (output − label)²), in the units of the labels.")),
    ("/mae", Term("MAE", "Mean absolute error, E |output − label|, in the units of the labels.")),
    ("accuracy", Term("accuracy", "Share of examples whose largest output is that of the label.")),
    ("test_random/accuracy", Term(
        "points lost",
        "Accuracy with an aligned cue minus accuracy with a random one: 0 for a network that ignores the cue. Two rows"
        " are said to rely on it alike where the interval of their difference lies within 3 points of 0; where it does"
        " not, yet includes 0, it cannot be told.",
    )),
    ("worst_group_accuracy", Term(
        "group", "The examples of one label y and one attribute a: what the cue says of them, or a column of the data.")),
    ("worst_group_accuracy", Term(
        "worst, mean group",
        "The smallest accuracy of any group, and the plain mean over groups. Groups without an example in the split are"
        " left out. Chance alone makes the worst of many small groups low.",
    )),
    ("adjusted_accuracy", Term(
        "adjusted accuracy",
        "The mean over groups, each weighted by its share of the training set, of those that the split has. Elsewhere the"
        " word is used of the plain mean.",
    )),
    ("cue_accuracy", Term(
        "follows the cue", "Share of examples that the network puts into the class that the cue says, right or wrong.")),
    ("test/cue_drop", Term(
        "cue drop",
        "Accuracy with an aligned cue minus accuracy with a conflicting one: of the same examples, only the cue is swapped.",
    )),
    ("cue_over_label", Term(
        "cue : label",
        "How far the logit of the class that the cue says lies above the mean of the others, over how far that of the label"
        " does; with a random cue, where the two are independent. If logits are a part from the label plus a part from the"
        " cue, it is the one part over the other: 0 ignores the cue, above 1 follows it.",
    )),
    ("weight_norm_ratio", Term(
        "weight ratio",
        "‖W_cue‖ / ‖W_rest‖ (Frobenius), of the first layer: the weights on the cue’s inputs over those on all others.",
    )),
    ("weight_norm_share", Term(
        "weight share", "‖W_cue‖² / ‖W‖², of the same weights: r² / (1 + r²) with r the weight ratio.")),
    ("features/", Term("features", "h, the activations that the last layer reads.")),
    ("outputs/", Term(
        "outputs",
        "Softmax probabilities; under the sigmoid loss the logistic function of each logit, and under squared error the"
        " logits themselves.",
    )),
    ("within_variance", Term(
        "within-class variance",
        "V_W = E ‖h − E[h | y]‖², summed over units: how much examples of one class differ.",
    )),
    ("total_variance", Term(
        "total variance",
        "V_T = E ‖h − E h‖², the sum of V_W and of the variance of the class means.",
    )),
    ("train/loss", Term(
        "training loss",
        "The loss against the targets of the method (cross-entropy in nats, unless a row says otherwise), averaged since"
        " the last mark, without weight or confidence penalty. Augmented targets have a floor above 0, so levels of"
        " different methods do not compare.",
    )),
)  # fmt: skip
SURENESS = (
    Term("mean ± sd", "Over seeds, n − 1 in the denominator. A seed fixes the data, the cue, the start and the order."),
    Term("95 % interval", "Student’s t, of the mean difference seed by seed; not corrected for the number of rows."),
)


def provenance(run: Run) -> list[Term]:
    """Where the numbers come from."""
    stored = run.provenance
    packages = {"python": stored.get("python"), **stored.get("packages", {})}
    parts = [
        ("workdir", run.path.name),
        ("command", " ".join(stored.get("command", ()))),
        ("overrides", ", ".join(f"{key} = {_value(value)}" for key, value in run.overrides.items()) or "none"),
        ("git commit", stored.get("git_commit") or "not recorded"),
        ("device", _device_in_words(stored.get("device", {}))),
        ("versions", ", ".join(f"{name} {version}" for name, version in packages.items() if version)),
        ("XLA flags", stored.get("xla_flags")),
    ]
    for source in stored.get("data", ()):
        official = " (official)" if source.get("official") else " (not known to be the official file)"
        parts.append(("data", f"{source.get('file')}, sha256 {source.get('sha256')}{official}"))
    for teacher in stored.get("teachers", ()):
        where = f"row “{teacher.get('row')}” of {teacher.get('path')}, step {teacher.get('step')}"
        parts.append(("teacher", f"{where}, sha256 of its arrays {teacher.get('sha256')}"))
    return [Term(name, value) for name, value in parts if value] if stored else []


def _device_in_words(device: Mapping[str, Any]) -> str:
    if not device:
        return ""
    mesh = " × ".join(f"{axis} {size}" for axis, size in device.get("mesh", {}).items())
    processes = device.get("processes", 1)
    more = f", {processes} processes" if processes != 1 else ""
    return f"{device.get('count')} × {device.get('kind')} ({device.get('platform')}){more}; mesh {mesh or 'unknown'}"


def _value(value: Any) -> str:
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return "(" + ", ".join(map(_value, value)) + ")"
    return "unset" if value is None else str(value) if value != "" else "“”"

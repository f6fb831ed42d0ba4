"""Methods of label augmentation: an entry each in METHODS, and the method of a row in words, from its config alone.

`in_short` is for tables: "mixup α=0.2". `in_words` is for a reader who has never seen the run: the method, the smoothing
that it is composed with, a second method from the switch on, the loss where it is not plain cross-entropy, with MaxSup's
term if any, and the teacher if any. num_classes is K, None where it is not known, 1 where the labels are numbers.
"""

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lamv.catalog.words import UNREADABLE, filled, plain
from lamv.knobs import KNOB

Knobs = Mapping[str, Any]


class MethodEntry(NamedTuple):
    """sentence: what it does; knobs and PARTS in braces are filled in. knobs: all that it has, under `method`.

    mixes: whether it combines examples; then labels may be smoothed before.
    """

    sentence: str
    knobs: tuple[str, ...]
    colour: str
    mixes: bool = False


SMOOTHING = ("smoothing", "convention")
MIXING = ("alpha", "law", "lam_per", *SMOOTHING)
SYMBOLS = {"smoothing": "ε", "over_smoothing": "ε", "alpha": "α", "lam_per": "λ per", "noise_rate": "rate"}
#: Knobs that a short name leaves out at their default; others it always gives.
LEFT_OUT = ("smoothing", "convention", "law", "target_law", "lam_per", "weight")
#: Of methods that are not listed here.
GREY = "#8a8a94"
#: ERM with MaxSup's term in its loss.
MAXSUP, MAXSUP_COLOUR = "max_suppression", "#c2255c"
#: Of methods that mix, on smoothed labels.
SMOOTHED_BEFORE = "Before that, labels are smoothed, ε = {smoothing:g} over {over}: {smoothed}."


def in_words(config: Knobs, num_classes: int | None) -> str:
    """The label augmentation and the loss of a row, in sentences, with the target that the loss sees."""
    method, optim = (part if isinstance(part := config.get(name), Mapping) else {} for name in ("method", "optim"))
    sentences = [_described(method, num_classes)]
    if method.get("switch"):
        frozen = ", on frozen features (only the last layer learns on)" if optim.get("after_switch") == "head" else ""
        then = _described({**method, "name": method.get("then")}, num_classes)
        sentences.append(f"From step {method['switch']} on{frozen}: {then}")
    return " ".join([*sentences, *_loss(config.get("loss"), num_classes), *_teacher(config.get("distill"))])


def in_short(config: Knobs) -> str:
    """ "mixup α=0.2": the method and the knobs that it has; a switch, MaxSup and a teacher too."""
    method, distill = (part if isinstance(part := config.get(name), Mapping) else {} for name in ("method", "distill"))
    words = _short(method, method.get("name"))
    if method.get("switch"):
        words += f", then {_short(method, method.get('then'))} from step {method['switch']}"
    if share := suppression_of(config):
        words += f", MaxSup s={plain(share)}"
    if distill.get("row"):
        words += f", taught by {distill['row']}"
    return words


def suppression_of(config: Knobs) -> Any:
    """The factor of MaxSup's term in the loss; 0 where there is none."""
    loss = config.get("loss")
    return (loss.get("max_suppression") or 0) if isinstance(loss, Mapping) else 0


#: Methods for who meets them first.
BRIEF = {
    "erm": "ordinary training (empirical risk minimisation)",
    "label_smoothing": "label smoothing, the share ε = {smoothing:g} of each label is spread over {over}",
    "mixup": "Mixup, random averages of pairs of examples and of their labels{with_alpha}",
}
MAXSUP_IN_BRIEF = "MaxSup, the largest logit of each example is held down, s = {}"


def in_brief(config: Knobs) -> str:
    """What the method of a row is, in half a sentence, for who sees its name for the first time."""
    method = part if isinstance(part := config.get("method"), Mapping) else {}
    name = str(method.get("name"))
    if name not in METHODS or method.get("switch"):
        return in_short(config)
    try:
        words = filled(BRIEF[name], {"convention": "uniform", **method}, PARTS) if name in BRIEF else ""
    except UNREADABLE:
        return in_short(config)
    words = words or ", ".join(_described(method, None).split(": ")[0].split(", ")[:2])
    smoothed = _smooths_before(name) and method.get("smoothing")
    words += f" on smoothed labels, ε = {plain(smoothed)}" if smoothed else ""
    if share := suppression_of(config):
        suppressed = MAXSUP_IN_BRIEF.format(plain(share))
        words = suppressed if name == "erm" else f"{words}; {suppressed}"
    first = words.split()[0].rstrip(",")
    return words if first in ("Mixup", "MaxSup") or not first[1:].islower() else words[0].lower() + words[1:]


def colour_of(name: str) -> str:
    """The colour of a method in figures, "#rrggbb"; GREY for one that is not listed. name: see `kind_of`."""
    return MAXSUP_COLOUR if name == MAXSUP else METHODS[name].colour if name in METHODS else GREY


def kind_of(config: Knobs) -> str:
    """What figures colour a row by: the name of its method; MAXSUP for ERM with that term."""
    method = part if isinstance(part := config.get("method"), Mapping) else {}
    name = str(method.get("name"))
    return MAXSUP if name == "erm" and suppression_of(config) else name


def _smooths_before(name: str) -> bool:
    """Whether a method mixes labels that were smoothed by the knobs of label smoothing."""
    return METHODS[name].mixes and "convention" in METHODS[name].knobs


def _described(method: Knobs, num_classes: int | None) -> str:
    """One method, with the labels that are smoothed before it mixes them."""
    name = method.get("name") or ""
    knobs = {**method, "num_classes": num_classes}
    try:
        sentences = [METHODS[name].sentence]
        if _smooths_before(name) and method.get("smoothing"):
            sentences.append(SMOOTHED_BEFORE)
            knobs.setdefault("convention", "uniform")
        return filled(" ".join(sentences), knobs, PARTS)
    except UNREADABLE:
        # A user's own method, or a workdir of another version: its knobs as they are.
        listed = ", ".join(f"{key} = {value}" for key, value in method.items() if key not in ("name", "switch", "then"))
        return f"{name or 'Unknown method'} ({listed or 'no knobs'})."


#: Colours: one hue a family, targets alone (blue-green), mixing (orange), regions (purple). In a family no two are of one
#: lightness; it differs by 4 or more, of 100 (CIE L*).
METHODS: dict[str, MethodEntry] = {
    "erm": MethodEntry(
        "Empirical risk minimisation, no label augmentation: the target is {one_hot}.", (), "#14213d"
    ),
    "label_smoothing": MethodEntry(
        "Label smoothing, ε = {smoothing:g}, spread over {over} (convention “{convention}”): the target is {smoothed}.",
        SMOOTHING, "#1f7a8c",
    ),
    "unigram_smoothing": MethodEntry(
        "Unigram smoothing, ε = {smoothing:g}: the share {smoothing:g} of the target is moved to all classes in"
        " proportion to their frequencies p in the training set, so that the target is {kept:g} + {smoothing:g} p on"
        " the label and {smoothing:g} p on every other class.",
        ("smoothing",), "#0f8da4",
    ),
    "over_smoothing": MethodEntry(
        "Label over-smoothing, ε = {over_smoothing:g}: the target is {over_smoothed}.", ("over_smoothing",), "#51c7e1"
    ),
    "noise_correction": MethodEntry(
        "Backward correction of label noise of rate {noise_rate:g} (drawn from {over}): {corrected}.",
        ("noise_rate", "convention"), "#033f4a",
    ),
    "disturb_label": MethodEntry(
        "DisturbLabel: at every step a label is replaced with probability {smoothing:g} by one drawn from {over}; in"
        " expectation the target is {smoothed}.",
        SMOOTHING, "#00505e",
    ),
    "instance_smoothing": MethodEntry(
        "Instance smoothing, ε = {smoothing:g}: the target is {kept:g} on the label plus {smoothing:g} times the"
        " network’s own running prediction for that example ({equal} for every class at first, then a mean of decay"
        " {running_decay:g}).",
        ("smoothing", "running_decay"), "#1aa0b9",
    ),
    "online_smoothing": MethodEntry(
        "Online label smoothing, ε = {smoothing:g}: the target is {kept:g} on the label plus {smoothing:g} times the mean"
        " prediction of the last epoch for examples of its class that were classified rightly ({equal} for every class at"
        " first).",
        ("smoothing",), "#2c8fa3",
    ),
    "matched_smoothing": MethodEntry(
        "Matched smoothing: label smoothing over {over}, with the ε at which the targets have the mean entropy of"
        " Mixup’s with {lam}; the inputs are not mixed.",
        ("alpha", "law", "convention"), "#096272",
    ),
    "mixup": MethodEntry(
        "Mixup{with_alpha}: an example is mixed with a partner from its batch, {pair}; {drawn}.", MIXING, "#e07a1f", True
    ),
    "midpoint": MethodEntry(
        "Midpoint Mixup: an example is averaged with a partner from its batch, x = (x₁ + x₂) / 2, and the target is"
        " {halves}.",
        SMOOTHING, "#d9a62e", True,
    ),
    "kway_mixup": MethodEntry(
        "Mixup of {ways} examples: inputs and targets are mixed with the same {ways} weights, which sum to 1 and are"
        " drawn from Dirichlet({alphas}) {per}.",
        ("ways", "alpha", "lam_per", *SMOOTHING), "#d06c21", True,
    ),
    "decoupled_mixup": MethodEntry(
        "Decoupled Mixup: the inputs of an example and its partner are mixed with λ, x = λ x₁ + (1 − λ) x₂, and their"
        " targets with {target_lam}; {drawn}.",
        ("target_law", *MIXING), "#c15d11", True,
    ),
    "input_mixup": MethodEntry(
        "Mixup of the inputs alone: x = λ x₁ + (1 − λ) x₂, and the target is that of whichever of the two weighs more;"
        " {drawn}.",
        MIXING, "#d99306", True,
    ),
    "target_mixup": MethodEntry(
        "Mixup of the targets alone: an example keeps its input, and its target is max(λ, 1 − λ) on its label and the"
        " rest on that of a partner; {drawn}.",
        MIXING, "#3ab3cd", True,
    ),
    "same_class_mixup": MethodEntry(
        "Same-class Mixup: an example is mixed with a partner of its class, x = λ x₁ + (1 − λ) x₂, so that the target"
        " stays as it is; {drawn}.",
        MIXING, "#e6b832", True,
    ),
    "manifold_mixup": MethodEntry(
        "Manifold Mixup: {where} is mixed with that of a partner from the batch, and so is the target: {mixed};"
        " {drawn}.",
        ("layers", *MIXING), "#b14b03", True,
    ),
    "regmixup": MethodEntry(
        "RegMixup: the loss of the batch as it is, plus {weight:g} times that of its Mixup, {pair}; {drawn}.",
        ("weight", *MIXING), "#9d3d00", True,
    ),
    "c_mixup": MethodEntry(
        "C-Mixup: Mixup with a partner that is the likelier the nearer its target is, P(j | i) ∝ exp(−‖q_i − q_j‖² /"
        " (2 s²)), s = {bandwidth:g} in the units of the targets, {pair}; {drawn}.",
        ("bandwidth", *MIXING), "#883101", True,
    ),
    "rc_mixup": MethodEntry(
        "RC-Mixup: the share {noise_rate:g} of each batch that the network fits worst is left out; the rest are mixed"
        " with a partner among them that is the likelier the nearer its target is, s = {bandwidth:g} × the spread of"
        " their targets, {pair}; {drawn}.",
        ("noise_rate", "bandwidth", *MIXING), "#762400", True,
    ),
    "cutmix": MethodEntry(
        "CutMix: a box of a partner, of up to the share 1 − λ of the area, replaces one’s own pixels there, and the"
        " target is mixed by the pixels that each has; {drawn}.",
        MIXING, "#862481", True,
    ),
    "resizemix": MethodEntry(
        "ResizeMix: a whole partner, its sides scaled by a factor uniform on [{scale_low:g}, {scale_high:g}], is"
        " pasted over an example, and the target is mixed by the pixels that each has; drawn {per}.",
        ("scale_low", "scale_high", "lam_per", *SMOOTHING), "#b250ac", True,
    ),
    "fmix": MethodEntry(
        "FMix: a smooth random mask keeps the share λ of an example’s pixels and takes the others from a partner"
        " (spectrum falling as frequency to the power −{decay_power:g}), and the target is mixed in the same share;"
        " {drawn}.",
        ("decay_power", *MIXING), "#e07bd9", True,
    ),
    "instance_mixup": MethodEntry(
        "Mixup of instance-smoothed labels, ε = {smoothing:g}: each label is replaced by {kept:g} on it plus {smoothing:g}"
        " times the network’s current prediction for that example, and then mixed, {pair}; {drawn}.",
        ("alpha", "law", "lam_per", "smoothing"), "#c98500", True,
    ),
}  # fmt: skip


def _smoothed(smoothing: float, convention: str, num_classes: int | None) -> str:
    """The target of label smoothing: "q = 0.91 on the label and 0.01 on each of the other 9 classes"."""
    others = convention == "others"
    if num_classes is None:
        on_label, elsewhere = ("1 − ε", "ε / (K − 1)") if others else ("1 − ε + ε / K", "ε / K")
        return f"q = {on_label} on the label and {elsewhere} on each of the other of K classes, ε = {smoothing:g}"
    each = smoothing / (num_classes - 1 if others else num_classes)
    label = 1 - smoothing if others else 1 - smoothing + each
    return f"q = {label:.4g} on the label and {each:.4g} on {_each_other(num_classes)}"


def _corrected(method: Knobs) -> str:
    rate, num_classes = method["noise_rate"], method["num_classes"]
    if num_classes is None:
        return "smoothing with a negative sign, so that targets off the label are below 0"
    share = rate if method["convention"] == "uniform" else rate * num_classes / (num_classes - 1)
    off = -share / num_classes / (1 - share)
    label, each = (f"{value:.4g}".replace("-", "−") for value in (off + 1 / (1 - share), off))
    return f"the target is q = {label} on the label and {each} on {_each_other(num_classes)}"


def _each_other(num_classes: int) -> str:
    return f"each of the other {num_classes - 1} classes" if num_classes > 2 else "the one other class"


def _alphas(method: Knobs) -> str:
    alpha, ways = f"{method['alpha']:g}", method["ways"]
    return ", ".join([alpha] * ways) if ways < 5 else f"{alpha}, …, {alpha}"


def _target_lam(method: Knobs) -> str:
    law = method.get("target_law")
    return f"τ of its own, {_law(method, 'τ', law)}" if law else "the same λ"


def _mixed_layer(method: Knobs) -> str:
    layers = [str(layer) for layer in method["layers"]]
    if layers == ["input"]:
        return "the input"
    if len(layers) == 1:
        return f"what enters the layer “{layers[0]}”"
    return f"what enters one layer, drawn at every step from {', '.join(layers)},"


def _drawn(method: Knobs) -> str:
    """The law of lam and how often it is drawn: "λ ~ Beta(1, 1), the uniform law, drawn for each example"."""
    law = _law(method)
    return law if law.startswith("λ = ") else f"{law}, drawn {method['per']}"


def _law(method: Knobs, symbol: str = "λ", text: str | None = None) -> str:
    """A law of lamv.core.laws in words; one that cannot be read stays as it is written."""
    text = text or method.get("law")
    if not text:
        alpha = method["alpha"]
        return f"{symbol} ~ Beta({alpha:g}, {alpha:g})" + (", the uniform law" if alpha == 1 else "")
    try:
        ((kind, arguments),) = re.findall(r"\A\s*(\w+)\s*\((.*)\)\s*\Z", text)
        return LAWS[kind](symbol, *ast.literal_eval(f"({arguments},)" if arguments.strip() else "()"))
    except (*UNREADABLE, SyntaxError):
        return f"{symbol} ~ {text}"


def _discrete(symbol: str, values, weights=None) -> str:
    values = values if isinstance(values, tuple) else (values,)
    weights = [1] * len(values) if weights is None else weights if isinstance(weights, tuple) else (weights,)
    parts = [f"{value:g} with probability {w / sum(weights):.4g}" for value, w in zip(values, weights, strict=True)]
    return f"{symbol} is " + " or ".join(parts)


LAWS = {
    "beta": lambda symbol, a, b=None: f"{symbol} ~ Beta({a:g}, {a if b is None else b:g})",
    "uniform": lambda symbol, lo=0, hi=1: f"{symbol} uniform on [{lo:g}, {hi:g}]",
    "fixed": lambda symbol, value: f"{symbol} = {value:g}",
    "discrete": _discrete,
}


def _of_numbers(method: Knobs) -> bool:
    """Whether the labels are numbers rather than classes."""
    return method["num_classes"] == 1


#: What sentences of METHODS name beside knobs, given the knobs and "num_classes".
PARTS: dict[str, Callable[[Knobs], Any]] = {
    "one_hot": lambda m: (
        "the label itself, a number" if _of_numbers(m) else "1 on the label and 0 on all other classes"
    ),
    "kept": lambda m: 1 - m["smoothing"],
    "over": lambda m: "the other classes" if m["convention"] == "others" else "all classes",
    "smoothed": lambda m: _smoothed(m["smoothing"], m["convention"], m["num_classes"]),
    "over_smoothed": lambda m: _smoothed(m["over_smoothing"], "uniform", m["num_classes"]),
    "corrected": _corrected,
    "equal": lambda m: "1 / K" if m["num_classes"] is None else f"{1 / m['num_classes']:.4g}",
    "with_alpha": lambda m: "" if m.get("law") else f", α = {m['alpha']:g}",
    "alphas": _alphas,
    "halves": lambda m: "the mean of both labels" if _of_numbers(m) else "1/2 on either label",
    "pair": lambda m: f"x = λ x₁ + (1 − λ) x₂, and the target is {m['mixed']}",
    "mixed": lambda m: "λ y₁ + (1 − λ) y₂" if _of_numbers(m) else "λ on its label and 1 − λ on the partner’s",
    "where": _mixed_layer,
    "lam": _law,
    "target_lam": _target_lam,
    "drawn": _drawn,
    "per": lambda m: "for each example" if m.get("lam_per", "example") == "example" else "once for the whole batch",
}

LOSSES = {
    "sigmoid": "The loss is the binary cross-entropy of every class by itself, summed over the classes.",
    "squared_error": "The loss is the squared error of the logits z against the targets, Σ (z − q)² over the classes.",
}


def _loss(loss: Knobs | None, num_classes: int | None) -> list[str]:
    """Sentences on the loss, none where it is cross-entropy alone."""
    if not isinstance(loss, Mapping):
        return []
    sentences = [LOSSES[loss["name"]]] if loss.get("name") in LOSSES else []
    if loss.get("name") == "squared_error" and num_classes == 1:
        sentences = ["The loss is the squared error."]
    try:
        if loss.get("confidence_penalty"):
            sentences.append(_confidence_penalty(loss))
    except UNREADABLE:
        sentences.append(f"With a confidence penalty ({loss['confidence_penalty']}).")
    if share := suppression_of({"loss": loss}):
        sentences.append(
            f"Added to the loss of each example: {plain(share)} × (max z − mean z), z its logits (MaxSup)."
        )
    return sentences


def _confidence_penalty(loss: Knobs) -> str:
    factor, threshold, anneal = (loss.get(key, 0) for key in ("confidence_penalty", "entropy_threshold", "anneal"))
    penalty = f"max(0, {threshold:g} − H)" if threshold else "(−H)"
    rises = f", a factor that rises linearly to it over the first {anneal:g} steps" if anneal else ""
    return f"Added to the loss: {factor:g} × {penalty}{rises}; H is the entropy of the prediction in nats."


def _teacher(distill: Knobs | None) -> list[str]:
    """A sentence on the teacher, none where there is none."""
    if not isinstance(distill, Mapping) or not distill.get("row"):
        return []
    try:
        row, temperature, weight = distill["row"], distill["temperature"], distill["weight"]
        from_it = f"{temperature**2:g} × KL(teacher ‖ student)" if temperature != 1 else "KL(teacher ‖ student)"
        softened = f", of the softmax of logits divided by T = {temperature:g}" if temperature != 1 else ""
        if weight == 1:
            loss = f"the loss is {from_it}{softened}, and the targets above do not count"
        else:
            loss = f"the loss is {1 - weight:g} × that above + {weight:g} × {from_it}{softened}"
        return [f"Distillation: the network learns from row “{row}” of another run, seed by seed; {loss}."]
    except UNREADABLE:
        return [f"Learns from a teacher, row “{distill['row']}” of another run."]


def _short(method: Mapping[str, Any], name: Any) -> str:
    known = METHODS[str(name)].knobs if str(name) in METHODS else SMOOTHING  # of a user's own, that of its labels
    knobs = [
        key for key in known if key in method and not (key in LEFT_OUT and method[key] == KNOB[f"method.{key}"].default)
    ]
    if "law" in knobs:  # which takes the place of alpha
        knobs = [key for key in knobs if key != "alpha"]
    if "smoothing" in known and "smoothing" not in knobs:  # of a smoothing by nothing
        knobs = [key for key in knobs if key != "convention"]
    return " ".join([str(name or "unknown"), *(f"{SYMBOLS.get(key, key)}={plain(method[key])}" for key in knobs)])

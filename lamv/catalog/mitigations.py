"""Mitigations of shortcuts: an entry each in MITIGATIONS, and the mitigation of a row in words, from its config alone.

lamv.core.mitigation has the equations, lamv.train.mitigations the classes that act in training.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lamv.catalog.words import UNREADABLE, filled, plain
from lamv.knobs import KNOB

Knobs = Mapping[str, Any]


class MitigationEntry(NamedTuple):
    """sentence: what it does; knobs and PARTS in braces are filled in. knobs: those under `mitigation` that it uses.

    needs: given its knobs, (what, split): what must be known of every example of that split, "group", "attribute" or
    "environment", "" for nothing. subsamples: it chooses the training set before training; refits: it fits the last layer
    anew after training. takes_a_teacher: whether it can be combined with distillation.
    """

    sentence: str
    knobs: tuple[str, ...]
    needs: Callable[[Any], tuple[str, str]] = lambda knobs: ("", "train")
    subsamples: bool = False
    refits: bool = False
    takes_a_teacher: bool = True

    @property
    def in_steps(self) -> bool:
        """Whether it acts within training steps."""
        return not (self.subsamples or self.refits)


#: Without any: empirical risk minimisation of what the method makes of the batch.
NONE = "erm"


def name_of(config: Knobs) -> str:
    """The name of a row's mitigation; NONE where it has none."""
    return str(_knobs(config).get("name") or NONE)


def of(config: Any) -> MitigationEntry:
    """The entry of a checked config; ERM's where there is none."""
    return MITIGATIONS.get(config.mitigation.name, ERM)


def knob_of(config: Any, knob: str, otherwise: Any) -> Any:
    """A knob of a checked config's mitigation, or `otherwise` if that mitigation does not use it."""
    return config.mitigation[knob] if knob in of(config).knobs else otherwise


def subsampled_by(config: Any) -> str:
    """ "group" or "class", if the training set is subsampled until these are equally large; else ""."""
    return config.mitigation.by if of(config).subsamples else ""


def settings(config: Knobs) -> dict[str, Any]:
    """{dotted key: value} of the knobs that the mitigation of a row uses, and its name; {} where there is none."""
    knobs, name = _knobs(config), name_of(config)
    if name == NONE:
        return {}
    matter = MITIGATIONS[name].knobs if name in MITIGATIONS else tuple(knobs)
    return {f"mitigation.{key}": value for key, value in knobs.items() if key == "name" or key in matter}


def in_short(config: Knobs) -> str:
    """ "group_dro step_size=0.1": the mitigation and its knobs that are not at their default; "" for none."""
    name = name_of(config)
    if name == NONE:
        return ""
    knobs = _knobs(config)
    known = MITIGATIONS[name].knobs if name in MITIGATIONS else ()
    shown = [key for key in known if key in knobs and knobs[key] != KNOB[f"mitigation.{key}"].default]
    return " ".join([name, *(f"{key}={plain(knobs[key])}" for key in shown)])


def in_words(config: Knobs) -> str:
    """A sentence on the mitigation of a row; "" where there is none."""
    knobs, name = _knobs(config), name_of(config)
    if name == NONE:
        return ""
    try:
        return filled(MITIGATIONS[name].sentence, knobs, PARTS)
    except UNREADABLE:
        return f"Mitigation {in_short(config)}."


def _of(what: str) -> Callable[[Any], tuple[str, str]]:
    return lambda knobs: (what, "train")


def _balanced(what: str) -> Callable[[Any], tuple[str, str]]:
    return lambda knobs: ("" if knobs.by == "class" else what, "train")


ERM = MitigationEntry("", ())
#: ERM is not among them: it does nothing against shortcuts.
MITIGATIONS: dict[str, MitigationEntry] = {
    "reweight": MitigationEntry(
        "Reweighting: the loss of an example is divided by the share of its {one} in the training set, so that all"
        " {several} count alike.",
        ("by",), _balanced("group"),
    ),
    "resample": MitigationEntry(
        "Resampling: examples are drawn with replacement so that all {several} come up equally often in the batches.",
        ("by",), _balanced("group"),
    ),
    "subsample": MitigationEntry(
        "Subsampling: of every {one} as many training examples are kept, drawn once, as the smallest of the {several}"
        " has.",
        ("by",), subsamples=True,
    ),
    "group_dro": MitigationEntry(
        "Group DRO: the loss is a weighted mean over {several}; at every step the weight of a {one} is multiplied by"
        " exp(η × its loss{raised}), η = {step_size:g}, so that those that are worst count most.",
        ("by", "step_size", "adjustment"), _balanced("group"),
    ),
    "irm": MitigationEntry(
        "Invariant risk minimisation (IRMv1): to the mean loss of the training environments, {annealed} × the mean"
        " square of its derivative by a factor on the logits is added{divided}, so that one last layer is best in all"
        " of them.",
        ("penalty", "anneal"), _of("environment"), takes_a_teacher=False,
    ),
    "vrex": MitigationEntry(
        "V-REx: {annealed} × the variance of their losses is added to the mean loss of the training environments.",
        ("penalty", "anneal"), _of("environment"),
    ),
    "jtt": MitigationEntry(
        "Just Train Twice: a first network is trained by ERM for {first_steps} steps; a new one then sees the examples"
        " that the first gets wrong {upweight:g} times as often as the others.",
        ("first_steps", "upweight"),
    ),
    "easy_to_hard": MitigationEntry(
        "Easy to hard: after {first_steps} steps of ERM the training examples are ranked by their loss; the first half of"
        " the run then draws from the half of smaller losses, and the second half of the run from the other, so that"
        " partners are of one half.",
        ("first_steps",),
    ),
    "dfr": MitigationEntry(
        "Deep feature reweighting: after training, the last layer is fitted anew by logistic regression on {split}"
        " examples of which every group has equally many, and averaged over {subsets} such subsets.",
        ("refit_on", "subsets"), lambda knobs: ("group", knobs.refit_on), refits=True,
    ),
    "lisa": MitigationEntry(
        "LISA: in batches in which all groups come up equally often, an example is {mixed}, with probability"
        " {mix_ratio:g}, with a partner of its label and another attribute, else with one of its attribute and another"
        " label; {own_mixup}.",
        ("mix_ratio", "alpha", "mixes"), _of("attribute"),
    ),
    "within_groups": MitigationEntry(
        "Pairs within groups: partners have the same label and the same attribute; {own_mixup}.",
        ("alpha", "mixes"), _of("group"),
    ),
    "across_attributes": MitigationEntry(
        "Pairs across attributes: partners have another attribute; {own_mixup}.", ("alpha", "mixes"), _of("attribute")
    ),
    "logit_adjustment": MitigationEntry(
        "Logit adjustment: in the training loss alone, {times_tau}the log of the frequencies {among} is added to the"
        " logits of an example.",
        ("by", "tau"), _balanced("attribute"),
    ),
    "bifair": MitigationEntry(
        "BiFair: the losses of training examples have weights, which are learned: after every {inner_steps} updates of the"
        " network they move (Adam, learning rate {outer_lr:g}) so that these updates would have lessened the distance"
        " between the mean losses of the groups of a class, plus {utility:g} × the mean loss. Decisions are by"
        " the largest output.",
        ("utility", "inner_steps", "outer_lr"), _of("attribute"),
    ),
    "lort": MitigationEntry(
        "LORT: after training, the last layer alone is trained for {epochs} more, at the learning rate {refit_lr:g} and"
        " without weight decay, on targets with the share {over_smoothing:g} moved off the label (label over-smoothing).",
        ("refit_epochs", "refit_lr", "over_smoothing"), refits=True,
    ),
    "crt": MitigationEntry(
        "Classifier re-training (cRT): after training, a new last layer is trained for {epochs}, at the learning rate"
        " {refit_lr:g} and without weight decay, on batches in which all classes come up equally often.",
        ("refit_epochs", "refit_lr"), refits=True,
    ),
}  # fmt: skip


def _mixes(knobs: Knobs) -> bool:
    """Whether pairs are mixed; records of before there was the knob lack it."""
    return knobs.get("mixes", True)


def _raised(knobs: Knobs) -> str:
    raised = knobs["adjustment"]
    return f" raised by {raised:g} / √n, n being its number of training examples" if raised else ""


def _annealed(knobs: Knobs) -> str:
    """ "100 (1 at the most before step 50)"."""
    anneal = knobs["anneal"]
    return f"{knobs['penalty']:g}" + (f" (1 at the most before step {anneal})" if anneal else "")


def _among(knobs: Knobs) -> str:
    return "of the classes" if knobs["by"] == "class" else "of the classes among examples of its attribute"


def _own_mixup(knobs: Knobs) -> str:
    if not _mixes(knobs):
        return "a pair is not mixed: both of its examples count as they are, half each"
    alpha = knobs["alpha"]
    return f"where the method itself does not mix, by Mixup with λ ~ Beta({alpha:g}, {alpha:g})"


#: What sentences of MITIGATIONS name beside knobs.
PARTS: dict[str, Callable[[Knobs], Any]] = {
    "one": lambda knobs: "class" if knobs["by"] == "class" else "group",
    "several": lambda knobs: "classes" if knobs["by"] == "class" else "groups",
    "raised": _raised,
    "annealed": _annealed,
    "divided": lambda knobs: ", and the sum is divided by that factor" if knobs["penalty"] > 1 else "",
    "split": lambda knobs: {"valid": "validation", "train": "training"}.get(knobs["refit_on"], knobs["refit_on"]),
    "mixed": lambda knobs: "mixed" if _mixes(knobs) else "paired",
    "own_mixup": _own_mixup,
    "times_tau": lambda knobs: "" if knobs["tau"] == 1 else f"{knobs['tau']:g} × ",
    "among": _among,
    "epochs": lambda knobs: f"{knobs['refit_epochs']:g} epoch{'s' * (knobs['refit_epochs'] != 1)}",
}


def _knobs(config: Knobs) -> Knobs:
    knobs = config.get("mitigation")
    return knobs if isinstance(knobs, Mapping) else {}

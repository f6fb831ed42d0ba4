"""Mitigations of shortcuts: an entry each in MITIGATIONS, and the mitigation of a row in words, from its config alone.

lamv.core.mitigation has the equations, lamv.train.mitigations the classes that act in training.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lamv.catalog.methods import UNREADABLE
from lamv.catalog.words import plain
from lamv.knobs import KNOB

Knobs = Mapping[str, Any]


def _nothing(knobs: Any) -> tuple[str, str]:
    return "", "train"


class MitigationEntry(NamedTuple):
    """sentence: what it does, given its knobs. knobs: those under `mitigation` that it uses.

    needs: given its knobs, (what, split): what must be known of every example of that split, "group", "attribute" or
    "environment", "" for nothing. subsamples: it chooses the training set before training; refits: it fits the last layer
    anew after training. takes_a_teacher: whether it can be combined with distillation.
    """

    sentence: Callable[[Knobs], str]
    knobs: tuple[str, ...]
    needs: Callable[[Any], tuple[str, str]] = _nothing
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
        return MITIGATIONS[name].sentence(knobs)
    except UNREADABLE:
        return f"Mitigation {in_short(config)}."


def _reweight(knobs: Knobs) -> str:
    what, plural = _balanced(knobs)
    return (
        f"Reweighting: the loss of an example is divided by the share of its {what} in the training set, so that all"
        f" {plural} count alike."
    )


def _resample(knobs: Knobs) -> str:
    return (
        f"Resampling: examples are drawn with replacement so that all {_balanced(knobs)[1]} come up equally often in the"
        " batches."
    )


def _subsample(knobs: Knobs) -> str:
    what, plural = _balanced(knobs)
    kept = "as many training examples are kept, drawn once,"
    return f"Subsampling: of every {what} {kept} as the smallest of the {plural} has."


def _group_dro(knobs: Knobs) -> str:
    what, plural = _balanced(knobs)
    raised = knobs["adjustment"]
    more = f" raised by {raised:g} / √n, n being its number of training examples" if raised else ""
    return (
        f"Group DRO: the loss is a weighted mean over {plural}; at every step the weight of a {what} is multiplied by"
        f" exp(η × its loss{more}), η = {knobs['step_size']:g}, so that those that are worst count most."
    )


def _irm(knobs: Knobs) -> str:
    divided = ", and the sum is divided by that factor" if knobs["penalty"] > 1 else ""
    return (
        f"Invariant risk minimisation (IRMv1): to the mean loss of the training environments, {_penalty(knobs)} × the mean"
        f" square of its derivative by a factor on the logits is added{divided}, so that one last layer is best in all of"
        " them."
    )


def _vrex(knobs: Knobs) -> str:
    added = f"{_penalty(knobs)} × the variance of their losses"
    return f"V-REx: {added} is added to the mean loss of the training environments."


def _jtt(knobs: Knobs) -> str:
    return (
        f"Just Train Twice: a first network is trained by ERM for {knobs['first_steps']} steps; a new one then sees the"
        f" examples that the first gets wrong {knobs['upweight']:g} times as often as the others."
    )


def _dfr(knobs: Knobs) -> str:
    split = {"valid": "validation", "train": "training"}.get(knobs["refit_on"], str(knobs["refit_on"]))
    return (
        f"Deep feature reweighting: after training, the last layer is fitted anew by logistic regression on {split}"
        f" examples of which every group has equally many, and averaged over {knobs['subsets']} such subsets."
    )


def _lisa(knobs: Knobs) -> str:
    ratio = knobs["mix_ratio"]
    return (
        f"LISA: in batches in which all groups come up equally often, an example is mixed, with probability {ratio:g}, with"
        f" a partner of its label and another attribute, else with one of its attribute and another label;"
        f" {_own_mixup(knobs)}."
    )


def _within_groups(knobs: Knobs) -> str:
    return f"Pairs within groups: partners have the same label and the same attribute; {_own_mixup(knobs)}."


def _across_attributes(knobs: Knobs) -> str:
    return f"Pairs across attributes: partners have another attribute; {_own_mixup(knobs)}."


def _logit_adjustment(knobs: Knobs) -> str:
    among = "of the classes" if knobs["by"] == "class" else "of the classes among examples of its attribute"
    tau = "" if knobs["tau"] == 1 else f"{knobs['tau']:g} × "
    return (
        f"Logit adjustment: in the training loss alone, {tau}the log of the frequencies {among} is added to the logits of"
        " an example."
    )


def _of(what: str) -> Callable[[Any], tuple[str, str]]:
    return lambda knobs: (what, "train")


def _balanced_group(knobs: Any) -> tuple[str, str]:
    return "" if knobs.by == "class" else "group", "train"


def _balanced_attribute(knobs: Any) -> tuple[str, str]:
    return "" if knobs.by == "class" else "attribute", "train"


ERM = MitigationEntry(lambda knobs: "", ())
#: ERM is not among them: it does nothing against shortcuts.
MITIGATIONS: dict[str, MitigationEntry] = {
    "reweight": MitigationEntry(_reweight, ("by",), _balanced_group),
    "resample": MitigationEntry(_resample, ("by",), _balanced_group),
    "subsample": MitigationEntry(_subsample, ("by",), subsamples=True),
    "group_dro": MitigationEntry(_group_dro, ("by", "step_size", "adjustment"), _balanced_group),
    "irm": MitigationEntry(_irm, ("penalty", "anneal"), _of("environment"), takes_a_teacher=False),
    "vrex": MitigationEntry(_vrex, ("penalty", "anneal"), _of("environment")),
    "jtt": MitigationEntry(_jtt, ("first_steps", "upweight")),
    "dfr": MitigationEntry(_dfr, ("refit_on", "subsets"), lambda knobs: ("group", knobs.refit_on), refits=True),
    "lisa": MitigationEntry(_lisa, ("mix_ratio", "alpha"), _of("attribute")),
    "within_groups": MitigationEntry(_within_groups, ("alpha",), _of("group")),
    "across_attributes": MitigationEntry(_across_attributes, ("alpha",), _of("attribute")),
    "logit_adjustment": MitigationEntry(_logit_adjustment, ("by", "tau"), _balanced_attribute),
}


def _balanced(knobs: Knobs) -> tuple[str, str]:
    return ("class", "classes") if knobs["by"] == "class" else ("group", "groups")


def _penalty(knobs: Knobs) -> str:
    """ "100 (1 at the most before step 50)"."""
    anneal = knobs["anneal"]
    return f"{knobs['penalty']:g}" + (f" (1 at the most before step {anneal})" if anneal else "")


def _own_mixup(knobs: Knobs) -> str:
    alpha = knobs["alpha"]
    return f"where the method itself does not mix, by Mixup with λ ~ Beta({alpha:g}, {alpha:g})"


def _knobs(config: Knobs) -> Knobs:
    knobs = config.get("mitigation")
    return knobs if isinstance(knobs, Mapping) else {}

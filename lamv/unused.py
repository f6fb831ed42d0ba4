"""Refuses knobs that do nothing: those that no method, cue, optimiser or mitigation of their row uses.

USES has the conditions under which knobs act; all others always do. A knob that a row sets must act in that row, and one
that the recipe sets for all rows, or a flag, in at least one of them. A recipe's knob that a flag made idle gets a warning:
it may be for a comparison (all rows with one method, say).

Lengths that do nothing are refused, too: a warm-up as long as the run, a switch or a rise beyond its end.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from lamv.catalog import cues, mitigations
from lamv.core.methods import METHODS, knobs_of
from lamv.data import DATASETS
from lamv.errors import ConfigError, brief
from lamv.knobs import KNOB, get
from lamv.models import MODELS

logger = logging.getLogger("lamv.config")
METHOD = ("method.name", "method.then")
CUE = ("data.shortcut.kind",)


class Use(NamedTuple):
    """When a knob acts. needs: in words. keys: the knobs that decide it; a flag for one turns the error into a warning."""

    acts: Callable[[Any], bool]
    needs: str
    keys: tuple[str, ...] = ()


def methods_of(config) -> list[str]:
    """The methods of a run in order: one, or two where there is a switch."""
    return [config.method.name] if config.method.then == "none" else [config.method.name, config.method.then]


def default_decay(optimiser: str) -> str:
    """Where weight decay acts if optim.decay is unset."""
    return "decoupled" if optimiser == "adamw" else "penalty"


@cache
def use_of(key: str) -> Use | None:
    """The condition under which a knob acts; None for always."""
    part, _, name = key.partition(".")
    if key in USES or part != "method" or name in ("name", "switch", "then"):
        return USES.get(key)
    return _of_methods(name)


def check(rows: Sequence, changes: Mapping[str, Mapping], base: Mapping, flags: Mapping) -> None:
    """Raise ConfigError for the first knob that does nothing; warn of those that a flag made idle.

    rows: of lamv.rows.expand. changes, base, flags: {key: value} that each row (by name), the recipe for all rows, and
    the command line set; the first two without knobs at their default.
    """
    alone = len(rows) == 1
    # (key, value, the rows in one of which it must act, whether one row sets it)
    stated: list[tuple[str, Any, Sequence, bool]] = [
        (key, value, [row], True) for row in rows for key, value in changes[row.name].items() if key not in flags
    ]
    # A flag that switches something off may do so where it is off already; what is on by default is not.
    stated += [
        (key, value, rows, False)
        for key, value in {**base, **flags}.items()
        if key not in flags or value or KNOB[key].default is True
    ]
    idle: dict[tuple[str, Use], list[str]] = {}
    for key, value, of, in_row in stated:
        use = use_of(key)
        if use is None or any(use.acts(row.config) for row in of):
            continue
        if key in flags or not set(use.keys) & set(flags):
            where = f"row {of[0].name!r}: " if in_row and not alone else ""
            whose = "nothing uses it" if alone else "the row does not use it" if in_row else "no row uses it"
            raise ConfigError(f"{where}config.{key} is {brief(value)}, but {whose}: {_why(use, of)}")
        idle.setdefault((key, use), []).extend([of[0].name] if in_row else [])
    for (key, use), names in idle.items():
        where = f" of {_listed(map(brief, names), 'and')}" if names else ""
        by = " and ".join(f"--config.{other}" for other in use.keys if other in flags)
        logger.warning("config.%s%s does nothing under %s: it acts only with %s", key, where, by, use.needs)


def check_length(config, steps: int) -> None:
    """Raise ConfigError for a knob in steps that does nothing in a run of this length, and for 2^31 steps or more."""
    whole = steps + mitigations.knob_of(config, "first_steps", 0)
    if whole >= 2**31:
        raise ConfigError(
            f"the run has {whole:.3g} steps, must be below 2^31; set config.steps, or fewer config.epochs"
        )
    penalised, annealed = bool(config.loss.confidence_penalty), mitigations.knob_of(config, "anneal", 0)
    for key, value, most, otherwise in (
        ("optim.warmup", config.optim.warmup, steps - 1, "the learning rate would never reach its peak"),
        ("method.switch", config.method.switch, steps - 1, "method.then would never begin"),
        ("loss.anneal", config.loss.anneal if penalised else 0, steps, "the penalty would never reach its factor"),
        ("mitigation.anneal", annealed, steps - 1, "its factor would never count"),
    ):
        if value > max(most, 0):
            bound = f"below the {steps}" if most < steps else f"at most the {steps}"
            raise ConfigError(
                f"config.{key} is {value}, must be {bound} steps of the run: {otherwise}; set --config.{key}="
                f"{max(most, 0) // 2} or less, or train longer"
            )


def check_milestones(config) -> None:
    """Raise ConfigError unless milestones are fractions of the run in ascending order, each once."""
    given = config.optim.milestones
    if config.optim.schedule != "step":
        return
    if not given or list(given) != sorted(set(given)) or not 0 < min(given) <= max(given) < 1:
        raise ConfigError(
            f"config.optim.milestones is {brief(given)}, must be fractions above 0 and below 1 in ascending order, each"
            " once; for none at all, --config.optim.schedule=constant"
        )


def _why(use: Use, rows: Sequence) -> str:
    """What the knob needs, and what the rows have instead."""
    here = []
    for key in use.keys:
        values = list({brief(get(row.config, key)): None for row in rows})
        if key != "method.then" or values != ["'none'"]:
            here.append(f"{key} is {_listed(values, 'or')}")
    return f"it acts only with {use.needs}{', but ' if here else ''}{', '.join(here)}; take it away, or change that"


def _listed(words: Iterable[str], last: str, most: int = 8) -> str:
    """ "a, b and c"; of many, the first ones."""
    words = list(words)
    if len(words) > most:
        return f"{', '.join(words[:most])}, ..."
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _asked(config, name: str) -> list[str]:
    """Those methods of the row that ask for a knob."""
    return [method for method in methods_of(config) if name in knobs_of(METHODS[method])]


def _of_methods(name: str, also: str = "", **more) -> Use:
    """Acts where a method of the row asks for the knob. also: what else it needs; more: fields of Use."""
    takers = [method for method in METHODS if name in knobs_of(METHODS[method])]
    use = Use(lambda config: bool(_asked(config, name)), f"a method that takes it ({_takers(takers)}){also}", METHOD)
    return use._replace(**more)


def _takers(names: Sequence[str]) -> str:
    return _listed(names, "and") if names else "none does"


def _mixes_by_alpha(config) -> bool:
    takers = _asked(config, "alpha")
    return bool(takers) and not (config.method.law and all("law" in knobs_of(METHODS[name]) for name in takers))


def _smooths(config) -> bool:
    """Whether a method that has a convention moves mass by it."""
    for name in _asked(config, "convention"):
        amount = next((knob for knob in ("smoothing", "noise_rate") if knob in knobs_of(METHODS[name])), None)
        if amount is None or config.method[amount]:
            return True
    return False


def _has(key: str, values: Iterable[str]) -> Use:
    """Acts where that knob has one of these values."""
    values = tuple(values)
    return Use(lambda config: get(config, key) in values, f"{key} {_listed(values, 'or')}", (key,))


def _read(option: str) -> Use:
    """Acts where the reader of the data, or that of the images of a cue, takes that option."""

    def takes(name: str) -> bool:
        return name in DATASETS and option in DATASETS[name].takes

    def acts(config) -> bool:
        images = USES["data.shortcut.images"].acts(config) and takes(config.data.shortcut.images)
        return takes(config.data.name) or images

    return Use(acts, f"a data set that takes it ({_takers(list(filter(takes, DATASETS)))})", ("data.name",))


def _may_be_wrong(config) -> bool:
    kind = config.data.shortcut.kind
    return kind != cues.NONE and cues.CUES[kind].may_be_wrong


def _by_knob(entries: Mapping[str, Any], prefix: str, key: str) -> dict[str, Use]:
    """Of the knobs of each entry of a catalog, {name: entry with `knobs`}: they act where `key` names the entry."""
    knobs = dict.fromkeys(knob for entry in entries.values() for knob in entry.knobs)
    return {
        f"{prefix}.{knob}": _has(key, (name for name, entry in entries.items() if knob in entry.knobs))
        for knob in knobs
    }


A_CUE = Use(lambda config: config.data.shortcut.kind != cues.NONE, "a cue (data.shortcut.kind)", CUE)
SURE = _listed([kind for kind, cue in cues.CUES.items() if not cue.may_be_wrong], "or")
A_DRAWN_CUE = Use(_may_be_wrong, f"a cue that may be wrong (data.shortcut.kind, other than {SURE})", CUE)
PENALISED = Use(
    lambda config: config.loss.confidence_penalty > 0, "loss.confidence_penalty above 0", ("loss.confidence_penalty",)
)
SGD, STEPPED = _has("optim.name", ["sgd"]), _has("optim.schedule", ["step"])
TAUGHT = Use(lambda config: bool(config.distill.row), "a teacher (distill.row)", ("distill.row",))
OF_MITIGATIONS = _by_knob(mitigations.MITIGATIONS, "mitigation", "mitigation.name")

USES = {
    "data.task": _read("task"),
    "data.on_broken": _read("on_broken"),
    "data.image_size": _read("image_size"),
    **{f"data.columns.{what}": _read("columns") for what in ("label", "split", "group", "attribute", "drop")},
    "data.imbalance.profile": Use(
        lambda config: config.data.imbalance.ratio > 1, "data.imbalance.ratio above 1", ("data.imbalance.ratio",)
    ),
    "data.columns.text": _has("data.name", ["text"]),
    "data.text.length": _read("text_length"),
    "data.text.vocabulary": _read("text_vocabulary"),
    "data.shortcut.strength": A_CUE,
    "data.shortcut.noise": A_CUE,
    "data.shortcut.reliability": Use(
        lambda config: _may_be_wrong(config) and not config.data.shortcut.environments,
        f"{A_DRAWN_CUE.needs} and without data.shortcut.environments, which have reliabilities of their own",
        (*CUE, "data.shortcut.environments"),
    ),
    **{f"data.shortcut.{what}": A_DRAWN_CUE for what in ("environments", "valid_reliability", "test_reliability")},
    **_by_knob(cues.CUES, "data.shortcut", "data.shortcut.kind"),
    "method.alpha": _of_methods("alpha", " and without method.law", acts=_mixes_by_alpha, keys=(*METHOD, "method.law")),
    "method.convention": _of_methods(
        "convention",
        " and moves mass by it (method.smoothing, or method.noise_rate, above 0)",
        acts=_smooths,
        keys=(*METHOD, "method.smoothing", "method.noise_rate"),
    ),
    "method.running_decay": _of_methods("running"),
    "loss.entropy_threshold": PENALISED,
    "loss.anneal": PENALISED,
    "loss.max_suppression": Use(
        lambda config: not config.distill.row or config.distill.weight < 1,
        "a loss of targets (no teacher, or distill.weight below 1)",
        ("distill.row", "distill.weight"),
    ),
    **OF_MITIGATIONS,
    "mitigation.anneal": Use(
        lambda config: mitigations.knob_of(config, "penalty", 0) > 1,
        f"{OF_MITIGATIONS['mitigation.penalty'].needs} and mitigation.penalty above 1",
        ("mitigation.name", "mitigation.penalty"),
    ),
    "mitigation.alpha": Use(
        lambda config: (
            OF_MITIGATIONS["mitigation.alpha"].acts(config)
            and config.mitigation.mixes
            and not all(METHODS[name].combines for name in methods_of(config))
        ),
        f"{OF_MITIGATIONS['mitigation.alpha'].needs}, mitigation.mixes and a method that does not mix by itself",
        ("mitigation.name", "mitigation.mixes", *METHOD),
    ),
    "distill.temperature": TAUGHT,
    "distill.weight": TAUGHT,
    # Without keys: a model of fixed widths is not built with others, whoever asks for it.
    "model.widths": Use(
        lambda config: MODELS[config.model.name].takes_widths,
        f"model.name {' or '.join(name for name, model in MODELS.items() if model.takes_widths)}; others have fixed widths",
    ),
    "optim.momentum": SGD,
    "optim.nesterov": Use(
        lambda config: config.optim.name == "sgd" and config.optim.momentum > 0,
        "optim.name sgd and optim.momentum above 0",
        ("optim.name", "optim.momentum"),
    ),
    # The default of this knob depends on the optimiser: stating it does no harm.
    "optim.decay": Use(
        lambda config: config.optim.weight_decay > 0 or config.optim.decay == default_decay(config.optim.name),
        "optim.weight_decay above 0",
        ("optim.weight_decay",),
    ),
    "optim.milestones": STEPPED,
    "optim.gamma": STEPPED,
    "optim.after_switch": Use(
        lambda config: config.method.switch > 0, "a switch (method.switch and method.then)", ("method.switch",)
    ),
}

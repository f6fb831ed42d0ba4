"""Refuses knobs that do nothing: those that no method, cue, optimiser or mitigation of their row uses.

USES gives the condition under which a knob acts; knobs that are not in it always do. A knob that a row sets must act in
that row, and one that the recipe sets for all rows, or a flag, in at least one of them. A recipe's knob that a flag made
idle is not a mistake but a comparison (all rows with one method, say), and gets a warning.

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
from lamv.knobs import get
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

    rows: of lamv.config.expand. changes, base, flags: {key: value} that each row (by name), the recipe for all rows, and
    the command line set; the first two without knobs at their default.
    """
    idle: dict[tuple[str, Use], list[str]] = {}
    for row in rows:
        for key, value in changes[row.name].items():
            use = None if key in flags else use_of(key)
            if use is None or use.acts(row.config):
                continue
            if not set(use.keys) & set(flags):
                where = "" if len(rows) == 1 else f"row {row.name!r}: "
                whose = "nothing uses it" if len(rows) == 1 else "the row does not use it"
                raise ConfigError(f"{where}config.{key} is {brief(value)}, but {whose}: {_why(use, [row])}")
            idle.setdefault((key, use), []).append(row.name)
    for key, value in {**base, **flags}.items():
        use = use_of(key)
        # A flag that switches something off may say so once more than needed.
        if use is None or (key in flags and not value) or any(use.acts(row.config) for row in rows):
            continue
        if key in flags or not set(use.keys) & set(flags):
            whose = "nothing uses it" if len(rows) == 1 else "no row uses it"
            raise ConfigError(f"config.{key} is {brief(value)}, but {whose}: {_why(use, rows)}")
        idle.setdefault((key, use), [])
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
    needs = f"a method that takes it ({_listed(takers, 'and') if takers else 'none does'})"
    use = Use(lambda config: bool(_asked(config, name)), needs, METHOD)
    return use._replace(**more, needs=f"{needs}{also}")


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


def _has(key: str, *values: str) -> Use:
    """Acts where that knob has one of these values."""
    return Use(lambda config: get(config, key) in values, f"{key} {_listed(values, 'or')}", (key,))


def _cue(needs: str, acts: Callable[[Any], bool] = lambda shortcut: shortcut.kind != cues.NONE) -> Use:
    return Use(lambda config: acts(config.data.shortcut), needs, CUE)


def _read(option: str) -> Use:
    """Acts where the reader of the data, or that of the images of a cue, takes that option."""
    readers = [name for name, reader in DATASETS.items() if option in reader.takes]
    return Use(
        lambda config: not set(readers).isdisjoint(_sets_of(config)),
        f"a data set that takes it ({_listed(readers, 'and') if readers else 'none does'})",
        ("data.name",),
    )


def _sets_of(config) -> list[str]:
    """The data sets that are read: that of the run, and that of the images of a cue."""
    images = [config.data.shortcut.images] if USES["data.shortcut.images"].acts(config) else []
    return [config.data.name, *images]


def _may_be_wrong(shortcut) -> bool:
    return shortcut.kind != cues.NONE and cues.CUES[shortcut.kind].may_be_wrong


A_CUE = _cue("a cue (data.shortcut.kind)")
A_DRAWN_CUE = _cue(
    "a cue that may be wrong (data.shortcut.kind, other than"
    f" {_listed([kind for kind, cue in cues.CUES.items() if not cue.may_be_wrong], 'or')})",
    _may_be_wrong,
)
PENALISED = Use(lambda config: config.loss.confidence_penalty > 0, "loss.confidence_penalty above 0",
                ("loss.confidence_penalty",))  # fmt: skip
SGD = _has("optim.name", "sgd")
STEPPED = _has("optim.schedule", "step")
TAUGHT = Use(lambda config: bool(config.distill.row), "a teacher (distill.row)", ("distill.row",))

USES = {
    "data.task": _read("task"),
    "data.on_broken": _read("on_broken"),
    "data.image_size": _read("image_size"),
    **{f"data.columns.{what}": _read("columns") for what in ("label", "split", "group", "attribute", "drop")},
    "data.shortcut.strength": A_CUE,
    "data.shortcut.noise": A_CUE,
    "data.shortcut.reliability": A_DRAWN_CUE._replace(
        acts=lambda config: _may_be_wrong(config.data.shortcut) and not config.data.shortcut.environments,
        needs=f"{A_DRAWN_CUE.needs} and without data.shortcut.environments, which have reliabilities of their own",
        keys=(*CUE, "data.shortcut.environments"),
    ),
    "data.shortcut.environments": A_DRAWN_CUE,
    "data.shortcut.valid_reliability": A_DRAWN_CUE,
    "data.shortcut.test_reliability": A_DRAWN_CUE,
    **{
        f"data.shortcut.{knob}": _has(
            "data.shortcut.kind", *(kind for kind, cue in cues.CUES.items() if knob in cue.knobs)
        )
        for knob in dict.fromkeys(knob for cue in cues.CUES.values() for knob in cue.knobs)
    },
    "method.alpha": _of_methods("alpha", " and without method.law", acts=_mixes_by_alpha, keys=(*METHOD, "method.law")),
    "method.convention": _of_methods(
        "convention",
        " and moves mass by it (method.smoothing, or method.noise_rate, above 0)",
        acts=_smooths,
        keys=(*METHOD, "method.smoothing", "method.noise_rate"),
    ),  # fmt: skip
    "method.running_decay": _of_methods("running"),
    "loss.entropy_threshold": PENALISED,
    "loss.anneal": PENALISED,
    **{
        f"mitigation.{knob}": _has("mitigation.name", *mitigations.with_knob(knob))
        for knob in dict.fromkeys(knob for one in mitigations.MITIGATIONS.values() for knob in one.knobs)
    },
    "mitigation.anneal": Use(
        lambda config: mitigations.knob_of(config, "penalty", 0) > 1,
        f"mitigation.name {_listed(mitigations.with_knob('penalty'), 'or')} and mitigation.penalty above 1",
        ("mitigation.name", "mitigation.penalty"),
    ),
    "mitigation.alpha": Use(
        lambda config: (
            config.mitigation.name in mitigations.with_knob("alpha")
            and not all(METHODS[name].combines for name in methods_of(config))
        ),
        f"mitigation.name {_listed(mitigations.with_knob('alpha'), 'or')} and a method that does not mix by itself",
        ("mitigation.name", *METHOD),
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
    # To say what holds anyway does no harm: the default of this knob depends on the optimiser.
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

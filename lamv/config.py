"""A config: its defaults, its checks, and the record of a run that is made of it and read back.

A recipe (a file in configs/) starts from `defaults()` and sets some of the knobs (lamv.knobs); lamv.rows turns it into
variants, each a complete config. Mistakes are reported as one line, before anything is compiled.
"""

import copy
import hashlib
import inspect
import json
import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from ml_collections import config_dict

from lamv import claims
from lamv.catalog import mitigations
from lamv.catalog.model_selection import RULES
from lamv.core.methods import FOR_CLASSES, METHODS, OF_IMAGES, knobs_of
from lamv.errors import ConfigError, brief, nearest
from lamv.knobs import KNOB, KNOBS, WHOLE, Registered, flatten, get
from lamv.models import MODELS
from lamv.unused import default_decay, methods_of

#: Arguments of methods beside their knobs, see lamv.core.methods.
OFFERED = ("rows", "prior", "running", "predict", "soft_labels")
#: The length of training is in either of these; a recipe, row or flag that sets one unsets the other.
LENGTHS = (("steps", "epochs"), ("epochs", "steps"))
#: Knobs of a run as a whole, the same in all its rows.
RUN_WIDE = (
    "seed", "seeds", "eval_batch_size", "log_every", "eval_every", "checkpoint_every", "keep_checkpoints", "data.name",
    "data.path", "data.verify", "data.image_size", "data.task", "data.on_broken", "data.columns.label",
    "data.columns.split", "data.columns.group", "data.columns.attribute", "data.columns.drop", "data.columns.text",
    "data.text.length", "data.text.vocabulary", "parallel.map",
    "parallel.spread", "parallel.devices",
)  # fmt: skip
#: Prefixes of knobs that no compiled step depends on: when methods change, and which step counts.
BETWEEN_STEPS = ("method.switch", "select.")


class Variant(NamedTuple):
    """A row of a recipe: a name and a complete config (without rows and claims). was: names that a flag made untrue."""

    name: str
    config: config_dict.ConfigDict
    was: tuple[str, ...] = ()


def defaults() -> config_dict.ConfigDict:
    """A config with every knob at its default, locked: an unknown key is an error."""
    # convert_dict=False keeps `rows` a plain dict, so that row names and dotted keys may be anything.
    config = config_dict.ConfigDict(convert_dict=False)
    for knob in KNOBS:
        *parents, leaf = knob.key.split(".")
        node = config
        for parent in parents:
            if parent not in node:
                node[parent] = config_dict.ConfigDict(convert_dict=False)
            node = node[parent]
        unset = isinstance(knob.default, type)
        # A copy, since a recipe may put its rows into the empty mapping that is there.
        node[leaf] = config_dict.placeholder(knob.default) if unset else copy.copy(knob.default)
    return config.lock()


def default_of(key: str) -> Any:
    """The default of a knob, as in config.json; None for an unknown key."""
    default = KNOB[key].default if key in KNOB else None
    return None if isinstance(default, type) else list(default) if isinstance(default, tuple) else default


def set_knob(config, key: str, value: Any, where: str) -> None:
    """Set a knob; whole numbers become floats, and lists tuples. Raises ConfigError; where: what sets it, in words."""
    if key in WHOLE:
        raise ConfigError(f"{where}: {key!r} is for the recipe as a whole; set it outside of rows")
    if key not in KNOB:
        raise ConfigError(
            f"{where}: unknown knob {brief(key)}{nearest(key, KNOB)}; lamv/knobs.py lists all config knobs"
        )
    kind, given = KNOB[key].type, value
    value = claims.plain(value)
    if kind is float and type(value) is int and abs(value) < 2**63:
        value = float(value)
    unset = value is None and isinstance(KNOB[key].default, type)
    if not unset and type(value) is not kind:
        raise ConfigError(f"{where}: {key} is {brief(given)}, must be of type {kind.__name__} ({KNOB[key].meaning})")
    *parents, leaf = key.split(".")
    node = config
    for parent in parents:
        node = node[parent]
    node[leaf] = value


def validate(config) -> None:
    """Raise ConfigError, one line, for the first knob that is out of its range, and for knobs that contradict."""
    for knob in KNOBS:
        value = seen = get(config, knob.key)
        if type(value) is float:
            with np.errstate(over="ignore"):
                seen = float(np.float32(value))  # as in the program
        if value is not None and not knob.allowed.holds(seen):
            names = knob.allowed.words.removeprefix("one of ")
            hint = nearest(value, names.split(", ")) if knob.type is str and names != knob.allowed.words else ""
            raise ConfigError(
                f"config.{knob.key} is {brief(value)}, must be {knob.allowed.words}{hint} ({knob.meaning})"
            )
        if any(type(part) is str and not is_text(part) for part in (value if type(value) is tuple else (value,))):
            raise ConfigError(
                f"config.{knob.key} is {brief(value)}, must be text: it has bytes that are none, or a NUL"
            )
    for name in methods_of(config):
        check_method(name)
    check_seeds(config)
    if config.steps is None and config.epochs is None:
        raise ConfigError("neither config.steps nor config.epochs is set; give one, for example --config.epochs=10")
    if config.data.per_class is not None and config.data.train_size is not None:
        raise ConfigError(
            f"config.data.per_class is {config.data.per_class} and config.data.train_size is {config.data.train_size}; give"
            " one of the two"
        )
    if config.optim.name == "adamw" and config.optim.decay == "penalty":
        raise ConfigError(
            "config.optim.decay is 'penalty' with adamw, which decouples it; use --config.optim.name=adam"
        )
    if bool(config.method.switch) != (config.method.then != "none"):
        raise ConfigError(
            f"config.method.switch is {config.method.switch} and config.method.then is {config.method.then!r}; set both, the"
            " step and the method from it on, or neither"
        )
    if config.distill.row:
        _check_student(config)
    _check_unmixed(config)
    if config.select.rule != "last" and not config.eval_every:
        raise ConfigError(
            f"config.select.rule is {config.select.rule!r}, but config.eval_every is 0: there is one evaluation, at the end;"
            " set it, for example --config.eval_every=100"
        )
    if config.select.patience and config.select.rule == "last":
        raise ConfigError(
            f"config.select.patience is {config.select.patience}, must be 0 for the last step; early stopping needs a"
            " config.select.rule, for example valid_worst_group"
        )
    if config.method.scale_low > config.method.scale_high:
        raise ConfigError(
            f"config.method.scale_low is {config.method.scale_low:g}, must be at most scale_high, which is"
            f" {config.method.scale_high:g}"
        )
    if config.parallel.map == "pmap" and config.parallel.spread > 1:
        raise ConfigError("config.parallel.spread is over 1 with pmap; use --config.parallel.map=shard_map")


def check_seeds(config) -> None:
    """Raise ConfigError if the last seed is above 2^31 - 1."""
    if config["seed"] + config["seeds"] > 2**31:
        raise ConfigError(
            f"config.seed is {config['seed']} and config.seeds is {config['seeds']}: the last seed is above 2^31 - 1; begin"
            " lower"
        )


def check_method(name: str) -> None:
    """Raise ConfigError unless the method of that name has a signature that the engine can call."""
    try:
        asked = inspect.signature(METHODS[name]).parameters.values()
    except (TypeError, ValueError):
        raise ConfigError(
            f"method {name!r} is {brief(METHODS[name])}, must be a function; see lamv/core/methods.py"
        ) from None
    # Defaults are fine, except of keywords: the engine passes all of them.
    positional = [p for p in asked if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    some = any(p.kind is p.VAR_POSITIONAL for p in asked)
    if len(positional) < 3 - 3 * some or any(p.default is p.empty for p in positional[3:]):
        raise ConfigError(
            f"method {name!r} takes ({', '.join(map(str, asked))}), must take key, inputs, targets and then keyword-only"
            " arguments: def NAME(key, inputs, targets, *, KNOB, ...)"
        )
    for keyword in (p.name for p in asked if p.kind is p.KEYWORD_ONLY):
        if f"method.{keyword}" not in KNOB and keyword not in OFFERED:
            raise ConfigError(
                f"method {name!r} asks for {keyword!r}, which is no knob"
                f"{nearest(keyword, [key.removeprefix('method.') for key in KNOB if key.startswith('method.')])}: add"
                f' Knob("method.{keyword}", DEFAULT, RANGE, MEANING) to KNOBS in lamv/knobs.py'
            )
    if not hasattr(METHODS[name], "combines"):
        raise ConfigError(
            f"method {name!r} does not say whether it combines examples; add it as mixing_method(FUNCTION) if it does, else"
            " as target_method(FUNCTION); see lamv/core/methods.py"
        )


def _check_student(config) -> None:
    """Raise ConfigError unless loss, methods and mitigation suit distillation."""
    if not mitigations.of(config).takes_a_teacher:
        raise ConfigError(
            f"config.mitigation.name is {config.mitigation.name!r}, must be another with config.distill.row: its penalty is"
            " on a loss of targets"
        )
    if config.loss.name != "cross_entropy":
        raise ConfigError(
            f"config.loss.name is {config.loss.name!r}, must be cross_entropy with config.distill.row: a teacher's"
            " softmax is what the student's is drawn to"
        )
    for name in methods_of(config):
        if "layers" in knobs_of(METHODS[name]):
            raise ConfigError(
                f"config.method.name is {name!r}, must be another with config.distill.row: it mixes inside of the student,"
                " where the teacher cannot follow"
            )


def _check_unmixed(config) -> None:
    """Raise ConfigError where pairs are not to be mixed, but a method mixes by itself."""
    mixing = [name for name in methods_of(config) if METHODS[name].combines]
    if mixing and not mitigations.knob_of(config, "mixes", True):
        raise ConfigError(
            f"config.mitigation.mixes is False, must be True with the method {mixing[0]}, which mixes by itself; for its"
            " pairs without mixing, --config.method.name=erm (or label_smoothing, with its method.smoothing)"
        )


def check_mitigation(config, view) -> None:
    """Raise ConfigError unless the data suits mitigation and model selection. view: lamv.data.resident.DataView."""
    name, rule = config.mitigation.name, config.select.rule
    where = f"config.mitigation.name is {name!r}"
    if name != "erm" and view.regression:
        raise ConfigError(f"{where}, must be erm for {config.data.name}: its labels are numbers, not classes")
    known = mitigations.of(config)
    need, looks_at = known.needs(config.mitigation)
    has = {"group": view.num_groups, "attribute": view.num_attributes,
           "environment": view.num_environments or view.num_attributes}  # fmt: skip
    if looks_at == "valid" and "valid" not in view.tests:
        raise ConfigError(
            f"{where}, which fits the last layer on validation examples, but there are none; set config.data.valid_size, or"
            " --config.mitigation.refit_on=train"
        )
    if need and not (has[need] and looks_at in view.grouped):
        column = "group or attribute" if need == "group" else "attribute"
        examples = "training" if looks_at == "train" else "validation"
        raise ConfigError(
            f"{where}, which needs the {need} of every {examples} example, but {config.data.name} has no {column} column"
            " there; plant a cue (config.data.shortcut.kind), give data that has it"
            + (", or balance by class (--config.mitigation.by=class)" if "by" in known.knobs else "")
        )
    split, _, metric = RULES[rule].metric.partition("/")
    if split and split not in view.tests:
        raise ConfigError(
            f"config.select.rule is {rule!r}, but there are no validation examples; set config.data.valid_size"
        )
    if "group" in metric and split not in view.grouped:
        raise ConfigError(
            f"config.select.rule is {rule!r}, but {config.data.name} has no group or attribute column in {split}; use"
            " valid_accuracy"
        )


def check_against_data(
    config, num_classes: int, train_size: int, shape: tuple[int, ...], regression: bool = False, texts: bool = False
) -> None:
    """Raise ConfigError for knobs that do not suit the data. shape: of a stored example. regression: labels are numbers.

    texts: examples are numbers of words.
    """
    if regression:
        _check_regression(config)
    _check_texts(config, texts)
    if config.batch_size > train_size:
        raise ConfigError(
            f"config.batch_size is {config.batch_size}, must be at most the {train_size} training examples;"
            f" set --config.batch_size={train_size} or less"
        )
    limit = (num_classes - 1) / num_classes
    asked = {
        "smoothing": any({"smoothing", "convention"} <= set(knobs_of(METHODS[name])) for name in methods_of(config)),
        "noise_rate": "noise_correction" in methods_of(config),
    }
    for knob, asks in asked.items():
        value = config.method[knob]
        if asks and config.method.convention == "others" and value >= limit:
            raise ConfigError(
                f"config.method.{knob} is {value:g}, must be below (K - 1) / K = {limit:g} for the convention"
                " 'others'; use less, or --config.method.convention=uniform"
            )
    augment = config.data.augment
    if len(shape) == 1 and (augment.crop or augment.flip or augment.cutout):
        raise ConfigError("config.data.augment is for images, these inputs are vectors; set crop, flip and cutout to 0")


def _check_texts(config, texts: bool) -> None:
    """Raise ConfigError for a model of other data than texts, or of texts, and for what texts cannot be put to."""
    name, data = config.model.name, config.data.name
    if MODELS[name].reads_words != texts:
        fits = ", ".join(other for other, model in MODELS.items() if model.reads_words == texts)
        kind = "are texts" if texts else "are no texts"
        raise ConfigError(f"config.model.name is {name!r}, must be one of {fits}: the examples of {data} {kind}")
    if not texts:
        return
    for method in methods_of(config):
        if method in OF_IMAGES:
            raise ConfigError(
                f"config.method.name is {method!r}, must be another for {data}: it cuts regions out of images; use mixup,"
                " which mixes the embeddings of texts"
            )
    if config.distill.row:
        raise ConfigError(
            f"config.distill.row is {config.distill.row!r}, must be empty for {data}: a teacher has embeddings of its own,"
            " and cannot follow what is mixed in the student's"
        )


def _check_regression(config) -> None:
    """Raise ConfigError for a loss or methods of classes."""
    data = f"the labels of {config.data.name} are numbers, not classes"
    if config.data.name in ("npz", "table", "text"):
        data += " (if they are classes: --config.data.task=classification)"
    if config.loss.name != "squared_error" or config.loss.confidence_penalty or config.loss.max_suppression:
        raise ConfigError(
            f"config.loss.name is {config.loss.name!r}, must be squared_error without confidence_penalty and"
            f" max_suppression: {data}"
        )
    for name in methods_of(config):
        if name in FOR_CLASSES:
            rest = ", ".join(other for other in METHODS if other not in FOR_CLASSES)
            raise ConfigError(f"config.method.name is {name!r}, must be one of {rest}: {data}")
    if config.method.smoothing:
        raise ConfigError(f"config.method.smoothing is {config.method.smoothing:g}, must be 0: {data}")


def steps_of(config, train_size: int) -> int:
    """Length of training in steps; an epoch is train_size // batch_size steps, its last partial batch left out."""
    if config.steps is not None:
        return config.steps
    return max(1, round(config.epochs * (train_size // config.batch_size)))


def decay_of(config) -> str:
    """Where weight decay acts: "penalty" (in the loss) or "decoupled"."""
    return config.optim.decay or default_decay(config.optim.name)


def program_key(config, without: tuple[str, ...] = ()) -> str:
    """A key that variants share if they differ in traced knobs only. without: prefixes of knobs to leave out."""
    flat = {k: v for k, v in flatten(config).items() if not (KNOB[k].free or k.startswith(without))}
    same = {k: bool(v) if KNOB[k].optional else v for k, v in flat.items() if KNOB[k].optional or not KNOB[k].traced}
    if not mitigations.of(config).in_steps:
        same["mitigation.name"] = mitigations.NONE
    return json.dumps(same, sort_keys=True)


def run_key(config) -> str:
    """A key that variants share if one run trains them with one program: they differ in traced knobs, or between steps."""
    return json.dumps([program_key(config, without=BETWEEN_STEPS), *(str(get(config, key)) for key in RUN_WIDE)])


def snapshot(config, rows: list[Variant]) -> dict:
    """The run as plain data, for config.json: title, about, claims about these rows, and every row's knobs, nested."""
    names = {row.name for row in rows}
    return {
        "title": config.title,
        "about": config.about,
        "claims": [[claims.plain(part) for part in claim] for claim in config.claims if claims.rows_in(claim) <= names],
        "published": [[claims.plain(part) for part in number] for number in config.published if number[0] in names],
        "rows": [{"name": row.name, "config": nested(row.config)} for row in rows],
    }


def rows_of(run: Mapping, changes: Mapping[str, Any]) -> list[Variant]:
    """The rows of a `snapshot`, with some knobs changed; its recipe is not run. Raises ConfigError."""
    rows = []
    for recorded in run["rows"]:
        config = defaults()
        for key, value in {**flatten(recorded["config"]), **changes}.items():
            set_knob(config, key, value, where="config.json")
        _check_registered(config, f"row {recorded['name']!r} of config.json")
        validate(config)
        rows.append(Variant(recorded["name"], config))
    return rows


def _check_registered(config, where: str) -> None:
    """Raise ConfigError for a model, data set or method of the user's own that nothing has registered here."""
    for knob in KNOBS:
        value = get(config, knob.key)
        if isinstance(knob.allowed, Registered) and not knob.allowed.holds(value):
            raise ConfigError(
                f"{where} has {knob.key} {brief(value)}, which is not registered here{nearest(value, knob.allowed.names)};"
                " name the file that registers it, such as the recipe: --register=FILE.py for a command, lamv.register(FILE)"
                " in Python"
            )


def nested(config) -> dict:
    """A row's config as nested plain dicts: the `config` of summary.json."""
    return {k: v for k, v in json.loads(config.to_json()).items() if k not in (*WHOLE, "title", "about")}


def fingerprint(run: Mapping) -> str:
    """sha256 of the knobs of a `snapshot` that decide what is learned.

    Knobs at their default are left out, so that a knob which a later version adds does not change it. Hence a default,
    once given, is not changed.
    """
    set_knobs = {
        row: {k: v for k, v in knobs.items() if k not in KNOB or v != default_of(k)}
        for row, knobs in _binding(run).items()
    }
    return hashlib.sha256(json.dumps(set_knobs, sort_keys=True).encode()).hexdigest()


def differences(stored: Mapping, new: Mapping) -> list[str]:
    """ "row: knob stored -> new" for every knob, but for free ones, in which two snapshots differ."""
    old, now = _binding(stored), _binding(new)
    if list(old) != list(now):
        return [f"rows {list(old)} -> {list(now)}"]
    return [
        f"{name}: {key} {one!r} -> {other!r}"
        for name in old
        for key in sorted({*old[name], *now[name]})
        for one, other in [tuple(knobs.get(key, default_of(key)) for knobs in (old[name], now[name]))]
        if one != other
    ]


def is_text(value: str, of_one_line: bool = False) -> bool:
    """Whether a string can be written as UTF-8 and has no NUL; of_one_line: and no control character."""
    kinds = {unicodedata.category(character) for character in set(value)}
    return "\0" not in value and "Cs" not in kinds and not (of_one_line and kinds & {"Cc", "Zl", "Zp"})


def _binding(run: Mapping) -> dict[str, dict[str, Any]]:
    return {
        row["name"]: {k: v for k, v in flatten(row["config"]).items() if not (k in KNOB and KNOB[k].free)}
        for row in run["rows"]
    }

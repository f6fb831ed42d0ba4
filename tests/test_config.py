"""Knobs and configs: what is accepted, what is refused and in which words, which rows are the same program."""

import json
import math

import pytest

from lamv import config as configs
from lamv.data import DATASETS
from lamv.errors import ConfigError
from lamv.knobs import KNOB, KNOBS
from lamv.rows import expand
from tests.expanding import expanded, recipe, refused

RUN_WIDE = [
    "seed", "seeds", "eval_batch_size", "log_every", "eval_every", "checkpoint_every", "keep_checkpoints", "data.name",
    "data.path", "data.verify", "data.image_size", "data.task", "data.on_broken", "data.columns.label",
    "data.columns.split", "data.columns.group", "data.columns.attribute", "data.columns.drop", "data.columns.text",
    "data.text.length", "data.text.vocabulary", "parallel.map",
    "parallel.spread", "parallel.devices",
]  # fmt: skip
NOT_OF_A_ROW = ("rows", "claims", "published")
#: Another value than the default that is allowed, for every knob.
ANOTHER = {
    "title": "t", "about": "a", "seed": 1, "seeds": 2, "batch_size": 64, "eval_batch_size": 64, "steps": 20,
    "epochs": 2.0, "log_every": 7, "eval_every": 7, "checkpoint_every": 7, "keep_checkpoints": 7, "data.name": "mnist",
    "data.path": "p", "data.verify": "official", "data.task": "regression", "data.on_broken": "skip",
    "data.columns.label": "c", "data.columns.split": "c", "data.columns.group": "c", "data.columns.attribute": "c",
    "data.columns.drop": ("c",), "data.columns.text": "c", "data.text.length": 9, "data.text.vocabulary": 99,
    "data.per_class": 5, "data.classes": (3, 5), "data.superclasses": (0, 0, 1),
    "data.image_size": 32, "data.train_size": 100, "data.valid_size": 50, "data.label_flip": 0.25, "data.flatten": True,
    "data.normalise": False, "data.eval_train_size": 7, "data.augment.crop": 4, "data.augment.flip": True,
    "data.augment.cutout": 8, "data.label_noise": 0.2, "data.shortcut.kind": "tag", "data.shortcut.strength": -1.5,
    "data.shortcut.reliability": 0.9, "data.shortcut.noise": 0.2, "data.shortcut.environments": (0.9, 0.8),
    "data.shortcut.valid_reliability": 0.5, "data.shortcut.test_reliability": 0.1, "data.shortcut.images": "mnist",
    "data.imbalance.ratio": 10.0, "data.imbalance.profile": "step", "data.shortcut.images_path": "p", "data.shortcut.images_classes": (3, 5), "data.shortcut.coding": "centred",
    "method.name": "mixup", "method.smoothing": 0.1, "method.convention": "others", "method.alpha": 0.4,
    "method.law": "uniform(0.5, 1)", "method.target_law": "fixed(0.9)", "method.lam_per": "batch", "method.ways": 4,
    "method.layers": ("first", "head"), "method.weight": 0.5, "method.bandwidth": 0.1, "method.noise_rate": 0.3,
    "method.over_smoothing": 0.9, "method.running_decay": 0.5, "method.scale_low": 0.2, "method.scale_high": 0.9,
    "method.decay_power": 2.0, "method.switch": 7, "method.then": "mixup", "loss.name": "sigmoid",
    "loss.confidence_penalty": 0.1, "loss.entropy_threshold": 0.5, "loss.anneal": 7, "loss.max_suppression": 0.1,
    "mitigation.name": "reweight", "mitigation.by": "class", "mitigation.step_size": 0.1, "mitigation.adjustment": 1.0,
    "mitigation.penalty": 10.0, "mitigation.anneal": 7, "mitigation.tau": 2.0, "mitigation.first_steps": 7,
    "mitigation.upweight": 20.0, "mitigation.mix_ratio": 0.3, "mitigation.alpha": 0.5, "mitigation.refit_on": "train",
    "mitigation.subsets": 3, "mitigation.mixes": False, "mitigation.utility": 2.0, "mitigation.inner_steps": 3,
    "mitigation.outer_lr": 0.1, "mitigation.refit_epochs": 3.0, "mitigation.refit_lr": 0.1,
    "mitigation.over_smoothing": 0.9, "select.rule": "valid_accuracy", "select.patience": 3,
    "distill.teacher": "p", "distill.row": "ERM", "distill.temperature": 2.0, "distill.weight": 0.5,
    "model.name": "linear", "model.widths": (8, 8), "model.dtype": "bfloat16",
    "optim.name": "adam", "optim.lr": 0.01, "optim.momentum": 0.5, "optim.nesterov": True, "optim.weight_decay": 0.1,
    "optim.decay": "decoupled", "optim.schedule": "step", "optim.milestones": (0.1,), "optim.gamma": 0.5,
    "optim.warmup": 3, "optim.after_switch": "head", "optim.clip_norm": 1.0,
    "parallel.map": "pmap", "parallel.replicas": "loop", "parallel.rows": "apart",
    "parallel.dispatch": "step", "parallel.spread": 2, "parallel.devices": 2,
}  # fmt: skip
#: Knobs that are set together or not at all, with what the others are then.
BESIDE = {key: {"method.switch": 5, "method.then": "erm"} for key in ("method.switch", "method.then")}
BESIDE |= {"select.rule": {"eval_every": 5}, "select.patience": {"eval_every": 5, "select.rule": "valid_accuracy"}}
#: What makes the others act.
READ_AS_TABLE = [name for name, reader in DATASETS.items() if "columns" in reader.takes]
BESIDE |= {key: {"data.name": name} for name in READ_AS_TABLE for key in KNOB if key.startswith("data.columns.")}
BESIDE |= {key: {"data.name": "image_folder"} for key in ("data.image_size", "data.on_broken")}
BESIDE |= {"data.imbalance.profile": {"data.imbalance.ratio": 10.0}}
BESIDE |= {key: {"data.name": "text"} for key in ("data.columns.text", "data.text.length", "data.text.vocabulary")}
BESIDE |= {"data.task": {"data.name": "npz"}}
BESIDE |= {key: {"data.shortcut.kind": "tag"} for key in KNOB if key.startswith("data.shortcut.")}
BESIDE |= {key: {"data.shortcut.kind": "dominoes"} for key in KNOB if key.startswith("data.shortcut.images")}
BESIDE |= {"data.shortcut.kind": {}, "data.shortcut.coding": {"data.shortcut.kind": "pixel"}}
OF_METHODS = {
    "smoothing": "mixup", "alpha": "mixup", "law": "mixup", "target_law": "decoupled_mixup", "lam_per": "mixup",
    "ways": "kway_mixup", "layers": "manifold_mixup", "weight": "regmixup", "bandwidth": "c_mixup", "noise_rate": "rc_mixup",
    "convention": "noise_correction", "over_smoothing": "over_smoothing", "running_decay": "instance_smoothing",
    "scale_low": "resizemix", "scale_high": "resizemix", "decay_power": "fmix",
}  # fmt: skip
BESIDE |= {f"method.{knob}": {"method.name": name} for knob, name in OF_METHODS.items()}
OF_MITIGATIONS = {
    "by": "reweight", "step_size": "group_dro", "adjustment": "group_dro", "penalty": "irm", "anneal": "vrex",
    "tau": "logit_adjustment", "first_steps": "jtt", "upweight": "jtt", "mix_ratio": "lisa", "alpha": "within_groups",
    "refit_on": "dfr", "subsets": "dfr", "mixes": "lisa", "utility": "bifair", "inner_steps": "bifair",
    "outer_lr": "bifair", "refit_epochs": "lort", "refit_lr": "crt", "over_smoothing": "lort",
}  # fmt: skip
BESIDE |= {f"mitigation.{knob}": {"mitigation.name": name} for knob, name in OF_MITIGATIONS.items()}
BESIDE |= {key: {"loss.confidence_penalty": 0.1} for key in ("loss.entropy_threshold", "loss.anneal")}
BESIDE |= {key: {"distill.row": "ERM"} for key in ("distill.temperature", "distill.weight")}
BESIDE |= {key: {"optim.schedule": "step"} for key in ("optim.milestones", "optim.gamma")}
BESIDE |= {"optim.decay": {"optim.weight_decay": 0.1}}
BESIDE |= {"optim.after_switch": {"method.switch": 5, "method.then": "mixup"}}
#: No data set takes them yet, if any.
UNREAD = [] if READ_AS_TABLE else [key for key in KNOB if key.startswith("data.columns.")]
OF_A_ROW = [knob for knob in KNOBS if knob.key not in (*NOT_OF_A_ROW, *UNREAD, "epochs")]


def one_row(changes):
    return expanded({"row": changes})["row"]


# The knobs themselves


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: knob.key)
def test_every_knob_says_what_it_means_and_allows(knob):
    assert knob.meaning and knob.allowed.words
    assert "\n" not in knob.meaning + knob.allowed.words
    assert not (knob.traced and knob.free), "a knob that changes what is learned is not free"
    if not isinstance(knob.default, type):
        assert knob.allowed.holds(knob.default), "a default must be allowed"


def test_the_defaults_need_a_length_and_nothing_else():
    config = configs.defaults()
    with pytest.raises(ConfigError, match="neither config.steps nor config.epochs is set"):
        configs.validate(config)
    config.steps = 10
    configs.validate(config)
    assert [row.name for row in expand(config)] == ["erm"], "a recipe without rows is one row, the method's"


def test_what_a_recipe_puts_into_the_rows_of_the_defaults_stays_its_own():
    configs.defaults().rows["mine"] = {}
    assert configs.defaults().rows == {} == KNOB["rows"].default


def test_defaults_are_locked():
    with pytest.raises(AttributeError):
        configs.defaults().optim.learning_rate = 0.1


def test_another_value_is_known_for_every_knob():
    assert set(ANOTHER) == {knob.key for knob in KNOBS} - set(NOT_OF_A_ROW), "give a new knob a line in ANOTHER"


@pytest.mark.parametrize("knob", OF_A_ROW, ids=lambda knob: knob.key)
def test_a_flag_reaches_every_row(knob):
    value = ANOTHER[knob.key]
    rows = expanded({"a": {}, "b": {}}, BESIDE.get(knob.key, {}) | {knob.key: value})
    assert [configs.get(config, knob.key) for config in rows.values()] == [value, value]


# What is refused


@pytest.mark.parametrize(
    "given, meant",
    [("optim.learn_rate", "optim.lr"), ("method.smothing", "method.smoothing"), ("batchsize", "batch_size")],
)
def test_an_unknown_knob_is_refused_with_the_nearest(given, meant):
    message = refused("row 'a'", repr(given), "unknown", "lamv/knobs.py", rows={"a": {given: 1}})
    if given != "optim.learn_rate":
        assert f"did you mean {meant!r}?" in message
    refused("config", repr(given), "unknown", overrides={given: 1})


@pytest.mark.parametrize(
    "key, value, kind",
    [
        ("batch_size", 64.0, "int"),
        ("batch_size", "64", "int"),
        ("batch_size", True, "int"),
        ("optim.lr", "0.1", "float"),
        ("optim.lr", True, "float"),
        ("optim.nesterov", 1, "bool"),
        ("method.name", 3, "str"),
        ("model.widths", 64, "tuple"),
        ("optim.lr", None, "float"),
        ("batch_size", None, "int"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(key, value, kind):
    refused("row 'a'", key, repr(value), f"type {kind}", rows={"a": {key: value}})


def test_whole_numbers_become_floats_and_lists_tuples():
    config = one_row({"optim.lr": 1, "model.widths": [8, 4]})
    assert type(config.optim.lr) is float and config.optim.lr == 1
    assert config.model.widths == (8, 4)


@pytest.mark.parametrize(
    "key, value, allowed",
    [
        ("method.name", "mixupp", "one of erm, label_smoothing,"),
        ("method.name", "mixupp", "fmix, instance_mixup (did you mean 'mixup'?)"),
        ("method.then", "cutmixx", "one of none, erm,"),
        ("loss.name", "sigmod", "one of cross_entropy, sigmoid, squared_error (did you mean 'sigmoid'?)"),
        ("method.law", "gamma(1, 1)", "beta(a, b), uniform(lo, hi), fixed(v) or discrete("),
        ("method.law", "beta(0, 1)", "beta(a, b)"),
        ("method.law", "uniform(0.5, 1", "uniform(lo, hi)"),
        ("method.law", "uniform(0.5, 0.5)", "uniform(lo, hi)"),
        ("method.target_law", "fixed(1.5)", "fixed(v)"),
        ("method.layers", (), "one or more different names of layers"),
        ("method.layers", ("",), "one or more different names of layers"),
        ("method.layers", (1,), "one or more different names of layers"),
        ("method.ways", 1, "from 2 to 100"),
        ("method.weight", -0.5, "at least 0"),
        ("method.bandwidth", 0.0, "above 0"),
        ("method.noise_rate", 1.0, "from 0 to below 1"),
        ("method.over_smoothing", 1.0, "from 0 to below 1"),
        ("method.running_decay", 1.0, "from 0 to below 1"),
        ("method.scale_high", 1.1, "at most 1"),
        ("method.scale_low", 0.0, "above 0"),
        ("method.decay_power", -1.0, "at least 0"),
        ("data.label_noise", 1.0, "from 0 to below 1"),
        ("loss.confidence_penalty", -0.1, "at least 0"),
        ("loss.entropy_threshold", math.nan, "at least 0"),
        ("loss.max_suppression", -0.1, "at least 0"),
        ("optim.after_switch", "none", "one of all, head"),
        ("distill.temperature", 0.0, "above 0"),
        ("distill.temperature", math.inf, "above 0"),
        ("distill.weight", 1.01, "from 0 to 1"),
        (
            "data.shortcut.kind",
            "tags",
            "one of none, tag, pixel, colour, patch, watermark, colour_cast, frequency,"
            " dominoes, cat_channel (did you mean 'tag'?)",
        ),
        ("batch_size", 0, "at least 1"),
        ("seed", -1, "from 0 to"),
        ("optim.weight_decay", -0.1, "at least 0"),
        ("optim.weight_decay", math.inf, "at least 0"),
        ("optim.lr", 0.0, "above 0"),
        ("optim.lr", math.nan, "above 0"),
        ("method.alpha", -1.0, "above 0"),
        ("method.alpha", math.inf, "above 0"),
        ("data.shortcut.reliability", 1.1, "from 0 to 1"),
        ("data.shortcut.reliability", math.nan, "from 0 to 1"),
        ("data.shortcut.strength", math.inf, "a number between"),
        ("method.smoothing", 1.0, "from 0 to below 1"),
        ("method.smoothing", -0.1, "from 0 to below 1"),
        ("optim.momentum", 1.0, "from 0 to below 1"),
        ("model.widths", (8, 0), "whole numbers of at least 1"),
        ("model.widths", (8.0,), "whole numbers of at least 1"),
        ("data.classes", (-1, 0), "whole numbers of at least 0"),
        ("optim.milestones", ("half",), "must be"),
        ("seed", 2**32, "from 0 to "),
    ],
)
def test_a_value_out_of_range_is_refused(key, value, allowed):
    message = refused(f"config.{key}", repr(value), allowed, overrides={key: value})
    assert KNOB[key].meaning in message, "the line says what the knob means"


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"optim.name": "adamw", "optim.decay": "penalty"}, ("'penalty'", "adamw", "--config.optim.name=adam")),
        ({"parallel.map": "pmap", "parallel.spread": 2}, ("spread", "pmap", "--config.parallel.map=shard_map")),
        ({"method.scale_low": 0.6, "method.scale_high": 0.5}, ("scale_low is 0.6", "at most scale_high", "0.5")),
        ({"method.switch": 5}, ("method.switch is 5", "method.then is 'none'", "set both", "or neither")),
        ({"distill.row": "ERM", "loss.name": "sigmoid"}, ("'sigmoid'", "cross_entropy with config.distill.row")),
        ({"distill.row": "ERM", "method.name": "manifold_mixup"}, ("'manifold_mixup'", "must be another", "teacher")),
        ({"method.then": "mixup"}, ("method.switch is 0", "method.then is 'mixup'", "set both", "or neither")),
    ],
)
def test_contradictions_are_refused(changes, words):
    refused(*words, overrides=changes)


# Length


def test_one_of_steps_and_epochs_is_needed():
    with pytest.raises(ConfigError) as caught:
        expand(configs.defaults())
    assert "--config.epochs=10" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("epochs, train_size, expected", [(2.0, 105, 20), (0.5, 100, 5), (0.01, 100, 1), (1.0, 10, 1)])
def test_epochs_in_steps(epochs, train_size, expected):
    config = configs.defaults()
    config.epochs, config.batch_size = epochs, 10
    assert configs.steps_of(config, train_size) == expected


# Rows


@pytest.mark.parametrize("key", RUN_WIDE)
def test_what_belongs_to_the_run_is_refused_in_a_row(key):
    refused("row 'b'", key, "same in all rows", "outside of rows", rows={"a": {}, "b": {key: ANOTHER[key]}})
    if key not in UNREAD:
        expanded({"a": {}, "b": {}}, BESIDE.get(key, {}) | {key: ANOTHER[key]})


@pytest.mark.parametrize("key", NOT_OF_A_ROW)
def test_rows_and_claims_are_refused_in_a_row(key):
    refused("row 'a'", repr(key), rows={"a": {key: KNOB[key].default}})


# Which rows are the same program, and which runs the same run


@pytest.mark.parametrize("knob", OF_A_ROW, ids=lambda knob: knob.key)
def test_a_program_is_shared_by_rows_that_differ_in_traced_or_free_knobs_only(knob):
    beside = BESIDE.get(knob.key, {})
    base, other = one_row(beside), expanded({"row": {}}, beside | {knob.key: ANOTHER[knob.key]})["row"]
    same = configs.program_key(base) == configs.program_key(other)
    assert same == ((knob.traced and not knob.optional) or knob.free)


OPTIONAL = [knob for knob in KNOBS if knob.optional]


@pytest.mark.parametrize("knob", OPTIONAL, ids=lambda knob: knob.key)
def test_what_is_optional_is_part_of_the_program_or_not_whatever_its_value(knob):
    assert not knob.default
    values = (knob.default, "some" if knob.type is str else 0.25, ANOTHER[knob.key])
    none, some, other = (configs.program_key(one_row({knob.key: value})) for value in values)
    assert none == configs.program_key(one_row({})) and none != some and some == other


def test_label_noise_flips_the_confidence_penalty_maxsup_and_a_teacher_are_optional():
    optional = ["data.label_noise", "data.label_flip", "loss.confidence_penalty", "loss.max_suppression", "distill.row"]
    assert [knob.key for knob in OPTIONAL] == optional


def test_a_program_key_can_leave_knobs_out():
    base, other = one_row({}), one_row({"method.name": "mixup", "method.lam_per": "batch"})
    assert configs.program_key(base) != configs.program_key(other)
    assert configs.program_key(base, without=("method.",)) == configs.program_key(other, without=("method.",))


def snapshot(changes=None, overrides=None, **knobs):
    config = recipe({"a": {}, "b": changes or {}}, **knobs)
    run = configs.snapshot(config, expand(config, overrides))
    assert json.loads(json.dumps(run)) == run, "a snapshot must survive its way through config.json"
    return run


@pytest.mark.parametrize("knob", OF_A_ROW, ids=lambda knob: knob.key)
def test_a_run_is_the_same_where_only_free_knobs_differ(knob):
    beside = BESIDE.get(knob.key, {})
    base, other = snapshot(overrides=beside), snapshot(overrides=beside | {knob.key: ANOTHER[knob.key]})
    assert (configs.fingerprint(base) == configs.fingerprint(other)) == knob.free
    differences = configs.differences(base, other)
    if knob.free:
        assert differences == []
    else:
        assert len(differences) == 2, "both rows differ"
        assert all(knob.key in line and "->" in line for line in differences)


def test_differences_name_the_row_the_knob_and_both_values():
    assert configs.differences(snapshot(), snapshot({"optim.lr": 0.5})) == ["b: optim.lr 0.1 -> 0.5"]


def test_other_rows_are_another_run():
    other = configs.snapshot(recipe(), expand(recipe({"a": {}, "c": {}})))
    assert configs.fingerprint(other) != configs.fingerprint(snapshot())
    assert configs.differences(snapshot(), other) == ["rows ['a', 'b'] -> ['a', 'c']"]


# Against the data


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"batch_size": 200}, ("batch_size is 200", "100 training examples", "--config.batch_size=100")),
        (
            {"method.name": "label_smoothing", "method.convention": "others", "method.smoothing": 0.9},
            ("smoothing is 0.9", "= 0.9", "'others'", "--config.method.convention=uniform"),
        ),
        (
            {"method.name": "noise_correction", "method.convention": "others", "method.noise_rate": 0.9},
            ("noise_rate is 0.9", "= 0.9", "'others'", "--config.method.convention=uniform"),
        ),
        (
            {"method.then": "mixup", "method.switch": 5, "method.convention": "others", "method.smoothing": 0.95},
            ("smoothing is 0.95", "= 0.9", "'others'", "--config.method.convention=uniform"),
        ),
        ({"data.augment.crop": 4}, ("augment", "vectors", "set crop, flip and cutout to 0")),
        ({"data.augment.flip": True}, ("augment", "vectors")),
        ({"data.augment.cutout": 2}, ("augment", "vectors")),
    ],
)
def test_what_does_not_suit_the_data_is_refused(changes, words):
    with pytest.raises(ConfigError) as caught:
        configs.check_against_data(one_row({"batch_size": 10} | changes), 10, 100, (64,))
    message = str(caught.value)
    assert all(word in message for word in words) and "\n" not in message


@pytest.mark.parametrize(
    "changes, shape",
    [
        ({"batch_size": 100}, (64,)),
        ({"method.name": "label_smoothing", "method.convention": "others", "method.smoothing": 0.89}, (64,)),
        ({"method.name": "label_smoothing", "method.smoothing": 0.95}, (64,)),
        ({"method.name": "noise_correction", "method.noise_rate": 0.95}, (64,)),
        ({"method.name": "over_smoothing", "method.over_smoothing": 0.98}, (64,)),
        ({"data.augment.crop": 4, "data.augment.flip": True, "data.augment.cutout": 2}, (8, 8, 1)),
    ],
)
def test_what_suits_the_data_is_taken(changes, shape):
    configs.check_against_data(one_row({"batch_size": 10} | changes), 10, 100, shape)


@pytest.mark.parametrize(
    "name, decay, expected",
    [
        ("sgd", None, "penalty"),
        ("adam", None, "penalty"),
        ("adamw", None, "decoupled"),
        ("adam", "decoupled", "decoupled"),
        ("sgd", "decoupled", "decoupled"),
        ("adamw", "decoupled", "decoupled"),
    ],
)
def test_where_weight_decay_acts(name, decay, expected):
    changes = {"optim.name": name, "optim.weight_decay": 0.1} | ({} if decay is None else {"optim.decay": decay})
    assert configs.decay_of(one_row(changes)) == expected

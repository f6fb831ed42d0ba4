"""A knob that does nothing is refused; what a flag made idle is warned of; and recorded runs stay as they are."""

import inspect
import logging
from pathlib import Path

import pytest

from lamv import config as configs
from lamv.core.methods import METHODS, knobs_of
from lamv.data import DATASETS
from lamv.errors import ConfigError
from lamv.knobs import KNOB
from lamv.rows import expand
from lamv.train import mitigations, step
from lamv.train.mitigations import MITIGATIONS
from lamv.unused import USES, check_length, use_of
from tests.test_config import ANOTHER, BESIDE, RUN_WIDE, UNREAD, expanded, refused

SOMETIMES = [key for key in KNOB if use_of(key)]
#: Those of which the default row, erm with sgd on digits, makes no use.
IDLE = [key for key in SOMETIMES if not use_of(key).acts(expanded()["erm"])]


def test_rules_are_of_knobs():
    assert set(USES) <= set(KNOB)


@pytest.mark.parametrize("key", SOMETIMES)
def test_the_rule_of_a_knob_looks_at_knobs_and_says_what_it_needs(key):
    use = use_of(key)
    assert use.needs and set(use.keys) <= set(KNOB) and key not in use.keys
    if key not in UNREAD:
        assert use.acts(expanded({"row": BESIDE.get(key, {}) | {key: ANOTHER[key]}})["row"])


@pytest.mark.parametrize("key", IDLE)
def test_a_knob_that_does_nothing_is_refused_whoever_sets_it(key):
    other = ANOTHER[key]
    words = f"config.{key} is {other!r}, but", "it acts only with", "take it away"
    refused(*words, overrides={key: other})
    refused(*words, "no row uses it", rows={"a": {}, "b": {}}, **{key: other})
    if key not in RUN_WIDE:
        refused("row 'b': ", *words, rows={"a": {}, "b": {key: other}})


@pytest.mark.parametrize("key", sorted(set(IDLE) - set(UNREAD)))
def test_one_row_that_uses_it_is_enough_for_recipes_and_flags_but_not_for_another_row(key):
    beside = BESIDE[key]
    if any(part.startswith("data.name") for part in beside):
        return  # the same for all rows
    rows = {"plain": {}, "uses": beside}
    expanded(rows, **{key: ANOTHER[key]})
    expanded(rows, {key: ANOTHER[key]})
    refused("row 'plain'", key, rows=rows | {"plain": {key: ANOTHER[key]}})


@pytest.mark.parametrize("name", METHODS)
def test_every_knob_of_a_method_acts_with_it(name):
    config = expanded({"row": {"method.name": name}})["row"]
    for knob in knobs_of(METHODS[name]):
        if f"method.{knob}" in KNOB and knob != "convention":
            assert use_of(f"method.{knob}").acts(config), knob


@pytest.mark.parametrize("name", MITIGATIONS)
def test_the_program_looks_at_no_knob_of_a_mitigation_that_is_said_to_be_idle(name):
    """By its name in the source of training: where a knob is new, its rule is too."""
    source = "".join(path.read_text() for path in Path(mitigations.__file__).parent.glob("*.py")) + inspect.getsource(
        step
    )
    own = [key.removeprefix("mitigation.") for key in KNOB if key.startswith("mitigation.") and key in USES]
    assert len(own) == len([key for key in KNOB if key.startswith("mitigation.")]) - 1
    assert all(knob in source or knob in ("first_steps", "refit_on") for knob in own)
    acting = {
        knob for knob in own if use_of(f"mitigation.{knob}").acts(expanded({"r": {"mitigation.name": name}})["r"])
    }
    assert bool(acting) == (name != "erm")


@pytest.mark.parametrize(
    "changes",
    [
        {"method.name": "kway_mixup", "method.alpha": 0.5},
        {"method.name": "erm", "method.then": "mixup", "method.switch": 5, "method.alpha": 0.5},
        {"method.name": "kway_mixup", "method.then": "mixup", "method.switch": 5, "method.alpha": 0.5,
         "method.law": "fixed(0.5)"},
        {"method.name": "matched_smoothing", "method.convention": "others"},
        {"method.name": "mixup", "method.convention": "others", "method.smoothing": 0.1},
        {"method.name": "mixup", "method.then": "erm", "method.switch": 5, "mitigation.name": "lisa",
         "mitigation.alpha": 0.5},
        {"optim.name": "adamw", "optim.decay": "decoupled"},
        {"optim.decay": "penalty"},
        {"optim.nesterov": True},
        {"data.shortcut.kind": "cat_channel", "data.shortcut.strength": 0.3},
        {"method.alpha": 1.0},
    ],
)  # fmt: skip
def test_what_acts_somehow_is_taken(changes):
    expanded({"row": changes, "other": {}})


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"method.name": "mixup", "method.law": "fixed(0.5)", "method.alpha": 0.5}, ("alpha", "without method.law")),
        ({"method.name": "mixup", "method.convention": "others"}, ("convention", "method.smoothing is 0.0")),
        ({"mitigation.name": "lisa", "method.name": "mixup", "mitigation.alpha": 0.5}, ("does not mix by itself",)),
        ({"mitigation.name": "lisa", "mitigation.mixes": False, "mitigation.alpha": 0.5}, ("mitigation.mixes is False",)),
        ({"mitigation.name": "jtt", "mitigation.mixes": False}, ("lisa, within_groups or across_attributes",)),
        ({"mitigation.name": "irm", "mitigation.penalty": 1.0, "mitigation.anneal": 5}, ("penalty above 1",)),
        ({"optim.decay": "decoupled"}, ("optim.weight_decay above 0",)),
        ({"optim.nesterov": True, "optim.momentum": 0.0}, ("optim.momentum above 0",)),
        ({"data.shortcut.kind": "tag", "data.shortcut.environments": (0.9, 0.8), "data.shortcut.reliability": 0.9},
         ("without data.shortcut.environments",)),
        ({"data.shortcut.kind": "cat_channel", "data.shortcut.test_reliability": 0.5}, ("other than cat_channel",)),
        ({"model.name": "resnet20", "model.widths": (8,)}, ("model.name mlp or cnn",)),
        ({"distill.row": "ERM", "loss.max_suppression": 0.1}, ("no teacher, or distill.weight below 1",)),
    ],
)  # fmt: skip
def test_what_acts_under_conditions_is_refused_without_them(changes, words):
    refused("row 'row'", "the row does not use it", *words, rows={"row": changes, "other": {}})


def test_what_a_flag_made_idle_is_warned_of(caplog):
    rows = {"ERM": {}, "LS .1": {"method.name": "label_smoothing", "method.smoothing": 0.1}}
    with caplog.at_level(logging.WARNING, "lamv.config"):
        expanded(rows, {"method.name": "mixup"})
        assert not caplog.records, "it is smoothed first"
        made = expanded(rows, {"method.name": "erm"})
    [record] = caplog.records
    assert "config.method.smoothing of 'LS .1' does nothing under --config.method.name" in record.message
    assert list(made) == ["erm"], "without smoothing it is the other row"
    caplog.clear()
    with caplog.at_level(logging.WARNING, "lamv.config"):
        expanded({"a": {}, "b": {}}, {"optim.name": "adam"}, **{"optim.momentum": 0.5})
    assert ["config.optim.momentum does nothing under --config.optim.name" in r.message for r in caplog.records] == [
        True
    ]


def test_a_flag_excuses_no_other_flag_and_no_widths():
    refused("config.method.alpha is 0.5", overrides={"method.name": "erm", "method.alpha": 0.5})
    refused("config.model.widths is (8,)", overrides={"model.name": "linear"}, **{"model.widths": (8,)})
    expanded(overrides={"model.name": "linear", "model.widths": ()}, **{"model.widths": (8,)})


@pytest.mark.parametrize("key, value", [("optim.nesterov", False), ("mitigation.anneal", 0), ("method.smoothing", 0.0)])
def test_to_switch_off_what_is_off_is_no_mistake(key, value):
    expanded(overrides={key: value, "optim.name": "adam"})


# Lengths


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"optim.warmup": 10}, ("config.optim.warmup is 10, must be below the 10 steps", "--config.optim.warmup=4")),
        ({"method.switch": 10, "method.then": "mixup"}, ("config.method.switch is 10, must be below", "never begin")),
        (
            {"loss.confidence_penalty": 0.1, "loss.anneal": 11},
            ("config.loss.anneal is 11, must be at most the 10 steps",),
        ),
        ({"mitigation.name": "vrex", "mitigation.anneal": 10}, ("config.mitigation.anneal is 10, must be below",)),
        ({"mitigation.name": "jtt", "mitigation.first_steps": 2**31 - 10}, ("below 2^31",)),
    ],
)
def test_a_length_beyond_the_end_is_refused(changes, words):
    refused("row 'b'", *words, rows={"a": {}, "b": changes})
    in_epochs = configs.defaults()
    in_epochs.update(epochs=1.0)
    in_epochs.rows = {"b": changes}
    [row] = expand(in_epochs)  # not known yet
    with pytest.raises(ConfigError) as caught:
        check_length(row.config, 10)
    assert all(word in str(caught.value) for word in words) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"optim.warmup": 9},
        {"method.switch": 9, "method.then": "mixup"},
        {"loss.confidence_penalty": 0.1, "loss.anneal": 10},
        {"mitigation.name": "vrex", "mitigation.anneal": 9},
        {"eval_every": 1000, "checkpoint_every": 1000, "log_every": 1000},
        {"steps": 1},
    ],
)
def test_a_length_within_the_run_and_any_period_are_taken(changes):
    expanded(overrides=changes)


@pytest.mark.parametrize("milestones", [(), (0.5, 0.25), (0.5, 0.5), (0.0, 0.5), (0.5, 1.0)])
def test_milestones_ascend_within_the_run(milestones):
    changes = {"optim.schedule": "step", "optim.milestones": milestones}
    refused("config.optim.milestones", "ascending order", overrides=changes)


def test_recorded_runs_are_read_as_they_are():
    """Those of earlier versions may say what is refused today."""
    config = configs.defaults()
    config.steps = 10
    run = configs.snapshot(config, expand(config))
    idle = {"method.alpha": 0.5, "optim.warmup": 20, "optim.milestones": [0.5, 0.5], "optim.schedule": "step"}
    [row] = configs.rows_of(run, idle)
    assert row.config.method.alpha == 0.5 and row.config.optim.warmup == 20


def test_every_option_of_a_reader_has_a_rule():
    assert {option for reader in DATASETS.values() for option in reader.takes} <= {
        "image_size", "on_broken", "task", "columns", "text_length", "text_vocabulary"}  # fmt: skip


def test_a_flag_that_leaves_pairs_unmixed_is_refused_where_there_are_none():
    refused("config.mitigation.mixes is False, but nothing uses it", overrides={"mitigation.mixes": False})

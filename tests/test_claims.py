"""Claims of a recipe: checked before anything is trained, judged by means, by a number or next to another row, and
again once more is known."""

import json
import re

import numpy as np
import pytest

from lamv import config as configs
from lamv.catalog import metrics
from lamv.claims import Claim, as_stated, check, check_published, judged, tally
from lamv.core.shortcuts import split_placements
from lamv.errors import ConfigError
from lamv.rows import expand

MEANS = {("ERM", "test/accuracy"): 0.9, ("LS", "test/accuracy"): 0.3, ("ERM", "test/nll"): 0.5}
#: Splits that a row has by its cue.
CUED = tuple(split for split in split_placements("tag") if split != "test")
ROWS = {"ERM": CUED, "LS": CUED, "plain": ()}


def mean(row, metric):
    return MEANS.get((row, metric))


@pytest.mark.parametrize("claim, bound, holds", [
    (("ERM", "test/accuracy", ">=", 0.8), 0.8, True),
    (("ERM", "test/accuracy", ">=", 0.9), 0.9, True),
    (("ERM", "test/accuracy", "<=", 0.8), 0.8, False),
    (("ERM", "test/accuracy", ">=", 2.5, "LS"), 0.75, True),
    (("ERM", "test/accuracy", ">=", 4, "LS"), 1.2, False),
    (("LS", "test/accuracy", "<=", 0.5, "ERM"), 0.45, True),
    (("LS", "test/nll", "<=", 1.0), 1.0, None),
    (("ERM", "test/nll", "<=", 1.0, "LS"), None, None),
    (("Mixup", "test/nll", "<=", 1.0, "LS"), None, None),
    (("ERM", "test/accuracy", "==", 0.9), 0.9, None),  # of a version that did not refuse it
])  # fmt: skip
def test_a_claim_is_judged_by_what_was_measured(claim, bound, holds):
    [found] = judged([claim], mean)
    assert found["bound"] == (None if bound is None else pytest.approx(bound)) and found["holds"] is holds
    assert as_stated(found) == claim, "what was judged can be judged again"


@pytest.mark.parametrize("number", [np.float32(0.5), np.float64(0.5), np.int64(0)])
@pytest.mark.parametrize("other", [(), ("LS",)])
def test_a_judged_claim_is_fit_for_json(number, other):
    [found] = judged([("ERM", "test/accuracy", ">=", number, *other)], mean)
    assert json.loads(json.dumps(found)) == found and found["holds"] is True


# What is a claim


@pytest.mark.parametrize("claims", [
    (),
    [],
    [["ERM", "test/accuracy", ">=", 0.8]],
    (("ERM", "test/accuracy", "<=", 0),),
    (("ERM", "test/nll", "<=", -1e300),),
    (("ERM", "test/accuracy", ">=", np.float32(0.8)), ("LS", "test/accuracy", ">=", np.int64(0), "ERM")),
    (("ERM", "test/accuracy", ">=", 1.0, "ERM"),),
])  # fmt: skip
def test_what_is_a_claim_is_taken(claims):
    check(claims, ROWS)


@pytest.mark.parametrize("numbers, words", [
    ("ERM", "must be a tuple of published numbers"),
    ((("ERM", "test/accuracy", 0.9),), "must be (row, metric, value, source)"),
    ((("nobody", "test/accuracy", 0.9, "a paper"),), "its row is 'nobody'"),
    ((("ERM", "test/acuracy", 0.9, "a paper"),), "its metric is 'test/acuracy'"),
    ((("ERM", "test/accuracy", "95 %", "a paper"),), "must be a finite number"),
    ((("ERM", "test/accuracy", 0.9, " "),), "must say in text where"),
])  # fmt: skip
def test_a_published_number_is_of_a_row_and_a_metric_and_has_a_source(numbers, words):
    check_published((("ERM", "test/accuracy", 0.9, "a paper"),), ROWS)
    with pytest.raises(ConfigError, match=re.escape(words)):
        check_published(numbers, ROWS)


@pytest.mark.parametrize(
    "metric",
    [
        "train/loss", "train/accuracy", "valid/accuracy", "validation/ece", "test/features/within_variance",
        "test_aligned/accuracy", "test_random/cue_over_label", "test_absent/outputs/within_over_total", "test/cue_drop",
        "test/weight_norm_ratio", "test/collapse/nc4", "test/margin_p5", "train/information", "augmented/slack_sharp",
        "augmented/outputs/within_variance", "augmented/layers/conv1/total_variance", "test/group_0_1/accuracy",
        "valid/group_12/count", "test/layers/stage2_block0/within_variance", "test/attack/fgsm_0.03/accuracy",
        "test/attack/pgd_1e-05/margin_mean", "test/corruption/jpeg_like_0.5/accuracy", "probe/mnist/features/accuracy",
        "probe/npz/stage1_block0/train_accuracy",
    ],
)  # fmt: skip
def test_what_training_or_an_evaluation_measures_may_be_claimed(metric):
    check([("ERM", metric, ">=", 0.5)], ROWS, "classification")


FORM = "must be (row, metric, '>=' or '<=', value) or (row, metric, '>=' or '<=', times, other row)"
OWN = "must be one that is measured of row"
REFUSED = {
    "none": (None, "config.claims is None, must be a tuple of claims"),
    "text": ("ERM", "config.claims is 'ERM', must be a tuple of claims"),
    "a mapping": ({"ERM": 1}, "must be a tuple of claims"),
    "a set": ({("ERM", "test/accuracy", ">=", 0.5)}, "must be a tuple of claims"),
    "a generator": ((claim for claim in ()), "must be a tuple of claims"),
    "one without its comma": (("ERM", "test/accuracy", ">=", 0.5), "config.claims[0] is 'ERM'", FORM, "(claim,)"),
    "a number": ([3], "config.claims[0] is 3", FORM),
    "an empty one": ([()], FORM),
    "three parts": ([("ERM", "test/accuracy", ">=")], FORM),
    "six parts": ([("ERM", "test/accuracy", ">=", 1.0, "LS", 2)], FORM),
    "the second": ([("ERM", "test/accuracy", ">=", 0.5), ("ERM",)], "config.claims[1] is ('ERM',)", FORM),
    "unknown row": ([("ERN", "test/accuracy", ">=", 0.5)], "its row is 'ERN', must be one of 'ERM',", "mean 'ERM'?"),
    "a number for a row": ([(1, "test/accuracy", ">=", 0.5)], "its row is 1, must be one of"),
    "a list for a row": ([([], "test/accuracy", ">=", 0.5)], "its row is []"),
    "unknown other row": ([("ERM", "test/accuracy", ">=", 2, "L S")], "its other row is 'L S'", "did you mean 'LS'?"),
    "none for the other row": ([("ERM", "test/accuracy", ">=", 2, None)], "its other row is None"),
    "no text for the other row": ([("ERM", "test/accuracy", ">=", 2, "")], "its other row is ''"),
    "a number for a metric": ([("ERM", 3, ">=", 0.5)], "its metric is 3, must be text"),
    "unknown metric": ([("ERM", "test/acuracy", ">=", 0.5)], OWN, "did you mean 'test/accuracy'?", "lamv/catalog/metrics.py"),
    "unknown split": ([("ERM", "test_randm/accuracy", ">=", 0.5)], "did you mean 'test_random/accuracy'?"),
    "a metric without its split": ([("ERM", "accuracy", ">=", 0.5)], OWN, "its splits are train, validation, valid,"),
    "a split alone": ([("ERM", "test/", ">=", 0.5)], OWN),
    "no metric": ([("ERM", "", ">=", 0.5)], OWN),
    "a metric of another split": ([("ERM", "test/information", ">=", 0.5)], OWN),
    "accuracy on own inputs": ([("ERM", "augmented/accuracy", ">=", 0.5)], OWN),
    "a cue that is not there": ([("plain", "test_random/accuracy", ">=", 0.5)], "measured of row 'plain'"),
    "a cue that the other lacks": ([("ERM", "test_random/accuracy", ">=", 0.5, "plain")], "measured of row 'plain'"),
    "reliance on no cue": ([("plain", "test/weight_norm_ratio", ">=", 0.5)], "measured of row 'plain'"),
    "accuracy of numbers": ([("plain", "test/accuracy", ">=", 0.5)], "labels are numbers", "regression"),
    "collapse of numbers": ([("plain", "test/collapse/nc1", ">=", 0.5)], "labels are numbers", "regression"),
    "a probe of numbers": ([("plain", "probe/npz/features/accuracy", ">=", 0.5)], "labels are numbers", "regression"),
    "an error of classes": ([("plain", "test/rmse", "<=", 0.5)], "labels are classes", "classification"),
    "an attack of no size": ([("ERM", "test/attack/fgsm_big/accuracy", ">=", 0.5)], "size 'big'", "write it: 0.1"),
    "an attack written otherwise": ([("ERM", "test/attack/pgd_0.030/accuracy", ">=", 0.5)], "'0.030'", ": 0.03"),
    "an attack beyond 1": ([("ERM", "test/attack/fgsm_8/accuracy", ">=", 0.5)], "size '8'"),
    "unknown attack": ([("ERM", "test/attack/pgdd_0.1/accuracy", ">=", 0.5)], OWN),
    "equality": ([("ERM", "test/accuracy", "==", 0.5)], "its relation is '==', must be '>=' or '<='; give two claims"),
    "more than": ([("ERM", "test/accuracy", ">", 0.5)], "its relation is '>', must be '>=' or '<='"),
    "a list for a relation": ([("ERM", "test/accuracy", [], 0.5)], "its relation is []"),
    "text for a value": ([("ERM", "test/accuracy", ">=", "0.5")], "its value is '0.5', must be a finite number"),
    "a truth for a value": ([("ERM", "test/accuracy", ">=", True)], "its value is True"),
    "numpy's truth": ([("ERM", "test/accuracy", ">=", np.True_)], "its value is"),
    "nan": ([("ERM", "test/accuracy", ">=", float("nan"))], "its value is nan"),
    "infinity": ([("ERM", "test/accuracy", ">=", -np.inf)], "its value is -inf"),
    "numpy's infinity": ([("ERM", "test/accuracy", ">=", np.float32(np.inf))], "its value is"),
    "digits without end": ([("ERM", "test/accuracy", ">=", 10**400)], "its value is 1000"),
    "an array": ([("ERM", "test/accuracy", ">=", np.ones(3))], "its value is array"),
    "none for a value": ([("ERM", "test/accuracy", ">=", None)], "its value is None"),
    "nan times": ([("ERM", "test/accuracy", ">=", float("nan"), "LS")], "its factor is nan"),
    "value and row exchanged": ([("ERM", "test/accuracy", ">=", "LS", 2.0)], "its other row is 2.0"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_claim_is_refused_in_one_line(name):
    claims, *words = REFUSED[name]
    task = words.pop() if words[-1] in ("regression", "classification") else ""
    with pytest.raises(ConfigError) as caught:
        check(claims, ROWS, task)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert message.startswith("config.claims") and "\n" not in message and len(message) < 1000


# Which metrics there are


def test_what_tables_show_may_be_claimed():
    """Of one task or the other."""
    for metric in (metric for family in metrics.FAMILIES for metric in family.metrics):
        check([("ERM", metric.key, ">=", 0)], ROWS)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The keys of all that is measured of a small run, with a cue, and of one of numbers."""
    from lamv.evaluate import Options, evaluate
    from lamv.train import loop
    from tests.recipes.tiny import get_config

    found = {}
    of_all = {"steps": 2, "seeds": 1, "parallel.devices": 1, "eval_every": 0, "data.train_size": 200}
    of_all["model.widths"] = (8, 8)
    for task, changes in {
        "classification": {"data.superclasses": (0, 0, 0, 0, 0, 0, 1, 1, 2, 2), "data.valid_size": 100},
        "regression": {"data.name": "diabetes", "data.shortcut.kind": "none", "loss.name": "squared_error"},
    }.items():
        config = get_config()
        config.rows, config.claims = {"ERM": {}}, ()
        workdir = tmp_path_factory.mktemp(task) / "run"
        loop.train(config, workdir, of_all | changes)
        options = Options(attacks=(0.03,), corruptions=(0.5,), robust_examples=20, probe=("all",))
        lines = evaluate(workdir, options=options)
        lines += [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
        found[task] = {key for line in lines for key in line if "/" in key}
    return found


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_whatever_is_measured_may_be_claimed(task, measured):
    """Where this fails, a metric is new: add its entry in lamv/catalog/metrics.py."""
    placed = CUED if task == "classification" else ()
    for key in sorted(measured[task]):
        assert metrics.terms([key]), f"{key} is not explained"
        check([("row", key, ">=", 0.0)], {"row": placed}, task)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_whatever_may_be_claimed_is_measured(task, measured):
    """By its name without the split: where this fails, lamv/catalog/metrics.py knows of a metric that nothing measures."""
    placed = CUED if task == "classification" else ()
    named = {key.partition("/")[2] for key in metrics.of_row(placed, task)}
    elsewhere = {"margin_cv", "cue_over_label"} | {entry.key for entry in (*metrics.FAIRNESS, *metrics.TAIL)}
    assert named <= {key.partition("/")[2] for key in measured[task]} | elsewhere, (
        "FAIRNESS: of two classes; TAIL: a long one"
    )


# In recipes


def recipe(claims, rows=None, **knobs):
    config = configs.defaults()
    config.steps = 10
    config.data.shortcut.kind = "tag"
    for key, value in knobs.items():
        config[key] = value
    smoothed = {"method.name": "label_smoothing", "method.smoothing": 0.1}
    config.rows = {"ERM": {}, "LS": smoothed} if rows is None else rows
    config.claims = claims
    return config


def refused(config, *words, overrides=None):
    with pytest.raises(ConfigError) as caught:
        expand(config, overrides)
    assert all(word in str(caught.value) for word in words), caught.value


RANDOM = (("ERM", "test_random/accuracy", ">=", np.float32(0.5)), ["LS", "test/nll", "<=", 1, "ERM"])


def test_claims_survive_their_way_through_config_json():
    config = recipe(RANDOM)
    run = json.loads(json.dumps(configs.snapshot(config, expand(config))))
    assert run["claims"] == [["ERM", "test_random/accuracy", ">=", 0.5], ["LS", "test/nll", "<=", 1, "ERM"]]
    assert [row.name for row in configs.rows_of(run, {})] == ["ERM", "LS"]
    check(run["claims"], ROWS)


def test_a_recorded_run_is_read_whatever_it_claims():
    config = recipe(())
    run = configs.snapshot(config, expand(config)) | {"claims": [["nobody", "nothing", "==", None]]}
    assert configs.rows_of(run, {"data.path": "elsewhere"})[0].config.data.path == "elsewhere"
    assert configs.fingerprint(run) == configs.fingerprint(configs.snapshot(config, expand(config)))


@pytest.mark.parametrize(
    "flags",
    [
        {"steps": 3},
        {"optim.lr": 0.5, "seeds": 2},
        {"method.name": "mixup"},
        {"data.shortcut.kind": "none"},
        {"data.name": "diabetes", "data.shortcut.kind": "none", "loss.name": "squared_error"},
        {"loss.name": "squared_error"},
    ],
    ids=str,
)
def test_flags_may_take_away_what_claims_are_about(flags):
    expand(recipe(RANDOM), flags)


def test_the_only_row_of_a_recipe_without_rows_is_called_by_its_method():
    config = recipe([("erm", "test/accuracy", ">=", 0.5)], rows={})
    expand(config)
    config.method.name = "mixup"
    expand(config, {"method.name": "mixup"})
    refused(config, "its row is 'erm', must be one of 'mixup'")


def test_a_row_has_the_splits_of_its_own_cue():
    rows = {"tag": {}, "none": {"data.shortcut.kind": "none"}, "cat": {"data.shortcut.kind": "cat_channel"}}
    for row, metric in [("tag", "test_random/accuracy"), ("none", "test/accuracy"), ("cat", "test_aligned/accuracy")]:
        expand(recipe([(row, metric, ">=", 0.5)], rows))
    lacking = [("none", "test_aligned/accuracy"), ("cat", "test_random/accuracy"), ("cat", "test/cue_accuracy")]
    for row, metric in lacking:
        refused(recipe([(row, metric, ">=", 0.5)], rows), f"measured of row {row!r}")


def test_numbers_are_known_by_the_data_or_the_loss():
    squared = {"loss.name": "squared_error", "data.shortcut.kind": "none"}
    claims = {"accuracy": [("a", "test/accuracy", ">=", 0.5)], "error": [("a", "test/rmse", "<=", 0.5)]}
    numbers = {"a": squared | {"data.name": "diabetes"}}
    expand(recipe(claims["error"], numbers))
    refused(recipe(claims["accuracy"], numbers), "labels are numbers")
    refused(recipe(claims["error"], {"a": {}}), "labels are classes")
    unknown = {"a": squared | {"data.name": "npz"}}
    for stated in claims.values():
        expand(recipe(stated, unknown))


def test_claims_that_are_no_sequence_are_refused_and_not_taken_apart():
    config = recipe(())
    for stated in ({}, {"a": 1}, None):
        with config.unlocked(), config.ignore_type():
            config.claims = stated
        refused(config, "config.claims is", "must be a tuple of claims")


def test_tally():
    good, bad = ([Claim("q", 1.0, 1.0, holds=holds)] for holds in (True, False))
    words = [tally(claims) for claims in ([], good, bad, good + good, good + bad)]
    assert words == ["The experiment makes no check", "The one check holds", "0 of 1 checks hold", "All 2 checks hold",
                     "1 of 2 checks hold"]  # fmt: skip

"""What is wrong with a command ends in one line that says so, at once, and leaves the workdir as it was.

Most of the commands run inside of this process, by the function that the real one calls; some as a user types them.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from absl import flags
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamv import config as configs
from lamv.core.methods import METHODS
from lamv.errors import ConfigError
from lamv.knobs import KNOB, KNOBS
from lamv.rows import expand

ROOT = Path(__file__).parents[1]
TINY = str(ROOT / "tests" / "recipes" / "tiny.py")
#: Seconds in which a mistake must be told.
LIMIT = 10.0


class Bad(NamedTuple):
    """A mistake: flags, or lines of a recipe that changes the tiny one; words: what the line must say."""

    name: str
    words: tuple[str, ...]
    flags: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    code: int = 64


def flag(name, *words, code=64, **given):
    """Flags --config.KNOB=VALUE, where __ stands for a dot."""
    return Bad(name, words, tuple(f"--config.{k.replace('__', '.')}={v}" for k, v in given.items()), code=code)


def raw(name, arguments, *words, code=64):
    return Bad(name, words, tuple(arguments), code=code)


def recipe(name, lines, *words, code=64):
    return Bad(name, words, lines=tuple(lines.split("\n")), code=code)


def row(name, changes, *words, code=64):
    """The tiny recipe with one more row."""
    return recipe(name, f"config.rows['x'] = {changes}", *words, code=code)


def claim(name, parts, *words):
    """The tiny recipe with this one claim."""
    return recipe(name, f"config.claims = (({parts}),)", *words)


IDLE = "it acts only with"
CASES = [
    # A flag that is none, or whose value cannot be read
    raw("unknown-knob", ["--config.optim.lrr=1"], "optim.lrr is no knob (did you mean 'optim.lr'?)"),
    raw("unknown-part", ["--config.optimiser.lr=1"], "optimiser.lr is no knob"),
    raw("a-part-is-no-knob", ["--config.optim=1"], "optim is no knob"),
    raw("empty-knob", ["--config.=1"], "config. is no knob"),
    raw("a-knob-with-a-million-letters", [f"--config.{'a' * 10**6}=1"], "is no knob"),
    raw("unknown-flag", ["--wordkir=x"], "wordkir"),
    raw("stray", ["stray"], "'stray' is not a flag"),
    raw("rows-by-flag", ["--config.rows={}"], "config.rows cannot be given as a flag"),
    raw("claims-by-flag", ["--config.claims=()"], "config.claims cannot be given as a flag", "in the recipe"),
    raw("no-of-what-is-no-bool", ["--noconfig.steps"], "steps"),
    raw("no-with-a-value", ["--nodebug=1"], "--nodebug=1 does not take an argument"),
    raw("debug-that-is-no-bool", ["--debug=maybe"], "--debug is 'maybe', must be of type bool"),
    raw("one-of-nobody-knows-how-many", ["--num_processes=2"], "--coordinator and --process_id are missing"),
    raw("a-process-beyond-the-last", ["--coordinator=a:1", "--num_processes=2", "--process_id=2"], "from 0 to 1"),
    raw("several-flags-wrong", ["--config.steps=a", "--config.seeds=b"], "must be of type int"),
    flag("steps-of-words", "config.steps is 'ten', must be of type int", steps="ten"),
    flag("steps-exponent", "must be of type int", steps="1e2"),
    flag("steps-float", "must be of type int", steps="1.0"),
    flag("steps-empty", "config.steps is '', must be of type int", steps=""),
    flag("steps-beyond-int32", "config.steps is", "at least 1 and below 2^31", steps=2**31),
    flag("steps-of-400-digits", "config.steps is", "below 2^31", steps=10**400),
    flag("steps-zero", "at least 1", steps=0),
    flag("epochs-tiny", "above 0", epochs=0.0),
    flag("epochs-nan", "above 0", epochs="nan"),
    flag("epochs-without-end", "the run has", "below 2^31", epochs=2**30),
    flag("lr-words", "must be of type float", optim__lr="fast"),
    flag("lr-nan", "config.optim.lr is nan", optim__lr="nan"),
    flag("lr-infinite", "config.optim.lr is inf", optim__lr="inf"),
    flag("lr-minus-infinite", "config.optim.lr is -inf", optim__lr="-inf"),
    flag("lr-beyond-float", "config.optim.lr is inf", optim__lr="1e999"),
    flag("lr-0-in-32-bits", "config.optim.lr is 1e-60, must be above 0", optim__lr="1e-60"),
    flag("lr-of-400-digits", "config.optim.lr", optim__lr=10**400),
    flag("momentum-1-in-32-bits", "optim.momentum", "below 1", optim__name="sgd", optim__momentum="0.999999999999"),
    flag("bool-words", "config.data.flatten", data__flatten="maybe"),
    flag("widths-open-bracket", "model.widths", model__widths="(8"),
    flag("widths-words", "model.widths", model__widths="('a',)"),
    flag("widths-code", "model.widths", model__widths="(__import__('os'),)"),
    flag("widths-deep", "model.widths", model__widths="(" * 5000),
    flag("widths-floats", "config.model.widths", model__widths="(8.0,)"),
    flag("unknown-method", "did you mean 'mixup'?", method__name="mixupp"),
    flag("unknown-data", "config.data.name is 'cifar11'", "did you mean 'cifar10'?", data__name="cifar11"),
    flag("unknown-model", "config.model.name is 'resnet19'", model__name="resnet19"),
    flag("name-of-a-million-letters", "config.model.name is 'aaaa", model__name="a" * 10**6),
    flag("law-of-no-law", "beta(a, b)", method__name="mixup", method__law="gamma(1, 1)"),
    flag("law-of-400-digits", "beta(a, b)", method__name="mixup", method__law=f"beta({10**400}, 1)"),
    flag("law-of-many-signs", "beta(a, b)", method__name="mixup", method__law=f"fixed({'-' * 100_000}1)"),
    flag("law-of-many-brackets", "beta(a, b)", method__name="mixup", method__law=f"fixed({'(' * 10_000}"),
    # What cannot be unset
    flag("unset-batch-size", "config.batch_size cannot be unset; steps, epochs", batch_size=None),
    flag("unset-path", "config.data.path cannot be unset", data__path=None),
    flag("unset-method", "config.method.name cannot be unset", method__name=None),
    flag("unset-widths", "config.model.widths cannot be unset", model__widths=None),
    flag("unset-flatten", "config.data.flatten cannot be unset", data__flatten=None),
    flag("unset-both-lengths", "neither config.steps nor config.epochs", steps=None, epochs=None),
    flag("unset-in-small-letters", "config.steps is 'none'", steps="none"),
    # Too much
    flag("seeds", "config.seeds is 100000", "at least 1 and at most 10000", seeds=100_000),
    flag("no-seeds", "config.seeds is 0", seeds=0),
    flag("seeds-beyond-the-last", "the last seed is above 2^31 - 1", seed=2**31 - 1, seeds=2),
    flag("seed-too-large", "config.seed", seed=2**31),
    flag("seed-negative", "config.seed", seed=-1),
    flag("a-wide-layer", "config.model.widths", "at most 65536", model__widths="(1000000000,)"),
    flag("many-layers", "config.model.widths", "100 of them", model__widths=f"({'8,' * 100_000})"),
    flag("a-large-batch", "batch_size", batch_size=2**31 - 8),
    flag("an-odd-batch", "config.batch_size is 2147483647, must be a multiple of the 8", batch_size=2**31 - 1),
    flag("a-larger-batch", "config.batch_size is 2147483648", batch_size=2**31),
    flag("image-size", "config.data.image_size is 100000", data__image_size=100_000),
    flag("padding", "config.data.augment.crop is 2000000000", data__augment__crop=2_000_000_000),
    flag("cutout", "config.data.augment.cutout", data__augment__cutout=2000),
    flag("ways", "config.method.ways is 1000000", method__name="kway_mixup", method__ways=1_000_000),
    flag("ratio-that-empties-a-class", "config.data.imbalance.ratio", "without a training example", data__imbalance__ratio=500.0),
    flag("profile-without-ratio", "config.data.imbalance.profile", "ratio above 1", data__imbalance__profile="step"),
    flag("subsets", "config.mitigation.subsets", mitigation__name="dfr", mitigation__subsets=2_000_000_000),
    flag("checkpoints", "config.keep_checkpoints", keep_checkpoints=2**31),
    flag("classes-beyond-int32", "config.data.classes", data__classes="(99999999999,0)"),
    flag("classes-not-there", "class", data__classes="(2000000000,0)"),
    # A knob that nothing uses
    flag("alpha-without-mixup", "config.method.alpha is 0.5, but no", IDLE, "matched_smoothing, mixup",
         method__name="erm", method__alpha=0.5),
    flag("alpha-at-its-default", "config.method.alpha is 1.0, but no", method__name="erm", method__alpha=1.0),
    flag("alpha-beside-a-law", "config.method.alpha", "without method.law", "method.law is 'fixed(0.5)'",
         method__name="mixup", method__law="fixed(0.5)", method__alpha=0.5),
    flag("smoothing-of-erm", "config.method.smoothing is 0.1, but no", method__name="erm", method__smoothing=0.1),
    flag("law-of-midpoint", "config.method.law", IDLE, method__name="midpoint", method__law="fixed(0.5)"),
    flag("target-law-of-mixup", "config.method.target_law", "decoupled_mixup", method__target_law="fixed(0.5)"),
    flag("convention-without-smoothing", "config.method.convention", "method.smoothing is 0.0",
         method__name="label_smoothing", method__convention="others"),
    flag("ways-of-mixup", "config.method.ways is 4", "kway_mixup", method__ways=4),
    flag("layers-of-mixup", "config.method.layers", "manifold_mixup", method__layers="('input','head')"),
    flag("weight-of-mixup", "config.method.weight", "regmixup", method__weight=0.5),
    flag("bandwidth-of-mixup", "config.method.bandwidth", "c_mixup", method__bandwidth=0.5),
    flag("noise-rate-of-mixup", "config.method.noise_rate", "noise_correction", method__noise_rate=0.5),
    flag("over-smoothing-of-mixup", "config.method.over_smoothing", method__over_smoothing=0.5),
    flag("running-decay-of-mixup", "config.method.running_decay", "instance_smoothing", method__running_decay=0.5),
    flag("scale-of-mixup", "config.method.scale_low", "resizemix", method__scale_low=0.5),
    flag("decay-power-of-mixup", "config.method.decay_power", "fmix", method__decay_power=1.0),
    flag("lam-per-of-midpoint", "config.method.lam_per", method__name="midpoint", method__lam_per="batch"),
    flag("nesterov-of-adam", "config.optim.nesterov is True, but no", "optim.name is 'adam'", optim__nesterov="True"),
    flag("nesterov-without-momentum", "config.optim.nesterov", "optim.momentum is 0.0", optim__name="sgd",
         optim__momentum=0.0, optim__nesterov="True"),
    flag("momentum-of-adam", "config.optim.momentum is 0.5", "optim.name sgd", optim__momentum=0.5),
    flag("gamma-of-cosine", "config.optim.gamma", "optim.schedule step", optim__gamma=0.5),
    flag("milestones-of-cosine", "config.optim.milestones", "optim.schedule is 'cosine'", optim__milestones="(0.1,)"),
    flag("decay-without-weight-decay", "config.optim.decay is 'decoupled'", optim__decay="decoupled", optim__weight_decay=0),
    flag("after-switch-without-switch", "config.optim.after_switch", "method.switch is 0", optim__after_switch="head"),
    flag("threshold-without-penalty", "config.loss.entropy_threshold", IDLE, loss__entropy_threshold=0.5),
    flag("rise-without-penalty", "config.loss.anneal", "loss.confidence_penalty is 0.0", loss__anneal=5),
    flag("step-size-without-dro", "config.mitigation.step_size", "group_dro", mitigation__step_size=0.1),
    flag("by-without-balancing", "config.mitigation.by", "reweight", mitigation__by="class"),
    flag("penalty-of-dro", "config.mitigation.penalty", "irm or vrex", mitigation__name="group_dro", mitigation__penalty=5),
    flag("anneal-of-a-small-penalty", "config.mitigation.anneal", "mitigation.penalty is 0.5", mitigation__name="irm",
         mitigation__penalty=0.5, mitigation__anneal=5),
    flag("tau-of-nothing", "config.mitigation.tau", "logit_adjustment", mitigation__tau=2.0),
    flag("mitigations-alpha-beside-mixup", "config.mitigation.alpha", "does not mix by itself", method__name="mixup",
         mitigation__name="lisa", mitigation__alpha=0.5),
    flag("unmixed-pairs-of-nothing", "config.mitigation.mixes is False", "lisa, within_groups or across_attributes",
         mitigation__mixes="False"),
    flag("unmixed-mixup", "config.mitigation.mixes is False, must be True with the method mixup", "--config.method.name=erm",
         method__name="mixup", mitigation__name="lisa", mitigation__mixes="False"),
    flag("temperature-without-teacher", "config.distill.temperature", "distill.row", distill__temperature=2.0),
    flag("image-size-of-digits", "config.data.image_size is 32", "image_folder", data__image_size=32),
    flag("on-broken-of-digits", "config.data.on_broken", "data.name is 'digits'", data__on_broken="skip"),
    flag("task-of-digits", "config.data.task", "npz", data__task="regression"),
    flag("strength-without-cue", "config.data.shortcut.strength", "a cue", data__shortcut__kind="none",
         data__shortcut__strength=1.0),
    flag("coding-of-a-tag", "config.data.shortcut.coding", "pixel", data__shortcut__coding="centred"),
    flag("images-of-a-tag", "config.data.shortcut.images", "dominoes", data__shortcut__images="mnist"),
    flag("reliability-beside-environments", "config.data.shortcut.reliability", "have reliabilities of their own",
         data__shortcut__environments="(0.9,0.8)", data__shortcut__reliability=0.9),
    flag("reliability-of-cat-channel", "config.data.shortcut.reliability", "cat_channel",
         data__shortcut__kind="cat_channel", data__shortcut__reliability=0.5),
    flag("widths-of-linear", "config.model.widths is (16,)", "others have fixed widths", model__name="linear"),
    flag("patience-without-rule", "config.select.patience is 3, must be 0", select__patience=3),
    row("alpha-of-a-row", {"method.alpha": 0.5}, "row 'x': config.method.alpha is 0.5, but the row does not use it"),
    row("nesterov-of-a-row", {"optim.nesterov": True}, "row 'x': config.optim.nesterov is True"),
    recipe("alpha-of-a-recipe", "config.method.alpha = 0.5\nconfig.rows = {'a': {}, 'b': {}}",
           "config.method.alpha is 0.5, but no row uses it"),
    recipe("coding-of-a-recipe", "config.data.shortcut.coding = 'centred'", "config.data.shortcut.coding is 'centred'"),
    # A length beyond the end
    flag("warmup", "config.optim.warmup is 40, must be below the 40 steps", optim__warmup=40),
    flag("warmup-in-epochs", "config.optim.warmup is 9, must be below the 8 steps", epochs=1.0, optim__warmup=9),
    flag("switch", "config.method.switch is 40, must be below the 40 steps", method__switch=40, method__then="erm"),
    flag("rise", "config.loss.anneal is 41, must be at most the 40 steps", loss__confidence_penalty=0.1, loss__anneal=41),
    flag("annealing", "config.mitigation.anneal is 40, must be below the 40", mitigation__name="irm", mitigation__anneal=40),
    flag("milestones-out-of-order", "ascending order", optim__schedule="step", optim__milestones="(0.75,0.5)"),
    flag("milestones-twice", "each once", optim__schedule="step", optim__milestones="(0.5,0.5)"),
    flag("milestones-at-the-ends", "above 0 and below 1", optim__schedule="step", optim__milestones="(0.0,0.5)"),
    flag("no-milestones", "ascending order", optim__schedule="step", optim__milestones="()"),
    # What contradicts
    flag("two-lengths", "give one of the two", steps=1, epochs=1),
    flag("switch-without-then", "set both", method__switch=5),
    flag("then-without-switch", "set both", method__then="mixup"),
    flag("penalty-with-adamw", "adamw", optim__name="adamw", optim__decay="penalty"),
    flag("rule-without-evaluations", "config.eval_every is 0", select__rule="valid_accuracy", eval_every=0),
    flag("scales", "scale_low is 0.9", method__name="resizemix", method__scale_low=0.9),
    flag("spread-with-pmap", "config.parallel.spread", parallel__map="pmap", parallel__spread=2),
    flag("devices-do-not-divide", "must be a multiple of the 8 devices", batch_size=30),
    flag("more-devices-than-there-are", "config.parallel.devices", parallel__devices=1000),
    flag("augmented-vectors-of-a-table", "labels of diabetes are numbers", data__name="diabetes", data__train_size=200,
         data__shortcut__kind="none"),
    flag("train-size", "config.data.train_size", data__train_size=100_000),
    flag("others-of-too-much", "must be below (K - 1) / K", method__name="label_smoothing", method__smoothing=0.95,
         method__convention="others"),
    flag("no-validation", "there are no validation examples", select__rule="valid_accuracy"),
    flag("two-classes-for-a-pixel", "the pixel cue tells two classes apart", data__shortcut__kind="pixel"),
    flag("colour-of-vectors", "config.data.shortcut.kind must be 'none' for diabetes", data__name="diabetes",
         data__train_size=200, loss__name="squared_error", data__shortcut__kind="colour"),
    flag("layer-that-is-not-there", "config.method.layers has 'third'", method__name="manifold_mixup",
         method__layers="('third',)"),
    flag("convolutions-of-vectors", "this model needs images", model__name="resnet20", model__widths="()"),
    flag("path-of-packaged-data", "leave the path", data__path="/somewhere"),
    flag("data-without-a-path", "needs a path", data__name="cifar10", code=65),
    flag("data-that-is-not-there", "/nowhere does not exist", data__name="mnist", data__path="/nowhere", code=65),
    flag("teacher-that-is-not-there", "/nowhere", distill__row="ERM", distill__teacher="/nowhere", code=65),
    # Paths
    flag("data-in-a-bucket", "config.data.path is 'gs://b/x', must be a path on this machine", data__path="gs://b/x"),
    flag("data-by-a-url-of-a-file", "give '/data/x'", data__path="file:///data/x"),
    flag("data-on-the-web", "download it", data__path="https://host/x.npz"),
    flag("data-of-nobody", "there is no home of '~nobody_of_this_name'", data__path="~nobody_of_this_name/x"),
    flag("data-that-is-space", "config.data.path is empty", data__path="  "),
    flag("teacher-in-a-bucket", "config.distill.teacher is 's3://b'", distill__row="ERM", distill__teacher="s3://b"),
    flag("teacher-of-nobody", "no home of", distill__row="ERM", distill__teacher="~nobody_of_this_name/x"),
    flag("teacher-with-a-nul", "config.distill.teacher", "must be text", distill__row="ERM", distill__teacher="a\0b"),
    flag("images-in-a-bucket", "config.data.shortcut.images_path is 'gs://b'", data__shortcut__images_path="gs://b"),
    recipe("data-of-a-recipe-in-a-bucket", "config.data.path = 'hdfs://host/x'", "config.data.path is 'hdfs://host/x'"),
    # Claims
    recipe("claims-of-none", "config.claims = None", "config.claims is None, must be a tuple of claims"),
    recipe("claims-of-text", "config.claims = 'ERM'", "fails: TypeError", "claims"),
    recipe("claims-of-a-set", "config.claims = {1}", "fails: TypeError", "claims"),
    recipe("a-claim-without-its-comma", "config.claims = ('ERM', 'test/accuracy', '>=', 0.5)", "needs a comma"),
    claim("a-claim-that-is-short", "'ERM', 'test/accuracy', 0.5", "must be (row, metric, '>=' or '<=', value)"),
    claim("a-claim-that-is-long", "'ERM', 'test/accuracy', '>=', 1, 'Mixup', 2", "must be (row, metric, "),
    claim("a-claim-on-no-row", "'ERN', 'test/accuracy', '>=', 0.5", "its row is 'ERN'", "did you mean 'ERM'?"),
    claim("a-claim-next-to-no-row", "'ERM', 'test/accuracy', '>=', 2, 'Mixp'", "its other row is 'Mixp', must be"),
    claim("a-claim-on-no-metric", "'ERM', 'test/acc', '>=', 0.5", "its metric is 'test/acc'", "did you mean"),
    claim("a-claim-on-no-text", "'ERM', 3, '>=', 0.5", "its metric is 3, must be text"),
    claim("a-claim-of-numbers", "'ERM', 'test/rmse', '<=', 0.5", "its metric is 'test/rmse'", "labels are classes"),
    claim("a-claim-of-equality", "'ERM', 'test/accuracy', '==', 0.5", "its relation is '=='", "give two claims"),
    claim("a-claim-of-text", "'ERM', 'test/accuracy', '>=', '0.5'", "its value is '0.5', must be a finite number"),
    claim("a-claim-of-truth", "'ERM', 'test/accuracy', '>=', True", "its value is True, must be a finite number"),
    claim("a-claim-of-nan", "'ERM', 'test/accuracy', '>=', float('nan')", "its value is nan, must be a finite number"),
    claim("a-claim-of-infinity", "'ERM', 'test/accuracy', '>=', float('inf'), 'Mixup'", "its factor is inf"),
    # Rows
    recipe("rows-of-a-list", "with config.ignore_type():\n    config.rows = [('a', {})]", "rows must map row names"),
    recipe("rows-of-numbers", "config.rows = {'a': 3}", "rows must map row names"),
    recipe("rows-of-tuples", "config.rows = {'a': ('optim.lr', 1.0)}", "rows must map row names"),
    recipe("rows-without-end", "config.rows = {str(n): {} for n in range(10_000)}", "rows has 10000 rows", "at most 2000"),
    recipe("row-named-none", "config.rows = {None: {}}", "rows has the name None"),
    recipe("row-named-by-bytes", "config.rows = {b'a': {}}", "rows has the name b'a'"),
    recipe("row-named-by-a-tuple", "config.rows = {('a', 1): {}}", "rows has the name ('a', 1)"),
    recipe("row-without-a-name", "config.rows = {'': {}}", "rows has the name ''"),
    recipe("row-named-by-space", "config.rows = {'   ': {}}", "rows has the name"),
    recipe("row-of-two-lines", "config.rows = {'a\\nb': {}}", "rows has the name 'a\\nb'", "one line"),
    recipe("row-with-a-nul", "config.rows = {'a\\0b': {}}", "rows has the name"),
    recipe("row-with-a-bell", "config.rows = {'a\\x07b': {}}", "rows has the name"),
    recipe("row-that-is-no-text", "config.rows = {'a\\ud800': {}}", "rows has the name"),
    recipe("row-of-a-million-letters", "config.rows = {'a' * 10**6: {}}", "1 to 200 characters"),
    recipe("rows-of-one-name", "config.rows = {1: {}, '1': {}}", "two rows of the same name, '1'"),
    row("row-with-an-unknown-knob", {"method.smothing": 0.1}, "row 'x': unknown knob 'method.smothing'"),
    row("row-with-a-number-for-a-knob", {3: 1}, "row 'x': unknown knob '3'"),
    recipe("row-that-is-deep", "deep = {}\nfor _ in range(10_000):\n    deep = {'a': deep}\nconfig.rows['x'] = deep",
           "row 'x': unknown knob 'a.a.a"),
    recipe("row-that-holds-itself", "own = {}\nown['a'] = own\nconfig.rows['x'] = own", "row 'x': unknown knob"),
    recipe("row-with-ten-thousand-knobs", "config.rows['x'] = {f'k{n}': n for n in range(10_000)}", "unknown knob 'k0'"),
    row("row-with-rows", {"rows": {}}, "'rows' is for the recipe as a whole"),
    row("row-with-another-data-set", {"data.name": "mnist"}, "must be the same in all rows"),
    row("bool-for-float", {"optim.lr": True}, "optim.lr is True, must be of type float"),
    row("bool-for-int", {"batch_size": True}, "batch_size is True, must be of type int"),
    row("text-for-int", {"batch_size": "64"}, "batch_size is '64', must be of type int"),
    row("text-for-float", {"optim.lr": "0.1"}, "optim.lr is '0.1', must be of type float"),
    row("int-for-text", {"method.name": 3}, "method.name is 3, must be of type str"),
    row("int-for-a-tuple", {"model.widths": 8}, "model.widths is 8, must be of type tuple"),
    row("float-that-is-an-int-of-400-digits", {"optim.lr": 10**400}, "optim.lr is 1000", "must be of type float"),
    row("bool-among-fractions", {"data.shortcut.environments": (True, 0.5)}, "config.data.shortcut.environments"),
    row("nan-among-fractions", "{'data.shortcut.environments': (float('nan'), 0.5)}", "numbers from 0 to 1"),
    row("lists-among-layers", {"method.name": "manifold_mixup", "method.layers": [[], []]}, "config.method.layers"),
    row("an-array-for-a-number", "{'optim.lr': __import__('numpy').ones(3)}", "optim.lr is array([1., 1., 1.])"),
    row("digits-without-end", "{'seeds': 10**10_000}", "config.seeds is <int>"),
    row("a-number-of-its-own", "{'optim.lr': type('Bad', (), {'__repr__': lambda self: 1 / 0})()}", "must be of type float"),
    recipe("title-with-a-nul", "config.title = 'a\\0b'", "config.title is", "must be text"),
    recipe("title-that-is-no-text", "config.title = 'a\\ud800'", "config.title is", "must be text"),
    # Recipes
    recipe("unknown-knob-in-a-recipe", "config.optim.learning_rate = 1", "fails: ", "learning_rate"),
    recipe("wrong-type-in-a-recipe", "config.seeds = 'many'", "fails: TypeError"),
    recipe("unlocked-recipe", "config.unlock()\nconfig.mine = 3", "unknown knob 'mine'"),
    recipe("recipe-that-lacks-a-knob", "config.unlock()\ndel config.optim.lr", "the config of the recipe lacks optim.lr"),
    recipe("recipe-that-lacks-a-part", "config.unlock()\ndel config.optim", "the config of the recipe lacks optim.name"),
    recipe("recipe-of-its-own", "from ml_collections import ConfigDict\nreturn ConfigDict({'steps': 3})", "lacks title"),
    recipe("recipe-that-raises", "raise ValueError('no such thing')", "ValueError: no such thing"),
    recipe("recipe-that-raises-lines", "raise RuntimeError('one\\ntwo')", "RuntimeError: one two"),
    recipe("recipe-that-says-a-lot", "raise RuntimeError('a' * 10**6)", "RuntimeError: aaa"),
    recipe("recipe-that-exits", "import sys; sys.exit(0)", "fails: SystemExit"),
    recipe("recipe-that-recurses", "return get_config()", "RecursionError"),
    recipe("recipe-that-misses-a-file", "open('/nowhere/at.all')", "FileNotFoundError", "/nowhere/at.all"),
    recipe("recipe-that-gives-nothing", "return None", "get_config() must return a config"),
    recipe("recipe-that-gives-a-dict", "return {'steps': 3}", "get_config() must return a config"),
    recipe("recipe-that-gives-a-number", "return 3", "get_config() must return a config"),
    recipe("recipe-on-theory", "from lamv.theory import recipe\nreturn recipe('two_moons')",
           "run it with: python -m experiments.theory"),
]  # fmt: skip

#: Whole files.
FILES = {
    "empty.py": ("", "get_config"),
    "syntax.py": ("def get_config(:\n", "SyntaxError"),
    "import.py": ("import nothing_of_this_name\n", "nothing_of_this_name"),
    "binary.py": (b"\x00\xff\xfe", "fails: "),
    "signature.py": ("def get_config(a, b):\n    return None\n", "TypeError"),
    "constant.py": ("get_config = 3\n", "TypeError"),
    "tiny.txt": ("def get_config():\n    return None\n", "is no Python file, NAME.py"),
}


@pytest.fixture(scope="module")
def train():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMV_XLA_FLAGS", "0")
        import lamv.report  # noqa: F401
        import lamv.train.loop  # noqa: F401  # now, and not in the time of the first command
        from experiments import train
    return train


@pytest.fixture
def run(train, capsys):
    """argv -> (exit code, what is on stderr), by the function that the command is, with flags as of a new process."""
    known = flags.FLAGS

    def call(*arguments):
        for name in [name for name in known if name.startswith("config.")]:
            delattr(known, name)
        for name in ("config", "workdir", "debug"):
            known[name].unparse()
        capsys.readouterr()
        code = train.launch.run(
            train.main, needs=("config", "workdir"), argv=["train", *map(str, arguments)], knobs=train.knobs
        )
        return code, capsys.readouterr().err

    return call


def written(path, lines):
    """A recipe that changes the tiny one."""
    body = "".join(f"    {line}\n" for line in ["config = tiny()", *lines, "return config"])
    path.write_text(f"from tests.recipes.tiny import get_config as tiny\n\n\ndef get_config():\n{body}")
    return path


def one_line(error, words):
    [line] = error.splitlines()
    assert line.startswith("error: ") and "Traceback" not in line and len(line) < 2000
    missing = [word for word in words if word not in line]
    assert not missing, f"{missing} is not said in: {line}"


def test_there_are_many_and_each_has_its_name():
    assert len(CASES) >= 120 and len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_mistake_is_told_at_once_in_one_line(case, run, typed, tmp_path):
    path = written(tmp_path / "recipe.py", case.lines) if case.lines else TINY
    start = time.process_time()  # others may be at work on this machine
    code, error = run(f"--config={path}", f"--workdir={tmp_path / 'run'}", *case.flags)
    assert time.process_time() - start < LIMIT
    assert code == case.code, error
    one_line(error, case.words)
    assert not (tmp_path / "run" / "config.json").exists(), "the workdir now belongs to a run that cannot be"


def test_a_command_runs_its_recipe_once(run, tmp_path):
    times = tmp_path / "times"
    path = written(tmp_path / "recipe.py", [f"with open({str(times)!r}, 'a') as file:", "    file.write('x')"])
    code, _ = run(f"--config={path}", f"--workdir={tmp_path / 'run'}", "--config.steps=0")
    assert code == 64 and times.read_text() == "x"


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_recipe_is_refused(name, run, tmp_path):
    content, words = FILES[name]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    code, error = run(f"--config={path}", f"--workdir={tmp_path / 'run'}")
    assert code == 64, error
    one_line(error, [words])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "--config is missing"),
        (["--config"], "--config is empty"),
        (["--config="], "--config is empty"),
        (["--config=configs"], "there is no recipe 'configs'"),
        (["--config=configs/nope.py"], "there is no recipe"),
        (["--config=a\0b"], "must be text"),
        (["--config=~nobody_of_this_name/r.py"], "there is no home of '~nobody_of_this_name'"),
        ([f"--config={TINY}:argument"], "TypeError"),
        ([f"--config={TINY}"], "--workdir is missing"),
        ([f"--config={TINY}", "--workdir="], "--workdir is empty"),
        ([f"--config={TINY}", "--workdir=  "], "--workdir is empty"),
        ([f"--config={TINY}", "--workdir=a\0b"], "--workdir is 'a\\x00b', must be text"),
        ([f"--config={TINY}", "--workdir=a\udcff"], "--workdir is 'a\\udcff', must be text"),
        ([f"--config={TINY}", "--workdir=~nobody_of_this_name/x"], "there is no home of '~nobody_of_this_name'"),
        ([f"--config={TINY}", "--workdir=gs://bucket/x"], "'gs://bucket/x', must be a path on this machine"),
        ([f"--config={TINY}", "--workdir=s3:/bucket/x"], "lamv reads and writes local paths only"),
        ([f"--config={TINY}", "--workdir=file:///tmp/x"], "give '/tmp/x'"),
        (["--config=https://host/recipe.py", "--workdir=x"], "download it, and give the path of the copy"),
        (["--config.steps=3", f"--config={TINY}", "--workdir=x"], "before a value for --config"),
    ],
    ids=lambda value: (
        " ".join(value)[-40:].encode("ascii", "backslashreplace").decode() if isinstance(value, list) else ""
    ),
)
def test_paths_that_are_none_are_refused(arguments, words, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, error = run(*arguments)
    assert code == 64, error
    one_line(error, [words])
    assert not list(tmp_path.iterdir())


#: Of the table, as a user types them.
TYPED = (
    "unknown-knob", "seeds", "data-that-is-not-there", "data-in-a-bucket",
)  # fmt: skip


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """Name -> what is to come of that command, and its workdir; one after another, beside the other tests."""

    def type_it(case, workdir):
        command = [sys.executable, "-m", "experiments.train", f"--config={TINY}", f"--workdir={workdir}", *case.flags]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)

    with ThreadPoolExecutor(1) as pool:
        workdirs = {case.name: tmp_path_factory.mktemp("typed") / "run" for case in CASES if case.name in TYPED}
        yield {
            case.name: (workdirs[case.name], pool.submit(type_it, case, workdirs[case.name]))
            for case in CASES
            if case.name in TYPED
        }


@pytest.mark.parametrize("case", [case for case in CASES if case.name in TYPED], ids=lambda case: case.name)
def test_a_command_as_it_is_typed(case, typed):
    workdir, coming = typed[case.name]
    result = coming.result(timeout=300)
    assert result.returncode == case.code
    one_line(result.stderr, case.words)
    assert not (workdir / "config.json").exists()


# What is right


def test_none_unsets_a_knob_and_is_kept_with_the_run(run, train, tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        "lamv.train.loop.train", lambda config, workdir, overrides, **_: seen.update(overrides) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        run(f"--config={TINY}", f"--workdir={tmp_path}", "--config.data.train_size=None", "--config.steps=None",
            "--config.epochs=2", "--config.seeds=3")  # fmt: skip
    assert seen == {"data.train_size": None, "steps": None, "epochs": 2.0, "seeds": 3}
    config = flags.FLAGS["config"].value
    assert config.data.train_size is None and config.steps is None
    [erm, mixup] = expand(config, seen)
    assert erm.config.data.train_size is None and mixup.config.epochs == 2.0


def test_the_last_of_two_flags_holds(run, train, tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        "lamv.train.loop.train", lambda config, workdir, overrides, **_: seen.update(overrides) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        run(f"--config={TINY}", f"--workdir={tmp_path}", "--config.data.train_size=None", "--config.data.train_size=70",
            "--config.seeds=3", "--config.seeds=4")  # fmt: skip
    assert seen == {"data.train_size": 70, "seeds": 4}


def test_a_home_is_found(run, train, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path / "mine.py", [])
    seen = []
    monkeypatch.setattr("lamv.train.loop.train", lambda config, workdir, overrides, **_: seen.append(workdir) or 1 / 0)
    for arguments in (["--config=~/mine.py"], ["--config", "~/mine.py"]):
        with pytest.raises(ZeroDivisionError):
            run(*arguments, "--workdir=~/runs/é")
    assert seen == [str(tmp_path / "runs" / "é")] * 2


def test_a_path_is_recorded_as_it_was_given(monkeypatch, tmp_path):
    """And with whatever path, a run is the same."""
    monkeypatch.setenv("HOME", str(tmp_path))
    runs = []
    for path in ("~/data.npz", f"{tmp_path}/data.npz", ""):
        config = configs.defaults()
        config.steps, config.data.name, config.data.path = 3, "npz", path
        runs.append(configs.snapshot(config, expand(config)))
        assert runs[-1]["rows"][0]["config"]["data"]["path"] == path
    assert len({configs.fingerprint(run) for run in runs}) == 1 and not configs.differences(runs[0], runs[2])


def test_a_recorded_path_is_not_looked_at():
    """It may be of the machine that a run comes from."""
    config = configs.defaults()
    config.steps, config.data.name = 3, "npz"
    run = configs.snapshot(config, expand(config))
    for path in ("~nobody_of_this_name/x", "gs://bucket/x"):
        run["rows"][0]["config"]["data"]["path"] = path
        assert configs.rows_of(run, {})[0].config.data.path == path


def test_numbers_of_numpy_are_numbers():
    config = configs.defaults()
    config.rows = {"a": {"optim.lr": np.float64(0.5), "steps": np.int64(3), "model.widths": [np.int32(8)]}}
    config.rows[0.5] = {"optim.lr": np.float32(0.25), "steps": 3, "data.flatten": np.bool_(True)}
    rows = expand(config)
    assert [row.name for row in rows] == ["a", "0.5"]
    assert type(rows[0].config.optim.lr) is float and type(rows[0].config.steps) is int
    assert rows[0].config.model.widths == (8,) and rows[1].config.data.flatten is True


# Methods of one's own


def not_a_knob(key, inputs, targets, *, beta, rows=None):
    return inputs, targets


def default_is_no_knob(key, inputs, targets, *, aplha=1.0):
    return inputs, targets


def positional(key, inputs, targets, alpha):
    return inputs, targets


def too_few(inputs, targets):
    return inputs, targets


@pytest.mark.parametrize(
    "method, words",
    [
        (
            not_a_knob,
            ["asks for 'beta', which is no knob", 'Knob("method.beta", DEFAULT, RANGE, MEANING)', "lamv/knobs.py"],
        ),
        (default_is_no_knob, ["asks for 'aplha', which is no knob (did you mean 'alpha'?)"]),
        (positional, ["takes (key, inputs, targets, alpha)", "keyword-only"]),
        (too_few, ["takes (inputs, targets)", "must take key, inputs, targets"]),
        (3, ["is 3, must be a function"]),
        ("mixup", ["is 'mixup', must be a function"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_method_that_the_engine_cannot_call_is_refused(method, words, monkeypatch):
    monkeypatch.setitem(METHODS, "mine", method)
    with pytest.raises(ConfigError) as caught:
        configs.check_method("mine")
    one_line(f"error: {caught.value}", ["method 'mine'", *words])


@pytest.mark.parametrize("name", METHODS)
def test_the_engine_can_call_its_own_methods(name):
    configs.check_method(name)


def test_a_users_method_is_refused_before_the_workdir_is_claimed(tmp_path):
    """As a recipe may add it, before it reads the knobs."""
    path = tmp_path / "mine.py"
    path.write_text(
        "from lamv.core.methods import METHODS\n"
        "def mine(key, inputs, targets, *, beta):\n    return inputs, targets\n"
        "METHODS['mine'] = mine\n"
        "from tests.recipes.tiny import get_config as tiny\n"
        "def get_config():\n    config = tiny()\n    config.rows = {'mine': {'method.name': 'mine'}}\n"
        "    config.claims = ()\n    return config\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "experiments.train", f"--config={path}", f"--workdir={tmp_path / 'run'}"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert result.returncode == 64, result.stderr
    one_line(result.stderr, ["asks for 'beta'"])
    assert not (tmp_path / "run").exists()


# Anything at all

NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.sampled_from([0, 1, -1, 2**31, 10**400, 0.5, np.float32(0.3), np.int64(2)]),
)
TEXTS = st.one_of(
    st.text(), st.sampled_from(sorted({name for knob in KNOBS for name in knob.allowed.words.split(", ")}))
)
VALUES = st.recursive(
    st.one_of(NUMBERS, TEXTS, st.none(), st.binary(), st.just(object())),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.tuples(inner, inner), st.dictionaries(st.text(), inner, max_size=2)
    ),
    max_leaves=4,
)
KEYS = st.one_of(st.sampled_from(sorted(KNOB)), st.sampled_from(sorted(KNOB)), st.text(), st.integers())
CHANGES = st.dictionaries(KEYS, VALUES, max_size=4)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.dictionaries(st.one_of(st.text(), st.sampled_from(["a", 1, None])), CHANGES, max_size=2), flags=CHANGES)
def test_any_config_is_valid_or_refused_in_one_line(rows, flags):
    config = configs.defaults()
    config.steps, config.rows = 10, rows
    try:
        for one in expand(config, flags):
            configs.validate(one.config)
            assert configs.program_key(one.config)
    except ConfigError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000


@settings(max_examples=200, deadline=None)
@given(key=st.sampled_from(sorted(set(KNOB) - {"rows", "claims", "published"})), value=VALUES)
def test_any_value_of_a_knob_is_valid_or_refused_in_one_line(key, value):
    try:
        expand(configs.defaults(), {"steps": 10, key: value})
    except ConfigError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000

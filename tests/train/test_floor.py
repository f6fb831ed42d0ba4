"""The floor of a loss: by hand, and never above the entropy of what the method makes."""

import math
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv import config as configs
from lamv.core import laws
from lamv.core.batch import whole
from lamv.core.methods import METHODS, apply, knobs_of
from lamv.core.targets import entropy, matched_smoothing, one_hot
from lamv.train import floor
from lamv.train.mitigations import MITIGATIONS

K = 4
EVEN = np.full(K, 1 / K)


def knobs(**changes):
    config = configs.defaults()
    config.method.update(changes)
    return config.method


def h(*probabilities):
    return -sum(p * math.log(p) for p in probabilities if p)


BY_HAND = {
    "erm": ({}, 0.0),
    "label_smoothing": ({"smoothing": 0.4}, h(0.7, 0.1, 0.1, 0.1)),
    "unigram_smoothing": ({"smoothing": 0.4}, h(0.7, 0.1, 0.1, 0.1)),
    "over_smoothing": ({"over_smoothing": 0.4}, h(0.7, 0.1, 0.1, 0.1)),
    "disturb_label": ({"smoothing": 0.3, "convention": "others"}, h(0.7, 0.1, 0.1, 0.1)),
    "matched_smoothing": ({}, 0.75 * 0.5),  # E h(lam) of the uniform law is 1/2
    "mixup": ({}, 0.75 * 0.5),
    "midpoint": ({"smoothing": 0.4}, 0.25 * h(0.7, 0.1, 0.1, 0.1) + 0.75 * h(0.4, 0.4, 0.1, 0.1)),
    "decoupled_mixup": ({"target_law": "fixed(0.25)"}, 0.75 * h(0.25, 0.75)),
    "input_mixup": ({}, 0.0),
    "target_mixup": ({"law": "fixed(0.2)"}, h(0.85, 0.05, 0.05, 0.05)),
    "same_class_mixup": ({"smoothing": 0.4}, h(0.7, 0.1, 0.1, 0.1)),
    "manifold_mixup": ({"law": "fixed(0.25)"}, 0.75 * h(0.25, 0.75)),
    "regmixup": ({"law": "fixed(0.25)", "weight": 2.0}, 2 * 0.75 * h(0.25, 0.75)),
}


@pytest.mark.parametrize("name", floor.FLOORS)
def test_a_floor_is_what_it_is_by_hand(name):
    changes, expected = BY_HAND[name]
    assert floor.FLOORS[name](knobs(**changes), EVEN) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("erm", {}, h(0.85, 0.05, 0.05, 0.05)),
        ("mixup", {"law": "fixed(0.25)"}, 0.25 * h(0.85, 0.05, 0.05, 0.05) + 0.75 * h(0.3, 0.6, 0.05, 0.05)),
        ("label_smoothing", {"smoothing": 0.4}, h(0.55, 0.15, 0.15, 0.15)),
    ],
)
def test_maxsup_raises_the_floor(name, changes, expected):
    assert floor.of_row(row(**{"method.name": name, "loss.max_suppression": 0.2}
                            | {f"method.{key}": value for key, value in changes.items()}), 0) == pytest.approx(expected)  # fmt: skip


def test_the_smoothing_that_matches_mixup_pays_for_maxsup_as_any_other():
    matched = row(**{"method.name": "matched_smoothing", "loss.max_suppression": 0.2})
    share = float(matched_smoothing(0.75 * 0.5, K))
    plain = row(**{"method.name": "label_smoothing", "method.smoothing": share, "loss.max_suppression": 0.2})
    assert floor.of_row(matched, 0) == pytest.approx(floor.of_row(plain, 0), abs=1e-5)


def test_the_targets_of_the_method_have_that_entropy_for_uneven_classes():
    prior, number = np.array([0.5, 0.25, 0.125, 0.125]), 4096
    given = knobs(smoothing=0.1, law="fixed(0.3)", target_law="fixed(0.2)")
    labels = jnp.asarray(np.repeat(np.arange(K), (prior * number).astype(int)))

    @jax.jit
    def mean_entropy(labels):
        offered = {**given.to_dict(), "law": laws.fixed(0.3), "target_law": laws.fixed(0.2)}
        made = apply(METHODS["decoupled_mixup"], jax.random.key(0), jnp.zeros((number, 1)), one_hot(labels, K),
                     knobs=offered, rows=whole(number))  # fmt: skip
        return entropy(made.targets).mean()

    assert floor.FLOORS["decoupled_mixup"](given, prior) == pytest.approx(float(mean_entropy(labels)), abs=0.01)


def row(mitigation="erm", **changes):
    config = configs.defaults()
    config.update_from_flattened_dict(changes)
    made = object.__new__(MITIGATIONS[mitigation])
    made.config = config.mitigation
    made.view = SimpleNamespace(train=SimpleNamespace(rows=np.zeros((1, 8))), class_frequencies=EVEN, num_groups=2)
    program = SimpleNamespace(mitigation=made, method=lambda stage: METHODS[config.method.name])
    return SimpleNamespace(config=config, view=made.view, program=program, stages=SimpleNamespace(at=lambda step: 0))


@pytest.mark.parametrize(
    ("mitigation", "changes"),
    [
        ("erm", {"method.name": "mixup", "loss.name": "squared_error"}),
        ("erm", {"method.name": "mixup", "distill.row": "teacher"}),
        ("erm", {"method.name": "cutmix"}),
        ("erm", {"method.name": "instance_smoothing"}),
        ("erm", {"method.name": "noise_correction"}),
        ("resample", {"method.name": "mixup"}),
        ("within_groups", {"method.name": "erm"}),
    ],
)
def test_where_it_cannot_be_told_there_is_none(mitigation, changes):
    assert floor.of_row(row(mitigation, **changes), 0) is None


def test_it_is_of_the_method_of_the_step():
    assert floor.of_row(row(**{"method.name": "mixup"}), 0) == pytest.approx(0.375, abs=1e-5)
    assert floor.of_row(row("reweight", **{"method.name": "mixup"}), 0) == pytest.approx(0.375, abs=1e-5)
    assert floor.of_row(row("resample"), 0) == 0.0


def test_methods_without_a_floor_are_those_whose_targets_are_not_known_beforehand():
    looks = {name for name, method in METHODS.items() if {"running", "predict"} & set(knobs_of(method))}
    assert looks.isdisjoint(floor.FLOORS) and set(floor.FLOORS) < set(METHODS)

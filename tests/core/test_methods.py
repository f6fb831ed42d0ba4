"""The methods by name: each gets the knobs that it names, and no others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamv.core.batch import whole
from lamv.core.methods import METHODS, apply, knobs_of
from lamv.core.mixing import mixup
from lamv.core.targets import one_hot, smooth

KEY = jax.random.key(0)
INPUTS = jnp.arange(10.0).reshape(5, 2)
TARGETS = one_hot(jnp.arange(5) % 3, 3)
KNOBS = {"smoothing": 0.3, "convention": "others", "alpha": 0.5, "lam_per": "batch", "of_another": None}


def applied(name):
    return apply(METHODS[name], KEY, INPUTS, TARGETS, knobs=KNOBS, rows=whole(5))


@pytest.fixture(scope="module")
def mixed():
    return applied("mixup")


def test_erm_leaves_the_batch_alone():
    inputs, targets = applied("erm")
    assert inputs is INPUTS and targets is TARGETS


def test_label_smoothing_changes_targets_only():
    inputs, targets = applied("label_smoothing")
    assert inputs is INPUTS
    np.testing.assert_array_equal(targets, smooth(TARGETS, 0.3, "others"))


def test_mixup_gets_its_knobs(mixed):
    inputs, targets = mixed
    expected_inputs, expected_targets = mixup(KEY, INPUTS, TARGETS, alpha=0.5, lam_per="batch")
    np.testing.assert_array_equal(inputs, expected_inputs)
    np.testing.assert_array_equal(targets, expected_targets)


@pytest.mark.parametrize("name", METHODS)
def test_targets_stay_probabilities(name):
    inputs, targets = applied(name)
    assert inputs.shape == INPUTS.shape and targets.shape == TARGETS.shape
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)


def test_knobs_are_the_keyword_only_arguments():
    assert {name: knobs_of(method) for name, method in METHODS.items()} == {
        "erm": (),
        "label_smoothing": ("smoothing", "convention"),
        "mixup": ("alpha", "lam_per", "rows"),
        "midpoint": ("rows",),
    }

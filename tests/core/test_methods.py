"""The methods by name: each gets the knobs that it names, and no others; smoothing comes before mixing."""

from functools import partial

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from lamv.core.batch import whole
from lamv.core.laws import Law, beta, fixed, uniform
from lamv.core.methods import METHODS, apply, knobs_of
from lamv.core.mixing import mixup
from lamv.core.targets import correct_noise, flip, one_hot, smooth
from lamv.knobs import KNOB

KEY = jax.random.key(0)
INPUTS = jnp.arange(10.0).reshape(5, 2)
TARGETS = one_hot(jnp.arange(5) % 3, 3)
KNOBS = {
    "smoothing": 0.3, "convention": "others", "alpha": 0.5, "law": uniform(), "target_law": fixed(0.8),
    "lam_per": "batch", "ways": 3, "layers": ("input", "head"), "weight": 0.5, "bandwidth": 0.7, "noise_rate": 0.4,
    "over_smoothing": 0.9, "scale_low": 0.2, "scale_high": 0.7, "decay_power": 2.0, "of_another": None,
}  # fmt: skip
OFFERED = {
    "prior": np.float32([0.5, 0.3, 0.2]),
    "running": jnp.tile(jnp.array([[0.2, 0.2, 0.6]]), (5, 1)),
    "predict": lambda inputs: jax.nn.softmax(jnp.sin(inputs @ jnp.array([[1.0, 2, 3], [2, 1, 0]]))),
    "soft_labels": jnp.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.0, 0.5, 0.5]]),
}
SMOOTHING = ("smoothing", "convention")
PAIR = ("alpha", "law", "lam_per", "rows", *SMOOTHING)
MIXING = [name for name, method in METHODS.items() if {"rows", *SMOOTHING} <= set(knobs_of(method))]
MIXING.remove("disturb_label")
properties = hypothesis.settings(deadline=None, derandomize=True, max_examples=30)
seeds = st.integers(0, 2**32 - 1)


def given(name, inputs=INPUTS, targets=TARGETS, **knobs):
    """What a method makes of these, without what it does to hidden activations.

    Not compiled: of one shape, most operations are those of other methods, and are compiled once for all of them.
    """
    made = apply(METHODS[name], KEY, inputs, targets, knobs=KNOBS | knobs, rows=whole(5), **OFFERED)
    return made._replace(hidden=None)


def test_erm_leaves_the_batch_alone():
    made = apply(METHODS["erm"], KEY, INPUTS, TARGETS, knobs=KNOBS, rows=whole(5), **OFFERED)
    assert made.inputs is INPUTS and made.targets is TARGETS and made.weights is None and made.hidden is None


@pytest.mark.parametrize(
    "name, expected",
    [
        ("label_smoothing", lambda: smooth(TARGETS, 0.3, "others")),
        ("unigram_smoothing", lambda: 0.7 * TARGETS + 0.3 * jnp.array([[0.5, 0.3, 0.2]])),
        ("over_smoothing", lambda: smooth(TARGETS, 0.9)),
        ("noise_correction", lambda: correct_noise(TARGETS, 0.4, "others")),
        ("disturb_label", lambda: flip(KEY, TARGETS, 0.3, "others")),
        ("instance_smoothing", lambda: 0.7 * TARGETS + 0.3 * jnp.array([[0.2, 0.2, 0.6]])),
        ("online_smoothing", lambda: 0.7 * TARGETS + 0.3 * OFFERED["soft_labels"][jnp.arange(5) % 3]),
    ],
)
def test_what_changes_targets_only(name, expected):
    made = given(name)
    np.testing.assert_array_equal(made.inputs, INPUTS)
    np.testing.assert_allclose(made.targets, expected(), rtol=1e-6)


def test_over_smoothing_of_ten_and_of_a_hundred_classes():
    for num_classes, on_label, on_other in ((10, 0.118, 0.098), (100, 0.0298, 0.0098)):
        _, targets = METHODS["over_smoothing"](KEY, None, one_hot(jnp.zeros(1, jnp.int32), num_classes))
        np.testing.assert_allclose(targets[0, :2], [on_label, on_other], rtol=1e-5)


def test_instance_mixup_mixes_labels_that_were_smoothed_by_predictions():
    predicted = OFFERED["predict"](INPUTS)
    found = given("instance_mixup", smoothing=0.3, lam_per="example")
    expected = mixup(KEY, INPUTS, 0.7 * TARGETS + 0.3 * predicted, law=uniform())
    np.testing.assert_array_equal(found.inputs, expected[0])
    np.testing.assert_allclose(found.targets, expected[1], rtol=1e-6)
    plain = given("instance_mixup", smoothing=0.0, lam_per="example")
    np.testing.assert_array_equal(plain.targets, mixup(KEY, INPUTS, TARGETS, law=uniform())[1])


def test_instance_smoothing_without_lag_is_erm_at_a_smaller_step():
    """With the current prediction of the same input the gradient in the logits is (1 - a) (p - e_y)."""
    logits = jnp.array([[2.0, -1, 0.5], [0, 0, 0], [-3, 4, 1], [1, 1, -2], [0.1, 0.2, 0.3]])

    def loss(logits, smoothing):
        probabilities = jax.lax.stop_gradient(jax.nn.softmax(logits))
        _, targets = METHODS["instance_smoothing"](KEY, INPUTS, TARGETS, smoothing=smoothing, running=probabilities)
        return -jnp.sum(targets * jax.nn.log_softmax(logits))

    for smoothing in (0.1, 0.9):
        found = jax.grad(loss)(logits, smoothing)
        np.testing.assert_allclose(found, (1 - smoothing) * (jax.nn.softmax(logits) - TARGETS), rtol=1e-5, atol=1e-7)


def test_mixup_gets_its_knobs():
    made = given("mixup", smoothing=0.0)
    expected_inputs, expected_targets = mixup(KEY, INPUTS, TARGETS, law=uniform(), lam_per="batch")
    np.testing.assert_array_equal(made.inputs, expected_inputs)
    np.testing.assert_array_equal(made.targets, expected_targets)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_takes_all_knobs(name):
    made = given(name)
    traced = jax.eval_shape(partial(given, name), INPUTS, TARGETS)
    assert jax.tree.map(jnp.shape, made) == jax.tree.map(jnp.shape, traced)
    copies = 2 if name == "regmixup" else 1
    assert made.inputs.shape == (copies * 5, 2) and made.targets.shape == (copies * 5, 3)
    assert made.inputs.dtype == made.targets.dtype == jnp.float32
    targets = np.asarray(made.targets)
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
    assert (targets.min() >= 0) == (name != "noise_correction")
    assert made.weights is None or made.weights.shape == (copies * 5,)


@pytest.mark.parametrize("name", MIXING)
def test_smoothing_composes_with_every_mixing_method(name):
    """Mixing is linear in the targets, so that the smoothed result is the result of smoothed labels."""
    plain, smoothed = given(name, smoothing=0.0), given(name)
    if name == "rc_mixup":
        # What is left out is chosen by the error against the targets: smoothed ones choose for themselves.
        np.testing.assert_allclose(np.unique(smoothed.weights), [0, 5 / 3], rtol=1e-6)
    elif name != "c_mixup":  # partners of smoothed targets are chosen by those
        np.testing.assert_array_equal(smoothed.inputs, plain.inputs)
        np.testing.assert_allclose(smoothed.targets, smooth(plain.targets, 0.3, "others"), rtol=1e-5, atol=1e-7)
    assert smoothed.targets.min() >= 0.15 - 1e-6, "0.3 / 2 on each of the other classes, whatever was mixed"


def test_knobs_are_the_keyword_only_arguments():
    assert {name: knobs_of(method) for name, method in METHODS.items()} == {
        "erm": (),
        "label_smoothing": SMOOTHING,
        "unigram_smoothing": ("smoothing", "prior"),
        "over_smoothing": ("over_smoothing",),
        "noise_correction": ("noise_rate", "convention"),
        "disturb_label": (*SMOOTHING, "rows"),
        "instance_smoothing": ("smoothing", "running"),
        "online_smoothing": ("smoothing", "soft_labels"),
        "matched_smoothing": ("alpha", "law", "convention", "prior"),
        "mixup": PAIR,
        "midpoint": ("rows", *SMOOTHING),
        "kway_mixup": ("alpha", "ways", "lam_per", "rows", *SMOOTHING),
        "decoupled_mixup": ("alpha", "law", "target_law", "lam_per", "rows", *SMOOTHING),
        "input_mixup": PAIR,
        "target_mixup": PAIR,
        "same_class_mixup": PAIR,
        "manifold_mixup": ("alpha", "law", "layers", "lam_per", "rows", *SMOOTHING),
        "regmixup": ("alpha", "law", "weight", "lam_per", "rows", *SMOOTHING),
        "c_mixup": ("alpha", "law", "bandwidth", "lam_per", "rows", *SMOOTHING),
        "rc_mixup": ("alpha", "law", "bandwidth", "noise_rate", "predict", "lam_per", "rows", *SMOOTHING),
        "cutmix": PAIR,
        "resizemix": ("scale_low", "scale_high", "lam_per", "rows", *SMOOTHING),
        "fmix": ("alpha", "law", "decay_power", "lam_per", "rows", *SMOOTHING),
        "instance_mixup": ("alpha", "law", "lam_per", "smoothing", "predict", "rows"),
    }


@pytest.mark.parametrize("name", METHODS)
def test_every_knob_of_a_method_is_one_of_the_config(name):
    given = {"rows", "prior", "running", "predict", "soft_labels"}
    missing = [knob for knob in knobs_of(METHODS[name]) if knob not in given and f"method.{knob}" not in KNOB]
    assert not missing, "give a new knob a line in lamv/knobs.py"


def test_a_method_keeps_its_name_and_what_it_says_of_itself():
    for name, method in METHODS.items():
        assert method.__name__ == name and method.__doc__


# What somebody else may pass


@pytest.mark.parametrize("name", METHODS)
def test_integers_give_what_floats_give(name):
    """Pixels of 0 to 255, and one-hot targets, as they are stored; the key and so all draws are the same."""
    pixels = np.random.default_rng(0).integers(256, size=(5, 2))
    stored = {dtype: (pixels.astype(dtype), np.asarray(TARGETS, dtype)) for dtype in ("uint8", "int32", "bool")}
    moves = ("target_mixup", "cutmix", "fmix")  # pixels that stay what they are
    for values in stored.values():
        found, expected = given(name, *values), given(name, *map(np.float32, values))
        np.testing.assert_allclose(found.inputs, expected.inputs, rtol=2e-7)
        np.testing.assert_allclose(found.targets, expected.targets, rtol=2e-7)
        assert name == "erm" or found.targets.dtype == jnp.float32
        assert (found.inputs.dtype == jnp.float32) == (METHODS[name].combines and name not in moves)


@hypothesis.settings(deadline=None, derandomize=True, max_examples=12)
@hypothesis.given(
    seeds,
    st.sampled_from(["uint8", "int16", "bool", "float16", "bfloat16"]),
    st.sampled_from([name for name in MIXING if name != "rc_mixup"]),
)
def test_every_mixture_lies_between_its_parts(seed, dtype, name):
    """Mixtures are convex, in whatever type: between the least and the largest of a column.

    Regions are of a vector as an image of one row, along which resizing averages: there, of all columns.
    """
    rng = np.random.default_rng(seed)
    inputs = rng.integers(2 if dtype == "bool" else 100, size=(5, 2)).astype(jnp.dtype(dtype))
    found = jax.tree.map(np.asarray, given(name, inputs, np.asarray(TARGETS).astype(inputs.dtype)))
    low, high = (of(np.float32(inputs), axis=0) for of in (np.min, np.max))
    if name in ("cutmix", "resizemix", "fmix"):
        low, high = low.min(keepdims=True), high.max(keepdims=True)
    slack = 0.5 if dtype == "bfloat16" else 0.05  # the last digit of a number up to 100
    assert np.all((np.float32(found.inputs) >= low - slack) & (np.float32(found.inputs) <= high + slack))
    assert jnp.issubdtype(found.targets.dtype, jnp.floating)
    np.testing.assert_allclose(np.float32(found.targets).sum(axis=1), 1, rtol=2e-2)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "erm"])
def test_labels_are_no_targets(name):
    with pytest.raises(ValueError, match=r"targets are of shape \(5,\).*lamv.core.targets.one_hot"):
        given(name, INPUTS, np.arange(5) % 3)


@pytest.mark.parametrize("name", MIXING)
def test_targets_are_of_the_inputs(name):
    """One row of targets would be stretched to all inputs."""
    with pytest.raises(ValueError, match=r"targets are of shape \(1, 3\), must be \(5, K\)"):
        apply(METHODS[name], KEY, INPUTS, TARGETS[:1], knobs=KNOBS, rows=whole(5), **OFFERED)


DRAWING = [name for name in MIXING if {"alpha", "law"} <= set(knobs_of(METHODS[name]))]


@pytest.mark.parametrize("name", DRAWING)
def test_alpha_is_short_for_the_law_that_gives_no_numbers_where_it_is_out_of_range(name):
    """That a beta law draws NaN then is for tests of laws: to compile its sampler for every method takes long."""

    def program(of_alpha):
        return str(jax.make_jaxpr(lambda alpha: given(name, target_law=None, **of_alpha(alpha)))(1.0))

    assert program(lambda a: {"alpha": a, "law": None}) == program(lambda a: {"law": beta(a)})


@pytest.mark.parametrize("name", DRAWING)
def test_a_lam_that_is_no_number_gives_no_numbers(name):
    made = given(name, law=Law("uniform", (np.nan, np.nan)))
    mixed = slice(5, None) if name == "regmixup" else slice(None)
    assert np.all(np.isnan(made.targets[mixed])) or np.all(np.isnan(made.inputs[mixed]))


def test_counts_of_classes_are_no_prior():
    for name in ("unigram_smoothing", "matched_smoothing"):
        with pytest.raises(ValueError, match="divide counts by their sum"):
            apply(METHODS[name], KEY, INPUTS, TARGETS, knobs=KNOBS, rows=whole(5), prior=np.array([50, 30, 20]))

"""Methods in words, with the numbers that are trained on."""

import string

import numpy as np
import pytest

from lamv import config
from lamv.catalog import methods
from lamv.core import methods as core
from lamv.core import targets


@pytest.mark.parametrize("name", core.METHODS)
def test_every_method_has_a_short_name_with_knobs_that_it_has(name):
    had = set(core.knobs_of(core.METHODS[name]))
    knobs = {knob for knob in had if f"method.{knob}" in config.KNOB} | (
        {"running_decay"} if "running" in had else set()
    )
    assert set(methods.METHODS[name].knobs) == knobs


def test_short_names_tell_the_knobs_that_matter():
    of = {"name": "mixup", "alpha": 0.2, "law": "", "lam_per": "batch", "smoothing": 0.0, "weight": 3.0}
    assert methods.in_short({"method": of}) == "mixup α=0.2 λ per=batch"
    smoothed = of | {"smoothing": 0.1, "convention": "others"}
    assert methods.in_short({"method": smoothed}).endswith("ε=0.1 convention=others")
    assert "convention" not in methods.in_short({"method": smoothed | {"smoothing": 0.0}})
    assert methods.in_short({"method": of | {"law": "beta(1, 2)"}}) == "mixup law=beta(1, 2) λ per=batch"
    then = of | {"name": "erm", "switch": 30, "then": "mixup"}
    assert methods.in_short({"method": then}).startswith("erm, then mixup α=0.2")
    assert methods.in_short({}) == "unknown"


KNOBS = {knob.key.removeprefix("method."): knob.default for knob in config.KNOBS if knob.key.startswith("method.")}


K = 10


#: What the words must hold, by method: numbers of the target and of the knobs, with these knobs.
CHANGED = {"smoothing": 0.3, "alpha": 0.4, "noise_rate": 0.25, "bandwidth": 0.7, "weight": 2.5, "ways": 4}


SAID = {
    "erm": ("1 on the label", "0 on all other"),
    "label_smoothing": ("ε = 0.3", "q = 0.73 on the label", "0.03 on each of the other 9 classes"),
    "unigram_smoothing": ("0.7 + 0.3 p",),
    "over_smoothing": ("q = 0.118", "0.098 on each"),
    "noise_correction": ("rate 0.25", "q = 1.3 on the label", "−0.03333 on each"),
    "disturb_label": ("probability 0.3", "q = 0.73"),
    "instance_smoothing": ("0.7 on the label plus 0.3 times", "decay 0.9", "0.1 for every class at first"),
    "online_smoothing": ("0.7 on the label plus 0.3 times", "0.1 for every class at first"),
    "matched_smoothing": ("Beta(0.4, 0.4)",),
    "mixup": ("α = 0.4", "Beta(0.4, 0.4)", "for each example", "q = 0.73 on the label"),
    "midpoint": ("1/2 on either label", "q = 0.73 on the label"),
    "kway_mixup": ("Mixup of 4 examples", "Dirichlet(0.4, 0.4, 0.4, 0.4)"),
    "decoupled_mixup": ("the same λ", "Beta(0.4, 0.4)"),
    "input_mixup": ("weighs more", "Beta(0.4, 0.4)"),
    "target_mixup": ("max(λ, 1 − λ)", "Beta(0.4, 0.4)"),
    "same_class_mixup": ("partner of its class", "Beta(0.4, 0.4)"),
    "manifold_mixup": ("the input is mixed", "Beta(0.4, 0.4)"),
    "regmixup": ("plus 2.5 times", "Beta(0.4, 0.4)"),
    "c_mixup": ("s = 0.7 in the units", "Beta(0.4, 0.4)"),
    "rc_mixup": ("share 0.25", "0.7 × the spread", "Beta(0.4, 0.4)"),
    "cutmix": ("1 − λ of the area", "Beta(0.4, 0.4)"),
    "resizemix": ("[0.1, 0.8]", "for each example"),
    "fmix": ("power −3", "Beta(0.4, 0.4)"),
    "instance_mixup": ("0.7 on it plus 0.3 times", "Beta(0.4, 0.4)"),
}


def words(name, classes=K, loss=None, after_switch="all", **knobs):
    method = {**KNOBS, "name": name, **knobs}
    return methods.in_words({"method": method, "loss": loss, "optim": {"after_switch": after_switch}}, classes)


@pytest.mark.parametrize("name", core.METHODS)
def test_every_method_is_told_in_words_with_its_numbers(name):
    said = words(name, **CHANGED)
    assert all(part in said for part in SAID[name]), said
    smoothed = {"smoothing", "convention"} <= set(core.knobs_of(core.METHODS[name]))
    assert ("0.73" in said) == smoothed


def test_every_method_has_a_colour_of_its_own():
    assert len({method.colour for method in methods.METHODS.values()}) == len(methods.METHODS)


@pytest.mark.parametrize("convention, label, other", [("uniform", 0.91, 0.01), ("others", 0.9, 0.1 / 9)])
def test_the_target_in_words_is_the_one_that_is_trained_on(convention, label, other):
    target = targets.smooth(targets.one_hot(np.zeros(1, int), K), 0.1, convention)[0]
    np.testing.assert_allclose(target[:2], [label, other], rtol=1e-6)
    assert f"q = {label:.4g} on the label and {other:.4g} on" in words(
        "label_smoothing", smoothing=0.1, convention=convention
    )
    corrected = targets.correct_noise(targets.one_hot(np.zeros(1, int), K), 0.2, convention)[0]
    said = words("noise_correction", noise_rate=0.2, convention=convention)
    assert f"q = {corrected[0]:.4g} on the label and −{-corrected[1]:.4g} on" in said


@pytest.mark.parametrize(
    "law, said",
    [
        ("beta(1, 2)", "λ ~ Beta(1, 2), drawn"),
        ("beta(3)", "λ ~ Beta(3, 3), drawn"),
        ("uniform(0.5, 1)", "λ uniform on [0.5, 1], drawn"),
        ("fixed(0.7)", "λ = 0.7."),
        ("discrete((0.2, 0.8), (1, 3))", "λ is 0.2 with probability 0.25 or 0.8 with probability 0.75, drawn"),
        ("nonsense(1)", "λ ~ nonsense(1), drawn"),
    ],
)
def test_laws_are_told_in_words(law, said):
    assert said in words("mixup", law=law) and "α" not in words("mixup", law=law)


def test_the_switch_and_the_loss_are_told():
    loss = {"name": "sigmoid", "confidence_penalty": 0.5, "entropy_threshold": 0.4, "anneal": 100}
    said = words("mixup", switch=300, then="over_smoothing", after_switch="head", loss=loss)
    assert said.startswith("Mixup, α = 1") and "From step 300 on, on frozen features" in said
    assert said.index("From step 300") < said.index("q = 0.118")
    assert "binary cross-entropy" in said and "0.5 × max(0, 0.4 − H)" in said and "first 100 steps" in said
    plain = words("mixup", loss={"name": "cross_entropy", "confidence_penalty": 0.0})
    assert "loss" not in plain and "step" not in plain


def test_maxsup_is_told_with_its_factor():
    mixup = {"name": "mixup", "alpha": 1.0, "law": "", "lam_per": "example", "smoothing": 0.0}
    for method, short, brief in (
        ({"name": "erm"}, "erm, MaxSup s=0.1", "MaxSup, the"),
        (mixup, "mixup α=1, MaxSup s=0.1", "Mixup, random"),
    ):
        config = {"method": method, "loss": {"name": "cross_entropy", "max_suppression": 0.1}}
        assert methods.in_short(config) == short and methods.in_brief(config).startswith(brief)
        assert "0.1 × (max z − mean z)" in methods.in_words(config, K) and "s = 0.1" in methods.in_brief(config)
    assert methods.kind_of(config) == "mixup"
    kinds = [methods.kind_of({"method": {"name": "erm"}, "loss": {"max_suppression": share}}) for share in (0.1, 0.0)]
    assert kinds == [methods.MAXSUP, "erm"]
    assert methods.colour_of(methods.MAXSUP) not in {method.colour for method in methods.METHODS.values()}


@pytest.mark.parametrize(
    "stored",
    [{}, {"method": None}, {"method": {"name": ["a"]}}, {"method": {"name": "mixup", "alpha": "x"}}, {"loss": 3}]
    + [{"method": {"name": name, "switch": 5}} for name in core.METHODS],
)
def test_configs_of_another_make_are_told_as_far_as_they_go(stored):
    assert methods.in_words(stored, K)


def test_a_sentence_names_knobs_and_parts_that_there_are():
    fields = [
        field for method in methods.METHODS.values() for _, field, _, _ in string.Formatter().parse(method.sentence)
    ]
    assert {field for field in fields if field} <= KNOBS.keys() | methods.PARTS.keys()
    assert not KNOBS.keys() & methods.PARTS.keys()

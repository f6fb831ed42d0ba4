"""Every method, mitigation, cue, rule of model selection and metric has an entry with a sentence or a definition."""

import pytest

from lamv import config as configs
from lamv.catalog import cues, glossary, methods, metrics, mitigations, model_selection
from lamv.core import corruptions, shortcuts
from lamv.core import methods as core_methods
from lamv.knobs import KNOB, KNOBS
from lamv.train.mitigations import MITIGATIONS

ENTRIES = (
    *metrics.ACCURACY, *metrics.ERRORS, *metrics.GROUPS, *metrics.CUE, *metrics.RELIANCE, *metrics.VARIANCES,
    *metrics.COLLAPSE, *metrics.SMOOTHING, *metrics.CALIBRATION, *metrics.MARGINS, *metrics.INFORMATION, *metrics.BOUND, *metrics.UNSHOWN,
    *metrics.UNSHOWN_VARIANCES,
)  # fmt: skip
PLACED = ("test_aligned", "test_random", "test_conflicting", "test_absent")
NAMED = [*metrics.of_row(PLACED, ""), "test/layers/dense/within_variance", "test/attack/fgsm_0.1/accuracy",
         "test/corruption/noise_1/margin_mean", "probe/digits/features/train_accuracy", "test/group_0_1/count",
         "test/group_3/accuracy", "test/group_0_1/within_variance", "test/group_3/top_eigenvalue"]  # fmt: skip


def is_sentence(text):
    return len(text.split()) > 5 and text.endswith(".") and text[0].isupper() and "None" not in text


def with_knobs(**knobs):
    config = configs.defaults()
    config.steps = 10
    for key, value in knobs.items():
        *parents, leaf = key.split("__")
        node = config
        for parent in parents:
            node = node[parent]
        node[leaf] = value
    return configs.nested(config)


def test_the_catalog_lists_what_there_is():
    assert list(methods.METHODS) == list(core_methods.METHODS)
    assert {mitigations.NONE, *mitigations.MITIGATIONS} == set(MITIGATIONS)
    assert list(cues.CUES) == list(shortcuts.SHORTCUTS)
    assert list(metrics.CORRUPTIONS) == list(corruptions.CORRUPTIONS)


@pytest.mark.parametrize("name", methods.METHODS)
def test_methods(name):
    entry, config = methods.METHODS[name], with_knobs(method__name=name, method__smoothing=0.1)
    assert all(is_sentence(methods.in_words(config, classes)) for classes in (None, 1, 2, 10))
    assert all(f"method.{knob}" in KNOB for knob in entry.knobs)
    assert entry.mixes == core_methods.METHODS[name].combines


@pytest.mark.parametrize("name", mitigations.MITIGATIONS)
def test_mitigations(name):
    entry, config = mitigations.MITIGATIONS[name], with_knobs(mitigation__name=name)
    assert is_sentence(mitigations.in_words(config)) and mitigations.in_short(config) == name
    assert all(f"mitigation.{knob}" in KNOB for knob in entry.knobs)
    checked = configs.defaults()
    checked.mitigation.name = name
    what, split = entry.needs(checked.mitigation)
    assert what in ("", "group", "attribute", "environment") and split in ("train", "valid")


def test_every_knob_of_a_mitigation_is_of_one_that_is_listed():
    used = {f"mitigation.{knob}" for entry in mitigations.MITIGATIONS.values() for knob in entry.knobs}
    assert used == {knob.key for knob in KNOBS if knob.key.startswith("mitigation.")} - {"mitigation.name"}


@pytest.mark.parametrize("kind", cues.CUES)
def test_cues(kind):
    entry = cues.CUES[kind]
    words = cues.in_words(with_knobs(data__shortcut__kind=kind)["data"]["shortcut"])
    assert "0.5" in words and "{" not in words and "probability 1" in words and entry.name
    assert all(f"data.shortcut.{knob}" in KNOB for knob in entry.knobs)
    assert entry.may_be_wrong == ("test_conflicting" in shortcuts.split_placements(kind))


def test_a_cue_that_is_not_listed_is_called_by_its_kind():
    assert cues.in_words({"kind": "smell {x}", "strength": 2.0}).startswith("“smell {x}” of strength 2, without noise")
    assert cues.in_words({}) == "none was planted" and cues.name_of("smell") == "cue"


@pytest.mark.parametrize("rule", model_selection.RULES)
def test_rules(rule):
    metric = model_selection.RULES[rule].metric
    assert rule == model_selection.LAST or metrics.entry_of(metric)
    assert model_selection.in_words(rule, 0).startswith("the ")


# Metrics


def test_every_term_is_used_and_every_entry_has_terms():
    used = {term for entry in ENTRIES for term in entry.terms}
    assert all(entry.terms and entry.name for entry in ENTRIES) and used <= set(glossary.MEANINGS)
    assert {"cue", *(term.name for term in metrics.terms(NAMED))} == set(glossary.MEANINGS)
    assert all(is_sentence(f"{name.capitalize()} is as follows: {text}") for name, text in glossary.MEANINGS.items())


def test_every_metric_is_explained():
    for key in NAMED:
        entry, beside = metrics.entry_of(key), key.rpartition("/")[0] + "/accuracy"
        beside_split = set(metrics.terms([key])) - set(metrics.terms([key.partition("/")[0]]))
        assert beside_split or entry.terms == ("own augmented inputs",), key
        assert entry or any(pattern.search(beside) for pattern in metrics.PATTERNS), key


def test_terms_are_those_of_the_keys_in_the_order_of_the_page():
    keys = ["test_random/worst_group_accuracy", "test/features/within_variance"]
    assert [term.name for term in metrics.terms(keys)] == [
        "test", "random", "group", "worst, mean group", "features", "within-class variance"
    ]  # fmt: skip
    assert [term.name for term in metrics.terms(["train/loss"])] == ["training loss"]
    assert metrics.terms(["nothing/known", "", "test"]) == glossary.terms(["test"])

"""Everything that can be chosen is listed, and where it says to read on there is something to read."""

import re

import pytest

from lamv import places
from lamv.catalog import metrics
from lamv.core.methods import METHODS
from lamv.data import DATASETS
from lamv.errors import ConfigError
from lamv.knobs import KNOB
from lamv.models import MODELS
from lamv.suite import listing
from lamv.train.mitigations import MITIGATIONS

REGISTERED = {
    "methods": METHODS, "mitigations": set(MITIGATIONS) - {"erm"}, "models": MODELS, "data": DATASETS, "knobs": KNOB,
    "recipes": places.recipes(), "metrics": metrics.listed(),
}  # fmt: skip


@pytest.mark.parametrize("kind", listing.KINDS)
def test_a_kind_lists_all_of_it_a_line_each(kind):
    entries = listing.KINDS[kind].entries()
    assert set(entries) == set(REGISTERED[kind])
    lines = listing.as_text(kind).splitlines()
    for name, entry in entries.items():
        assert entry.line and len([line for line in lines if line.split()[:1] == [name]]) == 1


@pytest.mark.parametrize("kind", ["methods", "mitigations"])
def test_the_card_of_each_exists(kind):
    for name, entry in listing.KINDS[kind].entries().items():
        page, anchor = entry.page.split("#")
        assert anchor == name and f"### `{name}`" in (places.ROOT / "docs" / page.rpartition("/")[2]).read_text()
    assert all((places.ROOT / "docs" / page).is_file() for page in listing.KINDS[kind].pages)


def test_every_metric_that_a_table_shows_is_listed():
    forms = [
        re.compile(re.sub("SPLIT|WHERE|KIND|SIZE|DATA|LAYER|Y|A", "[^/]+", re.escape(form)))
        for form in metrics.listed()
    ]
    shown = [metric.key for family in metrics.FAMILIES for metric in family.metrics]
    assert shown and all(any(form.fullmatch(key) for form in forms) for key in shown)


def test_a_word_narrows_by_name_then_by_line_and_alone_searches_every_kind():
    assert listing.as_text("knobs", "optim.lr").startswith("optim.lr: peak learning rate; default 0.1\n")
    assert "method.alpha" in listing.as_text("alpha") and "mitigation.alpha" in listing.as_text("alpha")
    assert {line.split()[0] for line in listing.as_text("methods", "mixup").splitlines()[1:]} >= {"use", "method.alpha"}
    assert "cosine" in listing.as_text("knobs", "optim.schedule")
    assert "jtt " in listing.as_text("mitigations", "twice") or "jtt:" in listing.as_text("mitigations", "twice")


def test_lines_are_cut_for_a_terminal_only():
    assert max(map(len, listing.as_text("methods", width=80).splitlines()[:-1])) <= 80
    assert max(map(len, listing.as_text("methods").splitlines())) > 80


@pytest.mark.parametrize(("words", "said"), [
    (("methds",), "did you mean 'methods'?"), (("methods", "mixupp"), "did you mean 'mixup'?"), (("modls", "x"), "'models'"),
])  # fmt: skip
def test_what_is_not_there_is_refused(words, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        listing.as_text(*words)

"""Numbers in documents: which they are, which recipe they belong to, and that the record of claims has them."""

import json
import re

import pytest

from lamv import places
from lamv.results.records import Row, Spread
from lamv.verify import stated, tables

RECORD = json.loads(places.RECORD.read_text(encoding="utf-8"))
NUMBERS = stated.everywhere()
PAGE = """# Page

`configs/digits_tag.py` has 1.0 ± 0.1.

## With flags

With `--config.steps=3`:

| a | 2.0 ± 0.2 |

Without them 3 ± 1, as of the page.

### Another

configs/label_noise.py: −.5 ± .25

## Last

4 ± 2
"""


def test_a_number_belongs_to_the_recipes_of_its_section_or_of_those_above():
    found = {one.text: (one.recipes, one.flagged) for one in stated.of_page("page.md", PAGE)}
    assert found == {
        "1.0 ± 0.1": (("digits_tag",), False),
        "2.0 ± 0.2": (("digits_tag",), True),
        "3 ± 1": (("digits_tag",), False),
        "−.5 ± .25": (("label_noise",), False),
        "4 ± 2": (("digits_tag",), False),
    }


@pytest.mark.parametrize("text, mean, sd, agrees", [
    ("86.1 ± 1.4", 0.8606, 0.0141, True), ("86.1 ± 1.4", 86.14, 1.36, True), ("86.1 ± 1.4", 0.8616, 0.0141, False),
    ("86.1 ± 1.4", 0.8606, 0.0146, False), ("−.5 ± .25", -0.5, 0.2549, True), (".5 ± .25", -0.5, 0.25, False),
    ("3 ± 1", 3.5, 1.0, True), ("3 ± 1", 3.0, None, False),
])  # fmt: skip
def test_a_number_is_the_mean_and_sd_that_round_to_it(text, mean, sd, agrees):
    assert stated.agrees(text, mean, sd) == agrees


def test_a_number_is_looked_for_in_the_runs_of_its_recipe():
    rows = [Row("ERM", {}, {"test/accuracy": Spread(0.01, 0.001, 5, ()), "test/loss": Spread(1.0, 0.1, 5, ())})]
    numbers = stated.of_page("page.md", PAGE)
    [one] = stated.found(stated.of("digits_tag", numbers), rows)
    assert (one["text"], one["row"], one["metric"], one["n"]) == ("1.0 ± 0.1", "ERM", "test/accuracy", 5)
    assert stated.found(stated.of("label_noise", numbers), rows) == []
    left = stated.missing(numbers, [{"recipe": "digits_tag", "stated": [one]}])
    assert [number.text for number in left] == ["3 ± 1", "−.5 ± .25", "4 ± 2"]


def test_a_number_belongs_to_a_recipe_whichever_its_variant_and_not_where_flags_are_given():
    numbers = stated.of_page("page.md", PAGE)
    assert [one.text for one in stated.of("digits_tag:quick", numbers)] == ["1.0 ± 0.1", "3 ± 1", "4 ± 2"]
    assert [one.text for one in stated.of("digits_tag", numbers, flagged=True)][1] == "2.0 ± 0.2"


def test_of_metrics_with_the_same_digits_the_one_that_has_most_of_the_document_is_taken():
    numbers = [stated.Stated("page.md", text, ("a",), False) for text in ("84 ± 2", "70.3 ± 1.1")]
    accuracy, loss = (lambda mean, sd: {"test/accuracy": Spread(mean, sd, 5, ())}), {"loss": Spread(84.1, 1.9, 5, ())}
    rows = [Row("ERM", {}, loss | accuracy(0.838, 0.0203)), Row("Mixup", {}, accuracy(0.7031, 0.0112))]
    assert [(one["row"], one["metric"]) for one in stated.found(numbers, rows)] == [
        ("ERM", "test/accuracy"), ("Mixup", "test/accuracy"),
    ]  # fmt: skip


def test_an_error_is_found_in_the_accuracy():
    rows = [Row("ERM", {}, {"test/accuracy": Spread(0.833, 0.0041, 5, ())})]
    [one] = stated.found([stated.Stated("page.md", "16.7 ± .4", ("a",), False)], rows)
    assert one["metric"] == "test/error" and stated.agrees(one["text"], one["mean"], one["sd"])


def test_what_documents_state_is_in_the_record():
    """Otherwise: run the recipe with experiments.verify, and state what comes out."""
    assert len(NUMBERS) > 700
    assert stated.missing(NUMBERS, RECORD["recipes"]) == []


def test_the_record_has_what_it_says_it_found():
    for recipe in RECORD["recipes"]:
        for one in recipe["stated"]:
            assert stated.agrees(one["text"], one["mean"], one["sd"]), one
            numbers = [number for number in NUMBERS if (number.document, number.text) == (one["document"], one["text"])]
            assert not numbers or stated.of(recipe["recipe"], numbers), one


@pytest.mark.parametrize("page, made", [("claims.md", tables.as_markdown), ("papers.md", tables.papers_page)])
def test_pages_are_made_of_the_record(page, made):
    """Otherwise: experiments.verify --update --out=docs/claims.json with any recipe writes them anew."""
    assert (places.ROOT / "docs" / page).read_text(encoding="utf-8") == made(RECORD)


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
@pytest.mark.parametrize("words, row", [
    (r"ERM still reads the digit \((\d+) %\)", "ERM"), (r"label smoothing \((\d+) %\)", "LS .1"),
    (r"Mixup \((\d+) %\)", "Mixup"),
])  # fmt: skip
def test_the_headline_is_the_demos(page, words, row):
    text = " ".join((places.ROOT / page).read_text(encoding="utf-8").replace("*", "").split())
    [percent] = re.findall(words, text)
    claims = {
        claim["quantity"]: claim
        for one in RECORD["recipes"]
        for claim in one["claims"]
        if one["recipe"] == "digits_tag"
    }
    assert int(percent) == round(100 * claims[f"{row}: test_random/accuracy"]["value"])


@pytest.mark.parametrize("words, row", [
    (r"worst group of ERM has (\d+) %", "ERM · none"), (r"that of Mixup (\d+) %", "Mixup · none"),
])  # fmt: skip
def test_results_in_brief_are_those_of_the_grid(words, row):
    text = " ".join((places.ROOT / "README.md").read_text(encoding="utf-8").split())
    [percent] = re.findall(words, text)
    [grid] = [one for one in RECORD["recipes"] if one["recipe"] == "spurious/digits_grid"]
    means = [
        one["mean"]
        for one in grid["stated"]
        if (one["row"], one["metric"]) == (row, "test_random/worst_group_accuracy")
    ]
    assert int(percent) in [round(100 * mean) for mean in means]

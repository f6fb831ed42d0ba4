"""The pages have a card for everything that can be chosen, and what the documents show can be typed as it stands."""

import ast
import re
import shlex
from pathlib import Path

import pytest
import yaml

from lamv import config as configs
from lamv import places, theory
from lamv.core import mitigation
from lamv.core.losses import LOSSES
from lamv.core.methods import METHODS, knobs_of
from lamv.knobs import KNOB
from lamv.rows import expand
from lamv.train.mitigations import MITIGATIONS

ROOT = Path(__file__).parents[1]
METHODS_PAGE = (ROOT / "docs" / "methods.md").read_text()
MITIGATIONS_PAGE = (ROOT / "docs" / "mitigations.md").read_text()
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = {path.relative_to(ROOT).as_posix().removeprefix("docs/"): path.read_text() for path in DOCUMENTS}
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text())


def cards_of(page):
    """Heading -> text of every card of a page."""
    found = re.findall(r"^### (`[^\n]+`)\n(.*?)(?=^##|\Z)", page, flags=re.DOTALL | re.MULTILINE)
    return {heading.strip("`"): text for heading, text in found}


CARDS = cards_of(METHODS_PAGE)
MITIGATION_CARDS = cards_of(MITIGATIONS_PAGE)
PARTS = ("\n```\n", "- **Knobs.**", "- **Paper.**", "- **Watch.**", "python -m experiments.")
#: A command on theory: its experiment has knobs of its own.
THEORY = r"^(?:[\w./]*python -m experiments\.|lamv )theory .*"
#: Every command of training on a page, with lines that end in a backslash put together.
COMMANDS = [
    (page, shlex.split(line))
    for page, text in PAGES.items()
    for line in re.findall(
        r"^(?:[\w./]*python -m experiments\.|lamv )train .*", text.replace("\\\n", " "), flags=re.MULTILINE
    )
]


def recipe_of(path):
    """The config of a recipe, given as on the command line: FILE.py, or FILE.py:ARGUMENT."""
    file, _, argument = places.find_recipe(path).partition(":")
    namespace = {"__name__": "recipe"}
    exec(compile(Path(file).read_text(), file, "exec"), namespace)
    return namespace["get_config"](*[argument] * bool(argument))


def flags_of(words):
    return dict(word[2:].split("=", 1) for word in words if re.match(r"--config\.?[\w.]*=", word))


@pytest.mark.parametrize(
    "name", [*METHODS, *LOSSES, "confidence_penalty", "max_suppression", "distillation", "switch", "label noise"]
)
def test_everything_that_can_be_chosen_has_a_card(name):
    assert all(part in CARDS[name] for part in PARTS)


@pytest.mark.parametrize("name", [*MITIGATIONS, "pairing rules", "early stopping"])
def test_every_mitigation_has_a_card(name):
    assert all(part in MITIGATION_CARDS[name] for part in PARTS)
    commands = [words for _, words in COMMANDS if f"--config.mitigation.name={name}" in words]
    assert commands or name in ("erm", "pairing rules", "early stopping"), "the command on a card is one of another"


def test_there_is_no_card_of_a_mitigation_that_does_not_exist():
    assert set(MITIGATION_CARDS) == {*MITIGATIONS, "pairing rules", "early stopping"}


def test_every_knob_of_mitigation_and_selection_is_on_a_card():
    listed = {name: card.split("- **Knobs.**")[1].split("- **Paper.**")[0] for name, card in MITIGATION_CARDS.items()}
    named = {knob for text in listed.values() for knob in re.findall(r"`((?:mitigation|select)\.\w+)`", text)}
    assert named == {key for key in KNOB if key.startswith(("mitigation.", "select."))} - {"mitigation.name"}
    for name in MITIGATIONS:
        line = re.search(rf"^\| {name} \|.*\|$", MITIGATIONS_PAGE.split("## Overview")[1], flags=re.MULTILINE)[0]
        of_overview = set(re.findall(r"`(\w+)`", line.split("|")[-2]))
        assert of_overview == set(re.findall(r"`mitigation\.(\w+)`", listed[name])), name
        functions = re.findall(r"`([\w.]+)`", line.split("|")[-3])
        assert all(hasattr(mitigation, function) for function in functions if not function.startswith("lamv."))


def test_there_is_no_card_of_what_does_not_exist():
    assert set(CARDS) == {
        *METHODS,
        *LOSSES,
        "confidence_penalty",
        "max_suppression",
        "distillation",
        "switch",
        "label noise",
    }


@pytest.mark.parametrize("name", METHODS)
def test_a_card_and_the_overview_name_every_knob_of_the_method(name):
    knobs = [knob for knob in knobs_of(METHODS[name]) if f"method.{knob}" in KNOB]
    if "running" in knobs_of(METHODS[name]):
        knobs.append("running_decay")
    assert all(f"`method.{knob}`" in CARDS[name] for knob in knobs)
    line = re.search(rf"^\| {name} \|.*\|$", METHODS_PAGE.split("## Overview")[1], flags=re.MULTILINE)[0]
    assert set(re.findall(r"`(\w+)`", line.replace("(no `", "(").split("|")[-2])) - {"smoothing", "convention"} == {
        knob for knob in knobs if knob not in ("smoothing", "convention")
    }


@pytest.mark.parametrize("name", METHODS)
def test_a_card_of_a_method_names_no_knob_that_the_method_does_not_take(name):
    listed = CARDS[name].split("- **Knobs.**")[1].split("- **Paper.**")[0]
    takes = {f"method.{knob}" for knob in (*knobs_of(METHODS[name]), "running_decay")}
    assert set(re.findall(r"`(method\.\w+)`", listed)) <= takes


@pytest.mark.parametrize("page, at_least", [("methods.md", 40), ("mitigations.md", 15)])
def test_knobs_that_the_page_names_exist_with_the_defaults_that_it_gives(page, at_least):
    parts = "method|loss|distill|data|optim|mitigation|select"
    assert set(re.findall(rf"`((?:{parts})\.[\w.]+)`", PAGES[page])) <= set(KNOB)
    text = " ".join(PAGES[page].split())
    given = re.findall(r"`([\w.]+)` \(default ([^,:;)]+(?:\([^)]*\))?)", text)
    assert len(given) > at_least
    for key, default in given:
        shown = default if default != "empty" else ""
        if default.startswith("("):
            shown = text.split(f"`{key}` (default ")[1].split("):")[0]
        assert shown == str(KNOB[key].default).replace("'", '"'), key


@pytest.mark.parametrize("page", PAGES)
def test_flags_of_training_name_knobs(page):
    text = re.sub(THEORY, "", PAGES[page].replace("\\\n", " "), flags=re.MULTILINE)
    assert set(re.findall(r"--config\.([\w.]+)", text)) <= {*KNOB, "KNOB"}


@pytest.mark.parametrize("number", range(len(COMMANDS)))
def test_commands_of_training_are_taken_by_their_recipes(number):
    flags = flags_of(COMMANDS[number][1])
    path = flags.pop("config")
    if path in ("configs/NAME.py", "mine.py"):  # the latter is in the README, whose test runs it
        return
    changes = {key.removeprefix("config."): value for key, value in flags.items() if "KNOB" not in key}
    values = {k: v if KNOB[k].type is str else ast.literal_eval(v) for k, v in changes.items()}
    rows = expand(recipe_of(path), values)
    assert rows and all(configs.get(row.config, key) == value for row in rows for key, value in values.items())


def test_commands_on_theory_name_knobs_of_their_experiments():
    for text in PAGES.values():
        for line in re.findall(THEORY, text.replace("\\\n", " "), flags=re.MULTILINE):
            flags = flags_of(shlex.split(line, comments=True))
            path = flags.pop("config")
            if path != "configs/theory/NAME.py":
                known = theory.knobs_of(recipe_of(path).experiment)
                assert {key.removeprefix("config.") for key in flags} <= set(known), line


def test_laws_on_the_page_are_laws():
    shown = re.findall(r'--config\.method\.law="(.*?)"', METHODS_PAGE)
    assert len(shown) == 4 and all(KNOB["method.law"].allowed.holds(law) for law in shown)


@pytest.mark.parametrize(
    "page, knob, expected",
    [
        ("methods.md", "method.name", ["erm", "cutmix", "mixup"]),
        ("mitigations.md", "mitigation.name", ["erm", "group_dro"]),
    ],
)
def test_the_recipe_on_the_page_is_one(page, knob, expected, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    [code] = re.findall(r"```python\n(.*?)```", PAGES[page], flags=re.DOTALL)
    namespace = {}
    exec(code, namespace)
    assert [configs.get(row.config, knob) for row in expand(namespace["get_config"]())] == expected


def anchors_of(text):
    """The anchors that the site gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=PAGES)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", document.read_text()):
        path, _, anchor = target.partition("#")
        linked = document.parent / path if path else document
        assert linked.exists(), target
        assert not anchor or anchor in anchors_of(linked.read_text()), target
        if document.is_relative_to(ROOT / "docs"):
            assert linked.resolve().is_relative_to(ROOT / "docs"), f"{target} is not part of the site"


def test_the_site_lists_every_page():
    def pages(entries):
        for entry in entries:
            for value in entry.values():
                yield from pages(value) if isinstance(value, list) else [value]

    listed = list(pages(SITE["nav"]))
    assert sorted(listed) == sorted(
        path.relative_to(ROOT / "docs").as_posix() for path in DOCUMENTS if path.parent != ROOT
    )


def test_the_site_fetches_nothing():
    """Neither fonts nor scripts: pages open without a network."""
    assert SITE["theme"]["font"] is False and not {"extra_css", "extra_javascript"} & set(SITE)
    for text in PAGES.values():
        assert not re.search(r"!\[[^\]]*\]\(https?:|<script|<link|<iframe", text)


def test_included_files_and_packages_of_the_reference_exist():
    for text in PAGES.values():
        for file in re.findall(r'^--8<-- "(.+)"$', text, flags=re.MULTILINE):
            assert (ROOT / file).exists() and "](" not in (ROOT / file).read_text(), "links would break on the site"
        for package in re.findall(r"^::: ([\w.]+)$", text, flags=re.MULTILINE):
            assert (ROOT / package.replace(".", "/") / "__init__.py").exists(), package

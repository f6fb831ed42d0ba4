"""Numbers that documents state, "86.1 ± 1.4", and where they come from: a metric of a row, mean and sd over seeds.

A recipe's docstring states numbers of that recipe; a section of a page in docs/ those of the recipes that it names, or that
the sections above it name. A number is found in a run if some metric of some row has this mean and sd, as it stands or in
percent, rounded to the digits stated. A passage that gives flags, --config.KNOB, states what came out with those: such
numbers are listed and not looked for. Without jax.
"""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lamv import places
from lamv.results.records import Row

NUMBER = re.compile(r"([−-]?(?:\d+(?:\.\d+)?|\.\d+)) ?± ?(\d+(?:\.\d+)?|\.\d+)")
RECIPE = re.compile(r"configs/([\w/]+)\.py")
FLAG = re.compile(r"--config\.\w")
HEADING = re.compile(r"^(#+) ", flags=re.MULTILINE)
#: A blank line, but for one after a colon: what follows there belongs to it.
PASSAGE = re.compile(r"(?<![:\n])\n\s*\n")
#: As it stands, and in percent.
SCALES = (1.0, 100.0)
#: Of the last digit. A little more than a half: means in claims.json are in decimal.
HALF = 0.5001


class Stated(NamedTuple):
    """A number as a document states it.

    recipes: those that it can come from, by name. flagged: whether it came out with flags, and not of a recipe as it is.
    """

    document: str
    text: str
    recipes: tuple[str, ...]
    flagged: bool


def everywhere() -> list[Stated]:
    """The numbers of all recipes and pages, each once a document."""
    found = [one for name, file in places.recipes().items() for one in of_recipe(name, file)]
    for page in (places.ROOT / "README.md", *sorted((places.ROOT / "docs").glob("*.md"))):
        if page.name != "claims.md" and page.is_file():
            found += of_page(page.name, page.read_text(encoding="utf-8"))
    return list(dict.fromkeys(found))


def of_recipe(name: str, file: Path) -> list[Stated]:
    """The numbers in the docstring of a recipe."""
    words = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return _of_text(f"configs/{name}.py", words, (name,))


def of_page(document: str, text: str) -> list[Stated]:
    """The numbers of a page, in Markdown."""
    known, above, found = places.recipes(), {}, []
    for level, section in _sections(text):
        named = tuple(dict.fromkeys(name for name in RECIPE.findall(section) if name in known))
        above = {depth: names for depth, names in above.items() if depth < level} | {level: named}
        found += _of_text(
            document, section, next((above[depth] for depth in sorted(above, reverse=True) if above[depth]), ())
        )
    return found


def _sections(text: str) -> list[tuple[int, str]]:
    """(level of the heading, text), from heading to heading."""
    starts = [(0, 0), *((match.start(), len(match[1])) for match in HEADING.finditer(text))]
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return [(level, text[start:end]) for (start, level), end in zip(starts, ends, strict=True)]


def _of_text(document: str, text: str, recipes: tuple[str, ...]) -> list[Stated]:
    return [
        Stated(document, match[0], recipes, bool(FLAG.search(passage)))
        for passage in PASSAGE.split(text)
        for match in NUMBER.finditer(passage)
    ]


def of(recipe: str, numbers: Iterable[Stated], flagged: bool = False) -> list[Stated]:
    """Those of the numbers that can come from a recipe, whichever of its variants; flagged: also those with flags."""
    name = recipe.partition(":")[0]
    return [one for one in numbers if name in one.recipes and (flagged or not one.flagged)]


def found(numbers: Sequence[Stated], rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Those of the numbers that the rows of a run have in a metric, as claims.json holds them.

    An error is 1 - accuracy. Of several metrics with the same digits, the one that has most of its document's numbers.
    """
    known = [(row.name, metric, spread) for row in rows for metric, spread in row.metrics.items()]
    known += [
        (row, f"{metric.removesuffix('accuracy')}error", spread._replace(mean=1 - spread.mean))
        for row, metric, spread in known
        if metric.endswith("accuracy")
    ]
    matches = {one: [it for it in known if agrees(one.text, it[2].mean, it[2].sd)] for one in numbers}
    usual: dict[str, Counter] = defaultdict(Counter)
    for one, those in matches.items():
        usual[one.document].update({metric for _, metric, _ in those})
    result = []
    for one, those in matches.items():
        if those:
            row, metric, (mean, sd, n, _) = max(those, key=lambda it, own=usual[one.document]: own[it[1]])
            where = {"document": one.document, "text": one.text, "row": row, "metric": metric}
            result.append(where | {"mean": mean, "sd": sd, "n": n})
    return result


def agrees(text: str, mean: float | None, sd: float | None) -> bool:
    """Whether a mean and an sd are, rounded, those of a text such as "86.1 ± 1.4"."""
    if mean is None or sd is None:
        return False
    number, _, spread = text.partition("±")
    return any(_rounds(number.strip(), mean * scale) and _rounds(spread.strip(), sd * scale) for scale in SCALES)


def _rounds(text: str, value: float) -> bool:
    digits = len(text.partition(".")[2])
    return abs(float(text.replace("−", "-")) - value) <= HALF * 10**-digits


def missing(numbers: Iterable[Stated], recipes: Sequence[Mapping[str, Any]]) -> list[Stated]:
    """Those that no recipe of a record (claims.json) accounts for, without those that came out with flags.

    What was found in a recipe's run for one document holds for another that states the same of the recipe.
    """
    record = {(one["recipe"].partition(":")[0], number["text"]) for one in recipes for number in one["stated"]}
    return [one for one in numbers if not one.flagged and record.isdisjoint((name, one.text) for name in one.recipes)]

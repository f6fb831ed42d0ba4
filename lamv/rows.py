"""Some rows of a recipe: --rows='LS*,Mixup'.

The recipe is checked as a whole first: what it sets for all rows may be for those that are left out. A claim about a row
that is not trained, or one that compares with such a row, is left out too (lamv.config.snapshot), and a note says so.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from lamv.claims import rows_in
from lamv.config import Variant
from lamv.errors import ConfigError, brief, listed, nearest
from lamv.unused import check


def choose(rows: Sequence[Variant], given: str, overrides: Mapping[str, Any]) -> list[Variant]:
    """The rows that a list of patterns names, in the order of the recipe; all of them for "".

    given: patterns with commas between, or one that may itself contain commas; * ? [ ] as in a shell. overrides: of the
    command line, which must do something in a row that is left. Raises ConfigError for a pattern that matches no row.
    """
    if not given:
        return list(rows)
    whole = [row for row in rows if any(_matches(name, given) for name in _names(row))]
    patterns = [given] if whole else [part.strip() for part in given.split(",")]
    for pattern in patterns:
        names = [name for row in rows for name in _names(row)]
        if not any(_matches(name, pattern) for name in names):
            raise ConfigError(
                f"--rows has {brief(pattern)}, which matches no row{nearest(pattern, names)}; the recipe has"
                f" {listed([repr(name) for name in names], 30)}"
            )
    chosen = [row for row in rows if any(_matches(name, pattern) for name in _names(row) for pattern in patterns)]
    check(chosen, {row.name: {} for row in chosen}, {}, {k: v for k, v in overrides.items() if v is not None})
    return chosen


def note(rows: Sequence[Variant], chosen: Sequence[Variant], claims: Sequence[Sequence]) -> str:
    """A sentence on the rows and claims that are left out; "" where none is."""
    if len(chosen) == len(rows):
        return ""
    names = {row.name for row in chosen}
    left = sum(not rows_in(claim) <= names for claim in claims)
    about = f"; {left} of its {len(claims)} claims are about others, and are not judged" if left else ""
    return f"{len(chosen)} of the {len(rows)} rows of the recipe, chosen by --rows{about}"


def _names(row: Variant) -> tuple[str, ...]:
    """Its name, and those in the recipe where a flag renamed it (lamv.config.expand)."""
    return (row.name, *row.was)


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)

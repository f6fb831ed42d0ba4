"""The rows of a recipe: `expand` checks them, a variant each, and `choose` takes some of them, for --rows='LS*,Mixup'.

Choosing comes second: what a recipe sets for all rows may be for those that are left out. A claim about a row that is
not trained, or one that compares with such a row, is left out too (lamv.config.snapshot), and `left_out` says so.
"""

import itertools
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from lamv import claims, paths, row_names
from lamv.config import LENGTHS, RUN_WIDE, Variant, defaults, is_text, set_knob, validate
from lamv.core.methods import METHODS
from lamv.core.shortcuts import SHORTCUTS, split_placements
from lamv.errors import ConfigError, brief, listed, nearest
from lamv.knobs import KNOB, MAX_ROWS, WHOLE, flatten, get
from lamv.unused import check as check_use
from lamv.unused import check_length, check_milestones

#: Knobs that hold a path; empty where there is none.
PATHS = ("data.path", "data.shortcut.images_path", "distill.teacher")


def expand(config, overrides: Mapping[str, Any] | None = None) -> list[Variant]:
    """The variants of a recipe, one a row, each checked. Raises ConfigError.

    config: a filled `defaults()`, flags applied. overrides: {key: value} of the command line, set again after the changes
    of a row. A recipe without rows is one row, named by its method. Where a flag sets a knob in which the rows differ,
    there may be fewer rows, with other names (lamv.row_names).
    """
    overrides = {key: value for key, value in (overrides or {}).items() if key not in WHOLE}
    base = flatten(config)
    for key in KNOB:
        if key not in base:
            raise ConfigError(
                f"the config of the recipe lacks {key}; begin with lamv.config.defaults(), and change that"
            )
    stated, published = base.pop("claims"), base.pop("published")
    by_row = named_rows(base.pop("rows") or {str(base["method.name"]): {}})
    for length, other in LENGTHS:
        # The flags are in the config already, beside the recipe's length in the other unit.
        if overrides.get(length) is not None and other not in overrides:
            base[other] = None
    rows = [_row(name, base, changes, overrides, alone=len(by_row) == 1) for name, changes in by_row.items()]
    _check_common(rows)
    check_use(
        rows,
        {name: _set_by(changes) for name, changes in by_row.items()},
        _set_by({key: value for key, value in base.items() if key not in overrides}),
        {key: value for key, value in overrides.items() if value is not None},
    )
    _check_claims(stated, published, rows, overrides, has_names=bool(config["rows"]))
    return row_names.under_flags(rows, by_row, overrides)


def named_rows(rows: Any) -> dict[str, dict[str, Any]]:
    """{name: flat changes} of the rows of a recipe. Raises ConfigError for malformed rows or names."""
    if not isinstance(rows, Mapping) or not all(isinstance(changes, Mapping) for changes in rows.values()):
        raise ConfigError("rows must map row names to {knob: value}; see configs/digits_tag.py for an example")
    if len(rows) > MAX_ROWS:
        raise ConfigError(f"rows has {len(rows)} rows, must have at most {MAX_ROWS}; make several recipes of it")
    named: dict[str, dict[str, Any]] = {}
    for given, changes in rows.items():
        name = str(given) if type(given) in (int, float) else given
        plain = type(name) is str and 0 < len(name) <= 200 and name == name.strip()
        if not plain or not is_text(name, of_one_line=True):
            raise ConfigError(
                f"rows has the name {brief(given)}, must be text of one line, of 1 to 200 characters, without space at its"
                " ends"
            )
        if name in named:
            raise ConfigError(f"rows has two rows of the same name, {name!r}; rename one")
        named[name] = flatten(changes)
    return named


def _row(name: str, base: Mapping, changes: Mapping, overrides: Mapping, *, alone: bool) -> Variant:
    """One variant: the knobs of the recipe, then those of the row, then the flags."""
    config = defaults()
    for where, layer in (("config", base), (f"row {name!r}", changes), ("flags", overrides)):
        if all(layer.get(length) is not None for length, _ in LENGTHS):
            raise ConfigError(
                f"{where}: steps is {layer['steps']} and epochs is {layer['epochs']}; give one of the two"
            )
        for length, other in LENGTHS:
            if layer.get(length) is not None:
                set_knob(config, other, None, where)
        for key, value in layer.items():
            set_knob(config, key, value, where)
    try:
        validate(config)
        for key in PATHS:
            if get(config, key):
                # Only checked: ~ is recorded as it is, for the home of another reader.
                paths.local(f"config.{key}", get(config, key), KNOB[key].meaning)
        check_milestones(config)
        if config.steps is not None:
            check_length(config, config.steps)
    except ConfigError as error:
        raise ConfigError(str(error) if alone else f"row {name!r}: {error}") from None
    return Variant(name, config)


def _check_common(rows: list[Variant]) -> None:
    """Raise ConfigError unless knobs of the run as a whole are the same in all rows."""
    for row, key in itertools.product(rows, RUN_WIDE):
        if get(row.config, key) != get(rows[0].config, key):
            raise ConfigError(
                f"row {row.name!r} sets {key}, which must be the same in all rows; set it outside of rows"
            )


def _set_by(layer: Mapping[str, Any]) -> dict[str, Any]:
    """The knobs of a recipe or a row that are not at their default."""
    return {
        key: value for key, value in layer.items() if value is not None and claims.plain(value) != KNOB[key].default
    }


def _check_claims(
    stated: Any, published: Any, rows: list[Variant], overrides: Mapping[str, Any], *, has_names: bool
) -> None:
    """Raise ConfigError for claims that can never be judged, and for published numbers of what is not measured.

    has_names: False for a recipe without rows.

    Under flags that change the data, a claim may name any split, since other data may have it.
    """
    other_data = any(key.startswith("data.") for key in overrides)

    def placed(row: Variant) -> list[str]:
        kind = row.config.data.shortcut.kind
        kinds = SHORTCUTS if other_data else () if kind == "none" else (kind,)
        return list(dict.fromkeys(split for one in kinds for split in split_placements(one) if split != "test"))

    names = {row.name: placed(row) for row in rows}
    if not has_names and "method.name" in overrides:
        names = dict.fromkeys(METHODS, placed(rows[0]))
    task = "" if other_data or "loss.name" in overrides else _task(rows)
    claims.check(stated, names, task)
    claims.check_published(published, names, task)


def _task(rows: list[Variant]) -> str:
    """ "classification" or "regression"; "" where only the data knows."""
    data = rows[0].config.data
    if data.name == "diabetes":
        return "regression"
    # Numbers are learned by squared error alone.
    others = any(row.config.loss.name != "squared_error" for row in rows)
    return "classification" if others else "" if data.task == "auto" else data.task


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
    check_use(chosen, {row.name: {} for row in chosen}, {}, {k: v for k, v in overrides.items() if v is not None})
    return chosen


def left_out(rows: Sequence[Variant], chosen: Sequence[Variant], stated: Sequence[Sequence]) -> str:
    """A sentence on the rows and claims that are left out; "" where none is. stated: the claims of the recipe."""
    if len(chosen) == len(rows):
        return ""
    names = {row.name for row in chosen}
    left = sum(not claims.rows_in(claim) <= names for claim in stated)
    about = f"; {left} of its {len(stated)} claims are about others, and are not judged" if left else ""
    return f"{len(chosen)} of the {len(rows)} rows of the recipe, chosen by --rows{about}"


def _names(row: Variant) -> tuple[str, ...]:
    """Its name, and those in the recipe where a flag renamed it (`expand`)."""
    return (row.name, *row.was)


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)

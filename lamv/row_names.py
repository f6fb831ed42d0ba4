"""The names of rows where a flag sets what they differ in: --config.optim.weight_decay=0.01 over "ERM" and "ERM+wd"."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from lamv import claims
from lamv.catalog import methods, mitigations, words
from lamv.config import Variant, default_of, nested
from lamv.errors import listed
from lamv.knobs import KNOB, flatten
from lamv.unused import use_of

logger = logging.getLogger("lamv.config")
#: Knobs that the short names of methods and mitigations hold.
IN_SHORT = ("method.", "mitigation.", "loss.max_suppression")
#: Knobs by which recipes name their rows: under a flag for one of them, no name is true.
NAMING = (*IN_SHORT, "distill.")


def under_flags(
    rows: list[Variant], changes: Mapping[str, Mapping[str, Any]], flags: Mapping[str, Any]
) -> list[Variant]:
    """Rows by names that are true under flags; rows that a flag made equal are one, the first.

    changes: {name: {key: value}} of the recipe's rows. flags: {key: value} of the command line, which the configs of
    the rows have already. Names are the recipe's unless a flag sets a knob in which its rows differ. Even then they stay
    where all rows are still distinct, and of the method and mitigation that they were; else all are named by how they
    differ.
    """
    levelled = [key for key in flags if not KNOB[key].free and _differ_in(key, rows, changes)]
    if not levelled:
        return rows
    equal: dict[str, list[Variant]] = {}
    for row in rows:
        equal.setdefault(json.dumps(_in_use(row.config), sort_keys=True), []).append(row)
    by = " and ".join(f"--config.{key}" for key in levelled)
    if len(equal) == len(rows) and not any(key.startswith(NAMING) for key in levelled):
        logger.info("rows of the recipe differ in what %s sets, now for all of them; they keep their names", by)
        return rows
    firsts = [same[0].config for same in equal.values()]
    were = [tuple(row.name for row in same) for same in equal.values()]
    names = _names(firsts, [json.loads(knobs) for knobs in equal])
    became = [f"{name!r} (was {', '.join(map(repr, was))})" for name, was in zip(names, were, strict=True)]
    logger.info("rows of the recipe differ in what %s sets, so they are renamed: %s", by, listed(became, 12))
    return [Variant(*row) for row in zip(names, firsts, were, strict=True)]


def _differ_in(key: str, rows: Sequence[Variant], changes: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the recipe gives a knob different values in those of its rows where the knob does something."""
    use = use_of(key)
    acting = [changes[row.name] for row in rows if use is None or use.acts(row.config)]
    return len({repr(claims.plain(of.get(key, KNOB[key].default))) for of in acting}) > 1


def _in_use(config) -> dict[str, Any]:
    """The knobs that decide what a row learns, without those that do nothing in it."""
    flat = flatten(nested(config))
    return {k: v for k, v in flat.items() if not KNOB[k].free and ((use := use_of(k)) is None or use.acts(config))}


def _names(configs: Sequence[ConfigDict], in_use: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of configs by method, mitigation and the knobs in which they differ. in_use: `_in_use` of each."""
    keys = {key: None for knobs in in_use for key in knobs}
    differing = [key for key in keys if len({repr(knobs.get(key)) for knobs in in_use}) > 1]
    beside = [key for key in differing if not key.startswith(IN_SHORT)]
    names = [_name_of(*row, beside) for row in zip(configs, in_use, strict=True)]
    if len(set(names)) < len(names):  # a user's own method has a short name without knobs
        names = [_name_of(*row, differing) for row in zip(configs, in_use, strict=True)]
    return names


def _name_of(config, in_use: Mapping[str, Any], keys: Sequence[str]) -> str:
    """ "mixup α=1, optim.weight_decay=0.001": method and mitigation in short, and those of the keys not at their default."""
    plain = nested(config)
    short = " + ".join(part for part in (methods.in_short(plain), mitigations.in_short(plain)) if part)
    beside = [key for key in keys if key in in_use and in_use[key] != default_of(key)]
    return ", ".join([short, *(f"{key}={words.plain(in_use[key])}" for key in beside)])

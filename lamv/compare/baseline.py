"""Which ERM row a row is compared with: the one that differs from it in the method only.

ERM under a mitigation is the baseline of the rows under the same mitigation.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from lamv.catalog import methods, mitigations, model_selection
from lamv.knobs import flatten
from lamv.results.records import Row

#: What makes a method: label augmentation, a teacher, and MaxSup.
METHOD = ("method.", "distill.", "loss.max_suppression")


def is_erm(row: Row) -> bool:
    """Neither label augmentation nor a teacher nor MaxSup; with or without a mitigation."""
    more = ("distill.row", "method.switch", "loss.max_suppression")
    return row.knob("method.name") == "erm" and not any(map(row.knob, more))


def settings_of(row: Row, without: tuple[str, ...] = METHOD) -> dict[str, Any]:
    """The knobs in use by a row, {dotted key: value}, but for those whose key begins with `without`.

    Not in use: knobs of other mitigations, and those of model selection where the last step counts.
    """
    flat = {key: value for key, value in flatten(row.config).items() if not key.startswith("mitigation.")}
    if flat.get("select.rule") in (None, model_selection.LAST):
        flat = {key: value for key, value in flat.items() if not key.startswith("select.")}
    return {k: v for k, v in {**flat, **mitigations.settings(row.config)}.items() if not k.startswith(without)}


def baseline_of(row: Row, rows: Sequence[Row]) -> Row | None:
    """The ERM row that differs from this one in the method only, at the same step."""
    if is_erm(row):
        return None
    settings = settings_of(row)
    return next((r for r in rows if is_erm(r) and r.step == row.step and settings_of(r) == settings), None)


def alike(rows: Sequence[Row], without: tuple[str, ...]) -> list[list[Row]]:
    """Rows at the same step that agree in all but their method and the knobs whose key begins with `without`."""
    by_rest: dict[str, list[Row]] = {}
    for row in rows:
        rest = settings_of(row, without=(*METHOD, "parallel.", *without))
        by_rest.setdefault(repr((sorted(rest.items(), key=str), row.step)), []).append(row)
    return list(by_rest.values())


def method_key(row: Row) -> str:
    """Equal for rows of the same method: its knobs as text."""
    if not row.config:
        return row.name
    if is_erm(row):
        return "erm"
    knobs = {k: v for k, v in flatten(row.config).items() if k.startswith(METHOD) and k != "distill.teacher"}
    if not knobs.get("loss.max_suppression"):
        knobs.pop("loss.max_suppression", None)  # an earlier version has none
    return repr(sorted((k, repr(v)) for k, v in knobs.items()))


def row_in_short(config: Mapping[str, Any]) -> str:
    """ "mixup α=0.2 + group_dro": the method, and the mitigation where there is one."""
    return " + ".join(part for part in (methods.in_short(config), mitigations.in_short(config)) if part)


def common_name(rows: Sequence[Row]) -> str:
    """The words with which the names of all rows begin: "LS .1" of "LS .1 · none" and "LS .1 · jtt"; "" for none."""
    words = [[word.rstrip(",;:") for word in row.name.split()] for row in rows]
    common = list(itertools.takewhile(lambda at: len(set(at)) == 1, zip(*words, strict=False)))
    while common and not any(letter.isalnum() for letter in common[-1][0]):
        common.pop()  # what stood between the common part and the rest
    return " ".join(at[0] for at in common)

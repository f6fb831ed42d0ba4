"""Captions that name the step at which the numbers of rows were taken."""

from collections.abc import Sequence

from lamv.catalog import model_selection
from lamv.results.records import Row


def in_words(row: Row) -> str:
    """ "the step with the best validation accuracy", after "Numbers of"."""
    if row.step is not None:
        return f"step {row.step}"
    return model_selection.in_words(row.knob("select.rule") or model_selection.LAST, row.knob("select.patience"))


def caption(rows: Sequence[Row]) -> str:
    """ "Numbers of the last step."; of rows that differ, which is which."""
    if not any(row.metrics for row in rows):
        return ""
    by_words: dict[str, list[Row]] = {}
    for row in rows:
        by_words.setdefault(in_words(row), []).append(row)
    if len(by_words) == 1:
        return f"Numbers of {next(iter(by_words))}."
    # The rule of most rows goes without their names.
    (first, _), *others = sorted(by_words.items(), key=lambda item: -len(item[1]))
    return f"Numbers of {first}; " + "; ".join(f"{_named(members)}: of {words}" for words, members in others) + "."


def steps_in_short(row: Row) -> str:
    """ "400–800": the steps that were chosen, seed by seed; "" where none were."""
    if not row.selected:
        return ""
    low, high = min(row.selected), max(row.selected)
    return f"{low}" if low == high else f"{low}–{high}"


def _named(rows: Sequence[Row]) -> str:
    names = [f"“{row.name}”" for row in rows]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")

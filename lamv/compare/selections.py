"""Which step the numbers of a row are of, in words. lamv.config lists the rules; nothing here imports jax."""

from collections.abc import Sequence

from lamv.results.records import Row

LAST, ORACLE = "last", "oracle_test_worst_group"
#: What follows "Numbers of".
RULES = {
    LAST: "the last step",
    "valid_worst_group": "the step with the best validation worst-group accuracy",
    "valid_accuracy": "the step with the best validation accuracy",
    "valid_mean_group": "the step with the best validation mean group accuracy",
    ORACLE: "the step with the best worst-group accuracy on the test set (ORACLE: chosen on the test set)",
}


def in_words(row: Row) -> str:
    """ "the step with the best validation accuracy, seed by seed, no later than ...": what `caption` says of a row."""
    if row.step is not None:
        return f"step {row.step}"
    rule = row.knob("select.rule") or LAST
    words = RULES.get(rule, f"the step that the rule {rule} chose")
    patience = row.knob("select.patience")
    if patience and rule != LAST:
        several = "evaluation" if patience == 1 else f"{patience} evaluations"
        words += f", early stopping after {several} without a better one"
    return words


def caption(rows: Sequence[Row]) -> str:
    """A sentence for the caption of a table: "Numbers of the last step."; of rows that differ, which is which."""
    if not any(row.metrics for row in rows):
        return ""
    by_words: dict[str, list[Row]] = {}
    for row in rows:
        by_words.setdefault(in_words(row), []).append(row)
    if len(by_words) == 1:
        return f"Numbers of {next(iter(by_words))}."
    # The rule of most rows goes without their names.
    (first, _), *others = sorted(by_words.items(), key=lambda item: -len(item[1]))
    return f"Numbers of {first}; " + "; ".join(f"{_named(own)}: of {words}" for words, own in others) + "."


def steps_in_short(row: Row) -> str:
    """ "400–800": the steps that were chosen, seed by seed; "" where none were."""
    if not row.selected:
        return ""
    low, high = min(row.selected), max(row.selected)
    return f"{low}" if low == high else f"{low}–{high}"


def _named(rows: Sequence[Row]) -> str:
    names = [f"“{row.name}”" for row in rows]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")

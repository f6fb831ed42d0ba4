"""Which step of a run its numbers are of: the last, or the one that a validation split finds best.

A rule reads what was measured while training (the lines of metrics.jsonl) and nothing else, so it costs no training and
changes none: with another rule, the same run has other numbers. Early stopping is such a rule: what comes after
`patience` evaluations without a better one is not looked at. All seeds of a row train in one program, to the end.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lamv.catalog import mitigations
from lamv.catalog.model_selection import RULES


def selected(lines: Sequence[Mapping[str, Any]], select, first_step: int = 0) -> Mapping[str, Any]:
    """The line of one replica that a row's numbers are taken from.

    lines: of that replica, in order. select: the knobs select.rule and select.patience. first_step: lines up to and with
    this step do not count (the first stage of two, or all before a last layer is fitted anew). Of several that are equally
    good it is the first.
    """
    metric = RULES[select.rule].metric
    if not metric:
        return lines[-1]
    best: Mapping[str, Any] = {}
    since = 0
    for line in lines:
        if line["step"] <= first_step or metric not in line:
            continue
        if not best or line[metric] > best[metric]:
            best, since = line, 0
        else:
            since += 1
            if since == select.patience:
                break
    return best


def counts_after(config, last: int) -> int:
    """The step up to and with which the network is not yet that of the row: of a first stage, or before a refit.

    last: the last step of the row.
    """
    return last - 1 if mitigations.of(config).refits else mitigations.knob_of(config, "first_steps", 0)

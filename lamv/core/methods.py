"""The methods of label augmentation by name: what a training batch becomes before the loss sees it.

A method is a pure function (key, inputs, targets, *, knobs...) -> (inputs, targets). The engine passes it the knobs
that its signature names, from `config.method`, and `rows` if it asks for it. Numeric knobs arrive as traced scalars,
so rows of a recipe that differ only in them share one compiled program. To add a method, write the function and give it
a line in METHODS; a knob that is new also gets a line in lamv/config.py.
"""

import inspect
from collections.abc import Callable, Mapping

from lamv.core.batch import Rows
from lamv.core.mixing import midpoint, mixup
from lamv.core.targets import smooth


def erm(key, inputs, targets):
    """Empirical risk minimisation: the batch as it is."""
    return inputs, targets


def label_smoothing(key, inputs, targets, *, smoothing, convention: str):
    """Label smoothing (Szegedy et al. 2016); see lamv.core.targets for the two conventions."""
    return inputs, smooth(targets, smoothing, convention)


def apply(method: Callable, key, inputs, targets, *, knobs: Mapping, rows: Rows):
    """Call `method` with those of `knobs` that it names, and with `rows` if it mixes examples."""
    given = {**knobs, "rows": rows}
    return method(key, inputs, targets, **{name: given[name] for name in knobs_of(method)})


def knobs_of(method: Callable) -> tuple[str, ...]:
    """Names of the keyword-only arguments of a method."""
    parameters = inspect.signature(method).parameters.values()
    return tuple(p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY)


METHODS: dict[str, Callable] = {
    "erm": erm,
    "label_smoothing": label_smoothing,
    "mixup": mixup,
    "midpoint": midpoint,
}

"""Shortcuts that could be: a cue of known variance, planted in the data at hand, in place of one that nobody has seen.

The dose is the noise on the cue. It is told as the cue's within share, variance within classes over the total, the axis on
which the data's own directions lie as well (lamv.core.exchange.Discriminants): a cue below them is one that varies less.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamv.audit.question import ERM, Method
from lamv.audit.reading import Reading
from lamv.compare import doses
from lamv.core.image_cues import palette
from lamv.data.splits import joined
from lamv.results.records import Row

#: Noise, in units in which the cue's classes lie 1 apart on average: from none to more than the data's own features have.
NOISES = (0.0, 0.25, 0.5, 1.0, 2.0)
#: Accuracy with a random cue below ERM's by more than this: the method leans on the cue more.
LEANS = 0.03


class Cue(NamedTuple):
    """kind, strength: knobs under data.shortcut. spread: variance of its inputs between classes, mean over its inputs."""

    kind: str
    strength: float
    spread: float
    words: str

    def noise(self, dose: float) -> float:
        return float(dose * np.sqrt(2 * self.spread))

    def within_share(self, dose: float) -> float:
        """Variance within classes over the total variance of the cue."""
        return self.noise(dose) ** 2 / (self.noise(dose) ** 2 + self.spread)


def cue_for(reading: Reading) -> Cue | None:
    """The cue that suits the data; None where none does."""
    inputs, classes = joined(reading.splits, "inputs"), reading.splits.num_classes
    if inputs.ndim == 2:
        strength = 2 * float(np.median(np.nanstd(inputs[:20_000], axis=0))) or 1.0
        spread = strength**2 * (classes - 1) / classes**2
        return Cue(
            "tag", strength, spread, f"a further column for each class, {strength:.3g} where it is the class and else 0"
        )
    if inputs.shape[3] not in (1, 3):
        return None
    spread = float(palette(classes, inputs.shape[3]).var(axis=0).mean())
    return Cue("patch", 1.0, spread, "a square of the class’s own colour in the upper left corner")


def rows(methods: Sequence[Method], cue: Cue, number: int) -> dict[str, dict[str, Any]]:
    """Rows of a recipe: ERM and each method at so many doses."""
    doses_of = [NOISES[place] for place in np.linspace(0, len(NOISES) - 1, number).round().astype(int)]
    planted = {"data.shortcut.kind": cue.kind, "data.shortcut.strength": cue.strength}
    return {
        f"{method.label} noise {dose:g}": method.settings | planted | {"data.shortcut.noise": cue.noise(dose)}
        for method in (ERM, *methods)
        for dose in doses_of
    }


def told(results: Sequence[Row], methods: Sequence[Method], cue: Cue, own: float | None) -> dict[str, Any]:
    """What each method makes of the cue: {"cue", "doses": [{"noise", "within_share"}], "methods": {label: {...}}}.

    own: within share of the leading direction of the data, if known. Of a method: its accuracy with a random cue minus
    ERM's at each dose, an interval each, and cue_dose: the within share up to which it leans on the cue more than ERM; 0
    where it never does, None where it does at every dose.
    """
    by_name = {row.name: row for row in results}
    of_doses = [dose for dose in NOISES if f"erm noise {dose:g}" in by_name]
    told_of = {}
    for method in methods:
        values = np.array([
            [a - b for a, b in zip(by_name[f"{method.label} noise {dose:g}"].metrics[doses.METRIC].values,
                                   by_name[f"erm noise {dose:g}"].metrics[doses.METRIC].values, strict=True)]
            for dose in of_doses
        ]).T  # fmt: skip
        told_of[method.label] = {
            "differences": values.T.tolist(),
            "cue_dose": _cue_dose(values.mean(axis=0), [cue.within_share(dose) for dose in of_doses]),
        }
    erm = {f"{dose:g}": by_name[f"erm noise {dose:g}"].metrics[doses.METRIC].mean for dose in of_doses}
    return {
        "cue": cue._asdict(),
        "doses": [{"noise": cue.noise(dose), "within_share": cue.within_share(dose)} for dose in of_doses],
        "erm": list(erm.values()),
        "own_within_share": own,
        "methods": told_of,
    }


def _cue_dose(means: np.ndarray, shares: Sequence[float]) -> float | None:
    """The share at which the line through the mean differences rises above -LEANS for the last time."""
    below = np.flatnonzero(means < -LEANS)
    if not len(below):
        return 0.0
    last = int(below[-1])
    if last == len(means) - 1:
        return None
    step = (-LEANS - means[last]) / (means[last + 1] - means[last])
    return float(shares[last] + step * (shares[last + 1] - shares[last]))


def of_method(told_of: Mapping[str, Any] | None, label: str) -> float | None:
    """cue_dose of a method; None where no cue was planted, or at no dose it stops."""
    return told_of["methods"][label]["cue_dose"] if told_of else None

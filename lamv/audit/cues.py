"""Shortcuts that could be: a cue of known variance, planted in the data at hand, in place of one that nobody has seen.

The dose is the noise on the cue. It is given as the cue's within share, variance within classes over the total, the axis on
which the data's own directions lie as well (lamv.core.exchange.Discriminants): a cue below them is one that varies less.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from lamv.audit.question import ERM, DosedMethod
from lamv.audit.reading import Reading
from lamv.compare import doses
from lamv.core import shortcuts
from lamv.data.splits import joined
from lamv.results.records import Row

#: Noise, in units in which the cue's classes lie 1 apart on average: from none to more than the data's own features have.
NOISES = (0.0, 0.25, 0.5, 1.0, 2.0)
#: Of images: strength, and what is planted.
OF_IMAGES = {
    "patch": (1.0, "a square of the class’s own colour in the upper left corner"),
    "watermark": (0.6, "the number of the class in pale digits in the lower right corner"),
    "colour_cast": (0.3, "a cast of the class’s own colour over the image"),
    "frequency": (0.1, "a faint grating over the image, of the class’s own frequency"),
}
#: Accuracy with a random cue below ERM's by more than this: the method leans on the cue more.
LEANS = 0.03


class Cue(NamedTuple):
    """kind, strength: knobs under data.shortcut. spread: variance between classes of what the noise is added to."""

    kind: str
    strength: float
    spread: float
    words: str

    def noise(self, dose: float) -> float:
        """Standard deviation of the noise, for a dose of NOISES."""
        return float(dose * np.sqrt(2 * self.spread))

    def within_share(self, dose: float) -> float:
        """Variance within classes over the total variance of the cue."""
        return self.noise(dose) ** 2 / (self.noise(dose) ** 2 + self.spread)


def cues_for(reading: Reading, most: int) -> list[Cue]:
    """The cues that suit the data, `most` at most; [] where none does."""
    inputs, classes = joined(reading.splits, "inputs"), reading.splits.num_classes
    # Of a one-hot that is added: each of its inputs is 1 for one class and else 0.
    one_hot = (classes - 1) / classes**2
    if inputs.ndim == 2:
        strength = 2 * float(np.median(np.nanstd(inputs[:20_000], axis=0))) or 1.0
        words = f"a further column for each class, {strength:.3g} where it is the class and else 0"
        return [Cue("tag", strength, strength**2 * one_hot, words)][:most]
    found = []
    for kind, (strength, words) in OF_IMAGES.items():
        try:
            shape = shortcuts.planted_shape(kind, inputs.shape[1:], classes)
        except ValueError:  # images of a size or number of channels that it does not fit
            continue
        spread = strength**2 * one_hot if kind == "frequency" else _spread(kind, strength, shape, classes)
        found.append(Cue(kind, strength, spread, words))
    return found[:most]


def _spread(kind: str, strength: float, shape: tuple[int, ...], classes: int) -> float:
    """Variance between classes of the inputs that carry the cue, on a black image; mean over these."""
    none = jnp.zeros(shortcuts.noise_shape(kind, shape, classes))
    planted = np.stack([
        shortcuts.plant(kind, jnp.zeros(shape), jnp.int32(a), strength, none, num_classes=classes) for a in range(classes)
    ]).reshape(classes, -1)  # fmt: skip
    carries = shortcuts.cue_inputs(kind, shape, classes)
    return float(planted.var(axis=0)[slice(None) if carries is None else carries].mean())


def rows(methods: Sequence[DosedMethod], planted: Sequence[Cue], number: int) -> dict[str, dict[str, Any]]:
    """Rows of a recipe: ERM and each method, with each cue at so many doses."""
    doses_of = [NOISES[place] for place in np.linspace(0, len(NOISES) - 1, number).round().astype(int)]
    return {
        _row(method, cue, dose): method.settings
        | {"data.shortcut.kind": cue.kind, "data.shortcut.strength": cue.strength}
        | {"data.shortcut.noise": cue.noise(dose)}
        for cue in planted
        for method in (ERM, *methods)
        for dose in doses_of
    }


def _row(method: DosedMethod, cue: Cue, dose: float) -> str:
    return f"{method.label}, {cue.kind}, noise {dose:g}"


def responses(results: Sequence[Row], methods: Sequence[DosedMethod], cue: Cue, own: float | None) -> dict[str, Any]:
    """What each method makes of the cue: {"cue", "doses": [{"noise", "within_share"}], "methods": {label: {...}}}.

    own: within share of the leading direction of the data, if known. Of a method: its accuracy with a random cue minus
    ERM's at each dose, a list of the seeds, and cue_dose: the within share up to which it leans on the cue more than ERM; 0
    where it never does, None where it does at every dose.
    """
    by_name = {row.name: row.metrics[doses.METRIC] for row in results}
    of_doses = [dose for dose in NOISES if _row(ERM, cue, dose) in by_name]
    shares = [cue.within_share(dose) for dose in of_doses]
    erm = [by_name[_row(ERM, cue, dose)] for dose in of_doses]
    of_methods = {}
    for method in methods:
        own_values = [by_name[_row(method, cue, dose)].values for dose in of_doses]
        values = np.array(own_values) - np.array([base.values for base in erm])
        of_methods[method.label] = {"differences": values.tolist(), "cue_dose": _cue_dose(values.mean(axis=1), shares)}
    return {
        "cue": cue._asdict(),
        "doses": [
            {"noise": cue.noise(dose), "within_share": share} for dose, share in zip(of_doses, shares, strict=True)
        ],
        "erm": [base.mean for base in erm],
        "own_within_share": own,
        "methods": of_methods,
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


def of_method(of_methods: Sequence[Mapping[str, Any]], label: str) -> float | None:
    """The largest cue_dose of a method over the cues; None where none was planted, or a method leans at every dose."""
    of_cues = [one["methods"][label]["cue_dose"] for one in of_methods]
    return None if not of_cues or None in of_cues else max(of_cues)

"""What is asked of an audit: the data, the methods with their doses, the time."""

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lamv.catalog.methods import METHODS
from lamv.core.methods import METHODS as FUNCTIONS
from lamv.core.methods import knobs_of
from lamv.errors import ConfigError, DataError, brief, nearest, shown
from lamv.knobs import KNOB, MAX_IMAGE_SIZE
from lamv.models import MODELS

#: What an audit compares with ERM by default.
DEFAULT = "label_smoothing:.1,mixup:1"
#: ERM is what the others are compared with; the others pair numbers to be predicted.
NOT_AUDITED = ("erm", "c_mixup", "rc_mixup")
#: A day; nobody waits longer for a page.
MOST_MINUTES = 1440
#: The knob that a dose sets: of several, the first.
DOSES = ("alpha", "smoothing", "over_smoothing", "noise_rate", "running_decay", "scale_high", "weight")


class DosedMethod(NamedTuple):
    """A method of label augmentation with its dose. knob: under `method`, "" for a method without one."""

    name: str
    knob: str = ""
    dose: float = 0.0

    @property
    def label(self) -> str:
        """ "label_smoothing(0.1)"."""
        return f"{self.name}({self.dose:g})" if self.knob else self.name

    @property
    def settings(self) -> dict[str, Any]:
        """Knobs of a row of a recipe."""
        return {"method.name": self.name} | ({f"method.{self.knob}": self.dose} if self.knob else {})

    def milder(self) -> "DosedMethod | None":
        """A third of the dose; None where the dose says nothing about how strong the method is."""
        return self._replace(dose=float(f"{self.dose / 3:.2g}")) if self.knob in ("alpha", "smoothing") else None


ERM = DosedMethod("erm")


class Question(NamedTuple):
    """data: path of a folder, .npz, .csv or .parquet. out: the page. label, groups: columns of a table, "" for the usual.

    minutes: in which to answer. model: a network, or "auto". seed: the first of the seeds.
    """

    data: Path
    out: Path
    methods: tuple[DosedMethod, ...]
    label: str = ""
    groups: str = ""
    minutes: float = 10.0
    model: str = "auto"
    weights: str = ""
    image_size: int = 64
    seed: int = 0

    def command(self) -> str:
        """The command line that asks this."""
        methods = ",".join(f"{method.name}:{method.dose:g}" if method.knob else method.name for method in self.methods)
        options = {
            "data": self.data, "label": self.label, "groups": self.groups, "minutes": f"{self.minutes:g}",
            "methods": methods, "model": self.model if self.model != "auto" else "", "weights": self.weights,
            "image_size": self.image_size if self.image_size != 64 else "", "seed": self.seed or "", "out": self.out,
        }  # fmt: skip
        return shlex.join(["python", "-m", "experiments.audit", *(f"--{k}={v}" for k, v in options.items() if v != "")])

    def recorded(self) -> dict[str, Any]:
        """What must be the same where an audit goes on."""
        return {
            "data": str(self.data.resolve()), "methods": [method.label for method in self.methods], "label": self.label,
            "groups": self.groups, "minutes": self.minutes, "model": self.model, "weights": self.weights,
            "image_size": self.image_size, "seed": self.seed,
        }  # fmt: skip


def parsed(text: str) -> tuple[DosedMethod, ...]:
    """The methods of --methods=NAME:DOSE,NAME:DOSE. Raises ConfigError for what is no method, or no dose of it."""
    methods = [_method(part.strip()) for part in text.split(",") if part.strip()]
    labels = [method.label for method in methods]
    if not methods or len(set(labels)) < len(labels):
        raise ConfigError(
            f"--methods is {brief(text)}, must be different NAME:DOSE with commas between, such as {DEFAULT}"
        )
    return tuple(methods)


def _method(part: str) -> DosedMethod:
    name, colon, text = part.partition(":")
    allowed = [known for known in METHODS if known in FUNCTIONS and known not in NOT_AUDITED]
    if name not in allowed:
        raise ConfigError(
            f"--methods has {brief(name)}, must be among {', '.join(allowed)}{nearest(name, allowed)}; ERM is always there"
        )
    asked = knobs_of(FUNCTIONS[name])
    if METHODS[name].mixes:  # on smoothed labels or not, which is another matter
        asked = tuple(knob for knob in asked if knob != "smoothing")
    knob = next((knob for knob in DOSES if knob in asked and f"method.{knob}" in KNOB), "")
    if not knob:
        if colon:
            raise ConfigError(f"--methods has {brief(part)}: {name} has no dose; write {name}")
        return DosedMethod(name)
    known = KNOB[f"method.{knob}"]
    try:
        dose = float(text) if colon else float(known.default) or 0.1
    except ValueError:
        dose = math.nan
    if not known.allowed.holds(dose):
        raise ConfigError(f"--methods has {brief(part)}: {knob} must be {known.allowed.words} ({known.meaning})")
    return DosedMethod(name, knob, dose)


def rows(methods: Sequence[DosedMethod]) -> dict[str, dict[str, Any]]:
    """Rows of a recipe, one a method."""
    return {method.label: method.settings for method in methods}


def checked(data: str, out: str, methods: str, **options: Any) -> Question:
    """A Question of flags, as text. Raises ConfigError for what is out of range, DataError where there is no data."""
    asked = Question(Path(data), Path(out), parsed(methods), **options)
    if not 0 < asked.minutes <= MOST_MINUTES:
        raise ConfigError(f"--minutes is {asked.minutes:g}, must be above 0 and at most {MOST_MINUTES}; 10 is usual")
    if asked.model not in ("auto", *MODELS):
        known = ", ".join(("auto", *MODELS))
        raise ConfigError(
            f"--model is {brief(asked.model)}, must be one of {known}{nearest(asked.model, ('auto', *MODELS))}"
        )
    if not 8 <= asked.image_size <= MAX_IMAGE_SIZE:
        raise ConfigError(f"--image_size is {asked.image_size}, must be from 8 to {MAX_IMAGE_SIZE}")
    if not 0 <= asked.seed < 2**31 - 100:
        raise ConfigError(f"--seed is {asked.seed}, must be at least 0 and below 2^31 - 100")
    if asked.out.suffix != ".html":
        raise ConfigError(f"--out is {shown(asked.out)}, must end in .html; its .json and _runs/ lie beside it")
    if not asked.data.exists():
        raise DataError(
            f"{shown(asked.data)} does not exist; give --data a folder of photographs, .npz, .csv or .parquet"
        )
    return asked

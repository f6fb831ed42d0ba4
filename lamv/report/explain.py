"""Text of a report that does not depend on its numbers: methods, settings, definitions, provenance."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lamv.catalog import cues, glossary, methods, metrics, mitigations
from lamv.catalog.glossary import Term
from lamv.catalog.model_selection import RULES
from lamv.compare.baseline import is_erm
from lamv.knobs import KNOB, flatten
from lamv.results.experiment import Experiment
from lamv.results.records import Row, Run

#: Knobs that `method_in_words` describes.
IN_WORDS = ("method.", "loss.", "distill.", "mitigation.", "select.", "optim.after_switch")


def method_in_words(row: Row, num_classes: int | None) -> str:
    """The label augmentation of a row, its loss with the target that it sees, and its mitigation.

    num_classes: K, or None where it is not known.
    """
    words = [methods.in_words(row.config, 1 if _regression(row) else num_classes), mitigations.in_words(row.config)]
    if row.selected:
        words.append(f"Its numbers are of the steps {', '.join(map(str, row.selected))}, seed by seed.")
    return " ".join(part for part in words if part)


def _regression(row: Row) -> bool:
    """Whether the labels are numbers, from what was measured."""
    return any(metric.endswith("/rmse") for metric in row.metrics)


def names_in_brief(rows: Sequence[Row], most: int = 8) -> str:
    """What the names of rows stand for: "ERM: ordinary training. ERM+wd: ERM, weight decay 0.001."; of many, the methods."""
    rows = [row for row in rows if row.config]
    augmented = "Label augmentation: training on smoothed or mixed labels. " if not all(map(is_erm, rows)) else ""
    if len(rows) > most:
        return f"{augmented}In the rows: {_kinds(rows, most)}."
    differing = [key for key in _differing(rows) if not key.startswith(IN_WORDS)] if rows else []
    texts: list[str] = []
    plain: dict[str, str] = {}  # the row that has nothing beside its method
    for row in rows:
        knobs = flatten(row.config)
        beside = [
            f"{key.rpartition('.')[2].replace('_', ' ')} {_value(knobs[key])}"
            for key in differing
            if key in knobs and key in KNOB and knobs[key] != KNOB[key].default
        ]
        brief = ", ".join(part for part in (methods.in_brief(row.config), _mitigation(row)) if part)
        if not beside:
            plain.setdefault(brief, row.name)
        what = plain[brief] if beside and brief in plain else brief.removeprefix(f"{row.name}, ")
        texts.append(f"{row.name}: {', '.join([what, *beside])}.")
    return augmented + " ".join(texts)


def _kinds(rows: Sequence[Row], most: int) -> str:
    """The methods and mitigations of rows; a number in which rows of one kind differ is left out."""
    kinds: dict[str, dict[str, None]] = {}
    for row in rows:
        for text in (methods.in_brief(row.config), _mitigation(row)):
            kinds.setdefault(re.sub(r" = [\d.]+", "", text), {})[text] = None
    words = [next(iter(texts)) if len(texts) == 1 else kind for kind, texts in kinds.items() if kind]
    return "; ".join([*words[:most], *(["…"] if len(words) > most else [])])


def _mitigation(row: Row) -> str:
    """ "group DRO"; "" for none."""
    return mitigations.in_words(row.config).split(":")[0]


def differences(row: Row, rows: Sequence[Row]) -> str:
    """The knobs in which rows differ, without those of `method_in_words`: "optim.weight_decay = 0.001"."""
    knobs = flatten(row.config)
    return ", ".join(
        f"{key}\xa0=\xa0{_value(knobs.get(key))}" for key in _differing(rows) if not key.startswith(IN_WORDS)
    )


def _differing(rows: Sequence[Row]) -> list[str]:
    first, *others = (flatten(row.config) for row in rows)
    return [key for key in first if any(other.get(key) != first[key] for other in others)]


def common_settings(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """(knob, value) of every knob that has the same value in all rows."""
    first, *others = (flatten(row.config) for row in rows)
    return [(k, _value(v)) for k, v in first.items() if all(k in o and o[k] == v for o in others)]


def setup(run: Run) -> list[Term]:
    """Data, cue, network, optimiser and length of the first row in words, and which of their knobs differ by row."""
    first = run.rows[0]
    if not first.config:
        return []
    knob = first.knob
    drawn = f"{knob('data.train_size')} training examples, drawn by the seed"
    size = drawn if knob("data.train_size") else "all training examples"
    widths = ", hidden widths " + ", ".join(map(str, knob("model.widths"))) if knob("model.widths") else ""
    length = f"{knob('steps')} steps" if knob("steps") else f"{knob('epochs')} epochs"
    seeds = f"{knob('seeds')} seed{'s' if knob('seeds') != 1 else ''} from {knob('seed')}"
    rate = f"learning rate {_value(knob('optim.lr'))} ({knob('optim.schedule')})"
    decay = f"weight decay {_value(knob('optim.weight_decay'))}"
    differing = _differing(run.rows)
    noisy = any(row.knob("data.label_noise") for row in run.rows)

    def term(name: str, text: str, *keys: str) -> Term:
        by_row = [key for key in differing if key.startswith(keys)]
        return Term(name, f"{text}." + (f" Differs by row: {', '.join(by_row)}." if by_row else ""))

    return [
        term("Data", f"{knob('data.name')}, {size}", "data."),
        *([term("Labels", _noise_in_words(first), "data.label_noise")] if noisy else []),
        term("Cue", cues.in_words(knob("data.shortcut", {})), "data.shortcut."),
        term("Network", f"{knob('model.name')}{widths}", "model."),
        term("Optimiser", f"{knob('optim.name')}, {rate}, {decay}", "optim."),
        term("Length", f"{length} of {knob('batch_size')} examples, {seeds}", "steps", "epochs", "batch_size"),
    ]


def _noise_in_words(row: Row) -> str:
    rate = row.knob("data.label_noise")
    if not rate:
        return "as in the data set"
    by = "the label of any training example" if _regression(row) else "any class, all equally likely"
    return f"each training label was replaced with probability {rate:g}, once, by {by}; test labels are as they were"


def how_to_read(run: Run, more: Sequence[Term] = ()) -> list[Term]:
    """Definitions of what this run has: its cue, splits, metrics and settings. more: of what else the page shows."""
    keys = {key for row in run.rows for key in row.metrics}
    rules = [RULES.get(row.knob("select.rule")) for row in run.rows]
    return [
        *(glossary.terms(["cue"]) if run.cue else ()),
        *metrics.terms(keys),
        *([glossary.MITIGATION] if any(mitigations.settings(row.config) for row in run.rows) else ()),
        *([glossary.ORACLE] if any(rule and rule.is_oracle for rule in rules) else ()),
        *more,
        *glossary.SURENESS,
        *(glossary.TABLES if keys else ()),
    ]


def provenance(run: Run | Experiment) -> list[Term]:
    """Where the numbers come from."""
    stored = run.provenance
    packages = {"python": stored.get("python"), **stored.get("packages", {})}
    parts = [
        ("workdir", run.path.name),
        ("command", " ".join(stored.get("command", ()))),
        ("overrides", ", ".join(f"{key} = {_value(value)}" for key, value in run.overrides.items()) or "none"),
        ("git commit", stored.get("git_commit") or "not recorded"),
        ("device", _device_in_words(stored.get("device", {}))),
        ("versions", ", ".join(f"{name} {version}" for name, version in packages.items() if version)),
        ("XLA flags", stored.get("xla_flags")),
        ("allocator", stored.get("allocator")),
    ]
    for source in stored.get("data", ()):
        official = " (official)" if source.get("official") else " (not known to be the official file)"
        parts.append(("data", f"{source.get('file')}, sha256 {source.get('sha256')}{official}"))
    for teacher in stored.get("teachers", ()):
        where = f"row “{teacher.get('row')}” of {teacher.get('path')}, step {teacher.get('step')}"
        parts.append(("teacher", f"{where}, sha256 of its arrays {teacher.get('sha256')}"))
    return [Term(name, value) for name, value in parts if value] if stored else []


def _device_in_words(device: Mapping[str, Any]) -> str:
    if not device:
        return ""
    mesh = " × ".join(f"{axis} {size}" for axis, size in device.get("mesh", {}).items())
    processes = device.get("processes", 1)
    more = f", {processes} processes" if processes != 1 else ""
    return f"{device.get('count')} × {device.get('kind')} ({device.get('platform')}){more}; mesh {mesh or 'unknown'}"


def _value(value: Any) -> str:
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return "(" + ", ".join(map(_value, value)) + ")"
    return "unset" if value is None else str(value) if value != "" else "“”"

"""What may be done about a method that is risky, tried on the same data, with its price in accuracy.

milder dose        a third of alpha, or of the smoothing
same-class mixing  partners of the same label (same_class_mixup), in place of any
reweighting        the loss of an example is divided by the share of its group; needs groups
pairs within groups, last layer anew    group-aware mixing, and deep feature reweighting; need groups
train twice        examples that a short training gets wrong count more (JTT); needs no groups

A temperature, which changes confidence and no prediction, is fitted where calibration is measured (lamv.evaluate).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lamv.audit import verdict
from lamv.audit.question import DosedMethod


def rows(methods: Sequence[DosedMethod], grouped: bool, steps: int) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """{name of a row: (label of the method, remedy, knobs)}."""
    made = {}
    for method in methods:
        for remedy, knobs in _of(method, grouped, steps).items():
            made[f"{method.label}, {remedy}"] = (method.label, remedy, knobs)
    return made


def _of(method: DosedMethod, grouped: bool, steps: int) -> dict[str, dict[str, Any]]:
    found = {}
    milder = method.milder()
    if milder:
        found[f"{milder.knob} {milder.dose:g}"] = milder.settings
    if method.name == "mixup":
        found["same-class mixing"] = DosedMethod("same_class_mixup", "alpha", method.dose).settings
    if grouped:
        found["reweighting"] = method.settings | {"mitigation.name": "reweight"}
        found["pairs within groups"] = method.settings | {"mitigation.name": "within_groups"}
        found["last layer anew"] = method.settings | {"mitigation.name": "dfr", "mitigation.refit_on": "train"}
    else:
        first = max(10, steps // 8)
        found["train twice"] = method.settings | {
            "mitigation.name": "jtt", "mitigation.first_steps": first, "mitigation.upweight": 10.0,
        }  # fmt: skip
    return found


def outcomes(
    tried: Mapping[str, tuple[str, str, Any]], measured: Mapping[str, Any], own: Mapping[str, Any],
    found: Mapping[str, verdict.Verdict],
) -> list[dict[str, Any]]:  # fmt: skip
    """[{"method", "remedy", "price", "before", "after", "of"}]: intervals of differences from ERM, and the price.

    price: accuracy minus that of the method without the remedy. before, after: of the evidence for which the method is
    risky, without and with the remedy. measured: of the remedies, own: of the data as it is (lamv.audit.measure).
    """
    outcome = []
    for name, (label, remedy, _) in tried.items():
        decisive = found[label].evidence[0]
        after = _difference(decisive, measured["rows"][name], own["rows"]["erm"])
        price = [a - b for a, b in zip(measured["rows"][name]["accuracy"], own["rows"][label]["accuracy"], strict=True)]
        outcome.append({
            "method": label, "remedy": remedy, "of": decisive.words, "price": verdict.interval_of(price),
            "before": decisive.interval, "after": verdict.interval_of(after) if after else None,
        })  # fmt: skip
    return outcome


def _difference(decisive: verdict.Evidence, row: Mapping[str, Any], erm: Mapping[str, Any]) -> list[float]:
    if decisive.kind in verdict.PARTS:
        pairs = zip(row["parts"][decisive.key]["accuracy"], erm["parts"][decisive.key]["accuracy"], strict=True)
    elif decisive.key == "accuracy":
        pairs = zip(row["accuracy"], erm["accuracy"], strict=True)
    else:
        pairs = zip(row[decisive.key], erm[decisive.key], strict=True)
    return [a - b for a, b in pairs if a is not None and b is not None]

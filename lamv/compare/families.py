"""The metrics that tables of methods show, by family: those of lamv.catalog.metrics that some row has.

Attacks, corruptions, probes and groups are looked for among the keys. Names are plain text without any markup.
"""

import re
from collections.abc import Callable, Iterable

from lamv.catalog import metrics
from lamv.results.legend import Legend
from lamv.results.shapes import is_number


def measured(keys: Iterable[str], legend: Legend = Legend()) -> list[metrics.Family]:  # noqa: B008  (immutable)
    """The families that have any metric among the keys, with those metrics; groups by their names in the legend."""
    keys = set(keys)
    families = []
    for family in metrics.FAMILIES:
        shown = [metric for metric in family.metrics if metric.key in keys]
        if family.slug in OF_KEYS:
            shown += OF_KEYS[family.slug](keys, legend)
        if shown:
            families.append(family._replace(metrics=tuple(shown)))
    return families


def kind_name(kind: str) -> str:
    """An attack or a corruption in words."""
    return {**metrics.ATTACKS, **metrics.CORRUPTIONS}.get(kind, kind.replace("_", " "))


def level(size: str) -> float | None:
    """The size of an attack or a corruption as a finite number; None if it is no such number."""
    try:
        return float(size) if is_number(float(size)) else None
    except ValueError:
        return None


def split_of_groups(keys: Iterable[str]) -> str:
    """The test split whose groups are shown: with a random cue, if there is one; "" where there are no groups."""
    keys = set(keys)
    splits = ("test_random", "test")
    return next((split for split in splits if f"{split}/{metrics.WORST_GROUP}" in keys), "")


def _groups(keys: set[str], legend: Legend) -> list[metrics.Metric]:
    """The accuracy of each class of the test split, where they are unequal, and of each group on one split."""
    found = _named(keys, metrics.CLASS, "test", lambda y, _: legend.label(y))
    return found + _named(keys, metrics.GROUP, split_of_groups(keys), legend.group)


def _group_variances(keys: set[str], legend: Legend) -> list[metrics.Metric]:
    """Of features, within each group, on the split whose groups are shown."""
    split, found = split_of_groups(keys), []
    for pattern, what in ((metrics.GROUP_VARIANCE, "within"), (metrics.GROUP_EIGENVALUE, "largest eigenvalue within")):
        named = _named(keys, pattern, split, lambda *of, what=what: f"features {what} {legend.group(*of)}")
        found += [metric._replace(name=metric.name.removesuffix(", %"), percent=False) for metric in named]
    return found


def _named(
    keys: set[str], pattern: re.Pattern, split: str, name: Callable[[int, int | None], str]
) -> list[metrics.Metric]:
    """The metrics of a split whose keys have numbers in them, by their names."""
    matches = [(numbers_of(m), key) for key in keys if (m := pattern.fullmatch(key)) and m["split"] == split]
    matches.sort(key=lambda pair: (pair[0][0], pair[0][1] or 0))
    return [metrics.Metric(key, f"{metrics.SPLIT_NAMES[split]}: {name(*of)}, %", True) for of, key in matches]


def numbers_of(group: re.Match) -> tuple[int, int | None]:
    """(y, a) of a match of metrics.GROUP, or (group, None); of metrics.CLASS, (class, None)."""
    attribute = group.groupdict().get("a")
    return int(group["y"]), None if attribute is None else int(attribute)


def _robustness(keys: set[str], _: Legend) -> list[metrics.Metric]:
    shown = []
    for pattern, word in ((metrics.ATTACK, "ε ="), (metrics.CORRUPTION, "level")):
        matches = [(match, key) for key in keys if (match := pattern.fullmatch(key))]
        matches.sort(key=lambda pair: (pair[0]["what"], pair[0]["kind"], *_by_size(pair[0]["size"])))
        for match, key in matches:
            margin = match["what"] == "margin_mean"
            name = f"{kind_name(match['kind'])}, {word} {match['size']}" + (": mean margin" if margin else ", %")
            shown.append(metrics.Metric(key, name, not margin))
    return shown


def _by_size(text: str) -> tuple[bool, float, str]:
    """Sorts sizes by their number, those without one last."""
    size = level(text)
    return size is None, size or 0.0, text


def _probes(keys: set[str], _: Legend) -> list[metrics.Metric]:
    matches = [(match, key) for key in sorted(keys) if (match := metrics.PROBE.fullmatch(key))]
    return [metrics.Metric(key, f"probe of {match['layer']} on {match['data']}, %", True) for match, key in matches]


#: Families whose metrics have more in their keys than can be listed beforehand.
OF_KEYS = {"accuracy": _groups, "variance": _group_variances, "robustness": _robustness, "probe": _probes}

"""Names of classes, attributes and groups, as the data set describes them (lamv.data.description)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lamv.errors import listed

#: Names that a sentence lists before it counts the rest.
LISTED = 20


class Legend(NamedTuple):
    """Names by number; without one, the number is the name. crossing: template for a class and an attribute."""

    classes: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    crossing: str = "{label}, {attribute}"

    def label(self, y: int) -> str:
        return self.classes[y] if 0 <= y < len(self.classes) else f"y {y}"

    def attribute(self, a: int) -> str:
        return self.attributes[a] if 0 <= a < len(self.attributes) else f"a {a}"

    def group(self, y: int, a: int | None) -> str:
        """ "bear on sand", or the group's own name where groups are not told apart by an attribute."""
        if a is None:
            return self.groups[y] if 0 <= y < len(self.groups) else f"group {y}"
        # replace, not format: a name may hold braces.
        return self.crossing.replace("{label}", self.label(y)).replace("{attribute}", self.attribute(a))


def of(data: Mapping[str, Any]) -> Legend:
    """The legend of a described data set (shapes.READING); empty without a description."""
    names = (tuple(data.get(key, ())) for key in ("classes", "attributes", "groups"))
    return Legend(*names, data.get("crossing") or Legend().crossing)


def common(legends: Sequence[Legend]) -> Legend:
    """The legend that all share; an empty one where they differ."""
    return legends[0] if len(set(legends)) == 1 else Legend()


def in_words(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(heading, sentence) of the description of a data set (shapes.READING)."""
    examples, classes = data.get("examples", {}), data.get("classes", [])
    parts = ", ".join(f"{number} in {part}" for part, number in examples.items())
    if list(examples) == ["all"]:
        parts = f"{examples['all']}, cut into train and test by each seed"
    entries = [("Examples", parts), ("Inputs", data.get("inputs", ""))]
    for part, sizes in data.get("counts", {}).items():
        shown = [f"{name} {size}" for name, size in zip(classes, sizes, strict=False)]
        entries.append(("Classes" if part == "all" else f"Classes in {part}", listed(shown, LISTED)))
    entries.append(("Groups", listed(data.get("groups", []), LISTED, "; ")))
    entries.append(("Columns", listed(data.get("columns", []), LISTED)))
    entries += [("Note", note) for note in data.get("notes", [])]
    left_out = data.get("left_out", [])
    entries.append((f"Left out: {len(left_out)} files", "; ".join(left_out)))
    return [(heading, sentence) for heading, sentence in entries if sentence]

"""Shapes of what a workdir's files hold, and what becomes of content of another shape.

    need(summary.get("title"), TEXT, "summary.json: title")                          the value, or DataError
    kept(stored, {"command": many(TEXT), "device": DEVICE}, "provenance.json", notes)    what fits; a note on the rest
    knobs([("row ERM", row["config"])], "config.json", notes)                            configs without what fits no knob

Files are written by lamv, but may have been damaged, edited, or copied from elsewhere since. What is read is checked here
first, so that no other code needs to.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from lamv.errors import DataError, brief, listed
from lamv.knobs import KNOBS as ALL_KNOBS
from lamv.knobs import WHOLE as WHOLE_RECIPE
from lamv.knobs import Allowed, Knob

#: What lamv measures fits a 32-bit float; beyond these, sums of squares and ratios of what was read leave a 64-bit one.
LARGEST, SMALLEST = 1e60, 1e-60
#: Whole numbers: steps, seeds, counts.
MOST = 1 << 53
#: Letters of a metric's key, and levels of a config; those of lamv have a third.
LONGEST_KEY, DEEPEST = 300, 10


class Shape(NamedTuple):
    """A test, and its words after "must be". each: of a list, the shape of its items."""

    fits: Callable[[Any], bool]
    words: str
    each: "Shape | None" = None


def is_number(value: Any) -> bool:
    """Whether a value is a finite number that can be reckoned with; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def is_whole(value: Any) -> bool:
    """Whether a value is one of 0, 1, 2, ..."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST


def is_share(value: Any) -> bool:
    """Whether a value is a number from 0 to 1."""
    return is_number(value) and 0 <= value <= 1


TEXT = Shape(lambda value: isinstance(value, str), "text")
FLAG = Shape(lambda value: isinstance(value, bool), "true or false")
NUMBER = Shape(is_number, "a finite number")
WHOLE = Shape(is_whole, "a whole number from 0 on")
LIST = Shape(lambda value: isinstance(value, list), "a list")
OBJECT = Shape(lambda value: isinstance(value, dict), "an object")


def optional(shape: Shape) -> Shape:
    """That shape, or null."""
    return Shape(lambda value: value is None or shape.fits(value), f"{shape.words}, or null")


def many(shape: Shape) -> Shape:
    """A list of that shape."""
    return Shape(
        lambda value: isinstance(value, list | tuple) and all(map(shape.fits, value)),
        f"a list, each {shape.words}",
        shape,
    )


def table(shape: Shape) -> Shape:
    """An object with whatever keys."""
    return Shape(
        lambda value: isinstance(value, dict) and all(map(shape.fits, value.values())), f"an object, each {shape.words}"
    )


def record(needs: Mapping[str, Shape], may: Mapping[str, Shape] | None = None) -> Shape:
    """An object with these keys, and perhaps some of the others; further keys are nobody's."""
    may = may or {}

    def fits(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and all(key in value and shape.fits(value[key]) for key, shape in needs.items())
            and all(shape.fits(value[key]) for key, shape in may.items() if key in value)
        )

    return Shape(fits, f"an object with a fitting {', '.join(needs)}" if needs else "an object as lamv writes it")


def need(value: Any, shape: Shape, where: str) -> Any:
    """The value. Raises DataError, one line, where it does not fit."""
    if shape.fits(value):
        return value
    if shape.each and isinstance(value, list):
        number = next(number for number, one in enumerate(value) if not shape.each.fits(one))
        return need(value[number], shape.each, f"{where}[{number}]")
    raise broken(f"{where} is {brief(value)}, must be {shape.words}")


def broken(what: str) -> DataError:
    """The error for a file without which there is nothing to show."""
    return DataError(
        f"{what}: this is not as lamv writes it; restore the file from a copy, or run the same command again"
    )


def kept(stored: Mapping[str, Any], shapes: Mapping[str, Shape], where: str, notes: list[str]) -> dict[str, Any]:
    """Those of the keys of `shapes` that are there and fit; a note on each that does not."""
    fitting = {}
    for key, shape in shapes.items():
        if key not in stored:
            continue
        if shape.fits(stored[key]):
            fitting[key] = stored[key]
        else:
            notes.append(f"{where}: {key} is {brief(stored[key])}, must be {shape.words}; it is left out.")
    return fitting


#: What a knob can hold, whichever it is. Experiments on theory have lists of lists.
_PLAIN = Shape(
    lambda value: value is None or isinstance(value, str | bool) or is_number(value),
    "text, a finite number, true, false or null",
)
KNOB = Shape(
    lambda value: _PLAIN.fits(value) or many(_PLAIN).fits(value) or many(many(_PLAIN)).fits(value),
    f"{_PLAIN.words}, or a list of these",
)

_OF_TYPE: dict[type, Shape] = {str: TEXT, float: NUMBER, int: WHOLE, bool: FLAG}


def _shape_of(knob: Knob) -> Shape:
    item = knob.allowed.item if isinstance(knob.allowed, Allowed) else None
    shape = many(_OF_TYPE[item]) if item else _OF_TYPE[knob.type]
    return optional(shape) if isinstance(knob.default, type) else shape


#: The knobs of a row.
KNOBS: dict[str, Shape] = {knob.key: _shape_of(knob) for knob in ALL_KNOBS if knob.key not in WHOLE_RECIPE}
#: "data", "data.shortcut", ...: what holds knobs, and is none.
SECTIONS = {key.rsplit(".", depth)[0] for key in KNOBS for depth in range(1, 1 + key.count("."))}

_STEP = {"row": TEXT, "path": TEXT, "step": WHOLE, "sha256": TEXT}
#: provenance.json, and evaluation_provenance.json with "settings" and what follows.
PROVENANCE: dict[str, Shape] = {
    "command": many(TEXT), "python": TEXT, "packages": table(optional(TEXT)), "code": TEXT, "git_commit": optional(TEXT),
    "device": record({}, {"kind": TEXT, "platform": TEXT, "count": WHOLE, "processes": WHOLE, "mesh": table(WHOLE)}),
    "xla_flags": TEXT, "allocator": TEXT,
    "data": many(record({}, {"file": TEXT, "sha256": TEXT, "official": optional(FLAG)})),
    "teachers": many(record({}, _STEP)), "reading": OBJECT, "settings": table(KNOB), "layers": many(TEXT),
    "notes": many(TEXT), "files": table(TEXT),
    "history": many(record({"until_step": WHOLE, "changed": many(TEXT)})),
}  # fmt: skip
#: A run's description of its data (lamv.data.description).
READING: dict[str, Shape] = {
    "name": TEXT, "inputs": TEXT, "examples": table(WHOLE), "counts": table(many(WHOLE)), "crossing": TEXT,
    **dict.fromkeys(("classes", "attributes", "groups", "columns", "notes", "left_out"), many(TEXT)),
}  # fmt: skip


def knobs(
    configs: Sequence[tuple[str, Mapping[str, Any]]], file: str, notes: list[str], known: Mapping[str, Shape] = KNOBS
) -> list[dict[str, Any]]:
    """Configs of a file, nested, without what fits no knob, and a note on that. configs: (what has it, config).

    known: knobs with a shape; others hold whatever a knob can.
    """
    wrong: list[str] = []
    fitting = [_below("", config, wrong, where, known) for where, config in configs]
    notes += left_out(file, wrong)
    return fitting


def _below(
    prefix: str, tree: Mapping[str, Any], wrong: list[str], where: str, known: Mapping[str, Shape]
) -> dict[str, Any]:
    fitting = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and name not in known and prefix.count(".") < DEEPEST:
            fitting[key] = _below(f"{name}.", value, wrong, where, known)
            continue
        shape = known.get(name, OBJECT if known and name in SECTIONS else KNOB)
        if shape.fits(value):
            fitting[key] = value
        else:
            wrong.append(f"{brief(name)} of {where} is {brief(value)}, must be {shape.words}")
    return fitting


def left_out(file: str, wrong: Sequence[str]) -> list[str]:
    """A note on what was left out of a file."""
    return [f"{file}: {listed(wrong, 5, '; ')}. It is left out."] if wrong else []

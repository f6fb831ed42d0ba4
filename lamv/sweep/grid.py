"""The points of a sweep: --grid, --zip and --random, read against the knobs.

    method.name=erm,mixup;method.alpha=.1,.5,1     every value with every other
    optim.lr=log(1e-4, 1e-1);optim.weight_decay=uniform(0, 1e-3)     ranges, for --random

A knob with its values is an axis; the knobs of a --zip are one axis together. Commas within brackets and quotes do not
separate.
"""

import ast
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamv.errors import ConfigError, brief, nearest
from lamv.knobs import KNOB, WHOLE

#: More points than these are a typing error.
MAX_POINTS = 10_000
#: Free knobs that say where something is, and so decide what is learned.
PATHS = ("data.path", "data.shortcut.images_path", "distill.teacher")
FORM = "KNOB=VALUE,VALUE;KNOB=VALUE, for example 'method.name=erm,mixup;optim.lr=.1,.01'"
Point = dict[str, Any]


class Range(NamedTuple):
    """Numbers from low to high, drawn evenly or, where `log`, evenly in their logarithm."""

    low: float
    high: float
    log: bool
    whole: bool

    def draw(self, rng: np.random.Generator) -> float | int:
        """To four digits, as a table shows it."""
        ends = np.log([self.low, self.high]) if self.log else (self.low, self.high)
        value = rng.uniform(*ends)
        value = float(f"{math.exp(value) if self.log else value:.4g}")
        value = min(max(value, self.low), self.high)
        return round(value) if self.whole else value


class Axis(NamedTuple):
    """Knobs that move together, and what they take: of each step a value for every knob, or a range."""

    keys: tuple[str, ...]
    steps: tuple[tuple[Any, ...], ...] = ()
    range: Range | None = None

    def drawn(self, rng: np.random.Generator) -> Point:
        """A step, or a number of the range."""
        if self.range:
            return {self.keys[0]: self.range.draw(rng)}
        return dict(zip(self.keys, self.steps[rng.integers(len(self.steps))], strict=True))


def axes(grid: str, zips: Sequence[str] = ()) -> list[Axis]:
    """The axes of --grid and of each --zip. Raises ConfigError, one line, for what is no knob or none of its values."""
    found = [_axis(key, values) for key, values in _assignments("--grid", grid)]
    for text in zips:
        together = [_axis(key, values) for key, values in _assignments("--zip", text)]
        if any(axis.range for axis in together):
            raise ConfigError(f"--zip is {brief(text)}, and has a range; ranges are for --grid with --random")
        lengths = {axis.keys[0]: len(axis.steps) for axis in together}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{number} of {key}" for key, number in lengths.items())
            raise ConfigError(f"--zip is {brief(text)}, must give all its knobs as many values; there are {counts}")
        steps = tuple(
            tuple(step[0] for step in steps) for steps in zip(*(axis.steps for axis in together), strict=True)
        )
        found += [Axis(tuple(lengths), steps)] if together else []
    if not found:
        raise ConfigError(f"--grid is missing; give {FORM}")
    keys = [key for axis in found for key in axis.keys]
    for key in keys:
        if keys.count(key) > 1:
            raise ConfigError(f"{key} is given twice in --grid and --zip; give all its values in one place")
    return found


def points(axes: Sequence[Axis], random: int | None = None, seed: int = 0) -> list[Point]:
    """Every combination of the axes, or `random` different ones of them: the first of more are the same. Raises ConfigError.

    seed: of the draws.
    """
    ranged = [axis.keys[0] for axis in axes if axis.range]
    if ranged and random is None:
        raise ConfigError(f"{ranged[0]} is a range, from which --random draws; give --random=N, or a list of values")
    size = math.prod(len(axis.steps) for axis in axes if not axis.range)
    if random is None:
        if size > MAX_POINTS:
            raise ConfigError(
                f"the grid has {size:,} points, must have at most {MAX_POINTS:,}; draw some with --random=N"
            )
        return [
            {key: value for axis, step in zip(axes, steps, strict=True)
             for key, value in zip(axis.keys, step, strict=True)}
            for steps in itertools.product(*(axis.steps for axis in axes))
        ]  # fmt: skip
    if not 1 <= random <= MAX_POINTS:
        raise ConfigError(f"--random is {random}, must be from 1 to {MAX_POINTS:,}")
    if not ranged and random >= size:
        raise ConfigError(f"--random is {random}, and the grid has {size:,} points; leave it out, or draw fewer")
    return list(itertools.islice(_different(axes, seed, limit=1000 * random), random))


def seeds_of(axes: Sequence[Axis]) -> tuple[list[Axis], Point]:
    """The axes without that of seeds, and {"seed", "seeds"} of it: seeds are replicas, in which a point is repeated."""
    rest = [axis for axis in axes if axis.keys != ("seed",)]
    [given] = [axis for axis in axes if axis.keys == ("seed",)] or [None]
    if given is None:
        return rest, {}
    values = sorted(step[0] for step in given.steps)
    if given.range or values != list(range(values[0], values[0] + len(values))):
        raise ConfigError(
            f"--grid has seed={', '.join(map(str, values)) or 'a range'}, must be consecutive, as in 0,1,2"
        )
    return rest, {"seed": values[0], "seeds": len(values)}


def split(text: str, at: str) -> list[str]:
    """The parts of a text between a character, outside of brackets and quotes; empty ones are dropped."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += (letter in "([") - (letter in ")]")
        if letter == at and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _different(axes: Sequence[Axis], seed: int, limit: int) -> Iterator[Point]:
    """Points drawn one after another, each once. A draw has a generator of its own, so that more points begin alike."""
    seen = set()
    for number in range(limit):
        rng = np.random.default_rng([seed, number])
        point = {key: value for axis in axes for key, value in axis.drawn(rng).items()}
        if repr(point) not in seen:
            seen.add(repr(point))
            yield point


def _assignments(flag: str, text: str) -> Iterator[tuple[str, list[str]]]:
    for part in split(text, ";"):
        key, is_given, values = part.partition("=")
        if not is_given or not split(values, ","):
            raise ConfigError(f"{flag} has {brief(part)}, must be {FORM}")
        yield _checked(flag, key.strip()), split(values, ",")


def _checked(flag: str, key: str) -> str:
    """A knob that a sweep can have as an axis."""
    if key not in KNOB:
        raise ConfigError(
            f"{flag} has {brief(key)}, which is no knob{nearest(key, KNOB)}; knobs are listed in lamv/knobs.py"
        )
    if key == "seeds":
        raise ConfigError(f"{flag} has seeds, which all cells share; give --config.seeds=N")
    if key in WHOLE or (KNOB[key].free and key not in PATHS):
        raise ConfigError(f"{flag} has {key}, which does not change what is learned ({KNOB[key].meaning}); take it out")
    if key == "seed" and flag == "--zip":
        raise ConfigError("--zip has seed; every cell is trained with all seeds: --config.seeds=N, or seed in --grid")
    return key


def _axis(key: str, texts: Sequence[str]) -> Axis:
    numeric = KNOB[key].type in (float, int)
    if numeric and len(texts) == 1 and texts[0].startswith(("log(", "uniform(")):
        return Axis((key,), range=_range(key, texts[0]))
    values = [_value(key, text) for text in texts]
    for value in values:
        if values.count(value) > 1:
            raise ConfigError(f"{key} has the value {brief(value)} twice; give it once")
    return Axis((key,), tuple((value,) for value in values))


def _range(key: str, text: str) -> Range:
    form = f"{key} is {brief(text)}, must be uniform(LOW, HIGH) or log(LOW, HIGH)"
    try:
        low, high = ast.literal_eval(text[text.index("(") :])
        low, high = float(low), float(high)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        raise ConfigError(form) from None
    log = text.startswith("log")
    if not low < high or (log and low <= 0) or not (math.isfinite(low) and math.isfinite(high)):
        raise ConfigError(f"{form} with LOW below HIGH{' and above 0' if log else ''}")
    for end in (low, high):
        _in_range(key, int(end) if KNOB[key].type is int else end)
    return Range(low, high, log, KNOB[key].type is int)


def _value(key: str, text: str) -> Any:
    """The value that a text has for a knob, of its type and in its range."""
    knob = KNOB[key]
    readers: Mapping[type, Any] = {
        str: lambda: text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text,
        float: lambda: float(text),
        int: lambda: int(text),
        bool: lambda: {"true": True, "false": False}[text.lower()],
        tuple: lambda: tuple(ast.literal_eval(text)),
    }
    if text == "None" and isinstance(knob.default, type):
        return None
    try:
        value = readers[knob.type]()
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError):
        example = {bool: ": true or false", tuple: ", such as (64,64)"}.get(knob.type, "")
        raise ConfigError(
            f"{key} is {brief(text)}, must be of type {knob.type.__name__}{example} ({knob.meaning})"
        ) from None
    return _in_range(key, value)


def _in_range(key: str, value: Any) -> Any:
    knob = KNOB[key]
    if not knob.allowed.holds(value):
        names = knob.allowed.words.removeprefix("one of ")
        hint = nearest(value, names.split(", ")) if knob.type is str and names != knob.allowed.words else ""
        raise ConfigError(f"{key} is {brief(value)}, must be {knob.allowed.words}{hint} ({knob.meaning})")
    return value

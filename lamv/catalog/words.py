"""Numbers, values and lists as text, as every table and sentence writes them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

#: What filling in knobs raises for a config of another version, or one written by hand.
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, MemoryError)


def number(value: float, decimals: int, signed: bool = False) -> str:
    """With a true minus sign; what rounds to 0 has no sign."""
    text = f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"
    if not text.strip("+-0."):
        text = text.lstrip("+-")
    return text.replace("-", "−")


def plain(value: Any) -> str:
    """A knob's value in running text: floats without trailing zeros, the parts of a tuple with + between."""
    if isinstance(value, list | tuple):
        return "+".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def series(parts: Sequence[str]) -> str:
    """ "a, b and c"."""
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts)


class _Filling(dict):
    """Knobs, and parts that are made of them where a sentence asks for one."""

    def __init__(self, knobs: Mapping[str, Any], parts: Mapping[str, Callable[[Mapping[str, Any]], Any]]):
        super().__init__(knobs)
        self._parts = parts

    def __missing__(self, name: str) -> Any:
        return self._parts[name](self)


def filled(sentence: str, knobs: Mapping[str, Any], parts: Mapping[str, Callable[[Mapping[str, Any]], Any]]) -> str:
    """A sentence with knobs and parts, each a function of the knobs, in place of their names. Raises one of UNREADABLE."""
    return sentence.format_map(_Filling(knobs, parts))

"""Numbers, values and lists as text, as every table and sentence writes them."""

from collections.abc import Sequence
from typing import Any

MINUS = "−"


def number(value: float, decimals: int, signed: bool = False) -> str:
    """With a true minus sign; what rounds to 0 has no sign."""
    text = f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"
    if not text.strip("+-0."):
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def plain(value: Any) -> str:
    """A knob's value in running text: floats without trailing zeros, the parts of a tuple with + between."""
    if isinstance(value, list | tuple):
        return "+".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def series(parts: Sequence[str]) -> str:
    """ "a, b and c"."""
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts)

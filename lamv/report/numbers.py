"""Numbers and names as text: the digits, signs and spaces of every table, sentence and axis."""

import math
from collections.abc import Iterable, Sequence

from lamv.catalog.words import number
from lamv.results.records import Spread


def decimals_for(values: Iterable[float]) -> int:
    """Decimals that show three digits of the median."""
    sizes = _exponents(values)
    return max(0, 2 - sizes[len(sizes) // 2]) if sizes else 2


def digits(means: Sequence[float], percent: bool) -> tuple[int, int]:
    """(power of ten, decimals) that show three or four digits of the median."""
    if percent:
        return 0, 2 if max(map(abs, means), default=0.0) < 10 else 1
    sizes = _exponents(means)
    middle = sizes[len(sizes) // 2] if sizes else 0
    return (0, max(0, min(5, 2 - middle))) if -4 < middle < 5 else (middle, 2)


def _exponents(values: Iterable[float]) -> list[int]:
    return sorted(math.floor(math.log10(abs(value))) for value in values if value and math.isfinite(value))


def mean_sd(spread: Spread, decimals: int = 1, scale: float = 100.0, unit: str = "%") -> str:
    """ "86.1 ± 1.4 %", without a place to break the line."""
    sd = "" if spread.sd is None else f" ± {scale * spread.sd:.{decimals}f}"
    return f"{scale * spread.mean:.{decimals}f}{sd} {unit}".rstrip().replace(" ", "\xa0")


def points(fraction: float, signed: bool = False) -> str:
    """A difference of fractions in points: "−3.1"."""
    return number(100 * fraction, 1, signed)


def span(texts: Iterable[str], between: str = " to ") -> str:
    """First and last of some numbers, "45.4 to 88.3"; one where they are alike."""
    first, *_, last = (*(texts := list(texts)), texts[-1])
    return first if first == last else f"{first}{between}{last}"


def percent_span(fractions: Iterable[float]) -> str:
    """Smallest and largest, in percent."""
    fractions = list(fractions)
    return span(f"{100 * end(fractions):.1f}" for end in (min, max))


def count_span(counts: Iterable[float], between: str = " to ") -> str:
    """Smallest and largest count."""
    counts = list(counts)
    return span((f"{end(counts):.12g}" for end in (min, max)), between)


def interval(low: float, high: float, decimals: int = 1, scale: float = 100.0, signed: bool = False) -> str:
    """ "[−12.3, −5.7]"."""
    return f"[{number(scale * low, decimals, signed)}, {number(scale * high, decimals, signed)}]"


def one_line(text: str) -> str:
    """A name as one line of printable characters, whatever it holds."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split()) or "(no name)"


def shortened(name: str, longest: int = 28) -> str:
    """`one_line`, cut in the middle: rows of a kind differ at the end of their names."""
    name, half = one_line(name), longest // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[-(longest - half - 1) :]}"


def first_of(shown: int, rows: int, what: str = "rows") -> str:
    """ " The first 9 of 12 rows."; "" where all are shown."""
    return f" The first {shown} of {rows} {what}." if shown < rows else ""


def text_table(columns: Sequence[Sequence[str]], right: bool = False) -> list[str]:
    """A table for the terminal, as lines. columns: heading and entries; right: all but the first are set flush right."""
    columns = [["".join(c if c.isprintable() else " " for c in text) for text in column] for column in columns]
    for place, column in enumerate(columns):
        set_flush = str.rjust if right and place else str.ljust
        column[:] = [set_flush(text, max(map(len, column))) for text in column]
    heading, *lines = ("  ".join(entries).rstrip() for entries in zip(*columns, strict=True))
    return [heading, "-" * max(map(len, [heading, *lines])), *lines]

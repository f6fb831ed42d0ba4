"""Claims of a recipe, or checks of an experiment on theory, as the lines of a table: on a page, and as plain text."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from lamv.claims import Claim
from lamv.report.numbers import text_table

SIGNS = {"=": "=", ">=": "≥", "<=": "≤"}


class Line(NamedTuple):
    """A claim as text. note: "" where the verdict already has it."""

    quantity: str
    verdict: str
    measured: str
    sd: str
    n: str
    expected: str
    tolerance: str
    source: str
    note: str
    holds: bool | None

    @property
    def in_words(self) -> str:
        """ "measured 0.31 ± 0.05, should be ≥ 0.9", in which numbers do not break."""
        expected = self.expected.removeprefix("= ")
        measured, expected = (
            (number + (f" ± {spread}" if spread else "")).replace(" ", "\xa0")
            for number, spread in ((self.measured, self.sd), (expected, self.tolerance))
        )
        return f"measured {measured}, should be {expected}"


def line_of(claim: Claim) -> Line:
    """The number to two digits of its sd, or of the tolerance where there is no sd; else to four of its own.

    What it should be, which is exact: to two digits of the tolerance, at least two of its own, without trailing zeros.
    """
    spread = claim.sd or claim.tolerance
    decimals = _decimals(claim.measured, spread or claim.measured, digits=2 if spread else 4)
    finest = min((abs(v) for v in (claim.tolerance, claim.expected) if v), default=None)
    expected = _number(claim.expected, _decimals(claim.expected, finest, digits=2 if claim.tolerance else 4))
    if "." in expected and "e" not in expected:
        expected = expected.rstrip("0").rstrip(".")
    tick = {True: "✓ ", False: "✗ ", None: ""}[claim.holds]
    infinite = claim.measured is None and claim.holds is not None
    return Line(
        claim.quantity, tick + claim.verdict,
        "not finite" if infinite else _number(claim.measured, decimals),
        "" if claim.sd is None else _number(claim.sd, decimals),
        str(claim.n or "–"),
        f"{SIGNS.get(claim.relation, claim.relation)} {expected}",
        f"{claim.tolerance:.3g}" if claim.tolerance else "",
        claim.source, "" if claim.holds is None else claim.note, claim.holds,
    )  # fmt: skip


def as_text(claims: Sequence[Claim]) -> list[str]:
    """The table as lines of plain text."""
    entries = [("", "quantity", "measured", "should be", "source")]
    for claim in claims:
        line = line_of(claim)
        measured = line.measured + (f" ± {line.sd}" if line.sd else "") + (f" ({line.n})" if claim.n else "")
        expected = line.expected + (f" ± {line.tolerance}" if line.tolerance else "")
        entries.append((claim.verdict, line.quantity, measured, expected, line.source))
    return text_table(list(zip(*entries, strict=True)))


def scientific(value: float | None) -> str:
    """Three digits: "1.2e−07"; "" for None."""
    return "" if value is None else f"{value:.3g}".replace("-", "−")


def exponent(value: float) -> int:
    """The power of ten of a number's first digit; the number is not 0."""
    return math.floor(math.log10(abs(value)))


def _decimals(value: float | None, finest: float | None, digits: int) -> int | None:
    """Decimals that show so many digits of `finest`, yet nine of the number at most; None where 1.2e-07 is better."""
    largest = max((exponent(v) for v in (value, finest) if v), default=0)
    if not -5 < largest < 7:
        return None
    return max(0, min(digits - 1 - (exponent(finest) if finest else 0), 8 - largest))


def _number(value: float | None, decimals: int | None) -> str:
    if value is None:
        return "–"
    return scientific(value) if decimals is None else f"{value:.{decimals}f}".replace("-", "−")

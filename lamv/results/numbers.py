"""Numbers as text, as every table and sentence writes them."""

MINUS = "−"


def number(value: float, decimals: int, signed: bool = False) -> str:
    """With a true minus sign; what rounds to 0 has no sign."""
    text = f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"
    if not text.strip("+-0."):
        text = text.lstrip("+-")
    return text.replace("-", MINUS)

"""Label smoothing and MaxSup over s, from ERM on, where both begin."""

from collections.abc import Mapping, Sequence

from lamv.catalog import methods
from lamv.compare.parting import Ladder
from lamv.report.figures import style
from lamv.report.figures.style import WIDTH, Drawn, add_legend, as_svg, panels
from lamv.report.numbers import shortened
from lamv.results.records import Row

#: Settings that have a line style each.
MOST = len(style.LINES)
NAMES = {"smoothing": "label smoothing", "maxsup": "MaxSup"}
COLOURS = {"smoothing": methods.colour_of("label_smoothing"), "maxsup": methods.colour_of(methods.MAXSUP)}


def over_shares(ladders: Sequence[Ladder], measures: Mapping[str, tuple[str, bool]]) -> Drawn | None:
    """A panel for each measure (lamv.report.parting_tables.measures_of), a line for each setting and either method."""
    lines = [ladder for ladder in ladders if len(ladder.rungs) + (ladder.erm is not None) > 1]
    ladders, left_out = lines[:MOST], len(lines[MOST:])
    if not ladders or not measures:
        return None
    shares = sorted({rung.share for ladder in ladders for rung in ladder.rungs})
    places = {share: place for place, share in enumerate([0.0, *shares])}
    down = -(-len(measures) // 3)
    fig, grid = panels(len(measures), 3, (WIDTH, 0.5 + 2.05 * down + 0.2 * len(ladders)), share="x")
    texts = []
    for axes, (metric, (name, percent)) in zip(grid, measures.items(), strict=True):
        scale, ends = 100.0 if percent else 1.0, []
        for number, ladder in enumerate(ladders):
            for kind, words in NAMES.items():
                points = _points(ladder, kind, metric)
                if len(points) < 2:
                    continue
                label = ", ".join(part for part in (words, ladder.name) if part)
                look = {
                    "color": COLOURS[kind],
                    "linestyle": style.LINES[number],
                    "marker": style.MARKERS[kind == "maxsup"],
                }
                at = [(places[share], row.metrics[metric]) for share, row in points]
                style.line_with_band(axes, at, look, label=label, shift=0, scale=scale)
                ends.append(f"{label} {scale * at[-1][1].mean:.3g}")
        axes.set_title(name.replace(": ", ":\n", 1), fontsize=8)
        texts.append(f"{name}: " + ", ".join(ends))
    for axes in grid:
        axes.set_xticks(list(places.values()), [f"{share:g}".lstrip("0") or "0" for share in places])
        axes.tick_params(axis="x", labelbottom=True)
    for axes in grid[-3:]:
        axes.set_xlabel("s")
    add_legend(fig, grid, 2)
    caption = (
        "Label smoothing and MaxSup over their factor s, from ERM (s = 0) on: mean over seeds, band ± sd; the values of s"
        f" are equally spaced.{_settings(ladders, left_out)}"
    )
    return Drawn("parting", as_svg(fig), "Lines at the largest s. " + "; ".join(texts) + ".", caption)


def _points(ladder: Ladder, kind: str, metric: str) -> list[tuple[float, Row]]:
    """(s, row) of those that have the metric, ERM first."""
    rows = [(0.0, ladder.erm), *((rung.share, getattr(rung, kind)) for rung in ladder.rungs)]
    return [(share, row) for share, row in rows if row is not None and metric in row.metrics]


def _settings(ladders: Sequence[Ladder], left_out: int) -> str:
    names = [shortened(ladder.name) for ladder in ladders if ladder.name]
    more = f"; {left_out} more in the tables only" if left_out else ""
    return f" Settings: {'; '.join(names)}{more}." if len(names) > 1 or more else ""

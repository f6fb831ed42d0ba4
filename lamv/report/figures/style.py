"""The look of all figures, and what they share: axes by row, lines with bands, logarithmic axes, legends, SVG.

Rows run down the page in the order of the recipe, so that a figure reads like the table; measurements run to the right.
Whiskers and bands are ± 1 sd over seeds. Colours differ in lightness and are always doubled by a marker or a line style, so
that a copy in grey reads the same.
"""

import contextlib
import html
import io
import math
import re
import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import NamedTuple

import matplotlib
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from lamv.catalog import methods
from lamv.report.numbers import shortened
from lamv.results.records import Row, Spread

WIDTH = 7.2  # inches
INK, PALE, ACCENT = "#1c1c28", "#b9b9c3", "#b8431f"
#: Without parse_math a row may be called "$": text is text. svg.fonttype path: the reader needs no font of ours.
STYLE = matplotlib.RcParams({
    "text.parse_math": False, "svg.fonttype": "path", "svg.hashsalt": "lamv",
    "font.family": "DejaVu Sans", "font.size": 9, "axes.labelsize": 9, "axes.titlesize": 9.5, "legend.fontsize": 8.5,
    "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "axes.grid": True, "axes.axisbelow": True, "grid.color": "#e6e6ec", "grid.linewidth": 0.8, "lines.linewidth": 1.5,
    "axes.edgecolor": "#70707c", "xtick.color": "#50505c", "ytick.color": "#50505c",
    "text.color": INK, "axes.labelcolor": INK, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "figure.facecolor": "none", "axes.facecolor": "none",
})  # fmt: skip


class Mark(NamedTuple):
    """The look of the dots of a quantity."""

    marker: str
    edge: str
    fill: str


LINES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = (0, (2, 2))
LOGARITHMIC = " On the logarithmic scale, equal distances are equal factors."
#: One direction in lightness, dark for high.
HEAT = LinearSegmentedColormap.from_list("heat", ["#fbf6ec", "#f0d9a8", "#dd9f63", "#a4557a", "#4a3a78", "#2b2556"])


class Svg(str):
    """An <svg> element, and the figure that it was made of."""

    figure: Figure


class Drawn(NamedTuple):
    """A figure for the page. alt: its content in words, for readers who cannot see it. caption: below it."""

    name: str
    svg: Svg
    alt: str
    caption: str

    def inline(self, prefix: str) -> str:
        """The <svg> element; the prefix keeps its ids apart from those of other figures on the page."""
        svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-{self.name}-", self.svg)
        return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(self.alt)}"', 1)

    def png(self) -> bytes:
        """The figure as pixels, on white."""
        out = io.BytesIO()
        with drawing():
            self.svg.figure.savefig(out, format="png", dpi=150, facecolor="white")
        return out.getvalue()


@contextlib.contextmanager
def drawing() -> Generator[None]:
    """The look of all figures, without the warnings of matplotlib and numpy on constant or extreme numbers."""
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        for category in (UserWarning, RuntimeWarning):
            warnings.simplefilter("ignore", category)
        yield


def drawn(draws: Iterable[Callable[..., Drawn | None]], *arguments) -> list[Drawn]:
    """The figures that there are numbers for, each drawn with these arguments."""
    with drawing():
        return [figure for draw in draws if (figure := draw(*arguments))]


def looks(rows: Sequence[Row]) -> list[dict]:
    """Colour by method, line style by the number of the row among those of its method, marker by row."""
    counts: dict[str, int] = {}
    styles = []
    for number, row in enumerate(rows):
        method = methods.kind_of(row.config)
        counts[method] = counts.get(method, -1) + 1
        styles.append({
            "color": methods.colour_of(method),
            "linestyle": LINES[counts[method] % len(LINES)],
            "marker": MARKERS[number % len(MARKERS)],
        })  # fmt: skip
    return styles


def panels(count: int, across: int, size: tuple[float, float], share: str = "") -> tuple[Figure, list]:
    """A figure of size (width, height) in inches and `count` axes, at most `across` side by side; share: "x", "y", "xy"."""
    across = min(across, count)
    fig = Figure(figsize=size, layout="constrained")
    down, sharex, sharey = math.ceil(count / across), "x" in share, "y" in share
    grid = list(fig.subplots(down, across, squeeze=False, sharex=sharex, sharey=sharey).flat)
    for axes in grid[count:]:
        axes.set_visible(False)
    return fig, grid[:count]


def axes_by_row(rows: Sequence[Row], lines: int, panels: int = 1):
    """A figure whose y axis lists the rows, with room for a number of dots, one below the other, in each."""
    fig = Figure(figsize=(WIDTH, 0.95 + len(rows) * (0.16 + 0.075 * lines)), layout="constrained")
    all_axes = fig.subplots(1, panels, sharey=True, squeeze=False)[0]
    axes = all_axes[0]
    axes.set_yticks(range(len(rows)), [shortened(row.name) for row in rows])
    axes.set_ylim(len(rows) - 0.45, -0.55 - 0.1 * (lines > 2))
    for axes in all_axes:
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        for row in range(0, len(rows), 2):
            axes.axhspan(row - 0.5, row + 0.5, color="#f4f4f7", zorder=0)
    return fig, list(all_axes)


def draw_dots(
    axes, rows: Sequence[Row], marks: Sequence[tuple[str, str, Mark]], scale: float = 1, floor: float = -math.inf
) -> None:
    """One dot with its whisker for every row and metric; the metrics of a row lie below one another.

    No whisker goes below `floor`, where the axis ends: a sd may be larger than a mean that cannot be negative.
    """
    for number, (metric, name, mark) in enumerate(marks):
        offset = row_offset(number, len(marks))
        have = [(place + offset, row.metrics[metric]) for place, row in enumerate(rows) if metric in row.metrics]
        if have:
            sds = [s.sd or 0 for _, s in have]
            down = [max(0, min(sd, s.mean - floor)) for sd, (_, s) in zip(sds, have, strict=True)]
            axes.errorbar(
                [scale * s.mean for _, s in have], [y for y, _ in have],
                xerr=[[scale * sd for sd in down], [scale * sd for sd in sds]],
                fmt=mark.marker, color=mark.edge, markerfacecolor=mark.fill, markersize=5, elinewidth=1.2, capsize=2,
                label=name, zorder=3, clip_on=False,
            )  # fmt: skip


def row_offset(number: int, count: int) -> float:
    """Height within its row of the dot of metric `number` of `count`; the first on top."""
    return 0.17 * (number - (count - 1) / 2)


def line_with_band(
    axes, points: Sequence[tuple[float, Spread]], look: dict, *, label: str, shift: int, scale: float = 1
) -> None:
    """Mean and ± sd over x. On a logarithmic axis a band that would reach 0 ends at half the mean.

    Markers are at some of the points only, shifted from line to line, so that lines do not hide one another's.
    """
    if not points:
        return
    x, spreads = zip(*points, strict=True)
    means, sds = [scale * s.mean for s in spreads], [scale * (s.sd or 0) for s in spreads]
    logarithmic = axes.get_yscale() == "log"
    low = [mean / 2 if logarithmic and sd >= mean else mean - sd for mean, sd in zip(means, sds, strict=True)]
    high = [mean + sd for mean, sd in zip(means, sds, strict=True)]
    axes.fill_between(x, low, high, color=look["color"], alpha=0.16, linewidth=0)
    every = max(1, len(x) // 5)
    axes.plot(x, means, label=shortened(label), **{"markersize": 4.5, "markevery": (shift % every, every), **look})


def log_if_wide(axes, axis: str, values: Sequence[float], wide: float = 20) -> bool:
    """Make an axis logarithmic where values span more than a factor `wide` and all are above 0; returns whether."""
    if not values or min(values) <= 0 or max(values) <= wide * min(values):
        return False
    (axes.set_xscale if axis == "x" else axes.set_yscale)("log")
    log_ticks(axes.xaxis if axis == "x" else axes.yaxis, max(values) / min(values))
    return True


def log_ticks(axis, factor: float) -> None:
    """Plain numbers at the ticks of a logarithmic axis, more of them where it spans a small factor."""
    decades = math.log10(factor)
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2 else (1, 3) if decades < 3 else (1,), numticks=9))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def columns_of(names: Sequence[str]) -> int:
    """As many names side by side as fit: a letter takes about 0.075 inches, the line before it 0.65."""
    longest = max((len(shortened(name)) for name in names), default=1)
    return max(1, min(4, int(WIDTH / (0.075 * longest + 0.65))))


def line_panels(
    names: Sequence[str], count: int, across: int, height: float, share: str = ""
) -> tuple[Figure, list, int]:
    """`panels` of lines with these names, and the columns of their legend; height: without it."""
    columns = columns_of(names)
    return *panels(count, across, (WIDTH, height + 0.2 * math.ceil(len(names) / columns)), share), columns


def add_legend(fig, axes, columns: int, where: str = "outside lower center") -> None:
    """A legend outside of the axes with each name of one or several axes once; none for a single name."""
    pairs = [pair for one in (axes if isinstance(axes, list) else [axes])
             for pair in zip(*one.get_legend_handles_labels(), strict=True)]  # fmt: skip
    handles = {label: handle for handle, label in pairs}
    if len(handles) > 1:
        fig.legend(handles.values(), handles.keys(), loc=where, ncols=min(columns, len(handles)), columnspacing=1.6,
                   handlelength=2.6)  # fmt: skip


def add_colour_bar(fig, axes, norm, label: str, ticks: Sequence[float], labels: Sequence[str]) -> None:
    """The scale of a heat map beside its axes, with these labels at the ticks."""
    bar = fig.colorbar(ScalarMappable(norm, HEAT), ax=axes, fraction=0.04, pad=0.015, aspect=30)
    bar.set_ticks(ticks, labels=labels)
    bar.set_label(label)
    bar.minorticks_off()
    bar.solids.set_edgecolor("face")
    bar.outline.set_visible(False)


def figure_of(name: str, fig: Figure, rows, marks, caption: str, percent: bool = False) -> Drawn:
    """The figure with its numbers as alternative text."""
    scale, digits, unit = (100, ".1f", " %") if percent else (1, ".3g", "")
    texts = []
    for row in rows:
        have = [(label, row.metrics[metric].mean) for metric, label, _ in marks if metric in row.metrics]
        numbers = ", ".join(f"{label} {scale * mean:{digits}}{unit}" for label, mean in have)
        texts.append(f"{shortened(row.name)}: {numbers}")
    return Drawn(name, as_svg(fig), f"Dot plot, {name}. " + "; ".join(texts) + ".", caption)


def as_svg(fig: Figure) -> Svg:
    """The figure as an <svg> element that scales with the page and names nothing outside of it."""
    out = io.StringIO()
    fig.savefig(out, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    # In HTML the namespaces go without saying, and the page's style decides on the size.
    head, rest = svg.split(">", 1)
    head = re.sub(r' (xmlns(:xlink)?|width|height|version)="[^"]*"', "", head)
    made = Svg(head + ">" + rest.replace("xlink:href", "href"))
    made.figure = fig
    return made

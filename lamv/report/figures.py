"""The figures of a report, as SVG to be put into a page.

One look for all: rows run down the page in the order of the recipe, so that a figure reads like the table; what is
measured runs to the right. Whiskers and bands are ± 1 sd over seeds. Everything that is told by a colour is told by a
marker or a line style too, and colours differ in lightness, so that a copy in grey says the same.
"""

import contextlib
import html
import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from lamv.catalog import methods
from lamv.results.runs import Row, Run, Spread, curve

WIDTH = 7.2  # inches
INK, PALE, ACCENT = "#1c1c28", "#b9b9c3", "#b8431f"
#: Without parse_math a row may be called "$": text is text. svg.fonttype path: the reader needs no font of ours.
STYLE = {
    "text.parse_math": False, "svg.fonttype": "path", "svg.hashsalt": "lamv",
    "font.family": "DejaVu Sans", "font.size": 9, "axes.labelsize": 9, "axes.titlesize": 9.5, "legend.fontsize": 8.5,
    "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "axes.grid": True, "axes.axisbelow": True, "grid.color": "#e6e6ec", "grid.linewidth": 0.8, "lines.linewidth": 1.5,
    "axes.edgecolor": "#70707c", "xtick.color": "#50505c", "ytick.color": "#50505c",
    "text.color": INK, "axes.labelcolor": INK, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "figure.facecolor": "none", "axes.facecolor": "none",
}  # fmt: skip


class Mark(NamedTuple):
    """How a quantity is drawn: marker, edge, fill."""

    marker: str
    edge: str
    fill: str


#: (metric, name, mark). The random cue is what the question is about, so it alone has a colour.
SPLITS = (
    ("test_aligned/accuracy", "aligned cue", Mark("o", INK, "white")),
    ("test_absent/accuracy", "no cue", Mark("s", "#70707c", PALE)),
    ("test_random/accuracy", "random cue", Mark("D", ACCENT, ACCENT)),
    ("test_conflicting/accuracy", "conflicting cue", Mark("v", INK, INK)),
)
PLAIN_TEST = (
    ("test/accuracy", "test", Mark("D", ACCENT, ACCENT)),
    ("train/accuracy", "training set", Mark("o", INK, "white")),
)
VARIANCES = (
    ("total_variance", "total", Mark("o", INK, "white")),
    ("within_variance", "within class", Mark("D", ACCENT, ACCENT)),
)
LINES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


class Drawn(NamedTuple):
    """A figure for the page: what it shows in words, for those who cannot see it, and below it for those who can."""

    name: str
    svg: str
    alt: str
    caption: str

    def inline(self, prefix: str) -> str:
        """The <svg> element; the prefix keeps its ids apart from those of other figures on the page."""
        svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-{self.name}-", self.svg)
        return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(self.alt)}"', 1)


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """The look of all figures, without what matplotlib and numpy remark on numbers that are all alike, or far apart."""
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        for category in (UserWarning, RuntimeWarning):
            warnings.simplefilter("ignore", category)
        yield


def figures(run: Run, which: Sequence[Callable] | None = None) -> list[Drawn]:
    """Those of the figures that the run has numbers for; all of FIGURES if `which` is not given."""
    with drawing():
        return [drawn for draw in which or FIGURES for drawn in [draw(run)] if drawn]


def accuracy(run: Run) -> Drawn | None:
    """(a) Accuracy on every split, row by row."""
    marks = [m for m in SPLITS if _any(run.rows, m[0])] or [m for m in PLAIN_TEST if _any(run.rows, m[0])]
    if not marks:
        return None
    fig, (axes,) = axes_by_row(run.rows, lines=len(marks))
    draw_dots(axes, run.rows, marks, scale=100)
    _falls(axes, run.rows, marks)
    with_cue = marks[0][0].startswith("test_")
    if with_cue and run.num_classes:
        chance = 100 / run.num_classes
        axes.axvline(chance, color=INK, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
        axes.text(chance + 0.8, -0.62, "chance", fontsize=8, va="bottom")
    if with_cue:
        axes.set_xlim(-2, 102)
    axes.set_xlabel("accuracy (%)")
    add_legend(fig, axes, columns=4)
    caption = "Accuracy of each row, mean ± sd over seeds."
    if with_cue:
        caption += (
            " The thin line is what a network loses when the cue turns from aligned (circle) to random (diamond): the"
            " longer, the more it relies on the cue. One that sees the cue alone falls to chance, one that ignores it"
            " not at all."
        )
    return figure_of("accuracy", fig, run.rows, marks, caption, percent=True)


def weight_ratio(run: Run) -> Drawn | None:
    """(b) How much of the first layer's weight lies on the cue."""
    marks = [("test/weight_norm_ratio", "weight ratio", Mark("D", ACCENT, ACCENT))]
    if not _any(run.rows, marks[0][0]):
        return None
    fig, (axes,) = axes_by_row(run.rows, lines=1)
    draw_dots(axes, run.rows, marks)
    axes.set_xlim(left=0)
    axes.set_xlabel("‖W cue‖ / ‖W rest‖ of the first layer (ratio of Frobenius norms)")
    caption = "Weight on the cue’s inputs over weight on all others: right means more on the cue. Mean ± sd over seeds."
    return figure_of("weight-ratio", fig, run.rows, marks, caption)


def variances(run: Run) -> Drawn | None:
    """(c) Total and within-class variance of features and outputs."""
    panels = {}
    for where, title in (("features", "features h"), ("outputs", "outputs")):
        marks = [(f"test/{where}/{part}", name, mark) for part, name, mark in VARIANCES]
        if any(_any(run.rows, metric) for metric, _, _ in marks):
            panels[title] = marks
    if not panels:
        return None
    logarithmic = False
    fig, all_axes = axes_by_row(run.rows, lines=2, panels=len(panels))
    for axes, (title, marks) in zip(all_axes, panels.items(), strict=True):
        floor = _log_if_wide(axes, run.rows, [metric for metric, _, _ in marks])
        draw_dots(axes, run.rows, marks, floor=floor)
        axes.set_xlim(left=floor)
        logarithmic |= floor > 0
        axes.set_title(title)
    add_legend(fig, all_axes[0], columns=2)
    caption = (
        "Variance on the test split, mean ± sd over seeds, summed over units: how much examples differ at all (circle),"
        " and how much those of one class do (diamond)."
    )
    if logarithmic:
        caption += " On the logarithmic scale, equal distances are equal factors."
    return figure_of("variances", fig, run.rows, [mark for marks in panels.values() for mark in marks], caption)


def curves(run: Run) -> Drawn | None:
    """(d) Training loss and test accuracy over the steps."""
    tested = "test_random/accuracy" if _any(run.rows, "test_random/accuracy") else "test/accuracy"
    name = "test accuracy, random cue (%)" if "random" in tested else "test accuracy (%)"
    unit = " (nats)" if all(row.knob("loss.name") != "squared_error" for row in run.rows) else ""
    wanted = [("train/loss", f"training loss{unit}", 1), (tested, name, 100)]
    panels = [panel for panel in wanted if any(curve(run, row.name, panel[0]) for row in run.rows)]
    if not panels:
        return None
    # As many names side by side as fit: a letter takes about 0.075 inches, the line before it 0.65.
    longest = max(len(shortened(row.name)) for row in run.rows)
    columns = min(4, int(WIDTH / (0.075 * longest + 0.65)))
    legend_lines = math.ceil(len(run.rows) / columns)
    fig = Figure(figsize=(WIDTH, 2.9 + 0.2 * legend_lines), layout="constrained")
    for axes, (metric, title, scale) in zip(fig.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for number, (row, look) in enumerate(zip(run.rows, looks(run.rows), strict=True)):
            _band(axes, row.name, curve(run, row.name, metric), scale, look, shift=number)
        axes.set(title=title, xlabel="step")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_xlim(left=0)
        if scale == 1 and axes.dataLim.y0 >= 0:  # a corrected loss may lie below 0
            axes.set_ylim(bottom=0)
    add_legend(fig, fig.axes[0], columns=columns, where="outside lower center")
    rows = ", ".join(shortened(row.name) for row in run.rows)
    shown = " and ".join(title for _, title, _ in panels)
    caption = (
        "In the course of training: mean over seeds, band ± sd. Colour tells the method, line and marker tell rows of"
        " one method apart. Losses of different methods have different floors: compare their shapes, not their levels."
    )
    return Drawn("curves", as_svg(fig), f"Lines: {shown} over training steps, for the rows {rows}.", caption)


FIGURES: tuple[Callable[[Run], Drawn | None], ...] = (accuracy, weight_ratio, variances, curves)


def looks(rows: Sequence[Row]) -> list[dict]:
    """Colour by method, line style by the row's place among those of its method, and a marker of its own."""
    seen: dict[str, int] = {}
    styles = []
    for number, row in enumerate(rows):
        method = str(row.knob("method.name"))
        place = seen[method] = seen.get(method, -1) + 1
        styles.append({
            "color": methods.colour_of(method),
            "linestyle": LINES[place % len(LINES)],
            "marker": MARKERS[number % len(MARKERS)],
        })  # fmt: skip
    return styles


def axes_by_row(rows: Sequence[Row], lines: int, panels: int = 1):
    """A figure whose y axis lists the rows, with room for a number of dots, one below the other, in each."""
    fig = Figure(figsize=(WIDTH, 0.95 + len(rows) * (0.2 + 0.1 * lines)), layout="constrained")
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
        offset = _offset(number, len(marks))
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


def _falls(axes, rows: Sequence[Row], marks: Sequence[tuple[str, str, Mark]]) -> None:
    """A line, in each row, from the accuracy with a random cue to that with an aligned one."""
    metrics = [metric for metric, _, _ in marks]
    aligned, random = "test_aligned/accuracy", "test_random/accuracy"
    if not {aligned, random} <= set(metrics):
        return
    for place, row in enumerate(rows):
        if aligned in row.metrics and random in row.metrics:
            y = place + _offset(metrics.index(random), len(metrics))
            axes.hlines(y, 100 * row.mean(random), 100 * row.mean(aligned), color=ACCENT, linewidth=0.7, zorder=2)


def _offset(number: int, of: int) -> float:
    """Where in its row the dot of a metric lies; the first on top."""
    return 0.17 * (number - (of - 1) / 2)


def _band(axes, name: str, points: Sequence[tuple[int, Spread]], scale: float, look: dict, shift: int) -> None:
    if not points:
        return
    steps = [step for step, _ in points]
    means = [scale * s.mean for _, s in points]
    low, high = ([scale * (s.mean + sign * (s.sd or 0)) for _, s in points] for sign in (-1, 1))
    axes.fill_between(steps, low, high, color=look["color"], alpha=0.16, linewidth=0)
    # Markers on a few of the points only, at other places in each line, so that they do not hide one another.
    every = max(1, len(steps) // 5)
    axes.plot(steps, means, label=shortened(name), markersize=4.5, markevery=(shift % every, every), **look)


def _log_if_wide(axes, rows: Sequence[Row], metrics: Sequence[str]) -> float:
    """A logarithmic scale where the values span more than a factor of 20 and none of them is 0. Where the axis begins."""
    values = [row.metrics[metric].mean for row in rows for metric in metrics if metric in row.metrics]
    wide = min(values) > 0 and max(values) > 20 * min(values)
    if wide:
        axes.set_xscale("log")
        decades = math.log10(max(values) / min(values))
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2 else (1, 3) if decades < 3 else (1,)))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("variance (log scale)")
        return 0.5 * min(values)
    axes.set_xlabel("variance")
    return 0.0


def add_legend(fig, axes, columns: int, where: str = "outside upper center") -> None:
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) > 1:
        fig.legend(handles, labels, loc=where, ncols=min(columns, len(labels)), columnspacing=1.6, handlelength=2.6)


def _any(rows: Sequence[Row], metric: str) -> bool:
    return any(metric in row.metrics for row in rows)


def shortened(name: str) -> str:
    """A row's name fit for an axis: one line of printable characters, not too long."""
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split()) or "(no name)"
    # The end of a long name is kept: that is where rows of a kind differ.
    return name if len(name) <= 28 else f"{name[:14]}…{name[-13:]}"


def figure_of(name: str, fig: Figure, rows, marks, caption: str, percent: bool = False) -> Drawn:
    """The figure with its numbers as alternative text."""
    scale, digits, unit = (100, ".1f", " %") if percent else (1, ".3g", "")
    texts = []
    for row in rows:
        have = [(label, row.metrics[metric].mean) for metric, label, _ in marks if metric in row.metrics]
        numbers = ", ".join(f"{label} {scale * mean:{digits}}{unit}" for label, mean in have)
        texts.append(f"{shortened(row.name)}: {numbers}")
    return Drawn(name, as_svg(fig), f"Dot plot, {name}. " + "; ".join(texts) + ".", caption)


def as_svg(fig: Figure) -> str:
    """The figure as an <svg> element that scales with the page and names nothing outside of it."""
    out = io.StringIO()
    fig.savefig(out, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    # In HTML the namespaces go without saying, and the page's style decides on the size.
    head, rest = svg.split(">", 1)
    head = re.sub(r' (xmlns(:xlink)?|width|height|version)="[^"]*"', "", head)
    return head + ">" + rest.replace("xlink:href", "href")

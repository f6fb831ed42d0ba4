"""Figures that come as data, in summary.json's "figures" of an experiment on theory.

Each is a dict with "kind", "name" (for ids), "title", "caption" and, by kind:

lines   x_label, y_label, x_scale and y_scale ("linear" or "log"), series [{name, x, y, sd?, style?}], levels? [{y, name}].
        style: "line" (measured: markers), "dashed" (for comparison: none), "points", "band". sd: whiskers for points, else
        a band of ± sd.
field   x, y (grids), panels [{name, z}] with z of len(y) rows of len(x), points? [{name, x, y}], lines? [{name, x, y}],
        levels? [z of contour lines], x_label?, y_label?, z_label?. The colour is z, dark for high.
bars    x_label, groups [names], series [{name, y, sd?}]: a line for each group, on it a dot with whiskers for each series.

A number may be None. A figure that cannot be drawn becomes a sentence, and leaves the rest of the page as it is.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.colors import BoundaryNorm
from matplotlib.ticker import MaxNLocator

from lamv.errors import brief
from lamv.report.figures import style
from lamv.report.figures.style import ACCENT, HEAT, INK, MARKERS, PALE, WIDTH, Drawn, Mark, as_svg, panels
from lamv.report.numbers import shortened
from lamv.results.records import Row, Spread
from lamv.results.shapes import NUMBER, TEXT, Shape, many, optional, record

#: Neighbours differ in lightness, so that a copy in grey tells them apart as well.
COLOURS = ("#14213d", "#c0451f", "#3f97a8", "#e3a72f", "#7a3b69", "#9bbf8f", "#55555f", "#d58fb0")
SOLID = ("-", "-.", (0, (8, 1.5)), (0, (5, 1, 1, 1, 1, 1)))
DASHED = ("--", ":", (0, (6, 2, 1, 2, 1, 2)), (0, (2, 2)))
MARKS = (
    Mark("o", INK, "white"), Mark("D", ACCENT, ACCENT), Mark("s", "#70707c", PALE), Mark("v", INK, INK),
    Mark("^", "#1f7a8c", "white"), Mark("P", "#7a3b69", "#7a3b69"),
)  # fmt: skip
#: Bands of colour, each drawn over those below it.
BANDS = 20
#: Letters beyond which a name is cut in the middle.
LONGEST = 60


class Titled(NamedTuple):
    """A figure with its heading."""

    title: str
    drawn: Drawn


def draw(stored: Sequence[Mapping[str, Any]]) -> tuple[list[Titled], list[str]]:
    """The figures of a summary.json, and a sentence for each that cannot be drawn."""
    made, failed = [], []
    with style.drawing():
        for number, figure in enumerate(stored):
            try:
                made.append(_titled(figure))
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                failed.append(f"Figure {number + 1} cannot be drawn ({' '.join(str(error).split())[:300]}).")
    return made, failed


def _titled(figure: Any) -> Titled:
    if not FIGURE.fits(figure):
        raise ValueError(f"it is {brief(figure)}, must be {FIGURE.words}")
    kind = figure["kind"]
    for key, shape in PARTS[kind].items():
        if not shape.fits(figure.get(key)):
            raise ValueError(f"{key} is {brief(figure.get(key))}, must be {shape.words}")
    return Titled(figure["title"], KINDS[kind](figure))


def lines(figure: Mapping[str, Any]) -> Drawn:
    """Curves and points over a common axis."""
    series, levels = figure["series"], figure.get("levels") or []
    columns = _columns([one["name"] for one in [*series, *levels]])
    entries = math.ceil((len(series) + len(levels)) / columns)
    fig, [axes] = panels(1, 1, (WIDTH, 3.4 + 0.2 * entries))
    scales = {axis: figure.get(f"{axis}_scale") or "linear" for axis in "xy"}
    floors = {axis: _floor(series, axis) if scale == "log" else -math.inf for axis, scale in scales.items()}
    left_out, dashes, with_markers = 0, {"solid": 0, "dashed": 0}, 0
    for number, one in enumerate(series):
        points = _points(one)
        shown = [p for p in points if p[0] >= floors["x"] and not p[1] < floors["y"]]
        left_out += len(points) - len(shown)
        kind = one.get("style") or "line"
        dash = "dashed" if kind == "dashed" else "solid"
        look = {"color": COLOURS[number % len(COLOURS)]}
        if kind == "points":
            look["linestyle"] = ""
        else:
            patterns = DASHED if dash == "dashed" else SOLID
            look["linestyle"] = patterns[dashes[dash] % len(patterns)]
            dashes[dash] += 1
        if dash == "solid":
            look["marker"] = MARKERS[with_markers % len(MARKERS)]
            with_markers += 1
        _one_line(axes, _name(one["name"]), shown, kind, look, floors["y"], shift=number)
    for number, level in enumerate(levels):
        pattern = ((0, (1, 1.5)), (0, (4, 2, 1, 2)), (0, (1, 4)))[number % 3]
        axes.axhline(
            level["y"], color="#55555f", linewidth=1.1, linestyle=pattern, label=_name(level["name"]), zorder=1.5
        )
    for axis, scale in scales.items():
        if scale == "log":
            (axes.set_xscale if axis == "x" else axes.set_yscale)("log")
            low, high = axes.get_xlim() if axis == "x" else axes.get_ylim()
            style.log_ticks(axes.xaxis if axis == "x" else axes.yaxis, high / low if low > 0 else 10)
    axes.set(xlabel=_label(figure["x_label"]), ylabel=_label(figure["y_label"]))
    _legend(fig, axes, columns)
    caption = figure["caption"]
    if left_out:
        which = "1 point at or below 0 has" if left_out == 1 else f"{left_out} points at or below 0 have"
        caption += f" {which} no place on the logarithmic scale."
    spans = [f"{shortened(one['name'])}: {_span(_points(one))}" for one in series]
    spans += [f"{shortened(level['name'])}: level at {level['y']:.4g}" for level in levels]
    alt = f"Lines: {figure['y_label']} over {figure['x_label']}. " + "; ".join(spans) + "."
    return Drawn(_id(figure["name"]), as_svg(fig), alt, caption)


def field(figure: Mapping[str, Any]) -> Drawn:
    """A number over the plane, as colour, with its contour lines; a panel for each of several."""
    x, y, fields = figure["x"], figure["y"], figure["panels"]
    across = min(3, len(fields))
    down = math.ceil(len(fields) / across)
    wide, high = max(x) - min(x), max(y) - min(y)
    equal = 1 / 3 <= high / wide <= 3
    each = (WIDTH - 0.9) / across
    tall = min(4.0, max(1.2, each * (high / wide if equal else 0.8)))
    fig, grid = panels(len(fields), across, (WIDTH, down * (tall + 0.55) + 0.3), share="xy")
    low, top = _range([panel["z"] for panel in fields])
    edges = [low + (top - low) * band / BANDS for band in range(BANDS + 1)]
    norm = BoundaryNorm(edges, HEAT.N)
    for axes, panel in zip(grid, fields, strict=True):
        _heat(axes, figure, panel, edges, norm)
        axes.set_title(_name(panel["name"]))
        axes.grid(visible=False)
        if equal:
            axes.set_aspect("equal")
        axes.set(xlim=(min(x), max(x)), ylim=(min(y), max(y)))
        axes.xaxis.set_major_locator(MaxNLocator(4, prune="upper"))
    fig.supxlabel(_label(figure.get("x_label") or "x₁"), fontsize=9)
    fig.supylabel(_label(figure.get("y_label") or "x₂"), fontsize=9)
    ticks = (low, (low + top) / 2, top)
    z_label = _label(figure.get("z_label") or "probability")
    style.add_colour_bar(fig, grid, norm, z_label, ticks, [f"{v:.3g}" for v in ticks])
    names = [one["name"] for one in [*(figure.get("points") or []), *(figure.get("lines") or [])]]
    if names:
        fig.legend(*grid[0].get_legend_handles_labels(), loc="outside upper center", ncols=_columns(names))
    means = [f"{shortened(panel['name'])}: mean {_mean(panel['z']):.3g}" for panel in fields]
    alt = f"Colour over the plane, from {low:.3g} to {top:.3g}. " + "; ".join(means) + "."
    return Drawn(_id(figure["name"]), as_svg(fig), alt, figure["caption"])


def bars(figure: Mapping[str, Any]) -> Drawn:
    """A line for each group, on it a dot with its whisker for each series."""
    series = figure["series"]
    rows = []
    for place, group in enumerate(figure["groups"]):
        values = {one["name"]: (one["y"][place], (one.get("sd") or [None] * len(one["y"]))[place]) for one in series}
        metrics = {name: Spread(float(y), sd, 1, ()) for name, (y, sd) in values.items() if y is not None}
        rows.append(Row(str(group), {}, metrics))
    marks = [(one["name"], _name(one["name"]), MARKS[number % len(MARKS)]) for number, one in enumerate(series)]
    fig, (axes,) = style.axes_by_row(rows, lines=len(marks))
    style.draw_dots(axes, rows, marks)
    axes.set_xlabel(_label(figure["x_label"]))
    _legend(fig, axes, _columns([one["name"] for one in series]))
    return style.figure_of(_id(figure["name"]), fig, rows, marks, figure["caption"])


KINDS: dict[str, Callable[[Mapping[str, Any]], Drawn]] = {"lines": lines, "field": field, "bars": bars}
FIGURE = record({
    "kind": Shape(lambda value: TEXT.fits(value) and value in KINDS, f"one of {', '.join(KINDS)}"),
    "name": TEXT, "title": TEXT, "caption": TEXT,
})  # fmt: skip
_VALUES = many(optional(NUMBER))
_CURVES = many(record({"name": TEXT, "x": _VALUES, "y": _VALUES}, {"sd": optional(_VALUES)}))
_SCALE = Shape(lambda value: value in (None, "linear", "log"), "linear or log")
#: Of each kind what its parts must be; null where one is not there.
PARTS: dict[str, dict[str, Shape]] = {
    "lines": {
        "x_label": TEXT, "y_label": TEXT, "x_scale": _SCALE, "y_scale": _SCALE, "series": _CURVES,
        "levels": optional(many(record({"y": NUMBER, "name": TEXT}))),
    },
    "field": {
        "x": many(NUMBER), "y": many(NUMBER), "panels": many(record({"name": TEXT, "z": many(_VALUES)})),
        "points": optional(_CURVES), "lines": optional(_CURVES), "levels": optional(many(NUMBER)),
        **dict.fromkeys(("x_label", "y_label", "z_label"), optional(TEXT)),
    },
    "bars": {
        "x_label": TEXT, "groups": many(TEXT),
        "series": many(record({"name": TEXT, "y": _VALUES}, {"sd": optional(_VALUES)})),
    },
}  # fmt: skip


def _one_line(axes, name: str, points: Sequence[tuple], kind: str, look: dict, floor: float, shift: int) -> None:
    """points: (x, y, sd or None) each; y may be NaN, where the line has a gap."""
    if not points:
        axes.plot([], [], label=name, **look)
        return
    x, y, sd = zip(*points, strict=True)
    down = [max(v - (s or 0), floor) for v, s in zip(y, sd, strict=True)]
    up = [v + (s or 0) for v, s in zip(y, sd, strict=True)]
    if kind == "points":
        whiskers = [[v - d for v, d in zip(y, down, strict=True)], [u - v for v, u in zip(y, up, strict=True)]]
        errors = whiskers if any(sd) else None
        axes.errorbar(x, y, yerr=errors, markersize=5, elinewidth=1.1, capsize=2, label=name, zorder=3, **look)
        return
    if any(sd):
        axes.fill_between(x, down, up, color=look["color"], alpha=0.28 if kind == "band" else 0.16, linewidth=0)
    # Markers on a few of the points only, at other places in each line, so that they do not hide one another.
    every = max(1, len(x) // 6)
    look = look | {"linewidth": 0.9} if kind == "band" else look
    axes.plot(x, y, label=name, markersize=4.5, markevery=(shift % every, every), zorder=2.5, **look)


def _heat(axes, figure: Mapping[str, Any], panel: Mapping[str, Any], edges: Sequence[float], norm) -> None:
    """One panel. Each band is drawn over all lower ones: bands side by side would show seams on a screen."""
    x, y = figure["x"], figure["y"]
    z = [[math.nan if v is None else min(max(v, edges[0]), edges[-1]) for v in row] for row in panel["z"]]
    axes.set_facecolor(HEAT(norm(edges[0])))
    values = [v for row in z for v in row if not math.isnan(v)]
    for low, high in zip(edges[1:-1], edges[2:], strict=True):
        if values and low <= max(values):
            axes.contourf(x, y, z, levels=[low, edges[-1] + 1], colors=[HEAT(norm((low + high) / 2))], zorder=1)
    levels = sorted(level for level in figure.get("levels") or [] if values and min(values) < level < max(values))
    if levels:
        # White below ink: to be seen on dark and on light.
        axes.contour(x, y, z, levels=levels, colors="white", linewidths=2.6, zorder=2)
        axes.contour(x, y, z, levels=levels, colors=INK, linewidths=1.1, zorder=2.1)
    for number, one in enumerate(figure.get("lines") or []):
        colour, pattern = COLOURS[(number + 2) % len(COLOURS)], DASHED[number % len(DASHED)]
        axes.plot(*_gaps(one), color="white", linewidth=3.2, zorder=2.2)
        axes.plot(*_gaps(one), color=colour, linestyle=pattern, linewidth=1.6, label=_name(one["name"]), zorder=2.3)
    for number, one in enumerate(figure.get("points") or []):
        fill, edge = (("white", INK), (INK, "white"), (ACCENT, "white"), ("#e3a72f", INK))[number % 4]
        look = {"markerfacecolor": fill, "markeredgecolor": edge, "markeredgewidth": 0.8, "markersize": 4.5}
        look["marker"] = MARKERS[number % len(MARKERS)]
        axes.plot(*_gaps(one), linestyle="", label=_name(one["name"]), zorder=3, **look)


def _points(one: Mapping[str, Any]) -> list[tuple]:
    """(x, y, sd) of a series; NaN for a y that is not there."""
    sds = one.get("sd") or [None] * len(one["x"])
    triples = zip(one["x"], one["y"], sds, strict=True)
    return [(float(x), math.nan if y is None else float(y), sd) for x, y, sd in triples if x is not None]


def _gaps(one: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """x and y of points or of a line in the plane."""
    points = _points(one)
    return [x for x, _, _ in points], [y for _, y, _ in points]


def _floor(series: Sequence[Mapping[str, Any]], axis: str) -> float:
    """Where a logarithmic axis may begin at the lowest: just below the smallest number above 0."""
    values = [v for one in series for v in one[axis] if v is not None and v > 0]
    return 0.5 * min(values) if values else math.inf


def _legend(fig, axes, columns: int) -> None:
    """Outside of the axes, so that it covers no data; it is there for a single entry too, if that says anything."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        fig.legend(handles, labels, loc="outside upper center", ncols=columns, columnspacing=1.6, handlelength=3.2)


def _columns(names: Sequence[str]) -> int:
    """As many columns of names as fit side by side: a letter takes about 0.075 inches, the line before it 0.75."""
    widths = [0.075 * len(_name(name)) + 0.75 for name in names] or [0.0]
    for columns in range(min(4, len(widths)), 1, -1):
        deep = math.ceil(len(widths) / columns)  # a legend is filled column by column
        if sum(max(widths[start : start + deep]) for start in range(0, len(widths), deep)) <= WIDTH:
            return columns
    return 1


def _range(fields: Sequence[Sequence[Sequence[float | None]]]) -> tuple[float, float]:
    """0 to 1 for probabilities; else from the lowest to the highest number."""
    values = [v for z in fields for row in z for v in row if v is not None]
    low, high = min(values), max(values)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return low, high if high > low else low + 1


def _mean(z: Sequence[Sequence[float | None]]) -> float:
    values = [v for row in z for v in row if v is not None]
    return sum(values) / len(values) if values else math.nan


def _span(points: Sequence[tuple]) -> str:
    have = [(x, y) for x, y, _ in points if not math.isnan(y)]
    if not have:
        return "no numbers"
    (first, start), (last, end) = have[0], have[-1]
    return f"{start:.4g} at {first:.4g}" + (f" to {end:.4g} at {last:.4g}" if len(have) > 1 else "")


def _name(text: str) -> str:
    """A name fit for a legend or an axis."""
    return shortened(text, LONGEST)


def _label(text: str) -> str:
    return shortened(text, 2 * LONGEST)


def _id(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", str(name).lower()).strip("-") or "figure"

"""Figures on shortcuts: groups of many labels and attributes, method by mitigation, and dose and response.

The look is that of lamv.report.figures. What they show is put together, without drawing, in lamv.compare.group_tables, grids
and doses. Each gives None where there is nothing to draw.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lamv.compare import doses, grids, group_tables
from lamv.compare.grids import Grid
from lamv.report.drawings import HEAT
from lamv.report.figures import INK, WIDTH, Drawn, add_legend, as_svg, looks, shortened
from lamv.report.variance_figures import columns_of
from lamv.results.legend import Legend
from lamv.results.runs import Spread

#: Rows that get a panel of their own; more would not be read.
PANELS = 9
#: Groups of a heat map, beyond which none can be seen and the page is slow to load.
MOST_CELLS = 250_000
BANDS = [v / 20 for v in range(21)]


def many_groups(section: group_tables.Section | None) -> Drawn | None:
    """Accuracy by label and attribute, a panel for each of the first rows; for groups too many for a table."""
    rows = [(name, groups) for name, groups in (section.pooled if section else {}).items() if groups]
    rows = [(name, groups) for name, groups in rows if all(a is not None for _, a in groups)]
    if not rows:
        return None
    shown = rows[:PANELS]
    labels = 1 + max(y for _, groups in rows for y, _ in groups)
    attributes = 1 + max(a for _, groups in rows for _, a in groups)
    if labels * attributes > MOST_CELLS:
        return None
    across = min(3, len(shown))
    down = math.ceil(len(shown) / across)
    tall = (WIDTH - 0.9) / across * min(1.6, max(0.4, labels / attributes))
    fig = Figure(figsize=(WIDTH, 0.4 + down * (tall + 0.35)), layout="constrained")
    grid = fig.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    norm = BoundaryNorm(BANDS, HEAT.N)
    for axes, (name, groups) in zip(grid.flat, shown, strict=False):
        shares = [
            [groups[y, a][1] / groups[y, a][0] if (y, a) in groups else math.nan for a in range(attributes)]
            for y in range(labels)
        ]
        axes.set_facecolor("#dcdce2")  # of a group without examples
        axes.pcolormesh(shares, cmap=HEAT, norm=norm, edgecolors="white", linewidth=0.3)
        axes.set_title(shortened(name))
        axes.grid(visible=False)
        axes.set_ylim(labels, 0)  # not inverted: the axis is shared, and would be turned once for each map
        named = (axes.xaxis, attributes, section.legend.attributes), (axes.yaxis, labels, section.legend.classes)
        for axis, number, names in named:
            ticks = range(0, number, math.ceil(number / 10))
            words = [textwrap.shorten(names[v], 16, placeholder="…") if v < len(names) else str(v) for v in ticks]
            axis.set_ticks([v + 0.5 for v in ticks], words)
            axis.set_tick_params(length=0)
        axes.tick_params(axis="x", rotation=90 * any(len(label.get_text()) > 3 for label in axes.get_xticklabels()))
    fig.supxlabel("attribute", fontsize=9)
    fig.supylabel("label", fontsize=9)
    _bar(fig, list(grid.flat), norm, "accuracy (%)")
    caption = (
        f"Accuracy on each group of {group_tables.SPLIT_WORDS[section.split]}, examples of all seeds put together: down the"
        " label, across the attribute. On the diagonal the two agree, where a planted cue says the label; a network that"
        " follows the cue is dark there and light elsewhere. Grey: no examples."
    )
    caption += f" The first {len(shown)} of {len(rows)} rows." if len(shown) < len(rows) else ""
    texts = [f"{shortened(name)}: {_extremes(groups, section.legend)}" for name, groups in shown]
    return Drawn(
        "groups", as_svg(fig), "Heat maps of accuracy by label and attribute. " + "; ".join(texts) + ".", caption
    )


def method_by_mitigation(grid: Grid, number: int = 0) -> Drawn | None:
    """A heat map for each measure: methods down, mitigations across, mean, sd and n in the cells."""
    measures = grids.measures(grid)
    if not measures:
        return None
    across, down = len(grid.mitigations), len(grid.methods)
    side_by_side = across <= 4 and len(measures) > 1
    tall = 0.9 + 0.2 * side_by_side + (0.36 + 0.12 * (across > 8)) * down
    size = (WIDTH, 0.3 + tall * (1 if side_by_side else len(measures)))
    fig = Figure(figsize=size, layout="constrained")
    shape = (1, len(measures)) if side_by_side else (len(measures), 1)
    norm = BoundaryNorm(BANDS, HEAT.N)
    axes_of = list(fig.subplots(*shape, squeeze=False, sharey=side_by_side).flat)
    texts = []
    for axes, (metric, words) in zip(axes_of, measures, strict=True):
        cells = {place: row.metrics[metric] for place, row in grid.rows.items() if metric in row.metrics}
        _cells(axes, grid, cells, norm, small=across > 6, letters=30 if side_by_side else 60)
        axes.set_title(textwrap.fill(f"{words} (%)", 32) if side_by_side else f"{words} (%)")
        named = [f"{method} with {way} {100 * s.mean:.1f}" for (method, way), s in cells.items()]
        texts.append(f"{words}: " + ", ".join(named))
    _bar(fig, axes_of, norm, "accuracy (%)")
    caption = (
        "Methods down, mitigations across; rows of one cell and another differ in nothing else. In each cell the mean in %,"
        " and below it ± sd and, in brackets, the number of seeds. Down a column, methods under the same mitigation; along"
        " a row, what mitigations make of one method. –: not trained, or not measured."
    )
    return Drawn(f"method-by-mitigation-{number}", as_svg(fig), "Heat maps. " + "; ".join(texts) + ".", caption)


def dose_response(panels: Sequence[doses.Panel]) -> Drawn | None:
    """Accuracy under a random cue over the dose, a line for each method setting, a panel for each dose."""
    if not panels:
        return None
    names = list(dict.fromkeys(curve.name for panel in panels for curve in panel.curves))
    first = {curve.name: curve.rows for panel in reversed(panels) for curve in panel.curves}
    style = dict(zip(names, looks([next(iter(first[name].values())) for name in names]), strict=True))
    across = min(2, len(panels))
    down = math.ceil(len(panels) / across)
    columns = columns_of(names)
    height = 3.4 if across > 1 else 3.9
    fig = Figure(figsize=(WIDTH, down * height + 0.19 * math.ceil(len(names) / columns)), layout="constrained")
    grid = fig.subplots(down, across, squeeze=False, sharey=True)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        for place, curve in enumerate(panel.curves):
            _curve(axes, curve, style[curve.name], place)
        axes.set_xlabel(panel.words)
        axes.set_title(textwrap.shorten(panel.fixed, 80, placeholder="…"))
        axes.xaxis.set_major_locator(MaxNLocator(6))
    for axes in grid[:, 0]:
        axes.set_ylabel("accuracy, random cue (%)")
    fullest = max(grid.flat, key=lambda axes: len(axes.get_legend_handles_labels()[1]))
    add_legend(fig, fullest, columns=columns, where="outside lower center")
    caption = (
        "Accuracy under a random cue at each dose: mean over seeds, band ± sd. A method below ERM is less accurate than ERM"
        " where the cue says nothing; where its line crosses that of ERM, it ceases to be."
    )
    texts = [
        f"{curve.name}: {100 * of[0][1].mean:.1f} at {of[0][0]:g} to {100 * of[-1][1].mean:.1f} at {of[-1][0]:g}"
        for panel in panels for curve in panel.curves for of in [curve.points()]
    ]  # fmt: skip
    words = " and ".join(dict.fromkeys(panel.words for panel in panels))
    return Drawn("dose-response", as_svg(fig), f"Lines: accuracy over {words}. " + "; ".join(texts) + ".", caption)


def _cells(axes, grid: Grid, cells: Mapping[tuple[str, str], Spread], norm, small: bool, letters: int) -> None:
    """One heat map with its numbers. letters: of the names of mitigations that fit beside one another."""
    shares = [[cells[m, w].mean if (m, w) in cells else math.nan for w in grid.mitigations] for m in grid.methods]
    axes.pcolormesh(shares, cmap=HEAT, norm=norm, edgecolors="white", linewidth=1)
    axes.set_ylim(len(grid.methods), 0)
    axes.grid(visible=False)
    tilted = max(map(len, grid.mitigations)) > letters / len(grid.mitigations)
    ways = [shortened(name) for name in grid.mitigations]
    look = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if tilted else {}
    axes.set_xticks([v + 0.5 for v in range(len(ways))], ways, **look)
    axes.set_yticks([v + 0.5 for v in range(len(grid.methods))], [shortened(name) for name in grid.methods])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for y, method in enumerate(grid.methods):
        for x, way in enumerate(grid.mitigations):
            found = cells.get((method, way))
            if found is None:
                axes.text(x + 0.5, y + 0.5, "–", ha="center", va="center")
                continue
            colour = "white" if found.mean > 0.55 else INK
            sd = "" if found.sd is None else f"± {100 * found.sd:.1f} "
            axes.text(
                x + 0.5,
                y + 0.34,
                f"{100 * found.mean:.1f}",
                ha="center",
                va="center",
                color=colour,
                fontsize=8.5 - small,
            )
            axes.text(
                x + 0.5,
                y + 0.74,
                f"{sd}({found.n})",
                ha="center",
                va="center",
                color=colour,
                fontsize=6.5 - 0.5 * small,
            )


def _curve(axes, curve: doses.Curve, look: Mapping, place: int) -> None:
    points = curve.points()
    x, y = [dose for dose, _ in points], [100 * s.mean for _, s in points]
    sd = [100 * (s.sd or 0) for _, s in points]
    low, high = ([m + sign * d for m, d in zip(y, sd, strict=True)] for sign in (-1, 1))
    axes.fill_between(x, low, high, color=look["color"], alpha=0.14, linewidth=0)
    wide = {"linewidth": 2.4, "zorder": 4} if curve.erm else {}
    every = max(1, len(x) // 6)
    axes.plot(x, y, label=shortened(curve.name), markersize=4, markevery=(place % every, every), **look, **wide)


def _bar(fig, axes, norm, label: str) -> None:
    bar = fig.colorbar(ScalarMappable(norm, HEAT), ax=axes, fraction=0.04, pad=0.015, aspect=30)
    bar.set_ticks([0, 0.5, 1], labels=["0", "50", "100"])
    bar.set_label(label)
    bar.minorticks_off()
    bar.solids.set_edgecolor("face")
    bar.outline.set_visible(False)


def _extremes(groups: Mapping[tuple, tuple[int, int]], legend: Legend) -> str:
    """Worst and best group, for those who cannot see the map."""
    shares = {group: correct / count for group, (count, correct) in groups.items()}
    (low, least), (high, most) = (pick(shares.items(), key=lambda item: item[1]) for pick in (min, max))
    named = [f"{legend.group(*group)}: {100 * share:.0f} %" for group, share in ((low, least), (high, most))]
    return f"from {named[0]} to {named[1]}"

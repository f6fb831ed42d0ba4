"""Figures on shortcuts: groups of many labels and attributes, method by mitigation, and dose and response.

Each draws what lamv.compare.by_group, grids and doses computed, and returns None where there is nothing to draw.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.colors import BoundaryNorm
from matplotlib.ticker import MaxNLocator

from lamv.compare import doses, grids
from lamv.compare.by_group import GroupAccuracies
from lamv.compare.grids import Grid
from lamv.report.figures import style
from lamv.report.figures.style import HEAT, INK, WIDTH, Drawn, add_legend, as_svg, looks, panels
from lamv.report.numbers import first_of, shortened
from lamv.results.legend import Legend
from lamv.results.records import Spread

SPLIT_WORDS = {"test": "the test split", "test_random": "the test split with a random cue"}
#: Rows that get a panel each.
PANELS = 9
#: Groups beyond which there is no heat map: they cannot be seen, and the page is slow to load.
MOST_CELLS = 250_000
BANDS = [v / 20 for v in range(21)]


def many_groups(groups: GroupAccuracies) -> Drawn | None:
    """Accuracy by label and attribute, a panel for each of the first rows; for groups too many for a table."""
    rows = [(name, cells) for name, cells in groups.pooled.items() if cells and all(a is not None for _, a in cells)]
    if not rows:
        return None
    shown = rows[:PANELS]
    labels = 1 + max(y for _, cells in rows for y, _ in cells)
    attributes = 1 + max(a for _, cells in rows for _, a in cells if a is not None)
    if labels * attributes > MOST_CELLS:
        return None
    across, down = min(3, len(shown)), math.ceil(len(shown) / 3)
    tall = (WIDTH - 0.9) / across * min(1.6, max(0.4, labels / attributes))
    fig, grid = panels(len(shown), across, (WIDTH, 0.4 + down * (tall + 0.35)), share="xy")
    norm = BoundaryNorm(BANDS, HEAT.N)
    for axes, (name, cells) in zip(grid, shown, strict=True):
        shares = [
            [cells[y, a][1] / cells[y, a][0] if (y, a) in cells else math.nan for a in range(attributes)]
            for y in range(labels)
        ]
        axes.set_facecolor("#dcdce2")  # of a group without examples
        axes.pcolormesh(shares, cmap=HEAT, norm=norm, edgecolors="white", linewidth=0.3)
        axes.set_title(shortened(name))
        axes.grid(visible=False)
        axes.set_ylim(labels, 0)  # not inverted: the axis is shared, and would be turned once for each map
        for axis, count, names in (
            (axes.xaxis, attributes, groups.legend.attributes), (axes.yaxis, labels, groups.legend.classes)
        ):  # fmt: skip
            ticks = range(0, count, math.ceil(count / 10))
            words = [textwrap.shorten(names[v], 16, placeholder="…") if v < len(names) else str(v) for v in ticks]
            axis.set_ticks([v + 0.5 for v in ticks], words)
            axis.set_tick_params(length=0)
        axes.tick_params(axis="x", rotation=90 * any(len(label.get_text()) > 3 for label in axes.get_xticklabels()))
    fig.supxlabel("attribute", fontsize=9)
    fig.supylabel("label", fontsize=9)
    style.add_colour_bar(fig, grid, norm, "accuracy (%)", (0, 0.5, 1), ("0", "50", "100"))
    caption = (
        f"Accuracy on each group of {SPLIT_WORDS[groups.split]}, seeds pooled: labels down, attributes across. On the"
        " diagonal the two agree, where a planted cue agrees with the label; a network that follows the cue is dark there"
        " and light elsewhere. Grey: no examples."
    )
    texts = [f"{shortened(name)}: {_extremes(cells, groups.legend)}" for name, cells in shown]
    alt = "Heat maps of accuracy by label and attribute. " + "; ".join(texts) + "."
    return Drawn("groups", as_svg(fig), alt, caption + first_of(len(shown), len(rows)))


def method_by_mitigation(grid: Grid, number: int = 0) -> Drawn | None:
    """A heat map for each measure: methods down, mitigations across, mean, sd and n in the cells."""
    measures = grids.measures(grid)
    if not measures:
        return None
    across, down = len(grid.mitigations), len(grid.methods)
    side_by_side = across <= 4 and len(measures) > 1
    tall = 0.9 + 0.2 * side_by_side + (0.36 + 0.12 * (across > 8)) * down
    size = (WIDTH, 0.3 + tall * (1 if side_by_side else len(measures)))
    maps, columns = len(measures), len(measures) if side_by_side else 1
    fig, all_axes = panels(maps, columns, size, share="y" if side_by_side else "")
    norm = BoundaryNorm(BANDS, HEAT.N)
    texts = []
    for axes, (metric, words) in zip(all_axes, measures, strict=True):
        cells = {place: row.metrics[metric] for place, row in grid.rows.items() if metric in row.metrics}
        _cells(axes, grid, cells, norm, small=across > 6, letters=30 if side_by_side else 60)
        axes.set_title(textwrap.fill(f"{words} (%)", 32) if side_by_side else f"{words} (%)")
        named = [f"{method} with {way} {100 * s.mean:.1f}" for (method, way), s in cells.items()]
        texts.append(f"{words}: " + ", ".join(named))
    style.add_colour_bar(fig, all_axes, norm, "accuracy (%)", (0, 0.5, 1), ("0", "50", "100"))
    caption = (
        "Methods down, mitigations across, all else the same. Each cell: mean in %, below it ± sd and in parentheses the"
        " number of seeds. –: not trained, or not measured."
    )
    return Drawn(f"method-by-mitigation-{number}", as_svg(fig), "Heat maps. " + "; ".join(texts) + ".", caption)


def dose_response(curves: Sequence[doses.Panel]) -> Drawn | None:
    """Accuracy under a random cue over the dose, a line for each method setting, a panel for each dose."""
    if not curves:
        return None
    names = list(dict.fromkeys(curve.name for panel in curves for curve in panel.curves))
    first = {curve.name: curve.rows for panel in reversed(curves) for curve in panel.curves}
    look = dict(zip(names, looks([next(iter(first[name].values())) for name in names]), strict=True))
    columns = style.columns_of(names)
    height = math.ceil(len(curves) / 2) * (3.4 if len(curves) > 1 else 3.9) + 0.19 * math.ceil(len(names) / columns)
    fig, grid = panels(len(curves), 2, (WIDTH, height), share="y")
    for axes, panel in zip(grid, curves, strict=True):
        for shift, curve in enumerate(panel.curves):
            wide = {"linewidth": 2.4, "zorder": 4} if curve.erm else {}
            style.line_with_band(
                axes, curve.points(), look[curve.name] | wide, label=curve.name, shift=shift, scale=100
            )
        axes.set_xlabel(panel.words)
        axes.set_title(textwrap.shorten(panel.fixed, 80, placeholder="…"))
        axes.xaxis.set_major_locator(MaxNLocator(6))
    for axes in grid[::2]:
        axes.set_ylabel("accuracy, random cue (%)")
    add_legend(fig, grid, columns)
    caption = (
        "Accuracy under a random cue at each dose: mean over seeds, band ± sd. A method below ERM relies more on the cue"
        " than ERM."
    )
    texts = [
        f"{curve.name}: {100 * start.mean:.1f} at {low:g} to {100 * end.mean:.1f} at {high:g}"
        for panel in curves for curve in panel.curves for (low, start), *_, (high, end) in [curve.points()]
    ]  # fmt: skip
    words = " and ".join(dict.fromkeys(panel.words for panel in curves))
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
            spread = cells.get((method, way))
            if spread is None:
                axes.text(x + 0.5, y + 0.5, "–", ha="center", va="center")
                continue
            look = {"ha": "center", "va": "center", "color": "white" if spread.mean > 0.55 else INK}
            sd = "" if spread.sd is None else f"± {100 * spread.sd:.1f} "
            axes.text(x + 0.5, y + 0.34, f"{100 * spread.mean:.1f}", fontsize=8.5 - small, **look)
            axes.text(x + 0.5, y + 0.74, f"{sd}({spread.n})", fontsize=6.5 - 0.5 * small, **look)


def _extremes(groups: Mapping[tuple, tuple[int, int]], legend: Legend) -> str:
    """Worst and best group, for the alternative text."""
    shares = {group: correct / count for group, (count, correct) in groups.items()}
    (low, least), (high, most) = (pick(shares.items(), key=lambda item: item[1]) for pick in (min, max))
    named = [f"{legend.group(*group)}: {100 * share:.0f} %" for group, share in ((low, least), (high, most))]
    return f"from {named[0]} to {named[1]}"

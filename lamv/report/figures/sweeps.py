"""Figures of a sweep: methods over knobs, the marginal effect of each knob, two knobs together."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.colors import Normalize

from lamv.catalog import methods
from lamv.compare import effects
from lamv.compare.effects import Effect, Interaction
from lamv.report.figures import style
from lamv.report.figures.style import ACCENT, HEAT, INK, PALE, WIDTH, Drawn, as_svg
from lamv.report.numbers import decimals_for, first_of, shortened

METHOD = "method.name"
#: Panels of a figure, and levels in a heat map.
PANELS = 9
#: Above this share of the colour scale, numbers are white.
DARK = 0.55


class Scale:
    """How the values of a metric are written: name, factor, decimals."""

    def __init__(self, name: str, percent: bool, values: Sequence[float]):
        self.name, self.factor = name, 100.0 if percent else 1.0
        self.decimals = 1 if percent else decimals_for(values)

    def text(self, value: float) -> str:
        return f"{self.factor * value:.{self.decimals}f}"


def marginal(found: Sequence[Effect], scale: Scale) -> Drawn | None:
    """A panel for each knob: every cell a dot, and the mean of each level."""
    shown = found[:PANELS]
    if not shown:
        return None
    across = min(3, len(shown))
    fig, all_axes = style.panels(len(shown), across, (WIDTH, 0.3 + 2.2 * -(-len(shown) // across)), share="y")
    for axes, one in zip(all_axes, shown, strict=True):
        for place, values in enumerate(one.values):
            axes.plot(
                [place] * len(values), [scale.factor * v for v in values], "o", color=PALE, markersize=4, zorder=2
            )
        axes.plot([scale.factor * mean for mean in one.means], "D-", color=ACCENT, markersize=5, zorder=3)
        _levels_below(axes, one, across)
        axes.set_title(shortened(one.knob))
    for axes in all_axes[::across]:
        axes.set_ylabel(scale.name)
    texts = [
        f"{one.knob}: " + ", ".join(f"{level.label} {scale.text(mean)}"
                                    for level, mean in zip(one.levels, one.means, strict=True))
        for one in shown
    ]  # fmt: skip
    caption = (
        "Grey: each cell, its mean over seeds. Red: the mean over the cells at that value, whatever their other knobs."
        f"{first_of(len(shown), len(found), 'knobs')}"
    )
    return Drawn("marginal", as_svg(fig), "Marginal effects. " + "; ".join(texts) + ".", caption)


def by_method(cells: Sequence[Mapping[str, Any]], knobs: Sequence[str], metric: str, scale: Scale) -> Drawn | None:
    """A panel for each knob beside the method: a line a method over the knob, the mean over all others."""
    named = effects.effect(cells, METHOD, metric)
    others = [knob for knob in knobs if knob != METHOD][:PANELS]
    if len(named.levels) < 2 or not others:
        return None
    names = [level.label for level in named.levels]
    across = min(2, len(others))
    fig, all_axes, columns = style.line_panels(names, len(others), across, 0.5 + 2.3 * -(-len(others) // across), "y")
    texts = []
    for axes, knob in zip(all_axes, others, strict=True):
        whole = effects.effect(cells, knob, metric)
        order = [level.label for level in whole.levels]
        for number, level in enumerate(named.levels):
            look = {"color": methods.colour_of(level.label), "label": shortened(level.label)}
            own = effects.effect(level.cells, knob, metric)
            means = dict(zip([one.label for one in own.levels], own.means, strict=True))
            if set(means) <= set(order) and means:
                places = [place for place, label in enumerate(order) if label in means]
                line, marker = style.LINES[number % len(style.LINES)], style.MARKERS[number % len(style.MARKERS)]
                axes.plot(places, [scale.factor * means[order[place]] for place in places], linestyle=line, marker=marker,
                          markersize=5, **look)  # fmt: skip
                texts.append(
                    f"{level.label} over {knob}: " + ", ".join(f"{k} {scale.text(v)}" for k, v in means.items())
                )
            else:  # the knob does nothing in this method
                axes.axhline(scale.factor * named.means[number], linestyle=style.DASHES, **look)
        _levels_below(axes, whole, across)
        axes.set_title(shortened(knob))
    for axes in all_axes[::across]:
        axes.set_ylabel(scale.name)
    style.add_legend(fig, all_axes, columns)
    caption = "The mean over the cells of a method at that value. Dashed: the knob does nothing in this method."
    return Drawn("by-method", as_svg(fig), "Lines. " + "; ".join(texts) + ".", caption)


def together(found: Interaction, scale: Scale, number: int) -> Drawn:
    """A heat map: one knob down, the other across, the mean in the cells."""
    down, across = found.first, found.second
    fig, [axes] = style.panels(1, 1, (WIDTH, 1.2 + 0.36 * len(down.levels)))
    shown = [[scale.factor * mean for mean in row] for row in found.means]
    flat = [one for row in shown for one in row]
    ends = (min(flat), max(flat) if max(flat) > min(flat) else min(flat) + 1)
    norm = Normalize(*ends)
    axes.pcolormesh(shown, cmap=HEAT, norm=norm, edgecolors="white", linewidth=1)
    axes.set_ylim(len(shown), 0)
    axes.grid(visible=False)
    axes.set_xticks(
        [place + 0.5 for place in range(len(across.levels))], [shortened(one.label) for one in across.levels]
    )
    axes.set_yticks([place + 0.5 for place in range(len(down.levels))], [shortened(one.label) for one in down.levels])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(across.knob)
    axes.set_ylabel(down.knob)
    for y, row in enumerate(found.means):
        for x, mean in enumerate(row):
            colour = "white" if norm(scale.factor * mean) > DARK else INK
            axes.text(x + 0.5, y + 0.5, scale.text(mean), ha="center", va="center", color=colour)
    style.add_colour_bar(fig, axes, norm, scale.name, ends, [f"{end:.{scale.decimals}f}" for end in ends])
    texts = [
        f"{a.label} with {b.label} {scale.text(mean)}"
        for a, row in zip(down.levels, found.means, strict=True) for b, mean in zip(across.levels, row, strict=True)
    ]  # fmt: skip
    caption = (
        f"By {down.knob} and {across.knob}, the mean over all other knobs. What the sum of their marginal effects leaves:"
        f" {scale.text(found.rms)} (root mean square)."
    )
    return Drawn(f"together-{number}", as_svg(fig), "Heat map. " + "; ".join(texts) + ".", caption)


def _levels_below(axes, one: Effect, across: int) -> None:
    """The labels of the levels, tilted where they would overlap."""
    labels = [shortened(level.label, 16) for level in one.levels]
    tilted = sum(map(len, labels)) * across > 60
    look = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if tilted else {}
    axes.set_xticks(range(len(labels)), labels, **look)
    axes.set_xlim(-0.4, len(labels) - 0.6)

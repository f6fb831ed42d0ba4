"""Figures of the evaluation on predictions: calibration, selective prediction, projections, margins and robustness.

Each takes a run and returns None where the run has no numbers for it. Curves are those of the last evaluated step; over
seeds, bins are pooled and lines averaged.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.ticker import MaxNLocator

from lamv.catalog.metrics import ATTACK, CORRUPTION
from lamv.compare.families import kind_name, level
from lamv.report.figures import style
from lamv.report.figures.style import ACCENT, INK, WIDTH, Drawn, add_legend, as_svg, line_panels, looks, panels
from lamv.report.figures.variance import lines_with_bands
from lamv.report.numbers import first_of, shortened
from lamv.results.records import Row, Run

#: Rows that get a panel each.
PANELS = 12
PROJECTED = 8
#: Points of a class in a projection, and bytes of a figure beyond which points become a bitmap.
POINTS = 100
LARGEST = 150_000
CLASS_LOOKS = (("o", "#14213d"), ("^", "#e07a1f"), ("s", "#3f97a8"))


def reliability(run: Run) -> Drawn | None:
    """Accuracy over confidence, before and after temperature scaling; a panel a row."""
    curves, split = curves_of_split(run, "reliability")
    pooled = {row.name: _pooled_bins([c for c in curves if c["row"] == row.name]) for row in run.rows}
    rows = [row for row in run.rows if pooled[row.name]]
    if not rows:
        return None
    across, down = min(4, len(rows)), math.ceil(min(len(rows), PANELS) / 4)
    size = WIDTH if across > 2 else 0.5 * WIDTH * across, 0.55 + 1.85 * down
    fig, grid = panels(min(len(rows), PANELS), across, size, share="xy")
    texts = []
    for axes, row in zip(grid, rows, strict=False):
        axes.plot([0, 1], [0, 1], color="#70707c", linewidth=0.9, linestyle=style.DASHES, zorder=1)
        for scaled, look in ((False, ("-", "o", INK)), (True, ("--", "D", ACCENT))):
            bins = pooled[row.name].get(scaled)
            if bins:
                line, marker, colour = look
                look = {"linestyle": line, "marker": marker, "color": colour, "markersize": 3.6, "linewidth": 1.2}
                name = "temperature-scaled" if scaled else "unscaled"
                axes.plot([c for c, _ in bins], [a for _, a in bins], label=name, **look)
                texts.append(f"{shortened(row.name)}, {name}: " + " ".join(f"{c:.2f}/{a:.2f}" for c, a in bins))
        axes.set(
            xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), title=shortened(row.name), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1)
        )
        axes.set_aspect("equal")
    fig.supxlabel("confidence", fontsize=9)
    fig.supylabel("accuracy", fontsize=9)
    add_legend(fig, grid, 2, "outside upper center")
    caption = (
        f"Reliability on {split}: accuracy over mean confidence in 15 bins of confidence, seeds pooled. Below the diagonal"
        " the network is overconfident, above it underconfident. Dashed: logits divided by a temperature fitted on held-out"
        " examples." + _not_found(rows) + first_of(PANELS, len(rows))
    )
    alt = "Accuracy over confidence (confidence/accuracy). " + "; ".join(texts) + "."
    return Drawn("reliability", as_svg(fig), alt, caption)


def _not_found(rows: Sequence[Row]) -> str:
    """A sentence on the rows with a temperature at an end of its range; "" where there is none."""
    names = [shortened(row.name) for row in rows if row.mean("test/temperature_not_found")]
    return f" At an end of its range, and so not found, in some seed: {', '.join(names)}." if names else ""


def risk_coverage(run: Run) -> Drawn | None:
    """Error over coverage, by maximum probability and by normalised logits."""
    dashes = {"max_probability": "-", "max_logit_normalised": "--"}
    curves, split = curves_of_split(run, "risk_coverage")
    means = {(row.name, score): _mean_curve(curves, row.name, score) for row in run.rows for score in dashes}
    rows = [row for row in run.rows if any(means[row.name, score] for score in dashes)]
    if not rows:
        return None
    fig, [axes], columns = line_panels([row.name for row in rows], 1, 1, 3.5)
    texts = []
    for number, (row, look) in enumerate(zip(rows, looks(rows), strict=True)):
        for score, dash in dashes.items():
            if line := means[row.name, score]:
                x, y = line
                mark = {"marker": look["marker"], "markersize": 4.5, "markevery": (number % 5 / 50, 0.2)}
                label = shortened(row.name) if score == "max_probability" else "_"
                axes.plot(100 * x, 100 * y, color=look["color"], linestyle=dash, label=label, **mark)
                texts.append(f"{shortened(row.name)}, {score}: {100 * y[-1]:.3g} % at full coverage")
    axes.set(xlabel="coverage (%, most confident first)", ylabel="risk: error of the covered examples (%)")
    axes.set_xlim(0, 100)
    axes.set_ylim(bottom=0)
    add_legend(fig, axes, columns)
    caption = (
        f"Selective prediction on {split}: error on the most confident examples, mean over seeds. Confidence: maximum"
        " probability (solid) or maximum logit over the norm of the logits (dashed). Lower is better; dashed below solid:"
        " normalising improves the ranking."
    )
    return Drawn("risk-coverage", as_svg(fig), "Lines: risk over coverage. " + "; ".join(texts) + ".", caption)


def curves_of_split(run: Run, kind: str) -> tuple[list[dict[str, Any]], str]:
    """Curves and name of the test split; with a planted cue of that with a random cue, on which rows differ more."""
    curves = run.analysis.curves(kind)
    for split, name in (("test_random", "test examples with a random cue"), ("test", "test examples")):
        if of_split := [curve for curve in curves if curve.get("split", "test") == split]:
            return of_split, name
    return [], ""


def projections(run: Run) -> Drawn | None:
    """Three classes in the plane of their templates (Müller et al. 2019), on training and test examples."""
    curves = run.analysis.curves("projection")
    first = {(c["row"], c.get("split")): c for c in sorted(curves, key=lambda c: -c["replica"])}
    rows = [row for row in run.rows if any(name == row.name for name, _ in first)]
    if not rows:
        return None
    splits = [s for s in ("train", "test") if any(split == s for _, split in first)]
    figure = _projections(rows, splits, first, rasterized=False)
    return figure if len(figure.svg) <= LARGEST else _projections(rows, splits, first, rasterized=True)


def _projections(rows: Sequence[Row], splits: Sequence[str], curves: Mapping, rasterized: bool) -> Drawn:
    shown = rows[:PROJECTED]
    across = 2 * len(splits) if len(shown) > 1 else len(splits)
    pairs = [(row, split) for row in shown for split in splits]
    fig, grid = panels(
        len(pairs), across, (WIDTH, 0.4 + math.ceil(len(pairs) / across) * (WIDTH / across * 0.92 + 0.25))
    )
    names: dict[str, Any] = {}
    for axes, (row, split) in zip(grid, pairs, strict=True):
        axes.set_title(f"{shortened(row.name)}, {'training' if split == 'train' else split}", fontsize=8.5)
        axes.tick_params(labelsize=7)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.yaxis.set_major_locator(MaxNLocator(3))
        if curve := curves.get((row.name, split)):
            names |= _one_projection(axes, curve, rasterized)
        else:
            axes.text(0.5, 0.5, "not evaluated", transform=axes.transAxes, ha="center", fontsize=8)
        axes.set_aspect("equal", adjustable="datalim")
    fig.legend(names.values(), names.keys(), loc="outside upper center", ncols=4, markerscale=2)
    caption = (
        "Features of three classes, projected on the plane of their templates (columns of the last layer’s weights; large"
        " crosses); first seed, up to 100 examples a class. Label smoothing is known for tight, equidistant clouds; compare"
        " training with test." + first_of(PROJECTED, len(rows))
    )
    radii = [f"{shortened(row.name)}, {split}: {_radii(curve)}" for row, split in pairs
             if (curve := curves.get((row.name, split)))]  # fmt: skip
    return Drawn("projection", as_svg(fig), "Clouds of points. " + "; ".join(radii) + ".", caption)


def mixed_projections(run: Run) -> Drawn | None:
    """Mixed training inputs of three classes in the plane of their templates (Fisher et al. 2024); a panel a row."""
    found = {c["row"]: c for c in sorted(run.analysis.curves("mixed_projection"), key=lambda c: -c["replica"])}
    rows = [row for row in run.rows if row.name in found]
    if not rows:
        return None
    figure = _mixed_projections(rows, found, rasterized=False)
    return figure if len(figure.svg) <= LARGEST else _mixed_projections(rows, found, rasterized=True)


def _mixed_projections(rows: Sequence[Row], found: Mapping, rasterized: bool) -> Drawn:
    shown = rows[:PROJECTED]
    across = min(4, len(shown))
    size = WIDTH if across > 2 else 0.5 * WIDTH * across, 0.4 + math.ceil(len(shown) / across) * 2.1
    fig, grid = panels(len(shown), across, size)
    colours = np.array([to_rgb(colour) for _, colour in CLASS_LOOKS])
    handles: dict[str, Any] = {}
    for axes, row in zip(grid, shown, strict=True):
        curve = found[row.name]
        axes.set_title(shortened(row.name), fontsize=8.5)
        axes.tick_params(labelsize=7)
        mixed = np.transpose(curve["shares"]) @ colours
        axes.scatter(curve["x"], curve["y"], s=5, c=mixed, linewidths=0, rasterized=rasterized)
        for (_, colour), template, name in zip(CLASS_LOOKS, curve["templates"], curve.get("names", ()), strict=False):
            (handle,) = axes.plot(
                *template, marker="P", color=colour, markersize=9, markeredgecolor="white", linestyle=""
            )
            handles[shortened(name)] = handle
        axes.set_aspect("equal", adjustable="datalim")
    fig.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=4)
    caption = (
        "Features of training inputs as the method mixes them, in the same plane; the colour of a point mixes those of the"
        " classes as its target does. First seed, up to 400 points. Where mixed inputs collapse as well, those of two"
        " classes lie on a curve between their clouds, ordered by λ (Fisher et al. 2024)."
        + first_of(PROJECTED, len(rows))
    )
    text = "; ".join(f"{shortened(row.name)}: {len(found[row.name]['x'])} points" for row in shown)
    return Drawn("mixed_projection", as_svg(fig), f"Clouds of mixed points. {text}.", caption)


def margins(run: Run) -> Drawn | None:
    """Percentiles of the margin on the test and the training set."""
    splits = [s for s in ("test", "train") if any(f"{s}/margin_median" in row.metrics for row in run.rows)]
    rows = [row for row in run.rows if any(f"{s}/margin_median" in row.metrics for s in splits)]
    if not splits:
        return None
    fig, all_axes = style.axes_by_row(rows, lines=1, panels=len(splits))
    texts = []
    for axes, split in zip(all_axes, splits, strict=True):
        for place, row in enumerate(rows):
            at = {p: row.mean(f"{split}/margin_{p}") for p in ("min", "p1", "p5", "p25", "median", "mean")}
            for start, width in (("min", 0.8), ("p5", 2.4), ("p25", 5.5)):
                if at[start] is not None and at["median"] is not None:
                    axes.hlines(place, at[start], at["median"], color="#3f97a8", linewidth=width, zorder=2)
            for p, marker, size in (("p1", "|", 8), ("median", "|", 14), ("mean", "D", 4.5)):
                if at[p] is not None:
                    axes.plot(
                        at[p], place, marker=marker, markersize=size, color=ACCENT if p == "mean" else INK, zorder=3
                    )
            texts.append(
                f"{shortened(row.name)}, {split}: " + ", ".join(f"{p} {v:.3g}" for p, v in at.items() if v is not None)
            )
        axes.axvline(0, color=INK, linewidth=0.9, linestyle=style.DASHES, zorder=1)
        axes.set_title("training set" if split == "train" else split)
        axes.set_xlabel("margin (logits)")
    caption = (
        "Margin: logit of the label minus the largest other logit, negative where misclassified. From the left: minimum"
        " (thin line), 1st (tick), 5th and 25th percentile (thicker lines), median (long tick); diamond: mean. Means over"
        " seeds. Logit scales differ by method: compare shapes."
    )
    return Drawn("margins", as_svg(fig), "Percentiles of margins. " + "; ".join(texts) + ".", caption)


def robustness(run: Run) -> Drawn | None:
    """Test accuracy over the size of attacks and over the level of corruptions."""
    levels = _levels(run.rows)
    if not levels:
        return None
    rows = [row for row in run.rows if any(points.get(row.name) for _, points in levels.values())]
    height = 0.3 + 2.1 * math.ceil(len(levels) / 3)
    fig, grid, columns = line_panels([row.name for row in rows], len(levels), 3, height, share="y")
    for axes, (title, (label, points)) in zip(grid, levels.items(), strict=True):
        lines_with_bands(axes, rows, points, scale=100, wide=math.inf)
        axes.set(title=title, xlabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_ylim(0, 101)
    for axes in grid[::3]:
        axes.set_ylabel("test accuracy (%)")
    add_legend(fig, grid, columns)
    caption = (
        "Test accuracy over the size ε of attacks and the level of corruptions: mean over seeds, band ± sd. At 0: all clean"
        " test examples; attacks and corruptions may cover fewer."
    )
    texts = [
        f"{title}, {shortened(name)}: {100 * of[-1][1].mean:.1f} % at {of[-1][0]:g}"
        for title, (_, points) in levels.items()
        for name, of in points.items()
        if of
    ]
    return Drawn("robustness", as_svg(fig), "Lines: accuracy over size. " + "; ".join(texts) + ".", caption)


def _levels(rows: Sequence[Row]) -> dict[str, tuple[str, dict]]:
    """{title: (label of the axis, {row: [(size, accuracy)]})}, with the clean accuracy at 0."""
    sizes: dict[tuple[int, str], dict[str, dict[float, Any]]] = {}
    for row in rows:
        for key, value in row.metrics.items():
            for order, pattern in enumerate((ATTACK, CORRUPTION)):
                match = pattern.fullmatch(key)
                if match and match["what"] == "accuracy" and (size := level(match["size"])) is not None:
                    sizes.setdefault((order, match["kind"]), {}).setdefault(row.name, {})[size] = value
    clean = {row.name: row.metrics.get("test/accuracy") for row in rows}
    levels = {}
    for (order, kind), points in sorted(sizes.items()):
        starts = {name: {0.0: clean[name]} if clean[name] else {} for name in points}
        lines = {name: sorted({**starts[name], **line}.items()) for name, line in points.items()}
        levels[kind_name(kind)] = ("level" if order else "ε", lines)
    return levels


def _pooled_bins(curves: Sequence[Mapping[str, Any]]) -> dict[bool, list[tuple[float, float]]]:
    """{after temperature scaling: [(confidence, accuracy)] of the bins that hold any example}, over all seeds."""
    pooled = {}
    for scaled in (False, True):
        chosen = [c for c in curves if (c.get("temperature") is not None) == scaled]
        bins = []
        for place in range(min((len(c["count"]) for c in chosen), default=0)):
            filled = [c for c in chosen if c["count"][place]]
            total = sum(c["count"][place] for c in filled)
            if total:
                means = (
                    sum(c["count"][place] * c[of][place] for c in filled) / total for of in ("confidence", "accuracy")
                )
                bins.append(tuple(means))
        if bins:
            pooled[scaled] = bins
    return pooled


def _mean_curve(curves: Sequence[Mapping[str, Any]], row: str, score: str) -> tuple[np.ndarray, np.ndarray] | None:
    """(coverage, risk) of a row by a score, mean over seeds, on at most 60 points; risk at a coverage by interpolation."""
    chosen = [c for c in curves if c["row"] == row and c.get("score") == score]
    if not chosen:
        return None
    grid = np.linspace(max(min(c["coverage"]) for c in chosen), min(max(c["coverage"]) for c in chosen), 60)
    risks = [np.interp(grid, c["coverage"], c["risk"]) for c in chosen]
    return grid, np.mean(risks, axis=0)


def _one_projection(axes, curve: Mapping[str, Any], rasterized: bool) -> dict[str, Any]:
    """The points of three classes and their templates; their handles for the legend."""
    x, y, label = (np.asarray(curve[key]) for key in ("x", "y", "label"))
    names = curve.get("names") or [str(y) for y in curve.get("classes") or range(3)]
    handles = {}
    for number, (marker, colour) in enumerate(CLASS_LOOKS):
        places = thinned(np.flatnonzero(label == number))
        look = {"marker": marker, "color": colour, "markersize": 2.8, "markeredgewidth": 0, "linestyle": ""}
        (points,) = axes.plot(x[places], y[places], rasterized=rasterized, alpha=0.8, **look)
        handles[f"{shortened(names[number])}" if number < len(names) else str(number)] = points
        template = curve["templates"][number]
        axes.plot(*template, marker="P", color=colour, markersize=9, markeredgecolor="white", zorder=4)
    return handles


def thinned(places: np.ndarray, most: int = POINTS) -> np.ndarray:
    """At most so many of the places, evenly over them."""
    if len(places) <= most:
        return places
    return places[(np.arange(most) * len(places)) // most]


def _radii(curve: Mapping[str, Any]) -> str:
    """Mean distance of a class's points from their mean, for the alternative text."""
    x, y, label = (np.asarray(curve[key], float) for key in ("x", "y", "label"))
    radii = [np.hypot(x[m] - x[m].mean(), y[m] - y[m].mean()).mean() for n in range(3) if (m := label == n).any()]
    return "mean distance from the class mean " + ", ".join(f"{radius:.3g}" for radius in radii)

"""Figures of the evaluation on variance: over training, over depth, beside accuracy, and as a part of the loss.

Each takes a run and returns None where the run has no numbers for it; `scatter` takes the rows of any number of runs.
"""

import math
from collections.abc import Sequence

from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from lamv.catalog import methods
from lamv.catalog.words import number
from lamv.compare.variance import accuracy_key, parts_of_loss, rank_correlation, variance_and_accuracy, variance_share
from lamv.report.figures import style
from lamv.report.figures.style import ACCENT, INK, WIDTH, Drawn, add_legend, as_svg, looks, panels
from lamv.report.numbers import first_of, shortened
from lamv.results.records import Row, Run, Spread, curve

#: Rows below which there is no rank correlation.
FEWEST = 4
#: Rows that get a panel each.
MOST_PANELS = 9
#: Points beyond which a scatter is a bitmap, so that the page stays small.
MANY = 400
PARTS = (("within_variance", "within class"), ("total_variance", "total"))
#: (key under augmented/, name, colour, hatch), from the left of a bar.
LOSS_PARTS = (
    ("floor", "entropy floor", "#d9d9e0", ""), ("kl", "KL to the cell’s mean", "#7fa3b5", ""),
    ("variance_half", "variance, factor 1/2", ACCENT, ""), ("sharpened", "surplus of the sharp factor", "#e2a07f", "////"),
    ("slack_sharp", "rest", "#ffffff", ""),
)  # fmt: skip
NOT_SPLIT = ("excess", "above the floor, not split", "#ffffff", "....")


def over_training(run: Run) -> Drawn | None:
    """Within-class and total variance over the evaluated steps."""
    metrics = [
        (f"{where}, {name}", f"test/{where}/{part}", 1.0) for where in ("features", "outputs") for part, name in PARTS
    ]
    caption = (
        "Variance on the test split during training, summed over units: mean over seeds, band ± sd. Total and within-class"
        " variance falling together: features shrink. Within-class variance falling alone: classes tighten."
    )
    return _over_steps("variance-over-training", run, metrics, caption)


def geometry_over_training(run: Run) -> Drawn | None:
    """Collapse, separation, information and the share of the variance in the loss over the evaluated steps."""
    metrics = [
        ("NC1, training set", "train/collapse/nc1", 1.0), ("class separation R², test", "test/separation", 1.0),
        ("information in the logits (nats)", "train/information", 1.0),
        ("variance in the loss (%)", "augmented/variance_over_loss", 100.0),
    ]  # fmt: skip
    caption = (
        "Feature geometry during training: mean over seeds, band ± sd. At full collapse NC1 is 0 and separation is 1."
        " Information: between the training image and the difference of two logits, log 2 = 0.69 nats where the logits"
        " identify only the class. Variance in the loss: sharp variance term over the loss on augmented inputs."
    )
    return _over_steps("geometry-over-training", run, metrics, caption)


def loss_over_training(run: Run) -> Drawn | None:
    """The loss on augmented inputs, its lower bounds and its floor over the evaluated steps, a panel for each row."""
    lines = (
        ("loss", "loss", {"color": INK, "marker": "o"}),
        ("bound_sharp", "floor + KL + variance, sharp", {"color": ACCENT, "linestyle": "-", "marker": "D"}),
        ("bound_half", "... at the factor 1/2", {"color": "#e2a07f", "linestyle": "--", "marker": "s"}),
        ("bound_simple", "floor + half the variance", {"color": "#3f97a8", "linestyle": ":", "marker": "^"}),
        ("floor", "floor", {"color": "#70707c", "linestyle": "-."}),
    )
    rows = [row for row in run.rows if len(curve(run, row.name, "augmented/loss")) > 1][:MOST_PANELS]
    if not rows:
        return None
    fig, grid = panels(len(rows), 3, (WIDTH, 0.7 + 2.0 * math.ceil(len(rows) / 3)), share="x")
    ends = []
    for axes, row in zip(grid, rows, strict=True):
        last = []
        for key, name, look in lines:
            if points := curve(run, row.name, f"augmented/{key}"):
                steps, spreads = zip(*points, strict=True)
                axes.plot(steps, [s.mean for s in spreads], label=name, markersize=3.5, **look)
                last.append(f"{name} {spreads[-1].mean:.3g}")
        axes.set(title=shortened(row.name), xlabel="step")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        ends.append(f"{shortened(row.name)}: " + ", ".join(last))
    fig.supylabel("nats", fontsize=9)
    add_legend(fig, grid[0], 3, "outside upper center")
    caption = (
        "Loss on augmented training inputs and its lower bounds at each checkpoint, mean over seeds. The gap to the nearest"
        " bound is the slack." + first_of(len(rows), len(run.rows))
    )
    alt = "Lines over training steps, at the end " + "; ".join(ends) + "."
    return Drawn("loss-over-training", as_svg(fig), alt, caption)


def _over_steps(name: str, run: Run, metrics: Sequence[tuple[str, str, float]], caption: str) -> Drawn | None:
    """A panel (title, metric, scale) for each metric that was evaluated at several steps, a line for each row."""
    measured = []
    for title, metric, scale in metrics:
        points = {row.name: curve(run, row.name, metric) for row in run.rows}
        if any(len(of) > 1 for of in points.values()):
            measured.append((title, points, scale))
    if not measured:
        return None
    logarithmic = False
    height = 0.3 + 2.3 * math.ceil(len(measured) / 2)
    fig, grid, columns = style.line_panels([row.name for row in run.rows], len(measured), 2, height)
    for axes, (title, points, scale) in zip(grid, measured, strict=True):
        axes.set(title=title, xlabel="step")
        logarithmic |= lines_with_bands(axes, run.rows, points, scale)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    add_legend(fig, grid[0], columns)
    alt = "Lines over training steps, " + "; ".join(f"{title}: {_ends(points)}" for title, points, _ in measured) + "."
    return Drawn(name, as_svg(fig), alt, caption + (style.LOGARITHMIC if logarithmic else ""))


def profile(run: Run) -> Drawn | None:
    """V_W / V_T over the depth of the network."""
    keys = [(name, f"test/layers/{name}/within_over_total") for name in run.analysis.layers]
    keys += [(name, f"test/{name}/within_over_total") for name in ("features", "logits", "outputs")]
    keys = [(name, key) for name, key in keys if any(key in row.metrics for row in run.rows)]
    if len(keys) < 3:
        return None
    fig, [axes], columns = style.line_panels([row.name for row in run.rows], 1, 1, 3.3)
    points = {
        row.name: [(place, row.metrics[key]) for place, (_, key) in enumerate(keys) if key in row.metrics]
        for row in run.rows
    }
    lines_with_bands(axes, run.rows, points, wide=math.inf)
    names = [shortened(name) for name, _ in keys]
    tilted = sum(map(len, names)) > 80
    axes.set_xticks(range(len(keys)), names, rotation=40 if tilted else 0, ha="right" if tilted else "center")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("V_W / V_T, test")
    add_legend(fig, axes, columns)
    caption = (
        "Within-class share of the variance at each depth, input on the left: mean over seeds, band ± sd. 1: class means"
        " coincide; 0: one activation per class. Units of a feature map are its channels, averaged over positions."
    )
    alt = f"Lines over the layers {', '.join(names)}. {_ends(points)}."
    return Drawn("profile", as_svg(fig), alt, caption)


def loss_parts(run: Run) -> Drawn | None:
    """The loss on augmented inputs, split into floor, KL, variance and rest."""
    rows = [(row, parts) for row in run.rows if (parts := parts_of_loss(row))]
    if not rows:
        return None
    split = any("kl" in parts for _, parts in rows)
    fig, (left, *right) = style.axes_by_row([row for row, _ in rows], lines=2, panels=1 + split)
    end = max(row.metrics["augmented/loss"].mean for row, _ in rows)
    for place, (row, parts) in enumerate(rows):
        start = _bar(left, place, parts, 1.0)
        share = variance_share(row)
        label = "not split" if share is None else f"variance {100 * share.mean:.2g} %"
        left.text(start + 0.02 * end, place, label, va="center", fontsize=7.5, zorder=4)
        above = sum(max(0.0, value) for key, value in parts.items() if key != "floor")
        if "kl" in parts and above > 0:
            _bar(right[0], place, {k: v for k, v in parts.items() if k != "floor"}, 100 / above)
    left.set_xlim(0, (1.45 if split else 1.22) * end)
    left.set_xlabel("loss on augmented inputs (nats)")
    if split:
        right[0].set_xlabel("share of the loss above its floor (%)")
    keys = {key for _, parts in rows for key, value in parts.items() if value > 0}
    handles = [Patch(label=name, **_bar_look(c, h)) for key, name, c, h in (*LOSS_PARTS, NOT_SPLIT) if key in keys]
    fig.legend(handles=handles, loc="outside upper center", ncols=3, columnspacing=1.6)
    caption = (
        "Parts of the loss, from the left: entropy of the targets (the floor of any network); divergence of each cell’s mean"
        " output from its target; variance of outputs within cells, at the factor 1/2, and the surplus of the sharp factor;"
        " rest. Number: sharp variance term over the loss. Right: the parts above the floor. A cell holds the examples of"
        " one target; where cells have too few, the loss above the floor is not split."
    )
    texts = [f"{shortened(row.name)}: " + ", ".join(f"{k} {v:.3g}" for k, v in parts.items()) for row, parts in rows]
    return Drawn("loss-parts", as_svg(fig), "Stacked bars of the loss. " + "; ".join(texts) + ".", caption)


def _bar(axes, place: int, parts: dict[str, float], scale: float) -> float:
    """The parts of a loss side by side; returns their sum."""
    start = 0.0
    for key, _, colour, hatch in (*LOSS_PARTS, NOT_SPLIT):
        width = scale * max(0.0, parts.get(key, 0.0))
        if width:
            axes.barh(place, width, left=start, height=0.55, zorder=3, **_bar_look(colour, hatch))
        start += width
    return start


def _bar_look(colour: str, hatch: str) -> dict:
    return {"facecolor": colour, "edgecolor": "#70707c", "linewidth": 0.5, "hatch": hatch}


def scatter(rows: Sequence[Row], kinds: Sequence[str] = ()) -> Drawn | None:
    """Test accuracy against within-class variance, a point a row. kinds: of each row, where rows are of several runs."""
    wheres = [w for w in ("features", "outputs") if sum(variance_and_accuracy(row, w) is not None for row in rows) > 2]
    if not wheres:
        return None
    pooled = bool(kinds)
    kinds = list(kinds) or [""] * len(rows)
    fig, grid = panels(len(wheres), 2, (WIDTH, 3.9))
    sentences, alts = [], []
    cues = {"random" in accuracy_key(row) for row in rows}
    for column, (axes, where) in enumerate(zip(grid, wheres, strict=True)):
        have = [(row, kind, pair) for row, kind in zip(rows, kinds, strict=True)
                if (pair := variance_and_accuracy(row, where))]  # fmt: skip
        _points(axes, have, pooled)
        x = [pair[0].mean for _, _, pair in have]
        wide = style.log_if_wide(axes, "x", x)
        axes.set(xlabel=f"{where}: within-class variance" + (" (log scale)" if wide else ""))
        if not column:
            axes.set_ylabel("test accuracy" + (", random cue" if cues == {True} else "") + " (%)")
        sentences += _correlations(where, have)
        alts.append(f"{where}: {len(have)} rows, variance {min(x):.3g} to {max(x):.3g}")
    names = grid[0].get_legend_handles_labels()[1]
    if len(names) <= 24:
        add_legend(fig, grid[0], style.columns_of(names))
    whiskers = "" if len(rows) > 60 else "; whiskers are ± sd over seeds"
    caption = (
        f"Accuracy against within-class variance, a point a row{whiskers}. Where lower variance goes with better accuracy,"
        f" points run from the upper left to the lower right. {' '.join(sentences)} Rows share data and seeds: the"
        " correlation is descriptive, not a test."
    )
    if True in cues:
        caption += (
            " With a planted cue, accuracy is that under a random cue, and variance that with the cue as in training."
        )
    return Drawn("scatter", as_svg(fig), "Scatter of test accuracy over variance. " + "; ".join(alts) + ".", caption)


def lines_with_bands(axes, rows: Sequence[Row], points: dict, scale: float = 1, wide: float = 20) -> bool:
    """A line for each row over its points {row: [(x, Spread)]}; returns whether the axis became logarithmic."""
    means = [scale * s.mean for line in points.values() for _, s in line]
    logarithmic = style.log_if_wide(axes, "y", means, wide)
    for shift, (row, look) in enumerate(zip(rows, looks(rows), strict=True)):
        style.line_with_band(axes, points.get(row.name, ()), look, label=row.name, shift=shift, scale=scale)
    if not logarithmic and means and min(means) >= 0:
        axes.set_ylim(bottom=0)
    return logarithmic


def _points(axes, have, pooled: bool) -> None:
    """A point a row: colour by method; marker by row in one run, by kind (data and network) over several."""
    rows = [row for row, _, _ in have]
    kinds = list(dict.fromkeys(kind for _, kind, _ in have))
    many = len(have) > MANY
    named = set()
    for look, (row, kind, (variance, accuracy)) in zip(looks(rows), have, strict=True):
        marker = style.MARKERS[kinds.index(kind) % len(style.MARKERS)] if pooled else look["marker"]
        method = methods.kind_of(row.config)
        name = (f"{method}, {kind}" if len(kinds) > 1 else method) if pooled else row.name
        errors = {} if len(have) > 60 else {"xerr": _below(variance), "yerr": 100 * (accuracy.sd or 0)}
        colour = methods.colour_of(method)
        axes.errorbar(
            variance.mean, 100 * accuracy.mean, **errors, fmt=marker, color=colour, markeredgecolor="white",
            markeredgewidth=0.4, ecolor=colour, markersize=4 if many else 6, elinewidth=1, rasterized=many,
            label="_" if name in named else shortened(name),
        )  # fmt: skip
        named.add(name)


def _below(variance: Spread) -> list[list[float]]:
    """Whiskers that do not reach 0 or below, where a logarithmic axis does not go."""
    sd = variance.sd or 0
    return [[min(sd, 0.9 * max(variance.mean, 0.0))], [sd]]


def _correlations(where: str, have) -> list[str]:
    """Spearman's rank correlation for each kind of rows, where there are enough of them."""
    sentences = []
    for kind in dict.fromkeys(kind for _, kind, _ in have):
        pairs = [pair for _, k, pair in have if k == kind]
        name = f"{where}, {kind}" if kind else where
        if len(pairs) < FEWEST:
            sentences.append(f"{name.capitalize()}: {len(pairs)} rows are too few for a correlation.")
            continue
        rho = rank_correlation([v.mean for v, _ in pairs], [a.mean for _, a in pairs])
        value = "undefined, as one of the two is constant" if rho is None else number(rho, 2, signed=True)
        sentences.append(f"{name.capitalize()}: Spearman’s rank correlation {value} (n = {len(pairs)} rows).")
    return sentences[:6] + ([f"And {len(sentences) - 6} more kinds of rows."] if len(sentences) > 6 else [])


def _ends(points: dict) -> str:
    """First and last value of each row, for the alternative text."""
    have = [(name, of) for name, of in points.items() if of]
    return ", ".join(f"{shortened(name)} {of[0][1].mean:.3g} to {of[-1][1].mean:.3g}" for name, of in have)

"""Figures on variance, from what was evaluated: over training, over depth, beside accuracy, and as a part of the loss.

The look is that of lamv.report.figures. Each takes a run and gives None where it has no numbers for it; `scatter` takes
the rows of any number of runs.
"""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator

from lamv.catalog import methods
from lamv.report import figures
from lamv.report.figures import ACCENT, INK, WIDTH, Drawn, add_legend, as_svg, looks, shortened
from lamv.results.runs import Row, Run, Spread, curve, spread

#: Rows below which nothing is said of a rank correlation.
FEWEST = 4
#: Rows beyond which a figure with a panel for each shows no more.
MOST_PANELS = 9
#: Points beyond which a scatter is drawn as a picture, so that the page stays small.
MANY = 400
PARTS = (("within_variance", "within class"), ("total_variance", "total"))
#: (key under augmented/, name, colour, hatch), from the left of a bar.
LOSS_PARTS = (
    ("floor", "entropy floor", "#d9d9e0", ""), ("kl", "KL to the cell’s mean", "#7fa3b5", ""),
    ("variance_half", "variance, factor 1/2", ACCENT, ""), ("sharpened", "what the sharp factor adds", "#e2a07f", "////"),
    ("slack_sharp", "rest", "#ffffff", ""),
)  # fmt: skip

NOT_SPLIT = ("excess", "above the floor, not split", "#ffffff", "....")


def over_training(run: Run) -> Drawn | None:
    """Within-class and total variance of features and outputs over the evaluated steps."""
    panels = [
        (f"{where}, {name}", f"test/{where}/{part}", 1.0) for where in ("features", "outputs") for part, name in PARTS
    ]
    caption = (
        "Variance on the test split over the course of training, summed over units: mean over seeds, band ± sd. Where the"
        " total falls along with what is within classes, features shrink; where it stays, classes grow tighter."
    )
    return _over_steps("variance-over-training", run, panels, caption)


def geometry_over_training(run: Run) -> Drawn | None:
    """Collapse, separation, information and the share of the variance in the loss over the evaluated steps."""
    panels = [
        ("NC1, training set", "train/collapse/nc1", 1.0), ("class separation R², test", "test/separation", 1.0),
        ("information in the logits (nats)", "train/information", 1.0),
        ("variance in the loss (%)", "augmented/variance_over_loss", 100.0),
    ]  # fmt: skip
    caption = (
        "The geometry of the features over the course of training: mean over seeds, band ± sd. NC1 is 0 where every class"
        " has one activation, separation is 1 there. The information is what the difference of two logits says of which"
        " image it was: log 2 = 0.69 nats where it says the class and nothing else. Last, the sharp variance term as a"
        " share of the loss on the run’s own inputs."
    )
    return _over_steps("geometry-over-training", run, panels, caption)


def loss_over_training(run: Run) -> Drawn | None:
    """The loss on a run's own inputs, its lower bounds and its floor over the evaluated steps, a panel for each row."""
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
    across = min(3, len(rows))
    down = math.ceil(len(rows) / across)
    fig = Figure(figsize=(WIDTH, 0.7 + 2.0 * down), layout="constrained")
    grid = list(fig.subplots(down, across, squeeze=False, sharex=True).flat)
    for axes in grid[len(rows) :]:
        axes.set_visible(False)
    ends = []
    for axes, row in zip(grid, rows, strict=False):
        for key, name, look in lines:
            points = curve(run, row.name, f"augmented/{key}")
            if points:
                axes.plot(
                    *zip(*((step, s.mean) for step, s in points), strict=True), label=name, markersize=3.5, **look
                )
        axes.set(title=shortened(row.name), xlabel="step")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        last = [(name, curve(run, row.name, f"augmented/{key}")) for key, name, _ in lines]
        ends.append(f"{shortened(row.name)}: " + ", ".join(f"{name} {of[-1][1].mean:.3g}" for name, of in last if of))
    fig.supylabel("nats", fontsize=9)
    add_legend(fig, grid[0], columns=3, where="outside upper center")
    caption = (
        "The loss on each row’s own augmented training inputs and what bounds it from below, at each checkpoint; mean over"
        " seeds. The gap between the loss and the nearest line below it is the slack."
    )
    left_out = f" The first {len(rows)} of {len(run.rows)} rows." if len(rows) < len(run.rows) else ""
    return Drawn("loss-over-training", as_svg(fig), "Lines over training steps, at the end " + "; ".join(ends) + ".",
                 caption + left_out)  # fmt: skip


def _over_steps(name: str, run: Run, panels: Sequence[tuple[str, str, float]], caption: str) -> Drawn | None:
    """A panel (title, metric, scale) for each metric that was evaluated at several steps, a line for each row."""
    measured = []
    for title, metric, scale in panels:
        points = {row.name: curve(run, row.name, metric) for row in run.rows}
        if any(len(of) > 1 for of in points.values()):
            measured.append((title, points, scale))
    if not measured:
        return None
    down, across = math.ceil(len(measured) / 2), min(2, len(measured))
    columns = columns_of([row.name for row in run.rows])
    height = 0.3 + 2.3 * down + 0.2 * math.ceil(len(run.rows) / columns)
    fig = Figure(figsize=(WIDTH, height), layout="constrained")
    logarithmic = False
    grid = fig.subplots(down, across, squeeze=False)
    for axes, (title, points, scale) in zip(grid.flat, measured, strict=False):
        axes.set(title=title, xlabel="step")
        logarithmic |= lines_with_bands(axes, run.rows, points, scale)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    for axes in grid.flat[len(measured) :]:
        axes.set_visible(False)
    add_legend(fig, fig.axes[0], columns=columns, where="outside lower center")
    alt = "Lines over training steps, " + "; ".join(f"{title}: {_ends(points)}" for title, points, _ in measured) + "."
    return Drawn(name, as_svg(fig), alt, caption + (LOGARITHMIC if logarithmic else ""))


def profile(run: Run) -> Drawn | None:
    """V_W / V_T over the depth of the network."""
    keys = [(name, f"test/layers/{name}/within_over_total") for name in run.analysis.layers]
    keys += [(name, f"test/{name}/within_over_total") for name in ("features", "logits", "outputs")]
    keys = [(name, key) for name, key in keys if any(key in row.metrics for row in run.rows)]
    if len(keys) < 3:
        return None
    columns = columns_of([row.name for row in run.rows])
    fig = Figure(figsize=(WIDTH, 3.3 + 0.2 * math.ceil(len(run.rows) / columns)), layout="constrained")
    axes = fig.subplots()
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
    add_legend(fig, axes, columns=columns, where="outside lower center")
    caption = (
        "What share of the variance at each depth lies within classes, input on the left: mean over seeds, band ± sd. A"
        " layer at 1 does not tell classes apart on the whole; one at 0 has an activation for each class and no more."
        " Units of a feature map are its channels, averaged over positions."
    )
    alt = f"Lines over the layers {', '.join(names)}. {_ends(points)}."
    return Drawn("profile", as_svg(fig), alt, caption)


def loss_parts(run: Run) -> Drawn | None:
    """How the loss on a run's own augmented inputs splits into floor, KL, variance and what is left."""
    rows = [(row, parts) for row in run.rows if (parts := parts_of_loss(row))]
    if not rows:
        return None
    split = any("kl" in parts for _, parts in rows)
    fig, panels = figures.axes_by_row([row for row, _ in rows], lines=2, panels=1 + split)
    end = max(row.mean("augmented/loss") for row, _ in rows)
    for place, (row, parts) in enumerate(rows):
        start = _bar(panels[0], place, parts, 1.0)
        share = variance_share(row)
        said = "not told" if share is None else f"variance {100 * share.mean:.2g} %"
        panels[0].text(start + 0.02 * end, place, said, va="center", fontsize=7.5, zorder=4)
        above = sum(max(0.0, value) for key, value in parts.items() if key != "floor")
        if "kl" in parts and above > 0:
            _bar(panels[1], place, {k: v for k, v in parts.items() if k != "floor"}, 100 / above)
    panels[0].set_xlim(0, (1.45 if split else 1.22) * end)
    panels[0].set_xlabel("loss on own augmented inputs (nats)")
    if split:
        panels[1].set_xlabel("share of the loss above its floor (%)")
    keys = {key for _, parts in rows for key, value in parts.items() if value > 0}
    handles = [Patch(label=name, **_bar_look(c, h)) for key, name, c, h in (*LOSS_PARTS, NOT_SPLIT) if key in keys]
    fig.legend(handles=handles, loc="outside upper center", ncols=3, columnspacing=1.6)
    caption = (
        "How much of the loss is variance. From the left: the entropy of the targets, below which no network comes; the"
        " divergence of each cell’s mean output from its target; the variance of outputs within cells, at the factor 1/2,"
        " and what the sharp factor adds; and the rest. The number is the sharp variance term over the loss; on the right,"
        " the same parts of what lies above the floor. A cell holds the examples of one target; where a law of λ leaves too"
        " few in a cell, the loss above its floor is not split."
    )
    texts = [f"{shortened(row.name)}: " + ", ".join(f"{k} {v:.3g}" for k, v in parts.items()) for row, parts in rows]
    return Drawn("loss-parts", as_svg(fig), "Stacked bars of the loss. " + "; ".join(texts) + ".", caption)


def _bar(axes, place: int, parts: dict[str, float], scale: float) -> float:
    """The parts of a loss side by side; returns where they end."""
    start = 0.0
    for key, _, colour, hatch in (*LOSS_PARTS, NOT_SPLIT):
        width = scale * max(0.0, parts.get(key, 0.0))
        if width:
            axes.barh(place, width, left=start, height=0.55, zorder=3, **_bar_look(colour, hatch))
        start += width
    return start


def _bar_look(colour: str, hatch: str) -> dict:
    return {"facecolor": colour, "edgecolor": "#70707c", "linewidth": 0.5, "hatch": hatch}


def scatter(rows: Sequence[Row], places: Sequence[str] = ()) -> Drawn | None:
    """Test accuracy against within-class variance, a point a row. places: of several runs, the kind of each row."""
    panels = [w for w in ("features", "outputs") if sum(_pair(row, w) is not None for row in rows) > 2]
    if not panels:
        return None
    pooled = bool(places)
    places = list(places) or [""] * len(rows)
    fig = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    said, alts = [], []
    cues = {"random" in accuracy_key(row) for row in rows}
    for number, (axes, where) in enumerate(zip(fig.subplots(1, len(panels), squeeze=False)[0], panels, strict=True)):
        have = [(row, kind, pair) for row, kind in zip(rows, places, strict=True) if (pair := _pair(row, where))]
        _points(axes, have, pooled)
        x = [pair[0].mean for _, _, pair in have]
        wide = _logarithmic(axes, "x", x)
        axes.set(xlabel=f"{where}: within-class variance" + (" (log scale)" if wide else ""))
        if not number:
            axes.set_ylabel("test accuracy" + (", random cue" if cues == {True} else "") + " (%)")
        said += _correlations(where, have)
        alts.append(f"{where}: {len(have)} rows, variance {min(x):.3g} to {max(x):.3g}")
    names = fig.axes[0].get_legend_handles_labels()[1]
    if len(names) <= 24:
        add_legend(fig, fig.axes[0], columns=columns_of(names), where="outside lower center")
    whiskers = "" if len(rows) > 60 else "; whiskers are ± sd over seeds"
    caption = (
        f"Does lower variance go with better accuracy? Each point is a row{whiskers}; if it does, points run from the"
        f" upper left to the lower right. {' '.join(said)} Rows share data and seeds, so this describes them and is not a"
        " test."
    )
    if True in cues:
        caption += (
            " Of runs with a planted cue it is the accuracy with a random cue; the variance is that with the cue."
        )
    return Drawn("scatter", as_svg(fig), "Scatter of test accuracy over variance. " + "; ".join(alts) + ".", caption)


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Spearman's: Pearson's correlation of the ranks, ties at their mean rank. None where either is constant."""
    a, b = _ranks(x), _ranks(y)
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size else None


def parts_of_loss(row: Row) -> dict[str, float]:
    """The parts of `LOSS_PARTS` by key; {"floor", "excess"} where the loss above the floor is not split; {} without."""
    mean = {key: row.mean(f"augmented/{key}") for key in ("loss", "floor", "kl", "variance_half", "variance_sharp")}
    if mean["loss"] is None or mean["floor"] is None:
        return {}
    if None in mean.values():
        return {"floor": mean["floor"], "excess": mean["loss"] - mean["floor"]}
    told = mean["floor"] + mean["kl"] + mean["variance_sharp"]
    return {
        "floor": mean["floor"],
        "kl": mean["kl"],
        "variance_half": mean["variance_half"],
        "sharpened": mean["variance_sharp"] - mean["variance_half"],
        "slack_sharp": mean["loss"] - told,
    }


def variance_share(row: Row) -> Spread | None:
    """The sharp variance term over the loss, seed by seed; None where it was not told or the loss is not above 0."""
    sharp, loss = (row.by_seed(f"augmented/{key}") for key in ("variance_sharp", "loss"))
    shares = [sharp[seed] / loss[seed] for seed in sharp if loss.get(seed, 0.0) > 0]
    return spread(shares) if shares else None


def lines_with_bands(axes, rows: Sequence[Row], points: dict, scale: float = 1, wide: float = 20) -> bool:
    """A line for each row over the places of its points; logarithmic where values span more than a factor `wide`.

    Returns whether it is logarithmic.
    """
    means = [scale * s.mean for of in points.values() for _, s in of]
    logarithmic = _logarithmic(axes, "y", means, wide)
    for number, (row, look) in enumerate(zip(rows, looks(rows), strict=True)):
        of = points.get(row.name)
        if not of:
            continue
        x, y = [place for place, _ in of], [scale * s.mean for _, s in of]
        sd = [scale * (s.sd or 0) for _, s in of]
        down = [m - d if not logarithmic or d < m else m / 2 for m, d in zip(y, sd, strict=True)]
        axes.fill_between(
            x, down, [m + d for m, d in zip(y, sd, strict=True)], color=look["color"], alpha=0.16, linewidth=0
        )
        every = max(1, len(x) // 5)
        axes.plot(x, y, label=shortened(row.name), markersize=4.5, markevery=(number % every, every), **look)
    if not logarithmic and means and min(means) >= 0:
        axes.set_ylim(bottom=0)
    return logarithmic


def columns_of(names: Sequence[str]) -> int:
    """As many names side by side as fit: a letter takes about 0.075 inches, the line before it 0.65."""
    longest = max((len(shortened(name)) for name in names), default=1)
    return max(1, min(4, int(WIDTH / (0.075 * longest + 0.65))))


def drawn(*draws) -> list[Drawn]:
    """Those of the figures, given as functions without arguments, that there are numbers for."""
    with figures.drawing():
        return [one for draw in draws if (one := draw())]


LOGARITHMIC = " On the logarithmic scale, equal distances are equal factors."


def _points(axes, have, pooled: bool) -> None:
    """A point a row: colour by method; marker by row in one run, by kind (data and network) over several."""
    rows = [row for row, _, _ in have]
    kinds = list(dict.fromkeys(kind for _, kind, _ in have))
    many = len(have) > MANY
    named = set()
    for look, (row, kind, (variance, accuracy)) in zip(looks(rows), have, strict=True):
        marker = figures.MARKERS[kinds.index(kind) % len(figures.MARKERS)] if pooled else look["marker"]
        method = str(row.knob("method.name"))
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
    said = []
    for kind in dict.fromkeys(kind for _, kind, _ in have):
        own = [pair for _, k, pair in have if k == kind]
        name = f"{where}, {kind}" if kind else where
        if len(own) < FEWEST:
            said.append(f"{name.capitalize()}: {len(own)} rows are too few to speak of a correlation.")
            continue
        rho = rank_correlation([v.mean for v, _ in own], [a.mean for _, a in own])
        told = "none, as one of the two is constant" if rho is None else f"{rho:+.2f}".replace("-", "−")
        said.append(f"{name.capitalize()}: Spearman’s rank correlation {told} (n = {len(own)} rows).")
    return said[:6] + ([f"And {len(said) - 6} kinds of rows more."] if len(said) > 6 else [])


def accuracy_key(row: Row) -> str:
    """Test accuracy; of a row with a planted cue that with a random one, since with the cue all are right."""
    planted = row.knob("data.shortcut.kind", "none") != "none" and "test_random/accuracy" in row.metrics
    return "test_random/accuracy" if planted else "test/accuracy"


def _pair(row: Row, where: str) -> tuple[Spread, Spread] | None:
    variance, accuracy = row.metrics.get(f"test/{where}/within_variance"), row.metrics.get(accuracy_key(row))
    return (variance, accuracy) if variance and accuracy else None


def _logarithmic(axes, axis: str, values: Sequence[float], wide: float = 20) -> bool:
    """A logarithmic axis where values span more than a factor `wide` and all are above 0."""
    if not values or min(values) <= 0 or max(values) <= wide * min(values):
        return False
    (axes.set_xscale if axis == "x" else axes.set_yscale)("log")
    decades = math.log10(max(values) / min(values))
    of = axes.xaxis if axis == "x" else axes.yaxis
    of.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2 else (1, 3) if decades < 3 else (1,), numticks=9))
    of.set_major_formatter(lambda value, _: f"{value:g}")
    of.set_minor_locator(NullLocator())
    of.set_minor_formatter(NullFormatter())
    return True


def _ranks(values: Sequence[float]) -> np.ndarray:
    _, inverse, counts = np.unique(np.asarray(values, float), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse.reshape(-1)]


def _ends(points: dict) -> str:
    """First and last value of each row, for those who cannot see the lines."""
    have = [(name, of) for name, of in points.items() if of]
    return ", ".join(f"{shortened(name)} {of[0][1].mean:.3g} to {of[-1][1].mean:.3g}" for name, of in have)

"""Accuracy, first-layer weights, variances and training curves: the figures that a run has without an evaluation."""

from collections.abc import Callable, Sequence

from matplotlib.ticker import MaxNLocator

from lamv.compare import by_group
from lamv.report.figures import style
from lamv.report.figures.style import ACCENT, INK, PALE, Drawn, Mark, add_legend, as_svg
from lamv.report.numbers import count_span, shortened
from lamv.results.records import Row, Run, curve

ALIGNED, RANDOM = "test_aligned/accuracy", "test_random/accuracy"
#: (metric, name, mark). The random cue is what the question is about, so it alone has a colour.
SPLITS = (
    (ALIGNED, "aligned cue", Mark("o", INK, "white")),
    ("test_absent/accuracy", "no cue", Mark("s", "#70707c", PALE)),
    (RANDOM, "random cue", Mark("D", ACCENT, ACCENT)),
    ("test_conflicting/accuracy", "conflicting cue", Mark("v", INK, INK)),
)
PLAIN_TEST = (
    ("test/accuracy", "test", Mark("D", ACCENT, ACCENT)),
    ("train/accuracy", "training set", Mark("o", INK, "white")),
)
#: Of groups of the data, in turn.
OF_GROUPS = (Mark("o", INK, "white"), Mark("v", INK, INK), Mark("^", "#70707c", PALE), Mark("s", "#70707c", "#70707c"))
VARIANCES = (
    ("total_variance", "total", Mark("o", INK, "white")),
    ("within_variance", "within class", Mark("D", ACCENT, ACCENT)),
)


def accuracy(run: Run) -> Drawn | None:
    """Accuracy on every split; without a cue, on every group of the test split where they are few.

    A cue that has no random class (cat_channel) has the plain test split in its place.
    """
    marks = [m for m in SPLITS if _any(run.rows, m[0])]
    with_cue, falls = bool(marks), {ALIGNED, RANDOM} <= {metric for metric, _, _ in marks}
    if not falls:
        plain = [m for m in PLAIN_TEST if _any(run.rows, m[0])]
        marks = [*marks, *plain[:1]] if with_cue else _of_groups(run) or plain
    if not marks:
        return None
    rows = [row for row in run.rows if any(metric in row.metrics for metric, _, _ in marks)]
    fig, (axes,) = style.axes_by_row(rows, lines=len(marks))
    style.draw_dots(axes, rows, marks, scale=100)
    if falls:
        _falls(axes, rows, marks)
    if with_cue and run.num_classes:
        chance = 100 / run.num_classes
        axes.axvline(chance, color=INK, linewidth=0.9, linestyle=style.DASHES, zorder=1)
        axes.text(chance + 0.8, -0.62, "chance", fontsize=8, va="bottom")
    if with_cue or len(marks) > len(PLAIN_TEST):
        axes.set_xlim(-2, 102)
    axes.set_xlabel("accuracy (%)")
    add_legend(fig, axes, style.columns_of([name for _, name, _ in marks]), "outside upper center")
    caption = "Accuracy of each row, mean ± sd over seeds."
    if falls:
        caption += (
            " Thin line: accuracy lost when the cue turns from aligned (circle) to random (diamond), a measure of reliance"
            " on the cue. A network that uses only the cue falls to chance; one that ignores it loses nothing."
        )
    if left_out := len(run.rows) - len(rows):
        caption += f" Not drawn: {left_out} of {len(run.rows)} rows, of which none of these was measured."
    return style.figure_of("accuracy", fig, rows, marks, caption, percent=True)


def weight_ratio(run: Run) -> Drawn | None:
    """First-layer weight on the cue over the rest."""
    marks = [("test/weight_norm_ratio", "weight ratio", Mark("D", ACCENT, ACCENT))]
    if not _any(run.rows, marks[0][0]):
        return None
    fig, (axes,) = style.axes_by_row(run.rows, lines=1)
    style.draw_dots(axes, run.rows, marks)
    axes.set_xlim(left=0)
    axes.set_xlabel("‖W cue‖ / ‖W rest‖ of the first layer (ratio of Frobenius norms)")
    caption = "First-layer weight on the cue’s inputs over weight on all other inputs. Mean ± sd over seeds."
    return style.figure_of("weight-ratio", fig, run.rows, marks, caption)


def variances(run: Run) -> Drawn | None:
    """Total and within-class variance of features and outputs."""
    panels = {}
    for where, title in (("features", "features h"), ("outputs", "outputs")):
        marks = [(f"test/{where}/{part}", name, mark) for part, name, mark in VARIANCES]
        if any(_any(run.rows, metric) for metric, _, _ in marks):
            panels[title] = marks
    if not panels:
        return None
    logarithmic = False
    fig, all_axes = style.axes_by_row(run.rows, lines=2, panels=len(panels))
    for axes, (title, marks) in zip(all_axes, panels.items(), strict=True):
        values = [row.metrics[metric].mean for row in run.rows for metric, _, _ in marks if metric in row.metrics]
        wide = style.log_if_wide(axes, "x", values)
        floor = 0.5 * min(values) if wide else 0.0
        style.draw_dots(axes, run.rows, marks, floor=floor)
        axes.set_xlim(left=floor)
        axes.set(title=title, xlabel="variance (log scale)" if wide else "variance")
        logarithmic |= wide
    add_legend(fig, all_axes[0], 2, "outside upper center")
    caption = (
        "Variance on the test split, summed over units, of all examples (circle) and within classes (diamond). Mean ± sd"
        " over seeds."
    )
    caption += style.LOGARITHMIC if logarithmic else ""
    return style.figure_of("variances", fig, run.rows, [mark for marks in panels.values() for mark in marks], caption)


def curves(run: Run) -> Drawn | None:
    """Training loss and test accuracy over the steps."""
    tested = RANDOM if _any(run.rows, RANDOM) else "test/accuracy"
    name = "test accuracy, random cue (%)" if "random" in tested else "test accuracy (%)"
    unit = " (nats)" if all(row.knob("loss.name") != "squared_error" for row in run.rows) else ""
    wanted = [("train/loss", f"training loss{unit}", 1), (tested, name, 100)]
    panels = [panel for panel in wanted if any(curve(run, row.name, panel[0]) for row in run.rows)]
    if not panels:
        return None
    fig, grid, columns = style.line_panels([row.name for row in run.rows], len(panels), 2, 2.9)
    for axes, (metric, title, scale) in zip(grid, panels, strict=True):
        for number, (row, look) in enumerate(zip(run.rows, style.looks(run.rows), strict=True)):
            style.line_with_band(axes, curve(run, row.name, metric), look, label=row.name, shift=number, scale=scale)
        axes.set(title=title, xlabel="step")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_xlim(left=0)
        if scale == 1 and axes.dataLim.y0 >= 0:  # a corrected loss may lie below 0
            axes.set_ylim(bottom=0)
    add_legend(fig, grid[0], columns)
    rows = ", ".join(shortened(row.name) for row in run.rows)
    shown = " and ".join(title for _, title, _ in panels)
    caption = (
        "Training curves: mean over seeds, band ± sd. Colour: method; line style and marker: row. Losses of different"
        " methods have different floors: compare shapes, not levels."
    )
    return Drawn("curves", as_svg(fig), f"Lines: {shown} over training steps, for the rows {rows}.", caption)


FIGURES: tuple[Callable[[Run], Drawn | None], ...] = (accuracy, weight_ratio, variances, curves)


def _of_groups(run: Run) -> list[tuple[str, str, Mark]]:
    """Test accuracy and that of each group, with its number of examples; [] where there are none, or more than marks."""
    groups = by_group.of(run)
    if groups is None or groups.split != "test" or not 1 < len(groups.groups) <= len(OF_GROUPS):
        return []
    marks = [("test/accuracy", "all", Mark("D", ACCENT, ACCENT))]
    for group, mark in zip(groups.groups, OF_GROUPS, strict=False):
        counts = [count for row in groups.rows for count in groups.counts(row, group)]
        n = f" (n = {count_span(counts)})" if counts else ""
        marks.append((groups.key(group, "accuracy"), f"{shortened(groups.name(group))}{n}", mark))
    return marks


def _falls(axes, rows: Sequence[Row], marks: Sequence[tuple[str, str, Mark]]) -> None:
    """A line in each row from the accuracy under a random cue to that under an aligned one."""
    metrics = [metric for metric, _, _ in marks]
    for place, row in enumerate(rows):
        if ALIGNED in row.metrics and RANDOM in row.metrics:
            y = place + style.row_offset(metrics.index(RANDOM), len(metrics))
            low, high = (100 * row.metrics[metric].mean for metric in (RANDOM, ALIGNED))
            axes.hlines(y, low, high, color=ACCENT, linewidth=0.7, zorder=2)


def _any(rows: Sequence[Row], metric: str) -> bool:
    return any(metric in row.metrics for row in rows)

"""What an evaluation adds to a run's answer, in sentences made from its numbers alone; none where there was none."""

from collections.abc import Sequence

from lamv.catalog.words import series
from lamv.compare import groups
from lamv.report.variance_figures import parts_of_loss, variance_share
from lamv.results.runs import Row, Run

#: Rows beyond which a sentence gives the two ends instead of all.
NAMED = 4


def paragraph(run: Run) -> str:
    """Variance beside ERM, how much of the loss is variance, and calibration after scaling."""
    if not run.analysis.lines:
        return ""
    sentences = [*_variances(run), *_loss(run.rows), *_calibration(run.rows)]
    return " ".join(["From the checkpoints:", *sentences]) if sentences else ""


def _variances(run: Run) -> list[str]:
    """Within-class variance of features and outputs as a multiple of that of ERM, and its share of the total."""
    sentences = []
    for where, what in (("features", "features"), ("outputs", "output probabilities")):
        ratios, shares = [], []
        for of in groups.group(groups.members_of(run, "")):
            for column in of.columns:
                ratio = _ratio(column, of.baseline, f"test/{where}/within_variance")
                share = _ratio(column, of.baseline, f"test/{where}/within_over_total")
                ratios += [(column.name, f"{ratio:.2f}", ratio)] if ratio is not None else []
                shares += [(column.name, f"{share:.2f}", share)] if share is not None else []
        if ratios:
            said = f"on test examples, the {what} vary within a class {_each(ratios)} times as much as those of ERM"
            said += f", and as a share of their total variance {_each(shares)} times" if shares else ""
            sentences.append(said + ".")
    return sentences[:1] + [s[0].upper() + s[1:] for s in sentences[1:]]


def _ratio(column, baseline, metric: str) -> float | None:
    """Mean over mean, on the seeds that both have."""
    if baseline is None or column is baseline:
        return None
    own, base = column.values.get(metric, {}), baseline.values.get(metric, {})
    seeds = own.keys() & base.keys()
    below = sum(base[seed] for seed in seeds)
    return sum(own[seed] for seed in seeds) / below if below > 0 else None


def _loss(rows: Sequence[Row]) -> list[str]:
    """The share of variance in the loss; of how many rows it is not known."""
    told = [(row.name, f"{100 * s.mean:.2g}\xa0%", s.mean) for row in rows if (s := variance_share(row))]
    untold = [row.name for row in rows if parts_of_loss(row) and not variance_share(row)]
    sentences = []
    if told:
        sentences.append(
            f"Of the loss on their own augmented inputs, the variance within cells makes up {_each(told)}."
        )
    if untold:
        sentences.append(f"For {series(untold)} that share is not told: too few examples have the same target.")
    return sentences


def _calibration(rows: Sequence[Row]) -> list[str]:
    """ECE before and after temperature scaling; where a cue was planted, with a random one: with the cue all are right."""
    split, said = (
        ("test_random", "with a random cue ")
        if any("test_random/ece_scaled" in r.metrics for r in rows)
        else ("test", "")
    )
    before, after = [], []
    for row in rows:
        ends = [row.mean(f"{split}/{key}") for key in ("ece", "ece_scaled")]
        if None not in ends:
            for end, into in zip(ends, (before, after), strict=True):
                into.append((row.name, f"{100 * end:.1f}", end))
    if not before:
        return []
    return [f"The ECE {said}is, in points, {_each(before)}; after temperature scaling {_each(after)}."]


def _each(found: Sequence[tuple[str, str, float]]) -> str:
    """ "0.31 (LS) and 0.80 (Mixup)"; of many rows the lowest and the highest."""
    if len(found) <= NAMED:
        return series([f"{text} ({name})" for name, text, _ in found])
    low, high = (pick(found, key=lambda item: item[2]) for pick in (min, max))
    return f"{low[1]} ({low[0]}) to {high[1]} ({high[0]})"

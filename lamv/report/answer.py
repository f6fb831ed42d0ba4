"""The answer of a run in sentences, from its numbers alone.

Every row with label augmentation is compared with its baseline (lamv.compare.differences). With a planted cue the measure is
the fall, accuracy under an aligned cue minus accuracy under a random one: 0 for a network that ignores the cue, and 1 - 1/K
for one that uses nothing else.
"""

from collections.abc import Sequence
from typing import NamedTuple

from lamv.catalog import cues, metrics, mitigations
from lamv.catalog.metrics import WORST_GROUP
from lamv.catalog.words import series
from lamv.compare import by_group, cohorts, differences, following
from lamv.compare.baseline import is_erm
from lamv.compare.differences import ALIKE, FALL, LESS, MORE, RANDOM, TEST, UNDECIDED, Comparison, compare, fall_of
from lamv.compare.variance import parts_of_loss, variance_share
from lamv.errors import listed
from lamv.report.numbers import count_span, mean_sd, percent_span
from lamv.results.records import Row, Run

WORST, BALANCED = f"test/{WORST_GROUP}", f"test/{metrics.BALANCED}"
RMSE = "test/rmse"
#: Rows that a sentence names one by one.
MOST_NAMED = 12
#: Rows beyond which a sentence on the evaluation gives the two ends.
FEW = 4


class Answer(NamedTuple):
    """headline: one sentence. paragraphs: the numbers behind it, and how certain they are. comparisons: row by row."""

    headline: str
    paragraphs: Sequence[str]
    comparisons: Sequence[Comparison]


def answer(run: Run) -> Answer:
    """The answer to what the run is about: error, reliance on a cue, or accuracy."""
    about = _answer(run)
    evaluated = []
    if run.analysis.lines:
        evaluated = [*_relative_variances(run), *_shares_of_loss(run.rows), *_calibration(run.rows)]
    from_checkpoints = _paragraphs(["From the checkpoints:", *evaluated] if evaluated else [])
    return about._replace(paragraphs=[*about.paragraphs, *from_checkpoints])


def _answer(run: Run) -> Answer:
    about = _of_accuracy(run)
    if followed := following.of(run):
        about = about._replace(headline=_followed(followed, len(followed.agreeing) < len(run.rows)))
    return about


def _followed(followed: following.Following, mitigated: bool) -> str:
    """The headline of a run in which every row follows a shortcut."""
    start = "Without mitigation, all" if mitigated else "All"
    agreeing, conflicting = map(percent_span, (followed.agreeing, followed.conflicting))
    n = "" if followed.examples is None else f" (n\xa0=\xa0{followed.examples:.0f})"
    return (
        f"{start} {len(followed.agreeing)} rows, ERM too, follow the {followed.what}: accuracy is {agreeing}\xa0% where it"
        f" agrees with the label, and {conflicting}\xa0% where it conflicts{n}. What label augmentation adds to that cannot"
        " be seen here."
    )


def _of_accuracy(run: Run) -> Answer:
    measured = {metric for row in run.rows for metric in row.metrics}
    if RMSE in measured:
        return _about_error(run)
    if not measured & {TEST, RANDOM}:
        return Answer("No accuracy has been measured yet.", [], [])
    if run.cue and any(fall_of(row) for row in run.rows):
        return _about_cue(run)
    if WORST in measured and by_group.can_be_judged(run.rows, WORST):
        return _about_accuracy(run, WORST, "test accuracy of the worst group")
    if TEST in measured:
        return _about_accuracy(run, TEST, "test accuracy")
    return _about_accuracy(run, RANDOM, "accuracy under a random cue")


def _about_cue(run: Run) -> Answer:
    rows = [row for row in run.rows if fall_of(row)]
    comparisons = compare(rows, FALL)
    cue = cues.name_of(run.cue)
    numbers = [_row_by_row(f"Accuracy under a random {cue}: ", rows, RANDOM)]
    if run.num_classes:
        numbers.append(f"A network that uses only the {cue} would get {100 / run.num_classes:.3g}\xa0% there (chance).")
    reach = percent_span(row.metrics[differences.ALIGNED].mean for row in rows)
    numbers.append(f"Under an aligned {cue}, {'it reaches' if len(rows) == 1 else 'rows reach'} {reach}\xa0%.")
    paragraphs = _paragraphs(numbers, _variances(comparisons), _certainty(run.rows, comparisons))
    headline = _cue_headline(cue, rows, comparisons)
    plain = [c for c in comparisons if mitigations.name_of(c.row.config) == mitigations.NONE]
    if plain and len(plain) < len(comparisons):
        # Rows under a mitigation answer another question (lamv.compare.grids).
        alone = _cue_headline(cue, rows, plain)
        headline = f"Without mitigation, {alone[0].lower()}{alone[1:]}"
    return Answer(headline, paragraphs, comparisons)


def _cue_headline(cue: str, rows: Sequence[Row], comparisons: Sequence[Comparison]) -> str:
    if not comparisons:
        name, lost = max(((r.name, fall.mean) for r in rows if (fall := fall_of(r))), key=lambda pair: pair[1])
        most = "" if len(rows) == 1 else "most, "
        return f"{name} loses {most}{100 * lost:.1f} points of accuracy when the {cue} turns random."
    counts = _verdicts(comparisons)
    if len(counts) == 1:
        (verdict,) = counts
        sentence = {
            MORE: f"Label augmentation made the network rely more on the {cue}.",
            LESS: f"Label augmentation made the network rely less on the {cue}.",
            ALIKE: f"No gap: the network relies equally on the {cue} with label augmentation and without.",
            UNDECIDED: f"Inconclusive: reliance on the {cue} may be higher or lower with label augmentation.",
        }[verdict]
        single = "" if any(c.interval for c in comparisons) else "In one seed: "
        return f"{single}{sentence} {_falls(comparisons, cue)}"
    words = {
        MORE: "rely more than ERM",
        LESS: "rely less than ERM",
        ALIKE: "rely equally",
        UNDECIDED: "are inconclusive",
    }
    one = {"rely": "relies", "are": "is"}
    parts = []
    for verdict, count in counts.items():
        verb, _, rest = words[verdict].partition(" ")
        parts.append(f"{count} {one[verb] if count == 1 else verb} {rest}")
    return f"Mixed reliance on the {cue}: of {len(comparisons)} rows with label augmentation, {series(parts)}."


def _verdicts(comparisons: Sequence[Comparison]) -> dict[str, int]:
    """How often each verdict occurs; {} without those that do not."""
    verdicts = [c.verdict for c in comparisons]
    return {verdict: verdicts.count(verdict) for verdict in (MORE, LESS, ALIKE, UNDECIDED) if verdict in verdicts}


def _falls(comparisons: Sequence[Comparison], cue: str) -> str:
    """ "When the tag turns random, networks trained with it lose 45.4 to 88.3 points of accuracy, ERM 13.8."."""
    baselines = {c.baseline.name: c.baseline for c in comparisons}
    lost, lost_by_erm = (
        percent_span(fall.mean for row in rows if (fall := fall_of(row)))
        for rows in ([c.row for c in comparisons], baselines.values())
    )
    who = "networks trained with it lose" if len(comparisons) > 1 else f"{comparisons[0].row.name} loses"
    base = next(iter(baselines)) if len(baselines) == 1 else "their counterparts under ERM"
    return f"When the {cue} turns random, {who} {lost} points of accuracy, {base} {lost_by_erm}."


def _about_accuracy(run: Run, metric: str, what: str) -> Answer:
    """what: the metric in words."""
    rows = [row for row in run.rows if metric in row.metrics]
    comparisons = compare(rows, metric, run.analysis.intervals())
    numbers = [_row_by_row(f"{what[0].upper()}{what[1:]}: ", rows, metric)] if len(rows) > 1 else []
    if metric == WORST:
        numbers.append(_row_by_row("Over all test examples: ", rows, TEST))
    elif any(WORST in row.metrics for row in rows):
        numbers.append(_too_small(run))
    elif not run.cue:
        numbers.append("No shortcut was planted: this run does not show which of two features was learned.")
    if any(BALANCED in row.metrics for row in rows):
        numbers.append(_row_by_row("Balanced accuracy, in which every class counts alike: ", rows, BALANCED))
    if comparisons:
        words = {MORE: "higher", LESS: "lower", ALIKE: "the same", UNDECIDED: "inconclusive"}
        counts = series([f"{words[verdict]} in {count}" for verdict, count in _verdicts(comparisons).items()])
        total = f" of {len(comparisons)} rows" if len(comparisons) > 1 else ""
        start = "With" if any(c.interval for c in comparisons) else "In one seed: with"
        what += _worst_n(rows, metric)
        headline = f"{start} label augmentation, {what} is {counts}{total}, compared with ERM, all else the same."
    else:
        best = max(rows, key=lambda row: row.mean(metric))
        headline = f"{'Highest: ' if len(rows) > 1 else ''}{best.name} reaches {mean_sd(best.metrics[metric])} {what}."
    paragraphs = _paragraphs(numbers, _variances(comparisons), _certainty(run.rows, comparisons))
    return Answer(headline, paragraphs, comparisons)


def _too_small(run: Run) -> str:
    """Why there is no verdict on the worst group."""
    groups = by_group.of(run)
    few = [f"{groups.name(g)} (n = {count:g})" for g, count in by_group.small(groups).items()] if groups else []
    which = f": {listed(few, MOST_NAMED)}" if few else ""
    return f"No verdict on the worst group, as groups have fewer than {by_group.FEW} test examples{which}."


def _about_error(run: Run) -> Answer:
    rows = sorted((row for row in run.rows if RMSE in row.metrics), key=lambda row: row.mean(RMSE))
    texts = [mean_sd(row.metrics[RMSE], 3, scale=1.0, unit="") for row in rows]
    words = [f"{row.name} {text}" for row, text in zip(rows, texts, strict=True)]
    headline = f"{rows[0].name} has the smallest test RMSE, {texts[0]}."
    if len(rows) == 1:
        headline = f"{rows[0].name} has a test RMSE of {texts[0]}."
    comparisons = compare(rows, RMSE)
    numbers = [f"Test RMSE, in the units of the labels: {series(words)}."] if len(rows) > 1 else []
    if comparisons:
        apart = [c.row.name for c in comparisons if c.apart]
        numbers.append(
            f"Different from ERM, all else the same (95\xa0% interval excludes 0): {series(apart) or 'none'}."
        )
    return Answer(headline, _paragraphs(numbers, _certainty(run.rows, comparisons)), [])


def _variances(comparisons: Sequence[Comparison]) -> list[str]:
    """How often the within-class variance is below the baseline's: as it is, and as a share of the total."""
    sentences = []
    for where, words in (("features", "features"), ("outputs", "output probabilities")):
        parts = []
        for metric, what in (("within_variance", ""), ("within_over_total", "as a share of the total variance, ")):
            pairs = [[row.mean(f"test/{where}/{metric}") for row in (c.row, c.baseline)] for c in comparisons]
            lower = [mean < base for mean, base in pairs if mean is not None and base is not None]
            if lower:
                parts.append(f"{what}in {sum(lower)} of {len(lower)} {'row' if len(lower) == 1 else 'rows'}")
        if parts:
            sentences.append(f"The within-class variance of the {words} is below that of ERM {'; '.join(parts)}.")
    return sentences


def _certainty(rows: Sequence[Row], comparisons: Sequence[Comparison]) -> list[str]:
    """The number of seeds, how many differences exclude 0, and the rows that have no baseline."""
    counts = sorted({row.n for row in rows})
    if counts[-1] <= 1:
        sentences = ["This is one seed: variation between seeds was not measured."]
        if any(c.over_examples for c in comparisons):
            sentences.append("Intervals are bootstrap intervals over the test examples of this seed.")
    else:
        sentences = [f"± is the standard deviation over {count_span(counts)} seeds."]
    paired = [c for c in comparisons if c.interval]
    if paired:
        apart = sum(c.apart for c in paired)
        sentences.append(
            "Differences from ERM, all else the same, are paired by seed; the 95\xa0% interval of the mean difference"
            f" excludes 0 for {apart} of {len(paired)}."
        )
    return [*sentences, *_not_compared(rows, comparisons)]


def _not_compared(rows: Sequence[Row], comparisons: Sequence[Comparison]) -> list[str]:
    if len(rows) == 1:
        return ["The run has a single row, so there is nothing to compare it with."]
    compared = {c.row.name for c in comparisons}
    alone = [row.name for row in rows if not is_erm(row) and row.name not in compared]
    if not alone:
        return []
    named = ", ".join(alone[:MOST_NAMED]) + (f" and {len(alone) - MOST_NAMED} more" if alone[MOST_NAMED:] else "")
    return [f"Not compared, as no ERM row has the same other settings and metrics: {named}."]


def _paragraphs(*parts: Sequence[str]) -> list[str]:
    return [" ".join(sentences) for sentences in parts if sentences]


def _row_by_row(start: str, rows: Sequence[Row], metric: str) -> str:
    """ "...: ERM 86.1 ± 1.4 % and Mixup 30.8 ± 2.9 %."; of many rows the two ends."""
    rows = [row for row in rows if metric in row.metrics]
    if len(rows) > 8:
        ranked = sorted(rows, key=lambda row: row.mean(metric))
        start, rows = f"{start}of {len(rows)} rows, lowest and highest are ", [ranked[0], ranked[-1]]
    return start + series([f"{row.name} {mean_sd(row.metrics[metric])}{_worst_n([row], metric)}" for row in rows]) + "."


def _worst_n(rows: Sequence[Row], metric: str) -> str:
    """ " (n = 48 to 60)": the fewest examples of the worst group in any seed; "" for other metrics."""
    split, _, name = metric.partition("/")
    counts = [by_group.worst_count(row, split) for row in rows] if name == WORST_GROUP else []
    known = [count for count in counts if count is not None]
    return f" (n\xa0=\xa0{count_span(known)})" if known else ""


def _relative_variances(run: Run) -> list[str]:
    compared = cohorts.of(cohorts.members_of(run, ""))
    pairs = [(method, cohort.baseline) for cohort in compared for method in cohort.methods]
    sentences = []
    for where, what in (("features", "features"), ("outputs", "output probabilities")):
        absolute, shares = (
            [
                (method.name, f"{ratio:.2f}", ratio)
                for method, baseline in pairs
                if (ratio := cohorts.ratio(method, baseline, f"test/{where}/{metric}")) is not None
            ]
            for metric in ("within_variance", "within_over_total")
        )
        if absolute:
            share = f"; of its share of the total variance: {_each(shares)}" if shares else ""
            sentences.append(f"Within-class variance of the {what} as a multiple of ERM’s: {_each(absolute)}{share}.")
    return sentences


def _shares_of_loss(rows: Sequence[Row]) -> list[str]:
    shares = [(row.name, f"{100 * s.mean:.2g}\xa0%", s.mean) for row in rows if (s := variance_share(row))]
    unknown = [row.name for row in rows if parts_of_loss(row) and not variance_share(row)]
    sentences = [f"Share of within-cell variance in the loss on augmented inputs: {_each(shares)}."] if shares else []
    sentences += [f"For {series(unknown)} that share is unknown: too few examples share a target."] if unknown else []
    return sentences


def _calibration(rows: Sequence[Row]) -> list[str]:
    """ECE before and after temperature scaling; with a planted cue under a random one, as under the cue all are right."""
    random = any("test_random/ece_scaled" in row.metrics for row in rows)
    split, words = ("test_random", " under a random cue") if random else ("test", "")
    before, after = [], []
    for row in rows:
        ece, scaled = (row.mean(f"{split}/{key}") for key in ("ece", "ece_scaled"))
        if ece is not None and scaled is not None:
            for value, into in ((ece, before), (scaled, after)):
                into.append((row.name, f"{100 * value:.1f}", value))
    if not before:
        return []
    lost = [row.name for row in rows if row.mean(f"{split}/temperature_not_found")]
    note = f" The temperature is at an end of its range, so not found, in some seed of {series(lost)}." if lost else ""
    return [f"ECE{words} in points: {_each(before)}; after temperature scaling: {_each(after)}.{note}"]


def _each(entries: Sequence[tuple[str, str, float]]) -> str:
    """ "0.31 (LS) and 0.80 (Mixup)"; of many rows the lowest and the highest."""
    if len(entries) <= FEW:
        return series([f"{text} ({name})" for name, text, _ in entries])
    low, high = (pick(entries, key=lambda entry: entry[2]) for pick in (min, max))
    return f"{low[1]} ({low[0]}) to {high[1]} ({high[0]})"

"""What a run shows, in words: sentences made from its numbers, and from nothing else.

Every row with label augmentation is compared with its baseline, the ERM row whose other knobs are all the same; where
there is none, nothing is compared. Rows share seeds, and a seed fixes data, cue and initialisation, so differences are
taken seed by seed, and their mean comes with a 95 % interval (Student's t).

Where a cue was planted, the measure is the fall: accuracy with an aligned cue minus accuracy with a random cue. It is 0
for a network that ignores the cue, and 1 - 1/K for one that sees nothing else.
"""

from collections.abc import Sequence
from typing import NamedTuple

from lamv.catalog import cues, mitigations
from lamv.catalog.metrics import WORST_GROUP
from lamv.catalog.words import series
from lamv.compare.differences import (
    ALIGNED,
    ALIKE,
    FALL,
    LESS,
    MORE,
    RANDOM,
    TEST,
    UNDECIDED,
    Comparison,
    compare,
    fall_of,
)
from lamv.compare.groups import is_erm
from lamv.report import findings
from lamv.report.table import percent
from lamv.results.runs import Row, Run, Spread

WORST = f"test/{WORST_GROUP}"
RMSE = "test/rmse"
#: Rows that are named one by one; of more, only their number is told.
MOST_NAMED = 12


class Answer(NamedTuple):
    """`headline`: one sentence. `paragraphs`: the numbers behind it, and how sure. `comparisons`: row by row."""

    headline: str
    paragraphs: Sequence[str]
    comparisons: Sequence[Comparison]


def answer(run: Run) -> Answer:
    """What the numbers of a run say; of what was not measured, only that it was not."""
    found, more = _answer(run), findings.paragraph(run)
    return found._replace(paragraphs=[*found.paragraphs, more]) if more else found


def _answer(run: Run) -> Answer:
    if any(RMSE in row.metrics for row in run.rows):
        return _about_error(run)
    if not any(TEST in row.metrics or RANDOM in row.metrics for row in run.rows):
        return Answer("No accuracy has been measured yet.", [], [])
    if run.cue and any(fall_of(row) for row in run.rows):
        return _about_cue(run)
    if any(WORST in row.metrics for row in run.rows):
        return _about_accuracy(run, WORST, "test accuracy of the worst group")
    if any(TEST in row.metrics for row in run.rows):
        return _about_accuracy(run, TEST, "test accuracy")
    return _about_accuracy(run, RANDOM, "accuracy under a random cue")


def _about_cue(run: Run) -> Answer:
    rows = [row for row in run.rows if fall_of(row)]
    comparisons = compare(rows, FALL)
    kind = cues.name_of(run.cue)
    numbers = [_in_turn(f"Accuracy when the {kind} says a random class: ", rows, RANDOM)]
    if run.num_classes:
        chance = f"{100 / run.num_classes:.3g}\xa0%"
        numbers.append(f"A network that looks at the {kind} alone would get {chance} there, by chance.")
    low, high = _range([row.mean(ALIGNED) for row in rows])
    reach = f"{low}\xa0%" if low == high else f"{low} to {high}\xa0%"
    numbers.append(f"When the {kind} agrees with the label, {'it gets' if len(rows) == 1 else 'the rows get'} {reach}.")
    paragraphs = _paragraphs(numbers, _variances(comparisons), _sureness(run.rows, comparisons))
    headline = _cue_headline(kind, rows, comparisons)
    plain = [c for c in comparisons if mitigations.name_of(c.row.config) == mitigations.NONE]
    if plain and len(plain) < len(comparisons):
        # What a mitigation makes of it is a question of its own (lamv.compare.grids).
        alone = _cue_headline(kind, rows, plain)
        headline = f"Without mitigation, {alone[0].lower()}{alone[1:]}"
    return Answer(headline, paragraphs, comparisons)


def _cue_headline(kind: str, rows: Sequence[Row], comparisons: Sequence[Comparison]) -> str:
    if not comparisons:
        row = max(rows, key=lambda r: fall_of(r).mean)
        most = "" if len(rows) == 1 else " at the most"
        lost = f"{100 * fall_of(row).mean:.1f} points"
        return f"{row.name} loses {lost} of accuracy{most} when the {kind} turns random."
    counts = _verdicts(comparisons)
    if len(counts) == 1:
        (verdict,) = counts
        said = {
            MORE: f"Label augmentation made the network rely more on the {kind}.",
            LESS: f"Label augmentation made the network rely less, not more, on the {kind}.",
            ALIKE: f"No gap: the network relies on the {kind} alike, with label augmentation and without.",
            UNDECIDED: f"Undecided: whether label augmentation makes the network rely on the {kind} cannot be told.",
        }[verdict]
        single = "" if any(c.interval for c in comparisons) else "In one seed: "
        return f"{single}{said} {_falls(comparisons, kind)}"
    words = {MORE: "more on it", LESS: "less on it", ALIKE: "on it alike", UNDECIDED: "undecidedly"}
    parts = series([f"{number} {words[verdict]}" for verdict, number in counts.items()])
    rows = f"of {len(comparisons)} rows with label augmentation"
    return f"Mixed: how they rely on the {kind}, next to ERM, differs; {rows}, {parts}."


def _verdicts(comparisons: Sequence[Comparison]) -> dict[str, int]:
    """How many comparisons came to each verdict that occurs."""
    found = [c.verdict for c in comparisons]
    return {verdict: found.count(verdict) for verdict in (MORE, LESS, ALIKE, UNDECIDED) if verdict in found}


def _falls(comparisons: Sequence[Comparison], kind: str) -> str:
    """ "When the tag turns random, networks trained with it lose 45.4 to 88.3 points of accuracy, ERM 13.8."."""
    baselines = {c.baseline.name: c.baseline for c in comparisons}
    ranges = []
    for rows in ([c.row for c in comparisons], baselines.values()):
        low, high = _range([fall_of(row).mean for row in rows])
        ranges.append(low if low == high else f"{low} to {high}")
    them = "networks trained with it lose" if len(comparisons) > 1 else f"{comparisons[0].row.name} loses"
    base = next(iter(baselines)) if len(baselines) == 1 else "their counterparts under ERM"
    return f"When the {kind} turns random, {them} {ranges[0]} points of accuracy, {base} {ranges[1]}."


def _about_accuracy(run: Run, measure: str, what: str) -> Answer:
    """measure: the accuracy that counts; what: it is called."""
    rows = [row for row in run.rows if measure in row.metrics]
    comparisons = compare(rows, measure, run.analysis.intervals())
    numbers = [_in_turn(f"{what[0].upper()}{what[1:]}: ", rows, measure)] if len(rows) > 1 else []
    if measure == WORST:
        numbers.append(_in_turn("Over all test examples: ", rows, TEST))
    elif not run.cue:
        numbers.append("No shortcut was planted, so this run does not say which of two features was learned.")
    if comparisons:
        words = {MORE: "higher", LESS: "lower", ALIKE: "the same", UNDECIDED: "not clearly different"}
        counts = series([f"{words[verdict]} in {number}" for verdict, number in _verdicts(comparisons).items()])
        of = f" of {len(comparisons)} rows" if len(comparisons) > 1 else ""
        start = "With" if any(c.interval for c in comparisons) else "In one seed: with"
        headline = f"{start} label augmentation, {what} is {counts}{of}, next to ERM with the same other settings."
    else:
        best = max(rows, key=lambda row: row.mean(measure))
        most = " at the most" if len(rows) > 1 else ""
        headline = f"{best.name} reaches {percent(best.metrics[measure])} {what}{most}."
    paragraphs = _paragraphs(numbers, _variances(comparisons), _sureness(run.rows, comparisons))
    return Answer(headline, paragraphs, comparisons)


def _about_error(run: Run) -> Answer:
    """Regression: the smaller the error, the better."""
    rows = sorted((row for row in run.rows if RMSE in row.metrics), key=lambda row: row.mean(RMSE))
    words = [f"{row.name} {_plain(row.metrics[RMSE])}" for row in rows]
    headline = f"{rows[0].name} has the smallest test RMSE, {_plain(rows[0].metrics[RMSE])}."
    if len(rows) == 1:
        headline = f"{words[0]} is the test RMSE."
    comparisons = compare(rows, RMSE)
    numbers = [f"Test RMSE, in the units of the labels: {series(words)}."] if len(rows) > 1 else []
    told = [c.row.name for c in comparisons if c.apart]
    if comparisons:
        numbers.append(f"Told from ERM with the same other settings: {series(told) if told else 'none'}.")
    return Answer(headline, _paragraphs(numbers, _sureness(run.rows, comparisons)), [])


def _plain(spread: Spread) -> str:
    sd = "" if spread.sd is None else f"\xa0±\xa0{spread.sd:.3f}"
    return f"{spread.mean:.3f}{sd}"


def _variances(comparisons: Sequence[Comparison]) -> list[str]:
    """How often the within-class variance is below the baseline's: in itself, and as a share of the total."""
    sentences = []
    for where, words in (("features", "features"), ("outputs", "output probabilities")):
        parts = []
        for metric, what in (("within_variance", ""), ("within_over_total", "as a share of the total variance, ")):
            key = f"test/{where}/{metric}"
            pairs = [(c.row.mean(key), c.baseline.mean(key)) for c in comparisons]
            pairs = [pair for pair in pairs if None not in pair]
            if pairs:
                lower = sum(own < base for own, base in pairs)
                parts.append(f"{what}in {lower} of {len(pairs)} {'row' if len(pairs) == 1 else 'rows'}")
        if parts:
            below = "; ".join(parts)
            sentences.append(f"Next to ERM, the mean variance of the {words} within a class is lower {below}.")
    return sentences


def _sureness(rows: Sequence[Row], comparisons: Sequence[Comparison]) -> list[str]:
    """On how many seeds it all rests, how many differences are told from 0, and what could not be compared."""
    counts = sorted({row.n for row in rows})
    if counts[-1] <= 1:
        sentences = ["This is one seed: how much the numbers vary from seed to seed was not measured."]
        if any(c.over_examples for c in comparisons):
            sentences.append("Intervals are those of a bootstrap over the test examples of this one seed.")
    else:
        seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        sentences = [f"How sure: ± is the standard deviation over {seeds} seeds."]
    of_several = [c for c in comparisons if c.interval]
    if of_several:
        apart = sum(c.apart for c in of_several)
        sentences.append(
            "Differences from ERM are taken seed by seed, next to the row that is otherwise the same; the 95\xa0%"
            f" interval of the mean difference excludes 0 for {apart} of {len(of_several)}."
        )
    return [*sentences, *_not_compared(rows, comparisons)]


def _not_compared(rows: Sequence[Row], comparisons: Sequence[Comparison]) -> list[str]:
    """What could not be compared, and why."""
    if len(rows) == 1:
        return ["The run has a single row, so there is nothing to compare it with."]
    compared = {c.row.name for c in comparisons}
    alone = [row.name for row in rows if not is_erm(row) and row.name not in compared]
    if not alone:
        return []
    named = ", ".join(alone[:MOST_NAMED]) + (f" and {len(alone) - MOST_NAMED} more" if alone[MOST_NAMED:] else "")
    return [f"Not compared, as no ERM row is otherwise the same and measured alike: {named}."]


def _paragraphs(*parts: Sequence[str]) -> list[str]:
    return [" ".join(sentences) for sentences in parts if sentences]


def _in_turn(start: str, rows: Sequence[Row], metric: str) -> str:
    """ "...: ERM 86.1 ± 1.4 % and Mixup 30.8 ± 2.9 %."; of many rows the two ends."""
    rows = [row for row in rows if metric in row.metrics]
    if len(rows) > 8:
        ranked = sorted(rows, key=lambda row: row.mean(metric))
        start, rows = f"{start}of {len(rows)} rows, lowest and highest are ", [ranked[0], ranked[-1]]
    return start + series([f"{row.name} {percent(row.metrics[metric])}" for row in rows]) + "."


def _range(fractions: Sequence[float]) -> tuple[str, str]:
    """Smallest and largest, in percent."""
    return f"{100 * min(fractions):.1f}", f"{100 * max(fractions):.1f}"

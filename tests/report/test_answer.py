"""What the report says that a run shows: every direction, and nothing that was not measured."""

import pytest

from lamv import report
from lamv.compare import cohorts
from lamv.compare.differences import LESS, UNDECIDED, Comparison
from lamv.report import comparison
from lamv.report.answer import answer
from lamv.results import runs
from lamv.results.records import spread
from tests import workdirs
from tests.compare.test_by_group import FOUR, row, run_of


def said_of(tmp_path, *rows):
    found = answer(runs.read(workdirs.write(tmp_path / "run", workdirs.summary(*rows))))
    return found, "\n".join([found.headline, *found.paragraphs]).replace("\xa0", " ")


def pair(random, shortcut="tag", seeds=3, **knobs):
    """An ERM row that gets 80 % with a random cue, and a smoothed one that gets `random`."""
    measured = [workdirs.measured(accuracy, seeds) for accuracy in (0.8, random)]
    return (
        workdirs.row("ERM", measured[0], shortcut=shortcut),
        workdirs.row("LS", measured[1], method="label_smoothing", shortcut=shortcut, **knobs),
    )


@pytest.mark.parametrize(
    "random, words, verdict",
    [
        (0.3, "rely more on the tag", "more"),
        (0.79, "No gap", "alike"),
        (0.8, "No gap", "alike"),
        (0.95, "rely less", "less"),
    ],
)
def test_the_direction_is_that_of_the_numbers(tmp_path, random, words, verdict):
    found, text = said_of(tmp_path, *pair(random))
    assert words in found.headline
    assert [c.verdict for c in found.comparisons] == [verdict]
    assert f"LS {100 * random:.1f} ± 1.0 %" in text and "ERM 80.0 ± 1.0 %" in text
    assert "over 3 seeds" in text and "would get 10 % there" in text


def test_rows_that_disagree_are_counted(tmp_path):
    other = workdirs.row("Mixup", workdirs.measured(0.95), method="mixup")
    found, _ = said_of(tmp_path, *pair(0.3), other)
    assert found.headline.startswith("Mixed reliance on the tag") and found.headline.endswith(
        "1 relies more than ERM and 1 relies less than ERM."
    )


def test_a_cue_pixel_is_called_one(tmp_path):
    assert "rely more on the pixel" in said_of(tmp_path, *pair(0.3, shortcut="pixel"))[1]


def test_without_a_shortcut_nothing_is_said_of_reliance(tmp_path):
    erm = workdirs.row("ERM", workdirs.measured(shortcut=False, test=0.9), shortcut="none")
    better = workdirs.measured(shortcut=False, test=0.95)
    found, text = said_of(tmp_path, erm, workdirs.row("LS", better, method="label_smoothing", shortcut="none"))
    assert found.headline.startswith("With label augmentation, test accuracy is higher")
    assert "No shortcut was planted" in text
    assert "tag" not in text and "rel" not in text.replace("released", "")


def test_a_single_row_is_not_compared(tmp_path):
    found, text = said_of(tmp_path, workdirs.row("LS", workdirs.measured(0.3), method="label_smoothing"))
    assert found.headline == "LS loses 68.0 points of accuracy when the tag turns random."
    assert found.comparisons == [] and "nothing to compare it with" in text


def test_a_row_without_its_like_under_erm_is_not_compared(tmp_path):
    found, text = said_of(tmp_path, *pair(0.3, weight_decay=0.001))
    assert found.comparisons == []
    assert "Not compared" in text and text.rstrip(".").endswith("LS")


def test_one_seed_is_said_to_be_one(tmp_path):
    found, text = said_of(tmp_path, *pair(0.3, seeds=1))
    assert found.comparisons[0].interval is None
    assert (
        found.headline.startswith("In one seed: ")
        and "This is one seed" in text
        and "±" not in text
        and "interval" not in text
    )


def test_without_accuracy_there_is_no_answer(tmp_path):
    found, _ = said_of(tmp_path, workdirs.row("ERM", {"train/loss": [0.5, 0.4]}))
    assert found.headline == "No accuracy has been measured yet."


def test_the_interval_is_students():
    # Mean 2, sd 1, n = 5: half width 2.776 / sqrt(5) = 1.24.
    values = spread([2 + v for v in (-1.2649111, -0.6324555, 0, 0.6324555, 1.2649111)])
    low, high = Comparison(None, None, "fall", values).interval
    assert low == pytest.approx(2 - 1.2415, abs=2e-3) and high == pytest.approx(2 + 1.2415, abs=2e-3)


def test_a_difference_that_varies_too_much_is_undecided(tmp_path):
    unsteady = workdirs.measured(0.5) | {"test_random/accuracy": [0.1, 0.5, 0.9]}
    found, text = said_of(tmp_path, pair(0.3)[0], workdirs.row("LS", unsteady, method="label_smoothing"))
    assert found.comparisons[0].verdict == "undecided"
    assert "Inconclusive" in text and "No gap" not in text and "excludes 0 for 0 of 1" in text


def test_differences_are_taken_seed_by_seed(tmp_path):
    found, _ = said_of(tmp_path, *pair(0.3))
    # Both rows vary by the same from seed to seed, so the difference does not vary at all.
    assert found.comparisons[0].difference.mean == pytest.approx(0.5)
    assert found.comparisons[0].difference.sd == pytest.approx(0.0, abs=1e-12)


def test_the_headline_is_about_rows_without_mitigation_where_there_are_any(tmp_path):
    erm, smooth = pair(0.3)
    mitigated = [workdirs.changed({**row, "name": f"{row['name']}, jtt"}, mitigation__name="jtt") for row in pair(0.79)]
    found, _ = said_of(tmp_path, erm, smooth, *mitigated)
    assert found.headline.startswith("Without mitigation, label augmentation made the network rely more on the tag")
    assert [c.verdict for c in found.comparisons] == ["more", "alike"]


def test_of_one_seed_the_answer_goes_by_the_interval_over_examples(one_seed):
    """A tenth of a point between two networks is no finding, and the headline says of how many seeds it speaks."""
    found = answer(runs.read(one_seed))
    assert found.headline.startswith("In one seed: with label augmentation, test accuracy is lower in ")
    assert all(c.over_examples == (-0.1234, -0.0567) and c.verdict == LESS for c in found.comparisons)
    wide = found.comparisons[0]._replace(over_examples=(-0.01, 0.02))
    assert wide.verdict == UNDECIDED
    page = (one_seed / report.FILE).read_text()
    assert "−12.3 to −5.7†" in page and "bootstrap over the test examples of one seed" in page


def test_without_a_cue_the_answer_is_about_the_worst_group(tmp_path):
    rows = row(), row("LS", accuracies=FOUR | {(1, 0): 0.2}, method="label_smoothing")
    found = answer(run_of(tmp_path, *rows))
    assert found.headline.replace("\xa0", " ").startswith(
        "With label augmentation, test accuracy of the worst group (n = 30) is lower in 1"
    )
    assert found.comparisons[0].difference.mean == pytest.approx(-0.2)
    assert "No shortcut was planted" not in " ".join(found.paragraphs)


def test_groups_of_three_examples_are_in_no_headline_and_in_no_verdict(tmp_path):
    few = {"test/worst_group_count": [3] * 3, "test/group_1_0/count": [3] * 3}
    rows = [
        workdirs.row(name, workdirs.measured(shortcut=False) | workdirs.of_groups(of) | few, method=m, shortcut="none")
        for name, m, of in (("ERM", "erm", FOUR), ("LS", "label_smoothing", FOUR | {(1, 0): 0.1}))
    ]
    run = run_of(tmp_path, *rows)
    found = answer(run)
    assert "worst group" not in found.headline and "test accuracy is" in found.headline
    text = " ".join(found.paragraphs)
    assert "No verdict on the worst group" in text and "y 1, a 0 (n = 3)" in text
    [cohort] = cohorts.of(cohorts.members_of(run, "run"))
    lines = {line.name: line for table in comparison.tables(cohort) for line in table.lines}
    assert lines["test: worst group, % (n = 3)"].cells[1].difference == ""
    assert lines["test: y 0, a 0, % (n = 50)"].cells[1].difference == "0.0"


def test_where_all_rows_follow_the_cue_the_headline_says_so(tmp_path):
    values = workdirs.measured(0.12) | {"test_conflicting/accuracy": [0.01, 0.02, 0.03]}
    found, _ = said_of(tmp_path, workdirs.row("ERM", values), workdirs.row("LS", values, method="label_smoothing"))
    assert found.headline.replace("\xa0", " ").startswith(
        "All 2 rows, ERM too, follow the tag: accuracy is 98.0 % where it agrees with the label, and 2.0 % where it conflicts"
    )

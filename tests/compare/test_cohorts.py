"""Cohorts: what is pooled, what is compared, and with which interval."""

import pytest

from lamv.compare import cohorts
from lamv.core.intervals import over_seeds
from lamv.report import comparison
from lamv.results import analysis, runs
from tests import workdirs
from tests.workdirs import cohort_of, evaluated, four_methods


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return evaluated(tmp_path_factory.mktemp("evaluated") / "run", steps=(10, 20))


def test_a_replica_that_is_missing_leaves_the_seeds_of_the_others(tmp_path):
    path = evaluated(tmp_path)
    kept = [x for x in (path / analysis.LINES).read_text().splitlines() if not ('"LS .1"' in x and '"replica": 0' in x)]
    (path / analysis.LINES).write_text("\n".join(kept) + "\n")
    assert set(runs.read(path).rows[1].by_seed("test/nll")) == {1, 2}
    cohort = cohort_of(path)
    difference = cohorts.difference(cohort.methods[1], cohort.baseline, "test/nll")
    assert difference.n == 2 and difference.mean == pytest.approx(-0.04 * (0.99 + 0.98) / 2)


def test_a_difference_is_the_paired_mean_with_its_interval_over_seeds(workdir):
    cohort = cohort_of(workdir)
    found = cohorts.difference(cohort.methods[2], cohort.baseline, "test/nll")
    expected = over_seeds([-0.08 * (1 - r / 100) for r in range(3)])
    assert (found.mean, found.low, found.high) == pytest.approx(tuple(expected))
    assert found.n == 3 and found.examples is None


def test_groups_span_workdirs_and_pool_seeds_of_a_method(tmp_path):
    members = []
    for place in range(2):
        summary = four_methods(names={"ERM": "erm", f"LS {place}": "label_smoothing"})
        for row in summary["rows"]:
            row["config"]["seed"] = 3 * place
        members += cohorts.members_of(runs.read(workdirs.write(tmp_path / str(place), summary)), str(place))
    [cohort] = cohorts.of(members)
    assert [(c.name, c.n, len(c.members)) for c in cohort.methods] == [("ERM", 6, 2), ("LS 0", 6, 2)]
    assert cohorts.difference(cohort.methods[1], cohort.baseline, "test/accuracy").n == 6


def test_a_seed_that_two_workdirs_have_counts_once_and_is_noted(tmp_path):
    members = [m for p in "ab" for m in cohorts.members_of(runs.read(workdirs.write(tmp_path / p, four_methods())), p)]
    [cohort] = cohorts.of(members)
    assert {method.n for method in cohort.methods} == {3}
    assert cohort.notes[0] == "ERM: seeds that several workdirs have (0, 1, 2) count once."


@pytest.mark.parametrize("change", [{"lr": 0.1}, {"weight_decay": 0.1}])
def test_rows_that_differ_in_more_than_the_method_are_not_compared(tmp_path, change):
    values = workdirs.measured(shortcut=False)
    rows = workdirs.row("ERM", values, shortcut="none"), workdirs.row("LS", values, method="label_smoothing", **change)
    found = cohorts.of(cohorts.members_of(runs.read(workdirs.write(tmp_path, workdirs.summary(*rows))), "run"))
    assert len(found) == 2 and found[1].baseline is None
    assert "No ERM row is otherwise the same" in comparison.tables(found[1])[0].remarks[0]


def test_a_student_is_a_method_beside_erm_and_not_erm(tmp_path):
    rows = [workdirs.row(name, workdirs.measured(shortcut=False)) for name in ("ERM", "student")]
    for row, teacher in zip(rows, ("", "big"), strict=True):
        row["config"]["distill"] = {"teacher": "", "row": teacher, "temperature": 4.0, "weight": 1.0}
    cohort = cohort_of(workdirs.write(tmp_path, workdirs.summary(*rows)))
    assert [c.name for c in cohort.methods] == ["ERM", "student"] and cohort.methods[1].short == "erm, taught by big"
    assert cohort.baseline is cohort.methods[0]

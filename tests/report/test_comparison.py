"""The tables of methods: cells, digits, remarks."""

from lamv import report
from lamv.catalog import metrics
from lamv.compare import cohorts
from lamv.core.intervals import over_seeds
from lamv.report import comparison
from tests.pages import Page
from tests.workdirs import cohort_of, evaluated, four_methods


def test_cells_hold_mean_sd_difference_and_interval(workdir):
    tables = {table.slug: table for table in comparison.tables(cohort_of(workdir))}
    slugs = ["accuracy", "variance", "collapse", "calibration", "margins", "bound", "robustness", "probe"]
    assert list(tables) == slugs
    line = next(line for line in tables["accuracy"].lines if line.name == "test, %")
    assert (line.cells[0].mean, line.cells[0].sd, line.cells[0].difference) == ("89.1", "0.9", "")
    low, high = (100 * end for end in over_seeds([-0.09 * (1 - r / 100) for r in range(3)])[1:])
    assert line.cells[1].difference == "−8.9"
    assert line.cells[1].interval == f"[−{-low:.1f}, −{-high:.1f}]" and line.cells[1].apart


def test_an_interval_whose_end_is_printed_as_0_is_not_set_apart():
    column = cohorts.PooledMethod("a", "", False, (), {"test/accuracy": {0: 0.5, 1: 0.5}}, {})
    line = comparison.metric_line(
        metrics.Metric("test/accuracy", "test", True), [column], [cohorts.Difference(0.001, 0.0001, 0.002, 2)]
    )
    assert line.cells[0].interval == "[0.0, +0.2]" and not line.cells[0].apart


def test_tiny_numbers_share_a_power_of_ten_and_wide_groups_split_with_erm_in_each(tmp_path):
    names = {f"m{place}": "mixup" for place in range(9)}
    summary = four_methods(names={"ERM": "erm"} | names)
    for place, row in enumerate(summary["rows"]):
        row["config"]["method"]["alpha"] = 1.0 + place
    cohort = cohort_of(evaluated(tmp_path, summary, values={"test/outputs/within_variance": 3e-6}, curves=False))
    tables = [table for table in comparison.tables(cohort) if table.slug == "variance"]
    assert [len(table.methods) for table in tables] == [5, 5, 2] and {b.methods[0].name for b in tables} == {"ERM"}
    line = next(line for line in tables[0].lines if "outputs, test: within" in line.name)
    assert line.power == -6 and line.cells[0].mean == "2.97"


def test_one_seed_names_the_bootstrap_over_examples(one_seed):
    text = Page((one_seed / report.FILE).read_text()).text
    assert "†: 95 % bootstrap interval over the 500 test examples of one seed" in text
    assert "[−12.3, −5.7]†" in text and "[86.1, 93.1]†" in text
    assert "(Student’s t)" not in text.split("Methods compared")[1].split("How to read")[0]
    assert "[−12.3, −5.7]†" in (one_seed / "report.md").read_text()
    assert r"[-12.3, -5.7]^{\dagger}" in (one_seed / "report.tex").read_text()


def test_one_seed_without_intervals_says_that_there_are_none(tmp_path):
    cohort = cohort_of(evaluated(tmp_path, four_methods(seeds=1)))
    table = comparison.tables(cohort)[0]
    assert "One seed has no interval over seeds" in " ".join(table.remarks)
    assert not any(cell.interval for line in table.lines for cell in line.cells)

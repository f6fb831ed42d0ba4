"""Where no method differs, the page says that one does in 5 % of cases, and not more: five seeds, 4,000 differences."""

import numpy as np
import pytest

from lamv.catalog import metrics
from lamv.compare import cohorts
from lamv.compare.differences import LESS, MORE, compare
from lamv.report import comparison, export
from lamv.results import runs
from tests import workdirs

SEEDS, RUNS, METHODS = 5, 20, 5


@pytest.fixture(scope="module")
def null(tmp_path_factory):
    """Runs in which all that is measured is drawn alike for every row, seed by seed with a part that rows share."""
    rng = np.random.default_rng(0)
    keys = [metric.key for family in metrics.FAMILIES for metric in family.metrics]
    keys = [key for key in keys if not key.startswith("train/loss")][:40]
    found = []
    for number in range(RUNS):
        shared = rng.normal(0.5, 0.05, size=(len(keys), SEEDS))
        rows = []
        for place in range(METHODS + 1):
            drawn = dict(zip(keys, shared + rng.normal(0, 0.02, size=shared.shape), strict=True))
            values = {key: list(map(float, own)) for key, own in drawn.items()} | {"train/loss": [0.1] * SEEDS}
            row = workdirs.row(f"m{place}", values, method="mixup" if place else "erm")
            rows.append(workdirs.changed(row, method__alpha=1.0 + place))
        path = workdirs.write(tmp_path_factory.mktemp("null") / str(number), workdirs.summary(*rows))
        found.append(runs.read(path))
    return found


def test_bold_cells_of_the_tables_are_5_percent(null):
    cells = []
    for run in null:
        [cohort] = cohorts.of(cohorts.members_of(run, "run"))
        tables = comparison.tables(cohort)
        cells += [cell for table in tables for line in table.lines for cell in line.cells if cell.interval]
        bold = sum(cell.apart for table in tables for line in table.lines for cell in line.cells)
        assert export.markdown("null", [(cohort, tables)]).count("<br>**") == bold
    assert len(cells) >= 4000 * 0.9
    assert np.mean([cell.apart for cell in cells]) == pytest.approx(0.05, abs=0.01)


def test_comparisons_of_the_headline_are_5_percent(null):
    keys = [key for key in null[0].rows[0].metrics if key != "train/loss"]
    found = [one for run in null for key in keys for one in compare(run.rows, key)]
    apart = [one.verdict in (MORE, LESS) for one in found]
    assert len(apart) == RUNS * METHODS * len(keys)
    assert np.mean(apart) == pytest.approx(0.05, abs=0.01)

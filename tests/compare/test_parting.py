"""Where label smoothing and MaxSup part, of rows that were made up."""

import pytest

from lamv.compare import parting
from lamv.report.figures.parting import over_shares
from lamv.report.figures.style import drawn
from lamv.report.parting_tables import measures_of, parting_tables, rows_of
from lamv.results import runs
from tests import workdirs


def made_up():
    """ERM, both at s = .1 and .3, and smoothing alone at .6, with and without noise; they part at .3 with noise."""
    stored = []
    for noise, name in ((0.0, "clean"), (0.4, "noise .4")):
        for s in (0.0, 0.1, 0.3, 0.6):
            for method in ("ERM",) if not s else ("LS", "MaxSup") if s < 0.6 else ("LS",):
                lower = 0.2 if noise and s == 0.3 and method == "MaxSup" else 0.0
                values = workdirs.measured(shortcut=False, test=0.9)
                values["test/accuracy"] = [v - lower - 0.001 * seed for seed, v in enumerate(values["test/accuracy"])]
                row = workdirs.row(
                    f"{method} {s:g} · {name}", values, method="erm" if method != "LS" else "label_smoothing"
                )
                knobs = {"method__smoothing": s if method == "LS" else 0.1, "data__label_noise": noise}
                stored.append(workdirs.changed(row, loss__max_suppression=s if method == "MaxSup" else 0.0, **knobs))
    return runs.rows_of({"rows": stored})


def test_rungs_are_of_one_share_and_setting_with_their_erm():
    clean, noisy = parting.of(made_up())
    assert (clean.name, noisy.name) == ("clean", "noise .4")
    assert [rung.share for rung in noisy.rungs] == [0.1, 0.3] and noisy.erm.name == "ERM 0 · noise .4"
    assert (noisy.rungs[1].smoothing.name, noisy.rungs[1].maxsup.name) == ("LS 0.3 · noise .4", "MaxSup 0.3 · noise .4")
    assert parting.of(made_up()[:2]) == []


@pytest.mark.parametrize(("start", "name"), [(0, "clean"), (6, "noise .4")])
def test_a_single_rung_is_not_named_after_its_share(start, name):
    rows = made_up()
    [ladder] = parting.of(rows[start : start + 3])
    assert len(ladder.rungs) == 1 and ladder.name == name


def test_they_part_where_the_interval_excludes_0():
    clean, noisy = parting.of(made_up())
    assert parting.parted(clean, "test/accuracy") == [] and parting.parted(noisy, "test/accuracy") == [0.3]
    assert parting.difference(noisy.rungs[1], "test/accuracy").difference.mean == pytest.approx(-0.2)
    assert parting.difference(noisy.rungs[1], "nothing") is None


@pytest.mark.drawn
def test_the_page_says_at_which(monkeypatch):
    ladders = parting.of(made_up())
    measures = measures_of(row for ladder in ladders for row in rows_of(ladder))
    tables = parting_tables(ladders)
    assert [table.title for table in tables] == ["clean", "noise .4"] and tables[1].caption
    assert [table.rows[0][-1].mean for table in tables] == ["nowhere", "at s = 0.3"]
    assert tables[1].rows[0][2].difference == "−20.0" and tables[1].rows[0][2].apart
    [figure] = drawn([over_shares], ladders, {"test/accuracy": measures["test/accuracy"]})
    assert "MaxSup, noise .4 69" in figure.alt and "label smoothing, clean 89" in figure.alt
    assert figure.caption.endswith("Settings: clean; noise .4.")
    monkeypatch.setattr("lamv.report.figures.parting.MOST", 1)
    [figure] = drawn([over_shares], ladders, {"test/accuracy": measures["test/accuracy"]})
    assert figure.caption.endswith("Settings: clean; 1 more in the tables only.") and "noise" not in figure.alt

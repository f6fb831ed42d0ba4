"""Which metrics a table of methods shows."""

from lamv.compare import families
from lamv.results import legend
from lamv.results.legend import Legend
from tests.compare.test_by_group import row, run_of


def test_only_families_that_were_measured_are_shown_with_levels_in_order():
    keys = ["test/attack/pgd_0.1/accuracy", "test/attack/fgsm_0.25/accuracy", "test/attack/fgsm_0.1/accuracy"]
    (family,) = families.measured([*keys, "test/corruption/noise_1/accuracy", "nothing/known"])
    assert [m.name for m in family.metrics] == [
        "FGSM, ε = 0.1, %",
        "FGSM, ε = 0.25, %",
        "PGD, ε = 0.1, %",
        "noise, level 1, %",
    ]


def test_groups_are_in_the_table_of_methods(tmp_path):
    names = [m.name for family in families.measured(run_of(tmp_path, row()).rows[0].metrics) for m in family.metrics]
    assert "test: y 1, a 0, %" in names and "test: adjusted to the groups of training, %" in names


def test_rows_of_different_data_are_numbered():
    named = Legend(classes=("bear", "cow"))
    assert legend.common([named, Legend()]) == Legend() and legend.common([named, named]) == named
    keys = ["test/worst_group_accuracy", "test/group_1_0/accuracy"]
    [accuracy] = [family for family in families.measured(keys) if family.slug == "accuracy"]
    assert any("y 1, a 0" in metric.name for metric in accuracy.metrics)

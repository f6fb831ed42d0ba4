"""Figures of numbers that are few, wide apart, or below zero."""

import pytest

from lamv import report
from lamv.report.figures import accuracy, style
from lamv.report.figures import variance as variance_figures
from lamv.report.table import columns_of
from lamv.results import runs
from tests import workdirs
from tests.compare.test_by_group import row, run_of
from tests.workdirs import four_methods

pytestmark = pytest.mark.drawn


def test_too_few_rows_have_no_correlation(tmp_path):
    run = runs.read(
        workdirs.write(tmp_path, four_methods(names={"ERM": "erm", "LS": "label_smoothing", "Mixup": "mixup"}))
    )
    drawn = variance_figures.scatter(run.rows)
    assert "3 rows are too few" in drawn.caption and "Spearman" not in drawn.caption
    assert variance_figures.scatter(run.rows[:2]) is None


def test_a_spread_wider_than_its_mean_is_drawn_on_a_logarithmic_axis_too(tmp_path):
    """Its whisker would reach below 0, where such an axis does not go: it ends with the axis."""
    values = workdirs.measured() | {"test/outputs/within_variance": [1e-5, 1e-5, 6e-3]}
    workdirs.write(tmp_path, workdirs.summary(workdirs.row("ERM", values)))
    assert "logarithmic scale" in report.write(tmp_path).read_text()


def test_a_loss_below_zero_is_drawn_whole(tmp_path, monkeypatch):
    values = workdirs.measured() | {"train/loss": [-3.0] * 3}
    run = runs.read(workdirs.write(tmp_path, workdirs.summary(workdirs.row("corrected", values))))
    ends = []
    monkeypatch.setattr(accuracy, "add_legend", lambda fig, *rest: ends.append(fig.axes[0].get_ylim()[0]))
    accuracy.curves(run)
    assert ends[0] < -3


def test_a_cue_without_a_random_class_has_no_fall(tmp_path):
    """cat_channel: the image alone, and beside one of the class that is paired with its own."""
    values = workdirs.measured(shortcut=False, test=0.9) | {"test_aligned/accuracy": [0.97] * 3}
    both = runs.read(workdirs.write(tmp_path, workdirs.summary(workdirs.row("ERM", values, shortcut="cat_channel"))))
    [drawn] = style.drawn([accuracy.accuracy], both)
    assert drawn.caption == "Accuracy of each row, mean ± sd over seeds."
    assert "aligned cue 97.0 %" in drawn.alt and "test 89.8 %" in drawn.alt and "random" not in drawn.alt
    assert columns_of(both.rows)[0].note == "one image alone"
    tag = runs.read(workdirs.write(tmp_path / "tag", workdirs.summary(workdirs.row("ERM", workdirs.measured()))))
    [drawn] = style.drawn([accuracy.accuracy], tag)
    assert "random (diamond)" in drawn.caption and "random cue 80.0 %" in drawn.alt
    assert columns_of(tag.rows)[0].note == "as in training"


def test_rows_without_a_cue_leave_no_empty_bands_beside_those_with_one(tmp_path):
    rows = [workdirs.row("tag", workdirs.measured()), workdirs.row("plain", workdirs.measured(shortcut=False))]
    [drawn] = style.drawn([accuracy.accuracy], runs.read(workdirs.write(tmp_path, workdirs.summary(*rows))))
    assert drawn.caption.endswith("Not drawn: 1 of 2 rows, of which none of these was measured.")
    assert "plain" not in drawn.alt and "plain" not in drawn.svg


def test_few_groups_are_in_the_picture_of_the_answer_each_with_its_examples(tmp_path):
    shown = style.drawn([accuracy.accuracy], run_of(tmp_path, row()))[0]
    assert "all 99.8 %" in shown.alt and "y 1, a 0 (n = 30) 40.0 %" in shown.alt and "training set" not in shown.alt

"""All rows follow a shortcut, or some does not."""

import pytest

from lamv.compare import following
from tests import workdirs
from tests.compare.test_by_group import row, run_of

#: Right where the label goes along with the attribute: 0 with 1, and 1 with 0.
FOLLOWED = {(0, 0): 0.02, (0, 1): 0.97, (1, 0): 0.95, (1, 1): 0.1}


def test_an_attribute_is_followed_where_only_the_groups_that_agree_with_it_are_right(tmp_path):
    found = following.of(
        run_of(tmp_path, row(accuracies=FOLLOWED), row("LS", accuracies=FOLLOWED, method="label_smoothing"))
    )
    assert found.what == "attribute (a 0, a 1)" and found.agreeing == pytest.approx([0.95625] * 2, abs=0.01)
    assert found.conflicting == pytest.approx([0.06] * 2, abs=0.01) and found.examples == 100


@pytest.mark.parametrize("of_ls", [FOLLOWED | {(1, 1): 0.9}, dict.fromkeys(FOLLOWED, 0.95)])
def test_it_is_not_where_one_row_does_not_follow_it(tmp_path, of_ls):
    assert (
        following.of(run_of(tmp_path, row(accuracies=FOLLOWED), row("LS", accuracies=of_ls, method="label_smoothing")))
        is None
    )


def test_a_network_that_says_one_class_of_everything_follows_no_attribute(tmp_path):
    constant = {(0, 0): 0.0, (0, 1): 0.0, (1, 0): 1.0, (1, 1): 1.0}
    assert (
        following.of(run_of(tmp_path, row(accuracies=constant), row("LS", accuracies=constant, method="mixup"))) is None
    )


def test_groups_of_three_examples_decide_nothing(tmp_path):
    few = {f"test/group_{y}_{a}/count": [3] * 3 for y, a in ((0, 0), (1, 1))}
    values = workdirs.measured(shortcut=False) | workdirs.of_groups(FOLLOWED) | few
    rows = [workdirs.row(name, values, method=of, shortcut="none") for name, of in (("ERM", "erm"), ("M", "mixup"))]
    assert following.of(run_of(tmp_path, *rows)) is None


@pytest.mark.parametrize("conflicting, follows", [(0.05, True), (0.5, False)])
def test_a_planted_cue_is_followed_where_accuracy_is_at_chance_when_it_conflicts(tmp_path, conflicting, follows):
    values = workdirs.measured(0.12) | {"test_conflicting/accuracy": [conflicting] * 3}
    found = following.of(
        run_of(tmp_path, workdirs.row("ERM", values), workdirs.row("LS", values, method="label_smoothing"))
    )
    assert (found is not None) == follows
    assert not follows or (found.what, found.examples) == ("tag", None)

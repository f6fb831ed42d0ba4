"""Which step the numbers of a run are of."""

from types import SimpleNamespace

import pytest

from lamv.catalog.model_selection import RULES
from lamv.train.summary import selected

WORST = [0.2, 0.5, 0.4, 0.5, 0.3, 0.7]
LINES = [
    {"step": 10 * (i + 1), "valid/worst_group_accuracy": worst, "valid/accuracy": 1 - worst, "test/accuracy": 0.5}
    for i, worst in enumerate(WORST)
]
#: A line of the loss alone, as between evaluations.
WITH_LOSSES = [line for one in LINES for line in ({"step": one["step"] - 5, "train/loss": 1.0}, one)]


def chosen(rule, patience=0, lines=LINES, first_step=0):
    return selected(lines, SimpleNamespace(rule=rule, patience=patience), first_step)["step"]


@pytest.mark.parametrize(
    ("rule", "patience", "step"),
    [
        ("last", 0, 60),
        ("valid_worst_group", 0, 60),
        ("valid_accuracy", 0, 10),
        # 0.5 at step 20; at 30, 40 (a tie is not better) and 50 nothing better came.
        ("valid_worst_group", 3, 20),
        ("valid_worst_group", 4, 60),
        ("valid_worst_group", 1, 20),
    ],
)
def test_the_first_of_the_best_steps_that_patience_lasts_for(rule, patience, step):
    assert chosen(rule, patience) == step
    assert chosen(rule, patience, WITH_LOSSES) == step


def test_steps_of_a_first_stage_do_not_count():
    assert chosen("valid_accuracy", first_step=10) == 50
    assert chosen("valid_accuracy", first_step=20) == 50
    assert chosen("valid_accuracy", first_step=50) == 60


def test_only_the_oracle_looks_at_a_test_split():
    for name, rule in RULES.items():
        assert rule.is_oracle == rule.metric.startswith("test") == name.startswith("oracle")

"""--select is refused where the data does not have what it looks at."""

import pytest

from lamv.errors import ConfigError
from lamv.sweep import collect, selection
from tests.sweep.made_up import found, recipe


def check(rule, **knobs):
    selection.check(collect.rule_of(rule), found("optim.lr=.1,.2", config=recipe(**knobs))[1])


DIABETES = {
    "data.name": "diabetes", "data.shortcut.kind": "none", "loss.name": "squared_error", "data.flatten": False,
}  # fmt: skip
PLAIN = {"data.shortcut.kind": "none"}


@pytest.mark.parametrize("rule, knobs", [
    ("valid_accuracy", {}), ("valid_worst_group", {}), ("none", {"data.valid_size": 0}), ("valid_rmse", DIABETES),
    ("valid_accuracy", PLAIN),
])  # fmt: skip
def test_what_the_data_has_is_taken(rule, knobs):
    check(rule, **knobs)


@pytest.mark.parametrize("rule, knobs, words", [
    ("valid_accuracy", {"data.valid_size": 0}, "no validation examples, and no cell is chosen on the test set; set --config.data"),
    ("valid_accuracy", DIABETES, "the labels of diabetes are numbers; use --select=valid_rmse"),
    ("valid_rmse", {}, "the labels of digits are classes; use --select=valid_accuracy"),
    ("valid_worst_group", PLAIN, "digits has no group or attribute column; use valid_accuracy"),
])  # fmt: skip
def test_what_the_data_lacks_is_a_line(rule, knobs, words):
    with pytest.raises(ConfigError, match="^[^\n]*$") as caught:
        check(rule, **knobs)
    assert words in str(caught.value) and "--select=none" in str(caught.value)

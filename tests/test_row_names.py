"""Names of rows under flags: true of each row, and the recipe's as long as these are."""

from lamv.rows import expand
from tests.expanding import recipe


def test_rows_that_a_flag_makes_equal_are_one_row_and_none_keeps_a_name_that_is_not_true(caplog):
    decay = {"optim.weight_decay": 1e-3}
    mixed = recipe({"ERM": {}, "ERM+wd": decay, "LS": {"method.name": "label_smoothing", "method.smoothing": 0.1},
                    "Mixup": {"method.name": "mixup"}, "Mixup+wd": {"method.name": "mixup"} | decay})  # fmt: skip
    caplog.set_level("INFO", "lamv.config")
    rows = expand(mixed, {"method.name": "mixup"})
    assert [row.name for row in rows] == ["mixup α=1", "mixup α=1, optim.weight_decay=0.001", "mixup α=1 ε=0.1"]
    assert "'mixup α=1' (was 'ERM', 'Mixup')" in caplog.text
    # Smoothing does nothing under ERM, so that row is equal, too.
    assert [row.name for row in expand(mixed, {"method.name": "erm"})] == [
        "erm",
        "erm, optim.weight_decay=0.001",
    ]
    # Still distinct, and what their names say.
    two = recipe({"ERM": {}, "Mixup": {"method.name": "mixup"} | decay})
    assert [row.name for row in expand(two, {"optim.weight_decay": 0.1})] == ["ERM", "Mixup"]
    assert [row.name for row in expand(mixed, {"seeds": 2, "data.train_size": 100})] == list(mixed.rows)

"""Rows: what layers of knobs come to, which rows --rows chooses, and what becomes of claims that are about others."""

import json

import pytest

from lamv import config as configs
from lamv.errors import ConfigError
from lamv.rows import choose, expand, left_out
from lamv.train import loop
from tests.expanding import expanded, recipe, refused
from tests.recipes import tiny


@pytest.mark.parametrize("rows", [[("a", {})], {"a": 3}, {"a": [("optim.lr", 0.1)]}])
def test_misshapen_rows_are_refused(rows):
    config = recipe()
    with config.unlocked(), config.ignore_type():
        config.rows = rows
    with pytest.raises(ConfigError, match="rows must map row names to {knob: value}; see configs/digits_tag.py"):
        expand(config)


def test_steps_and_epochs_exclude_each_other():
    refused("steps is 10", "epochs is 2", "one of the two", epochs=2.0)
    refused("steps is 10", "epochs is 2", "one of the two", epochs=2.0, overrides={"steps": 10, "epochs": 2.0})


@pytest.mark.parametrize("flag, expected", [({"steps": 10}, (10, None)), ({"epochs": 2.0}, (None, 2.0))])
def test_of_the_lengths_of_recipe_and_flag_the_flag_holds(flag, expected):
    # The flags parser has set both on the config by the time that the rows are made.
    config = expanded(overrides=flag, epochs=2.0)["erm"]
    assert (config.steps, config.epochs) == expected


def test_a_row_may_have_a_length_of_its_own():
    rows = expanded({"short": {"steps": 5}, "epochs": {"epochs": 3}, "as given": {}})
    assert {name: (config.steps, config.epochs) for name, config in rows.items()} == {
        "short": (5, None),
        "epochs": (None, 3.0),
        "as given": (10, None),
    }


@pytest.mark.parametrize(
    "flag, row, expected",
    [
        ({"epochs": 2.0}, {"steps": 5}, (None, 2.0)),
        ({"steps": 10}, {"epochs": 5.0}, (10, None)),
        ({"steps": 10}, {"steps": 5}, (10, None)),
    ],
)
def test_the_length_of_a_flag_holds_for_rows_with_their_own(flag, row, expected):
    knobs = flag if "epochs" in flag else {}
    config = expanded({"a": row}, flag, **knobs)["a"]
    assert (config.steps, config.epochs) == expected, "a row trains for another time than the flag says"


def test_a_row_with_both_lengths_is_refused():
    refused("steps", "epochs", rows={"a": {"steps": 5, "epochs": 2.0}})


def test_dotted_and_nested_changes_are_the_same():
    rows = expanded(
        {
            "dotted": {"optim.lr": 0.5, "optim.name": "adam", "data.shortcut.kind": "tag"},
            "nested": {"optim": {"lr": 0.5, "name": "adam"}, "data": {"shortcut": {"kind": "tag"}}},
            "half": {"optim": {"lr": 0.5, "name": "adam"}, "data": {"shortcut.kind": "tag"}},
        }
    )
    assert rows["dotted"].optim.lr == 0.5 and rows["dotted"].data.shortcut.kind == "tag"
    assert rows["dotted"].to_dict() == rows["nested"].to_dict() == rows["half"].to_dict()


def test_flags_hold_for_rows_with_a_value_of_their_own():
    rows = expanded({"a": {"optim.lr": 0.5}, "b": {"optim.weight_decay": 0.1}}, {"optim.lr": 0.7})
    assert [config.optim.lr for config in rows.values()] == [0.7, 0.7]


def test_rows_do_not_touch_each_other_or_the_recipe():
    config = recipe({"a": {"optim.lr": 0.5}, "b": {}})
    rows = expand(config)
    assert [row.config.optim.lr for row in rows] == [0.5, 0.1] and config.optim.lr == 0.1


# --rows

NAMES = ["ERM", "LS .1", "LS .3", "LS [a]", "T = 1, ERM", "Mixup"]


def named():
    """A recipe of rows by these names."""
    config = tiny.get_config()
    config.rows = {name: {} for name in NAMES} | {
        name: {"method.name": "label_smoothing", "method.smoothing": 0.1} for name in NAMES[1:4]
    }
    config.rows["Mixup"] = {"method.name": "mixup"}
    config.claims = (
        ("ERM", "test/accuracy", ">=", 0.5), ("LS .1", "test/accuracy", ">=", 0.5),
        ("Mixup", "test/accuracy", ">=", 0.9, "ERM"),
    )  # fmt: skip
    return config


def chosen(given, config=None, **overrides):
    return choose(expand(config or named(), overrides), given, overrides)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("", NAMES),
        ("*", NAMES),
        ("Mixup,ERM", ["ERM", "Mixup"]),
        ("LS*, Mixup", ["LS .1", "LS .3", "LS [a]", "Mixup"]),
        ("LS .?", ["LS .1", "LS .3"]),
        ("LS [a]", ["LS [a]"]),
        ("T = 1, ERM", ["T = 1, ERM"]),
        ("T = 1*,ERM", ["ERM", "T = 1, ERM"]),
        ("*ERM", ["ERM", "T = 1, ERM"]),
    ],
)
def test_patterns_choose_rows_in_the_order_of_the_recipe(given, names):
    assert [row.name for row in chosen(given)] == names


@pytest.mark.parametrize(("given", "words"), [
    ("LS*,mixup", ("'mixup'", "did you mean 'Mixup'?", "'ERM', 'LS .1'")), ("erm", ("did you mean 'ERM'?",)),
    ("ERM,", ("--rows has ''",)), ("x*", ("matches no row",)),
])  # fmt: skip
def test_a_pattern_without_a_row_is_refused(given, words):
    with pytest.raises(ConfigError) as caught:
        chosen(given)
    assert all(word in str(caught.value) for word in words) and "\n" not in str(caught.value)


def test_a_knob_of_the_recipe_may_be_for_rows_that_are_left_out_but_not_a_flag():
    shared = named()
    shared.method.alpha = 0.5  # of Mixup alone
    assert [row.name for row in chosen("ERM", shared)] == ["ERM"]
    assert chosen("Mixup", **{"method.alpha": 0.5})
    with pytest.raises(ConfigError, match="config.method.alpha is 0.5, but"):
        chosen("ERM", **{"method.alpha": 0.5})


def test_a_row_that_a_flag_renamed_is_found_by_its_name_in_the_recipe():
    config = tiny.get_config()
    config.claims = ()
    config.rows = {"ERM": {}, "ERM+wd": {"optim.weight_decay": 0.1}, "Mixup": {"method.name": "mixup"}}
    for pattern in ("ERM+wd", "erm"):
        assert [row.name for row in chosen(pattern, config, **{"optim.weight_decay": 0.01})] == ["erm"]


def test_claims_about_rows_that_are_left_out_are_left_out_and_counted():
    config = named()
    whole = expand(config)
    some = choose(whole, "LS .1,Mixup", {})
    assert configs.snapshot(config, some)["claims"] == [["LS .1", "test/accuracy", ">=", 0.5]]
    assert "2 of the 6 rows" in left_out(whole, some, config.claims)
    assert "2 of its 3 claims are about others" in left_out(whole, some, config.claims)
    assert left_out(whole, whole, config.claims) == "" and len(configs.snapshot(config, whole)["claims"]) == 3
    assert "claims" not in left_out(whole, choose(whole, "ERM,Mixup,LS .1", {}), config.claims)


def test_a_run_is_of_these_rows_and_says_so(tmp_path, monkeypatch, caplog):
    """Up to where it would compile."""

    def resumes(rows, *_):
        raise KeyboardInterrupt([row.name for row in rows])

    monkeypatch.setattr(loop, "_resume", resumes)
    with caplog.at_level("INFO", "lamv.train"), pytest.raises(KeyboardInterrupt, match=r"\['ERM'\]"):
        loop.train(tiny.get_config(), tmp_path, {"parallel.devices": 1}, only="E*")
    assert "1 of the 2 rows of the recipe, chosen by --rows" in caplog.messages
    assert [row["name"] for row in json.loads((tmp_path / "config.json").read_text())["rows"]] == ["ERM"]

"""--rows: which rows patterns choose, and what becomes of knobs and claims that are about others."""

import json

import pytest

from lamv import config as configs
from lamv import rows
from lamv.errors import ConfigError
from lamv.train import loop
from tests.recipes import tiny

NAMES = ["ERM", "LS .1", "LS .3", "LS [a]", "T = 1, ERM", "Mixup"]


def recipe():
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
    return rows.choose(configs.expand(config or recipe(), overrides), given, overrides)


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
    shared = recipe()
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
    config = recipe()
    whole = configs.expand(config)
    some = rows.choose(whole, "LS .1,Mixup", {})
    assert configs.snapshot(config, some)["claims"] == [["LS .1", "test/accuracy", ">=", 0.5]]
    assert "2 of the 6 rows" in rows.note(whole, some, config.claims)
    assert "2 of its 3 claims are about others" in rows.note(whole, some, config.claims)
    assert rows.note(whole, whole, config.claims) == "" and len(configs.snapshot(config, whole)["claims"]) == 3
    assert "claims" not in rows.note(whole, rows.choose(whole, "ERM,Mixup,LS .1", {}), config.claims)


def test_a_run_is_of_these_rows_and_says_so(tmp_path, monkeypatch, caplog):
    """Up to where it would compile."""

    def resumes(rows, *_):
        raise KeyboardInterrupt([row.name for row in rows])

    monkeypatch.setattr(loop, "_resume", resumes)
    with caplog.at_level("INFO", "lamv.train"), pytest.raises(KeyboardInterrupt, match=r"\['ERM'\]"):
        loop.train(tiny.get_config(), tmp_path, {"parallel.devices": 1}, only="E*")
    assert "1 of the 2 rows of the recipe, chosen by --rows" in caplog.messages
    assert [row["name"] for row in json.loads((tmp_path / "config.json").read_text())["rows"]] == ["ERM"]

"""What may be asked: methods with doses, minutes, paths; and one line for what may not."""

import shlex

import pytest

from lamv.audit.question import DosedMethod, checked, parsed
from lamv.errors import ConfigError, DataError


def test_methods_with_their_doses():
    assert parsed("label_smoothing:.1, mixup:1") == (
        DosedMethod("label_smoothing", "smoothing", 0.1),
        DosedMethod("mixup", "alpha", 1.0),
    )
    assert [method.label for method in parsed("mixup:.2,cutmix,midpoint")] == ["mixup(0.2)", "cutmix(1)", "midpoint"]


def test_settings_are_knobs_of_a_recipe():
    assert parsed("mixup:.2")[0].settings == {"method.name": "mixup", "method.alpha": 0.2}


def test_the_command_asks_the_same_again(tmp_path):
    (tmp_path / "my data").mkdir()
    asked = checked(str(tmp_path / "my data"), "a.html", "mixup:.2,midpoint", label="kind", seed=3, minutes=2.5)
    words = shlex.split(asked.command())
    given = dict(word.removeprefix("--").split("=", 1) for word in words[3:])
    assert words[:3] == ["python", "-m", "experiments.audit"]
    assert checked(given.pop("data"), given.pop("out"), given.pop("methods"), minutes=float(given.pop("minutes")),
                   seed=int(given.pop("seed")), **given) == asked  # fmt: skip


def test_a_milder_dose_is_a_third():
    assert parsed("mixup:1")[0].milder() == DosedMethod("mixup", "alpha", 0.33)
    assert parsed("midpoint")[0].milder() is None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "NAME:DOSE"),
        ("mixup:1,mixup:1", "different"),
        ("mixpu:1", "mixup"),
        ("erm", "'erm'"),
        ("mixup:0", "above 0"),
        ("mixup:x", "above 0"),
        ("mixup:nan", "above 0"),
        ("label_smoothing:1", "below 1"),
        ("midpoint:1", "no dose"),
        ("c_mixup:1", "c_mixup"),
    ],
)
def test_what_is_no_method_is_one_line(text, names):
    with pytest.raises(ConfigError, match=names):
        parsed(text)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"minutes": 0.0}, "--minutes is 0"), ({"minutes": float("nan")}, "--minutes"), ({"model": "resnet21"}, "resnet20"),
        ({"image_size": 4}, "--image_size is 4"), ({"seed": -1}, "--seed is -1"),
    ],
)  # fmt: skip
def test_options_out_of_range_are_one_line(tmp_path, options, names):
    with pytest.raises(ConfigError, match=names):
        checked(str(tmp_path), "audit.html", "mixup:1", **options)


def test_the_page_ends_in_html_and_the_data_is_there(tmp_path):
    with pytest.raises(ConfigError, match=".html"):
        checked(str(tmp_path), "audit.txt", "mixup:1")
    with pytest.raises(DataError, match="does not exist"):
        checked(str(tmp_path / "nothing"), "audit.html", "mixup:1")

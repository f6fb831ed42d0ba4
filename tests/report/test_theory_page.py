"""The page of an experiment on theory: its answer, its table of checks, its figures from data; alone and among runs."""

import json
import math
import re
from functools import partial
from pathlib import Path

import pytest

from lamv import report
from lamv.errors import DataError
from lamv.report import theory_page
from lamv.report.figures import from_data
from lamv.results.records import spread
from tests import pages, workdirs
from tests.pages import HOSTILE
from tests.warm import Warm

ROOT = Path(__file__).parents[2]
CHECKS = (
    {"quantity": "slope at alpha = 1", "measured": 0.5012, "expected": 0.5, "tolerance": 0.01, "sd": 0.0034, "n": 5},
    {"quantity": "share of low variance", "measured": 0.31, "expected": 0.9, "relation": ">=", "sd": 0.05, "n": 5},
    {"quantity": "loss", "measured": None, "expected": 0.6931472, "tolerance": 1e-6, "note": "nats"},
)


def check(**given):
    stored = {"source": "closed form", "relation": "=", "tolerance": 0.0, "sd": None, "n": 1, "note": ""} | given
    within = abs((stored["measured"] or math.inf) - stored["expected"]) <= stored["tolerance"]
    return stored | {"holds": within}


def lines(**more):
    x = [1, 2, 5, 10, 20, 50, 100]
    series = [
        {"name": "measured, alpha = 1", "x": x, "y": [1 / v for v in x], "sd": [0.2 / v for v in x]},
        {"name": "measured, alpha = 8", "x": x, "y": [None] + [2 / v for v in x[1:]], "style": "line"},
        {"name": "closed form", "x": x, "y": [1 / v for v in x], "style": "dashed"},
        {"name": "published", "x": [1, 10], "y": [1.1, 0.12], "sd": [0.1, None], "style": "points"},
        {"name": "range", "x": x, "y": [3 / v for v in x], "sd": [1 / v for v in x], "style": "band"},
    ]
    return {
        "kind": "lines", "name": "Excess risk", "title": "Excess risk over training", "caption": "It falls (n = 5).",
        "x_label": "step", "y_label": "excess risk", "x_scale": "log", "y_scale": "log", "series": series,
        "levels": [{"y": 0.05, "name": "noise floor"}, {"y": 0.5, "name": "at the start"}],
    } | more  # fmt: skip


def field():
    grid = [-1 + 0.1 * i for i in range(21)]
    z = [[1 / (1 + math.exp(-5 * (a * a - b))) for a in grid] for b in grid]
    points = [
        {"name": "class 0", "x": [-0.5, 0.5], "y": [0.8, 0.7]},
        {"name": "class 1", "x": [-0.8, 0.9], "y": [-0.4, 0.1]},
    ]
    return {
        "kind": "field", "name": "boundary", "title": "Decision boundaries", "caption": "Colour is P(class 1).",
        "x": grid, "y": grid, "panels": [{"name": "ERM", "z": z}, {"name": "Mixup", "z": [[1 - v for v in r] for r in z]}],
        "points": points, "levels": [0.5], "lines": [{"name": "Bayes", "x": [-1, 0, 1], "y": [1, 0, 1]}],
    }  # fmt: skip


def bars():
    return {
        "kind": "bars", "name": "accuracy", "title": "Both classes", "caption": "Mean ± sd, n = 5.", "x_label": "accuracy",
        "groups": ["ERM", "Mixup, alpha = 1", "Mixup, alpha = 8"],
        "series": [{"name": "common class", "y": [0.9, 0.95, 0.97], "sd": [0.02, 0.01, 0.01]},
                   {"name": "rare class", "y": [0.4, None, 0.8], "sd": [0.1, None, 0.05]}],
    }  # fmt: skip


def row(name, **metrics):
    stored = {key: spread(values)._asdict() | {"values": list(values)} for key, values in metrics.items()}
    return {"name": name, "config": {"alpha": 1.0}, "metrics": stored}


def write(path, finished=True, **changes):
    """A workdir as lamv.theory.runner leaves it."""
    path.mkdir(parents=True, exist_ok=True)
    config = {"seed": 0, "seeds": 5, "alphas": [1.0, 8.0], "experiment": "made_up"}
    start = {"title": "Slopes of Mixup", "about": "What Mixup converges to.", "experiment": "made_up"}
    workdirs.dump(path / "config.json", start | {"claims": [], "rows": [{"name": "made_up", "config": config}]})
    device = {"kind": "cpu", "platform": "cpu", "count": 1, "processes": 1, "mesh": {}}
    arguments = ["theory.py", "--config=configs/theory/made_up.py", "--workdir=a b"]
    stored = {"command": arguments, "python": "3.11", "packages": {"jax": "0.10.2"}, "device": device, "data": []}
    workdirs.dump(path / "provenance.json", stored | {"git_commit": None, "xla_flags": ""})
    (path / "timing.jsonl").write_text('{"seconds": 99}\n{"seconds": 12.34}\n')
    if finished:
        rows = [row("alpha 1", **{"slope": [0.5, 0.6], "fit/loss": [1e-9, 2e-9]}), row("alpha 8", slope=[0.2])]
        made = {"overrides": {}, "rows": rows, "claims": [], "checks": [check(**c) for c in CHECKS],
                "figures": [lines(), field(), bars()], "remarks": ["The second falls short: it was cut off."]}  # fmt: skip
        workdirs.dump(path / "summary.json", start | made | changes)
    return path


Page = partial(pages.Page, between=" ")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write(tmp_path_factory.mktemp("theory") / "run")


@pytest.fixture(scope="module")
def page(made):
    return Page(report.write(made).read_text())


def test_the_page_answers_first_and_names_what_falls_short(page):
    assert "1 of 3 checks hold." in page.text
    assert "share of low variance: measured 0.310 ± 0.050, should be ≥ 0.9." in page.text.replace("\xa0", " ")
    assert "The second falls short: it was cut off." in page.text and "What Mixup converges to." in page.text


def test_the_table_sets_measured_beside_expected(page):
    text = " ".join(page.text.split())
    assert "slope at alpha = 1 ✓ holds 0.5012 ± 0.0034 5 = 0.5 0.01 closed form" in text
    assert "✗ falls short not finite 1 = 0.6931472 1e-06 closed form" in text


def test_rows_settings_and_the_command_are_there(page):
    text = " ".join(page.text.split())
    assert "alpha 1 2 0.550 ± 0.071" in text and "1.5e−09" in text
    assert "alphas" in text and "(1, 8)" in text and "12.3 s" in text
    assert "python -m experiments.theory --config=configs/theory/made_up.py '--workdir=a b'" in text


def test_every_figure_has_a_title_a_caption_and_a_text_for_those_who_cannot_see_it(page):
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert page.tags.count("figure") == page.tags.count("figcaption") == page.tags.count("h3") == len(labels) == 3
    assert "measured, alpha = 1: 1 at 1 to 0.01 at 100" in labels[0] and "noise floor: level at 0.05" in labels[0]
    assert "ERM: mean" in labels[1] and "rare class 0.8" in labels[2]


def test_the_page_loads_nothing_and_runs_nothing(made, page):
    assert not {"script", "link", "img", "image", "iframe", "object"} & set(page.tags)
    for _, name, value in page.attributes:
        assert not name.startswith("on")
        assert name not in ("src", "href") or value.startswith("#")
    assert not re.search(r"https?://|@import|url\((?!#)", (made / "report.html").read_text())


def test_ids_are_unique_and_every_reference_has_its_target(page):
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for _, name, value in page.attributes if name == "href"} <= set(ids)


def test_the_same_files_give_the_same_page(made):
    assert report.write(made).read_bytes() == report.write(made).read_bytes()


@pytest.mark.drawn
def test_names_are_text_wherever_they_are_shown(tmp_path):
    figures = [lines(title=HOSTILE, name=HOSTILE, y_label=HOSTILE, caption=HOSTILE)]
    figures[0]["series"][0]["name"] = HOSTILE
    checks = [check(quantity=HOSTILE, measured=1.0, expected=1.0, source=HOSTILE, note=HOSTILE)]
    page = Page(report.write(write(tmp_path, title=HOSTILE, figures=figures, checks=checks)).read_text())
    assert "script" not in page.tags and page.text.count(HOSTILE) >= 5
    assert "The one check holds." in page.text


@pytest.mark.drawn
def test_a_figure_that_cannot_be_drawn_is_told_and_the_rest_is_there(tmp_path):
    broken = [{"kind": "pie", "title": "a"}, lines(series=[{"name": "a", "x": [1, 2], "y": [1]}]), {"kind": "bars"}, 3]
    page = Page(report.write(write(tmp_path, figures=[*broken, bars()])).read_text())
    assert all(f"Figure {number} cannot be drawn" in page.text for number in (1, 2, 3, 4))
    assert page.tags.count("figure") == 1


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [([0, 1, 2], [3, 2, 1], "1 point at or below 0"), ([1, 2, 3], [0.0, -1.0, 1.0], "2 points at or below 0")],
)
def test_what_has_no_place_on_a_logarithmic_axis_is_said(x, y, words):
    figure = lines(series=[{"name": "a", "x": x, "y": y}], levels=[])
    [drawn], failed = from_data.draw([figure])
    assert not failed and words in drawn.drawn.caption


@pytest.mark.drawn
def test_looks_tell_series_apart_without_colour():
    """Eight measured lines: each has a marker of its own."""
    series = [{"name": str(n), "x": [1, 2], "y": [n, n]} for n in range(8)]
    [drawn], _ = from_data.draw([lines(series=series, x_scale="linear", y_scale="linear", levels=[])])
    markers = re.findall(r'<path id="(m[0-9a-f]+)"', drawn.drawn.svg)
    assert len(set(markers)) >= 8


def test_overrides_are_noted(tmp_path):
    text = Page(report.write(write(tmp_path, overrides={"steps": 7})).read_text()).text
    assert "overridden: steps = 7" in text


def test_an_experiment_that_is_not_finished_has_a_page(tmp_path):
    text = Page(report.write(write(tmp_path, finished=False)).read_text()).text
    assert "not finished" in text and "Nothing has been measured yet." in text and "Slopes of Mixup" in text


@pytest.mark.parametrize("name", ["config.json", "provenance.json", "timing.jsonl"])
@pytest.mark.parametrize("content", [None, "{broken", "[1]"])
def test_what_is_missing_or_damaged_does_not_stop_the_page(tmp_path, name, content):
    workdir = write(tmp_path)
    if content is None:
        (workdir / name).unlink()
    else:
        (workdir / name).write_text(content + "\n")
    assert "1 of 3 checks hold." in Page(report.write(workdir).read_text()).text


@pytest.mark.parametrize("changes", [{"checks": [{"quantity": "a"}]}, {"rows": [{"name": 1}]}, {"checks": 3}])
def test_files_of_another_make_are_an_error(tmp_path, changes):
    with pytest.raises(DataError, match="not as lamv writes it"):
        report.write(write(tmp_path, **changes))


def test_the_text_table_marks_what_falls_short(made):
    text = theory_page.as_text(json.loads((made / "summary.json").read_text()))
    assert re.search(
        r"^holds +slope at alpha = 1 +0.5012 ± 0.0034 \(5\) +all? ?|= 0.5 ± 0.01 +closed form$", text, re.MULTILINE
    )
    assert len(re.findall("^falls short", text, re.MULTILINE)) == 2


command = Warm("experiments.report")


def test_the_command_reports_experiments_among_runs(tmp_path):
    write(tmp_path / "theory" / "slopes")
    write(tmp_path / "theory" / "begun", finished=False)
    write(tmp_path / "theory" / "bad", checks=3)
    workdirs.write(tmp_path / "trained", workdirs.summary(workdirs.row("ERM", workdirs.measured())))
    done = command(f"--runs={tmp_path}")
    assert done.returncode == 0, done.stderr
    text = Page((tmp_path / "report.html").read_text()).text
    assert "4 runs" in text and "1 of 3 checks hold." in text and "A made-up run" in text
    assert "theory/begun" in text and "not finished" in text and "not as lamv writes it" in text


def test_the_command_reports_one_experiment(made, tmp_path):
    done = command(f"--runs={made}", f"--out={tmp_path / 'page.html'}")
    assert done.returncode == 0, done.stderr
    assert "Slopes of Mixup" in (tmp_path / "page.html").read_text()

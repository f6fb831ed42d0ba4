"""The page: self-contained, safe against names, there for runs in any state; and its command."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lamv import report
from lamv.errors import DataError, WorkdirError
from lamv.results import runs
from lamv.results.records import curve
from tests import workdirs
from tests.pages import HOSTILE, Page
from tests.warm import Warm

ROOT = Path(__file__).parents[2]


def two_rows():
    return (
        workdirs.row("ERM", workdirs.measured(0.8)),
        workdirs.row("LS .1", workdirs.measured(0.3), method="label_smoothing"),
    )


def page_of(workdir):
    return Page(report.write(workdir).read_text())


@pytest.fixture
def finished(tmp_path):
    return workdirs.write(tmp_path / "run", workdirs.summary(*two_rows()))


@pytest.mark.drawn
def test_the_page_loads_nothing_and_runs_nothing(finished):
    page = page_of(finished)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    for _, name, value in page.attributes:
        assert not name.startswith("on")
        assert name not in ("src", "href") or value.startswith("#")
    assert not re.search(r"https?://|@import|url\((?!#)", (finished / "report.html").read_text())


def test_every_figure_has_a_caption_and_a_text_for_those_who_cannot_see_it(finished):
    page = page_of(finished)
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert page.tags.count("figure") == page.tags.count("figcaption") == len(labels) == 5
    assert "LS .1: aligned cue 98.0 %" in labels[0] and "random cue 30.0 %" in labels[0]


@pytest.mark.drawn
def test_ids_are_unique_and_every_reference_has_its_target(finished):
    page = page_of(finished)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    references = [value[1:] for _, name, value in page.attributes if name == "href"]
    assert set(references) <= set(ids)
    assert set(re.findall(r"url\(#([^)]*)\)", (finished / "report.html").read_text())) <= set(ids)


def test_the_page_says_what_was_done_and_where_it_comes_from(finished):
    text = page_of(finished).text
    assert "Which feature is learned?" in text
    assert "q = 0.91 on the label and 0.01 on each of the other 9 classes" in text
    assert "sha256 " + "ab" * 32 in text and "jax 0.10.2" in text and "not recorded" in text


def test_the_same_files_give_the_same_page(finished):
    first = report.write(finished).read_bytes()
    assert report.write(finished).read_bytes() == first
    assert sorted(p.name for p in finished.iterdir() if "tmp" in p.name) == []


@pytest.mark.drawn
def test_names_are_text_wherever_they_are_shown(tmp_path):
    made = workdirs.summary(
        workdirs.row(HOSTILE, workdirs.measured()), workdirs.row("a\n$\\frac$\x00", workdirs.measured())
    )
    page = page_of(workdirs.write(tmp_path / "run", made | {"title": HOSTILE}, about=HOSTILE))
    assert "script" not in page.tags
    assert page.text.count(HOSTILE) >= 4


def test_claims_show_bound_mean_and_verdict(tmp_path):
    claim = {"row": "ERM", "metric": "test_random/accuracy", "relation": ">=", "bound": 0.9}
    claims = [claim | {"mean": 0.8, "holds": False}, claim | {"bound": 0.7, "mean": 0.8, "holds": True}]
    text = page_of(workdirs.write(tmp_path / "run", workdirs.summary(*two_rows(), claims=claims))).text
    assert "≥ 0.9" in text and "falls short" in text and "holds" in text


def test_claims_of_an_overridden_run_are_shown_but_not_judged(tmp_path):
    made = workdirs.summary(*two_rows(), overrides={"steps": 20})
    claims = [["ERM", "test_random/accuracy", ">=", 0.5]]
    text = page_of(workdirs.write(tmp_path / "run", made, claims=claims)).text
    assert "not judged: settings were overridden" in text and "overridden: steps = 20" in text
    assert "holds" not in text


def test_a_run_that_is_not_finished_has_a_report_of_what_there_is(tmp_path):
    workdir = workdirs.write(tmp_path / "run", workdirs.summary(*two_rows()), finished=False)
    with open(workdir / "metrics.jsonl", "a") as file:
        file.write('{"step": 20, "row": "ERM", "repl')  # as a kill leaves it
    run, text = runs.read(workdir), page_of(workdir).text
    assert not run.finished and run.rows[0].mean("test_random/accuracy") == pytest.approx(0.8)
    assert "not finished" in text and "step 10 of 20" in text
    assert "rely more on the tag" in text


def test_a_run_that_has_only_begun_has_a_report(tmp_path):
    workdir = workdirs.write(tmp_path / "run", workdirs.summary(*two_rows()), finished=False)
    (workdir / "metrics.jsonl").unlink()
    text = page_of(workdir).text
    assert "nothing has been measured yet" in text and "No accuracy has been measured yet." in text


@pytest.mark.parametrize("name", ["config.json", "provenance.json", "metrics.jsonl"])
@pytest.mark.parametrize("content", [None, "{broken", "[1]"])
def test_what_is_missing_or_damaged_is_noted(finished, name, content):
    if content is None:
        (finished / name).unlink()
    else:
        (finished / name).write_text(content + "\n")
    assert name in page_of(finished).text


def test_a_damaged_summary_gives_way_to_the_lines(finished):
    (finished / "summary.json").write_text("{")
    text = page_of(finished).text
    assert "summary.json cannot be read" in text and "80.0" in text


@pytest.mark.parametrize(
    "content", [{"rows": 3}, {"rows": [{"name": "a"}]}, {"rows": [{"name": "a", "metrics": {"x": 1}}]}]
)
def test_files_of_another_make_are_an_error(finished, content):
    workdirs.dump(finished / "summary.json", content)
    with pytest.raises(DataError, match="not as lamv writes it"):
        report.write(finished)


def test_a_file_that_cannot_be_written_is_an_error(finished):
    (finished / "file").write_text("")
    with pytest.raises(WorkdirError, match="cannot be written"):
        report.write(finished, finished / "file" / "report.html")


command = Warm("experiments.report")


def test_the_command_reports_one_run(finished, tmp_path):
    done = command(f"--runs={finished}", f"--out={tmp_path / 'page.html'}")
    assert done.returncode == 0, done.stderr
    assert "A made-up run" in (tmp_path / "page.html").read_text() and not (finished / "report.html").exists()


def test_the_command_reports_several_runs_and_names_the_broken(tmp_path):
    workdirs.write(tmp_path / "deep" / "er" / "good", workdirs.summary(*two_rows()))
    workdirs.write(tmp_path / "going", workdirs.summary(*two_rows()), finished=False)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "config.json").write_text("{")
    done = command(f"--runs={tmp_path}")
    assert done.returncode == 0, done.stderr
    page = Page((tmp_path / "report.html").read_text())
    assert "3 runs" in page.text and "deep/er/good" in page.text and "config.json cannot be read" in page.text
    assert "step 10 of 20" in page.text and page.tags.count("figure") == 6
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "where, code, words",
    [("nowhere", 65, "is not a folder"), (".", 65, "holds no workdir"), (None, 64, "--runs is missing")],
)
def test_mistakes_are_one_line_and_an_exit_code(tmp_path, where, code, words):
    done = command(*([f"--runs={tmp_path / where}"] if where else []))
    assert done.returncode == code
    assert words in done.stderr and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_a_workdir_without_rows_is_an_error(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("")
    done = command(f"--runs={tmp_path}")
    assert done.returncode == 65 and "has no row" in done.stderr


def test_reporting_does_not_import_jax():
    code = "import sys, lamv.report, lamv.report.table, experiments.report; print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_the_lines_of_a_run_make_its_curves(finished):
    run = runs.read(finished)
    assert [(step, s.n) for step, s in curve(run, "ERM", "train/loss")] == [(10, 3), (20, 3)]
    assert json.loads((finished / "config.json").read_text())["title"] == run.title


def test_lines_that_are_not_as_they_should_be_are_left_out(finished):
    with open(finished / "metrics.jsonl", "a") as file:
        file.write('[]\n{"step": 20}\n{"step": 20, "row": "ERM", "replica": 0, "train/loss": null}\n')
    assert "3 of metrics.jsonl's lines cannot be read" in page_of(finished).text


def test_label_noise_and_errors_of_regression_are_explained(tmp_path):
    made = workdirs.row(
        "ERM", {"test/rmse": [0.5, 0.6], "test/mae": [0.4, 0.5], "train/loss": [0.1, 0.1]}, method="erm"
    )
    made["config"]["data"]["label_noise"] = 0.25
    text = page_of(workdirs.write(tmp_path, workdirs.summary(made))).text
    assert "replaced with probability 0.25, once, by the label of any training example" in text
    assert "RMSE" in text and "Mean absolute error" in text and "the label itself, a number" in text

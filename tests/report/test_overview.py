"""One page on many workdirs, in every state: its table, its script, its links, and what is pooled."""

import json
import re

import pytest

from lamv import report
from lamv.errors import WorkdirError
from lamv.report import overview
from lamv.results import runs
from tests import workdirs
from tests.pages import HOSTILE, Page, undraw

METHODS = {"ERM": "erm", "LS .1": "label_smoothing", "Mixup": "mixup"}
MANY = 60


def summary_of(place):
    values = workdirs.measured(shortcut=False, test=0.9 + place / 1000)
    rows = [
        workdirs.row(name, values, method=m, shortcut="none", lr=0.01 * (1 + place // 20))
        for name, m in METHODS.items()
    ]
    for row in rows:
        row["config"]["seed"] = 3 * (place % 20)
    return workdirs.summary(*rows) | {"title": f"Run {place}"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """60 workdirs: finished, evaluated, running, broken, empty; three recipes with 20 seeds of three each."""
    folder = tmp_path_factory.mktemp("many") / "runs"
    for place in range(MANY):
        path, kind = folder / f"run{place:02d}", place % 10
        if kind == 8:
            path.mkdir(parents=True)
            (path / "config.json").write_text("{" if place < 30 else '{"rows": []}')
            continue
        workdirs.write(path, summary_of(place), finished=kind != 9)
        if kind < 2:
            workdirs.evaluate(path, summary_of(place), curves=False)
    (folder / "run19" / "metrics.jsonl").unlink()
    lines = (folder / "run29" / "metrics.jsonl").read_text().splitlines(keepends=True)
    (folder / "run29" / "metrics.jsonl").write_text("".join(line for line in lines if "Mixup" not in line))
    (folder / "void").mkdir()
    (folder / "run03" / "report.html").write_text("")
    return folder


@pytest.fixture(scope="module")
def text(folder):
    with pytest.MonkeyPatch.context() as monkeypatch:
        undraw(monkeypatch)
        return report.write_overview(folder, runs.find(folder)).read_text()


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


@pytest.fixture(scope="module")
def rows(text):
    """The lines of the table of all rows: [(workdir, row, ... as text)]."""
    table = re.search(r'<table id="runs">(.*?)</table>', text, re.DOTALL)[1]
    body = table.split("<tbody>")[1]
    return [
        [re.sub(r"<[^>]*>", " ", cell).split() for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL)]
        for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    ]


def test_every_row_of_every_workdir_has_a_line(rows):
    readable = [place for place in range(MANY) if place % 10 != 8]
    assert len(rows) == 3 * len(readable) + 6 + 1
    assert rows[1] == [
        ["run00", "Run", "0"], ["LS", ".1"], ["label_smoothing", "ε=0.1"], ["digits"], ["mlp"], ["3"], ["20"], ["finished"],
        ["80.2", "±", "0.8"], *rows[1][9:],
    ]  # fmt: skip


def test_every_state_is_told(rows):
    states = [row[7][0] for row in rows]
    assert (states.count("running"), states.count("broken")) == (3 * 6, 6 + 1)
    begun = [row for row in rows if row[0][0] == "run19"]
    assert all(row[5] == ["0"] and row[8] == ["–"] for row in begun), "nothing was measured"


def test_what_cannot_be_read_and_what_is_not_there_is_listed_with_why(page):
    assert "void: It is empty." in page.text
    assert re.search(r"run08: \S*run08 has no row: config.json cannot be read", page.text)
    assert re.search(r"run38: \S*run38 has no row", page.text)
    assert "Not begun, or cut off before their first line in metrics.jsonl: Mixup." in page.text
    assert "nothing has been measured yet" in page.text


def test_the_table_is_whole_without_its_script_and_sorts_and_filters_with_it(text, page):
    heads = re.search(r'<table id="runs">.*?<thead>(.*?)</thead>', text, re.DOTALL)[1]
    assert heads.count('data-sort="number"') == 2 + 5 and "<button" not in heads
    assert re.search(r'<p class="filter" hidden><label for="runs-filter">', text)
    assert '<td data-value="80.2">80.2' in text and '<td data-value="">–' in text
    assert page.tags.count("script") == 1
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    assert all(word in script for word in ("aria-sort", "ascending", "button", ".hidden"))
    assert not re.search(r"fetch|XMLHttp|import|eval|innerHTML|https?:", script)


def test_nothing_is_loaded(text, page):
    for _, name, value in page.attributes:
        assert not name.startswith("on") and name != "src"
        assert name != "href" or value.startswith("#") or re.fullmatch(r"run\d\d/report\.html", value)
    assert not re.search(r"https?://|@import|url\((?!#)", text)


def test_only_reports_that_are_there_are_links(page):
    links = {
        value for tag, name, value in page.attributes if (tag, name) == ("a", "href") and not value.startswith("#")
    }
    assert links == {"run03/report.html"}


def test_few_runs_have_figures_and_all_are_pooled_in_one(page):
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert sum(label.startswith("Scatter") for label in labels) == 1
    assert f"features: {3 * 53 - 1} rows" in next(label for label in labels if label.startswith("Scatter"))
    assert sum(label.startswith("Dot plot, accuracy") for label in labels) == overview.FEW_RUNS
    assert f"Figures of the other {54 - overview.FEW_RUNS} runs" in page.text
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_seeds_are_pooled_over_workdirs_and_differences_are_on_the_same_seeds(folder, page):
    assert "n = 48" in page.text, "of 20 workdirs of a recipe, two are broken and two are running"
    markdown = (folder / "report.md").read_text()
    assert markdown.count("n = 48") >= 9
    assert "From: run00 (step 20), run01 (step 20)" in markdown and "and 10 more" in markdown


def test_every_workdir_has_its_provenance(text):
    assert text.count("train.py") == 54 and text.count("evaluate.py --checkpoints=all") == 12
    assert '<h2 id="from">' in text


def test_groups_beyond_the_first_ones_are_in_the_files(tmp_path, monkeypatch, folder):
    monkeypatch.setattr(overview, "FEW_COHORTS", 1)
    monkeypatch.setattr(overview, "FEW_RUNS", 0)
    few = [folder / name for name in ("run02", "run22")]
    page = report.write_overview(folder, few, tmp_path / "index.html").read_text()
    assert "The first 1 of 2 cohorts" in page and "the others are in index.md" in page
    assert (tmp_path / "index.md").read_text().count("### Accuracy") == 2
    assert (tmp_path / "index.tex").exists()


def test_links_are_relative_to_the_page_and_quoted(tmp_path):
    workdir = workdirs.write(tmp_path / "runs" / "javascript:a%2f<b>&", summary_of(0))
    (workdir / "report.html").write_text("")
    text = report.write_overview(tmp_path / "runs", [workdir], tmp_path / "pages" / "all.html").read_text()
    links = [v for tag, name, v in Page(text).attributes if (tag, name) == ("a", "href") and not v.startswith("#")]
    assert set(links) == {"../runs/javascript%3Aa%252f%3Cb%3E%26/report.html"}


def test_hostile_names_do_no_harm_and_the_same_files_give_the_same_bytes(tmp_path):
    made = summary_of(0) | {"title": HOSTILE}
    made["rows"][0]["name"] = "</script>" + HOSTILE
    workdirs.evaluate(workdirs.write(tmp_path / "a_%$&", made), made)
    found = runs.find(tmp_path)
    first = report.write_overview(tmp_path, found).read_bytes()
    page = Page(first.decode())
    assert page.tags.count("script") == 1 and page.text.count(HOSTILE) >= 4
    assert report.write_overview(tmp_path, found).read_bytes() == first


def test_tables_do_not_replace_the_page(tmp_path):
    workdirs.write(tmp_path / "a", summary_of(0))
    with pytest.raises(WorkdirError, match="choose --out=FILE.html"):
        report.write_overview(tmp_path, runs.find(tmp_path), tmp_path / "page.md")


def test_a_folder_with_traces_of_a_run_alone_is_listed(tmp_path):
    workdirs.write(tmp_path / "a", summary_of(0))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "provenance.json").write_text(json.dumps({"command": ["train.py"]}))
    assert "b has no row" in report.write_overview(tmp_path, runs.find(tmp_path)).read_text()

"""Whatever the files of a workdir hold: a page with a note that names the file, or one line; never a traceback or a wait.

Most pages here are put together without drawing, which is nearly all of their time; the last tests draw.
"""

import copy
import errno
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest

from lamv import config as configs
from lamv import report
from lamv.errors import DataError, StorageError, WorkdirError
from lamv.report import overview, sections
from lamv.report.figures import from_data
from lamv.results import analysis, runs, shapes
from lamv.results import experiment as experiment_files
from tests import workdirs
from tests.pages import Page, undraw
from tests.report import test_theory_page

ROOT = Path(__file__).parents[2]
#: Of a file that should hold a JSON object, or lines of them.
HOSTILE = {
    "nothing": b"",
    "a space": b" ",
    "a line": b"\n",
    "half an object": b'{"title": "a',
    "an object too much": b"{}{}",
    "a comma too much": b'{"title": "a",}',
    "single quotes": b"{'a': 1}",
    "no text": b"\xff\xfe\x00\x81",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": json.dumps({"a": 1}).encode("utf-16"),
    "NUL": b"\0" * 100,
    "a NUL after it": b"{}\0",
    "a page": b"<!DOCTYPE html><html></html>",
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00.",
    "NaN": b"NaN",
    "infinity": b"-Infinity",
    "null": b"null",
    "true": b"true",
    "a number": b"3.5",
    "400 digits": b"9" * 400,
    "5000 digits": b"9" * 5000,
    "an exponent": b"1e999999",
    "text": b'"experiment"',
    "a list": b"[]",
    "a list of objects": b'[{"name": "ERM"}]',
    "100 000 lists deep": b"[" * 100_000,
    "100 000 objects deep": b'{"rows":' * 100_000,
    "900 lists deep": b'{"rows": ' + b"[" * 900 + b"]" * 900 + b"}",
    "an empty object": b"{}",
    "rows that are a number": b'{"rows": 3, "claims": 3, "overrides": 3, "title": 3, "about": [], "data": 1, "notes": 1}',
    "rows that are numbers": b'{"rows": [3], "claims": [3], "checks": [3], "figures": [3], "remarks": [3]}',
    "rows of nothing": b'{"rows": [{}], "claims": [{}], "checks": [{}], "figures": [{}]}',
    "numbers out of range": b'{"step": 1e300, "row": "ERM", "replica": -1, "seed": 1e400, "kind": "interval"}',
    "provenance of other types": b'{"command": 3, "packages": [], "device": "a", "data": {"a": 1}, "teachers": 5, "git_commit":'
    b' [], "settings": 3, "layers": 7, "notes": {"a": 1}, "reading": [], "files": []}',
}
NO_FILES = ("a pipe", "a folder", "a socket", "a device", "a link to nothing", "a link to itself")
#: Contents of which pages are made: one of each way to fail, as pages take most of the time.
ON_PAGES = (
    "half an object", "no text", "100 000 lists deep", "rows of nothing", "numbers out of range", "provenance of other types",
    "a pipe", "a folder",
)  # fmt: skip
FILES = (
    "config.json", "provenance.json", "summary.json", "metrics.jsonl", "timing.jsonl", "DONE", analysis.LINES,
    analysis.CURVES, analysis.PROVENANCE,
)  # fmt: skip
#: Those that are JSON objects, of another make.
OBJECTS = (
    "rows that are a number", "rows that are numbers", "rows of nothing", "numbers out of range", "provenance of other types",
)  # fmt: skip
DATA = {
    "name": "farm", "inputs": "images", "examples": {"train": 40, "test": 20}, "classes": ["bear", "cow"],
    "counts": {"train": [30, 10]}, "attributes": ["sand", "snow"], "groups": ["a", "b"], "crossing": "{label} on {attribute}",
    "columns": [], "notes": ["a note"], "left_out": ["a/04.png: cannot be decoded"],
}  # fmt: skip


def put(path, what):
    """A hostile content, or what is no file, in the place of a file."""
    path.unlink(missing_ok=True)
    if what == "a pipe":
        os.mkfifo(path)
    elif what == "a folder":
        path.mkdir()
    elif what == "a socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(os.path.relpath(path))
    elif what in NO_FILES:
        path.symlink_to({"a device": "/dev/zero", "a link to nothing": "nothing", "a link to itself": path.name}[what])
    else:
        path.write_bytes(HOSTILE[what])


def rows_of(seeds):
    """Rows that make every part of a page: a cue, groups, two methods under two mitigations."""
    groups = workdirs.of_groups({(0, 0): 0.9, (0, 1): 0.4, (1, 0): 0.5}, split="test_random", seeds=seeds)
    knobs = {"mitigation__by": "group", "mitigation__step_size": 0.1, "mitigation__adjustment": 0.0, "method__switch": 0,
             "select__rule": "last", "select__patience": 0, "data__label_noise": 0.1, "loss__name": "cross_entropy",
             "distill__row": "", "distill__temperature": 1.0, "distill__weight": 1.0}  # fmt: skip
    for name, method in (("ERM", "erm"), ("LS", "label_smoothing")):
        for way in ("erm", "group_dro"):
            values = workdirs.measured(0.8 if method == "erm" else 0.3, seeds=seeds) | groups
            made = workdirs.row(f"{name} · {way}", values, method=method)
            yield workdirs.changed(made, mitigation__name=way, **knobs)


def trained(path, finished=True, seeds=2):
    """A run with all that a workdir can hold."""
    claim = {
        "row": "ERM · erm",
        "metric": "test_random/accuracy",
        "relation": ">=",
        "bound": 0.5,
        "mean": 0.8,
        "holds": True,
    }
    unjudged = claim | {
        "metric": "test/nll",
        "bound": None,
        "mean": None,
        "holds": None,
        "times": 2.0,
        "of": "LS · erm",
    }
    made = workdirs.summary(*rows_of(seeds), claims=[claim, unjudged], overrides={"steps": 20}) | {
        "data": DATA,
        "notes": ["a"],
    }
    workdirs.write(path, made, finished, claims=[["ERM · erm", "test/nll", "<=", 2.0, "LS · erm"]])
    stored = json.loads((path / "provenance.json").read_text())
    teacher = {"row": "big", "path": "runs/big", "step": 3, "sha256": "ab"}
    workdirs.dump(path / "provenance.json", stored | {"reading": DATA, "teachers": [teacher]})
    workdirs.evaluate(path, made, steps=(10, 20))
    with open(path / analysis.CURVES, "a") as file:
        for row in made["rows"]:
            line = {"step": 20, "row": row["name"], "replica": 0, "seed": 0}
            file.write(json.dumps(workdirs.interval(line, "test/accuracy", 0.9, 0.86, 0.93)) + "\n")
            groups = [[0, 0, 4, 4, 0, 1], [7, 9, 5, 2, 0, 1]]
            file.write(json.dumps(line | {"kind": "groups", "split": "test_random", "groups": groups}) + "\n")
    (path / "timing.jsonl").write_text('{"step": 10, "seconds": 1.0}\n')
    if finished:
        content = (path / "metrics.jsonl").read_bytes()
        metrics = {"lines": content.count(b"\n"), "sha256": hashlib.sha256(content).hexdigest()}
        workdirs.dump(path / "DONE", {"sha256": "ab", "metrics": metrics, "notes": []})
    return path


def experiment(path, finished=True):
    """An experiment on theory with all that its workdir can hold."""
    test_theory_page.write(path, finished)
    if finished:
        summary = json.loads((path / "summary.json").read_text())
        workdirs.dump(path / "DONE", {"sha256": hashlib.sha256(json.dumps(summary).encode()).hexdigest()})
    return path


KINDS = {
    "run": trained,
    "run of one seed": lambda path: trained(path, seeds=1),
    "run that goes on": lambda path: trained(path, finished=False),
    "experiment": experiment,
    "experiment that goes on": lambda path: experiment(path, finished=False),
}


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bases")
    return {kind: make(folder / kind.replace(" ", "_")) for kind, make in KINDS.items()}


@pytest.fixture
def undrawn(monkeypatch):
    """Pages without drawings."""
    undraw(monkeypatch)


@pytest.fixture
def no_figures(monkeypatch, undrawn):
    """Pages of which the figures of a run are not even asked for."""
    for module in (sections, overview):
        monkeypatch.setattr(module, "drawn", lambda *arguments: [])


def copied(base, path):
    return Path(shutil.copytree(base, path, symlinks=True))


def text_of(make, *arguments):
    """The text of a page, or the one line that was raised instead."""
    try:
        return Page(make(*arguments).read_text()).text
    except DataError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000
        return str(error)


# Every content in the place of every file


def told_of(path):
    """What is said of a workdir when it is read: its notes, or the one line that is raised instead."""
    try:
        if experiment_files.is_experiment(path):
            return " ".join(experiment_files.read(path).notes)
        run = runs.read(path)
        run.analysis.curves(*analysis.KINDS)
        return " ".join([*run.notes, *run.analysis.notes])
    except DataError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000
        return str(error)


@pytest.mark.parametrize("what", [*HOSTILE, *NO_FILES])
def test_every_content_of_every_file_is_told(bases, tmp_path, monkeypatch, no_figures, what):
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    made = {}
    for kind in ("run", "run that goes on", "experiment"):
        for name in (name for name in FILES if (bases[kind] / name).exists()):
            path = copied(bases[kind], tmp_path / f"{kind}, {name}")
            put(path / name, what)
            made[path] = told_of(path)
            assert name in made[path] or may_hold(kind, name, what), (kind, name, made[path])
    if what not in ON_PAGES:
        return
    few = [path for path in made if path.name.startswith(("run, ", "experiment, "))]
    text = Page(report.write_overview(tmp_path, few).read_text()).text
    assert all(notes in text for path, notes in made.items() if path in few and notes.startswith(str(path))), (
        "refused ones"
    )
    for kind in ("run", "experiment"):
        assert text_of(report.write, tmp_path / f"{kind}, summary.json")


def may_hold(kind, name, what):
    """Contents that a file may have, or that make no difference to a page."""
    if name == "timing.jsonl":
        return True
    if name == "DONE":  # of an earlier version it has less
        return kind.startswith("run") and what in {"900 lists deep", *OBJECTS}
    if name == analysis.CURVES:  # it may be empty, and lines of other kinds are nobody's
        return what in HOSTILE and what != "numbers out of range"
    if name in ("provenance.json", analysis.PROVENANCE):
        return what in {"900 lists deep", *OBJECTS} - {"provenance of other types"}
    # config.json of an experiment names it again, and has its settings, which need not be known.
    return (
        kind == "experiment" and name == "config.json" and what in {"numbers out of range", "provenance of other types"}
    )


def test_a_command_tells_in_one_line_and_does_not_wait(bases, tmp_path, monkeypatch):
    """The real command line, for what would stop a reader: a pipe, a device, brackets without an end."""
    monkeypatch.chdir(tmp_path)
    for name, what in (
        ("summary.json", "a pipe"),
        ("config.json", "a device"),
        ("provenance.json", "100 000 lists deep"),
    ):
        put(copied(bases["run of one seed"], tmp_path / "runs" / what) / name, what)
    copied(bases["experiment"], tmp_path / "runs" / "theory")
    put(tmp_path / "runs" / "theory" / "summary.json", "rows of nothing")
    done = command(f"--runs={tmp_path / 'runs'}")
    assert (done.returncode, done.stderr) == (0, "")
    text = Page((tmp_path / "runs" / "report.html").read_text()).text
    for words in ("summary.json cannot be read (it is a pipe)", "config.json cannot be read (it is a device)",
                  "provenance.json cannot be read (it is nested too deeply)", "summary.json: rows[0] is {}"):  # fmt: skip
        assert words in text
    done = command(f"--runs={tmp_path / 'runs' / 'theory'}")
    assert done.returncode == 65 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "summary.json: rows[0] is {}, must be an object with a fitting name, metrics" in done.stderr


def command(*arguments):
    run = [sys.executable, "-m", "experiments.report", *map(str, arguments)]
    return subprocess.run(
        run, cwd=ROOT, capture_output=True, text=True, timeout=120, env=os.environ | {"MPLBACKEND": "agg"}
    )


# Any value in any place


def deep(levels):
    tree = 1
    for level in range(levels):
        tree = [tree] if level % 2 else {"a": tree}
    return tree


ODD = st.sampled_from([
    None, True, False, -1, 10**400, -(10**400), 2**63, 1e308, -1e308, 5e-324, 1e-300, float("nan"), float("inf"), "", "erm",
    "none", "{x} %s $x_{", "a\nb\0c", "\ud800", "é" * 2000, "</script><script>", "1e5", "nan", [], {}, [[]], [None], [1, 2, 3],
    ["a"], {"a": {"b": [1, {"c": 2}]}}, [[0.1, 0.9], [1, 2]], [1e308, 1e308], deep(12), deep(300), "fixed(" + "(" * 300,
    "beta(" + "9" * 400 + ")", "uniform(1j)", "discrete((1, 2), (0, 0))",
])  # fmt: skip
ANY = ODD | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from([
    "", "a", "x/y", "data.name", "test/accuracy", "test/rmse", "a/" * 400, "test/group_99999_88888/accuracy",
    "test_random/group_1/accuracy", f"test_random/group_{'9' * 100}_0/accuracy", "test/attack/pgd_nan/accuracy",
    "test/attack/pgd_1e999/accuracy", "test/corruption/x_0.1/accuracy", "probe/a/b/accuracy", "test/worst_group_accuracy",
])  # fmt: skip


def places(tree, path=()):
    """Every place in a tree, its root first."""
    yield path
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inside:
        yield from places(value, (*path, key))


def changed(tree, data):
    """The tree with a value in some place replaced, taken out, or put under another key."""
    found = list(places(tree))
    path = found[data.draw(st.integers(0, len(found) - 1), label="place")]
    if not path:
        return copy.deepcopy(data.draw(ANY, label="value"))  # what is drawn must not be changed later
    node = tree
    for key in path[:-1]:
        node = node[key]
    how = data.draw(st.sampled_from(["replace"] * 5 + ["take out", "add"]), label="how")
    if how == "take out":
        del node[path[-1]]
    elif how == "add" and isinstance(node, dict):
        node[data.draw(KEYS, label="key")] = copy.deepcopy(node[path[-1]])
    elif how == "add":
        node.append(copy.deepcopy(node[path[-1]]))
    else:
        node[path[-1]] = copy.deepcopy(data.draw(ANY, label="value"))
    return tree


def change(file, data):
    """Change a JSON file, or some lines of a file of them, in one to three places."""
    text = file.read_text()
    contents = [json.loads(line) for line in text.splitlines()] if file.suffix == ".jsonl" else [json.loads(text)]
    for _ in range(data.draw(st.integers(1, 3), label="changes")):
        number = data.draw(st.integers(0, len(contents) - 1), label="line")
        contents[number] = changed(contents[number], data)
    file.write_text("".join(json.dumps(content) + "\n" for content in contents))


@pytest.mark.parametrize("kind", KINDS)
def test_any_value_in_any_place_is_a_page_or_one_line(bases, tmp_path, undrawn, kind):
    names = [name for name in FILES if (bases[kind] / name).exists() and name not in ("DONE", "timing.jsonl")]

    @hypothesis.settings(max_examples=int(os.environ.get("LAMV_EXAMPLES", "5")), deadline=None, derandomize=True,
                         database=None, suppress_health_check=list(hypothesis.HealthCheck))  # fmt: skip
    @hypothesis.given(st.data())
    def holds(data):
        shutil.rmtree(tmp_path / "w", ignore_errors=True)
        path = copied(bases[kind], tmp_path / "w" / "run")
        for name in data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True), label="files"):
            change(path / name, data)
        if data.draw(st.booleans(), label="alone"):
            assert text_of(report.write, path)
        else:
            assert text_of(report.write_overview, path.parent, [path])

    holds()


# What is drawn in earnest


def test_numbers_of_any_size_are_drawn(tmp_path):
    value = -1e59
    summary = workdirs.summary(*list(rows_of(2))[:3])
    for row in summary["rows"][1:]:
        for metric in row["metrics"]:
            if not metric.endswith("accuracy") and "group" not in metric:
                row["metrics"][metric] = {"mean": value, "sd": 0.0, "n": 2, "values": [value] * 2}
    path = workdirs.write(tmp_path / "run", summary)
    odd = {key: value for key in workdirs.EVALUATED if not key.endswith("accuracy")}
    workdirs.evaluate(path, summary, steps=(10, 20), values=workdirs.EVALUATED | odd)
    assert Page(report.write(path).read_text()).tags.count("figure") > 5


SERIES = {"name": "a", "x": [1, 2, 3], "y": [1.0, 2.0, None]}
LINES = {"kind": "lines", "name": "n", "title": "t", "caption": "c", "x_label": "x", "y_label": "y", "series": [SERIES]}
FIELD = {"kind": "field", "name": "n", "title": "t", "caption": "c", "x": [0, 1], "y": [0, 1],
         "panels": [{"name": "p", "z": [[0.1, 0.2], [0.3, 0.4]]}]}  # fmt: skip
BARS = {"kind": "bars", "name": "n", "title": "t", "caption": "c", "x_label": "x", "groups": ["a"],
        "series": [{"name": "s", "y": [0.5]}]}  # fmt: skip
BROKEN = [
    3, None, [], {}, {"kind": "lines"}, {**LINES, "kind": ["lines"]}, {**LINES, "kind": "pie"}, {**LINES, "title": None},
    {**LINES, "series": 3}, {**LINES, "series": [3]}, {**LINES, "series": [{**SERIES, "y": [1.0]}]},
    {**LINES, "series": [{**SERIES, "x": ["1", 2, 3]}]}, {**LINES, "series": [{**SERIES, "x": [10**400, 2, 3]}]},
    {**LINES, "series": [{**SERIES, "y": [float("nan")] * 3}]}, {**LINES, "series": [{**SERIES, "sd": [-1, -1, -1], "style":
    "points"}]}, {**LINES, "x_scale": "cubic"}, {**LINES, "x_scale": []}, {**LINES, "levels": [{"y": "a", "name": "b"}]},
    {**FIELD, "panels": []}, {**FIELD, "x": []}, {**FIELD, "x": [0, 0]}, {**FIELD, "panels": [{"name": "p", "z": [[1], [2]]}]},
    {**FIELD, "panels": [{"name": "p", "z": [[None, None], [None, None]]}]}, {**FIELD, "levels": ["a"]},
    {**BARS, "groups": ["a", "b"]}, {**BARS, "series": [{"name": "s", "y": [True]}]}, {**BARS, "groups": [3]},
]  # fmt: skip


def test_figures_of_theory_that_cannot_be_drawn_are_told_and_the_others_are_there(tmp_path):
    figures_of = [*BROKEN, LINES, {**LINES, "x_scale": "log", "y_scale": "log"}, FIELD, BARS]
    page = Page(report.write(test_theory_page.write(tmp_path, figures=figures_of)).read_text())
    assert page.tags.count("figure") == 4
    for number in range(len(BROKEN)):
        assert f"Figure {number + 1} cannot be drawn (" in page.text, BROKEN[number]


@pytest.mark.parametrize("numbers", [[1e59, -1e59, 1e-59], [5e-324, 0, 1], [1, 1, 1], [None, None, None], [-1, -2, -3]])
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_figure_of_any_numbers_is_drawn_or_told(tmp_path, numbers, scale):
    series = [
        {"name": "a" * 500, "x": [1, 2, 3], "y": numbers, "style": style} for style in ("line", "band", "points", "x")
    ]
    made, failed = from_data.draw([{**LINES, "y_scale": scale, "series": series, "x_label": "x\n" * 500}])
    assert len(made) + len(failed) == 1


# What can be read, and does not fit together


@pytest.mark.parametrize("change, words", [
    ({"mean": 0.5}, "has mean 0.5 and sd"), ({"sd": 0.5}, "and sd 0.5, and its values have"), ({"n": 3}, "and n = 3, and"),
    ({"sd": None}, "sd None and n = 2"), ({"values": [0.1, None]}, "and the values [0.1, None]"),
    ({"mean": "0.8"}, "must be an object with a fitting mean"), ({"mean": True}, "fitting mean"), ({"n": 2.0}, "fitting mean"),
])  # fmt: skip
def test_a_metric_that_contradicts_itself_is_refused(tmp_path, change, words):
    summary = workdirs.summary(workdirs.row("ERM", workdirs.measured(seeds=2)))
    path = workdirs.write(tmp_path / "run", summary)
    summary["rows"][0]["metrics"]["test_random/accuracy"] |= change
    workdirs.dump(path / "summary.json", summary)
    with pytest.raises(DataError, match="summary.json: test_random/accuracy of row 'ERM'") as caught:
        runs.read(path)
    assert words in str(caught.value) and "not as lamv writes it" in str(caught.value)


def test_values_that_are_not_finite_are_left_out_with_a_note(tmp_path):
    summary = workdirs.summary(workdirs.row("ERM", workdirs.measured(seeds=2)))
    metrics = summary["rows"][0]["metrics"]
    metrics["test/features/within_variance"] = {"mean": float("nan"), "sd": None, "n": 2, "values": [float("inf"), 1.0]}
    metrics["test_random/accuracy"] = {"mean": 5.0, "sd": 0.0, "n": 2, "values": [5.0, 5.0]}
    run = runs.read(workdirs.write(tmp_path / "run", summary))
    assert not {"test/features/within_variance", "test_random/accuracy"} & set(run.rows[0].metrics)
    told = next(note for note in run.notes if "values that a metric cannot have" in note)
    assert "within_variance" in told and "test_random/accuracy" in told


@pytest.mark.parametrize("file", ["summary.json", "config.json"])
def test_two_rows_of_one_name_are_refused(bases, tmp_path, file):
    path = copied(bases["run that goes on" if file == "config.json" else "run"], tmp_path / "run")
    stored = json.loads((path / file).read_text())
    stored["rows"].append(stored["rows"][0])
    workdirs.dump(path / file, stored)
    with pytest.raises(DataError, match=f"{file} has several rows with the name 'ERM · erm'"):
        runs.read(path)


def test_knobs_of_another_type_are_left_out_and_named(bases, tmp_path):
    path = copied(bases["run"], tmp_path / "run")
    stored = json.loads((path / "summary.json").read_text())
    stored["rows"][1]["config"]["optim"]["lr"] = "0.1"
    stored["rows"][1]["config"]["data"] = 7
    workdirs.dump(path / "summary.json", stored)
    run = runs.read(path)
    assert run.rows[1].knob("optim.lr") is None and run.rows[0].knob("optim.lr") == 0.005
    told = next(note for note in run.notes if note.startswith("summary.json: "))
    assert "'optim.lr' of row 'ERM · group_dro' is '0.1', must be a finite number" in told and "'data' of row" in told
    assert any(
        note.startswith("The rows in config.json, or their knobs, are not those in summary.json") for note in run.notes
    )


def test_every_knob_of_a_row_has_a_shape():
    """Its default fits, and what is of another type does not."""
    assert set(shapes.KNOBS) == {*configs.KNOB} - {"rows", "claims", "published"}
    for key, shape in shapes.KNOBS.items():
        knob = configs.KNOB[key]
        unset = isinstance(knob.default, type)
        assert shape.fits(None) == unset and (unset or shape.fits(knob.default)), key
        wrong = {str: 3, float: "a", int: "a", bool: 1, tuple: 3}[knob.type]
        assert not shape.fits(wrong) and not shape.fits({"a": 1}), key
    assert {"data", "data.shortcut", "method"} <= shapes.SECTIONS and not shapes.SECTIONS & set(shapes.KNOBS)


def test_a_whole_workdir_has_no_note_of_damage(bases):
    assert told_of(bases["experiment"]) == ""
    told = told_of(bases["run"])
    assert not any(word in told for word in ("cannot be read", "left out", "missing", "sha256", "is not")), told


# Files that are not what they were


def test_lines_that_changed_since_the_run_ended_are_told(bases, tmp_path):
    path = copied(bases["run"], tmp_path / "run")
    with open(path / "metrics.jsonl", "a") as file:
        file.write((path / "metrics.jsonl").read_text().splitlines(keepends=True)[0])
    assert "metrics.jsonl is not as it was when the run ended" in told_of(path)


def test_a_summary_that_changed_since_the_experiment_ended_is_told(bases, tmp_path):
    path = copied(bases["experiment"], tmp_path / "run")
    text = (path / "summary.json").read_text()
    (path / "summary.json").write_text(text.replace('"holds": false', '"holds": true', 1))
    assert "summary.json is not as it was when the experiment ended" in told_of(path)


@pytest.mark.parametrize("name", [analysis.LINES, analysis.CURVES])
@pytest.mark.parametrize("damage", ["digit", "cut", "gone"])
def test_an_evaluation_that_changed_is_told(bases, tmp_path, name, damage):
    path = copied(bases["run"], tmp_path / "run")
    stored = json.loads((path / analysis.PROVENANCE).read_text())
    stored["files"] = {
        file: hashlib.sha256((path / file).read_bytes()).hexdigest() for file in (analysis.LINES, analysis.CURVES)
    }
    workdirs.dump(path / analysis.PROVENANCE, stored)
    assert "as the evaluation left it" not in told_of(path)
    text = (path / name).read_text()
    lines = text.splitlines(keepends=True)
    (path / name).write_text("".join(lines[:-1]) if damage == "cut" else text.replace("0.8", "0.7", 1) + "\n")
    if damage == "gone":
        (path / name).unlink()
    assert f"{name} is not as the evaluation left it" in told_of(path)


def test_what_is_damaged_among_curves_is_told_on_the_page(bases, tmp_path, undrawn):
    path = copied(bases["run"], tmp_path / "run")
    lines = (path / analysis.CURVES).read_text().splitlines()
    broken = [line.replace('"accuracy": [null, 0.4', '"accuracy": [null, 4') for line in lines]
    (path / analysis.CURVES).write_text("\n".join(broken) + "\n")
    number = sum(a != b for a, b in zip(lines, broken, strict=True))
    text = Page(report.write(path).read_text()).text
    assert number > 4 and f"of {analysis.CURVES}'s lines of reliability cannot be read and are left out." in text


# Claims, for the table that an evaluation prints


@pytest.mark.parametrize("name", ["summary.json", "metrics.jsonl"])
def test_claims_are_none_where_they_cannot_be_read(bases, tmp_path, monkeypatch, caplog, name):
    monkeypatch.chdir(tmp_path)
    from lamv import evaluate

    for place, what in enumerate([*HOSTILE, *NO_FILES]):
        path = copied(bases["run"], tmp_path / f"w{place}")
        put(path / name, what)
        assert evaluate.claims_of(path) == (None, []), what
    ended, claims = evaluate.claims_of(bases["run"])
    assert ended == 20 and [claim["holds"] for claim in claims] == [True, None]


@pytest.mark.parametrize("claims", [3, [3], [{}], None, [{"row": "a", "metric": 1}], {"a": 1}])
def test_claims_of_another_form_are_none_to_print_and_refused_on_the_page(bases, tmp_path, caplog, claims):
    from lamv import evaluate

    path = copied(bases["run"], tmp_path / "run")
    stored = json.loads((path / "summary.json").read_text())
    workdirs.dump(path / "summary.json", stored | {"claims": claims})
    assert evaluate.claims_of(path) == (None, []) and "summary.json: claims" in caplog.text
    with pytest.raises(DataError, match="summary.json: claims"):
        runs.read(path)


# Where the page cannot be written


@pytest.fixture
def full(monkeypatch):
    def fsync(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("kind", ["run", "experiment"])
def test_a_full_disk_is_told_with_a_way_out_and_nothing_stays(bases, tmp_path, no_figures, full, kind):
    path = copied(bases[kind], tmp_path / "run")
    before = sorted(file.name for file in path.iterdir())
    for make, arguments in ((report.write, (path,)), (report.write_overview, (tmp_path, [path]))):
        with pytest.raises(StorageError, match="the disk is full, .* are needed and .* are free") as caught:
            make(*arguments)
        assert caught.value.exit_code == 74 and "--out=FILE.html" in str(caught.value) and "\n" not in str(caught.value)
    assert sorted(file.name for file in path.iterdir()) == before and [p.name for p in tmp_path.iterdir()] == ["run"]


def test_an_evaluation_on_a_full_disk_leaves_the_one_before(bases, tmp_path, full):
    from lamv.evaluate import files as evaluation

    path = copied(bases["run"], tmp_path / "run")
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    with pytest.raises(StorageError, match="the disk is full"):
        evaluation.write(path, [{"a": 1}], [], {})
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before


def test_an_evaluation_leaves_the_digests_of_its_files(bases, tmp_path):
    from lamv.evaluate import files as evaluation

    path = copied(bases["run"], tmp_path / "run")
    line = {"step": 20, "row": "ERM · erm", "replica": 0, "seed": 0}
    evaluation.write(path, [{**line, "test/nll": 0.4}], [{**line, "kind": "x"}], {"notes": []})
    assert "as the evaluation left it" not in told_of(path)
    (path / analysis.CURVES).write_text("")
    assert "evaluation_curves.jsonl is not as the evaluation left it" in told_of(path)


@pytest.mark.parametrize("out, words", [
    (".", "a folder"), ("folder", "a folder"), ("/dev/null", "a device"), ("file/page.html", "cannot be written"),
    ("page.md", "would be overwritten"), ("n" * 300 + ".html", "cannot be written"),
])  # fmt: skip
def test_a_page_that_cannot_be_put_there_is_one_line(bases, tmp_path, monkeypatch, no_figures, out, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    for make, arguments in ((report.write, (bases["run"],)), (report.write_overview, (tmp_path, [bases["run"]]))):
        with pytest.raises(WorkdirError, match=words) as caught:
            make(*arguments, out)
        assert "--out=FILE.html" in str(caught.value) and "\n" not in str(caught.value)
    assert Path("/dev/null").is_char_device() and sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]

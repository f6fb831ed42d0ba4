"""Hostile hands at a small scale: a trial or two of most hazards of tests/chaos, and anything at all in place of a config.

All of it is `make chaos`.
"""

import json
import os
import shutil
from pathlib import Path

import pytest
from absl import flags
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamv.errors import LamvError
from lamv.evaluate import evaluate
from lamv.knobs import KNOB
from lamv.train import loop
from tests.chaos import __main__ as chaos
from tests.chaos.ground import Ground
from tests.chaos.harm import DAMAGES
from tests.chaos.process import Broken, Ended
from tests.chaos.promises import fine, no_strays, refused, trained
from tests.chaos.registry import HAZARDS
from tests.recipes import tiny

SEED = 0
#: Of hypothesis; the long harness asks for more.
EXAMPLES = int(os.environ.get("LAMV_EXAMPLES", "12"))
#: Each is some processes, so two of them. Signals: tests/test_stopping.py; files that are damaged or gone:
#: tests/train/test_loop.py.
SHORT = ("kill/1", "full disk/0")


@pytest.fixture(scope="module")
def outcomes():
    """Of the trials of SHORT, two at a time; by name."""
    ground = Ground()
    try:
        played = chaos.play(ground, chaos.chosen(SHORT, 1, SEED), SEED, jobs=2)
    finally:
        ground.close()
    return {outcome.name: outcome for of_one in played.values() for outcome in of_one}


@pytest.mark.parametrize("name", SHORT)
def test_a_hazard_is_survived(outcomes, name):
    if outcomes[name].skipped:
        pytest.skip(outcomes[name].skipped)
    assert not outcomes[name].wrong


# The harness


def test_every_trial_is_a_line_in_the_list():
    named = [name for trials in chaos.chosen([], 10, SEED).values() for name, _ in trials]
    assert len(set(named)) == len(named) >= 100
    assert [name for trials in chaos.chosen(SHORT, 1, SEED).values() for name, _ in trials] == list(SHORT)
    assert list(chaos.chosen(["kill"], 10, SEED)) == ["kill"]
    assert chaos.chosen(["files/DONE"], 1, SEED)["files"] == [
        (f"files/DONE/{damage}/0", f"DONE/{damage}") for damage in DAMAGES
    ]
    assert not [name for name in HAZARDS if "," in name or "/" in name]


def ended(code, err, out=""):
    return Ended(["python"], code, out, err, 1.0, 1.0)


TRACEBACK = "Traceback (most recent call last):\n  File x\n"


@pytest.mark.parametrize(
    "told",
    [
        ended(74, "error: one\nerror: two\n"),
        ended(74, "error: one\nand more\n"),
        ended(74, ""),
        ended(74, f"{TRACEBACK}error: one\n"),
        ended(74, "error: one\n", TRACEBACK),
        ended(1, "error: one\n"),
        ended(0, "error: one\n"),
        ended(-11, "error: one\n"),
    ],
)
def test_it_notices_an_error_that_is_not_as_promised(told):
    refused(ended(74, "begins\nerror: the disk is full; free space\n"), 74)
    with pytest.raises(Broken):
        refused(told)


@pytest.mark.parametrize("told", [ended(0, "error: one\n"), ended(0, TRACEBACK), ended(75, ""), ended(-6, "")])
def test_it_notices_a_success_that_is_none(told):
    fine(ended(0, "all is well\n"))
    with pytest.raises(Broken):
        fine(told)


@pytest.mark.parametrize("name", ["DONE", "metrics.jsonl", "summary.json"])
def test_it_notices_other_numbers(tmp_path, name):
    for folder in ("mine", "whole"):
        (tmp_path / folder).mkdir()
        for file in ("DONE", "metrics.jsonl", "summary.json"):
            (tmp_path / folder / file).write_text('{"loss": 0.25}\n')
    trained(tmp_path / "mine", tmp_path / "whole")
    (tmp_path / "mine" / name).write_text('{"loss": 0.26}\n')
    with pytest.raises(Broken, match=name):
        trained(tmp_path / "mine", tmp_path / "whole")


@pytest.mark.parametrize("name", [".DONE.12.tmp", "checkpoints/30.orbax-checkpoint-tmp/x", "checkpoints/.trash/20/x"])
def test_it_notices_what_is_left_behind(tmp_path, name):
    no_strays(tmp_path)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("")
    with pytest.raises(Broken):
        no_strays(tmp_path)


def test_the_table_goes_between_its_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{chaos.BEGIN}\nold\n{chaos.END}\nafter\n")
    for _ in range(2):
        chaos.write(page, [["kill: a | b", "3", "3", "command 2.0", ""]], "python -m tests.chaos", 1.0)
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert text.count("| kill: a / b | 3 | 3 |") == 1 and str(Path.home()) not in text


# Anything in place of a config

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["mixup", "ERM", 10**400, 2**31, -1, 0, 0.5, "\x00", "\ud800", 1e999]),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=4), st.sampled_from(["name", "config", "rows"])), inner, max_size=3),
    ),
    max_leaves=5,
)
ANY = settings(deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def changed(draw, content):
    """A copy of JSON content in which something is exchanged, added or left out, at a random place."""
    box = [json.loads(json.dumps(content))]
    for _ in range(draw(st.integers(1, 2))):
        node, key = box, 0
        while box and isinstance(node[key], dict | list) and node[key] and draw(st.integers(0, 7)):
            node = node[key]
            key = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        how = draw(st.sampled_from(["exchange", "leave out", "add"]))
        if how == "add" and isinstance(node, dict):
            node[draw(st.one_of(st.text(max_size=4), st.sampled_from(sorted(KNOB))))] = draw(VALUES)
        elif how == "add":
            node.insert(key, draw(VALUES))
        elif how == "exchange" and box:
            node[key] = draw(VALUES)
        elif box:
            del node[key]
    return box[0] if box else None


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The workdir of a run of one row and one seed. Not to be changed."""
    workdir = tmp_path_factory.mktemp("chaos") / "run"
    loop.train(one_row(), workdir)
    return workdir


def one_row():
    config = tiny.get_config()
    config.rows, config.seeds, config.steps = {"ERM": {}}, 1, 2
    return config


def numbers(summary):
    return [(row["name"], row["metrics"]) for row in summary["rows"]]


def works_or_is_one_line(call):
    """The result of a call; None where it is refused in one line."""
    try:
        return call()
    except LamvError as error:
        assert "\n" not in str(error) and len(str(error)) < 3000
        return None


@ANY
@given(data=st.data())
def test_any_recorded_config_goes_on_with_the_same_numbers_or_is_refused(finished, tmp_path, data):
    workdir = Path(shutil.copytree(finished, tmp_path / "run", dirs_exist_ok=True))
    recorded = data.draw(changed(json.loads((finished / "config.json").read_text())))
    (workdir / "config.json").write_text(json.dumps(recorded))
    summary = works_or_is_one_line(lambda: loop.train(one_row(), workdir))
    if summary is not None:
        assert numbers(summary) == numbers(json.loads((finished / "summary.json").read_text()))


@ANY
@given(data=st.data())
def test_any_recorded_config_is_read_or_refused_by_evaluate(finished, tmp_path, data):
    """There are no checkpoints, so that is what it comes to at the latest."""
    recorded = data.draw(changed(json.loads((finished / "config.json").read_text())))
    (tmp_path / "checkpoints").mkdir(exist_ok=True)
    (tmp_path / "config.json").write_text(json.dumps(recorded))
    assert works_or_is_one_line(lambda: evaluate(tmp_path)) is None


@pytest.mark.parametrize("name", ["DONE", "summary.json", "provenance.json", "metrics.jsonl"])
@settings(ANY, max_examples=(EXAMPLES + 1) // 2)
@given(data=st.data())
def test_any_other_file_of_a_run_changes_no_number(finished, tmp_path, name, data):
    workdir = Path(shutil.copytree(finished, tmp_path / "run", dirs_exist_ok=True))
    whole = json.loads((finished / "summary.json").read_text())
    lines = (finished / name).read_text().splitlines(keepends=True)
    if name == "metrics.jsonl":
        place = data.draw(st.integers(0, len(lines) - 1))
        lines[place] = json.dumps(data.draw(changed(json.loads(lines[place])))) + "\n"
        (workdir / name).write_text("".join(lines))
    else:
        (workdir / name).write_text(json.dumps(data.draw(changed(json.loads("".join(lines))))))
    summary = works_or_is_one_line(lambda: loop.train(one_row(), workdir))
    if summary is not None:
        assert summary == whole == json.loads((workdir / "summary.json").read_text())
        assert (workdir / "metrics.jsonl").read_bytes() == (finished / "metrics.jsonl").read_bytes()
        assert json.loads((workdir / "DONE").read_text()) == json.loads((finished / "DONE").read_text())


class Trained(Exception):
    """A recipe was good: it would now be trained."""


@pytest.fixture
def typed(monkeypatch, capsys):
    """Path of a recipe -> exit code and stderr of training it, None where it would be trained."""
    monkeypatch.setenv("LAMV_XLA_FLAGS", "0")
    from experiments import train

    def trained(*_, **__):
        raise Trained

    monkeypatch.setattr("lamv.train.loop.train", trained)

    def call(path):
        for name in [name for name in flags.FLAGS if name.startswith("config.")]:
            delattr(flags.FLAGS, name)
        for name in ("config", "workdir", "debug"):
            flags.FLAGS[name].unparse()
        capsys.readouterr()
        argv = ["train", f"--config={path}", f"--workdir={path}.run"]
        try:
            code = train.launch.run(train.main, needs=("config", "workdir"), argv=argv, knobs=train.knobs)
        except Trained:
            return None
        return code, capsys.readouterr().err

    return call


RECIPE = Path(tiny.__file__).read_bytes()
BYTES = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(lambda text: text.encode(errors="surrogatepass")),
    st.tuples(st.integers(0, len(RECIPE) - 1), st.integers(0, 255)).map(
        lambda change: RECIPE[: change[0]] + bytes([change[1]]) + RECIPE[change[0] + 1 :]
    ),
    st.integers(0, len(RECIPE)).map(lambda end: RECIPE[:end]),
)


@ANY
@given(content=BYTES)
def test_any_bytes_as_a_recipe_are_one_or_refused(typed, tmp_path, content):
    (tmp_path / "recipe.py").write_bytes(content)
    found = typed(tmp_path / "recipe.py")
    if found is not None:
        code, error = found
        assert code in (64, 65) and error.startswith("error: ") and error.count("\n") == 1

"""The real command on a table with a leaked column: a verdict, the contract of audit.json, one page, and going on."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lamv.audit.plan import Plan
from lamv.audit.question import Question, parsed
from tests.warm import Warm

ROOT = Path(__file__).parents[2]
audit = Warm("experiments.audit")
INTERVAL = {"mean", "low", "high", "n"}


def command(*arguments):
    return [sys.executable, "-m", "experiments.audit", *map(str, arguments)]


def run(*arguments):
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=300)


def leaked(path, number=360):
    """Twelve columns that tell the class, and one that gives it away without any variance."""
    rng = np.random.default_rng(0)
    labels = np.arange(number) % 2
    inputs = rng.normal(size=(number, 12)) + 1.1 * labels[:, None]
    inputs = np.concatenate([inputs, 0.4 * (2.0 * labels[:, None] - 1)], axis=1)
    np.savez(path, inputs=inputs, labels=np.array(["no", "yes"])[labels])
    return path


def begun(folder):
    """Flags of an audit whose plan is made, so that what it finds does not depend on how fast this machine is."""
    leaked(folder / "data.npz")
    asked = Question(folder / "data.npz", folder / "page.html", parsed("mixup:1"), minutes=1.0)
    planned = Plan(seeds=4, steps=600, cues=1, doses=2, remedies=False, batch_size=32, model="mlp", examples=300)
    (folder / "page_runs").mkdir()
    content = {"asked": asked.recorded(), "plan": planned.recorded()}
    (folder / "page_runs" / "plan.json").write_text(json.dumps(content))
    return f"--data={asked.data}", "--minutes=1", "--methods=mixup:1", f"--out={asked.out}"


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    arguments = begun(folder)
    result = run(*arguments)
    assert result.returncode == 0, result.stderr
    return folder, arguments, result


def test_a_leaked_column_makes_mixup_risky_and_is_named(audited):
    folder, _, result = audited
    methods = json.loads((folder / "page.json").read_text())["methods"]
    assert {name: of["verdict"] for name, of in methods.items()} == {"mixup(1)": "risky"}
    for of in methods.values():
        assert any("input 12" in lean["columns"] for lean in of["leans_on"])
    assert "risky" in result.stdout and "input 12" in result.stdout


def test_the_contract_of_audit_json(audited):
    content = json.loads((audited[0] / "page.json").read_text())
    assert content["data"]["classes"] == ["no", "yes"]
    assert content["data"]["counts"] == [180, 180]
    assert content["data"]["groups"] is None and content["data"]["left_out"] == []
    for of in content["methods"].values():
        assert {"verdict", "why", "accuracy_difference", "worst_group_difference", "cue_dose", "leans_on"} <= set(of)
        assert set(of["accuracy_difference"]) == INTERVAL
    assert {"false_safe", "inconclusive", "worlds", "outside"} <= set(content["reliability"])
    assert isinstance(content["remedies"], list)


def test_the_page_needs_nothing_else_and_begins_with_the_verdict(audited):
    page = (audited[0] / "page.html").read_text()
    assert not re.search(r'(src|href)="(?!#|data:)', page) and "<script" not in page
    assert page.index("mixup(1) is risky") < page.index("<svg") < page.index("What was read")
    for known in json.loads((audited[0] / "page.json").read_text())["methods"].values():
        assert known["verdict"] in page


def test_stopped_before_it_was_measured_it_goes_on_to_the_same_answer(audited):
    folder, arguments, _ = audited
    before = (folder / "page.json").read_bytes()
    for name in ("page.json", "page.html"):
        (folder / name).unlink()
    (folder / "page_runs/own/measures.json").write_text('{"of": ')
    result = run(*arguments)
    assert result.returncode == 0
    assert result.stderr.count("is done; nothing to do") == 2  # nothing is trained again
    assert (folder / "page.json").read_bytes() == before


def test_another_question_in_the_same_place_is_refused(audited):
    result = audit(*audited[1], "--methods=mixup:.5")
    assert result.returncode == 78
    assert "another audit (other methods)" in result.stderr


def test_a_damaged_plan_is_one_line(tmp_path):
    flags = begun(tmp_path)
    (tmp_path / "page_runs" / "plan.json").write_text('{"asked": {')
    result = audit(*flags)
    assert (result.returncode, "plan.json is damaged" in result.stderr) == (78, True)


def arrays(tmp_path, inputs, labels):
    np.savez(tmp_path / "data.npz", inputs=inputs, labels=labels)
    return f"--data={tmp_path / 'data.npz'}", f"--out={tmp_path / 'page.html'}", "--minutes=0.05"


@pytest.mark.parametrize(
    ("examples", "classes", "because"),
    [(10, 2, "10 examples in all"), (10_000, 5000, "5,000 classes"), (40, 20, "20 classes, 2.0 each")],
)
def test_too_little_data_is_answered_inconclusive_because(tmp_path, examples, classes, because):
    rng = np.random.default_rng(0)
    result = audit(*arrays(tmp_path, rng.normal(size=(examples, 3)), np.arange(examples) % classes))
    assert result.returncode == 0, result.stderr
    content = json.loads((tmp_path / "page.json").read_text())
    assert {of["verdict"] for of in content["methods"].values()} == {"inconclusive"}
    assert all(because in of["why"] for of in content["methods"].values())
    assert because in (tmp_path / "page.html").read_text()


def test_one_class_is_an_error_of_the_data(tmp_path):
    result = audit(*arrays(tmp_path, np.ones((40, 3)), np.zeros(40, int)))
    assert (result.returncode, len(result.stderr.strip().splitlines())) == (65, 1)
    assert "at least 2 classes" in result.stderr


@pytest.mark.parametrize(
    ("flags", "code", "names"),
    [
        (("--data=nowhere.csv",), 65, "does not exist"),
        (("--data=README.md",), 64, "must be a folder"),
        (("--data=tests", "--methods=mixpu"), 64, "mixup"),
        (("--data=tests", "--minutes=-1"), 64, "--minutes is -1"),
        (("--data=tests", "--out=page.txt"), 64, ".html"),
        ((), 64, "--data is missing"),
    ],
)
def test_bad_flags_are_one_line(flags, code, names):
    result = audit(*flags)
    assert (result.returncode, len(result.stderr.strip().splitlines())) == (code, 1)
    assert names in result.stderr

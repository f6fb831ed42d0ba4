"""The smallest grid of methods and mitigations, by the real commands; and what they say to data without groups."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.warm import Warm

ROOT = Path(__file__).parents[1]


def run(module, *arguments):
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


#: In a process that is kept, for what ends early.
train = Warm("experiments.train")


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("grid") / "run"
    result = run("experiments.train", "--config=tests/recipes/grid.py", f"--workdir={workdir}")
    assert result.returncode == 0, result.stderr
    return workdir, result


def test_every_method_meets_every_mitigation(grid):
    rows = json.loads((grid[0] / "summary.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["ERM", "ERM · DRO", "LS .1", "LS .1 · DRO"]
    knobs = [(row["config"]["method"]["name"], row["config"]["mitigation"]["name"]) for row in rows]
    assert knobs == [(m, w) for m in ("erm", "label_smoothing") for w in ("erm", "group_dro")]


def test_group_metrics_are_in_the_summary_and_agree(grid):
    for row in json.loads((grid[0] / "summary.json").read_text())["rows"]:
        values = {metric: np.array(spread["values"]) for metric, spread in row["metrics"].items()}
        split = "test_random"
        accuracies = np.stack([values[f"{split}/group_{y}_{a}/accuracy"] for y in (0, 1) for a in (0, 1)])
        counts = np.stack([values[f"{split}/group_{y}_{a}/count"] for y in (0, 1) for a in (0, 1)])
        np.testing.assert_allclose(accuracies.min(axis=0), values[f"{split}/worst_group_accuracy"], rtol=1e-6)
        np.testing.assert_allclose(accuracies.mean(axis=0), values[f"{split}/mean_group_accuracy"], rtol=1e-6)
        overall = (accuracies * counts).sum(axis=0) / counts.sum(axis=0)
        np.testing.assert_allclose(overall, values[f"{split}/accuracy"], rtol=1e-6)
        drop = values["test_aligned/accuracy"] - values["test_conflicting/accuracy"]
        np.testing.assert_allclose(drop, values["test/cue_drop"], rtol=1e-6, atol=1e-9)


def test_the_numbers_are_those_of_the_step_that_validation_chose(grid):
    workdir, result = grid
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    for row in json.loads((workdir / "summary.json").read_text())["rows"]:
        for replica, step in enumerate(row["selected"]):
            own = [line for line in lines if line["row"] == row["name"] and line["replica"] == replica]
            best = max(own, key=lambda line: line["valid/worst_group_accuracy"])
            assert step == best["step"]
            assert row["metrics"]["test/accuracy"]["values"][replica] == best["test/accuracy"]
    assert "validation worst-group accuracy" in result.stdout


def test_the_page_shows_the_grid_and_its_rule(grid):
    page = (grid[0] / "report.html").read_text()
    assert "Group DRO" in page and "validation worst-group accuracy" in page


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--config.mitigation.name=group_dro"], ("group_dro", "no group or attribute column")),
        (["--config.mitigation.name=lisa"], ("lisa", "no attribute column")),
    ],
)
def test_data_without_groups_end_with_64_and_the_missing_column(tmp_path, flags, words):
    plain = ["--config=tests/recipes/tiny.py", f"--workdir={tmp_path / 'run'}", "--config.data.shortcut.kind=none"]
    result = train(*plain, *flags)
    assert result.returncode == 64
    assert len(result.stderr.strip().splitlines()) == 1 and all(word in result.stderr for word in words), result.stderr
    assert not (tmp_path / "run" / "config.json").exists()

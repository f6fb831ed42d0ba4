"""The real command of sweeps: mistakes are a line, and one whole sweep by child processes."""

import csv
import json
import shlex
import shutil
from pathlib import Path

import pytest

from lamv.sweep import collect
from tests.warm import Warm

ROOT = Path(__file__).parents[1]
RECIPE = "--config=tests/recipes/tiny.py"
SHORT = [
    RECIPE, "--config.steps=12", "--config.seeds=1", "--config.batch_size=16", "--config.eval_every=12", "--config.log_every=12",
    "--config.checkpoint_every=12", "--config.data.train_size=64", "--config.data.valid_size=40", "--config.model.name=linear",
    "--config.optim.name=sgd", "--config.optim.weight_decay=0",
]  # fmt: skip
GRID = "--grid=method.name=erm;optim.lr=.01,.1"
sweep = Warm("experiments.sweep")


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        ([], 64, "--grid is missing; give KNOB=VALUE,VALUE"),
        (["--grid=optim.lrr=1"], 64, "--grid has 'optim.lrr', which is no knob (did you mean 'optim.lr'?)"),
        ([GRID, "--select=best"], 64, "--select is 'best', must be one of valid_worst_group, valid_accuracy"),
        (
            [GRID, "--launcher=slrum"],
            64,
            "--launcher is 'slrum' (did you mean 'slurm'?), must be one of local, slurm, print",
        ),
        ([GRID, "--jobs=0"], 64, "--jobs is '0'"),
        ([GRID, "--config.data.valid_size=0"], 64, "there are no validation examples"),
        ([GRID, "--program=nothing"], 64, "--program is 'nothing', must be one in"),
        ([GRID, "--workdir=/proc/no"], 73, "/proc/no"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(tmp_path, arguments, code, words):
    result = sweep(*SHORT, f"--workdir={tmp_path / 'sweep'}", *arguments)
    assert (result.returncode, words in result.stderr) == (code, True), result.stderr
    [line] = [line for line in result.stderr.splitlines() if line.strip()]
    assert line.startswith("error: ") and not (tmp_path / "sweep" / "sweep.json").exists()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("command") / "sweep"
    return workdir, sweep(*SHORT, GRID, f"--workdir={workdir}")


def test_a_sweep_trains_collects_and_chooses(finished):
    workdir, result = finished
    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stdout + result.stderr
    content = json.loads((workdir / "sweep.json").read_text())
    assert [cell["status"] for cell in content["cells"]] == ["done", "done"] and "Best is erm lr=0." in result.stdout
    [program] = {cell["program"] for cell in content["cells"]}
    summary = json.loads((workdir / "programs" / program / "summary.json").read_text())
    rows = {row["name"]: row["metrics"] for row in summary["rows"]}
    lines = list(csv.DictReader((workdir / "sweep.csv").read_text().splitlines()))
    for line, cell in zip(lines, content["cells"], strict=True):
        assert cell["metrics"] == rows[cell["name"]]
        assert line["test/accuracy"] == str(cell["metrics"]["test/accuracy"]["values"][0])
    assert content["best"] == max(content["cells"], key=lambda cell: rows[cell["name"]]["valid/accuracy"]["mean"])["id"]
    assert f'href="programs/{program}/log.txt"' in (workdir / "sweep.html").read_text()


def test_the_same_command_again_trains_nothing_and_shows_the_same(finished):
    workdir, first = finished
    before = {path: path.stat().st_mtime_ns for path in (workdir / "programs").rglob("*")}
    again = sweep(*SHORT, GRID, f"--workdir={workdir}")
    assert again.returncode == 0 and again.stdout == first.stdout
    assert {path: path.stat().st_mtime_ns for path in (workdir / "programs").rglob("*")} == before


def test_what_failed_is_exit_70_and_named(finished, tmp_path):
    workdir = shutil.copytree(finished[0], tmp_path / "sweep")
    [folder] = (workdir / "programs").iterdir()
    (folder / "DONE").unlink()
    collect.failed(folder, 65, "the data is gone")
    result = sweep(*SHORT, GRID, f"--workdir={workdir}")
    assert result.returncode == 70
    assert "error: 2 of 2 cells failed, the first, erm lr=0.01: the data is gone" in result.stderr


def test_another_recipe_in_its_place_is_exit_78(finished):
    result = sweep(*SHORT, GRID, f"--workdir={finished[0]}", "--config.batch_size=32")
    assert result.returncode == 78 and "batch_size 16 -> 32" in result.stderr


def test_commands_are_printed_for_whatever_starts_them(tmp_path):
    result = sweep(*SHORT, "--grid=method.name=erm,mixup", f"--workdir={tmp_path}", "--launcher=print")
    assert result.returncode == 0, result.stderr
    commands = [shlex.split(line) for line in result.stdout.splitlines()]
    assert [words[1:4] for words in commands] == [["-m", "lamv", "sweep"]] * 2
    cells = json.loads((tmp_path / "sweep.json").read_text())["cells"]
    assert [words[5] for words in commands] == [f"--program={cell['id']}" for cell in cells]

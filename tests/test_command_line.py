"""The real commands, as a user types them: exit codes, one-line errors, and two processes as one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lamv.train import loop
from tests.chaos.ground import LINE, SHORT
from tests.recipes import mixup
from tests.warm import Warm

ROOT = Path(__file__).parents[1]
TINY = "tests/recipes/tiny.py"
#: Of one row, the recipe says another.
DECAY = "--config.optim.weight_decay=0.0005"


def command(*arguments, module="experiments.train"):
    return [sys.executable, "-m", module, *map(str, arguments)]


def run(*arguments, module="experiments.train"):
    return subprocess.run(command(*arguments, module=module), cwd=ROOT, capture_output=True, text=True, timeout=300)


#: The same commands in processes that are kept, for what ends early: nearly all of its time is imports.
train, evaluate, theory, report = (Warm(f"experiments.{name}") for name in ("train", "evaluate", "theory", "report"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("cli") / "run"
    result = run(f"--config={TINY}", f"--workdir={workdir}", DECAY)
    assert result.returncode == 0, result.stderr
    return workdir, result


def test_a_run_leaves_everything_that_others_build_on(finished):
    workdir, _ = finished
    files = {
        "config.json",
        "provenance.json",
        "metrics.jsonl",
        "timing.jsonl",
        "summary.json",
        "report.html",
        "checkpoints",
    }
    assert files <= {path.name for path in workdir.iterdir()}


def test_a_run_prints_its_targets_its_table_and_its_claims(finished):
    _, result = finished
    assert "mixup(alpha=1.0, lam_per=example)" in result.stderr
    assert "ERM" in result.stdout and "±" in result.stdout and "report.html" in result.stdout


def test_no_progress_bar_where_there_is_no_terminal(finished):
    _, result = finished
    assert "\x1b" not in result.stdout + result.stderr and "steps/s" not in result.stderr


def test_the_finished_run_again_prints_the_table_again(finished):
    workdir, first = finished
    again = train(f"--config={TINY}", f"--workdir={workdir}", DECAY)
    assert again.returncode == 0 and "nothing to do" in again.stderr
    assert again.stdout == first.stdout


def test_overrides_hold_for_all_rows(finished):
    rows = json.loads((finished[0] / "summary.json").read_text())["rows"]
    assert [row["config"]["optim"]["weight_decay"] for row in rows] == [0.0005, 0.0005]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--config.optim.lrr=1"], 64, "optim.lrr is no knob (did you mean 'optim.lr'?)"),
        (["--config.steps=1e2"], 64, "config.steps is '1e2', must be of type int"),
        (["--config.method.smoothing=1"], 64, "config.method.smoothing is 1.0, must be from 0 to below 1"),
        (["--config.batch_size=30"], 64, "must be a multiple of the 8 devices"),
        (["--track=wandb,tensorbord"], 64, "--track has 'tensorbord', must be of tensorboard, wandb, mlflow, trackio"),
        (["stray"], 64, "'stray' is not a flag"),
        (["--config.data.name=cifar10"], 65, "cifar10"),
        (["--config.data.name=mnist", "--config.data.path=/nowhere"], 65, "/nowhere"),
        (["--workdir=/proc/no"], 73, "/proc/no"),
    ],
)
def test_a_mistake_is_one_line_and_its_exit_code(tmp_path, arguments, code, words):
    result = train(f"--config={TINY}", f"--workdir={tmp_path / 'run'}", *arguments)
    assert (result.returncode, words in result.stderr) == (code, True), result.stderr
    [line] = [line for line in result.stderr.splitlines() if line.strip()]
    assert line.startswith("error: ")
    assert not list(tmp_path.rglob("metrics.jsonl"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--workdir=/tmp/x"], "--config is missing"),
        (["--config=configs/nope.py", "--workdir=/tmp/x"], "there is no recipe 'configs/nope.py'"),
    ],
)
def test_what_is_missing_is_named(arguments, words):
    result = train(*arguments)
    assert result.returncode == 64 and words in result.stderr


def test_another_config_is_exit_78_and_names_what_differs(finished):
    workdir, _ = finished
    result = train(f"--config={TINY}", f"--workdir={workdir}", DECAY, "--config.optim.lr=0.5")
    assert result.returncode == 78 and "optim.lr 0.01 -> 0.5" in result.stderr


def test_a_users_own_arrays_train(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=300)
    np.savez(
        tmp_path / "mine.npz", inputs=rng.normal(size=(300, 5)) + 2 * labels[:, None], labels=labels, groups=labels % 2
    )
    result = train(
        f"--config={TINY}", f"--workdir={tmp_path / 'run'}", "--config.data.name=npz", "--config.seeds=1",
        f"--config.data.path={tmp_path / 'mine.npz'}", "--config.data.shortcut.kind=none", "--config.data.train_size=200",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    metrics = json.loads((tmp_path / "run" / "summary.json").read_text())["rows"][0]["metrics"]
    assert metrics["test/accuracy"]["mean"] > 0.5 and metrics["test/accuracy"]["sd"] is None
    assert metrics["test/worst_group_accuracy"]["mean"] <= metrics["test/mean_group_accuracy"]["mean"]


def test_a_model_of_the_users_own_is_registered_on_demand(finished, tmp_path):
    stored = (finished[0] / "config.json").read_text().replace('"name": "mlp"', '"name": "cosine"')
    (tmp_path / "config.json").write_text(stored)
    refused = evaluate(f"--workdir={tmp_path}")
    assert refused.returncode == 64 and "'cosine', which is not registered" in refused.stderr, refused.stderr
    assert "--register=FILE.py" in refused.stderr and len(refused.stderr.strip().splitlines()) == 1
    known = evaluate(f"--workdir={tmp_path}", f"--register={ROOT / 'tests' / 'recipes' / 'own.py'}")
    assert known.returncode == 74 and "checkpoints; train first" in known.stderr, known.stderr


def test_evaluate_and_report_work_on_a_finished_run(finished):
    workdir, _ = finished
    result = evaluate(f"--workdir={workdir}", "--brief")
    assert result.returncode == 0 and "ERM" in result.stdout and "report:" in result.stdout, result.stderr
    assert (workdir / "evaluation.jsonl").exists()
    result = report(f"--runs={workdir}", f"--out={workdir / 'again.html'}")
    assert result.returncode == 0, result.stderr
    assert "<svg" in (workdir / "again.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--attack=2"], "--attack is '2', must be numbers from 0 to 1"),
        (["--checkpoint=1"], "Did you mean: checkpoints"),
    ],
)
def test_a_mistake_in_evaluating_is_one_line(arguments, words):
    result = evaluate("--workdir=/nowhere", *arguments)
    [line] = result.stderr.splitlines()
    assert result.returncode == 64 and line.startswith("error: ") and words in line


def together(*arguments, module="experiments.train"):
    """A pod in small: two processes with two devices each, on one port of this machine. What they print."""
    port = 20_000 + os.getpid() % 20_000
    environment = os.environ | {"XLA_FLAGS": os.environ["XLA_FLAGS"].replace("device_count=8", "device_count=2")}
    processes = [
        subprocess.Popen(
            command(*arguments, f"--coordinator=127.0.0.1:{port}", "--num_processes=2", f"--process_id={number}",
                    module=module),
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for number in range(2)
    ]  # fmt: skip
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    return outputs


def test_two_processes_train_as_one_and_evaluate_as_one(tmp_path):
    """The first of them writes."""
    workdir = tmp_path / "run"
    outputs = together("--config=tests/recipes/mixup.py", f"--workdir={workdir}")
    assert json.loads((workdir / "provenance.json").read_text())["device"]["processes"] == 2
    assert "report:" in outputs[0] and "report:" not in outputs[1]
    [mine] = json.loads((workdir / "summary.json").read_text())["rows"]
    [whole] = loop.train(mixup.get_config(), tmp_path / "whole")["rows"]
    for metric, value in mine["metrics"].items():
        assert value["mean"] == pytest.approx(whole["metrics"][metric]["mean"], rel=1e-3, abs=1e-3), metric

    outputs = together(f"--workdir={workdir}", "--brief", module="experiments.evaluate")
    assert "step 20" in outputs[0] and "Each cell" not in outputs[1]
    [evaluated] = [json.loads(line) for line in (workdir / "evaluation.jsonl").read_text().splitlines()]
    for metric, value in mine["metrics"].items():
        if metric != "train/loss":
            assert [evaluated[metric]] == pytest.approx(value["values"], rel=1e-4, abs=1e-6), metric
    assert 0 <= evaluated["train/collapse/nc4"] <= 1


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("cli") / "theory"
    result = run(f"--config={LINE}", f"--workdir={workdir}", *SHORT, module="experiments.theory")
    assert result.returncode == 0, result.stderr
    return workdir, result


def test_an_experiment_prints_its_checks_and_how_many_hold(measured):
    """After twenty steps most fall short, which is a result: the exit code is 0."""
    workdir, result = measured
    checks = json.loads((workdir / "summary.json").read_text())["checks"]
    held = sum(check["holds"] for check in checks)
    assert 0 < held < len(checks)
    *_, page, last = result.stdout.splitlines()
    assert last == f"{held} of {len(checks)} checks hold"
    assert page == f"report: {workdir / 'report.html'}" and (workdir / "report.html").exists()
    assert len([line for line in result.stdout.splitlines() if line.startswith("falls short")]) == len(checks) - held


def test_the_finished_experiment_again_prints_the_same(measured):
    workdir, first = measured
    again = theory(f"--config={LINE}", f"--workdir={workdir}", *SHORT)
    assert again.returncode == 0 and "nothing to do" in again.stderr
    assert again.stdout == first.stdout


def test_an_experiment_with_other_knobs_is_exit_78(measured):
    workdir, _ = measured
    result = theory(f"--config={LINE}", f"--workdir={workdir}", *SHORT, "--config.seed=3")
    assert result.returncode == 78 and "seed 0 -> 3" in result.stderr


def test_training_and_experiments_do_not_share_a_workdir(measured, finished):
    result = theory(f"--config={LINE}", f"--workdir={finished[0]}")
    assert result.returncode == 78 and "belongs to a training run" in result.stderr
    result = train(f"--config={TINY}", f"--workdir={measured[0]}")
    assert result.returncode == 78 and "alternating_line" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([f"--config={LINE}", "--config.stepz=1"], "config.stepz is no knob (did you mean 'steps'?)"),
        ([f"--config={LINE}", "--config.steps=1e2"], "config.steps is '1e2', must be of type int"),
        ([f"--config={LINE}", "--config.alphas=(-1.0,)"], "config.alphas is (-1.0,), must be"),
        ([f"--config={LINE}", "--config.experiment=two_moons"], "config.experiment belongs to the recipe"),
        ([f"--config={LINE}", "--distributed"], "distributed"),
        ([f"--config={LINE}", "--rows=LS*"], "--rows is a flag of train"),
        ([f"--config={TINY}"], "run it with: python -m experiments.train"),
        (["--config=configs/theory/nope.py"], "there is no recipe 'configs/theory/nope.py'"),
        (["--config=configs/theory/label_noise.py"], "did you mean label_noise?"),
        ([], "--config is missing"),
    ],
)
def test_a_mistake_about_an_experiment_is_one_line(tmp_path, arguments, words):
    result = theory(f"--workdir={tmp_path / 'run'}", *arguments)
    assert (result.returncode, words in result.stderr) == (64, True), result.stderr
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_training_has_no_use_for_an_experiments_recipe(tmp_path):
    result = train(f"--config={LINE}", f"--workdir={tmp_path / 'run'}")
    assert result.returncode == 64 and "run it with: python -m experiments.theory" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return recipe('alternating_lines')", "did you mean 'alternating_line'?"),
        ("return {'experiment': 'alternating_line'}", "get_config() must return a config"),
        ("return 1 / 0", "ZeroDivisionError"),
        ("raise ValueError('no such thing')", "ValueError: no such thing;"),
        (
            "config = recipe('alternating_line'); config.unlock(); config.experiment = 'line'; return config",
            "config.experiment",
        ),
    ],
)
def test_a_recipe_that_fails_is_one_line(tmp_path, body, words):
    path = tmp_path / "mine.py"
    path.write_text(f"from lamv.theory import recipe\n\n\ndef get_config():\n    {body}\n")
    result = theory(f"--config={path}", f"--workdir={tmp_path / 'run'}")
    assert result.returncode == 64 and words in result.stderr, result.stderr
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1 and "File" not in result.stderr


def test_debug_shows_the_traceback(tmp_path):
    arguments = (f"--config={LINE}", f"--workdir={tmp_path}", "--config.seeds=0", "--debug")
    result = run(*arguments, module="experiments.theory")
    assert result.returncode == 1 and "Traceback" in result.stderr and "must be at least 1" in result.stderr


@pytest.mark.parametrize("module", ["experiments.train", "experiments.theory", "experiments.report"])
def test_help_says_what_a_command_does_and_lists_its_flags(module):
    result = run("--help", module=module)
    assert result.returncode == 0 and f"python -m {module}" in result.stdout and "  --" in result.stdout


def test_reports_of_training_and_of_experiments_on_one_page(measured, finished, tmp_path):
    (tmp_path / "trained").symlink_to(finished[0])
    (tmp_path / "theory").symlink_to(measured[0])
    result = report(f"--runs={tmp_path}")
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "report.html").read_text()
    assert "2 runs" in page and "checks hold." in page and "tiny" in page

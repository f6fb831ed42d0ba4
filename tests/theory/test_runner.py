"""An experiment's way from config to files, with one made up for the purpose: it measures nothing and takes no time."""

import json
import math
import os

import jax.numpy as jnp
import numpy as np
import pytest

from lamv import theory
from lamv.data import Source
from lamv.errors import ConfigError, WorkdirError, WorkdirMismatch
from lamv.knobs import Allowed, Knob, anything, at_least
from lamv.theory import runner
from lamv.theory.outcome import Outcome, check, row
from lamv.train import loop, tracking

KNOBS = (
    Knob("steps", 4, at_least(1), "length"),
    Knob("alphas", (1.0, 2.0), Allowed(lambda values: all(v > 0 for v in values), "above 0"), "of Mixup"),
    Knob("shift", 0.0, anything, "added to what is measured"),
)


class Experiment:
    """A module of lamv.theory, as far as the runner can tell; counts how often it was run."""

    KNOBS = KNOBS

    def __init__(self, run):
        def counted(config):
            self.runs += 1
            return run(config)

        self.runs, self.run = 0, counted


def measured(config):
    values = [config.shift + 0.5 + 0.01 * r for r in range(config.seeds)]
    rows = [row(f"alpha {a:g}", {"slope": values}, {"alpha": a}) for a in config.alphas]
    checks = [check("slope", values, 0.5, "closed form", tolerance=0.1), check("lost", [math.nan, 1.0], 0.0, "theorem")]
    figure = {"kind": "lines", "name": "f", "title": "f", "caption": "f", "x_label": "x", "y_label": "y",
              "series": [{"name": "s", "x": jnp.arange(3), "y": np.array([1.0, np.nan, np.inf], np.float32)}]}  # fmt: skip
    return Outcome(rows, checks, [figure], ["A remark."])


@pytest.fixture
def install(monkeypatch):
    """Make `made_up` an experiment that does what it is given."""

    def given(run, name="made_up"):
        experiment = Experiment(run)
        known = theory.load
        monkeypatch.setattr(theory, "load", lambda n: experiment if n == name else known(n))
        return experiment

    return given


@pytest.fixture
def made_up(install):
    return install(measured)


def recipe(**changes):
    return theory.recipe("made_up", **({"title": "T", "about": "A", "seeds": 3} | changes))


def read(workdir, name):
    return json.loads((workdir / name).read_text(), parse_constant=lambda word: pytest.fail(f"{name} has {word}"))


def test_a_run_leaves_its_files_and_returns_the_summary(made_up, tmp_path):
    summary = runner.run(recipe(), tmp_path / "run", {"shift": 0.0})
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {".lock", "config.json", "provenance.json", "timing.jsonl", "summary.json", "DONE"}
    assert summary == read(tmp_path / "run", "summary.json")
    assert list(summary) == [
        "title",
        "about",
        "experiment",
        "overrides",
        "rows",
        "claims",
        "checks",
        "figures",
        "remarks",
    ]
    assert (summary["title"], summary["experiment"], summary["overrides"]) == ("T", "made_up", {"shift": 0.0})
    assert summary["rows"][0]["metrics"]["slope"]["n"] == 3 and summary["claims"] == []
    assert read(tmp_path / "run", "timing.jsonl")["seconds"] >= 0
    assert read(tmp_path / "run", "provenance.json")["data"] == []


def test_what_is_not_finite_is_null_and_does_not_hold(made_up, tmp_path):
    summary = runner.run(recipe(), tmp_path)
    slope, lost = summary["checks"]
    assert slope["holds"] is True and slope["sd"] == pytest.approx(0.01)
    assert (lost["measured"], lost["sd"], lost["holds"]) == (None, None, False)
    assert summary["figures"][0]["series"][0] == {"name": "s", "x": [0, 1, 2], "y": [1.0, None, None]}


def test_equal_runs_are_equal_but_for_time(made_up, tmp_path):
    for name in ("one", "two"):
        runner.run(recipe(), tmp_path / name)
    for name in ("summary.json", "config.json", "DONE"):
        assert (tmp_path / "one" / name).read_text() == (tmp_path / "two" / name).read_text()


def test_a_finished_workdir_is_left_as_it_is(made_up, tmp_path):
    first = runner.run(recipe(), tmp_path)
    assert runner.run(recipe(title="another title"), tmp_path) == first
    assert made_up.runs == 1


def test_without_its_summary_a_workdir_is_not_finished(made_up, tmp_path):
    first = runner.run(recipe(), tmp_path)
    (tmp_path / "summary.json").unlink()
    assert runner.run(recipe(), tmp_path) == first and made_up.runs == 2


@pytest.mark.parametrize("name", ["summary.json", "DONE"])
@pytest.mark.parametrize("damage", ["", "{", "[]", "3", "digit", "pipe"])
def test_a_finished_experiment_that_was_damaged_is_made_again_and_told(made_up, tmp_path, caplog, name, damage):
    first = runner.run(recipe(), tmp_path)
    path, before = tmp_path / name, (tmp_path / name).read_text()
    if damage == "pipe":
        path.unlink()
        os.mkfifo(path)
    else:
        path.write_text(before.replace("1", "2", 1) if damage == "digit" else damage)
    assert runner.run(recipe(), tmp_path) == first and made_up.runs == 2
    assert path.read_text() == before and "is made again" in caplog.text


@pytest.mark.parametrize("content", ["", "[]", "3", "{", "{}", '{"experiment": "made_up"}', '{"rows": [3]}'])
def test_a_config_of_another_form_is_one_line(made_up, tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(WorkdirMismatch, match="config.json") as error:
        runner.run(recipe(), tmp_path)
    assert "\n" not in str(error.value) and made_up.runs == 0


def test_no_summary_before_the_end_and_the_same_command_goes_on(install, tmp_path):
    def stopped(config):
        raise KeyboardInterrupt

    install(stopped)
    with pytest.raises(KeyboardInterrupt):
        runner.run(recipe(), tmp_path)
    assert not (tmp_path / "summary.json").exists() and not (tmp_path / "DONE").exists()
    install(measured)
    assert runner.run(recipe(), tmp_path)["checks"][0]["holds"]


def test_other_knobs_are_another_workdir(made_up, tmp_path):
    runner.run(recipe(), tmp_path)
    with pytest.raises(WorkdirMismatch, match=r"steps 4 -> 5"):
        runner.run(recipe(steps=5), tmp_path)
    with pytest.raises(WorkdirMismatch, match=r"alphas \[1.0, 2.0\] -> \[3.0\]"):
        runner.run(recipe(alphas=(3.0,)), tmp_path)


def test_another_experiment_or_training_is_another_workdir(made_up, install, tmp_path):
    runner.run(recipe(), tmp_path / "theory")
    install(measured, name="other")
    with pytest.raises(WorkdirMismatch, match="belongs to the experiment 'made_up'"):
        runner.run(theory.recipe("other"), tmp_path / "theory")
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "config.json").write_text(
        '{"title": "", "claims": [], "rows": [{"name": "a", "config": {}}]}'
    )
    with pytest.raises(WorkdirMismatch, match="belongs to a training run"):
        runner.run(recipe(), tmp_path / "trained")


@pytest.mark.parametrize("content", ["{", "[1]", '{"experiment": "made_up"}', '{"experiment": "made_up", "rows": 3}'])
def test_a_damaged_config_is_told(made_up, tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(WorkdirMismatch):
        runner.run(recipe(), tmp_path)


def test_training_does_not_go_on_in_the_workdir_of_an_experiment(made_up, tmp_path):
    from lamv import config as configs

    runner.run(recipe(), tmp_path)
    config = configs.defaults()
    config.steps = 1
    with pytest.raises(WorkdirMismatch, match="made_up"):
        loop.train(config, tmp_path)


def test_a_workdir_in_use_is_told(made_up, tmp_path):
    with tracking.Workdir(tmp_path, writes=True), pytest.raises(WorkdirError, match="in use"):
        runner.run(recipe(), tmp_path)


def test_files_that_were_read_are_in_the_provenance(install, tmp_path):
    install(lambda config: measured(config)._replace(sources=[Source("digits", "ab" * 32, True)]))
    runner.run(recipe(), tmp_path)
    assert read(tmp_path, "provenance.json")["data"][0]["file"] == "digits"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seeds": 0}, "config.seeds is 0, must be at least 1"),
        ({"alphas": (1.0, -1.0)}, "config.alphas"),
        ({"alphas": ("a",)}, r"config.alphas is \('a',\)"),
    ],
)
def test_knobs_out_of_range_are_told_before_anything_is_written(made_up, tmp_path, changes, words):
    with pytest.raises(ConfigError, match=words):
        runner.run(recipe(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists() and made_up.runs == 0


def test_data_paths_that_are_none_are_refused():
    theory.validate(theory.recipe("collisions", data_path="~/cifar"))
    with pytest.raises(ConfigError, match="config.data_path is 'gs://bucket/cifar', must be a path on this machine"):
        theory.validate(theory.recipe("collisions", data_path="gs://bucket/cifar"))


def test_the_experiment_is_the_recipes_choice(made_up, tmp_path):
    with pytest.raises(ConfigError, match="belongs to the recipe"):
        runner.run(recipe(), tmp_path, {"experiment": "made_up"})


def test_a_config_that_was_not_made_by_recipe_is_told(made_up, tmp_path):
    from ml_collections import config_dict

    with pytest.raises(ConfigError, match="config.title is not set"):
        runner.run(config_dict.ConfigDict({"experiment": "made_up"}), tmp_path)


def contradicting(config):
    raise ConfigError(f"config.shift is {config.shift}, must not be")


def refused_by_check(config):
    check("a", 1.0, 1.0, "theorem", relation="~")


@pytest.mark.parametrize("fails", [contradicting, refused_by_check])
def test_knobs_that_contradict_leave_the_workdir_free(install, tmp_path, fails):
    install(fails)
    with pytest.raises(ConfigError, match="shift is 0.0|relation is '~'"):
        runner.run(recipe(), tmp_path)
    install(measured)
    assert runner.run(recipe(steps=9), tmp_path)["checks"][0]["holds"]


def test_a_bug_stays_a_bug(install, tmp_path):
    """Only a sentence that lamv raises itself is about knobs; what an operation raises keeps its traceback."""

    def unpacking(config):
        (only,) = config.alphas
        return only

    def of_a_library(config):
        np.zeros(3).reshape(2, 2)

    for fails in (unpacking, of_a_library):
        install(fails)
        with pytest.raises(ValueError) as caught:
            runner.run(recipe(), tmp_path)
        assert type(caught.value) is ValueError

"""The door for Python: what a run holds is what its files hold, and its networks put out what training measured."""

import json
import sys
import types

import jax
import numpy as np
import pytest

import lamv
import lamv.train.loop
from lamv.core import variance
from lamv.errors import CheckpointError, ConfigError, DataError
from lamv.train import loop
from tests.recipes import tiny


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    config = tiny.get_config()
    smoothing = {"method.name": "label_smoothing"}  # one program for both rows
    config.rows = {"LS .3": smoothing | {"method.smoothing": 0.3}, "LS .1": smoothing | {"method.smoothing": 0.1}}
    config.claims = ()
    overrides = {"parallel.devices": 1, "seed": 3, "eval_batch_size": 128}
    return lamv.train(config, tmp_path_factory.mktemp("api") / "run", overrides)


def test_train_is_the_package_and_may_be_called():
    assert lamv.train.loop is loop and callable(lamv.train)
    assert {"load", "recipe", "register", "train"} <= set(dir(lamv))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = lamv.trian


def test_metrics_are_those_of_the_summary(run):
    stored = json.loads((run.path / "summary.json").read_text())["rows"]
    assert list(run) == [row["name"] for row in stored] == ["LS .3", "LS .1"] and len(run) == 2 and run.finished
    for row in stored:
        assert set(run.metrics[row["name"]]) == set(row["metrics"])
        for metric, of in row["metrics"].items():
            np.testing.assert_array_equal(run[row["name"]].metrics[metric], of["values"])
    assert run["LS .1"].seeds == (3, 4) and run["LS .1"].config["method"]["smoothing"] == 0.1


def test_a_curve_has_every_measurement_by_step_and_seed(run):
    steps, values = run["LS .3"].curve("test_random/accuracy")
    assert steps.tolist() == [20, 40] and values.shape == (2, 2)
    np.testing.assert_array_equal(values[-1], run["LS .3"].metrics["test_random/accuracy"])
    assert [part.size for part in run["LS .3"].curve("test/nothing")] == [0, 0]


def test_a_frame_has_a_line_for_each_row_and_seed(run, monkeypatch):
    """With a stand-in for pandas, which is optional."""
    made = {}

    class DataFrame:
        def __init__(self, lines):
            made["lines"] = lines

        def set_index(self, columns):
            return columns

    monkeypatch.setitem(sys.modules, "pandas", types.SimpleNamespace(DataFrame=DataFrame))
    assert run.frame() == ["row", "seed"]
    assert [(line["row"], line["seed"]) for line in made["lines"]] == [
        ("LS .3", 3),
        ("LS .3", 4),
        ("LS .1", 3),
        ("LS .1", 4),
    ]
    assert made["lines"][3]["test/accuracy"] == run["LS .1"].metrics["test/accuracy"][1]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        run.frame()


@pytest.mark.parametrize("split", ["train", "test", "test_random", "test_absent"])
def test_the_networks_put_out_what_training_measured(run, split):
    for row in map(run.__getitem__, run):
        for place, seed in enumerate(row.seeds):
            examples = row.examples(split, seed=seed)
            probabilities = row.predict(split, seed=seed)
            np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
            accuracy = np.mean(probabilities.argmax(axis=1) == examples.labels)
            assert accuracy == pytest.approx(row.metrics[f"{split}/accuracy"][place], abs=1e-6)
            features = row.features(split, seed=seed)
            within = variance.squared_deviations(features, examples.labels).mean()
            assert within == pytest.approx(row.metrics[f"{split}/features/within_variance"][place], rel=1e-4)


def test_inputs_of_the_users_are_treated_as_those_of_the_data(run):
    row = run["LS .3"]
    absent, aligned = row.examples("test_absent"), row.examples("test_aligned")
    of_split = row.predict("test_absent")
    np.testing.assert_allclose(row.predict(absent.inputs), of_split, atol=1e-6)
    for number in (1, 129):  # one, and more than a batch
        np.testing.assert_allclose(row.predict(absent.inputs[:number]), of_split[:number], atol=1e-6)
    cued = row.predict(aligned.inputs, attributes=aligned.attributes)
    np.testing.assert_allclose(cued, row.predict("test_aligned"), atol=1e-6)
    assert np.abs(cued - of_split).max() > 0.1, "the cue makes a difference"
    assert not np.allclose(row.predict("test_absent", seed=4), of_split, atol=0.1)


def test_module_and_variables_are_all_that_a_network_is(run):
    row = run["LS .1"]
    inputs = row.inputs("test", seed=4)
    assert inputs.shape[1] == 64 + 10 and inputs.max() <= 1
    logits, features = row.module.apply(row.variables[4], inputs, train=False)
    np.testing.assert_allclose(logits, row.features("test", seed=4, layer="logits"), atol=1e-5)
    np.testing.assert_allclose(features, row.features("test", seed=4), atol=1e-5)
    np.testing.assert_allclose(jax.nn.softmax(logits), row.predict("test", seed=4), atol=1e-6)
    assert row.layers == ("features", "logits", "outputs") and row.splits[:2] == ("train", "test")
    assert row.data.class_names == tuple("0123456789")


def test_networks_of_an_earlier_checkpoint(run):
    earlier = lamv.load(run.path, step=20)["LS .3"]
    accuracy = np.mean(earlier.predict("test").argmax(axis=1) == earlier.examples("test").labels)
    steps, values = run["LS .3"].curve("test/accuracy")
    assert accuracy == pytest.approx(values[steps == 20][0, 0], abs=1e-6)


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda run: run["LS.1"], "has no row 'LS.1' (did you mean 'LS .1'?); its rows: LS .3, LS .1"),
        (lambda run: run["LS .3"].predict("tets"), "x is 'tets', must be a split (train, test, "),
        (lambda run: run["LS .3"].predict("test", seed=0), "seed is 0, must be one of 3, 4"),
        (lambda run: run["LS .3"].examples("test_rand"), "did you mean 'test_random'?"),
        (lambda run: run["LS .3"].features("test", layer="fist"), "layer is 'fist', must be one of features, logits"),
        (lambda run: run["LS .3"].predict(np.zeros((3, 8, 8, 1))), "x is float64 (3, 8, 8, 1), must be uint8"),
        (lambda run: run["LS .3"].predict(np.zeros((3, 8, 8), np.uint8)), "x[..., None]"),
        (lambda run: run["LS .3"].predict(np.zeros((8, 8, 1), np.uint8)), "x[None]"),
        (lambda run: run["LS .3"].predict(np.zeros((0, 8, 8, 1), np.uint8)), "x is uint8 (0, 8, 8, 1), must be uint8 (N,"),
        (lambda run: run["LS .3"].predict(np.zeros((1, 8, 8, 1), np.uint8), attributes=[10]), "from 0 to 9"),
        (lambda run: run["LS .3"].predict("test", attributes=[1]), "which has its own; leave them out"),
        (lambda run: lamv.load(run.path, step=15)["LS .3"].layers, "step is 15, must be one of 20, 30, 40"),
        (lambda run: lamv.train(tiny.get_config(), run.path, {"rows": {}}), "config = lamv.recipe(NAME)"),
        (lambda run: lamv.train({"steps": 3}, run.path), "the recipe is {'steps': 3}, must be a name, a path, or a config"),
        (lambda run: lamv.train(tiny.get_config(), run.path, {"optim.lrr": 1}), "did you mean 'optim.lr'?"),
        (lambda run: run.evaluate(breif=True), "did you mean 'brief'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(run, use, words):
    with pytest.raises(ConfigError) as raised:
        use(run)
    assert words in str(raised.value) and "\n" not in str(raised.value)


def test_a_folder_that_holds_no_run_or_no_checkpoint(run, tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        lamv.load(tmp_path / "none")
    for name in ("config.json", "summary.json", "metrics.jsonl"):
        (tmp_path / name).write_bytes((run.path / name).read_bytes())
    copy = lamv.load(tmp_path)
    np.testing.assert_array_equal(copy["LS .3"].metrics["test/accuracy"], run["LS .3"].metrics["test/accuracy"])
    with pytest.raises(CheckpointError, match="train first"):
        copy["LS .3"].predict("test")


def test_a_run_is_evaluated_and_reported(run, monkeypatch):
    def evaluate(path, data_path, options):
        assert (path, data_path, options.brief) == (run.path, None, True)
        line = {"step": 40, "row": "LS .3", "test/logits/within_variance": 2.5}
        lines = [json.dumps(line | {"replica": replica, "seed": 3 + replica}) + "\n" for replica in range(2)]
        (path / "evaluation.jsonl").write_text("".join(lines))

    monkeypatch.setattr("lamv.evaluate.evaluate", evaluate)
    monkeypatch.setattr("lamv.report.write", lambda path: path / "report.html")
    run.evaluate(brief=True)
    np.testing.assert_array_equal(run["LS .3"].metrics["test/logits/within_variance"], [2.5, 2.5])
    assert run.report() == run.path / "report.html"

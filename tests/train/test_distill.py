"""Students and teachers: what a student learns, that it does not depend on how it is trained, and what is refused."""

import importlib.util
import json
import shutil
from pathlib import Path

import flax.linen as nn
import jax
import numpy as np
import pytest

from lamv import config as configs
from lamv.data.sets.scikit_learn import read_digits
from lamv.errors import CheckpointError, ConfigError, DataError, WorkdirMismatch
from lamv.models import MODELS, Model
from lamv.models.classifier import Classifier
from lamv.report import explain
from lamv.results import runs
from lamv.rows import expand
from lamv.train import loop, parallel, teacher, tracking
from lamv.train.checkpoint import Checkpoints
from lamv.train.loop import describe
from lamv.train.session import Session
from lamv.train.variants import VariantRun

TINY = Path(__file__).parents[1] / "recipes" / "tiny.py"
ONE_DEVICE = {"parallel.devices": 1}
STUDENT = {"distill.row": "ERM", "distill.temperature": 2.0, "distill.weight": 0.7}
HIDDEN = {"model.name": "mlp", "model.widths": (24,)}
STEPS = 6


class NormedNet(Classifier, kw_only=True):
    """A teacher with statistics, which must stay what they are and cross no device."""

    @nn.compact
    def __call__(self, inputs, *, train):
        x = nn.BatchNorm(use_running_average=not train, axis_name=self.axis_name)(inputs)
        return nn.Dense(self.num_classes, name="head")(x), x


@pytest.fixture(autouse=True, scope="module")
def normed_net():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "normed", Model(NormedNet, vectorise=True))
        yield


def recipe(rows, **knobs):
    """The tiny recipe with these rows, without a cue, for a few steps of a linear classifier."""
    spec = importlib.util.spec_from_file_location("tiny", TINY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config()
    config.claims = ()
    config.rows = rows
    few = {"steps": STEPS, "log_every": STEPS, "eval_every": 0, "checkpoint_every": 3, "data.shortcut.kind": "none"}
    linear = {"model.name": "linear", "model.widths": (), "optim.name": "sgd", "optim.lr": 0.1}
    config.update_from_flattened_dict(few | linear | knobs)
    return config


@pytest.fixture(scope="module")
def teachers(normed_net, tmp_path_factory):
    """The workdir of three teachers, two of one network, which is not the students'. Not to be changed."""
    workdir = tmp_path_factory.mktemp("teachers") / "run"
    rows = {"ERM": HIDDEN, "slow": HIDDEN | {"optim.lr": 0.01}, "normed": {"model.name": "normed"}}
    loop.train(recipe(rows), workdir, ONE_DEVICE)
    return workdir


def trained(teachers, changes=STUDENT, steps=STEPS, pieces=(), **overrides):
    """Losses and arrays of a row that was trained with its teacher."""
    run = run_of(teachers, changes, steps=steps, **overrides)
    for start, stop in zip((0, *pieces), (*pieces, steps), strict=True):
        run.advance(start, stop)
    return run.take_loss(steps), run.arrays()


def run_of(teachers, changes=STUDENT, **overrides):
    folder = {"distill.teacher": str(teachers)} if "distill.row" in changes else {}
    rows = expand(recipe({"student": changes | folder}), ONE_DEVICE | overrides)
    layout = tuple(overrides.items())
    if layout not in SESSIONS:
        SESSIONS[layout] = Session(rows, jax.devices()[:8])
    run = VariantRun(rows[0], SESSIONS[layout], teacher.of_rows(rows).get("student"))
    run.init()
    return run


#: The data and the compiled functions by what was overridden, so that runs of one program compile it once.
SESSIONS = {}


def inputs_of(run, replica):
    """(256, 64) pixels and (256,) labels of the training set of a replica."""
    [part] = read_digits().parts.values()
    rows = run.view.train.rows[replica]
    return part.inputs[rows].reshape(256, 64).astype(np.float32) / 16, part.labels[rows]


@pytest.fixture(scope="module")
def student(teachers):
    return trained(teachers)


def assert_same(found, expected, **tolerance):
    np.testing.assert_allclose(found[0], expected[0], rtol=tolerance.get("rtol", 0))
    assert found[1].keys() == expected[1].keys()
    for name, value in found[1].items():
        np.testing.assert_allclose(value, expected[1][name], err_msg=name, **({"rtol": 0} | tolerance))


def differ(found, expected):
    return not np.allclose(found[1]["params.first.kernel"], expected[1]["params.first.kernel"], rtol=0, atol=1e-4)


# What is learned


def test_with_weight_0_the_teacher_does_not_count(teachers):
    without, deaf = trained(teachers, {}), trained(teachers, STUDENT | {"distill.weight": 0.0})
    assert_same(deaf, without, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "change",
    [{"distill.row": "slow"}, {"distill.temperature": 4.0}, {"distill.weight": 0.2}],
    ids=lambda change: next(iter(change)),
)
def test_teacher_temperature_and_weight_matter(teachers, student, change):
    assert differ(trained(teachers, STUDENT | change), student)


def test_a_student_moves_to_the_outputs_of_its_teacher(teachers):
    """With weight 1 the labels do not count: all that can be learned is what the teacher, barely trained, puts out."""
    run = run_of(teachers, {"distill.row": "ERM", **HIDDEN}, steps=200)
    of_teacher = arrays_of(teachers)

    def distance(of_student, to):
        asked = [inputs_of(run, r)[0] for r in range(2)]
        found, expected = (
            [softmax(outputs_of(arrays, r, x)) for arrays, r, x in zip((a, a), order, asked, strict=True)]
            for a, order in ((of_student, (0, 1)), (of_teacher, to))
        )
        return np.abs(np.array(found) - expected).sum(axis=-1).mean(axis=-1)

    before = distance(run.arrays(), to=(0, 1))
    run.advance(0, 200)
    after = distance(run.arrays(), to=(0, 1))
    assert np.all(after < before / 2), "each seed is to come near to its own teacher"
    assert np.all(after < distance(run.arrays(), to=(1, 0))), "and nearer to it than to that of the other seed"


def test_one_step_by_hand(teachers):
    """Plain gradient descent from the whole training set: T (softmax(z_s / T) - softmax(z_t / T)) for the logits."""
    run = run_of(teachers, STUDENT | {"optim.schedule": "constant"}, steps=1, batch_size=256)
    start = run.arrays()
    run.advance(0, 1)
    end, of_teacher = run.arrays(), arrays_of(teachers)
    for r in range(2):
        x, labels = inputs_of(run, r)
        student, taught = (outputs_of(arrays, r, x) for arrays in (start, of_teacher))
        of_labels, of_teaching = softmax(student) - np.eye(10)[labels], 2 * (softmax(student / 2) - softmax(taught / 2))
        gradient = (0.3 * of_labels + 0.7 * of_teaching).mean(axis=0)
        expected = start["params.first.bias"][r] - 0.1 * gradient
        np.testing.assert_allclose(end["params.first.bias"][r], expected, rtol=0, atol=1e-6)


def arrays_of(teachers):
    """Those of the teacher of one row, as any other reader of its workdir finds them."""
    run = tracking.recorded(teachers)
    checkpoints = Checkpoints.reading(
        teachers / "checkpoints", configs.fingerprint(run), [row["name"] for row in run["rows"]]
    )
    return checkpoints.read(STEPS).tree["0"]


def outputs_of(arrays, replica, x):
    """Logits of a linear classifier, or of a network with one hidden layer."""
    own = {name: array[replica] for name, array in arrays.items() if name.startswith("params.")}
    first = x @ own["params.first.kernel"] + own["params.first.bias"]
    return np.maximum(first, 0) @ own["params.head.kernel"] + own["params.head.bias"] if len(own) == 4 else first


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


# How it is trained


@pytest.mark.parametrize(
    "overrides",
    [
        {"parallel.devices": 4, "parallel.spread": 2},
        {"parallel.devices": 2, "parallel.map": "pmap"},
        {"parallel.replicas": "loop", "parallel.dispatch": "step"},
    ],
    ids=lambda overrides: ",".join(f"{key.split('.')[1]}={value}" for key, value in overrides.items()),
)
def test_devices_and_mapping_do_not_change_what_is_learned(teachers, student, overrides):
    assert_same(trained(teachers, **overrides), student, rtol=1e-6, atol=2e-6)


def test_pieces_are_the_whole_to_the_bit(teachers, student):
    assert_same(trained(teachers, pieces=(2, 3)), student)


def test_students_share_a_program_where_their_teachers_have_one_network(teachers):
    changes = {
        "a": STUDENT,
        "b": STUDENT | {"distill.row": "slow", "distill.temperature": 4.0, "distill.weight": 0.2, "optim.lr": 0.02},
        "other network": STUDENT | {"distill.row": "normed"},
        "none": {},
    }
    config = recipe(changes)
    rows = expand(config, ONE_DEVICE | {"distill.teacher": str(teachers)})
    taught_by, session = teacher.of_rows(rows), Session(rows, jax.devices()[:1])
    assert set(taught_by) == {"a", "b", "other network"}
    for row in rows:
        run = VariantRun(row, session, taught_by.get(row.name))
        run.init()
        run.advance(0, 1)
    steps = [key for key in session.functions if key[0].startswith("step")]
    assert len(steps) == 3 and len(session.functions) == 4, "one initialisation, and three programs of training"


def test_batchnorm_of_the_teacher_is_that_of_evaluation(teachers, monkeypatch):
    normed = STUDENT | {"distill.row": "normed"}
    one, four = (trained(teachers, normed, **{"parallel.devices": devices}) for devices in (1, 4))
    assert_same(four, one, rtol=1e-6, atol=2e-6)
    plain = teacher.of_rows

    def with_first_statistics(rows):
        [(name, found)] = plain(rows).items()
        first = {
            key: np.full_like(array, key.endswith("var"))
            for key, array in found.arrays.items()
            if key.startswith("batch_stats.")
        }
        assert len(first) == 2
        return {name: found._replace(arrays={**found.arrays, **first})}

    monkeypatch.setattr(teacher, "of_rows", with_first_statistics)
    assert differ(trained(teachers, normed), one), "what the teacher learned of its inputs must count"


def test_a_teacher_with_convolutions_is_trained_from_as_one_trains_them():
    """One seed after another, and on a CPU step by step, however small the student."""
    row, convolutions = (expand(recipe({"row": {"model.name": name}}))[0].config for name in ("mlp", "resnet20"))
    assert (parallel.together(row, 4), parallel.together(row, 4, convolutions)) == (4, 1)
    assert parallel.compiled_loop(row) and not parallel.compiled_loop(row, convolutions)


# Whole runs


def train(workdir, teachers, **overrides):
    rows = {"from scratch": {}, "student": STUDENT}
    return loop.train(recipe(rows), workdir, ONE_DEVICE | {"distill.teacher": str(teachers)} | overrides)


@pytest.fixture(scope="module")
def finished(teachers, tmp_path_factory):
    """The workdir of two students, one of whom has no teacher. Not to be changed."""
    workdir = tmp_path_factory.mktemp("students") / "run"
    train(workdir, teachers)
    return workdir


@pytest.fixture
def unfinished(finished, tmp_path):
    """A copy that was killed after the first checkpoint."""
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    (copy / "DONE").unlink()
    shutil.rmtree(copy / "checkpoints" / "6")
    return copy


def test_a_resumed_student_ends_with_the_same_bits_wherever_its_teacher_lies_now(
    teachers, finished, unfinished, tmp_path
):
    train(unfinished, shutil.copytree(teachers, tmp_path / "moved"))
    for name in ("DONE", "metrics.jsonl"):
        assert (unfinished / name).read_text() == (finished / name).read_text()


def test_provenance_names_the_teacher(teachers, finished):
    [found] = json.loads((finished / "provenance.json").read_text())["teachers"]
    assert (found["path"], found["row"], found["step"]) == (str(teachers), "ERM", STEPS)
    assert len(found["sha256"]) == 64
    words = dict(explain.provenance(runs.read(finished)))["teacher"]
    assert "“ERM”" in words and str(teachers) in words and found["sha256"] in words


def test_a_finished_student_needs_its_teacher_no_more(finished, tmp_path):
    summary = train(finished, tmp_path / "gone")
    run = json.loads((finished / "config.json").read_text())
    rows = configs.rows_of(run, {"distill.teacher": str(tmp_path / "gone")})
    checkpoints = Checkpoints.reading(finished / "checkpoints", configs.fingerprint(run), [row.name for row in rows])
    student = VariantRun(rows[1], Session(rows, jax.devices()[:1]))
    student.load(checkpoints.read(STEPS).tree["1"])
    found = [metrics["test/nll"] for metrics in student.evaluate(["test"])]
    assert found == pytest.approx(summary["rows"][1]["metrics"]["test/nll"]["values"], rel=1e-6)


def test_a_row_without_a_teacher_is_what_it_is_in_a_run_without(finished, tmp_path):
    loop.train(recipe({"from scratch": {}}), tmp_path, ONE_DEVICE)
    alone, of_all = (tracking.Lines(path / "metrics.jsonl", False).parsed() for path in (tmp_path, finished))
    assert alone == [line for line in of_all if line["row"] == "from scratch"]


# Orbax leaves tasks behind when a restore fails, which complain about their closed event loop.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_checkpoint_of_the_teacher_is_passed_over_and_left_where_it_is(teachers, tmp_path):
    copy = Path(shutil.copytree(teachers, tmp_path / "teachers"))
    shutil.rmtree(copy / "checkpoints" / "6" / "state")
    before = sorted(copy.rglob("*"))
    [row] = expand(recipe({"student": STUDENT | {"distill.teacher": str(copy)}}), ONE_DEVICE)
    assert teacher.of_rows([row])["student"].step == 3
    assert sorted(copy.rglob("*")) == before, "somebody else's workdir is only read"


def test_what_is_said_of_a_student(finished):
    config = configs.rows_of(json.loads((finished / "config.json").read_text()), {})[1].config
    assert describe(config, 10).endswith("; distilled from 'ERM' at temperature 2, weight 0.7")
    scratch, student = runs.read(finished).rows
    words = explain.method_in_words(student, 10)
    assert "row “ERM”" in words and "0.3 × that above + 0.7 × 4 × KL(teacher ‖ student)" in words and "T = 2" in words
    assert "Distillation" not in explain.method_in_words(scratch, 10)
    assert explain.differences(student, [scratch, student]) == ""
    pure = {**student.config, "distill": {"row": "ERM", "temperature": 1.0, "weight": 1.0}}
    assert "the targets above do not count" in explain.method_in_words(student._replace(config=pure), 10)


# What is refused


def refused(kind, *words, rows=None, workdir=None, **overrides):
    config = recipe(rows or {"from scratch": {}, "student": STUDENT})
    with pytest.raises(kind) as caught:
        loop.train(config, workdir, ONE_DEVICE | overrides)
    message = str(caught.value)
    assert "\n" not in message, f"an error is one line: {message!r}"
    for word in words:
        assert str(word) in message, f"{word!r} is missing in {message!r}"


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"distill.row": "ERN"}, ("'ERN'", "one of the rows of", "'ERM', 'slow', 'normed'", "mean 'ERM'?")),
        ({"seeds": 3}, ("row 'student'", "config.seeds is 3, must be 2 as in row 'ERM' of", "seed by seed")),
        ({"seed": 1}, ("config.seed is 1, must be 0",)),
        ({"data.train_size": 200}, ("config.data.train_size is 200, must be 256",)),
        ({"data.classes": (1, 2)}, ("config.data.classes is (1, 2), must be ()",)),
        ({"data.flatten": False}, ("config.data.flatten is False, must be True",)),
        ({"data.normalise": True}, ("config.data.normalise is True, must be False",)),
        ({"data.name": "diabetes"}, ("config.data.name is 'diabetes', must be 'digits'",)),
        ({"data.shortcut.kind": "tag"}, ("config.data.shortcut.kind is 'tag', must be 'none'",)),
        ({"loss.name": "sigmoid"}, ("config.loss.name is 'sigmoid', must be cross_entropy with config.distill.row",)),
        ({"method.name": "manifold_mixup"}, ("'manifold_mixup'", "mixes inside of the student")),
        ({"distill.temperature": 0.0}, ("config.distill.temperature is 0.0, must be above 0",)),
        ({"distill.weight": 1.1}, ("config.distill.weight is 1.1, must be from 0 to 1",)),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_teacher_that_does_not_suit_is_refused(teachers, tmp_path, changes, words):
    refused(ConfigError, *words, workdir=tmp_path / "run", **{"distill.teacher": str(teachers)} | changes)
    assert not (tmp_path / "run" / "config.json").exists(), "a run that cannot begin must not claim the workdir"


def test_a_teacher_of_another_loss_is_refused(tmp_path):
    config = recipe({"sigmoid": {"loss.name": "sigmoid"}})
    (tmp_path / "config.json").write_text(json.dumps(configs.snapshot(config, expand(config))))
    rows = {"student": STUDENT | {"distill.row": "sigmoid", "distill.teacher": str(tmp_path)}}
    refused(ConfigError, "'sigmoid', whose loss in", "trained by cross_entropy", rows=rows, workdir=tmp_path / "run")


def test_a_student_without_a_workdir_to_learn_from_is_told_the_flag(tmp_path):
    refused(ConfigError, "row 'student'", "'ERM'", "--config.distill.teacher=DIR", workdir=tmp_path)


def test_a_teacher_of_nobody_is_refused_with_its_rows(teachers, tmp_path):
    words = ("config.distill.row", "'ERM', 'slow', 'normed'")
    refused(ConfigError, *words, rows={"a": {}, "b": {}}, workdir=tmp_path, **{"distill.teacher": str(teachers)})


def test_a_folder_that_is_no_workdir_is_refused(tmp_path):
    folder = {"distill.teacher": str(tmp_path / "none")}
    refused(DataError, "no readable config.json", "config.distill.teacher", workdir=tmp_path / "run", **folder)
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "config.json").write_text('{"experiment": "two_moons"}')
    refused(DataError, "experiment 'two_moons'", workdir=tmp_path / "run", **folder)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_teacher_without_whole_checkpoints_is_refused(teachers, tmp_path):
    copy = Path(shutil.copytree(teachers, tmp_path / "teachers"))
    for step in ("3", "6"):
        shutil.rmtree(copy / "checkpoints" / step / "state")
    folder = {"distill.teacher": str(copy)}
    refused(CheckpointError, "none of the checkpoints in", workdir=tmp_path / "run", **folder)
    for left in (".", "checkpoints"):
        shutil.rmtree(copy / "checkpoints") if left == "." else (copy / left).mkdir()
        refused(DataError, "has no checkpoints; train it first", workdir=tmp_path / "run", **folder)


def test_a_teacher_of_other_data_under_the_same_name_is_refused(teachers, tmp_path, monkeypatch):
    """Data from a file may change under its name: then only the shapes can tell."""
    own = teacher.of_rows

    def of_fewer_inputs(rows):
        def cut(name, array):
            return array[:, :60] if name == "params.first.kernel" else array

        return {
            name: found._replace(arrays={key: cut(key, array) for key, array in found.arrays.items()})
            for name, found in own(rows).items()
        }

    monkeypatch.setattr(teacher, "of_rows", of_fewer_inputs)
    words = ("row 'ERM' of", "(2, 60, 24) there, and would be (2, 64, 24) for this data")
    refused(DataError, *words, workdir=tmp_path / "run", **{"distill.teacher": str(teachers)})


def test_a_run_goes_on_with_the_teacher_that_it_began_with_or_not_at_all(unfinished, tmp_path):
    loop.train(recipe({"ERM": HIDDEN | {"optim.lr": 0.02}}), tmp_path / "others", ONE_DEVICE)
    with pytest.raises(WorkdirMismatch, match=r"another teacher than the one that this run began with \(steps \[6\]\)"):
        train(unfinished, tmp_path / "others")


def test_training_a_student_without_its_teacher_is_a_mistake():
    rows = expand(recipe({"student": STUDENT}), ONE_DEVICE)
    run = VariantRun(rows[0], Session(rows, jax.devices()[:1]))
    run.init()
    with pytest.raises(ValueError, match="learns from a teacher and was made without"):
        run.advance(0, 1)

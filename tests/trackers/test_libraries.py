"""Each library's own reader finds in its files what metrics.jsonl has: every step once, every number, knobs, figures."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lamv import trackers
from tests import workdirs
from tests.trackers import readers

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("default")  # which of their own warnings libraries give is theirs
#: Library of the reader: (tracker, reader, variables of the environment).
READERS = {
    "wandb": ("wandb", readers.wandb, {"WANDB_MODE": "offline"}),
    "mlflow": ("mlflow", readers.mlflow, {}),
    "trackio": ("trackio", readers.trackio, {}),
    "tensorboard": ("tensorboard", readers.tensorboard, {}),
}


def made(path):
    return workdirs.write(path, workdirs.four_methods(seeds=2, names={"ERM": "erm", "LS .1": "label_smoothing"}))


def as_held(held, workdir):
    truth = readers.metrics(workdir)
    assert set(held.runs) == set(truth)
    for name, (knobs, points) in held.runs.items():
        assert [step for step, _ in points] == [step for step, _ in truth[name]]
        for (_, found), (_, expected) in zip(points, truth[name], strict=True):
            assert found == pytest.approx(expected, rel=1e-6)
        assert knobs["method.name"] == {"ERM": "erm", "LS .1": "label_smoothing"}[name.split("/")[0]]
        assert float(knobs["optim.lr"]) == 0.005
    assert {"accuracy", "curves"} <= held.figures
    assert "LS .1" in held.text and "ERM" in held.text


def add_lines(workdir, step):
    """A run that goes on."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()[-4:]
    with open(workdir / "metrics.jsonl", "a") as file:
        file.writelines(json.dumps(json.loads(line) | {"step": step}) + "\n" for line in lines)


def test_the_command_writes_event_files(tmp_path):
    workdir = made(tmp_path / "run")
    command = [sys.executable, "-m", "experiments.export", f"--workdir={workdir}", "--to=tensorboard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "tensorboard: 8 points\n"), done.stderr
    assert f"tensorboard --logdir={workdir}/tensorboard" in done.stderr
    as_held(readers.tensorboard_files(workdir), workdir)


@pytest.mark.parametrize("library", READERS)
def test_the_library_reads_back_what_was_logged(library, tmp_path, monkeypatch):
    tracker, reader, environment = READERS[library]
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library}, which lamv does not require, is not installed")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    workdir = made(tmp_path / "run")
    assert trackers.export(workdir, [tracker]) == {tracker: 8}
    as_held(reader(workdir), workdir)
    add_lines(workdir, 30)
    assert trackers.export(workdir, [tracker])[tracker] in (4, 12)  # what is new, or all anew
    as_held(reader(workdir), workdir)


def test_mlflow_reads_back_a_store_of_files(tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="mlflow, which lamv does not require, is not installed")
    uri = (tmp_path / "store").as_uri()
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    workdir = made(tmp_path / "run")
    trackers.export(workdir, ["mlflow"])
    trackers.export(workdir, ["mlflow"])
    as_held(readers.mlflow(workdir, uri), workdir)

"""What the doctor says of a machine, and that its steps are steps."""

import copy
import gzip
import json

import pytest

from lamv.suite import data_found, doctor, remarks

STEPS = {"first_step_seconds": 1.0, "steps": 50, "steps_per_second": 20.0, "cores_in_use": 1.5, "loss": 1.0}
FINE = {
    "software": {"python": "3", "packages": {"jax": "1"}, "code": "c" * 64, "git_commit": None, "lamv at": "/x"},
    "machine": {"system": "Linux", "processor": "P", "cores": 2, "quota": None, "load": 0.5, "memory": "8.0 GiB free",
                "memory_bytes": 2**33, "disk_seconds": 0.001},
    "environment": {}, "cache": {"folder": "/c", "programs": 3, "size": "1 MiB"},
    "devices": [{"name": "cpu:0", "kind": "cpu", "platform": "cpu", "steps": {"mlp": STEPS}}],
    "failed": [], "data": [], "remarks": [], "seconds": 9.0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_accelerator(monkeypatch):
    for name in ("GPU_FILES", "TPU_FILES"):
        monkeypatch.setattr(remarks, name, ())


def found(**changes):
    """FINE with some values changed: {"machine.load": 9}."""
    made = copy.deepcopy(FINE)
    for key, value in changes.items():
        part, _, name = key.partition("__")
        if name:
            made[part][name] = value
        else:
            made[part] = value
    return made


def test_there_is_nothing_to_remark_on_a_fine_machine():
    assert remarks.of(FINE) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"machine__load": 9.0}, "a load of 9 on 2 cores"),
        ({"machine__quota": 0.5}, "may use 0.5 of 2 cores"),
        ({"machine__memory_bytes": 2**20}, "little memory"),
        ({"machine__disk_seconds": None}, "cannot be written to"),
        ({"machine__disk_seconds": 0.5}, "the disk takes 0.5 s"),
        ({"cache__folder": None}, "compiled programs are not kept"),
        ({"environment": {"JAX_DISABLE_JIT": "1"}}, "nothing is compiled"),
        ({"environment": {"XLA_FLAGS": "--xla_backend_optimization_level=0"}}, "without optimising"),
        ({"environment": {"LAMV_XLA_FLAGS": "0"}}, "unset LAMV_XLA_FLAGS"),
        ({"devices": [{"name": "gpu:0", "platform": "gpu", "error": "no memory"}]}, "gpu:0 fails: no memory"),
        ({"devices": [{"name": "cpu:0", "platform": "cpu", "steps": {"mlp": STEPS | {"cores_in_use": 0.25}}}]},
         "had 0.25 cores: other work took the processor, and on a quiet machine they are about 4 times as fast"),
        ({"data": [{"name": "mnist", "path": "/d", "files": [{"file": "f", "sha256": "0", "official": False}]}]},
         "f in /d is not the official file"),
    ],
)  # fmt: skip
def test_what_is_slow_or_wrong_is_said_and_why(changes, words):
    [remark] = remarks.of(found(**changes))
    assert words in remark


def test_a_gpu_without_its_plugin_is_noticed(monkeypatch, tmp_path):
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(remarks, "GPU_FILES", (str(tmp_path / "nvidia0"),))
    assert "jax[cuda13]" in remarks.of(FINE)[0]


def test_known_files_are_found_with_their_digests_and_folders_without(tmp_path, monkeypatch):
    monkeypatch.setattr(data_found, "PLACES", ())
    monkeypatch.setattr(data_found, "DATASETS", {"cifar10": data_found.DATASETS["cifar10"]})
    (tmp_path / "mnist").mkdir()
    with gzip.open(tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz", "wb") as file:
        file.write(b"labels")
    (tmp_path / "cifar-10-batches-bin").mkdir()
    (tmp_path / "cifar10" / "3.0.2").mkdir(parents=True)
    (tmp_path / "cifar10" / "3.0.2" / "dataset_info.json").touch()
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    (tmp_path / "mnist" / "t10k-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8bno gzip")
    listed = {
        (entry["name"], entry["path"].removeprefix(str(tmp_path))): entry["files"]
        for entry in data_found.find([str(tmp_path)])
    }
    assert set(listed) == {("mnist", "/mnist"), ("cifar10", "/cifar-10-batches-bin"), ("cifar10", "/cifar10")}
    damaged, other = listed["mnist", "/mnist"]
    assert damaged["official"] is False and damaged["sha256"] is None
    assert other["official"] is False and len(other["sha256"]) == 64


def test_an_examination_takes_real_steps_and_fits_on_a_screen(monkeypatch):
    monkeypatch.setattr(doctor, "MODELS", {"linear": {"model.name": "linear", "data.flatten": True}})
    monkeypatch.setattr(doctor.data_found, "find", lambda places: [])
    monkeypatch.setattr("jax.local_devices", lambda: __import__("jax").devices()[:1])
    seen = doctor.examine(0.2)
    [device] = seen["devices"]
    steps = device["steps"]["linear"]
    assert seen["failed"] == [] and steps["steps"] > 1 and steps["steps_per_second"] > 0
    assert 0.5 < steps["loss"] < 2.35, "of ten classes, ln 10 at first"
    assert json.loads(json.dumps(seen)) == seen
    text = doctor.as_text(seen)
    assert len(text.splitlines()) < 40 and "jax " in text and "steps/s" in text


def test_a_device_that_fails_is_named(monkeypatch):
    def fails(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(doctor, "_timed", fails)
    devices, failed = doctor._devices(1.0)
    assert failed and len(failed) == len(devices) and "out of memory" in devices[0]["error"]

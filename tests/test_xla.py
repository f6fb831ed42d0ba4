"""lamv.xla: flags for the CPU, and a cache of compiled programs that only its user can write."""

import ctypes
import os
import stat
import subprocess
import sys

import pytest

from lamv import xla

PROGRAM = """
from lamv import xla
xla.prepare()
import jax, jax.monitoring
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name.endswith("cache_hits")))
jax.jit(lambda x: x * 2 + 1)(3.0)
print(sum(hits))
"""


@pytest.fixture
def home(monkeypatch, tmp_path):
    """An empty home, and nothing set."""
    for name in list(os.environ):
        set_by_hand = ("JAX_PERSISTENT", "JAX_COMPILATION", "LAMV_", "XDG_", "MALLOC_")
        if name.startswith(set_by_hand) or name in ("XLA_FLAGS", "GLIBC_TUNABLES"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    # What `prepare` sets is taken back at the end.
    for name in (xla.COMPILED, "XLA_FLAGS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr("ctypes.CDLL", lambda _: None)  # the allocator of the tests stays as it is
    return tmp_path


def folder_of(home):
    (folder,) = (home / ".cache" / "lamv" / "compiled").iterdir()
    return folder


def test_the_second_process_compiles_nothing(home):
    def run():
        return subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)

    assert int(run().stdout) == 0
    again = run()
    assert int(again.stdout) > 0 and not again.stderr


def test_only_the_user_can_write_to_it(home):
    xla.prepare()
    folder = folder_of(home)
    assert os.environ[xla.COMPILED] == str(folder)
    for path in (folder, folder.parent, folder.parent.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_other_flags_are_another_folder(home, monkeypatch):
    xla.prepare()
    monkeypatch.delenv(xla.COMPILED)
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=1")
    xla.prepare()
    assert len(list((home / ".cache" / "lamv" / "compiled").iterdir())) == 2


@pytest.mark.parametrize("name,value", [("LAMV_CACHE", "0"), (xla.COMPILED, "")])
def test_it_can_be_turned_off(home, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    xla.prepare()
    assert not os.environ.get(xla.COMPILED) and not (home / ".cache").exists()


def test_a_home_that_cannot_be_used_is_a_line(home, monkeypatch, caplog):
    (home / "file").write_text("")
    monkeypatch.setenv("LAMV_CACHE", str(home / "file"))
    xla.prepare()
    assert xla.COMPILED not in os.environ
    (line,) = caplog.messages
    assert "compiled programs are not kept" in line and "\n" not in line


def test_a_cache_that_every_user_can_write_is_not_used(home, monkeypatch, caplog):
    (home / "cache").mkdir()
    (home / "cache").chmod(0o777)
    monkeypatch.setenv("LAMV_CACHE", str(home / "cache"))
    xla.prepare()
    assert xla.COMPILED not in os.environ and "can be written by every user" in caplog.text


def test_flags_that_are_set_stay(home, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_a=1")
    xla.prepare()
    assert os.environ["XLA_FLAGS"].split() == ["--xla_a=1", "--xla_cpu_experimental_ynn_fusion_type=dot"]
    monkeypatch.setenv("LAMV_XLA_FLAGS", "0")
    monkeypatch.setenv("XLA_FLAGS", "")
    xla.prepare()
    assert os.environ["XLA_FLAGS"] == ""


def test_what_is_set_can_be_told(home, monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda _: type("glibc", (), {"mallopt": lambda *_: 1}))
    monkeypatch.setattr(xla, "_allocator", "the system's default")
    monkeypatch.setenv("LAMV_XLA_FLAGS", "0")
    monkeypatch.setenv("LAMV_CACHE", "0")
    xla.prepare()
    assert xla.settings() == {"allocator": "the system's default", "XLA_FLAGS": "none", "compiled programs": "not kept"}
    monkeypatch.delenv("LAMV_XLA_FLAGS")
    monkeypatch.delenv("LAMV_CACHE")
    xla.prepare()
    told = xla.settings()
    assert told["allocator"] == "freed memory is kept" and told["XLA_FLAGS"] == os.environ["XLA_FLAGS"]
    assert told["compiled programs"] == f"kept in {folder_of(home)}"
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    xla.prepare()
    assert xla.settings()["allocator"] == "as set by MALLOC_ARENA_MAX"


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the allocator is not glibc's")
def test_freed_memory_is_kept_unless_one_asks(home, monkeypatch):
    """Pages that were freed are there at the next step: fewer faults than with the allocator as it comes."""
    program = """
import resource
from lamv import xla
xla.prepare()
import numpy as np
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(8_000_000)  # 64 MB, which glibc would map and give back each time
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

    def faults(flags):
        monkeypatch.setenv("LAMV_XLA_FLAGS", flags)
        monkeypatch.setenv("LAMV_CACHE", "0")
        return int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)

    assert faults("1") < faults("0") / 2

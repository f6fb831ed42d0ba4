"""How much memory there is: the least of what machine, container and process have."""

import subprocess
import sys

import pytest

from lamv import memory


def test_there_is_some_and_the_limit_has_words():
    found = memory.available()
    assert found.bytes > 0 and found.limit


def test_the_limit_of_the_process_counts():
    """In a process of its own: a limit on the address space cannot be taken back."""
    code = "from lamv import memory; found = memory.available(); print(found.bytes < 2 << 30, found.limit)"
    command = ["sh", "-c", 'ulimit -v 2097152; exec "$0" -c "$1"', sys.executable, code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "True left to this process (ulimit -v)"


@pytest.mark.parametrize(
    "limit, used, left", [("4096\n", "1000\n", 3096), ("max\n", "1000\n", None), ("10", "1000", 0)]
)
def test_the_limit_of_the_container_counts(tmp_path, monkeypatch, limit, used, left):
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text(used)
    monkeypatch.setattr(memory, "CGROUPS", (str(tmp_path / "memory.max"),))
    found = memory.available()
    assert (found.bytes, found.limit) == (left, "left to this container") if left is not None else found.bytes > 1 << 20


@pytest.mark.parametrize(
    "number, words",
    [(0, "0 bytes"), (1023, "1,023 bytes"), (1024, "1.0 KiB"), (5e9, "4.7 GiB"), (2**60, "1,048,576.0 TiB")],
)
def test_bytes_in_words(number, words):
    assert memory.shown(number) == words

"""Commands in processes of their own: started, sent signals, waited for, and what there is to say of them then."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

#: Seconds after which a command counts as hanging, on a machine that others use too.
PATIENCE = 300.0
#: Bytes of memory that no command here needs.
MEMORY = 4 << 30


class Broken(AssertionError):
    """A promise was not kept."""


def promise(kept: object, what: str, ended: "Ended | None" = None) -> None:
    """Raise Broken unless it is kept; `ended`: the command that shows it."""
    if not kept:
        raise Broken(f"{what}\n{ended.shown()}" if ended else what)


class Ended(NamedTuple):
    """A command that is over. seconds, cpu: of all of it, and since the last signal that it was sent.

    listened: whether it had its own handler of signals when that came; None without one.
    """

    argv: Sequence[str]
    code: int
    out: str
    err: str
    seconds: float
    cpu: float
    seconds_after: float = 0.0
    cpu_after: float = 0.0
    cpu_before: float = 0.0
    listened: bool | None = None

    @property
    def last(self) -> str:
        return (self.err.rstrip("\n").splitlines() or [""])[-1]

    def shown(self) -> str:
        tail = "\n".join(f"    | {line[:400]}" for line in self.err.splitlines()[-12:])
        return f"    exit code {self.code} of: {' '.join(self.argv)}\n{tail}"


class Process:
    """A command that is running. Its output goes to files, so that nobody has to read along."""

    def __init__(self, argv: Sequence[str], source: Path, variables: dict[str, str], log: Path, count):
        self.argv, self._count = argv, count
        self._out, self._err = (open(f"{log}.{name}", "w+", errors="replace") for name in ("out", "err"))  # noqa: SIM115
        self._before: tuple[float, float] | None = None
        self._listened: bool | None = None
        self._began = time.monotonic()
        self._popen = subprocess.Popen(
            [sys.executable, *argv[1:]], cwd=source, env=os.environ | variables, stdin=subprocess.DEVNULL,
            stdout=self._out, stderr=self._err, start_new_session=True,
        )  # fmt: skip
        self.pid = self._popen.pid
        self._status: tuple[int, object] | None = None
        self._ended_at = 0.0
        self._looked = self._began
        self.wrong = ""

    def running(self) -> bool:
        if self._status is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._ended_at = time.monotonic()
                self._status = (os.waitstatus_to_exitcode(status), usage)
                self._popen.returncode = self._status[0]
        return self._status is None

    def wait(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Wait so long, or until something is so, or the process ends. Whether it is still running."""
        end = time.monotonic() + seconds
        while self.running() and time.monotonic() < end and not until():
            time.sleep(0.003)
            self._look_at_memory()
        return self.running()

    def send(self, number: int) -> bool:
        """A signal; False where the process has ended before."""
        if not self.running():
            return False
        cpu, listens = self._cpu(), self._listens()
        if self._before is None:
            self._listened = listens
        self._before = (time.monotonic(), cpu)
        os.kill(self.pid, number)  # not reaped yet, so the number is still its own
        return True

    def end(self, patience: float = PATIENCE) -> Ended:
        """Wait for the end. Raises Broken for a process that does not come to it, which is killed."""
        self.wait(patience)
        if self.running():
            self.wrong = f"it hangs: after {patience:.0f} s it was still running"
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.wait(60)
        code, usage = self._status
        cpu = usage.ru_utime + usage.ru_stime
        at, before = self._before or (self._ended_at, cpu)
        texts = []
        for file in (self._out, self._err):
            file.seek(0)
            texts.append(file.read())
            file.close()
        ended = Ended(
            ["python", *self.argv[1:]], code, *texts, self._ended_at - self._began, cpu, self._ended_at - at,
            max(cpu - before, 0.0), before, self._listened,
        )  # fmt: skip
        self._count(ended)
        promise(not self.wrong, self.wrong, ended)
        return ended

    def _look_at_memory(self) -> None:
        """Kill a process that would take all of it, and the machine with it."""
        if time.monotonic() < self._looked + 0.2 or self._status is not None:
            return
        self._looked = time.monotonic()
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        if pages * os.sysconf("SC_PAGE_SIZE") > MEMORY:
            self.wrong = f"it takes more than {MEMORY >> 30} GiB of memory"
            os.kill(self.pid, signal.SIGKILL)

    def _cpu(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _listens(self) -> bool:
        """Whether it handles SIGTERM, which Python does not by itself."""
        found = re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)
        return bool(found and int(found[1], 16) >> (signal.SIGTERM - 1) & 1)

"""The ground for hazards: a copy of the sources, references to compare with, and commands in processes of their own."""

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lamv.errors import LamvError

ROOT = Path(__file__).parents[2]
#: What the commands, and the tests of `suites`, need of the repository.
SOURCES = ("lamv", "experiments", "configs", "tests", "docs", "README.md", "pyproject.toml", "Makefile")
TINY = "tests/recipes/tiny.py"
LINE = "configs/theory/alternating_line.py"
#: An experiment on theory, in short.
SHORT = (
    "--config.sizes=('3x2',)",
    "--config.alphas=(32.0,)",
    "--config.steps=20",
    "--config.seeds=2",
    "--config.width=16",
)
#: The exit codes of mistakes.
CODES = {kind.exit_code for kind in LamvError.__subclasses__()} - {1}
#: Seconds after which a command counts as hanging.
PATIENCE = 300.0
#: Bytes of memory that no command here needs.
MEMORY = 4 << 30
#: What every workdir is called: reports say so.
RUN = "run"
STRAYS = re.compile(r"\..*\.tmp|.*orbax-checkpoint-tmp.*|\.trash")
TRACEBACK = "Traceback (most recent call last)"


class Broken(AssertionError):
    """A promise was not kept."""


def promise(kept: object, what: str, ended: "Ended | None" = None) -> None:
    """Raise Broken unless it is kept; `ended`: the command that shows it."""
    if not kept:
        raise Broken(f"{what}\n{ended.shown()}" if ended else what)


class Skipped(Exception):
    """A trial cannot take place here; the message says why."""


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


class Seen:
    """What was seen over the trials of a hazard: the longest times, and how often something happened."""

    def __init__(self):
        self.longest: dict[str, float] = {}
        self.counted: Counter[str] = Counter()
        #: Of a trial that is many at once.
        self.tried = self.survived = 0

    def longer(self, what: str, seconds: float) -> None:
        self.longest[what] = max(seconds, self.longest.get(what, 0.0))

    def add(self, other: "Seen") -> None:
        for what, seconds in other.longest.items():
            self.longer(what, seconds)
        self.counted.update(other.counted)


class Ground:
    """Where trials take place. To be closed: it is a temporary folder."""

    def __init__(self, keep: bool = False):
        self.root = Path(tempfile.mkdtemp(prefix="lamv-chaos-"))
        self.keeps, self._lock, self._locks, self._made = keep, threading.Lock(), {}, {}
        # A tree that is edited meanwhile would be another one with every command.
        self.source = self.root / "source"
        for name in SOURCES:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, self.source / name)
            elif (ROOT / name).exists():
                shutil.copy2(ROOT / name, self.source / name)
        self.variables = {
            "JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "cpu"),
            "XLA_FLAGS": os.environ.get("XLA_FLAGS", "--xla_backend_optimization_level=0"),
            "JAX_COMPILATION_CACHE_DIR": os.environ.get("JAX_COMPILATION_CACHE_DIR") or self._folder("compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            "LAMV_CACHE": os.environ.get("LAMV_CACHE") or self._folder("cache"),
            "LAMV_FAIL": "",
        }
        self._numbers = itertools.count()
        #: Seconds that a command takes when nothing happens to it, by name.
        self.lasts: dict[str, float] = {}
        #: CPU seconds of all commands so far, and their number.
        self.cpu, self.commands = 0.0, 0

    def _folder(self, name: str) -> str:
        (self.root / name).mkdir(mode=0o700)
        return str(self.root / name)

    def close(self) -> None:
        if self.keeps:
            print(f"kept: {self.root}", file=sys.stderr)
        else:
            shutil.rmtree(self.root, ignore_errors=True)

    # Commands

    def start(self, argv: Sequence[str], **variables: str) -> Process:
        with self._lock:
            log = self.root / f"log{next(self._numbers)}"
        return Process(argv, self.source, self.variables | variables, log, self.count)

    def run(self, argv: Sequence[str], patience: float = PATIENCE, **variables: str) -> Ended:
        return self.start(argv, **variables).end(patience)

    def count(self, ended: "Ended") -> None:
        with self._lock:
            self.cpu, self.commands = self.cpu + ended.cpu, self.commands + 1

    # References

    def reference(self, name: str) -> Path:
        """The folder of a reference, made when it is first asked for. Not to be written to."""
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self._made:
                path = self.root / "references" / name / RUN
                path.parent.mkdir(parents=True)
                REFERENCES[name](self, path)
                self._made[name] = path
        return self._made[name]

    def copy(self, name: str, to: Path) -> Path:
        """A copy of a reference."""
        shutil.copytree(self.reference(name), to, symlinks=True, dirs_exist_ok=True)
        return to

    def undisturbed(self, name: str, argv: Sequence[str]) -> Ended:
        """A command that must succeed; how long it takes is remembered."""
        ended = fine(self.run(argv))
        self.lasts[name] = max(ended.seconds, self.lasts.get(name, 0.0))
        return ended


def train(workdir: Path, *more: str, recipe: str = TINY) -> list[str]:
    return ["python", "-m", "experiments.train", f"--config={recipe}", f"--workdir={workdir}", *more]


def evaluate(workdir: Path, *more: str) -> list[str]:
    return ["python", "-m", "experiments.evaluate", f"--workdir={workdir}", *more]


def report(workdir: Path, *more: str) -> list[str]:
    return ["python", "-m", "experiments.report", f"--runs={workdir}", *more]


def theory(workdir: Path, *more: str) -> list[str]:
    return ["python", "-m", "experiments.theory", f"--config={LINE}", f"--workdir={workdir}", *SHORT, *more]


COMMANDS = {"train": train, "evaluate": evaluate, "report": report, "theory": theory}


# Promises


def fine(ended: Ended) -> Ended:
    """The command has done what it is for."""
    promise(ended.code == 0, "it fails", ended)
    promise(not _errors(ended), "it succeeds, and says that it does not", ended)
    return _no_traceback(ended)


def refused(ended: Ended, *codes: int, words: Sequence[str] = ()) -> Ended:
    """The command says what is wrong, in one line, the last, with one of these exit codes (none given: with any)."""
    allowed = set(codes) or CODES
    promise(ended.code in allowed, f"the exit code is {ended.code}, not one of {sorted(allowed)}", ended)
    promise(len(_errors(ended)) == 1, f"there are {len(_errors(ended))} lines of an error, not 1", ended)
    promise(ended.last.startswith("error: "), "the line of the error is not the last", ended)
    for word in words:
        promise(re.search(word, ended.last), f"the error does not say {word!r}", ended)
    return _no_traceback(ended)


def fine_or_refused(ended: Ended, *codes: int) -> Ended:
    return fine(ended) if ended.code == 0 else refused(ended, *codes)


def _errors(ended: Ended) -> list[str]:
    return [line for line in ended.err.splitlines() if line.startswith("error: ")]


def _no_traceback(ended: Ended) -> Ended:
    promise(TRACEBACK not in ended.err + ended.out, "there is a traceback", ended)
    return ended


def quiet(ended: Ended) -> Ended:
    """Of a command that was killed: it has said nothing of an error before."""
    promise(not _errors(ended), "it was killed, and speaks of an error", ended)
    return _no_traceback(ended)


def same(workdir: Path, reference: Path, *names: str) -> None:
    """These files are those of the reference, to the byte; but for the path of the workdir."""
    for name in names:
        promise((workdir / name).is_file(), f"{name} is missing")
        mine, whole = (
            (folder / name).read_bytes().replace(str(folder).encode(), b"WORKDIR") for folder in (workdir, reference)
        )
        if mine != whole:
            raise Broken(f"{name} differs from the reference: {_first_difference(mine, whole)}")


def _first_difference(mine: bytes, whole: bytes) -> str:
    one, other = (content.decode(errors="replace").splitlines() for content in (mine, whole))
    for number, (a, b) in enumerate(itertools.zip_longest(one, other, fillvalue="(no line)"), 1):
        if a != b:
            start = max(0, next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), 0) - 30)
            return f"line {number}: ...{a[start : start + 90]!r}, not ...{b[start : start + 90]!r}"
    return "in the ends of lines"


def trained(workdir: Path, reference: Path) -> None:
    """A run has come to the end that the reference came to, to the bit, and left nothing else behind."""
    same(workdir, reference, "DONE", "metrics.jsonl")
    mine, whole = ((path / "summary.json").read_bytes() for path in (workdir, reference))
    promise(json.loads(mine) == json.loads(whole), f"summary.json differs: {_first_difference(mine, whole)}")
    no_strays(workdir)


def evaluated(workdir: Path, reference: Path) -> None:
    same(workdir, reference, "evaluation.jsonl", "evaluation_curves.jsonl")
    promise(not list(workdir.glob(".*.tmp")), "temporary files were left")  # those of checkpoints are training's


def reported(workdir: Path, reference: Path) -> None:
    same(workdir, reference, "report.html", "report.md", "report.tex")
    no_strays(workdir)


def measured(workdir: Path, reference: Path) -> None:
    """An experiment on theory has come to the same end; its page says how long it took, which is another time."""
    same(workdir, reference, "summary.json", "DONE")
    pages = [(folder / "report.html").read_text().replace(str(folder), "") for folder in (workdir, reference)]
    mine, whole = (re.sub(r"<dt>time</dt><dd>.*?</dd>", "", page).encode() for page in pages)
    promise(mine == whole, f"report.html differs: {_first_difference(mine, whole)}")
    no_strays(workdir)


def complete(command: str, workdir: Path, references: Callable[[str], Path]) -> None:
    """All that a command leaves is as it should be; `references`: the folder of one by its name."""
    if command == "train":
        trained(workdir, references("finished"))
    elif command == "evaluate":
        evaluated(workdir, references("evaluated"))
        reported(workdir, references("evaluated"))
    elif command == "report":
        reported(workdir, references("reported"))
    else:
        measured(workdir, references("theory"))


def no_strays(workdir: Path) -> None:
    strays = sorted(str(path.relative_to(workdir)) for path in strays_in(workdir))
    promise(not strays, f"temporary files were left: {', '.join(strays[:5])}")


def strays_in(workdir: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(workdir):
        yield from (Path(place, name) for name in (*folders, *names) if STRAYS.fullmatch(name))


# What references are made of


def _finished(ground: Ground, path: Path) -> None:
    ground.run(train(ground.root / "first"))  # compiles, which is no part of how long a run takes
    ground.undisturbed("train", train(path))


def _ended(ground: Ground, path: Path) -> None:
    """At its end, which only has to be written down."""
    shutil.copytree(ground.reference("finished"), path)
    for name in ("DONE", "summary.json", "report.html", "report.md", "report.tex"):
        (path / name).unlink()


def _half(ground: Ground, path: Path) -> None:
    """Killed before the third checkpoint, with lines of that step."""
    quiet(ground.run(train(path), LAMV_FAIL="saving:3"))
    steps = sorted(int(name.name) for name in (path / "checkpoints").iterdir() if name.name.isdigit())
    promise(steps == [10, 20] and '"step": 30' in (path / "metrics.jsonl").read_text(), f"half a run has {steps}")


def _evaluated(ground: Ground, path: Path) -> None:
    shutil.copytree(ground.reference("finished"), path)
    fine(ground.run(evaluate(path)))
    ground.undisturbed("evaluate", evaluate(path))


def _reported(ground: Ground, path: Path) -> None:
    shutil.copytree(ground.reference("evaluated"), path)
    ground.undisturbed("report", report(path))


def _theory(ground: Ground, path: Path) -> None:
    fine(ground.run(theory(ground.root / "first-theory")))
    ground.undisturbed("theory", theory(path))


def _other_seed(ground: Ground, path: Path) -> None:
    fine(ground.run(train(path, "--config.seed=7")))


REFERENCES: dict[str, Callable[[Ground, Path], None]] = {
    "finished": _finished,
    "ended": _ended,
    "half": _half,
    "evaluated": _evaluated,
    "reported": _reported,
    "theory": _theory,
    "other seed": _other_seed,
}

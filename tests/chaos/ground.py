"""The ground for hazards: a copy of the sources, references to compare with, and the commands."""

import itertools
import os
import shutil
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.chaos.process import PATIENCE, Ended, Process, promise
from tests.chaos.promises import fine, quiet

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
#: What every workdir is called: reports say so.
RUN = "run"


class Skipped(Exception):
    """A trial cannot take place here; the message says why."""


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


# What references are made of


def _finished(ground: Ground, path: Path) -> None:
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # it compiles
        ground.run(train(ground.root / "first"))  # which is no part of how long a run takes
    ground.undisturbed("train", train(path))


def _ended(ground: Ground, path: Path) -> None:
    """At its end, which only has to be written down."""
    shutil.copytree(ground.reference("finished"), path)
    for name in ("DONE", "summary.json", "report.html", "report.md", "report.tex", "report.csv"):
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

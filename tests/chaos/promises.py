"""What is promised of a command that has ended, and of the files that it leaves: each raises Broken if it is not so."""

import contextlib
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lamv.errors import LamvError
from tests.chaos.process import Broken, Ended, promise

#: The exit codes of mistakes.
CODES = {kind.exit_code for kind in LamvError.__subclasses__()} - {1}
STRAYS = re.compile(r"\..*\.tmp|.*orbax-checkpoint-tmp.*|\.trash")
TRACEBACK = "Traceback (most recent call last)"


@contextlib.contextmanager
def after(what: str) -> Iterator[None]:
    """What is broken within is told with what had happened."""
    try:
        yield
    except Broken as error:
        raise Broken(f"after {what}: {error}") from None


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
    same(workdir, reference, "report.html", "report.md", "report.tex", "report.csv")
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

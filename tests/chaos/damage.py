"""Files of a workdir that are not what they were, and what commands make of them."""

import json
import shutil
from pathlib import Path

from tests.chaos.ground import RUN, evaluate, report, theory, train
from tests.chaos.harm import DAMAGES, FILES, PARTS, flip, pick
from tests.chaos.process import Ended, promise
from tests.chaos.promises import after, evaluated, fine, fine_or_refused, same, trained
from tests.chaos.registry import Trial, hazard

#: Of FILES, those where a bit may matter.
JSON = FILES[:-1]
EVALUATION = ("evaluation.jsonl", "evaluation_curves.jsonl", "evaluation_provenance.json")
CHIEF_PARTS = ("arrays", "manifest", "tree", "seal")
SITUATIONS = ("half", "ended", "finished")
#: Flips of one trial of `flips_in_reading`.
READINGS = 50


def situation(trial: Trial, which: str | None = None) -> tuple[str, Path]:
    """A copy of a run that is half done, at its end, or finished."""
    which = which or trial.chance.choice(SITUATIONS)
    return which, trial.ground.copy(which, trial.home / RUN)


# A bit


@hazard(
    "flips train", "one flipped bit, then training: detected or harmless; always the same bits at exit 0",
    cases=[*PARTS, *["arrays"] * 3, *FILES, *JSON], share=1.5,
)  # fmt: skip
def flips_in_training(trial: Trial) -> None:
    which, workdir = situation(trial, "ended" if trial.case in PARTS and trial.chance.random() < 0.5 else None)
    if trial.case in ("summary.json", "DONE"):
        shutil.rmtree(workdir)
        which, workdir = situation(trial, "finished")
    with after(f"{flip(pick(workdir, trial.case, trial.chance), trial.chance)}, of a run that is {which}"):
        ended = train_over(trial, workdir, trial.case)
        promise(ended.code == 0 or trial.case not in PARTS, "it does not go on from the checkpoint before", ended)
        told = "config.json" in ended.last or " -> " in ended.last
        promise(ended.code == 0 or trial.case != "config.json" or told, "it does not say what differs", ended)


def train_over(trial: Trial, workdir: Path, damaged: str = "") -> Ended:
    """Training over damage: it comes to the same end; or it is refused, and leaves the other files as they are."""
    whole = trial.ground.reference("finished")
    was_done = (workdir / "DONE").is_file()
    ended = fine_or_refused(trial.ground.run(train(workdir)), 65, 73, 74, 78)
    trial.seen.longer("command", ended.seconds)
    trial.seen.counted["the same bits" if ended.code == 0 else f"exit {ended.code}"] += 1
    said = any(word in ended.err for word in ("damaged", "cannot be", "not what", "not as", "written again", "missing"))
    trial.seen.counted["of these said"] += ended.code == 0 and said
    if ended.code == 0:
        trained(workdir, whole)
    elif was_done:
        same(workdir, whole, *({"DONE", "metrics.jsonl", "summary.json"} - {damaged}))
    return ended


def evaluate_over(trial: Trial, workdir: Path) -> Ended:
    """Evaluating over damage: the same numbers, or an error."""
    whole = trial.ground.reference("evaluated")
    ended = fine_or_refused(trial.ground.run(evaluate(workdir)), 64, 65, 73, 74, 78)
    trial.seen.longer("command", ended.seconds)
    trial.seen.counted["the same numbers" if ended.code == 0 else f"exit {ended.code}"] += 1
    if ended.code == 0:
        evaluated(workdir, whole)
    return ended


def report_over(trial: Trial, workdir: Path) -> Ended:
    """A report on damage: it shows what the files say, or there is an error."""
    ended = fine_or_refused(trial.ground.run(report(workdir)), 65, 73, 74)
    trial.seen.longer("command", ended.seconds)
    trial.seen.counted["a report" if ended.code == 0 else f"exit {ended.code}"] += 1
    return ended


@hazard(
    "flips evaluate", "one flipped bit, then evaluate: an error, or the same numbers", cases=[*PARTS, *FILES], share=0.4
)
def flips_in_evaluating(trial: Trial) -> None:
    workdir = trial.ground.copy("finished", trial.home / RUN)
    with after(flip(pick(workdir, trial.case, trial.chance), trial.chance)):
        evaluate_over(trial, workdir)


@hazard(
    "flips report", "one flipped bit, then report: a report, or an error", share=0.4,
    cases=[*JSON, *EVALUATION],
)  # fmt: skip
def flips_in_reporting(trial: Trial) -> None:
    workdir = trial.ground.copy("evaluated", trial.home / RUN)
    with after(flip(workdir / trial.case, trial.chance)):
        report_over(trial, workdir)


@hazard(
    "flips theory", "one flipped bit of a finished experiment, then the same command: refused, said, or the same numbers",
    cases=["summary.json", "DONE", "config.json", "provenance.json", "timing.jsonl"], share=0.2,
)  # fmt: skip
def flips_of_an_experiment(trial: Trial) -> None:
    workdir = trial.ground.copy("theory", trial.home / RUN)
    with after(flip(workdir / trial.case, trial.chance)):
        ended = fine_or_refused(trial.ground.run(theory(workdir)), 74, 78)
        trial.seen.longer("command", ended.seconds)
        trial.seen.counted["the same numbers" if ended.code == 0 else f"exit {ended.code}"] += 1
        if ended.code == 0:
            same(workdir, trial.ground.reference("theory"), "summary.json", "DONE")


@hazard("flips read", "one flipped bit in a checkpoint's arrays or seal, read by the reader of checkpoints", share=0.1)
def flips_in_reading(trial: Trial) -> None:
    """In one process of its own, for hundreds of them."""
    workdir = trial.ground.copy("finished", trial.home / RUN)
    argv = ["python", "-m", "tests.chaos.reading", str(workdir), str(trial.chance.randrange(2**32)), str(READINGS)]
    ended = fine(trial.ground.run(argv, patience=600))
    found = json.loads(ended.out.splitlines()[-1])
    trial.seen.counted.update(found)
    promise(found["read"] == READINGS and not found["wrong"], f"wrong values were read: {found}", ended)


# A file


@hazard(
    "files", "a file cut, emptied, deleted, of another kind or content: the same bits, or an error; mended, the same bits",
    cases=[*(f"{name}/{damage}" for name in FILES for damage in DAMAGES),
           *(f"{name}/{damage}" for name in CHIEF_PARTS for damage in list(DAMAGES)[:-2])],
    share=1.0,
)  # fmt: skip
def files(trial: Trial) -> None:
    name, damage = trial.case.split("/")
    which, workdir = situation(trial, "finished" if name in ("summary.json", "DONE") else None)
    path = pick(workdir, name, trial.chance)
    content = path.read_bytes()
    DAMAGES[damage](path, trial.chance)
    with after(f"{damage}: {path.name} of a run that is {which}"):
        ended = train_over(trial, workdir, name)
    if ended.code and path.parent.is_dir():
        with after(f"{damage}: {path.name} of a run that is {which}, which was put back"):
            put_back(path, content)
            fine(trial.ground.run(train(workdir)))
            trained(workdir, trial.ground.reference("finished"))


def put_back(path: Path, content: bytes) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.write_bytes(content)


@hazard(
    "files others", "the same, then evaluate or report", share=0.4,
    cases=[*(f"evaluate/{name}" for name in (*FILES, *PARTS)), *(f"report/{name}" for name in (*FILES, *EVALUATION))],
)  # fmt: skip
def files_in_other_commands(trial: Trial) -> None:
    command, name = trial.case.split("/")
    workdir = trial.ground.copy("finished" if command == "evaluate" else "evaluated", trial.home / RUN)
    path = pick(workdir, name, trial.chance) if name in (*FILES, *PARTS) else workdir / name
    damage = trial.chance.choice(list(DAMAGES))
    DAMAGES[damage](path, trial.chance)
    with after(f"{damage}: {path.name}"):
        (evaluate_over if command == "evaluate" else report_over)(trial, workdir)

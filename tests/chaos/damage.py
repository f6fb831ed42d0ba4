"""Files of a workdir that are not what they were, and what commands make of them."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.chaos.ground import (
    COMMANDS,
    RUN,
    Broken,
    Ended,
    evaluate,
    evaluated,
    fine,
    fine_or_refused,
    promise,
    refused,
    same,
    theory,
    train,
    trained,
)  # fmt: skip
from tests.chaos.harm import DAMAGES, FILES, PARTS, flip, pick, steps
from tests.chaos.registry import Trial, hazard

#: Of FILES, those where a bit may matter.
JSON = FILES[:-1]
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
    told = flip(pick(workdir, trial.case, trial.chance), trial.chance)
    ended = trial.ground.run(train(workdir))
    after(trial, ended, workdir, f"{told}, of a run that is {which}", must=trial.case in PARTS)


def after(trial: Trial, ended: Ended, workdir: Path, told: str, must: bool = False) -> None:
    """Training over damage: it comes to the same end, or is refused, unless it `must` come to it."""
    trial.seen.longer("command", ended.seconds)
    try:
        if must:
            fine(ended)
        fine_or_refused(ended, 65, 73, 74, 78)
        if ended.code == 0:
            trained(workdir, trial.ground.reference("finished"))
    except Broken as error:
        raise Broken(f"after {told}: {error}\n{ended.shown()}") from None
    trial.seen.counted["the same bits" if ended.code == 0 else f"exit {ended.code}"] += 1
    said = any(word in ended.err for word in ("damaged", "cannot be", "not what", "not as", "written again", "missing"))
    trial.seen.counted["of these said"] += ended.code == 0 and said


@hazard(
    "flips evaluate", "one flipped bit, then evaluate: an error, or the same numbers", cases=[*PARTS, *FILES], share=0.4
)
def flips_in_evaluating(trial: Trial) -> None:
    workdir = trial.ground.copy("finished", trial.home / RUN)
    trial.ground.reference("evaluated")
    told = flip(pick(workdir, trial.case, trial.chance), trial.chance)
    ended = trial.ground.run(evaluate(workdir))
    after_evaluating(trial, ended, workdir, told)


def after_evaluating(trial: Trial, ended: Ended, workdir: Path, told: str) -> None:
    trial.seen.longer("command", ended.seconds)
    trial.seen.counted["the same numbers" if ended.code == 0 else f"exit {ended.code}"] += 1
    try:
        fine_or_refused(ended, 64, 65, 73, 74, 78)
        if ended.code == 0:
            evaluated(workdir, trial.ground.reference("evaluated"))
    except Broken as error:
        raise Broken(f"after {told}: {error}\n{ended.shown()}") from None


@hazard(
    "flips report", "one flipped bit, then report: a report, or an error", share=0.4,
    cases=[name for name in (*FILES, "evaluation.jsonl", "evaluation_curves.jsonl", "evaluation_provenance.json")
           if name != ".lock"],
)  # fmt: skip
def flips_in_reporting(trial: Trial) -> None:
    workdir = trial.ground.copy("evaluated", trial.home / RUN)
    if not (workdir / trial.case).stat().st_size:
        return
    told = flip(workdir / trial.case, trial.chance)
    _reports(trial, workdir, told)


def _reports(trial: Trial, workdir: Path, told: str) -> None:
    ended = trial.ground.run(COMMANDS["report"](workdir))
    trial.seen.longer("command", ended.seconds)
    trial.seen.counted["a report" if ended.code == 0 else f"exit {ended.code}"] += 1
    try:
        fine_or_refused(ended, 65, 73, 74)
    except Broken as error:
        raise Broken(f"after {told}: {error}") from None


@hazard(
    "flips theory", "one flipped bit of a finished experiment, then the same command: refused, said, or the same numbers",
    cases=["summary.json", "DONE", "config.json", "provenance.json", "timing.jsonl"], share=0.2,
)  # fmt: skip
def flips_of_an_experiment(trial: Trial) -> None:
    workdir = trial.ground.copy("theory", trial.home / RUN)
    told = flip(workdir / trial.case, trial.chance)
    ended = trial.ground.run(theory(workdir))
    trial.seen.longer("command", ended.seconds)
    trial.seen.counted["the same" if ended.code == 0 else f"exit {ended.code}"] += 1
    try:
        fine_or_refused(ended, 74, 78)
        if ended.code == 0:
            same(workdir, trial.ground.reference("theory"), "summary.json", "DONE")
    except Broken as error:
        raise Broken(f"after {told}: {error}\n{ended.shown()}") from None


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
    before = path.read_bytes()
    DAMAGES[damage](path, trial.chance)
    told = f"{damage}: {path.name} of a run that is {which}"
    after(trial, trial.ground.run(train(workdir)), workdir, told)
    if not (workdir / "DONE").is_file() or damage in ("a folder", "a pipe", "a link", "a device"):
        mended(trial, workdir, path, before, told)


def mended(trial: Trial, workdir: Path, path: Path, content: bytes, told: str) -> None:
    """The file is put back, and the run comes to its end."""
    if not path.parent.is_dir():  # put aside, with its checkpoint
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    try:
        fine(trial.ground.run(train(workdir)))
        trained(workdir, trial.ground.reference("finished"))
    except Broken as error:
        raise Broken(f"after {told}, which was put back: {error}") from None


@hazard(
    "files others", "the same, then evaluate or report", share=0.4,
    cases=[*(f"evaluate/{name}" for name in (*FILES, *PARTS)), *(f"report/{name}" for name in FILES),
           *(f"report/{name}" for name in ("evaluation.jsonl", "evaluation_curves.jsonl", "evaluation_provenance.json"))],
)  # fmt: skip
def files_in_other_commands(trial: Trial) -> None:
    command, name = trial.case.split("/")
    workdir = trial.ground.copy("finished" if command == "evaluate" else "evaluated", trial.home / RUN)
    trial.ground.reference("evaluated")
    path = pick(workdir, name, trial.chance) if name in (*FILES, *PARTS) else workdir / name
    damage = trial.chance.choice(list(DAMAGES))
    DAMAGES[damage](path, trial.chance)
    told = f"{damage}: {path.name}"
    if command == "evaluate":
        after_evaluating(trial, trial.ground.run(evaluate(workdir)), workdir, told)
    else:
        _reports(trial, workdir, told)


# The steps


def _swapped(folder: Path, have: list[int], trial: Trial) -> None:
    one, other = (folder / str(step) for step in (have[0], have[-1]))
    one.rename(folder / "between")
    other.rename(one)
    (folder / "between").rename(other)


def _step_deleted(folder: Path, have: list[int], trial: Trial) -> None:
    shutil.rmtree(folder / str(trial.chance.choice(have)))


def _half_deleted(folder: Path, have: list[int], trial: Trial) -> None:
    shutil.rmtree(folder / str(have[-1]) / trial.chance.choice(["state", "meta"]))


def _copied(to: int):
    return lambda folder, have, trial: shutil.copytree(folder / str(have[-1]), folder / str(to))


def _renamed(to: int):
    return lambda folder, have, trial: (folder / str(have[-1])).rename(folder / str(to))


def _of_another_seed(folder: Path, have: list[int], trial: Trial) -> None:
    shutil.rmtree(folder / str(have[-1]))
    shutil.copytree(
        trial.ground.reference("other seed") / "checkpoints" / "40", folder / str(trial.chance.choice([40, have[-1]]))
    )


def _all_of_another_seed(folder: Path, have: list[int], trial: Trial) -> None:
    shutil.rmtree(folder)
    shutil.copytree(trial.ground.reference("other seed") / "checkpoints", folder)


def _emptied(folder: Path, have: list[int], trial: Trial) -> None:
    for step in have:
        shutil.rmtree(folder / str(step))


def _tmp_left(folder: Path, have: list[int], trial: Trial) -> None:
    """What Orbax leaves where it is killed, or more."""
    left = folder / f"{trial.chance.choice([have[-1], 50])}.orbax-checkpoint-tmp"
    if trial.chance.random() < 0.5:
        shutil.copytree(folder / str(have[-1]), left)
    else:
        left.mkdir()


def _trash_left(folder: Path, have: list[int], trial: Trial) -> None:
    shutil.copytree(folder / str(have[0]), folder / ".trash" / "5")


STEPS: dict[str, Callable[[Path, list[int], Trial], object]] = {
    "swapped": _swapped,
    "renamed to a later one": _renamed(60),
    "renamed to an earlier one": _renamed(5),
    "renamed to a step between": _renamed(25),
    "copied to a later one": _copied(60),
    "copied to a step between": _copied(15),
    "copied beyond any": _copied(10**12),
    "of another seed": _of_another_seed,
    "all of another seed": _all_of_another_seed,
    "one deleted": _step_deleted,
    "half deleted": _half_deleted,
    "all deleted": _emptied,
    "the folder deleted": lambda folder, have, trial: shutil.rmtree(folder),
    "the folder a file": lambda folder, have, trial: (shutil.rmtree(folder), folder.write_text("")),
    "the folder a link": lambda folder, have, trial: folder.symlink_to(folder.rename(trial.home / "away")),
    "an empty one": lambda folder, have, trial: (folder / "50").mkdir(),
    "a file among them": lambda folder, have, trial: (folder / trial.chance.choice(["50", "notes.txt"])).write_text("hello"),
    "a link among them": lambda folder, have, trial: (folder / "50").symlink_to(
        trial.chance.choice([str(have[-1]), "nowhere", "50"])
    ),
    "a pipe among them": lambda folder, have, trial: os.mkfifo(folder / "50"),
    "leftovers": _tmp_left,
    "trash": _trash_left,
}  # fmt: skip
#: What must be refused, and never begun again in silence.
GONE = ("all deleted", "the folder deleted", "all of another seed")


@hazard(
    "steps", "checkpoints swapped, renamed, copied, exchanged, gone: the same bits, or an error; mended, the same bits",
    cases=[f"{which}/{damage}" for which in ("half", "ended") for damage in STEPS], share=0.7,
)  # fmt: skip
def steps_in_training(trial: Trial) -> None:
    which, damage = trial.case.split("/")
    _, workdir = situation(trial, which)
    STEPS[damage](workdir / "checkpoints", steps(workdir), trial)
    ended = trial.ground.run(train(workdir))
    told = f"{damage}: checkpoints of a run that is {which}"
    if damage in GONE:
        promise(ended.code != 0, f"{told}: it begins again, or believes them", ended)
        refused(ended, 74, 78)
    after(trial, ended, workdir, told)
    if ended.code:
        _put_back(trial, workdir, which)
        try:
            fine(trial.ground.run(train(workdir)))
            trained(workdir, trial.ground.reference("finished"))
        except Broken as error:
            raise Broken(f"{told}, which were put back: {error}") from None


def _put_back(trial: Trial, workdir: Path, which: str) -> None:
    folder = workdir / "checkpoints"
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink(missing_ok=True)
    else:
        shutil.rmtree(folder)
    shutil.copytree(trial.ground.reference(which) / "checkpoints", folder)


@hazard("steps evaluate", "the same, of a finished run, then evaluate: an error, or the same numbers", list(STEPS), 0.3)
def steps_in_evaluating(trial: Trial) -> None:
    workdir = trial.ground.copy("finished", trial.home / RUN)
    trial.ground.reference("evaluated")
    STEPS[trial.case](workdir / "checkpoints", steps(workdir), trial)
    ended = trial.ground.run(evaluate(workdir))
    if ended.code == 0 and '"step": 40' not in (workdir / "evaluation.jsonl").read_text():
        # The last of those that are left is evaluated, and says so.
        promise("step 40 evaluated" not in ended.err, "it names a step that it did not evaluate", ended)
        fine(ended)
        trial.seen.counted["another step"] += 1
        return
    after_evaluating(trial, ended, workdir, f"{trial.case}: checkpoints")


@hazard("other data", "a run goes on, and its data is no longer the same: exit 78; with the data back, the same bits")
def other_data(trial: Trial) -> None:
    ground, data = trial.ground, trial.home / "mine.npz"
    knobs = ("--config.data.name=npz", f"--config.data.path={data}", "--config.data.shortcut.kind=none", "--config.seeds=1",
             "--config.data.train_size=200")  # fmt: skip
    _write_data(data, 0)
    fine(ground.run(train(trial.home / "whole", *knobs)))
    ended = ground.run(train(trial.home / RUN, *knobs), LAMV_FAIL="saving:3")
    promise(ended.code == -9, "it was not killed", ended)
    content = data.read_bytes()
    _write_data(data, 1)
    refused(ground.run(train(trial.home / RUN, *knobs)), 78, words=["sha256"])
    (trial.home / RUN / "provenance.json").unlink()
    refused(ground.run(train(trial.home / RUN, *knobs)), 78, words=["other data"])
    data.write_bytes(content)
    fine(ground.run(train(trial.home / RUN, *knobs)))
    trained(trial.home / RUN, trial.home / "whole")


def _write_data(path: Path, seed: int) -> None:
    import numpy as np

    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=300)
    np.savez(path, inputs=rng.normal(size=(300, 5)) + 2 * labels[:, None], labels=labels)

"""Checkpoints in the wrong place, of another run, or gone; and data that is another."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.chaos.damage import situation, train_over
from tests.chaos.ground import RUN, evaluate, train
from tests.chaos.harm import steps
from tests.chaos.process import promise
from tests.chaos.promises import after, evaluated, fine, fine_or_refused, refused, trained
from tests.chaos.registry import Trial, hazard


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
    told = f"{damage}: checkpoints of a run that is {which}"
    with after(told):
        ended = train_over(trial, workdir)
        promise(ended.code or damage not in GONE, "it begins again, or believes them", ended)
    if ended.code:
        with after(f"{told}, which were put back"):
            _put_back(trial, workdir, which)
            fine(trial.ground.run(train(workdir)))
            trained(workdir, trial.ground.reference("finished"))


def _put_back(trial: Trial, workdir: Path, which: str) -> None:
    folder = workdir / "checkpoints"
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink(missing_ok=True)
    else:
        shutil.rmtree(folder)
    shutil.copytree(trial.ground.reference(which) / "checkpoints", folder)


@hazard("steps evaluate", "the same, of a finished run, then evaluate: an error, or the same numbers", list(STEPS), 0.3)
def steps_in_evaluating(trial: Trial) -> None:
    """Of those that are left the last is evaluated, and named."""
    ground, workdir = trial.ground, trial.ground.copy("finished", trial.home / RUN)
    whole = ground.reference("evaluated")
    STEPS[trial.case](workdir / "checkpoints", steps(workdir), trial)
    with after(f"{trial.case}: checkpoints"):
        ended = fine_or_refused(ground.run(evaluate(workdir)), 74, 78)
        trial.seen.longer("command", ended.seconds)
        if ended.code:
            trial.seen.counted[f"exit {ended.code}"] += 1
        elif "step 40 evaluated" in ended.err:
            trial.seen.counted["the same numbers"] += 1
            evaluated(workdir, whole)
        else:
            trial.seen.counted["another step"] += 1
            named = {int(step) for step in re.findall(r"step (\d+) evaluated", ended.err)}
            lines = [json.loads(line) for line in (workdir / "evaluation.jsonl").read_text().splitlines()]
            promise(named and named == {line["step"] for line in lines}, "it names another step than it shows", ended)


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

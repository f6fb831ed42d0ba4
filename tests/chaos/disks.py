"""Disks that are full, read-only, or open to others."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.ground import COMMANDS, RUN, Skipped, train
from tests.chaos.process import Ended, promise
from tests.chaos.promises import complete, fine, no_strays, refused, trained
from tests.chaos.registry import Trial, hazard

#: CPU seconds in which a workdir that cannot be written to must be refused.
AT_ONCE = 5.0
PLENTY = "64m"


@contextlib.contextmanager
def disk(at: Path, size: str) -> Iterator[Path]:
    """A disk of that size at a folder; taken away again in any case. Raises Skipped for who is not root."""
    at.mkdir()
    try:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", at]
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        at.rmdir()
        why = error.stderr.decode().strip() if isinstance(error, subprocess.CalledProcessError) else error
        raise Skipped(f"no disk can be mounted: {why}") from None
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", at], check=False, capture_output=True)


def remount(at: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", at], check=True, capture_output=True)


def fill(at: Path, leave: int = 0) -> Path:
    """A file that takes all the space but so many bytes."""
    filler = at / "filler"
    with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while room := max(shutil.disk_usage(at).free - leave, 0):
            file.write(bytes(min(room, 1 << 20)))
    return filler


def full(trial: Trial, ended: Ended, workdir: Path, *words: str) -> None:
    """The command says that the disk is full, and has left no temporary file on it."""
    refused(ended, 74, words=words)
    no_strays(workdir)
    trial.seen.counted["exit 74"] += 1
    trial.seen.longer("command", ended.seconds)


@hazard("full disk", "too small from the start: exit 74 before step 1, with the bytes; freed, the same bits", share=0.1)
def full_from_the_start(trial: Trial) -> None:
    with disk(trial.home / "disk", f"{4 * trial.chance.randint(1, 100)}k") as at:
        workdir = at / RUN
        ended = trial.ground.run(train(workdir))
        full(trial, ended, at, r"[\d.]+ \w+ are needed", r"[\d.]+ \w+ are free")
        metrics = workdir / "metrics.jsonl"
        promise(not metrics.exists() or not metrics.stat().st_size, "it has begun to train", ended)
        remount(at, f"size={PLENTY}")
        fine(trial.ground.run(train(workdir)))
        trained(workdir, trial.ground.reference("finished"))


@hazard(
    "filling disk", "it fills up meanwhile: exit 74, the last line; freed, the same bits",
    ["train", "train with some room", "evaluate", "report", "theory"], share=0.3,
)  # fmt: skip
def full_meanwhile(trial: Trial) -> None:
    ground, chance = trial.ground, trial.chance
    command = trial.case.partition(" ")[0]
    finished = {"train": "finished", "evaluate": "evaluated", "report": "reported", "theory": "theory"}[command]
    ground.reference(finished)
    with disk(trial.home / "disk", "8m") as at:
        workdir = at / RUN
        if command in ("evaluate", "report"):
            ground.copy("finished" if command == "evaluate" else "evaluated", workdir)
        process = ground.start(COMMANDS[command](workdir))
        if command == "train":
            process.wait(60, lambda: (workdir / "metrics.jsonl").exists())
            process.wait(chance.uniform(0, 0.5))
        else:
            process.wait(chance.uniform(0, 0.9 * ground.lasts[command]))
        filler = fill(at, leave=chance.randrange(1 << 18) if "room" in trial.case else 0)
        ended = process.end()
        if ended.code == 0:
            fine(ended)
            trial.seen.counted["done before"] += 1
        else:
            full(trial, ended, at)
        filler.unlink()
        fine(ground.run(COMMANDS[command](workdir)))
        complete(command, workdir, ground.reference)


@hazard(
    "read-only", "a workdir on a read-only disk: exit 73 before anything is compiled; writable again, the same bits",
    ["train/nothing", "train/half", "train/ended", "evaluate/evaluated", "report/reported", "theory/nothing"],
)  # fmt: skip
def read_only(trial: Trial) -> None:
    ground = trial.ground
    command, before = trial.case.split("/")
    with disk(trial.home / "disk", PLENTY) as at:
        workdir = at / RUN
        if before != "nothing":
            ground.copy(before, workdir)
        remount(at, "ro")
        ended = ground.run(COMMANDS[command](workdir))
        refused(ended, 73)
        if command in ("train", "theory"):
            promise(ended.cpu < AT_ONCE, f"it takes {ended.cpu:.1f} CPU s to refuse", ended)
            trial.seen.longer("CPU s to refuse", ended.cpu)
        remount(at, "rw")
        no_strays(at)
        fine(ground.run(COMMANDS[command](workdir)))
        complete(command, workdir, ground.reference)


#: Names that a stranger may take in a workdir, and the commands that write there.
PLANTED = [
    *(f"train/{name}" for name in ("metrics.jsonl", "timing.jsonl", ".lock", "checkpoints", "config.json", "provenance.json",
                                   "summary.json", "DONE", "report.html")),
    *(f"evaluate/{name}" for name in ("evaluation.jsonl", "evaluation_curves.jsonl", "report.html")),
    "report/report.html", "theory/summary.json", "theory/.lock", "theory/timing.jsonl",
]  # fmt: skip


@hazard("planted links", "a link to a file of ours in a workdir that everybody may write to: that file stays", PLANTED)
def planted_links(trial: Trial) -> None:
    ground, workdir, outside = trial.ground, trial.home / RUN, trial.home / "outside"
    command, name = trial.case.split("/")
    if command in ("evaluate", "report"):
        ground.copy("finished", workdir)
        (workdir / name).unlink(missing_ok=True)
    workdir.mkdir(exist_ok=True)
    workdir.chmod(0o777)
    if name == "checkpoints":
        outside.mkdir()
        (outside / "10").mkdir()
        (outside / "notes").write_text("mine")
    else:
        outside.write_text("mine")
    (workdir / name).symlink_to(outside)
    ended = ground.run(COMMANDS[command](workdir))
    if outside.is_dir():
        left = sorted(str(path.relative_to(outside)) for path in outside.rglob("*"))
        promise(left == ["10", "notes"], f"what lies outside has become {left}", ended)
    else:
        promise(outside.read_text() == "mine", "the file outside was written to", ended)
    if command in ("train", "theory"):
        refused(ended, 73, words=["is a link"])
    elif ended.code:
        refused(ended, 73)
    trial.seen.longer("command", ended.seconds)
    trial.seen.counted["refused" if ended.code else "the link was replaced"] += 1


CACHES = ["LAMV_CACHE", "JAX_COMPILATION_CACHE_DIR"]


@hazard("foreign caches", "a cache that everybody may write to is not believed: exit 73", CACHES)
def foreign_caches(trial: Trial) -> None:
    cache, data = trial.home / "cache", trial.home / "photographs"
    (cache / "images").mkdir(parents=True)
    for path in (cache, cache / "images"):
        path.chmod(0o777)
    _photographs(data)
    knobs = (
        "--config.data.name=image_folder", f"--config.data.path={data}", "--config.data.shortcut.kind=none",
        "--config.data.image_size=8", "--config.data.train_size=None", "--config.batch_size=8", "--config.steps=2",
    )  # fmt: skip
    ended = trial.ground.run(train(trial.home / RUN, *knobs), **{trial.case: str(cache)})
    refused(ended, 73, words=[trial.case])


def _photographs(folder: Path) -> None:
    import numpy as np
    from PIL import Image

    for split in ("train", "test"):
        for label in "ab":
            (folder / split / label).mkdir(parents=True)
            for number in range(8):
                pixels = np.random.default_rng(number).integers(0, 256, (12, 12, 3), np.uint8)
                Image.fromarray(pixels).save(folder / split / label / f"{number}.png")

"""Commands that are killed, or asked to stop, or not alone."""

import signal
from pathlib import Path

from lamv.failpoints import POINTS
from tests.chaos.ground import COMMANDS, RUN, evaluate, report, train
from tests.chaos.harm import spoil_newest
from tests.chaos.process import Ended, promise
from tests.chaos.promises import complete, fine, fine_or_refused, quiet, refused, trained
from tests.chaos.registry import Trial, hazard

#: About how often a run comes by a failpoint.
MOST = {"advanced": 8, "appended": 16, "saving": 4, "saved": 4, "putting_aside": 1, "replacing": 8}
#: CPU seconds that a command may take from a signal to its end, and before it hears signals at all.
TO_STOP, TO_LISTEN = 5.0, 0.4
SECOND_SIGNAL = 0.05
#: What is said of a run that has no checkpoint yet.
FROM_0 = "begins at step 0 again"


def again(trial: Trial, workdir: Path) -> None:
    """Train to the end; what was trained before is taken up, or that it cannot be is said."""
    lines, folder = workdir / "metrics.jsonl", workdir / "checkpoints"
    had_lines = lines.exists() and lines.stat().st_size > 0
    had_checkpoints = folder.exists() and any(path.name.isdigit() for path in folder.iterdir())
    ended = fine(trial.ground.run(train(workdir)))
    takes_up = "resuming at step" in ended.err or "nothing to do" in ended.err
    promise(takes_up or not had_checkpoints, "it does not go on from its checkpoints", ended)
    promise(takes_up or FROM_0 in ended.err or not had_lines, "it begins again in silence", ended)
    trial.seen.longer("command", ended.seconds)
    trained(workdir, trial.ground.reference("finished"))


@hazard("nothing", "two unbroken runs end with the same bits", share=0.02)
def nothing(trial: Trial) -> None:
    workdir = trial.home / RUN
    trial.seen.longer("command", fine(trial.ground.run(train(workdir))).seconds)
    trained(workdir, trial.ground.reference("finished"))


@hazard("kill", "SIGKILL at random moments of training, then the same command: the same bits", share=1.0)
def kill(trial: Trial) -> None:
    ground, workdir = trial.ground, trial.home / RUN
    ground.reference("finished")
    for _ in range(trial.chance.randint(1, 3)):
        process = ground.start(train(workdir))
        process.wait(trial.chance.uniform(0, ground.lasts["train"]))
        if not process.send(signal.SIGKILL):
            fine(process.end())
            break
        quiet(process.end())
        trial.seen.counted["kills"] += 1
    again(trial, workdir)


@hazard(
    "failpoints", "SIGKILL at the moments that matter, in training, in recovery, and in the other commands: the same files",
    cases=[*(f"train/{point}" for point in POINTS if point != "putting_aside"), "recovery/putting_aside",
           "recovery/replacing", "evaluate/replacing", "report/replacing", "theory/replacing"],
    share=0.5,
)  # fmt: skip
def failpoints(trial: Trial) -> None:
    ground, workdir = trial.ground, trial.home / RUN
    where, point = trial.case.split("/")
    argv = COMMANDS["train" if where == "recovery" else where](workdir)
    most = {"recovery": 7, "evaluate": 6, "report": 3, "theory": 7}.get(where, MOST[point])
    number = trial.chance.randint(1, most if point != "putting_aside" else 1)
    if where == "recovery":
        ground.copy("ended", workdir)
        spoil_newest(workdir, trial.chance)
    elif where in ("evaluate", "report"):
        ground.copy("finished" if where == "evaluate" else "evaluated", workdir)
    ended = ground.run(argv, LAMV_FAIL=f"{point}:{number}")
    if ended.code == 0:
        promise(number > 1, f"it never comes by {point!r}", ended)
        trial.seen.counted["too late"] += 1
        fine(ended)
    else:
        promise(ended.code == -signal.SIGKILL, "it was not killed", ended)
        quiet(ended)
    finish(trial, where, workdir)


def finish(trial: Trial, command: str, workdir: Path) -> None:
    """The command once more, undisturbed, and what it leaves."""
    ground = trial.ground
    if command in ("train", "recovery"):
        again(trial, workdir)
    else:
        trial.seen.longer("command", fine(ground.run(COMMANDS[command](workdir))).seconds)
        complete(command, workdir, ground.reference)


@hazard(
    "signals", "SIGTERM or SIGINT, once or twice, at random moments: exit 75 in 5 CPU seconds, then the same bits",
    cases=[f"{command}/{name}" for command in COMMANDS for name in ("SIGTERM", "SIGINT", "SIGTERM twice", "SIGINT twice")],
    share=1.0,
)  # fmt: skip
def signals(trial: Trial) -> None:
    ground, workdir = trial.ground, trial.home / RUN
    command, _, how = trial.case.partition("/")
    number = signal.Signals[how.removesuffix(" twice")]
    ground.reference({"train": "finished", "report": "reported", "evaluate": "evaluated"}.get(command, command))
    if command in ("evaluate", "report"):
        ground.copy("finished" if command == "evaluate" else "evaluated", workdir)
    process = ground.start(COMMANDS[command](workdir))
    process.wait(trial.chance.uniform(0, ground.lasts[command]))
    if process.send(number) and how.endswith("twice"):
        process.wait(SECOND_SIGNAL)
        process.send(number)
    stopped(trial, process.end(), number)
    finish(trial, command, workdir)


def stopped(trial: Trial, ended: Ended, number: int) -> None:
    """A command that was sent a signal has ended as it should."""
    seen = trial.seen
    if ended.listened is None:
        fine(ended)
        seen.counted["too late"] += 1
    elif not ended.listened and ended.code in (-number, 1):
        promise(ended.cpu_before < TO_LISTEN, f"after {ended.cpu_before:.2f} CPU s it does not listen yet", ended)
        seen.counted["before it listens"] += 1
    else:
        promise(ended.code in (0, 75), f"{signal.Signals(number).name} makes it exit with {ended.code}, not 75", ended)
        promise(ended.cpu_after <= TO_STOP, f"it takes {ended.cpu_after:.1f} CPU s to stop", ended)
        fine_or_refused(ended, 75)
        seen.longer("signal to exit", ended.seconds_after)
        seen.longer("CPU s of that", ended.cpu_after)
        seen.counted["stopped" if ended.code else "had done"] += 1


@hazard(
    "two at once", "two processes for one workdir: one exits 73 and names the other; the same bits",
    cases=["fresh", "half"], share=0.1,
)  # fmt: skip
def two_at_once(trial: Trial) -> None:
    ground, workdir = trial.ground, trial.home / RUN
    if trial.case == "half":
        ground.copy("half", workdir)
    first = ground.start(train(workdir))
    first.wait(trial.chance.choice([0.0, 0.0, 0.01, 0.1, 1.0]))
    processes = [first, ground.start(train(workdir))]
    while all(process.running() for process in processes):
        processes[0].wait(0.05, lambda: not processes[1].running())
    ended = sorted((process.end() for process in processes), key=lambda one: one.code)
    fine(ended[0])
    refused(ended[1], 73, words=[r"is in use by \d+@\S+;"])
    trial.seen.longer("CPU s to refuse", ended[1].cpu)
    trial.seen.longer("s to refuse", ended[1].seconds)
    trained(workdir, ground.reference("finished"))


@hazard("readers", "evaluate and report beside a run that trains: no traceback, and the run's bits stay", share=0.05)
def readers(trial: Trial) -> None:
    ground, workdir = trial.ground, trial.home / RUN
    ground.reference("finished")
    runner = ground.start(train(workdir))
    runner.wait(60, lambda: (workdir / "config.json").exists())
    for command in trial.chance.sample([evaluate, report], 2):
        runner.wait(trial.chance.uniform(0, 2))
        ended = ground.run(command(workdir))
        if ended.code:
            refused(ended, 65, 74)
    fine(runner.end())
    trained(workdir, ground.reference("finished"))

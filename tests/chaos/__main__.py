"""python -m tests.chaos: see tests/chaos/__init__.py."""

import argparse
import datetime
import os
import platform
import random
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from tests.chaos.ground import Ground, Seen, Skipped
from tests.chaos.process import Broken
from tests.chaos.registry import HAZARDS, Hazard, Trial

# They fill HAZARDS, in this order.
# isort: off
from tests.chaos import interruptions, damage, checkpoints, disks, suites  # noqa: E402, F401

# isort: on

BEGIN, END = "<!-- chaos -->", "<!-- /chaos -->"


class Outcome(NamedTuple):
    """How one trial went. wrong: what was not kept; skipped: why it could not take place."""

    name: str
    seen: Seen
    wrong: str = ""
    skipped: str = ""


def chosen(only: Sequence[str], runs: int, seed: int) -> dict[str, list[tuple[str, str]]]:
    """Of every hazard asked for, its trials as (name, case); `only`: names of hazards, of cases, or of single trials."""
    found = {}
    for hazard in HAZARDS.values():
        trials = [trial for one in only or HAZARDS for trial in hazard.named(one, runs, seed)]
        if trials:
            found[hazard.name] = list(dict.fromkeys(trials))
    return found


def attempt(ground: Ground, hazard: Hazard, name: str, case: str, seed: int) -> Outcome:
    """One trial, whose chance follows from the seed and its own name."""
    home = ground.root / "trials" / name.replace("/", "__").replace(" ", "_")
    home.mkdir(parents=True)
    seen = Seen()
    wrong = skipped = ""
    try:
        hazard.attempt(Trial(ground, case, random.Random(f"{seed}/{name}"), home, seen))
    except Skipped as error:
        skipped = str(error)
    except Broken as error:
        wrong = str(error)
    except Exception as error:  # a fault of the harness, or a file that nobody thought of: to be seen, with the others
        wrong = f"{type(error).__name__}: {error}"
    if not (wrong and ground.keeps):
        shutil.rmtree(home, ignore_errors=True)
    return Outcome(name, seen, wrong, skipped)


def play(ground: Ground, plan: dict[str, list], seed: int, jobs: int, told=lambda hazard, outcomes: None):
    """All the trials, so many at a time; {hazard: outcomes}. `told` is called with what has come to an end."""
    with ThreadPoolExecutor(jobs) as pool:
        coming = {
            name: [pool.submit(attempt, ground, HAZARDS[name], trial, case, seed) for trial, case in trials]
            for name, trials in plan.items()
        }
        outcomes = {}
        for name, futures in coming.items():
            outcomes[name] = [future.result() for future in futures]
            told(name, outcomes[name])
    return outcomes


def row(name: str, outcomes: list[Outcome]) -> list[str]:
    """hazard, tried, survived, worst seconds, what was seen."""
    seen = Seen()
    for outcome in outcomes:
        seen.add(outcome.seen)
    took_place = [outcome for outcome in outcomes if not outcome.skipped]
    tried = sum(outcome.seen.tried or 1 for outcome in took_place)
    survived = sum(outcome.seen.survived if outcome.seen.tried else not outcome.wrong for outcome in took_place)
    worst = ", ".join(f"{what} {seconds:.1f}" for what, seconds in seen.longest.items())
    counted = ", ".join(f"{what}: {number}" for what, number in sorted(seen.counted.items()) if number)
    why = {outcome.skipped for outcome in outcomes if outcome.skipped}
    remarks = "; ".join([*([counted] if counted else []), *why])
    return [f"{name}: {HAZARDS[name].what}", str(tried), str(survived), worst, remarks]


HEAD = ["hazard", "tried", "survived", "worst seconds", "of these"]


def as_markdown(rows: list[list[str]]) -> str:
    lines = [HEAD, ["---", "--:", "--:", "---", "---"], *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def as_text(rows: list[list[str]]) -> str:
    lines = [HEAD, *([cells[0].partition(":")[0], *cells[1:]] for cells in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    return "\n".join("  ".join(line).rstrip() for line in padded)


def machine() -> str:
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {platform.system()}, Python {platform.python_version()}, jax {metadata.version('jax')}"


def write(path: Path, rows: list[list[str]], command: str, minutes: float) -> None:
    """Put the table between the two marks of a Markdown file."""
    text = path.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise SystemExit(f"error: {path} has not one {BEGIN} and one {END}; put them where the table is to be")
    before, _, rest = text.partition(BEGIN)
    about = f"{datetime.date.today()}: `{command}`, {minutes:.0f} minutes on {machine()}."
    path.write_text(f"{before}{BEGIN}\n{about}\n\n{as_markdown(rows)}\n{END}{rest.partition(END)[2]}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="how often each random hazard comes; some more, some less")
    parser.add_argument("--seed", type=int, default=0, help="what all chance follows from")
    parser.add_argument("--only", default="", help="names of hazards, or of single trials, with commas between")
    parser.add_argument("--write", type=Path, help="the Markdown file to put the table into")
    parser.add_argument("--jobs", type=int, default=2, help="trials at a time")
    parser.add_argument("--keep", action="store_true", help="keep the folders of trials that failed")
    parser.add_argument("--list", action="store_true", help="only list the hazards")
    given = parser.parse_args()
    only = [name.strip() for name in given.only.split(",") if name.strip()]
    plan = chosen(only, given.runs, given.seed)
    if given.list or not plan:
        for hazard in HAZARDS.values():
            print(f"{hazard.name}: {hazard.what} ({len(hazard.trials(given.runs, given.seed))} trials)")
        return 0 if given.list else f"there is no hazard {given.only!r}"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that disks are taken away
    began = time.monotonic()
    ground = Ground(keep=given.keep)

    def told(name, outcomes):
        minutes = (time.monotonic() - began) / 60
        print(f"[{minutes:5.1f} min] {' | '.join([name, *row(name, outcomes)[1:]])}", file=sys.stderr, flush=True)
        for outcome in outcomes:
            if outcome.wrong:
                print(f"  NOT SURVIVED {outcome.name}: {outcome.wrong}", file=sys.stderr, flush=True)

    try:
        outcomes = play(ground, plan, given.seed, given.jobs, told)
    finally:
        ground.close()
    rows = [row(name, of_one) for name, of_one in outcomes.items()]
    failed = [outcome for of_one in outcomes.values() for outcome in of_one if outcome.wrong]
    minutes = (time.monotonic() - began) / 60
    print(as_text(rows))
    print(f"\n{ground.commands} commands, {ground.cpu / 60:.0f} CPU minutes, {minutes:.1f} minutes on {machine()}")
    for outcome in failed:
        again = f"python -m tests.chaos --runs={given.runs} --seed={given.seed} --only={outcome.name!r} --keep"
        print(f"\n{outcome.name}: {outcome.wrong}\n  again: {again}")
    if given.write:
        options = "".join(f" --only={given.only!r}" if only else "")
        write(given.write, rows, f"python -m tests.chaos --runs={given.runs} --seed={given.seed}{options}", minutes)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""The loop of a sweep: start programs, see how they end, cut those that failed, go on."""

import logging
import shutil
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from lamv import stopping
from lamv.errors import Preempted
from lamv.sweep import collect, local, plan, show
from lamv.sweep.collect import DONE, FAILED, ProgramState, SelectionRule
from lamv.sweep.plan import SweepPlan, SweepProgram, folder_of

#: Seconds between two looks at what runs.
PAUSE = 0.2
STOPPED, IN_USE = 75, 73
#: Exit codes of what another cut would not mend: data that is wrong, a full disk, the workdir of another run.
OF_ALL = (65, 74, 78)
#: How often a program that was stopped, or whose workdir was in use, is started again, and after how many seconds.
TIMES, WAIT = 20, 3.0
logger = logging.getLogger("lamv.sweep")


class Launcher(Protocol):
    """What runs programs (lamv.sweep.local, lamv.sweep.slurm)."""

    @property
    def running(self) -> list[SweepProgram]: ...

    def start(self, waiting: Sequence[SweepProgram]) -> list[SweepProgram]: ...

    def ended(self) -> list[tuple[SweepProgram, int]]: ...

    def stop(self) -> None: ...


class Driver:
    """asked: ids of the cells of the grid."""

    def __init__(self, workdir: Path, planned: SweepPlan, asked: Sequence[str], rule: SelectionRule, command: str):
        self.plan = planned
        self._workdir, self._asked, self._rule, self._command = workdir, list(asked), rule, command
        self._known: dict[str, ProgramState] = {}
        self._starts: Counter[str] = Counter()
        self._not_before: dict[str, float] = {}
        self._content: dict[str, Any] = {}

    def to_do(self) -> list[SweepProgram]:
        """Programs with cells that are asked for, and that are neither done nor failed."""
        self.mend()
        asked = set(self._asked)
        return [
            program for program in self.plan.programs.values()
            if not program.is_final and asked & set(program.cells) and self._state(program).status == collect.WAITING
        ]  # fmt: skip

    def final(self, cell: str, number: int) -> list[SweepProgram]:
        """The training of the chosen cell with so many other seeds, unless that is done, or failed."""
        self.plan, program = self.plan.with_final(cell, number)
        self.write()
        logger.info("%s is chosen, and trained with %d other seeds", self.plan.cells[cell].name, number)
        return [program] if self._state(program).status == collect.WAITING else []

    def mend(self) -> None:
        """Cut what failed as a whole, if this was stopped before it could."""
        for program in list(self.plan.programs.values()):
            if self._state(program).status == FAILED:
                self._cut(program)

    def write(self) -> dict[str, Any]:
        """plan.json, sweep.json and sweep.csv; returns the content of sweep.json."""
        plan.write(self._workdir, self.plan)
        states = {id: self._state(program) for id, program in self.plan.programs.items()}
        self._content = collect.content(self.plan, states, self._asked, self._rule, self._command)
        collect.write(self._workdir, self._content, self.plan)
        return self._content

    def train(self, launcher: Launcher, programs: Sequence[SweepProgram]) -> None:
        """Run programs to their ends. Raises Preempted (exit 75) once all are stopped, where a signal asks for it."""
        waiting = list(programs)
        self.write()
        with stopping.StopRequest() as stop, show.Show(self._counts(), self._best) as shown:
            while waiting or launcher.running:
                if stop.asked:
                    launcher.stop()
                    self.write()
                    raise Preempted(f"stopped by {stop.asked}, {self._so_far()}; run the same command again")
                now = time.monotonic()
                started = launcher.start([one for one in waiting if self._not_before.get(one.id, 0.0) <= now])
                waiting = [program for program in waiting if program not in started]
                self._starts.update(program.id for program in started)
                for program, code in launcher.ended():
                    waiting += self._settle(program, code)
                    self.write()
                    shown.ended(self._how(program), self._counts())
                shown.draw(self._counts(), lambda: self._running(launcher), len(waiting))
                time.sleep(PAUSE)

    def _settle(self, program: SweepProgram, code: int) -> list[SweepProgram]:
        """What is to be run after a program ended: nothing, itself once more, or its parts."""
        folder = folder_of(self._workdir, program.id)
        status = self._state(program).status
        if status == DONE:
            return []
        if code in (STOPPED, IN_USE) and self._starts[program.id] < TIMES:
            self._not_before[program.id] = time.monotonic() + WAIT
            return [program]
        if status != FAILED:
            collect.failed(folder, code, _why(code))
        return self._cut(program)

    def _cut(self, program: SweepProgram) -> list[SweepProgram]:
        """Replace a program that failed by parts of it, which are to be run; [] where it has but one cell."""
        failure = self._state(program).failure
        if len(program.cells) == 1 or failure.get("exit") in OF_ALL:
            return []
        folder, culprit = folder_of(self._workdir, program.id), str(failure.get("row", ""))
        parts = plan.halves(program, culprit)
        if culprit in program.cells:
            own = folder_of(self._workdir, culprit)
            collect.failed(own, int(failure.get("exit", 1)), str(failure.get("error", "")), culprit)
            if (folder / local.LOG).is_file():
                shutil.copyfile(folder / local.LOG, own / local.LOG)
        logger.info("%s failed, and is cut into %s", program.id, " and ".join(part.id for part in parts))
        self.plan = self.plan.replaced(program, parts)
        plan.write(self._workdir, self.plan)
        shutil.rmtree(folder, ignore_errors=True)
        return [part for part in parts if self._state(part).status == collect.WAITING]

    def _state(self, program: SweepProgram) -> ProgramState:
        if program.id not in self._known:
            state = collect.state_of(folder_of(self._workdir, program.id))
            if state.status != DONE:
                return state
            self._known[program.id] = state
        return self._known[program.id]

    def _counts(self) -> show.Counts:
        cells = self._content["cells"]
        ended = Counter(cell["status"] for cell in cells)
        return show.Counts(ended[DONE], ended[FAILED], len(cells))

    def _so_far(self) -> str:
        counts = self._counts()
        return f"{counts.done} of {counts.all} cells are done, the others saved"

    def _best(self) -> str:
        """ "mixup alpha=0.5, valid/accuracy 0.912"."""
        best = next((cell for cell in self._content["cells"] if cell["id"] == self._content["best"]), None)
        if best is None:
            return ""
        return f"{best['name']}, {self._rule.metric} {best['metrics'][self._rule.metric]['mean']:.4g}"

    def _how(self, program: SweepProgram) -> str:
        """How a program ended, in words."""
        what = f"{program.id} ({self._what(program)})"
        state = self._state(program)
        if state.status == FAILED:
            return f"{what} failed: {state.failure.get('error', '')}"
        return f"{what} is {'done' if state.status == DONE else 'to be run again'}"

    def _what(self, program: SweepProgram) -> str:
        names = [self.plan.cells[cell].name for cell in program.cells]
        return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"

    def _running(self, launcher: Launcher) -> list[show.Running]:
        return [
            show.Running(
                program.id, self._what(program), len(program.cells),
                collect.progress(folder_of(self._workdir, program.id), self.plan.cells[program.cells[0]]),
            )
            for program in launcher.running
        ]  # fmt: skip


def _why(code: int) -> str:
    """Of a process that left no word of its own."""
    if code >= 0:
        return f"it ended with exit code {code}; its log says more"
    name = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
    memory = ", as the system does with a process that takes too much memory" if -code == signal.SIGKILL else ""
    return f"it was ended by {name}{memory}"

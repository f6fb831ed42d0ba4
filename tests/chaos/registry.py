"""What a hazard is, and the one list of them."""

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.chaos.ground import Ground, Seen


class Trial(NamedTuple):
    """One time that something happens. home: an empty folder for it. chance: all that is random in it."""

    ground: Ground
    case: str
    chance: random.Random
    home: Path
    seen: Seen


class Hazard(NamedTuple):
    """attempt: raises Broken where a promise is not kept. share: trials for each of --runs; 0: every case once.

    cases: what it is done to, or how; one that is listed twice comes twice as often.
    """

    name: str
    what: str
    attempt: Callable[[Trial], None]
    cases: Sequence[str]
    share: float

    def trials(self, runs: int, seed: int) -> list[tuple[str, str]]:
        """(name, case) of so many trials; which cases come where there are not enough for all follows from the seed."""
        cases = list(self.cases)
        if self.share:
            random.Random(f"{seed}/{self.name}").shuffle(cases)
        number = math.ceil(self.share * runs) if self.share else len(cases)
        times: Counter[str] = Counter()
        found = []
        for case in itertools.islice(itertools.cycle(cases), number):
            found.append((self.name_of(case, times[case]), case))
            times[case] += 1
        return found

    def name_of(self, case: str, number: int) -> str:
        return "/".join([self.name, *([case] if case else []), str(number)])

    def named(self, only: str, runs: int, seed: int) -> list[tuple[str, str]]:
        """The trials that a name stands for: of the hazard, of one of its cases, or of a single trial."""
        if only == self.name:
            return self.trials(runs, seed)
        if not only.startswith(f"{self.name}/"):
            return []
        case, _, number = only.removeprefix(f"{self.name}/").rpartition("/")
        if number.isdecimal() and case in self.cases:
            return [(only, case)]
        below = [case for case in dict.fromkeys(self.cases) if f"{self.name}/{case}/".startswith(f"{only}/")]
        return [(self.name_of(case, number), case) for case in below for number in range(max(1, runs // 10))]


HAZARDS: dict[str, Hazard] = {}


def hazard(name: str, what: str, cases: Sequence[str] = ("",), share: float = 0.0):
    def add(attempt: Callable[[Trial], None]):
        HAZARDS[name] = Hazard(name, what, attempt, tuple(cases), share)
        return attempt

    return add

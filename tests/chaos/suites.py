"""Tables of mistakes that have tests of their own: run as they are, and counted."""

import re
import xml.etree.ElementTree as ET

from tests.chaos.process import promise
from tests.chaos.registry import Trial, hazard

#: Name of a suite -> its files, and what to pick of them.
SUITES = {
    "bad configs": (["tests/test_bad_configs.py"], "not any"),
    "hostile data": (["tests/data/test_hostile_files.py"], "not any"),
    "anything": (
        ["tests/test_bad_configs.py", "tests/data/test_hostile_files.py", "tests/test_chaos.py",
         "tests/results/test_hostile_workdirs.py"],
        "any",
    ),
}  # fmt: skip
#: Examples of each test by hypothesis, where `make test` has fewer.
EXAMPLES = "100"


def suite(trial: Trial) -> None:
    paths, which = SUITES[trial.case]
    results = trial.home / "results.xml"
    argv = ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"--junitxml={results}",
            "--hypothesis-show-statistics", "-k", which, *paths]  # fmt: skip
    ended = trial.ground.run(argv, patience=1200, LAMV_EXAMPLES=EXAMPLES)
    promise(results.exists(), "the tests did not run", ended)
    cases = ET.parse(results).getroot().findall(".//testcase")
    failed = [
        f"{case.get('classname')}::{case.get('name')}" for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]  # fmt: skip
    examples = sum(map(int, re.findall(r"(\d+) passing examples", ended.out)))
    trial.seen.tried, trial.seen.survived = len(cases), len(cases) - len(failed)
    if examples:
        trial.seen.counted["examples"] += examples
    promise(cases and not failed, f"{len(failed)} of {len(cases)} tests fail: {', '.join(failed[:8])}")


hazard("bad configs", "mistakes in a recipe or a flag: one line, exit 64, nothing begun", ["bad configs"])(suite)
hazard("hostile data", "what comes in place of data: one line, exit 65, nothing hangs", ["hostile data"])(suite)
hazard("anything", "any config, any recorded config, any bytes as data or recipe: valid, or one line", ["anything"])(
    suite
)

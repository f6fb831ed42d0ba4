"""The tests of what has changed since the last commit; where nothing has, of that commit: python -m tests.at_hand

The tests mirror the package: those of lamv/core/mixing.py are tests/core/test_mixing*.py, or all of tests/core that do not
take long where none have that name.
"""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: What any change may break, and takes seconds.
ALWAYS = ("tests/test_floors.py", "tests/test_config.py")
#: Files that take 15 CPU seconds or more, the longest first.
LONG = (
    "train/test_mitigated.py", "test_chaos.py", "results/test_hostile_workdirs.py", "train/test_parallel.py",
    "test_recipes.py", "test_command_line.py", "train/test_step.py", "test_readme.py", "train/test_loop.py",
    "train/test_distill.py", "core/test_mixing_variants.py", "models/test_engine.py", "train/test_reading.py",
    "audit/test_audit.py", "evaluate/test_evaluate.py", "test_bad_configs.py", "test_spurious_command.py", "core/test_regions.py",
    "test_claims.py", "core/test_targets.py", "core/test_pairing.py", "report/test_sections.py",
    "core/test_mitigation.py", "evaluate/test_bounds.py", "evaluate/test_probes.py", "test_launch.py",
    "evaluate/test_passes.py", "core/test_methods.py", "core/test_bounds.py", "report/test_report.py",
    "theory/test_alternating_line.py", "core/test_mixing.py",
)  # fmt: skip


def changed() -> list[str]:
    """Files that differ from the last commit, new ones too; else those of that commit."""
    listed = _git("diff", "--name-only", "HEAD") + _git("ls-files", "--others", "--exclude-standard")
    return listed or _git("show", "--name-only", "--format=", "HEAD")


def tests_of(path: str) -> list[str]:
    """The test files for a file of the project; none for what no test mirrors."""
    file = Path(path)
    if file.parts[0] == "tests":
        return [path] if file.name.startswith("test_") and (ROOT / file).exists() else []
    if file.parts[0] == "experiments":
        return ["tests/test_launch.py"]
    if file.parts[0] == "examples":
        return ["tests/test_examples.py" if file.suffix == ".py" else "tests/test_notebooks.py"]
    if file.parts[0] != "lamv" or file.suffix != ".py":
        return []
    room = file.relative_to("lamv").parent
    # Of a folder without tests of its own, those of its name.
    while not (ROOT / "tests" / room).is_dir():
        file, room = room.with_suffix(".py"), room.parent
    folder, long = ROOT / "tests" / room, {ROOT / "tests" / name for name in LONG}
    found = list(folder.glob(f"test_{file.stem}*.py"))
    if not found and room.parts:
        found = [test for test in folder.rglob("test_*.py") if test not in long]
    return sorted(str(test.relative_to(ROOT)) for test in found)


def _git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


if __name__ == "__main__":
    found = [test for path in changed() for test in tests_of(path)]
    print(*dict.fromkeys([*found, *ALWAYS]))

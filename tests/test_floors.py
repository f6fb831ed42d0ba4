"""The architecture, read off the imports: they only go down, and what is read from disk is never run."""

import ast
import functools
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {
    "catalog": 0,
    "core": 0,
    "errors": 0,
    "failpoints": 0,
    "files": 0,
    "stopping": 0,
    "claims": 0,
    "heartbeat": 0,
    "knobs": 0,
    "memory": 0,
    "paths": 0,
    "recipes": 0,
    "places": 0,
    "xla": 0,
    "data": 1,
    "models": 1,
    "unused": 1,
    "config": 1,
    "rows": 1,
    "row_names": 1,
    "train": 2,
    "theory": 3,
    "results": 3,
    "compare": 4,
    "report": 5,
    "evaluate": 5,
    "audit": 6,
    "suite": 6,
    "verify": 6,
    "api": 6,
    "__main__": 7,
    "trackers": 6,
    "sweep": 6,
}
COMMANDS = 7
FILES = sorted([*ROOT.glob("lamv/**/*.py"), *ROOT.glob("experiments/**/*.py")])

#: Packages that bring an accelerator's runtime with them, directly or not.
HEAVY = {"jax", "jaxlib", "flax", "optax", "orbax", "chex", "tensorflow_datasets"}
#: What these files import must be had without jax: a report is read where nothing was trained.
LIGHT = [
    "lamv.errors",
    "lamv.knobs",
    "lamv.xla",
    "lamv.claims",
    "lamv.core.intervals",
    "lamv.api",
    "experiments.report",
    "experiments.export",
]
#: As these rooms, with all that is in them.
LIGHT_ROOMS = ("lamv.catalog", "lamv.results", "lamv.compare", "lamv.report", "lamv.trackers")
#: The one unpickler looks names up in a short list; see there.
MAY_UNPICKLE = "lamv/data/formats/pickles.py"
RUNS_WHAT_IT_READS = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


def module_of(file: Path) -> str:
    name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


MODULES = {module_of(file): file for file in FILES}


@functools.cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


@functools.cache
def imports(file: Path, at_import: bool = False) -> set[str]:
    """Names of the imported modules; with `at_import`, only those that importing the file imports."""
    found = set()
    for node in _run_at_import(parsed(file)) if at_import else ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import; write the full name, so that the floor can be seen"
            # `from lamv.data import cifar` imports a module, `from lamv.data import load` a name of one.
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return found


def _run_at_import(tree: ast.AST):
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield node
        yield from _run_at_import(node)


def floor(module: str) -> int | None:
    """The floor of one of our modules; None for the package itself and for what is not ours."""
    package, *rest = module.split(".")
    if package == "experiments":
        return COMMANDS
    return FLOORS[rest[0]] if package == "lamv" and rest else None


def imported_with(module: str) -> set[str]:
    """All that importing one of our modules imports, ours and others, packages above included."""
    seen, waiting = set(), {module}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in MODULES:
            above = {name.rpartition(".")[0]} - {""}
            waiting |= above | imports(MODULES[name], at_import=True)
    return seen


def relative(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@pytest.fixture(params=FILES, ids=relative)
def file(request):
    return request.param


def test_there_is_something_to_look_at():
    assert {"lamv.config", "lamv.core.mixing", "lamv.train.step", "experiments.train"} <= set(MODULES)


def test_every_module_has_a_floor():
    homeless = [m for m in MODULES if m.startswith("lamv.") and m.split(".")[1] not in FLOORS]
    assert not homeless, f"{homeless} stand on no floor; give them one in FLOORS, and say so in the architecture notes"


def test_imports_only_go_down(file):
    own = floor(module_of(file))
    for name in imports(file):
        if own is not None and floor(name) is not None:
            assert floor(name) <= own, f"{relative(file)}, on floor {own}, imports {name}, on floor {floor(name)}"


def test_floor_0_can_be_lifted_into_another_project(file):
    if not module_of(file).startswith("lamv.core"):
        return
    for name in imports(file):
        package = name.split(".")[0]
        allowed = package in {"jax", "numpy", "optax", "scipy", *sys.stdlib_module_names} or name.startswith(
            "lamv.core"
        )
        assert allowed, f"{relative(file)} imports {name}; floor 0 knows arrays only: no config, no files, no flax"


def test_experiments_on_theory_and_their_page_meet_in_files_only(file):
    """Neither imports the other: a page is made from a workdir, wherever that came from. So are evaluations and pages."""
    package = ".".join(module_of(file).split(".")[:2])
    readers = ("lamv.results", "lamv.compare", "lamv.report")
    apart = {"lamv.theory": (*readers, "lamv.evaluate"), "lamv.evaluate": ("lamv.theory", "lamv.report")}
    apart |= dict.fromkeys(readers, ("lamv.theory", "lamv.evaluate"))
    assert not [name for name in imports(file) if name.startswith(apart.get(package, ()))]


@pytest.mark.parametrize("module", [*LIGHT, *(m for m in MODULES if m.startswith(LIGHT_ROOMS))])
def test_what_reads_results_does_without_jax(module):
    heavy = {name for name in imported_with(module) if name.split(".")[0] in HEAVY}
    assert not heavy, f"{module} imports {sorted(heavy)}, if only by way of another module of ours"


def test_what_compares_does_without_figures():
    drawn = [
        m
        for m in MODULES
        if m.startswith("lamv.compare") and "matplotlib" in {n.split(".")[0] for n in imported_with(m)}
    ]
    assert not drawn


def test_nothing_that_is_read_is_run(file):
    unsafe = []
    for node in ast.walk(parsed(file)):
        match node:
            case ast.Call(func=ast.Name(id="eval" | "exec" as name)):
                unsafe.append(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="yaml"), attr="load" | "load_all" | "unsafe_load")):
                unsafe.append("yaml.load")
            case ast.keyword(arg="allow_pickle", value=ast.Constant(value=False)):
                pass
            case ast.keyword(arg="allow_pickle"):
                unsafe.append("allow_pickle")
    if relative(file) != MAY_UNPICKLE:
        unsafe += [name for name in imports(file) if name.split(".")[0] in RUNS_WHAT_IT_READS]
    assert not unsafe, f"{relative(file)} uses {unsafe}: a file from elsewhere could run code; read data, not programs"


def test_the_one_unpickler_is_restricted():
    """It may subclass Unpickler and nothing else of pickle, so that every name goes through its find_class."""
    used = {
        node.attr
        for node in ast.walk(parsed(ROOT / MAY_UNPICKLE))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "pickle"
    }
    assert used == {"Unpickler"}


def test_no_other_framework(file):
    others = {name for name in imports(file) if name.split(".")[0] in {"tensorflow", "torch", "torchvision", "keras"}}
    assert not others, f"{relative(file)} imports {others}; lamv runs on jax alone"

"""The way in for every experiment: flags, one line for every mistake, an exit code (lamv.errors lists them)."""

import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Any

from absl import flags

from lamv.errors import ConfigError, LamvError, brief, nearest

FLAGS = flags.FLAGS
flags.DEFINE_bool("debug", False, "Show the traceback of every error.")
#: Flags that are paths of files or folders.
PATHS = ("workdir", "runs", "out")
#: The arguments as they were last parsed; the flag of a recipe reads --config.KNOB=VALUE off this list.
ARGUMENTS: list[str] = []


def run(
    main: Callable[[], None],
    needs: Sequence[str],
    argv: Sequence[str] | None = None,
    knobs: Callable[[Any], Mapping[str, Any]] | None = None,
) -> int:
    """Parse the flags, call `main`, and return the exit code. A mistake of the user's is one line on stderr.

    needs: the flags that must be given. knobs: for a command with --config, what the loaded recipe may be told with
    --config.KNOB, by key (lamv.config.Knob); it raises ConfigError for a recipe that is another command's.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for talkative in ("jax", "absl", "orbax", "tensorflow_datasets", "matplotlib"):
        logging.getLogger(talkative).setLevel(logging.ERROR)
    argv = list(sys.argv if argv is None else argv)
    if "--help" in argv:
        own = "\n".join([FLAGS.main_module_help(), FLAGS.module_help(__name__)])
        print(f"{(sys.modules['__main__'].__doc__ or '').strip()}\n\n{own}")
        return 0
    try:
        _parse(argv, needs, knobs)
        main()
    except LamvError as error:
        if "--debug" in argv:
            raise
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if "--debug" in argv:
            raise
        print(f"error: {error}; free space or mend the path, then run the same command again", file=sys.stderr)
        return 74
    except KeyboardInterrupt:
        print("error: interrupted; what was saved is kept; run the same command again", file=sys.stderr)
        return 75
    return 0


def use_fast_convolutions() -> None:
    """Ask XLA for its faster convolutions on the CPU. To be called before jax is imported.

    XLA aborts over a flag that it does not know, so this is set only for versions it was tried with. LAMV_XLA_FLAGS=0
    leaves XLA_FLAGS alone.
    """
    flag = "--xla_cpu_experimental_ynn_fusion_type=dot"
    given = os.environ.get("XLA_FLAGS", "")
    tried = metadata.version("jaxlib").startswith(("0.10.", "0.11.", "0.12."))
    if tried and "ynn" not in given and os.environ.get("LAMV_XLA_FLAGS", "1") != "0":
        os.environ["XLA_FLAGS"] = f"{given} {flag}".strip()


def define_config(meaning: str):
    """The flag --config of a command that takes a recipe."""
    from ml_collections import config_flags

    return config_flags.DEFINE_config_file("config", None, meaning, lock_config=True, sys_argv=ARGUMENTS)


def overrides() -> dict[str, Any]:
    """What --config.KNOB=VALUE said, by knob; None for a knob that =None unset."""
    from ml_collections import config_flags

    return config_flags.get_override_values(FLAGS["config"])


def define_process_flags() -> None:
    """The flags of a command that several processes may run together, each started with the same command."""
    flags.DEFINE_bool("distributed", False, "This is one of several processes; JAX knows the others.")
    flags.DEFINE_string("coordinator", None, "Address HOST:PORT of process 0, the same for all processes.")
    flags.DEFINE_integer("num_processes", None, "Number of processes, with --coordinator.")
    flags.DEFINE_integer("process_id", None, "Which of them this is, from 0, with --coordinator.")


def join_processes() -> None:
    """Find the other processes, where the flags say that there are any. Imports jax."""
    if FLAGS.distributed or FLAGS.coordinator:
        import jax

        jax.distributed.initialize(FLAGS.coordinator, FLAGS.num_processes, FLAGS.process_id)


def _parse(argv: list[str], needs: Sequence[str], knobs: Callable | None) -> None:
    """Flags, and the recipe with its overrides. All that can be wrong with them becomes a ConfigError."""
    known: Mapping[str, Any] = {}
    unset: list[str] = []
    if knobs is not None:
        argv, path = _with_recipe(argv)
        known = knobs(_load(path))
        _check_knobs(argv, known)
        argv, unset = _without_none(argv, known)
    ARGUMENTS[:] = argv
    try:
        rest = FLAGS(argv)
        given = {name: FLAGS[name].value for name in needs}
        for key in unset:
            _unset(given["config"], key)
    except flags.IllegalFlagValueError as error:
        raise ConfigError(_wrong_type(str(error), known)) from error
    except flags.Error as error:
        raise ConfigError(f"{error}; --help lists the flags") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # ml_collections finds a recipe's config to lack a knob, or to hold something else in its place.
        raise ConfigError(f"the flags do not suit the recipe: {error}; begin it with lamv.config.defaults()") from error
    if len(rest) > 1:
        raise ConfigError(f"{rest[1]!r} is not a flag; flags look like --workdir=DIR and --config.steps=100")
    for name, value in given.items():
        if value is None:
            raise ConfigError(f"--{name} is missing; {FLAGS[name].help}")
    for name in PATHS:
        if name in FLAGS and FLAGS[name].value is not None:
            FLAGS[name].value = _path(name, FLAGS[name].value)


def _path(flag: str, path: str) -> str:
    """A path that was given by a flag, with ~ as a home; the shell leaves that to us in --workdir=~/runs."""
    if not path.strip():
        raise ConfigError(f"--{flag} is empty; {FLAGS[flag].help}")
    try:
        if b"\0" not in path.encode():
            found = os.path.expanduser(path)
            if found.startswith("~") and not os.path.lexists(found.split("/")[0]):
                raise ConfigError(
                    f"--{flag} is {path!r}, and there is no home of {path.split('/')[0]!r}; give it in full"
                )
            return found
    except UnicodeEncodeError:
        pass
    raise ConfigError(f"--{flag} is {brief(path)}, must be text: it has bytes that are none, or a NUL")


def _without_none(argv: Sequence[str], known: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The arguments without those that unset a knob, and the keys of these; the last flag of a knob holds."""
    kept: list[str] = []
    unset: dict[str, None] = {}
    for argument in argv:
        match = re.fullmatch(r"--?config\.([^=]+)=(.*)", argument, re.DOTALL)
        if match is None or match[2] != "None":
            unset.pop(match[1] if match else "", None)
            kept.append(argument)
            continue
        knob = known[match[1]]
        if not isinstance(knob.default, type):
            can = ", ".join(other.key for other in known.values() if isinstance(other.default, type))
            raise ConfigError(
                f"config.{knob.key} cannot be unset{f'; {can} can' if can else ''}; leave the flag out, or give its default,"
                f" {knob.default!r} ({knob.meaning})"
            )
        unset[knob.key] = None
    return kept, list(unset)


def _unset(config, key: str) -> None:
    *parents, leaf = key.split(".")
    for parent in parents:
        config = config[parent]
    config[leaf] = None
    overrides()[key] = None


def _with_recipe(argv: Sequence[str]) -> tuple[list[str], str]:
    """The arguments with --config=PATH in this form, and its path, with ~ as a home."""
    argv = list(argv)
    for place, argument in enumerate(argv):
        match = re.fullmatch(r"--?config(?:=(.*))?", argument, re.DOTALL)
        if match:
            rest = argv[place + 1 :]
            path = _path("config", match[1] if match[1] is not None else rest.pop(0) if rest else "")
            return [*argv[:place], f"--config={path}", *rest], path
    raise ConfigError(f"--config is missing; {FLAGS['config'].help}")


def _load(path: str) -> Any:
    """The recipe as it stands, before any flag: its knobs are known only then, and its own mistakes are told apart."""
    from ml_collections import config_dict

    file = path.split(":")[0]
    if not os.path.isfile(file):
        raise ConfigError(f"there is no recipe {brief(file)}; configs/ has those of lamv")
    if not file.endswith(".py"):
        raise ConfigError(f"{brief(file)} is no recipe, which is a Python file, NAME.py; configs/ has those of lamv")
    try:
        recipe = FLAGS["config"].parser.parse(path)
        if isinstance(recipe, config_dict.ConfigDict):
            return recipe
        getattr(recipe, "get", None)  # raises what ml_collections put off, a file that the recipe did not find
    except (Exception, SystemExit) as error:
        # A recipe is a program and may raise anything; whatever it is, its author has to mend it. For some types
        # ml_collections puts the whole traceback into the message: the recipe's own error stands behind that one.
        own = error.__context__ if type(error.__context__) is type(error) else error.__cause__ or error
        said = str(own if isinstance(own, OSError) else own.args[0]) if own.args else ""
        what = re.sub(r"Other fields present: .*?(Did you mean .*)?$", r"\1", said, flags=re.DOTALL).strip("'")
        name = "" if isinstance(own, LamvError) else f" with {type(own).__name__}"
        raise ConfigError(f"the recipe fails{name}: {_cut(what)}; --debug shows where") from error
    raise ConfigError(f"{path} gives no config; its get_config() must return one, see configs/ for examples")


def _check_knobs(argv: Sequence[str], known: Mapping[str, Any]) -> None:
    """Every --config.KNOB names a knob: said here, because ml_collections' own words for it are hard to read."""
    for argument in argv:
        match = re.match(r"--?(?:no)?config\.([^=]*)", argument)
        if match and match[1] not in known:
            raise ConfigError(
                f"--config.{_cut(match[1])} is no knob{nearest(match[1], known)}; knobs are {_where(known)}"
            )
        if match and known[match[1]].type is dict:
            raise ConfigError(f"--config.{match[1]} cannot be given as a flag; write the rows in the recipe")


def _where(known: Mapping[str, Any]) -> str:
    """Where to read up on knobs: a list if it is short."""
    return ", ".join(known) if len(known) <= 30 else "listed in lamv/config.py"


def _wrong_type(message: str, known: Mapping[str, Any]) -> str:
    match = re.match(r"flag --config\.([^=]+)=(.*?): ", message, re.DOTALL)
    if match is None or match[1] not in known:
        return _cut(message)
    knob = known[match[1]]
    return f"config.{knob.key} is {brief(match[2])}, must be of type {knob.type.__name__} ({knob.meaning})"


def _cut(text: str, most: int = 300) -> str:
    return text if len(text) <= most else f"{text[:most]}..."

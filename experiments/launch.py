"""The way in for every experiment: flags, one line for every mistake, an exit code (lamv.errors lists them)."""

import codecs
import contextlib
import io
import ipaddress
import logging
import os
import re
import signal
import socket
import sys
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from lamv import files, heartbeat, paths, places, stopping, xla
from lamv.errors import ConfigError, LamvError, brief, nearest

FLAGS = flags.FLAGS
flags.DEFINE_bool("debug", False, "Show the traceback of every error.")
#: Spellings of --help, absl's own among them.
HELP = {"--help", "-help", "-h", "--helpfull", "--helpshort"}
#: Flags that are paths of files or folders.
PATHS = ("workdir", "runs", "out", "data")
#: Knobs that a recipe has as a whole: they are no single value that a flag could give.
IN_THE_RECIPE = ("rows", "claims", "published")
#: What stands for a character that the output has no letter for; Greek letters are named.
PLAIN = {
    "±": "+-", "×": "x", "·": "-", "−": "-", "–": "-", "—": "-", "→": "->", "≥": ">=", "≤": "<=", "‖": "||", "’": "'",
    "“": '"', "”": '"', "†": "*", "λ": "lambda",
}  # fmt: skip
#: Seconds that a process waits for process 0; JAX itself does not wait longer for the others.
PATIENCE = 300.0
logger = logging.getLogger("lamv.launch")
#: The arguments as they were last parsed; the flag of a recipe reads --config.KNOB=VALUE off this list.
ARGUMENTS: list[str] = []


def run(
    main: Callable[[], None],
    needs: Sequence[str],
    argv: Sequence[str] | None = None,
    knobs: Callable[[Any], Mapping[str, Any]] | None = None,
    lacks: Mapping[str, str] | None = None,
) -> int:
    """Parse the flags, call `main`, and return the exit code. A mistake of the user's is one line on stderr.

    needs: the flags that must be given. knobs: for a command with --config, what the loaded recipe may be told with
    --config.KNOB, by key (lamv.knobs.Knob); it raises ConfigError for a recipe that is another command's. lacks: {flag:
    why this command has no such flag, and what to do}, for flags that one may expect of it.
    """
    _printable()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    argv = list(sys.argv if argv is None else argv)
    # Orbax logs by absl, tracebacks of its threads included; what they come to is told in one line.
    for talkative in ("jax", "absl", "orbax", "asyncio", "tensorflow_datasets", "matplotlib"):
        logging.getLogger(talkative).setLevel(logging.ERROR if "--debug" in argv else logging.CRITICAL)
    if HELP & set(argv):
        show(_help())
        return 0
    if "--list" in argv and knobs is not None:
        from lamv.suite import listing

        show(listing.as_text("recipes"))
        return 0
    try:
        _parse(argv, needs, knobs, lacks or {})
        cache = os.environ.get(xla.COMPILED)
        if cache:
            files.refuse_foreign(Path(cache), xla.COMPILED)
        with heartbeat.beating():
            main()
    except LamvError as error:
        if "--debug" in argv:
            raise
        return _failed(str(error), error.exit_code)
    except BrokenPipeError:
        return _failed("what reads the output has gone; run the same command again, without it", 74)
    except OSError as error:
        if "--debug" in argv:
            raise
        return _failed(f"{error}; free space or mend the path, then run the same command again", 74)
    except KeyboardInterrupt:
        return _failed("interrupted; what was saved is kept; run the same command again", 75)
    return 0


def words(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """(words, the rest) of the arguments of a command that takes words beside flags; flags are --NAME=VALUE."""
    taken = [argument for argument in argv[1:] if not argument.startswith("-")]
    return taken, [argument for argument in argv if argument not in taken]


def show(text: str) -> None:
    """Print what is only looked at. Who reads the beginning alone (| head) ends the command without a word."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    print(text)


def _help() -> str:
    """What a command does, its flags, and where to find what these can be."""
    does = re.sub(
        r"python -m experiments\.(\w+)", lambda match: places.called(match[1]), sys.modules["__main__"].__doc__ or ""
    )
    parts = [does.strip(), "\n".join([FLAGS.main_module_help(), FLAGS.module_help(__name__)])]
    if "config" in FLAGS:
        parts.append(
            f"Recipes: {places.called('list recipes')}. Knobs, for --config.KNOB: {places.called('list knobs')}."
        )
    return "\n\n".join(parts)


def leave(code: int, at_once: bool = False) -> None:
    """End a command with this exit code; after an error at once, so that its line is the last."""
    if code or at_once:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    stopping.finished()
    sys.exit(0)


def _failed(what: str, code: int) -> int:
    print(f"error: {' '.join(what.split())}", file=sys.stderr)
    return code


class RecipeParser(flags.ArgumentParser):
    """The parser of --config. It keeps the recipe, which is loaded first, as its knobs must be known to parse flags."""

    def __init__(self):
        self._path, self._config = "", None

    def load(self, path: str) -> Any:
        """The config of the recipe as it stands, before any flag. Raises ConfigError."""
        from lamv import recipes

        try:
            self._config = recipes.load_any(path).lock()
        except ConfigError as error:
            if error.__cause__ is None:
                raise
            raise ConfigError(f"{error}; --debug shows where") from error.__cause__
        self._path = path
        return self._config

    def parse(self, argument: str) -> Any:
        return self._config if argument == self._path else self.load(argument)

    def flag_type(self) -> str:
        return "recipe"


def define_config(meaning: str):
    """The flag --config of a command that takes a recipe."""
    from ml_collections import config_flags

    flag = config_flags.DEFINE_config_file("config", None, meaning, sys_argv=ARGUMENTS)
    FLAGS["config"].parser = RecipeParser()
    return flag


def overrides() -> dict[str, Any]:
    """What --config.KNOB=VALUE said, by knob; None for a knob that =None unset."""
    from ml_collections import config_flags

    return config_flags.get_override_values(FLAGS["config"])


def define_register() -> None:
    """The flag --register of a command that reads workdirs, which name what a recipe may have registered."""
    meaning = (
        "Python file that registers models, data sets or methods of the run, such as its recipe. It is run as one."
    )
    flags.DEFINE_multi_string("register", [], meaning)


def register() -> None:
    """Run the files of --register."""
    from lamv import recipes

    for file in FLAGS["register"].value:
        recipes.register(file)


def define_process_flags(flag_values: flags.FlagValues = FLAGS) -> None:
    """The flags of a command that several processes may run together, each started with the same command."""
    own = {"flag_values": flag_values}
    flags.DEFINE_bool("distributed", False, "This is one of several processes; JAX knows the others.", **own)
    flags.DEFINE_string("coordinator", None, "Address HOST:PORT of process 0, the same for all processes.", **own)
    flags.DEFINE_integer("num_processes", None, "Number of processes, with --coordinator.", **own)
    flags.DEFINE_integer("process_id", None, "Which of them this is, from 0, with --coordinator.", **own)


def join_processes() -> None:
    """Find the other processes, where the flags say that there are any. Imports jax.

    Raises ConfigError where there are none, or nobody answers for PATIENCE seconds.
    """
    if not (FLAGS.distributed or FLAGS.coordinator):
        return
    if FLAGS.coordinator and FLAGS.process_id:
        _wait_for(FLAGS.coordinator)
    stopping.leave_to_jax()
    import jax

    try:
        jax.distributed.initialize(FLAGS.coordinator, FLAGS.num_processes, FLAGS.process_id)
    except (RuntimeError, ValueError) as error:
        given = f"--coordinator is {brief(FLAGS.coordinator)}" if FLAGS.coordinator else "--distributed is given"
        raise ConfigError(
            f"{given}, and JAX finds no other processes by it ({_cut(str(error))}); give each process"
            " --coordinator=HOST:PORT with a port that is free on process 0, --num_processes and --process_id"
        ) from error


def _wait_for(address: str) -> None:
    """Until process 0 answers. JAX would wait as silently, and then abort."""
    host, _, port = address.rpartition(":")
    until = time.monotonic() + PATIENCE
    told = False
    while True:
        try:
            return socket.create_connection((host.strip("[]"), int(port)), timeout=10.0).close()
        except OSError as error:  # not there yet, or its name is not
            why = error.strerror or str(error)
        if not told:
            logger.info("waiting for process 0 at %s (%s)", address, why)
            told = True
        if time.monotonic() > until:
            raise ConfigError(
                f"--coordinator is {address!r}, where nobody answered for {PATIENCE:.0f} seconds ({why}); start process"
                " 0, with --process_id=0, or mend the address"
            )
        time.sleep(0.2)


def _check_processes(argv: Sequence[str]) -> None:
    """Raise ConfigError where the flags of `define_process_flags` make no sense together.

    They are read by themselves: a recipe, which is read next, imports jax.
    """
    given = flags.FlagValues()
    define_process_flags(given)
    given.set_gnu_getopt(True)  # flags after what is no flag, too
    try:
        given(argv, known_only=True)
    except (flags.Error, ValueError) as error:
        raise ConfigError(_told(error, {}, given)) from error
    address, number, own = given.coordinator, given.num_processes, given.process_id
    told = {"coordinator": address, "num_processes": number, "process_id": own}
    said = " and ".join(f"--{flag} is {brief(value)}" for flag, value in told.items() if value is not None)
    how = "give --coordinator=HOST:PORT, --num_processes and --process_id, or --distributed where JAX knows the others"
    if given.distributed and address is not None:
        raise ConfigError(f"{said}, with --distributed, by which JAX finds process 0 itself; leave one of the two out")
    # A cluster's own numbers may be told better, but both of them.
    needed = ("num_processes", "process_id") if given.distributed else told
    missing = [flag for flag in needed if told[flag] is None]
    if said and missing:
        verb = "is" if len(missing) == 1 else "are"
        raise ConfigError(f"{said}, and --{' and --'.join(missing)} {verb} missing; {how}")
    if number is not None and number < 1:
        raise ConfigError(f"--num_processes is {number}, must be at least 1")
    if own is not None and not 0 <= own < number:
        raise ConfigError(f"--process_id is {own}, must be from 0 to {number - 1}, as --num_processes is {number}")
    if address is not None and not _is_address(address):
        raise ConfigError(
            f"--coordinator is {brief(address)}, must be HOST:PORT, with a port from 1 to 65535, such as 10.0.0.1:1234"
            " or [fd00::1]:1234"
        )


def _is_address(text: str) -> bool:
    """Whether this is HOST:PORT; HOST is a name, an IPv4 address, or an IPv6 address in brackets."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        return False
    try:
        if not host.startswith("["):
            return re.fullmatch(r"[\w.-]+", host) is not None and bool(host.encode("idna"))
        return bool(ipaddress.IPv6Address(host.removeprefix("[").removesuffix("]"))) and host.endswith("]")
    except ValueError:
        return False


def _printable() -> None:
    """Let stdout and stderr spell what their encoding lacks: tables hold ±, and a locale may be of ASCII."""
    codecs.register_error("lamv.plain", _spelled)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="lamv.plain")


def _spelled(error: UnicodeError) -> tuple[str | bytes, int]:
    """An error handler of `codecs`, for writing: the first character that cannot be written, in ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letter = error.object[error.start]
    plain = PLAIN.get(letter) or unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    if not plain and unicodedata.name(letter, "").startswith("GREEK"):
        plain = unicodedata.name(letter).split()[-1].lower()
    if plain:
        return plain, error.start + 1
    error.end = error.start + 1
    return codecs.backslashreplace_errors(error)


def _parse(argv: list[str], needs: Sequence[str], knobs: Callable | None, lacks: Mapping[str, str]) -> None:
    """Flags, and the recipe with its overrides. All that can be wrong with them becomes a ConfigError."""
    known: Mapping[str, Any] = {}
    unset: list[str] = []
    if "coordinator" in FLAGS:
        _check_processes(argv)
    if knobs is not None:
        argv, path = _with_recipe(argv)
        known = knobs(FLAGS["config"].parser.load(path))
        _check_knobs(argv, known)
        argv, unset = _without_none(argv, known)
    ARGUMENTS[:] = argv
    try:
        rest = FLAGS(argv)
        given = {name: FLAGS[name].value for name in needs}
        for key in unset:
            _unset(given["config"], key)
    except flags.UnrecognizedFlagError as error:
        raise ConfigError(lacks.get(error.flagname) or _told(error, known)) from error
    except flags.Error as error:
        raise ConfigError(_told(error, known)) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if "does not take an argument" in str(error):  # absl, of --noFLAG=VALUE
            raise ConfigError(_told(error, known)) from error
        # ml_collections finds a recipe's config to lack a knob, or to hold something else in its place.
        raise ConfigError(f"the flags do not suit the recipe: {error}; begin it with lamv.config.defaults()") from error
    if len(rest) > 1:
        raise ConfigError(f"{brief(rest[1])} is not a flag; flags look like --workdir=DIR and --config.steps=100")
    for name, value in given.items():
        if value is None:
            raise ConfigError(f"--{name} is missing; {FLAGS[name].help}")
    for name in PATHS:
        if name in FLAGS and FLAGS[name].value is not None:
            FLAGS[name].value = paths.local(f"--{name}", FLAGS[name].value, FLAGS[name].help)
    if "out" in FLAGS and FLAGS["out"].value:
        paths.check_file("--out", FLAGS["out"].value, FLAGS["out"].help)


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
    """The arguments with --config=PATH in this form, and its path: that of a recipe of lamv where its name was given."""
    argv = list(argv)
    for place, argument in enumerate(argv):
        match = re.fullmatch(r"--?config(?:=(.*))?", argument, re.DOTALL)
        if match:
            rest = argv[place + 1 :]
            given = match[1] if match[1] is not None else rest.pop(0) if rest else ""
            path = places.find_recipe(paths.local("--config", given, FLAGS["config"].help))
            return [*argv[:place], f"--config={path}", *rest], path
    raise ConfigError(
        f"--config is missing; {FLAGS['config'].help} {places.called('list recipes')} lists those of lamv"
    )


def _check_knobs(argv: Sequence[str], known: Mapping[str, Any]) -> None:
    """Every --config.KNOB names a knob: said here, because ml_collections' own words for it are hard to read."""
    for argument in argv:
        match = re.match(r"--?(?:no)?config\.([^=]*)", argument)
        if match and match[1] not in known:
            raise ConfigError(
                f"--config.{_cut(match[1])} is no knob{nearest(match[1], known)}; knobs are {_where(known)}"
            )
        if match and match[1] in IN_THE_RECIPE:
            raise ConfigError(f"--config.{match[1]} cannot be given as a flag; write the {match[1]} in the recipe")


def _where(known: Mapping[str, Any]) -> str:
    """Where to read up on knobs: a list if it is short."""
    return ", ".join(known) if len(known) <= 30 else f"listed by: {places.called('list knobs')}"


def _told(error: Exception, known: Mapping[str, Any], defined: flags.FlagValues = FLAGS) -> str:
    """What absl says of the flags, in the words of this project where it is about the type of one."""
    message = str(error)
    match = re.match(r"flag --([^=]+)=(.*?): ", message, re.DOTALL)
    name = match[1] if match else ""
    if name.startswith("config.") and name.removeprefix("config.") in known:
        knob = known[name.removeprefix("config.")]
        return f"config.{knob.key} is {brief(match[2])}, must be of type {knob.type.__name__} ({knob.meaning})"
    if name in defined:
        return f"--{name} is {brief(match[2])}, must be of type {defined[name].flag_type()}; {defined[name].help}"
    return f"{_cut(message.removeprefix('ERROR:: '))}; --help lists the flags"


def _cut(text: str, most: int = 300) -> str:
    return text if len(text) <= most else f"{text[:most]}..."

"""The way in for every experiment: flags, one line for every mistake, an exit code (lamv.errors lists them)."""

import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib import metadata

from absl import flags

from lamv.errors import ConfigError, LamvError, nearest

FLAGS = flags.FLAGS
flags.DEFINE_bool("debug", False, "Show the traceback of every error.")


def run(main: Callable[[], None], needs: Sequence[str], argv: Sequence[str] | None = None) -> int:
    """Parse the flags, call `main`, and return the exit code. A mistake of the user's is one line on stderr.

    needs: the flags that must be given.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for talkative in ("jax", "absl", "orbax", "tensorflow_datasets", "matplotlib"):
        logging.getLogger(talkative).setLevel(logging.ERROR)
    argv = list(sys.argv if argv is None else argv)
    try:
        _parse(argv, needs)
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


def _parse(argv: list[str], needs: Sequence[str]) -> None:
    """Flags, and the recipe with its overrides. All that can be wrong with them becomes a ConfigError."""
    _check_recipe(argv)
    _check_knobs(argv)
    try:
        rest = FLAGS(argv)
        given = {name: FLAGS[name].value for name in needs}
    except flags.IllegalFlagValueError as error:
        raise ConfigError(_wrong_type(str(error))) from error
    except flags.Error as error:
        raise ConfigError(f"{error}; --help lists the flags") from error
    except LamvError:
        raise
    except Exception as error:
        # A recipe is a program and may raise anything; whatever it is, its author has to mend it.
        said = str(error.args[0]) if error.args else ""
        what = re.sub(r"Other fields present: .*?(Did you mean .*)?$", r"\1", said, flags=re.DOTALL).strip("'")
        raise ConfigError(f"the recipe fails with {type(error).__name__}: {what}; --debug shows where") from error
    if len(rest) > 1:
        raise ConfigError(f"{rest[1]!r} is not a flag; flags look like --workdir=DIR and --config.steps=100")
    for name, value in given.items():
        if value is None:
            raise ConfigError(f"--{name} is missing; {FLAGS[name].help}")


def _check_recipe(argv: Sequence[str]) -> None:
    """The recipe exists: ml_collections would say so only when its content is first looked at."""
    for argument in argv:
        match = re.match(r"--config=([^:]*)", argument)
        if match and not os.path.isfile(match[1]):
            raise ConfigError(f"there is no recipe {match[1]!r}; configs/ has those of lamv")


def _check_knobs(argv: Sequence[str]) -> None:
    """Every --config.KNOB names a knob: said here, because ml_collections' own words for it are hard to read."""
    asked = [match[1] for match in (re.match(r"--(?:no)?config\.([^=]+)", argument) for argument in argv) if match]
    if asked:
        from lamv import config

        for key in asked:
            if key not in config.KNOB:
                hint = nearest(key, config.KNOB)
                raise ConfigError(f"--config.{key} is no knob{hint}; lamv/config.py lists all of them")


def _wrong_type(message: str) -> str:
    from lamv import config

    match = re.match(r"flag --config\.([^=]+)=(.*?): ", message)
    if match is None or match[1] not in config.KNOB:
        return message
    knob = config.KNOB[match[1]]
    return f"config.{knob.key} is {match[2]!r}, must be of type {knob.type.__name__} ({knob.meaning})"

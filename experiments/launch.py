"""The way in for every experiment: flags, one line for every mistake, an exit code (lamv.errors lists them)."""

import logging
import os
import sys
from collections.abc import Callable, Sequence

from absl import flags

from lamv.errors import ConfigError, LamvError

FLAGS = flags.FLAGS
flags.DEFINE_bool("debug", False, "Show the traceback of every error.")


def run(main: Callable[[], None], argv: Sequence[str] | None = None) -> int:
    """Parse the flags, call `main`, and return the exit code. A mistake of the user's is one line on stderr."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for noisy in ("jax", "absl", "orbax", "tensorflow_datasets"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    argv = list(sys.argv if argv is None else argv)
    try:
        _parse(argv)
        main()
    except LamvError as error:
        if FLAGS.is_parsed() and FLAGS.debug:
            raise
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("error: interrupted; what was saved is kept; run the same command again", file=sys.stderr)
        return 75
    return 0


def use_fast_convolutions() -> None:
    """Ask XLA for its faster convolutions on the CPU. To be called before jax is imported.

    XLA aborts over a flag that it does not know, so this is set only for versions it was tried with. LAMV_XLA_FLAGS=0
    leaves XLA_FLAGS alone.
    """
    from importlib import metadata

    flag = "--xla_cpu_experimental_ynn_fusion_type=dot"
    given = os.environ.get("XLA_FLAGS", "")
    tried = metadata.version("jaxlib").startswith(("0.10.", "0.11.", "0.12."))
    if tried and "ynn" not in given and os.environ.get("LAMV_XLA_FLAGS", "1") != "0":
        os.environ["XLA_FLAGS"] = f"{given} {flag}".strip()


def _parse(argv: list[str]) -> None:
    try:
        rest = FLAGS(argv)
    except Exception as error:
        # absl and ml_collections raise a dozen kinds here, and a recipe may raise anything; all are the user's to mend.
        if "--debug" in argv:
            raise
        raise ConfigError(_first_line(error)) from error
    if len(rest) > 1:
        raise ConfigError(f"{rest[1]!r} is not a flag; flags look like --workdir=DIR and --config.steps=100")


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return " ".join(text.split("\n")[0].split()) if not text.startswith("\n") else text

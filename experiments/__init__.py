"""The commands: `python -m experiments.NAME` in a checkout, `lamv NAME` as installed; lamv/suite lists them."""

import importlib.util
import os
import sys

# As long as Python looks for the module of -m, that is what it calls the script: this is the first import of a command.
if sys.argv[:1] == ["-m"]:
    if sys.version_info < (3, 11) or importlib.util.find_spec("absl") is None:  # another Python than that of .venv
        print(
            f"error: {sys.executable} has not what lamv needs (Python 3.11 or newer, and its packages); in a checkout,"
            f" call {os.path.join('.venv', 'bin', 'python')}, which make demo sets up, or else pip install . first",
            file=sys.stderr,
        )
        sys.exit(64)

    from lamv import stopping

    stopping.listen()
    if "--debug" not in sys.orig_argv:
        # Orbax leaves tasks behind where reading or writing fails: hundreds of lines about a closed event loop, which would
        # bury the one that counts.
        sys.unraisablehook = lambda _: None

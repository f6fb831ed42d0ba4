"""What is run from the command line: python -m experiments.train, .sweep, .evaluate, .report, .theory, .audit."""

import sys

# As long as Python looks for the module of -m, that is what it calls the script: this is the first import of a command.
if sys.argv[:1] == ["-m"]:
    from lamv import stopping

    stopping.listen()
    if "--debug" not in sys.orig_argv:
        # Orbax leaves tasks behind where reading or writing fails: hundreds of lines about a closed event loop, which would
        # bury the one that counts.
        sys.unraisablehook = lambda _: None

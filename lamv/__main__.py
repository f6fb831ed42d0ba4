"""lamv COMMAND [--flags]: the commands of experiments/, wherever you are.

    lamv                           the commands, a line each
    lamv COMMAND --help            what a command does, and its flags
    lamv list [KIND] [WORD]        what can be chosen: recipes, methods, models, data, mitigations, metrics, knobs
    lamv --completion bash         a script for your shell (bash, zsh, fish): eval "$(lamv --completion bash)"
    lamv --version

In a checkout, python -m lamv COMMAND is the same, and so is python -m experiments.COMMAND.
"""

import runpy
import sys

import lamv
from lamv import places, suite
from lamv.errors import nearest

USAGE = 64


def main() -> int:
    """Run the command that sys.argv names. A command ends the process; otherwise the exit code is returned."""
    _, *arguments = sys.argv
    # First, so that `configs` and `experiments` are ours; where the user is comes last, for modules of a user's recipe.
    sys.path.insert(0, str(places.ROOT))
    sys.path.append("")
    match arguments:
        case [] | ["help" | "-h" | "--help" | "--helpfull" | "--helpshort", *_]:
            print(_overview())
        case ["--version"]:
            print(f"lamv {lamv.__version__}")
        case ["--completion", *shell]:
            return _completion(shell)
        case ["--complete", line]:
            from lamv.suite import completion

            print("\n".join(completion.candidates(line)))
        case [name, *rest] if name in suite.commands():
            sys.argv[:] = ["-m", *rest]  # what `python -m` has there as long as it looks for the module
            runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)
        case [name, *_]:
            print(_overview(), file=sys.stderr)
            print(f"error: lamv has no command {name!r}{nearest(name, suite.commands())}", file=sys.stderr)
            return USAGE
    return 0


def _overview() -> str:
    listed = suite.table((f"  {name}", text) for name, text in suite.commands().items())
    return f"{(__doc__ or '').strip()}\n\nCommands:\n{listed}"


def _completion(shell: list[str]) -> int:
    from lamv.suite import completion

    if len(shell) == 1 and shell[0] in completion.SCRIPTS:
        print(completion.SCRIPTS[shell[0]])
        return 0
    shells = ", ".join(completion.SCRIPTS)
    print(f"error: --completion takes one of {shells}; for example: lamv --completion bash", file=sys.stderr)
    return USAGE


if __name__ == "__main__":
    sys.exit(main())

"""Completion in a shell: commands, flags, recipes, methods and other values of knobs.

The script of a shell calls `lamv --complete LINE` at every Tab, so that a method or a recipe that was just added is there.
"""

import importlib
import shlex
from collections.abc import Iterable

from lamv import places, suite
from lamv.catalog.cues import CUES
from lamv.catalog.methods import METHODS
from lamv.catalog.mitigations import MITIGATIONS
from lamv.catalog.model_selection import RULES
from lamv.knobs import KNOB, WHOLE, Registered

#: By the registry of a knob's values, the same names without jax, which takes a second to import.
QUICK = {
    "lamv.core.methods.METHODS": METHODS,
    "lamv.catalog.mitigations.MITIGATIONS": MITIGATIONS,
    "lamv.core.shortcuts.SHORTCUTS": CUES,
    "lamv.catalog.model_selection.RULES": RULES,
}
OWN_FLAGS = ("--help", "--version", "--completion")

# A shell hands over the line up to the cursor, and is given whole words. Readline splits words at = and :, and wants only
# what follows the last of these.
SCRIPTS = {
    "bash": """\
_lamv() {
    local line="${COMP_LINE:0:COMP_POINT}" word split
    word="${line##*[[:space:]]}"
    split="${word%"${word##*[=:]}"}"
    mapfile -t COMPREPLY < <(lamv --complete "$line" 2>/dev/null)
    COMPREPLY=("${COMPREPLY[@]#"$split"}")
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} != *[=.] ]] && COMPREPLY[0]+=" "
}
complete -o nospace -o default -F _lamv lamv""",
    "zsh": """\
autoload -U compinit && compinit
_lamv() {
    local -a found
    found=("${(@f)$(lamv --complete "$LBUFFER" 2>/dev/null)}")
    if [[ -n "$found" ]]; then compadd -Q -S '' -- $found; else compset -P '*='; _files; fi
}
compdef _lamv lamv""",
    "fish": "complete -c lamv -a '(lamv --complete (commandline -cp) 2>/dev/null)'",
}


def candidates(line: str) -> list[str]:
    """The words that may stand where the line ends; [] where a file may, or anything."""
    try:
        words = shlex.split(line)[1:]
    except ValueError:  # a quote that is still open
        words = line.split()[1:]
    if not words or line[-1:].isspace():
        words.append("")
    *before, word = words
    if not before:
        return _starting(word, [*suite.commands(), *OWN_FLAGS])
    command = before[0]
    if command == "list":
        return _starting(word, _to_list(before[1:]))
    if command == "--completion":
        return _starting(word, SCRIPTS)
    if command not in suite.commands():
        return []
    flag, equals, _ = word.partition("=")
    if equals:
        return _starting(word, [f"{flag}={value}" for value in _values(command, flag)])
    return _starting(word, _flags(command))


def _starting(word: str, known: Iterable[str]) -> list[str]:
    return [name for name in known if name.startswith(word)]


def _to_list(before: list[str]) -> list[str]:
    from lamv.suite import listing

    if not before:
        return list(listing.KINDS)
    return listing.names(before[0]) if len(before) == 1 and before[0] in listing.KINDS else []


def _flags(command: str) -> list[str]:
    """--FLAG= of a command, or --FLAG for one that is on or off; of knobs too, where it takes a recipe."""
    from absl import flags

    module = importlib.import_module(f"experiments.{command}")
    own = flags.FLAGS.get_flags_for_module(module.__name__) + flags.FLAGS.get_flags_for_module("experiments.launch")
    # Those of a recipe are defined by ml_collections.
    names = {flag.name: flag.boolean for flag in own} | ({"config": False} if hasattr(module, "CONFIG") else {})
    found = [f"--{name}{'' if boolean else '='}" for name, boolean in sorted(names.items())]
    if hasattr(module, "CONFIG") and command != "theory":  # whose experiments have knobs of their own
        found += [f"--config.{key}=" for key in KNOB if key not in WHOLE]
    return [*found, "--help"]


def _values(command: str, flag: str) -> list[str]:
    if flag == "--config":
        return [name for name in places.recipes() if places.is_of_theory(name) == (command == "theory")]
    knob = KNOB.get(flag.removeprefix("--config."))
    if knob is None or not flag.startswith("--config."):
        return []
    if knob.type is bool:
        return ["True", "False"]
    allowed = knob.allowed
    if isinstance(allowed, Registered):
        return [name for name in (*allowed.more, *QUICK.get(allowed.registry, ())) if name] or list(allowed.names)
    names = allowed.words.removeprefix("one of ")
    return names.split(", ") if knob.type is str and names != allowed.words else []

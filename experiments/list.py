"""List what can be chosen, a line each, and where to read on.

    python -m experiments.list [methods|models|data|mitigations|metrics|knobs|recipes] [WORD]

Without a kind, the kinds. WORD shows those that have it in their name, or else in their line; of a few, all that is known.
"""

import shutil
import sys

from experiments import launch
from lamv.errors import ConfigError, brief


def main(words: list[str]) -> None:
    from lamv.suite import listing

    if len(words) > 2:
        raise ConfigError(f"{brief(words[2])} is one word too many; give a kind and a word, KIND WORD")
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    launch.show(listing.as_text(*words, width=width))


if __name__ == "__main__":
    words, given = launch.words(sys.argv)
    launch.leave(launch.run(lambda: main(words), needs=(), argv=given))

"""Errors that a user can mend, with the exit codes of commands. Without jax, so that they are reported at once.

A message is one line: what is wrong (with the value), what is allowed, what to do next.

==== =================================================== ==================
code meaning                                             sysexits name
==== =================================================== ==================
0    done
1    a bug in lamv (with its traceback), or a claim that misses
64   a flag or a config value is wrong                   EX_USAGE
65   a data file is missing, damaged or misshapen        EX_DATAERR
69   a device cannot be used                             EX_UNAVAILABLE
70   the loss or a parameter is not finite; of a sweep,  EX_SOFTWARE
     some cells failed
73   the workdir is locked or cannot be written          EX_CANTCREAT
74   no readable checkpoint; the disk is full, or fails  EX_IOERR
75   stopped by a signal: run me again                   EX_TEMPFAIL
78   the workdir belongs to another config, or data      EX_CONFIG
==== =================================================== ==================
"""

import difflib
from collections.abc import Iterable, Sequence, Sized
from pathlib import Path
from typing import Any


def nearest(name: Any, known: Iterable) -> str:
    """' (did you mean X?)' for the closest of the known names, in any case of letters, or nothing where none is close."""
    by_lower = {str(k).lower(): str(k) for k in known}
    close = difflib.get_close_matches(str(name)[:200].lower(), by_lower, n=1, cutoff=0.5)
    return f" (did you mean {by_lower[close[0]]!r}?)" if close else ""


def brief(value: Any, most: int = 80) -> str:
    """repr of a value that a user gave, which may be anything, cut to so many characters."""
    try:
        text = repr(value)
    except Exception:  # a class of the user's, or an int with more digits than Python writes
        text = f"<{type(value).__name__}>"
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 3]}..."


def listed(names: Sequence[str], most: int = 10, between: str = ", ") -> str:
    """The names; of more than `most`, the first ones and the number."""
    if len(names) <= most:
        return between.join(names)
    return f"{between.join([*names[:most], '...'])} ({len(names)} in all)"


def and_more(culprits: Sized) -> str:
    """' (and N more)' after the first of them, or nothing where it is the only one."""
    return f" (and {len(culprits) - 1} more)" if len(culprits) > 1 else ""


def one_line(error: BaseException) -> str:
    """The class and message of a library's exception."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def shown(path: str | Path) -> str:
    """A path for a message of one line: in quotes, with escapes, where it holds a line break or the like."""
    return str(path) if str(path).isprintable() else repr(str(path))


class LamvError(Exception):
    """Base of these errors. `exit_code` is what the process returns."""

    exit_code = 1


class ClaimMissed(LamvError):
    """A claim of a recipe does not hold (experiments.verify)."""


class ConfigError(LamvError, ValueError):
    """A config value or a flag is unknown, of the wrong type or out of range."""

    exit_code = 64


class DataError(LamvError):
    """A data file is missing, truncated, mislabelled, misshapen, or not the official one where that was asked for."""

    exit_code = 65


class DeviceError(LamvError):
    """JAX finds no device, or one that cannot take a step."""

    exit_code = 69


class NotFiniteError(LamvError):
    """The loss or a parameter became NaN or infinite. row: of the recipe, where it is one's."""

    exit_code = 70

    def __init__(self, message: str, row: str = ""):
        super().__init__(message)
        self.row = row


class SweepError(LamvError):
    """Some cells of a sweep failed; the others are done."""

    exit_code = 70


class WorkdirError(LamvError):
    """The workdir cannot be created, written or locked."""

    exit_code = 73


class StorageError(LamvError):
    """A file could not be read or written: the disk is full, or fails."""

    exit_code = 74


class CheckpointError(StorageError):
    """No checkpoint of the workdir can be read, or one could not be written."""


class Preempted(LamvError):
    """A signal asked the run to stop; its state is saved and the same command continues it."""

    exit_code = 75


class WorkdirMismatch(LamvError):
    """The workdir was begun with another config."""

    exit_code = 78

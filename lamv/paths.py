"""Paths of flags and knobs: files and folders of this machine, with ~ as a home. Without jax."""

import os
import re
import sys
from urllib.parse import unquote

from lamv.errors import ConfigError, brief

#: A URL; of common schemes also with a single slash.
URL = re.compile(r"([a-z][a-z0-9+.-]+)://|(file|gs|s3|az|abfss?|hdfs|https?|ftp):/", re.IGNORECASE)
#: Schemes whose files are downloaded, one by one.
DOWNLOADED = ("http", "https", "ftp")


def local(what: str, path: str, needed: str = "") -> str:
    """The path, with ~ as a home. what: the flag or knob; needed: what it is for.

    Raises ConfigError (exit 64) for an empty path, a URL, an unknown home, a NUL, and bytes that are no characters.
    """
    if not path.strip():
        raise ConfigError(f"{what} is empty, must be a path on this machine{f'; {needed}' if needed else ''}")
    url = URL.match(path)
    if url:
        raise ConfigError(
            f"{what} is {brief(path)}, must be a path on this machine: lamv reads and writes local paths only;"
            f" {_instead(path, (url[1] or url[2]).lower())}"
        )
    if not _is_name(path):
        raise ConfigError(f"{what} is {brief(path)}, must be text: it has bytes that are none, or a NUL{_of_locale()}")
    expanded = os.path.expanduser(path)
    owner = expanded.split("/")[0]
    if expanded.startswith("~") and not os.path.lexists(owner):
        raise ConfigError(f"{what} is {brief(path)}, and there is no home of {brief(owner)}; give it in full")
    return expanded


def check_file(what: str, path: str, needed: str = "") -> None:
    """Raise ConfigError (exit 64) where something else than a file is at the path of one to be written; see `local`."""
    if os.path.exists(path) and not os.path.isfile(path):
        kind = "a folder" if os.path.isdir(path) else "a pipe, a socket or a device"
        raise ConfigError(f"{what} is {brief(path)}, which is {kind}, must be a file, new or to be replaced; {needed}")


def _is_name(path: str) -> bool:
    """Whether a path can be written to a file as UTF-8, and be given to the system."""
    try:
        return b"\0" not in path.encode() + os.fsencode(path)
    except UnicodeEncodeError:
        return False


def _instead(path: str, scheme: str) -> str:
    plain = re.sub(r"^file:(//(localhost)?(?=/))?", "", path, flags=re.IGNORECASE)
    if scheme == "file" and not plain.startswith("//"):
        return f"give {brief(unquote(plain))}"
    if scheme in DOWNLOADED:
        return "download it, and give the path of the copy"
    return "mount what it names, or copy it here, and give that path"


def _of_locale() -> str:
    # With a locale of ASCII, every other letter of a path is bytes without a meaning.
    encoding = sys.getfilesystemencoding()
    return "" if encoding == "utf-8" else f" (the encoding of this locale is {encoding}; set LC_ALL=C.UTF-8)"

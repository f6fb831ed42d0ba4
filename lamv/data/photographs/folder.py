"""The files and folders below a folder of photographs.

Hidden files are passed over, and so is __MACOSX. Symbolic links are followed inside the folder and refused where they lead
out of it. What is neither file nor folder (a link to nothing, a pipe, a device) is refused and never opened.
"""

import os
import stat
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from lamv.errors import DataError, and_more, shown
from lamv.files import kind_of

ENDINGS = (".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")

# Links may lead to a folder in several ways, and so on from there: a few of them can make any number of names.
MOST_LEVELS, MOST_WAYS = 64, 16


class Tree(NamedTuple):
    """What is below a folder, by relative "/"-separated name: size and time (ns) of files; folders; gone: photographs that
    are links to nothing, with the message.
    """

    files: dict[str, tuple[int, int]]
    folders: list[str]
    gone: dict[str, str]


def walk(name: str, folder: Path, on_broken: str) -> Tree:
    """All regular files and folders below a folder, hidden ones left out.

    name: of the data set, for messages. Raises DataError for a symbolic link that leads outside, or to a folder that it is
    in; for what is neither file nor folder, naming the first and counting the others, except links to nothing in place of
    photographs under "skip"; for a folder with the name of a photograph, a name that is not UTF-8, and endless folders.
    """
    root = os.path.realpath(folder)
    tree, odd, ways = Tree({}, [], {}), {}, Counter()
    # Folders to look into: relative name, and the real paths on the way to it.
    left: list[tuple[str, tuple[str, ...]]] = [("", (root,))]
    while left:
        prefix, way = left.pop()
        with os.scandir(way[-1]) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name == "__MACOSX":
                    continue
                file = prefix + entry.name
                if file != file.encode(errors="ignore").decode():
                    raise DataError(f"{name}: {shown(folder / file)}: the name is not UTF-8; rename it")
                real = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
                mode = _mode_of(entry)
                inside = real.startswith(os.path.join(root, "")) and real not in way
                if mode is not None and entry.is_symlink() and not inside:
                    raise DataError(
                        f"{name}: {shown(folder / file)}: is a link to {shown(real)}, outside the folder or around in a"
                        " circle; put the files themselves there"
                    )
                if mode is None or not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                    odd[file] = f"is {kind_of(Path(entry.path))}"
                elif stat.S_ISREG(mode):
                    of_file = entry.stat()
                    tree.files[file] = of_file.st_size, of_file.st_mtime_ns
                else:
                    ways[real] += 1
                    _check_folder(name, folder / file, len(way), ways[real])
                    tree.folders.append(file)
                    left.append((f"{file}/", (*way, real)))
    if on_broken == "skip":
        tree.gone.update({file: why for file, why in odd.items() if why.startswith("is a link") and is_image(file)})
    odd = {file: why for file, why in odd.items() if file not in tree.gone}
    for file in sorted(odd)[:1]:
        fetch = "fetch the files first (git annex get, dvc pull)"
        way_out = fetch if odd[file].startswith("is a link") else "take it away"
        raise DataError(f"{name}: {shown(folder / file)} {odd[file]}{and_more(odd)}; {way_out}")
    return tree


def _mode_of(entry: os.DirEntry) -> int | None:
    """Of what an entry is or leads to; None of a link to nothing or to itself."""
    try:
        return entry.stat().st_mode
    except OSError:
        if entry.is_symlink() and not os.path.exists(entry.path):
            return None
        raise


def _check_folder(name: str, path: Path, level: int, ways: int) -> None:
    if is_image(path.name):
        raise DataError(f"{name}: {shown(path)} is a folder with the name of a photograph; rename it, or take it away")
    if level > MOST_LEVELS:
        where = shown(path)
        raise DataError(f"{name}: {where[:200]}... lies {level} folders deep; at most {MOST_LEVELS} are looked into")
    if ways > MOST_WAYS:
        raise DataError(
            f"{name}: {shown(path)}: links lead there in more than {MOST_WAYS} ways; put the files themselves there"
        )


def is_image(name: str) -> bool:
    """Whether a file's ending is that of an image."""
    return name.lower().endswith(ENDINGS)

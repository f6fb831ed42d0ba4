"""What can be done to the files of a workdir."""

import os
import random
from collections.abc import Callable
from pathlib import Path

FILES = ("config.json", "provenance.json", "metrics.jsonl", "timing.jsonl", "summary.json", "DONE", ".lock")
#: Kinds of files in a checkpoint, as patterns below its folder.
PARTS = {
    "arrays": "state/ocdbt.process_0/d/*", "other arrays": "state/d/*", "manifest": "state/manifest.ocdbt",
    "inner manifest": "state/ocdbt.process_0/manifest.ocdbt", "tree": "state/_METADATA", "seal": "meta/metadata",
    "label": "_CHECKPOINT_METADATA", "mark": "commit_success.txt", "mark of arrays": "state/commit_success.txt",
    "mark of seal": "meta/commit_success.txt",
}  # fmt: skip


def steps(workdir: Path) -> list[int]:
    return sorted(int(path.name) for path in (workdir / "checkpoints").iterdir() if path.name.isdigit())


def pick(workdir: Path, kind: str, chance: random.Random) -> Path:
    """A file of that kind: of FILES, or of the newest checkpoint."""
    if kind in FILES:
        return workdir / kind
    folder = workdir / "checkpoints" / str(steps(workdir)[-1])
    # Their names are random, and the large ones hold the arrays.
    found = sorted(folder.glob(PARTS[kind]), key=lambda path: path.stat().st_size)
    return chance.choices(found, [path.stat().st_size for path in found])[0]


def flip(path: Path, chance: random.Random) -> str:
    """One bit of a file; returns which."""
    content = bytearray(path.read_bytes())
    place, bit = chance.randrange(len(content)), chance.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(content)
    return f"bit {bit} of byte {place} of {len(content)} in {path.name}"


def spoil_newest(workdir: Path, chance: random.Random) -> None:
    """The newest checkpoint cannot be read."""
    path = pick(workdir, "arrays", chance)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _zeros(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    start = chance.randrange(len(content)) if content else 0
    content[start:] = bytes(len(content) - start)
    path.write_bytes(content)


def _foreign(path: Path, chance: random.Random) -> None:
    """Lines that are not ours, somewhere or at the end."""
    lines = path.read_bytes().splitlines(keepends=True)
    place = chance.choice([len(lines), chance.randrange(len(lines) + 1)])
    own = lines[chance.randrange(len(lines))] if lines else b"\n"
    new = chance.choice([b"{}\n", b"hello\n", b'{"step": 10}\n', b"\xff\xfe\n", b"null\n", own, b"\n\n", b'{"step": '])
    path.write_bytes(b"".join([*lines[:place], new, *lines[place:]]))


SHAPES = (
    "{}", "[]", "null", "3", '"text"', "NaN", "[[[]]]", "[" * 3000, '{"a": ' * 3000, '{"rows": 3}', '{"rows": [3]}',
    '{"rows": [{"name": "ERM", "config": {}}]}', '{"metrics": 3, "notes": []}', '{"data": 3}', '{"history": 3}', "1e999",
    "1" * 5000,
)  # fmt: skip


def _shape(path: Path, chance: random.Random) -> None:
    path.write_text(chance.choice(SHAPES) + chance.choice(["", "\n"]))


def _truncated(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(max(path.stat().st_size, 1)))


def _folder(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.mkdir()
    if chance.random() < 0.5:
        (path / "something").write_text("in it")


def _pipe(path: Path, chance: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path, chance: random.Random) -> None:
    """To nothing, to itself, or to where the file now lies."""
    moved = path.parent / f"{path.name}.moved"
    path.rename(moved)
    path.symlink_to(chance.choice(["nowhere", path.name, moved.name]))


def _device(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


DAMAGES: dict[str, Callable[[Path, random.Random], object]] = {
    "truncated": _truncated,
    "emptied": lambda path, _: path.write_bytes(b""),
    "deleted": lambda path, _: path.unlink(),
    "a folder": _folder,
    "a pipe": _pipe,
    "a link": _link,
    "a device": _device,
    "zeros": _zeros,
    "foreign lines": _foreign,
    "another shape": _shape,
}

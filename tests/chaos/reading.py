"""Flip one bit of a checkpoint, read it, put it back; so many times: python -m tests.chaos.reading WORKDIR SEED TIMES.

The last line of stdout counts: read, how often; refused; harmless, the same values; wrong, other values without a word.
"""

import json
import random
import sys
from pathlib import Path

import numpy as np

from lamv import config as configs
from lamv.errors import LamvError
from lamv.train.checkpoint import Checkpoints
from lamv.train.tracking import recorded

STEP = 40


def main(workdir: Path, seed: int, times: int) -> None:
    chance, run = random.Random(seed), recorded(workdir)
    sys.unraisablehook = lambda _: None
    folder = workdir / "checkpoints"
    checkpoints = Checkpoints.reading(folder, configs.fingerprint(run), [row["name"] for row in run["rows"]])
    whole = checkpoints.read(STEP).tree
    files = sorted(
        (path for path in (folder / str(STEP)).rglob("*") if path.is_file()), key=lambda path: path.stat().st_size
    )
    found = dict.fromkeys(("read", "refused", "harmless", "wrong"), 0)
    for _ in range(times):
        path = chance.choices(files, [path.stat().st_size for path in files])[0]
        before = path.read_bytes()
        content = bytearray(before)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        try:
            tree = checkpoints.read(STEP).tree
            found["harmless" if _equal(tree, whole) else "wrong"] += 1
        except (Exception, LamvError):
            found["refused"] += 1
        found["read"] += 1
        path.write_bytes(before)
    print(json.dumps(found))


def _equal(one, other) -> bool:
    return one.keys() == other.keys() and all(
        one[row].keys() == other[row].keys() and all(np.array_equal(one[row][k], other[row][k]) for k in other[row])
        for row in other
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

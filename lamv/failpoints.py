"""Where a run may be killed on purpose, to see that it comes back: see tests/chaos.py.

LAMV_FAIL=NAME:N kills the process, as kill -9 would, when it comes by the point NAME for the N-th time.
"""

import os
import signal

POINTS = {
    "advanced": "a piece of training is done, nothing of it written",
    "appended": "lines were added to metrics.jsonl or timing.jsonl",
    "saving": "a checkpoint is about to be written",
    "saved": "a checkpoint is written, what it replaces not yet removed",
    "putting_aside": "a damaged checkpoint was found, and is about to be moved",
    "replacing": "a file is written beside the one that it will replace: lines brought back, summary, evaluation, report",
}
_name, _, _number = os.environ.get("LAMV_FAIL", "").partition(":")
_left = int(_number) if _number.isdecimal() else 1


def failpoint(name: str) -> None:
    """Come by the point of that name in POINTS."""
    global _left
    if name != _name:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)

"""Stopping by SIGTERM, or by SIGINT (Ctrl-C).

A command listens from its first import on (`listen`). It may be abandoned at any moment, as its files are written whole: a
thread ends the process at once, with one line and exit code 75, even while the main thread imports or compiles. Only
training holds a signal back (`StopRequest`) until its step is saved; a second signal does not wait.

Where no command listens (a notebook, a test), `StopRequest` handles signals itself. Several processes must agree on where
to stop: there JAX listens, and `leave_to_jax` is called first.
"""

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Generator
from typing import Any

from lamv import files

EXIT_CODE = 75
SIGNALS = (signal.SIGTERM, signal.SIGINT)

_lock = threading.Lock()
_listening = False
_holder: "StopRequest | None" = None


def listen() -> None:
    """Handle signals from now on, in a thread. To be called from the main thread."""
    global _listening
    heard, wakes = os.pipe()
    os.set_blocking(wakes, False)
    # The interpreter's own handler writes the number of a signal here at once, whatever the main thread is doing.
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    _listening = True
    os.register_at_fork(after_in_child=_let_go)
    threading.Thread(target=_watch, args=(heard,), daemon=True, name="signals").start()


def finished() -> None:
    """Ignore signals while the interpreter shuts down: all is done."""
    if _listening:
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def leave_to_jax() -> None:
    """Stop listening."""
    if _listening:
        _let_go()


class StopRequest:
    """A context in which the first signal is only remembered in `asked`, by its name."""

    def __init__(self):
        self.asked = ""
        self._may_end = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        global _holder
        with _lock:
            _holder = self
        if not _listening and threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(self, kind, *_) -> None:
        global _holder
        with _lock:
            _holder = None
        self._restore()
        if self.asked and kind is None and _listening:
            _end(f"stopped by {self.asked} after the last step, which is saved")

    @contextlib.contextmanager
    def nothing_to_lose(self, so: bool = True) -> Generator[None]:
        """Within this, a signal ends the process at once, if `so` and a command listens."""
        with _lock:
            self._may_end = so
        try:
            yield
        finally:
            with _lock:
                self._may_end = False

    def takes(self, name: str) -> bool:
        """Whether a signal is remembered rather than obeyed; the caller has the lock."""
        if self.asked or self._may_end:
            return False
        self.asked = name
        return True

    def _heard(self, number, frame) -> None:
        self.asked = signal.Signals(number).name
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _watch(heard: int) -> None:
    while numbers := os.read(heard, 1):
        if numbers[0] not in SIGNALS:
            continue
        name = signal.Signals(numbers[0]).name
        with _lock:
            if _holder is not None and _holder.takes(name):
                continue
            again = "a second " if _holder is not None and _holder.asked else ""
            _end(f"stopped by {again}{name}; what was saved is kept")


def _end(what: str) -> None:
    """End the process at once: nothing is unwound, so nothing can hang or fail."""
    files.remove_unfinished()
    with contextlib.suppress(OSError, ValueError):
        shown = "\n\x1b[?25h" if sys.stderr.isatty() else ""  # a progress bar hides the cursor
        # A full pipe without a reader would block.
        if select.select([], [2], [], 1.0)[1]:
            os.write(2, f"{shown}error: {what}; run the same command again\n".encode())
    os._exit(EXIT_CODE)


def _let_go() -> None:
    global _listening
    _listening = False
    with contextlib.suppress(ValueError):
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)

"""Ctrl-C that is not lost: Python drops what is raised in a finaliser or a collector's hook."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class _Note:
    """A handler of SIGINT that notes it, then interrupts as Python does."""

    def __init__(self) -> None:
        self.interrupted = threading.Event()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.interrupted.set()
        signal.default_int_handler(number, frame)


@contextmanager
def noted() -> Iterator[threading.Event]:
    """Yield an event that is set once the user has interrupted, whoever met the exception.

    Within another block of the kind it is the same event. Where Python has dropped the exception,
    it does not print it either: whoever looks at the event raises it again (`stop_if`). Where
    signals are not ours to handle (another thread, a handler of the caller's, a job in the
    background that ignores them) it is never set, and an interruption is what it always was.
    """
    ours = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if ours else None
    if isinstance(handler, _Note):
        yield handler.interrupted
        return
    note = _Note()
    if handler is not signal.default_int_handler:
        yield note.interrupted
        return
    shown = sys.unraisablehook

    def hook(dropped: sys.UnraisableHookArgs) -> None:
        if not (note.interrupted.is_set() and dropped.exc_type is KeyboardInterrupt):
            shown(dropped)

    try:
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, note)
        yield note.interrupted
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.unraisablehook = shown


def stop_if(interrupted: threading.Event) -> None:
    """Interrupt where the user has, and Python has dropped it.

    Raises
    ------
    KeyboardInterrupt
    """
    if interrupted.is_set():
        raise KeyboardInterrupt

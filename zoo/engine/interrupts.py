"""Ctrl-C that is not lost: Python drops what is raised in a finaliser or a collector's hook."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType


class _Note:
    """A handler of SIGINT that notes it, then interrupts as Python does."""

    def __init__(self) -> None:
        self.interrupted = threading.Event()
        self.held = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        first = not self.interrupted.is_set()
        self.interrupted.set()
        if not (self.held and first):
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


@contextmanager
def held() -> Iterator[None]:
    """Let the first interruption wait for the end of the block, which is short; a second does not.

    Outside `noted` an interruption is what it always was.
    """
    handler = signal.getsignal(signal.SIGINT)
    ours = threading.current_thread() is threading.main_thread()
    if not ours or not isinstance(handler, _Note):
        yield
        return
    handler.held = True
    try:
        yield
    finally:
        handler.held = False
    stop_if(handler.interrupted)


@contextmanager
def unheard() -> Iterator[None]:
    """Keep SIGINT from the threads that the block starts, and from all that is started by those.

    A terminal sends it to every process; this thread hears it after the block.
    """
    if sys.platform == "win32":
        yield
        return
    # Python's own helper, once started by one of those threads, would make it hear again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stop_if(interrupted: threading.Event) -> None:
    """Interrupt where the user has, and Python has dropped it.

    Raises
    ------
    KeyboardInterrupt
    """
    if interrupted.is_set():
        raise KeyboardInterrupt

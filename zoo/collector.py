"""Python's garbage collector, put to rest where nothing becomes garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Let the collector rest while this lasts.

    The plan of a large grid is a few hundred thousand objects that all live until it is printed;
    looking through them again and again takes a fifth of its time.
    """
    was_at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_at_work:
            gc.enable()

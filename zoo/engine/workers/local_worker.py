"""Loaded by every worker process that a run starts on its own machine."""

from __future__ import annotations

import signal
import threading
from typing import Any

from tqdm import tqdm


def dask_setup(worker: Any) -> None:  # noqa: ARG001
    """Leave Ctrl-C, which a terminal sends to all, to the run: it ends its workers.

    Progress bars get a lock of this process alone. Their own is a semaphore of the system, which a
    worker that is killed leaves behind, and Python's resource tracker warns of that at the end.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tqdm.set_lock(threading.RLock())

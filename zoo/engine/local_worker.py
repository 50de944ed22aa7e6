"""Loaded by every worker process that a run starts on its own machine."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:  # noqa: ARG001
    """Leave Ctrl-C, which a terminal sends to all, to the run: it ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

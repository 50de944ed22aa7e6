"""Runs one stage in several processes of this machine, which train together."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.errors import UserError
from zoo.registries import PLUGINS
from zoo.stages._context import Context

#: Stages that know how to share their work.
SHARED = frozenset({"condition"})

WORKER = "zoo.engine.worker"
#: Seconds between two looks at the processes.
LOOK = 0.05


class ProcessFailed(RuntimeError):
    """A process of a shared stage ended with an error that is not the user's."""


def run_shared(
    stage: str,
    inputs: Mapping[str, Path],
    params: Mapping[str, Any],
    out: Path,
    context: Context,
    processes: int,
) -> None:
    """Run ``zoo.stages.<stage>`` in `processes` processes; return when all of them are done.

    Each gets its own device where they are GPUs, else an equal part of the threads. They meet
    through accelerate (NCCL on GPUs, Gloo on the CPU). They end when this process does, in
    whatever way: the lock that it holds is theirs, too.

    Raises
    ------
    UserError
        One of them raised it.
    ProcessFailed
        One of them failed otherwise; its traceback is in the notes.
    """
    with tempfile.TemporaryDirectory(prefix="zoo-processes-") as folder:
        job = Path(folder) / "job.json"
        job.write_text(
            json.dumps(
                {
                    "stage": stage,
                    "inputs": {role: str(path) for role, path in inputs.items()},
                    "params": params,
                    "out": str(out),
                    "context": {
                        "work": str(context.work),
                        "data_root": _text(context.data_root),
                        "image_root": _text(context.image_root),
                        "weights_root": _text(context.weights_root),
                        "device": context.device,
                        "threads": _share_of_threads(context.threads, processes),
                    },
                    "plugins": PLUGINS,
                }
            )
        )
        started = [
            _start(job, rank, processes, port)
            for port in [_free_port()]
            for rank in range(processes)
        ]
        try:
            failed = _wait(started)
        finally:
            for process in started:
                process.kill()
                process.wait()
                assert process.stdin is not None
                process.stdin.close()
        if failed is not None:
            _raise(Path(folder), failed, started[failed].returncode)


def _start(job: Path, rank: int, count: int, port: int) -> subprocess.Popen[bytes]:
    """Start one process; its standard input ends when ours does, and it with it."""
    environment = {
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "PYTHONPATH": os.pathsep.join(_search_path()),
    }
    if sys.platform == "linux":  # a host whose name has no address is no reason to fail
        environment.setdefault("GLOO_SOCKET_IFNAME", "lo")
    return subprocess.Popen(
        [sys.executable, "-P", "-m", WORKER, str(job)],  # without the current folder in front
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=None if rank == 0 else subprocess.DEVNULL,  # the first one shows progress
        env=environment,
    )


def _search_path() -> list[str]:
    """Return where we import from; the current folder only where this package lies in it."""
    root = Path(__file__).resolve().parents[2]
    found = [path or str(root) for path in sys.path if path or Path.cwd() == root]
    return found if str(root) in found else [*found, str(root)]


def _share_of_threads(threads: int | None, processes: int) -> int:
    return max(1, (threads or os.cpu_count() or 1) // processes)


def _wait(started: list[subprocess.Popen[bytes]]) -> int | None:
    """Return the first process that fails, or None when all have ended well."""
    while True:
        codes = [process.poll() for process in started]
        for rank, code in enumerate(codes):
            if code:
                return rank
        if all(code == 0 for code in codes):
            return None
        time.sleep(LOOK)


def _raise(folder: Path, rank: int, code: int) -> None:
    """Raise what the processes wrote down; the first to fail takes the others with it."""
    reports = [json.loads(path.read_text()) for path in sorted(folder.glob("error-*.json"))]
    if not reports:
        raise ProcessFailed(
            f"process {rank} ended with code {code} and no message"
            + ("; was there memory enough for all of them?" if code < 0 else "")
        )
    cause = min(reports, key=lambda report: (not report["user"], report["time"]))
    if cause["user"]:
        raise UserError(cause["message"])
    error = ProcessFailed(f"process {cause['rank']}: {cause['message']}")
    error.add_note(cause["traceback"])
    raise error


def _free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)

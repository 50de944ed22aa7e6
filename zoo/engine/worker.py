"""One of the processes that run a stage together: ``python -m zoo.engine.worker JOB``.

Started by `zoo.engine.distribute`, which sets the variables that accelerate reads.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from registry.errors import UserError
from zoo.engine.plan import STAGES
from zoo.processes import Processes
from zoo.registries import add_plugin
from zoo.stages._context import Context


def main(job_file: Path) -> int:
    """Run this process's part of the job; return the exit code."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    job = json.loads(job_file.read_text())
    rank = int(os.environ["RANK"])
    try:
        _run(job)
    except Exception as error:  # whatever it is, the parent has to hear of it
        report = {
            "rank": rank,
            "user": isinstance(error, UserError),
            "message": str(error)
            if isinstance(error, UserError)
            else f"{type(error).__name__}: {error}",
            "traceback": traceback.format_exc(),
            "time": time.time(),
        }
        partial = job_file.with_name(f"writing-{rank}.json")
        partial.write_text(json.dumps(report))
        partial.rename(job_file.with_name(f"error-{rank}.json"))
        return 1
    return 0


def _run(job: dict[str, Any]) -> None:
    import torch
    from accelerate import PartialState

    cpu = job["context"]["device"] == "cpu"
    state = PartialState(cpu=cpu, backend="gloo" if cpu else None)
    assert state.num_processes == int(os.environ["WORLD_SIZE"]), state
    torch.set_num_threads(job["context"]["threads"])
    for plugin in job["plugins"]:
        add_plugin(plugin)
    given = job["context"]
    context = Context(
        work=Path(given["work"]),
        data_root=_path(given["data_root"]),
        image_root=_path(given["image_root"]),
        weights_root=_path(given["weights_root"]),
        device=str(state.device),
        threads=given["threads"],
        processes=Processes(state.process_index, state.num_processes),
    )
    stage = importlib.import_module(f"{STAGES}.{job['stage']}")
    inputs = {role: Path(path) for role, path in job["inputs"].items()}
    stage.run(inputs, job["params"], Path(job["out"]), context)
    state.wait_for_everyone()
    state.destroy_process_group()


def _end_with_parent() -> None:
    """End at once when the parent is gone: its lock has fallen, and another run may begin."""
    while os.read(0, 1):
        pass
    os._exit(3)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

"""A run of toy cells in a process of its own: ``python toy_run.py STORE OUT SEEDS '{options}'``.

Prints the run's counts as JSON. Workers that it starts import this file, too.
"""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from engine_toys import CELL, add_parts, recipe

from zoo.engine import plan as planning
from zoo.engine.run import run


def main(store: str, out: str, seeds: str, options: str) -> None:
    """Run `CELL` once for each of the seeds."""
    add_parts(pytest.MonkeyPatch())
    planning.STAGES = "toy_stages"
    sys.modules["zoo.report"] = SimpleNamespace(write_report=lambda folder: folder)
    cells = [replace(CELL, id=f"seed={n}", seed=n) for n in range(int(seeds))]
    try:
        done = run(recipe(*cells), store=store, out=Path(out), **json.loads(options))
    except KeyboardInterrupt:
        sys.exit(130)
    failed = [failure.message for failure in done.failures]
    print(json.dumps({"ran": done.ran, "reused": done.reused, "failed": failed}))


if __name__ == "__main__":
    # As at a terminal: what a shell starts in the background ignores Ctrl-C, and hands that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(*sys.argv[1:])

"""How the processes of a shared stage are started: where they import from, their threads."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

import registry
from zoo.engine import distribute
from zoo.stages._context import Context

WORKER = """
import sys, random, registry, zoo
from pathlib import Path
Path(sys.argv[1]).write_text("\\n".join(m.__file__ for m in (random, registry, zoo)))
"""


@pytest.mark.parametrize("front", ["/nowhere", ""], ids=["a-script", "python-c"])
def test_files_in_the_current_folder_take_no_module_s_place(
    front: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, modules = tmp_path / "here", tmp_path / "modules"
    for name in ("random.py", "registry/__init__.py", "zoo/__init__.py"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text("raise SystemExit('the file in the current folder')")
    modules.mkdir()
    (modules / "a_worker.py").write_text(WORKER)
    monkeypatch.chdir(here)
    monkeypatch.setattr(distribute, "WORKER", "a_worker")
    root = str(Path(distribute.__file__).resolve().parents[2])
    others = [path for path in sys.path if path]
    monkeypatch.setattr(sys, "path", [front, *others, str(modules)])
    process = distribute._start(tmp_path / "imported", 0, 1, 1)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert (tmp_path / "imported").read_text().splitlines() == [
        random.__file__,
        registry.__file__,
        str(Path(root) / "zoo/__init__.py"),
    ]


def test_a_package_in_the_current_folder_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    root = str(Path(distribute.__file__).resolve().parents[2])
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "path", ["", "/elsewhere"])
    assert distribute._search_path() == [root, "/elsewhere"]
    monkeypatch.setattr(sys, "path", ["/elsewhere"])
    assert distribute._search_path() == ["/elsewhere", root]


@pytest.mark.parametrize(
    ("threads", "processes", "each"), [(8, 2, 4), (7, 2, 3), (1, 2, 1), (None, 3, 4)]
)
def test_processes_share_the_threads(
    threads: int | None,
    processes: int,
    each: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = []

    def start(job: Path, *_: object) -> subprocess.Popen[bytes]:
        jobs.append(json.loads(job.read_text()))
        return subprocess.Popen([sys.executable, "-S", "-c", ""], stdin=subprocess.PIPE)

    monkeypatch.setattr(distribute, "_start", start)
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    context = Context(
        work=tmp_path, data_root=None, image_root=None, weights_root=None, device="cpu",
        threads=threads,
    )  # fmt: skip
    distribute.run_shared("condition", {}, {}, tmp_path / "out", context, processes)
    assert [job["context"]["threads"] for job in jobs] == [each] * processes

"""Ctrl-C: noted where Python drops it, wherever in a run it comes."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from engine_toys import add_parts, recipe

from zoo.engine import execute as executing
from zoo.engine import plan as planning
from zoo.engine import run as running
from zoo.engine.interrupts import held, noted, stop_if, unheard
from zoo.engine.run import run
from zoo.engine.store import Store


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add_parts(monkeypatch)
    monkeypatch.setattr(planning, "STAGES", "toy_stages")
    monkeypatch.setitem(sys.modules, "zoo.report", SimpleNamespace(write_report=lambda _: None))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _as_at_a_terminal() -> Iterator[None]:
    """A shell's background jobs ignore Ctrl-C, the tests among them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Python would print of exceptions that it drops."""
    found: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", found.append)
    return found


@contextmanager
def hooked(hook: Any) -> Iterator[None]:
    gc.callbacks.append(hook)
    try:
        yield
    finally:
        gc.callbacks.remove(hook)


def lost_interruption() -> None:
    """Interrupt while a collector's hook runs: Python drops what the handler raises."""

    def hook(phase: str, _info: object) -> None:
        if phase == "start":
            os.kill(os.getpid(), signal.SIGINT)

    with hooked(hook):
        gc.collect()


def test_an_interruption_that_python_drops_is_noted(shown: list[Any]) -> None:
    with noted() as interrupted:
        stop_if(interrupted)
        lost_interruption()
        assert interrupted.is_set()
        with pytest.raises(KeyboardInterrupt):
            stop_if(interrupted)
    assert not shown, "the run tells of it"


def test_other_exceptions_that_python_drops_are_shown(shown: list[Any]) -> None:
    def hook(_phase: str, _info: object) -> None:
        raise ValueError

    with noted(), hooked(hook):
        gc.collect()
    assert {one.exc_type for one in shown} == {ValueError}
    shown.clear()
    lost_interruption()
    assert [one.exc_type for one in shown] == [KeyboardInterrupt], "nobody has noted it"


def test_blocks_within_each_other_note_the_same() -> None:
    with noted() as outer:
        with noted() as inner:
            assert inner is outer
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert outer.is_set()


def test_an_interruption_waits_for_the_end_of_a_block() -> None:
    done = []

    def work(times: int) -> None:
        with held():
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
                done.append(times)
        done.append("behind it")

    with noted(), pytest.raises(KeyboardInterrupt):
        work(times=1)
    with noted(), pytest.raises(KeyboardInterrupt):
        work(times=2)
    with pytest.raises(KeyboardInterrupt):
        work(times=3)  # nobody has noted it
    assert done == [1, 2]


def test_processes_of_unhearing_threads_do_not_hear() -> None:
    """Nor do those that Python's own helper is first needed for."""
    said = []

    def start() -> None:
        multiprocessing.get_context("spawn").Queue()  # semaphores: the helper
        code = "import signal as s; print(s.SIGINT in s.pthread_sigmask(s.SIG_BLOCK, []))"
        said.append(subprocess.check_output([sys.executable, "-c", code], text=True))

    with unheard():
        thread = threading.Thread(target=start)
        thread.start()
    thread.join()
    assert said == ["True\n"]
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_handler_of_the_caller_stays() -> None:
    seen = []
    signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    with noted() as interrupted:
        os.kill(os.getpid(), signal.SIGINT)
    assert (seen, interrupted.is_set()) == ([1], False)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("when", ["planning", "first stage", "last stage"])
def test_a_run_ends_whenever_the_interruption_came(
    when: str, monkeypatch: pytest.MonkeyPatch, shown: list[Any]
) -> None:
    if when == "planning":
        make = running.make_plan

        def plan(*arguments: Any) -> Any:
            lost_interruption()
            return make(*arguments)

        monkeypatch.setattr(running, "make_plan", plan)
    else:
        work, ends = executing.run_task, {"first stage": 1, "last stage": 17}[when]
        ran = []

        def run_task(*arguments: Any) -> Any:
            ran.append(1)
            if len(ran) == ends:
                lost_interruption()
            return work(*arguments)

        monkeypatch.setattr(executing, "run_task", run_task)
    with pytest.raises(KeyboardInterrupt):
        run(recipe(), store="store")
    done = {"planning": 0, "first stage": 1, "last stage": 17}[when]
    assert len(Store("store").entries()) == done
    assert not Path("runs/toys").exists()
    assert not shown

"""Runs the nodes of a plan in order: failures isolated, killed runs resumed."""

from __future__ import annotations

import copy
import gc
import importlib
import json
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry.errors import UserError
from zoo.engine import plan as planning
from zoo.engine.distribute import SHARED, run_shared
from zoo.engine.graph import Node, Plan
from zoo.engine.roots import Roots
from zoo.engine.store import Store
from zoo.engine.versions import versions
from zoo.stages._context import Context

#: Seconds after which a node may have held a model worth collecting.
LONG = 1.0


@dataclass(frozen=True)
class Failure:
    """A node that raised, or that was blocked because an input failed."""

    label: str
    message: str
    traceback: str | None = None
    blocked: bool = False


@dataclass
class Outcome:
    """What happened to each node.

    Parameters
    ----------
    seconds : dict
        Key -> compute time, of this run or of the run that published the node. Of a training that
        was interrupted, all its parts count, of its preparations only those of the last attempt.
    ran, reused : list of str
        Keys.
    failures : dict
        Key -> Failure.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    failures: dict[str, Failure] = field(default_factory=dict)


def execute(
    plan: Plan,
    store: Store,
    roots: Roots,
    *,
    device: str = "cpu",
    threads: int | None = None,
    processes: int = 1,
    say: Callable[[str], None] | None = None,
) -> Outcome:
    """Run what the store lacks, in the plan's order.

    A node that fails blocks its dependants and nothing else. Everything runs in this process,
    except that conditioners train in as many as `processes` says.

    Raises
    ------
    UserError
        From a node that every figure depends on: nothing of the request can be met. From any
        other node it is a failure like every error.
    """
    say = say or (lambda text: print(text, file=sys.stderr, flush=True))
    outcome = Outcome()
    essential = _essential(plan)
    to_run = len(plan.to_run)
    if to_run:
        prepare_torch(device, threads, processes)
    for key, node in plan.nodes.items():
        blocked = [role for role in node.inputs.values() if role in outcome.failures]
        if blocked:
            first = outcome.failures[blocked[0]]
            message = first.message if first.blocked else f"not run: {first.label} failed"
            outcome.failures[key] = Failure(node.label, message, blocked=True)
            continue
        store.touch(key)  # before looking, so that nobody prunes what is found
        state = store.state(key)
        if state == "valid":
            outcome.reused.append(key)
            outcome.seconds[key] = store.manifest(key).get("seconds", 0.0)
            continue
        if state == "damaged":
            say(f"the stored result of {node.label} is damaged; it is made again")
        say(f"[{len(outcome.ran) + len(outcome.failures) + 1}/{to_run}] {node.label}")
        try:
            outcome.seconds[key] = _run_node(node, store, roots, device, threads, processes, say)
            outcome.ran.append(key)
        except UserError as error:
            if key in essential:
                raise
            outcome.failures[key] = Failure(node.label, str(error))
        except Exception as error:
            # Any error of a stage fails its cell only; the traceback goes to the run folder.
            message = f"{type(error).__name__}: {error}"
            outcome.failures[key] = Failure(node.label, message, traceback.format_exc())
        if key in outcome.failures:
            say(f"    failed: {outcome.failures[key].message}")
        if outcome.seconds.get(key, LONG) >= LONG:
            _free()
    return outcome


def _essential(plan: Plan) -> set[str]:
    """Return the nodes that every figure of the plan depends on; without figures, every picture;
    without either, all nodes.
    """
    by_stage = {
        stage: [plan.upstream(key) for key, node in plan.nodes.items() if node.stage == stage]
        for stage in ("evaluate", "generate")
    }
    ends = by_stage["evaluate"] or by_stage["generate"]
    return set.intersection(*ends) if ends else set(plan.nodes)


def _run_node(
    node: Node,
    store: Store,
    roots: Roots,
    device: str,
    threads: int | None,
    processes: int,
    say: Callable[[str], None],
) -> float:
    """Run one node under its lock, publish it and return the seconds it took."""
    with ExitStack() as stack:
        try:  # around the lock alone: a stage may run into a timeout of its own
            stack.enter_context(store.lock(node.key, timeout=0))
        except TimeoutError:
            say("    another run is working on it; waiting")
            stack.enter_context(store.lock(node.key))
        return _run_locked(node, store, roots, device, threads, processes)


def _run_locked(
    node: Node, store: Store, roots: Roots, device: str, threads: int | None, processes: int
) -> float:
    if store.valid(node.key):  # another process has just published it
        return float(store.manifest(node.key)["seconds"])
    for stale in (store.root / "temporary").glob(f"{node.key}.*"):
        shutil.rmtree(stale)
    began = time.monotonic()
    context = Context(
        work=store.work(node.key),
        data_root=roots.data,
        image_root=roots.images,
        weights_root=roots.weights,
        device=device,
        threads=threads,
    )
    out = store.temporary(node.key)
    try:
        stage = importlib.import_module(f"{planning.STAGES}.{node.stage}")
        inputs = {role: store.path(key) for role, key in node.inputs.items()}
        together = processes if node.stage in SHARED else 1
        if together > 1:
            run_shared(node.stage, inputs, node.params, out, context, together)
        else:
            stage.run(inputs, copy.deepcopy(node.params), out, context)
        seconds = max(time.monotonic() - began, _trained_for(out / f"{node.stage}.json"))
        facts = _facts(node, seconds, device, threads)
        store.publish(node.key, out, {**facts, "processes": together})
    finally:
        shutil.rmtree(out, ignore_errors=True)  # published: already renamed away
    store.clear_work(node.key)
    return seconds


def _trained_for(report: Path) -> float:
    """Return the seconds of training that a stage reports, those before a kill included."""
    return float(json.loads(report.read_text()).get("seconds", 0)) if report.is_file() else 0.0


def _facts(node: Node, seconds: float, device: str, threads: int | None) -> dict[str, Any]:
    return {
        "stage": node.stage,
        "label": node.label,
        "params": node.params,
        "inputs": node.inputs,
        "code": node.code.digest,
        "modules": node.code.modules,
        "libraries": node.code.libraries,
        "seconds": round(seconds, 3),
        "made_with": versions(),
        "device": device,
        "threads": threads,
    }


def prepare_torch(device: str, threads: int | None, processes: int = 1) -> None:
    """Make sure of the device and fix the number of threads, before anything is computed.

    Raises
    ------
    UserError
        Torch cannot use the device here.
    """
    _require_device(device, processes)
    _set_threads(threads)


def _require_device(device: str, processes: int) -> None:
    """Refuse a device that torch cannot use here, before every stage fails on it."""
    if device == "cpu":
        return
    import torch

    if processes > 1 and device != "cuda":
        raise UserError(
            f"--processes {processes} takes the first {processes} GPUs: say --device cuda, "
            f"not {device}"
        )
    if processes > max(1, torch.cuda.device_count()):
        raise UserError(
            f"--processes {processes}: there are {torch.cuda.device_count()} GPUs; "
            "name at most as many"
        )

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"--device {device}: torch cannot use it here ({reason}); "
            "leave --device out to run on the CPU"
        ) from error


def _set_threads(threads: int | None) -> None:
    """Fix the thread count of torch and of the BLAS behind NumPy."""
    if threads is None:
        return
    import threadpoolctl
    import torch

    torch.set_num_threads(threads)
    threadpoolctl.threadpool_limits(threads)


def _free() -> None:
    """Drop the models of the node that has just ended."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()

"""One node as a task: key in, key out, idempotent, errors returned rather than raised."""

from __future__ import annotations

import copy
import gc
import importlib
import json
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry.errors import UserError
from zoo.engine import plan as planning
from zoo.engine.distribute import SHARED, run_shared
from zoo.engine.graph import Node
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


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where and how tasks run: nothing of it changes a result. Plain data, to be sent elsewhere.

    Parameters
    ----------
    store : Path
        The store's folder.
    roots : Roots
        Recordings, pictures and weights.
    device : str
        Torch device.
    threads : int or None
        Threads of torch and BLAS; None leaves them alone.
    processes : int
        How many train a conditioner together.
    stages : str
        Package of the stage modules.
    """

    store: Path
    roots: Roots = field(default_factory=Roots)
    device: str = "cpu"
    threads: int | None = None
    processes: int = 1
    stages: str = field(default_factory=lambda: planning.STAGES)


@dataclass(frozen=True)
class Done:
    """How a task ended.

    Parameters
    ----------
    key : str
        Of the node.
    seconds : float or None
        Compute time, of this task or of whoever published the node; None where it failed.
    ran : bool
        False where the store held the node already.
    failure : Failure or None
        Why there is no result.
    mistake : UserError or None
        What was raised, where the failure is a mistake of the request.
    """

    key: str
    seconds: float | None = None
    ran: bool = False
    failure: Failure | None = None
    mistake: UserError | None = None


def look_up(node: Node, store: Store, say: Callable[[str], None]) -> Done | None:
    """Return `node` as it lies in the store, or None where it has to be made."""
    store.touch(node.key)  # before looking, so that nobody prunes what is found
    state = store.state(node.key)
    if state == "valid":
        return Done(node.key, store.manifest(node.key).get("seconds", 0.0))
    if state == "damaged":
        say(f"the stored result of {node.label} is damaged; it is made again")
    return None


def run_task(node: Node, setting: Setting, say: Callable[[str], None]) -> Done:
    """Make sure that the store holds `node`, whose inputs it holds; never raises an error."""
    store = Store(setting.store)
    try:
        with ExitStack() as stack:
            try:  # around the lock alone: a stage may run into a timeout of its own
                stack.enter_context(store.lock(node.key, timeout=0))
            except TimeoutError:
                say("    another run is working on it; waiting")
                stack.enter_context(store.lock(node.key))
            done = run_locked(node, store, setting)
    except UserError as error:
        done = Done(node.key, failure=Failure(node.label, str(error)), mistake=error)
    except Exception as error:
        # Any error of a stage fails its cell only; the traceback goes to the run folder.
        message = f"{type(error).__name__}: {error}"
        done = Done(node.key, failure=Failure(node.label, message, traceback.format_exc()))
    if done.seconds is None or done.seconds >= LONG:
        _free()
    return done


def blocked(node: Node, failures: Mapping[str, Failure]) -> Failure | None:
    """Return why `node` cannot run: the first of its inputs that failed, if there is one."""
    failed = [failures[key] for key in node.inputs.values() if key in failures]
    if not failed:
        return None
    first = failed[0]
    message = first.message if first.blocked else f"not run: {first.label} failed"
    return Failure(node.label, message, blocked=True)


def run_locked(node: Node, store: Store, setting: Setting) -> Done:
    """Run one node, whose lock is held, and publish it; errors of the stage are raised."""
    if store.valid(node.key):  # another process has just published it
        return Done(node.key, float(store.manifest(node.key)["seconds"]))
    for stale in (store.root / "temporary").glob(f"{node.key}.*"):
        shutil.rmtree(stale)
    began = time.monotonic()
    context = Context(
        work=store.work(node.key),
        data_root=setting.roots.data,
        image_root=setting.roots.images,
        weights_root=setting.roots.weights,
        device=setting.device,
        threads=setting.threads,
    )
    out = store.temporary(node.key)
    try:
        stage = importlib.import_module(f"{setting.stages}.{node.stage}")
        inputs = {role: store.path(key) for role, key in node.inputs.items()}
        together = setting.processes if node.stage in SHARED else 1
        if together > 1:
            run_shared(node.stage, inputs, node.params, out, context, together)
        else:
            stage.run(inputs, copy.deepcopy(node.params), out, context)
        seconds = max(time.monotonic() - began, _trained_for(out / f"{node.stage}.json"))
        facts = _facts(node, seconds, setting.device, setting.threads)
        store.publish(node.key, out, {**facts, "processes": together})
    finally:
        shutil.rmtree(out, ignore_errors=True)  # published: already renamed away
    store.clear_work(node.key)
    return Done(node.key, seconds, ran=True)


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


def _free() -> None:
    """Drop the models of the node that has just ended.

    What is left are the libraries that it loaded, a million objects: they are put where the next
    collection does not look. `execute` gives them back; a worker, which keeps the libraries as long
    as it lives, does not: what else is frozen there are some twenty small objects a stage.
    """
    gc.collect()
    gc.freeze()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()

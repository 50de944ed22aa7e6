"""Runs the nodes of a plan as Dask tasks, as many at a time as there are workers."""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from registry.errors import UserError
from zoo.engine.alike import Ours, difference, require_alike, wait_until
from zoo.engine.cluster import GPU, Workers, connected
from zoo.engine.device import prepare_torch
from zoo.engine.graph import Node, Plan
from zoo.engine.store import Store
from zoo.engine.task import Done, Failure, Setting, blocked, look_up, run_task
from zoo.progress import bar

if TYPE_CHECKING:
    from distributed import Client, Future

#: Stages that want a GPU where the device is one.
ON_GPU = frozenset({"encode", "condition", "generate", "features", "judge"})
#: The topic under which workers tell what they begin.
TOPIC = "zoo"


def spread(
    plan: Plan,
    store: Store,
    setting: Setting,
    workers: Workers,
    *,
    essential: set[str],
    say: Callable[[str], None],
) -> list[Done]:
    """Run what the store lacks on `workers`; return how every node ended, in the plan's order.

    No worker is started where the store holds everything.

    Raises
    ------
    UserError
        The workers cannot be had or are not like this process; or from an `essential` node.
    """
    found = {key: look_up(node, store, say) for key, node in plan.nodes.items()}
    ended = {key: done for key, done in found.items() if done is not None}
    lacking = [node for key, node in plan.nodes.items() if key not in ended]
    if lacking:
        setting = replace(setting, threads=workers.threads(setting.threads))
        ours = Ours()
        with connected(workers, setting.device) as client:
            require_alike(client, ours, setting)
            _require_gpu(client, lacking, setting, workers)
            _say_who(client, say)
            ended |= _Run(client, lacking, store, setting, ours, essential, say).all()
    return _in_order(plan, ended)


def _in_order(plan: Plan, ended: dict[str, Done]) -> list[Done]:
    """Return what one process would have found, whichever order the nodes ended in."""
    failures: dict[str, Failure] = {}
    ordered = []
    for key, node in plan.nodes.items():
        in_the_way = blocked(node, failures)
        done = Done(key, failure=in_the_way) if in_the_way else ended[key]
        if done.failure is not None:
            failures[key] = done.failure
        ordered.append(done)
    return ordered


def _resources(node: Node, setting: Setting) -> dict[str, float] | None:
    wanted = setting.device.partition(":")[0] == "cuda" and node.stage in ON_GPU
    return {GPU: 1} if wanted else None


def _require_gpu(client: Client, nodes: list[Node], setting: Setting, workers: Workers) -> None:
    """Refuse workers without the resource: tasks that ask for it would wait for ever."""
    there = client.scheduler_info(n_workers=-1)["workers"].values()
    offered = any(worker["resources"].get(GPU, 0) >= 1 for worker in there)
    if there and not offered and any(_resources(node, setting) for node in nodes):
        raise UserError(
            f"--device {setting.device}: no worker of {workers.address} offers the resource {GPU}; "
            f'start it with: dask worker {workers.address} --nthreads 1 --resources "{GPU}=1"'
        )


def _say_who(client: Client, say: Callable[[str], None]) -> None:
    count = len(client.scheduler_info(n_workers=-1)["workers"])
    workers = "1 worker" if count == 1 else f"{count} workers"
    say(f"  on {workers}" if count else "  no worker has come yet; waiting")


class _Run:
    """One plan on its way through a cluster."""

    def __init__(
        self,
        client: Client,
        nodes: list[Node],
        store: Store,
        setting: Setting,
        ours: Ours,
        essential: set[str],
        say: Callable[[str], None],
    ) -> None:
        self.client, self.nodes, self.store, self.essential = client, nodes, store, essential
        self.setting, self.ours = setting, ours
        # In a log file the lines tell enough.
        self.bar = bar("stages", len(nodes), unit="stage", shown=sys.stderr.isatty())
        self.print = say
        self.labels: dict[str, str] = {}
        self.announced: set[str] = set()

    def all(self) -> dict[str, Done]:
        """Run all nodes; return how each ended."""
        from distributed import as_completed

        ended: dict[str, Done] = {}
        with ExitStack() as stack:
            stack.enter_context(self.bar)
            stack.enter_context(self.client.as_current())
            self.client.subscribe_topic(TOPIC, self.hear)
            stack.callback(self.client.unsubscribe_topic, TOPIC)
            futures = self.submit()
            # Also when interrupted; what is wanted by another client goes on for it.
            stack.callback(self.client.cancel, list(futures))
            for future in as_completed(futures, raise_errors=False):
                node = futures[future]
                done = self.ended(future, node)
                if done.mistake is not None and node.key in self.essential:
                    raise done.mistake
                ended[node.key] = done
                self.announce(future.key)
                if done.failure is not None and not done.failure.blocked:
                    self.say(f"    failed: {node.label}: {done.failure.message}")
                self.bar.update()
        return ended

    def submit(self) -> dict[Future, Node]:
        """Hand all nodes to the scheduler, those of the plan's beginning first."""
        digest = hashlib.sha256(repr((self.setting, self.ours)).encode()).hexdigest()[:8]
        futures: dict[str, Future] = {}
        for position, node in enumerate(self.nodes):
            # Equal for equal requests alone, so that two clients share what both want.
            name = f"{node.key}-{digest}"
            self.labels[name] = node.label
            before = [futures[key] for key in node.inputs.values() if key in futures]
            futures[node.key] = self.client.submit(
                run_on_worker, node, self.setting, self.ours, name, *before,
                key=name, pure=True, priority=-position,
                resources=_resources(node, self.setting),
            )  # fmt: skip
        return {futures[node.key]: node for node in self.nodes}

    def ended(self, future: Future, node: Node) -> Done:
        """Return how a task ended, in words of this run."""
        if future.status == "finished":
            done: Done = future.result()
            if done.failure is not None:  # another client may have asked first
                return replace(done, failure=replace(done.failure, label=node.label))
            if wait_until(partial(self.store.valid, node.key)):
                return done
            message = f"was made, but cannot be seen in the store {self.store.root} from here"
            return Done(node.key, failure=Failure(node.label, message))
        if future.status != "error":
            raise UserError(
                "the Dask scheduler is gone or has given up the tasks of this run; what is "
                "finished is in the store: the same command goes on from there"
            )
        return Done(node.key, failure=_lost(future, node))

    def hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """Take what a worker tells while it is at work."""
        name, text = event[1]["name"], event[1]["text"]
        if name not in self.labels:  # of another client
            return
        if text is not None:
            self.say(text)
        elif name in self.announced:
            self.say(f"    a worker ended; {self.labels[name]} begins again")
        else:
            self.announce(name)

    def announce(self, name: str) -> None:
        """Say that a task has begun, unless that was said."""
        if name not in self.announced:
            self.announced.add(name)
            self.say(f"[{len(self.announced)}/{len(self.nodes)}] {self.labels[name]}")

    def say(self, text: str) -> None:
        """Print a line above the progress bar."""
        with self.bar.external_write_mode():
            self.print(text)


def _lost(future: Future, node: Node) -> Failure:
    """Return the failure of a task that brought no answer, or that waited for such a one."""
    from distributed import KilledWorker

    error = future.exception()
    if isinstance(error, KilledWorker):
        message = (
            f"the worker died {error.allowed_failures + 1} times while running it; "
            "did it have memory enough (--worker-memory)?"
        )
        return Failure(node.label, message, blocked=error.task != future.key)
    text = "".join(traceback.format_exception(error))
    return Failure(node.label, f"{type(error).__name__}: {error}", text)


def run_on_worker(node: Node, setting: Setting, ours: Ours, name: str, *before: Done) -> Done:
    """Run one node in a worker, unless one of those `before` it failed.

    The answer is plain data; nothing but the death of the worker raises.
    """
    failures = {done.key: done.failure for done in before if done.failure is not None}
    in_the_way = blocked(node, failures)
    if in_the_way:
        return Done(node.key, failure=in_the_way)
    _tell(name, None)
    try:
        _make_ready(node, setting, ours)
        done = run_task(node, setting, partial(_tell, name))
    except UserError as error:
        done = Done(node.key, failure=Failure(node.label, str(error)), mistake=error)
    return replace(done, mistake=_portable(done.mistake))


def _make_ready(node: Node, setting: Setting, ours: Ours) -> None:
    """Make sure of what was not asked before: workers come and go while a run lasts."""
    wrong = difference(ours, setting)
    if wrong:
        raise UserError(f"worker {_worker().address} {wrong}")
    store = Store(setting.store)
    for role, key in node.inputs.items():
        if not wait_until(partial(store.valid, key)):
            raise UserError(
                f"worker {_worker().address} does not see the {role} {key} in the store "
                f"{setting.store}; all machines have to share that folder, under the same path"
            )
    prepare_torch(setting.device, setting.threads)


def _portable(mistake: UserError | None) -> UserError | None:
    """Return an error that can be sent: a subclass may need more than its text to be made."""
    if mistake is None:
        return None
    sent = UserError(str(mistake))
    sent.add_note("".join(traceback.format_exception(mistake)))
    return sent


def _tell(name: str, text: str | None) -> None:
    """Tell the clients that a task begins (no text), or what it says."""
    _worker().log_event(TOPIC, {"name": name, "text": text})


def _worker() -> Any:
    from distributed import get_worker

    return get_worker()

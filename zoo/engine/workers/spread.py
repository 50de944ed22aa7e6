"""Runs the nodes of a plan as Dask tasks, as many at a time as there are workers."""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from registry.errors import UserError
from zoo.engine.device import prepare_torch
from zoo.engine.graph import Node, Plan
from zoo.engine.interrupts import noted, stop_if
from zoo.engine.store import Store
from zoo.engine.task import Done, Failure, Setting, blocked, look_up, run_task
from zoo.engine.workers.alike import Ours, difference, require_alike, wait_until
from zoo.engine.workers.capacity import GONE, ON_GPU, SLOT, capacity, require_gpu, wants
from zoo.engine.workers.cluster import GPU, Workers, connected
from zoo.progress import bar

if TYPE_CHECKING:
    from distributed import Client, Future

#: Seconds after which workers that have come are seen, if no stage ends before.
LOOK = 1.0
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
            require_gpu(client, lacking, setting, workers)
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


def _say_who(client: Client, say: Callable[[str], None]) -> None:
    count = len(client.scheduler_info(n_workers=-1)["workers"])
    workers = "1 worker" if count == 1 else f"{count} workers"
    say(f"  on {workers}" if count else "  no worker has come yet; waiting")


class _Run:
    """One plan on its way through a cluster.

    The scheduler gets no more at a time than there are workers to run it, each node when its
    inputs are there: so none queues behind a long one while a worker is idle, results need not
    outlive a worker, and a death is laid at the door of the one stage that the worker was at.
    """

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
        self.digest = hashlib.sha256(repr((setting, ours)).encode()).hexdigest()[:8]
        # In a log file the lines tell enough.
        self.bar = bar("stages", len(nodes), unit="stage", shown=sys.stderr.isatty())
        self.print = say
        self.under_way: dict[str, tuple[Node, Future]] = {}  # by the name of the task
        self.finished: SimpleQueue[Future] = SimpleQueue()
        self.announced: set[str] = set()

    def all(self) -> dict[str, Done]:
        """Run all nodes; return how each ended."""
        waiting = {node.key: node for node in self.nodes}
        ended: dict[str, Done] = {}
        with ExitStack() as stack:
            stack.enter_context(self.bar)
            stack.enter_context(self.client.as_current())
            self.client.subscribe_topic(TOPIC, self.hear)
            stack.callback(self.client.unsubscribe_topic, TOPIC)
            stack.callback(self.cancel)  # also when interrupted
            interrupted = stack.enter_context(noted())
            while waiting or self.under_way:
                stop_if(interrupted)
                for node in self.choose(waiting, ended):
                    self.submit(node)
                try:
                    future = self.finished.get(timeout=LOOK)
                except Empty:
                    continue
                node, _ = self.under_way[future.key]
                done = self.ended(future, node)
                del self.under_way[future.key]
                if done.mistake is not None and node.key in self.essential:
                    raise done.mistake
                ended[node.key] = done
                self.announce(node)
                if done.failure is not None:
                    self.say(f"    failed: {node.label}: {done.failure.message}")
                self.bar.update()
        return ended

    def choose(self, waiting: dict[str, Node], ended: dict[str, Done]) -> list[Node]:
        """Take what can run now out of `waiting`, those of the plan's beginning first; what
        cannot because an input failed goes to `ended`.
        """
        failures = {key: done.failure for key, done in ended.items() if done.failure is not None}
        free = capacity(self.client)
        for node, _ in self.under_way.values():
            free.subtract(wants(node, self.setting))
        lacking = {*waiting, *(node.key for node, _ in self.under_way.values())}
        chosen = []
        for key, node in list(waiting.items()):
            if free[SLOT] <= 0:
                break
            wanted = wants(node, self.setting)
            in_the_way = blocked(node, failures)
            if in_the_way:
                ended[key] = Done(key, failure=in_the_way)
                failures[key] = in_the_way
                lacking.remove(key)
                del waiting[key]
                self.bar.update()
            elif lacking.isdisjoint(node.inputs.values()) and wanted <= free:
                chosen.append(node)
                free.subtract(wanted)
                del waiting[key]
        return chosen

    def submit(self, node: Node) -> None:
        """Hand one node to the scheduler."""
        # Equal for equal requests alone, so that two clients share what both want.
        name = f"{node.key}-{self.digest}"
        wanted = wants(node, self.setting)
        future = self.client.submit(
            run_on_worker, node, self.setting, self.ours, name,
            key=name, pure=True, resources={GPU: wanted[GPU]} if wanted[GPU] else None,
        )  # fmt: skip
        self.under_way[name] = node, future
        future.add_done_callback(self.finished.put)

    def cancel(self) -> None:
        """Give up what is under way; what another client wants goes on for it."""
        self.client.cancel([future for _, future in self.under_way.values()])

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
            raise UserError(GONE)
        return Done(node.key, failure=_lost(future, node))

    def hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """Take what a worker tells while it is at work."""
        name, text = event[1]["name"], event[1]["text"]
        if name not in self.under_way:  # of another client
            return
        node, _ = self.under_way[name]
        if text is not None:
            self.say(f"{text} ({node.label})")
        elif node.key in self.announced:
            self.say(f"    a worker ended; {node.label} begins again")
        else:
            self.announce(node)

    def announce(self, node: Node) -> None:
        """Say that a node has begun, unless that was said."""
        if node.key not in self.announced:
            self.announced.add(node.key)
            self.say(f"[{len(self.announced)}/{len(self.nodes)}] {node.label}")

    def say(self, text: str) -> None:
        """Print a line above the progress bar."""
        with self.bar.external_write_mode():
            self.print(text)


def _lost(future: Future, node: Node) -> Failure:
    """Return the failure of a task that brought no answer."""
    from distributed import KilledWorker

    error = future.exception()
    if isinstance(error, KilledWorker):
        message = (
            f"the worker died {error.allowed_failures + 1} times while running it; "
            "did it have memory enough (--worker-memory)?"
        )
        return Failure(node.label, message)
    text = "".join(traceback.format_exception(error))
    return Failure(node.label, f"{type(error).__name__}: {error}", text)


def run_on_worker(node: Node, setting: Setting, ours: Ours, name: str) -> Done:
    """Run one node in a worker; the answer is plain data, and only the worker's death raises."""
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
    # What needs no GPU may be on a machine without one.
    prepare_torch(setting.device if node.stage in ON_GPU else "cpu", setting.threads)


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

"""Runs the nodes of a plan in order, in this process or on workers; failures stay isolated."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from zoo.engine.device import prepare_torch
from zoo.engine.graph import Plan
from zoo.engine.interrupts import noted, stop_if
from zoo.engine.roots import Roots
from zoo.engine.store import Store
from zoo.engine.task import Done, Failure, Setting, blocked, look_up, run_task
from zoo.engine.workers.cluster import Workers


@dataclass
class Outcome:
    """What happened to each node.

    Parameters
    ----------
    seconds : dict
        Key -> compute time, of this run or of the run that published the node. Of a training that
        was interrupted, all its parts count, of its preparations only those of the last attempt.
    ran, reused : list of str
        Keys, in the plan's order.
    failures : dict
        Key -> Failure.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    failures: dict[str, Failure] = field(default_factory=dict)

    def note(self, done: Done) -> None:
        """Keep how a task ended."""
        if done.failure is not None:
            self.failures[done.key] = done.failure
            return
        assert done.seconds is not None
        self.seconds[done.key] = done.seconds
        (self.ran if done.ran else self.reused).append(done.key)


def execute(
    plan: Plan,
    store: Store,
    roots: Roots,
    *,
    device: str = "cpu",
    threads: int | None = None,
    processes: int = 1,
    workers: Workers | None = None,
    say: Callable[[str], None] | None = None,
) -> Outcome:
    """Run what the store lacks, in the plan's order.

    A node that fails blocks its dependants and nothing else. Everything runs in this process,
    except that conditioners train in as many as `processes` says, or all of it on `workers`.

    Raises
    ------
    UserError
        From a node that every figure depends on: nothing of the request can be met. From any
        other node it is a failure like every error. Also where the workers cannot be had.
    """
    say = say or (lambda text: print(text, file=sys.stderr, flush=True))
    setting = Setting(
        store=store.root, roots=roots, device=device, threads=threads, processes=processes
    )
    with noted() as interrupted:
        if workers is not None:
            outcome = _on_workers(plan, store, setting, workers, say)
        else:
            try:
                outcome = _one_by_one(plan, store, setting, interrupted, say)
            finally:
                gc.unfreeze()  # what `run_task` has frozen may be the caller's
        stop_if(interrupted)
    return outcome


def _on_workers(
    plan: Plan, store: Store, setting: Setting, workers: Workers, say: Callable[[str], None]
) -> Outcome:
    from zoo.engine.workers.spread import spread

    outcome = Outcome()
    for done in spread(plan, store, setting, workers, essential=_essential(plan), say=say):
        outcome.note(done)
    return outcome


def _one_by_one(
    plan: Plan,
    store: Store,
    setting: Setting,
    interrupted: threading.Event,
    say: Callable[[str], None],
) -> Outcome:
    outcome = Outcome()
    essential = _essential(plan)
    number, to_run = 0, len(plan.to_run)
    if to_run:
        prepare_torch(setting.device, setting.threads, setting.processes)
    for key, node in plan.nodes.items():
        stop_if(interrupted)
        in_the_way = blocked(node, outcome.failures)
        if in_the_way:
            number += 1
            outcome.note(Done(key, failure=in_the_way))
            continue
        done = look_up(node, store, say)
        if done is None:
            number += 1
            say(f"[{number}/{to_run}] {node.label}")
            done = run_task(node, setting, say)
        if done.mistake is not None and key in essential:
            raise done.mistake
        outcome.note(done)
        if done.failure is not None:
            say(f"    failed: {done.failure.message}")
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
